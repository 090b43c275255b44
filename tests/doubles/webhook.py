"""A webhook receiver as it ought to be: it verifies, it remembers keys, it refuses what it was not promised.

Belongs here: what our webhook's documentation promises to a receiver. Does not: expectations.

Follows "Standard Webhooks" for signatures (five minutes of tolerance, constant-time comparison, several
signatures in a header while a secret is rotated, a message known by its `webhook-id`;
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md) and
draft-ietf-httpapi-idempotency-key-header-06 for keys: 400 where one lacks, 422 where it comes with another
request (https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/).
"""

import asyncio
import base64
import hashlib
import hmac
import json
import re
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .serving import LostAnswer

_TOLERANCE_SECONDS = 300
_BODY_FIELDS = {"delivery_id", "export", "partition_key", "mode", "full", "complete", "rows"}
_ROW_FIELDS = {"change", "key", "fields"}
_SIGNATURE_FORM = re.compile(r"v1,[A-Za-z0-9+/]{43}=")
_KEY_FORM = re.compile(r'"([\x20-\x21\x23-\x5b\x5d-\x7e]+)"')

Judge = Callable[[Mapping[str, Any]], bool]


@dataclass
class Held:
    """One row that the receiver holds."""

    partition_key: str
    delivery_id: str
    fields: dict[str, Any]


class Answered(Exception):
    """A request is answered otherwise than by taking it."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.response = JSONResponse({"message": message}, status, headers)


@dataclass
class WebhookDouble:
    """The receiver's state and its faults; `app` is served.

    Attributes:
        secret: what requests are signed with.
        accepts: more secrets that this receiver verifies with, while one is rotated.
        signatures: how many each request came with, in the order of arrival.
        max_rows: more in a request are answered with 413.
        rate: (requests, seconds): more requests in a window are answered with 429 and `Retry-After`.
        faults: what happens to the next requests, first come first served: "429", "503", "401", "lost"
            (taken, but the answer does not arrive), "ok".
        refuses: rows (their fields) that are refused one by one, under HTTP 207.
        poison: rows that make the whole request be answered with 422, without saying which.
        stumbles: rows that make the whole request be answered with 500, each time.
        echoes: what is said of rows that are refused repeats them, as many a receiver's answer does.
        takes_seconds: how long each request is worked on.
        most_at_once: how many requests were worked on at a time, at most.
        misnumbers: is added to the number of every row that is refused one by one.
        changes: the kind of each request's rows, in the order of arrival.
        received, taken, replayed, twice: rows that came; that were applied; of requests that were known by
            their key; and that were applied with the content that was held already.
    """

    secret: bytes
    accepts: Sequence[bytes] = ()
    signatures: list[int] = field(default_factory=list[int])
    max_rows: int = 10_000
    rate: tuple[int, float] | None = None
    retry_after: str = "1"
    faults: deque[str] = field(default_factory=deque[str])
    refuses: Judge = field(default=lambda fields: False)
    poison: Judge = field(default=lambda fields: False)
    stumbles: Judge = field(default=lambda fields: False)
    echoes: bool = False
    takes_seconds: float = 0.0
    most_at_once: int = 0
    misnumbers: int = 0
    held: dict[str, list[Held]] = field(default_factory=dict[str, list[Held]])
    changes: list[str] = field(default_factory=list[str])
    arrivals: list[float] = field(default_factory=list[float])
    statuses: list[int] = field(default_factory=list[int])
    received: int = 0
    taken: int = 0
    replayed: int = 0
    twice: int = 0

    def __post_init__(self) -> None:
        self._known: dict[str, tuple[str, int, Any]] = {}
        self._at_once = 0
        self.app = Starlette(routes=[Route("/{path:path}", self._receive, methods=["POST"])])

    async def _receive(self, request: Request) -> Response:
        content = await request.body()
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        await asyncio.sleep(self.takes_seconds)
        self._at_once -= 1
        fault = self.faults.popleft() if self.faults else "ok"
        try:
            self._hold_back(fault)
            key = self._verified(request, content)
            answer = self._answer(request.path_params["path"], key, content)
        except Answered as other:
            answer = other.response
        self.statuses.append(answer.status_code)
        return LostAnswer() if fault == "lost" else answer

    def _hold_back(self, fault: str) -> None:
        """Answer 429 or worse, before anything is looked at."""
        if fault == "429":
            raise Answered(429, "too many requests", {"retry-after": self.retry_after})
        if fault not in ("ok", "lost"):
            raise Answered(int(fault), "not now")
        if self.rate is not None:
            now, (most, seconds) = time.monotonic(), self.rate
            if sum(arrival > now - seconds for arrival in self.arrivals[-most:]) >= most:
                raise Answered(429, "too many requests", {"retry-after": self.retry_after})
            self.arrivals.append(now)

    def _verified(self, request: Request, content: bytes) -> str:
        """The idempotency key of a request that is ours, and in form."""
        if request.headers.get("content-type", "").partition(";")[0] != "application/json":
            raise Answered(415, "application/json alone")
        name, moment = (request.headers.get(f"webhook-{part}", "") for part in ("id", "timestamp"))
        if not name or not moment.isdigit() or abs(time.time() - int(moment)) > _TOLERANCE_SECONDS:
            raise Answered(401, "no webhook-id, or a webhook-timestamp that is not of now")
        message = f"{name}.{moment}.".encode() + content
        signatures = request.headers.get("webhook-signature", "").split(" ")
        self.signatures.append(len(signatures))
        if not all(map(_SIGNATURE_FORM.fullmatch, signatures)) or len(set(signatures)) < len(signatures):
            raise Answered(401, "webhook-signature is no list of signatures with spaces between")
        good = [_signature(secret, message) for secret in (self.secret, *self.accepts)]
        if not any(hmac.compare_digest(one, signature) for one in good for signature in signatures):
            raise Answered(401, "the signature is not that of the content")
        key = _KEY_FORM.fullmatch(request.headers.get("idempotency-key", ""))
        if key is None:
            raise Answered(400, "no Idempotency-Key in the form of a quoted text")
        # One message is known by one name, whichever of the two headers a receiver remembers.
        if key[1] != name:
            raise Answered(400, "webhook-id is another than Idempotency-Key")
        return key[1]

    def _answer(self, name: str, key: str, content: bytes) -> Response:
        digest = hashlib.sha256(content).hexdigest()
        rows = len(json.loads(content).get("rows", ()))
        self.received += rows
        if known := self._known.get(key):
            if known[0] != digest:
                raise Answered(422, "this Idempotency-Key came with another request")
            self.replayed += rows
            return JSONResponse(known[2], known[1])
        status, answer = self._take(name, json.loads(content))
        self._known[key] = (digest, status, answer)
        return JSONResponse(answer, status)

    def _take(self, name: str, body: Any) -> tuple[int, Any]:
        fields = _BODY_FIELDS | ({"whole"} if body.get("complete") and "whole" in body else set())
        if set(body) != fields:
            raise Answered(400, f"fields {sorted(set(body) ^ fields)} lack or are unknown")
        rows: list[Any] = body["rows"]
        if len(rows) > self.max_rows:
            raise Answered(413, f"more than {self.max_rows} rows")
        for row in rows:
            removed = row.get("change") == "removed"
            if (
                set(row) != _ROW_FIELDS
                or row["change"] not in ("added", "changed", "removed")
                or not row["key"]
            ):
                raise Answered(400, "a row has other fields, or a change that there is none of")
            if removed == bool(row["fields"]) or len({row["change"] for row in rows}) > 1:
                raise Answered(400, "removed rows have no fields, others have; one change in a request")
        if len({_text(row["key"]) for row in rows}) != len(rows):
            raise Answered(422, "a key stands twice in the request")
        if any(self.poison(row["fields"] or row["key"]) for row in rows):
            raise Answered(422, self._said("something in the rows is wrong", rows))
        if any(self.stumbles(row["fields"] or row["key"]) for row in rows):
            raise Answered(500, self._said("internal server error", rows))
        self.changes += {row["change"] for row in rows}
        refused = [place for place, row in enumerate(rows) if self.refuses(row["fields"] or row["key"])]
        removed = sum(
            self._apply(name, body, row) for place, row in enumerate(rows) if place not in set(refused)
        )
        # A row that is refused was named all the same: what is held of it stays when the rest goes.
        for other in self.held.get(name, []):
            if any(_has(other.fields, rows[place]["key"]) for place in refused):
                other.delivery_id = body["delivery_id"]
        self.taken += len(rows) - len(refused)
        if body["complete"]:
            removed += self._complete(name, body)
        told = [
            {
                "row": place + self.misnumbers,
                "code": "NOT_WANTED",
                "message": self._said("this row is not wanted", rows[place]),
            }
            for place in refused
        ]
        return (207 if refused else 200), {"refused": told, "removed": removed}

    def _said(self, words: str, of: Any) -> str:
        return f"{words}: {json.dumps(of)} {of!r}" if self.echoes else words

    def _apply(self, name: str, body: Any, row: Any) -> int:
        """Add, change or remove one row; returns how many were removed."""
        held = self.held.setdefault(name, [])
        same = [other for other in held if _has(other.fields, row["key"])]
        if row["change"] == "removed":
            self.held[name] = [other for other in held if other not in same]
            return len(same)
        self.twice += any(other.fields == row["fields"] for other in same)
        new = Held(body["partition_key"], body["delivery_id"], row["fields"])
        if body["mode"] != "append":
            held = [other for other in held if other not in same]
        self.held[name] = [*held, new]
        return 0

    def _complete(self, name: str, body: Any) -> int:
        """Remove what the partition holds of other deliveries; or what all hold, if the load is the whole."""
        held = self.held.get(name, [])
        kept = [
            row
            for row in held
            if (row.partition_key != body["partition_key"] and not body.get("whole"))
            or row.delivery_id == body["delivery_id"]
        ]
        self.held[name] = kept
        return len(held) - len(kept)

    def contents(self, name: str) -> Sequence[Mapping[str, Any]]:
        """What is held under a path."""
        return [row.fields for row in self.held.get(name, [])]


def _signature(secret: bytes, message: bytes) -> str:
    return f"v1,{base64.b64encode(hmac.digest(secret, message, 'sha256')).decode()}"


def _text(key: Any) -> str:
    return json.dumps(key, sort_keys=True)


def _has(fields: Mapping[str, Any], key: Mapping[str, Any]) -> bool:
    return all(fields.get(name) == value for name, value in key.items())
