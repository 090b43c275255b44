"""Stands in for a cluster of Azure Data Explorer: its REST interface, before a real Azurite.

Belongs here: requests and answers over HTTP, and the faults that a test switches on. Does not: commands
(`kusto_engine`), messages in the queues (`kusto_ingestion`).

Sources: "Query/management HTTP request" and "response" (https://learn.microsoft.com/kusto/api/rest/request,
.../rest/response, .../rest/response2: v1 tables for commands, v2 frames for queries); errors are OneApiErrors
with `@type`, `@message` and `@permanent`; throttling is HTTP 429 ("Throttled requests").
"""

import json
import uuid
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .kusto_engine import Answer, Engine
from .kusto_ingestion import Failed, Ingestion
from .kusto_language import Refused
from .kusto_objects import Objects, Parser
from .kusto_storage import StorageAccount
from .serving import LostAnswer, serve

_REQUIRED_HEADERS = ("x-ms-client-request-id", "x-ms-version", "accept")


class Kusto:
    """One cluster with one database.

    Attributes:
        database: its name.
        engine: tables and extents.
        token: what `Authorization: Bearer` has to be; "" for none.
        throttled: so many of the next requests are answered with 429.
        broken: so many of the next requests are answered with 500.
        lost: beginnings of commands and queries whose next answer is lost after the work was done.
        forbidden: beginnings of commands that the principal has no right to.
        objects: functions and views, where Microsoft's parser is given.
        before: called with each command before it is executed, and may raise.
    """

    def __init__(
        self,
        account: StorageAccount | None,
        database: str = "sluice",
        token: str = "",
        parser: Parser | None = None,
    ) -> None:
        self.database = database
        self.token = token
        self.engine = Engine(database)
        self._ingestion = Ingestion(account, self.engine) if account else None
        self.before: Callable[[str], None] = lambda _: None
        if parser is not None:
            self.objects = Objects(self.engine, parser)
            self.engine.others.append(self.objects.command)
        self.throttled = self.broken = 0
        self.lost: list[str] = []
        self.forbidden: list[str] = []
        self.app = Starlette(
            routes=[
                Route("/v1/rest/mgmt", self._manage, methods=["POST"]),
                Route("/v2/rest/query", self._query, methods=["POST"]),
            ]
        )

    @property
    def ingestion(self) -> Ingestion:
        """Queues and worker; a double that was given no storage has none."""
        assert self._ingestion is not None
        return self._ingestion

    @contextmanager
    def running(self) -> Generator[str]:
        """Serve it with its worker; yields the URL of the connection."""
        with serve(self.app) as host:
            if self._ingestion:
                self._ingestion.start()
            try:
                credentials = f"app:{self.token}@" if self.token else ""
                yield f"adx://{credentials}{host}/{self.database}"
            finally:
                if self._ingestion:
                    self._ingestion.stop()

    async def _manage(self, request: Request) -> Response:
        try:
            body = await request.json()
        except ClientDisconnect:  # it was killed: nobody reads an answer
            return Response()
        text = body.get("csl", "")
        try:
            self._admit(request, text, body)
            self.before(text)
            # V8, which the parser runs in, is not to be called within an event loop.
            answer = self._own(text) or await run_in_threadpool(self._in_database(body).command, text)
        except Refused as refused:
            return _refusal(refused)
        if self._loses(text):
            return LostAnswer()
        columns = [{"ColumnName": name, "ColumnType": kind} for name, kind in answer.columns]
        table = {"TableName": "Table_0", "Columns": columns, "Rows": answer.rows}
        return JSONResponse({"Tables": [table]})

    async def _query(self, request: Request) -> Response:
        try:
            body = await request.json()
        except ClientDisconnect:
            return Response()
        try:
            self._admit(request, body.get("csl", ""), body)
            options = json.loads(body.get("properties", "{}")).get("Options", {})
            whole = options.get("notruncation") is True
            answer = await run_in_threadpool(self._in_database(body).query, body["csl"], whole)
        except Refused as refused:
            return _refusal(refused)
        return LostAnswer() if self._loses(body["csl"]) else JSONResponse(_frames(answer))

    def _loses(self, text: str) -> bool:
        lost = next((beginning for beginning in self.lost if text.startswith(beginning)), None)
        if lost is not None:
            self.lost.remove(lost)
        return lost is not None

    def _admit(self, request: Request, text: str, body: dict[str, Any]) -> None:
        if self.throttled:
            self.throttled -= 1
            raise Refused(
                "TooManyRequests", "Kusto.Data.Exceptions.ThrottledException", "Too many requests", 429
            )
        if self.broken:
            self.broken -= 1
            raise Refused(
                "InternalServerError", "Kusto.Data.Exceptions.ServiceException", "Internal error", 500
            )
        if self.token and request.headers.get("authorization") != f"Bearer {self.token}":
            raise Refused("Unauthorized", "Kusto.Data.Exceptions.UnauthorizedException", "No access", 401)
        if any(text.startswith(beginning) for beginning in self.forbidden):
            said = "Principal 'aadapp=app' is not authorized to perform operation"
            raise Refused("Forbidden", "Kusto.Data.Exceptions.SecurityException", said, 403)
        missing = [name for name in _REQUIRED_HEADERS if name not in request.headers]
        json_sent = request.headers.get("content-type", "").startswith("application/json")
        if missing or not json_sent or set(body) - {"db", "csl", "properties"}:
            said = f"headers {missing}, body {sorted(body)}"
            raise Refused("BadRequest_InvalidRequest", "Kusto.Data.Exceptions.RequestException", said)

    def _in_database(self, body: dict[str, Any]) -> Engine:
        if body.get("db") != self.database:
            said = f"Entity ID '{body.get('db')}' of kind 'Database' was not found."
            raise Refused("BadRequest_EntityNotFound", "Kusto.Data.Exceptions.EntityNotFoundException", said)
        return self.engine

    def _own(self, text: str) -> Answer | None:
        """The answer to a command for the data management service, which is of no database."""
        if text == ".show version":
            return Answer(
                [("BuildVersion", "string"), ("ServiceType", "string")], [["1.0", "DataManagement"]]
            )
        if text == ".get kusto identity token":
            return Answer([("AuthorizationContext", "string")], [[self.ingestion.identity_token]])
        if text == ".get ingestion resources":
            resources = {
                "SecuredReadyForAggregationQueue": self.ingestion.input,
                "FailedIngestionsQueue": self.ingestion.failed,
                "SuccessfulIngestionsQueue": self.ingestion.succeeded,
                "TempStorage": self.ingestion.container,
                "IngestionsStatusTable": self.ingestion.statuses,
            }
            columns = [("ResourceTypeName", "string"), ("StorageRoot", "string")]
            return Answer(columns, [[kind, url] for kind, url in resources.items()])
        return None


def _refusal(refused: Refused) -> JSONResponse:
    error = {
        "code": refused.code,
        "message": "Request is invalid and cannot be executed.",
        "@type": refused.type,
        "@message": refused.said,
        "@context": {"clientRequestId": str(uuid.uuid4())},
        "@permanent": refused.status < 429,
    }
    headers = {"Retry-After": "0"} if refused.status == 429 else None
    return JSONResponse({"error": error}, refused.status, headers)


def _frames(answer: Answer) -> list[dict[str, Any]]:
    return [
        {"FrameType": "DataSetHeader", "IsProgressive": False, "Version": "v2.0"},
        {
            "FrameType": "DataTable",
            "TableId": 0,
            "TableKind": "QueryProperties",
            "TableName": "@ExtendedProperties",
            "Columns": [{"ColumnName": "Key", "ColumnType": "string"}],
            "Rows": [["Visualization"]],
        },
        {
            "FrameType": "DataTable",
            "TableId": 1,
            "TableKind": "PrimaryResult",
            "TableName": "PrimaryResult",
            "Columns": [{"ColumnName": name, "ColumnType": kind} for name, kind in answer.columns],
            "Rows": answer.rows,
        },
        {"FrameType": "DataSetCompletion", "HasErrors": False, "Cancelled": False},
    ]


__all__ = ["Failed", "Kusto"]
