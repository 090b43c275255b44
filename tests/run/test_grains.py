"""Hours, weeks, months and drops taken through the whole graph: what arrives, what waits, what is held."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from orchestration.graph.headless import judge, rerun
from orchestration.graph.instance import open_instance
from orchestration.operations.status import Standing
from tests.company import Company, held, runs
from tests.gate.edits import replace
from tests.observatory import (
    DAY,
    FEBRUARY,
    HOURS,
    JANUARY,
    WEEK,
    archived,
    land_hour,
    land_plan,
    land_recording,
    land_week,
    open_observatory,
)
from tests.typed import sluice_apart

pytestmark = pytest.mark.stories(2)


@pytest.fixture
def observatory(tmp_path: Path) -> Iterator[Company]:
    """An observatory of which the stations and January's plan have landed."""
    with open_observatory(tmp_path) as company:
        yield company


def test_an_hour_goes_out_by_itself_and_the_last_one_completes_its_day(observatory: Company) -> None:
    for hour in HOURS[:3]:
        land_hour(observatory, hour, a=100.5, b=200)
    assert runs(observatory.run()) == [("", True), *((hour, True) for hour in HOURS[:3]), (JANUARY, True)]
    assert archived(observatory, "hour_readings")[HOURS[1]] == [
        ("2024-01-01 21:15:00", "a", "100.5"),
        ("2024-01-01 21:15:00", "b", "200.0"),
    ]
    assert archived(observatory, "day_sums") == {}
    waiting = observatory.status()["exp_day_sums", DAY]
    assert (waiting.standing, waiting.why) == (Standing.WAITING, f"for raw.readings [{HOURS[3]}] of 4")

    land_hour(observatory, HOURS[3], a=1)
    assert runs(observatory.run()) == [(HOURS[3], True), (DAY, True)]
    assert archived(observatory, "day_sums") == {
        DAY: [(DAY, "a", "A hill", "4", "4", "302.5"), (DAY, "b", "B hill", "3", None, "600.0")]
    }

    land_hour(observatory, HOURS[0], a=0.5, b=200)  # corrected: that hour again, and what is made of it
    assert runs(observatory.run()) == [(HOURS[0], True), (DAY, True)]
    assert archived(observatory, "day_sums")[DAY][0] == (DAY, "a", "A hill", "4", "4", "202.5")
    assert runs(observatory.run()) == []
    assert observatory.status()["exp_day_sums", DAY].standing is Standing.DELIVERED


def test_a_bad_hour_holds_its_day_until_it_is_corrected(observatory: Company) -> None:
    for hour in HOURS:
        land_hour(observatory, hour, a=-1 if hour == HOURS[2] else 1)
    events = observatory.run()
    assert (HOURS[2], False) in runs(events)
    assert DAY not in archived(observatory, "day_sums")
    assert set(held(events)) == {("exp_hour_readings", HOURS[2]), ("exp_day_sums", DAY)}
    assert f"raw.readings [{HOURS[2]}]" in observatory.status()["exp_day_sums", DAY].why
    assert set(archived(observatory, "hour_readings")) == set(HOURS) - {HOURS[2]}

    land_hour(observatory, HOURS[2], a=1)
    assert runs(observatory.run()) == [(HOURS[2], True), (DAY, True)]
    assert archived(observatory, "day_sums")[DAY] == [(DAY, "a", "A hill", "4", "4", "4.0")]


def test_a_week_waits_for_both_months_that_it_lies_in(observatory: Company) -> None:
    land_week(observatory, WEEK, "2024-01-31")
    assert runs(observatory.run()) == [("", True), (JANUARY, True), (WEEK, True)]
    assert archived(observatory, "week_offsets") == {}
    waiting = observatory.status()["exp_week_offsets", WEEK]
    assert waiting.why == "for raw.plans [2024-02] of 2"

    land_plan(observatory, FEBRUARY, readings=6)
    assert runs(observatory.run()) == [(FEBRUARY, True), (WEEK, True)]
    assert archived(observatory, "week_offsets") == {WEEK: [("2024-01-29", "a", "0.5", "2024-02-01", "6")]}
    assert set(archived(observatory, "month_plans")) == {JANUARY, FEBRUARY}


def test_every_recording_is_a_partition_of_its_own(observatory: Company) -> None:
    land_recording(observatory, "quake-7", 0.25, 8.5)
    land_recording(observatory, "lorry", 99, 0.5)  # beyond the needle
    events = observatory.run()
    assert runs(events) == [("", True), (JANUARY, True), ("lorry", False), ("quake-7", True)]
    assert held(events) == [("exp_recording_peaks", "lorry")]
    assert archived(observatory, "recording_peaks") == {"quake-7": [("quake-7", "8.500", "2")]}
    with open_instance(observatory.settings) as instance:
        assert set(instance.get_dynamic_partitions("drops_of_recordings")) == {"lorry", "quake-7"}
    assert observatory.materialized("delivered/exp_recording_peaks") == {"quake-7"}

    land_recording(observatory, "lorry", 9, 0.5)
    assert runs(observatory.run()) == [("lorry", True)]
    assert archived(observatory, "recording_peaks")["lorry"] == [("lorry", "9.000", "2")]


def test_a_hand_builds_an_hour_anew_and_the_day_that_it_is_in(observatory: Company) -> None:
    for hour in HOURS[:2]:
        land_hour(observatory, hour, a=1)
    observatory.run()
    with open_instance(observatory.settings) as instance:

        def done(table: str, key: str) -> list[tuple[str, bool, set[str]]]:
            found = rerun(observatory.desk(instance), table, key)
            return [(item.run.partition_key, item.success, set(item.run.relations)) for item in found]

        of_the_hour = {"staging.stg_readings", "exports.exp_hour_readings"}
        # The day was never built, as two hours are missing; it is not begun with.
        assert done("staging.stg_readings", HOURS[0]) == [(HOURS[0], True, of_the_hour)]
        for hour in HOURS[2:]:
            land_hour(observatory, hour, a=1)
        observatory.run()
        assert done("staging.stg_readings", HOURS[0]) == [
            (HOURS[0], True, of_the_hour),
            (DAY, True, {"marts.day_sums", "exports.exp_day_sums"}),
        ]
    assert observatory.status()["exp_day_sums", DAY].standing is Standing.DELIVERED
    assert archived(observatory, "day_sums")[DAY] == [(DAY, "a", "A hill", "4", "4", "4.0")]


def test_hours_and_drops_are_judged_by_tighter_rules_and_nothing_is_built(observatory: Company) -> None:
    for hour in HOURS:
        land_hour(observatory, hour, a=800 if hour == HOURS[1] else 100)
    land_recording(observatory, "quake-7", 0.25, 8.5)
    land_recording(observatory, "quake-8", 0.25, 2)
    observatory.run()
    company = observatory.with_own_project()
    for name, loose, tight in (("readings", 90000, 500), ("recordings", 9, 5)):
        rule = replace(f"expectations/stg_{name}.yml", f"max_value: {loose}}}", f"max_value: {tight}}}")
        rule(company.settings.project_dir)

    def judged(table: str, *keys: str) -> dict[str, bool]:
        with open_instance(company.settings) as instance:
            found = judge(company.desk(instance), table, *keys)
        assert not found.failures
        said = {item.partition_key: True for item in found.checks}
        return said | {item.partition_key: False for item in found.checks if not item.passed}

    assert judged("staging.stg_readings", HOURS[0], HOURS[-1]) == {hour: hour != HOURS[1] for hour in HOURS}
    assert judged("staging.stg_recordings", "quake-7") == {"quake-7": False}
    assert judged("staging.stg_recordings", "quake-8", "quake-8") == {"quake-8": True}
    gate = company.site.gate_report("exp_recording_peaks", "quake-7")
    assert {(item.relation, item.check) for item in gate.closed_by} == {
        ("staging.stg_recordings", "expectations")
    }
    with pytest.raises(ValueError, match="drops of `recordings` have no order"):
        judged("staging.stg_recordings", "quake-7", "quake-8")
    with pytest.raises(ValueError, match="expected a key of its grain, hourly, as 2022-10-05-00:00"):
        judged("staging.stg_readings", DAY)


def test_the_sensor_asks_for_a_run_of_every_grain_and_names_new_drops(observatory: Company) -> None:
    land_hour(observatory, HOURS[0], a=1)
    land_week(observatory, WEEK, "2024-01-31")
    land_recording(observatory, "quake-7", 0.25)
    repository = observatory.definitions.get_repository_def()
    with open_instance(observatory.settings) as instance:
        # The daemon's way: it is by its reference that a tick finds the instance's drops.
        context = dg.SensorEvaluationContext(
            instance_ref=instance.get_ref(),
            last_tick_completion_time=None,
            last_run_key=None,
            cursor=None,
            repository_name=None,
            repository_def=repository,
            log_key=None,
        )
        with context:
            result = repository.get_sensor_def("drops").evaluate_tick(context)
    requests = {request.partition_key: request for request in result.run_requests or []}
    assert set(requests) == {None, HOURS[0], JANUARY, WEEK, "quake-7"}
    assert {request.partition_keys[0] for request in result.dynamic_partitions_requests or []} == {"quake-7"}
    selected = {key.to_user_string() for key in requests["quake-7"].asset_selection or []}
    assert selected == {
        "raw/recordings", "staging/stg_recordings", "exports/exp_recording_peaks",
        "delivered/exp_recording_peaks",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("export", "key", "said"),
    [
        (
            "exp_hour_readings",
            DAY,
            "expects --partition with a key of its grain, hourly, as 2022-10-05-00:00",
        ),
        (
            "exp_week_offsets",
            "2024-W05-2",
            "expects --partition with a key of its grain, weekly, as 2022-W40-1",
        ),
        ("exp_month_plans", "january", "expects --partition with a key of its grain, monthly, as 2022-10"),
        ("exp_recording_peaks", DAY, "expects --partition with the id of a drop of `recordings`"),
    ],
)
def test_a_key_of_another_grain_is_refused_with_an_example(
    observatory: Company, export: str, key: str, said: str
) -> None:
    code, _, complained = sluice_apart(observatory, "why", export, "--partition", key)
    assert code != 0
    assert said in " ".join(complained.split())
