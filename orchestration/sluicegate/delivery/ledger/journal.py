"""The journal that a destination writes, kept in the state store under the delivery's lease.

Belongs here: what a destination notes, and what may have left by that. Does not: what becomes of such rows
under a newer plan (`delivery.engine`), how they count in what a scope holds (`content`).
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from threading import Lock

from sluicegate.core.progress import Step
from sluicegate.core.ranges import Ranges, common, joined, without
from sluicegate.destinations.base import DeliveryError, Refused
from sluicegate.state.deliveries import Deliveries
from sluicegate.state.leases import LeaseLost
from sluicegate.state.records import Delivery

_LONGEST_WORDS = 2_000


class SendingElsewhere(DeliveryError):
    """This process has lost the lease of the destination's object, and sends nothing more."""


@contextmanager
def under_lease() -> Generator[None]:
    """Say as an error of a delivery that the lease is lost.

    Raises:
        SendingElsewhere: it is.
    """
    try:
        yield
    except LeaseLost as lost:
        raise SendingElsewhere(
            "SLU-M012",
            f"{lost.words}; nothing more is sent",
            "one process at a time that sends to an object",
            "rerun the partition: what was acknowledged is not sent again",
        ) from lost


def may_have_left(deliveries: Deliveries, delivery: Delivery) -> list[tuple[int, int]]:
    """Return the rows of a delivery that may have left, whatever became of them."""
    found = [one for rows in deliveries.left(delivery.delivery_id) for one in rows]
    return joined([*found, (0, delivery.sent_to)])


class StoreJournal:
    """The journal of one delivery.

    Every write is one transaction, and fails once another process has the lease.

    Args:
        deliveries: of the state store.
        delivery: whose journal it is.
        token: of the lease.
        tell: shows progress.
        left: of these rows alone, as a newer plan ends the delivery.
        finishes: what a full shard does not have is to go.
        sending: the number of this sending, see `Deliveries.new_sending`.
    """

    def __init__(
        self,
        deliveries: Deliveries,
        delivery: Delivery,
        token: str,
        tell: Callable[[str], None],
        left: Ranges | None = None,
        *,
        finishes: bool = True,
        sending: int = 0,
    ) -> None:
        self._deliveries = deliveries
        self._id = delivery.delivery_id
        self._rows = [(0, delivery.shard_rows)] if left is None else common(left, [(0, delivery.shard_rows)])
        self._token = token
        self._tell = tell
        self._finishes = finishes
        self._sending = sending
        # Senders of one process wait here for each other: for a database's lock SQLite sleeps, and too long.
        self._writing = Lock()
        self.under_way = Step("sending")

    def pending(self) -> Sequence[tuple[int, int]]:
        """Return the half-open ranges of rows that are not settled, ascending."""
        return without(joined(self._rows), self._deliveries.acknowledged(self._id))

    def leaving(self, rows: Ranges) -> str:
        """Note that a request with these rows may reach the destination."""
        with under_lease(), self._writing:
            return self._deliveries.note_leaving(self._id, rows, self._token, self._sending)

    def stayed(self, note: str) -> None:
        """Take a note back."""
        with under_lease(), self._writing:
            self._deliveries.take_back(note, self._token)

    def acknowledge(self, first: int, end: int, refused: Sequence[Refused] = (), note: str = "") -> None:
        """Note rows as settled, all of them taken but the refused ones."""
        told = [(item.row, item.code, item.said[:_LONGEST_WORDS]) for item in refused]
        with under_lease(), self._writing:
            self._deliveries.acknowledge(self._id, first, end, told, self._token, note, self._sending)
            self.under_way.add(end - first)

    def finishes(self) -> bool:
        """Return whether what a full shard does not have is to go."""
        return self._finishes

    def keep(self, name: str, value: str) -> None:
        """Remember a text under a name of this delivery."""
        with under_lease(), self._writing:
            self._deliveries.keep_note(self._id, name, value, self._token)

    def kept(self) -> Mapping[str, str]:
        """Return everything that was kept for this delivery."""
        return self._deliveries.notes(self._id)

    def tell(self, text: str) -> None:
        """Show progress to people."""
        self._tell(text)
