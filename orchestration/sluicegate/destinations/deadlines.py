"""Connections of HTTP that end in time, however slowly they are fed.

Belongs here: one moment by which all of a request is done: the name is found, the connection is made and
secured, the request is sent and the answer read. Does not: which moment (`http`).

httpx counts seconds without a byte. A server that sends one now and then, in the head of an answer or in its
body, would be listened to for ever; so each read and write gets what is left of the whole.
"""

import threading
from collections.abc import Callable, Iterable
from time import monotonic
from typing import Any, TypeVar

import httpcore

from .bounded import bounded

T = TypeVar("T")
# As much is written at a time, so that a server that reads a little now and then is noticed.
_PIECE_BYTES = 65_536


class Deadlines:
    """The deadline of each thread's request, which every read and write of it keeps."""

    def __init__(self) -> None:
        self._of = threading.local()

    def set(self, seconds: float) -> None:
        """The request that this thread begins now is done within so many seconds."""
        self._of.ends = monotonic() + seconds

    def passed(self) -> bool:
        """Whether this thread's request is past its deadline."""
        return monotonic() >= getattr(self._of, "ends", float("inf"))

    def left(self, seconds: float | None, late: type[Exception]) -> float:
        """What a read or write may take that has `seconds` of its own; raises `late` if nothing is left."""
        left = getattr(self._of, "ends", float("inf")) - monotonic()
        if left <= 0:
            raise late("the time for the whole request is spent")
        return left if seconds is None else min(seconds, left)

    def keep(self, client: Any) -> None:
        """Have a client of httpx keep them, through its proxies too.

        httpx has no public way to say what a connection is read and written by; httpcore, beneath it, has.
        """
        for transport in (client._transport, *client._mounts.values()):
            if transport is not None:
                pool = transport._pool
                pool._network_backend = _Backend(pool._network_backend, self)


class _Backend(httpcore.NetworkBackend):
    def __init__(self, inner: httpcore.NetworkBackend, deadlines: Deadlines) -> None:
        self._inner = inner
        self._deadlines = deadlines

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        left = self._deadlines.left(timeout, httpcore.ConnectTimeout)
        # To find a name takes as long as the machine's resolver likes; a call that cannot be ended.
        stream = _in_time(
            left, lambda: self._inner.connect_tcp(host, port, left, local_address, socket_options)
        )
        return _Stream(stream, self._deadlines)

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._inner.connect_unix_socket(path, timeout, socket_options), self._deadlines)

    def sleep(self, seconds: float) -> None:
        self._inner.sleep(seconds)


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream, deadlines: Deadlines) -> None:
        self._inner = inner
        self._deadlines = deadlines

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._deadlines.left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for first in range(0, len(buffer), _PIECE_BYTES):
            left = self._deadlines.left(timeout, httpcore.WriteTimeout)
            self._inner.write(buffer[first : first + _PIECE_BYTES], left)

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = self._deadlines.left(timeout, httpcore.ConnectTimeout)
        stream = _in_time(left, lambda: self._inner.start_tls(ssl_context, server_hostname, left))
        return _Stream(stream, self._deadlines)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def _in_time(seconds: float, connect: Callable[[], T]) -> T:
    return bounded(seconds, lambda _: connect(), lambda: httpcore.ConnectTimeout("no connection in time"))
