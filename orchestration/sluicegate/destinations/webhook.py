"""Rows to any HTTPS address, as signed JSON: for receivers that no other destination knows.

Belongs here: the request, its signature, the meaning of the answers. Does not: pace, trying again
(`batches`).

Guarantee: effectively once. A request that is sent again carries the same `Idempotency-Key`
(draft-ietf-httpapi-idempotency-key-header-06, https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/),
and a receiver that remembers keys takes it once. Requests are signed as "Standard Webhooks" says, while a
secret is rotated with the new and the old one
(https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md).
"""

import json
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from importlib import import_module
from typing import Any, Literal, cast
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field

from .answers import COMMON, Answer, Line, Meaning
from .base import (
    ANYWHERE,
    TECHNICAL_COLUMNS,
    Capabilities,
    Change,
    Journal,
    KeyIdentity,
    Mode,
    Receipt,
    Refused,
    Scope,
    Shard,
)
from .batches import Batch, BatchDestination, BatchRefused, Rate, TryAgain
from .errors import DeliveryError
from .exact_values import check_kinds, nested, unfit_rows
from .http import VendorClient, base_url
from .json_values import json_value, unfit_for_json, unknown_to_json, written_as
from .signing import SignedAddress

_NAME = re.compile(r"[A-Za-z0-9_~-][A-Za-z0-9._~-]*(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*")
# Beyond these a reader that has only doubles, as JavaScript's, reads another number (RFC 8259, section 6).
_SAFE_INTEGER = 2**53 - 1
_SHAPE = '{"refused": [{"row": 0, "code": …, "message": …}], "removed": 0}, both optional, or an empty body'

# The first request of this key is still being worked on.
_BUSY = frozenset({409})
_REFUSED_WHOLE = frozenset({400, 413, 422})
DECISIONS: Sequence[Line] = (
    Line("200, 201, 202 or 204 with an empty body, or with `{}`", Meaning.TAKEN, "all rows are acknowledged"),
    Line(
        "2xx with a JSON object that has `refused`, `removed` or both, as documented",
        Meaning.REFUSED,
        "the rows that `refused` names are refused with its words, all others are acknowledged",
    ),
    Line(
        "2xx, whatever the body, with `answer: status` in `destination.options`",
        Meaning.TAKEN,
        "all rows are acknowledged: for a receiver that cannot be changed",
    ),
    Line(
        "400, 413, 422, whatever the body",
        Meaning.REFUSED,
        "the request is halved until the rows at fault stand alone; those are refused",
        _REFUSED_WHOLE,
    ),
    Line(
        "409",
        Meaning.TRY_AGAIN,
        "it may have been taken; the same request again, ever later",
        frozenset({409}),
    ),
    *COMMON,
)


class WebhookOptions(BaseModel):
    """What a receiver can bear: rows in a request, requests at once and in a span of time, big numbers.

    `big_numbers`: whole numbers beyond 2^53 - 1 are exact JSON numbers, or, for a receiver that reads those
    as doubles, `text`. `answer`: a body of 2xx has the form that receivers are told, or is not read at all
    (`status`), for those that cannot be changed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    batch_rows: int = Field(default=500, ge=1, le=10_000)
    parallel: int = Field(default=4, ge=1, le=16)
    rate_requests: int | None = Field(default=None, ge=1)
    rate_seconds: float = Field(default=1.0, gt=0)
    big_numbers: Literal["number", "text"] = "number"
    answer: Literal["documented", "status"] = "documented"


class _RefusedRow(BaseModel):
    """One row that a receiver refuses, by its place in the request."""

    row: int
    code: str | int | None = None
    message: str | None = None


class _Told(BaseModel):
    """What a receiver may say in the body of 2xx; further fields beside these are its own."""

    refused: list[_RefusedRow] | None = None
    removed: int | None = Field(default=None, ge=0)


class WebhookDestination(BatchDestination):
    """One path below the connection's address.

    A request's body has `delivery_id`, `export`, `partition_key`, `mode`, `full`, `complete` and `rows`. Each
    row has `change` (added, changed, removed), `key`, and `fields` (empty for a removed row). After a full
    shard with `mode: mirror` comes a request without rows and with `complete: true`: what else the receiver
    holds of the partition has to go; of all partitions, where that request has `whole: true`, as the
    receiver is to hold the newest partition alone.
    """

    type_name = "webhook"
    guarantee = (
        "effectively once, if the receiver remembers idempotency keys; otherwise at least once; a request"
        " that was on its way when its process was stopped may arrive after newer ones"
    )
    capabilities = Capabilities(
        modes=frozenset({Mode.APPEND, Mode.UPSERT, Mode.MIRROR}),
        read_back=False,
        delete=True,
        # Keys are JSON values, and a receiver may look for one in all that it holds.
        keys=KeyIdentity(anywhere=ANYWHERE),
    )
    kinds = frozenset({"webhook"})
    options_model = WebhookOptions
    batch_rows = 500
    takes_hugeint = True

    @classmethod
    def canonical_name(cls, object_name: str) -> str:
        """The path without slashes at its ends.

        Raises:
            DeliveryError: it is no path of plain names.
        """
        name = object_name.strip("/")
        if not _NAME.fullmatch(name):
            raise DeliveryError(
                "SLU-V004",
                f"destination.object {object_name!r} is no path",
                "names of letters, digits and . _ ~ -, with / between them, as in crm/customers",
                "correct destination.object in the export file",
            )
        return name

    def canonical_object(self) -> str:
        """The address that is posted to, without secrets.

        Raises:
            DeliveryError: the connection's URL names no host.
        """
        return f"{base_url(self._url)}{self._path()}"

    @classmethod
    def key_written(cls, kind: str, options: BaseModel) -> str:
        """JSON tells a number from the text that writes it; and so may its reader."""
        return written_as(kind, big_as_text=cast("WebhookOptions", options).big_numbers == "text")

    def rows_a_batch(self) -> int:
        """As the options say."""
        return self._webhook_options.batch_rows

    def requests_at_once(self) -> int:
        """As the options say."""
        return self._webhook_options.parallel

    def rate_allowed(self) -> Rate | None:
        """As the options say."""
        options = self._webhook_options
        return Rate(options.rate_requests, options.rate_seconds) if options.rate_requests else None

    def check(self, shard: Shard) -> None:
        """Raise DeliveryError for a secret that cannot sign, and fields that JSON has no form for."""
        _ = self._signed.keys
        known = "text, numbers, booleans, dates, times, binary, and lists and structures of them"
        check_kinds(shard, lambda kind: kind.name != "VARIANT", "a webhook", known)
        for field in import_module("pyarrow.parquet").read_schema(shard.path):
            if field.name not in TECHNICAL_COLUMNS and unknown_to_json(field.type):
                raise DeliveryError(
                    "SLU-V702",
                    f"field {field.name!r} of {shard.export} is of type {field.type}",
                    known,
                    "cast it in the export's model",
                )

    def offline(self) -> bool:
        """Its values are judged by rules that stand here."""
        return True

    def inexact(self, shard: Shard) -> Sequence[Refused]:
        """Return the rows with values that have no form in ISO 8601."""
        return unfit_rows(shard, lambda _, value, kind: nested(value, kind, unfit_for_json))

    def send(self, shard: Shard, journal: Journal) -> Receipt:
        """As every `BatchDestination`."""
        # Made here, once: in the senders it would be made several times, and count as a slow answer.
        _ = self._client
        return super().send(shard, journal)

    def send_batch(self, shard: Shard, batch: Batch) -> Sequence[Refused]:
        """Post one batch."""
        rows = [self._row(shard.key, row.change, row.values) for row in batch.rows]
        answer = self._post(batch.id, _head(shard) | {"complete": False, "rows": rows})
        return [
            Refused(batch.rows[place].number, code, said)
            for place, code, said in self._refusals(*answer, len(batch.rows))
        ]

    def finish(self, shard: Shard) -> None:
        """Tell the receiver that a full shard has come whole."""
        body = _head(shard) | {"complete": True, "rows": []}
        if shard.partition_column is None:
            body["whole"] = True
        self._refusals(*self._post(f"{shard.delivery_id}-complete", body), 0)

    def forget(self, scope: Scope, keys: Sequence[Mapping[str, Any]]) -> int:
        """Post removed rows; count those that the receiver says were there, all where it does not say."""
        there = 0
        for first in range(0, len(keys), self.rows_a_batch()):
            part = keys[first : first + self.rows_a_batch()]
            rows = [self._row(scope.key, Change.REMOVED, key) for key in part]
            # New each time: a key may come back and be forgotten again.
            name = f"forget-{uuid4().hex}"
            body = {
                "delivery_id": name,
                "export": scope.export,
                "partition_key": scope.partition_key,
                "mode": Mode.MIRROR.value,
                "full": False,
                "complete": False,
                "rows": rows,
            }
            answer, told = self.insist(lambda name=name, body=body: self._post(name, body))
            kept = self._refusals(answer, told, len(part))
            if kept:
                raise DeliveryError(
                    "SLU-V701",
                    f"{self.canonical_object()} keeps {len(kept)} of {len(part)} keys: {kept[0][2]}",
                    "all of them removed",
                    "have the receiver say why, then forget the keys again",
                )
            there += len(part) if told.removed is None else told.removed
        return there

    @property
    def _webhook_options(self) -> WebhookOptions:
        return cast("WebhookOptions", self._options)

    @cached_property
    def _client(self) -> VendorClient:
        return VendorClient(self._url, headers={"content-type": "application/json"}, left=self.seconds_left)

    @cached_property
    def _signed(self) -> SignedAddress:
        return SignedAddress(self._url)

    def _path(self) -> str:
        return "/" + "/".join(filter(None, [self._signed.path, self.canonical_name(self._object_name)]))

    def _form(self, value: Any) -> Any:
        """A value as JSON has it, big numbers as the options say."""
        made = json_value(value)
        return made if self._webhook_options.big_numbers == "number" else _big_as_text(made)

    def _row(self, key: Sequence[str], change: Change, values: Mapping[str, Any]) -> dict[str, Any]:
        fields = {} if change is Change.REMOVED else values
        return {
            "change": change.value,
            "key": {name: self._form(values[name]) for name in key},
            "fields": {name: self._form(value) for name, value in fields.items()},
        }

    def _post(self, name: str, body: Mapping[str, Any]) -> tuple[Answer, _Told]:
        content = json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
        answer = self._client.request(
            "POST",
            self._signed.target(self._path()),
            content=content,
            headers=self._signed.headers(name, content),
        )
        return answer, self._understood(answer)

    def _understood(self, answer: Answer) -> _Told:
        """What a body says; nothing where it is empty, or is not to be read."""
        status = answer.status_code
        if 200 <= status < 300:
            return self._read(answer)
        said = self._client.shown(answer.text)
        if status in _REFUSED_WHOLE:
            raise BatchRefused(str(status), said, nothing_done=True)
        if status in _BUSY:
            raise TryAgain(f"HTTP {status} {said}")
        raise self._client.refused(
            answer,
            "SLU-V700",
            f"{self.canonical_object()} answers HTTP {status} {said}".rstrip(),
            "2xx; 400, 413 or 422 for rows that it does not take; 429 or 5xx for later",
            "correct the connection's URL or destination.object, or have the receiver fixed",
        )

    def _read(self, answer: Answer) -> _Told:
        if self._webhook_options.answer == "status":
            return _Told()
        expected = f"{_SHAPE}; or `answer: status` in destination.options, if a status of 2xx alone says it"
        if not answer.content.strip() and not answer.wrong:
            if answer.status_code in (200, 201, 202, 204):
                return _Told()
            raise answer.unexpected("it has no body", expected)
        told: _Told = answer.read(_Told, expected)
        if not told.model_fields_set and answer.json(expected):
            raise answer.unexpected("it has neither `refused` nor `removed`", expected)
        return told

    def _refusals(self, answer: Answer, told: _Told, rows: int) -> Sequence[tuple[int, str, str]]:
        """Places in the batch, codes and words of the rows that an answer refuses."""
        found: dict[int, tuple[int, str, str]] = {}
        for one in told.refused or ():
            if not 0 <= one.row < rows:
                raise answer.unexpected(
                    f"it refuses a row that was not sent, {one.row} of {rows}",
                    "`row` is the place in `rows` of the request, from 0",
                )
            code = "" if one.code is None else str(one.code)
            found[one.row] = (one.row, code, one.message or "")
        return list(found.values())


def _big_as_text(made: Any) -> Any:
    """A JSON value with whole numbers that are no exact double as text, however deep they are."""
    if isinstance(made, dict):
        return {name: _big_as_text(part) for name, part in cast("dict[str, Any]", made).items()}
    if isinstance(made, list):
        return [_big_as_text(part) for part in cast("list[Any]", made)]
    if isinstance(made, int) and abs(made) > _SAFE_INTEGER:
        return str(made)
    return made


def _head(shard: Shard) -> dict[str, Any]:
    return {
        "delivery_id": shard.delivery_id,
        "export": shard.export,
        "partition_key": shard.partition_key,
        "mode": shard.mode.value,
        "full": shard.full,
    }
