"""Another value, another number: of every type, in every nesting, and of whole contents.

A longer run of what is random: `SLUICE_TEST_KILLS=100`.
"""

import math
import os
import struct
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sluicegate.compute.row_hash import (
    content_digest,
    differ,
    digest_of,
    fields_of,
    hashed_by,
    row_hash,
    value_hash,
)
from sluicegate.compute.sql_types import UnknownType

from .sql_values import VALUES, in_every_nesting

pytestmark = pytest.mark.long

EXAMPLES = 25 * int(os.environ.get("SLUICE_TEST_KILLS", "1"))
# What a Parquet file does not keep whole, or not at all.
NOT_KEPT = ("HUGEINT", "UHUGEINT", "INTERVAL", "TIME WITH TIME ZONE", "TIMESTAMP_S", "VARIANT")


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        opened.execute("set TimeZone = 'UTC'")
        yield opened


def fill(connection: duckdb.DuckDBPyConnection, kind: str, values: list[str], table: str = "held") -> None:
    """Make a table of (place, x) with these values."""
    connection.execute(f"create or replace table {table} (place integer, x {kind})")
    rows = " union all ".join(f"select {place}, ({value})::{kind}" for place, value in enumerate(values))
    connection.execute(f"insert into {table} {rows}")


def hashed(connection: duckdb.DuckDBPyConnection, source: str = "held") -> str:
    """SQL of (place, x as text, hash) of each row of a table, worked out as a field of a row."""
    kinds = fields_of(connection, f"select x from {source}")
    return f"select place, x::varchar as x, {row_hash(kinds)} as hash from {source}"


@pytest.mark.sampled(3)
@pytest.mark.parametrize("kind", VALUES)
def test_values_that_can_be_told_apart_have_hashes_of_their_own(
    connection: duckdb.DuckDBPyConnection, kind: str
) -> None:
    for nested, values in in_every_nesting(kind).items():
        fill(connection, nested, values)
        same = connection.execute(
            f"select list(x) from ({hashed(connection)}) group by hash having count(*) > 1"
        ).fetchall()
        assert not same, nested


@pytest.mark.sampled(3)
@pytest.mark.parametrize("kind", VALUES)
def test_equal_values_have_equal_hashes_wherever_they_stand(
    connection: duckdb.DuckDBPyConnection, kind: str
) -> None:
    """In another table, in another order, in vectors of another sort, as a constant."""
    for nested, values in in_every_nesting(kind).items():
        fill(connection, nested, values)
        fill(connection, nested, values[::-1], "turned")
        last = len(values) - 1
        sources = {"turned": f"{last} - place", "(select * from held, range(700))": "place"}
        for source, place in sources.items():
            differ = connection.execute(
                f"select a.x from ({hashed(connection)}) a join ({hashed(connection, source)}) b"
                f" on a.place = {place.replace('place', 'b.place')} where a.hash <> b.hash"
            ).fetchall()
            assert not differ, (nested, source)
        few = [0, 1, last]
        constant = ", ".join(value_hash(f"{values[place]}::{nested}", nested) for place in few)
        stored = f"select {value_hash('x', nested)} from held where place in (0, 1, {last}) order by place"
        assert connection.execute(f"select unnest([{constant}])").fetchall() == (
            connection.execute(stored).fetchall()
        ), nested


@pytest.mark.sampled(3)
@pytest.mark.parametrize("kind", [kind for kind in VALUES if kind not in NOT_KEPT])
def test_what_a_file_keeps_has_the_hash_of_what_was_written(
    connection: duckdb.DuckDBPyConnection, kind: str, tmp_path: Path
) -> None:
    file = f"'{tmp_path / 'kept.parquet'}'"
    for nested, values in in_every_nesting(kind).items():
        fill(connection, nested, values)
        connection.execute(f"copy held to {file} (format parquet)")
        differ = connection.execute(
            f"select a.x, b.x from ({hashed(connection)}) a join ({hashed(connection, file)}) b using (place)"
            " where a.hash <> b.hash"
        ).fetchall()
        assert not differ, nested


def test_sums_of_whole_numbers_have_the_hash_of_what_a_file_keeps(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """Which are HUGEINTs, and kept as DOUBLEs: what both can be has one hash."""
    numbers = (
        "0",
        "-1",
        str(2**53),
        str(-(2**53)),
        str(2**64),
        str(2**100),
        str(-(2**126)),
        "1267650600228229",
    )
    fill(connection, "HUGEINT", [*numbers, "null"])
    file = f"'{tmp_path / 'kept.parquet'}'"
    connection.execute(f"copy held to {file} (format parquet)")
    query = f"select hash from ({hashed(connection)}) order by place"
    kept = f"select hash from ({hashed(connection, file)}) order by place"
    assert connection.execute(query).fetchall() == connection.execute(kept).fetchall()


@pytest.mark.sampled(3)
@pytest.mark.parametrize("kind", VALUES)
def test_two_values_differ_just_where_their_hashes_do(
    connection: duckdb.DuckDBPyConnection, kind: str
) -> None:
    for nested, values in in_every_nesting(kind).items():
        fill(connection, nested, [*values, "null"])
        by_hash = f"{value_hash('a.x', nested)} <> {value_hash('b.x', nested)}"
        wrong = connection.execute(
            f"select a.x, b.x from held a, held b"
            f" where ({differ('a.x', 'b.x', nested)}) is distinct from ({by_hash})"
        ).fetchall()
        assert not wrong, nested


def test_a_collation_hides_no_difference(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("create or replace table held (place integer, x varchar collate nocase)")
    connection.execute("insert into held values (0, 'a'), (1, 'A')")
    assert len(set(connection.execute(f"select hash from ({hashed(connection)})").fetchall())) == 2
    pairs = f"select count(*) from held a, held b where {differ('a.x', 'b.x', 'VARCHAR')}"
    assert connection.execute(pairs).fetchone() == (2,)


def test_fields_count_by_name_and_a_value_in_one_is_not_in_another(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    kinds = {"a b": "INTEGER[]", "A": "INTEGER[]", '"': "DOUBLE"}
    rows = (
        "[1], null, 0",
        "null, [1], 0",
        "[], null, 0",
        "null, [], 0",
        "null, null, 0",
        "null, null, '-0.0'",
    )
    connection.execute('create or replace table wide ("a b" integer[], "A" integer[], """" double)')
    connection.execute(f"insert into wide values {', '.join(f'({row})' for row in rows)}")
    found = connection.execute(f"select {row_hash(kinds)} from wide").fetchall()
    turned = connection.execute(f"select {row_hash(dict(reversed(kinds.items())))} from wide").fetchall()
    assert len(set(found)) == len(rows)
    assert turned == found


def test_small_numbers_in_several_fields_do_not_collide(connection: duckdb.DuckDBPyConnection) -> None:
    kinds = {"a": "BIGINT", "b": "DOUBLE", "c": "BIGINT[]"}
    grid = "select a, b::double as b, [c, a] as c from range(60) t(a), range(60) u(b), range(60) v(c)"
    found = connection.execute(f"select count(distinct {row_hash(kinds)}) from ({grid})").fetchone()
    assert found == (60**3,)


def test_a_type_that_is_unknown_is_told(connection: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(UnknownType, match="INET"):
        row_hash({"a": "INTEGER", "b": "INET"})


def test_what_hashes_is_told_in_few_signs(connection: duckdb.DuckDBPyConnection) -> None:
    told = hashed_by(connection)
    assert told.startswith("v")
    assert told != duckdb.__version__
    assert len(told) <= 30  # of the 40 that the state store has for it


# -- digests


def digest(connection: duckdb.DuckDBPyConnection, *rows: str, columns: str = "a, b") -> str:
    return content_digest(connection, f"select {columns} from (values {', '.join(rows)}) held (a, b)")


def test_a_digest_tells_rows_and_how_often_they_stand_there(connection: duckdb.DuckDBPyConnection) -> None:
    first = digest(connection, "(1, 'x')", "(2, 'y')", "(2, 'y')")
    assert len(first) == 64
    assert digest(connection, "(2, 'y')", "(1, 'x')", "(2, 'y')") == first
    assert digest(connection, "(1, 'x')", "(2, 'y')", "(2, 'y')", columns="b, a") == first
    others = [
        digest(connection, "(1, 'x')", "(2, 'y')"),
        digest(connection, "(1, 'x')", "(1, 'x')", "(2, 'y')"),
        digest(connection, "(1, 'x')", "(1, 'x')", "(1, 'x')"),
        digest(connection, "(1, 'y')", "(2, 'x')", "(2, 'y')"),
        digest(connection, "(1, 'x')", "(2, 'y')", "(2, null)"),
        digest(connection, "(1, 'x')", "(2, 'y')", "(2, 'y')", columns="a as c, b"),
        digest(connection, "(1, 'x')", "(2, 'y')", "(2, 'y')", columns="a::bigint as a, b"),
        digest(connection, "(1, 'x')", "(2, 'y')", "(2, 'y')", columns="b as a, a as b"),
    ]
    assert len({first, *others}) == len(others) + 1


def test_rows_that_exchange_a_value_change_every_part_of_a_digest(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    """Their own hashes have the same XOR as before: the engine combines that of a row's last field by XOR."""
    hashed = row_hash({"a": "INTEGER", "b": "INTEGER"})
    before, after = (
        [
            connection.execute(f"select {summed} from (values {rows}) held (a, b)").fetchone() or ("",)
            for summed in (f"bit_xor({hashed})", digest_of(hashed))
        ]
        for rows in ("(1, 10), (2, 20)", "(1, 20), (2, 10)")
    )
    assert before[0] == after[0]
    (rows, *sums), (same, *others) = before[1][0].split(":"), after[1][0].split(":")
    assert rows == same
    assert all(one != other for one, other in zip(sums, others, strict=True))


def test_no_rows_have_a_digest_by_their_columns(connection: duckdb.DuckDBPyConnection) -> None:
    empty = content_digest(connection, "select 1 as a where false")
    assert empty == content_digest(connection, "select 2 as a where false")
    others = {content_digest(connection, f"select {more} where false") for more in ("1 as b", "'' as a")}
    assert len(others | {empty, content_digest(connection, "select null::integer as a")}) == 4


# -- at random

LEAVES = {
    "INTEGER": ["0", "1"],
    "HUGEINT": ["0", "-1", "1", str(2**64)],
    "DOUBLE": ["0.0", "'-0.0'", "'nan'", "1"],
    "DECIMAL(38,2)": ["0", "-0.01", "184467440737095516.16"],
    "VARCHAR": ["''", "'NULL'", "'[]'", "'a'"],
    "BOOLEAN": ["true", "false"],
    "INTERVAL": ["'1 month'", "'30 days'", "'720 hours'"],
}
Tree = tuple[Any, ...]
trees: st.SearchStrategy[Tree] = st.recursive(
    st.sampled_from(list(LEAVES)).map(lambda kind: ("leaf", kind)),
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(["list", "array", "map"]), inner),
        st.tuples(st.sampled_from(["struct", "union"]), st.lists(inner, min_size=1, max_size=3)),
    ),
    max_leaves=4,
)


def written(tree: Tree) -> str:
    """A type in SQL."""
    match tree:
        case ("list", inner):
            return f"{written(inner)}[]"
        case ("array", inner):
            return f"{written(inner)}[2]"
        case ("map", inner):
            return f"MAP(VARCHAR, {written(inner)})"
        case ("struct" | "union" as name, members):
            listed = ", ".join(f"m{place} {written(member)}" for place, member in enumerate(members))
            return f"{name.upper()}({listed})"
        case _:
            return tree[1]


def a_value(tree: Tree, *, null: bool = True) -> st.SearchStrategy[str]:
    """SQL of values of a type; `null`: NULL is one. In Arrow's unions, members that are NULL are all one."""
    kind = written(tree)
    match tree:
        case ("list", inner):
            made = st.lists(a_value(inner), max_size=3).map(lambda held: f"[{', '.join(held)}]")
        case ("array", inner):
            made = st.tuples(a_value(inner), a_value(inner)).map(
                lambda held: f"array_value({', '.join(held)})"
            )
        case ("map", inner):
            made = st.dictionaries(st.sampled_from(["''", "'a'", "'NULL'"]), a_value(inner), max_size=2).map(
                lambda held: f"map {{{', '.join(f'{key}: {value}' for key, value in held.items())}}}"
            )
        case ("struct", members):
            made = st.tuples(*map(a_value, members)).map(
                lambda held: "{" + ", ".join(f"'m{place}': {value}" for place, value in enumerate(held)) + "}"
            )
        case ("union", members):
            return st.integers(0, len(members) - 1).flatmap(
                lambda place: a_value(members[place], null=False).map(
                    lambda value: f"union_value(m{place} := {value})::{kind}"
                )
            )
        case _:
            made = st.sampled_from(LEAVES[kind])
    return st.one_of(*[st.just("null")] * null, made, made, made).map(lambda value: f"({value})::{kind}")


def canonical(scalar: Any) -> Any:
    """An Arrow scalar as something that is equal only to what no reader can tell from it."""
    arrow = import_module("pyarrow")
    if isinstance(scalar, arrow.UnionScalar):
        return scalar.type_code, canonical(scalar.value)
    if not scalar.is_valid:
        return None
    if arrow.types.is_struct(scalar.type):
        return tuple(canonical(value) for value in scalar.values())
    if arrow.types.is_nested(scalar.type):
        return [canonical(value) for value in scalar.values]
    value = scalar.as_py()
    if isinstance(value, float):
        return "nan" if math.isnan(value) else struct.pack("d", value)
    return value


@settings(max_examples=EXAMPLES, deadline=None)
@given(data=st.data())
def test_whatever_nests_hashes_as_a_reader_of_arrow_tells_it_apart(
    connection: duckdb.DuckDBPyConnection, data: st.DataObject
) -> None:
    tree = data.draw(trees)
    values = data.draw(st.lists(a_value(tree), min_size=2, max_size=12, unique=True))
    fill(connection, written(tree), values)
    column: Any = connection.execute("select x from held order by place").to_arrow_table().column(0)
    read = [repr(canonical(scalar)) for scalar in column]
    hashes = connection.execute(f"select hash from ({hashed(connection)}) order by place").fetchall()
    assert len(set(read)) == len(set(hashes)) == len(set(zip(read, hashes, strict=True)))


pairs = st.lists(
    st.tuples(st.sampled_from(["0", "1", "null"]), st.sampled_from(["''", "'a'", "null"])), max_size=5
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(one=pairs, other=pairs)
def test_digests_are_equal_where_the_rows_are(
    connection: duckdb.DuckDBPyConnection, one: list[tuple[str, str]], other: list[tuple[str, str]]
) -> None:
    def found(rows: list[tuple[str, str]]) -> str:
        values = ", ".join(f"({a}, {b})" for a, b in [("null", "null"), *rows])
        held = f"select a::integer as a, b::varchar as b from (values {values}) held (a, b) offset 1"
        return content_digest(connection, held)

    assert (found(one) == found(other)) == (Counter(one) == Counter(other))
    assert found(one) == found(sorted(one))
