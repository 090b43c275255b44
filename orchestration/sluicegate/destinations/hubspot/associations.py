"""Associations of HubSpot's records: which of them a field's value asks for, and which it no longer does.

Belongs here: what an export says of associations, the order of the requests, whose row an error is. Does not:
requests themselves (`client`), properties (`values`).

The field is a property of the record as well, and there it says which association is ours: what people have
associated is not touched. A change goes in an order in which a crash loses nothing: the old association goes,
the new one is made, and only then does the property say so.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Generic, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..base import DeliveryError, Refused, Shard
from ..batches import BatchRefused
from .client import BATCH, HubSpotClient
from .values import fields_of

R = TypeVar("R")
T = TypeVar("T")
_ID = "hs_object_id"
Input = Mapping[str, Any]
# Writes records; returns their ids by the numbers of their rows, and the rows that were refused.
Write = Callable[[Sequence[Input]], tuple[Mapping[str, str], list[Refused]]]


class Association(BaseModel):
    """A field with the key of a record of another type, which the row's record is associated with.

    `field`: as HubSpot calls it, a property of the export's object type, too. `object`: the other type.
    `key`: its property with unique values, or its record ids. `label` or `type_id`: the kind of association,
    by default the one without a label.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    field: str = Field(min_length=1)
    object: str = Field(pattern="^[a-z0-9_-]+$")
    key: str = Field(default=_ID, min_length=1)
    label: str | None = None
    type_id: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _one_kind(self) -> "Association":
        if self.label is not None and self.type_id is not None:
            raise ValueError("say `label` or `type_id`, not both")
        return self


class Turns(Protocol):
    """Does a request when the vendor's pace lets it go."""

    def __call__(self, work: Callable[[], R]) -> R:
        """Return what the work does."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class _Link:
    """An association with the kind that the account has for it."""

    told: Association
    other: str
    kind: Mapping[str, Any]

    def pair(self, record_id: str, other_id: str) -> dict[str, Any]:
        return {"from": {"id": record_id}, "to": {"id": other_id}, "types": [self.kind]}


class _Found(Generic[T]):
    """What HubSpot has found, by the text that was asked for.

    It may find a record by another spelling than its own; which one is its own business. So a text that no
    record has as it is stands for the only one that has it in another case, or without spaces at its ends.
    """

    def __init__(self) -> None:
        self._exact: dict[str, T] = {}
        self._folded: dict[str, list[T]] = {}

    def add(self, text: Any, what: T) -> None:
        self._exact[str(text or "")] = what
        self._folded.setdefault(_folded(text), []).append(what)

    def get(self, text: str) -> T | None:
        alike = self._folded.get(_folded(text), [])
        return self._exact.get(text, alike[0] if len(alike) == 1 else None)


Ids = Mapping[_Link, _Found[str]]


class Associations:
    """What an export's options say of associations, for one destination.

    Args:
        hubspot: the account.
        told: the associations, their object types as the API's paths have them.
        in_turn: what each request waits for.
    """

    def __init__(
        self, hubspot: HubSpotClient, told: Sequence[tuple[Association, str]], in_turn: Turns
    ) -> None:
        self._hubspot = hubspot
        self._told = told
        self._in_turn = in_turn

    def __bool__(self) -> bool:
        return bool(self._told)

    def check(self, shard: Shard, ask: Turns) -> None:
        """Raise DeliveryError for a field, an object type, a key or a label that there is none of."""
        names = fields_of(shard).names
        for told, other in self._told:
            if told.field not in names or told.field in shard.key:
                raise DeliveryError(
                    "SLU-V409",
                    f"the association to {other} goes by {told.field!r}, which {shard.export} does not send"
                    if told.field not in names
                    else f"the association to {other} goes by {told.field!r}, the key of {shard.export}",
                    f"a field of the export beside its key: {', '.join(names)}",
                    "correct destination.options.associations in the export file",
                )
            properties = ask(lambda other=other: self._hubspot.properties(other))
            unique = [name for name, of in properties.items() if of.unique]
            by_email = other == "contacts" and told.key == "email"
            if told.key not in unique and told.key != _ID and not by_email:
                raise DeliveryError(
                    "SLU-V409",
                    f"the association to {other} looks for {told.key!r}, which does not have unique values",
                    f"{_ID}, or one of: {', '.join(unique) or 'none there is'}",
                    "correct `key` in destination.options.associations of the export file",
                )
        ask(lambda: self._links)

    @cached_property
    def _links(self) -> Sequence[_Link]:
        return [self._link(told, other) for told, other in self._told]

    def _link(self, told: Association, other: str) -> _Link:
        kinds = self._in_turn(lambda: self._hubspot.labels(other))
        for kind in kinds:
            label = kind.get("label") or None
            if kind["typeId"] == told.type_id if told.type_id else label == told.label:
                named = {"associationCategory": kind["category"], "associationTypeId": kind["typeId"]}
                return _Link(told, other, named)
        labels = [f"{kind.get('label') or 'none'} ({kind['typeId']})" for kind in kinds]
        raise DeliveryError(
            "SLU-V410",
            f"there is no association to {other} with the label or type that the export file says",
            f"one of: {', '.join(labels)}",
            "correct `label` in destination.options.associations, or make the label in HubSpot",
        )

    def write(self, key: str, inputs: Sequence[Input], upsert: Write, update: Write) -> list[Refused]:
        """Write records with their associations; return the rows that are refused.

        Args:
            key: the property that `inputs` are found by.
            inputs: of `upsert`, with the row's number as `objectWriteTraceId`.
            upsert: writes inputs by their key.
            update: writes inputs by the records' ids.

        Raises:
            BatchRefused: HubSpot refuses some, and does not say which.
        """
        links = self._links
        held = self._held(key, inputs)
        ids = {link: self._ids(link, inputs, held) for link in links}
        refused = self._without_record(inputs, ids)
        going = [one for one in inputs if _row(one) not in refused]
        if not going:
            return [*refused.values()]
        moved = {_row(one): self._moved(one, held) for one in going}
        first = [one | {"properties": _less(one["properties"], moved[_row(one)])} for one in map(dict, going)]
        records, more = self._in_turn(lambda: upsert(first))
        refused |= {str(row.row): row for row in more}
        if missing := [one for one in going if _row(one) not in records and _row(one) not in refused]:
            raise self._unanswered(f"HubSpot did not say the ids of {len(missing)} records", len(inputs))
        going = [one for one in going if _row(one) not in refused]
        refused |= self._associate(going, records, held, moved, ids)
        last = [
            {
                "id": records[_row(one)],
                "properties": {name: one["properties"][name] for name in moved[_row(one)]},
                "objectWriteTraceId": _row(one),
            }
            for one in going
            if moved[_row(one)] and _row(one) not in refused
        ]
        if last:
            late = self._in_turn(lambda: update(last))[1]
            refused |= {str(row.row): replace(row, in_part=True) for row in late}
        return [*refused.values()]

    def _held(self, key: str, inputs: Sequence[Input]) -> Mapping[str, Mapping[str, str]]:
        """What the association fields of the records say now, by the row's number; nothing of new records."""
        fields = [link.told.field for link in self._links]
        texts = [str(one["id"]) for one in inputs]
        # The first request, so the batch's own turn is for it.
        found = self._hubspot.read(texts, [key, *fields], key)
        by_key = _Found[Mapping[str, Any]]()
        for record in found:
            by_key.add(record["properties"].get(key), record["properties"])
        return {
            _row(one): {name: str(there.get(name) or "") for name in fields}
            for one in inputs
            if (there := by_key.get(str(one["id"]))) is not None
        }

    def _ids(
        self, link: _Link, inputs: Sequence[Input], held: Mapping[str, Mapping[str, str]]
    ) -> _Found[str]:
        """Record ids of the other type: of what rows say, and of what their records said."""
        field, key = link.told.field, link.told.key
        said = [str(one["properties"][field]) for one in inputs]
        said += [texts[field] for texts in held.values()]
        texts = [text for text in dict.fromkeys(said) if text]
        asked_by = "" if key == _ID else key
        found = _Found[str]()
        for first in range(0, len(texts), BATCH):
            some = texts[first : first + BATCH]
            records = self._in_turn(lambda some=some: self._hubspot.read(some, [key], asked_by, link.other))
            for record in records:
                text = record["id"] if key == _ID else record["properties"].get(key)
                found.add(text, str(record["id"]))
        return found

    def _without_record(self, inputs: Sequence[Input], ids: Ids) -> dict[str, Refused]:
        """The rows that name a record which HubSpot does not have: nothing of them is sent."""
        refused: dict[str, Refused] = {}
        for link, found in ids.items():
            for one in inputs:
                text = one["properties"][link.told.field]
                if text and found.get(text) is None:
                    said = f"field {link.told.field!r} names no record of {link.other} by {link.told.key!r}"
                    refused[_row(one)] = Refused(int(_row(one)), "MISSING_RECORD", said)
        return refused

    def _moved(self, one: Input, held: Mapping[str, Mapping[str, str]]) -> Collection[str]:
        """The fields by which the row's record has another association of ours now."""
        there = held.get(_row(one), {})
        return [name for name, text in there.items() if text and text != one["properties"][name]]

    def _associate(
        self,
        going: Sequence[Input],
        records: Mapping[str, str],
        held: Mapping[str, Mapping[str, str]],
        moved: Mapping[str, Collection[str]],
        ids: Ids,
    ) -> dict[str, Refused]:
        """Take the old associations away and make the new ones; what is there already is made again."""
        new: dict[_Link, dict[tuple[str, str], str]] = {link: {} for link in ids}
        old: dict[_Link, dict[str, tuple[str, str]]] = {link: {} for link in ids}
        for link, found in ids.items():
            field = link.told.field
            for one in going:
                row, to = _row(one), found.get(one["properties"][field])
                before = found.get(held[row][field]) if field in moved[row] else None
                if to:
                    new[link][records[row], to] = row
                if before and before != to:
                    old[link][row] = (records[row], before)
            if pairs := [link.pair(*pair) for pair in old[link].values()]:
                self._in_turn(lambda link=link, pairs=pairs: self._hubspot.dissociate(link.other, pairs))
        refused: dict[str, Refused] = {}
        for link, rows in new.items():
            wrong = self._made(link, [*rows]) if rows else {}
            # Its record is written.
            refused |= {
                rows[pair]: Refused(int(rows[pair]), code, said, in_part=True)
                for pair, (code, said) in wrong.items()
            }
            back = [old[link][rows[pair]] for pair in wrong if rows[pair] in old[link]]
            if back:
                # The property names the old record still.
                self._made(link, back)
        return refused

    def _made(
        self, link: _Link, pairs: Sequence[tuple[str, str]]
    ) -> Mapping[tuple[str, str], tuple[str, str]]:
        """Associate pairs of ids; return HubSpot's code and words on those that it refuses."""
        inputs = [link.pair(*pair) for pair in pairs]
        answer = self._in_turn(lambda: self._hubspot.associate(link.other, inputs))
        wrong: dict[tuple[str, str], tuple[str, str]] = {}
        for error in answer.get("errors") or ():
            context = error.get("context") or {}
            ends = [set(map(str, context.get(end) or ())) for end in ("fromObjectId", "toObjectId")]
            named = [pair for pair in pairs if all(id_ in end for id_, end in zip(pair, ends, strict=True))]
            if not named and len(pairs) > 1:
                raise BatchRefused(*self._hubspot.reason(error))
            wrong |= dict.fromkeys(named or pairs, self._hubspot.reason(error))
        made = {
            (str(one.get("fromObjectId")), str(one.get("toObjectId"))) for one in answer.get("results") or ()
        }
        if missing := [pair for pair in pairs if pair not in made and pair not in wrong]:
            raise self._unanswered(f"HubSpot did not answer for {len(missing)} associations", len(pairs))
        return wrong

    def _unanswered(self, said: str, asked: int) -> Exception:
        """Fewer at a time tell which; of one alone it is no answer."""
        if asked == 1:
            return self._hubspot.strange(said, "a result or an error for the record")
        return BatchRefused("UNANSWERED", said)


def _row(one: Input) -> str:
    return str(one["objectWriteTraceId"])


def _folded(text: Any) -> str:
    """A key without case and the spaces at its ends."""
    return str(text or "").strip().casefold()


def _less(properties: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    return {name: text for name, text in properties.items() if name not in names}
