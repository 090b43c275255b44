"""What a scope holds when an order comes to it, and whether that order is still to be planned.

Belongs here: reading the records of a scope. Does not belong here: the comparison itself (`difference`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sluicegate.delivery.ledger.forgotten import as_named_only
from sluicegate.delivery.ledger.identity import MadeBy
from sluicegate.delivery.ledger.keys import Alikes, read_alike
from sluicegate.delivery.ledger.layers import Layer, layers_of
from sluicegate.delivery.ledger.lost import ShardLost
from sluicegate.delivery.ledger.of_use import require_key, types_of, why_useless
from sluicegate.delivery.ledger.order import Opened, Order
from sluicegate.delivery.ledger.others import Others
from sluicegate.destinations.base import Mode
from sluicegate.state.records import Delivery, DeliveryKind, DeliveryStatus, ForgottenKey, RefusedKey
from sluicegate.state.store import StateStore


@dataclass(frozen=True)
class Known:
    """What an order is compared with; `supersedes` is the delivery that its scope held last, "" for none.

    `first`: nothing that is of use was ever sent there to its end; `anew`: something was, and is of no use.
    `key_types` are those of what is to be sent, as the records write them. `refused` are the keys of this
    scope that were refused before, `forgotten` those that are never to be sent again. `others` are the other
    scopes of the object, where what is sent could hit what they hold.
    """

    layers: Sequence[Layer]
    first: bool
    supersedes: str
    refused: Sequence[RefusedKey]
    forgotten: Sequence[ForgottenKey]
    others: Others
    anew: bool = False
    key_types: str = ""

    @classmethod
    def of(cls, store: StateStore, order: Order, opened: Opened, log: Callable[[str], None]) -> "Known":
        """Return what the records say.

        Raises:
            DeliveryError: a field of the key is not sent, or of what was appended nobody can tell any more
                which rows those are.
            ShardLost: a shard that tells what the scope holds is gone or cannot be read, and not everything
                is sent anew.
        """
        deliveries = store.deliveries.layers(order.export, order.scope)
        require_key(order, opened.fields)
        useless = why_useless(store, order, deliveries, opened.connection, opened.fields)
        if useless:
            log(f"{useless}: everything is sent anew")
        layers = None if useless else _layers(store, order, deliveries, log)
        return cls(
            layers=layers or [],
            first=not deliveries or layers is None or _never_whole(order, deliveries),
            supersedes=deliveries[-1].delivery_id if deliveries else "",
            refused=store.refused_keys.of(order.export, order.scope),
            forgotten=_forgotten(store, order),
            others=Others(store, order),
            anew=bool(deliveries) and layers is None,
            key_types=types_of(order, opened.fields),
        )


def _never_whole(order: Order, deliveries: Sequence[Delivery]) -> bool:
    """Whether what a mirror does not have was never taken away, as no first delivery came to its end."""
    superseded = DeliveryStatus.SUPERSEDED
    return order.mode is Mode.MIRROR and all(
        item.whole and item.shard_rows > 0 and item.status is superseded for item in deliveries
    )


def _forgotten(store: StateStore, order: Order) -> list[ForgottenKey]:
    """Return the erasures that hold for an order, also those of an export of another name.

    Who was erased from the same object is known by the key there. For an export that came later than a
    request what a person named holds, as it would have held then.
    """
    found: list[ForgottenKey] = []
    here = store.deliveries.writers_of(order.place) if order.place else set[str]()
    first = store.deliveries.first_planned(order.export)
    for record in store.forgotten_keys.of():
        asked = record.forgotten_at
        if record.export == order.export or record.export in here:
            found.append(record)
        elif first is None or (asked is not None and asked < first):
            named = as_named_only(record)
            found += [] if named is None else [named]
    return found


def recorded_alike(store: StateStore, order: Order) -> Alikes | None:
    """Return what made two keys of an order's scope one when it was last planned, by the same key.

    None where that is not on record.
    """
    known = [item for item in store.deliveries.of_export(order.export, order.scope) if item.alike]
    return read_alike(known[-1].alike) if known and known[-1].key == order.key_text else None


def newer_partition(store: StateStore, order: Order) -> Delivery | None:
    """Return the delivery of a newer partition that the destination holds: an older one is not sent then."""
    if not order.latest_only or order.kind is DeliveryKind.REDELIVER:
        return None
    standing = store.deliveries.at_destination(order.export)
    return standing if standing is not None and standing.partition_key > order.partition_key else None


def still_to_plan(store: StateStore, plan: Delivery) -> bool:
    """Whether a plan ended, or was compared in vain, as an older partition was sent after it.

    Its own data are the same, and newer than what the destination holds: a person's no to them still counts,
    and what was never refused is to be planned again.
    """
    standing = store.deliveries.at_destination(plan.export) if not plan.scope else None
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


def _layers(
    store: StateStore, order: Order, deliveries: list[Delivery], log: Callable[[str], None]
) -> list[Layer] | None:
    """Return what the scope holds; None where a shard is lost, and a person asked for everything."""
    if not deliveries:
        return []
    everything = order.kind is DeliveryKind.RESYNC
    told = [*deliveries[:-1], replace(deliveries[-1], mode=order.mode)]
    try:
        return layers_of(store.deliveries, told, every_byte=everything)
    except ShardLost as lost:
        if not everything:
            raise
        log(f"{lost.what}: everything is sent anew")
        return None
