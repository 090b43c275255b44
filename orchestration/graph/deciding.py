"""A person's word on a plan that is held: approved or rejected, on the record and on the asset.

Belongs here: what may be decided, and telling Dagster of what people did to deliveries. Does not belong
here: sending.
"""

from datetime import UTC, datetime

from orchestration.core.partitions import as_option, place
from orchestration.delivery.deliver import Target, is_todays
from orchestration.delivery.export_files.expiry import expired, in_one_line
from orchestration.delivery.travel import moment_of
from orchestration.graph.desk import Desk
from orchestration.state.deployment import Deployment
from orchestration.state.records import Delivery, DeliveryKind, DeliveryStatus


class NotDecidable(ValueError):
    """A plan that waits for nobody's word; says what became of it."""


def approve(
    desk: Desk,
    delivery: Delivery,
    by: str,
    reason: str,
) -> Delivery:
    """Let a held plan go; the next run of its partition sends it, if the data are still those.

    Raises:
        NotDecidable: it is not held, its partition was built anew since, another export file made it than
            today's, or something in that has expired.
    """
    target = desk.target(delivery.export)
    _require_todays(desk, target, delivery)
    build = desk.deployment.store.latest_builds(target.table.relation).get(delivery.partition_key)
    outdated = build is not None and build.version != delivery.version
    if delivery.status is DeliveryStatus.HELD and delivery.kind is not DeliveryKind.REDELIVER and outdated:
        raise NotDecidable(
            f"delivery {_short(delivery)} was planned of data that are built anew since: the next run makes"
            f" another plan; `sluice delivery plan {delivery.export}{as_option(delivery.partition_key)}`"
            " shows it"
        )
    ended = expired(target.export, desk.deployment.settings.project_dir, datetime.now(UTC).date())
    if delivery.status is DeliveryStatus.HELD and delivery.kind is not DeliveryKind.REDELIVER and ended:
        raise NotDecidable(
            f"nothing of `{delivery.export}` is sent, whoever approves it: {in_one_line(ended)}; with a new"
            " day, the plan can be approved"
        )
    return _decide(desk, delivery, DeliveryStatus.APPROVED, by, reason)


def reject(
    desk: Desk,
    delivery: Delivery,
    by: str,
    reason: str,
) -> Delivery:
    """Let a held plan never go; nothing of its partition is sent until the data are others.

    Raises:
        NotDecidable: it is not held, or another export file made it than today's: what that one makes would
            go out all the same.
    """
    _require_todays(desk, desk.target(delivery.export), delivery)
    return _decide(desk, delivery, DeliveryStatus.REJECTED, by, reason)


def _decide(
    desk: Desk,
    delivery: Delivery,
    status: DeliveryStatus,
    by: str,
    reason: str,
) -> Delivery:
    if not reason.strip():
        raise NotDecidable("a decision needs a reason: --reason says why")
    deliveries = desk.deployment.store.deliveries
    moved = delivery.status is DeliveryStatus.HELD and deliveries.move(
        delivery.delivery_id,
        status,
        out_of=[DeliveryStatus.HELD],
        decided_by=by,
        decision=reason.strip(),
    )
    decided = deliveries.of(delivery.delivery_id)
    assert decided is not None
    if not moved:
        raise NotDecidable(_why_not(desk.deployment, decided))
    said = f"delivery {_short(decided)} was {status} by {by}: {reason.strip()}"
    shown = {
        "delivery": decided.delivery_id,
        "decided": status.value,
        "by": by,
        "reason": reason.strip(),
        "held by": "; ".join(decided.reasons),
    }
    desk.show(decided.export, decided.partition_key, said, shown)
    return decided


def _require_todays(desk: Desk, target: Target, delivery: Delivery) -> None:
    """Raise NotDecidable for a held plan that no delivery would send any more, whatever a person says."""
    if delivery.status is not DeliveryStatus.HELD or is_todays(desk.deployment, target, delivery):
        return
    option = f" --partition {delivery.partition_key}" if delivery.partition_key else ""
    made = (
        f"delivery {_short(delivery)} was planned by another export file than {target.export.file.name} is"
        " today, or goes to another place: a person's word on it counts for nothing"
    )
    if delivery.kind is DeliveryKind.REDELIVER:
        raise NotDecidable(
            f"{made}; `sluice delivery redeliver {delivery.export} --on"
            f" {moment_of(delivery).isoformat()}{option} --reason …` plans it anew"
        )
    again = f"sluice delivery resend {delivery.export}{option}"
    if delivery.kind is DeliveryKind.CHANGE:
        again = "sluice run --retry"
    raise NotDecidable(
        f"{made}; `{again}` plans it anew, and sends it if it may go; `sluice delivery plan"
        f" {delivery.export}{option}` shows that plan"
    )


def _why_not(deployment: Deployment, delivery: Delivery) -> str:
    name = f"delivery {_short(delivery)} of {place(delivery.export, delivery.partition_key)}"
    match delivery.status:
        case DeliveryStatus.SUPERSEDED:
            known = deployment.store.deliveries.of_export(delivery.export, delivery.scope)
            later = [item for item in known if item.id > delivery.id]
            by = f" by {_short(later[0])}, which is {later[0].status}" if later else ""
            return f"{name} is superseded{by}; `sluice delivery list {delivery.export}` lists them"
        case DeliveryStatus.APPROVED | DeliveryStatus.REJECTED:
            return f"{name} is {delivery.status} already, by {delivery.decided_by}: {delivery.decision}"
        case DeliveryStatus.ACKNOWLEDGED:
            return (
                f"{name} was sent, {_moment(delivery)}; `sluice delivery redeliver` goes back to what was"
                " there before"
            )
        case DeliveryStatus.SENDING:
            return f"{name} is being sent"
        case DeliveryStatus.OVERTAKEN:
            return f"{name} is not sent: the destination holds a newer partition"
        case _:
            return f"{name} is {delivery.status}, and waits for nobody's word"


def _moment(delivery: Delivery) -> str:
    return f"{delivery.acknowledged_at:%Y-%m-%d %H:%M} UTC" if delivery.acknowledged_at else "just now"


def _short(delivery: Delivery) -> str:
    return delivery.delivery_id[:12]
