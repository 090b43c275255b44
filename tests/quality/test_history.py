"""Suite parameters: what earlier partitions looked like, and what a rule says while there are none."""

import math
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from sluicegate.core.lineage import Table
from sluicegate.core.partitions import Grain, Partitioning
from sluicegate.core.relations import Relation
from sluicegate.quality import history
from sluicegate.quality.history import NoHistory, Past
from sluicegate.quality.parameters import ParameterProblem, Value, evaluate, references
from sluicegate.state.records import Evidence
from sluicegate.state.store import StateStore
from sluicegate.warehouse.duckdb_file import DuckDBFile, DuckDBSession, record_version

from tests.warehouse.bare import bare

RELATION = "marts.numbers"
DAILY = Partitioning(Grain.DAILY)
NUMBERS = Table(Relation.parse(RELATION), ("marts", "numbers"), DAILY, parents={}, rules={"expectations": ""})
MONDAY = date(2024, 1, 1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[StateStore]:
    store = StateStore(f"sqlite:///{tmp_path / 'state.db'}")
    yield store
    store.close()


@pytest.fixture
def warehouse(tmp_path: Path, store: StateStore) -> Iterator[duckdb.DuckDBPyConnection]:
    """Three weeks from a Monday on; the n-th day, from 1, holds n rows with the values 1 to n."""
    with bare(DuckDBFile(tmp_path / "w.duckdb")) as connection:
        connection.execute("create schema marts")
        connection.execute(f"create table {RELATION} (day date, value integer)")
        for number in range(1, 22):
            write(connection, store, number, rows=number)
        yield connection


def day(number: int) -> str:
    """Return the n-th day, from 1."""
    return (MONDAY + timedelta(days=number - 1)).isoformat()


def write(
    connection: duckdb.DuckDBPyConnection, store: StateStore, number: int, rows: int, passed: bool = True
) -> None:
    """Write a day's rows as a new version, and what the check said of it."""
    key, version = day(number), f"{number}-{rows}"
    connection.execute(f"delete from {RELATION} where day = ?", [key])
    connection.execute(f"insert into {RELATION} select ?::date, range from range(1, ?)", [key, rows + 1])
    record_version(connection, RELATION, key, version)
    store.record_evidence([Evidence(RELATION, key, "expectations", version, passed, "", "run")])


def resolve(connection: duckdb.DuckDBPyConnection, store: StateStore, expression: str, number: int) -> float:
    """Return what a parameter comes to on the n-th day."""
    past = history.validated_past(DuckDBSession(connection), store, NUMBERS, "day", day(number))
    found, _ = history.resolve(DuckDBSession(connection), store.metrics, expression, past, day(number))
    assert isinstance(found, int | float)
    return float(found)


def value_of(
    connection: duckdb.DuckDBPyConnection, store: StateStore, expression: str, past: Past, key: str
) -> Value:
    """Return what a parameter comes to."""
    return history.resolve(DuckDBSession(connection), store.metrics, expression, past, key)[0]


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("expression", "number"),
    [
        ("row_count.previous", 20),
        ("row_count.same_weekday", 14),
        ("row_count.median_7", 17),
        ("row_count.mean_4", 18.5),
        ("row_count.min_10", 11),
        ("row_count.max_10", 20),
        ("row_count.median_2_same_weekday", 10.5),
        ("row_count.p90_11", 19),
        ("value.sum.previous", 210),
        ("value.mean.previous", 10.5),
        ("value.max.median_3", 19),
        ("value.p90.previous", 18.1),
        ("value.null_ratio.previous", 0),
        ("value.distinct_count.previous", 20),
        ("0.5 * row_count.previous + 1", 11),
        ("max(row_count.previous, row_count.same_weekday) - abs(-2)", 18),
        ("row_count.median_999", 10.5),
    ],
)
def test_a_parameter_is_arithmetic_over_earlier_partitions(
    warehouse: duckdb.DuckDBPyConnection, store: StateStore, expression: str, number: float
) -> None:
    assert resolve(warehouse, store, expression, 21) == pytest.approx(number)


class Counting(DuckDBSession):
    """A session that notes what it is asked."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        super().__init__(connection)
        self.scans: list[str] = []

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        self.scans += [sql] if f"from {RELATION}" in sql else []
        return super().query(sql)


def test_what_is_looked_up_together_is_what_each_finds_alone(
    warehouse: duckdb.DuckDBPyConnection, store: StateStore, tmp_path: Path
) -> None:
    warehouse.execute(f"delete from {RELATION} where day = '{day(9)}'")  # a day without rows
    windows = ("previous", "same_weekday", "mean_20", "median_999", "min_2_same_weekday", "p90_999")
    metrics = ["row_count", *(f"value.{name}" for name in STATISTICS)]
    expressions = [f"{metric}.{window}" for metric in metrics for window in windows]
    alone: dict[str, Value] = {}
    for number, window in enumerate(windows):
        with closing(StateStore(f"sqlite:///{tmp_path / f'alone{number}.db'}")) as other:
            past = history.validated_past(DuckDBSession(warehouse), store, NUMBERS, "day", day(21))
            for text in (text for text in expressions if text.endswith(window)):
                session = DuckDBSession(warehouse)
                alone[text] = history.resolve(session, other.metrics, text, past, day(21))[0]
    for scans in (1, 0):  # measured, and kept
        session = Counting(warehouse)
        past = history.validated_past(session, store, NUMBERS, "day", day(21))
        wanted = [reference for text in expressions for reference in references(text)]
        history.recall(session, store.metrics, past, wanted, day(21))
        for text in expressions:
            found = history.resolve(session, store.metrics, text, past, day(21))[0]
            assert found == pytest.approx(alone[text]), text
        assert len(session.scans) == scans


def test_days_are_measured_by_what_looks_at_them_alone(
    warehouse: duckdb.DuckDBPyConnection, store: StateStore
) -> None:
    session = Counting(warehouse)
    past = history.validated_past(session, store, NUMBERS, "day", day(21))
    wanted = [*references("value.p90.previous"), *references("row_count.max_999 + value.max.max_999")]
    history.recall(session, store.metrics, past, wanted, day(21))
    assert len(session.scans) == 2
    [of_one_day] = [scan for scan in session.scans if "quantile" in scan]
    assert day(20) in of_one_day
    assert day(19) not in of_one_day
    kept = store.metrics.of(RELATION, [(day(n), f"{n}-{n}", "value.p90") for n in range(1, 21)])
    assert set(kept) == {(day(20), "20-20", "value.p90")}


def test_what_is_many_is_measured_a_few_columns_at_a_time(
    warehouse: duckdb.DuckDBPyConnection, store: StateStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = [f"c{number}" for number in range(4)]
    for number, column in enumerate(columns):
        warehouse.execute(f"alter table {RELATION} add column {column} integer")
        warehouse.execute(f"update {RELATION} set {column} = value * {number}")
    # Mixed, as a suite's rules may be.
    expressions = [f"{column}.{metric}.median_20" for metric in ("max", "min", "p90") for column in columns]
    wanted = [reference for text in expressions for reference in references(text)]
    session = Counting(warehouse)
    monkeypatch.setattr(history, "_AT_ONCE", 6)
    past = history.validated_past(session, store, NUMBERS, "day", day(21))
    history.recall(session, store.metrics, past, wanted, day(21))
    assert [[column for column in columns if f'"{column}"' in scan] for scan in session.scans] == [
        ["c0", "c1"], ["c2", "c3"],
    ]  # fmt: skip
    for number, column in enumerate(columns):
        for metric, value in (("max", 10.5), ("min", 1.0), ("p90", 9.55)):
            text = f"{column}.{metric}.median_20"
            found = history.resolve(session, store.metrics, text, past, day(21))[0]
            assert found == pytest.approx(value * number), text
    # A row a day and scan, and not one for each of the 12 metrics.
    places = [(day(n), f"{n}-{n}", f"{column}.max") for n in range(1, 21) for column in columns]
    assert len(store.metrics.of(RELATION, places)) == len(places)
    with closing(sqlite3.connect(tmp_path / "state.db")) as records:
        kept = records.execute("select (select count(*) from past_metrics), (select count(*) from metrics)")
        assert kept.fetchone() == (20 * 2, 0)


def test_a_day_that_failed_is_no_history(warehouse: duckdb.DuckDBPyConnection, store: StateStore) -> None:
    write(warehouse, store, 20, rows=500, passed=False)
    assert resolve(warehouse, store, "row_count.previous", 21) == 19


def test_a_day_that_nobody_judged_as_it_is_now_is_no_history(
    warehouse: duckdb.DuckDBPyConnection, store: StateStore
) -> None:
    record_version(warehouse, RELATION, day(20), "rebuilt")
    assert resolve(warehouse, store, "row_count.previous", 21) == 19


def test_a_corrected_day_is_measured_anew(warehouse: duckdb.DuckDBPyConnection, store: StateStore) -> None:
    assert resolve(warehouse, store, "row_count.previous", 21) == 20
    write(warehouse, store, 20, rows=5)
    assert resolve(warehouse, store, "row_count.previous", 21) == 5


def test_later_days_are_no_history_of_an_earlier_one(
    warehouse: duckdb.DuckDBPyConnection, store: StateStore
) -> None:
    assert resolve(warehouse, store, "row_count.max_999", 5) == 4


@pytest.mark.parametrize(("expression", "number"), [("row_count.previous", 1), ("row_count.same_weekday", 7)])
def test_without_a_day_to_look_at_there_is_no_history(
    warehouse: duckdb.DuckDBPyConnection, store: StateStore, expression: str, number: int
) -> None:
    with pytest.raises(NoHistory, match="no validated partition"):
        resolve(warehouse, store, expression, number)


def test_a_snapshot_has_its_earlier_versions(warehouse: duckdb.DuckDBPyConnection, store: StateStore) -> None:
    snapshot = Partitioning(Grain.SNAPSHOT)
    table = Table(Relation("marts", "shops"), ("marts", "shops"), snapshot, parents={}, rules={})
    metrics = history.metrics_of(["row_count.previous"])
    for version, rows, passed in (("1", 10, True), ("2", 20, False), ("3", 30, True)):
        warehouse.execute(f"create or replace table marts.shops as select range as n from range({rows})")
        record_version(warehouse, "marts.shops", "", version)
        past = history.validated_past(DuckDBSession(warehouse), store, table, None, "")
        if version == "3":
            assert value_of(warehouse, store, "row_count.previous", past, "") == 10
            break
        history.measure(DuckDBSession(warehouse), store.metrics, "marts.shops", "", version, None, metrics)
        store.record_evidence([Evidence("marts.shops", "", "expectations", version, passed, "", "run")])


def test_dates_of_the_partition(store: StateStore) -> None:
    past = Past(RELATION, DAILY, "day", [])
    with duckdb.connect() as connection:
        assert value_of(connection, store, "partition.start - 2", past, day(3)) == MONDAY
        assert value_of(connection, store, "partition.end", past, day(1)) == MONDAY + timedelta(days=1)


@pytest.mark.parametrize(
    ("grain", "keys", "values"),
    [
        (
            Grain.HOURLY, ["2024-01-01-23:00", "2024-01-02-00:00", "2024-01-02-01:00"],
            ["timestamp '2024-01-01 23:59:59'", "timestamp '2024-01-02'", "timestamp '2024-01-02 01:30:00'"],
        ),
        (
            Grain.WEEKLY, ["2024-W52-1", "2025-W01-1", "2025-W02-1"],
            ["date '2024-12-29'", "timestamp '2024-12-31 10:00:00'", "date '2025-01-06'"],
        ),
        (Grain.MONTHLY, ["2023-12", "2024-01", "2024-02"],
         ["date '2023-12-31'", "date '2024-01-07'", "date '2024-02-01'"]),
        (Grain.DROP, ["zebra", "ant", "mole"], ["'zebra'", "'ant'", "'mole'"]),
    ],
)  # fmt: skip
def test_partitions_of_every_grain_have_a_past(
    tmp_path: Path, store: StateStore, grain: Grain, keys: list[str], values: list[str]
) -> None:
    """The rows of each are read from the table itself; drops are in the order in which they came."""
    cut = Partitioning(grain, "boxes" if grain is Grain.DROP else "")
    table = Table(Relation("marts", "boxes"), ("marts", "boxes"), cut, parents={}, rules={})
    with bare(DuckDBFile(tmp_path / "w.duckdb")) as connection:
        connection.execute("create schema if not exists marts")
        union = " union all ".join(
            f"select {value} as at from range({n})" for n, value in enumerate(values, 1)
        )
        connection.execute(f"create table marts.boxes as {union}")
        for key in keys:
            record_version(connection, "marts.boxes", key, f"v {key}")
            store.record_evidence([Evidence("marts.boxes", key, "expectations", f"v {key}", True, "", "run")])
        past = history.validated_past(DuckDBSession(connection), store, table, "at", keys[-1])
        assert [key for key, _ in past.partitions] == keys[:2]
        assert value_of(connection, store, "row_count.previous", past, keys[-1]) == 2
        assert value_of(connection, store, "row_count.min_2", past, keys[-1]) == 1


def test_the_dates_of_a_partition_are_those_of_its_grain(store: StateStore) -> None:
    with duckdb.connect() as connection:
        for grain, key, start, end in (
            (Grain.HOURLY, "2024-01-01-23:00", datetime(2024, 1, 1, 23, tzinfo=UTC),
             datetime(2024, 1, 2, tzinfo=UTC)),
            (Grain.WEEKLY, "2024-W01-1", date(2024, 1, 1), date(2024, 1, 8)),
            (Grain.MONTHLY, "2024-02", date(2024, 2, 1), date(2024, 3, 1)),
        ):  # fmt: skip
            past = Past("marts.boxes", Partitioning(grain), "at", [])
            assert value_of(connection, store, "partition.start", past, key) == start
            assert value_of(connection, store, "partition.end", past, key) == end


def test_arithmetic_that_does_not_work_out_says_so() -> None:
    assert [item.text for item in references("1 / (row_count.previous - 1)")] == ["row_count.previous"]
    with pytest.raises(ParameterProblem, match="division by zero"):
        evaluate("1 / (row_count.previous - 1)", {"row_count.previous": 1})


STATISTICS = ("mean", "sum", "min", "max", "median", "stdev", "p5", "p90", "null_ratio", "distinct_count")
OF_A_SUM = ("mean", "stdev", "sum")  # no double holds that of three of the greatest
WINDOWS = ("previous", "median_3", "mean_3", "min_3", "max_3", "p90_3", "same_weekday")
ODD: dict[str, tuple[float | None, ...]] = {
    "NaN": (math.nan,),
    "NaN among others": (math.nan, 1.5, 2.5),
    "infinities": (math.inf, -math.inf, 1.5),
    "infinity alone": (math.inf,),
    "extremes of both signs": (1.7e308, -1.7e308),
    "more than a double holds": (1.7e308, 1.7e308, 1.7e308),
    "null": (None,),
}


@pytest.mark.parametrize("values", [pytest.param(values, id=name) for name, values in ODD.items()])
@pytest.mark.parametrize("kept", ["remembered", "read from the table", "kept by older code"])
@pytest.mark.sampled(7)
def test_only_finite_numbers_are_history(
    warehouse: duckdb.DuckDBPyConnection, store: StateStore, values: tuple[float | None, ...], kept: str
) -> None:
    warehouse.execute(f"alter table {RELATION} alter value type double")
    for number in (14, 19, 20):  # of them the day before, and the same weekday of the week before
        write(warehouse, store, number, rows=0)
        for value in values:
            warehouse.execute(f"insert into {RELATION} values (?, ?)", [day(number), value])
        metrics = history.metrics_of([f"value.{name}.previous" for name in STATISTICS])
        if kept == "remembered":
            condition = f"day = '{day(number)}'"
            history.measure(
                DuckDBSession(warehouse),
                store.metrics,
                RELATION,
                day(number),
                f"{number}-0",
                condition,
                metrics,
            )
        if kept == "kept by older code":
            warehouse.execute(
                "create table if not exists sluice.metrics (relation varchar, partition_key varchar,"
                " version varchar, metric varchar, value double, measured_at timestamp)"
            )
            for metric in metrics:
                warehouse.execute(
                    "insert into sluice.metrics values (?, ?, ?, ?, 'nan'::double, now())",
                    [RELATION, day(number), f"{number}-0", str(metric)],
                )
    store.take_over(warehouse)
    for name in STATISTICS:
        for window in WINDOWS:
            try:
                assert math.isfinite(resolve(warehouse, store, f"value.{name}.{window}", 21))
            except NoHistory:
                assert len(values) < 3 or name in OF_A_SUM


def test_arithmetic_that_leaves_the_numbers_is_told(
    warehouse: duckdb.DuckDBPyConnection, store: StateStore
) -> None:
    with pytest.raises(ParameterProblem, match="expected a finite number"):
        resolve(warehouse, store, "1e308 * row_count.previous", 21)


@pytest.mark.parametrize("value", [0.1, 0.3, 3.0, 1.1, 1e-300, 1.7e308, -7.7])
def test_a_history_of_equal_numbers_is_that_number(value: float) -> None:
    """A rule whose bound is such a number must not hold the next day that is as all before."""
    for size in range(2, 100):
        for of in ("mean", "median", "min", "max", "p1", "p33", "p90"):
            assert history._combined(of, [value] * size) == value, (of, size)  # pyright: ignore[reportPrivateUsage]


@pytest.mark.sampled(2)
@pytest.mark.parametrize("type_", ["tinyint", "bigint", "hugeint", "decimal(38, 4)", "float", "double"])
def test_a_metric_is_the_same_of_every_type_of_number(
    warehouse: duckdb.DuckDBPyConnection, store: StateStore, type_: str
) -> None:
    expected = {name: resolve(warehouse, store, f"value.{name}.median_3", 21) for name in STATISTICS}
    for number in range(18, 21):  # versions of which nothing is kept
        record_version(warehouse, RELATION, day(number), f"{number} of another type")
        store.record_evidence(
            [Evidence(RELATION, day(number), "expectations", f"{number} of another type", True, "", "run")]
        )
    warehouse.execute(f"alter table {RELATION} alter value type {type_}")
    for name, number in expected.items():
        assert resolve(warehouse, store, f"value.{name}.median_3", 21) == pytest.approx(number), name
