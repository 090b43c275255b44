"""The records of one look: drops, builds and the gate's answers, each read once.

Belongs here: what both `due` and `status` ask of the state store. Does not belong here: conclusions.
"""

from functools import cached_property

from orchestration.contracts.model import SNAPSHOT_PARTITION
from orchestration.deployment import Deployment
from orchestration.lineage import TablePartition
from orchestration.project import Project
from orchestration.quality.gate import Gate, GateReport
from orchestration.state.records import Build, Delivery, Drop, Release


class Records:
    """The state store as it is at one look; make a new one for the next."""

    def __init__(self, deployment: Deployment, project: Project) -> None:
        self._store = deployment.store
        self._project = project
        self._gate = Gate(project.lineage, deployment.store)
        self._builds: dict[str, dict[str, Build]] = {}
        self._releases: dict[str, list[Release]] = {}
        self._deliveries: dict[str, dict[str, Delivery]] = {}

    @cached_property
    def drops(self) -> dict[str, dict[str, Drop]]:
        """{raw table: {partition key: its newest drop}}."""
        return {
            contract.relation: self._store.latest_drops(contract.name)
            for contract in self._project.contracts.values()
        }

    @cached_property
    def landed_days(self) -> frozenset[str]:
        """The days on which any source has landed."""
        return frozenset(day for drops in self.drops.values() for day in drops) - {SNAPSHOT_PARTITION}

    def builds(self, relation: str) -> dict[str, Build]:
        """Return the newest build of each partition of a table."""
        if relation not in self._builds:
            self._builds[relation] = self._store.latest_builds(relation)
        return self._builds[relation]

    def deliveries(self, export: str) -> dict[str, Delivery]:
        """Return the newest acknowledged delivery of each partition of an export."""
        if export not in self._deliveries:
            self._deliveries[export] = self._store.latest_deliveries(export, acknowledged=True)
        return self._deliveries[export]

    def releases(self, key: str) -> list[Release]:
        """Return the releases of a partition."""
        if key not in self._releases:
            self._releases[key] = self._store.releases.of_partition(key)
        return self._releases[key]

    def report(
        self, relation: str, key: str, leave_out: frozenset[TablePartition] = frozenset()
    ) -> GateReport:
        """Return the gate's answer for a partition, `leave_out` aside, by what is on record."""
        held = {
            (item.relation, item.partition_key): build.version
            for item in self._project.lineage.chain(relation, key)
            if (build := self.builds(item.relation).get(item.partition_key)) is not None
        }
        return self._gate.report_from_records(relation, key, held, leave_out)
