"""What runs by the clock: upkeep of storage. No data flows through it, and nothing waits for it."""

from datetime import UTC, datetime

import dagster as dg

from orchestration.deployment import Deployment
from orchestration.operations.retention import move_to_cold
from orchestration.project import Project

# UTC; at an hour at which no feed of ours lands.
_CRON = "40 2 * * *"


def upkeep_schedules(deployment: Deployment, project: Project) -> list[dg.ScheduleDefinition]:
    """Return the schedule that moves old originals to the cold tier; none where nothing is to be moved."""
    aging = [contract for contract in project.contracts.values() if contract.cold_after_days is not None]
    if not aging or deployment.settings.cold_url is None:
        return []

    @dg.op(name="move_originals_to_the_cold_tier")
    def move(context: dg.OpExecutionContext) -> None:
        for path in move_to_cold(deployment, aging, datetime.now(UTC)):
            context.log.info(f"moved {path}")

    @dg.job(
        name="cold_tier",
        executor_def=dg.in_process_executor,
        description="Moves originals that are older than their contract's coldAfterDays to SLUICE_COLD_URL.",
    )
    def cold_tier() -> None:
        move()

    return [
        dg.ScheduleDefinition(
            name="cold_tier",
            job=cold_tier,
            cron_schedule=_CRON,
            default_status=dg.DefaultScheduleStatus.RUNNING,
        )
    ]
