"""One deployment together with the project that it runs: what nearly every question is asked of.

Belongs here: the two, and what only both know. Does not belong here: the questions, and Dagster's instance
(`graph.desk`).
"""

from dataclasses import dataclass
from functools import cached_property

from sluicegate.core.problems import did_you_mean
from sluicegate.delivery.deliver import Target, is_todays
from sluicegate.gate.gate import Gate, GateReport
from sluicegate.project.loading import Project
from sluicegate.state.deployment import Deployment
from sluicegate.state.records import Delivery


@dataclass(frozen=True)
class Site:
    """A deployment and its project, checked."""

    deployment: Deployment
    project: Project

    @cached_property
    def gate(self) -> Gate:
        """What says whether a partition may go out."""
        return Gate(self.project.lineage, self.deployment.store, self.deployment.clock)

    def gate_report(self, export: str, partition_key: str) -> GateReport:
        """Return the gate of an export's partition as the warehouse is now."""
        relation = self.project.node_of(self.project.exports[export]).relation
        with self.deployment.warehouse.session() as session, session.snapshot():
            return self.gate.report(session, relation, partition_key)

    def target(self, name: str) -> Target:
        """Return an export and its table.

        Raises:
            ValueError: there is no such export.
        """
        project = self.project
        if name not in project.exports:
            raise ValueError(f"no export `{name}`; {did_you_mean(name, project.exports)}")
        export = project.exports[name]
        node = project.node_of(export)
        return Target(
            export,
            project.lineage.tables[node.relation],
            node.partition_column or "",
            project.near(node.relation),
            project.classified_columns[node.relation],
        )

    def is_todays(self, plan: Delivery) -> bool:
        """Return whether no other export file made a plan than today's; one that is gone is no other."""
        if plan.export not in self.project.exports:
            return True
        return is_todays(self.deployment, self.target(plan.export), plan)
