"""What runs by the clock: upkeep of storage, deliveries whose time has come, and reading destinations back.

Belongs here: when. Does not belong here: what is due (`deliveries_due`), what is done.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, time

import dagster as dg

from sluicegate.delivery.deliver import Target
from sluicegate.graph.reconciled import check_key, readable
from sluicegate.graph.run_leases import run_executor
from sluicegate.graph.sensors import run_exists, run_requests
from sluicegate.operations.checks_due import checks_due
from sluicegate.operations.deliveries_due import deliveries_due
from sluicegate.operations.fills import fills_due
from sluicegate.operations.retention import move_to_cold
from sluicegate.operations.site import Site
from sluicegate.state.deployment import Deployment

# UTC; at an hour at which no feed of ours lands.
_CRON = "40 2 * * *"
_RECONCILED_FROM = time(3, 10)
_HOUR_SECONDS = 3_600


def upkeep_schedules(site: Site) -> list[dg.ScheduleDefinition]:
    """Return the schedule that moves old originals to the cold tier; none where nothing is to be moved."""
    aging = [contract for contract in site.project.contracts.values() if contract.cold_after_days is not None]
    if not aging or site.deployment.settings.cold_url is None:
        return []

    def move(context: dg.OpExecutionContext) -> None:
        for path in move_to_cold(site.deployment, aging, datetime.now(UTC)):
            context.log.info(f"moved {path}")

    described = "Moves originals that are older than their contract's coldAfterDays to SLUICE_COLD_URL."
    op = dg.op(name="move_originals_to_the_cold_tier")(move)
    return [nightly(site, "cold_tier", op, _CRON, described)]


def nightly(site: Site, name: str, op: dg.OpDefinition, cron: str, description: str) -> dg.ScheduleDefinition:
    """Return a schedule, which runs from the start, of a job of one op."""

    @dg.job(name=name, executor_def=run_executor(site.deployment), description=description)
    def job() -> None:
        op()

    running = dg.DefaultScheduleStatus.RUNNING
    return dg.ScheduleDefinition(name=name, job=job, cron_schedule=cron, default_status=running)


def deliveries_sensor(site: Site) -> dg.SensorDefinition:
    """Return the sensor of what is due without new data: approved plans, refused rows, checks."""

    @dg.sensor(
        name="deliveries",
        asset_selection=dg.AssetSelection.all(),
        minimum_interval_seconds=max(60, site.deployment.settings.sensor_interval_seconds),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tries refused rows, and checks that could not run, again once their time has come; sends"
        " plans that a person approved; fills the tables of Kusto that functions fill.",
    )
    def deliveries(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        now = site.deployment.clock()

        def exists(run_key: str) -> bool:
            return run_exists(context.instance, run_key)

        runs = [
            *checks_due(site, now, exists), *deliveries_due(site, now, exists),
            *fills_due(site, now, exists),
        ]  # fmt: skip
        if not runs:
            return dg.SkipReason("no refused row, check or fill is due, and no approved plan waits")
        return dg.SensorResult(run_requests=run_requests(context, site, runs))

    return deliveries


def reconcile_sensor(
    site: Site, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> list[dg.SensorDefinition]:
    """Return the sensor that once a day reads destinations back; none where none can be read.

    `clock` tells the time, in UTC. A schedule would be one job, whose assets must all be cut alike.
    """
    wanted = [target for target in map(site.target, site.project.exports) if readable(target)]
    if not wanted:
        return []

    @dg.sensor(
        name="reconcile",
        asset_selection=dg.AssetSelection.checks(*(check_key(target) for target in wanted)),
        minimum_interval_seconds=_HOUR_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Once a day, after {_RECONCILED_FROM:%H:%M} UTC: compares what each destination that can"
        " be read holds of its newest partition with what it acknowledged.",
    )
    def reconcile(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        now = clock()
        day = f"{now:%Y-%m-%d}"
        if context.cursor == day or now.time() < _RECONCILED_FROM:
            return dg.SkipReason(f"once a day, after {_RECONCILED_FROM:%H:%M} UTC")
        requests = [
            dg.RunRequest(
                run_key=f"reconcile {target.export.name} {day}",
                partition_key=partition or None,
                asset_selection=[],
                asset_check_keys=[check_key(target)],
            )
            for target, partition in to_reconcile(site.deployment, wanted)
        ]
        return dg.SensorResult(run_requests=requests, cursor=day)

    return [reconcile]


def to_reconcile(deployment: Deployment, targets: list[Target]) -> Iterator[tuple[Target, str]]:
    """Yield the newest delivered partition of each export whose destination is configured."""
    for target in targets:
        if not deployment.settings.delivers(target.export.spec.destination.connection):
            continue
        if target.export.spec.latest_only:
            standing = deployment.store.deliveries.at_destination(target.export.name)
            delivered = [standing.partition_key] if standing is not None else []
        else:
            delivered = list(deployment.store.deliveries.latest(target.export.name, acknowledged=True))
        keys = [key for key in delivered if target.table.partitioning.holds(key)]
        if keys:
            yield target, max(keys)
