"""Numbers and shares as people read them."""

import math
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any

_SHOWN_VALUES = 10


def number(value: Any) -> str:
    """Return a value in words: `1,000`, `0.25`, `2022-10-03`, `'Ames'`."""
    match value:
        case bool() | None:
            return str(value).lower()
        case int():
            return f"{value:,}"
        case float() | Decimal():
            if math.isfinite(value) and value == int(value):
                return f"{int(value):,}"
            return f"{value:,.6g}"
        case date():
            return value.isoformat(" ") if hasattr(value, "hour") else value.isoformat()  # type: ignore[call-arg]
        case str():
            return f"'{value}'"
        case _:
            return str(value)


def some_of(values: Iterable[Any]) -> str:
    """Return the first few values, and how many more there are."""
    known = list(values)
    shown = ", ".join(number(value) for value in known[:_SHOWN_VALUES])
    more = f" and {len(known) - _SHOWN_VALUES:,} more" if len(known) > _SHOWN_VALUES else ""
    return f"{{{shown}}}{more}"


def share_of_rows(failing: int, rows: int) -> str:
    """Return `12 of 1,000 rows (1.2 %)`."""
    share = f" ({100 * failing / rows:.3g} %)" if failing and rows else ""
    return f"{failing:,} of {rows:,} rows{share}"


def at_least(mostly: float) -> str:
    """Return what `mostly` adds to what is expected."""
    return "" if mostly == 1 else f", at least {100 * mostly:g} %"
