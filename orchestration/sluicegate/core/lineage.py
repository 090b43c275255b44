"""Which table is made of which, for which partitions: the one map that gate, sensor and status read.

Belongs here: tables, how they are cut, their parents, their blocking checks. Does not belong here: where
that is written down (contracts, dbt's manifest, suites, exports), which `project` fills in; arithmetic on
keys (`partitions`).
"""

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property

from sluicegate.core.partitions import UNPARTITIONED, Grain, Partitioning
from sluicegate.core.relations import Relation

# One look asks for the same few again and again; a month of hours is some hundred kilobytes.
_CHAINS_KEPT = 256


@dataclass(frozen=True)
class Table:
    """One table of the warehouse.

    `parents` maps a parent's relation to the number of days of it that are read: 1 is the partition's own
    time, 28 reaches 27 days back from it. `rules` maps each blocking check, by Dagster's name, to a digest
    of what it judges by today. `code` is a digest of the SQL, macros and variables that make the table; empty
    for what is loaded. `cut_by` is the column that cuts it, `sent` whether an export sends it. `start` is
    when the first partition of a source begins (UTC). `gaps_allowed`: its contract lets days be left out.
    `max_age` is how old its newest may be when something is sent.

    `tested_beside` are tables that it is not made of, but its data tests read: they come first. `reads_of`
    maps a data test to the other tables that it reads. `awaits` maps another table to tests in its step that
    judge something above this one, too: it waits for their word.
    """

    relation: Relation
    asset_key: tuple[str, ...]
    partitioning: Partitioning
    parents: Mapping[str, int]
    rules: Mapping[str, str]
    start: datetime | None = None
    code: str = ""
    cut_by: str = ""
    sent: bool = False
    gaps_allowed: bool = False
    max_age: timedelta | None = None
    tested_beside: frozenset[str] = frozenset()
    reads_of: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    awaits: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])

    @cached_property
    def needs(self) -> Mapping[str, int]:
        """What must be there before it is built: its parents, with their days, and what its tests read."""
        return {**self.parents, **dict.fromkeys(sorted(self.tested_beside - self.parents.keys()), 1)}

    @cached_property
    def comes_after(self) -> Mapping[str, int]:
        """What it needs, with its days, and the tables whose tests it waits for."""
        return {**dict.fromkeys(sorted(self.awaits), 1), **self.needs}

    def partition(self, partition_key: str) -> str:
        """Return the key under which this table holds what serves `partition_key` of its own grain."""
        return partition_key if self.partitioning.partitioned else UNPARTITIONED


@dataclass(frozen=True)
class Partition:
    """One partition of all tables that are cut alike: what a run is for."""

    partitioning: Partitioning
    key: str

    @property
    def order(self) -> tuple[float, float, str, str]:
        """What runs are sorted by: time, an hour before the day that it completes; then drops by name."""
        if not self.partitioning.grain.timed:
            return math.inf, 0, self.partitioning.source, self.key
        start, end = self.partitioning.interval(self.key)
        return end.timestamp(), -start.timestamp(), "", self.key


# All tables that are not partitioned, which have a run of their own.
UNPARTITIONED_TABLES = Partition(Partitioning(Grain.SNAPSHOT), UNPARTITIONED)


@dataclass(frozen=True, order=True)
class TablePartition:
    """One partition of one table; `required` where it must exist, not merely be right if it does."""

    relation: str
    partition_key: str
    required: bool = field(compare=False)


@dataclass(frozen=True, order=True)
class Read:
    """A partition of a parent that a partition of a table reads.

    `own`: it is of the table's own time, or both are not partitioned. Snapshots, and the earlier days of a
    trailing window, are not. `by_test`: data tests of the table read it, and its SQL does not.
    """

    relation: str
    partition_key: str
    own: bool = field(compare=False)
    by_test: bool = field(default=False, compare=False)


@dataclass(frozen=True)
class Reach:
    """A span of time in a table, whole partitions of it: `[start, end)`, and the window around it.

    What lies in `[window_start, window_end)` alone counts where it exists.
    """

    start: datetime
    end: datetime
    window_start: datetime
    window_end: datetime

    def keys(self, partitioning: Partitioning) -> Iterator[tuple[str, bool]]:
        """Yield the keys of its partitions, and whether each is required; earliest first."""
        for start, end, required in (
            (self.window_start, self.start, False),
            (self.start, self.end, True),
            (self.end, self.window_end, False),
        ):
            yield from ((key, required) for key in partitioning.overlapping(start, end))

    def joined(self, other: "Reach | None") -> "Reach":
        """Return the span that holds both."""
        if other is None or other is self:
            return self
        return Reach(
            min(self.start, other.start),
            max(self.end, other.end),
            min(self.window_start, other.window_start),
            max(self.window_end, other.window_end),
        )


class Lineage:
    """All tables, by relation, each after what it needs and waits for."""

    def __init__(self, tables: Iterable[Table]) -> None:
        self.tables: dict[str, Table] = _in_order({table.relation: table for table in tables})
        self._sources: dict[str, frozenset[str]] = {}
        self._upward: dict[str, tuple[str, ...]] = {}
        self._downward: dict[str, tuple[str, ...]] = {}
        self._chains: dict[tuple[str, str], tuple[TablePartition, ...]] = {}
        self._children: dict[str, list[str]] = {relation: [] for relation in self.tables}
        for table in self.tables.values():
            for earlier in table.comes_after:
                self._children[earlier].append(table.relation)

    @cached_property
    def partitionings(self) -> dict[Partitioning, tuple[str, ...]]:
        """{how tables are cut: the tables that are cut so, parents before children}."""
        found: dict[Partitioning, list[str]] = {}
        for table in self.tables.values():
            found.setdefault(table.partitioning, []).append(table.relation)
        return {partitioning: tuple(relations) for partitioning, relations in found.items()}

    @cached_property
    def order(self) -> dict[str, int]:
        """{table: its place among all}: parents before children."""
        return {relation: number for number, relation in enumerate(self.tables)}

    def partitions_named(self, key: str) -> Iterator[Partition]:
        """Yield every partition of that key; two sources' drops may share one."""
        for partitioning in self.partitionings:
            if partitioning.holds(key):
                yield Partition(partitioning, key)

    def sources(self, relation: str) -> frozenset[str]:
        """Return the tables without parents that a table needs; itself, if it has none."""
        if relation not in self._sources:
            table = self.tables[relation]
            itself = frozenset[str]() if table.parents else frozenset([relation])
            self._sources[relation] = itself.union(*(self.sources(name) for name in table.needs))
        return self._sources[relation]

    def descendants(self, relation: str) -> set[str]:
        """Return every table that needs this one or waits for it, itself left out."""
        return _reached(relation, lambda name: self._children[name])

    def chain(self, relation: str, partition_key: str) -> Sequence[TablePartition]:
        """Return what a partition of a table is made of or judged beside, itself included, ancestors first.

        Of every ancestor, all partitions that share time with it are required: a day's 24 hours, a day's
        month. The earlier ones of a trailing window count where they exist. Snapshots serve all; what is
        cut by drop is made of that drop.
        """
        place = (relation, partition_key)
        if place not in self._chains:
            if len(self._chains) >= _CHAINS_KEPT:
                self._chains.clear()
            self._chains[place] = tuple(self._chain(relation, partition_key))
        return self._chains[place]

    def _chain(self, relation: str, partition_key: str) -> list[TablePartition]:
        upward = self._ancestry(relation)
        if not self.tables[relation].partitioning.grain.timed:
            return [
                TablePartition(name, self.tables[name].partition(partition_key), required=True)
                for name in upward
            ]
        reaches = self._backward(relation, partition_key)
        known: dict[tuple[Partitioning, Reach], list[tuple[str, bool]]] = {}
        partitions: list[TablePartition] = []
        for name in upward:
            reach = reaches.get(name)
            if reach is None:
                partitions.append(TablePartition(name, UNPARTITIONED, required=True))
                continue
            place = (self.tables[name].partitioning, reach)
            if place not in known:
                known[place] = list(reach.keys(place[0]))
            partitions += [TablePartition(name, key, required) for key, required in known[place]]
        return partitions

    def reads(self, relation: str, partition_key: str) -> tuple[Read, ...]:
        """Return what a partition of a table and its tests read, as far as it exists: its parents first."""
        table = self.tables[relation]
        found: list[Read] = []
        for name, days in table.needs.items():
            by_test = name not in table.parents
            found += [
                Read(name, key, own, by_test) for key, own in self._keys_of(table, partition_key, name, days)
            ]
        return tuple(found)

    def alongside(self, relation: str, partition_key: str, other: str) -> list[tuple[str, bool]]:
        """Return the partitions of another table that go with one of a table, and whether each is its own.

        Those that share time with it; the one that there is, of what is not partitioned.
        """
        return self._keys_of(self.tables[relation], partition_key, other, 1)

    def _keys_of(self, table: Table, partition_key: str, other: str, days: int) -> list[tuple[str, bool]]:
        """Return what a partition reads of another table, `days` of it, and whether each is its own."""
        partitioning = self.tables[other].partitioning
        if not partitioning.partitioned:
            return [(UNPARTITIONED, not table.partitioning.partitioned)]
        if not (table.partitioning.grain.timed and partitioning.grain.timed):
            return [(partition_key, True)] if table.partitioning == partitioning else []
        start, end = table.partitioning.interval(partition_key)
        read = self._read_of(table, other, days, Reach(start, end, start, end), {})
        return list(read.keys(partitioning))

    def has_begun(self, relation: str, partition_key: str) -> bool:
        """Whether a partition lies after the start of all that its table is made of."""
        first = self._starts[relation]
        return first is None or self.tables[relation].partitioning.interval(partition_key)[0] >= first

    def made_of(self, relation: str, partition_key: str) -> dict[str, list[str]]:
        """Return {source: the partitions of it that a partition of a table requires}; itself, of a source."""
        found: dict[str, list[str]] = {name: [] for name in sorted(self.sources(relation))}
        for item in self.chain(relation, partition_key):
            if item.required and item.relation in found:
                found[item.relation].append(item.partition_key)
        return found

    def affected(self, relations: Collection[str], partition_key: str) -> dict[str, Reach]:
        """Return what is made of a partition of these tables, themselves included, by relation.

        The tables are cut alike, by time. `[start, end)` holds the partitions that require it, the window
        those that read it besides.
        """
        start, end = self.tables[next(iter(relations))].partitioning.interval(partition_key)
        reaches = dict.fromkeys(relations, Reach(start, end, start, end))
        known: dict[tuple[Grain, Reach, int], Reach] = {}
        for name in self._progeny(relations):
            table = self.tables[name]
            for parent, days in table.comes_after.items():
                reach = reaches.get(parent)
                if reach is None or not table.partitioning.grain.timed:
                    continue
                if days > 1 or table.partitioning != self.tables[parent].partitioning:
                    place = (table.partitioning.grain, reach, days)
                    if place not in known:
                        late = reach.window_end + timedelta(days=days - 1)
                        known[place] = _whole(table.partitioning.grain, reach, reach.window_start, late)
                    reach = known[place]
                reaches[name] = reach.joined(reaches.get(name))
        return reaches

    def ancestors(self, relation: str) -> set[str]:
        """Return all that a table is made of, itself left out."""
        return _reached(relation, lambda name: self.tables[name].parents)

    def looked_at(self, relation: str) -> set[str]:
        """Return all tables that say whether one may go on: what it needs, and whose tests it waits for."""
        needed = self._ancestry(relation)
        waited_for = {name for above in needed for name in self.tables[above].awaits}
        read = {
            other for name in waited_for for others in self.tables[name].reads_of.values() for other in others
        }
        return {*needed, *waited_for, *read}

    def between(self, upper: Collection[str], lower: str) -> list[str]:
        """Return the tables on the way from any of `upper` down to `lower`, parents before children.

        `lower` is among them unless it is one of `upper`; those, and what they are made of, are not.
        """
        above = set(upper).union(*(self.ancestors(name) for name in upper))
        below = set[str]().union(*(self.descendants(name) for name in upper))
        on_the_way = (self.ancestors(lower) | {lower}) & below - above
        return [name for name in self.tables if name in on_the_way]

    def _backward(self, relation: str, partition_key: str) -> dict[str, Reach]:
        """Return what of each ancestor that is cut by time a partition is made of, itself included."""
        start, end = self.tables[relation].partitioning.interval(partition_key)
        reaches = {relation: Reach(start, end, start, end)}
        known: dict[tuple[Grain, Reach, int], Reach] = {}
        for name in reversed(self._ancestry(relation)):
            reach = reaches.get(name)
            if reach is None:
                continue
            table = self.tables[name]
            for parent, days in table.needs.items():
                if self.tables[parent].partitioning.grain.timed:
                    read = self._read_of(table, parent, days, reach, known)
                    reaches[parent] = read.joined(reaches.get(parent))
        return reaches

    def _read_of(
        self,
        table: Table,
        parent: str,
        days: int,
        reach: Reach,
        known: dict[tuple[Grain, Reach, int], Reach],
    ) -> Reach:
        """Return what a reach of a table reads of another, `days` of it; `known` saves work."""
        partitioning = self.tables[parent].partitioning
        if days == 1 and partitioning == table.partitioning:
            return reach
        place = (partitioning.grain, reach, days)
        if place not in known:
            early = reach.window_start - timedelta(days=days - 1)
            known[place] = _whole(partitioning.grain, reach, early, reach.window_end)
        return _from_start(known[place], self._starts[parent])

    @cached_property
    def _starts(self) -> dict[str, datetime | None]:
        """When the first partition of each table begins, as far as its sources say: the latest of theirs."""
        starts: dict[str, datetime | None] = {}
        for table in self.tables.values():
            known = [table.start, *(starts[parent] for parent in table.needs)]
            latest = max((start for start in known if start is not None), default=None)
            timed = table.partitioning.grain.timed
            starts[table.relation] = table.partitioning.grain.span.floor(latest) if timed and latest else None
        return starts

    def _ancestry(self, relation: str) -> tuple[str, ...]:
        """Return a table and all that it needs, each after what it needs itself."""
        if relation not in self._upward:
            needed = _reached(relation, lambda name: self.tables[name].needs)
            self._upward[relation] = self._in_order({relation, *needed})
        return self._upward[relation]

    def _progeny(self, relations: Collection[str]) -> Sequence[str]:
        """Return all that is made of these tables, parents before children."""
        for relation in relations:
            if relation not in self._downward:
                self._downward[relation] = self._in_order(self.descendants(relation))
        if len(relations) == 1:
            return self._downward[next(iter(relations))]
        return self._in_order(set[str]().union(*(self._downward[relation] for relation in relations)))

    @cached_property
    def _places(self) -> dict[str, int]:
        return {relation: place for place, relation in enumerate(self.tables)}

    def _in_order(self, relations: Collection[str]) -> tuple[str, ...]:
        return tuple(sorted(relations, key=self._places.__getitem__))


def _in_order(tables: Mapping[str, Table]) -> dict[str, Table]:
    """Return the tables with each after what it needs and waits for, and as they came for the rest."""
    ordered: dict[str, Table] = {}

    def visit(name: str) -> None:
        if name not in ordered:
            for earlier in tables[name].comes_after:
                visit(earlier)
            ordered[name] = tables[name]

    for name in tables:
        visit(name)
    return ordered


def _whole(grain: Grain, reach: Reach, window_start: datetime, window_end: datetime) -> Reach:
    """Return the whole partitions of a grain that a reach and its window share time with."""
    floor, ceiling = grain.span.floor, grain.span.ceiling
    return Reach(floor(reach.start), ceiling(reach.end), floor(window_start), ceiling(window_end))


def _from_start(reach: Reach, first: datetime | None) -> Reach:
    """Leave out of several partitions those before a table's first, which never come.

    Where all of them lie before it they stay: what is made of nothing must not go out.
    """
    if first is None or not reach.start < first < reach.end:
        return reach
    return Reach(first, reach.end, min(reach.window_start, first), reach.window_end)


def _reached(start: str, neighbours: Callable[[str], Iterable[str]]) -> set[str]:
    """Return what a walk from `start` comes to, each table looked at once however many ways lead there."""
    found: set[str] = set()
    waiting = list(neighbours(start))
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += neighbours(name)
    return found
