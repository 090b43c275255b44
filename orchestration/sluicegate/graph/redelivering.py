"""`sluice delivery redeliver`, in the command's process: it builds no table, and is no run of the graph."""

from collections.abc import Callable
from datetime import datetime

import dagster as dg

from sluicegate.delivery.deliver import Target
from sluicegate.delivery.ledger import Outcome
from sluicegate.delivery.travel import moment_of, redeliver
from sluicegate.graph.deliveries_shown import delivery_metadata
from sluicegate.graph.desk import Desk
from sluicegate.state.records import Delivery

# What stands in the place of a run's id.
_RUN_ID = "sluice redeliver"


def redeliver_and_show(
    desk: Desk,
    target: Target,
    partition_key: str,
    moment: datetime,
    *,
    log: Callable[[str], None],
    by: str,
    reason: str,
) -> Outcome:
    """Make the destination hold again what it held at a moment, and show it on the export's asset.

    Raises:
        ValueError: there was nothing then, or the command lacks a reason.
        ProjectChanged: files of the project are others than those that the export is made of.
        NotConfigured, DeliveryHeld, DeliveryRejected, DeliveryError: as any delivery.
    """
    if not reason.strip():
        raise ValueError("a redelivery needs a reason: --reason says why")
    desk.project.identity.require_unchanged()
    outcome = redeliver(
        desk.deployment,
        target,
        partition_key,
        moment,
        run_id=_RUN_ID,
        log=log,
        asked_by=by,
        reason=reason.strip(),
    )
    said = f"holds again what it held at {moment:%Y-%m-%d %H:%M:%S} UTC, asked by {by}: {reason.strip()}"
    metadata = {**delivery_metadata(outcome), "asked by": by, "reason": reason.strip()}
    event = dg.AssetObservation if outcome.too_many_refused else dg.AssetMaterialization
    desk.show(target.export.name, outcome.delivery.partition_key, said, metadata, event)
    return outcome


def take_up(
    desk: Desk,
    target: Target,
    delivery: Delivery,
    log: Callable[[str], None],
) -> Outcome:
    """Send a redelivery that was held, now that a person approved it."""
    return redeliver_and_show(
        desk, target, delivery.partition_key, moment_of(delivery),
        log=log, by=delivery.decided_by, reason=delivery.decision,
    )  # fmt: skip
