"""A server that takes connections and lets whoever asks wait: it is silent, or says a little now and then.

Belongs here: bytes on a socket. Does not: any vendor's words.
"""

import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress

_PAUSE_SECONDS = 0.02
_BEGINNINGS = {
    "silent": b"",
    "a head that does not end": b"HTTP/1.1 200 OK\r\nx-word: ",
    "a body that does not end": (
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000000000\r\n\r\n"
    ),
    "interim answers that do not end": b"HTTP/1.1 100 Continue\r\n\r\n",
    "a chunked body that does not end": (
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    ),
}
_PIECES = {
    "a chunked body that does not end": b"1\r\n \r\n",
    "interim answers that do not end": b"HTTP/1.1 103 Early Hints\r\n\r\n",
}
KINDS = tuple(_BEGINNINGS)


@contextmanager
def stalling(kind: str, host: str = "127.0.0.1") -> Generator[str]:
    """Run such a server for the length of the block; yields "HOST:PORT"."""
    over = threading.Event()
    taken: list[socket.socket] = []

    def feed(connection: socket.socket) -> None:
        with suppress(OSError):
            connection.recv(1)
            connection.sendall(_BEGINNINGS[kind])
            while kind != "silent" and not over.wait(_PAUSE_SECONDS):
                connection.sendall(_PIECES.get(kind, b" "))

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                taken.append(connection)
                threading.Thread(target=feed, args=(connection,), daemon=True).start()

    with socket.create_server((host, 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        try:
            yield f"{host}:{listener.getsockname()[1]}"
        finally:
            over.set()
            listener.shutdown(socket.SHUT_RDWR)
            for connection in taken:
                connection.close()


@contextmanager
def relayed(path: str) -> Generator["Relay"]:
    """Run a server that passes bytes to a Unix socket and back, until it is told to fall silent."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        relay = Relay(listener, path)
        threading.Thread(target=relay.accept, daemon=True).start()
        try:
            yield relay
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            relay.close()


class Relay:
    """Passes on what a client says, `messages` times; then it listens and says nothing.

    Attributes:
        messages: how many pieces of the client are still passed on; None: all.
        silent: is set once one was not.
    """

    def __init__(self, listener: socket.socket, path: str) -> None:
        self.port: int = listener.getsockname()[1]
        self.messages: int | None = None
        self.silent = threading.Event()
        self._listener = listener
        self._path = path
        self._open: list[socket.socket] = []

    def accept(self) -> None:
        """Take connections until the server ends."""
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._path)
                self._open += [client, server]
                threading.Thread(target=self._forth, args=(client, server), daemon=True).start()
                threading.Thread(target=self._back, args=(server, client), daemon=True).start()

    def close(self) -> None:
        """Close what is open."""
        for one in self._open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _forth(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while piece := client.recv(65_536):
                if self.messages is not None:
                    if self.messages <= 0:
                        self.silent.set()
                        continue
                    self.messages -= 1
                server.sendall(piece)
            server.shutdown(socket.SHUT_WR)

    def _back(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while piece := server.recv(65_536):
                client.sendall(piece)
            client.shutdown(socket.SHUT_WR)
