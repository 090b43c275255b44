"""How a shard's fields stand in Azure Data Explorer: column types, and back again.

Belongs here: Arrow types, Kusto types, what a table's schema says, values as the service writes them in JSON.
Does not: connections, commands.

Kusto knows fewer types than Arrow. What a column was sent as stands in its docstring
(`sluice: date32[day]`), so that dates and decimals can be read back as such.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from importlib import import_module
from typing import Any

from sluicegate.compute.exact_parquet import types_before
from sluicegate.compute.sql_types import SqlType

from ..base import TECHNICAL_COLUMNS
from ..errors import DeliveryError
from ..exact_values import TEXTS, Unfit, days_outside

# "Parquet mapping", https://learn.microsoft.com/kusto/management/parquet-mapping: which Parquet type becomes
# which column type. Parquet's TIME and binary values become none but text.
_KUSTO = {
    "bool": "bool", "int8": "int", "int16": "int", "int32": "int", "uint8": "int", "uint16": "int",
    "int64": "long", "uint32": "long", "float": "real", "double": "real", "string": "string",
    "large_string": "string", "string_view": "string", "date32[day]": "datetime",
    "extension<arrow.uuid>": "guid",
}  # fmt: skip
# Columns that exist with a wider type keep it.
WIDER = {"int": ("long",)}
# Ticks of 100 nanoseconds: nanoseconds would be cut ("The datetime data type").
_TIMESTAMP = re.compile(r"timestamp\[(?:s|ms|us)(, tz=.+)?\]")
_DECIMAL = re.compile(r"decimal128\((\d+), (-?\d+)\)")
# A 128-bit decimal floating point number has 34 significant digits ("The decimal data type").
_MOST_DIGITS = 34
# "If a single string value in a record exceeds 1MB (measured using UTF-8 encoding), the value is truncated
# and ingestion succeeds" ("The string data type").
_TEXT_BYTES = 1_048_576
_REMARK = "sluice: "
# "Entity names": 1 to 1,024 letters, digits, underscores, spaces, dots and dashes.
_NAME = re.compile(r"[A-Za-z0-9_ .-]{1,1024}")


@dataclass(frozen=True, slots=True)
class Column:
    """A field as a column: its Kusto type, and what is remarked where that type says too little, else ""."""

    name: str
    type: str
    remark: str


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column of a table that exists."""

    name: str
    type: str
    docstring: str


def is_name(identifier: str) -> bool:
    """Whether a text may be a table's or column's name."""
    return _NAME.fullmatch(identifier) is not None


def columns_of(schema: Any) -> list[Column]:
    """Return the fields of a shard's Arrow schema as columns, without the technical ones.

    Raises:
        DeliveryError: fields that have no column type, or whose names may not be a column's; all are named.
    """
    fields = [field for field in schema if field.name not in TECHNICAL_COLUMNS]
    unnamed = [field.name for field in fields if not is_name(field.name)]
    if unnamed:
        raise DeliveryError(
            "SLU-V601",
            f"Azure Data Explorer takes no columns named {', '.join(map(repr, unnamed))}",
            "1 to 1,024 letters, digits, underscores, spaces, dots and dashes",
            "rename these fields under `names` in the export file",
        )
    types = {field.name: _kusto_type(str(field.type)) for field in fields}
    # Rows with more digits than a decimal has are refused (`unfit`).
    types |= dict.fromkeys(whole_numbers(schema), "decimal")
    foreign = [f"{field.name!r} ({field.type})" for field in fields if types[field.name] is None]
    if foreign:
        raise DeliveryError(
            "SLU-V601",
            f"Azure Data Explorer has no type for {', '.join(foreign)}",
            "booleans, integers but unsigned ones of 64 bits, floats, text, dates, decimals of up to 34 "
            "digits, timestamps no finer than microseconds, UUIDs",
            "cast these columns in the export's model",
        )
    return [Column(f.name, types[f.name] or "", _remark(str(f.type))) for f in fields]


def whole_numbers(schema: Any) -> list[str]:
    """Return the fields that are whole numbers of 128 bits, which the file has as decimals."""
    kinds = types_before(schema.metadata)
    return [name for name in schema.names if kinds.get(name) in ("HUGEINT", "UHUGEINT")]


def unfit(value: str, kind: SqlType) -> Iterator[Unfit]:
    """Yield what a column cannot hold of a field."""
    yield from days_outside(value, kind, 1, 9999, "Kusto")
    if kind.name in TEXTS:
        yield Unfit(
            f"strlen({value}::varchar) > {_TEXT_BYTES}",
            f"Kusto keeps {_TEXT_BYTES:,} bytes of a text",
            "shorten it, or cut it into several fields, in the model",
        )
    if kind.name == "DECIMAL" and kind.numbers == (38, 0):
        bound = f"{10**_MOST_DIGITS}::decimal(38, 0)"
        yield Unfit(
            f"abs({value}) >= {bound}",
            f"Kusto keeps {_MOST_DIGITS} digits of a number",
            "cast it to text in the model",
        )


def _kusto_type(arrow: str) -> str | None:
    if _TIMESTAMP.fullmatch(arrow):
        return "datetime"
    if found := _DECIMAL.fullmatch(arrow):
        return "decimal" if int(found[1]) <= _MOST_DIGITS else None
    return _KUSTO.get(arrow)


def _remark(arrow: str) -> str:
    timestamp = _TIMESTAMP.fullmatch(arrow)
    lossy = arrow == "date32[day]" or _DECIMAL.fullmatch(arrow) or (timestamp and timestamp[1] is None)
    return _REMARK + arrow if lossy else ""


def remarked(docstring: str) -> str:
    """Return what a column's docstring remarks of how it was sent, behind what people write; "" if nothing.

    Theirs ends with it: `The day. (sluice: date32[day])`.
    """
    if docstring.startswith(_REMARK):
        return docstring
    _, bracket, remark = docstring.rpartition(f"({_REMARK}")
    return f"{_REMARK}{remark[:-1]}" if bracket and remark.endswith(")") else ""


def table_columns(schema: str) -> list[TableColumn]:
    """Return the columns in an answer to `.show table T schema as json`."""
    ordered = json.loads(schema)["OrderedColumns"]
    return [TableColumn(c["Name"], c["CslType"], c.get("DocString") or "") for c in ordered]


def settled(columns: Sequence[Column], found: Sequence[TableColumn], table: str) -> list[Column]:
    """Return the columns with the types that they have in a table that may exist.

    Raises:
        DeliveryError: columns of the table have other types; all are named.
    """
    held = {column.name: column.type for column in found}
    wrong = [
        f"{c.name!r} is {held[c.name]}, not {c.type}"
        for c in columns
        if c.name in held and held[c.name] not in (c.type, *WIDER.get(c.type, ()))
    ]
    if wrong:
        raise DeliveryError(
            "SLU-V601",
            f"columns of table {table!r} in Azure Data Explorer have other types: {'; '.join(wrong)}",
            "the types that the export's model has, or the function that fills it",
            "cast the columns in the model or the function, give the fields other names, or take another "
            "table; Kusto changes no column's type and keeps its data",
        )
    return [Column(c.name, held.get(c.name, c.type), c.remark) for c in columns]


def mapping_of(columns: Iterable[Column]) -> str:
    """The ingestion mapping as JSON: each column from the Parquet field of its name."""
    return json.dumps(
        [{"Column": c.name, "DataType": c.type, "Properties": {"Field": c.name}} for c in columns],
        separators=(",", ":"),
    )


def record_batch(columns: Sequence[TableColumn], rows: Sequence[Sequence[Any]]) -> Any:
    """Return rows, as the service writes them in JSON, as an Arrow record batch."""
    arrow: Any = import_module("pyarrow")
    arrays = [_array(arrow, column, [row[place] for row in rows]) for place, column in enumerate(columns)]
    return arrow.record_batch(arrays, names=[column.name for column in columns])


def _array(arrow: Any, column: TableColumn, values: list[Any]) -> Any:
    read = _READ.get(column.type, str)
    held = [None if value is None else read(value) for value in values]
    sent = remarked(column.docstring).removeprefix(_REMARK)
    if column.type == "datetime":
        array = arrow.array(held, arrow.timestamp("us", "UTC"))
        return array.cast(arrow.type_for_alias(sent)) if sent else array
    if column.type == "decimal":
        digits = _DECIMAL.fullmatch(sent)
        return arrow.array(held, arrow.decimal128(int(digits[1]), int(digits[2])) if digits else None)
    types: Mapping[str, Any] = {
        "bool": arrow.bool_(), "int": arrow.int32(), "long": arrow.int64(), "real": arrow.float64(),
    }  # fmt: skip
    return arrow.array(held, types.get(column.type, arrow.string()))


def _text(value: Any) -> str | None:
    # Text knows no null in Kusto: it is stored empty ("The string data type").
    return str(value) or None


def _instant(value: Any) -> datetime:
    return datetime.fromisoformat(str(value)).astimezone(UTC)


_READ: Mapping[str, Callable[[Any], Any]] = {
    "bool": bool,
    "int": int,
    "long": int,
    "real": float,  # NaN and infinity come as text
    "decimal": lambda value: Decimal(str(value)),
    "datetime": _instant,
    "string": _text,
}
