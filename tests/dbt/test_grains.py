"""The shared macros for partitions that are no days: hours, weeks, months, and drops."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sluicegate.core.partitions import Grain, Partitioning
from sluicegate.transformation.slices import partition_variables

from tests.dbt.test_partitions import PROJECT, versions
from tests.dbt.warehouse import DbtResult, Warehouse

CUT = """
{{{{ config(materialized='incremental', incremental_strategy='partition', partition_by='{column}',
          on_schema_change='append_new_columns', full_refresh=false{more}) }}}}
"""
MODELS = {
    "readings": CUT.format(column="read_at", more="")
    + "select read_at, field from raw.readings where {{ in_partition('read_at') }}",
    "latest": CUT.format(column="hour", more=", meta={'trailing_days': {'readings': 2}}")
    + "select {{ partition_timestamp() }} as hour, max(field) as field from {{ ref('readings') }} "
    "where {{ in_trailing_days('readings', 'read_at') }}",
    "months": CUT.format(column="month", more="")
    + "select {{ partition_date() }} as month, sum(field) as field from {{ ref('readings') }} "
    "where {{ in_partition('read_at') }}",
    "planned": CUT.format(column="cut_on", more="")
    + "select {{ partition_timestamp() }} as cut_on, {{ to_type(\"min(month)\", 'date') }} as first, "
    "{{ to_type('count(*)', 'integer') }} as months "
    "from raw.plans where {{ in_partitions_of('monthly', 'month') }}",
    "weeks_of": CUT.format(column="cut_on", more="")
    + "select {{ partition_timestamp() }} as cut_on, min(day) as first, max(day) as last "
    "from raw.days where {{ in_partitions_of('weekly', 'day') }}",
    "recordings": CUT.format(column="recording", more="")
    + "select {{ partition_key() }} as recording, field from raw.recordings "
    "where {{ in_partition('_partition_key') }}",
    "strays": CUT.format(column="read_at", more="") + "select read_at, field from raw.readings",
    "dated": CUT.format(column="cut_on", more="") + "select {{ partition_date() }} as cut_on",
}
HOURLY, DAILY, WEEKLY, MONTHLY, DROP = (
    Partitioning(Grain.HOURLY), Partitioning(Grain.DAILY), Partitioning(Grain.WEEKLY),
    Partitioning(Grain.MONTHLY), Partitioning(Grain.DROP, "recordings"),
)  # fmt: skip


@pytest.fixture
def observatory(tmp_path: Path) -> Warehouse:
    """Raw tables, and nothing built on them."""
    project = tmp_path / "observatory"
    for name in ("dbt_project.yml", "profiles.yml"):
        project.mkdir(exist_ok=True)
        (project / name).write_text(PROJECT[name])
    for name, text in MODELS.items():
        (project / "models").mkdir(exist_ok=True)
        (project / "models" / f"{name}.sql").write_text(text)
    warehouse = Warehouse(project, tmp_path)
    warehouse.execute(
        "create schema raw;"
        "create table raw.readings as select * from (values"
        " (timestamp '2024-01-30 13:00:00', 1), (timestamp '2024-01-31 12:59:59', 2),"
        " (timestamp '2024-01-31 13:00:00', 4), (timestamp '2024-01-31 13:59:59', 8),"
        " (timestamp '2024-01-31 14:00:00', 16), (timestamp '2024-02-01 00:00:00', 32)) t(read_at, field);"
        "create table raw.plans as select unnest(range(date '2023-11-01', date '2024-06-01',"
        " interval 1 month))::date as month;"
        "create table raw.days as select unnest(range(date '2023-11-01', date '2024-06-01',"
        " interval 1 day))::date as day;"
        "create table raw.recordings as select * from (values ('quake', 1), ('lorry', 2), ('quake', 3))"
        " t(_partition_key, field)"
    )
    return warehouse


def build(warehouse: Warehouse, model: str, cut: Partitioning, key: str) -> DbtResult:
    return warehouse.dbt("run", "--select", model, "--vars", json.dumps(partition_variables(cut, key)))


def test_an_hour_is_its_timestamps_and_is_replaced_alone(observatory: Warehouse) -> None:
    for key in ("2024-01-31-12:00", "2024-01-31-13:00"):
        assert build(observatory, "readings", HOURLY, key).success
    everything = "select field from shop.readings order by read_at"
    assert observatory.rows(everything) == [(2,), (4,), (8,)]
    before = versions(observatory)
    observatory.execute(
        "delete from raw.readings where field = 4; update raw.readings set field = field * 10"
    )
    assert build(observatory, "readings", HOURLY, "2024-01-31-13:00").success
    assert observatory.rows(everything) == [(2,), (80,)]
    changed = {key for key, version in versions(observatory).items() if before[key] != version}
    assert changed == {("shop.readings", "2024-01-31-13:00")}


def test_a_window_of_two_days_reaches_back_a_day_from_the_hour(observatory: Warehouse) -> None:
    for key in ("2024-01-30-13:00", "2024-01-31-12:00", "2024-01-31-13:00", "2024-01-31-14:00"):
        assert build(observatory, "readings", HOURLY, key).success
    observatory.execute("update shop.readings set field = 100 where field = 1")
    for key, expected in (("2024-01-31-13:00", 100), ("2024-01-31-14:00", 16)):
        assert build(observatory, "latest", HOURLY, key).success
        assert observatory.rows(f"select field from shop.latest where hour = '{key[:10]} {key[11:]}'") == [
            (expected,)
        ]


def test_a_month_reads_its_hours(observatory: Warehouse) -> None:
    for key in ("2024-01-31-13:00", "2024-01-31-14:00", "2024-02-01-00:00"):
        assert build(observatory, "readings", HOURLY, key).success
    for key in ("2024-01", "2024-02"):
        assert build(observatory, "months", MONTHLY, key).success
    assert observatory.rows("select month::varchar, field from shop.months order by month") == [
        ("2024-01-01", 28),
        ("2024-02-01", 32),
    ]


@pytest.mark.parametrize(
    ("cut", "key", "first", "months"),
    [
        (HOURLY, "2024-01-31-23:00", "2024-01-01", 1),
        (DAILY, "2024-02-29", "2024-02-01", 1),
        (WEEKLY, "2024-W05-1", "2024-01-01", 2),
        (MONTHLY, "2023-12", "2023-12-01", 1),
    ],
)
def test_a_shorter_partition_reads_the_months_that_it_lies_in(
    observatory: Warehouse, cut: Partitioning, key: str, first: str, months: int
) -> None:
    assert build(observatory, "planned", cut, key).success
    assert observatory.rows("select first::varchar, months from shop.planned") == [(first, months)]


@pytest.mark.parametrize(
    ("cut", "key", "first", "last"),
    [
        (DAILY, "2024-01-07", "2024-01-01", "2024-01-07"),
        (HOURLY, "2024-01-08-00:00", "2024-01-08", "2024-01-14"),
        (MONTHLY, "2024-02", "2024-01-29", "2024-03-03"),
    ],
)
def test_a_partition_reads_the_weeks_that_it_shares_time_with(
    observatory: Warehouse, cut: Partitioning, key: str, first: str, last: str
) -> None:
    assert build(observatory, "weeks_of", cut, key).success
    assert observatory.rows("select first::varchar, last::varchar from shop.weeks_of") == [(first, last)]


def test_a_drop_is_its_id_and_is_replaced_alone(observatory: Warehouse) -> None:
    for key in ("quake", "lorry"):
        assert build(observatory, "recordings", DROP, key).success
    everything = "select recording, field from shop.recordings order by all"
    assert observatory.rows(everything) == [("lorry", 2), ("quake", 1), ("quake", 3)]
    observatory.execute("delete from raw.recordings where field < 3")
    assert build(observatory, "recordings", DROP, "quake").success
    assert observatory.rows(everything) == [("lorry", 2), ("quake", 3)]
    assert set(versions(observatory)) == {("shop.recordings", "quake"), ("shop.recordings", "lorry")}


def test_rows_of_another_hour_are_an_error(observatory: Warehouse) -> None:
    done = build(observatory, "strays", HOURLY, "2024-01-31-13:00")
    assert not done.success
    assert "made 4 row(s) outside the partition 2024-01-31-13:00" in done.messages


def test_a_drop_has_no_date(observatory: Warehouse) -> None:
    done = build(observatory, "dated", DROP, "quake")
    assert not done.success
    assert "'dated' is cut by drop, which has no time: expected no partition_date()" in done.messages


LANDED = {
    "dated": "select {{ landed_date('feed') }} as d, town from {{ source('raw', 'feed') }} as feed"
             " left join {{ source('raw', 'shops') }} as shops on feed.shop = shops.shop",
    "of_a_drop": "select {{ landed_date() }} as d from {{ source('raw', 'drops') }}",
    "of_a_snapshot": "select {{ landed_timestamp() }} as at from {{ source('raw', 'shops') }}",
}  # fmt: skip
SOURCES = {"feed": "monthly", "shops": "snapshot", "drops": "drop"}


def test_a_row_has_the_day_that_it_landed_for_where_its_source_has_time(tmp_path: Path) -> None:
    project = tmp_path / "shops"
    (project / "models").mkdir(parents=True)
    for name in ("dbt_project.yml", "profiles.yml"):
        (project / name).write_text(PROJECT[name])
    for name, text in LANDED.items():
        table = "{{ config(materialized='table') }}\n"
        (project / "models" / f"{name}.sql").write_text(table + text)
    tables = [
        {"name": name, "config": {"meta": {"partition_grain": grain}}} for name, grain in SOURCES.items()
    ]
    (project / "models" / "sources.yml").write_text(
        json.dumps({"sources": [{"name": "raw", "schema": "raw", "tables": tables}]})
    )
    warehouse = Warehouse(project, tmp_path)
    warehouse.execute(
        "create schema raw;"
        "create table raw.feed as select 'a' as shop, '2024-03' as _partition_key;"
        "create table raw.shops as select 'a' as shop, 'Ulm' as town, 'snapshot' as _partition_key;"
        "create table raw.drops as select 'flight-7' as _partition_key"
    )
    done = warehouse.dbt("run")
    assert done.failed() == {"of_a_drop", "of_a_snapshot"}
    assert "reads 'drops', which has no time: expected no landed_date()" in done.messages
    assert warehouse.rows("select d::varchar, town from shop.dated") == [("2024-03-01", "Ulm")]
