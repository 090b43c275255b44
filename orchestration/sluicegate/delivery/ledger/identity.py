"""What made a plan: the one place that tells whether a plan on record is still the one to be sent.

Belongs here: what counts, and comparing it. Does not belong here: making and ending plans (`ledger`), what
an export file says of them (`deliver.stated`).

It has three parts, since they are known in different places. The rules are what the export file says of
which rows are sent, how, and whether they may: no clock, no owner, no purpose. The place is the object that
the connection leads to. The source is the SQL that selects the rows, with its fields as the warehouse has
them, and the rows that were judged; whoever reads the records alone does without it. The data's partition and
version are on record beside them.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sluicegate.delivery.ledger.limits import Limits
from sluicegate.delivery.ledger.order import Opened, Order
from sluicegate.state.deliveries import Deliveries
from sluicegate.state.records import Delivery, DeliveryKind, DeliveryStatus


@dataclass(frozen=True)
class MadeBy:
    """What would make a plan now; a part that is "" is not known here, and is not compared."""

    rules: str
    place: str
    source: str = ""

    @classmethod
    def of(cls, order: Order, opened: Opened | None = None) -> "MadeBy":
        """Return what makes a plan of an order, as far as is known without the opened rows."""
        return cls(_rules_of(order), order.place, _source_of(order, opened) if opened else "")

    def made(self, plan: Delivery) -> bool:
        """Whether it made a plan on record; one of an older version's nobody knows, and it made none."""
        return (
            plan.made_by == self.rules and self.place in ("", plan.place) and self.source in ("", plan.source)
        )

    def makes(self, plan: Delivery, order: Order, version: str) -> bool:
        """Whether a plan on record is the one that an order of this version of the data asks for."""
        found = (plan.partition_key, plan.version, plan.kind, plan.mode)
        return found == (order.partition_key, version, order.kind, order.mode) and self.made(plan)

    def keeps_rejected(self, plan: Delivery) -> bool:
        """Whether a person's no to a plan of these data holds: of an older version's plan it always does."""
        return plan.status is DeliveryStatus.REJECTED and (not plan.made_by or self.made(plan))


def free_id(deliveries: Deliveries, order: Order, version: str, made_by: MadeBy, supersedes: str) -> str:
    """Return an id made of what is delivered, by what made the plan, and after what: no time, no run.

    The same plan has the same id. A number is added where a plan of that id was superseded, or a person
    asks for the same once more; the id of a plan that a person rejected stays. So does one that was rejected
    before plans said what made them.
    """
    asked = (order.export, order.partition_key, version, order.kind, supersedes)
    before, known = _untaken(deliveries, asked)
    if known is not None and made_by.keeps_rejected(known):
        return before
    since = (order.since,) if order.since else ()
    return _untaken(deliveries, (*asked, made_by.rules, made_by.place, made_by.source, *since))[0]


def _untaken(deliveries: Deliveries, parts: tuple[str, ...]) -> tuple[str, Delivery | None]:
    """Return the first id of these parts that no plan has, or whose plan was rejected, with that plan."""
    attempt = 0
    while True:
        delivery_id = hashlib.sha256("\n".join((*parts, str(attempt))).encode()).hexdigest()[:32]
        known = deliveries.of(delivery_id)
        if known is None or known.status is DeliveryStatus.REJECTED:
            return delivery_id, known
        attempt += 1


def _rules_of(order: Order) -> str:
    return _digest(
        {
            "key": order.key,
            "mode": order.mode,
            "partition column": order.partition_column,
            "bounds": order.bounds,
            "limits": _stated_limits(order.limits),
            "stated": order.stated,
        }
    )


def _stated_limits(limits: Limits) -> Mapping[str, Any]:
    """Return the limits that are set: one that a later version adds must make no plan another.

    Nor must what holds where nobody says anything: a plan that waits is as it was, whatever is usual by now.
    """
    unset = asdict(Limits())
    return {name: value for name, value in asdict(limits).items() if value != unset[name]}


def _source_of(order: Order, opened: Opened) -> str:
    fields = list(opened.fields.items())
    # What is delivered again lies in a file of some name.
    text = "" if order.kind is DeliveryKind.REDELIVER else opened.made_of or opened.source
    return _digest([text, fields, opened.content])


def _digest(said: Any) -> str:
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
