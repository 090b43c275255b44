"""What a scope holds when an order comes to it, and whether that order is still to be planned.

Belongs here: reading the records of a scope. Does not belong here: the comparison itself (`difference`).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from orchestration.delivery.ledger.content import Layer, layer_of, layers_of
from orchestration.delivery.ledger.forgotten import as_named_only
from orchestration.delivery.ledger.identity import MadeBy
from orchestration.delivery.ledger.keys import Alikes, read_alike
from orchestration.delivery.ledger.lost import ShardLost
from orchestration.delivery.ledger.of_use import require_key, types_of, why_useless
from orchestration.delivery.ledger.order import Opened, Order
from orchestration.destinations.base import ROW, Mode
from orchestration.state.records import Delivery, DeliveryKind, DeliveryStatus, ForgottenKey, RefusedKey
from orchestration.state.store import StateStore


@dataclass(frozen=True)
class Known:
    """What an order is compared with; `supersedes` is the delivery that its scope held last, "" for none.

    `first`: nothing that is of use was ever sent there; `anew`: something was, and is of no use. `key_types`
    are those of what is to be sent, as the records write them. `refused` are the keys of this scope that were
    refused before, `forgotten` those that are never to be sent again. `elsewhere` reads what the other
    scopes of the object hold, where a removal could hit it, `on_their_way` what may arrive there,
    `written_since` what they have written later than this one.
    """

    layers: Sequence[Layer]
    first: bool
    supersedes: str
    refused: Sequence[RefusedKey]
    forgotten: Sequence[ForgottenKey]
    elsewhere: Callable[[], Iterator[Sequence[Layer]]] = field(default=lambda: iter(()))
    written_since: Callable[[], Iterator[Layer]] = field(default=lambda: iter(()))
    on_their_way: Callable[[], Iterator[tuple[str, Layer]]] = field(default=lambda: iter(()))
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
            first=not deliveries or layers is None,
            supersedes=deliveries[-1].delivery_id if deliveries else "",
            refused=store.refused_keys.of(order.export, order.scope),
            forgotten=_forgotten(store, order),
            written_since=partial(_written_since, store, order, layers or []),
            elsewhere=partial(_elsewhere, store, order),
            on_their_way=partial(_on_their_way, store, order),
            anew=bool(deliveries) and layers is None,
            key_types=types_of(order.key, opened.fields),
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


def _elsewhere(store: StateStore, order: Order) -> Iterator[Sequence[Layer]]:
    """Yield the layers of what each of the export's other scopes holds.

    Raises:
        ShardLost: a file that tells it is gone or cannot be read.
    """
    for scope in sorted({item.scope for item in _others(store, order)}):
        found = store.deliveries.layers(order.export, scope)
        if found and found[-1].key == order.key_text and (layers := layers_of(store.deliveries, found)):
            yield layers


def _written_since(store: StateStore, order: Order, layers: Sequence[Layer]) -> Iterator[Layer]:
    """Yield what was settled in other scopes since the oldest of a scope's layers; none if that has none."""
    oldest = min((layer.after for layer in layers), default=0)
    for item in _others(store, order, after=oldest) if layers and order.mode is not Mode.APPEND else ():
        settled = item.status in (DeliveryStatus.ACKNOWLEDGED, DeliveryStatus.SUPERSEDED)
        # A file that is gone, or a plan that was never sent, has written nothing that could still be told.
        if settled and item.shard_rows and Path(item.shard).exists():
            yield layer_of(store.deliveries, item)


def _on_their_way(store: StateStore, order: Order) -> Iterator[tuple[str, Layer]]:
    """Yield scope and rows of the plans for other scopes that may have arrived in part."""
    for item in _others(store, order):
        if item.status is DeliveryStatus.SENDING and item.shard_rows:
            rows = f"{ROW} < {item.sent_to}"
            yield item.scope, Layer(item.shard, rows, item.shape, item.hashed_by, item.alike)


def _others(store: StateStore, order: Order, *, after: int = 0) -> list[Delivery]:
    """Return all plans for other scopes, where a removal of this order's could hit what they have written.

    `after` leaves out those with no higher id.
    """
    if not order.whole_object or order.latest_only or order.partition_column in order.key:
        return []
    found = store.deliveries.of_export(order.export, after=after)
    return [item for item in found if item.key == order.key_text and item.scope != order.scope]


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
