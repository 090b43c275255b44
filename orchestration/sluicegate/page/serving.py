"""The page over HTTP: read by whoever reaches it; changed by nobody but who the proxy in front vouches for.

Belongs here: who may ask, what is answered, health. Does not belong here: what is on a page (`pages`).
"""

import hmac
import re
import socket
import threading
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import uvicorn
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy.exc import DBAPIError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from sluicegate.columns.lineage_page import LINEAGE_PAGE
from sluicegate.core.loopback import is_here
from sluicegate.incidents.people import open_incident, span_of
from sluicegate.incidents.settling import acknowledge, snooze, unacknowledge
from sluicegate.page import places
from sluicegate.page.data_docs import FIRST, FOLDER, DataDocs, framed
from sluicegate.page.look import FRESH, in_words
from sluicegate.page.metrics import PageMetrics
from sluicegate.page.pages import Page, Pages
from sluicegate.page.places import parsed
from sluicegate.page.reading import Reading
from sluicegate.state.deployment import Deployment
from sluicegate.state.upgrade import RecordsTooNew, StateStoreUnavailable

LOOPBACK = "127.0.0.1"
# A name or an address, and a port: nothing of a URL beside those.
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[\w.-]+)(?::[0-9]{1,5})?")
# What no page needs: scripts, anything from elsewhere, a frame around it.
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none';"
    " frame-ancestors 'none'"
)
# Data Docs' pages and the page of columns bring their own scripts; these ask and send nothing.
_POLICY_OF_DOCS = (
    "default-src 'self' 'unsafe-inline'; connect-src 'none'; form-action 'none'; base-uri 'none';"
    " frame-ancestors 'none'"
)
_HEADERS = {
    "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin",
    "Cache-Control": "private, no-cache",
}  # fmt: skip
# Asked by machines, by an address that they know.
_PROBES = ("/healthz", "/readyz", "/metrics")
# Longer than any page's: a name in a path is cut.
_LONGEST_PATH = 2048
_LONGEST_FORM, _LONGEST_NAME, _LONGEST_REASON = 8192, 200, 500


@dataclass(frozen=True)
class Door:
    """How people reach the page. `url` is where, if not on this machine; its host alone is answered then.

    `person_header` is the header in which a proxy names who looks, "" without one: then nobody changes
    anything. `anywhere`: other machines reach the port, so probes come by names of their own.
    """

    url: str = ""
    person_header: str = ""
    anywhere: bool = False

    def answers(self, host: str) -> bool:
        """Whether a request for a host is answered: no other site's name that leads here reads pages."""
        if self.url and host.lower() == urlsplit(self.url).netloc.lower():
            return True
        found = _HOST.fullmatch(host)
        return found is not None and is_here(found[1])

    def person(self, headers: Headers) -> str:
        """Return who looks; "" where nobody vouches for a name, or the proxy let another one through."""
        said = headers.getlist(self.person_header) if self.person_header else []
        name = said[0].strip() if len(said) == 1 else ""
        with suppress(UnicodeError):  # a header's bytes come as Latin-1, and proxies write UTF-8
            name = name.encode("latin-1").decode("utf-8")
        return name if name.isprintable() and len(name) <= _LONGEST_NAME else ""

    def is_own(self, origin: str) -> bool:
        """Whether a form was sent from a page of ours."""
        whole = urlsplit(self.url)
        return bool(self.url) and origin == f"{whole.scheme}://{whole.netloc}"


class PageServer:
    """The page on a port, which is taken at once; `serving` answers in a thread.

    Raises:
        OSError: the port is taken.
    """

    def __init__(
        self,
        deployment: Deployment,
        reading: Reading,
        door: Door,
        *,
        host: str = LOOPBACK,
        port: int = 0,
        fresh: timedelta = FRESH,
    ) -> None:
        self._socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((host, port))
            self._socket.listen()  # who asks before the server has started waits for it
        except (OSError, OverflowError):
            self._socket.close()
            raise
        self.port = int(self._socket.getsockname()[1])
        self.docs = DataDocs(deployment)
        linked = {"Columns": f"{FOLDER}/{LINEAGE_PAGE}", "Data Docs": f"{FOLDER}/{FIRST}"}
        if deployment.settings.ui_url:
            linked["Dagster"] = deployment.settings.ui_url
        self.pages = Pages(deployment, reading, linked=linked, fresh=fresh)
        app = application(self.pages, self.docs, door)
        self._server = uvicorn.Server(
            uvicorn.Config(
                app, log_level="warning", access_log=False, lifespan="off", server_header=False,
                proxy_headers=False, timeout_graceful_shutdown=5,
            )
        )  # fmt: skip

    @property
    def url(self) -> str:
        """Where a browser on this machine finds the first page."""
        return f"http://{LOOPBACK}:{self.port}"

    @contextmanager
    def serving(self) -> Generator[None]:
        """Answer in a thread; at the end nothing is left, a site half made included."""
        # In a thread uvicorn leaves signals to whoever started it.
        thread = threading.Thread(target=self._server.run, args=([self._socket],), name="page", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._server.should_exit = True
            self.docs.stop()
            thread.join()
            self._socket.close()


def application(pages: Pages, docs: DataDocs, door: Door) -> Starlette:
    """Return what answers."""
    metrics = PageMetrics(pages)

    async def healthz(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_: Request) -> Response:
        wrong = await run_in_threadpool(_not_ready, pages)
        return PlainTextResponse("\n".join([*(wrong or ["ready"]), ""]), 503 if wrong else 200)

    async def scraped(_: Request) -> Response:
        text = await run_in_threadpool(generate_latest, metrics.registry)
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    async def page(request: Request) -> Response:
        path, person = request.path_params["path"], door.person(request.headers)
        place = parsed(path)
        began = time.perf_counter()
        query = request.query_params.get("q", "")[:_LONGEST_NAME]
        found = await run_in_threadpool(pages.page, path or f"{places.NOW}.html", person, query)
        if found is None or place is None:
            return _said(404, "There is no such page.")
        metrics.seconds.labels(place.kind.partition("-")[0]).observe(time.perf_counter() - began)
        return _page(found, request)

    async def act(request: Request) -> Response:
        person = door.person(request.headers)
        if not person or not door.is_own(request.headers.get("origin", "")):
            return _said(403, "Nothing is changed: this page only shows, or the form was another site's.")
        form = await _form(request)
        if not hmac.compare_digest(form.get("token", "").encode(), pages.token(person).encode()):
            return _said(
                403, "Nothing is changed: the form is not of this server, or too old. Load the page anew."
            )
        try:
            await run_in_threadpool(_record, pages, request.path_params["number"], person, form)
        except ValueError as error:
            return _said(400, f"Nothing is changed: {error}")
        return RedirectResponse(f"{request.path_params['number']}.html", 303)

    async def data_docs(request: Request) -> Response:
        path = request.path_params["path"] or FIRST
        found = await run_in_threadpool(docs.file, path)
        if found is None:
            missing = path in (FIRST, LINEAGE_PAGE)
            return (
                _said(503, "It could not be made; the terminal says why.") if missing else _said(404, "No.")
            )
        headers = {"Content-Security-Policy": _POLICY_OF_DOCS}
        if found.suffix != ".html":
            return FileResponse(found, headers=headers)
        up = "../" * (path.count("/") + 1)
        company = pages.deployment.settings.project_dir.name
        html = await run_in_threadpool(lambda: framed(found.read_text("utf-8"), up, company))
        return HTMLResponse(html, headers=headers)

    async def guarded(request: Request, answer: RequestResponseEndpoint) -> Response:
        probe = door.anywhere and request.url.path in _PROBES
        hosts = request.headers.getlist("host")
        if not probe and not (len(hosts) == 1 and door.answers(hosts[0])):
            response = _said(421, "This page is not reached by that name; docs/page.md says how.")
        elif len(request.url.path) > _LONGEST_PATH:
            response = _said(404, "There is no such page.")
        else:
            response = await answer(request)
        for name, value in {"Content-Security-Policy": _POLICY, **_HEADERS}.items():
            response.headers.setdefault(name, value)
        return response

    return Starlette(
        routes=[
            Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", scraped),
            Route(f"/{FOLDER}/{{path:path}}", data_docs),
            Route("/incidents/{number:int}.html", act, methods=["POST"]),
            Route("/{path:path}", page),
        ],
        middleware=[Middleware(BaseHTTPMiddleware, dispatch=guarded)],
        exception_handlers={
            StateStoreUnavailable: _unavailable, DBAPIError: _unavailable, RecordsTooNew: _unavailable,
        },
    )  # fmt: skip


def _page(found: Page, request: Request) -> Response:
    tag = f'"{found.stamp}"'
    headers = {"ETag": tag, "Vary": "Cookie, Authorization"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return HTMLResponse(found.html, headers=headers)


def _said(status: int, text: str) -> Response:
    return PlainTextResponse(f"{text}\n", status)


async def _unavailable(_: Request, error: Exception) -> Response:
    """Say that the records cannot be read, without what a driver says, which may quote an address."""
    if isinstance(error, RecordsTooNew):
        return _said(503, str(error))
    return _said(503, "The records cannot be read; `sluice status` says why, on the machine of this page.")


async def _form(request: Request) -> dict[str, str]:
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _LONGEST_FORM:
            return {}
    return {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}


def _record(pages: Pages, number: int, person: str, form: Mapping[str, str]) -> None:
    """Put on record what a person says of an incident.

    Raises:
        ValueError: it is not open, or the form lacks something.
    """
    store, now = pages.deployment.store, pages.deployment.clock()
    item = open_incident(store, str(number))
    said = "".join(one if one.isprintable() else " " for one in form.get("reason", ""))
    reason = " ".join(said.split())[:_LONGEST_REASON]
    if not reason:
        raise ValueError("it needs a reason: say why, as it is kept")
    match form.get("what"):
        case "acknowledge":
            acknowledge(store, item.id, person, reason, now)
        case "unacknowledge":
            unacknowledge(store, item.id, person, reason, now)
        case "snooze":
            snooze(store, item.id, now + span_of(form.get("span", "")), person, reason, now)
        case _:
            raise ValueError("expected one of the page's buttons")


def _not_ready(pages: Pages) -> list[str]:
    """Return what is wrong: the records, the project, or that nobody looks any more."""
    try:
        look = pages.look()
        stale = "never" if look.looked_at is None else look.stale
    except (StateStoreUnavailable, DBAPIError, RecordsTooNew):
        return ["records: cannot be read; `sluice status` says why"]
    wrong: list[str] = []
    if look.read.problems:
        wrong.append("project: does not load; `sluice check` says why")
    elif look.read.project is None:
        wrong.append("project: is being read")
    if stale:
        wrong.append(f"look: the last one was {stale}; expected one each {in_words(look.fresh)}")
    return wrong
