"""What HubSpot's properties can hold, and how values are written for them.

Belongs here: texts of values, and the fit of a shard's columns to an object's properties.
Does not: requests (`hubspot`).
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib import import_module
from typing import Any
from uuid import UUID

from sluicegate.compute.sql_types import LIST, SqlType

from ..base import TECHNICAL_COLUMNS, DeliveryError, Scope, Shard
from ..exact_values import (
    FLOATS,
    MOMENTS,
    TEXTS,
    WHOLE,
    Unfit,
    check_kinds,
    days_outside,
    finer_moments,
    folded_texts,
    nested,
    no_doubles,
    no_numbers,
    zero_signs,
)

_OF = "HubSpot"
_KNOWN = WHOLE | FLOATS | MOMENTS | TEXTS | {"BOOLEAN", "DATE", "DECIMAL"}
_SHOWN_VALUES = 5
# From here on a number in a date property is milliseconds since 1970, and no year.
_SMALLEST_MOMENT = 10**9


class Unwritable(Exception):
    """A value that a property cannot hold; `said` tells why, without the value."""

    def __init__(self, said: str) -> None:
        super().__init__(said)
        self.said = said


@dataclass(frozen=True, slots=True)
class Property:
    """A property of a HubSpot object type, as `GET /crm/v3/properties/{object}` describes it."""

    name: str
    type: str
    unique: bool
    read_only: bool
    hubspot_defined: bool
    options: Mapping[str, str]

    @classmethod
    def read(cls, described: Mapping[str, Any]) -> "Property":
        """Read one entry of HubSpot's answer; every field but the name may be missing."""
        rights = described.get("modificationMetadata") or {}
        return cls(
            name=str(described["name"]),
            type=str(described.get("type", "string")),
            unique=bool(described.get("hasUniqueValue")),
            read_only=bool(rights.get("readOnlyValue")) or bool(described.get("calculated")),
            hubspot_defined=bool(described.get("hubspotDefined")),
            options={str(o.get("value")): str(o.get("label") or "") for o in described.get("options") or ()},
        )


def as_text(value: Any) -> str:
    """The text that HubSpot keeps for a value; "" clears the property.

    Booleans are `true` and `false`, dates ISO 8601, moments ISO 8601 in UTC with milliseconds, lists of texts
    (checkboxes) joined by semicolons, numbers without exponent. Source: "Property values" in
    https://developers.hubspot.com/docs/api-reference/legacy/crm/properties/guide.

    Raises:
        Unwritable: a number that is none, a moment finer than milliseconds, or a kind that HubSpot lacks.
    """
    if value is None:
        return ""
    if isinstance(value, str | UUID):
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | Decimal):
        return _number(value)
    if isinstance(value, datetime):
        return _moment(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return ";".join(as_text(one) for one in value)
    raise Unwritable(f"HubSpot has no properties of the kind {type(value).__name__}")


def takes(kind: SqlType) -> bool:
    """Whether `as_text` has a text for values of a type: a list has plain texts alone."""
    if kind.name == LIST:
        return kind.members[0][1].name in TEXTS
    return kind.name in _KNOWN


def unfit(of: Property, value: str, kind: SqlType, *, is_key: bool = False) -> Iterator[Unfit]:
    """Yield what `as_text` has no text for, or one that HubSpot reads or keeps as something else.

    A key may be written with white space around it, and an address with capital letters: it is the same key.
    """
    if not is_key:
        yield from nested(value, kind, lambda value, kind: folded_texts(value, kind, _OF))
        if of.hubspot_defined and of.name == "email" and kind.name in TEXTS:
            yield Unfit(
                f"{value}::varchar <> lower({value}::varchar)",
                "HubSpot keeps an e-mail address in lower case",
                "lower(…) in the model",
            )
    if kind.name == LIST:
        yield Unfit(
            f"len(list_filter({value}, lambda one: one is null or one::varchar = ''"
            " or contains(one::varchar, ';'))) > 0",
            "HubSpot joins the texts of a list by semicolons: none may be empty, or have one",
            "take such texts out, or replace the semicolon, in the model",
        )
    yield from nested(value, kind, _unfit)
    if of.type == "number":
        yield from no_doubles(value, kind, _OF)


def _unfit(value: str, kind: SqlType) -> Iterator[Unfit]:
    yield from zero_signs(value, kind, _OF)
    yield from no_numbers(value, kind, _OF)
    yield from days_outside(value, kind, 1, 9999, _OF)
    yield from finer_moments(value, kind, 3, _OF)


def _number(value: float | Decimal) -> str:
    if isinstance(value, int):
        return str(value)  # to format it goes through a double
    if not math.isfinite(value):
        raise Unwritable("HubSpot's numbers are finite")
    text = format(Decimal(repr(value)) if isinstance(value, float) else value, "f")
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text


def _moment(value: datetime) -> str:
    value = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    if value.microsecond % 1000:
        raise Unwritable("HubSpot keeps moments to the millisecond; round the field in the export's model")
    return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def lies_in(scope: Scope | Shard, text: str | None) -> bool:
    """Whether a record whose partition column has this text lies in the scope."""
    if scope.partition_column is None:
        return True
    if not text:
        return False
    if scope.bounds is None:
        return text == scope.partition_key  # an id of a drop, which may look like another moment
    moment = _read_moment(text)
    first, end = map(_read_moment, scope.bounds)
    return moment is not None and first is not None and end is not None and first <= moment < end


def _read_moment(text: str) -> datetime | None:
    try:
        if text.isdigit() and int(text) >= _SMALLEST_MOMENT:
            return datetime.fromtimestamp(int(text) / 1000, UTC)
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.replace(tzinfo=moment.tzinfo or UTC)


def fields_of(shard: Shard) -> Any:
    """The Arrow schema of a shard's fields, without the engine's own columns."""
    arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    schema = parquet.read_schema(shard.path)
    return arrow.schema([field for field in schema if field.name not in TECHNICAL_COLUMNS])


def check_fields(shard: Shard, properties: Mapping[str, Property], object_name: str) -> None:
    """Raise DeliveryError unless each field of the shard fits a property that can be written."""
    schema = fields_of(shard)
    missing = [name for name in schema.names if name not in properties]
    if missing:
        raise DeliveryError(
            "SLU-V402",
            f"HubSpot's {object_name} have no property {', '.join(missing)}",
            "each field of the export is a property's internal name",
            "create the properties in HubSpot (Settings, Properties), or correct `names` in the export file",
        )
    fixed = [name for name in schema.names if properties[name].read_only]
    if fixed:
        raise DeliveryError(
            "SLU-V403",
            f"{', '.join(fixed)} of HubSpot's {object_name} cannot be written: HubSpot sets or computes it",
            "properties that may be edited",
            "take the fields out of the export, or rename them to properties of your own",
        )
    for field in schema:
        of = properties[field.name]
        if wrong := _misfit(field.type, of):
            raise DeliveryError(
                "SLU-V404",
                f"field {field.name!r} is {field.type}, HubSpot's property of that name a {of.type}",
                wrong,
                "cast the column in the export's model, or change the property's type in HubSpot",
            )
    check_kinds(shard, takes, _OF, "text, numbers, booleans, dates, moments, lists of texts")
    for name in schema.names:
        if properties[name].type == "enumeration" and properties[name].options:
            _check_options(shard, properties[name])


def _misfit(kind: Any, of: Property) -> str:
    """What the property expects in place of the Arrow type; "" if it fits."""
    types = import_module("pyarrow").types
    is_text = types.is_string(kind) or types.is_large_string(kind) or types.is_dictionary(kind)
    is_list = types.is_list(kind) or types.is_large_list(kind)
    is_number = types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)
    fits = {
        "number": (is_number, "an integer, a decimal or a floating-point number"),
        "bool": (types.is_boolean(kind), "a boolean"),
        "date": (types.is_date(kind), "a date: HubSpot would drop the time of day"),
        "datetime": (types.is_timestamp(kind), "a timestamp"),
        "enumeration": (is_text or is_list or types.is_boolean(kind), "text, or a list of texts"),
    }
    fit, expected = fits.get(of.type, (not is_list and not types.is_binary(kind), "text"))
    return "" if fit or types.is_null(kind) else expected


def _check_options(shard: Shard, of: Property) -> None:
    """Raise if no value is among the options: then labels were sent, or the field is the wrong one.

    Single values that are not among them are left to HubSpot, which refuses their rows and takes the others.
    """
    parquet = import_module("pyarrow.parquet")
    unknown: list[str] = []
    with parquet.ParquetFile(shard.path) as file:
        for batch in file.iter_batches(columns=[of.name]):
            column = batch.column(0)
            # Of lists, the texts in them.
            for value in (column.flatten() if hasattr(column, "flatten") else column).unique().to_pylist():
                for text in as_text(value).split(";"):
                    if text in of.options:
                        return
                    if text and text not in unknown:
                        unknown = [*unknown[: _SHOWN_VALUES - 1], text]
    if unknown:
        labels = [value for value, label in of.options.items() if label in unknown]
        raise DeliveryError(
            "SLU-V405",
            f"no value of field {of.name!r} is an option of HubSpot's property: {', '.join(unknown)}",
            f"internal values of its options: {', '.join([*of.options][:20])}",
            "map the labels to the internal values in the export's model"
            if labels
            else "add the options to the property in HubSpot, or correct `names` in the export file",
        )


def check_key(shard: Shard, properties: Mapping[str, Property], object_name: str, removes: bool) -> None:
    """Raise DeliveryError unless records can be told apart, and removed where need be, by the key."""
    if len(shard.key) != 1:
        raise DeliveryError(
            "SLU-V406",
            f"{shard.export} has the key {', '.join(shard.key)}",
            "one field: HubSpot finds a record by one property with unique values",
            "join the columns to one in the export's model, and name that as `key`",
        )
    key = properties[shard.key[0]]
    is_email = object_name == "contacts" and key.name == "email"
    if not key.unique and not is_email:
        raise DeliveryError(
            "SLU-V407",
            f"HubSpot's property {key.name!r} of {object_name} does not require unique values",
            "a property that does (only a new property can be made so)",
            "create one in HubSpot with `require unique values`, and name it as `key`",
        )
    if removes and (key.hubspot_defined or is_email):
        raise DeliveryError(
            "SLU-V408",
            f"a mirror by {key.name!r} would remove {object_name} that other people brought to HubSpot",
            "a key of your own, which only the records of this export have",
            "create a property with unique values for the export, or use `mode: upsert`",
        )


def text_columns(records: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Any:
    """Records as an Arrow record batch of text; an unset property is null."""
    arrow = import_module("pyarrow")
    columns = [arrow.array([r.get(n) or None for r in records], arrow.string()) for n in names]
    return arrow.RecordBatch.from_arrays(columns, names=list(names))
