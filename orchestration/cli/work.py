"""What a command that works with deliveries has at hand, and how its errors are shown."""

from collections.abc import Generator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from orchestration.cli.main import err, out, settings_of, usage_errors

if TYPE_CHECKING:
    from orchestration.delivery.deliver import Target
    from orchestration.graph.instance import Instance
    from orchestration.project.loading import Project
    from orchestration.state.deployment import Deployment
    from orchestration.state.records import Delivery


@dataclass
class Work:
    """One command's deployment, opened as far as it is asked for."""

    deployment: "Deployment"
    stack: ExitStack = field(default_factory=ExitStack)

    @cached_property
    def project(self) -> "Project":
        """The project directory, checked."""
        from orchestration.project.loading import load_project

        return load_project(self.deployment.settings)

    @cached_property
    def instance(self) -> "Instance":
        """Dagster's instance, open until the command ends."""
        from orchestration.graph.instance import open_instance

        return self.stack.enter_context(open_instance(self.deployment.settings))

    @cached_property
    def now(self) -> datetime:
        """When the command began."""
        return datetime.now(UTC)

    def target(self, export: str) -> "Target":
        """Return an export and its table."""
        from orchestration.operations.asking import target_of

        return target_of(self.project, export)

    def partition(self, target: "Target", key: str | None) -> str:
        """Return the partition that is named, or else the newest that is built."""
        from orchestration.operations.asking import partition_of

        return partition_of(self.deployment, target, key)

    def classified(self, target: "Target") -> frozenset[str]:
        """Return the model columns of an export that are not shown."""
        return self.project.classified_columns.get(target.table.relation, frozenset())

    def delivery(self, name: str) -> "tuple[Delivery, Target]":
        """Return the delivery that is named, and its export."""
        from orchestration.operations.asking import delivery_of

        found = delivery_of(self.deployment, name)
        return found, self.target(found.export)

    def outdated(self, delivery: "Delivery") -> bool:
        """Whether a plan that nobody has sent was made by another export file than today's."""
        from orchestration.delivery.deliver import is_todays
        from orchestration.state.records import DeliveryStatus

        unsent = (DeliveryStatus.PLANNED, DeliveryStatus.HELD, DeliveryStatus.APPROVED)
        if delivery.status not in unsent or delivery.export not in self.project.exports:
            return False
        return not is_todays(self.deployment, self.target(delivery.export), delivery)

    def run(self, target: "Target", key: str, kind: str = "") -> bool:
        """Run the asset of an export for a partition, and show it; return whether it went through."""
        from orchestration.cli.running import show_finished
        from orchestration.graph.headless import deliver_alone

        done = deliver_alone(self.deployment, self.project, self.instance, target, key, kind)
        show_finished(done, out)
        return done.success


@contextmanager
def at_work(project: Path | None, data: Path | None, with_demo_destinations: bool = False) -> Generator[Work]:
    """Yield what a command works with; what people can mend ends with a line and code 2, or 1 if held."""
    with settings_of(project, data) as settings, usage_errors():
        from orchestration.delivery.deliver import NotConfigured
        from orchestration.delivery.ledger import DeliveryHeld, DeliveryRejected
        from orchestration.demo.destinations import demo_destinations
        from orchestration.destinations.base import DeliveryError
        from orchestration.state.deployment import Deployment

        destinations = demo_destinations(settings) if with_demo_destinations else nullcontext(settings)
        with destinations as equipped, ExitStack() as stack:
            try:
                yield Work(Deployment(equipped), stack)
            except (DeliveryHeld, DeliveryRejected, DeliveryError, NotConfigured) as problem:
                err.print(str(problem), style="red", markup=False)
                raise typer.Exit(1) from None
