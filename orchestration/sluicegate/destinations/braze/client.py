"""Requests to Braze's REST API, what its answers mean, and how values are written for it.

Belongs here: paths, error bodies, JSON forms. Does not: rows and shards (`braze`, `events`), pace.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from math import isfinite
from typing import Any
from urllib.parse import unquote
from uuid import UUID

from pydantic import BaseModel, Field

from sluicegate.compute.sql_types import LIST, STRUCT, SqlType

from ..answers import COMMON, Answer, Line, Meaning
from ..base import DeliveryError
from ..batches import BatchRefused
from ..exact_values import (
    FLOATS,
    MOMENTS,
    TEXTS,
    WHOLE,
    Unfit,
    days_outside,
    finer_moments,
    no_doubles,
    no_numbers,
)
from ..http import VendorClient

# Attributes, events and purchases together: https://www.braze.com/docs/api/endpoints/user_data/post_user_track
OBJECTS = 75
# https://www.braze.com/docs/api/endpoints/user_data/post_user_delete
DELETED = 50
# "String: text; 255 characters or fewer": longer ones are refused here, lest one be cut off
# (https://www.braze.com/docs/user_guide/data/activation/custom_data/data_types).
TEXT_CHARACTERS = 255
_OF = "Braze"
_KNOWN = WHOLE | FLOATS | MOMENTS | TEXTS | {"BOOLEAN", "DATE", "DECIMAL", LIST, STRUCT}
# "All API endpoints have a data payload limit of 4 MB", https://www.braze.com/docs/api/endpoints/user_data
BODY_BYTES = 4_000_000
_JSON = {"content-type": "application/json"}
_REFUSED_WHOLE = frozenset({400, 413})
_QUEUED = "queued"

# https://www.braze.com/docs/api/endpoints/user_data/post_user_track, https://www.braze.com/docs/api/errors
DECISIONS: Sequence[Line] = (
    Line(
        "200 or 201 with `message`, and as many `…_processed` as objects were sent",
        Meaning.TAKEN,
        "all rows are acknowledged",
    ),
    Line("202 with `message`: queued while Braze is maintained", Meaning.TAKEN, "all rows are acknowledged"),
    Line(
        "200 or 201 with `errors` that have an object's place, and `…_processed` for all others",
        Meaning.REFUSED,
        "the rows with errors are refused with Braze's words, all others are acknowledged",
    ),
    Line(
        "200 or 201 with fewer objects that were processed or have an error",
        Meaning.REFUSED,
        "the request is halved until the objects at fault stand alone; those are refused",
    ),
    Line(
        "200 or 201 with more objects than were sent, or without `…_processed`",
        Meaning.UNEXPECTED,
        "the delivery fails, and what the request held may have arrived",
    ),
    Line(
        "400, 413, whatever the body",
        Meaning.REFUSED,
        "objects that its `errors` place are refused; without them the request is halved",
        _REFUSED_WHOLE,
    ),
    *COMMON,
)


class Unwritable(Exception):
    """A value that Braze cannot hold; its text tells why, without the value."""


class _Tracked(BaseModel):
    """What became of the objects of a request."""

    message: str
    attributes_processed: int | None = Field(default=None, ge=0)
    events_processed: int | None = Field(default=None, ge=0)
    # "Minor error messages" of no stated form.
    errors: list[Any] | None = None

    def processed(self, array: str) -> int | None:
        """How many of an array's objects were taken."""
        return self.attributes_processed if array == "attributes" else self.events_processed


class _Deleted(BaseModel):
    """How many profiles will be deleted."""

    deleted: int = Field(ge=0)


class BrazeClient:
    """One workspace of Braze; every method is one request.

    All raise TryAgain for a request that was not taken this time, and DeliveryError where none would be.

    Args:
        url: the connection's URL, `braze://:API_KEY@rest.iad-01.braze.com`.
        left: seconds that a request may take now.
    """

    def __init__(self, url: str, left: Callable[[], float] | None = None) -> None:
        key = _api_key(url)
        headers = {"authorization": f"Bearer {key}"}
        self._vendor = VendorClient(url, headers=headers, secrets=[key], left=left)

    def track(self, array: str, objects: Sequence[Mapping[str, Any]]) -> dict[int, str]:
        """Send up to 75 objects of `attributes` or `events`; return Braze's words on those that it refused.

        Returns:
            The `type` of each error, by the object's place in the request.

        Raises:
            BatchRefused: all are refused, or it cannot be told which, or the request would be too large.
        """
        content = _content({array: objects})
        if len(content) > BODY_BYTES and len(objects) > 1:
            # Not sent: what Braze refuses counts for its limit of requests, too.
            said = f"{len(content):,} bytes, of {BODY_BYTES:,} that Braze takes"
            raise BatchRefused("413", said, nothing_done=True)
        return self._errors(self._post("/users/track", content), array, len(objects))

    def delete_users(self, external_ids: Sequence[str]) -> int:
        """Have up to 50 profiles deleted; return how many Braze says it will delete."""
        answer = self._post("/users/delete", _content({"external_ids": list(external_ids)}))
        if answer.status_code not in (200, 201, 202):
            raise self._unexpected(answer)
        told: _Deleted = answer.read(_Deleted, '{"deleted": 1, "message": "success"}')
        if told.deleted > len(external_ids):
            said = f"{told.deleted} users will be deleted of {len(external_ids)}"
            raise self._vendor.strange(said, "those that were asked for")
        return told.deleted

    def _post(self, path: str, content: bytes) -> Answer:
        return self._vendor.request("POST", path, content=content, headers=_JSON)

    def _errors(self, answer: Answer, array: str, count: int) -> dict[int, str]:
        status = answer.status_code
        if status in _REFUSED_WHOLE:
            body = answer.mapping()
            message, errors, taken = str(body.get("message", "")), body.get("errors"), 0
        elif status in (200, 201, 202):
            expected = f'{{"message": "success", "{array}_processed": {count}, "errors": […]}}'
            tracked: _Tracked = answer.read(_Tracked, expected)
            if status == 202 or tracked.message.lower() == _QUEUED:
                return {}
            message, errors, processed = tracked.message, tracked.errors, tracked.processed(array)
            if processed is None:
                raise answer.unexpected(f"it does not say how many {array} were processed", expected)
            taken = processed
        else:
            raise self._unexpected(answer)
        wrong: dict[int, str] = {}
        # Of no stated form; one that is about an object has these three fields.
        unplaced = ""
        for error in errors if isinstance(errors, list) else ():
            told: dict[str, Any] = error if isinstance(error, dict) else {}
            place = told.get("index")
            if type(place) is int and 0 <= place < count and told.get("input_array") == array:
                wrong[place] = self._vendor.shown(str(told.get("type", "")))
            else:
                unplaced = self._vendor.shown(str(error))
        if taken + len(wrong) > count:
            said = f"HTTP {status}: {taken} processed and {len(wrong)} refused of {count} {array}"
            raise self._vendor.strange(said, "one or the other of each")
        if taken + len(wrong) != count:
            said = f"HTTP {status} {message}: {taken} of {count} {array} processed"
            # "Fatal errors" (400): no data of the request is accepted, https://www.braze.com/docs/api/errors.
            fatal = status in _REFUSED_WHOLE
            raise BatchRefused(str(status), unplaced or self._vendor.shown(said), nothing_done=fatal)
        return wrong

    def _unexpected(self, answer: Answer) -> DeliveryError:
        said = self._vendor.shown(f"HTTP {answer.status_code} {answer.text}")
        return self._vendor.refused(
            answer,
            "SLU-V500",
            f"Braze refuses a request: {said}",
            "the REST endpoint of the workspace's instance, such as rest.iad-01.braze.com",
            "correct the host in the connection's URL (Braze, Settings, APIs and Identifiers)",
        )


def _content(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False, allow_nan=False).encode()


def as_json(value: Any) -> Any:
    """A value as Braze takes it: moments in ISO 8601, whole decimals as integers."""
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, str):
        if len(value) > TEXT_CHARACTERS:
            raise Unwritable(f"Braze keeps {TEXT_CHARACTERS} characters of a text, this one has {len(value)}")
        return value
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float | Decimal):
        if not isfinite(value):
            raise Unwritable("Braze's numbers are finite")
        return (
            int(value) if isinstance(value, Decimal) and value == value.to_integral_value() else float(value)
        )
    if isinstance(value, datetime):
        value = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        if value.microsecond % 1000:
            raise Unwritable("Braze keeps moments to the millisecond; round the field in the export's model")
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return [as_json(one) for one in value]
    if isinstance(value, dict):
        return {str(name): as_json(one) for name, one in value.items()}
    raise Unwritable(f"Braze has no attributes of the kind {type(value).__name__}")


def takes(kind: SqlType) -> bool:
    """Whether `as_json` has a form for values of a type, whatever is within them."""
    return kind.name in _KNOWN


def unfit(value: str, kind: SqlType) -> Iterator[Unfit]:
    """Yield what `as_json` has no form for, or one that is another value."""
    if kind.name in TEXTS:
        yield Unfit(
            f"length({value}::varchar) > {TEXT_CHARACTERS}",
            f"Braze keeps {TEXT_CHARACTERS} characters of a text",
            "shorten it in the model",
        )
    yield from no_numbers(value, kind, _OF)
    yield from no_doubles(value, kind, _OF, whole=False)
    # "if the year is less than 0 or greater than 3000, Braze stores these values as strings"
    yield from days_outside(value, kind, 1, 3000, _OF)
    yield from finer_moments(value, kind, 3, _OF)


def _api_key(url: str) -> str:
    key = url.partition("://")[2].rpartition("@")[0].partition(":")[2]
    if not url.startswith("braze://") or not key:
        raise DeliveryError(
            "SLU-V001",
            "the connection's URL is not one of Braze (it is not shown, as it holds a secret)",
            "braze://:API_KEY@rest.iad-01.braze.com, with the host of the workspace's instance",
            "correct the connection's URL in the environment",
        )
    return unquote(key)
