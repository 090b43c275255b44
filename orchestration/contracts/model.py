"""A source, as its contract describes it, in the terms the platform works with."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cached_property
from pathlib import PurePosixPath

from orchestration.yaml_files import YamlFile

SNAPSHOT_PARTITION = "snapshot"
DATE_FIELD = "{date}"
# The check on a raw table that says its drop was as agreed.
CONTRACT_CHECK = "contract"


class PartitionGrain(StrEnum):
    """How a source is cut: one drop a day, or a snapshot of which the newest serves every day."""

    DAILY = "daily"
    SNAPSHOT = "snapshot"


@dataclass(frozen=True)
class Column:
    """One property of the contract: `name` in the raw table, `header` in the landed file."""

    name: str
    header: str
    type: str
    required: bool
    description: str


@dataclass(frozen=True)
class SourceContract:
    """One feed: where its drops land, how they are read and what they must hold.

    `path` is relative to the staging area and holds `{date}` for a daily source. `partition_column`
    is the column whose value must be the drop's day.
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
    file: YamlFile

    @property
    def relation(self) -> str:
        """The raw table, `schema.table`."""
        return f"raw.{self.name}"

    @property
    def daily(self) -> bool:
        """Whether the source is cut by day."""
        return self.grain is PartitionGrain.DAILY

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
