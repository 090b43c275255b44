"""What a delivery would do now, or what one that waits would do; nothing is sent.

Belongs here: asking the gate and the ledger. Does not belong here: deciding on a plan, tables on a terminal.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from sluicegate.delivery.deliver import Target, fetch, is_todays, ledger_of, order_today
from sluicegate.delivery.export_files.expiry import expired
from sluicegate.delivery.ledger import Look
from sluicegate.gate.gate import Gate, GateReport
from sluicegate.state.deployment import Deployment
from sluicegate.state.records import DeliveryKind


@dataclass(frozen=True)
class Preview:
    """A plan, and what the gate says of its rows; None where it is made of none.

    `expired` is what of the export file holds no more: nothing would be sent.
    """

    plan: Look
    gate: GateReport | None = None
    expired: tuple[str, ...] = ()


def preview(
    deployment: Deployment, gate: Gate, target: Target, partition_key: str, classified: Collection[str]
) -> Preview:
    """Return what a delivery of a partition would do now, or what a plan does that it would take up.

    That is a plan of the same data, which today's export file made. `classified` are model columns whose
    values are not shown. The destination is not asked.

    Raises:
        DeliveryError: the key does not hold.
    """
    today, ledger = datetime.now(UTC).date(), ledger_of(deployment)
    ended = tuple(map(str, expired(target.export, deployment.settings.project_dir, today)))
    order = order_today(deployment, target, partition_key)
    hidden = {target.export.field(column) for column in classified}
    waits = ledger.open_in(order)
    if waits and waits.kind is DeliveryKind.REDELIVER and is_todays(deployment, target, waits):
        return Preview(ledger.look_at(order, waits, hidden))
    with ledger.scratch() as folder:
        with deployment.warehouse.session() as session, session.snapshot():
            report = gate.report(session, target.table.relation, partition_key)
            fetched = fetch(session, gate.lineage, report, target, partition_key, folder)
        with fetched.opened() as opened:
            return Preview(ledger.compare(order, opened, hidden), report, ended)
