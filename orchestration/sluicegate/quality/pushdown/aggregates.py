"""Rules that hold a number of the whole column against bounds: mean, median, sum, distinct values."""

import math
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

from sluicegate.quality.pushdown.arguments import Arguments, Bounds
from sluicegate.quality.pushdown.column_values import Compiler
from sluicegate.quality.pushdown.literals import moment
from sluicegate.quality.pushdown.steps import Compiled, NotCompiled, Scan, Verdict
from sluicegate.quality.pushdown.table import DAYS, NUMBERS, Column, Kind, Table
from sluicegate.quality.pushdown.wording import number

# Squares of what is larger leave the range of a double, which the engine takes for an error.
_LARGEST_TO_SQUARE = 1e150
_SUM_MAY_OVERFLOW = ("HUGEINT", "UHUGEINT")

Metric = Callable[[Column], str]


def mean(column: Column) -> str:
    """Return the mean."""
    return f"avg({_as_double(column.needs(*NUMBERS))})"


def median(column: Column) -> str:
    """Return the median; of an even number of values the middle between two, also of days."""
    return (
        f"median({column.needs(*DAYS).bare if column.kind in DAYS else _as_double(column.needs(*NUMBERS))})"
    )


def total(column: Column) -> str:
    """Return the sum; of no value it is 0, as pandas has it (Great Expectations' SQL has null)."""
    exact = column.needs(*NUMBERS).kind is Kind.INTEGER and column.type not in _SUM_MAY_OVERFLOW
    return f"coalesce(sum({column.bare if exact else _as_double(column)}), 0)"


def smallest(column: Column) -> str:
    """Return the minimum."""
    return f"min({_ordered(column).value})"


def largest(column: Column) -> str:
    """Return the maximum."""
    return f"max({_ordered(column).value})"


def deviation(column: Column) -> str:
    """Return the sample standard deviation; there is none with infinite values, nor of fewer than two."""
    value = _as_double(column.needs(*NUMBERS))
    small = f"abs({value}) < {_LARGEST_TO_SQUARE}"
    without_large = f"stddev_samp({value}) filter (where {small})"
    return f"case when count(*) filter (where not ({small})) = 0 then {without_large} end"


def different(column: Column) -> str:
    """Return the number of different values."""
    return f"count(distinct {column.value})"


def between(metric: Metric, words: str) -> Compiler:
    """Return the compiler of `expect_column_<metric>_to_be_between`."""

    def compile_rule(table: Table, arguments: Arguments) -> Compiled:
        column, bounds = table.column(arguments.text("column")), arguments.bounds()
        aggregate = metric(column)
        _demand_comparable(bounds, days=column.kind in DAYS and metric is not different)
        return Compiled(f"{words} {bounds}", Scan((aggregate,), lambda found: within(bounds, found[0])))

    return compile_rule


def share(part: Metric, whole: Metric, words: str) -> Compiler:
    """Return the compiler of `expect_column_proportion_of_…_to_be_between`; of nothing the share is 0."""

    def compile_rule(table: Table, arguments: Arguments) -> Compiled:
        column, bounds = table.column(arguments.text("column")), arguments.bounds()
        _demand_comparable(bounds, days=False)

        def verdict(found: Sequence[Any]) -> Verdict:
            return within(bounds, found[0] / found[1] if found[1] else 0)

        return Compiled(f"{words} {bounds}", Scan((part(column), whole(column)), verdict))

    return compile_rule


def within(bounds: Bounds, observed: Any) -> Verdict:
    """Return the verdict on an observed number or time; none, or NaN, is a failure."""
    if observed is None or (isinstance(observed, float) and math.isnan(observed)):
        return Verdict(passed=False, observed="no value")
    return Verdict(
        passed=bounds.hold(observed),
        observed=number(observed),
        observed_value=None if isinstance(observed, date) else float(observed),
    )


def _ordered(column: Column) -> Column:
    if column.kind is Kind.TEXT:  # Great Expectations takes no bounds for text, and says so
        raise NotCompiled(column.type)
    return column.needs(*NUMBERS, *DAYS)


def _as_double(column: Column) -> str:
    return column.value if column.type == "DOUBLE" else f"{column.value}::double"


def _demand_comparable(bounds: Bounds, *, days: bool) -> None:
    for bound in (bounds.low, bounds.high):
        fits = moment(bound) is not None if days else isinstance(bound, (int, float))
        if bound is not None and (not fits or isinstance(bound, bool)):
            raise NotCompiled("bounds")
