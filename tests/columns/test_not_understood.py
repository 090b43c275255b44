"""What is not understood counts as all columns of all tables that are read, and is named.

Belongs here: what the walk does not know. Does not belong here: what it knows (test_constructs.py).
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import duckdb
import pytest
from sluicegate.compute.column_plan import table_origins
from sluicegate.compute.column_plan_operators import Operators
from sluicegate.compute.column_plan_rows import UnknownOperatorError
from sluicegate.compute.select_only import plan_of
from sluicegate.core.column_origins import Kind, Origin, Place
from sluicegate.core.relations import Relation

from tests.columns.case import MADE, tables
from tests.columns.constructs_of_rows import ROWS
from tests.columns.constructs_of_values import VALUES

T, S = Relation("main", "t"), Relation("main", "s")
COLUMNS = {T: ("a", "b", "c", "d", "l", "st"), S: ("a", "d", "e")}


def all_of(*relations: Relation, kind: Kind = Kind.IDENTITY) -> frozenset[Origin]:
    return frozenset(Origin(Place(one, column), kind) for one in relations for column in COLUMNS[one])


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with tables() as connection:
        connection.execute("set enable_external_access = false")
        yield connection


@dataclass(frozen=True)
class Unknown:
    """SQL that is not understood as a whole, of which tables, what is said, and where in it."""

    sql: str
    reads: tuple[Relation, ...]
    said: str
    at: str = ""


WHOLE = {
    "no column of that name": Unknown("select b, nope from t", (T,), "nope", "nope"),
    "no table of that name": Unknown("select a from t join never using (a)", (T,), "never", "never"),
    "no SQL": Unknown("selec a from t", (T, S), "selec", "selec"),
    "a pivot of what is there": Unknown("pivot t on b using sum(c)", (T, S), "MULTI"),
    "several queries": Unknown("select 1; drop table t", (T, S), "2 statements"),
    "a description": Unknown("describe t", (), "CHUNK_GET"),
    "what came of a query so far": Unknown(
        "with recursive r(a, b) using key (a) as (select a, b from t union"
        " select r.a, q.b from r, recurring.r q) select r.a as x, s.e as y from r, s",
        (T, S), "read by its name",
    ),
    "the catalogue": Unknown("select a as x from t, duckdb_tables()", (T,), "duckdb_tables"),
    "a file": Unknown("select a as x from t, read_csv('x.csv')", (T,), "x.csv", "read_csv"),
    "a sum of hundreds": Unknown(f"select {'+'.join(['a'] * 400)} as x from t", (T,), "nested so deeply"),
    "a sum of more": Unknown(f"select {'+'.join(['a'] * 900)} as x from t", (T, S), "nested too deeply"),
}  # fmt: skip


@pytest.mark.parametrize("case", WHOLE.values(), ids=WHOLE)
def test_a_query_that_is_not_understood_is_all_of_what_it_reads(
    connection: duckdb.DuckDBPyConnection, case: Unknown
) -> None:
    found = table_origins(connection, MADE, case.sql, ["x", "y"])
    [note] = found.not_understood
    assert case.said in note.what
    assert note.position == (case.sql.index(case.at) if case.at else None)
    assert found.columns == dict.fromkeys(("x", "y"), all_of(*case.reads))
    assert found.rows == all_of(*case.reads, kind=Kind.FILTER)
    assert found.reads == frozenset(case.reads)
    assert found.row_of is None
    assert connection.execute("select count(*) from t").fetchall() == [(0,)]


def test_two_queries_that_are_not_understood_are_the_same_only_if_their_text_is(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    one, other = (
        table_origins(connection, MADE, f"pivot {name} on a using sum(d)", ["x"]) for name in ("s", "t")
    )
    assert one.digests != other.digests
    assert one.rows_digest != other.rows_digest


def test_of_an_expression_only_its_column_is_everything(connection: duckdb.DuckDBPyConnection) -> None:
    sql = "select t.a, current_setting('threads') as x, e || current_query() as y from t, s"
    found = table_origins(connection, MADE, sql)
    everything = all_of(T, S)
    assert found.columns["a"] == frozenset({Origin(Place(T, "a"), Kind.IDENTITY)})
    assert found.columns["x"] == everything
    assert {origin.place for origin in found.columns["y"]} == {origin.place for origin in everything}
    assert found.rows == frozenset()
    told = [(note.what, note.position) for note in found.not_understood]
    assert told == [
        ("the function `current_setting` is not understood", sql.index("current_setting")),
        ("the function `current_query` is not understood", sql.index("current_query")),
    ]


def test_a_filter_that_is_not_understood_is_decided_by_everything(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    sql = "select 'é' as x, a from t where current_query() = b"
    found = table_origins(connection, MADE, sql)
    assert found.columns["a"] == frozenset({Origin(Place(T, "a"), Kind.IDENTITY)})
    assert found.rows == all_of(T, kind=Kind.FILTER)
    assert [note.position for note in found.not_understood] == [sql.index("current_query")]


SQL = {name: case.sql for name, case in {**VALUES, **ROWS}.items()}
HIDDEN = {"a_new_place": [{"expression_class": "BOUND_REF", "index": 0}]}
# Of what a plan says twice: the walk reads it where it is worked out.
SAID_AGAIN = ("bound_pivot", "bind_data")


@pytest.mark.parametrize("sql", SQL.values(), ids=SQL)
def test_a_name_that_the_engine_has_not_yet_is_not_understood(
    connection: duckdb.DuckDBPyConnection, sql: str
) -> None:
    """All names in its plan, each by itself another; and an expression where none is known to be."""
    text = json.dumps(plan_of(connection, sql))
    changes = [
        (number, change) for number, item in enumerate(objects(json.loads(text))) for change in others(item)
    ]
    assert changes
    for number, change in changes:
        plans, noted = json.loads(text), list[str]()
        list(objects(plans))[number].update(change)
        try:
            operators = Operators(lambda: frozenset(), lambda what, _, to=noted: to.append(what))
            operators.rows(plans[0])
        except UnknownOperatorError as unknown:
            noted.append(str(unknown))
        assert noted, change


def others(item: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield what an engine could say instead of a part of a plan, or besides."""
    type_, kind = str(item.get("type")), item.get("expression_class")
    if type_.startswith("LOGICAL_"):
        yield {"type": "LOGICAL_NEW"}
        yield HIDDEN
        if "join_type" in item:
            yield {"join_type": "NEW"}
        if type_ == "LOGICAL_GET":
            yield {"name": "never_heard_of"}
    if kind:
        yield {"expression_class": "BOUND_NEW"}
        if kind not in ("BOUND_REF", "BOUND_COLUMN_REF", "BOUND_CONSTANT"):
            yield HIDDEN
    if kind in ("BOUND_FUNCTION", "BOUND_AGGREGATE"):
        yield {"name": "never_heard_of"}
    if kind in ("BOUND_OPERATOR", "BOUND_WINDOW"):
        yield {"type": "NEW"}


def objects(item: Any) -> Iterator[dict[str, Any]]:
    """Yield what is in a plan, always in one order."""
    if isinstance(item, dict):
        yield item
        for name, value in item.items():
            if name not in SAID_AGAIN:
                yield from objects(value)
    elif isinstance(item, list):
        for value in item:
            yield from objects(value)
