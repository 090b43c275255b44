"""Which partitions of which table an environment has: the asked days, and what is read for them besides.

A table that is read by a trailing window goes further back, and so does what that is made of. Belongs here:
arithmetic on the lineage. Does not belong here: what is published, or built.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from sluicegate.core.lineage import Lineage, Table
from sluicegate.core.partitions import UNPARTITIONED, Grain
from sluicegate.publishing.catalogue import Catalogue, PublishedTable

_Interval = tuple[datetime, datetime]


@dataclass(frozen=True)
class Spans:
    """The partitions of an environment, from one day to another (UTC), both included."""

    lineage: Lineage
    first: date
    last: date

    @property
    def days(self) -> int:
        """How many days are asked for."""
        return (self.last - self.first).days + 1

    def intervals(self) -> dict[str, _Interval]:
        """Return {table that is cut by time: from when to when it is there, in whole partitions}."""
        asked = (_start(self.first), _start(self.last) + timedelta(days=1))
        found: dict[str, _Interval] = {}
        for relation, table in reversed(self.lineage.tables.items()):
            if not table.partitioning.grain.timed:
                continue
            found[relation] = own = _joined(table, asked, found.get(relation))
            for parent, days in table.needs.items():
                read = (own[0] - timedelta(days=days - 1), own[1])
                if (above := self.lineage.tables[parent]).partitioning.grain.timed:
                    found[parent] = _joined(above, read, found.get(parent))
        return found

    def published(self, catalogue: Catalogue) -> dict[str, list[str]]:
        """Return {table of the project that is published: keys of its partitions}, each in their order."""
        intervals = self.intervals()
        return {
            relation: self._keys(self.lineage.tables[relation], catalogue.tables[relation], intervals)
            for relation in self.lineage.tables
            if relation in catalogue.tables
        }

    def to_build(self, wanted: Collection[str], held: Mapping[str, Collection[str]]) -> dict[str, list[str]]:
        """Return {table of those wanted: keys of what can be built of it}.

        A partition can be built whose parents have all that it requires: by `held`, or as it is built before.
        """
        intervals, there = self.intervals(), {name: set(keys) for name, keys in held.items()}
        found: dict[str, list[str]] = {}
        for relation, table in self.lineage.tables.items():
            if relation not in wanted:
                continue
            keys = list(self._candidates(table, there, intervals.get(relation)))
            found[relation] = [key for key in keys if self._has_parents(relation, key, there)]
            there[relation] = set(found[relation])
        return found

    def _keys(self, table: Table, published: PublishedTable, intervals: Mapping[str, _Interval]) -> list[str]:
        if table.relation in intervals:
            wanted = table.partitioning.overlapping(*intervals[table.relation])
            return [key for key in wanted if key in published.partitions]
        # A table may have been cut in another way before.
        keys = [key for key in published.partitions if table.partitioning.holds(key)]
        if table.partitioning.grain is Grain.DROP:  # as many of the newest as days are asked for
            built = {key: published.partitions[key].build for key in keys}
            keys.sort(
                key=lambda key: (built[key].built_at or datetime.min.replace(tzinfo=UTC), built[key].id)
            )
            return keys[-self.days :]
        return keys

    def _candidates(
        self, table: Table, there: Mapping[str, Collection[str]], interval: _Interval | None
    ) -> Iterator[str]:
        if interval is not None:
            yield from table.partitioning.overlapping(*interval)
        elif table.partitioning.grain is Grain.DROP:
            alike = (there.get(name, ()) for name in table.parents if self._cut_alike(table, name))
            yield from sorted({key for keys in alike for key in keys})
        else:
            yield UNPARTITIONED

    def _cut_alike(self, table: Table, parent: str) -> bool:
        return self.lineage.tables[parent].partitioning == table.partitioning

    def _has_parents(self, relation: str, key: str, there: Mapping[str, Collection[str]]) -> bool:
        reads = self.lineage.reads(relation, key)
        whole = (read for read in reads if read.own or not read.partition_key)
        return all(read.partition_key in there.get(read.relation, ()) for read in whole)


def newest_day(catalogue: Catalogue, lineage: Lineage) -> date | None:
    """Return the newest day (UTC) of which anything that is cut by hour or day is published.

    A month is published at its beginning: its last day counts where nothing is cut more finely.
    """
    fine, coarse = list[date](), list[date]()
    for relation, table in lineage.tables.items():
        if table.partitioning.grain.timed and relation in catalogue.tables:
            keys = sorted(catalogue.tables[relation].partitions, reverse=True)  # the order of time, as text
            newest = next((key for key in keys if table.partitioning.holds(key)), None)
            if newest is not None:
                start, end = table.partitioning.interval(newest)
                found = fine if end - start <= timedelta(days=1) else coarse
                found.append((end - timedelta(microseconds=1)).date())
    return max(fine or coarse, default=None)


def _start(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _joined(table: Table, asked: _Interval, other: _Interval | None) -> _Interval:
    """Return the whole partitions of a table that hold an interval, and another."""
    span = table.partitioning.grain.span
    start, end = span.floor(asked[0]), span.ceiling(asked[1])
    return (start, end) if other is None else (min(start, other[0]), max(end, other[1]))
