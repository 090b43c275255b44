"""Destinations that take rows in requests of a limited size, and answer for each row.

Belongs here: sending batches side by side at the vendor's pace, trying again, splitting a batch to find the
row that spoils it. Does not: HTTP (`http`), what a vendor's request looks like, where batches are cut
(`cutting`).
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import ClassVar, TypeVar

from .accounts import Account, account_file
from .base import Change, Destination, Journal, Mode, Receipt, Refused, Shard
from .cutting import Batch, PendingRows, Piece, Row, halves, pieces
from .errors import DeliveryError, after_others, redact
from .left_out import left_out
from .noted import Answered, acknowledge, answered, carry
from .pace import Halted, OutOfTime, Pace, Rate, back_off_seconds
from .said_no import BatchRefused as BatchRefused  # what `send_batch` raises is part of its interface
from .said_no import TryAgain as TryAgain

SAID_CHARACTERS = 500
R = TypeVar("R")
# Rows of these kinds are all settled before those of the next.
_ORDER = ((Change.ADDED, Change.CHANGED), (Change.REMOVED,))
_TELL_SECONDS = 5.0
# So many failures of one request in a row, and what it holds may be the reason: back-off has then given a
# vendor in trouble some seconds.
_SUSPECTED_AFTER = 4


class BatchDestination(Destination):
    """A destination that is sent batches.

    Attributes:
        batch_rows: rows in one request at most.
        rate: what the vendor allows one connection.
        parallel: requests under way at once at most.
        budget_seconds: how long one `send` may take; then it ends with what is acknowledged.
        rates: the folder in which the exports of this machine count an account's requests together; None:
            only this instance counts its own.
    """

    batch_rows: ClassVar[int]
    rate: ClassVar[Rate | None] = None
    parallel: ClassVar[int] = 4
    sends_pending: ClassVar[bool] = True
    rates: Path | None = None
    _pace: Pace | None = None

    def new_pace(self) -> Pace:
        """A budget of time from now on; what was asked before counts for the vendor still."""
        self._pace = Pace(self.rate_allowed(), self.seconds_left(), after=self._pace, account=self._account)
        return self._pace

    def account(self) -> str:
        """Return what tells the account at the vendor, which the rate belongs to, from others; a secret.

        By default the type, the host and the credentials, as the connection's URL has them.
        """
        credentials, _, place = self._url.partition("://")[2].partition("?")[0].rpartition("@")
        return "\n".join((self.type_name, place.partition("/")[0].lower(), credentials))

    @cached_property
    def _account(self) -> Account | None:
        """The account's requests, where all exports of this machine count them together."""
        return Account(account_file(self.rates, self.account())) if self.rates is not None else None

    def rows_a_batch(self) -> int:
        """Return `batch_rows`, or fewer, where the export's options say so."""
        return self.batch_rows

    def requests_at_once(self) -> int:
        """Return `parallel`, or another, where the export's options say so."""
        return self.parallel

    def rate_allowed(self) -> Rate | None:
        """Return `rate`, or another, where the export's options say so."""
        return self.rate

    @abstractmethod
    def send_batch(self, shard: Shard, batch: Batch) -> Sequence[Refused]:
        """Send one request; return the rows that the vendor refused. Called from several threads.

        Rows of one batch are all of one `change`.

        Raises:
            TryAgain: too many requests, the vendor is down, or the answer was lost.
            BatchRefused: the request was refused whole.
            DeliveryError: nothing can be sent: credentials, a missing object, a field that is unknown.
        """

    def unwritable(self, shard: Shard, rows: Sequence[Row]) -> Sequence[Refused]:  # noqa: ARG002
        """Return the rows of which no request can be made, whatever the vendor says; by default none."""
        return ()

    def needs_finish(self, shard: Shard) -> bool:
        """Return whether `finish` has work to do: by default where the rest of the scope has to go."""
        replaces = shard.full and shard.mode in (Mode.MIRROR, Mode.SNAPSHOT)
        return replaces and type(self).finish is not BatchDestination.finish

    def finish(self, shard: Shard) -> None:
        """Do what follows the last row: take out what a full shard does not have, say. May be called again.

        Called once at the end of each `send` if `needs_finish`. Part of the shard stays pending until it has
        returned, so that a crash before does not lose it.

        Raises:
            TryAgain: it is called again later.
            DeliveryError: it cannot be done.
        """

    def send(self, shard: Shard, journal: Journal) -> Receipt:
        """Send the pending rows in batches.

        Raises:
            DeliveryError: the vendor refuses all, or the budget is spent; what was acknowledged stays so.
        """
        return _Sending(self, shard, journal).run()

    def insist(self, work: Callable[[], R]) -> R:
        """Do a piece of work that is no batch (a look-up, a deletion), again after each TryAgain.

        Raises:
            DeliveryError: the budget is spent, or the work itself raises it.
        """
        said = ""

        def heard(busy: TryAgain) -> None:
            nonlocal said
            said = busy.said

        try:
            return _insist(work, self.new_pace(), heard)
        except OutOfTime:
            raise self.out_of_time("nothing was changed for certain", said) from None

    def in_turn(self, work: Callable[[], R]) -> R:
        """Do a further request of a batch when the vendor's pace lets it go; what it raises is raised."""
        if self._pace is None:
            return work()
        self._pace.give_back()
        turn = self._pace.turn()
        try:
            with after_others():
                return work()
        finally:
            self._pace.answered(turn)

    def out_of_time(self, where: str, said: str) -> DeliveryError:
        """The error that says that the budget is spent, how far it went, and what the vendor last said."""
        last = f"; the vendor last said: {self.shown(said)}" if said else ""
        return DeliveryError(
            "SLU-E005",
            f"{self.canonical_object()}: the time for one delivery, {self.budget_seconds:g} s, is spent, or "
            f"would be before the vendor wants to be asked again: {where}{last}",
            "a vendor that answers, and a rate that brings all rows within the time",
            "run the export again: it takes up where this one ended; look at the vendor's status page first",
        )

    def shown(self, text: str) -> str:
        """A vendor's words without the connection's secrets, short enough to be kept for each row."""
        return redact(text, self._url)[:SAID_CHARACTERS]


def _insist(
    work: Callable[[], R], pace: Pace, heard: Callable[[TryAgain], None], *, suspects: bool = False
) -> R:
    """Do a piece of work at the vendor's pace, again and again until it is done or time is up.

    With `suspects` it raises the last TryAgain once the vendor has stumbled over it a few times in a row.
    """
    attempt = stumbled = 0
    while True:
        turn = pace.turn()
        try:
            return work()
        except TryAgain as error:
            busy = error
        finally:
            pace.answered(turn)
        heard(busy)
        stumbled = stumbled + 1 if busy.suspect else 0
        if suspects and stumbled == _SUSPECTED_AFTER:
            raise busy
        seconds = back_off_seconds(attempt, busy.after)
        attempt += 1
        if busy.everyone:
            pace.pause(seconds)
        else:
            pace.rest(seconds)


class _Sending:
    """One call of `send`: the senders, what they share, and how it ends."""

    def __init__(self, destination: BatchDestination, shard: Shard, journal: Journal) -> None:
        self._destination = destination
        self._shard = shard
        self._journal = journal
        self._pace = destination.new_pace()
        self._batch_rows = destination.rows_a_batch()
        self._finishes = destination.needs_finish(shard) and journal.finishes()
        self._lock = Lock()
        # With `finish` ahead: the first settled batch, which is acknowledged only after it.
        self._held_back: tuple[Sequence[int], Answered] | None = None
        # What the first sender met that ends the sending; the others then meet `Halted`.
        self._error: BaseException | None = None
        # Requests that the vendor took: that it is alive, and stumbles over something of ours.
        self._taken = 0
        self._to_settle = self._settled = self._refused = self._requests = self._tried_again = 0
        self._said = ""
        self._started = self._told = monotonic()

    def run(self) -> Receipt:
        ranges = self._journal.pending()
        if not ranges and self._shard.rows:
            return self._receipt(already_delivered=True)
        self._to_settle = sum(end - first for first, end in ranges)
        pending = PendingRows(ranges, left_out(self._journal.kept()))
        try:
            for changes in _ORDER:
                self._send_all(changes, pending)
            if self._finishes:
                finish = partial(self._destination.finish, self._shard)
                self._insist(lambda: carry(self._journal, (), finish))
        except OutOfTime:
            where = f"{self._settled:,} of {self._to_settle:,} rows are settled"
            raise self._destination.out_of_time(where, self._said) from None
        if self._held_back:
            acknowledge(self._journal, *self._held_back)
        return self._receipt(already_delivered=False)

    def _send_all(self, changes: tuple[Change, ...], pending: PendingRows) -> None:
        """Send every pending row of some change kinds, and wait until all are settled."""
        under_way: set[Future[None]] = set()
        at_once = self._destination.requests_at_once()
        most = 2 * at_once
        with ThreadPoolExecutor(at_once, "sender") as senders:
            try:
                for piece in pieces(self._shard, changes, self._batch_rows, pending):
                    # With the context: in it stands who is asked whether this process may still send.
                    under_way.add(senders.submit(copy_context().run, self._settle, piece))
                    under_way = self._wait_for(under_way, most)
                self._wait_for(under_way, 1)
            except BaseException:
                # The senders end after the request that they are in, and note what became of it.
                self._pace.halt()
                raise

    def _wait_for(self, under_way: set[Future[None]], fewer_than: int) -> set[Future[None]]:
        """Wait until fewer are under way; raises what a sender has met."""
        while True:
            patience = 0 if len(under_way) < fewer_than else _TELL_SECONDS
            done, under_way = wait(under_way, patience, FIRST_COMPLETED)
            if any(future.exception() for future in done):
                raise self._error or Halted
            self._tell()
            if len(under_way) < fewer_than:
                return under_way

    def _settle(self, piece: Piece) -> None:
        """Bring one piece to the vendor, in a sender's thread."""
        try:
            self._settle_batch(piece.batch(self._shard.delivery_id))
        except BaseException as error:
            with self._lock:
                if self._error is None and not isinstance(error, Halted):
                    self._error = error
            self._pace.halt()
            raise

    def _settle_batch(self, batch: Batch) -> None:
        """Settle every row of a batch; it is halved where the vendor does not take it, until a row is alone.

        Halves first, lone rows last: what is sound arrives whatever becomes of the row that spoils the rest.
        """
        before, alone, waiting = self._taken, list[Batch](), [batch]
        while waiting:
            part = waiting.pop()
            try:
                self._settled_with(part, self._send_part(part))
            except (BatchRefused, TryAgain):
                if len(part.rows) > 1:
                    waiting += reversed(halves(part, self._shard.delivery_id))
                else:
                    alone.append(part)
        for part in alone:
            self._settled_with(part, self._row_alone(part, before))

    def _send_part(self, part: Batch) -> Answered:
        """Send some rows of a batch; return those that are refused, and the note that was answered.

        Raises:
            BatchRefused: several rows are refused whole.
            TryAgain: the vendor stumbles over them.
        """
        # What is appended might have been taken all the same, and under another id be taken once more.
        suspects = self._shard.mode is not Mode.APPEND
        numbers = [row.number for row in part.rows]
        send = partial(self._destination.send_batch, self._shard, part)
        try:
            told = self._insist(lambda: carry(self._journal, numbers, send), suspects=suspects)
        except BatchRefused as whole:
            if len(part.rows) > 1:
                raise
            return [Refused(part.rows[0].number, whole.code, whole.said)], ""
        with self._lock:
            self._taken += 1
        return answered(*told)

    def _row_alone(self, part: Batch, before: int) -> Answered:
        """Send the row that the vendor stumbles over; it is refused if the vendor takes others meanwhile.

        If it takes nothing at all, the vendor is at fault and not the row.
        """
        while True:
            try:
                return self._send_part(part)
            except TryAgain as stumbled:
                if self._taken > before:
                    return [Refused(part.rows[0].number, "", stumbled.said)], ""

    def _settled_with(self, part: Batch, told: Answered) -> None:
        refused = [replace(row, said=self._destination.shown(row.said)) for row in told[0]]
        numbers = [row.number for row in part.rows]
        with self._lock:
            self._settled += len(numbers)
            self._refused += len(refused)
            if self._finishes and self._held_back is None:
                self._held_back = (numbers, (refused, told[1]))
                return
        acknowledge(self._journal, numbers, (refused, told[1]))

    def _insist(self, work: Callable[[], R], *, suspects: bool = False) -> R:
        def counted() -> R:
            with self._lock:
                self._requests += 1
            return work()

        def heard(busy: TryAgain) -> None:
            with self._lock:
                self._tried_again += 1
                self._said = busy.said

        return _insist(counted, self._pace, heard, suspects=suspects)

    def _tell(self) -> None:
        if monotonic() - self._told < _TELL_SECONDS:
            return
        self._told = monotonic()
        text = f"{self._settled:,} of {self._to_settle:,} rows settled, {self._refused:,} refused"
        if self._tried_again:
            text += f"; tried again {self._tried_again:,} times, last: {self._destination.shown(self._said)}"
        self._journal.tell(text)

    def _receipt(self, already_delivered: bool) -> Receipt:
        details: dict[str, str | int | float] = {
            "requests": self._requests,
            "tried_again": self._tried_again,
            "refused": self._refused,
            "seconds": round(monotonic() - self._started, 3),
        }
        return Receipt(
            self._shard.rows - self._refused,
            self._destination.canonical_object(),
            already_delivered,
            {} if already_delivered else details,
        )
