"""How a table is cut into partitions: grains, keys, and what a key means in time.

Belongs here: arithmetic on partition keys, the same for contracts, lineage and runs. Does not belong here:
which table is cut how. Keys are Dagster's, in formats that no two grains share: a key tells its grain.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

UNPARTITIONED = ""
# The key under which a snapshot's drops are recorded; its table has no partitions.
SNAPSHOT_PARTITION = "snapshot"
# The drop that stands for all where there is no data: in SQL that is compiled at load, and in trials on it.
STAND_IN_DROP = "stand-in"
_DROP_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


class Grain(StrEnum):
    """How a source or a table is cut. `DROP` is a dataset with an id of its own, `SNAPSHOT` not at all."""

    HOURLY = "hourly"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    DROP = "drop"
    SNAPSHOT = "snapshot"

    @property
    def timed(self) -> bool:
        """Whether a partition is a span of time."""
        return self not in (Grain.DROP, Grain.SNAPSHOT)


# strftime formats; the week is ISO 8601's, named by its Monday.
KEY_FORMATS = {
    Grain.HOURLY: "%Y-%m-%d-%H:%M",
    Grain.DAILY: "%Y-%m-%d",
    Grain.WEEKLY: "%G-W%V-%u",
    Grain.MONTHLY: "%Y-%m",
}


@dataclass(frozen=True)
class Partitioning:
    """A grain, and for `DROP` the source whose drops are the partitions (no two sources share them)."""

    grain: Grain
    source: str = ""

    @property
    def partitioned(self) -> bool:
        """Whether there are partitions at all."""
        return self.grain is not Grain.SNAPSHOT

    def key_at(self, moment: datetime) -> str:
        """Return the key of the partition that holds a moment (UTC); for grains of time."""
        return floor(self.grain, moment).strftime(KEY_FORMATS[self.grain])

    def interval(self, key: str) -> tuple[datetime, datetime]:
        """Return the half-open interval, in UTC, of a key; for grains of time.

        Raises:
            ValueError: the key is none of this grain.
        """
        start = datetime.strptime(key, KEY_FORMATS[self.grain]).replace(tzinfo=UTC)
        if floor(self.grain, start) != start or start.strftime(KEY_FORMATS[self.grain]) != key:
            raise ValueError(f"`{key}` is no {self.grain} partition key")
        try:
            return start, following(self.grain, start)
        except OverflowError:
            raise ValueError(f"`{key}` is beyond the calendar") from None

    def holds(self, key: str) -> bool:
        """Whether `key` is a key of this partitioning."""
        if self.grain is Grain.SNAPSHOT:
            return key == UNPARTITIONED
        if self.grain is Grain.DROP:
            return _DROP_ID.fullmatch(key) is not None and grain_of(key) is None
        try:
            self.interval(key)
        except ValueError:
            return False
        return True

    def overlapping(self, start: datetime, end: datetime) -> Iterator[str]:
        """Yield the keys of all partitions that share time with [start, end), earliest first."""
        moment = floor(self.grain, start)
        while moment < end:
            yield moment.strftime(KEY_FORMATS[self.grain])
            moment = following(self.grain, moment)


def place(name: str, key: str) -> str:
    """Return a partition of what is called so in words; the name alone of what has no partitions."""
    return f"{name} [{key}]" if key else name


def as_option(key: str) -> str:
    """Return how a command is told of a partition, with a space before it; nothing where there are none."""
    return f" --partition {key}" if key else ""


def grain_of(key: str) -> Grain | None:
    """Return the grain of time whose key this is, if any."""
    for grain in KEY_FORMATS:
        try:
            Partitioning(grain).interval(key)
        except ValueError:
            continue
        return grain
    return None


def floor(grain: Grain, moment: datetime) -> datetime:
    """Return the start of the partition that holds a moment."""
    moment = moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    if grain is Grain.HOURLY:
        return moment
    moment = moment.replace(hour=0)
    if grain is Grain.WEEKLY:
        return moment - timedelta(days=moment.weekday())
    return moment.replace(day=1) if grain is Grain.MONTHLY else moment


def following(grain: Grain, start: datetime) -> datetime:
    """Return the start of the partition after the one that starts at `start`."""
    if grain is Grain.MONTHLY:
        return (start.replace(day=28) + timedelta(days=4)).replace(day=1)
    steps = {
        Grain.HOURLY: timedelta(hours=1),
        Grain.DAILY: timedelta(days=1),
        Grain.WEEKLY: timedelta(weeks=1),
    }
    return start + steps[grain]
