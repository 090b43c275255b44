"""Whether this process may still send: asked right before each request leaves it.

Who asks is whoever is nearest to the network (`VendorClient`, a transaction's commit, a file's upload), who
answers is the engine, by the lease of the destination's object. Belongs here: the question, and how many
requests a thread has made. Does not: leases, rows (`base.Journal`).
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import local

_question: ContextVar[Callable[[], None] | None] = ContextVar("may_send", default=None)


class _Thread(local):
    """How many requests one thread has made."""

    requests = 0


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
    question = _question.get()
    if question is not None:
        question()
    _thread.requests += 1


def requests() -> int:
    """Return how many requests this thread has made so far."""
    return _thread.requests
