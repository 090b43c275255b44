"""What the double of Salesforce holds: one object's fields and records, and what a record may be.

Belongs here: types, required fields, external IDs, queries. Does not: HTTP (`salesforce`), bulk jobs
(`salesforce_jobs`).

Sources, on developer.salesforce.com, as published in 2026:
  - Primitive Data Types (object_reference/primitive_data_types.htm): a dateTime has a precision of one
    second; a double is rounded to its scale. apexcode/langCon_apex_primitives.htm: a text is never empty, and
    never has white space at its ends.
  - Upsert Records Using sObject Collections
    (api_rest/resources_composite_sobjects_collections_upsert.htm).
  - StatusCode (api/sforce_api_calls_concepts_core_data_objects.htm): REQUIRED_FIELD_MISSING, STRING_TOO_LONG,
    UNABLE_TO_LOCK_ROW and so on.
  - SOQL SELECT Syntax (soql_sosl/sforce_api_calls_soql_select.htm); quotes are escaped by a backslash.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .salesforce_relations import Relations

_TEXTS = frozenset({"string", "textarea", "picklist", "email"})
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?(Z|[+-]\d\d:?\d\d)")
_SELECT = re.compile(r"SELECT (?P<fields>[\w,. ]+) FROM (?P<object>\w+) WHERE (?P<where>.+)", re.DOTALL)
# "SOQL SELECT Syntax", "TYPEOF": what a polymorphic field refers to has fields by its type.
_PATH = re.compile(
    r"(?P<relationship>\w+)\.(?P<identifier>\w+)"
    r"|TYPEOF (?P<of>\w+) WHEN (?P<object>\w+) THEN (?P<field>\w+) END"
)
_CONDITION = re.compile(
    r"\s*(?P<field>\w+) (?P<how>!= null|IN \(|>= |< |= )"
    r"(?P<values>(?:(?:'(?:[^'\\]|\\.)*'|[^\s,()']+),?)+)?\)?\s*(?:AND|$)"
)
_LITERAL = re.compile(r"'(?P<text>(?:[^'\\]|\\.)*)'|(?P<bare>[^,]+)")
_ESCAPED = {"n": "\n", "r": "\r"}


@dataclass(frozen=True)
class Field:
    """A field of the object, as the administrator has made it."""

    type: str = "string"
    length: int = 255
    precision: int = 18
    scale: int = 0
    required: bool = False
    external_id: bool = False
    case_sensitive: bool = False
    read_only: bool = False
    refers_to: tuple[str, ...] = ()
    relationship: str | None = None

    def described(self, name: str) -> dict[str, Any]:
        """As `describe` shows it."""
        return {
            "name": name,
            "type": self.type,
            "length": self.length if self.type in _TEXTS else 0,
            "precision": self.precision if self.type == "double" else 0,
            "scale": self.scale,
            "createable": not self.read_only,
            "updateable": not self.read_only,
            "filterable": self.type != "textarea",
            "nillable": not self.required,
            "defaultedOnCreate": self.type == "boolean",
            "externalId": self.external_id,
            "idLookup": self.external_id or name == "Id",
            "unique": self.external_id,
            "caseSensitive": self.case_sensitive,
            "referenceTo": list(self.refers_to),
            "relationshipName": self.relationship,
            "polymorphicForeignKey": len(self.refers_to) > 1,
        }


class Malformed(Exception):
    """A value that the request's parser does not take: the request is refused whole."""


class Refusal(Exception):
    """What is wrong with one record."""

    def __init__(self, code: str, message: str, fields: Sequence[str] = ()) -> None:
        super().__init__(code, message)
        self.code, self.message, self.fields = code, message, list(fields)

    def in_json(self) -> dict[str, Any]:
        """As a collection's result has it."""
        error = {"statusCode": self.code, "message": self.message, "fields": self.fields}
        return {"success": False, "errors": [error]}

    def in_csv(self) -> str:
        """As the `sf__Error` of a job's failed results."""
        return f"{self.code}:{self.message}:{' '.join(self.fields)} --"


@dataclass(frozen=True)
class Reference:
    """A parent record, named by its external ID; `both` if the same record has the parent's id as well."""

    parent: "Table"
    field: str
    value: Any
    relationship: str
    both: bool = False


class Table:
    """One object and its records.

    Attributes:
        records: what is held: fields by record id.
        rows: how many rows of upserts arrived; `twice`: those whose record held the same already.
        locked: how many times more the record of a key is found locked by somebody else.
        rules: the refusal of a validation rule, by key.
        undeletable: ids of records that others depend on.

    The ids of records begin with the object's `prefix`.
    """

    def __init__(self, name: str, fields: Mapping[str, Field], prefix: str = "a00") -> None:
        self.name = name
        self._prefix = prefix
        self.fields = {"Id": Field(length=18, read_only=True), **fields}
        self.records: dict[str, dict[str, Any]] = {}
        self.rows = 0
        self.twice = 0
        self.locked: Counter[str] = Counter()
        self.rules: dict[str, tuple[str, str]] = {}
        self.undeletable: set[str] = set()
        self._ids: dict[tuple[str, Any], str] = {}
        self._last = 0

    def upsert_all(self, key: str, rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, bool] | Refusal]:
        """Upsert up to 200 rows of parsed values; (record id, created) of each, or why not."""
        keys = Counter(self._as_key(key, row.get(key)) for row in rows)
        return [self._upsert(key, row, keys[self._as_key(key, row.get(key))] > 1) for row in rows]

    def _upsert(self, key: str, row: Mapping[str, Any], repeated: bool) -> tuple[str, bool] | Refusal:
        self.rows += 1
        shown = "" if row.get(key) is None else str(row[key])
        if not shown:
            return Refusal("MISSING_ARGUMENT", f"{key} not specified")
        if repeated:
            return Refusal("DUPLICATE_VALUE", f"Duplicate external id specified: {shown}", [key])
        if self.locked[shown] > 0:
            self.locked[shown] -= 1
            return Refusal("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record")
        if shown in self.rules:
            return Refusal(*self.rules[shown])
        row = dict(row)
        for name, value in row.items():
            if isinstance(value, Reference):
                parent = self._parent(name, value)
                if isinstance(parent, Refusal):
                    return parent
                row[name] = parent
                continue
            field = self.fields[name]
            if field.type in _TEXTS and value is not None and len(value) > field.length:
                message = f"{name}: data value too large: {value[:20]} (max length={field.length})"
                return Refusal("STRING_TOO_LONG", message, [name])
        found = self._ids.get((key, self._as_key(key, row[key])))
        held = self.records.get(found, {}) if found else {}
        after = {**held, **row}
        missing = [name for name, field in self.fields.items() if field.required and after.get(name) is None]
        if missing:
            return Refusal("REQUIRED_FIELD_MISSING", f"Required fields are missing: {missing}", missing)
        self.twice += bool(found) and after == held
        return self.hold(after, found), not found

    def find(self, name: str, value: Any) -> str | None:
        """The id of the record whose external ID `name` has this value."""
        return self._ids.get((name, self._as_key(name, value)))

    def _parent(self, name: str, reference: Reference) -> "str | Refusal":
        """The id of the record that is referred to."""
        if reference.both:
            said = f"an external ID reference {reference.relationship} and a salesforce id, {name}"
            return Refusal("INVALID_FIELD", f"Cannot specify both {said}")
        found = reference.parent.find(reference.field, reference.value)
        if found is None:
            said = f"{shown(reference.value)} not found for field {reference.field}"
            entity = reference.parent.name
            return Refusal("INVALID_FIELD", f"Foreign key external ID: {said} in entity {entity}")
        return found

    def hold(self, values: Mapping[str, Any], record_id: str | None = None) -> str:
        """Add or change a record, as somebody in Salesforce would; return its id."""
        if record_id is None:
            self._last += 1
            record_id = f"{self._prefix}{self._last:012d}AAA"
        self.records[record_id] = dict(values)
        for name, field in self.fields.items():
            if field.external_id and values.get(name) is not None:
                self._ids[name, self._as_key(name, values[name])] = record_id
        return record_id

    def delete(self, record_id: str) -> Refusal | None:
        """Delete one record; why not, if not."""
        if record_id in self.undeletable:
            return Refusal("DELETE_FAILED", "Your attempt to delete it could not be completed: it has cases")
        gone = self.records.pop(record_id, None)
        if gone is None:
            return Refusal("ENTITY_IS_DELETED", "entity is deleted")
        for name, field in self.fields.items():
            if field.external_id:
                self._ids.pop((name, self._as_key(name, gone.get(name))), None)
        return None

    def query(self, soql: str, relations: "Relations | None" = None) -> list[dict[str, Any]]:
        """The records that a query finds, as JSON shows them; ValueError if it is none."""
        select = _SELECT.fullmatch(soql)
        if select is None or select["object"].lower() != self.name.lower():
            raise ValueError(f"unexpected token: {soql[:40]}")
        columns = [column.strip() for column in select["fields"].split(",")]
        paths = [_PATH.fullmatch(column) for column in columns]
        names = [column for column, path in zip(columns, paths, strict=True) if path is None]
        conditions = list(self._conditions(select["where"]))
        unknown = {*names, *(name for name, _, _ in conditions)} - set(self.fields)
        if unknown:
            raise LookupError(f"No such column '{min(unknown)}' on entity '{self.name}'")
        parents: dict[str, tuple[str, Table, str]] = {}
        for path in filter(None, paths):
            kind, relationship = path["object"], path["of"] or path["relationship"]
            identifier = path["field"] or path["identifier"]
            if relations is None:
                raise LookupError(f"Didn't understand relationship '{relationship}' in field path")
            parents[relationship] = (*relations.selected(relationship, kind, identifier), identifier)
        return [
            {
                "attributes": {"type": self.name},
                **{name: shown(record_id if name == "Id" else record.get(name)) for name in names},
                **{
                    relationship: _parent_shown(parent, record.get(name), identifier)
                    for relationship, (name, parent, identifier) in parents.items()
                },
            }
            for record_id, record in self.records.items()
            if all(self._holds(record.get(name), name, how, values) for name, how, values in conditions)
        ]

    def _conditions(self, where: str) -> Iterable[tuple[str, str, list[Any]]]:
        at = 0
        while at < len(where):
            found = _CONDITION.match(where, at)
            if found is None:
                raise ValueError(f"unexpected token: {where[at : at + 40]}")
            name, how, at = found["field"], found["how"].strip(), found.end()
            values: list[Any] = []
            for one in _LITERAL.finditer(found["values"] or ""):
                quoted = one["text"] is not None
                if name in self.fields and quoted != (self.fields[name].type in _TEXTS):
                    raise ValueError(f"value of filter criterion for field '{name}' must be of another type")
                text = one["text"] if quoted else one["bare"]
                plain = re.sub(r"\\(.)", lambda found: _ESCAPED.get(found[1], found[1]), text)
                values.append(self.parse(name, plain if quoted else _number_or_text(plain)))
            yield name, how, values

    def _holds(self, value: Any, name: str, how: str, values: Sequence[Any]) -> bool:
        if how == "!= null" or value is None:
            return value is not None and how == "!= null"
        if how in ("=", "IN ("):
            return self._as_key(name, value) in {self._as_key(name, one) for one in values}
        return value >= values[0] if how == ">=" else value < values[0]

    def parse(self, name: str, value: Any) -> Any:
        """A value of a request as it is held; raises Malformed."""
        field = self.fields[name]
        if value is None:
            return None
        try:
            if field.type in _TEXTS or field.type == "reference":
                if not isinstance(value, str):
                    raise Malformed(f"Cannot deserialize instance of string from {value!r}")
                # White space at the ends is taken off, and an empty text is null.
                return value.strip() or None
            if field.type == "double":
                if isinstance(value, bool | str):
                    raise Malformed(f"Cannot deserialize instance of double from VALUE_STRING value {value}")
                exact = Decimal(str(value))
                return exact.quantize(Decimal(1).scaleb(-field.scale), ROUND_HALF_UP)
            if field.type == "boolean":
                if not isinstance(value, bool):
                    raise Malformed(f"Cannot deserialize instance of boolean from {value!r}")
                return value
            if field.type == "date":
                return date.fromisoformat(value)
            if field.type == "time":
                if not value.endswith("Z"):
                    raise Malformed(f"Cannot deserialize instance of time from VALUE_STRING value {value}")
                return time.fromisoformat(value.removesuffix("Z"))
            if not _MOMENT.fullmatch(value):
                raise Malformed(f"Cannot deserialize instance of datetime from VALUE_STRING value {value}")
            return datetime.fromisoformat(value).astimezone(UTC).replace(microsecond=0)
        except (ValueError, TypeError, InvalidOperation):
            raise Malformed(f"Cannot deserialize instance of {field.type} from {value!r}") from None

    def _as_key(self, name: str, value: Any) -> Any:
        field = self.fields[name]
        return value.lower() if isinstance(value, str) and not field.case_sensitive else value


def _parent_shown(parent: Table, record_id: str | None, identifier: str) -> dict[str, Any] | None:
    if record_id is None:
        return None
    held = parent.records.get(record_id)
    # Of another type than was asked for: its attributes alone.
    return {"attributes": {"type": parent.name}} | ({identifier: shown(held.get(identifier))} if held else {})


def shown(value: Any) -> Any:
    """A value as JSON shows it."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.000+0000")
    if isinstance(value, time):
        return value.isoformat("milliseconds") + "Z"
    return value.isoformat() if isinstance(value, date) else value


def _number_or_text(text: str) -> Any:
    try:
        return Decimal(text)
    except InvalidOperation:
        return {"true": True, "false": False}.get(text, text)
