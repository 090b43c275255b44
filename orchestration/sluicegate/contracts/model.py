"""A source, as its contract describes it, in the terms the platform works with."""

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import cached_property

from sluicegate.contracts.columns import Column, Masking
from sluicegate.contracts.drops import Completion, DropTemplate
from sluicegate.contracts.reading import ReadOptions
from sluicegate.contracts.shape import ShapePolicies
from sluicegate.core.freshness import DAY, overdue_after
from sluicegate.core.partitions import Grain, Partitioning
from sluicegate.core.relations import QUARANTINE, RAW, Relation
from sluicegate.core.shown_text import Near
from sluicegate.core.yaml_files import YamlFile

# The check on a raw table that says its drop was as agreed.
CONTRACT_CHECK = "contract"
# Of a column what nothing is judged by.
_DESCRIPTIVE = ("description", "classification")


@dataclass(frozen=True)
class QuarantineLimit:
    """How much of a drop may be quarantined before the whole drop is refused; nothing, by default.

    `rows` counts rows, `percent` is of the rows read (0 to 100); with both, the stricter one holds.
    """

    rows: int | None = None
    percent: float | None = None

    def exceeded(self, quarantined: int, read: int) -> bool:
        """Whether so many of so many rows are too many."""
        if quarantined == 0:
            return False
        if self.rows is None and self.percent is None:
            return True
        too_many = self.rows is not None and quarantined > self.rows
        return too_many or (self.percent is not None and quarantined * 100 > self.percent * read)

    def __str__(self) -> str:
        parts = [] if self.rows is None else [f"{self.rows} rows"]
        parts += [] if self.percent is None else [f"{self.percent:g} % of the rows"]
        return " and ".join(parts) or "no row"


@dataclass(frozen=True)
class SourceContract:
    """One feed: who promises it, where its drops land, how they are read and what they must hold.

    `channel` is where its people talk, the first of ODCS `support`. `template` says where a partition's files
    land, relative to the connector's staging area. `partition_column` is the column whose value must lie in
    the drop's partition. `latency` is how long after the end of its partition (or after a snapshot was made)
    a drop lands at the latest, `frequency` how often one does; None where the contract promises nothing.
    `max_age` is how old what is newest of the source may be when something made of it is sent; None: any age.
    `cold_after_days` is when originals may go to the cold tier.
    """

    name: str
    version: str
    description: str
    owner: str
    provider: str
    partitioning: Partitioning
    partition_start: datetime | None
    gaps_allowed: bool
    connector: str
    template: DropTemplate
    completion: Completion
    reading: ReadOptions
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    partition_column: str | None
    row_count: tuple[int | None, int | None]
    limit: QuarantineLimit
    shape: ShapePolicies
    latency: timedelta | None
    frequency: timedelta | None
    file: YamlFile
    empties_staging: bool = False
    cold_after_days: int | None = None
    channel: str = ""
    max_age: timedelta | None = None

    @property
    def relation(self) -> Relation:
        """The raw table."""
        return Relation(RAW, self.name)

    @property
    def quarantine(self) -> Relation:
        """The table of the rows that were not taken."""
        return quarantine_of(self.relation)

    @property
    def classified(self) -> frozenset[str]:
        """The columns whose values are not for everybody, by the contract's `classification`."""
        return frozenset(column.name for column in self.columns if column.classified)

    @cached_property
    def near(self) -> Near:
        """What is near a text that may quote the values of a drop."""
        names = {name for column in self.columns for name in (column.name, column.header, *column.aliases)}
        return Near(bool(self.classified), frozenset({*names, self.name, self.relation, self.file.name}))

    @cached_property
    def rules_digest(self) -> str:
        """A digest of what the contract judges a drop by: how it is read, and what it must hold.

        Not of who promises it, where it lands and when.
        """
        told = {
            "columns": [
                {name: value for name, value in asdict(column).items() if name not in _DESCRIPTIVE}
                for column in self.columns
            ],
            "key": self.key,
            "partition column": self.partition_column,
            "grain": self.grain,
            "rows": self.row_count,
            "days without a drop": self.gaps_allowed,
            "limit": asdict(self.limit),
            "shape": asdict(self.shape),
            "reading": asdict(self.reading),
        }
        return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()

    @property
    def loaded_columns(self) -> tuple[Column, ...]:
        """The columns that the raw table has: all but those that are dropped by their masking."""
        return tuple(column for column in self.columns if column.masking is not Masking.DROP)

    @property
    def grain(self) -> Grain:
        """How the source is cut."""
        return self.partitioning.grain

    @property
    def asked(self) -> str:
        """Whom to ask about a drop: the provider, or who owns the contract."""
        return self.provider or self.owner or "the provider"

    @property
    def overdue_after(self) -> timedelta | None:
        """How long the raw table may stand still; None where the contract promises nothing."""
        if self.latency is None and self.frequency is None:
            return None
        return overdue_after(self.frequency or DAY, self.latency or timedelta())


def quarantine_of(relation: Relation) -> Relation:
    """Return the table of the rows that a raw table did not take."""
    return Relation(QUARANTINE, relation.name)
