"""Texts in the Kusto Query Language: names, values, conditions.

Belongs here: quoting, and the conditions that select a scope or keys. Does not: Arrow types (`types`),
connections, commands.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from ..base import Scope
from ..errors import DeliveryError

# Keys in one condition. A long chain of `or` is "too complex" above some thousands of levels ("Query limits",
# https://learn.microsoft.com/kusto/concepts/query-limits).
_KEYS_AT_ONCE = 500


def name(identifier: str) -> str:
    """A name of a table or column, quoted ("Entity names": `['…']` lets every character in)."""
    escaped = identifier.replace("\\", "\\\\").replace("'", "\\'")
    return f"['{escaped}']"


def text(value: str) -> str:
    """A text literal; the escapes of JSON are all known to Kusto ("The string data type")."""
    return json.dumps(value, ensure_ascii=False)


def literal(value: Any, kind: str, field: str) -> str:
    """A value as a literal of a Kusto type; texts are read as ISO 8601 or numbers where the type is such.

    Raises:
        DeliveryError: the value is none of that type; the field is named, the value is not.
    """
    try:
        if kind == "string":
            return text(str(value))
        if kind == "bool":
            return "true" if value in (True, "true", "True") else "false"
        if kind in ("int", "long"):
            return str(int(value))
        if kind == "real":
            return f"real({float(value)!r})"
        if kind == "decimal":
            return f"decimal({Decimal(str(value)):f})"
        if kind == "datetime":
            return f"datetime({_moment(value).strftime('%Y-%m-%dT%H:%M:%S.%fZ')})"
        if kind == "guid":
            return f"guid({value})"
    except (ValueError, ArithmeticError):
        pass
    raise DeliveryError(
        "SLU-V611",
        f"a value of field {field!r} is no {kind}, which its column in Azure Data Explorer holds",
        "values that fit the table's columns",
        "check which model and partition the table was filled from; `.show table T schema as json` shows "
        "its types",
    )


def _moment(value: Any) -> datetime:
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if not isinstance(value, datetime):
        day: date = value
        value = datetime(day.year, day.month, day.day)
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def in_scope(scope: Scope, types: Mapping[str, str]) -> str:
    """The condition that a row is of a scope, "" for every row. `types` are the table's column types."""
    column = scope.partition_column
    if column is None:
        return ""
    kind = types[column]
    if scope.bounds is None:
        return f"{name(column)} == {literal(scope.partition_key, kind, column)}"
    first, end = (literal(bound, kind, column) for bound in scope.bounds)
    return f"{name(column)} >= {first} and {name(column)} < {end}"


def of_keys(scope: Scope, keys: Sequence[Mapping[str, Any]], types: Mapping[str, str]) -> Iterator[str]:
    """Yield conditions that together select the keys within a scope, some hundred keys each."""
    scoped = in_scope(scope, types)
    for start in range(0, len(keys), _KEYS_AT_ONCE):
        some = keys[start : start + _KEYS_AT_ONCE]
        if len(scope.key) == 1:
            field = scope.key[0]
            values = ", ".join(literal(key[field], types[field], field) for key in some)
            chosen = f"{name(field)} in ({values})"
        else:
            each = (
                " and ".join(f"{name(f)} == {literal(key[f], types[f], f)}" for f in scope.key)
                for key in some
            )
            chosen = " or ".join(f"({condition})" for condition in each)
        yield f"({scoped}) and ({chosen})" if scoped else chosen
