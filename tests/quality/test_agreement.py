"""Compiled rules say what Great Expectations' own pandas engine says, on generated tables.

Left out, as pandas is not sane there; the compiled rule's own behaviour stands in `test_pushdown.py`:
days as text in a set (pandas finds none), bounds of day for timestamps (an error), means of decimals with
missing values (an error), comparing missing values of object columns (an error), decimals beside floats that
are not exact (`0.10 < 0.1`), numbers as text (`5.0` for the integer 5 where another is missing).
"""

import math
from datetime import date, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sluicegate.quality.judging import judge
from sluicegate.quality.pushdown.compiling import COMPILED_TYPES
from sluicegate.quality.pushdown.wording import number
from sluicegate.quality.rule_results import Outcome, RuleResult
from sluicegate.quality.suites import Rule

from tests.quality.generated_tables import (
    COLUMNS,
    DAYS,
    DECIMALS,
    FLOATS,
    INTEGERS,
    TEXTS,
    TIMES,
    Answer,
    in_duckdb,
    in_pandas,
    judged_by_gx,
    tables,
)

pytestmark = pytest.mark.long
REGEXES = ["^A", r"\d", "[a-z]+$", "", "å|東", "^$", "(?i)ames", "^.$", "%"]
PAIRS = [("i", "j"), ("i_kept", "i"), ("f", "g"), ("g", "i"), ("i", "f")]
MOSTLY = st.sampled_from([1, 0.75, 0.5, 0.34, 0])
PAIR_RULES = st.sampled_from(["both_values_are_missing", "either_value_is_missing", "neither"])
LIST_RULES = st.sampled_from(["all_values_are_missing", "any_value_is_missing", "never"])
# Bounds that means and deviations hit exactly would hang on the last bit of a sum.
ODD_BOUNDS = [-0.71, 0.13, 0.77, 1.31, 333.3, 1e6]


@st.composite
def bounds(draw: st.DrawFn, values: list[Any]) -> dict[str, Any]:
    low, high = draw(st.sampled_from(values) | st.none()), draw(st.sampled_from(values) | st.none())
    if low is None and high is None:
        low = values[0]
    if low is not None and high is not None and low > high:
        low, high = high, low
    chosen = {"min_value": low, "max_value": high}
    strict = {"strict_min": draw(st.booleans()), "strict_max": draw(st.booleans())}
    return {name: value for name, value in chosen.items() if value is not None} | strict


def some(values: list[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.sampled_from(values), max_size=4, unique=True)


@st.composite
def column_rules(draw: st.DrawFn) -> list[Rule]:
    rules: list[Rule] = []

    def add(kind: str, **kwargs: Any) -> None:
        rules.append(Rule(type=f"expect_{kind}", kwargs=kwargs))

    for column in COLUMNS:
        add("column_values_to_not_be_null", column=column, mostly=draw(MOSTLY))
        add("column_values_to_be_null", column=column, mostly=draw(MOSTLY))
        add("column_values_to_be_unique", column=column, mostly=draw(MOSTLY))
    numbers: list[Any] = [*INTEGERS, *FLOATS]
    for column, values in [
        ("i", numbers), ("i_kept", numbers), ("f", numbers), ("d", [*DECIMALS, 0.5, 1]),
        ("day", DAYS), ("time", TIMES),
    ]:  # fmt: skip
        add("column_values_to_be_between", column=column, mostly=draw(MOSTLY), **draw(bounds(values)))
    for column, values in [
        ("i", [*INTEGERS, 0.5, "1"]), ("i_kept", INTEGERS), ("f", numbers), ("d", [*DECIMALS, 1]),
        ("s", [*TEXTS, 1]), ("day", DAYS), ("time", TIMES), ("b_kept", [True, False]),
    ]:  # fmt: skip
        add("column_values_to_be_in_set", column=column, value_set=draw(some(values)), mostly=draw(MOSTLY))
        add("column_values_to_not_be_in_set", column=column, value_set=draw(some(values)))
    lengths = draw(bounds([0, 1, 2, 4]))
    add("column_value_lengths_to_be_between", column="s", mostly=draw(MOSTLY), **lengths)
    add("column_value_lengths_to_equal", column="s", value=draw(st.sampled_from([0, 1, 4])))
    regex, regexes = draw(st.sampled_from(REGEXES)), draw(some(REGEXES)) or ["A"]
    add("column_values_to_match_regex", column="s", regex=regex, mostly=draw(MOSTLY))
    add("column_values_to_not_match_regex", column="s", regex=regex, mostly=draw(MOSTLY))
    match_on = draw(st.sampled_from(["any", "all"]))
    add("column_values_to_match_regex_list", column="s", regex_list=regexes, match_on=match_on)
    add("column_values_to_not_match_regex_list", column="s", regex_list=regexes)
    add("column_values_to_match_strftime_format", column="s", strftime_format="%Y-%m-%d")
    for column in ("i", "g"):
        add(
            "column_value_z_scores_to_be_less_than",
            column=column, threshold=draw(st.sampled_from([0.3, 0.9, 1.7])), double_sided=draw(st.booleans()),
        )  # fmt: skip
        add(
            "column_values_to_not_be_outliers",
            column=column, method=draw(st.sampled_from(["iqr", "std"])),
            multiplier=draw(st.sampled_from([0.3, 0.9, 1.7])),
        )  # fmt: skip
    return rules


@st.composite
def record_rules(draw: st.DrawFn) -> list[Rule]:
    rules: list[Rule] = []

    def add(kind: str, **kwargs: Any) -> None:
        rules.append(Rule(type=f"expect_{kind}", kwargs={"mostly": draw(MOSTLY), **kwargs}))

    for a, b in PAIRS:
        pair: dict[str, Any] = {"column_A": a, "column_B": b}
        add("column_pair_values_to_be_equal", **pair, ignore_row_if=draw(PAIR_RULES))
        add(
            "column_pair_values_a_to_be_greater_than_b",
            **pair, or_equal=draw(st.booleans()), ignore_row_if=draw(PAIR_RULES),
        )  # fmt: skip
        add(
            "multicolumn_sum_to_equal",
            column_list=[a, b], sum_total=draw(st.sampled_from([0, 1, 2.5, -1])),
            ignore_row_if=draw(LIST_RULES),
        )  # fmt: skip
        for kind in ("multicolumn_values_to_be_equal", "select_column_values_to_be_unique_within_record"):
            add(kind, column_list=[a, b], ignore_row_if=draw(LIST_RULES))
    pairs = draw(st.lists(st.tuples(st.sampled_from([*INTEGERS, None]), st.sampled_from([*TEXTS, None]))))
    add(
        "column_pair_values_to_be_in_set",
        column_A="i", column_B="s", value_pairs_set=pairs, ignore_row_if=draw(PAIR_RULES),
    )  # fmt: skip
    for columns in (["i", "s"], ["f", "g"], ["day", "i_kept", "d"], ["b_kept", "time"]):
        add("compound_columns_to_be_unique", column_list=columns, ignore_row_if=draw(LIST_RULES))
    return rules


@st.composite
def whole_rules(draw: st.DrawFn) -> list[Rule]:
    rules: list[Rule] = []

    def add(kind: str, **kwargs: Any) -> None:
        rules.append(Rule(type=f"expect_{kind}", kwargs=kwargs))

    for column in ("i", "i_kept", "f", "g", "d_kept"):
        for metric in ("mean", "median", "stdev"):
            add(f"column_{metric}_to_be_between", column=column, **draw(bounds(ODD_BOUNDS)))
        for metric in ("sum", "min", "max"):
            add(f"column_{metric}_to_be_between", column=column, **draw(bounds([-1, 0, 0.5, 2, 1000])))
    for metric in ("min", "max"):
        add(f"column_{metric}_to_be_between", column="day", **draw(bounds(DAYS)))
        add(f"column_{metric}_to_be_between", column="time", **draw(bounds(TIMES)))
    add("column_median_to_be_between", column="time", **draw(bounds(TIMES)))
    for column in COLUMNS:
        add("column_unique_value_count_to_be_between", column=column, **draw(bounds([0, 1, 2, 5])))
        share = draw(bounds([0, 0.25, 0.5, 1]))
        add("column_proportion_of_unique_values_to_be_between", column=column, **share)
        add("column_proportion_of_non_null_values_to_be_between", column=column, **share)
    for column, values in [
        ("i", [*INTEGERS, "x"]), ("f", FLOATS), ("s", [*TEXTS, None]), ("day", [*DAYS[1:], "2022-10-03"]),
        ("d", DECIMALS), ("time", TIMES),
    ]:  # fmt: skip
        for kind in ("be_in", "contain", "equal"):
            chosen = draw(some(values)) or values[:1]
            add(f"column_distinct_values_to_{kind}_set", column=column, value_set=chosen)
    for column, values in [("i", INTEGERS), ("s", TEXTS), ("day", DAYS)]:
        add(
            "column_most_common_value_to_be_in_set",
            column=column, value_set=draw(some(values)), ties_okay=draw(st.booleans()),
        )  # fmt: skip
    for column in ("i", "i_kept", "g"):
        quantiles = draw(st.lists(st.sampled_from([0, 0.1, 0.25, 0.5, 0.77, 0.9, 1]), min_size=1, max_size=3))
        ranges = [sorted(draw(st.tuples(*[st.sampled_from([-1.1, 0, 0.6, 2, 999])] * 2))) for _ in quantiles]
        interpolation = draw(
            st.sampled_from([False, False, "linear", "lower", "higher", "midpoint", "nearest"])
        )
        add(
            "column_quantile_values_to_be_between",
            column=column, quantile_ranges={"quantiles": quantiles, "value_ranges": ranges},
            allow_relative_error=interpolation,
        )  # fmt: skip
    add("table_row_count_to_be_between", **draw(bounds([0, 1, 3])))
    add("table_row_count_to_equal", value=draw(st.integers(0, 4)))
    add("table_column_count_to_be_between", min_value=draw(st.sampled_from([11, 12])))
    add("table_column_count_to_equal", value=draw(st.sampled_from([11, 12])))
    names = draw(st.lists(st.sampled_from([*COLUMNS, "x"]), min_size=1, unique=True)) or ["i"]
    add("table_columns_to_match_set", column_set=names, exact_match=draw(st.booleans()))
    add("table_columns_to_match_ordered_list", column_list=draw(st.sampled_from([list(COLUMNS), names])))
    add("column_to_exist", column=names[0], column_index=draw(st.sampled_from([None, 1, 3, -1, 40])))
    return rules


def check(rows: list[tuple[Any, ...]], rules: list[Rule]) -> None:
    assert {rule.type for rule in rules} <= COMPILED_TYPES
    with in_duckdb(rows) as connection:
        ours = judge(connection, "generated", None, rules, key_columns=["i_kept"])
    theirs = judged_by_gx(in_pandas(rows), rules)
    differences = [
        f"{our.rule.title}: {problem}; {our}"
        for our, their in zip(ours, theirs, strict=True)
        if (problem := difference(our, their))
    ]
    assert not differences


def difference(our: RuleResult, their: Answer) -> str | None:
    """Return in what two answers differ, or None."""
    if our.outcome is Outcome.ERROR or their.error is not None:
        return f"an error: {our.error} / {their.error}"
    if our.passed != their.success:
        return f"passed {our.passed} / {their.success}"
    if their.failing is not None and (our.failing_rows, our.rows) != (their.failing, their.rows):
        return f"failing {our.failing_rows} of {our.rows} / {their.failing} of {their.rows}"
    if "distinct_values" in our.rule.type:
        return None if our.observed_value == their.wrong_values else f"wrong values {their.wrong_values}"
    if not same_observation(our, their.observed):
        return f"observed {our.observed} ({our.observed_value}) / {their.observed}"
    return None


def same_observation(our: RuleResult, theirs: Any) -> bool:
    if "most_common" in our.rule.type:
        return our.observed == (", ".join(number(value) for value in theirs) or "no value")
    if "quantile" in our.rule.type:
        values = [float(value) for value in theirs["values"]]
        if our.observed == "no value":
            return all(math.isnan(value) for value in values)
        return [part.split(" = ")[1] for part in our.observed.split(", p")] == [number(v) for v in values]
    if our.observed == "no value":
        return theirs is None or theirs != theirs  # NaN, or pandas' NaT
    if isinstance(theirs, (date, datetime)):
        return our.observed.removesuffix(" 00:00:00") == number(theirs).removesuffix(" 00:00:00")
    if our.observed_value is None:
        return theirs is None or not isinstance(theirs, (int, float))
    return our.observed_value == pytest.approx(float(theirs), rel=1e-9, abs=1e-12)


# No shrinking: an example asks Great Expectations, which is slow, and a failure names the rules in question.
BOUNDED = settings(
    max_examples=4, derandomize=True, deadline=None, database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)  # fmt: skip


@BOUNDED
@given(tables(), column_rules())
def test_rules_on_the_values_of_a_column(rows: list[tuple[Any, ...]], rules: list[Rule]) -> None:
    check(rows, rules)


@BOUNDED
@given(tables(), record_rules())
def test_rules_on_several_columns(rows: list[tuple[Any, ...]], rules: list[Rule]) -> None:
    check(rows, rules)


@BOUNDED
@given(tables(), whole_rules())
def test_rules_on_a_whole_column_or_table(rows: list[tuple[Any, ...]], rules: list[Rule]) -> None:
    check(rows, rules)
