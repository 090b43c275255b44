"""Faults that a test switches on at a double, and limits on requests that roll with time.

Belongs here: what doubles of HTTP vendors share. Does not: a vendor's words for it.
"""

import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Failure:
    """An answer given in place of the work; `lost`: the work is done, and the answer breaks off."""

    status: int = 200
    body: Mapping[str, Any] = field(default_factory=dict[str, Any])
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    lost: bool = False


class Faults:
    """Faults that wait for the next requests, first in, first out."""

    def __init__(self) -> None:
        self._waiting: deque[Failure | None] = deque()
        self._lock = threading.Lock()

    def fail(
        self,
        status: int,
        times: int = 1,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """The next requests are answered so, and nothing is done."""
        with self._lock:
            self._waiting.extend([Failure(status, body or {}, headers or {})] * times)

    def lose_answers(self, times: int = 1) -> None:
        """The next requests are done whole, and their answers are lost on the way."""
        with self._lock:
            self._waiting.extend([Failure(lost=True)] * times)

    def pass_by(self, times: int) -> None:
        """The next requests meet no fault."""
        with self._lock:
            self._waiting.extend([None] * times)

    def next(self) -> Failure | None:
        """The fault of this request, if any."""
        with self._lock:
            return self._waiting.popleft() if self._waiting else None


class RollingWindow:
    """At most `requests` requests in any `seconds` seconds."""

    def __init__(self, requests: int, seconds: float) -> None:
        self.requests = requests
        self.seconds = seconds
        self._moments: deque[float] = deque()
        self._lock = threading.Lock()

    def admit(self) -> bool:
        """Take a place for one request; False if there is none."""
        with self._lock:
            self._forget_old()
            if len(self._moments) >= self.requests:
                return False
            self._moments.append(time.monotonic())
            return True

    @property
    def remaining(self) -> int:
        """How many more would be admitted now."""
        with self._lock:
            self._forget_old()
            return max(0, self.requests - len(self._moments))

    @property
    def frees_in(self) -> float:
        """Seconds until the next place is free; 0 if one is."""
        with self._lock:
            self._forget_old()
            if len(self._moments) < self.requests:
                return 0.0
            return max(0.0, self._moments[0] + self.seconds - time.monotonic())

    def _forget_old(self) -> None:
        while self._moments and self._moments[0] <= time.monotonic() - self.seconds:
            self._moments.popleft()
