"""How a shard's columns are sent to Postgres, and which type a new table gets.

Belongs here: Arrow types, names and literals in Postgres' spelling. Does not: the types of tables that
exist (`targets`), connections, statements.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

from ..errors import DeliveryError

_PART = r'"(?:[^"\0]|"")+"|[A-Za-z_][A-Za-z0-9_$]*'
_OBJECT = re.compile(rf"(?:({_PART})\.)?({_PART})")
# Postgres cuts longer names short without an error: two columns or tables might become one.
_NAME_BYTES = 63
# Columns that every table has: https://www.postgresql.org/docs/current/ddl-system-columns.html
_SYSTEM_COLUMNS = ("tableoid", "xmin", "cmin", "xmax", "cmax", "ctid")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the shard.

    Attributes:
        name: of the field and of the table's column.
        arrow_type: what is sent.
        staged: the type that it has in the temporary table; it holds every value that is sent.
        postgres_type: the type that a new table gets.
        family: what kind of values they are; `targets` says which types of a table hold them.
        element: the values in a list.
        raw: an instant is sent as a whole number, of microseconds or days since 1970, as the driver cannot
            send an infinite one.
    """

    name: str
    arrow_type: Any
    staged: str
    postgres_type: str
    family: str
    element: "Column | None" = None
    raw: bool = False


def literal(value: str) -> str:
    """The value as a text literal, whatever `standard_conforming_strings` says."""
    escaped = value.replace("\\", "\\\\").replace("'", "''")
    return f"E'{escaped}'"


def parse_object(object_name: str) -> tuple[str, str]:
    """Schema and table, read as SQL reads them: case folds unless quoted, schema is public."""
    match = _OBJECT.fullmatch(object_name.strip())
    if match is None:
        raise DeliveryError(
            "SLU-V004",
            f"destination object {object_name!r} is no table name",
            'schema.table or table; anything but letters, digits and _ in double quotes ("")',
            "correct destination.object in the export file",
        )
    schema = "public" if match[1] is None else _unquote(match[1])
    table = _unquote(match[2])
    for name in (schema, table):
        check_name(name, f"destination object {object_name!r}")
    return schema, table


def check_name(name: str, of: str) -> None:
    """Raise for a name that Postgres would shorten."""
    if len(name.encode()) > _NAME_BYTES:
        raise DeliveryError(
            "SLU-V117",
            f"{of}: the name {name!r} is too long for Postgres",
            f"at most {_NAME_BYTES} bytes",
            "give it a shorter name in the export's model or file",
        )


def columns_of(fields: Iterable[Any], export: str) -> tuple[Column, ...]:
    """The columns of Arrow fields; raises for a type that has no faithful counterpart."""
    columns: list[Column] = []
    for field in fields:
        check_name(field.name, f"column of {export}")
        if field.name in _SYSTEM_COLUMNS:
            raise DeliveryError(
                "SLU-V117",
                f"column {field.name!r} of {export} has a name that Postgres keeps for a column of its own",
                f"another name than {', '.join(_SYSTEM_COLUMNS)}",
                "give it another name, in the model or by `names` in the export file",
            )
        known = _counterpart(field.type, field.name)
        if known is None:
            raise DeliveryError(
                "SLU-V117",
                f"column {field.name!r} of {export} is of type {field.type}",
                "integer, decimal, float, boolean, text, date, time, timestamp, binary, UUID, JSON or a list",
                "cast the column in the export's model; what is nested with to_json()",
            )
        columns.append(known)
    return tuple(columns)


def _unquote(part: str) -> str:
    return part[1:-1].replace('""', '"') if part.startswith('"') else part.lower()


def _counterpart(arrow_type: Any, name: str) -> Column | None:
    """What is sent of a field of an Arrow type; None where Postgres has nothing that holds all of it."""
    arrow = import_module("pyarrow")
    is_ = arrow.types
    kind = getattr(arrow_type, "extension_name", "")
    if kind == "arrow.uuid":
        return Column(name, arrow.binary(16), "uuid", "uuid", "uuid")
    if kind == "arrow.json":
        # Not jsonb: that would keep the last of two equal names, and none of the blanks.
        return Column(name, arrow.string(), "text", "json", "text")
    if is_.is_dictionary(arrow_type):
        return _counterpart(arrow_type.value_type, name)
    if is_.is_list(arrow_type) or is_.is_large_list(arrow_type):
        element = _counterpart(arrow_type.value_type, name)
        if element is None or element.element is not None:
            return None
        if element.family == "uuid":  # of which the driver sends no lists
            element = replace(element, arrow_type=arrow.string(), staged="text", family="text")
        sent = arrow.list_(element.arrow_type)
        return Column(name, sent, f"{element.staged}[]", f"{element.postgres_type}[]", "list", element)
    if is_.is_decimal128(arrow_type) and arrow_type.scale >= 0:
        number = f"numeric({arrow_type.precision},{arrow_type.scale})"
        return Column(name, arrow_type, number, number, "number")
    if is_.is_timestamp(arrow_type):
        # Postgres keeps microseconds; a shard in nanoseconds is refused only if it uses them.
        kind = f"timestamp {'with' if arrow_type.tz else 'without'} time zone"
        return Column(name, arrow.timestamp("us", "UTC" if arrow_type.tz else None), kind, kind, kind)
    if is_.is_time(arrow_type):
        kind = "time without time zone"
        return Column(name, arrow.time64("us"), kind, kind, kind)
    if is_.is_string(arrow_type) or is_.is_large_string(arrow_type) or is_.is_string_view(arrow_type):
        # Not varchar(n): it would hold until the day on which a longer text comes.
        return Column(name, arrow.string(), "text", "text", "text")
    if is_.is_binary(arrow_type) or is_.is_large_binary(arrow_type):
        return Column(name, arrow.binary(), "bytea", "bytea", "bytea")
    small, middle, large = (
        (arrow.int16(), "smallint", "number"),
        (arrow.int32(), "integer", "number"),
        (arrow.int64(), "bigint", "number"),
    )
    table: dict[Any, tuple[Any, str, str]] = {
        arrow.int8(): small,
        arrow.uint8(): small,
        arrow.int16(): small,
        arrow.uint16(): middle,
        arrow.int32(): middle,
        arrow.uint32(): large,
        arrow.int64(): large,
        arrow.uint64(): (arrow.decimal128(20, 0), "numeric(20,0)", "number"),
        arrow.float32(): (arrow.float32(), "real", "float"),
        arrow.float64(): (arrow.float64(), "double precision", "float"),
        arrow.bool_(): (arrow.bool_(), "boolean", "boolean"),
        arrow.date32(): (arrow.date32(), "date", "date"),
    }
    if arrow_type not in table:
        return None
    sent, kind, family = table[arrow_type]
    return Column(name, sent, kind, kind, family)
