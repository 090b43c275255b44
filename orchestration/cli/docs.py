"""GX Data Docs for a reader: made by `sluice docs`, and served by `sluice dev` on loopback."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager, suppress
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from sqlalchemy.exc import DBAPIError

from orchestration.columns.lineage_page import LINEAGE_PAGE, code_digest, lineage_html
from orchestration.core.problems import ProjectChanged, ProjectError
from orchestration.core.settings import Settings
from orchestration.project.loading import load_project
from orchestration.quality.data_docs.site import SITE_FOLDER, build_data_docs, page_stamp, shows_newest
from orchestration.state.deployment import Deployment
from orchestration.state.upgrade import StateStoreUnavailable
from orchestration.transformation.identity import ProjectIdentity

_LOOPBACK = "127.0.0.1"
_GRACE_SECONDS = 10


def site_dir(settings: Settings) -> Path:
    """Return where a deployment's site is."""
    return settings.data_dir / SITE_FOLDER


def build(settings: Settings, tell: Callable[[str], None]) -> Path:
    """Make the site of the newest results and of today's project; return the path of its index.html.

    A project that does not load leaves its page as it was, which `tell` is told.
    """
    pages, stamps = dict[str, str](), dict[str, str]()
    try:
        stamp = _lineage_stamp(settings)
        if page_stamp(site_dir(settings), LINEAGE_PAGE) != stamp:
            pages[LINEAGE_PAGE] = lineage_html(load_project(settings).catalogue)
            stamps[LINEAGE_PAGE] = stamp
    except (ProjectError, ProjectChanged) as error:
        tell(f"{LINEAGE_PAGE} is not renewed: the project does not load; `sluice check` says why ({error})")
    with closing(Deployment(settings)) as deployment:
        if not deployment.store.results.last():
            with deployment.warehouse.session():
                pass  # which takes over what an earlier version kept in it
        return build_data_docs(deployment.store.results, site_dir(settings), beside=pages, stamps=stamps)


def _lineage_stamp(settings: Settings) -> str:
    """Return of what the page of columns is made: the project's files, and the code."""
    return f"{ProjectIdentity.of(settings).digest} {code_digest()}"


class DataDocsServer(ThreadingHTTPServer):
    """The site on a port of loopback, made anew when its first page is asked for and results are newer.

    The port is taken at once; `serving` answers. GX stays out of this process: `sluice docs` is run in one
    of its own.

    Raises:
        OSError: the port is taken.
    """

    daemon_threads = True

    def __init__(self, settings: Settings, port: int) -> None:
        handler = partial(_Handler, refresh=self.refresh, directory=str(site_dir(settings)))
        super().__init__((_LOOPBACK, port), handler)
        self._settings, self._deployment = settings, Deployment(settings)
        self._one_at_a_time, self._starting = threading.Lock(), threading.Lock()
        self._builder: subprocess.Popen[bytes] | None = None
        self._stopped = False
        self._tried = ""  # of which project the page of columns was to be made last

    @property
    def url(self) -> str:
        """Where a browser finds the first page."""
        return f"http://{_LOOPBACK}:{self.server_port}"

    @contextmanager
    def serving(self) -> Generator[None]:
        """Answer in a thread; at the end nothing is left, a site half made included."""
        thread = threading.Thread(target=self.serve_forever, name="data-docs", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self.shutdown()
            thread.join()
            self._stop_builder()
            self.server_close()

    def refresh(self) -> None:
        """Make the site if there is none or results are newer; where that fails, the old one stays."""
        with self._one_at_a_time:
            with suppress(StateStoreUnavailable, DBAPIError):  # `sluice docs` says why, on the terminal
                newest = shows_newest(self._deployment.store.results, site_dir(self._settings))
                if newest and self._shows_project():
                    return
            with self._starting:
                if self._stopped:
                    return
                self._builder = subprocess.Popen(
                    [sys.executable, "-c", "from orchestration.cli import app; app()", "docs"],
                    env=os.environ | self._settings.environment(),
                    stdout=subprocess.DEVNULL,  # what goes wrong is told on the terminal, through stderr
                    start_new_session=True,  # a Ctrl-C reaches it through us
                )
            self._builder.wait()

    def _shows_project(self) -> bool:
        """Whether the page of columns is of the project as it is, or no more can be made of it.

        A project that did not load is asked again once its files are other ones.
        """
        try:
            stamp = _lineage_stamp(self._settings)
        except ProjectError:
            return True
        made = page_stamp(site_dir(self._settings), LINEAGE_PAGE)
        tried, self._tried = self._tried, stamp
        return stamp in (made, tried)

    def _stop_builder(self) -> None:
        with self._starting:
            self._stopped = True
        if self._builder is None:
            return
        self._builder.terminate()
        try:
            self._builder.wait(timeout=_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self._builder.kill()
            self._builder.wait()


class _Handler(SimpleHTTPRequestHandler):
    """Files of the site, for browsers on this machine that asked for this machine."""

    def __init__(self, *request: Any, refresh: Callable[[], None], directory: str) -> None:
        self._refresh = refresh  # the parent answers the request while it is made
        super().__init__(*request, directory=directory)

    def send_head(self) -> Any:
        """Answer a GET or a HEAD up to its body."""
        # Another site's name that resolves to this machine must not read the pages.
        if self.headers.get("Host", "").rpartition(":")[0] not in (_LOOPBACK, "localhost"):
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
            return None
        path = self.path.partition("?")[0]
        if path in ("/", "/index.html", f"/{LINEAGE_PAGE}"):
            self._refresh()
            if not Path(self.directory, path.strip("/") or "index.html").exists():
                self.send_error(
                    HTTPStatus.SERVICE_UNAVAILABLE,
                    explain="The site could not be made; the terminal says why.",
                )
                return None
        return super().send_head()

    def list_directory(self, path: Any) -> None:  # noqa: ARG002
        """Show no folder: the first page names all that there is."""
        self.send_error(HTTPStatus.NOT_FOUND)

    def end_headers(self) -> None:
        """Add what keeps pages from fetching anything elsewhere, and from being stale."""
        self.send_header("Content-Security-Policy", "default-src 'self' 'unsafe-inline'")
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the terminal is the platform's."""
