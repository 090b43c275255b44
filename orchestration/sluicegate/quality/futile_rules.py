"""Rules that can only err, or never hold, whatever the data are: found when the project loads.

Great Expectations finds most of them when it judges, and each day would be held until somebody changes the
suite; some it does not find at all. Belongs here: what a rule's own keywords rule out, beyond their JSON
types. Does not belong here: types and keywords (`expectation_types`), the table (`suite_rules`).
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from itertools import pairwise
from string import Formatter
from typing import Any, TypeGuard

from sluicegate.compute.engine import open_engine
from sluicegate.compute.select_only import NotASelect, written_problems
from sluicegate.compute.sql import literal
from sluicegate.quality.expectation_types import PARAMETER, QUERY_KWARGS
from sluicegate.quality.pushdown.literals import moment
from sluicegate.quality.pushdown.records import LIST_RULES
from sluicegate.quality.pushdown.regular_expressions import pattern_problem
from sluicegate.quality.pushdown.tables import TYPE_NAME
from sluicegate.quality.suites import Rule

# What Great Expectations' own conditions are: one comparison. Of a longer text it reads the first alone.
_VALUE = r"[ \t!#-&(-~À-ÖØ-öø-ÿ]+"
_QUOTED = rf"(?:\"{_VALUE}\"|'{_VALUE}')"
_CONDITION = re.compile(
    r"\s*col\(\"[^\"]+\"\)\s*(?:(?i:\.notnull\(\))|(?:>=|<=|==|!=|>|<)\s*"
    rf"(?:[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|{_QUOTED}|date\s*\(\s*{_QUOTED}\s*\)))\s*"
)
_CONDITION_PARSERS = ("great_expectations", "great_expectations__experimental__")
_REGEX_KWARGS = ("regex", "regex_list")
_WAREHOUSE = "warehouse"
# What they measure is never below zero.
_COUNTS = frozenset(
    {
        "expect_column_value_lengths_to_be_between",
        "expect_column_unique_value_count_to_be_between",
        "expect_column_stdev_to_be_between",
        "expect_column_proportion_of_unique_values_to_be_between",
        "expect_column_proportion_of_non_null_values_to_be_between",
        "expect_table_row_count_to_be_between",
        "expect_table_column_count_to_be_between",
        "expect_column_value_lengths_to_equal",
        "expect_table_row_count_to_equal",
        "expect_table_column_count_to_equal",
    }
)
_AT_LEAST_ONE = ("regex_list", "like_pattern_list", "type_list")
_AT_LEAST_ONE_OF = ("expect_column_distinct_values_to_be_in_set",)
_DIFFERENT_VALUES = (
    "expect_column_distinct_values_to_contain_set",
    "expect_column_distinct_values_to_equal_set",
    "expect_column_most_common_value_to_be_in_set",
)
_TWO_COLUMNS = frozenset(
    {
        "expect_compound_columns_to_be_unique",
        "expect_multicolumn_sum_to_equal",
        "expect_multicolumn_values_to_be_equal",
        "expect_select_column_values_to_be_unique_within_record",
    }
)


@dataclass(frozen=True)
class Futile:
    """What is wrong with a keyword's value; `place` is where, within `kwargs`."""

    place: tuple[str | int, ...]
    what: str
    expected: str
    fix: str


def futilities(rule: Rule) -> Iterator[Futile]:
    """Yield why a rule, whose keywords are of the right types, can only err or never hold."""
    for look in _LOOKS:
        yield from look(rule)


def _condition(rule: Rule) -> Iterator[Futile]:
    condition, parser = rule.kwargs.get("row_condition"), rule.kwargs.get("condition_parser")
    if condition is None or isinstance(condition, Mapping):
        return
    if parser not in _CONDITION_PARSERS:
        said = "row_condition without condition_parser" if parser is None else f"condition_parser: {parser}"
        place = "row_condition" if parser is None else "condition_parser"
        yield Futile(
            (place,), f"`{said}` cannot be judged in the warehouse", "condition_parser: great_expectations",
            "write the condition in that form, as 'col(\"amount\") > 5'",
        )  # fmt: skip
    elif not isinstance(condition, str) or not _CONDITION.fullmatch(condition):
        yield Futile(
            ("row_condition",), f"`row_condition` is {condition!r}",
            "one comparison, as 'col(\"amount\") > 5' or 'col(\"town\").notNull()'",
            "write one comparison, or an `and` of them as Great Expectations' own mapping",
        )  # fmt: skip


def _bounds(rule: Rule) -> Iterator[Futile]:
    low, high = rule.kwargs.get("min_value"), rule.kwargs.get("max_value")
    strict = [name for name in ("strict_min", "strict_max") if rule.kwargs.get(name) is True]
    yield from _range((), low, high, bool(strict), ("min_value", "max_value"))
    if rule.type in _COUNTS:
        above = rule.kwargs.get("strict_max") is True
        for name in ("max_value", "value"):
            number = rule.kwargs.get(name)
            if _is_number(number) and (number < 0 or (number == 0 and above and name == "max_value")):
                yield Futile(
                    (name,), f"`{name}` of `{rule.type}` is {number!r}", "0 or more: it is never below zero",
                    "correct the number",
                )  # fmt: skip
    if "proportion" in rule.type and _is_number(low) and (low > 1 or (low == 1 and "strict_min" in strict)):
        yield Futile(
            ("min_value",), f"a share of {low!r} is never reached", "from 0 to 1", "correct the share"
        )


def _range(
    place: tuple[str | int, ...], low: Any, high: Any, strict: bool, names: tuple[str | int, str | int]
) -> Iterator[Futile]:
    for name, bound in zip(names, (low, high), strict=True):
        if isinstance(bound, float) and math.isnan(bound):
            yield Futile((*place, name), "a bound is NaN", "a number: nothing is within NaN", "correct it")
            return
        if isinstance(bound, str) and not any(letter.isdigit() for letter in bound):
            yield Futile((*place, name), f"a bound is {bound!r}", "a number, a date or a time", "correct it")
            return
    if low is None or high is None:
        return
    pair: tuple[Any, Any] = (
        (low, high) if _is_number(low) and _is_number(high) else (moment(low), moment(high))
    )
    if None in pair:
        kinds = [_is_number(bound) for bound in (low, high)]
        days = [isinstance(bound, (str, date)) for bound in (low, high)]
        if kinds != [False, False] and days != [False, False]:
            yield Futile(
                (*place, names[1]), f"bounds are {low!r} and {high!r}", "both numbers, or both dates",
                "write both alike",
            )  # fmt: skip
        return
    if pair[0] > pair[1]:
        yield Futile(
            (*place, names[0]), f"nothing lies between {low!r} and {high!r}",
            "a lower bound that is not above the upper one", "swap or correct them",
        )  # fmt: skip
    elif pair[0] == pair[1] and strict:
        yield Futile(
            (*place, names[0]), f"nothing lies strictly between {low!r} and {high!r}", "room between them",
            "take strict_min and strict_max away, or correct the bounds",
        )  # fmt: skip


def _quantiles(rule: Rule) -> Iterator[Futile]:
    ranges = rule.kwargs.get("quantile_ranges")
    if not isinstance(ranges, Mapping) or PARAMETER in ranges:
        return
    quantiles, values = ranges.get("quantiles"), ranges.get("value_ranges")
    if not _is_list(quantiles) or not _is_list(values) or not quantiles or len(quantiles) != len(values):
        yield Futile(
            ("quantile_ranges",), "`quantiles` and `value_ranges` do not go together",
            "two lists, with a range [low, high] for each quantile", "write a range for each",
        )  # fmt: skip
        return
    for number, quantile in enumerate(quantiles):
        if not _is_parameter(quantile) and not (_is_number(quantile) and 0 <= quantile <= 1):
            yield Futile(
                ("quantile_ranges", "quantiles", number), f"{quantile!r} is no quantile", "from 0 to 1",
                "correct it: the median is 0.5",
            )  # fmt: skip
    for number, bounds in enumerate(values):
        place = ("quantile_ranges", "value_ranges", number)
        if not _is_list(bounds) or len(bounds) != 2 or not all(_is_bound(bound) for bound in bounds):
            yield Futile(place, f"{bounds!r} is no range", "[low, high], numbers or null", "correct it")
        else:
            yield from _range(place, bounds[0], bounds[1], False, (0, 1))


def _regexes(rule: Rule) -> Iterator[Futile]:
    for place, pattern in _texts(rule, _REGEX_KWARGS):
        problem = pattern_problem(pattern)
        if problem is not None:
            yield Futile(
                place, problem, "a regular expression that Python's `re` or RE2 reads", "correct the pattern"
            )


def _formats(rule: Rule) -> Iterator[Futile]:
    for place, text in _texts(rule, ("strftime_format",)):
        if problem := _refused(f"select try_strptime('', {literal(text)})"):
            yield Futile(place, f"`{text}` is no format: {problem}", "a format as %Y-%m-%d", "correct it")
    for place, text in _texts(rule, ("escape",)):
        if len(text) != 1:
            yield Futile(place, f"`escape` is {text!r}", "one character", "correct it, or leave it away")


def _types(rule: Rule) -> Iterator[Futile]:
    for place, name in _texts(rule, ("type_", "type_list")):
        # A longer name, as STRUCT(…), is compared as text.
        problem = "" if name.strip() else "it is empty"
        if TYPE_NAME.fullmatch(name):
            problem = _refused(f"select cast(null as {name})")
        if problem:
            yield Futile(
                place, f"`{name}` is no type of the warehouse: {problem}", "DuckDB's name, as VARCHAR",
                "correct the name",
            )  # fmt: skip


def _lists(rule: Rule) -> Iterator[Futile]:
    for name in (*_AT_LEAST_ONE, *(("value_set",) if rule.type in _AT_LEAST_ONE_OF else ())):
        if name in rule.kwargs and rule.kwargs[name] is not None and not rule.kwargs[name]:
            yield Futile((name,), f"`{name}` is empty", "at least one", "add one, or take the rule away")
    columns = rule.kwargs.get("column_list")
    if rule.type in _TWO_COLUMNS and _is_list(columns) and len(columns) < 2:
        yield Futile(
            ("column_list",), f"`{rule.type}` of {len(columns)} columns", "at least two columns",
            "add a column, or take a rule on one column",
        )  # fmt: skip
    ignored = rule.kwargs.get("ignore_row_if", LIST_RULES[0])
    if rule.type in _TWO_COLUMNS and isinstance(ignored, str) and ignored not in LIST_RULES:
        yield Futile(
            ("ignore_row_if",), f"`ignore_row_if` is {ignored!r}", f"one of: {', '.join(LIST_RULES)}",
            "correct it",
        )  # fmt: skip
    if "value_set" in rule.kwargs and not _is_parameter(values := rule.kwargs["value_set"]):
        if not isinstance(values, (list, tuple, set, frozenset)):
            yield Futile(("value_set",), f"`value_set` is {values!r}", "a list", f"write [{values}]")
        elif rule.type in _DIFFERENT_VALUES:
            for number, value in enumerate(values):
                if isinstance(value, (list, Mapping)) and not _is_parameter(value):
                    yield Futile(
                        ("value_set", number), f"{value!r} is in `value_set`", "single values", "correct it"
                    )
    pairs = rule.kwargs.get("value_pairs_set")
    for number, pair in enumerate(pairs if _is_list(pairs) else ()):
        if not _is_list(pair) or len(pair) != 2:
            yield Futile(("value_pairs_set", number), f"{pair!r} is no pair", "[a, b]", "correct it")


def _distributions(rule: Rule) -> Iterator[Futile]:
    threshold = rule.kwargs.get("threshold")
    if rule.type == "expect_column_kl_divergence_to_be_less_than" and _is_number(threshold) and threshold < 0:
        yield Futile(("threshold",), f"`threshold` is {threshold!r}", "0 or more", "correct the number")
    found = rule.kwargs.get("partition_object")
    if not isinstance(found, Mapping) or PARAMETER in found:
        return
    weights, values, bins = (found.get(name) for name in ("weights", "values", "bins"))
    tails = found.get("tail_weights", [])
    numbers = _is_list(weights) and all(_is_number(weight) for weight in (*weights, *tails))
    alike = _is_list(values) and _is_list(weights) and len(values) == len(weights)
    cut = (
        _is_list(bins) and _is_list(weights) and len(bins) == len(weights) + 1
        and len(tails) in (0, 2) and all(_is_number(edge) for edge in bins)
        and all(low < high for low, high in pairwise(bins))
    )  # fmt: skip
    whole = (
        _is_list(weights)
        and numbers
        and any(math.isclose(sum(some), 1, rel_tol=1e-4) for some in ([*weights], [*weights, *tails]))
    )
    if not numbers or not whole or not (alike or cut):
        yield Futile(
            ("partition_object",), "`partition_object` is no distribution",
            "weights that sum to 1, and as many values, or one more bin, from the lowest up",
            "write {bins: [0, 10, 20], weights: [0.4, 0.6]} or {values: [a, b], weights: [0.4, 0.6]}",
        )  # fmt: skip


def _queries(rule: Rule) -> Iterator[Futile]:
    source = rule.kwargs.get("comparison_data_source_name")
    if isinstance(source, str) and source != _WAREHOUSE:
        yield Futile(
            ("comparison_data_source_name",), f"there is no data source `{source}`", _WAREHOUSE,
            f"write {_WAREHOUSE}: a suite reads nothing else",
        )  # fmt: skip
    for place, text in _texts(rule, QUERY_KWARGS):
        if problem := _query_problem(text):
            yield Futile(
                place, f"`{place[0]}`: {problem}", "one SQL query that selects rows", "correct the SQL"
            )


@lru_cache(maxsize=1024)
def _query_problem(text: str) -> str | None:

    try:
        fields = [name for _, name, _, _ in Formatter().parse(text) if name is not None]
    except ValueError as error:
        return f"{error}; a brace is written twice"
    if others := [name for name in fields if name != "batch"]:
        return f"`{{{others[0]}}}` is no placeholder; there is {{batch}}, and a brace is written twice"
    with open_engine() as apart:
        try:
            return next(written_problems(apart, text.format(batch="batch"), elsewhere=True), None)
        except NotASelect as problem:
            return str(problem)


@lru_cache(maxsize=1024)
def _refused(sql: str) -> str | None:
    """Return what the warehouse's engine says of a constant that it does not take."""
    import duckdb

    with open_engine() as apart:
        try:
            apart.execute(sql).fetchall()
        except duckdb.Error as error:
            return str(error).split("\n")[0]
    return None


def _texts(rule: Rule, names: Sequence[str]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    for name in names:
        value = rule.kwargs.get(name)
        if isinstance(value, str):
            yield (name,), value
        elif _is_list(value):
            yield from (((name, number), item) for number, item in enumerate(value) if isinstance(item, str))


def _is_list(value: Any) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, (list, tuple))


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_parameter(value: Any) -> bool:
    return isinstance(value, Mapping) and PARAMETER in value


def _is_bound(value: Any) -> bool:
    return value is None or _is_number(value) or _is_parameter(value)


_LOOKS: tuple[Callable[[Rule], Iterator[Futile]], ...] = (
    _condition, _bounds, _quantiles, _regexes, _formats, _types, _lists, _distributions, _queries,
)  # fmt: skip
