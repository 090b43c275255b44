"""What `sluice env diff` says: an environment's tables and exports beside what production has published.

Its fields are the JSON that the command prints, with a schema in docs/diff.schema.json: one is added, none is
taken away or renamed without a new `version`. Belongs here: that form. Does not belong here: finding it
(`compare`), how it reads (`markdown`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pydantic import ConfigDict, TypeAdapter, with_config

from orchestration.core.json_schemas import schema_text_of

SCHEMA_FILE = "docs/diff.schema.json"
_VERSION = 1
# What stands below a field is its description in the schema.
_DESCRIBED = ConfigDict(use_attribute_docstrings=True)
Key = Mapping[str, str | None]
_NO_KEYS: tuple[Key, ...] = ()


class Stands(StrEnum):
    """How a partition of an environment stands beside production's.

    `equal`: no row is another. `changed`: some are. `only_here`: production has not published it.
    `only_published`: the environment has not got it. `not_built`: it is not built with what the project
    means. `failed`: its build did not come about. `refused`: a check says no. `not_judged`: a check has not
    spoken. `not_comparable`: it is not made of the same inputs.
    """

    EQUAL = "equal"
    CHANGED = "changed"
    ONLY_HERE = "only_here"
    ONLY_PUBLISHED = "only_published"
    NOT_BUILT = "not_built"
    FAILED = "failed"
    REFUSED = "refused"
    NOT_JUDGED = "not_judged"
    NOT_COMPARABLE = "not_comparable"


# Of these it is known what is another.
COMPARED = (Stands.EQUAL, Stands.CHANGED, Stands.ONLY_HERE)


class Shape(StrEnum):
    """What is another of a column as such: it is `added`, `gone`, of another `type`, or otherwise `spelt`.

    `closed`: its values are not compared, as its class is not published, or it is made of what is not.
    """

    ADDED = "added"
    GONE = "gone"
    TYPE = "type"
    SPELT = "spelt"
    CLOSED = "closed"


@with_config(_DESCRIBED)
@dataclass(frozen=True)
class ColumnDiff:
    """A column, or a destination's field, that is another as such."""

    name: str
    """What it is called now; of one that is gone, what it was called."""
    shape: Shape
    """What is another."""
    was: str = ""
    """Its type before, or its name."""
    is_now: str = ""
    """Its type now, or its name."""
    why: str = ""
    """Why its values are not compared."""


@with_config(_DESCRIBED)
@dataclass(frozen=True)
class SumDiff:
    """Another sum of a number over the rows of a partition."""

    name: str
    """The column or field."""
    was: str
    """The sum before, as text; empty where no row has a value."""
    is_now: str
    """The sum now."""


@with_config(_DESCRIBED)
@dataclass(frozen=True)
class Keys:
    """Keys of the first rows of each sort, {column: text or null}; none where one of them is classified."""

    added: tuple[Key, ...] = _NO_KEYS
    """Of rows that are here alone."""
    removed: tuple[Key, ...] = _NO_KEYS
    """Of rows that are in production alone."""
    changed: tuple[Key, ...] = _NO_KEYS
    """Of rows that have other values."""


NO_KEYS = Keys()


@with_config(_DESCRIBED)
@dataclass(frozen=True)
class PartitionDiff:
    """One partition of a table or an export."""

    partition_key: str
    """Its key; empty of what is not cut."""
    stands: Stands
    """How it stands."""
    why: str = ""
    """Why it is not compared, or not right, and what to type."""
    was: int | None = None
    """Rows in production; null where it has none of the partition."""
    is_now: int | None = None
    """Rows in the environment; null where they are not looked at."""
    added: int = 0
    """Rows of a key that production has not."""
    removed: int = 0
    """Rows of a key that production alone has."""
    changed: int = 0
    """Rows of which a value is another."""
    twice: int = 0
    """Rows of both sides whose key stands more than once: those count as added and removed, whole."""
    columns: Mapping[str, int] = field(default_factory=dict[str, int])
    """{column or field: changed rows that have another value in it}."""
    sums: tuple[SumDiff, ...] = ()
    """Sums that are others."""
    keys: Keys = NO_KEYS
    """Some keys."""
    notes: tuple[str, ...] = ()
    """What production has other by now of what it is made of."""

    @property
    def differs(self) -> bool:
        """Whether rows are others."""
        return bool(self.added or self.removed or self.changed)


@dataclass(frozen=True, kw_only=True)
class _Diff:
    """What a table and an export have in common."""

    key: tuple[str, ...]
    """The columns, or fields, that tell rows apart; without any, whole rows are compared."""
    columns: tuple[ColumnDiff, ...]
    """What is another of columns, or fields, as such."""
    partitions: tuple[PartitionDiff, ...]
    """Its partitions in the environment, in their order."""
    unbuilt: tuple[str, ...]
    """What is not built and validated with what the project means now, of it and of what it is made of."""

    @property
    def added(self) -> int:
        """Rows, in all partitions."""
        return sum(one.added for one in self.partitions)

    @property
    def removed(self) -> int:
        """Rows, in all partitions."""
        return sum(one.removed for one in self.partitions)

    @property
    def changed(self) -> int:
        """Rows, in all partitions."""
        return sum(one.changed for one in self.partitions)

    @property
    def changed_columns(self) -> dict[str, int]:
        """{column or field: changed rows that have another value in it}, in all partitions."""
        found: dict[str, int] = {}
        for one in self.partitions:
            for name, rows in one.columns.items():
                found[name] = found.get(name, 0) + rows
        return found

    @property
    def differs(self) -> bool:
        """Whether rows or columns are others, as far as they are compared."""
        shapes = (column.shape for column in self.columns)
        return any(one.differs for one in self.partitions) or any(one is not Shape.CLOSED for one in shapes)

    @property
    def open(self) -> tuple[PartitionDiff, ...]:
        """The partitions of which it is not known what is another, or which are not right."""
        return tuple(one for one in self.partitions if one.stands not in COMPARED)


@with_config(_DESCRIBED)
@dataclass(frozen=True, kw_only=True)
class TableDiff(_Diff):
    """A table that the environment has built, or would build."""

    table: str
    """SCHEMA.NAME."""
    key_from: str = ""
    """Who says what tells rows apart: the export, the suite, or a dbt test."""


@with_config(_DESCRIBED)
@dataclass(frozen=True, kw_only=True)
class ExportDiff(_Diff):
    """The same as the destination has it: its fields, and the rows that the last mile lets through."""

    export: str
    """Its name."""
    table: str
    """The table that it sends, SCHEMA.NAME."""
    type: str
    """The kind of destination."""
    connection: str
    """The connection's name."""
    object: str
    """The table, folder or object type there."""
    mode: str
    """append, upsert, mirror or snapshot."""
    owner: str
    """Who answers for it."""
    channel: str
    """Where they want to hear of it."""
    held_by: tuple[str, ...] = ()
    """Limits of the export file that a delivery upon production's rows would pass, in words."""
    stays: bool = False
    """What is removed is not taken out there, as the mode takes nothing out."""


@with_config(_DESCRIBED)
@dataclass(frozen=True)
class DiffReport:
    """An environment beside the catalogue that it was made from."""

    environment: str
    """Its name."""
    catalogue: str
    """The catalogue's."""
    tables: tuple[TableDiff, ...]
    """Tables, parents before children."""
    exports: tuple[ExportDiff, ...]
    """Exports that are made of these tables."""
    version: int = _VERSION
    """Of this form."""

    @property
    def differs(self) -> bool:
        """Whether anything is another, or not known to be the same."""
        return any(one.differs or one.open or one.unbuilt for one in (*self.tables, *self.exports))


def schema_text() -> str:
    """Return the text of the schema (JSON Schema, draft 2020-12)."""
    return schema_text_of(TypeAdapter[Any](DiffReport).json_schema())
