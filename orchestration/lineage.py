"""Which table is made of which, for which partitions: the one map that gate, sensor and status read.

Belongs here: tables, their parents, their blocking checks. Does not belong here: where that is written
down (contracts, dbt's manifest, suites, exports); `project` fills the map.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

UNPARTITIONED = ""


@dataclass(frozen=True)
class Table:
    """One table of the warehouse.

    `parents` maps a parent's relation to the number of its days that one day of this table reads:
    1 is the day itself, 28 the four weeks up to it. `blocking_checks` are Dagster's check names.
    """

    relation: str
    asset_key: tuple[str, ...]
    daily: bool
    parents: Mapping[str, int]
    blocking_checks: tuple[str, ...]

    def partition(self, partition_key: str) -> str:
        """Return the key under which this table holds what serves `partition_key`."""
        return partition_key if self.daily else UNPARTITIONED


@dataclass(frozen=True, order=True)
class TablePartition:
    """One partition of one table; `required` where it must exist, not merely be right if it does."""

    relation: str
    partition_key: str
    required: bool = field(compare=False)


class Lineage:
    """All tables, by relation, parents before children."""

    def __init__(self, tables: Iterable[Table]) -> None:
        self.tables: dict[str, Table] = {table.relation: table for table in tables}
        self._sources: dict[str, frozenset[str]] = {}
        self._children: dict[str, list[str]] = {relation: [] for relation in self.tables}
        for table in self.tables.values():
            for parent in table.parents:
                self._children[parent].append(table.relation)

    def sources(self, relation: str) -> frozenset[str]:
        """Return the tables without parents that a table is made of; itself, if it has none."""
        if relation not in self._sources:
            parents = self.tables[relation].parents
            self._sources[relation] = (
                frozenset().union(*(self.sources(parent) for parent in parents))
                if parents
                else frozenset([relation])
            )
        return self._sources[relation]

    def descendants(self, relation: str) -> set[str]:
        """Return every table made of this one, itself left out."""
        return _reached(relation, lambda name: self._children[name])

    def chain(self, relation: str, partition_key: str) -> list[TablePartition]:
        """Return what a partition of a table is made of, itself included, ancestors first.

        The same day of every ancestor is required; the earlier days of a trailing window count where
        they exist.
        """
        spans: dict[str, int] = {}
        self._spans(relation, 1, spans)
        partitions: list[TablePartition] = []
        for name in (name for name in self.tables if name in spans):
            table = self.tables[name]
            if not table.daily:
                partitions.append(TablePartition(name, UNPARTITIONED, required=True))
                continue
            day = date.fromisoformat(partition_key)
            for back in range(spans[name] - 1, -1, -1):
                key = (day - timedelta(days=back)).isoformat()
                partitions.append(TablePartition(name, key, required=back == 0))
        return partitions

    def ancestors(self, relation: str) -> set[str]:
        """Return all that a table is made of, itself left out."""
        return _reached(relation, lambda name: self.tables[name].parents)

    def between(self, upper: Collection[str], lower: str) -> list[str]:
        """Return the tables on the way from any of `upper` down to `lower`, parents before children.

        `lower` is among them unless it is one of `upper`; those, and what they are made of, are not.
        """
        above = set(upper).union(*(self.ancestors(name) for name in upper))
        below = set[str]().union(*(self.descendants(name) for name in upper))
        on_the_way = (self.ancestors(lower) | {lower}) & below - above
        return [name for name in self.tables if name in on_the_way]

    def _spans(self, relation: str, span: int, spans: dict[str, int]) -> None:
        """Collect the longest reach, in days, that any path has into each ancestor."""
        if spans.get(relation, 0) >= span:
            return
        spans[relation] = span
        for parent, days in self.tables[relation].parents.items():
            self._spans(parent, span + days - 1, spans)


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
