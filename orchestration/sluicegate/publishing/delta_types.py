"""What each of the engine's types becomes in a Delta table, which has fewer.

A value is there exactly as it is, or as a text that the engine casts back to it; docs/environments.md has the
table, and `tests/publishing/test_types.py` reads each back. Belongs here: types. Does not belong here: rows.
"""

from collections.abc import Mapping
from typing import Any

from sluicegate.compute.exact_parquet import TEXT as TEXT
from sluicegate.compute.exact_parquet import WIDE_DECIMAL as WIDE_DECIMAL
from sluicegate.compute.sql import quoted
from sluicegate.compute.sql_types import LIST, MAP, STRUCT, SqlType, UnknownType, parse_type

_WIDE = ("HUGEINT", "UHUGEINT")
# {the engine's: as it is written}; all others are written as text.
_WRITTEN = {
    "BOOLEAN": "BOOLEAN", "TINYINT": "TINYINT", "SMALLINT": "SMALLINT", "INTEGER": "INTEGER",
    "BIGINT": "BIGINT", "UTINYINT": "SMALLINT", "USMALLINT": "INTEGER", "UINTEGER": "BIGINT",
    "UBIGINT": "DECIMAL(20,0)", "FLOAT": "FLOAT", "DOUBLE": "DOUBLE", "VARCHAR": TEXT, "BLOB": "BLOB",
    "DATE": "DATE", "TIMESTAMP": "TIMESTAMP", "TIMESTAMP_S": "TIMESTAMP", "TIMESTAMP_MS": "TIMESTAMP",
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMP WITH TIME ZONE",
}  # fmt: skip
# {as it is written: Delta's}.
_DELTA = {
    "BOOLEAN": "boolean", "TINYINT": "byte", "SMALLINT": "short", "INTEGER": "integer", "BIGINT": "long",
    "FLOAT": "float", "DOUBLE": "double", TEXT: "string", "BLOB": "binary", "DATE": "date",
    "TIMESTAMP": "timestamp_ntz", "TIMESTAMP WITH TIME ZONE": "timestamp",
}  # fmt: skip


def written_as(kind: str, wide: str = WIDE_DECIMAL) -> str:
    """Return the type as which values of one, as `describe` writes it, are written.

    `wide` is what a HUGEINT becomes: a number of 38 digits, or text where one has more.
    """
    try:
        return _written(parse_type(kind), wide)
    except UnknownType:
        return TEXT


def has_wide(kind: str) -> bool:
    """Return whether a type may have numbers of more than 38 digits."""
    return written_as(kind) != written_as(kind, TEXT)


def delta_schema(columns: Mapping[str, str], key_column: str) -> dict[str, Any]:
    """Return Delta's schema of columns, {name: type as `written_as` returns it}, in their order."""
    found = [_field(name, _delta(parse_type(kind))) for name, kind in columns.items()]
    return {"type": "struct", "fields": [*found, *([_field(key_column, "string")] if key_column else [])]}


def _written(kind: SqlType, wide: str) -> str:
    if kind.name in _WIDE:
        return wide
    if kind.name == "DECIMAL":
        return f"DECIMAL({kind.numbers[0]},{kind.numbers[1]})"
    inner = [(name, _written(member, wide)) for name, member in kind.members]
    if kind.name == LIST:
        return f"{inner[0][1]}[]"
    if kind.name == MAP:
        return f"MAP({inner[0][1]}, {inner[1][1]})"
    if kind.name == STRUCT and all(name for name, _ in inner):
        return f"STRUCT({', '.join(f'{quoted(name)} {member}' for name, member in inner)})"
    return _WRITTEN.get(kind.name, TEXT)


def _delta(kind: SqlType) -> Any:
    if kind.name == "DECIMAL":
        return f"decimal({kind.numbers[0]},{kind.numbers[1]})"
    inner = [(name, _delta(member)) for name, member in kind.members]
    if kind.name == LIST:
        return {"type": "array", "elementType": inner[0][1], "containsNull": True}
    if kind.name == MAP:
        return {"type": "map", "keyType": inner[0][1], "valueType": inner[1][1], "valueContainsNull": True}
    if kind.name == STRUCT:
        return {"type": "struct", "fields": [_field(name, member) for name, member in inner]}
    return _DELTA[kind.name]


def _field(name: str, kind: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, "nullable": True, "metadata": {}}
