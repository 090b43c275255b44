"""What may pass by itself, and what is the same at the next try: by what DuckDB and dbt say themselves."""

import duckdb
import pytest
from dagster_shared.error import SerializableErrorInfo
from sluicegate.graph.reasons import may_pass, what_lasts

SAID = {
    "conversion": ("select cast('Ann' as integer)", True),
    "a date": ("select date '2024-02-30'", True),
    "a narrow type": ("select cast(300 as tinyint)", True),
    "a sum out of range": ("select 9223372036854775807 + x from (values (1::bigint)) as t(x)", True),
    "a decimal out of range": ("select cast(1e30 as decimal(6, 1))", True),
    "a division out of range": ("select (-9223372036854775808)::bigint // -1::bigint", True),
    "not null": ("create temp table t (x integer not null); insert into t values (null)", True),
    "a key twice": ("create temp table k (x integer primary key); insert into k values (1), (1)", True),
    "what a check says": ("create temp table c (x integer check (x > 0)); insert into c values (0)", True),
    "what SQL raises": ("select error('Ann')", True),
    "an ambiguous cast": ("select date '2024-01-01' + timestamp '2024-01-01'", True),
    "an ambiguous name": ("select x from (select 1 as x) a, (select 2 as x) b", True),
    "no SQL": ("selec 1", True),
    "two rows for one": ("select (select x from (values (1), (2)) t(x))", True),
    "a file that is not there": ("select * from read_csv('/nowhere/Ann.csv')", False),
    "memory": (
        "set memory_limit = '1MB'; set temp_directory = '';"
        " create temp table m as select range from range(1e7::bigint)",
        False,
    ),
}


@pytest.mark.parametrize(("sql", "lasts"), SAID.values(), ids=SAID)
def test_what_the_engine_says(sql: str, *, lasts: bool) -> None:
    with duckdb.connect() as connection, pytest.raises(duckdb.Error) as caught:
        connection.execute(sql).fetchall()
    info = SerializableErrorInfo(str(caught.value), [], caught.type.__name__)
    assert may_pass(info) is not lasts
    by_dbt = f"Runtime Error in model m (models/m.sql)\n  {caught.value}"
    assert bool(what_lasts(by_dbt)) == lasts
    assert "Ann" not in what_lasts(by_dbt)


@pytest.mark.parametrize(
    ("said", "lasts"),
    [
        ("Compilation Error in model m (models/m.sql)\n  'x' is undefined", True),
        ("Database Error in model m\n  IO Error: Could not set lock", False),
        ("Runtime Error\n  connection reset by a proxy: Conversion Error: no heading", False),
        ("", False),
    ],
)
def test_what_dbt_says(said: str, *, lasts: bool) -> None:
    assert bool(what_lasts(said)) == lasts


def test_what_caused_it_counts() -> None:
    inner = SerializableErrorInfo("x", [], "ConversionException")
    assert not may_pass(SerializableErrorInfo("x", [], "DagsterExecutionStepExecutionError", inner))
    assert may_pass(SerializableErrorInfo("x", [], "SaysNothing"))
    assert may_pass(None)
