"""What a view of operations data is: its columns, what they say, and SQL in the words of each database.

Belongs here: that. Does not belong here: the views (`ops_views`), making them (`ops_made`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

PREFIX, SCHEMA = "ops_", "ops"


class Type(StrEnum):
    """What a column holds: each is a type of SQL; a `TIMESTAMP` is in UTC."""

    TEXT = "text"
    INTEGER = "bigint"
    NUMBER = "double"
    BOOLEAN = "boolean"
    DATE = "date"
    TIMESTAMP = "timestamp"


@dataclass(frozen=True)
class Column:
    """A column; `unit` is "" of what has none."""

    name: str
    type: Type
    description: str
    unit: str = ""


@dataclass(frozen=True)
class Dialect:
    """What the databases say in different words: each takes SQL and returns SQL."""

    day: Callable[[str], str]
    month: Callable[[str], str]
    seconds: Callable[[str, str], str]
    now: str
    month_ago: str


@dataclass(frozen=True)
class View:
    """A view; `key` are the columns that tell its rows apart.

    Of facts, `written` is SQL of when a row was put on record, at the earliest, and `late_days` how many days
    later it may have been; `open` tells of one that may still change. `written` is "" of what is no fact but
    an answer, or a definition of the project. `aged_by` is the column by which the records forget a row that
    is old; "" of a fact that they keep.
    """

    name: str
    about: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    sql: Callable[[Dialect], str]
    written: str = ""
    open: str = "false"
    late_days: int = 0
    aged_by: str = ""

    @property
    def is_fact(self) -> bool:
        """Whether its rows have a day on which they happened, in the column `day`."""
        return bool(self.written)

    def statement(self, says: Dialect) -> str:
        """Return what the view selects."""
        names = ", ".join(f"v.{column.name}" for column in self.columns[1:])
        own = "coalesce((select min(d.id) from deployment as d), '') as deployment"
        return f"select {own}, {names} from ({self.sql(says)}) as v"

    def digest(self, dialect: str) -> str:
        """Return what tells it from the same view of other code."""
        told = "".join(f"{c.name} {c.description} {c.unit};" for c in self.columns)
        return sha256(f"{self.about}{told}{self.statement(DIALECTS[dialect])}".encode()).hexdigest()[:16]


_SQLITE_NOW = "strftime('%Y-%m-%d %H:%M:%f000', 'now'{})"
DIALECTS: Mapping[str, Dialect] = {
    "sqlite": Dialect(
        day=lambda at: f"substr({at}, 1, 10)",
        month=lambda at: f"substr({at}, 1, 7)",
        seconds=lambda begin, end: f"round((julianday({end}) - julianday({begin})) * 86400.0, 3)",
        now=_SQLITE_NOW.format(""),
        month_ago=_SQLITE_NOW.format(", '-31 days'"),
    ),
    "postgresql": Dialect(
        day=lambda at: f"({at} at time zone 'UTC')::date",
        month=lambda at: f"to_char({at} at time zone 'UTC', 'YYYY-MM')",
        seconds=lambda begin, end: f"extract(epoch from {end} - {begin})::double precision",
        now="now()",
        month_ago="now() - interval '31 days'",
    ),
}
