"""What the page asks of the last days: how each source and export stood, and what was promised and kept.

Each is one read of the records for all of them. Belongs here: those answers. Does not belong here: the
tables (`tables`), how they are shown.
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import accumulate

from sluicegate.core.partitions import Partitioning, grain_of
from sluicegate.state.ops import Arrival, Promise
from sluicegate.state.store import StateStore

SOURCE, EXPORT = "source", "export"
_MET, _MISSED, _EXCUSED, _PENDING = "met", "missed", "excused", "pending"
# What the records call each.
_KINDS = {"source": SOURCE, "delivery": EXPORT}
_MONTH = timedelta(days=31)
_Place = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Day:
    """The partitions of one source or export that began on a day (UTC): how many of them are what.

    `met`, `missed`, `excused` and `pending` (not yet due, and not there) are of those with a due moment;
    `there` are all that landed, or were delivered, in time or not. `rows` are what they hold at the
    destination together, of an export, None of a source; `lead_seconds` is how long before its due moment the
    last of them was there, less than 0 after it; None where none is, or none was due.
    """

    day: date
    met: int = 0
    missed: int = 0
    excused: int = 0
    pending: int = 0
    there: int = 0
    rows: int | None = None
    lead_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Month:
    """What was promised of an export in the month (UTC, its first day) in which it was due."""

    month: date
    met: int
    missed: int
    excused: int

    @property
    def attainment(self) -> float | None:
        """The share that was met, from 0 to 1; None where nothing counts."""
        counted = self.met + self.missed
        return self.met / counted if counted else None


def last_days(
    store: StateStore, now: datetime, days: int = 30, names: Collection[str] | None = None
) -> Mapping[tuple[str, str], tuple[Day, ...]]:
    """Return {(SOURCE or EXPORT, name): its last days, `days` of them up to today's, earliest first}.

    One of which nothing is on record in these days is left out. A partition longer than a day stands on the
    day on which it begins. Drops with ids and snapshots stand on each day on which they landed, or were
    delivered. `names` are those that are asked for; None is all.
    """
    today = now.astimezone(UTC).date()
    first = today - timedelta(days=days - 1)
    began = datetime.combine(first, time(), UTC)
    arrivals = store.operations.arrivals(began - _MONTH, names)
    found = defaultdict[tuple[str, str], dict[date, _Tally]](lambda: defaultdict(_Tally))
    for partition in _partitions(store.operations.promises(began, names), arrivals):
        if (begins := _begins(partition.key)) and first <= begins <= today:
            found[partition.kind, partition.name][begins].add(partition, now)
    for kind, name, key, moment, _, rows in arrivals:
        if _begins(key) is None and first <= (day := moment.date()) <= today:
            newest = _Tally()
            newest.add(_Partition(_KINDS[kind], name, key, None, False, moment, rows), now)
            found[_KINDS[kind], name][day] = newest
    every = [first + timedelta(days=number) for number in range(days)]
    return {
        place: tuple(of_days[day].told(day) if day in of_days else Day(day) for day in every)
        for place, of_days in found.items()
    }


def by_month(
    store: StateStore, now: datetime, months: int = 3, names: Collection[str] | None = None
) -> Mapping[str, tuple[Month, ...]]:
    """Return {export: its last months with a promise that was due, earliest first}; of `names` alone."""
    this = now.astimezone(UTC).date().replace(day=1)
    number = this.year * 12 + this.month - months
    first = date(number // 12, number % 12 + 1, 1)
    since = datetime.combine(first, time(), UTC) - 3 * _MONTH  # what is due in it may have ended before
    counted = defaultdict[str, dict[date, Counter[str]]](lambda: defaultdict(Counter))
    promises = [item for item in store.operations.promises(since, names) if _KINDS[item[0]] == EXPORT]
    for partition in _partitions(promises, store.operations.arrivals(since - _MONTH, names)):
        if (said := partition.verdict(now)) not in ("", _PENDING) and partition.due is not None:
            counted[partition.name][partition.due.date().replace(day=1)][said] += 1
    return {
        name: tuple(
            Month(month, count[_MET], count[_MISSED], count[_EXCUSED])
            for month, count in sorted(of_months.items())
            if month >= first
        )
        for name, of_months in counted.items()
        if max(of_months) >= first
    }


@dataclass(frozen=True, slots=True)
class _Partition:
    """One partition: by when it had to be there, None without a promise, and when it first was."""

    kind: str
    name: str
    key: str
    due: datetime | None
    excused: bool
    arrived: datetime | None
    rows: int | None

    def verdict(self, now: datetime) -> str:
        """Return what became of its promise, as the view `promises` says it; "" where there is none."""
        if self.due is None:
            return ""
        if self.due > now:
            return _PENDING
        if self.excused:
            return _EXCUSED
        return _MET if self.arrived is not None and self.arrived <= self.due else _MISSED


def _partitions(promises: Iterable[Promise], arrivals: Iterable[Arrival]) -> Iterator[_Partition]:
    """Yield each partition that was promised or is there; `arrivals` are in their order."""
    came, rows = dict[_Place, datetime](), dict[_Place, int | None]()
    newest_alone = defaultdict[str, dict[str, datetime]](dict)
    for kind, name, key, moment, alone, count in arrivals:
        came.setdefault((kind, name, key), moment)
        rows[kind, name, key] = count
        if alone:
            newest_alone[name].setdefault(key, moment)
    newer = {name: _first_from(of_keys) for name, of_keys in newest_alone.items()}
    due = {(kind, name, key): (moment, excused) for kind, name, key, moment, excused in promises}
    for place in {**dict.fromkeys(due), **dict.fromkeys(came)}:
        kind, name, key = place
        moment, excused = due.get(place, (None, False))
        arrived = came.get(place)
        if moment is not None and kind != SOURCE and name in newer:
            keys, first = newer[name]
            at = bisect_right(keys, key)
            arrived = min(filter(None, [arrived, *first[at : at + 1]]), default=None)
        yield _Partition(_KINDS[kind], name, key, moment, excused, arrived, rows.get(place))


def _first_from(of_keys: Mapping[str, datetime]) -> tuple[list[str], list[datetime]]:
    """Return keys in their order, and when the first of each and all after it was there."""
    keys = sorted(of_keys)
    return keys, list(accumulate((of_keys[key] for key in reversed(keys)), min))[::-1]


class _Tally:
    """What the partitions of one day come to: there may be as many of these as exports and days."""

    __slots__ = ("lead", "rows", "said", "there")

    def __init__(self) -> None:
        self.said: dict[str, int] = dict.fromkeys(("", _MET, _MISSED, _EXCUSED, _PENDING), 0)
        self.there = 0
        self.rows: int | None = None
        self.lead: float | None = None

    def add(self, one: _Partition, now: datetime) -> None:
        """Count a partition."""
        self.said[one.verdict(now)] += 1
        if one.rows is not None:
            self.rows = one.rows + (self.rows or 0)
        if one.arrived is not None:
            self.there += 1
            if one.due is not None:
                lead = (one.due - one.arrived).total_seconds()
                self.lead = lead if self.lead is None or lead < self.lead else self.lead

    def told(self, day: date) -> Day:
        """Return what was counted."""
        said = self.said
        return Day(
            day, said[_MET], said[_MISSED], said[_EXCUSED], said[_PENDING], self.there, self.rows, self.lead
        )  # fmt: skip


@lru_cache(maxsize=100_000)
def _begins(key: str) -> date | None:
    """Return the day on which a partition begins, by its key; None of what is no time."""
    grain = grain_of(key)
    return None if grain is None else Partitioning(grain).interval(key)[0].date()
