"""Deliveries whose time has come without new data: refused rows to be tried again, plans that were approved.

`sluice run` and the sensor `deliveries` ask the same question; it is separate from `due`, which never looks
at a clock.
"""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from sluicegate.core.lineage import Partition
from sluicegate.delivery.deliver import Target
from sluicegate.operations.due_run import DueRun, Try, digest_of
from sluicegate.operations.records import Records
from sluicegate.operations.site import Site
from sluicegate.operations.status import Standing, status
from sluicegate.state.records import Delivery, DeliveryKind, DeliveryStatus


def deliveries_due(site: Site, now: datetime, run_exists: Callable[[str], bool]) -> list[DueRun]:
    """Return runs of an export alone, one a partition, in the order of their partitions.

    A run that failed, as the vendor was down, is due again the next day; and once before, see
    `deliveries_again`. `run_exists` tells whether Dagster has a run of that run key.
    """
    day = f"{now:%Y-%m-%d}"
    return _runs(site, _wanted(site, now), run_exists, lambda _: day, Try.FIRST)


def deliveries_again(
    site: Site, now: datetime, run_exists: Callable[[str], bool], failed: Mapping[tuple[str, str], str]
) -> list[DueRun]:
    """Return the second tries of {(export, partition key): run id} that failed: what is still to be sent."""
    if not failed:
        return []
    wanted = dict.fromkeys(_ready(site), ("", "ready")) | _wanted(site, now)
    asked = {place: why for place, why in wanted.items() if place in failed}
    return _runs(site, asked, run_exists, lambda place: f"after {failed[place]}", Try.SECOND)


def _wanted(site: Site, now: datetime) -> dict[tuple[str, str], tuple[str, str]]:
    """Return {(export, partition key): (kind of delivery, why)} of what is to be sent without new data."""
    store, records, project = site.deployment.store, Records(site), site.project
    wanted: dict[tuple[str, str], tuple[str, str]] = {}
    for (export, scope), moment in store.refused_keys.due(now).items():
        partition = _partition(site, export, scope) if export in project.exports else None
        if partition is not None:
            wanted[(export, partition)] = ("", f"refused {moment.isoformat()}")
    for delivery in store.deliveries.approved():
        # A redelivery is made of no table: whoever approves it sends it.
        if delivery.export not in project.exports or delivery.kind is DeliveryKind.REDELIVER:
            continue
        # Approved was what another export file made: nobody has said a word on what is made today.
        if site.is_todays(delivery):
            kind = "" if delivery.kind is DeliveryKind.CHANGE else delivery.kind.value
            wanted[(delivery.export, delivery.partition_key)] = (kind, f"approved {delivery.delivery_id}")
    for export in project.exports:
        plan = _ended_by_an_older(records, site.target(export))
        if plan is not None:
            wanted.setdefault((export, plan.partition_key), ("", f"ended {plan.delivery_id}"))
    return wanted


def _runs(
    site: Site,
    wanted: Mapping[tuple[str, str], tuple[str, str]],
    run_exists: Callable[[str], bool],
    when: Callable[[tuple[str, str]], str],
    attempt: Try,
) -> list[DueRun]:
    """Return the runs of what is wanted that may go out; each is asked for once for `when`."""
    records, runs = Records(site), list[DueRun]()
    for (export, partition), (kind, why) in wanted.items():
        target = site.target(export)
        if not site.deployment.settings.delivers(target.export.spec.destination.connection):
            continue
        if not target.table.partitioning.holds(partition):
            continue  # its model was cut otherwise then
        if records.report(target.table.relation, target.table.partition(partition)).waits_for:
            continue  # a source is too old today: nothing would be sent, and it is due as soon as it is not
        run_key = digest_of((export, partition, why, when((export, partition))))
        run = replace(delivery_run(target, partition, run_key, kind), attempt=attempt)
        if not run_exists(run.run_key):
            runs.append(run)
    return sorted(runs, key=lambda run: run.partition.order)


def deliveries_ready(site: Site) -> list[DueRun]:
    """Return runs of an export alone for what is validated and was not sent, though nobody holds it back.

    As its connection was not set, or its run failed. Of an export that holds the newest partition alone, that
    one.
    """
    runs = [
        replace(delivery_run(site.target(export), key, f"deliver {uuid.uuid4()}"), attempt=Try.SECOND)
        for export, key in _ready(site)
    ]
    return sorted(runs, key=lambda run: run.partition.order)


def _ready(site: Site) -> list[tuple[str, str]]:
    """Return the (export, partition key) that are validated, not sent, and held by nobody."""
    ready: dict[str, list[str]] = {}
    for row in status(site):
        if row.kind != "export" or row.standing not in (Standing.READY, Standing.NOT_CONFIGURED):
            continue
        connection = site.project.exports[row.name].spec.destination.connection
        # Who sends is this process, whatever connections others have.
        if site.deployment.settings.delivers(connection):
            ready.setdefault(row.name, []).append(row.partition_key)
    exports = site.project.exports
    return [
        (name, key)
        for name, keys in ready.items()
        for key in (keys[-1:] if exports[name].spec.latest_only else keys)
    ]


def delivery_run(target: Target, partition_key: str, run_key: str, kind: str = "") -> DueRun:
    """Return the run of an export alone, for a partition; nothing is built in it."""
    return DueRun(
        partition=Partition(target.table.partitioning, partition_key),
        relations=(),
        exports=(target.export.name,),
        run_key=run_key,
        requests={},
        kind=kind,
    )


def _partition(site: Site, export: str, scope: str) -> str | None:
    """Return the partition whose delivery tries the refused keys of a scope again."""
    target = site.target(export)
    if not target.table.partitioning.partitioned:
        return ""
    if not target.export.spec.latest_only:
        return scope or None
    # The destination holds the newest one alone: an older one would not be sent.
    standing = site.deployment.store.deliveries.at_destination(export)
    return standing.partition_key if standing is not None else None


def _ended_by_an_older(records: Records, target: Target) -> Delivery | None:
    """Return the newest plan of a destination that holds one partition, if a correction of an older ended it.

    It was compared with what is there no more, so that it has to be planned again; nobody else would ask.
    """
    export, table = target.export, target.table
    plans = {key: plan for key, plan in records.plans(export.name).items() if table.partitioning.holds(key)}
    if not export.spec.latest_only or not plans:
        return None
    key = max(plans)
    build, plan = records.builds(table.relation).get(table.partition(key)), plans[key]
    ended = plan.status is DeliveryStatus.SUPERSEDED and plan.kind is not DeliveryKind.REDELIVER
    same = build is not None and build.version == plan.version
    newer = key > records.at_destination(export.name)
    return plan if ended and same and newer else None
