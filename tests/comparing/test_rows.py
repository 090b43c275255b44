"""What a comparison counts, beside plain Python, on random tables of many types, keys and accidents.

Belongs here: the rows of one partition. Does not belong here: which partitions are compared (`test_diff`).
"""

import os
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest
from sluicegate.comparing.report import Shape
from sluicegate.comparing.rows import compare_rows
from sluicegate.comparing.shapes import Pair, match
from sluicegate.compute.alike import Alike
from sluicegate.delivery.ledger import KeyForm
from sluicegate.publishing.catalogue import PublishedTable
from sluicegate.publishing.delta_types import written_as
from sluicegate.warehouse.base import Session
from sluicegate.warehouse.duckdb_file import DuckDBFile

EXAMPLES = 20 * int(os.environ.get("SLUICE_TEST_KILLS", "1"))
# {type: values as SQL writes them}; no two of one type are one value, whatever they are equal to.
VALUES: dict[str, Sequence[str]] = {
    "INTEGER": ("null", "0", "1", "2", "-7"),
    "BIGINT": ("null", "0", "9007199254740993", "9007199254740992"),
    "HUGEINT": ("null", "0", "-1", "170141183460469231731687303715884105727"),
    "DECIMAL(12,2)": ("null", "0.00", "1.50", "-1.50"),
    "DECIMAL(38,4)": ("null", "0.0000", "9999999999999999999999999999999999.9999"),
    "DOUBLE": ("null", "0.0", "'-0.0'", "'nan'", "'inf'", "0.1", "0.30000000000000004"),
    "FLOAT": ("null", "0.0", "'-0.0'", "'nan'", "0.1"),
    "VARCHAR": ("null", "''", "'a'", "'A'", "'a '", "'ä'"),
    "BOOLEAN": ("null", "true", "false"),
    "DATE": ("null", "'2024-01-01'", "'infinity'"),
    "TIMESTAMP": ("null", "'2024-01-01 00:00:00'", "'2024-01-01 00:00:00.000001'"),
    "TIMESTAMP WITH TIME ZONE": ("null", "'2024-01-01 00:00:00+00'", "'2024-01-01 01:00:00+00'"),
    "INTERVAL": ("null", "'1 month'", "'30 days'", "'0 days'"),
    "BLOB": ("null", r"'\x00'", "''"),
    "INTEGER[]": ("null", "[]", "[null]", "[1]", "[1, 2]"),
    "STRUCT(a DOUBLE, b VARCHAR)": (
        "null",
        "{a: null, b: null}",
        "{a: 0.0, b: 'x'}",
        "{a: '-0.0'::double, b: 'x'}",
    ),
    "MAP(VARCHAR, INTEGER)": ("null", "map {}", "map {'a': 1}", "map {'a': null}"),
}
OF_KEYS = ("INTEGER", "VARCHAR", "DATE", "DOUBLE", "DECIMAL(12,2)", "BOOLEAN")
# What the engine joins by: two of these are one key.
ONE_KEY = {"'-0.0'": "0.0"}
Rows = list[tuple[str, ...]]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with DuckDBFile(tmp_path_factory.mktemp("compared") / "warehouse.duckdb").session() as opened:
        yield opened


def selected(types: dict[str, str], rows: Rows) -> str:
    """Return SQL of rows of which each value is as SQL writes it."""
    nothing = ("null",) * len(types)
    each = (
        ", ".join(
            f"cast({value} as {kind}) as {name}"
            for value, (name, kind) in zip(row, types.items(), strict=True)
        )
        for row in (rows or [nothing])
    )
    return " union all ".join(f"select {row}{'' if rows else ' where false'}" for row in each)


@dataclass
class Expected:
    """What plain Python counts."""

    added: int = 0
    removed: int = 0
    changed: int = 0
    twice: tuple[int, int] = (0, 0)
    columns: dict[str, int] | None = None


def oracle(names: Sequence[str], key: Sequence[str], was: Rows, now: Rows) -> Expected:
    """Count what differs, as the module says it does."""
    if not key:
        before, after = Counter(was), Counter(now)
        return Expected((after - before).total(), (before - after).total(), columns={})
    places = [names.index(name) for name in key]

    def of(row: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(ONE_KEY.get(row[place], row[place]) for place in places)

    counts = [Counter(map(of, side)) for side in (was, now)]
    twice = {name for count in counts for name, times in count.items() if times > 1}
    (was_once, was_twice), (now_once, now_twice) = (
        ({of(row): row for row in side if of(row) not in twice}, [row for row in side if of(row) in twice])
        for side in (was, now)
    )
    both = was_once.keys() & now_once.keys()
    columns = Counter[str]()
    for name in both:
        columns.update(
            column
            for column, old, new in zip(names, was_once[name], now_once[name], strict=True)
            if old != new
        )
    whole = oracle(names, (), was_twice, now_twice)
    return Expected(
        len(now_once.keys() - both) + whole.added,
        len(was_once.keys() - both) + whole.removed,
        sum(was_once[name] != now_once[name] for name in both),
        (len(now_twice), len(was_twice)),
        dict(columns),
    )


@pytest.mark.parametrize("number", range(EXAMPLES))
def test_it_counts_what_plain_python_counts(session: Session, number: int) -> None:
    """Random types, nulls, duplicates, keys of no, one and two columns."""
    chance = random.Random(f"{number} {os.environ['PYTEST_SAMPLED_SEED']}")
    kinds = [chance.choice(OF_KEYS), chance.choice(OF_KEYS), *chance.sample([*VALUES], 4)]
    types = {f"c{place}": kind for place, kind in enumerate(kinds)}
    key = [f"c{place}" for place in range(chance.randint(0, 2))]
    was: Rows = [
        tuple(chance.choice(VALUES[kind]) for kind in kinds) for _ in range(chance.choice((0, 1, 4, 12)))
    ]
    now = [row for row in was if chance.random() > 0.2]
    now = [
        tuple(
            chance.choice(VALUES[kind]) if chance.random() < 0.1 else value
            for value, kind in zip(row, kinds, strict=True)
        )
        for row in now
    ]
    now += [tuple(chance.choice(VALUES[kind]) for kind in kinds) for _ in range(chance.randint(0, 3))]
    chance.shuffle(now)
    pairs = [Pair(name, kind, kind, kind) for name, kind in types.items()]

    found = compare_rows(
        session, selected(types, was), selected(types, now), pairs, KeyForm.of(key, {}), samples=3
    )

    expected = oracle([*types], key, was, now)
    assert (found.was, found.is_now) == (len(was), len(now))
    assert (found.added, found.removed, found.changed) == (expected.added, expected.removed, expected.changed)
    assert (found.twice, found.columns) == (expected.twice, expected.columns)
    shown = [len(keys) for keys in (found.keys.added, found.keys.removed, found.keys.changed)]
    if key and expected.twice == (0, 0):
        assert shown == [min(3, count) for count in (expected.added, expected.removed, expected.changed)]


# {type: values as SQL writes them, of which a Delta table keeps each in its own way}.
KEPT_OTHERWISE: dict[str, Sequence[str]] = {
    "UTINYINT": ("null", "0", "255"),
    "UBIGINT": ("null", "18446744073709551615", "18446744073709551614"),
    "UHUGEINT": ("null", "1", "340282366920938463463374607431768211455"),
    "TIMESTAMP_S": ("null", "'2024-01-01 00:00:00'", "'2024-01-01 00:00:01'"),
    "TIMESTAMP_NS": ("null", "'2024-01-01 00:00:00.000000001'", "'2024-01-01 00:00:00'"),
    "TIME": ("null", "'00:00:00'", "'24:00:00'"),
    "TIME WITH TIME ZONE": ("null", "'01:00:00+01'", "'00:00:00+00'"),
    "UUID": ("null", "'00000000-0000-0000-0000-000000000001'", "'00000000-0000-0001-0000-000000000000'"),
    "ENUM('x', 'y')": ("null", "'x'", "'y'"),
    "JSON": ("null", "'{\"a\": 1}'", "'{\"a\":1}'"),
    "BIT": ("null", "'1'", "'01'"),
    "BIGNUM": ("null", "1", "170141183460469231731687303715884105728"),
    "INTEGER[2]": ("null", "[1, 2]", "[1, null]"),
    "HUGEINT[]": ("null", "[]", "[170141183460469231731687303715884105727]", "[null]"),
    "STRUCT(a INTERVAL, b UUID[])": ("null", "{a: '30 days', b: []}", "{a: '1 month', b: []}"),
    "UNION(n INTEGER, t VARCHAR)": ("null", "union_value(n := 1)", "union_value(t := 'x')"),
    "UNION(n INTEGER, t VARCHAR)[]": ("null", "[]", "[union_value(n := 1)]", "[union_value(t := 'x')]"),
}
# (type now, value; type before, value; whether it is the same value).
OTHER_TYPES = [
    ("BIGINT", "7", "INTEGER", "7", True),
    ("BIGINT", "7", "INTEGER", "8", False),
    ("BIGINT", "null", "INTEGER", "null", True),
    ("BIGINT", "null", "INTEGER", "0", False),
    ("UBIGINT", "7", "TINYINT", "7", True),
    ("HUGEINT", "7", "BIGINT", "7", True),
    ("DECIMAL(12,4)", "1.5", "DECIMAL(10,2)", "1.50", True),
    ("DECIMAL(12,4)", "1.5001", "DECIMAL(10,2)", "1.50", False),
    ("DECIMAL(38,0)", "99999999999999999999999999999999999999", "DECIMAL(38,38)", "0.5", False),
    ("DECIMAL(38,0)", "1", "DECIMAL(38,38)", "0.5", False),
    ("INTEGER", "1", "DECIMAL(10,2)", "1.00", True),
    ("BIGINT", "9007199254740993", "DOUBLE", "9007199254740992", False),
    ("BIGINT", "9007199254740992", "DOUBLE", "9007199254740992", True),
    ("DOUBLE", "0.1", "DECIMAL(10,2)", "0.10", True),
    ("DOUBLE", "'-0.0'", "INTEGER", "0", False),
    ("DOUBLE", "0.1", "FLOAT", "0.1", False),
    ("DOUBLE", "0.5", "FLOAT", "0.5", True),
    ("DOUBLE", "'nan'", "FLOAT", "'nan'", True),
    ("VARCHAR", "'1'", "INTEGER", "1", True),
    ("VARCHAR", "'01'", "INTEGER", "1", False),
    ("TIMESTAMP", "'2024-01-01 00:00:00'", "DATE", "'2024-01-01'", True),
    ("TIMESTAMP", "'2024-01-01 00:00:01'", "DATE", "'2024-01-01'", False),
    ("TIMESTAMP WITH TIME ZONE", "'2024-01-01 00:00:00+00'", "TIMESTAMP", "'2024-01-01 00:00:00'", True),
    ("ENUM('x', 'y')", "'x'", "ENUM('x')", "'x'", True),
    ("ENUM('x', 'y')", "'x'", "VARCHAR", "'x'", True),
    ("BIGINT[]", "[1, null]", "INTEGER[]", "[1, null]", True),
    ("STRUCT(a BIGINT)", "{a: 1}", "STRUCT(a INTEGER)", "{a: 1}", True),
    ("STRUCT(a BIGINT, b INTEGER)", "{a: 1, b: 2}", "STRUCT(a BIGINT)", "{a: 1}", False),
    ("INTEGER[]", "[1]", "INTEGER", "1", False),
]


def beside(session: Session, now: tuple[str, str], was: tuple[str, str]) -> tuple[int, int]:
    """Return how many of one row are changed, by a key and without one; the old is as Delta keeps it."""
    columns = session.describe(f"select 1 as k, cast({now[1]} as {now[0]}) as v")
    before = session.describe(f"select 1 as k, cast({was[1]} as {was[0]}) as v")
    stored = {name: written_as(kind) for name, kind in before.items()}
    if "HUGEINT" in was[0]:  # as where one has 39 digits
        stored = {name: written_as(kind, "VARCHAR") for name, kind in before.items()}
    published = PublishedTable("x", "", 0, before, {}, "", {}, stored)
    matched = match(session, columns, published, {})
    kept = f"cast(cast({was[1]} as {was[0]}) as {stored['v']})"
    sides = (
        matched.was(f"select 1 as k, {kept} as v"),
        matched.now(f"select 1 as k, cast({now[1]} as {now[0]}) as v"),
    )
    assert [one.shape for one in matched.others] == [Shape.TYPE] * (columns["v"] != before["v"])
    by_key = compare_rows(session, *sides, matched.pairs, KeyForm.of(["k"], {}))
    whole = compare_rows(session, *sides, matched.pairs, KeyForm.of([], {}))
    assert whole.added == whole.removed
    return by_key.changed, whole.added


@pytest.mark.parametrize(("kind", "values"), [*VALUES.items(), *KEPT_OTHERWISE.items()])
def test_each_type_is_compared_exactly_with_what_a_delta_table_keeps(
    session: Session, kind: str, values: Sequence[str]
) -> None:
    """A value is itself, and none of the others."""
    for now in values:
        for was in values:
            assert beside(session, (kind, now), (kind, was)) == ((now != was,) * 2), (now, was)


@pytest.mark.parametrize(("now", "value", "was", "before", "same"), OTHER_TYPES)
def test_values_of_another_type_are_compared_by_what_they_mean(
    session: Session, now: str, value: str, was: str, before: str, same: bool
) -> None:
    assert beside(session, (now, value), (was, before)) == ((not same,) * 2)


def test_of_two_lossy_casts_nothing_is_taken_for_equal(session: Session) -> None:
    """A key of another type finds its row; one that has no equal is added and removed."""
    pairs = [Pair("k", "BIGINT", "DOUBLE", "DOUBLE")]
    was, now = ({"k": kind} for kind in ("DOUBLE", "BIGINT"))
    found = compare_rows(
        session,
        selected(was, [("1",), ("9007199254740992",)]),
        selected(now, [("1",), ("9007199254740993",)]),
        pairs,
        KeyForm.of(["k"], {}),
        samples=5,
    )
    assert (found.added, found.removed, found.changed) == (1, 1, 0)


@pytest.mark.parametrize("hidden", [(), ("k",), ("v",)])
def test_of_classified_columns_neither_keys_nor_sums_are_told(
    session: Session, hidden: tuple[str, ...]
) -> None:
    types = {"k": "VARCHAR", "v": "DECIMAL(12,2)"}
    pairs = [Pair(name, kind, kind, kind) for name, kind in types.items()]
    was, now = selected(types, [("'a'", "1"), ("'b'", "2")]), selected(types, [("'a'", "1.5"), ("'c'", "2")])

    found = compare_rows(session, was, now, pairs, KeyForm.of(["k"], {}), hidden=hidden, samples=5)

    assert [(one.name, one.was, one.is_now) for one in found.sums] == (
        [] if "v" in hidden else [("v", "3.00", "3.50")]
    )
    keys = ((), (), ()) if "k" in hidden else (({"k": "c"},), ({"k": "b"},), ({"k": "a"},))
    assert (found.keys.added, found.keys.removed, found.keys.changed) == keys
    assert (found.added, found.removed, found.changed) == (1, 1, 1)


def test_keys_that_a_destination_takes_for_one_are_one_row(session: Session) -> None:
    """Written otherwise, it is a change of the key's own field."""
    pairs = [Pair("k", "VARCHAR", "VARCHAR", "VARCHAR")]
    was, now = (selected({"k": "VARCHAR"}, [(value,)]) for value in ("'A-1'", "'a-1'"))
    form = KeyForm.of(["k"], {"k": frozenset({Alike.CASE})})
    found = compare_rows(session, was, now, pairs, form, samples=1)
    assert (found.added, found.removed, found.changed, found.columns) == (0, 0, 1, {"k": 1})
    assert found.keys.changed == ({"k": "a-1"},)
