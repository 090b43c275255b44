"""The journal that a destination writes, kept in the state store under the delivery's lease."""

from collections.abc import Callable, Mapping, Sequence

from orchestration.destinations.base import Refused
from orchestration.state.deliveries import Deliveries
from orchestration.state.records import Delivery

_LONGEST_WORDS = 2_000


class StoreJournal:
    """The journal of one delivery; with `below`, of its first rows alone.

    Every write is one transaction, and fails once another process has the lease.
    """

    def __init__(
        self,
        deliveries: Deliveries,
        delivery: Delivery,
        token: str,
        tell: Callable[[str], None],
        below: int | None = None,
    ) -> None:
        self._deliveries = deliveries
        self._id = delivery.delivery_id
        self._end = delivery.shard_rows if below is None else min(below, delivery.shard_rows)
        self._token = token
        self._tell = tell

    def pending(self) -> Sequence[tuple[int, int]]:
        """Return the half-open ranges of rows that are not settled, ascending."""
        found: list[tuple[int, int]] = []
        at = 0
        for first, end in self._deliveries.acknowledged(self._id):
            if at < min(first, self._end):
                found.append((at, min(first, self._end)))
            at = end
        if at < self._end:
            found.append((at, self._end))
        return found

    def intend(self, end: int) -> None:
        """Note that rows below `end` may reach the destination."""
        self._deliveries.intend(self._id, end, self._token)

    def acknowledge(self, first: int, end: int, refused: Sequence[Refused] = ()) -> None:
        """Note rows as settled, all of them taken but the refused ones."""
        told = [(item.row, item.code, item.said[:_LONGEST_WORDS]) for item in refused]
        self._deliveries.acknowledge(self._id, first, end, told, self._token)

    def keep(self, name: str, value: str) -> None:
        """Remember a text under a name of this delivery."""
        self._deliveries.keep_note(self._id, name, value, self._token)

    def kept(self) -> Mapping[str, str]:
        """Return everything that was kept for this delivery."""
        return self._deliveries.notes(self._id)

    def tell(self, text: str) -> None:
        """Show progress to people."""
        self._tell(text)
