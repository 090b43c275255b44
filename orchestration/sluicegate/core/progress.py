"""How far a command is: what it is at, and how much of that is done.

Work says so where it knows it: `step` around what may take long, `each` around what it goes through. Both are
a few assignments, and nobody has to look, as in the runs of the daemon. A command is looked at now and then
by a thread of its own, so that what takes long inside one call of an engine is told as well.
Belongs here: what is under way, and when it is shown. Does not belong here: how that looks (`cli.progress`).
"""

import threading
import time
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, TypeVar

_T = TypeVar("_T")


@dataclass(eq=False)
class Step:
    """One piece of work; it tells names and counts, and never a value of the data."""

    what: str
    total: int | None = None
    """How much there is to do, as far as is known."""
    unit: str = ""
    """What is counted, as `files`; `bytes` are shown as kB, MB and GB."""
    done: int = 0
    now: str = ""
    """Which of them is under way."""

    def add(self, count: int = 1) -> None:
        """Count what is done. One thread at a time."""
        self.done += count


class Display(Protocol):
    """Where people see it."""

    first: float
    """Seconds from the start to the first look."""
    every: float
    """Seconds from one look to the next."""

    def show(self, steps: Sequence[Step], seconds: float) -> None:
        """Show what is under way, outermost first, and for how long the command has run."""
        ...

    def hide(self) -> None:
        """Take away what is shown, if that stays where it is."""
        ...


_under_way: list[Step] = []
_watch: "_Watch | None" = None


@contextmanager
def step(what: str, total: int | None = None, unit: str = "") -> Generator[Step]:
    """Say that something is under way, for as long as the block runs."""
    one = Step(what, total, unit)
    _under_way.append(one)
    try:
        yield one
    finally:
        _under_way.remove(one)


def each(
    what: str, items: Collection[_T], unit: str, name: Callable[[_T], str] = lambda _: ""
) -> Iterator[_T]:
    """Yield items, and count those that were dealt with; `name` says which one is under way."""
    with step(what, len(items), unit) as under_way:
        for item in items:
            under_way.now = name(item)
            yield item
            under_way.add()


@contextmanager
def watched(
    what: str,
    display: Display,
    event: Callable[[], threading.Event] = threading.Event,
    clock: Callable[[], float] = time.monotonic,
) -> Generator[None]:
    """Show how far a command is until the block ends; inside another one, which goes on, do nothing."""
    global _watch
    if _watch is not None:
        yield
        return
    _watch = _Watch(display, event, clock)
    try:
        with step(what):
            _watch.begin()
            try:
                yield
            finally:
                _watch.end()
    finally:
        _watch = None


@contextmanager
def unseen() -> Generator[None]:
    """Show nothing meanwhile: a person is asked something, or a server runs until it is stopped.

    No thread is left, so that processes may be forked.
    """
    watch = _watch
    if watch is not None:
        watch.end()
    try:
        yield
    finally:
        if watch is not None:
            watch.begin()


class _Watch:
    """A thread that looks now and then."""

    def __init__(
        self, display: Display, event: Callable[[], threading.Event], clock: Callable[[], float]
    ) -> None:
        self._display, self._event, self._clock = display, event, clock
        self._began = clock()
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        self._ended = self._event()
        self._thread = threading.Thread(target=self._look_on, name="progress", daemon=True)
        self._thread.start()

    def end(self) -> None:
        if self._thread is not None:
            self._ended.set()
            self._thread.join()
            self._thread = None
            self._display.hide()

    def _look_on(self) -> None:
        wait = self._display.first
        while not self._ended.wait(wait):
            self._display.show([*_under_way], self._clock() - self._began)
            wait = self._display.every
