"""Rows to any HTTPS address, as signed JSON: for receivers that no other destination knows.

Belongs here: the request, its signature, the meaning of the answers. Does not: pace, trying again
(`batches`).

Guarantee: effectively once. A request that is sent again carries the same `Idempotency-Key`
(draft-ietf-httpapi-idempotency-key-header-06, https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/),
and a receiver that remembers keys takes it once. Requests are signed as "Standard Webhooks" says, while a
secret is rotated with the new and the old one
(https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md).
"""

import base64
import binascii
import hmac
import json
import re
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from importlib import import_module
from typing import Any, Literal, cast
from urllib.parse import unquote
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field

from orchestration.compute.alike import is_whole_number
from orchestration.compute.sql_types import SqlType, UnknownType, parse_type

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
from .exact_values import nested, unfit_rows
from .http import VendorClient, base_url
from .json_values import json_value, unfit_for_json, unknown_to_json

_NAME = re.compile(r"[A-Za-z0-9_~-][A-Za-z0-9._~-]*(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*")
_SECRET_PREFIX = "whsec_"  # noqa: S105 - how "Standard Webhooks" marks a secret that is base64
# In the query of the connection's URL; such a name is a secret to `secrets_in`, and is shown nowhere.
_PREVIOUS = "previous_secret"
# Beyond these a reader that has only doubles, as JavaScript's, reads another number (RFC 8259, section 6).
_SAFE_INTEGER = 2**53 - 1


_BIG = frozenset({"BIGINT", "UBIGINT", "HUGEINT", "UHUGEINT"})
_BIG_WRITTEN = {"number": "a number", "text": "a number, and a text beyond 2^53 - 1"}


class WebhookOptions(BaseModel):
    """What a receiver can bear: rows in a request, requests at once and in a span of time, big numbers.

    `big_numbers`: whole numbers beyond 2^53 - 1 are exact JSON numbers, or, for a receiver that reads those
    as doubles, `text`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    batch_rows: int = Field(default=500, ge=1, le=10_000)
    parallel: int = Field(default=4, ge=1, le=16)
    rate_requests: int | None = Field(default=None, ge=1)
    rate_seconds: float = Field(default=1.0, gt=0)
    big_numbers: Literal["number", "text"] = "number"


class WebhookDestination(BatchDestination):
    """One path below the connection's address.

    A request's body has `delivery_id`, `export`, `partition_key`, `mode`, `full`, `complete` and `rows`. Each
    row has `change` (added, changed, removed), `key`, and `fields` (empty for a removed row). After a full
    shard with `mode: mirror` comes a request without rows and with `complete: true`: what else the receiver
    holds of the partition has to go; of all partitions, where that request has `whole: true`, as the
    receiver is to hold the newest partition alone.
    """

    type_name = "webhook"
    guarantee = "effectively once, if the receiver remembers idempotency keys; otherwise at least once"
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

    @classmethod
    def canonical_name(cls, object_name: str) -> str:
        """The path without slashes at its ends.

        Raises:
            DeliveryError: it is no path of plain names.
        """
        name = object_name.strip("/")
        if not _NAME.fullmatch(name):
            raise DeliveryError(
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
        big_numbers = cast("WebhookOptions", options).big_numbers
        try:
            return _written(parse_type(kind), big_numbers)
        except UnknownType:  # its members are not told: there may be such a number among them
            return _BIG_WRITTEN[big_numbers]

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
        self._signing_keys()
        parquet = import_module("pyarrow.parquet")
        for field in parquet.read_schema(shard.path):
            if field.name not in TECHNICAL_COLUMNS and unknown_to_json(field.type):
                raise DeliveryError(
                    f"field {field.name!r} of {shard.export} is of type {field.type}",
                    "text, numbers, booleans, dates, times, binary, and lists and structures of them",
                    "cast it in the export's model",
                )

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
            for place, code, said in self._refusals(answer, len(batch.rows))
        ]

    def finish(self, shard: Shard) -> None:
        """Tell the receiver that a full shard has come whole."""
        body = _head(shard) | {"complete": True, "rows": []}
        if shard.partition_column is None:
            body["whole"] = True
        self._post(f"{shard.delivery_id}-complete", body)

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
            answer = self.insist(lambda name=name, body=body: self._post(name, body))
            told = answer.get("removed")
            there += told if isinstance(told, int) else len(part)
        return there

    @property
    def _webhook_options(self) -> WebhookOptions:
        return cast("WebhookOptions", self._options)

    @cached_property
    def _client(self) -> VendorClient:
        return VendorClient(self._url, headers={"content-type": "application/json"})

    def _path(self) -> str:
        rest = self._url.partition("://")[2].partition("?")[0].rpartition("@")[2]
        above = rest.partition("/")[2].strip("/")
        return "/" + "/".join(filter(None, [above, self.canonical_name(self._object_name)]))

    def _signing_keys(self) -> list[bytes]:
        """The bytes that sign: those of the URL's password, then those of the secrets before it."""
        address, _, query = self._url.partition("://")[2].partition("?")
        pairs = [pair.partition("=") for pair in query.split("&")]
        secrets = [address.rpartition("@")[0].partition(":")[2]]
        secrets += [value for name, _, value in pairs if name == _PREVIOUS]
        keys = [_key(unquote(secret)) for secret in secrets]
        if not all(keys):
            raise DeliveryError(
                "the connection's URL has no secret to sign with",
                "webhook://:SECRET@host/path, where SECRET is text, or base64 after whsec_; while it is"
                f" rotated ?{_PREVIOUS}=OLD_SECRET as well",
                "set the connection's variable to such a URL; the receiver verifies with the same secret",
            )
        return list(dict.fromkeys(keys))

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

    def _post(self, name: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        content = json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
        moment = str(int(time.time()))
        told = self._url.partition("?")[2].split("&")
        query = "&".join(pair for pair in told if pair.partition("=")[0] != _PREVIOUS)
        answer = self._client.request(
            "POST",
            f"{self._path()}?{query}" if query else self._path(),
            content=content,
            headers={
                # A structured field of type string, so in quotes.
                "idempotency-key": f'"{name}"',
                "webhook-id": name,
                "webhook-timestamp": moment,
                "webhook-signature": " ".join(
                    signature(key, name, moment, content) for key in self._signing_keys()
                ),
            },
        )
        return self._understood(answer.status_code, answer.text)

    def _understood(self, status: int, text: str) -> Mapping[str, Any]:
        """The answer's object, empty if it has none."""
        if 200 <= status < 300:
            try:
                found: Any = json.loads(text) if text.strip() else {}
            except ValueError:
                return {}
            return cast("Mapping[str, Any]", found) if isinstance(found, dict) else {}
        said = self._client.shown(text)
        if status in (400, 413, 422):
            raise BatchRefused(str(status), said, nothing_done=True)
        # 408: too slow for the receiver; 409: the first request of this key is still being worked on.
        if status in (408, 409):
            raise TryAgain(f"HTTP {status} {said}")
        raise DeliveryError(
            f"{self.canonical_object()} answers HTTP {status} {said}".rstrip(),
            "2xx; 400, 413 or 422 for rows that it does not take; 429 or 5xx for later",
            "correct the connection's URL or destination.object, or have the receiver mended",
        )

    def _refusals(self, answer: Mapping[str, Any], rows: int) -> Sequence[tuple[int, str, str]]:
        """Places in the batch, codes and words of the rows that an answer refuses."""
        found: dict[int, tuple[int, str, str]] = {}
        for entry in cast("Sequence[Any]", answer.get("refused") or ()):
            place: Any = entry.get("row") if isinstance(entry, dict) else None
            if not isinstance(place, int) or not 0 <= place < rows:
                raise DeliveryError(
                    f"{self.canonical_object()} refuses a row that was not sent",
                    f'{{"refused": [{{"row": 0 to {rows - 1}, "code": …, "message": …}}]}}',
                    "have the receiver mended: `row` is the place in `rows` of the request, from 0",
                )
            found[place] = (place, str(entry.get("code", "")), str(entry.get("message", "")))
        return list(found.values())


def signature(key: bytes, name: str, moment: str, content: bytes) -> str:
    """What "Standard Webhooks" has in `webhook-signature` for a message of this name, moment and content."""
    signed = f"{name}.{moment}.".encode() + content
    return f"v1,{base64.b64encode(hmac.digest(key, signed, 'sha256')).decode()}"


def _key(secret: str) -> bytes:
    """The bytes of a secret: base64 after `whsec_`, otherwise its UTF-8; none of what is no base64."""
    if not secret.startswith(_SECRET_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(_SECRET_PREFIX), validate=True)
    except binascii.Error:
        return b""


def _big_as_text(made: Any) -> Any:
    """A JSON value with whole numbers that are no exact double as text, however deep they are."""
    if isinstance(made, dict):
        return {name: _big_as_text(part) for name, part in cast("dict[str, Any]", made).items()}
    if isinstance(made, list):
        return [_big_as_text(part) for part in cast("list[Any]", made)]
    if isinstance(made, int) and abs(made) > _SAFE_INTEGER:
        return str(made)
    return made


def _written(kind: SqlType, big_numbers: str) -> str:
    """How values of a type are written, where that depends on more than the family of the type."""
    if kind.name == "DECIMAL":
        return "a text"
    if kind.name in _BIG:
        return _BIG_WRITTEN[big_numbers]
    if is_whole_number(kind.name):
        return "a number"
    return ", ".join(filter(None, dict.fromkeys(_written(part, big_numbers) for _, part in kind.members)))


def _head(shard: Shard) -> dict[str, Any]:
    return {
        "delivery_id": shard.delivery_id,
        "export": shard.export,
        "partition_key": shard.partition_key,
        "mode": shard.mode.value,
        "full": shard.full,
    }
