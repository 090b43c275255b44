"""A double of HubSpot with records of other object types, and associations to them.

Belongs here: what HubSpot's associations accept, refuse and say. Does not: records of the first object type
(`hubspot`).

Sources, as published in 2026:
  - Endpoints: developers.hubspot.com/docs/api-reference/latest/crm/associations/associate-records/guide, and
    …/legacy/crm/associations for `/crm/v4/associations/{from}/{to}/batch/create` and `batch/labels/archive`:
    "deleting an unlabeled association will also delete all labeled associations between those two objects".
  - Labels: …/latest/crm/associations/associations-schema/guide: `category`, `typeId` and `label`, null for
    the association without a label, which two records with a label have, too.
  - Most at once: 2,000 associations are made, 1,000 records read (developers.hubspot.com/changelog/
    bug-fix-batch-read-limit-for-hubspot-associations-api).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .hubspot import HubSpotDouble
from .hubspot_answers import Property, root
from .hubspot_answers import error as error_answer

_MOST = 2_000


@dataclass(frozen=True)
class Label:
    """A kind of association to another object type; `most`: to so many records, as an admin has set."""

    category: str
    type_id: int
    label: str | None = None
    most: int | None = None


@dataclass
class Others:
    """Another object type: its properties, its records by id, the kinds of association to it."""

    properties: Mapping[str, Property]
    labels: tuple[Label, ...]
    records: dict[str, dict[str, str]]


class LinkedHubSpotDouble(HubSpotDouble):
    """An account whose records have associations.

    Attributes:
        others: the other object types by name.
        links: (record id, object type, record id there, type id) of every association.
        folds: records of other types are found by their keys in another case, too.
        made: associations that were asked for; `removed`: labels that were asked to go.
    """

    def __init__(self, properties: Mapping[str, Property], others: Mapping[str, Others], **more: Any) -> None:
        self.others = dict(others)
        self.links: set[tuple[str, str, str, int]] = set()
        self.made = self.removed = 0
        self.folds = False
        super().__init__(properties, **more)

    def put_other(self, object_type: str, **properties: str) -> str:
        """Add a record of another type; return its id."""
        record_id = f"9{len(self.others[object_type].records):03}"
        self.others[object_type].records[record_id] = properties
        return record_id

    def linked(self, key: str, type_id: int | None = None) -> dict[str, set[str]]:
        """The ids that each record, by its text of a property, is associated with."""
        found: dict[str, set[str]] = {}
        for record_id, _, other, kind in self.links:
            if record_id in self.records and type_id in (None, kind):
                found.setdefault(self.records[record_id][key], set()).add(other)
        return found

    def routes(self, version: str) -> list[Route]:
        """The endpoints of one version, with those of the other types."""
        found = super().routes(version)
        above = "/crm/v4/associations" if version == "v3" else root(version, "associations")
        for name in self.others:
            pair = f"{above}/{self.object_type}/{name}"
            objects = f"{root(version, 'objects')}/{name}"
            found += [
                Route(f"{root(version, 'properties')}/{name}", self._guarded(self._other_properties)),
                Route(f"{objects}/batch/read", self._guarded(self._read_others), methods=["POST"]),
                Route(f"{pair}/labels", self._guarded(self._list_labels)),
                Route(f"{pair}/batch/create", self._guarded(self._link), methods=["POST"]),
                Route(f"{pair}/batch/labels/archive", self._guarded(self._unlink), methods=["POST"]),
            ]
        return found

    def _named(self, request: Request) -> str:
        return next(part for part in request.url.path.split("/") if part in self.others)

    def _other_properties(self, request: Request, _body: Any) -> Response:
        of = self.others[self._named(request)].properties
        told = [{"name": name, "type": one.type, "hasUniqueValue": one.unique} for name, one in of.items()]
        return JSONResponse({"results": told})

    def _read_others(self, request: Request, body: Any) -> Response:
        other = self.others[self._named(request)]
        if len(body["inputs"]) > 100:
            return error_answer(400, "VALIDATION_ERROR", "The maximum number of inputs supported is 100")
        name = body.get("idProperty")
        if name is not None and not other.properties[name].unique:
            return error_answer(400, "VALIDATION_ERROR", f"{name} is no unique property")
        texts = [str(one["id"]) for one in body["inputs"]]
        ids = [
            record_id
            for record_id, held in other.records.items()
            if self._spelt(held.get(name, "") if name else record_id) in map(self._spelt, texts)
        ]
        asked = [one for one in body["properties"] if one in other.properties]
        results = [
            {"id": i, "properties": {one: other.records[i].get(one) for one in asked} | {"hs_object_id": i}}
            for i in reversed(ids)
        ]
        missing = len(texts) - len(ids)
        errors = (
            [{"status": "error", "category": "OBJECT_NOT_FOUND", "message": "not found"}] if missing else []
        )
        return JSONResponse({"results": results, "errors": errors}, 207 if missing else 200)

    def _spelt(self, text: str) -> str:
        return text.strip().casefold() if self.folds else text

    def _list_labels(self, request: Request, _body: Any) -> Response:
        of = self.others[self._named(request)].labels
        told = [{"category": one.category, "typeId": one.type_id, "label": one.label} for one in of]
        return JSONResponse({"results": told})

    def _link(self, request: Request, body: Any) -> Response:
        name = self._named(request)
        pairs = self._pairs(name, body)
        if isinstance(pairs, Response):
            return pairs
        results: list[dict[str, Any]] = []
        errors: list[dict[str, Any]] = []
        for record_id, other, label in pairs:
            self.made += 1
            if wrong := self._no_link(name, record_id, other, label):
                context = {"fromObjectId": [record_id], "toObjectId": [other]}
                error = {"status": "error", "category": wrong[0], "message": wrong[1], "context": context}
                errors.append(error)
                continue
            plain = [one for one in self.others[name].labels if one.label is None]
            self.links |= {(record_id, name, other, one.type_id) for one in (label, *plain)}
            results.append({"fromObjectId": record_id, "toObjectId": other, "labels": [label.label or ""]})
        answer = {"status": "COMPLETE", "results": results[::-1]}
        return JSONResponse(answer | ({"errors": errors} if errors else {}), 207 if errors else 201)

    def _no_link(self, name: str, record_id: str, other: str, label: Label) -> tuple[str, str] | None:
        if record_id not in self.records or other not in self.others[name].records:
            return "OBJECT_NOT_FOUND", "one of the records does not exist"
        there = {to for at, of, to, kind in self.links if (at, of, kind) == (record_id, name, label.type_id)}
        if label.most is not None and len(there | {other}) > label.most:
            return "VALIDATION_ERROR", "the limit of associations of this type is exceeded"
        return None

    def _unlink(self, request: Request, body: Any) -> Response:
        name = self._named(request)
        pairs = self._pairs(name, body)
        if isinstance(pairs, Response):
            return pairs
        for record_id, other, label in pairs:
            self.removed += 1
            kinds = {label.type_id} if label.label else {one.type_id for one in self.others[name].labels}
            self.links -= {(record_id, name, other, kind) for kind in kinds}
        return Response(status_code=204)

    def _pairs(self, name: str, body: Any) -> list[tuple[str, str, Label]] | Response:
        inputs = body.get("inputs")
        if not inputs or set(body) != {"inputs"} or len(inputs) > _MOST:
            return error_answer(400, "VALIDATION_ERROR", f"inputs is required, with at most {_MOST} entries")
        known = {(one.category, one.type_id): one for one in self.others[name].labels}
        found: list[tuple[str, str, Label]] = []
        for one in inputs:
            if set(one) != {"from", "to", "types"}:
                return error_answer(400, "VALIDATION_ERROR", f"Invalid input JSON: {sorted(one)}")
            for kind in one["types"]:
                label = known.get((kind["associationCategory"], kind["associationTypeId"]))
                if label is None:
                    return error_answer(400, "VALIDATION_ERROR", f"No association type {kind}")
                found.append((str(one["from"]["id"]), str(one["to"]["id"]), label))
        return found
