"""What made a plan: the one place that tells whether a plan on record is still the one to be sent.

Belongs here: what counts, and comparing it. Does not belong here: making and ending plans (`engine`), what
an export file may say (`export_files`).

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
from typing import TYPE_CHECKING, Any

from orchestration.delivery.order import Opened, Order
from orchestration.delivery.planning.difference import fields_of
from orchestration.delivery.planning.limits import Limits
from orchestration.destinations.base import Destination
from orchestration.state.deliveries import Deliveries
from orchestration.state.records import Delivery, DeliveryKind, DeliveryStatus

if TYPE_CHECKING:
    from orchestration.delivery.deliver import Target


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
    return _untaken(deliveries, (*asked, made_by.rules, made_by.place, made_by.source))[0]


def _untaken(deliveries: Deliveries, parts: tuple[str, ...]) -> tuple[str, Delivery | None]:
    """Return the first id of these parts that no plan has, or whose plan was rejected, with that plan."""
    attempt = 0
    while True:
        delivery_id = hashlib.sha256("\n".join((*parts, str(attempt))).encode()).hexdigest()[:32]
        known = deliveries.of(delivery_id)
        if known is None or known.status is DeliveryStatus.REJECTED:
            return delivery_id, known
        attempt += 1


def stated(target: "Target", kind: DeliveryKind) -> str:
    """Return what an export says of its plans besides what an order has in fields of its own, as text.

    A redelivery is made of no table: neither the model nor what is done to its rows on the way counts there.
    """
    spec, table = target.export.spec, target.table
    type_, _, name = target.export.place
    said: dict[str, Any] = {
        "classes": sorted(spec.classes),
        "destination": [type_, name],
        "options": spec.destination.options.model_dump(mode="json", exclude_defaults=True),
        "partitions": spec.partitions,
    }
    if kind is not DeliveryKind.REDELIVER:
        said |= {
            "table": [table.relation, target.partition_column, *asdict(table.partitioning).values()],
            "names": dict(spec.names),
            "last mile": [_rule(rule.filter, rule.map) for rule in spec.last_mile],
        }
    return json.dumps(said, sort_keys=True)


def place_of(destination: Destination) -> str:
    """Return one spelling for the object that a destination writes to; it holds no secret.

    Raises:
        DeliveryError: the connection's URL is none of this kind.
    """
    return f"{destination.type_name} {destination.canonical_object()}"


def _rule(filter_: Any, mapping: Any) -> list[Any]:
    """What a last-mile rule does, not who answers for it and until when."""
    if filter_:
        return ["filter", filter_.column, filter_.keep, filter_.drop]
    # As pairs: a JSON object would make texts of numbers and of null.
    return ["map", mapping.column, list(mapping.values.items())]


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
    fields = list(fields_of(opened.connection, opened.source).items())
    # What is delivered again lies in a file of some name.
    text = "" if order.kind is DeliveryKind.REDELIVER else opened.made_of or opened.source
    return _digest([text, fields, opened.content])


def _digest(said: Any) -> str:
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
