"""The types that a column may have, and whether a text is a value of one.

Belongs here: what a contract's author may write for `physicalType`, and beside it. Does not belong here: how
values are cast; the engine does that (`ingestion.values`).
"""

import re
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from enum import Enum

from orchestration.core.partitions import Grain

_BITS = {"TINYINT": 8, "SMALLINT": 16, "INTEGER": 32, "INT": 32, "BIGINT": 64, "HUGEINT": 128}
_UNSIGNED = {"UTINYINT": 8, "USMALLINT": 16, "UINTEGER": 32, "UBIGINT": 64, "UHUGEINT": 128}
RANGES = {
    **{name: (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for name, bits in _BITS.items()},
    **{name: (0, 2**bits - 1) for name, bits in _UNSIGNED.items()},
}
_DECIMALS = ("DECIMAL", "NUMERIC")
FLOATS = ("DOUBLE", "FLOAT", "REAL")
_TEXTS = ("VARCHAR", "TEXT", "STRING", "CHAR", "BPCHAR")
_MOMENTS = (
    "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "DATETIME", "TIMESTAMPTZ",
    "TIMESTAMP WITH TIME ZONE",
)  # fmt: skip
_OTHERS = ("UUID", "JSON", "BLOB", "BIT", "INTERVAL", "TIMETZ")
KNOWN = (*RANGES, *_DECIMALS, *FLOATS, *_TEXTS, *_MOMENTS, "DATE", "TIME", "BOOLEAN", "BOOL", *_OTHERS)
_NESTED = re.compile(r".*(\[\d*\]|\bSTRUCT\b|\bMAP\b|\bUNION\b|\bENUM\b)")
_PARTS = re.compile(r"([A-Z_ ]+?) *(?:\( *(\d+) *(?:, *(\d+) *)?\))?")


class Kind(Enum):
    """What sort of values a type has."""

    NUMBER = "number"
    TEXT = "text"
    DATE = "date"
    MOMENT = "timestamp"
    TIME = "time"
    BOOLEAN = "boolean"
    OTHER = "other"


def kind_of(type_: str) -> Kind:
    """Return the kind of a type, in capitals."""
    base = base_of(type_)
    if base in RANGES or base in _DECIMALS or base in FLOATS:
        return Kind.NUMBER
    kinds = {"DATE": Kind.DATE, "TIME": Kind.TIME, "BOOLEAN": Kind.BOOLEAN, "BOOL": Kind.BOOLEAN}
    if base in _TEXTS:
        return Kind.TEXT
    return Kind.MOMENT if base in _MOMENTS else kinds.get(base, Kind.OTHER)


def partition_kinds(grain: Grain) -> tuple[Kind, ...]:
    """Return the kinds of values that tell a span of time: of one finer than a day, moments alone."""
    return (Kind.MOMENT,) if grain.column_type == "timestamp" else (Kind.DATE, Kind.MOMENT)


def base_of(type_: str) -> str:
    """Return a type without its arguments: `DECIMAL(12,2)` is `DECIMAL`."""
    return type_.partition("(")[0].strip()


def type_problem(type_: str) -> str:
    """Return what is wrong with a type, in capitals, or nothing; nested types are the engine's to judge."""
    if _NESTED.match(type_):
        return ""
    match = _PARTS.fullmatch(type_)
    if match is None or match[1] not in KNOWN:
        return "no type that the warehouse knows"
    base, first, second = match[1], match[2], match[3]
    if first is None:
        return ""
    if base in _DECIMALS:
        precision, scale = int(first), int(second or 0)
        return "" if 1 <= precision <= 38 and scale <= precision else "no DECIMAL of 38 digits or fewer"
    return "" if base in _TEXTS and second is None else f"{base} with arguments"


def value_of(type_: str, text: str) -> Decimal | date | datetime | time | bool | str:
    """Return the value of a type that a contract's text means.

    Raises:
        ValueError: it means none, or one that the type would round.
    """
    kind = kind_of(type_)
    if kind is Kind.NUMBER:
        return _number(type_, text)
    if kind is Kind.DATE:
        return date.fromisoformat(text)
    if kind is Kind.MOMENT:
        return datetime.fromisoformat(text)
    if kind is Kind.TIME:
        return time.fromisoformat(text)
    if kind is Kind.BOOLEAN:
        if text.lower() not in ("true", "false"):
            raise ValueError(text)
        return text.lower() == "true"
    return text


def _number(type_: str, text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueError(text) from None
    if not number.is_finite() or "_" in text:
        raise ValueError(text)
    base = base_of(type_)
    if base in RANGES:
        least, most = RANGES[base]
        if number != number.to_integral_value() or not least <= number <= most:
            raise ValueError(text)
    elif base in _DECIMALS:
        match = _PARTS.fullmatch(type_)
        precision, scale = (
            (int(match[2] or 18), int(match[3] or (0 if match[2] else 3))) if match else (18, 3)
        )
        if number != round(number, scale) or abs(number) >= Decimal(10) ** (precision - scale):
            raise ValueError(text)
    return number
