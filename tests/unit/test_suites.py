"""Suites: every rule is known to Great Expectations and counts the rows."""

from pathlib import Path

import pytest
from sluicegate.core.partitions import Grain
from sluicegate.core.problems import Problem
from sluicegate.quality.expectation_types import expectation_types
from sluicegate.quality.suite_rules import JudgedTable, rule_problems, table_problems
from sluicegate.quality.suites import load_suites

from tests.company import BAKERY
from tests.unit.conftest import Edit

SUITE = "expectations/stg_orders.yml"
COUNT = "expect_table_row_count_to_be_between"
MEAN = "expect_column_mean_to_be_between, kwargs: {column: loaves, min_value: {$PARAMETER: "
ORDERS = JudgedTable(
    columns=("order_number", "business_date", "shop", "loaves"),
    grain=Grain.DAILY,
    empty_allowed=False,
    described_in="orders.odcs.yaml",
)


def problems_of(folder: Path, table: JudgedTable = ORDERS) -> list[Problem]:
    """Return every problem of the suite of the orders."""
    suites, problems = load_suites(folder)
    suite = suites.get("stg_orders")
    if suite is not None:
        problems += [*rule_problems(suite), *table_problems(suite, table)]
    return problems


def rules(folder: Path, *lines: str) -> None:
    """Write the suite of the orders: a rule a line, below one that counts the rows."""
    counted = "{type: expect_table_row_count_to_be_between, kwargs: {min_value: 1}}"
    (folder / SUITE).write_text("expectations:\n" + "".join(f"  - {line}\n" for line in (counted, *lines)))


def test_a_suite_is_named_after_its_table_and_blocks_by_its_critical_rules() -> None:
    suites, problems = load_suites(BAKERY)
    assert problems == []
    assert len(suites) == 8
    weather = suites["stg_weather"]
    assert [rule.severity for rule in weather.rules] == ["critical", "critical", "warning"]
    assert weather.blocking
    assert weather.rules[2].title == ("expect_column_values_to_be_between(column='rain_mm', max_value=50)")


def test_a_suite_without_a_critical_rule_blocks_nothing(folder: Path, edit: Edit) -> None:
    edit("expectations/shops.yml", "severity: critical", "severity: info")
    suites, problems = load_suites(folder)
    assert problems == []
    assert not suites["shops"].blocking


@pytest.mark.parametrize(
    ("old", "new", "line", "what", "fix"),
    [
        ("values_to_be_between", "values_to_be_betwen", 7,
         "unknown expectation `expect_column_values_to_be_betwen`",
         "did you mean `expect_column_values_to_be_between`?"),
        ("expect_table_row_count_to_be_between", "expect_table_column_count_to_be_between", 2,
         "no rule looks at the row count from below", "add expect_table_row_count_to_be_between"),
        ("severity: critical", "severity: fatal", 5, "`expectations.0.severity` is 'fatal'", ""),
        ("severity: critical", "severty: critical", 5, "unknown field `expectations.0.severty`",
         "did you mean `severity`?"),
        ("description:", "descripton:", 1, "unknown field `descripton`", "did you mean `description`?"),
        ("  - type: expect_table_row_count_to_be_between\n", "  - \n", 4, "", "add `type:`"),
    ],
)  # fmt: skip
def test_each_problem_is_located(
    folder: Path, edit: Edit, old: str, new: str, line: int, what: str, fix: str
) -> None:
    edit(SUITE, old, new)
    problems = problems_of(folder)
    located = [
        (problem.file, problem.line) for problem in problems if what in problem.what and fix in problem.fix
    ]
    assert located == [(SUITE, line)], problems


@pytest.mark.parametrize(
    ("rule", "what", "expected", "fix"),
    [
        ("expect_column_values_to_not_be_null, kwargs: {colum: shop}",
         "unknown keyword `colum` of `expect_column_values_to_not_be_null`", "mostly", "`column`"),
        ("expect_column_values_to_not_be_null, kwargs: {}", "lacks `column`", "a value", "add `column:`"),
        ("expect_column_values_to_not_be_null, kwargs: {column: shp}",
         "`stg_orders` has no column `shp`", "shop", "did you mean `shop`?"),
        ("expect_compound_columns_to_be_unique, kwargs: {column_list: [shop, ordr_number]}",
         "has no column `ordr_number`", "orders.odcs.yaml", "`order_number`"),
        ("expect_column_pair_values_to_be_equal, kwargs: {column_A: shop, column_B: town}",
         "has no column `town`", "order_number", "describe the column there"),
        ("expect_column_values_to_not_be_null, kwargs: {column: shop, condition_parser: great_expectations,"
         " row_condition: 'col(\"loafs\") > 3'}",
         "has no column `loafs`", "loaves", "did you mean `loaves`?"),
        ("expect_column_values_to_not_be_null, kwargs: {column: shop, mostly: 95}",
         "`mostly` of `expect_column_values_to_not_be_null` is 95", "number from 0.0 to 1.0", "correct"),
        ("expect_column_values_to_be_between, kwargs: {column: loaves, min_value: [1]}",
         "`min_value` of `expect_column_values_to_be_between` is [1]", "number", "correct"),
        ("expect_column_values_to_be_between, kwargs: {column: loaves}", "has no bound", "min_value", "add"),
        (MEAN + "loaves.men.previous",
         "`loaves.men.previous` is no metric over a window", "row_count.previous", "adding-a-check"),
        (MEAN + "loafs.mean.previous",
         "has no column `loafs`", "loaves", "did you mean `loaves`?"),
        (MEAN + "row_count.yesterday",
         "`yesterday` is no window", "row_count.previous", "adding-a-check"),
        (MEAN + "sqrt(row_count.previous)", "`sqrt`", "row_count.previous", "adding-a-check"),
        (MEAN + "__import__('os')",
         "`__import__` is none of", "row_count.previous", "adding-a-check"),
    ],
)  # fmt: skip
def test_a_rule_that_gx_or_its_table_does_not_know(
    folder: Path, rule: str, what: str, expected: str, fix: str
) -> None:
    rules(folder, f"{{type: {rule}{'}}' if rule.startswith(MEAN) else ''}}}")
    problem = problems_of(folder)[0]
    assert (problem.file, problem.line) == (SUITE, 3)
    assert what in problem.what
    assert expected in problem.expected
    assert fix in problem.fix


def test_rules_that_gx_and_the_table_know(folder: Path) -> None:
    rules(
        folder,
        "{type: expect_column_to_exist, kwargs: {column: a_column_that_is_to_come}}",
        "{type: expect_column_values_to_not_be_null, kwargs: {column: shop,"
        " condition_parser: great_expectations, row_condition: 'col(\"Loaves\") > 3'}}",
        "{type: expect_column_values_to_be_between, kwargs: {column: business_date, min_value: 2024-01-01}}",
        "{type: expect_column_mean_to_be_between, kwargs: {column: loaves,"
        " min_value: {$PARAMETER: 0.5 * loaves.mean.median_28 - round(loaves.p90.previous)}}}",
        "{type: expect_column_max_to_be_between, kwargs: {column: business_date,"
        " min_value: {$PARAMETER: partition.start - 1}}}",
    )
    assert problems_of(folder) == []


@pytest.mark.parametrize(
    ("expression", "grains", "what"),
    [
        ("row_count.same_weekday", set(Grain) - {Grain.DAILY}, "is not partitioned by day"),
        ("partition.start", {Grain.SNAPSHOT, Grain.DROP}, "is not partitioned by time"),
    ],
)
def test_only_days_have_weekdays_and_only_time_has_dates(
    folder: Path, expression: str, grains: set[Grain], what: str
) -> None:
    rules(
        folder,
        f"{{type: {COUNT}, kwargs: {{min_value: {{$PARAMETER: {expression}}}}}}}",
    )
    for grain in Grain:
        table = JudgedTable(ORDERS.columns, grain, empty_allowed=False, described_in="orders.odcs.yaml")
        told = [(problem.line, what in problem.what) for problem in problems_of(folder, table)]
        assert told == ([(3, True)] if grain in grains else []), grain


def test_an_empty_partition_passes_only_where_the_contract_allows_one(folder: Path, edit: Edit) -> None:
    rules(folder)
    edit(SUITE, "min_value: 1", "min_value: 0")
    [problem] = problems_of(folder)
    assert (problem.line, problem.what) == (2, "an empty partition of `stg_orders` would pass")
    allowed = JudgedTable(
        ORDERS.columns, grain=Grain.DAILY, empty_allowed=True, described_in="orders.odcs.yaml"
    )
    assert problems_of(folder, allowed) == []


def test_the_rule_that_counts_rows_is_critical_where_any_is(folder: Path, edit: Edit) -> None:
    rules(folder, "{type: expect_column_values_to_not_be_null, kwargs: {column: shop}}")
    edit(SUITE, "{min_value: 1}", "{min_value: 1}, severity: warning")
    [problem] = problems_of(folder)
    assert (problem.line, problem.what) == (2, "no critical rule looks at the row count")


def test_an_empty_suite_is_a_problem(folder: Path) -> None:
    (folder / SUITE).write_text("description: nothing\nexpectations: []\n")
    _, problems = load_suites(folder)
    assert [(problem.file, problem.line) for problem in problems] == [(SUITE, 2)]


def test_a_file_that_nothing_reads(folder: Path) -> None:
    (folder / SUITE).rename(folder / "expectations/stg_orders.json")
    suites, problems = load_suites(folder)
    assert "stg_orders" not in suites
    assert [(problem.file, problem.what) for problem in problems] == [
        ("expectations/stg_orders.json", "a file that nothing reads")
    ]


@pytest.mark.long
def test_every_type_that_we_know_is_one_that_gx_can_make() -> None:
    """The types are read from GX's schemas without importing it; here it has the last word."""
    from great_expectations.expectations.registry import (  # pyright: ignore[reportMissingTypeStubs]
        get_expectation_impl,
        list_registered_expectation_implementations,
    )

    types = expectation_types()
    assert len(types) > 50
    assert {name: get_expectation_impl(name).__name__ for name in types}
    assert "expect_column_kl_divergence_to_be_less_than" in types
    # What GX has besides runs on pandas or Spark alone, and not inside the warehouse.
    assert set(list_registered_expectation_implementations()) - types == {
        "expect_column_values_to_be_dateutil_parseable",
        "expect_column_values_to_be_decreasing",
        "expect_column_values_to_be_increasing",
        "expect_column_values_to_be_json_parseable",
        "expect_column_values_to_match_json_schema",
    }
