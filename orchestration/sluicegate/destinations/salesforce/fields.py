"""What an object of Salesforce can hold: its fields, whether a shard fits them, and values in either's form.

Belongs here: describe results, types, and how a value is written in JSON, CSV, SOQL and Arrow. Does not:
requests. Which values are allowed in a row is Salesforce's to say, row by row (a text that is too long, a
picklist): such a row is refused alone.

What Salesforce changes without a word: a text loses the spaces at its ends, an empty one is null, a number is
rounded to its scale, a moment to seconds. The last two are refused before anything is sent.

Sources, on developer.salesforce.com: "DescribeSObjectResult" (api/sforce_api_calls_describesobjects_
describesobjectresult.htm), "Field Types" (api/field_types.htm), "Primitive Data Types"
(object_reference/primitive_data_types.htm; of texts, apexcode/langCon_apex_primitives.htm), "Prepare CSV
Files" (api_asynch/datafiles_prepare_csv.htm), "Date Formats and Date Literals" and "Quoted String Escape
Sequences" (soql_sosl/).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from importlib import import_module
from typing import Any

from ..base import TECHNICAL_COLUMNS, Alike, Scope, Shard
from ..errors import DeliveryError

# "Prepare CSV Files": an empty value is ignored, so a field that is to be empty says this. An empty text is
# the same as null in Salesforce.
NULL_IN_CSV = "#N/A"

# Letters whose small ones differ from library to library; the form that plans compare keys by has these.
_ONE_LETTER = (("Σ", "σ"), ("ς", "σ"), ("İ", "i"), ("i\u0307", "i"), ("I\u0307", "i"))
_TEXT = frozenset(
    ("string", "textarea", "phone", "url", "email", "picklist", "multipicklist", "combobox", "id",
     "reference", "encryptedstring")
)  # fmt: skip
_NUMBERS = frozenset({"double", "currency", "percent", "int", "long"})
_UNQUOTED = _NUMBERS | {"date", "datetime", "boolean"}
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}")
# "Field Types": a number has 18 digits at most, before and after the point together.
MOST_DIGITS = 18


@dataclass(frozen=True, slots=True)
class Link:
    """What a field that names a parent record stands for; see `relationships`.

    `holder` is the field that holds the reference, such as AccountId.
    """

    holder: str
    relationship: str
    parent: str
    identifier: str
    polymorphic: bool


@dataclass(frozen=True, slots=True)
class Field:
    """A field, as `describe` tells it; `scale` are digits after the point.

    A reference is called `relationship` on its way to a parent, which is of one of the objects `refers_to`.
    """

    name: str
    type: str
    scale: int
    precision: int
    createable: bool
    updateable: bool
    filterable: bool
    required: bool
    identifies: bool
    case_sensitive: bool
    relationship: str = ""
    refers_to: tuple[str, ...] = ()
    link: Link | None = None

    @property
    def is_text(self) -> bool:
        """It holds text, whatever is sent."""
        return self.type in _TEXT

    @property
    def is_whole(self) -> bool:
        """It holds numbers without a fraction."""
        return self.type in ("int", "long") or (self.type in _NUMBERS and self.scale == 0)


@dataclass(frozen=True, slots=True)
class ObjectDescription:
    """An object of Salesforce: what the user may do with its records, and its fields by name."""

    name: str
    createable: bool
    updateable: bool
    deletable: bool
    queryable: bool
    fields: Mapping[str, Field]


def is_api_name(text: str) -> bool:
    """Whether a text may be the API name of an object or a field."""
    return _NAME.fullmatch(text) is not None


def description_of(found: Mapping[str, Any]) -> ObjectDescription:
    """Read the answer of `describe`."""
    fields = {
        str(field["name"]): Field(
            name=str(field["name"]),
            type=str(field["type"]),
            scale=int(field.get("scale") or 0),
            precision=int(field.get("precision") or 0),
            createable=bool(field["createable"]),
            updateable=bool(field["updateable"]),
            filterable=bool(field.get("filterable", True)),
            required=bool(field["createable"] and not field["nillable"] and not field["defaultedOnCreate"]),
            identifies=bool(field.get("externalId") or field.get("idLookup")) and field["name"] != "Id",
            case_sensitive=bool(field.get("caseSensitive")) or _matched_as_spelt(field),
            relationship=str(field.get("relationshipName") or ""),
            refers_to=tuple(field.get("referenceTo") or ()),
        )
        for field in found["fields"]
    }
    may = {name: bool(found.get(name)) for name in ("createable", "updateable", "deletable", "queryable")}
    return ObjectDescription(name=str(found["name"]), fields=fields, **may)


def _matched_as_spelt(field: Mapping[str, Any]) -> bool:
    """Whether an upsert by a field tells `abc` from `ABC`, whatever the field says of case.

    "Custom field matching is case-insensitive only if the custom field has the Unique and Treat "ABC" and
    "abc" as duplicate values (case insensitive) attributes selected": Apex Developer Guide, "Upserting
    Records".
    """
    own = str(field["name"]).endswith("__c")
    return own and bool(field.get("externalId")) and field.get("unique") is False


def check_fits(shard: Shard, schema: Any, described: ObjectDescription) -> None:
    """Raise for what Salesforce would refuse of every row: fields, rights, types.

    Args:
        shard: what is to be sent.
        schema: the Arrow schema of its file.
        described: the object.

    Raises:
        DeliveryError: names the field, and what it would have to be.
    """
    sent = [field for field in schema if field.name not in TECHNICAL_COLUMNS]
    _check_key(shard, described)
    for field in sent:
        _check_field(field.name, field.type, described)
    links = (described.fields[f.name].link for f in sent)
    given = {f.name for f in sent} | {link.holder for link in links if link}
    missing = sorted({f.name for f in described.fields.values() if f.required} - given)
    if shard.full and missing:
        raise DeliveryError(
            "SLU-V303",
            f"{shard.export} sends nothing for fields that {described.name} requires: {', '.join(missing)}",
            "every required field of the object, or a default of Salesforce's for it",
            "add the fields to the export's model, or make them optional in Setup > Object Manager",
        )


def _check_key(shard: Shard, described: ObjectDescription) -> None:
    key = described.fields.get(shard.key[0]) if len(shard.key) == 1 else None
    if key is None or not key.identifies:
        possible = ", ".join(sorted(f.name for f in described.fields.values() if f.identifies))
        raise DeliveryError(
            "SLU-V302",
            f"{described.name} has no external ID field {', '.join(shard.key)!r}",
            f"one key field, and one of: {possible or '(the object has none yet)'}",
            "correct `key` in the export file, or tick External ID and Unique of the field in Salesforce",
        )


def _check_field(name: str, arrow_type: Any, described: ObjectDescription) -> None:
    field = described.fields.get(name)
    if field is None:
        alike = [known for known in described.fields if known.lower() == name.lower()]
        raise DeliveryError(
            "SLU-V300",
            f"{described.name} has no field {name!r} that this user sees",
            f"{alike[0]}, spelled so" if alike else "the API name of a field, and a user that may see it",
            "correct the field's name in the export file, or grant field-level security in Salesforce",
        )
    if not (field.createable and field.updateable):
        raise DeliveryError(
            "SLU-V304",
            f"{described.name}.{name} cannot be {'updated' if field.createable else 'written'}",
            "a field that may be created and updated by this user: no formula, no roll-up",
            "leave it out of the export, or grant edit access to the field in Salesforce",
        )
    expected = _misfit(field, arrow_type)
    if expected:
        raise DeliveryError(
            "SLU-V305",
            f"{described.name}.{name} ({field.type}) cannot hold {arrow_type} of the export's model",
            expected,
            "cast the column in the export's model, or change the field's type in Salesforce",
        )


def _misfit(field: Field, arrow_type: Any) -> str:
    """What the column would have to be; "" if it fits."""
    types = import_module("pyarrow").types
    if types.is_dictionary(arrow_type):
        arrow_type = arrow_type.value_type
    is_text = types.is_string(arrow_type) or types.is_large_string(arrow_type)
    if field.is_text:
        # A fraction in binary has several spellings, and the text would not be told from another.
        exact = (types.is_integer, types.is_decimal, types.is_date, types.is_timestamp)
        fits = is_text or any(is_one(arrow_type) for is_one in exact)
        return "" if fits else "text, a whole number, a decimal, a date or a moment"
    if field.type in _NUMBERS:
        if types.is_decimal(arrow_type):
            # Salesforce rounds what is finer, and says nothing.
            return "" if arrow_type.scale <= field.scale else f"at most {field.scale} digits after the point"
        if types.is_integer(arrow_type):
            return ""
        if types.is_floating(arrow_type):
            return "whole numbers" if field.is_whole else ""
        return "a number"
    fitting = {"boolean": types.is_boolean, "date": types.is_date, "datetime": types.is_timestamp}
    fitting |= {"time": types.is_time}
    if field.type not in fitting:
        return "a field of another type: this one cannot be delivered to"
    return "" if fitting[field.type](arrow_type) else f"a {field.type}"


def to_json(value: Any, field: Field) -> Any:
    """A value as the collections resource takes it."""
    if value is None or value == "":
        return None
    if field.is_text:
        return value if isinstance(value, str) else text_of(value)
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    # NaN and infinity are no JSON; as text they are refused with their row.
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return str(value)
    return text_of(value) if isinstance(value, date | time) else value


def text_of(value: Any) -> str:
    """A value as text: dates and times in ISO 8601, times in UTC and to the millisecond."""
    if isinstance(value, datetime):
        moment = value.replace(tzinfo=value.tzinfo or UTC).astimezone(UTC)
        return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, time):
        return value.isoformat("milliseconds") + "Z"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def to_texts(column: Any) -> Any:
    """An Arrow column as the texts of a CSV file, nulls and empty texts as `#N/A`; the same as `text_of`."""
    arrow = import_module("pyarrow")
    compute = import_module("pyarrow.compute")
    types = arrow.types
    if types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if types.is_timestamp(column.type):
        in_utc = column.cast(arrow.timestamp("ms", column.type.tz), safe=False).cast(arrow.timestamp("ms"))
        texts = compute.strftime(in_utc, format="%Y-%m-%dT%H:%M:%SZ")
    elif types.is_time(column.type):
        texts = compute.binary_join_element_wise(
            column.cast(arrow.time32("ms"), safe=False).cast(arrow.string()), "Z", ""
        )
    else:
        texts = column.cast(arrow.string())
    texts = compute.fill_null(texts, NULL_IN_CSV)
    return compute.if_else(compute.equal(texts, ""), NULL_IN_CSV, texts)


def comparable_key(key: Any, field: Field) -> str | float:
    """A key, of a row or of a record, as it is equal where Salesforce takes it for equal.

    JSON has numbers as doubles, whatever they were sent as.
    """
    if not field.is_text:
        return float(key)
    text = text_of(key).strip()
    if field.case_sensitive:
        return text
    for one, other in _ONE_LETTER:
        text = text.replace(one, other)
    return text.lower()


def comparable_keys(keys: Any, field: Field) -> Any:
    """Keys, of a shard or of records, as they are equal where Salesforce takes them for equal; or more often.

    More often: so that no record is taken for a stranger that is none.
    """
    arrow, compute = import_module("pyarrow"), import_module("pyarrow.compute")
    if not field.is_text:
        return keys.cast(arrow.float64(), safe=False)
    texts = compute.utf8_trim_whitespace(to_texts(keys))
    if field.case_sensitive:
        return texts
    for one, other in _ONE_LETTER:
        texts = compute.replace_substring(texts, one, other)
    return compute.utf8_lower(texts)


def alike_in(field: Field) -> frozenset[Alike]:
    """What makes two keys in a field one, as `comparable_key` compares them."""
    if not field.is_text:
        return frozenset({Alike.DOUBLE})
    return frozenset({Alike.TRIMMED, Alike.TEXT} | (set() if field.case_sensitive else {Alike.CASE}))


def literal(value: Any, field: Field) -> str:
    """A value in SOQL."""
    text = text_of(value)
    if field.type in _UNQUOTED:
        if field.type == "date":
            return text[:10]
        if field.type == "datetime" and not isinstance(value, datetime):
            return text_of(datetime.fromisoformat(text))
        return text
    return (
        "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\r", "\\r") + "'"
    )


def condition(scope: Scope | Shard, described: ObjectDescription) -> str:
    """The records of a scope, in SOQL; those without a key were made by others and are none of ours.

    Raises:
        DeliveryError: the object cannot be searched by the partition's field.
    """
    conditions = [f"{scope.key[0]} != null"]
    if scope.partition_column is not None:
        field = described.fields.get(scope.partition_column)
        if field is None or not field.filterable:
            raise DeliveryError(
                "SLU-V306",
                f"{described.name} cannot be searched by {scope.partition_column!r}",
                "a field that holds the partition and can be filtered by",
                "choose another type for the field in Salesforce, or deliver `partitions: latest`",
            )
        if scope.bounds:
            first, end = (literal(_as_held(bound, field), field) for bound in scope.bounds)
            conditions += [f"{field.name} >= {first}", f"{field.name} < {end}"]
        else:
            conditions.append(f"{field.name} = {literal(scope.partition_key, field)}")
    return " AND ".join(conditions)


def told_apart_by(scope: Scope | Shard, described: ObjectDescription) -> str:
    """Return the field whose text tells a scope exactly, "" where SOQL does: that ignores a text's case."""
    name = scope.partition_column
    return name if name and not scope.bounds and described.fields[name].is_text else ""


def _as_held(bound: str, field: Field) -> str:
    """A bound as a text field's values begin, which are dates or moments in ISO 8601."""
    return bound[:19].removesuffix("T00:00:00") if field.is_text else bound


def arrow_schema(names: Sequence[str], described: ObjectDescription) -> Any:
    """What records are read back as: exact numbers, dates, moments in UTC, else text."""
    arrow = import_module("pyarrow")
    typed = {
        "boolean": arrow.bool_(),
        "date": arrow.date32(),
        "datetime": arrow.timestamp("ms", "UTC"),
        "time": arrow.time32("ms"),
    }

    def type_of(field: Field) -> Any:
        if field.is_whole:
            return arrow.int64()
        if field.type in _NUMBERS:
            return arrow.decimal128(max(field.precision, MOST_DIGITS) + 1, field.scale)
        return typed.get(field.type, arrow.string())

    return arrow.schema([(name, type_of(described.fields[name])) for name in names])


def from_json(value: Any, field: Field) -> Any:
    """A value that a query found, as Python's."""
    if value is None:
        return None
    if field.is_whole:
        return int(value)
    if field.type in _NUMBERS:
        return Decimal(value).quantize(Decimal(1).scaleb(-field.scale))
    if field.type == "date":
        return date.fromisoformat(value)
    if field.type == "datetime":
        return datetime.fromisoformat(value)
    if field.type == "time":
        return time.fromisoformat(value.removesuffix("Z"))
    return value
