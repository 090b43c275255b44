"""The records of one look: drops, builds and the gate's answers, each read once.

Belongs here: what both `due` and `status` ask of the state store. Does not belong here: conclusions.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import datetime
from functools import cached_property

from sluicegate.core.lineage import TablePartition
from sluicegate.core.partitions import SNAPSHOT_PARTITION, UNPARTITIONED, Partitioning
from sluicegate.delivery.deliver import Target
from sluicegate.delivery.restored import Waiting, Ways, kept_back
from sluicegate.destinations.base import Mode
from sluicegate.destinations.registry import destination_types
from sluicegate.gate.ages import due_moments
from sluicegate.gate.gate import GateReport
from sluicegate.gate.on_record import OnRecord
from sluicegate.operations.corrections import Corrections
from sluicegate.operations.site import Site
from sluicegate.state.records import Build, Delivery, Drop, Hold, Release
from sluicegate.state.restores import Finding, Restore
from sluicegate.warehouse.slices import partition_bounds

# Tables of one query.
_READ_AT_ONCE = 500


class Records:
    """The state store as it is at one look; make a new one for the next."""

    def __init__(self, site: Site) -> None:
        self._store, self._settings = site.deployment.store, site.deployment.settings
        self._project, self._gate = site.project, site.gate
        self._on_record = OnRecord(self._store)
        self._held = _Held(self.builds)
        self._builds: dict[str, dict[str, Build]] = {}
        self._releases: dict[str, list[Release]] = {}
        self._deliveries: dict[str, dict[str, Delivery]] = {}
        self._at_destination: dict[str, str] = {}
        self._plans: dict[str, dict[str, Delivery]] = {}
        self._rejected: dict[str, dict[str, list[Delivery]]] = {}
        self._found: dict[str, dict[str, Finding]] = {}
        self._holds: dict[str, dict[str, Hold]] = {}
        self._landed: dict[Partitioning, frozenset[str]] = {}

    @cached_property
    def drops(self) -> dict[str, dict[str, Drop]]:
        """{raw table: {partition key: its newest drop}}."""
        return {
            contract.relation: self._store.drops.latest(contract.name)
            for contract in self._project.contracts.values()
        }

    def drop(self, source: str, key: str) -> Drop | None:
        """Return the newest drop of what a source's table holds under a key."""
        partitioned = self._project.lineage.tables[source].partitioning.partitioned
        return self.drops[source].get(key if partitioned else SNAPSHOT_PARTITION)

    def landed(self, partitioning: Partitioning) -> frozenset[str]:
        """Return the keys of the partitions in which a source of theirs has landed.

        A day has landed with its first hour, but not with the month that it lies in: that may land long
        before it, or after.
        """
        if partitioning not in self._landed:
            self._landed[partitioning] = frozenset(self._landed_in(partitioning))
        return self._landed[partitioning]

    def _landed_in(self, partitioning: Partitioning) -> set[str]:
        lineage = self._project.lineage
        relations = lineage.partitionings.get(partitioning, ())
        sources = {name for relation in relations for name in lineage.sources(relation)} & self.drops.keys()
        if not partitioning.partitioned:
            # What stands on seeds alone comes with the project.
            alone = any(not lineage.sources(name) & self.drops.keys() for name in relations)
            return {UNPARTITIONED} if alone or any(self.drops[name] for name in sources) else set()
        if not partitioning.grain.timed:
            alike = (name for name in sources if lineage.tables[name].partitioning == partitioning)
            return {key for name in alike for key in self.drops[name] if partitioning.holds(key)}
        cut = {name: lineage.tables[name].partitioning for name in sources}
        timed = {name: how for name, how in cut.items() if how.grain.timed}
        longest = partitioning.grain.span.longest
        finer = {name: how for name, how in timed.items() if how.grain.span.longest <= longest}
        keys: set[str] = set()
        for name, how in (finer or timed).items():
            # A source that was cut in another way before has keys of that in its records.
            held = (key for key in self.drops[name] if how.holds(key))
            if how == partitioning:
                keys |= set(held)
            else:
                keys |= {found for key in held for found in partitioning.overlapping(*how.interval(key))}
        return keys

    def builds(self, relation: str) -> dict[str, Build]:
        """Return the newest build of each partition of a table."""
        if relation not in self._builds:
            self._builds[relation] = self._store.latest_builds(relation)
        return self._builds[relation]

    def deliveries(self, export: str) -> dict[str, Delivery]:
        """Return the newest settled delivery of each partition of an export: acknowledged, or overtaken."""
        if export not in self._deliveries:
            self._deliveries[export] = self._store.deliveries.latest(export, acknowledged=True)
        return self._deliveries[export]

    def connected(self, name: str) -> bool:
        """Return whether the deployment has a connection, as its processes found it; whoever asks.

        Where none has looked for it yet, what this process has counts.
        """
        return self._connections.get(name, self._settings.delivers(name))

    def has_connection(self, name: str) -> bool:
        """Return whether this very process has a connection, and could send by it."""
        return self._settings.delivers(name)

    def variable_of(self, name: str) -> str:
        """Return the variable of a connection."""
        return self._settings.variable_of(name)

    def holds(self, export: str) -> dict[str, Hold]:
        """Return the partitions of an export that were held when they were last asked for."""
        if export not in self._holds:
            self._holds[export] = self._store.holds(export)
        return self._holds[export]

    @cached_property
    def _connections(self) -> dict[str, bool]:
        return self._store.connections()

    def kept_back(self, target: Target, key: str) -> Waiting | None:
        """Return what keeps a partition of an export from being sent since a restore."""
        if self._restore is None:
            return None
        export, spec = target.export.name, target.export.spec
        if export not in self._found:
            self._found[export] = self._store.restores.findings(self._restore, export)
        bounds = None if spec.latest_only else partition_bounds(target.table.partitioning, key)
        capabilities = destination_types[spec.destination.type].capabilities
        return kept_back(
            self._restore, self._found[export], export, "" if spec.latest_only else key, bounds,
            Ways.of(capabilities, Mode(spec.mode)),
        )  # fmt: skip

    @cached_property
    def _restore(self) -> Restore | None:
        return self._store.restores.newest()

    def at_destination(self, export: str) -> str:
        """Return the partition that a destination holds which holds one alone; "" before the first."""
        if export not in self._at_destination:
            found = self._store.deliveries.at_destination(export)
            self._at_destination[export] = found.partition_key if found else ""
        return self._at_destination[export]

    def plans(self, export: str) -> dict[str, Delivery]:
        """Return the newest plan of each partition of an export, whatever became of it."""
        if export not in self._plans:
            self._plans[export] = self._store.deliveries.latest(export, acknowledged=False)
        return self._plans[export]

    def rejected(self, export: str) -> dict[str, list[Delivery]]:
        """Return {partition key: the plans that a person rejected, newest first} of an export."""
        if export not in self._rejected:
            found: dict[str, list[Delivery]] = {}
            for plan in self._store.deliveries.rejected(export):
                found.setdefault(plan.partition_key, []).append(plan)
            self._rejected[export] = found
        return self._rejected[export]

    def releases(self, key: str) -> list[Release]:
        """Return the releases of a partition."""
        if key not in self._releases:
            self._releases[key] = self._store.releases.of_partition(key)
        return self._releases[key]

    def read_ahead(self, relations: Iterable[str], key: str) -> None:
        """Read what `report` asks of a partition of many tables, in a few queries for all of them."""
        lineage = self._project.lineage
        keys: dict[str, set[str]] = {}
        for relation in relations:
            for item in lineage.chain(relation, lineage.tables[relation].partition(key)):
                keys.setdefault(item.relation, set()).add(item.partition_key)
        alike: dict[frozenset[str], list[str]] = {}
        for relation, found in keys.items():
            alike.setdefault(frozenset(found), []).append(relation)
        for found, names in alike.items():
            for at in range(0, len(names), _READ_AT_ONCE):
                self._on_record.read((name, one) for name in names[at : at + _READ_AT_ONCE] for one in found)

    def report(self, relation: str, key: str) -> GateReport:
        """Return the gate's answer for a partition, by what is on record."""
        return self._gate.report_from_records(relation, key, self._held, self._on_record)

    @cached_property
    def corrections(self) -> Corrections:
        """What is loaded, and not in what is built of it."""
        return Corrections(self._project.lineage, self._on_record, self.builds)

    def left_behind(self, relation: str, key: str, report: GateReport) -> bool:
        """Return whether a partition is not what it should be by now, though nothing said no of it.

        A check could not run on what it is made of, or a correction that is loaded is not in it.
        """
        closed = not report.open
        return closed and (bool(report.could_not_run) or self.corrections.missing(relation, key))

    def let_pass(self, release: Release, report: GateReport) -> bool:
        """Return whether a release, expired or not, let all that failed pass."""
        return self._gate.let_pass(release, report)

    def parents_report(
        self, relation: str, key: str, about_to_be_built: Collection[TablePartition]
    ) -> GateReport:
        """Return the gate's answer for what a partition is made of, some of which is good by then."""
        return self._gate.parents_from_records(relation, key, self._held, about_to_be_built, self._on_record)

    def due_moments(self, relation: str) -> dict[str, datetime]:
        """Return {raw table: until when what is newest of it may be sent}, of those that must not be old."""
        return due_moments(self._project.lineage, self._on_record, relation)


class _Held(Mapping[tuple[str, str], str]):
    """The versions that tables hold by the newest builds on record, each table's read when asked for."""

    def __init__(self, builds: Callable[[str], Mapping[str, Build]]) -> None:
        self._builds = builds

    def __getitem__(self, place: tuple[str, str]) -> str:
        return self._builds(place[0])[place[1]].version

    def __iter__(self) -> Iterator[tuple[str, str]]:
        raise NotImplementedError("what is on record is asked for by its place")

    def __len__(self) -> int:
        raise NotImplementedError("what is on record is asked for by its place")
