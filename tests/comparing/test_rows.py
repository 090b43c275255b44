"""What a comparison counts, beside plain Python, on random tables of the types, keys and accidents that there are.

Belongs here: the rows of one partition. Does not belong here: which partitions are compared (`test_diff`).
"""

import os
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from orchestration.comparing.rows import RowsDiff, compare_rows
from orchestration.comparing.shapes import Pair, match
from orchestration.compute.alike import Alike
from orchestration.delivery.ledger import KeyForm
from orchestration.publishing.catalogue import UNKNOWN, PublishedTable
from orchestration.publishing.delta_types import written_as
from orchestration.warehouse.base import Session
from orchestration.warehouse.duckdb_file import DuckDBFile

EXAMPLES = 40 * int(os.environ.get("SLUICE_TEST_KILLS", "1"))
# {type: values as SQL writes them}; no two of one type are one value, whatever they are equal to.
VALUES: dict[str, Sequence[str]] = {
    "INTEGER": ("null", "0", "1", "2", "-7"),
    "BIGINT": ("null", "0", "9007199254740993", "9007199254740992"),
    "HUGEINT": ("null", "0", "-1", "170141183460469231731687303715884105727"),
    "DECIMAL(12,2)": ("null", "0.00", "1.50", "-1.50"),
    "DECIMAL(38,4)": ("null", "0.0000", "9999999999999999999999999999999999.9999"),
    "DOUBLE": ("null", "0.0", "-0.0", "'nan'", "'inf'", "0.1", "0.30000000000000004"),
    "FLOAT": ("null", "0.0", "-0.0", "'nan'", "0.1"),
    "VARCHAR": ("null", "''", "'a'", "'A'", "'a '", "'ä'"),
    "BOOLEAN": ("null", "true", "false"),
    "DATE": ("null", "'2024-01-01'", "'infinity'"),
    "TIMESTAMP": ("null", "'2024-01-01 00:00:00'", "'2024-01-01 00:00:00.000001'"),
    "TIMESTAMP WITH TIME ZONE": ("null", "'2024-01-01 00:00:00+00'", "'2024-01-01 01:00:00+00'"),
    "INTERVAL": ("null", "'1 month'", "'30 days'", "'0 days'"),
    "BLOB": ("null", r"'\x00'", "''"),
    "INTEGER[]": ("null", "[]", "[null]", "[1]", "[1, 2]"),
    "STRUCT(a DOUBLE, b VARCHAR)": ("null", "{a: null, b: null}", "{a: 0.0, b: 'x'}", "{a: -0.0, b: 'x'}"),
    "MAP(VARCHAR, INTEGER)": ("null", "map {}", "map {'a': 1}", "map {'a': null}"),
}
OF_KEYS = ("INTEGER", "VARCHAR", "DATE", "DOUBLE", "DECIMAL(12,2)", "BOOLEAN")
# What the engine joins by: two of these are one key.
ONE_KEY = {"-0.0": "0.0"}
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
