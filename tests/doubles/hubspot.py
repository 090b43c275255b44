"""A double of HubSpot's CRM: one object type with its properties and records, over HTTP.

Belongs here: what HubSpot accepts, refuses and says, with the document that states it.
Does not: anything of the destination that is tested with it.

Sources, as published in 2026:
  - Batch upsert: developers.hubspot.com/docs/api-reference/legacy/crm/objects/contacts/batch/upsert-contacts.
  - Errors, 207 and objectWriteTraceId: developers.hubspot.com/docs/api-reference/error-handling. It describes
    207 for batch create; batch upsert answers in the same way when every input has a trace id of its own.
  - Limits: developers.hubspot.com/docs/developer-tooling/platform/usage-guidelines, and
    developers.hubspot.com/changelog/increasing-our-api-limits: 190 requests in 10 seconds and 650,000 a day
    for a private app of a Professional account; 100 in 10 seconds for Free and Starter.
  - Properties: developers.hubspot.com/docs/api-reference/legacy/crm/properties/guide.
  - Versions: developers.hubspot.com/docs/api-reference/latest/overview: `/crm/objects/2026-03/contacts` in
    place of `/crm/v3/objects/contacts`; numbered ones end in September 2027 (…/legacy/migration-guide).
  - Rules of administrators hold for the API from 2026-09 on:
    developers.hubspot.com/changelog/crm-api-write-validation-enforcement.
  - Length of a URL: not published; several integrations report 414 from about 8,000 characters on, and put
    `properties` into the body of batch/read.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .faults import Faults, RollingWindow
from .hubspot_answers import CORRELATION, Property, root
from .hubspot_answers import error as _error
from .hubspot_answers import failure as _failure
from .hubspot_answers import inputs as _inputs
from .hubspot_answers import misfit as _misfit
from .hubspot_answers import twice as _twice
from .serving import LostAnswer

TOKEN = "pat-double-7d1c"
_STAGE = "lifecyclestage"
_PAGE = 100
_TEXT_CHARACTERS = 65_536
_URL_BYTES = 8_000
API_VERSIONS = ("v3", "2025-09", "2026-03", "2026-09")
_RULES_SINCE = "2026-09"


class HubSpotDouble:
    """One account of HubSpot with one object type.

    Attributes:
        records: what the account holds: properties by record id.
        archived: record ids that were archived; `erased`: those deleted for good.
        blocked: texts of the key that were erased without a record; HubSpot never takes them again.
        rows: inputs of upserts that arrived; `twice`: those whose record held the same already.
        requests: how many were made; `refused`: how many of them met a limit.
        paths: what was asked for, in the order of arrival.
        required: properties that the administrator requires of new records, since API version 2026-09.
        say_no: a rule of validation: given an input's properties, the message it is refused with, or None.
        faults: what goes wrong next.
    """

    def __init__(
        self,
        properties: Mapping[str, Property],
        object_type: str = "contacts",
        *,
        requests: int = 190,
        seconds: float = 10.0,
        daily: int = 650_000,
    ) -> None:
        self.object_type = object_type
        self.properties = dict(properties)
        self.records: dict[str, dict[str, str]] = {}
        self.archived: set[str] = set()
        self.erased: set[str] = set()
        self.blocked: set[str] = set()
        self.rows = 0
        self.twice = 0
        self.requests = 0
        self.refused = 0
        self.paths: list[str] = []
        self.required: set[str] = set()
        self.say_no: Callable[[Mapping[str, str]], str | None] = lambda _properties: None
        self.faults = Faults()
        self._window = RollingWindow(requests, seconds)
        self._daily = daily
        self._last_id = 100
        self._ids: dict[tuple[str, str], str] = {}
        routes = [route for version in API_VERSIONS for route in self.routes(version)]
        anything = Route("/{path:path}", self._guarded(self._unknown), methods=["GET", "POST"])
        self.app = Starlette(routes=[*routes, anything])

    def routes(self, version: str) -> list[Route]:
        """The endpoints of one version of the API."""
        objects = f"{root(version, 'objects')}/{self.object_type}"
        return [
            Route(f"{root(version, 'properties')}/{self.object_type}", self._guarded(self._list_properties)),
            Route(objects, self._guarded(self._list_records)),
            Route(f"{objects}/batch/upsert", self._guarded(self._upsert), methods=["POST"]),
            Route(f"{objects}/batch/update", self._guarded(self._update), methods=["POST"]),
            Route(f"{objects}/batch/read", self._guarded(self._read), methods=["POST"]),
            Route(f"{objects}/batch/archive", self._guarded(self._archive), methods=["POST"]),
            Route(f"{objects}/gdpr-delete", self._guarded(self._erase), methods=["POST"]),
        ]

    def put(self, **properties: str) -> str:
        """Add a record as somebody in HubSpot would; return its id."""
        self._last_id += 1
        self._hold(str(self._last_id), properties)
        return str(self._last_id)

    def _hold(self, record_id: str, values: Mapping[str, str]) -> None:
        held = self.records.setdefault(record_id, {})
        # A stage does not move backwards, unless it was cleared before; the answer does not say so.
        stages = [*self.properties[_STAGE].options] if _STAGE in self.properties else []
        before, after = held.get(_STAGE), values.get(_STAGE)
        back = before in stages and after in stages and stages.index(after) < stages.index(before)
        held |= {name: text for name, text in values.items() if not (back and name == _STAGE)}
        for name in values:
            if name in self.properties and self.properties[name].unique:
                self._ids[name, values[name]] = record_id

    def _guarded(self, work: Callable[[Request, Any], Response]) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            self.requests += 1
            self.paths.append(request.url.path)
            if len(request.scope["raw_path"]) + len(request.scope["query_string"]) > _URL_BYTES:
                return Response("<h1>414 Request-URI Too Large</h1>", 414, media_type="text/html")
            if refusal := self._refusal(request):
                return refusal
            fault = self.faults.next()
            if fault and not fault.lost:
                return _failure(fault)
            body: Any = None
            if request.method == "POST":
                if not request.headers.get("content-type", "").startswith("application/json"):
                    return _error(415, "UNSUPPORTED_MEDIA_TYPE", "Content-Type must be application/json")
                try:
                    body = json.loads(await request.body())
                except ValueError:
                    return _error(400, "VALIDATION_ERROR", "Invalid input JSON on line 1, column 1")
            answer = work(request, body)
            answer.headers.update(self._limit_headers())
            return LostAnswer() if fault else answer

        return endpoint

    def _refusal(self, request: Request) -> Response | None:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            said = "Authentication credentials not found. This API supports OAuth 2.0 authentication"
            return _error(401, "INVALID_AUTHENTICATION", said)
        policy = ""
        if self.requests - self.refused > self._daily:
            policy, said = "DAILY", "You have reached your daily limit."
        elif not self._window.admit():
            policy, said = "TEN_SECONDLY_ROLLING", "You have reached your ten_secondly_rolling limit."
        else:
            return None
        self.refused += 1
        body = {"status": "error", "message": said, "errorType": "RATE_LIMIT", "policyName": policy}
        return JSONResponse(
            body | {"correlationId": CORRELATION}, status_code=429, headers=self._limit_headers()
        )

    def _limit_headers(self) -> dict[str, str]:
        return {
            "X-HubSpot-RateLimit-Max": str(self._window.requests),
            "X-HubSpot-RateLimit-Remaining": str(self._window.remaining),
            "X-HubSpot-RateLimit-Interval-Milliseconds": str(round(self._window.seconds * 1000)),
            "X-HubSpot-RateLimit-Daily": str(self._daily),
            "X-HubSpot-RateLimit-Daily-Remaining": str(max(0, self._daily - self.requests + self.refused)),
        }

    def _unknown(self, request: Request, _body: Any) -> Response:
        parts = [*request.url.path.strip("/").split("/"), "", "", ""]
        if parts[1] != "v3" and parts[2] not in API_VERSIONS:
            return _error(404, "OBJECT_NOT_FOUND", "resource not found")
        return _error(400, "VALIDATION_ERROR", f"Unable to infer object type from: {parts[3]}")

    def _list_properties(self, _request: Request, _body: Any) -> Response:
        return JSONResponse(
            {
                "results": [
                    {
                        "name": name,
                        "label": name.replace("_", " ").capitalize(),
                        "type": of.type,
                        "fieldType": "select" if of.options else "text",
                        "options": [{"label": option.title(), "value": option} for option in of.options],
                        "hasUniqueValue": of.unique,
                        "hubspotDefined": of.hubspot_defined,
                        "calculated": False,
                        "modificationMetadata": {"archivable": True, "readOnlyValue": of.read_only},
                    }
                    for name, of in self.properties.items()
                ]
            }
        )

    def _list_records(self, request: Request, _body: Any) -> Response:
        asked = request.query_params
        if int(asked.get("limit", "10")) > _PAGE:
            return _error(400, "VALIDATION_ERROR", f"limit must be at most {_PAGE}")
        names = [name for name in asked.get("properties", "").split(",") if name]
        ids = sorted((i for i in self.records if int(i) > int(asked.get("after", "0"))), key=int)
        page = ids[: int(asked.get("limit", "10"))]
        body: dict[str, Any] = {"results": [self._shown(i, names) for i in page]}
        if len(ids) > len(page):
            body["paging"] = {"next": {"after": page[-1], "link": "?after=" + page[-1]}}
        return JSONResponse(body)

    def _shown(self, record_id: str, names: Sequence[str]) -> dict[str, Any]:
        held = self.records[record_id]
        return {
            "id": record_id,
            # An unset property is there as null; one that does not exist is left out without a word.
            "properties": {name: held.get(name) or None for name in names if name in self.properties}
            | {"hs_object_id": record_id},
            "archived": False,
        }

    def _upsert(self, request: Request, body: Any) -> Response:
        inputs = _inputs(body, {"id", "idProperty", "properties", "objectWriteTraceId"})
        if isinstance(inputs, Response):
            return inputs
        self.rows += len(inputs)
        for name in {str(one.get("idProperty")) for one in inputs}:
            if name not in self.properties or not self.properties[name].unique:
                said = f"Unable to perform update/upsert by non-unique 0-1 property {name} in portal ID 62515"
                return _error(400, "VALIDATION_ERROR", said)
        if twice := _twice([_normal(one["idProperty"], str(one["id"])) for one in inputs]):
            said = f"Duplicate IDs found in batch input: [{twice}]. IDs must be unique"
            return _error(400, "VALIDATION_ERROR", said, context={"ids": [twice]})
        traces = [str(one.get("objectWriteTraceId", "")) for one in inputs]
        in_parts = all(traces) and len(set(traces)) == len(traces)
        rules = self.required if f"/{_RULES_SINCE}/" in request.url.path else set[str]()
        problems = [
            self._problem(one["properties"], set() if self._by(*_found_by(one)) else rules) for one in inputs
        ]
        if any(problems) and not in_parts:
            return _error(400, "VALIDATION_ERROR", next(filter(None, problems)))
        results = [self._write(one) for one, problem in zip(inputs, problems, strict=True) if not problem]
        return self._in_parts(results, traces, problems)

    def _update(self, _request: Request, body: Any) -> Response:
        """Properties of records by their id; what a new record has to have is not asked for."""
        inputs = _inputs(body, {"id", "properties", "objectWriteTraceId"})
        if isinstance(inputs, Response):
            return inputs
        missing = [str(one["id"]) for one in inputs if str(one["id"]) not in self.records]
        if missing:
            return _error(404, "OBJECT_NOT_FOUND", f"resource not found: {missing}")
        traces = [str(one.get("objectWriteTraceId", "")) for one in inputs]
        problems = [self._problem(one["properties"], set()) for one in inputs]
        if any(problems) and not all(traces):
            return _error(400, "VALIDATION_ERROR", next(filter(None, problems)))
        results: list[dict[str, Any]] = []
        for one, problem in zip(inputs, problems, strict=True):
            if not problem:
                self._hold(str(one["id"]), one["properties"])
                results.append(self._shown(str(one["id"]), list(one["properties"])))
        return self._in_parts(results, traces, problems)

    def _in_parts(
        self, results: Sequence[dict[str, Any]], traces: Sequence[str], problems: Sequence[str | None]
    ) -> Response:
        errors = [
            {
                "status": "error",
                "category": "VALIDATION_ERROR",
                "message": problem,
                "context": {"objectWriteTraceId": [trace]},
            }
            for trace, problem in zip(traces, problems, strict=True)
            if problem
        ]
        # Answers do not keep the order of the inputs.
        answer: dict[str, Any] = {"status": "COMPLETE", "results": results[::-1]}
        if errors:
            answer |= {"numErrors": len(errors), "errors": errors[::-1]}
        return JSONResponse(answer, status_code=207 if errors else 200)

    def _write(self, one: Mapping[str, Any]) -> dict[str, Any]:
        name, text = str(one["idProperty"]), _normal(one["idProperty"], str(one["id"]))
        values = {key: _normal(key, value) for key, value in one["properties"].items()} | {name: text}
        found = self._by(name, text)
        held = self.records.get(found or "", {})
        if found and all(held.get(key, "") == value for key, value in values.items()):
            self.twice += 1
        record_id = found or self.put()
        self._hold(record_id, values)
        shown = self._shown(record_id, [name])
        return shown | {"new": not found, "objectWriteTraceId": one.get("objectWriteTraceId")}

    def _problem(self, properties: Mapping[str, Any], required: set[str]) -> str | None:
        """HubSpot's message on the properties that it does not take: JSON within a text."""
        wrong: list[dict[str, Any]] = [
            {"isValid": False, "message": f"{name} is required", "error": "REQUIRED_FIELD", "name": name}
            for name in sorted(required)
            if not properties.get(name)
        ]
        for name, value in properties.items():
            if found := self._wrong(name, value):
                code, said = found
                wrong.append({"isValid": False, "message": said, "error": code, "name": name})
        if wrong:
            return f"Property values were not valid: {json.dumps(wrong)}"
        return self.say_no(properties)

    def _wrong(self, name: str, value: Any) -> tuple[str, str] | None:
        of = self.properties.get(name)
        if of is None:
            return "PROPERTY_DOESNT_EXIST", f'Property "{name}" does not exist'
        if of.read_only:
            return "READ_ONLY_VALUE", f'"{name}" is a read only property; its value cannot be set'
        if not isinstance(value, str):
            return "INVALID_STRING", f"{value} was not a valid string."
        if len(value) > _TEXT_CHARACTERS:
            return "PROPERTY_LENGTH_EXCEEDED", f"{name} is longer than {_TEXT_CHARACTERS} characters"
        # An empty text clears the property.
        return _misfit(of, value) if value else None

    def _read(self, _request: Request, body: Any) -> Response:
        unknown = set(body) - {"inputs", "properties", "propertiesWithHistory", "idProperty"}
        inputs = _inputs({"inputs": body.get("inputs")}, {"id"})
        if isinstance(inputs, Response):
            return inputs
        if unknown:
            return _error(400, "VALIDATION_ERROR", f"Invalid input JSON: {sorted(unknown)}")
        name = body.get("idProperty", "hs_object_id")
        results: list[dict[str, Any]] = []
        missing: list[str] = []
        for one in inputs:
            text = str(one["id"])
            found = self._by(name, _normal(name, text)) if name != "hs_object_id" else text
            if found in self.records:
                results.append(self._shown(str(found), body.get("properties", [])))
            else:
                missing.append(text)
        answer: dict[str, Any] = {"status": "COMPLETE", "results": results[::-1]}
        if missing:
            said = f"Could not get some CONTACT objects, they may be deleted or not exist. IDs: {missing}"
            error = {"status": "error", "category": "OBJECT_NOT_FOUND", "message": said}
            answer |= {"numErrors": 1, "errors": [error | {"context": {"ids": missing}}]}
        return JSONResponse(answer, status_code=207 if missing else 200)

    def _archive(self, _request: Request, body: Any) -> Response:
        inputs = _inputs(body, {"id"})
        if isinstance(inputs, Response):
            return inputs
        for one in inputs:
            if self.records.pop(str(one["id"]), None) is not None:
                self.archived.add(str(one["id"]))
        return Response(status_code=204)

    def _erase(self, _request: Request, body: Any) -> Response:
        # "If email address is not found, the email address will be added to a blocklist":
        # developers.hubspot.com/docs/api-reference/legacy/crm/objects/contacts/delete-contact-gdpr
        if self.object_type != "contacts":
            return _error(404, "OBJECT_NOT_FOUND", "No such endpoint")
        text = str(body["objectId"])
        found = self._by("email", text.lower()) if body.get("idProperty") == "email" else text
        if self.records.pop(str(found), None) is not None:
            self.erased.add(str(found))
        elif body.get("idProperty") == "email":
            self.blocked.add(text)
        return Response(status_code=204)

    def _by(self, name: str, text: str) -> str | None:
        found = self._ids.get((name, text), "")
        return found if self.records.get(found, {}).get(name) == text else None


def _found_by(one: Mapping[str, Any]) -> tuple[str, str]:
    return str(one["idProperty"]), _normal(one["idProperty"], str(one["id"]))


def _normal(name: str, text: str) -> str:
    """HubSpot takes white space off the ends of a value, and keeps e-mail addresses in lower case."""
    if not isinstance(text, str):
        return text
    return text.strip().lower() if name == "email" else text.strip()
