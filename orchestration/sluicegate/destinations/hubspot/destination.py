"""HubSpot: records of a CRM object type, found by a property with unique values.

Belongs here: which requests a shard becomes, and whose row an error is. Does not: requests themselves
(`client`), texts of values (`values`), pace and repetition (`batches`).
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from itertools import islice
from typing import Any, ClassVar, TypeVar
from urllib.parse import unquote

from pydantic import BaseModel, ConfigDict, Field

from ..base import (
    ANYWHERE,
    Alike,
    Capabilities,
    Change,
    DeliveryError,
    KeyIdentity,
    Mode,
    Refused,
    Scope,
    Shard,
)
from ..batches import Batch, BatchDestination, BatchRefused, Rate
from ..cutting import Row
from ..exact_values import unfit_rows
from ..http import base_url
from ..strangers import strangers
from .associations import Association, Associations, Input
from .client import BATCH, NUMBERED, HubSpotClient, fits_url
from .values import Unwritable, as_text, check_fields, check_key, lies_in, text_columns, unfit

_T = TypeVar("_T")
_STAGE = "lifecyclestage"
_OBJECT = re.compile(r"[a-z0-9_-]+")
# A custom object goes by its fully qualified name or its type id.
_PLURAL = {
    "contact": "contacts",
    "0-1": "contacts",
    "company": "companies",
    "0-2": "companies",
    "deal": "deals",
    "0-3": "deals",
    "ticket": "tickets",
    "0-5": "tickets",
    "product": "products",
    "0-7": "products",
    "line_item": "line_items",
    "0-8": "line_items",
}


class HubSpotOptions(BaseModel):
    """What an export file may say about HubSpot.

    `requests_in_10_seconds`: what the account allows a private app: 190 in Professional and Enterprise
    accounts, 100 in Free and Starter ones, 250 with the API limit increase.
    `api_version`: `v3`, which HubSpot answers until September 2027, or a date as in `2026-09`.
    `associations`: fields that name a record of another type, which the row's record is associated with.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    requests_in_10_seconds: int = Field(default=190, ge=1, le=250)
    # HubSpot ships a version each March and September.
    api_version: str = Field(default=NUMBERED, pattern=r"^(v3|20[2-9]\d-(03|09))$")
    associations: tuple[Association, ...] = ()


class HubSpotDestination(BatchDestination):
    """Records of an object type (`contacts`, `companies`, `2-1234567`, …), by one key property.

    The connection is `hubspot://[ACCOUNT_ID]:TOKEN@api.hubapi.com`, with a private app's access token; the
    account's id tells two accounts apart that exports of one company write to.

    A null clears the property, and so does an empty list; texts that HubSpot would trim, and addresses that
    it would write small, are refused. A lifecycle stage that changes is cleared first. A record that a mirror
    removes is archived, and stays in HubSpot's recycling bin for 90 days.
    A mirror keeps away from records without a value of the key. What was written is read back from the list
    of records; the values are text, as HubSpot keeps them.
    """

    type_name: ClassVar[str] = "hubspot"
    guarantee: ClassVar[str] = (
        "effectively once: a row is written by its key, so that what arrives again changes nothing more;"
        " a request that was on its way when its process was stopped may arrive after newer ones"
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        modes=frozenset({Mode.UPSERT, Mode.MIRROR}),
        read_back=True,
        delete=True,
        folds_text=True,
        keys=KeyIdentity(frozenset({Alike.TRIMMED, Alike.TEXT}), single=True, anywhere=ANYWHERE),
    )
    kinds: ClassVar[frozenset[str]] = frozenset({"hubspot"})
    batch_rows: ClassVar[int] = BATCH
    # HubSpot takes up to a second for 100 records: fewer at once would not reach its rate.
    parallel: ClassVar[int] = 12
    options_model: ClassVar[type[BaseModel]] = HubSpotOptions

    def __init__(self, url: str, object_name: str, options: Any = None) -> None:
        super().__init__(url, object_name, options)
        self._type = self.canonical_name(object_name)
        self._portal, self._token = _credentials(url)
        self._host = base_url(url).partition("://")[2]
        options = HubSpotOptions.model_validate(self._options.model_dump())
        self._hubspot = HubSpotClient(url, self._token, self._type, options.api_version, self.seconds_left)
        self._requests = options.requests_in_10_seconds
        linked = [(one, self.canonical_name(one.object)) for one in options.associations]
        self._associations = Associations(self._hubspot, linked, self.in_turn)

    @classmethod
    def canonical_name(cls, object_name: str) -> str:
        """The object type as HubSpot's paths have it: plural, or a custom type's id."""
        name = object_name.strip().lower()
        if not _OBJECT.fullmatch(name):
            raise DeliveryError(
                "SLU-V004",
                f"{object_name!r} is no object type of HubSpot",
                "contacts, companies, deals, tickets, products, or a custom object's type id like 2-1234567",
                "correct destination.object in the export file",
            )
        return _PLURAL.get(name, name)

    def canonical_object(self) -> str:
        """One spelling for one object type of one account."""
        return f"hubspot://{f'{self._portal}@' if self._portal else ''}{self._host}/{self._type}"

    def account(self) -> str:
        """The private app, whether the connection's URL names the account or not: it has the limit."""
        return "\n".join(("hubspot", self._host, self._token))

    def rate_allowed(self) -> Rate:
        """What the account allows the app."""
        return Rate(self._requests, 10.0)

    def key_alike(self, key: Mapping[str, str]) -> Mapping[str, frozenset[Alike]]:
        """What the capabilities say, and for a contact's address: capital letters are small ones."""
        is_contact = self._type == "contacts"
        alike = self.capabilities.keys.alike
        return {name: alike | ({Alike.CASE} if is_contact and name == "email" else set()) for name in key}

    def check(self, shard: Shard) -> None:
        """Raise unless every field is a property that can be written, and the key one with unique values."""
        properties = self.insist(self._hubspot.properties)
        check_fields(shard, properties, self._type)
        check_key(shard, properties, self._type, removes=shard.mode is Mode.MIRROR)
        self._associations.check(shard, self.insist)

    def inexact(self, shard: Shard) -> Sequence[Refused]:
        """Return the rows with values that no property can hold."""
        properties = self.insist(self._hubspot.properties)
        return unfit_rows(
            shard, lambda name, value, kind: unfit(properties[name], value, kind, is_key=name in shard.key)
        )

    def send_batch(self, shard: Shard, batch: Batch) -> Sequence[Refused]:
        """Upsert or archive up to 100 records, and say which of them HubSpot refused."""
        key = shard.key[0]
        if batch.rows[0].change is Change.REMOVED:
            ids = self._hubspot.ids_of(key, [as_text(row.values[key]) for row in batch.rows])
            if ids:
                self.in_turn(lambda: self._hubspot.archive(ids))
            return []
        inputs, refused = _inputs(key, batch.rows)
        if inputs:
            asked = self._clear_stages(key, inputs)
            refused += self.in_turn(lambda: self._write(key, inputs)) if asked else self._write(key, inputs)
        return refused

    def _write(self, key: str, inputs: Sequence[Input]) -> list[Refused]:
        if self._associations:
            return self._associations.write(key, inputs, self._upsert, self._update)
        return self._upsert(inputs)[1]

    def unwritable(self, shard: Shard, rows: Sequence[Row]) -> Sequence[Refused]:
        """Return the rows with a value that no property can hold."""
        return _inputs(shard.key[0], [row for row in rows if row.change is not Change.REMOVED])[1]

    def _clear_stages(self, key: str, inputs: Sequence[Input]) -> bool:
        """Clear the lifecycle stages that will be others; return whether anything was asked for.

        HubSpot keeps a later stage, and says nothing: to set an earlier one, "you will first need to set the
        value to" an empty text.
        https://developers.hubspot.com/docs/api-reference/legacy/crm/objects/contacts/v1/post-contacts-v1-contact-email-email-profile
        """
        stages = {one["id"]: stage for one in inputs if (stage := one["properties"].get(_STAGE))}
        if not stages:
            return False
        held = self._hubspot.read([*stages], [key, _STAGE], key)
        by_key = {text.strip().lower(): stage for text, stage in stages.items()}
        others = [
            {"id": str(record["id"]), "properties": {_STAGE: ""}}
            for record in held
            if (there := (record["properties"] or {}).get(_STAGE))
            and there != by_key.get(str(record["properties"].get(key)).strip().lower(), there)
        ]
        if others:
            self.in_turn(lambda: self._hubspot.update(others))
        return True

    def _upsert(self, inputs: Sequence[Input]) -> tuple[Mapping[str, str], list[Refused]]:
        """Write records by their key; return their ids by row, and the refused rows."""
        return self._answered(self._hubspot.upsert(inputs), inputs)

    def _update(self, inputs: Sequence[Input]) -> tuple[Mapping[str, str], list[Refused]]:
        """As `_upsert`, by the records' ids."""
        return self._answered(self._hubspot.update(inputs), inputs)

    def _answered(
        self, answer: Mapping[str, Any], inputs: Sequence[Input]
    ) -> tuple[Mapping[str, str], list[Refused]]:
        refused = self._refused(answer, inputs)
        # Every input has a trace, so that a result that has one is of an input.
        rows = {str(one["id"]): str(one["objectWriteTraceId"]) for one in inputs}
        names = {str(one.get("idProperty") or "") for one in inputs}
        ids: dict[str, str] = {}
        for record in answer["results"]:
            held = record.get("properties") or {}
            by_key = [rows.get(str(held.get(name)), "") for name in names]
            row = str(record.get("objectWriteTraceId") or "") or next(filter(None, by_key), "")
            ids[row or rows.get(str(record.get("id")), "")] = str(record.get("id"))
        return ids, refused

    def needs_finish(self, shard: Shard) -> bool:
        """A full mirror ends with what else the scope holds taken out."""
        return shard.full and shard.mode is Mode.MIRROR

    def finish(self, shard: Shard) -> None:
        """Archive the records of the scope whose key the shard does not have."""
        key = shard.key[0]
        asked = [key, *([shard.partition_column] if shard.partition_column else [])]
        # Collected first: archiving while the pages are read would move records from page to page.
        held = {
            str(record["id"]): str(record["properties"][key])
            for record in self._records(asked)
            if record["properties"].get(key) and _is_within(shard, record["properties"])
        }
        alike = self.key_alike({key: "VARCHAR"})[key]
        for ids in _batches(strangers(_keys_of(shard), held, alike)):
            self.insist(lambda ids=ids: self._hubspot.archive(ids))

    def read_back(self, scope: Scope) -> Iterator[Any]:
        """Yield the records of the scope that have a key, as text; HubSpot's list has no filter."""
        held = (record["properties"] for record in self._records(scope.fields))
        ours = (one for one in held if one.get(scope.key[0]) and _is_within(scope, one))
        for some in _batches(ours):
            yield text_columns(some, scope.fields)

    def forget(self, scope: Scope, keys: Sequence[Mapping[str, Any]]) -> int:
        """Erase contacts for good, archive records of other types; return how many there were.

        HubSpot deletes archived records for good after 90 days; a contact that was archived before is not
        found by its key any more, and has to be deleted in HubSpot's recycling bin.
        """
        name = scope.key[0]
        count = 0
        for texts in _batches(dict.fromkeys(as_text(key[name]) for key in keys)):
            ids = self.insist(lambda texts=texts: self._hubspot.ids_of(name, texts))
            if self._type == "contacts":
                for record_id in ids:
                    self.insist(lambda record_id=record_id: self._hubspot.erase_contact(record_id))
            elif ids:
                self.insist(lambda ids=ids: self._hubspot.archive(ids))
            count += len(ids)
        return count

    def _records(self, properties: Sequence[str]) -> Iterator[Mapping[str, Any]]:
        after = ""
        short = fits_url(properties)
        while True:
            asked = properties if short else properties[:1]
            records, after = self.insist(lambda after=after, asked=asked: self._hubspot.page(asked, after))
            if records and not short:
                ids = [str(record["id"]) for record in records]
                records = self.insist(lambda ids=ids: self._hubspot.read(ids, properties))
            yield from records
            if not after:
                return

    def _refused(self, answer: Mapping[str, Any], inputs: Sequence[Mapping[str, Any]]) -> list[Refused]:
        """The rows that the errors of an answer are about; neither list keeps the order of the inputs."""
        traces = {str(one["objectWriteTraceId"]) for one in inputs}
        # HubSpot names records by the text of the key where it does not give the trace back.
        by_key = {str(one["id"]): str(one["objectWriteTraceId"]) for one in inputs}
        found: dict[str, tuple[str, str]] = {}
        for error in answer.get("errors") or ():
            context = error.get("context") or {}
            named = [*map(str, context.get("objectWriteTraceId") or ())]
            named += [by_key.get(str(text), "") for text in context.get("ids") or ()]
            rows = traces.intersection(named) or (traces if len(traces) == 1 else set())
            if not rows:
                raise BatchRefused(*self._hubspot.reason(error))
            found |= dict.fromkeys(rows, self._hubspot.reason(error))
        results: Sequence[Mapping[str, Any]] = answer["results"]
        told = [str(one["objectWriteTraceId"]) for one in results if one.get("objectWriteTraceId")]
        answered = len(results) + len(found)
        said = f"HubSpot answered for {answered} of {len(inputs)} records"
        if (
            answered > len(inputs)
            or not traces.issuperset(told)
            or len({*told, *found}) < len([*told, *found])
        ):
            raise self._hubspot.strange(f"{said}, or for others", "a result or an error for each record")
        if answered < len(inputs):
            if len(inputs) == 1:
                raise self._hubspot.strange(said, "a result or an error for the record")
            # Two addresses of one contact become one record, say. Fewer at a time tell which; what is
            # written again changes nothing.
            raise BatchRefused("UNANSWERED", said)
        return [Refused(int(trace), *reason) for trace, reason in found.items()]


def _inputs(key: str, rows: Sequence[Row]) -> tuple[list[dict[str, Any]], list[Refused]]:
    inputs: list[dict[str, Any]] = []
    refused: list[Refused] = []
    for row in rows:
        try:
            inputs.append(_input(key, row))
        except Unwritable as problem:
            refused.append(Refused(row.number, "UNWRITABLE", problem.said))
    return inputs, refused


def _input(key: str, row: Row) -> dict[str, Any]:
    # All fields, also of a changed row: HubSpot takes no partial upserts of contacts by e-mail address, and
    # the same request again is then the same whatever was held before.
    texts = {name: as_text(value) for name, value in row.values.items()}
    # With a trace id of its own in every input HubSpot answers for each record (207), not for all (400).
    return {"idProperty": key, "id": texts[key], "properties": texts, "objectWriteTraceId": str(row.number)}


def _batches(things: Iterable[_T]) -> Iterator[list[_T]]:
    """As many at a time as HubSpot takes in a request."""
    rest = iter(things)
    while some := list(islice(rest, BATCH)):
        yield some


def _is_within(scope: Scope | Shard, held: Mapping[str, Any]) -> bool:
    column = scope.partition_column
    return column is None or lies_in(scope, held.get(column))


def _keys_of(shard: Shard) -> set[str]:
    """The texts of every key of a shard; about 100 bytes each."""
    parquet = import_module("pyarrow.parquet")
    keys: set[str] = set()
    with parquet.ParquetFile(shard.path) as file:
        for batch in file.iter_batches(columns=[shard.key[0]]):
            keys.update(map(as_text, batch.column(0).to_pylist()))
    return keys


def _credentials(url: str) -> tuple[str, str]:
    account, colon, token = url.partition("://")[2].rpartition("@")[0].partition(":")
    if not url.startswith("hubspot://") or not colon or not token:
        raise DeliveryError(
            "SLU-V001",
            "the connection's URL is not one of HubSpot (it is not shown, as it holds a secret)",
            "hubspot://:TOKEN@api.hubapi.com, with a private app's access token",
            "correct the connection's URL in the environment",
        )
    return unquote(account), unquote(token)
