"""A double of Salesforce: one organisation with one object to write to, and those it refers to, over HTTP.

Belongs here: signing in, requests, what is refused whole. Does not: what a record may be
(`salesforce_records`), what it may refer to (`salesforce_relations`), bulk jobs (`salesforce_jobs`), anything
of the destination that is tested with it.

Sources, on developer.salesforce.com and help.salesforce.com, as published in 2026:
  - OAuth 2.0 Client Credentials Flow (help: remoteaccess_oauth_client_credentials_flow), OAuth 2.0
    Authorization Errors (help: remoteaccess_oauth_flow_errors).
  - Status Codes and Error Responses (api_rest/errorcodes.htm): 401 INVALID_SESSION_ID, 403
    REQUEST_LIMIT_EXCEEDED, 414 for a URI of more than 16,384 bytes, 415; errors are a list of objects.
  - Limit Info Header (api_rest/headers_api_usage.htm): every answer has `Sforce-Limit-Info`.
  - Upsert and Delete Records Using sObject Collections
    (api_rest/resources_composite_sobjects_collections_upsert.htm and …_delete.htm): up to 200, results in
    order, HTTP 200 whatever became of a record.
  - Query (api_rest/resources_query.htm): pages of up to 2,000 records, and `nextRecordsUrl`.
  - API End-of-Life Policy (api_rest/api_rest_eol.htm) and "Salesforce Platform API Versions 21.0 through
    30.0 Retirement" (help: 000354473): a retired version is answered with 410 GONE. Versions
    (api_rest/resources_versions.htm): the list of those that there are needs no session. Collections are
    upserted from v46.0 on.
"""

import json
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .faults import Failure, Faults
from .salesforce_jobs import JobError, Jobs
from .salesforce_records import Field, Malformed, Refusal, Table
from .salesforce_relations import Relations, Unrelated
from .serving import LostAnswer

CLIENT_ID = "3MVG9double"
CLIENT_SECRET = "s3cret/of@the+double"
USER = "005000000000001AAA"
_VERSIONS = {f"v{number}.0": number for number in range(31, 67)}
_COLLECTIONS_SINCE = 46
_MOST_RECORDS = 200
_URI_BYTES = 16_384

Work = Callable[[Request, bytes], Response]


class SalesforceDouble:
    """One organisation of Salesforce with one object that is written to.

    Attributes:
        table: the object and its records.
        parents: other objects, by name, which its fields may refer to.
        jobs: its ingest jobs.
        requests: how many were made; `allowed`: how many may be, in 24 hours.
        faults: what goes wrong next, by kind of request: "upsert", "delete", "query", "describe", "create",
            "put", "state", "info", "results", "token".
        page_rows: records on a page of a query.
        rights: what the user may do with the records.
        versions: of the interface that there are, with their numbers; lower ones are retired.
        asked: versions that requests named.
    """

    def __init__(self, object_name: str, fields: Mapping[str, Field]) -> None:
        self.table = Table(object_name, fields)
        self.parents: dict[str, Table] = {}
        self.relations = Relations(self.table, self.parents)
        self.jobs = Jobs(self.table, USER, self.relations)
        self.requests = 0
        self.allowed = 100_000
        self.page_rows = 2000
        self.rights = {"createable": True, "updateable": True, "deletable": True, "queryable": True}
        self.faults: dict[str, Faults] = {}
        self.versions = dict(_VERSIONS)
        self.asked: set[str] = set()
        self._sessions = 0
        self._session = ""
        self._cursors: dict[str, list[dict[str, Any]]] = {}
        data = "/services/data/{version}"
        job = f"{data}/jobs/ingest/{{job}}"
        self.app = Starlette(
            routes=[
                Route("/services/data", self._versions),
                Route("/services/oauth2/token", self._endpoint("token", self._sign_in), methods=["POST"]),
                Route(f"{data}/sobjects/{{object}}/describe", self._endpoint("describe", self._describe)),
                Route(
                    f"{data}/composite/sobjects/{{object}}/{{key}}",
                    self._endpoint("upsert", self._upsert),
                    methods=["PATCH"],
                ),
                Route(
                    f"{data}/composite/sobjects", self._endpoint("delete", self._delete), methods=["DELETE"]
                ),
                Route(f"{data}/query", self._endpoint("query", self._query)),
                Route(f"{data}/query/{{cursor}}", self._endpoint("query", self._more)),
                Route(f"{data}/jobs/ingest", self._endpoint("create", self._create_job), methods=["POST"]),
                Route(f"{data}/jobs/ingest", self._endpoint("info", self._all_jobs)),
                Route(job, self._endpoint("state", self._set_job_state), methods=["PATCH"]),
                Route(job, self._endpoint("info", self._job_info)),
                Route(f"{job}/batches", self._endpoint("put", self._put_data), methods=["PUT"]),
                Route(f"{job}/{{which}}", self._endpoint("results", self._results)),
            ]
        )

    def fault(self, kind: str) -> Faults:
        """What goes wrong next with requests of a kind."""
        return self.faults.setdefault(kind, Faults())

    def end_sessions(self) -> None:
        """Let every token that was given be one no more."""
        self._session = ""

    def _endpoint(self, kind: str, work: Work) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            try:
                body = await request.body()
            except ClientDisconnect:
                # Whoever asked is gone, before the question was whole.
                return Response(status_code=400)
            answer = (self._refusal(request) if kind != "token" else None) or self._faulty(
                kind, work, request, body
            )
            answer.headers["Sforce-Limit-Info"] = f"api-usage={self.requests}/{self.allowed}"
            return answer

        return endpoint

    def _faulty(self, kind: str, work: Work, request: Request, body: bytes) -> Response:
        fault: Failure | None = self.fault(kind).next()
        if fault is not None and not fault.lost:
            shown = [fault.body] if fault.body else []
            return JSONResponse(shown, fault.status, dict(fault.headers))
        try:
            answer = work(request, body)
        except JobError as error:
            answer = _error(error.status, error.code, error.message)
        except Malformed as error:
            answer = _error(400, "JSON_PARSER_ERROR", f"{error} at [line:1, column:2]")
        return LostAnswer() if fault is not None else answer

    def _refusal(self, request: Request) -> Response | None:
        """What is refused of any request."""
        self.requests += 1
        if len(str(request.url)) > _URI_BYTES:
            return _error(414, "URI_TOO_LONG", "URI Too Long")
        if not self._session or request.headers.get("authorization") != f"Bearer {self._session}":
            return _error(401, "INVALID_SESSION_ID", "Session expired or invalid")
        version = request.path_params["version"]
        self.asked.add(version)
        if version not in self.versions and _number(version) < min(self.versions.values()):
            return _error(410, "UNSUPPORTED_API_VERSION", f"GONE: {version} is retired")
        collections = "/composite/sobjects/" in request.url.path
        if version not in self.versions or (collections and self.versions[version] < _COLLECTIONS_SINCE):
            return _error(404, "NOT_FOUND", "The requested resource does not exist")
        if self.requests > self.allowed:
            return _error(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
        return None

    def _sign_in(self, request: Request, body: bytes) -> Response:
        if request.headers.get("content-type") != "application/x-www-form-urlencoded":
            return JSONResponse({"error": "unsupported_grant_type"}, 400)
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        if form.get("grant_type") != "client_credentials":
            return _no_sign_in("unsupported_grant_type", "grant type not supported")
        if form.get("client_id") != CLIENT_ID:
            return _no_sign_in("invalid_client_id", "client identifier invalid")
        if form.get("client_secret") != CLIENT_SECRET:
            return _no_sign_in("invalid_client", "invalid client credentials")
        if not self._session:
            self._sessions += 1
            self._session = f"00Ddouble!session{self._sessions}"
        return JSONResponse(
            {
                "access_token": self._session,
                "instance_url": str(request.base_url).rstrip("/"),
                "id": f"https://login.salesforce.com/id/00D000000000001AAA/{USER}",
                "token_type": "Bearer",
            }
        )

    async def _versions(self, request: Request) -> Response:
        return JSONResponse(
            [
                {"label": name, "url": f"/services/data/{name}", "version": name.removeprefix("v")}
                for name in self.versions
            ]
        )

    def _describe(self, request: Request, body: bytes) -> Response:
        tables = {table.name.lower(): table for table in (self.table, *self.parents.values())}
        table = tables.get(request.path_params["object"].lower())
        if table is None:
            return _error(404, "NOT_FOUND", "The requested resource does not exist")
        fields = [field.described(name) for name, field in table.fields.items()]
        return JSONResponse({"name": table.name, **self.rights, "fields": fields})

    def _upsert(self, request: Request, body: bytes) -> Response:
        key = request.path_params["key"]
        if not request.headers.get("content-type", "").startswith("application/json"):
            return _error(415, "UNSUPPORTED_MEDIA_TYPE", "Content-Type header is not set to application/json")
        asked = json.loads(body, parse_float=Decimal)
        records = asked["records"]
        if set(asked) - {"allOrNone", "records"} or asked.get("allOrNone", False):
            return _error(400, "JSON_PARSER_ERROR", "the double knows allOrNone false alone")
        if len(records) > _MOST_RECORDS:
            return _error(
                400,
                "EXCEEDED_ID_LIMIT",
                "record limit reached. cannot submit more than 200 records into this call",
            )
        if key not in self.table.fields or not self.table.fields[key].external_id:
            said = f"Provided external ID field does not exist or is not accessible: {key}"
            return _error(404, "NOT_FOUND", said)
        rows: list[dict[str, Any]] = []
        for record in records:
            attributes = record.pop("attributes", {})
            if attributes.get("type", "").lower() != self.table.name.lower():
                return _error(400, "INVALID_INPUT", "Include a type attribute that is that of the URI")
            try:
                rows.append(self.relations.of_json(record))
            except Unrelated as error:
                return _error(400, "INVALID_FIELD", str(error))
        return JSONResponse(
            [
                answer.in_json()
                if isinstance(answer, Refusal)
                else {"id": answer[0], "success": True, "errors": [], "created": answer[1]}
                for answer in self.table.upsert_all(key, rows)
            ]
        )

    def _delete(self, request: Request, body: bytes) -> Response:
        ids = request.query_params["ids"].split(",")
        if len(ids) > _MOST_RECORDS:
            said = "record limit reached. cannot submit more than 200 records into this call"
            return _error(400, "EXCEEDED_ID_LIMIT", said)
        answers = [(one, self.table.delete(one)) for one in ids]
        return JSONResponse(
            [why.in_json() if why else {"id": one, "success": True, "errors": []} for one, why in answers]
        )

    def _query(self, request: Request, body: bytes) -> Response:
        try:
            found = self.table.query(request.query_params["q"], self.relations)
        except Unrelated as error:
            return _error(400, "INVALID_FIELD", str(error))
        except ValueError as error:
            return _error(400, "MALFORMED_QUERY", str(error))
        except LookupError as error:
            return _error(400, "INVALID_FIELD", str(error.args[0]))
        return self._page(request.path_params["version"], found)

    def _more(self, request: Request, body: bytes) -> Response:
        found = self._cursors.pop(request.path_params["cursor"], None)
        if found is None:
            return _error(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
        return self._page(request.path_params["version"], found)

    def _page(self, version: str, found: list[dict[str, Any]]) -> Response:
        page, rest = found[: self.page_rows], found[self.page_rows :]
        answer: dict[str, Any] = {"totalSize": len(found), "done": not rest, "records": page}
        if rest:
            cursor = f"01g{self.requests:012d}-{len(rest)}"
            self._cursors[cursor] = rest
            answer["nextRecordsUrl"] = f"/services/data/{version}/query/{cursor}"
        return JSONResponse(answer)

    def _create_job(self, request: Request, body: bytes) -> Response:
        return JSONResponse(self.jobs.create(json.loads(body)))

    def _put_data(self, request: Request, body: bytes) -> Response:
        if request.headers.get("content-type") != "text/csv":
            return _error(415, "UNSUPPORTED_MEDIA_TYPE", "Content-Type header is not set to text/csv")
        self.jobs.put(request.path_params["job"], body)
        return Response(status_code=201)

    def _set_job_state(self, request: Request, body: bytes) -> Response:
        return JSONResponse(self.jobs.set_state(request.path_params["job"], json.loads(body)["state"]))

    def _job_info(self, request: Request, body: bytes) -> Response:
        return JSONResponse(self.jobs.info(request.path_params["job"]))

    def _all_jobs(self, request: Request, body: bytes) -> Response:
        return JSONResponse({"done": True, "records": self.jobs.all(), "nextRecordsUrl": None})

    def _results(self, request: Request, body: bytes) -> Response:
        which = request.path_params["which"].rstrip("/")
        if which not in ("successfulResults", "failedResults", "unprocessedrecords"):
            return _error(404, "NOT_FOUND", "The requested resource does not exist")
        return Response(self.jobs.results(request.path_params["job"], which), media_type="text/csv")


def _number(version: str) -> int:
    return int(re.sub(r"\D", "", version.partition(".")[0]) or 0)


def _error(status: int, code: str, message: str) -> Response:
    return JSONResponse([{"message": message, "errorCode": code}], status)


def _no_sign_in(error: str, said: str) -> Response:
    return JSONResponse({"error": error, "error_description": said}, 400)
