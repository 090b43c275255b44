"""What a suite may say: each rule against Great Expectations' schemas, and against its own table.

A mistake found here costs a line in a terminal; found later it would be a rule that never ran.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from sluicegate.core.partitions import Grain
from sluicegate.core.problems import Problem, did_you_mean, nearest
from sluicegate.quality.expectation_types import (
    columns_read,
    expectation_types,
    known_kwargs,
    required_kwargs,
    value_problem,
)
from sluicegate.quality.futile_rules import futilities
from sluicegate.quality.parameters import ParameterProblem, parameters_in, references
from sluicegate.quality.suites import Rule, Suite

# A column in a condition of Great Expectations' own.
_OF_A_CONDITION = re.compile(r"col\(\"([^\"]+)\"\)")
ROW_COUNT_RULES = ("expect_table_row_count_to_be_between", "expect_table_row_count_to_equal")


@dataclass(frozen=True)
class JudgedTable:
    """What rules must know of their table; `columns` is empty where nobody has written them down."""

    columns: tuple[str, ...]
    grain: Grain
    empty_allowed: bool
    described_in: str


def rule_problems(suite: Suite) -> Iterator[Problem]:
    """Yield what Great Expectations would not know of a suite, each at its line."""
    for index, rule in enumerate(suite.rules):
        if rule.type in expectation_types():
            mistyped = list(_kwargs_problems(suite, index, rule))
            yield from mistyped or _futile_problems(suite, index, rule)
            continue
        yield suite.file.problem(
            f"unknown expectation `{rule.type}`",
            expected="one of Great Expectations' core expectations",
            fix=did_you_mean(rule.type, expectation_types()),
            at=("expectations", index, "type"),
        )


def table_problems(suite: Suite, table: JudgedTable) -> Iterator[Problem]:
    """Yield what a suite says that its table does not know, each at its line."""
    for index, rule in enumerate(suite.rules):
        yield from _column_problems(suite, index, rule, table)
        yield from _parameter_problems(suite, index, rule, table)
    yield from _row_count_problems(suite, table)


def _kwargs_problems(suite: Suite, index: int, rule: Rule) -> Iterator[Problem]:
    known = known_kwargs(rule.type)
    at = ("expectations", index, "kwargs")
    for name in rule.kwargs:
        if name not in known:
            yield suite.file.problem(
                f"unknown keyword `{name}` of `{rule.type}`",
                expected=f"one of: {', '.join(known)}",
                fix=did_you_mean(name, known),
                at=(*at, name),
            )
        elif expected := value_problem(known[name], rule.kwargs[name]):
            yield suite.file.problem(
                f"`{name}` of `{rule.type}` is {rule.kwargs[name]!r}",
                expected=expected,
                fix="correct the value",
                at=(*at, name),
            )
    if rule.kwargs.get("mostly") == 0:
        yield suite.file.problem(
            f"`mostly: 0` lets `{rule.type}` pass on any row",
            expected="a share above 0",
            fix="state the share that must hold",
            at=(*at, "mostly"),
        )
    for name in required_kwargs(rule.type):
        if name not in rule.kwargs:
            yield suite.file.problem(
                f"`{rule.type}` lacks `{name}`", expected="a value", fix=f"add `{name}:` to kwargs", at=at
            )
    if (
        "min_value" in known
        and not {"min_value", "max_value"} & set(rule.kwargs)
        and "threshold" not in known
    ):
        yield suite.file.problem(
            f"`{rule.type}` has no bound", expected="min_value, max_value or both", fix="add one", at=at
        )


def _futile_problems(suite: Suite, index: int, rule: Rule) -> Iterator[Problem]:
    for item in futilities(rule):
        at = ("expectations", index, "kwargs", *item.place)
        yield suite.file.problem(item.what, expected=item.expected, fix=item.fix, at=at)


def _column_problems(suite: Suite, index: int, rule: Rule, table: JudgedTable) -> Iterator[Problem]:
    for place, column in columns_read(rule.type, rule.kwargs):
        if table.columns and column not in table.columns:
            yield _unknown_column(suite, ("expectations", index, "kwargs", *place), column, table)
    known = {name.lower() for name in table.columns}
    for column in _OF_A_CONDITION.findall(str(rule.kwargs.get("row_condition") or "")):
        if known and column.lower() not in known:
            yield _unknown_column(suite, ("expectations", index, "kwargs", "row_condition"), column, table)


def _parameter_problems(suite: Suite, index: int, rule: Rule, table: JudgedTable) -> Iterator[Problem]:
    for place, expression in parameters_in(rule.kwargs):
        at = ("expectations", index, "kwargs", *place)
        try:
            found = references(expression)
        except ParameterProblem as problem:
            yield suite.file.problem(
                f"parameter {problem}", expected="metrics over windows, as row_count.previous",
                fix="see docs/adding-a-check.md", at=at,
            )  # fmt: skip
            continue
        for reference in found:
            column = reference.metric.column
            if column is not None and table.columns and column not in table.columns:
                yield _unknown_column(suite, at, column, table)
            if reference.window.same_weekday and table.grain is not Grain.DAILY:
                yield suite.file.problem(
                    f"`{reference.text}`: `{suite.table}` is not partitioned by day",
                    expected="a window without weekdays, as row_count.previous",
                    fix="take `same_weekday` away",
                    at=at,
                )
        if "partition." in expression and not table.grain.timed:
            yield suite.file.problem(
                f"`{expression}`: `{suite.table}` is not partitioned by time",
                expected="a parameter without partition.start and partition.end",
                fix="compare with a metric of its earlier partitions or versions",
                at=at,
            )


def _row_count_problems(suite: Suite, table: JudgedTable) -> Iterator[Problem]:
    """GX passes an empty table on every other rule; only a count notices that nothing came."""
    at = ("expectations",)
    counting = [
        (index, rule)
        for index, rule in enumerate(suite.rules)
        if rule.type in ROW_COUNT_RULES and ("value" in rule.kwargs or "min_value" in rule.kwargs)
    ]
    if not counting:
        yield suite.file.problem(
            "no rule looks at the row count from below",
            expected="expect_table_row_count_to_be_between with min_value, or …_to_equal",
            fix="add expect_table_row_count_to_be_between with min_value",
            at=at,
        )
        return
    if suite.blocking and not any(rule.severity.blocks for _, rule in counting):
        yield suite.file.problem(
            "no critical rule looks at the row count",
            expected="severity: critical, since an empty table passes every other rule",
            fix="make it critical",
            at=(*at, counting[0][0], "severity"),
        )
    for index, rule in counting:
        least = rule.kwargs.get("min_value", rule.kwargs.get("value"))
        if table.empty_allowed or not isinstance(least, int | float) or least > 0:
            continue
        yield suite.file.problem(
            f"an empty partition of `{suite.table}` would pass",
            expected=f"at least 1 row, since {table.described_in} allows no empty partition",
            fix="set min_value to 1 or more",
            at=(*at, index, "kwargs"),
        )


def _unknown_column(suite: Suite, at: tuple[str | int, ...], column: str, table: JudgedTable) -> Problem:
    close = nearest(column, table.columns)
    return suite.file.problem(
        f"`{suite.table}` has no column `{column}`",
        expected=f"one of: {', '.join(table.columns)}, as {table.described_in} says",
        fix=f"did you mean `{close}`?" if close else "correct it, or describe the column there",
        at=at,
    )
