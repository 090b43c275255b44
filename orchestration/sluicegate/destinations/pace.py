"""How fast a vendor is spoken to: never above its rate, nobody while it asks to wait, not past the budget.

Belongs here: turns, pauses, back-off, the budget of time. Does not: requests, rows, what other processes do
(`accounts`).
"""

import heapq
import time
from collections.abc import Callable
from dataclasses import dataclass
from random import SystemRandom
from threading import Condition, local
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .accounts import Account

_FIRST_BACK_OFF_SECONDS = 0.5
_LONGEST_BACK_OFF_SECONDS = 60.0
# A request counts for the vendor when it arrives there, sometime between its start and its answer. To be
# sure, it is counted from its answer; on average over all requests up to this share of the window later than
# its start, so that this costs at most as much of the rate.
_UNCERTAIN_SHARE = 0.04
# Others do not say that a turn of theirs was answered early; so often it is looked for.
_LOOK_SECONDS = 0.05

_random = SystemRandom()


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `requests` requests in any `seconds` seconds."""

    requests: int
    seconds: float


class Halted(Exception):
    """Another sender has met something that ends the sending; nothing is sent any more."""


class OutOfTime(Exception):
    """The budget is spent, or would be before the vendor wants to be spoken to again."""


@dataclass(eq=False, slots=True)
class Turn:
    """One request that may go, since `started` on the pace's clock.

    `place` and `counts_from` are what the account knows of it, where that is shared.
    """

    started: float
    place: int = -1
    counts_from: float = 0.0


def back_off_seconds(attempt: int, after: float | None) -> float:
    """Seconds to wait after the `attempt`-th failure, from 0; at least what the vendor asked for.

    Doubles up to a minute, and is spread by chance, so that senders do not come back all at once
    ("Exponential Backoff And Jitter", https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
    """
    if after is not None:
        return after + _random.uniform(0.0, min(1.0, 0.1 * after))
    longest = min(_LONGEST_BACK_OFF_SECONDS, _FIRST_BACK_OFF_SECONDS * 2.0 ** min(attempt, 16))
    return _random.uniform(longest / 2, longest)


class Pace:
    """Gives turns to the senders of one destination, from any thread.

    Args:
        rate: what the vendor allows; None: as fast as it answers.
        budget_seconds: from now on; no turn is given afterwards.
        clock: seconds that only grow.
        after: the pace that the destination had before: its requests count for the vendor still, and nobody
            has a turn while the vendor wants to be left alone.
        account: where the requests of others count too, which are of the same account.
    """

    def __init__(
        self,
        rate: Rate | None,
        budget_seconds: float,
        clock: Callable[[], float] = time.monotonic,
        after: "Pace | None" = None,
        account: "Account | None" = None,
    ) -> None:
        self._account = account if rate else None
        self._rate = rate
        self._clock = clock
        self._deadline = clock() + budget_seconds
        self._paused_until = 0.0
        self._halted = False
        self._changed = Condition()
        self._under_way: set[Turn] = set()
        # The last turn of each sender.
        self._senders = local()
        # When each request that was answered stops counting: a heap.
        self._counting: list[float] = []
        # Seconds of uncertainty that may be waited out: each request earns some, a slow answer spends them.
        # The first requests, which open connections, find some there.
        self._certainty = rate.seconds if rate else 0.0
        if after is not None:
            self._paused_until = after._paused_until
            self._counting = list(after._counting)
            self._certainty = min(self._certainty, after._certainty)

    def turn(self) -> Turn:
        """Wait until a request may go; give the turn back with `answered`.

        Raises:
            Halted: `halt` was called.
            OutOfTime: there is none within the budget.
        """
        with self._changed:
            while True:
                if self._halted:
                    raise Halted
                now = self._clock()
                if now > self._deadline:
                    raise OutOfTime
                free, turn = self._asked(now)
                if turn is not None:
                    self._senders.turn = turn
                    self._under_way.add(turn)
                    self._earn()
                    return turn
                if free > self._deadline:
                    raise OutOfTime
                self._changed.wait(free - now if self._account is None else min(free - now, _LOOK_SECONDS))

    def _asked(self, now: float) -> tuple[float, Turn | None]:
        """The moment from which a request may go, and its turn if that is now."""
        if self._account is None or self._rate is None or self._paused_until > now:
            free = self.next_free(now)
            return free, Turn(now) if free <= now else None
        counts_from = now + self._certainty
        free, place = self._account.claim(now, counts_from, self._rate.requests, self._rate.seconds)
        return free, Turn(now, place, counts_from) if place >= 0 else None

    def _earn(self) -> None:
        if self._rate is not None:
            earned = self._rate.seconds * _UNCERTAIN_SHARE
            self._certainty = min(
                self._certainty + earned, max(self._rate.seconds, self._rate.requests * earned)
            )

    def answered(self, turn: Turn) -> None:
        """The request of a turn was answered, or is given up; nothing if that was said before."""
        with self._changed:
            if turn not in self._under_way:
                return
            self._under_way.remove(turn)
            if self._rate is not None:
                later = min(self._clock() - turn.started, self._certainty)
                self._certainty -= later
                if self._account is not None:
                    self._account.settle(turn.place, turn.counts_from, turn.started + later)
                heapq.heappush(self._counting, turn.started + later + self._rate.seconds)
                self._changed.notify_all()

    def give_back(self) -> None:
        """Note that the request of the calling sender's last turn was answered, before its next one."""
        if (turn := getattr(self._senders, "turn", None)) is not None:
            self.answered(turn)

    def pause(self, seconds: float) -> None:
        """Give nobody a turn for some seconds."""
        with self._changed:
            self._paused_until = max(self._paused_until, self._clock() + seconds)
            if self._account is not None:
                self._account.pause(self._paused_until)

    def rest(self, seconds: float) -> None:
        """Let the calling sender alone wait.

        Raises:
            Halted: `halt` was called meanwhile.
            OutOfTime: the wait would end after the budget.
        """
        with self._changed:
            until = self._clock() + seconds
            if until > self._deadline:
                raise OutOfTime
            while not self._halted and (left := until - self._clock()) > 0:
                self._changed.wait(left)
            if self._halted:
                raise Halted

    def halt(self) -> None:
        """Give no turn any more; who waits for one gets `Halted`."""
        with self._changed:
            self._halted = True
            self._changed.notify_all()

    def next_free(self, now: float) -> float:
        """The moment from which the rate and the pauses let a request go, as far as is known at `now`."""
        if self._rate is None:
            return self._paused_until
        if self._account is not None:
            free = self._account.free(now, self._rate.requests, self._rate.seconds)
            return max(self._paused_until, free)
        while self._counting and self._counting[0] <= now:
            heapq.heappop(self._counting)
        window = self._rate.seconds + self._certainty
        ends = [end for turn in self._under_way if (end := turn.started + window) > now]
        taken = len(self._counting) + len(ends)
        if taken < self._rate.requests:
            return self._paused_until
        return max(self._paused_until, min([*ends, *self._counting[:1]]))
