"""Waiting for what may not answer, and for so long only: it goes on meanwhile, and is asked for again.

Belongs here: the thread, and whose result it is. Does not belong here: what is waited for.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Generic, TypeVar

T = TypeVar("T")


class NoAnswerYet(OSError):
    """Storage has not answered within the time that there was."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"no answer within {seconds:g} seconds")


class Background(Generic[T]):
    """One piece of work at a time, whose end somebody waits for now or at a later call."""

    def __init__(self) -> None:
        self._under_way: Future[T] | None = None

    @property
    def busy(self) -> bool:
        """Whether something is under way that nobody has the result of."""
        return self._under_way is not None

    def result(self, work: Callable[[], T], seconds: float) -> T:
        """Return what `work` returns, or what is still under way from an earlier call and has ended by now.

        Raises:
            NoAnswerYet: it is not done after so many seconds; who has waited once does not wait again for it.
        """
        waited = self._under_way is not None
        if self._under_way is None:
            self._under_way = _started(work)
        future = self._under_way
        if not waited:
            wait([future], seconds)
        if not future.done():
            raise NoAnswerYet(seconds)
        self._under_way = None
        return future.result()


def _started(work: Callable[[], T]) -> Future[T]:
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    # Nobody waits for it at the end of the process, as an executor would.
    threading.Thread(target=run, daemon=True).start()
    return future
