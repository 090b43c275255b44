"""`sluice run`: everything due, with a line a run and its troubles below it."""

import time
from contextlib import nullcontext

from rich.console import Console

from orchestration.cli.tables import trouble_table
from orchestration.settings import Settings


def run_and_show(
    settings: Settings, with_demo_destinations: bool, out: Console, *, retry: bool = False
) -> bool:
    """Run everything that is due; return whether nothing failed and nothing is held."""
    from orchestration.demo.destinations import demo_destinations

    destinations = demo_destinations(settings) if with_demo_destinations else nullcontext(settings)
    with destinations as equipped:
        return run_equipped(equipped, out, retry=retry)


def run_equipped(settings: Settings, out: Console, *, retry: bool = False) -> bool:
    """Run everything that is due in a deployment whose destinations stand."""
    from orchestration.deployment import Deployment
    from orchestration.headless import Complaint, Finished, Started, run_everything
    from orchestration.operations.due import Held
    from orchestration.operations.instance import open_instance
    from orchestration.operations.status import needs_attention, status
    from orchestration.project import load_project

    project = load_project(settings)
    deployment = Deployment(settings)
    healthy, began = True, time.monotonic()
    with open_instance(settings) as instance:
        for event in run_everything(deployment, project, instance, retry=retry):
            match event:
                case Started():
                    began = time.monotonic()
                    waiting = f", {event.waiting} waiting" if event.waiting else ""
                    if out.is_terminal:  # the finished run's line takes its place
                        out.print(f"… {_title(event.run.partition_key)}{waiting}", end="\r", style="dim")
                case Finished():
                    healthy &= event.success
                    mark = "[green]✓[/]" if event.success else "[red]✗[/]"
                    tables = f"{len(event.run.relations)} tables, {len(event.run.exports)} exports"
                    seconds = time.monotonic() - began
                    out.print(f"{mark} {_title(event.run.partition_key)}: {tables}, {seconds:.1f} s")
                    for failure in event.failures:
                        out.print(f"    {failure}", style="red", markup=False)
                case Held():
                    healthy = False
                case Complaint():
                    healthy = False
                    out.print(event.text, style="yellow", markup=False)
    troubled = needs_attention(status(deployment, project))
    if troubled:
        out.print(trouble_table(troubled))
    return healthy and not troubled


def _title(partition_key: str) -> str:
    return partition_key or "snapshots and reference tables"
