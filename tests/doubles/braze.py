"""A double of Braze's user data: profiles and events of one workspace, over HTTP.

Belongs here: what Braze accepts, refuses and says, with the document that states it.
Does not: anything of the destination that is tested with it.

Sources, as published in 2026:
  - Request and answer: www.braze.com/docs/api/endpoints/user_data/post_user_track: 75 objects a request.
  - Limits: www.braze.com/docs/api/api_limits: 3,000 requests in 3 seconds; deletion 20,000 a minute. Its
    section on headers: X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset (seconds since 1970).
  - Errors of single objects: www.braze.com/docs/api/errors; `type`, `input_array` and `index` within that
    array as the API answers them. A request without one good object is answered 400, with the same errors.
  - Deletion: www.braze.com/docs/api/endpoints/user_data/post_user_delete: 50 users a request, not at once.
  - Data types: www.braze.com/docs/user_guide/data/activation/custom_data/data_types: texts to 255 characters,
    arrays to 100 KB and 500 elements: of more, the first are removed.
  - Objects: www.braze.com/docs/user_guide/data/activation/attributes/nested_custom_attribute_support: 100 KB,
    "if an update causes the object to exceed 100 KB, Braze drops the update, and the attribute is unchanged";
    names in them have neither spaces nor periods nor dollar signs.
  - Event properties: www.braze.com/docs/api/objects_filters/event_object: 100 KB, the first 256, no datetimes
    in arrays, no name with a leading dollar sign, none that is reserved.
  - Size of a request: www.braze.com/docs/api/endpoints/user_data: 4 MB, more are answered with 413.
"""

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .faults import Failure, Faults, RollingWindow
from .serving import LostAnswer

API_KEY = "9b2f-double-51aa"
_OBJECTS = 75
_DELETED = 50
_TEXT_CHARACTERS = 255
_BODY_BYTES = 4_000_000
_NESTED_BYTES = 100_000
_PROPERTIES = 256
_RESERVED = frozenset({"time", "event_name"})
_NO_DATA = "Valid data must be provided in the 'attributes', 'events', or 'purchases' fields."


class BrazeDouble:
    """One workspace of Braze.

    Attributes:
        users: attributes by external id.
        events: every event, in the order of arrival.
        rows: objects that arrived; `twice`: attributes that changed nothing, and events that were there.
        data_points: what Braze would bill: one for each attribute set or removed, one for each event.
        requests: how many were made; `refused`: how many of them met the limit.
        say_no: a rule: given an object, the `type` of error it is refused with, or None.
        array_items: elements of an array attribute at most, as the dashboard says; more push out the first.
        cut: attributes of which Braze did not keep what it was sent, without a word.
        queues: requests are only queued, as during maintenance, and answered 202.
        faults: what goes wrong next.
    """

    def __init__(self, *, requests: int = 3_000, seconds: float = 3.0) -> None:
        self.users: dict[str, dict[str, Any]] = {}
        self.events: list[dict[str, Any]] = []
        self.rows = 0
        self.twice = 0
        self.data_points = 0
        self.requests = 0
        self.refused = 0
        self.say_no: Callable[[Mapping[str, Any]], str | None] = lambda _object: None
        self.array_items = 500
        self.cut: list[str] = []
        self.queues = False
        self.faults = Faults()
        self._seen: Counter[str] = Counter()
        self._window = RollingWindow(requests, seconds)
        self.app = Starlette(
            routes=[
                Route("/users/track", self._guarded(self._track), methods=["POST"]),
                Route("/users/delete", self._guarded(self._delete), methods=["POST"]),
            ]
        )

    def _guarded(self, work: Callable[[dict[str, Any]], Response]) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            self.requests += 1
            if request.headers.get("authorization") != f"Bearer {API_KEY}":
                return JSONResponse({"message": "Invalid API key"}, status_code=401)
            if not self._window.admit():
                self.refused += 1
                said = {"message": "API limits for requests exceeded. Try again later."}
                return JSONResponse(said, status_code=429, headers=self._limit_headers())
            fault = self.faults.next()
            if fault and not fault.lost:
                return _failure(fault)
            if not request.headers.get("content-type", "").startswith("application/json"):
                return JSONResponse({"message": "Content-Type must be application/json"}, status_code=400)
            content = await request.body()
            if len(content) > _BODY_BYTES:
                return JSONResponse({"message": "Request Entity Too Large"}, status_code=413)
            try:
                body = json.loads(content, parse_constant=_no_constant)
            except ValueError:
                return JSONResponse({"message": "Request body is not valid JSON"}, status_code=400)
            answer = work(body)
            answer.headers.update(self._limit_headers())
            return LostAnswer() if fault else answer

        return endpoint

    def _limit_headers(self) -> dict[str, str]:
        # With fractions, so that tests with short windows need not wait a whole second.
        return {
            "X-RateLimit-Limit": str(self._window.requests),
            "X-RateLimit-Remaining": str(self._window.remaining),
            "X-RateLimit-Reset": f"{time.time() + self._window.frees_in:.3f}",
        }

    def _track(self, body: dict[str, Any]) -> Response:
        if set(body) - {"attributes", "events", "purchases", "partner"}:
            return JSONResponse({"message": f"Unknown fields {sorted(body)}"}, status_code=400)
        arrays = {name: body[name] for name in ("attributes", "events") if name in body}
        count = sum(len(objects) for objects in arrays.values())
        if not count:
            return JSONResponse({"message": _NO_DATA}, status_code=400)
        if count > _OBJECTS:
            said = f"'attributes', 'events' and 'purchases' may hold {_OBJECTS} objects together"
            return JSONResponse({"message": said}, status_code=400)
        self.rows += count
        errors: list[dict[str, Any]] = []
        answer: dict[str, Any] = {}
        for name, objects in arrays.items():
            done = 0
            for index, one in enumerate(objects):
                if wrong := _wrong(name, one) or self.say_no(one):
                    errors.append({"type": wrong, "input_array": name, "index": index})
                else:
                    (self._set if name == "attributes" else self._add_event)(one)
                    done += 1
            answer[f"{name}_processed"] = done
        if len(errors) == count:
            return JSONResponse({"message": _NO_DATA, "errors": errors}, status_code=400)
        if self.queues:
            return JSONResponse({"message": "queued"}, status_code=202)
        answer["message"] = "success"
        return JSONResponse(answer | ({"errors": errors} if errors else {}), status_code=201)

    def _set(self, one: dict[str, Any]) -> None:
        attributes = {name: value for name, value in one.items() if name != "external_id"}
        known = one["external_id"] in self.users
        held = self.users.setdefault(one["external_id"], {})
        if known and all(held.get(name) == value for name, value in attributes.items()):
            self.twice += 1
        self.data_points += len(attributes)
        held.update({name: self._kept(name, value, held.get(name)) for name, value in attributes.items()})
        for name in [name for name, value in held.items() if value is None]:
            del held[name]

    def _kept(self, name: str, value: Any, before: Any) -> Any:
        """What Braze keeps of an attribute; the answer says nothing of it."""
        if isinstance(value, list | dict) and _size(value) > _NESTED_BYTES:
            self.cut.append(name)
            return before
        if isinstance(value, list) and len(value) > self.array_items:
            self.cut.append(name)
            return value[-self.array_items :]
        return value

    def _add_event(self, one: dict[str, Any]) -> None:
        text = json.dumps(one, sort_keys=True)
        self.twice += self._seen[text] > 0
        self._seen[text] += 1
        self.data_points += 1
        self.users.setdefault(one["external_id"], {})
        self.events.append(one)

    def _delete(self, body: dict[str, Any]) -> Response:
        ids = body.get("external_ids")
        if set(body) != {"external_ids"} or not isinstance(ids, list) or not ids:
            return JSONResponse({"message": "'external_ids' is required"}, status_code=400)
        if len(ids) > _DELETED:
            said = f"A maximum of {_DELETED} users may be deleted in one request"
            return JSONResponse({"message": said}, status_code=400)
        gone = [self.users.pop(str(one), None) for one in ids]
        deleted = sum(profile is not None for profile in gone)
        return JSONResponse({"deleted": deleted, "message": "success"}, status_code=200)


def _wrong(array: str, one: dict[str, Any]) -> str | None:
    user = one.get("external_id")
    if not isinstance(user, str) or not user:
        return "'external_id', 'braze_id', 'user_alias', 'email' or 'phone' is required"
    values = one
    if array == "events":
        if not isinstance(one.get("name"), str):
            return "'name' is required"
        if set(one) - {"external_id", "name", "time", "properties", "app_id"}:
            return f"unknown fields in an event: {sorted(one)}"
        try:
            datetime.fromisoformat(one["time"])
        except (KeyError, TypeError, ValueError):
            return "'time' is required, in ISO 8601"
        values = one.get("properties", {})
        if wrong := _wrong_properties(values):
            return wrong
    elif any(_has_odd_names(value) for value in values.values()):
        return "Invalid characters in the name of a nested attribute"
    for name, value in values.items():
        if isinstance(value, str) and len(value) > _TEXT_CHARACTERS:
            return f"'{name}' is longer than {_TEXT_CHARACTERS} characters"
    return None


def _wrong_properties(properties: dict[str, Any]) -> str | None:
    if _RESERVED & set(properties) or any(name.startswith("$") or not name for name in properties):
        return "Invalid 'properties' field"
    if len(properties) > _PROPERTIES or _size(properties) > _NESTED_BYTES:
        return "'properties' is too large"
    if any(isinstance(value, list) and any(map(_is_datetime, value)) for value in properties.values()):
        return "Invalid 'properties' field: datetimes are not supported within arrays"
    return None


def _is_datetime(value: Any) -> bool:
    try:
        return (
            isinstance(value, str) and len(value) >= len("2026-01-01") and bool(datetime.fromisoformat(value))
        )
    except ValueError:
        return False


def _has_odd_names(value: Any) -> bool:
    if isinstance(value, list):
        return any(map(_has_odd_names, value))
    if not isinstance(value, dict):
        return False
    odd = any(not name or set(name) & set(" .$") or len(name) > _TEXT_CHARACTERS for name in value)
    return odd or any(map(_has_odd_names, value.values()))


def _size(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _failure(fault: Failure) -> Response:
    said = dict(fault.body) or {"message": "internal server error"}
    return JSONResponse(said, status_code=fault.status, headers=dict(fault.headers))
