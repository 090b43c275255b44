"""Parent records of the double of Salesforce: other objects that its object refers to, by external ID.

Belongs here: what a relationship may look like in JSON and in the header of a CSV file, and what it refers
to. Does not: HTTP (`salesforce`), bulk jobs (`salesforce_jobs`), fields and records (`salesforce_records`).

Sources, on developer.salesforce.com, as published in 2026:
  - Relationship Fields in a Header Row (api_asynch/datafiles_csv_rel_field_header_row.htm):
    `RelationshipName.IndexedFieldName`, one step and no grandparents; `ObjectType:` before it is an error
    where the field is not polymorphic, and its absence one where it is. Only a field that is an external ID
    or has `idLookup` may stand there.
  - Insert or Update (Upsert) a Record Using an External ID (api_rest/dome_upsert.htm): in JSON the parent is
    an object of one field, named by the relationship.
  - StatusCode (api/sforce_api_calls_concepts_core_data_objects.htm), INVALID_FIELD: `Foreign key external
    ID: x not found for field F in entity E`; `Cannot specify both an external ID reference R and a
    salesforce id, F`.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from .salesforce_records import Field, Malformed, Reference, Table

_HEADER = re.compile(r"(?:(?P<object>\w+):)?(?P<relationship>\w+)\.(?P<identifier>\w+)")


class Unrelated(Exception):
    """A relationship that the object has not, or not so: the request, or the job, is refused whole."""


class Relations:
    """The relationships of one object; `parents` are the other objects, by name."""

    def __init__(self, table: Table, parents: Mapping[str, Table]) -> None:
        self._table = table
        self._parents = parents

    def of_json(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """A record's values by field, a parent as a `Reference` under the field that refers to it."""
        values: dict[str, Any] = {}
        for name in (name for name, value in record.items() if not isinstance(value, dict)):
            if name not in self._table.fields:
                raise Unrelated(f"No such column '{name}' on sobject of type {self._table.name}")
            values[name] = self._table.parse(name, record[name])
        for relationship, value in record.items():
            if not isinstance(value, dict):
                continue
            parent = {str(name): of for name, of in value.items()}
            kind = parent.pop("attributes", {}).get("type")
            if len(parent) != 1:
                raise Malformed(f"Cannot deserialize {relationship}: one external ID is wanted")
            [(identifier, of)] = parent.items()
            name, table = self._refers(relationship, kind, identifier, may_say=True)
            values[name] = Reference(
                table,
                identifier,
                table.parse(identifier, of),
                relationship,
                both=values.get(name) is not None,
            )
        return values

    def of_header(self, names: Sequence[str]) -> list[tuple[str, Table, str, str] | None]:
        """What each column of a CSV file refers to: field, parent, its external ID, relationship."""
        found: list[tuple[str, Table, str, str] | None] = []
        for name in names:
            if name in self._table.fields:
                found.append(None)
                continue
            header = _HEADER.fullmatch(name)
            if header is None:
                raise Unrelated(f"Field name not found : {name}")
            relationship, identifier = header["relationship"], header["identifier"]
            field, table = self._refers(relationship, header["object"], identifier, may_say=False)
            found.append((field, table, identifier, relationship))
        return found

    def selected(self, relationship: str, kind: str | None, identifier: str) -> tuple[str, Table]:
        """What a query means by `Relationship.Field`, or by the same within TYPEOF: field and parent."""
        return self._refers(relationship, kind, identifier, may_say=False)

    def _refers(
        self, relationship: str, kind: str | None, identifier: str, *, may_say: bool
    ) -> tuple[str, Table]:
        by_name = {field.relationship: (name, field) for name, field in self._table.fields.items()}
        if relationship not in by_name:
            raise Unrelated(f"Field name not found : {relationship}.{identifier}")
        name, field = by_name[relationship]
        polymorphic = len(field.refers_to) > 1
        if polymorphic != bool(kind) and (polymorphic or not may_say):
            said = "is missing" if polymorphic else "is not allowed, as the field is not polymorphic"
            raise Unrelated(f"ObjectType of {relationship}.{identifier} {said}")
        parent = kind or field.refers_to[0]
        if parent not in field.refers_to:
            raise Unrelated(f"{name} does not refer to {parent}")
        table = self._parents[parent]
        if not table.fields.get(identifier, Field()).external_id:
            said = f"Field name provided, {identifier} does not match an External ID, Salesforce Id, or "
            raise Unrelated(f"{said}indexed field for {parent}")
        return name, table
