"""moto's server, which speaks S3, in a thread of the test process.

Belongs here: starting it, stopping it. Does not: any expectation.
"""

import logging
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from importlib import import_module
from typing import Any

# It signs in whoever comes; clients want something to sign with.
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "sluice-test",
    "AWS_SECRET_ACCESS_KEY": "not-a-secret-of-anyone",
    "AWS_DEFAULT_REGION": "eu-central-1",
}
WsgiApp = Callable[[Any, Any], Iterable[bytes]]


@contextmanager
def running_s3() -> Generator[str]:
    """Start the server on a free port; yield its endpoint; stop it."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    moto = import_module("moto.moto_server.werkzeug_app")
    app = _one_at_a_time(moto.DomainDispatcherApplication(moto.create_backend_app))
    server: Any = import_module("werkzeug.serving").make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _one_at_a_time(app: WsgiApp) -> WsgiApp:
    """moto looks whether an object exists and then puts it; S3 does both at once."""
    lock = threading.Lock()

    def locked(environ: Any, start_response: Any) -> Iterable[bytes]:
        with lock:
            return app(environ, start_response)

    return locked
