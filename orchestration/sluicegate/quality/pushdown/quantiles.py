"""Rules on quantiles."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from sluicegate.quality.pushdown.arguments import Arguments
from sluicegate.quality.pushdown.steps import Compiled, NotCompiled, Scan, Step, Verdict
from sluicegate.quality.pushdown.table import NUMBERS, Table
from sluicegate.quality.pushdown.wording import number

# How near to a bound of its range a quantile may lie: as a share of the bound, and at all.
_NEAR, _NEAR_ZERO = 1e-4, 1e-8


def quantiles(table: Table, arguments: Arguments) -> Compiled:
    """`expect_column_quantile_values_to_be_between`, as the pandas engine defines them.

    That is: the value nearest to the quantile's place in the order (of two the one with the even place), or
    pandas' interpolation that `allow_relative_error` names.
    """
    column = table.column(arguments.text("column")).needs(*NUMBERS)
    wanted, ranges = _quantile_ranges(arguments)
    interpolation = arguments.kwargs.get("allow_relative_error") or "nearest"
    places = _PLACES.get(interpolation)
    if places is None:
        raise NotCompiled("allow_relative_error")

    def verdict(found: Sequence[Any]) -> Verdict:
        values = [float(value) for value in found]
        held = [_in_range(value, bounds) for value, bounds in zip(values, ranges, strict=True)]
        said = (f"p{100 * q:g} = {number(v)}" for q, v in zip(wanted, values, strict=True))
        return Verdict(all(held), ", ".join(said))

    def look_up(counted: Sequence[Any]) -> Step:
        count = counted[0]
        if not count:
            return Verdict(passed=False, observed="no value")
        pairs = [places((count - 1) * quantile) for quantile in wanted]
        # quantile_disc takes a share; the middle of a value's own stretch hits it, whatever rounding does.
        shares = ", ".join(str((place + 0.5) / count) for pair in pairs for place in pair[:2])

        def interpolate(listed: Sequence[Any]) -> Verdict:
            ordered = [float(value) for value in listed[0]]
            return verdict(
                [
                    low if low == high else low + (high - low) * pair[2]
                    for low, high, pair in zip(ordered[::2], ordered[1::2], pairs, strict=True)
                ]
            )

        return Scan((f"quantile_disc({column.value}, [{shares}])",), interpolate)

    said = (f"p{100 * q:g} {_said(bounds)}" for q, bounds in zip(wanted, ranges, strict=True))
    return Compiled(", ".join(said), Scan((column.count,), look_up))


def _quantile_ranges(arguments: Arguments) -> tuple[list[float], list[Sequence[Any]]]:
    given = arguments.kwargs.get("quantile_ranges")
    if not isinstance(given, dict) or set(given) != {"quantiles", "value_ranges"}:
        raise NotCompiled("quantile_ranges")
    asked, ranges = (
        Arguments(given).values("quantiles", least=1),
        Arguments(given).values("value_ranges", least=1),
    )
    for bound in [bound for bounds in ranges for bound in bounds] + asked:
        if isinstance(bound, bool) or not isinstance(bound, (int, float, type(None))):
            raise NotCompiled("quantile_ranges")
    if len(asked) != len(ranges) or any(len(bounds) != 2 for bounds in ranges):
        raise NotCompiled("quantile_ranges")
    if not all(quantile is not None and 0 <= quantile <= 1 for quantile in asked):
        raise NotCompiled("quantiles")
    return asked, ranges


def _in_range(value: float, bounds: Sequence[float | None]) -> bool:
    low = -math.inf if bounds[0] is None else bounds[0]
    high = math.inf if bounds[1] is None else bounds[1]
    near = any(
        math.isfinite(bound) and abs(value - bound) <= _NEAR_ZERO + _NEAR * abs(bound)
        for bound in (low, high)
    )
    return near or low <= value <= high


def _said(bounds: Sequence[float | None]) -> str:
    low, high = ("…" if bound is None else number(bound) for bound in bounds)
    return f"in [{low}, {high}]"


# From a place in the order, perhaps between two: the places around it, and how far from the first to look.
_PLACES: dict[str, Callable[[float], tuple[int, int, float]]] = {
    "nearest": lambda place: (round(place), round(place), 0.0),
    "lower": lambda place: (math.floor(place), math.floor(place), 0.0),
    "higher": lambda place: (math.ceil(place), math.ceil(place), 0.0),
    "midpoint": lambda place: (math.floor(place), math.ceil(place), 0.5),
    "linear": lambda place: (math.floor(place), math.ceil(place), place - math.floor(place)),
}
