"""Column lineage of generated SQL against what moves: change one column of the data, and compare results.

The oracle (`changed_worlds`) runs the SQL; it knows nothing of plans. Other queries each time,
and the seed is
that of `tests/sampled.py`; `SLUICE_TEST_KILLS=10` tries ten times as many.
Belongs here: the promise about one query. Does not: cases by hand,
whole companies (`test_companies_perturbed`).
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

import duckdb
import pytest
from sluicegate.compute.column_plan import table_origins
from sluicegate.core.column_origins import Origin, Place, TableOrigins
from sluicegate.core.relations import Relation

from tests.columns.changed_worlds import Moved, Rows, World, compared
from tests.columns.generated_queries import generated
from tests.columns.query_maker import Query

SEED = os.environ.get("PYTEST_SAMPLED_SEED", "0")
TIMES = int(os.environ.get("SLUICE_TEST_KILLS", "1"))
EXAMPLES = 60 * TIMES
# So many queries share their data.
SHARED = 60
RESULT = Relation("models", "result")


@dataclass(frozen=True)
class Example:
    """A query, what the walker says of it, and what each change of each column moves."""

    query: Query
    origins: TableOrigins
    moves: Mapping[Place, Sequence[Moved]]


@pytest.fixture(scope="module")
def examples() -> list[Example]:
    """As many queries as are asked for, each with a result that has rows."""
    return [example for number in range(-(-EXAMPLES // SHARED)) for example in _examples(f"{SEED} {number}")]


def _examples(seed: str) -> Iterator[Example]:
    world, random = World(seed), Random(seed)
    for number, (query, before) in enumerate(_with_rows(world, seed)):
        if number == SHARED:
            return
        origins = table_origins(world.connection, RESULT, query.sql)
        listed = {one.place for one in _all(origins)}
        moves = {
            changed: list(world.moves(query, before, changed, None if changed in listed else random))
            for changed in sorted(world.places)
        }
        yield Example(query, origins, moves)


def _with_rows(world: World, seed: str) -> Iterator[tuple[Query, Rows]]:
    number = 0
    while True:
        query = generated(f"{seed} {number}")
        number += 1
        try:
            rows = world.rows(query)
        except duckdb.Error:  # not every generated query is one
            continue
        if rows:
            yield query, rows


def _all(origins: TableOrigins) -> set[Origin]:
    return {one for of_column in origins.columns.values() for one in of_column} | origins.rows


def unlisted(example: Example, origins: TableOrigins) -> list[tuple[str, Place]]:
    """Return the columns that move with one that these origins do not list; "" is the rows as such."""
    deciding = {one.place for one in origins.rows}
    listed = {name: {one.place for one in of_column} for name, of_column in origins.columns.items()}
    anywhere = deciding.union(*listed.values())
    found: list[tuple[str, Place]] = []
    for place, moves in example.moves.items():
        columns = frozenset[str]().union(*(moved.columns for moved in moves))
        found += [(name, place) for name in sorted(columns) if place not in listed[name] | deciding]
        if place not in anywhere and any(moved.rows for moved in moves):
            found.append(("", place))
    return found


def test_nothing_moves_that_is_not_listed(examples: list[Example]) -> None:
    """Of each column, and of the rows."""
    for example in examples:
        assert list(example.origins.columns) == [column.name for column in example.query.columns]
        assert unlisted(example, example.origins) == [], example.query.sql


def test_every_construct_is_understood(examples: list[Example]) -> None:
    """All columns of all parents would be a right answer, and a useless one."""
    for example in examples:
        assert example.origins.not_understood == (), example.query.sql


def test_most_of_what_is_listed_moves(examples: list[Example]) -> None:
    """Who lists everything is always right; of origins of a value at least 60 % move with some change."""
    pairs = {
        (number, name, one.place)
        for number, example in enumerate(examples)
        for name, of_column in example.origins.columns.items()
        for one in of_column
        if one.kind.of_value
    }
    moved = {
        (number, name, place)
        for number, name, place in pairs
        if any(name in one.columns for one in examples[number].moves[place])
    }
    assert len(moved) >= 0.6 * len(pairs) > 1.5 * len(examples)


@pytest.mark.parametrize("seed", range(10))
def test_a_twentieth_less_is_noticed(examples: list[Example], seed: int) -> None:
    """The first test fails of answers of which 5 % are left out."""
    random = Random(f"{SEED} {seed}")

    def some(origins: frozenset[Origin]) -> frozenset[Origin]:
        return frozenset(one for one in sorted(origins) if random.random() >= 0.05)

    less = [
        replace(
            example.origins,
            columns={name: some(of_column) for name, of_column in example.origins.columns.items()},
            rows=some(example.origins.rows),
        )
        for example in examples
    ]
    assert any(unlisted(example, origins) for example, origins in zip(examples, less, strict=True))


# What a person changes: the meaning, and where it does not matter, nothing.
_EDITS = (
    (r"\b1\b", "3"), (r"\b2\b", "5"), ("'b'", "'a'"), (r"\bmax\(", "min("), (" desc", ""), ("inner join",
    "left join"),
    ("union all", "union"), (r"\.k\b", ".id"), (" and ", " or "), ("=", "<>"), ("<", ">"), ("upper", "lower"),
    ("semi join", "anti join"), ("distinct", ""), (r"\.s\b", ".k::varchar"), ("not in", "in"),
    ("coalesce", "nullif"),
    ("count", "max"), ("limit 4", "limit 5"), ("nulls last", "nulls first"), ("first", "last"), ("lag",
    "lead"),
)  # fmt: skip


def _edited(sql: str, random: Random) -> Iterator[str]:
    """Yield the SQL with one place changed, several times."""
    for pattern, instead in random.sample(_EDITS, k=len(_EDITS)):
        places = list(re.finditer(pattern, sql))
        if places:
            place = random.choice(places)
            yield sql[: place.start()] + instead + sql[place.end() :]


def test_what_comes_out_otherwise_has_another_digest() -> None:
    """After an edit, columns and rows of equal digests are the same, whatever the data."""
    world, random, tried, equal = World(SEED), Random(SEED), 0, 0
    for number, (query, before) in enumerate(_with_rows(world, f"{SEED} edited")):
        if number == EXAMPLES // 2:
            break
        origins = table_origins(world.connection, RESULT, query.sql)
        for sql in _edited(query.sql, random):
            other = replace(query, sql=sql)
            try:
                after = world.rows(other)
                edited = table_origins(world.connection, RESULT, sql)
            except (duckdb.Error, ValueError):
                continue
            if list(edited.columns) != list(origins.columns):
                continue
            tried += 1
            same = {name for name, digest in origins.digests.items() if edited.digests[name] == digest}
            equal += len(same)
            if edited.rows_digest == origins.rows_digest:
                moved = compared(query, before, after)
                assert not moved.columns & same, (query.sql, sql, moved, same)
                assert len(same) < len(origins.columns) or not moved.rows, (query.sql, sql)
    assert tried > EXAMPLES
    assert equal > EXAMPLES  # what an edit does not touch


def test_what_only_looks_otherwise_has_the_same_digest() -> None:
    """Spaces, comments, capitals of keywords, names of tables in FROM."""
    world = World(SEED)
    for number, (query, _) in enumerate(_with_rows(world, f"{SEED} reformatted")):
        if number == EXAMPLES // 3:
            break
        alias = re.sub(r"\br(\d+)\b", r"other_\1", query.sql)
        spaced = re.sub(r"\bselect (?=\w)", "SELECT  /* of all */\n\t", alias)
        mine, theirs = (table_origins(world.connection, RESULT, sql) for sql in (query.sql, spaced))
        assert (mine.digests, mine.rows_digest) == (theirs.digests, theirs.rows_digest), spaced
        assert (mine.columns, mine.rows) == (theirs.columns, theirs.rows)
