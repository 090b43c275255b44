"""Rules that can only err are found when the project loads; no rule that can work is."""

import ast
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from sluicegate.core.problems import Problem
from sluicegate.quality.expectation_types import PARAMETER, expectation_types, known_kwargs
from sluicegate.quality.judging import judge
from sluicegate.quality.rule_results import Outcome
from sluicegate.quality.suite_rules import rule_problems
from sluicegate.quality.suites import Rule, Suite, load_suites

from tests.quality.every_expectation import CASES, TABLE

CONDITION = "condition_parser: great_expectations"
NOT_NULL = "column_values_to_not_be_null"
BETWEEN = sorted(name for name in CASES if name.endswith("_to_be_between") and "quantile" not in name)
QUANTILES = "column_quantile_values_to_be_between"
KL = "column_kl_divergence_to_be_less_than"
QUERY = "unexpected_rows_expectation"
PARAMETER_OF = "{$PARAMETER: row_count.previous}"


def problems(folder: Path, kind: str, kwargs: str) -> list[Problem]:
    """Return the problems of a suite of one rule, which stands in lines of its own."""
    name = kind if kind.startswith(("expect_", "unexpected_")) else f"expect_{kind}"
    (folder / "expectations").mkdir(exist_ok=True)
    lines = "".join(f"      {line}\n" for line in kwargs.split("; "))
    text = f"expectations:\n  - type: {name}\n    kwargs:\n{lines}"
    (folder / "expectations/stores.yml").write_text(text)
    suites, found = load_suites(folder)
    assert not found
    return list(rule_problems(suites["stores"]))


# (type, kwargs, the keyword that is at fault, what was expected)
FUTILE = [
    (NOT_NULL, "column: code; row_condition: number > 5; condition_parser: pandas", 3, "great_expectations"),
    (NOT_NULL, "column: code; row_condition: number > 5; condition_parser: spark", 3, "great_expectations"),
    (NOT_NULL, "column: code; row_condition: number > 5; condition_parser: sql", 3, "great_expectations"),
    (NOT_NULL, "column: code; row_condition: number > 5", 2, "great_expectations"),
    (NOT_NULL, f"column: code; row_condition: number > 5; {CONDITION}", 2, "one comparison"),
    (NOT_NULL, f"column: code; row_condition: 'col(\"a\") > 5 and col(\"b\") > 1'; {CONDITION}", 2, "one"),
    (NOT_NULL, f"column: code; row_condition: ''; {CONDITION}", 2, "one comparison"),
    (NOT_NULL, "column: code; mostly: 1.5", 2, "from 0.0 to 1.0"),
    (NOT_NULL, "column: code; mostly: -0.1", 2, "from 0.0 to 1.0"),
    ("column_values_to_be_between", "column: opened; min_value: 2024-01-02; max_value: 2024-01-01", 2, ""),
    ("column_values_to_be_between", "column: opened; min_value: 1; max_value: 2024-01-01", 3, "both"),
    ("column_max_to_be_between", "column: opened; min_value: '2024-01-02'; max_value: '2024-01-01'", 2, ""),
    ("column_max_to_be_between", "column: opened; min_value: soon", 2, "a date"),
    ("column_max_to_be_between", "column: number; min_value: .nan", 2, "number"),
    ("column_value_lengths_to_be_between", "column: code; max_value: -1", 2, "0 or more"),
    ("column_value_lengths_to_be_between", "column: code; max_value: 0; strict_max: true", 2, "0 or more"),
    ("column_value_lengths_to_equal", "column: code; value: -1", 2, "0 or more"),
    ("table_row_count_to_equal", "value: -1", 1, "0 or more"),
    ("column_proportion_of_unique_values_to_be_between", "column: code; min_value: 1.1", 2, "from 0 to 1"),
    ("column_distinct_values_to_be_in_set", "column: city; value_set: []", 2, "at least one"),
    ("column_values_to_be_in_set", "column: city; value_set: Ames", 2, "a list"),
    ("column_values_to_be_in_set", "column: city; value_set:", 2, "a list"),
    ("column_distinct_values_to_contain_set", "column: city; value_set: [[Ames]]", 2, "single values"),
    (QUANTILES, "column: number; quantile_ranges: {quantiles: [0.1, 0.5], value_ranges: [[0, 1]]}", 2, ""),
    (QUANTILES, "column: number; quantile_ranges: {quantiles: [], value_ranges: []}", 2, "each"),
    (QUANTILES, "column: number; quantile_ranges: {quantiles: [2], value_ranges: [[0, 1]]}", 2, "0 to 1"),
    (QUANTILES, "column: number; quantile_ranges: {quantiles: [0.5], value_ranges: [[1]]}", 2, "[low, high]"),
    (QUANTILES, "column: number; quantile_ranges: {quantiles: [0.5], value_ranges: [[a, b]]}", 2, "numbers"),
    (QUANTILES, "column: number; quantile_ranges: {quantiles: [0.5], value_ranges: [[2, 1]]}", 2, "not"),
    (QUANTILES, "column: number; quantile_ranges: {}", 2, "each"),
    ("column_type_to_be", "column: code; type_: int64_t", 2, "VARCHAR"),
    ("column_values_to_be_of_type", "column: code; type_: str", 2, "VARCHAR"),
    ("column_values_to_be_in_type_list", "column: code; type_list: [VARCHAR, string64]", 2, "VARCHAR"),
    ("column_values_to_be_in_type_list", "column: code; type_list: []", 2, "at least one"),
    ("column_values_to_match_regex", "column: code; regex: a(b", 2, "Python's"),
    ("column_values_to_not_match_regex", "column: code; regex: '[a--b]'", 2, "Python's"),
    ("column_values_to_match_regex", "column: code; regex: '\\p{Nothing}'", 2, "RE2"),
    ("column_values_to_match_regex", "column: code; regex: '^[[:alpha:]]+$'", 2, "Python's"),
    ("column_values_to_match_regex_list", "column: code; regex_list: [a, '*']", 2, "Python's"),
    ("column_values_to_match_regex_list", "column: code; regex_list: []", 2, "at least one"),
    ("column_values_to_match_regex_list", "column: code; regex_list: [a]; match_on: some", 3, "any, all"),
    ("column_values_to_match_like_pattern_list", "column: code; like_pattern_list: []", 2, "at least one"),
    ("column_values_to_match_like_pattern", "column: code; like_pattern: a; escape: ab", 3, "one character"),
    ("column_values_to_match_strftime_format", "column: code; strftime_format: '%Q'", 2, "%Y-%m-%d"),
    ("compound_columns_to_be_unique", "column_list: [code]", 1, "two columns"),
    ("compound_columns_to_be_unique", "column_list: [code, city]; ignore_row_if: neither", 2, "never"),
    ("multicolumn_sum_to_equal", "column_list: [half]; sum_total: 1", 1, "two columns"),
    ("select_column_values_to_be_unique_within_record", "column_list: [next, half]; ignore_row_if: x", 2, ""),
    ("column_pair_values_to_be_equal", "column_A: half; column_B: next; ignore_row_if: never", 3, "neither"),
    ("column_pair_values_to_be_in_set", "column_A: half; column_B: next; value_pairs_set: [[1]]", 3, "a"),
    ("column_values_to_not_be_outliers", "column: number; method: guess", 2, "iqr, std"),
    (KL, "column: number; threshold: 1; partition_object: {}", 3, "sum to 1"),
    (KL, "column: number; threshold: 1; partition_object: {bins: [1, 0], weights: [1]}", 3, "lowest up"),
    (KL, "column: number; threshold: 1; partition_object: {bins: [0, 1, 2], weights: [1]}", 3, "more bin"),
    (KL, "column: number; threshold: 1; partition_object: {values: [a, b], weights: [1, 1]}", 3, "sum to 1"),
    (KL, "column: number; threshold: -1; partition_object: {values: [a], weights: [1]}", 2, "0 or more"),
    (QUERY, "unexpected_rows_query: selec * from {batch}", 1, "one SQL query"),
    (QUERY, "unexpected_rows_query: 'select 1 from {batch}; select 2'", 1, "one SQL query"),
    (QUERY, "unexpected_rows_query: delete from marts.sales returning *", 1, "one SQL query"),
    (QUERY, "unexpected_rows_query: 'select * from {batch} where code = ''{x}'''", 1, "one SQL query"),
    (QUERY, "unexpected_rows_query: ''", 1, "one SQL query"),
    ("query_results_to_match_comparison", "comparison_data_source_name: pg; base_query: select 1"
     "; comparison_query: select 1", 1, "warehouse"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "kwargs", "place", "expected"), FUTILE)
def test_a_rule_that_can_only_err_is_found_at_its_line(
    tmp_path: Path, kind: str, kwargs: str, place: int, expected: str
) -> None:
    [problem, *_] = problems(tmp_path, kind, kwargs)
    assert (problem.file, problem.line) == ("expectations/stores.yml", 3 + place)
    assert expected in problem.expected
    assert problem.fix


@pytest.mark.parametrize(
    ("name", "low", "high", "strict"),
    [(name, 3, 2, False) for name in BETWEEN]
    + [(name, 2, 2, True) for name in BETWEEN if "strict_max" in known_kwargs(name)],
)
def test_nothing_lies_between_bounds_that_leave_no_room(
    tmp_path: Path, name: str, low: int, high: int, strict: bool
) -> None:
    column = "" if name.startswith("expect_table") else "column: number; "
    told = problems(
        tmp_path, name,
        f"{column}min_value: {low}; max_value: {high}" + ("; strict_max: true" if strict else ""),
    )  # fmt: skip
    assert told[0].what.split(" between")[0] == ("nothing lies strictly" if strict else "nothing lies")


MAY_WORK = [
    (NOT_NULL, f"column: code; row_condition: 'col(\"number\") > 5'; {CONDITION}"),
    (NOT_NULL, f"column: code; row_condition: 'col(\"number\")>=-1.5e3 '; {CONDITION}__experimental__"),
    (NOT_NULL, f"column: code; row_condition: 'col(\"city\") == \"Ames\"'; {CONDITION}"),
    (NOT_NULL, f"column: code; row_condition: \"col(\\\"city\\\") != 'Åmes, 2'\"; {CONDITION}"),
    (NOT_NULL, f"column: code; row_condition: 'col(\"half\").notNull()'; {CONDITION}"),
    (NOT_NULL, f"column: code; row_condition: 'col(\"opened\") <= date(\"2022-10-05\")'; {CONDITION}"),
    (NOT_NULL, "column: code; row_condition: {type: comparison, column: {name: number}, operator: '>',"
               " parameter: 5}"),
    (NOT_NULL, "column: code; condition_parser: pandas"),
    ("column_values_to_be_between", "column: number; min_value: 0; max_value: 0"),
    ("column_values_to_be_between", "column: opened; min_value: 2022-10-03; max_value: '2022-10-14 12:00'"),
    ("column_max_to_be_between", f"column: number; min_value: 50; max_value: {PARAMETER_OF}"),
    ("column_sum_to_be_between", "column: negative; max_value: -1"),
    ("column_stdev_to_be_between", "column: number; min_value: 0; strict_min: true; max_value: 9"),
    ("column_values_to_be_in_set", "column: city; value_set: []"),
    ("column_values_to_not_be_in_set", "column: city; value_set: []"),
    ("column_distinct_values_to_contain_set", "column: city; value_set: []"),
    ("column_distinct_values_to_be_in_set", "column: city; value_set: [Ames, null]"),
    (QUANTILES, "column: number; quantile_ranges: {quantiles: [0, 1], value_ranges: [[null, 1], [0, null]]}"),
    (QUANTILES, f"column: number; quantile_ranges: {{quantiles: [1], value_ranges: [[0, {PARAMETER_OF}]]}}"),
    ("column_type_to_be", "column: sales; type_: numeric"),
    ("column_type_to_be", "column: sales; type_: 'INTEGER[]'"),
    ("column_type_to_be", "column: sales; type_: STRUCT(a INTEGER)"),
    ("column_values_to_match_regex", "column: code; regex: 'S(?=0)'"),
    ("column_values_to_match_regex", "column: code; regex: '(\\d)\\1'"),
    ("column_values_to_match_regex", "column: code; regex: '\\p{L}'"),
    ("column_values_to_match_regex", "column: code; regex: '[:a:]'"),
    ("column_values_to_match_like_pattern", "column: code; like_pattern: 'S!_'; escape: '!'"),
    (KL, "column: city; threshold: 1; partition_object: {values: [Ames, Pella], weights: [0.3, 0.7]}"),
    (KL, "column: number; threshold: 9; partition_object: {bins: [0, 5, 12], weights: [0.5, 0.3],"
         " tail_weights: [0.1, 0.1]}"),
    (QUERY, "unexpected_rows_query: with x as (from {batch}) select * from x where code = '{{'"),
    (QUERY, "unexpected_rows_query: select 1 where false"),
]  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize(("kind", "kwargs"), MAY_WORK)
def test_a_rule_that_can_work_is_none(tmp_path: Path, kind: str, kwargs: str) -> None:
    assert problems(tmp_path, kind, kwargs) == []
    rule = load_suites(tmp_path)[0]["stores"].rules[0]
    if PARAMETER in str(rule.kwargs):
        return
    with duckdb.connect() as connection:
        connection.execute(TABLE)
        [said] = judge(connection, "stores", None, [rule])
    assert said.outcome is not Outcome.ERROR, said.error


@pytest.mark.parametrize("name", sorted(CASES))
def test_every_expectation_can_work(tmp_path: Path, name: str) -> None:
    for kwargs in CASES[name]:
        assert list(rule_problems(suite_of(tmp_path, Rule(type=name, kwargs=kwargs)))) == []


@pytest.mark.long
def test_what_great_expectations_documents_can_work(tmp_path: Path) -> None:
    """The examples in the docstrings of its expectations, all that are written as code."""
    core: Any = import_module("great_expectations.expectations.core")
    seen: list[str] = []
    refused: list[str] = []
    for name in dir(core):
        documented = getattr(core, name).__doc__ or ""
        for call in re.findall(rf"^ +{name}\(\n.*?^ +\)$", documented, re.MULTILINE | re.DOTALL):
            try:
                [statement] = ast.parse(re.sub(r"^ +", "", call, flags=re.MULTILINE)).body
                assert isinstance(statement, ast.Expr)
                assert isinstance(statement.value, ast.Call)
                kwargs = {item.arg or "": ast.literal_eval(item.value) for item in statement.value.keywords}
            except (SyntaxError, ValueError):
                continue
            rule = Rule(type=_snake(name), kwargs=kwargs)
            seen.append(rule.title)
            refused += [item.what for item in rule_problems(suite_of(tmp_path, rule))]
    assert len(seen) > 60
    # Its example of a rule that fails, and another engine's types.
    assert {text.split(":")[0] for text in refused} == {
        "nothing lies strictly between 5 and 5",
        "`NUMBER` is no type of the warehouse",
    }


def _snake(name: str) -> str:
    wanted = name.lower()
    [found] = [item for item in expectation_types() if item.replace("_", "") == wanted]
    return found


def suite_of(folder: Path, rule: Rule) -> Suite:
    (folder / "expectations").mkdir(exist_ok=True)
    said = {"expectations": [{"type": rule.type, "kwargs": dict(rule.kwargs)}]}
    (folder / "expectations/stores.yml").write_text(yaml.safe_dump(said, sort_keys=False))
    return load_suites(folder)[0]["stores"]
