"""How a table is cut into partitions: grains, keys, and what a key means in time.

Belongs here: arithmetic on partition keys, the same for contracts, lineage and runs. Does not belong here:
which table is cut how. Keys are Dagster's, in formats that no two grains share: a key tells its grain.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Literal, Self

from sluicegate.core.problems import Mistyped

UNPARTITIONED = ""
# The key under which a snapshot's drops are recorded; its table has no partitions.
SNAPSHOT_PARTITION = "snapshot"
# The drop that stands for all where there is no data: in SQL that is compiled at load, and in trials on it.
STAND_IN_DROP = "stand-in"
_DROP_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True)
class Span:
    """What a grain of time is, besides what every grain is.

    `key_format` is strftime's, and no two grains share one. `start` takes a full hour in UTC to the start of
    the partition that holds it. Partitions last from `shortest` to `longest`. `column_type` is the SQL type
    of a partition's bounds: what is finer than a day needs a timestamp. `silence` is how many partitions in a
    row may lack a drop before their provider counts as having fallen silent.
    """

    key_format: str
    start: Callable[[datetime], datetime]
    shortest: timedelta
    longest: timedelta
    column_type: Literal["date", "timestamp"]
    silence: int

    def floor(self, moment: datetime) -> datetime:
        """Return the start of the partition that holds a moment."""
        return self.start(moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0))

    def following(self, start: datetime) -> datetime:
        """Return the start of the partition after the one that starts at `start`."""
        return self.floor(start + self.longest)

    def ceiling(self, moment: datetime) -> datetime:
        """Return the start of the first partition that begins at a moment or after it."""
        start = self.floor(moment)
        return start if start == moment else self.following(start)

    def bound(self, moment: datetime) -> date:
        """Return a bound of a partition as the value of a column: a date, or a datetime as it is."""
        return moment if self.column_type == "timestamp" else moment.date()

    def written(self, moment: datetime) -> str:
        """Return a bound of a partition as ISO 8601 text, without its zone, which is UTC."""
        return self.bound(moment.replace(tzinfo=None)).isoformat()


class Grain(StrEnum):
    """How a source or a table is cut: all that a grain is, an entry each, the finest grain of time first.

    `DROP` is a dataset with an id of its own, `SNAPSHOT` not cut at all. `unit` is what people call what one
    drop of it is of; of time, SQL's `date_trunc` calls it the same. `key_noun` is what they call a key.
    `paths` are the ways in which a path may name a partition, the simplest first: each a text with the fields
    that it takes, in braces. Dagster's definitions are in `graph/partitions.py`, and what dbt's macros know
    in `dbt_macros/grains.sql`.
    """

    unit: str
    key_noun: str
    paths: tuple[str, ...]
    _span: Span | None

    HOURLY = (
        "hourly", "hour", "partition key", ("{date}/{hour}", "{year}/{month}/{day}/{hour}"),
        Span("%Y-%m-%d-%H:%M", lambda hour: hour, _HOUR, _HOUR, "timestamp", silence=7 * 24),
    )  # fmt: skip
    DAILY = (
        "daily", "day", "day", ("{date}", "{year}/{month}/{day}"),
        # Feasts and weekends make a few days in a row; a fortnight is a provider that has fallen silent.
        Span("%Y-%m-%d", lambda hour: hour.replace(hour=0), _DAY, _DAY, "date", silence=14),
    )  # fmt: skip
    WEEKLY = (  # ISO 8601's week, named by its Monday
        "weekly", "week", "partition key", ("{week}", "{date}", "{week_year}-W{week_number}"),
        Span(
            "%G-W%V-%u", lambda hour: hour.replace(hour=0) - hour.weekday() * _DAY, 7 * _DAY, 7 * _DAY,
            "date", silence=14,
        ),
    )  # fmt: skip
    MONTHLY = (
        "monthly", "month", "partition key", ("{year}-{month}",),
        Span("%Y-%m", lambda hour: hour.replace(hour=0, day=1), 28 * _DAY, 31 * _DAY, "date", silence=14),
    )  # fmt: skip
    DROP = "drop", "dataset", "id of a drop", ("{drop}",), None
    SNAPSHOT = "snapshot", "source", "partition key", ("latest",), None

    def __new__(cls, name: str, unit: str, key_noun: str, paths: tuple[str, ...], span: Span | None) -> Self:
        """Make a member that is its name, as in contracts and records."""
        grain = str.__new__(cls, name)
        grain._value_ = name
        grain.unit, grain.key_noun, grain.paths, grain._span = unit, key_noun, paths, span
        return grain

    @property
    def timed(self) -> bool:
        """Whether a partition is a span of time."""
        return self._span is not None

    @property
    def span(self) -> Span:
        """What its partitions are in time.

        Raises:
            ValueError: they are no spans of time.
        """
        if self._span is None:
            raise ValueError(f"a {self} has no time")
        return self._span

    @property
    def column_type(self) -> Literal["date", "timestamp", "varchar"]:
        """The SQL type of the column that cuts a table; of a drop it holds the id."""
        return "varchar" if self._span is None else self._span.column_type


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
        span = self.grain.span
        return span.floor(moment).strftime(span.key_format)

    def interval(self, key: str) -> tuple[datetime, datetime]:
        """Return the half-open interval, in UTC, of a key; for grains of time.

        Raises:
            ValueError: the key is none of this grain.
        """
        span = self.grain.span
        start = datetime.strptime(key, span.key_format).replace(tzinfo=UTC)
        if span.floor(start) != start or start.strftime(span.key_format) != key:
            raise Mistyped("SLU-C004", f"`{key}` is no {self.grain} partition key")
        try:
            return start, span.following(start)
        except OverflowError:
            raise Mistyped("SLU-C004", f"`{key}` is beyond the calendar") from None

    def bounds(self, key: str) -> tuple[date, date]:
        """Return the interval of a key, as `interval` does, but as values of the column that it cuts by."""
        start, end = map(self.grain.span.bound, self.interval(key))
        return start, end

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
        span = self.grain.span
        moment = span.floor(start)
        while moment < end:
            yield moment.strftime(span.key_format)
            moment = span.following(moment)


def place(name: str, key: str) -> str:
    """Return a partition of what is called so in words; the name alone of what has no partitions."""
    return f"{name} [{key}]" if key else name


def as_option(key: str) -> str:
    """Return how a command is told of a partition, with a space before it; nothing where there are none."""
    return f" --partition {key}" if key else ""


def grain_of(key: str) -> Grain | None:
    """Return the grain of time whose key this is, if any."""
    for grain in (grain for grain in Grain if grain.timed):
        try:
            Partitioning(grain).interval(key)
        except ValueError:
            continue
        return grain
    return None
