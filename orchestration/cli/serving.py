"""`sluice dev`: Dagster's UI and daemon, and Data Docs, on loopback, as one process that can be stopped.

And `sluice ui`, the UI alone, in which nothing can be started or changed.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from types import FrameType

from orchestration.cli.opened import Opened, out
from orchestration.core.settings import REPOSITORY, Settings

_GRACE_SECONDS = 30


def serve(here: Opened, port: int) -> int:
    """Run `dagster dev` until a signal comes; return its exit code, 0 where it was asked to stop."""
    from orchestration.graph.crashes import bury_dead_runs
    from orchestration.graph.instance import open_instance
    from orchestration.state.deployment import Deployment

    _ = here.alerts  # a broken project is told here, not in a web page
    with open_instance(here.settings) as instance:  # closed before anything is forked
        deployment = Deployment(here.settings)
        store = deployment.store
        bury_dead_runs(
            instance, store.leases, ask_again=False, say=out.print, restored_at=store.restores.last_at()
        )
        store.close()
    out.print(f"UI: http://127.0.0.1:{port}  staging: {here.settings.staging_url}  stop: Ctrl-C")
    data_docs, url = _data_docs(here.settings, port + 1)
    # The UI's pages link to it; whoever serves it elsewhere has said so.
    linked = here.settings.model_copy(update={"data_docs_url": here.settings.data_docs_url or url})
    return _supervise(linked, ["dagster", "dev"], port, data_docs)


def show(here: Opened, port: int) -> int:
    """Run Dagster's UI read-only until a signal comes; return its exit code, 0 where it was asked to stop."""
    from orchestration.graph.instance import open_instance

    with open_instance(here.settings):
        out.print(f"read-only UI: http://127.0.0.1:{port}  stop: Ctrl-C")
    return _supervise(here.settings, ["dagster_webserver", "--read-only"], port, nullcontext())


def _data_docs(settings: Settings, port: int) -> tuple[AbstractContextManager[None], str | None]:
    """Take the port of Data Docs and say where they are; what is returned serves them there."""
    from orchestration.cli.docs import DataDocsServer

    try:
        server = DataDocsServer(settings, port)
    except (OSError, OverflowError):
        out.print(
            f"Data Docs are not served: port {port} is in use. `sluice docs` makes them",
            style="yellow",
        )
        return nullcontext(), None
    out.print(f"Data Docs: {server.url}")
    return server.serving(), server.url


def _supervise(
    settings: Settings, module: Sequence[str], port: int, data_docs: AbstractContextManager[None]
) -> int:
    stopping = False

    def stop(_signum: int, _frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True
        # Dagster shuts down in order on SIGINT; SIGTERM leaves its code servers behind.
        process.send_signal(signal.SIGINT)

    process = subprocess.Popen(
        [
            sys.executable, "-m", *module,
            "--host", "127.0.0.1", "--port", str(port),
            "--workspace", str(REPOSITORY / "workspace.yaml"),
        ],
        cwd=settings.dagster_home,
        env=os.environ | settings.environment(),
        # A group of its own: a Ctrl-C reaches it through us, once. And a shell that starts us in the
        # background has SIGINT ignored, which children inherit.
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler) and None,
    )  # fmt: skip
    previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with data_docs:  # its threads start after the fork above
            while True:
                try:
                    code = process.wait(timeout=_GRACE_SECONDS if stopping else None)
                    break
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    return 0 if stopping else code
