"""What a partition of a table is made of, and whether it may be built or sent by what is on record.

Belongs here: facts about one partition of one table. Does not belong here: which partitions to look at
(`touched`), and what is asked for (`due`).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

from sluicegate.core.lineage import Partition, TablePartition
from sluicegate.core.partitions import Partitioning
from sluicegate.gate.gate import Verdict
from sluicegate.operations.due_run import digest_of
from sluicegate.operations.records import Records
from sluicegate.operations.site import Site


@dataclass(frozen=True)
class MadeOf:
    """What a partition is made of: its own drops by name, and the snapshots that it shares with others."""

    own: tuple[str, ...]
    shared: tuple[str, ...]

    @property
    def drops(self) -> str:
        """A digest of its own drops: what it is asked for by, once."""
        return digest_of(self.own)

    def all(self, since: Sequence[str]) -> frozenset[str]:
        """Return what it is asked for by while it lacks; `since` are judgings that may help it, in words.

        Each judging counts by itself: what one of them could not help is not asked for again without others.
        """
        more = [self.shared, *((judging,) for judging in since)]
        return frozenset({self.drops, *(digest_of([*self.own, *names]) for names in more if names)})


class Readiness:
    """What is known of partitions at one look."""

    def __init__(self, site: Site, records: Records) -> None:
        self._project = site.project
        self._tables = site.project.lineage.tables
        self._records = records

    @cached_property
    def _seeds(self) -> dict[str, str]:
        """{relation: digest} of the tables that come with the project: another digest is the event.

        The digest of the gate: what it calls built by older code is due.
        """
        return {
            node.relation: self._tables[node.relation].code
            for node in self._project.manifest.nodes.values()
            if not self._tables[node.relation].parents
        }

    def exports_of(self, partition: Partition) -> list[str]:
        """Return the exports that are cut as a partition is."""
        return self._exports.get(partition.partitioning, [])

    @cached_property
    def _exports(self) -> dict[Partitioning, list[str]]:
        found: dict[Partitioning, list[str]] = {}
        for name, export in self._project.exports.items():
            table = self._tables[self._project.node_of(export).relation]
            found.setdefault(table.partitioning, []).append(name)
        return found

    def delivered(self, export: str, relation: str, key: str) -> bool:
        """Whether the destination has the very version that the model holds: there is nothing to hold."""
        delivery = self._records.deliveries(export).get(key)
        build = self._records.builds(relation).get(key)
        return delivery is not None and build is not None and delivery.version == build.version

    def made_of(self, relation: str, key: str) -> MadeOf | None:
        """Return the drops that a partition of a table is made of; None while one lacks.

        A partition is asked for once for its own drops, a day that is made of hours for those of all 24;
        while it has no table of these, once more for each newer snapshot, since the old one may be what it
        failed on, and for each time that what it is made of was judged again.
        A partition that has its table stays as it is.
        """
        own: list[str] = []
        shared: list[str] = []
        partitioned = self._tables[relation].partitioning.partitioned
        for source, keys in self._project.lineage.made_of(relation, key).items():
            names = own if not partitioned or self._tables[source].partitioning.partitioned else shared
            if source in self._seeds:
                names.append(f"{source}:{self._seeds[source]}")
                continue
            for required in keys:
                drop = self._records.drop(source, required)
                if drop is None:
                    return None
                names.append(drop.key)
        return MadeOf(tuple(own), tuple(shared))

    def lacks(self, relation: str, key: str) -> bool:
        """Whether a partition has no table, or one that a correction is missing in which is loaded."""
        return key not in self._records.builds(relation) or self._records.corrections.missing(relation, key)

    def settled_since(self, relation: str, key: str) -> bool:
        """Whether what a failed run was to build is in order by now, whoever built it, or was delivered.

        A model that is in order and was not delivered is not built again for that; it is sent as it is.
        """
        build = self._records.builds(relation).get(key)
        drop = self._records.drop(relation, key) if relation in self._records.drops else None
        if build is None or (drop is not None and build.drop_ordinal != drop.ordinal):
            return False
        partition = Partition(self._tables[relation].partitioning, key)
        below = {relation, *self._project.lineage.descendants(relation)}
        models = {
            name: self._project.node_of(self._project.exports[name]).relation
            for name in self.exports_of(partition)
        }
        sent = [self.delivered(name, model, key) for name, model in models.items() if model in below]
        closed = self._records.report(relation, key).closed_by
        return (bool(sent) and all(sent)) or all(item.verdict is Verdict.TOO_OLD for item in closed)

    def reads_what_is_built(self, relation: str, key: str, building: Collection[str]) -> bool:
        """Whether a table stands on one that this run builds anew, and would be of another version then."""
        reads = self._project.lineage.reads(relation, key)
        return any(read.own and read.relation in building for read in reads)

    def all_asked(self, relation: str, key: str, made_of: MadeOf) -> frozenset[str]:
        """Return what a partition is asked for by as long as it lacks: its drops, and what may help it."""
        return made_of.all(self._records.corrections.judged_since(relation, key))

    def ready(self, relation: str, key: str, building: Collection[str]) -> bool:
        """Whether all that a table reads is in this run, or built and validated before it."""
        # A run builds thousands of tables, of which each looks at few.
        names = {name for name in self._project.lineage.looked_at(relation) if name in building}
        in_run = frozenset(TablePartition(name, key, required=True) for name in {*names, relation})
        cut = self._tables[relation].partitioning
        for item in self._project.lineage.chain(relation, key):
            if item not in in_run and self._landed_but_not_built(item):
                return False
            if item.required and self._tables[item.relation].partitioning != cut and self._outdated(item):
                return False
        return self._records.parents_report(relation, key, in_run).open

    def _outdated(self, item: TablePartition) -> bool:
        """Whether a partition of another run is older than its drops: an hour whose correction is on its way.

        A day that was built on it now would have asked for the correction, and never get it.
        """
        if not self._tables[item.relation].partitioning.partitioned:
            return False
        build = self._records.builds(item.relation).get(item.partition_key)
        for source, keys in self._project.lineage.made_of(item.relation, item.partition_key).items():
            if not self._tables[source].partitioning.partitioned:
                continue
            for key in keys:
                drop, loaded = self._records.drop(source, key), self._records.builds(source).get(key)
                if build is None or drop is None or loaded is None or loaded.drop_ordinal != drop.ordinal:
                    return True
                if build.id < loaded.id:
                    return True
        return False

    def _landed_but_not_built(self, item: TablePartition) -> bool:
        """Whether a partition is on its way: its drops are there, it is not, and none was refused."""
        if item.required or item.partition_key in self._records.builds(item.relation):
            return False
        if self.made_of(item.relation, item.partition_key) is None:
            return False
        report = self._records.report(item.relation, item.partition_key)
        return not report.refusals
