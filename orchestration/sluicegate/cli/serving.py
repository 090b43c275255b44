"""`sluice dev`: Dagster's UI and daemon, and the page, on loopback, as one process that can be stopped.

And `sluice ui`, the UI alone, in which nothing can be started or changed.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import FrameType
from typing import TYPE_CHECKING

from sluicegate.cli.opened import Opened, out
from sluicegate.core.progress import unseen
from sluicegate.core.settings import REPOSITORY, Settings

if TYPE_CHECKING:
    from sluicegate.project.loading import Project
    from sluicegate.state.deployment import Deployment

_GRACE_SECONDS = 30


def serve(here: Opened, port: int) -> int:
    """Run `dagster dev` until a signal comes; return its exit code, 0 where it was asked to stop."""
    from sluicegate.graph.crashes import bury_dead_runs
    from sluicegate.graph.instance import open_instance
    from sluicegate.state.deployment import Deployment

    _ = here.alerts  # a broken project is told here, not in a web page
    with open_instance(here.settings) as instance:  # closed before anything is forked
        deployment = Deployment(here.settings)
        store = deployment.store
        bury_dead_runs(
            instance, store.leases, ask_again=False, say=out.print, restored_at=store.restores.last_at()
        )
        store.close()
    url = f"http://127.0.0.1:{port}"
    out.print(f"UI: {url}  staging: {here.settings.staging_url}  stop: Ctrl-C")
    shown = here.settings.model_copy(update={"ui_url": here.settings.ui_url or url})
    page, docs = _page(shown, here.project, port + 1)
    # The UI's pages link to it; whoever serves it elsewhere has said so.
    linked = here.settings.model_copy(update={"data_docs_url": here.settings.data_docs_url or docs})
    with unseen():
        return _supervise(linked, ["dagster", "dev"], port, page)


def show(here: Opened, port: int) -> int:
    """Run Dagster's UI read-only until a signal comes; return its exit code, 0 where it was asked to stop."""
    from sluicegate.graph.instance import open_instance

    with open_instance(here.settings):
        out.print(f"read-only UI: http://127.0.0.1:{port}  stop: Ctrl-C")
    with unseen():
        return _supervise(here.settings, ["dagster_webserver", "--read-only"], port, nullcontext())


def _page(
    settings: Settings, project: "Project", port: int
) -> tuple[AbstractContextManager[None], str | None]:
    """Take the port of the page and say where it is; what is returned serves it, and Data Docs, there."""
    from sluicegate.page.data_docs import FOLDER
    from sluicegate.page.reading import Reading
    from sluicegate.page.serving import Door, PageServer
    from sluicegate.state.deployment import Deployment

    deployment = Deployment(settings)
    try:
        server = PageServer(deployment, Reading(settings, project), Door(), port=port)
    except (OSError, OverflowError):
        out.print(
            f"the page is not served: port {port} is in use; `sluice page serve --port` serves it on another",
            style="yellow",
        )
        return nullcontext(), None
    out.print(f"page: {server.url}")
    return _closing(server.serving(), deployment), f"{server.url}/{FOLDER}"


@contextmanager
def _closing(serving: AbstractContextManager[None], deployment: "Deployment") -> Generator[None]:
    try:
        with serving:
            yield
    finally:
        deployment.close()


def _supervise(
    settings: Settings, module: Sequence[str], port: int, beside: AbstractContextManager[None]
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
        with beside:  # its threads start after the fork above
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
