"""Dates and moments of a shard that need more than the driver does: infinite ones, and those out of range.

Belongs here: finding them before anything is sent. Does not: the SQL that makes infinity of a number
(`targets`), any other type.

Postgres knows both infinities, and years from 4713 BC on: https://www.postgresql.org/docs/current/datatype-datetime.html.
The driver counts from 2000 and cannot send an infinite moment; it sends the wrong one or none.
"""

from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any

from ..base import DeliveryError, Shard
from .types import Column

_BATCH_ROWS = 65_536
# Since 1970: the first that Postgres' datatype/timestamp.h allows, and the first that is too late.
_DAYS = (-2_440_588, 2_145_042_906)
_MICROSECONDS = (-210_866_803_200_000_000, 2**63 - 1)


def sendable(shard: Shard, columns: Sequence[Column]) -> tuple[Column, ...]:
    """Return the columns; those with an infinite date or moment as ones that are sent as numbers.

    Raises:
        DeliveryError: a date or moment is one that Postgres does not have; its row is named.
    """
    found: set[str] = set()
    instants = {column.name: column for column in columns if _instant(column.element or column)}
    if instants:
        parquet = import_module("pyarrow.parquet")
        with parquet.ParquetFile(shard.path, pre_buffer=False) as file:
            place = 0
            for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=list(instants)):
                found |= {
                    name
                    for name, column in instants.items()
                    if _look(shard, column, batch.column(name), place)
                }
                place += batch.num_rows
    arrow = import_module("pyarrow")
    return tuple(
        replace(
            column,
            raw=True,
            staged="integer" if column.family == "date" else "bigint",
            arrow_type=arrow.int32() if column.family == "date" else arrow.int64(),
        )
        if column.name in found
        else column
        for column in columns
    )


def as_numbers(values: Any, column: Column) -> Any:
    """Return dates as days since 1970, moments as microseconds; infinity is the greatest or its negative."""
    arrow, compute = import_module("pyarrow"), import_module("pyarrow.compute")
    if column.family == "date":
        return values.view(arrow.int32())
    numbers = values.view(arrow.int64())
    shift = {"s": 1_000_000, "ms": 1_000, "us": 1, "ns": 0}[values.type.unit]
    if shift == 1:
        return numbers
    end = 2**63 - 1
    infinite = compute.or_(compute.equal(numbers, end), compute.equal(numbers, -end))
    finite = compute.if_else(infinite, None, numbers)
    finite = compute.multiply_checked(finite, shift) if shift else compute.divide(finite, 1_000)
    return compute.if_else(infinite, numbers, finite)


def name_row(shard: Shard, place: int) -> str:
    """Return the key of a row of the shard's file, as `field = value`; it may be classified."""
    parquet = import_module("pyarrow.parquet")
    with parquet.ParquetFile(shard.path, pre_buffer=False) as file:
        first = 0
        for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=list(shard.key)):
            if place < first + batch.num_rows:
                texts = [(name, _text(batch.column(name)[place - first])) for name in shard.key]
                return ", ".join(f"{name} = {text}" for name, text in texts)
            first += batch.num_rows
    return f"row {place}"


def _instant(column: Column) -> bool:
    return column.family == "date" or column.family.startswith("timestamp")


def _look(shard: Shard, column: Column, values: Any, place: int) -> bool:
    """Whether some values are infinite; raises for one that cannot be sent."""
    arrow, compute = import_module("pyarrow"), import_module("pyarrow.compute")
    inner = column
    rows: Any = None
    if column.element is not None:
        rows, inner = compute.list_parent_indices(values), column.element
        values = compute.list_flatten(values)
    if arrow.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    numbers = values.view(arrow.int32() if inner.family == "date" else arrow.int64())
    lowest, greatest = (value.as_py() for value in compute.min_max(numbers).values())
    if lowest is None:
        return False
    unit = "day" if inner.family == "date" else values.type.unit
    first, end = _DAYS if unit == "day" else _MICROSECONDS
    if unit != "day":
        per = {"s": 1_000_000, "ms": 1_000, "us": 1}.get(unit, 1)
        first = -(-first // per) if unit != "ns" else first
        end = end // per if unit != "ns" else end
    infinity = 2**31 - 1 if unit == "day" else 2**63 - 1
    finest = unit == "ns"
    if first <= lowest and greatest < end and not finest:
        return False
    infinite = compute.or_(compute.equal(numbers, infinity), compute.equal(numbers, -infinity))
    within = compute.and_(compute.greater_equal(numbers, first), compute.less(numbers, end))
    if finest:
        rounded = compute.multiply(compute.divide(numbers, 1_000), 1_000)
        within = compute.equal(rounded, numbers)
    fine = within if column.element is not None else compute.or_(infinite, within)
    bad = compute.index(compute.fill_null(fine, True), False).as_py()
    if bad >= 0:
        at = name_row(shard, place + (bad if rows is None else rows[bad].as_py()))
        raise DeliveryError(
            "SLU-V104",
            f"column {column.name!r} of {shard.export} has a {inner.postgres_type} that Postgres cannot hold,"
            f" at {at}: sending it would lose data",
            "4713 BC to 294276 (dates: to 5874897), to the microsecond, in lists none that is infinite",
            "cast the column in the export's model",
        )
    return bool(compute.any(infinite).as_py())


def _text(scalar: Any) -> str:
    try:
        return str(scalar.as_py())
    except (OverflowError, ValueError):
        return str(scalar)
