"""Three small tables with data, each of their columns changed in several ways, and what moves by it.

An oracle that does not share the walker's opinions: it runs a query on the data as they are and as they are
after a change of one column, and compares what comes out, column by column.
Belongs here: the data, the changes, the comparison. Does not: queries, lineage.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from random import Random
from typing import Any

import duckdb
from sluicegate.core.column_origins import Place
from sluicegate.core.relations import Relation

from tests.columns.query_maker import SQL_TYPES, TABLES, Query

SCHEMA = "base"
ROWS = {"a": 14, "b": 11, "c": 9}
# Few values, so that joins meet, groups have members and CASEs find what they ask for.
_DATES = [f"2024-0{month}-0{day}" for month, day in ((1, 1), (1, 2), (1, 3), (1, 4), (2, 1), (2, 7))]
_VALUES: Mapping[str, Sequence[str]] = {
    "int": [*map(str, range(6)), "null"],
    "text": ["'a'", "'b'", "'cab'", "'baa'", "'3'", "'c'", "''", "null"],
    "date": [*(f"date '{day}'" for day in _DATES), "null"],
    "num": ["1.00", "2.50", "2.25", "7.00", "0.50", "null"],
    "bool": ["true", "false", "null"],
    "list": ["[1, 3]", "[2]", "[]", "[4, 1, 2]", "[0, 3]", "null"],
    "struct": ["{'p': 1, 'q': 'b'}", "{'p': 3, 'q': 'a'}", "{'p': 2, 'q': 'cab'}", "{'p': null, 'q':"
        " 'b'}", "null"],
}  # fmt: skip
# What none of the values is, and none of the constants in queries.
_NEVER_SEEN = {
    "int": "2", "text": "'zabc'", "date": "date '2031-12-24'", "num": "123.45", "bool": "null",
    "list": "[7, 9, 1]", "struct": "{'p': 17, 'q': 'zab'}",
}  # fmt: skip
Rows = list[tuple[Any, ...]]


@dataclass(frozen=True)
class Moved:
    """What a change moves in a result: these columns, and whether rows are others, or in another order."""

    columns: frozenset[str]
    rows: bool


def place(table: str, column: str) -> Place:
    """Return a column of one of the tables, as lineage names it."""
    return Place(Relation(SCHEMA, table), column)


class World:
    """The tables with random data, and a schema for each change, which has the changed table alone."""

    def __init__(self, seed: str) -> None:
        self._random = Random(f"data {seed}")
        self.connection = duckdb.connect()
        self.connection.execute("set threads = 1")
        self._data = {table: self._drawn(table) for table in TABLES}
        self._make(SCHEMA, self._data)
        self._changes: dict[Place, list[str]] = {}
        for table, columns in TABLES.items():
            for at, column in enumerate(columns):
                names = self._changes[place(table, column.name)] = []
                for number, values in enumerate(self._changed(table, at)):
                    names.append(f"{table}_{column.name}_{number}")
                    rows = [
                        (*row[:at], value, *row[at + 1 :])
                        for row, value in zip(self._data[table], values, strict=True)
                    ]
                    self._make(names[-1], {table: rows})
        self._use(SCHEMA)

    @cached_property
    def places(self) -> frozenset[Place]:
        """Every column that there is."""
        return frozenset(self._changes)

    def rows(self, query: Query, changed: Place | None = None, number: int = 0) -> Rows:
        """Return what a query gives, with a column changed in its `number`th way, if one is named."""
        self._use(*([self._changes[changed][number]] if changed else []), SCHEMA)
        try:
            return self.connection.execute(query.sql).fetchall()
        finally:
            self._use(SCHEMA)

    def moves(
        self, query: Query, before: Rows, changed: Place, one_of: Random | None = None
    ) -> Iterator[Moved]:
        """Yield for each change of a column, or for a random one, what it moves.

        A change with which the query does not run is left out.
        """
        numbers = range(len(self._changes[changed]))
        for number in [one_of.choice(numbers)] if one_of else numbers:
            try:
                after = self.rows(query, changed, number)
                # By another key nobody can tell which row is which.
                yield compared(query, before, after, by_key=changed.column != "id")
            except duckdb.Error:  # a subquery with two rows, a text that is no number
                continue

    def _drawn(self, table: str) -> list[tuple[str, ...]]:
        return [
            tuple(
                str(number + 1) if column.name == "id" else self._random.choice(_VALUES[column.type])
                for column in TABLES[table]
            )
            for number in range(ROWS[table])
        ]

    def _changed(self, table: str, at: int) -> Iterator[list[str]]:
        """Yield a column's values in several other ways; a key's stay different from each other."""
        column, now = TABLES[table][at], [row[at] for row in self._data[table]]
        if column.name == "id":
            yield now[1:] + now[:1]
            yield self._random.sample(now, k=len(now))
            yield [str(int(value) + 20) for value in now]
            yield [value if n % 2 else str(-int(value)) for n, value in enumerate(now)]
            return
        yield [self._another(column.type, value) for value in now]
        yield [value if n % 2 else self._another(column.type, value) for n, value in enumerate(now)]
        yield [_NEVER_SEEN[column.type]] * len(now)
        yield [value if n % 3 == 1 else "null" for n, value in enumerate(now)]
        yield self._random.sample(now, k=len(now))
        yield [self._random.choice(_VALUES[column.type][:2])] * len(now)
        yield [self._random.choice(_VALUES[column.type][2:4]) if value == "null" else value for value in now]

    def _another(self, type_: str, value: str) -> str:
        return self._random.choice([one for one in _VALUES[type_] if one != value])

    def _make(self, schema: str, tables: Mapping[str, Iterable[tuple[str, ...]]]) -> None:
        self.connection.execute(f"create schema {schema}")
        for table, rows in tables.items():
            listed = ", ".join(f"{column.name} {SQL_TYPES[column.type]}" for column in TABLES[table])
            values = ", ".join(f"({', '.join(row)})" for row in rows)
            self.connection.execute(f"create table {schema}.{table} ({listed})")
            self.connection.execute(f"insert into {schema}.{table} values {values}")

    def _use(self, *schemas: str) -> None:
        self.connection.execute(f"set search_path = '{','.join(schemas)}'")


def compared(query: Query, before: Rows, after: Rows, *, by_key: bool = True) -> Moved:
    """Compare results: row by row where a key tells them apart, each column's values, and their order."""
    names = [column.name for column in query.columns]
    moved = {
        name
        for at, name in enumerate(names)
        if (
            _values(before, at) != _values(after, at)
            if query.ordered
            else _counted(before, at) != _counted(after, at)
        )
    }
    if query.key and by_key:
        at = names.index(query.key)
        mine, theirs = ({repr(row[at]): row for row in rows} for rows in (before, after))
        if len(mine) == len(before) and len(theirs) == len(after):
            common = mine.keys() & theirs.keys()
            moved |= {
                name
                for n, name in enumerate(names)
                if any(repr(mine[i][n]) != repr(theirs[i][n]) for i in common)
            }
    rows = Counter(map(repr, before)) != Counter(map(repr, after)) or (query.ordered and before != after)
    return Moved(frozenset(moved), rows)


def _values(rows: Rows, at: int) -> list[str]:
    return [repr(row[at]) for row in rows]


def _counted(rows: Rows, at: int) -> Counter[str]:
    return Counter(_values(rows, at))
