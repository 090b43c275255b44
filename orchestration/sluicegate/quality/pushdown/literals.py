"""Values of a rule -> SQL literals that compare with a column as Great Expectations compares them."""

import math
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sluicegate.compute.sql import literal
from sluicegate.quality.pushdown.steps import NotCompiled, RuleProblem
from sluicegate.quality.pushdown.table import DAYS, NUMBERS, Column, Kind

_WIDEST = 2**127  # the largest integer that the engine compares exactly


def compared(column: Column, value: Any) -> str:
    """Return the literal that a column is compared with.

    Raises:
        NotCompiled: the column's type is not pushed down.
        RuleProblem: the value is of another kind than the column.
    """
    found = _literal(column, value)
    if found is None:
        raise RuleProblem(f"{value!r} does not compare with column `{column.name}`, which is {column.type}")
    return found


def of_the_kind(column: Column, values: Iterable[Any]) -> list[str]:
    """Return literals for the values that the column can hold; the others equal nothing in it.

    Text that names a day or a time is one beside dates and timestamps, also where the pandas engine takes it
    for text only (`expect_column_values_to_be_in_set`): a YAML file may put either.
    """
    found = (_literal(column, value) for value in values if _can_be_held(column, value))
    return list(dict.fromkeys(text for text in found if text is not None))


def in_set(column: Column, literals: list[str]) -> str:
    """Return the predicate that the column's value is one of them."""
    return f"{column.value} in ({', '.join(literals)})" if literals else f"({column.missing} and null)"


def _can_be_held(column: Column, value: Any) -> bool:
    """Whether a column may hold the very number: to compare others, the engine would round one of them."""
    if value is None or (isinstance(value, (float, Decimal)) and math.isnan(value)):
        return False
    if not isinstance(value, (int, float, Decimal)) or column.kind not in NUMBERS:
        return True
    if column.kind is Kind.FLOAT:
        return not isinstance(value, int) or _exact(value)
    if not math.isfinite(value):
        return False
    if column.kind is Kind.INTEGER:
        return value == int(value) and abs(value) < _WIDEST
    width, scale = column.digits
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    return abs(number) < Decimal(10) ** (width - scale) and number == round(number, scale)


def _exact(value: int) -> bool:
    try:
        return int(float(value)) == value
    except OverflowError:
        return False


def moment(value: Any) -> datetime | None:
    """Return a date, a time or text of either as a time; None where it is none, or has a time zone."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, datetime):
        return value if value.tzinfo is None else None
    return datetime(value.year, value.month, value.day) if isinstance(value, date) else None


def plain_number(value: Any) -> str:
    """Return a number's literal; in digits it is exact, so that `0.1` is a decimal column's `0.10`."""
    if isinstance(value, float) and not math.isfinite(value):
        return f"{literal(str(value))}::double"
    return f"({value})" if value < 0 else str(value)


def _literal(column: Column, value: Any) -> str | None:
    kind = column.kind
    if kind is Kind.OTHER:
        raise NotCompiled(column.type)
    if kind in NUMBERS and isinstance(value, (int, float, Decimal)):
        return _number(kind, value)
    if kind is Kind.TEXT and isinstance(value, str):
        return literal(value)
    if kind is Kind.BOOLEAN and value in (True, False):
        return str(bool(value)).lower()
    if kind in DAYS and (time := moment(value)) is not None:
        if kind is Kind.DATE and time == datetime(time.year, time.month, time.day):
            return f"date {literal(time.date().isoformat())}"
        return f"timestamp {literal(time.isoformat(' '))}"
    return None


def _number(kind: Kind, value: int | float | Decimal) -> str:
    if isinstance(value, bool):
        value = int(value)
    if isinstance(value, float) and math.isnan(value):
        raise RuleProblem("NaN compares with nothing")
    if kind is Kind.INTEGER and not isinstance(value, int) and math.isfinite(value):
        if value == int(value) and abs(value) < _WIDEST:
            return plain_number(int(value))
        # An integer column would be cast to the decimal's width, which its values may not fit. Rounded to
        # doubles, large integers still are on the side of a fraction that they were on.
        return f"{value}::double"
    if kind is Kind.FLOAT and isinstance(value, float):
        return f"{literal(repr(value))}::double"  # in digits it is a decimal, which is rounded once more
    return plain_number(value)
