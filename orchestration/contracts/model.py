"""A source, as its contract describes it, in the terms the platform works with."""

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from functools import cached_property
from pathlib import PurePosixPath

from orchestration.freshness import DAY, overdue_after
from orchestration.yaml_files import YamlFile

SNAPSHOT_PARTITION = "snapshot"
DATE_FIELD = "{date}"
# The check on a raw table that says its drop was as agreed.
CONTRACT_CHECK = "contract"
# What may be shown to whoever sees the graph; every other classification hides a column's values.
OPEN_CLASSIFICATIONS = frozenset({"", "public", "internal"})


class PartitionGrain(StrEnum):
    """How a source is cut: one drop a day, or a snapshot of which the newest serves every day."""

    DAILY = "daily"
    SNAPSHOT = "snapshot"


@dataclass(frozen=True)
class Column:
    """One property of the contract: `name` in the raw table, `header` in the landed file.

    `classification` is how sensitive its values are, in the contract's own word; empty if it says nothing.
    """

    name: str
    header: str
    type: str
    required: bool
    description: str
    classification: str = ""


@dataclass(frozen=True)
class SourceContract:
    """One feed: where its drops land, how they are read and what they must hold.

    `path` is relative to the staging area and holds `{date}` for a daily source. `partition_column`
    is the column whose value must be the drop's day. `latency` is how long after the end of its day (or
    after a snapshot was made) a drop lands at the latest, `frequency` how often one does; None where the
    contract promises nothing.
    """

    name: str
    version: str
    description: str
    owner: str
    grain: PartitionGrain
    partition_start: date | None
    gaps_allowed: bool
    path: str
    delimiter: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    partition_column: str | None
    latency: timedelta | None
    frequency: timedelta | None
    file: YamlFile

    @property
    def relation(self) -> str:
        """The raw table, `schema.table`."""
        return f"raw.{self.name}"

    @property
    def classified(self) -> frozenset[str]:
        """The columns whose values are not for everybody, by the contract's `classification`."""
        return frozenset(c.name for c in self.columns if c.classification not in OPEN_CLASSIFICATIONS)

    @property
    def daily(self) -> bool:
        """Whether the source is cut by day."""
        return self.grain is PartitionGrain.DAILY

    @property
    def overdue_after(self) -> timedelta | None:
        """How long the raw table may stand still; None where the contract promises nothing."""
        if self.latency is None and self.frequency is None:
            return None
        return overdue_after(self.frequency or DAY, self.latency or timedelta())

    @cached_property
    def marker(self) -> str:
        """The `.done` marker's path: the drop's own name, all its suffixes replaced by `.done`."""
        path = PurePosixPath(self.path)
        return str(path.with_name(path.name.removesuffix("".join(path.suffixes)) + ".done"))

    def path_of(self, partition_key: str) -> str:
        """Return where a partition's file lands, relative to the staging area."""
        return self.path.replace(DATE_FIELD, partition_key)

    def marker_of(self, partition_key: str) -> str:
        """Return where a partition's marker lands, relative to the staging area."""
        return self.marker.replace(DATE_FIELD, partition_key)

    def partition_of(self, path: str, template: str) -> str | None:
        """Return the partition whose file or marker (as `template` says) `path` is, or None."""
        if not self.daily:
            return SNAPSHOT_PARTITION if path == template else None
        before, _, after = template.partition(DATE_FIELD)
        if not (path.startswith(before) and path.endswith(after)):
            return None
        key = path[len(before) : len(path) - len(after)]
        try:
            day = date.fromisoformat(key)
        except ValueError:
            return None
        early = self.partition_start is not None and day < self.partition_start
        return None if early or day.isoformat() != key else key
