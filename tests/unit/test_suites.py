"""Suites: every rule is known to Great Expectations and counts the rows."""

from pathlib import Path

import pytest

from orchestration.quality.suites import expectation_types, load_suites
from tests.company import BAKERY
from tests.unit.conftest import Edit

SUITE = "expectations/stg_orders.yml"


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
    ("old", "new", "line", "what", "mend"),
    [
        ("values_to_be_between", "values_to_be_betwen", 7,
         "unknown expectation `expect_column_values_to_be_betwen`",
         "did you mean `expect_column_values_to_be_between`?"),
        ("expect_table_row_count_to_be_between", "expect_table_column_count_to_be_between", 2,
         "no rule looks at the row count", "add expect_table_row_count_to_be_between with min_value"),
        ("severity: critical", "severity: fatal", 5, "`expectations.0.severity` is 'fatal'", ""),
        ("severity: critical", "severty: critical", 5, "unknown field `expectations.0.severty`",
         "did you mean `severity`?"),
        ("description:", "descripton:", 1, "unknown field `descripton`", "did you mean `description`?"),
        ("  - type: expect_table_row_count_to_be_between\n", "  - \n", 4, "", "add `type:`"),
    ],
)  # fmt: skip
def test_each_problem_is_located(
    folder: Path, edit: Edit, old: str, new: str, line: int, what: str, mend: str
) -> None:
    edit(SUITE, old, new)
    _, problems = load_suites(folder)
    located = [
        (problem.file, problem.line) for problem in problems if what in problem.what and mend in problem.mend
    ]
    assert located == [(SUITE, line)], problems


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
