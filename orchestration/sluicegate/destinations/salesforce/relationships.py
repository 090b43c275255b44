"""Fields that name a parent record by its external ID: Account.Ext__c in place of AccountId.

Belongs here: how such a field is called, what it stands for, and how it is written in JSON, CSV and SOQL.
Does not: requests (`records`), which rows go where (`bulk`), fields that hold their value (`fields`).

    Account.Ext__c        the record of Account whose external ID Ext__c has the value
    User:Owner.Ext__c     the same where the field may refer to several objects: which one comes first

Sources, on developer.salesforce.com: "Relationship Fields in a Header Row" (api_asynch/
datafiles_csv_rel_field_header_row.htm): one step, and an external ID or a field with idLookup; an object
before it where the field is polymorphic, and nowhere else. "Insert or Update (Upsert) a Record Using an
External ID" (api_rest/dome_upsert.htm). "SOQL SELECT Syntax", TYPEOF.

A relationship is emptied by the field that holds it (AccountId), in either way of sending: that is
documented, while an empty parent is not. A record that names both is refused, so of each row one is sent.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any

from ..base import TECHNICAL_COLUMNS
from ..errors import DeliveryError
from .fields import NULL_IN_CSV, Field, Link, ObjectDescription, from_json, to_json, to_texts

_WORD = "[A-Za-z][A-Za-z0-9_]*"
_NAME = re.compile(rf"(?:(?P<object>{_WORD}):)?(?P<relationship>{_WORD})\.(?P<identifier>{_WORD})")
_FIX = "correct the field's name under `names` in the export file"


def with_links(
    described: ObjectDescription, names: Iterable[str], describe: Callable[[str], ObjectDescription]
) -> ObjectDescription:
    """The object with the fields of `names` that are relationships, as fields of their own.

    Such a field has the type of the parent's external ID, and the rights of the reference.

    Args:
        described: the object.
        names: fields of an export; those without a dot are left as they are.
        describe: tells of another object.

    Raises:
        DeliveryError: there is no such relationship, or the parent has no such external ID.
    """
    fields = dict(described.fields)
    for name in names:
        if "." in name and name not in fields:
            fields[name] = _linked(name, described, describe)
    return replace(described, fields=fields)


def check_links(names: Sequence[str], described: ObjectDescription) -> None:
    """Raise where two fields say what one reference holds: Salesforce refuses every such row."""
    by_reference: dict[str, str] = {}
    for name in names:
        field = described.fields.get(name)
        holder = field.link.holder if field is not None and field.link else name
        if holder in by_reference:
            raise DeliveryError(
                "SLU-V310",
                f"{by_reference[holder]} and {name} both say what {described.name}.{holder} holds",
                "one field for one reference",
                "leave one of the two out of the export's model",
            )
        by_reference[holder] = name


def record_of(row: Mapping[str, Any], fields: Mapping[str, Field]) -> dict[str, Any]:
    """A row as the collections resource takes it."""
    record: dict[str, Any] = {}
    for name, value in row.items():
        sent, link = to_json(value, fields[name]), fields[name].link
        if link is None:
            record[name] = sent
        elif sent is None:
            record[link.holder] = None
        else:
            kind = {"attributes": {"type": link.parent}} if link.polymorphic else {}
            record[link.relationship] = {**kind, link.identifier: sent}
    return record


def texts_of(batch: Any, fields: Mapping[str, Field]) -> dict[str, Any]:
    """The columns of a CSV file, by header; null is an empty cell, which changes nothing."""
    arrow, compute = import_module("pyarrow"), import_module("pyarrow.compute")
    columns: dict[str, Any] = {}
    for name in batch.schema.names:
        if name in TECHNICAL_COLUMNS:
            continue
        texts, link = to_texts(batch.column(name)), fields[name].link
        if link is None:
            columns[name] = texts
            continue
        nothing = arrow.scalar(None, arrow.string())
        absent = compute.equal(texts, NULL_IN_CSV)
        columns[name] = compute.if_else(absent, nothing, texts)
        columns[link.holder] = compute.if_else(absent, NULL_IN_CSV, nothing)
    return columns


def selected(names: Iterable[str], described: ObjectDescription) -> list[str]:
    """Fields as a query names them.

    Raises:
        DeliveryError: the object has lost one of them.
    """
    found: list[str] = []
    for name in names:
        if name not in described.fields:
            raise DeliveryError(
                "SLU-V300",
                f"{described.name} has no field {name!r} that this user sees",
                "the fields that were delivered",
                "find out in Salesforce who has taken it away, or leave it out of the export's model",
            )
        link = described.fields[name].link
        if link is None:
            found.append(name)
        elif link.polymorphic:
            found.append(f"TYPEOF {link.relationship} WHEN {link.parent} THEN {link.identifier} END")
        else:
            found.append(f"{link.relationship}.{link.identifier}")
    return found


def value_in(record: Mapping[str, Any], name: str, field: Field) -> Any:
    """A field of a record that a query found; a parent of another object than the field names is none."""
    if field.link is None:
        return from_json(record[name], field)
    parent = record[field.link.relationship] or {}
    return from_json(parent.get(field.link.identifier), field)


def _linked(name: str, described: ObjectDescription, describe: Callable[[str], ObjectDescription]) -> Field:
    found = _NAME.fullmatch(name)
    if found is None:
        raise DeliveryError(
            "SLU-V309",
            f"{name!r} names no parent record of {described.name}",
            "Relationship.ExternalId__c, or Object:Relationship.ExternalId__c; one step, to a parent alone",
            _FIX,
        )
    relationship, identifier = found["relationship"], found["identifier"]
    holders = {field.relationship: field for field in described.fields.values() if field.relationship}
    holder = holders.get(relationship)
    if holder is None:
        raise DeliveryError(
            "SLU-V309",
            f"{described.name} has no relationship {relationship!r} that this user sees",
            f"one of: {', '.join(sorted(holders)) or '(none: the object refers to no other)'}",
            f"{_FIX} (a custom lookup Store__c is the relationship Store__r)",
        )
    polymorphic = len(holder.refers_to) > 1
    fitting = [f"{one}:{relationship}" if polymorphic else relationship for one in holder.refers_to]
    if name.rpartition(".")[0] not in fitting:
        several = "several objects" if polymorphic else "one object alone"
        raise DeliveryError(
            "SLU-V309",
            f"{name!r} does not say what {described.name}.{holder.name} refers to: it may be {several}",
            f"one of: {', '.join(f'{one}.{identifier}' for one in sorted(fitting))}",
            _FIX,
        )
    parent = found["object"] or holder.refers_to[0]
    fields = describe(parent).fields
    field = fields.get(identifier)
    if field is None or not field.identifies:
        possible = ", ".join(sorted(one.name for one in fields.values() if one.identifies))
        raise DeliveryError(
            "SLU-V302",
            f"{parent} has no external ID field {identifier!r} that this user sees, for {name!r}",
            f"one of: {possible or '(the object has none yet)'}",
            f"{_FIX}, or tick External ID and Unique of the parent's field in Salesforce",
        )
    return replace(
        field,
        name=name,
        createable=holder.createable,
        updateable=holder.updateable,
        filterable=False,
        required=False,
        identifies=False,
        link=Link(holder.name, relationship, parent, identifier, polymorphic),
    )
