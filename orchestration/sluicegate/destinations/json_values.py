"""How a value is written in JSON for a vendor that has no rule of its own.

Belongs here: forms that lose nothing. Does not: the forms that one vendor asks for.
"""

import base64
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from importlib import import_module
from typing import Any, cast
from uuid import UUID

from sluicegate.compute.alike import is_whole_number
from sluicegate.compute.sql_types import SqlType, UnknownType, parse_type

from .exact_values import Unfit, days_outside, end_of_day, finer_moments

# Types that have numbers which a reader of doubles takes for others.
_BIG = frozenset({"BIGINT", "UBIGINT", "HUGEINT", "UHUGEINT"})


def json_value(value: Any) -> Any:
    """A value as JSON has it: decimals, dates, times, UUIDs and not-a-number as text, binary as base64.

    Whole numbers are numbers, with all their digits: a reader must not make doubles of those above 2^53.

    Moments are ISO 8601; those with a zone in UTC, ending in `Z`. A decimal keeps its scale.

    Raises:
        TypeError: a kind of value that `unknown_to_json` tells of.
    """
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case Decimal():
            return format(value, "f")
        case datetime():
            if value.tzinfo is None:
                return value.isoformat()
            return value.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
        case date() | time():
            return value.isoformat()
        case UUID():
            return str(value)
        case bytes():
            return base64.b64encode(value).decode("ascii")
        case Mapping():
            items = cast("Mapping[str, Any]", value).items()
            return {str(name): json_value(part) for name, part in items}
        case Sequence():
            return [json_value(part) for part in cast("Sequence[Any]", value)]
        case _:
            raise TypeError(f"no JSON form for {type(value).__name__}")


def unknown_to_json(kind: Any) -> bool:
    """Whether values of an Arrow type, or of one within it, have no form in `json_value`."""
    types = import_module("pyarrow").types
    if types.is_dictionary(kind):
        return unknown_to_json(kind.value_type)
    if types.is_nested(kind):
        # The entries of a map come as pairs, and keys of two kinds may be equal as text.
        if types.is_map(kind) or types.is_union(kind):
            return True
        return any(unknown_to_json(kind.field(place).type) for place in range(kind.num_fields))
    return bool(types.is_duration(kind) or types.is_interval(kind))


def unfit_for_json(value: str, kind: SqlType) -> Iterator[Unfit]:
    """Yield what has no form in `json_value` although its type has one: days that ISO 8601 lacks."""
    yield from days_outside(value, kind, 1, 9999, "ISO 8601")
    yield from finer_moments(value, kind, 6, "the destination")
    yield from end_of_day(value, kind, "the destination")


def written_as(kind: str, *, big_as_text: bool) -> str:
    """Return in words how values of a SQL type are written, where that is not the same for all of its family.

    `big_as_text`: whole numbers beyond 2^53 - 1 are texts.
    """
    big = "a number, and a text beyond 2^53 - 1" if big_as_text else "a number"
    try:
        return _written(parse_type(kind), big)
    except UnknownType:  # its members are not told: there may be such a number among them
        return big


def _written(kind: SqlType, big: str) -> str:
    if kind.name == "DECIMAL":
        return "a text"
    if is_whole_number(kind.name):
        return big if kind.name in _BIG else "a number"
    return ", ".join(filter(None, dict.fromkeys(_written(part, big) for _, part in kind.members)))
