"""What an order is compared with: the same for a delivery, and for a look at what one would do.

Belongs here: reading the records of a scope. Does not belong here: the comparison itself (`planning`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from orchestration.delivery.identity import MadeBy
from orchestration.delivery.order import Order
from orchestration.delivery.planning.content import Layer, ShardGone, layers_of
from orchestration.delivery.planning.difference import Asked
from orchestration.destinations.base import DeliveryError, Mode
from orchestration.state.records import Delivery, DeliveryKind
from orchestration.state.store import StateStore


@dataclass(frozen=True)
class Comparison:
    """What is asked of the engine, what the scope holds, and the delivery that it held last ("" for none)."""

    asked: Asked
    layers: list[Layer]
    supersedes: str


def comparison(
    store: StateStore, order: Order, source: str, *, replaces: bool, log: Callable[[str], None]
) -> Comparison:
    """Return with what the rows of `source`, SQL whose columns are the fields, are compared.

    `replaces`: the destination can replace a scope whole.

    Raises:
        DeliveryError: the key of what was appended is another now.
        ShardGone: a shard that tells what the scope holds is gone, and not everything is sent anew.
    """
    deliveries = store.deliveries.layers(order.export, order.scope)
    layers = _known_layers(store, order, deliveries, log)
    asked = Asked(
        source=source,
        key=order.key,
        mode=order.mode,
        named=order.export,
        mend=order.mend,
        now=datetime.now(UTC),
        first=not deliveries or layers is None,
        everything=order.kind is DeliveryKind.RESYNC,
        replaces=replaces,
        refused=store.refused_keys.of(order.export, order.scope),
        forgotten=store.forgotten_keys.of(order.export),
        sums=tuple(order.limits.sums),
    )
    return Comparison(asked, layers or [], deliveries[-1].delivery_id if deliveries else "")


def at_destination(store: StateStore, export: str) -> Delivery | None:
    """Return the delivery whose partition a destination holds that holds one alone; None before the first.

    That is the one that was acknowledged last, not the newest that was planned: what is planned, held or
    under way is not there, and may never be.
    """
    return store.deliveries.acknowledged_in(export, "")


def newer_partition(store: StateStore, order: Order) -> Delivery | None:
    """Return the delivery of a newer partition that the destination holds: an older one is not sent then."""
    if not order.latest_only or order.kind is DeliveryKind.REDELIVER:
        return None
    standing = at_destination(store, order.export)
    return standing if standing is not None and standing.partition_key > order.partition_key else None


def still_to_plan(store: StateStore, plan: Delivery) -> bool:
    """Whether a plan ended, or was compared in vain, as an older partition was sent after it.

    Its own data are the same, and newer than what the destination holds: a person's no to them still counts,
    and what was never refused is to be planned again.
    """
    standing = at_destination(store, plan.export) if not plan.scope else None
    return standing is not None and standing.partition_key < plan.partition_key and standing.id > plan.id


def rejected_already(store: StateStore, order: Order, version: str, made_by: MadeBy) -> Delivery | None:
    """Return the plan of these data that a person rejected before an older partition was sent."""
    if not order.latest_only or order.kind is not DeliveryKind.CHANGE:
        return None
    for plan in store.deliveries.rejected(order.export):
        same = (plan.partition_key, plan.version, plan.kind) == (order.partition_key, version, order.kind)
        if same and made_by.keeps_rejected(plan) and still_to_plan(store, plan):
            return plan
    return None


def _known_layers(
    store: StateStore, order: Order, deliveries: list[Delivery], log: Callable[[str], None]
) -> list[Layer] | None:
    """Return what the scope holds; None where that is of no use, so that everything is sent anew.

    So it is where the key is another than before, as the old one tells rows apart by what no longer does;
    and where a shard is gone and a person asked for everything.
    """
    if deliveries and deliveries[-1].key != order.key_text:
        if order.mode is Mode.APPEND:
            raise DeliveryError(
                f"the key of `{order.export}` is another than that of what was sent",
                "the key that was, as `append` sends no row twice and can't tell which those are",
                "restore `key` in the export file, or append to another object",
            )
        log("the key is another than before: everything is sent anew")
        return None
    try:
        return layers_of(store.deliveries, deliveries)
    except ShardGone as gone:
        if order.kind is not DeliveryKind.RESYNC:
            raise
        log(f"{gone.what}: everything is sent anew")
        return None
