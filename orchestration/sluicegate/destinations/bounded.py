"""Work of a library that may hang, ended in time.

Belongs here: waiting for somebody else's call no longer than is left. Does not: HTTP of our own, of which
each read and write is bounded (`deadlines`), what is left (`base.Destination.seconds_left`).

A call that hangs in a library cannot be ended from outside. It is left to itself, in a thread that keeps
nobody from ending the process; what it would do next it asks first, and is told no.
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from contextvars import copy_context
from threading import Event, Thread
from typing import TypeVar

T = TypeVar("T")
GoOn = Callable[[], None]


class GivenUp(Exception):
    """Nobody waits for this work any more: it is to change nothing."""


def bounded(seconds: float, work: Callable[[GoOn], T], late: Callable[[], Exception]) -> T:
    """Return what the work does, or raise what `late` makes if it is not done in time.

    Args:
        seconds: that it may take.
        work: is given a function that raises `GivenUp` once nobody waits any more; it calls that before each
            step that changes something.
        late: makes the error.

    Raises:
        Exception: of the work, or of `late`.
    """
    found: list[T] = []
    failed: list[BaseException] = []
    done, given_up = Event(), Event()

    def go_on() -> None:
        if given_up.is_set():
            raise GivenUp

    def run() -> None:
        try:
            found.append(work(go_on))
        except BaseException as error:
            failed.append(error)
        finally:
            done.set()

    Thread(target=copy_context().run, args=(run,), name="bounded", daemon=True).start()
    try:
        in_time = done.wait(max(seconds, 0.0))
    except BaseException:
        given_up.set()
        raise
    if not in_time:
        given_up.set()
        raise late()
    if failed:
        raise failed[0]
    return found[0]


def each_in_time(
    things: Generator[T], left: Callable[[], float], late: Callable[[], Exception]
) -> Iterator[T]:
    """Yield what a generator yields, each in the time that is left when it is asked for.

    Raises:
        Exception: of the generator, or of `late`.
    """
    try:
        while (found := bounded(left(), lambda _: next(things, None), late)) is not None:
            yield found
    finally:
        # One that hangs, and that nobody waits for, is left to it.
        with suppress(ValueError):
            things.close()
