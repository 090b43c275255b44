"""Whether this process may still send: asked right before each request leaves it.

Who asks is whoever is nearest to the network (`VendorClient`, a transaction's commit, a file's upload), who
answers is the engine, by the lease of the destination's object. Belongs here: the question, and how many
requests a thread has made. Does not: leases, rows (`base.Journal`).
"""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import local

# A note of what is leaving asks as well, in the same transaction; the request that follows within so many
# seconds is the one that it was for. On a clock that goes on while the machine sleeps.
_FRESH_SECONDS = 0.5
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

_question: ContextVar[Callable[[], None] | None] = ContextVar("may_send", default=None)


class _Thread(local):
    """What one thread has done: requests that it was allowed, and when a note was made for its next one."""

    requests = 0
    noted: float | None = None


_thread = _Thread()


@contextmanager
def asking(question: Callable[[], None]) -> Generator[None]:
    """Have `question` asked before each request in this block; it raises where nothing may be sent any more.

    Threads that are started within have to be given the context (`contextvars.copy_context`).
    """
    token = _question.set(question)
    try:
        yield
    finally:
        _question.reset(token)


def may_send() -> None:
    """Call right before a request leaves.

    Raises:
        DeliveryError: another process sends now; this one must stop.
    """
    noted, _thread.noted = _thread.noted, None
    question = _question.get()
    if question is not None and (noted is None or time.clock_gettime(_CLOCK) - noted > _FRESH_SECONDS):
        question()
    _thread.requests += 1


def noted() -> None:
    """Say that the question was answered for this thread's next request, with a note of its rows."""
    _thread.noted = time.clock_gettime(_CLOCK)


def requests() -> int:
    """Return how many requests this thread has made so far."""
    return _thread.requests
