"""The types that a column may have, and whether a text is a value of one.

Belongs here: what a contract's author may write for `physicalType`, and beside it. Does not belong here: how
values are cast; the engine does that (`ingestion.values`).
"""

import json
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from enum import Enum
from fractions import Fraction

from sluicegate.compute.type_text import ALIASES, parts_of, words_of
from sluicegate.contracts.equalities import DAY
from sluicegate.contracts.floats import FLOATS, float_problem
from sluicegate.core.partitions import Grain

_BITS = {"TINYINT": 8, "SMALLINT": 16, "INTEGER": 32, "INT": 32, "BIGINT": 64, "HUGEINT": 128}
_UNSIGNED = {"UTINYINT": 8, "USMALLINT": 16, "UINTEGER": 32, "UBIGINT": 64, "UHUGEINT": 128}
RANGES = {
    **{name: (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for name, bits in _BITS.items()},
    **{name: (0, 2**bits - 1) for name, bits in _UNSIGNED.items()},
}
_DECIMALS = ("DECIMAL", "NUMERIC")
_TEXTS = ("VARCHAR", "TEXT", "STRING", "CHAR", "BPCHAR")
_MOMENTS = (
    "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "DATETIME", "TIMESTAMPTZ",
    "TIMESTAMP WITH TIME ZONE",
)  # fmt: skip
_OTHERS = ("UUID", "JSON", "BLOB", "BIT", "INTERVAL", "TIMETZ", "TIME WITH TIME ZONE")
KNOWN = (*RANGES, *_DECIMALS, *FLOATS, *_TEXTS, *_MOMENTS, "DATE", "TIME", "BOOLEAN", "BOOL", *_OTHERS)
_NESTED = ("STRUCT", "ROW", "MAP", "UNION")
_LIST = "LIST"
# No type holds a number of more digits.
_MOST_EXPONENT = 400
_CLOCK = r"[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?"
_MOMENT = re.compile(rf"{DAY}([T ]{_CLOCK}(Z|[+-][0-9]{{2}}:[0-9]{{2}})?)?")
_MOST_NANOSECONDS = datetime(1677, 9, 22), datetime(2262, 4, 11, 23, 47, 16)
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
    """Return a type without its arguments: `DECIMAL(12,2)` is `DECIMAL`, any list `LIST`."""
    return _LIST if type_.endswith("]") else type_.partition("(")[0].strip()


def nests(type_: str) -> bool:
    """Return whether a type is made of others: lists, structs, maps, unions."""
    return base_of(type_) in (_LIST, *_NESTED)


def scale_of(type_: str) -> int:
    """Return the digits after the point of a DECIMAL; the engine's own default is DECIMAL(18,3)."""
    return _digits(type_)[1]


def _digits(type_: str) -> tuple[int, int]:
    match = _PARTS.fullmatch(type_)
    assert match is not None, type_
    return int(match[2] or 18), int(match[3] or (0 if match[2] else 3))


def type_problem(type_: str) -> str:
    """Return what is wrong with a type, as `type_text` has it, or nothing."""
    if nests(type_):
        return _nested_problem(type_)
    if base_of(type_) == "ENUM":
        return "" if words_of(type_) else "an ENUM without words, as in ENUM('a', 'b')"
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


def _nested_problem(type_: str) -> str:
    """Return what is wrong with a type of types: what is within, or that no file has it."""
    if base_of(type_) == "UNION":
        return "a UNION, and no file says which of its types a value has; write VARCHAR, or JSON"
    inner = parts_of(type_)
    if not inner or (base_of(type_) == "MAP" and len(inner) != 2):
        return "no type that the warehouse knows"
    for part in inner:
        if wrong := type_problem(part):
            return f"`{part}` is {wrong}"
    return ""


def value_of(type_: str, text: str) -> Decimal | date | datetime | time | bool | str:
    """Return the value of a type that a contract's text means.

    Raises:
        ValueError: it means none, or one that the type would round.
    """
    kind = kind_of(type_)
    if kind is Kind.NUMBER:
        return _number(type_, text)
    if kind in (Kind.DATE, Kind.MOMENT):
        return _day(type_, text)
    if kind is Kind.TIME:
        if not re.fullmatch(_CLOCK, text):
            raise ValueError(text)
        return time.fromisoformat(text)
    if kind is Kind.BOOLEAN:
        if text.lower() not in ("true", "false"):
            raise ValueError(text)
        return text.lower() == "true"
    judge = _OTHER_VALUES.get(base_of(type_))
    if judge is not None and not judge(type_, text):
        raise ValueError(text)
    return text


def _day(type_: str, text: str) -> date | datetime:
    """Python takes more for a date than the engine does: `20240101`, `2024-W01`."""
    if not re.fullmatch(DAY, text) if kind_of(type_) is Kind.DATE else not _MOMENT.fullmatch(text):
        raise ValueError(text)
    if kind_of(type_) is Kind.DATE:
        return date.fromisoformat(text)
    moment = datetime.fromisoformat(text)
    least, most = _MOST_NANOSECONDS
    base = ALIASES.get(base_of(type_), base_of(type_))
    if base == "TIMESTAMP_NS" and not least <= moment.replace(tzinfo=None) <= most:
        raise ValueError(text)
    if (base == "TIMESTAMP_S" and moment.microsecond) or (
        base == "TIMESTAMP_MS" and moment.microsecond % 1000
    ):
        raise ValueError(text)
    return moment


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


# Of types whose values are not compared here: whether a text is one, that the engine casts to the same.
_OTHER_VALUES: Mapping[str, Callable[[str, str], bool]] = {
    "UUID": lambda _, text: (
        re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", text) is not None
    ),
    "ENUM": lambda type_, text: text in words_of(type_),
    "BIT": lambda _, text: re.fullmatch(r"[01]+", text) is not None,
    "JSON": lambda _, text: _is_json(text),
    **dict.fromkeys(
        ("BLOB", "INTERVAL", "TIMETZ", "TIME WITH TIME ZONE", _LIST, *_NESTED), lambda _, __: False
    ),
}


def _number(type_: str, text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueError(text) from None
    if not number.is_finite() or "_" in text or abs(number.adjusted()) > _MOST_EXPONENT:
        raise ValueError(text)
    base = base_of(type_)
    if base in RANGES:
        least, most = RANGES[base]
        if number != number.to_integral_value() or not least <= number <= most:
            raise ValueError(text)
    elif base in _DECIMALS:
        precision, scale = _digits(type_)
        if number.adjusted() >= precision - scale or (Fraction(number) * 10**scale).denominator != 1:
            raise ValueError(text)
    elif float_problem(type_, text):
        raise ValueError(text)
    return number
