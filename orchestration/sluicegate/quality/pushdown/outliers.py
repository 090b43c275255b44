"""Rules on values far from the others: measured first, then held against what was measured."""

import math
from collections.abc import Sequence
from typing import Any

from sluicegate.quality.pushdown.aggregates import deviation, mean
from sluicegate.quality.pushdown.arguments import Arguments
from sluicegate.quality.pushdown.mapped import map_scan
from sluicegate.quality.pushdown.steps import Compiled, Scan, Step
from sluicegate.quality.pushdown.table import NUMBERS, Column, Table
from sluicegate.quality.pushdown.wording import at_least, number


def z_scores(table: Table, arguments: Arguments) -> Compiled:
    """`expect_column_value_z_scores_to_be_less_than`; where there is no deviation every value passes."""
    column, threshold = table.column(arguments.text("column")).needs(*NUMBERS), arguments.real("threshold")
    double_sided, mostly = arguments.flag("double_sided"), arguments.mostly()

    def judge(found: Sequence[Any]) -> Step:
        center, spread = found
        if not _finite(center, spread) or spread == 0:
            return _all_pass(column, mostly)
        score = f"({column.bare}::double - {center!r}::double) / {spread!r}::double"
        holds = f"abs({score}) < {abs(threshold)}" if double_sided else f"{score} < {threshold}"
        return _unless(column, holds, mostly)

    words = "z-score within ±" if double_sided else "z-score less than "
    return Compiled(
        f"{words}{number(threshold)}{at_least(mostly)}", Scan((mean(column), deviation(column)), judge)
    )


def not_outliers(table: Table, arguments: Arguments) -> Compiled:
    """`expect_column_values_to_not_be_outliers`: Tukey's fences, or so many standard deviations."""
    column, mostly = table.column(arguments.text("column")).needs(*NUMBERS), arguments.mostly()
    method, multiplier = arguments.choice("method", ("iqr", "std")), arguments.real("multiplier", 1.5)
    value = f"{column.bare}::double"

    def within_fences(found: Sequence[Any]) -> Step:
        if not _finite(*found):
            return _all_pass(column, mostly)
        low, high = found
        reach = multiplier * (high - low)
        return _unless(
            column, f"{value} >= {low - reach!r}::double and {value} <= {high + reach!r}::double", mostly
        )

    def near_the_mean(found: Sequence[Any]) -> Step:
        if not _finite(*found):
            return _all_pass(column, mostly)
        center, reach = found[0], multiplier * found[1]
        # Nothing is nearer than no distance, but the mean itself is no outlier.
        near = f"abs({value} - {center!r}::double) < {reach!r}::double"
        return _unless(column, near if reach > 0 else f"{value} = {center!r}::double", mostly)

    quartiles = tuple(f"quantile_cont({column.value}::double, {share})" for share in (0.25, 0.75))
    scan = (
        Scan(quartiles, within_fences)
        if method == "iqr"
        else Scan((mean(column), deviation(column)), near_the_mean)
    )
    words = (
        f"within {number(multiplier)} {'interquartile ranges' if method == 'iqr' else 'standard deviations'}"
    )
    return Compiled(f"{words}{at_least(mostly)}", scan)


def _unless(column: Column, holds: str, mostly: float) -> Step:
    return map_scan((column.name,), column.count, column.unless_missing(f"not ({holds})"), mostly)


def _all_pass(column: Column, mostly: float) -> Step:
    return map_scan((column.name,), column.count, "false", mostly)


def _finite(*values: float | None) -> bool:
    return all(value is not None and math.isfinite(value) for value in values)
