"""A query of one construct, and what is so of it: how that is written, and the tables that it reads.

Belongs here: the form of a case. Does not belong here: the cases (constructs_of_….py), any test.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb
from sluicegate.core.column_origins import Kind, Origin, Place
from sluicegate.core.relations import Relation

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA = """
    create table t (a int, b varchar, c double, d date, l int[], st struct(x int, y varchar));
    create table s (a int, d int, e varchar);
    create macro twice(x) as x + x;
    create macro of_table(n) as table select a as k, max(b) as v from t where c > n group by a;
    create view shown as select a as x, lower(b) as y from t where c > 1;
"""
MADE = Relation("made", "here")


@dataclass(frozen=True)
class Case:
    """A query, what its columns are made of, what decides its rows, of which table each is a row.

    Written as `x: identity t.a, conditional t.b; y`.
    """

    sql: str
    columns: str
    rows: str = ""
    row_of: str = ""

    @property
    def expected(self) -> dict[str, frozenset[Origin]]:
        """The columns and their origins."""
        return {
            name.strip(): origins(made)
            for name, _, made in (column.partition(":") for column in self.columns.split(";"))
        }


def origins(text: str) -> frozenset[Origin]:
    """Read origins as they are written in a case: a kind, a column, and how many rows are proven."""
    return frozenset(_origins(text))


def _origins(text: str) -> "Iterator[Origin]":
    for item in filter(None, (part.strip() for part in text.split(","))):
        kind, column, *at_least = item.split()
        table, _, name = column.partition(".")
        yield Origin(Place(Relation("main", table), name), Kind(kind), int(at_least[0]) if at_least else 0)


def tables() -> duckdb.DuckDBPyConnection:
    """Return an engine with the tables of the cases, without rows."""
    connection = duckdb.connect()
    connection.execute(SCHEMA)
    return connection
