"""The catalogue of a shelf: which version of which Delta table holds which validated partitions.

A catalogue is never changed; a newer one takes its place. Belongs here: what it says, and how that is
written. Does not belong here: writing tables (`publish`), where it lies (`shelf`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from sluicegate.state.records import Build, Evidence

NOTHING_SEEN = (0, 0, 0, 0)
ALL = "*"
# Why a column is left out that the project's files do not tell of.
UNKNOWN = "unknown"


@dataclass(frozen=True)
class PublishedPartition:
    """One partition as the gate let it through: its version, rows, build and evidence.

    `erasures` is how many of those that concern the table were known when its rows were last looked at.
    """

    version: str
    rows: int
    build: Build
    evidence: tuple[Evidence, ...]
    erasures: int = 0


@dataclass(frozen=True)
class PublishedTable:
    """One table, `schema.name`, at one version of its Delta table.

    `location` is relative to the shelf. `columns` is {name: the engine's type} of what is published, in the
    table's order; `stored` {name: the engine's type that the Delta table has of it}; `left_out` {name: class}
    of what is not. `cut_by` is the column that cuts it, "" without; `key_column` the one that the Delta table
    has besides, with each row's partition key, and is cut by. `partitions` maps keys ("" of a table that is
    not cut).
    """

    relation: str
    location: str
    at: int
    columns: Mapping[str, str]
    left_out: Mapping[str, str]
    cut_by: str
    partitions: Mapping[str, PublishedPartition]
    stored: Mapping[str, str]
    key_column: str = ""

    @property
    def form(self) -> tuple[object, ...]:
        """What all partitions have in common: where it is another, all are written anew."""
        columns, stored = list(self.columns.items()), list(self.stored.items())
        return columns, stored, self.left_out, self.cut_by, self.key_column

    @property
    def classified(self) -> frozenset[str]:
        """The columns that are left out by their class."""
        return frozenset(name for name, why in self.left_out.items() if why != UNKNOWN)

    def shows_more_than(self, other: "PublishedTable") -> bool:
        """Whether it has columns that are left out of another by their class."""
        return not self.columns.keys().isdisjoint(other.classified)

    def with_partitions(
        self, put: Mapping[str, PublishedPartition], out: frozenset[str], at: int
    ) -> "PublishedTable":
        """Return the table with other partitions, at a version."""
        kept = {key: item for key, item in self.partitions.items() if key not in out}
        return replace(self, at=at, partitions=dict(sorted((kept | dict(put)).items())))


@dataclass(frozen=True)
class Catalogue:
    """What production had published at a moment.

    `deployment` and `epoch` are production's. `project` is the digest of the project directory.
    `meanings` is {relation: digest of what its SQL and checks mean} (`meaning`). `places`
    are digests of the objects that production writes to (`core.environments.place_digest`). `seen` are
    the newest records that were looked at (`StateStore.newest`), `waiting` the (relation, partition key) of
    them that a run had no time for; `ALL` stands for all partitions of a table. `classified` is {relation:
    columns whose values are never shown}, published or not.
    """

    name: str
    deployment: str
    epoch: int
    published_at: datetime
    project: str
    meanings: Mapping[str, str]
    places: frozenset[str]
    tables: Mapping[str, PublishedTable]
    seen: tuple[int, int, int, int] = NOTHING_SEEN
    waiting: frozenset[tuple[str, str]] = frozenset()
    classified: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])

    def whole_tables(self) -> dict[str, PublishedTable]:
        """Return its tables; one whose sheet is gone has nobody that could read it."""
        return {name: table for name in self.tables if (table := self.tables.get(name))}

    def shows_more_than(self, other: "Catalogue") -> bool:
        """Whether it has columns that another leaves out by their class.

        One may have been renamed, or dropped with its table, when it got its class: what is gone counts
        where its name is left out anywhere, or its table leaves out a column that it had not.
        """
        others = other.whole_tables()
        closed = {name for table in others.values() for name in table.classified}
        for relation, table in self.whole_tables().items():
            now = others.get(relation)
            gone = table.columns.keys() - (now.columns.keys() if now else frozenset())
            if gone & closed:
                return True
            if now and gone and now.classified - table.columns.keys() - table.left_out.keys():
                return True
        return False
