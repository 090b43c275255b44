"""What the other scopes of one object hold, have written, and may have on their way.

A destination that finds a row by its key wherever it is has one record of a key, whichever scope wrote it. So
a scope's own records do not tell all. Belongs here: reading the records of those other scopes. Does not
belong here: what follows from them (`moved`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sluicegate.core.ranges import condition, joined
from sluicegate.delivery.ledger.journal import may_have_left
from sluicegate.delivery.ledger.layers import Layer, layer_of, layers_of
from sluicegate.delivery.ledger.order import Order
from sluicegate.destinations.base import ROW, Mode
from sluicegate.state.records import Delivery, DeliveryStatus
from sluicegate.state.store import StateStore

# Plans of these have written something, or may have.
_SENT = (DeliveryStatus.ACKNOWLEDGED, DeliveryStatus.SUPERSEDED, DeliveryStatus.SENDING)


@dataclass(frozen=True)
class Others:
    """The other scopes of an order's object; none where keys of two scopes are never one."""

    store: StateStore
    order: Order

    def holdings(self) -> Iterator[Sequence[Layer]]:
        """Yield the layers of what each of them holds.

        Raises:
            ShardLost: a file that tells it is gone or cannot be read.
        """
        deliveries, order = self.store.deliveries, self.order
        for scope in sorted({item.scope for item in self._plans()}):
            found = deliveries.layers(order.export, scope)
            if found and found[-1].key == order.key_text and (layers := layers_of(deliveries, found)):
                yield layers

    def written_since(self, number: int) -> Iterator[Layer]:
        """Yield what they have written, or may have, in sendings after the one of this number."""
        for item in self._plans(after=number) if self.order.mode is not Mode.APPEND else ():
            # A file that is gone has written nothing that could still be told.
            if item.status in _SENT and item.shard_rows and Path(item.shard).exists():
                yield layer_of(self.store.deliveries, item)

    def on_their_way(self) -> Iterator[tuple[str, Layer]]:
        """Yield scope and rows of the plans that are not at their end, and may have arrived in part."""
        deliveries = self.store.deliveries
        for item in self._plans():
            if item.status is DeliveryStatus.SENDING and item.shard_rows:
                left = may_have_left(deliveries, item)
                rows = condition(ROW, joined([*deliveries.acknowledged(item.delivery_id), *left]))
                yield item.scope, Layer(item.shard, rows, item.shape, item.hashed_by, item.alike)

    def _plans(self, after: int = 0) -> list[Delivery]:
        """Return all plans for them; `after`: those that were made, or sent, later than that number."""
        order = self.order
        if not order.whole_object or order.latest_only or order.partition_column in order.key:
            return []
        return [
            item
            for item in self.store.deliveries.of_export(order.export, after=after)
            if item.key == order.key_text and item.scope != order.scope
        ]
