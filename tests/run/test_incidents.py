"""What is wrong, from a run that fails to the page of whoever is on call, and to its end.

Belongs here: real runs by command and sensor, beside a double of PagerDuty. Does not: the sender alone
(`tests/incidents/test_telling.py`), kinds of troubles (`tests/incidents/test_kinds.py`).
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import (
    InProcessCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, TickData, TickStatus
from dagster._core.storage.tags import AUTO_RETRY_RUN_ID_TAG, PARTITION_NAME_TAG
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster_shared.error import SerializableErrorInfo
from pydantic import SecretStr

from orchestration.graph.incidents import failed_runs, failing_sensors, incidents_sensor, look_at
from orchestration.graph.instance import open_instance
from orchestration.operations.due_run import TRY_TAG, Try
from orchestration.operations.status import Standing
from tests.company import SHOP_ORDERS, TUE, WEATHER_REPORT, WED, Company, runs
from tests.doubles.pagerduty import PagerDutyDouble
from tests.doubles.serving import serve
from tests.incidents.places import KEY
from tests.run.test_second_starts import by_command
from tests.run.test_sensor_ticks import tick
from tests.typed import sluice

pytestmark = [pytest.mark.long, pytest.mark.stories(2)]
ALERTS = """
channels:
  oncall: {type: pagerduty, connection: pagerduty}
routes:
  - {to: oncall}
"""
_TYPED = re.compile(r"`(sluice [^`…]+)`")


@dataclass
class Called:
    """A bakery, and who is called."""

    company: Company
    pager: PagerDutyDouble

    def at(self, **passed: float) -> "Called":
        """The same, a while from now."""
        return self._when(datetime.now(UTC) + timedelta(**passed))

    def later(self, **passed: float) -> "Called":
        """The same, a while from when it is there."""
        return self._when(self.company.clock() + timedelta(**passed))

    def _when(self, then: datetime) -> "Called":
        later = replace(self.company, clock=lambda: then)
        vars(later)["project"] = self.company.project
        return Called(later, self.pager)

    def look(self) -> Any:
        with open_instance(self.company.settings) as instance:
            return look_at(self.company.desk(instance), print, print)

    def tick(self) -> str | None:
        """One of the sensor's, as the daemon evaluates it."""
        with open_instance(self.company.settings) as instance:
            context = dg.SensorEvaluationContext(
                instance_ref=None, instance=instance, last_tick_completion_time=None,
                definitions=self.company.definitions,
            )  # fmt: skip
            return incidents_sensor(self.company.site).evaluate_tick(context).skip_message

    @property
    def told(self) -> list[tuple[str, str]]:
        """(action, what it is with) of all that the pager took, but the summary of the first look."""
        events = [one for one in self.pager.events if ":summary" not in one["dedup_key"]]
        return [(one["event_action"], one["dedup_key"].split(":", 2)[2]) for one in events]


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[PagerDutyDouble, str]]:
    pager = PagerDutyDouble(KEY)
    with serve(pager.app) as made:
        yield pager, made


@pytest.fixture
def called(open_bakery: Company, address: tuple[PagerDutyDouble, str]) -> Called:
    pager, there = address
    pager.events.clear()
    pager.alerts.clear()
    company = open_bakery.with_own_project()
    (company.settings.project_dir / "alerts.yaml").write_text(ALERTS)
    connections = {**company.settings.connections, "pagerduty": SecretStr(f"pagerduty://:{KEY}@{there}")}
    settings = company.settings.model_copy(
        update={"connections": connections, "ui_url": "https://ui.example"}
    )
    made = Called(replace(company, settings=settings), pager)
    made.look()
    pager.events.clear()
    return made


TABLE = f"table:staging.stg_weather:{TUE}"


@pytest.mark.parametrize("down", [False, True], ids=["up", "down in between"])
@pytest.mark.sampled(2)
def test_a_broken_day_is_one_page_and_its_correction_one_resolve(called: Called, down: bool) -> None:
    company = called.company
    company.land_orders(TUE, a=4)
    company.land_weather(TUE, rain=-1)
    if down:
        called.pager.faults.fail(503)
    code, said = sluice(company, "run")
    assert code == 1
    assert f"opened: staging.stg_weather [{TUE}]" in said
    [number] = re.findall(r"`sluice incident show (\d+)`", said)
    code, shown = sluice(company, "incident", "show", number)
    assert code == 0
    for text in ("holds up exp_weather_report", "https://ui.example/runs/", f"sluice incident ack {number}"):
        assert text in shown
    for command in dict.fromkeys(_TYPED.findall(shown)):
        assert sluice(company, *shlex.split(command)[1:])[0] in (0, 1), command
    code, listed = sluice(company, "incident", "list")
    assert (code, f"staging.stg_weather [{TUE}]" in listed) == (1, True)
    company.land_weather(TUE, rain=1)
    code, said = sluice(company, "run")
    assert code == 0, said
    assert f"resolved: staging.stg_weather [{TUE}]" in said
    if down:
        assert called.told == []
        called.at(minutes=1).look()
    assert called.told == [("trigger", TABLE), ("resolve", TABLE)]
    assert not [key for key in called.pager.open if ":summary" not in key]
    assert "stg_weather" not in sluice(company, "incident", "list")[1]
    assert "stg_weather" in sluice(company, "incident", "list", "--all")[1]


def test_a_clock_that_was_set_back_makes_no_trouble_of_what_is_right(called: Called) -> None:
    called.company.land_orders(TUE, a=4)
    called.company.land("weather", TUE, f"date,town\n{TUE},Ulm\n")
    called.company.run()
    called.look()
    assert [action for action, _ in called.told] == ["trigger"]
    back = called.at(hours=-2)
    called.company.land_weather(TUE, rain=1)
    assert runs(back.company.run())[-1][1]
    for hours in (-1.9, -1, 3):
        called.at(hours=hours).look()
    assert [action for action, _ in called.told] == ["trigger", "resolve"]
    assert {item.root_kind for item in called.company.deployment.store.incidents.open()} == {"source"}


@pytest.mark.parametrize("by", ["nobody", "a command", "the daemon"])
def test_a_run_that_never_began_is_tried_again_or_told(called: Called, by: str) -> None:
    called.company.land_day(TUE, a=4)
    [request] = tick(called.company, lambda _: None, first=True).run_requests or []
    with open_instance(called.company.settings) as instance:
        run = dg.DagsterRun(
            job_name="__ASSET_JOB",
            tags={**request.tags, "dagster/partition": TUE},
            asset_selection=frozenset(request.asset_selection or ()),
        )
        instance.report_run_failed(instance.run_storage.add_run(run), "no process came up")
    called.look()
    assert called.told == []
    later = called.at(minutes=6)
    if by == "a command":
        by_command(later.company)
        assert later.company.status()[(SHOP_ORDERS, TUE)].standing is Standing.DELIVERED
    elif by == "the daemon":
        [again] = tick(later.company, lambda _: None).run_requests or []
        assert (again.partition_key, again.tags[TRY_TAG]) == (TUE, Try.SECOND.value)
    called.at(minutes=11).look()
    assert {action for action, _ in called.told} == (set[str]() if by == "a command" else {"trigger"})
    assert all(f":{TUE}" in key for _, key in called.told)


def _down(called: Called) -> Called:
    dead = SecretStr("postgresql://u:p@127.0.0.1:1/nowhere")
    connections = {**called.company.settings.connections, "shop_screens": dead}
    settings = called.company.settings.model_copy(update={"connections": connections})
    return Called(replace(called.company, settings=settings), called.pager)


def test_a_vendor_that_is_down_is_told_once_it_has_failed_twice(called: Called) -> None:
    called.company.land_day(TUE, a=4)
    down = _down(called)
    by_command(down.company)
    down.look()
    assert called.told == [], "it is tried again first"
    later = down.at(minutes=6)
    by_command(later.company)
    later.look()
    assert [action for action, _ in called.told] == ["trigger"]
    assert SHOP_ORDERS in called.told[0][1] or "shop_screens" in called.told[0][1]
    later.at(minutes=30).look()
    assert len(called.told) == 1
    assert runs(called.company.run(retry=True))[-1][1]
    called.at(minutes=60).look()
    assert [action for action, _ in called.told] == ["trigger", "resolve"]


def test_what_the_engine_says_of_data_is_told_at_once_in_words(called: Called) -> None:
    model = "dbt_project/models/staging/stg_weather.sql"
    company = called.company.with_line(model, "and cast(town as integer) > 0")
    called = Called(company, called.pager)
    called.look()
    told = len(called.told)
    company.land_day(TUE, a=4)
    by_command(company)
    called.look()
    assert [action for action, _ in called.told[told:]] == ["trigger"]
    said = str(called.pager.events[-1])
    assert f"staging.stg_weather [{TUE}]: its run failed with a value that cannot be converted" in said
    assert not [text for text in ("Ulm", "SaysNothing", "Failure") if text in said]
    later = called.at(minutes=6)
    with open_instance(company.settings) as instance:
        before = instance.get_runs_count()
        by_command(later.company)
        assert instance.get_runs_count() == before, "it is the same at the next try"


def test_what_the_second_try_mends_is_told_nobody(called: Called) -> None:
    called.company.land_day(TUE, a=4)
    by_command(_down(called).company)
    called.look()
    by_command(called.at(minutes=6).company)
    called.at(minutes=6).look()
    assert called.told == []


def test_a_second_try_that_nobody_asks_for_is_no_reason_to_wait(called: Called) -> None:
    called.company.land_day(TUE, a=4)
    by_command(_down(called).company)
    called.at(minutes=9).look()
    assert called.told == []
    called.at(minutes=11).look()
    assert [action for action, _ in called.told] == ["trigger"]


def test_a_tick_loses_nothing_however_many_have_failed_and_whoever_ran_them(called: Called) -> None:
    days = [f"2024-01-{day:02}" for day in range(2, 9)]  # more than Dagster's sensors see in a tick
    for day in days:
        called.company.land_orders(day, a=1)
        called.company.land_weather(day, rain=-1)
    called.company.run()  # runs of a command, of which Dagster's own sensors see none
    called.pager.faults.fail(503)
    called.tick()
    assert called.told == []
    called.at(minutes=1).tick()
    assert [action for action, _ in called.told] == ["trigger"]
    waiting = [item for one in called.company.deployment.store.incidents.open() for item in one.affected]
    assert {item["partition_key"] for item in waiting if item["export"] == WEATHER_REPORT} >= {*days}
    assert "0 opened, 0 updated, 0 resolved; 0 messages" in str(called.at(minutes=2).tick())


def test_a_failure_of_telling_fails_no_run(called: Called, monkeypatch: pytest.MonkeyPatch) -> None:
    company = called.company
    (company.settings.project_dir / "alerts.yaml").write_text("routes: [{to: nobody}]\n")
    company.land_day(TUE, a=4)
    code, said = sluice(company, "run")
    # Whom to tell is no part of what is built: it holds back nobody's data.
    assert (code, '"alert"' in said, "unknown channel `nobody`" in said) == (0, True, True), said
    company.land_orders(WED, a=4)
    company.land_weather(WED, rain=-1)
    assert sluice(company, "run")[0] == 1
    assert called.told == []
    (company.settings.project_dir / "alerts.yaml").write_text(ALERTS)
    called.at(minutes=1).look()
    assert called.told == [("trigger", f"table:staging.stg_weather:{WED}")], "told once the file holds"


def test_what_dagster_knows_of_a_failed_run_is_read_once(called: Called) -> None:
    called.company.land_day(TUE, a=4)
    by_command(_down(called).company)
    with open_instance(called.company.settings) as instance:
        desk = called.company.desk(instance)
        [run] = failed_runs(desk)
        assert (run.partition_key, run.step, run.retries_left) == (TUE, f"deliver__{SHOP_ORDERS}", 1)
        assert SHOP_ORDERS in run.exports
        assert list(failed_runs(desk)) == [run]
        [again] = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]))
        assert any("sluice_failed_with" in tag for tag in again.tags)


def test_what_a_correction_at_work_has_not_reached_yet_is_told_nobody(called: Called) -> None:
    company = called.company
    company.land_orders(TUE, a=4)
    company.land_weather(TUE, rain=-1)
    company.run()
    called.look()
    company.land_weather(TUE, rain=1)
    with open_instance(company.settings) as instance:
        [failed] = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]))
        correction = dg.DagsterRun(
            job_name=failed.job_name,
            asset_selection=failed.asset_selection,
            tags={PARTITION_NAME_TAG: TUE},
            status=dg.DagsterRunStatus.STARTED,
        )
        instance.add_run(correction)
        # As far as it has come: the table is right, and what is made of it is not there yet.
        assert company.materialize(TUE, "raw/weather", "staging/stg_weather")[0]
        for minutes in (1, 2):
            called.at(minutes=minutes).look()
            assert called.told == [("trigger", TABLE), ("resolve", TABLE)]
        instance.report_run_canceled(correction)
    called.at(minutes=3).look()
    told = [action for action, _ in called.told]
    assert told[:2] == ["trigger", "resolve"]
    assert set(told[2:]) == {"trigger"}, "nobody is at work on it any more"
    company.run(retry=True)
    called.at(minutes=20).look()
    assert not [key for key in called.pager.open if ":summary" not in key]


def test_what_dagster_itself_starts_again_is_not_asked_for_besides(called: Called) -> None:
    company = called.company
    company.land_day(TUE, a=4)
    [asked] = tick(company, lambda _: None, first=True).run_requests or []
    with open_instance(company.settings) as instance:
        tags = {**asked.tags, PARTITION_NAME_TAG: TUE}
        run = dg.DagsterRun("__ASSET_JOB", tags=tags, asset_selection=frozenset(asked.asset_selection or ()))
        instance.report_run_failed(instance.run_storage.add_run(run), "no process could be started")
        called.look()
        assert called.told == []
        instance.add_run_tags(run.run_id, {AUTO_RETRY_RUN_ID_TAG: "of another run"})
    assert not tick(called.at(minutes=6).company, lambda _: None).run_requests


FAILED, SKIPPED, DONE, BEGUN = TickStatus.FAILURE, TickStatus.SKIPPED, TickStatus.SUCCESS, TickStatus.STARTED
TICKS = [
    ([FAILED, FAILED], False),
    ([FAILED, FAILED, FAILED], True),
    ([DONE, FAILED, FAILED, FAILED, BEGUN], True),
    ([FAILED, FAILED, SKIPPED, FAILED], False),
    ([FAILED, FAILED, FAILED, DONE], False),
    ([FAILED, FAILED, FAILED, SKIPPED], False),
]


def test_a_sensor_whose_ticks_fail_is_told_until_one_succeeds(called: Called) -> None:
    with open_instance(called.company.settings) as instance:
        for number, (statuses, _) in enumerate(TICKS):
            name = called.company.definitions.get_repository_def().name
            location = InProcessCodeLocationOrigin(LoadableTargetOrigin(module_name="bakery"))
            origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(location, name), f"sensor_{number}")
            state = InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.RUNNING)
            instance.add_instigator_state(state)
            for at, status in enumerate(statuses):
                _ticked(instance, state, status, 1e9 + at)
        found = {trouble.root.name for trouble in failing_sensors(instance)}
        assert found == {f"sensor_{number}" for number, (_, told) in enumerate(TICKS) if told}
        called.look()
        assert set(called.told) == {("trigger", f"platform:{name}:") for name in found}
        for state in instance.all_instigator_state():
            _ticked(instance, state, DONE, 2e9)
    called.look()
    assert set(called.told[2:]) == {("resolve", f"platform:{name}:") for name in found}


def _ticked(instance: dg.DagsterInstance, state: InstigatorState, status: TickStatus, at: float) -> None:
    error = SerializableErrorInfo("it broke", [], "OSError") if status is FAILED else None
    told = (state.instigator_origin_id, state.name, InstigatorType.SENSOR, status, at)
    instance.create_tick(
        TickData(*told, run_ids=[], error=error, skip_reason="", selector_id=state.selector_id)
    )
