"""Runs a double as a real HTTP server, in a thread of the test process.

Belongs here: starting, stopping, and answers that a framework does not offer (one that is lost on the way).
Does not: anything of one vendor.
"""

import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

_SECONDS_TO_START = 30


class LostAnswer(Response):
    """An answer that breaks off after its head: the work is done, and the client cannot know.

    Return it from an endpoint. The server closes the connection, as nothing follows the head.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        head = [(b"content-length", b"1000"), (b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": head})


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()


@contextmanager
def serve(app: Callable[..., Any]) -> Generator[str]:
    """Serve an ASGI app over plain HTTP for the length of the block; yields "127.0.0.1:PORT"."""
    config = uvicorn.Config(
        app,
        log_level="error",
        access_log=False,
        timeout_graceful_shutdown=1,
        backlog=128,
    )
    server = _Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        thread = threading.Thread(target=server.run, args=([listener],), name=f"double:{port}", daemon=True)
        thread.start()
        try:
            if not server.listening.wait(_SECONDS_TO_START):
                raise RuntimeError(f"the double on port {port} does not listen")
            yield f"127.0.0.1:{port}"
        finally:
            server.should_exit = True
            thread.join(_SECONDS_TO_START)
