"""What `sluice diff` says: an environment's tables and exports beside what production has published.

The same for people, for pull requests and as JSON (`docs/diff.schema.json`). Belongs here: what is said. Does
not belong here: finding it (`compare`), how it reads (`markdown`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Stands(StrEnum):
    """How a partition of an environment stands beside production's.

    `equal`: no row is another. `changed`: some are. `only_here`: production has not published it.
    `only_published`: the environment has not got it. `not_built`: what it is made by means something else, and
    it is not built with that. `failed`: its build did not come about. `refused`: a check says no to it.
    `not_comparable`: it is not of the same inputs.
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


class Shape(StrEnum):
    """What is another of a column as such.

    `added` and `gone` are the branch's doing, `type` another type, `spelt` another case of letters. `closed`:
    its class is not published, or it is made of what is not: no value of it is compared.
    """

    ADDED = "added"
    GONE = "gone"
    TYPE = "type"
    SPELT = "spelt"
    CLOSED = "closed"


@dataclass(frozen=True)
class ColumnDiff:
    """A column, or a destination's field, that is another as such; `was` and `is_now` are names or types."""

    name: str
    shape: Shape
    was: str = ""
    is_now: str = ""
    why: str = ""


@dataclass(frozen=True)
class SumDiff:
    """Sums of a number over the rows of a partition, as text; "" where there is no row with a value."""

    name: str
    was: str
    is_now: str


@dataclass(frozen=True)
class Keys:
    """Keys of some rows, {column: text}: the first ones of each sort; none where a column is classified."""

    added: tuple[Mapping[str, str], ...] = ()
    removed: tuple[Mapping[str, str], ...] = ()
    changed: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True)
class PartitionDiff:
    """One partition; the key is "" of what is not cut.

    `why` says what is to be seen to and what to type, where it is neither equal nor changed. `was` and
    `is_now` are numbers of rows, None where there are none to count. `columns` is {column or field: changed
    rows that have another value in it}. `twice` is how many rows of the environment and of production have a
    key that stands more than once: they count as added and removed, whole. `notes`: what production has other
    since.
    """

    partition_key: str
    stands: Stands
    why: str = ""
    was: int | None = None
    is_now: int | None = None
    added: int = 0
    removed: int = 0
    changed: int = 0
    twice: int = 0
    columns: Mapping[str, int] = field(default_factory=dict[str, int])
    sums: tuple[SumDiff, ...] = ()
    keys: Keys = Keys()
    notes: tuple[str, ...] = ()

    @property
    def differs(self) -> bool:
        """Whether rows are others."""
        return bool(self.added or self.removed or self.changed)


@dataclass(frozen=True)
class _Compared:
    """What a table and an export have in common."""

    key: tuple[str, ...]
    columns: tuple[ColumnDiff, ...]
    partitions: tuple[PartitionDiff, ...]
    unbuilt: tuple[str, ...]

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
        return any(one.differs for one in self.partitions) or any(
            column.shape is not Shape.CLOSED for column in self.columns
        )

    @property
    def open(self) -> tuple[PartitionDiff, ...]:
        """The partitions of which it is not known, or not right, what is another."""
        return tuple(one for one in self.partitions if one.stands not in (Stands.EQUAL, Stands.CHANGED))


@dataclass(frozen=True)
class TableDiff(_Compared):
    """A table that the environment has built, or would build: `key` tells its rows apart, by `key_from`.

    Without a key (`key_from` "") whole rows are compared: none is changed, each is added or removed.
    `unbuilt`: what of it means something else, and is not built and validated with that.
    """

    table: str
    key_from: str = ""


@dataclass(frozen=True)
class ExportDiff(_Compared):
    """The same as the destination has it: fields, its key, the rows that the last mile lets through.

    `held_by` are the limits of the export file that a delivery upon production's rows would pass, in words;
    `unbuilt`: what it is made of that means something else, and is not built and validated with that.
    `stays`: what is removed is not taken out there, as the mode takes nothing out.
    """

    export: str
    table: str
    type: str
    connection: str
    object: str
    mode: str
    owner: str
    channel: str
    held_by: tuple[str, ...] = ()
    stays: bool = False


@dataclass(frozen=True)
class DiffReport:
    """An environment beside the catalogue that it was made from; both in the order of the graph."""

    environment: str
    catalogue: str
    tables: tuple[TableDiff, ...]
    exports: tuple[ExportDiff, ...]

    @property
    def differs(self) -> bool:
        """Whether anything is another, or not known to be the same."""
        return any(one.differs or one.open or one.unbuilt for one in (*self.tables, *self.exports))
