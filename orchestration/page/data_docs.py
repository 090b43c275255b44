"""Data Docs and the page of columns, made anew when somebody asks for them and they are old.

GX stays out of this process: `sluice page data-docs` is run in one of its own. Belongs here: that, and the
frame around them. Does not belong here: how they are made (`quality.data_docs`), HTTP (`serving`).
"""

import os
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

from markupsafe import escape
from sqlalchemy.exc import DBAPIError

from orchestration.columns.lineage_page import LINEAGE_PAGE, code_digest
from orchestration.core.problems import ProjectError
from orchestration.core.settings import Settings
from orchestration.quality.data_docs.site import SITE_FOLDER, page_stamp, shows_newest
from orchestration.state.deployment import Deployment
from orchestration.state.upgrade import StateStoreUnavailable
from orchestration.transformation.identity import ProjectIdentity

# Where the frame has them.
FOLDER = "data-docs"
FIRST = "index.html"
_GRACE_SECONDS = 10


def site_dir(settings: Settings) -> Path:
    """Return where a deployment's site is."""
    return settings.data_dir / SITE_FOLDER


def lineage_stamp(settings: Settings) -> str:
    """Return of what the page of columns is made: the project's files, and the code."""
    return f"{ProjectIdentity.of(settings).digest} {code_digest()}"


class DataDocs:
    """The site of a deployment; `refresh` makes it anew, `stop` leaves nothing half made."""

    def __init__(self, deployment: Deployment) -> None:
        self._settings, self._deployment = deployment.settings, deployment
        self._one_at_a_time, self._starting = threading.Lock(), threading.Lock()
        self._builder: subprocess.Popen[bytes] | None = None
        self._stopped = False
        self._tried = ""  # of which project the page of columns was to be made last

    def file(self, path: str) -> Path | None:
        """Return a file of the site, made anew where it is a first page; None where it has none such."""
        if path in (FIRST, LINEAGE_PAGE):
            self._refresh()
        root = site_dir(self._settings).resolve()
        try:
            found = (root / path).resolve()
            return found if found.is_relative_to(root) and found.is_file() else None
        except (OSError, ValueError):  # no file has such a name
            return None

    def _refresh(self) -> None:
        """Make the site if there is none or results are newer; where that fails, the old one stays."""
        with self._one_at_a_time:
            with suppress(
                StateStoreUnavailable, DBAPIError
            ):  # `sluice page data-docs` says why, on the terminal
                newest = shows_newest(self._deployment.store.results, site_dir(self._settings))
                if newest and self._shows_project():
                    return
            with self._starting:
                if self._stopped:
                    return
                self._builder = subprocess.Popen(
                    [sys.executable, "-c", "from orchestration.cli import app; app()", "page", "data-docs"],
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
            stamp = lineage_stamp(self._settings)
        except ProjectError:
            return True
        made = page_stamp(site_dir(self._settings), LINEAGE_PAGE)
        tried, self._tried = self._tried, stamp
        return stamp in (made, tried)

    def stop(self) -> None:
        """Leave no process behind."""
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


def framed(html: str, up: str, company: str) -> str:
    """Return a page of the site with a way back to the frame's own."""
    back = (
        '<p style="margin:0;padding:.4rem 1.5rem;font:15px system-ui,sans-serif">'
        f'<a href="{up}index.html">{escape(company)}: now</a> · <a href="{up}exports.html">exports</a> ·'
        f' <a href="{up}sources.html">sources</a> · <a href="{up}incidents.html">incidents</a></p>'
    )
    head, body, rest = html.partition("<body>")
    return f"{head}{body}{back}{rest}" if body else html
