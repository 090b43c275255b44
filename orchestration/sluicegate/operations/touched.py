"""Which partitions to look at: those that what came in, or what was found, may have made due.

Belongs here: from events to partitions, however those are cut. Does not belong here: whether one is due.
"""

from bisect import bisect_left
from collections.abc import Collection, Iterable
from functools import cached_property

from sluicegate.core.lineage import UNPARTITIONED_TABLES, Partition, Reach
from sluicegate.core.partitions import Partitioning
from sluicegate.operations.records import Records
from sluicegate.operations.site import Site
from sluicegate.state.records import Hold


class Touched:
    """The partitions that the records of one look name."""

    def __init__(self, site: Site, records: Records) -> None:
        self._store = site.deployment.store
        self._project = site.project
        self._tables = site.project.lineage.tables
        self._records = records
        self._unfinished: dict[Partitioning, list[str]] = {}

    def partitions(self, touched: Iterable[tuple[str, str]]) -> set[Partition]:
        """Return the partitions that events may have made due, however those are cut."""
        partitions: set[Partition] = set()
        together: dict[Partition, set[str]] = {}
        below_snapshots: set[Partitioning] = set()
        for relation, key in touched:
            table = self._tables.get(relation)
            if table is None:
                continue
            if not table.partitioning.partitioned:  # a snapshot serves all partitions
                below_snapshots |= self._partitionings_below(relation)
            elif table.partitioning.holds(key):  # a source may have been cut in another way before
                together.setdefault(Partition(table.partitioning, key), set()).add(relation)
        for partition, relations in together.items():
            partitions.add(partition)
            if partition.partitioning.grain.timed:
                partitions |= self._made_of_it(partition, relations)
        for partitioning in below_snapshots:
            partitions |= {Partition(partitioning, key) for key in self._incomplete(partitioning)}
        return partitions

    def in_error(self) -> set[tuple[str, str]]:
        """Return the (relation, partition key) of which a check could not run on what there is now."""
        return {
            (error.relation, error.partition_key)
            for error in self._store.check_errors.all()
            if error.relation in self._tables
            and error.check in self._tables[error.relation].rules
            and (build := self._records.builds(error.relation).get(error.partition_key)) is not None
            and build.version == error.version
        }

    def _made_of_it(self, partition: Partition, relations: Collection[str]) -> set[Partition]:
        """Return the partitions of time that are made of one: an hour may complete a day, and so on up."""
        reaches: dict[Partitioning, Reach] = {}
        for name, reach in self._project.lineage.affected(relations, partition.key).items():
            partitioning = self._tables[name].partitioning
            reaches[partitioning] = reach.joined(reaches.get(partitioning))
        found: set[Partition] = set()
        for partitioning, reach in reaches.items():
            required = partitioning.overlapping(reach.start, reach.end)
            found |= {Partition(partitioning, key) for key in required}
            if reach.window_end > reach.end:
                # What a later partition's trailing window holds may have held that one up.
                keys = self._incomplete(partitioning)
                first = bisect_left(keys, partitioning.key_at(reach.end))
                last = bisect_left(keys, partitioning.key_at(reach.window_end))
                found |= {Partition(partitioning, key) for key in keys[first:last]}
        return found

    def _partitionings_below(self, relation: str) -> set[Partitioning]:
        below = self._project.lineage.descendants(relation)
        return {self._tables[name].partitioning for name in below} - {UNPARTITIONED_TABLES.partitioning}

    def _incomplete(self, partitioning: Partitioning) -> list[str]:
        """Return the keys of which something landed that is not in some table of theirs yet, in order."""
        if partitioning not in self._unfinished:
            tables = self._project.lineage.partitionings[partitioning]
            corrections = self._records.corrections
            self._unfinished[partitioning] = sorted(
                key
                for key in self._records.landed(partitioning)
                if any(
                    key not in self._records.builds(name) or corrections.below(name, key) for name in tables
                )
            )
        return self._unfinished[partitioning]

    @cached_property
    def waiting(self) -> dict[tuple[str, str], Hold]:
        """{(export, partition key): its hold} of what waits for something newer of a source."""
        found: dict[tuple[str, str], Hold] = {}
        for hold in self._store.holds_that_wait():
            export = self._project.exports.get(hold.export)
            if export is None:
                continue
            table = self._tables[self._project.node_of(export).relation]
            if table.partitioning.holds(hold.partition_key):
                found[(hold.export, hold.partition_key)] = hold
        return found

    def waiting_for_newer(self) -> set[Partition]:
        """Return the partitions of which an export is held as a source has nothing new enough."""
        return {
            Partition(
                self._tables[self._project.node_of(self._project.exports[name]).relation].partitioning, key
            )
            for name, key in self.waiting
        }
