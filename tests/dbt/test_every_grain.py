"""Every grain, and one that is made up: Python, SQL, dbt's macros and Dagster cut time alike.

The borders where they could differ: the ends of years, of leap years and of ISO 8601's, and the hours of
which a summer time makes two or none, on a machine that has one.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from sluicegate.compute.engine import open_engine
from sluicegate.contracts.drops import DropTemplate, fields_of
from sluicegate.contracts.types import partition_kinds
from sluicegate.core.partitions import Grain, Partitioning, Span, grain_of
from sluicegate.drafting.paths import placed
from sluicegate.graph.partitions import partitions_definitions
from sluicegate.transformation.slices import partition_variables
from sluicegate.warehouse.slices import key_expression, partition_condition

from tests.dbt.test_partitions import PROJECT
from tests.dbt.warehouse import MACROS, Warehouse

BERLIN = ZoneInfo("Europe/Berlin")
MOMENTS = [
    *(
        datetime(*at, tzinfo=UTC)
        for at in (
            (2023, 12, 31, 23, 59, 59), (2024, 1, 1), (2024, 2, 28, 23, 30), (2024, 2, 29), (2024, 3, 1),
            (2023, 2, 28, 23), (2023, 3, 1), (2020, 12, 27, 23, 59), (2020, 12, 28), (2020, 12, 31, 12),
            (2021, 1, 3, 23, 59), (2021, 1, 4), (2024, 12, 29, 23), (2024, 12, 30), (2024, 12, 31, 23),
        )
    ),
    *(
        datetime(*at, tzinfo=BERLIN, fold=fold)
        for at in ((2024, 3, 31, 0, 30), (2024, 3, 31, 1, 59), (2024, 3, 31, 3), (2024, 10, 27, 2, 30))
        for fold in (0, 1)
    ),
    datetime(2024, 1, 1, 0, 30, tzinfo=BERLIN),  # still the old year in UTC
]  # fmt: skip
ENTRY = "        'monthly':"
YEARLY_ENTRY = (
    "        'yearly': {'key': 'y%Y', 'first': {'hour': 0, 'day': 1, 'month': 1}, 'longest': 366 * day,"
    " 'type': 'date'},\n"
)
MODEL = """
{% for grain in grains_of_time() %}{% for text in var('moments', []) %}
{% set moment = modules.datetime.datetime.fromisoformat(text) %}
{% set second = modules.datetime.timedelta(seconds=1) %}
{% set first, after = floor_to(grain, moment), ceiling_to(grain, moment + second) %}
select '{{ grain }}' as grain, '{{ text }}' as moment,
    {{ slice_bound({'resource_type': 'source'}, grain, first) }} as key,
    cast({{ slice_bound({'resource_type': 'model'}, grain, first) }} as timestamp)::varchar as first,
    cast({{ slice_bound({'resource_type': 'model'}, grain, after) }} as timestamp)::varchar as after,
    typeof({{ slice_bound({'resource_type': 'model'}, grain, first) }}) as kind,
    {% set key = slice_bound({'resource_type': 'source'}, grain, first) %}
    {{ adapter.dispatch('moment_of_key')(key) }}::varchar as landed
{{ 'union all' if not loop.last }}{% endfor %}
{{ 'union all' if not loop.last }}{% endfor %}
"""


@pytest.fixture
def yearly(monkeypatch: pytest.MonkeyPatch) -> Grain:
    """A grain that there is not, by one entry like the others'."""
    grain = str.__new__(Grain, "yearly")
    span = Span(
        "y%Y", lambda hour: hour.replace(hour=0, day=1, month=1), timedelta(365), timedelta(366), "date",
        silence=3,
    )  # fmt: skip
    entry = {
        "_name_": "YEARLY", "_value_": "yearly", "unit": "year", "key_noun": "year", "paths": ("{year}",),
        "_span": span,
    }  # fmt: skip
    for name, fact in entry.items():
        setattr(grain, name, fact)
    members = vars(Grain)
    monkeypatch.setitem(members["_member_map_"], "YEARLY", grain)
    monkeypatch.setitem(members["_value2member_map_"], "yearly", grain)
    monkeypatch.setattr(Grain, "_member_names_", [*members["_member_names_"], "YEARLY"])
    return grain


@pytest.fixture
def in_berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose own time has a summer."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Europe/Berlin")
        time.tzset()
        yield
    time.tzset()


def utc(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ")


def of_time() -> list[Grain]:
    return [grain for grain in Grain if grain.timed]


@pytest.mark.usefixtures("in_berlin")
def test_keys_of_sql_are_those_of_python(yearly: Grain) -> None:
    assert yearly in of_time()
    values = ", ".join(f"(timestamp '{utc(moment)}')" for moment in MOMENTS)
    with open_engine() as connection:
        connection.execute(f"create table rows as select * from (values {values}) t(moment)")
        for grain in of_time():
            cut = Partitioning(grain)
            found = connection.execute(f"select {key_expression('moment', cut)} from rows").fetchall()
            keys = [cut.key_at(moment) for moment in MOMENTS]
            assert [key for (key,) in found] == keys
            for moment, key in zip(MOMENTS, keys, strict=True):
                start, end = cut.interval(key)
                assert start <= moment < end
                assert cut.grain.span.ceiling(moment) in (start, end)
                assert grain.span.shortest <= end - start <= grain.span.longest
                assert grain_of(key) is grain
                condition = partition_condition("moment", cut, key)
                same = connection.execute(f"select count(*) from rows where {condition}").fetchone()
                assert same == (keys.count(key),), condition


@pytest.mark.usefixtures("in_berlin")
def test_keys_and_bounds_of_the_macros_are_those_of_python(yearly: Grain, tmp_path: Path) -> None:
    project, macros = tmp_path / "project", tmp_path / "macros"
    for folder in (project / "models", macros):
        folder.mkdir(parents=True)
    for file in MACROS.iterdir():
        (macros / file.name).write_text(file.read_text().replace(ENTRY, YEARLY_ENTRY + ENTRY))
    for name in ("dbt_project.yml", "profiles.yml"):
        (project / name).write_text(PROJECT[name])
    (project / "models" / "borders.sql").write_text(MODEL)
    warehouse = Warehouse(project, tmp_path, macros)
    moments = [utc(moment) for moment in MOMENTS]
    done = warehouse.dbt("run", "--vars", json.dumps({"moments": moments}))
    assert done.success, done.messages
    rows = warehouse.rows("select * from shop.borders")
    found = {(grain, moment): tuple(told) for grain, moment, *told in rows}
    assert found == {
        (grain.value, utc(moment)): (
            Partitioning(grain).key_at(moment),
            utc(grain.span.floor(moment)),
            utc(grain.span.following(grain.span.floor(moment))),
            grain.column_type.upper(),
            utc(grain.span.floor(moment)),
        )
        for grain in of_time()
        for moment in MOMENTS
    }
    assert "yearly" in {grain for grain, _ in found}


@pytest.mark.parametrize("grain", of_time())
@pytest.mark.usefixtures("in_berlin")
def test_dagsters_partitions_are_those_of_python(grain: Grain) -> None:
    cut = Partitioning(grain)
    definition = partitions_definitions({cut: grain.span.floor(datetime(2019, 6, 3, tzinfo=UTC))})(cut)
    assert isinstance(definition, dg.TimeWindowPartitionsDefinition)
    for moment in MOMENTS:
        key = cut.key_at(moment)
        window = definition.time_window_for_partition_key(key)
        assert (window.start, window.end) == cut.interval(key)
        assert definition.has_partition_key(key)


@pytest.mark.parametrize("grain", [grain for grain in Grain if not grain.timed])
def test_what_has_no_time_has_no_span(grain: Grain) -> None:
    with pytest.raises(ValueError, match=f"a {grain} has no time"):
        Partitioning(grain).key_at(MOMENTS[0])


@pytest.mark.parametrize("grain", Grain)
def test_a_grain_has_every_fact(grain: Grain) -> None:
    assert grain.unit
    assert grain.key_noun
    for path in grain.paths:
        assert DropTemplate(f"x/{path}.csv", Partitioning(grain)).problem() == ""
    assert len(set(fields_of(grain))) == len(grain.paths)
    if grain.timed:
        assert partition_kinds(grain)
        assert grain.span.silence > 0


@pytest.mark.parametrize("grain", of_time())
def test_a_draft_guesses_the_grain_of_the_simplest_path(grain: Grain) -> None:
    template = DropTemplate(f"bills/{grain.paths[0]}.csv", Partitioning(grain))
    (found,) = placed([Path("/landed") / template.of(Partitioning(grain).key_at(MOMENTS[0]))], None)
    assert found.grain is grain


def test_a_grain_more_is_one_entry(yearly: Grain) -> None:
    cut, key = Partitioning(Grain("yearly")), "y2024"
    assert cut == Partitioning(yearly)
    assert DropTemplate("bills/{year}.csv", cut).key_of("bills/2024.csv") == key
    assert DropTemplate("bills/{year}.csv", cut).of(key) == "bills/2024.csv"
    assert partition_variables(cut, key) == {
        "partition_key": key, "partition_grain": "yearly",
        "partition_start": "2024-01-01", "partition_end": "2025-01-01",
    }  # fmt: skip
    condition = partition_condition("paid", cut, key)
    assert condition == """("paid" >= date '2024-01-01' and "paid" < date '2025-01-01')"""


def test_a_grain_that_dagster_was_not_told_of_is_no_day(yearly: Grain) -> None:
    cut = Partitioning(yearly)
    with pytest.raises(AssertionError, match="yearly"):
        partitions_definitions({cut: datetime(2024, 1, 1, tzinfo=UTC)})(cut)


def test_a_grain_that_the_macros_were_not_told_of_is_no_day(tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / "models").mkdir(parents=True)
    for name in ("dbt_project.yml", "profiles.yml"):
        (project / name).write_text(PROJECT[name])
    (project / "models" / "years.sql").write_text(
        "select {{ partition_timestamp() }} at, {{ in_partition('a') }}"
    )
    variables = {"partition_key": "2024", "partition_grain": "yearly", "partition_start": "2024-01-01",
                 "partition_end": "2025-01-01"}  # fmt: skip
    done = Warehouse(project, tmp_path).dbt("run", "--vars", json.dumps(variables))
    assert not done.success
    assert "'yearly' is no grain of time: expected hourly, daily, weekly, monthly." in done.messages
