"""How a shard's columns stand in Postgres: which type is created, which existing ones will do.

Belongs here: Arrow types, Postgres types, names and literals in Postgres' spelling. Does not:
connections, statements.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from orchestration.compute.sql import quoted

from ..errors import DeliveryError

_PART = r'"(?:[^"\0]|"")+"|[A-Za-z_][A-Za-z0-9_$]*'
_OBJECT = re.compile(rf"(?:({_PART})\.)?({_PART})")
# Postgres cuts longer names short without an error: two columns or tables might become one.
_NAME_BYTES = 63


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the shard: the Arrow type that is sent, the Postgres type that receives it."""

    name: str
    arrow_type: Any
    postgres_type: str
    accepted: tuple[str, ...]

    def fits(self, found: str) -> bool:
        """Whether every value of the shard, today's and any later day's, fits the type found."""
        if found in (self.postgres_type, *self.accepted):
            return True
        # Ten digits are needed for any integer, but an integer has room for any nine.
        have, need = _precision(found, -1), _precision(self.postgres_type, 0)
        if have is None or need is None:
            return False
        return have[1] >= need[1] and have[0] - have[1] >= need[0] - need[1]


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column of a table that exists, as its catalogue describes it."""

    name: str
    type: str
    must_be_given: bool
    generated: bool


def literal(value: str) -> str:
    """The value as a text literal, whatever `standard_conforming_strings` says."""
    escaped = value.replace("\\", "\\\\").replace("'", "''")
    return f"E'{escaped}'"


def parse_object(object_name: str) -> tuple[str, str]:
    """Schema and table, read as SQL reads them: case folds unless quoted, schema is public."""
    match = _OBJECT.fullmatch(object_name.strip())
    if match is None:
        raise DeliveryError(
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
            f"{of}: the name {name!r} is too long for Postgres",
            f"at most {_NAME_BYTES} bytes",
            "give it a shorter name in the export's model or file",
        )


def columns_of(fields: Iterable[Any], export: str) -> tuple[Column, ...]:
    """The columns of Arrow fields; raises for a type that has no faithful counterpart."""
    columns: list[Column] = []
    for field in fields:
        check_name(field.name, f"column of {export}")
        known = _counterpart(field.type)
        if known is None:
            raise DeliveryError(
                f"column {field.name!r} of {export} is of type {field.type}",
                "integer, decimal, float, boolean, text, date, time, timestamp or binary",
                "cast the column in the export's model",
            )
        columns.append(Column(field.name, *known))
    return tuple(columns)


def check_columns(columns: Sequence[Column], found: Sequence[TableColumn], table: str, export: str) -> None:
    """Raise, naming every difference at once, unless the table can take the shard's columns."""
    by_name = {column.name: column for column in found}
    problems: list[tuple[str, str]] = []
    for column in columns:
        there = by_name.get(column.name)
        add = f"alter table {table} add column {quoted(column.name)} {column.postgres_type}"
        if there is None:
            problems.append((f"{column.name}: expected {column.postgres_type}, found none", add))
        elif there.generated:
            problems.append(
                (
                    f"{column.name}: expected a plain column, found a generated one",
                    f"leave {column.name} out of the export's model",
                )
            )
        elif not column.fits(there.type):
            expected = " or ".join((column.postgres_type, *column.accepted))
            alter = f"alter table {table} alter column {quoted(column.name)} type"
            problems.append(
                (
                    f"{column.name}: expected {expected}, found {there.type}",
                    f"cast it in the export's model, or {alter} {column.postgres_type}",
                )
            )
    sent = {column.name for column in columns}
    problems += [
        (
            f"{there.name}: expected a column of the export, found none, and it may not be null",
            f"add it to the export's model, or give it a default in {table}",
        )
        for there in found
        if there.must_be_given and there.name not in sent
    ]
    if problems:
        raise DeliveryError(
            f"{table} cannot take {export}: " + "; ".join(problem for problem, _ in problems),
            "the columns and types of the export's model",
            "; ".join(mend for _, mend in problems),
        )


def _unquote(part: str) -> str:
    return part[1:-1].replace('""', '"') if part.startswith('"') else part.lower()


def _precision(postgres_type: str, integers: int) -> tuple[int, int] | None:
    if postgres_type == "numeric":  # without limits: takes any number exactly
        return 100_000, 16_000
    match = re.fullmatch(r"numeric\((\d+),(\d+)\)", postgres_type)
    if match is not None:
        return int(match[1]), int(match[2])
    digits = {"smallint": 5, "integer": 10, "bigint": 19}.get(postgres_type)
    return None if digits is None else (digits + integers, 0)


def _counterpart(arrow_type: Any) -> tuple[Any, str, tuple[str, ...]] | None:
    """Arrow type to send, Postgres type to create, others that lose nothing."""
    arrow = import_module("pyarrow")
    is_ = arrow.types
    if is_.is_dictionary(arrow_type):
        return _counterpart(arrow_type.value_type)
    if is_.is_decimal128(arrow_type) and arrow_type.scale >= 0:
        return arrow_type, f"numeric({arrow_type.precision},{arrow_type.scale})", ()
    if is_.is_timestamp(arrow_type):
        # Postgres keeps microseconds; a shard in nanoseconds is refused only if it uses them.
        name = f"timestamp {'with' if arrow_type.tz else 'without'} time zone"
        return arrow.timestamp("us", "UTC" if arrow_type.tz else None), name, ()
    if is_.is_time(arrow_type):
        return arrow.time64("us"), "time without time zone", ()
    if is_.is_string(arrow_type) or is_.is_large_string(arrow_type) or is_.is_string_view(arrow_type):
        # Not varchar(n): it would hold until the day on which a longer text comes.
        return arrow.string(), "text", ("character varying",)
    if is_.is_binary(arrow_type) or is_.is_large_binary(arrow_type):
        return arrow.binary(), "bytea", ()
    small, middle, large = (
        (arrow.int16(), "smallint", ("integer", "bigint")),
        (arrow.int32(), "integer", ("bigint",)),
        (arrow.int64(), "bigint", ()),
    )
    table: dict[Any, tuple[Any, str, tuple[str, ...]]] = {
        arrow.int8(): small,
        arrow.uint8(): small,
        arrow.int16(): small,
        arrow.uint16(): middle,
        arrow.int32(): middle,
        arrow.uint32(): large,
        arrow.int64(): large,
        arrow.uint64(): (arrow.decimal128(20, 0), "numeric(20,0)", ()),
        arrow.float32(): (arrow.float32(), "real", ("double precision",)),
        arrow.float64(): (arrow.float64(), "double precision", ()),
        arrow.bool_(): (arrow.bool_(), "boolean", ()),
        arrow.date32(): (arrow.date32(), "date", ()),
    }
    return table.get(arrow_type)
