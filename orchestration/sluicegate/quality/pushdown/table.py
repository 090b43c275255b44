"""The table that is judged: its rows and columns, as SQL."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sluicegate.compute.engine import beside
from sluicegate.compute.sql import quoted
from sluicegate.core.problems import did_you_mean
from sluicegate.quality.pushdown.steps import NotCompiled, RuleProblem

if TYPE_CHECKING:
    import duckdb


class Kind(StrEnum):
    """What a column's values can be compared with."""

    INTEGER = "integer"
    DECIMAL = "decimal"
    FLOAT = "float"
    TEXT = "text"
    BOOLEAN = "boolean"
    DATE = "date"
    TIMESTAMP = "timestamp"
    OTHER = "other"


NUMBERS = (Kind.INTEGER, Kind.DECIMAL, Kind.FLOAT)
DAYS = (Kind.DATE, Kind.TIMESTAMP)
_KINDS: Mapping[str, Kind] = {
    **dict.fromkeys(
        ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"), Kind.INTEGER
    ),
    **dict.fromkeys(("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"), Kind.INTEGER),
    **dict.fromkeys(("FLOAT", "DOUBLE"), Kind.FLOAT),
    "DECIMAL": Kind.DECIMAL, "VARCHAR": Kind.TEXT, "BOOLEAN": Kind.BOOLEAN, "DATE": Kind.DATE,
    **dict.fromkeys(("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"), Kind.TIMESTAMP),
}  # fmt: skip


@dataclass(frozen=True)
class Column:
    """A column; `type` is DuckDB's name of its type."""

    name: str
    type: str

    @property
    def kind(self) -> Kind:
        """What its values can be compared with."""
        if self.type.startswith("ENUM("):
            return Kind.TEXT
        return _KINDS.get(re.split(r"[(\[]", self.type)[0] if "[" not in self.type else "", Kind.OTHER)

    @property
    def digits(self) -> tuple[int, int]:
        """How many digits a decimal has, and how many of them behind the point."""
        width, scale = re.findall(r"\d+", self.type)
        return int(width), int(scale)

    @property
    def bare(self) -> str:
        """The value in SQL as the table holds it; an enumeration is text."""
        return f"{quoted(self.name)}::varchar" if self.type.startswith("ENUM(") else quoted(self.name)

    @property
    def value(self) -> str:
        """The value in SQL, null where Great Expectations sees none: to pandas NaN is a missing value."""
        return f"nullif({self.bare}, 'nan')" if self.kind is Kind.FLOAT else self.bare

    @property
    def missing(self) -> str:
        """The predicate that there is no value."""
        name = quoted(self.name)
        return f"({name} is null or isnan({name}))" if self.kind is Kind.FLOAT else f"{name} is null"

    def unless_missing(self, predicate: str) -> str:
        """Return a predicate on the bare column so that it is null or false where the value is missing.

        DuckDB counts NaN as the largest number; to test for it is cheaper than to replace it.
        """
        return f"({predicate}) and not isnan({quoted(self.name)})" if self.kind is Kind.FLOAT else predicate

    @property
    def count(self) -> str:
        """The aggregate that counts values."""
        name = quoted(self.name)
        return f"count(*) filter (where not isnan({name}))" if self.kind is Kind.FLOAT else f"count({name})"

    def needs(self, *kinds: Kind) -> "Column":
        """Return the column itself.

        Raises:
            NotCompiled: its type is one that is not pushed down.
            RuleProblem: it is of another kind.
        """
        if self.kind in kinds:
            return self
        if self.kind in (Kind.OTHER, Kind.BOOLEAN):
            raise NotCompiled(self.type)
        raise RuleProblem(f"column `{self.name}` is {self.type}; the rule needs {' or '.join(kinds)}")


@dataclass(frozen=True)
class Table:
    """The rows of `relation` for which `condition` holds; `columns` by name, in order."""

    relation: str
    condition: str | None
    columns: Mapping[str, Column]
    constant: Callable[[str], Any]
    """Works out a constant expression, or raises `RuleProblem`. It is asked apart from the caller's
    transaction, which an error would end."""

    @cached_property
    def rows(self) -> str:
        """The rows, for a `from` clause."""
        return f"(select * from {self.relation} where {self.condition})" if self.condition else self.relation

    def column(self, name: str) -> Column:
        """Return a column.

        Raises:
            RuleProblem: there is none of that name.
        """
        if name not in self.columns:
            raise RuleProblem(f"no column `{name}`; {did_you_mean(name, self.columns)}")
        return self.columns[name]

    def all(self, names: Sequence[str]) -> list[Column]:
        """Return columns by their names."""
        return [self.column(name) for name in names]


def read_table(connection: "duckdb.DuckDBPyConnection", relation: str, condition: str | None) -> Table:
    """Look up what columns a relation has.

    Raises:
        duckdb.Error: there is no such relation.
    """
    described = connection.execute(f"describe select * from {relation}").fetchall()
    columns = {name: Column(name, column_type) for name, column_type, *_ in described}
    return Table(relation, condition, columns, lambda expression: _constant(connection, expression))


def _constant(connection: "duckdb.DuckDBPyConnection", expression: str) -> Any:
    import duckdb

    with beside(connection) as apart:
        try:
            row = apart.execute(f"select {expression}").fetchone()
        except duckdb.Error as error:
            raise RuleProblem(first_line(error)) from None
    assert row is not None
    return row[0]


def first_line(error: Exception) -> str:
    """Return what an engine's error says, without the SQL that it quotes."""
    return str(error).split("\n")[0]
