"""The checks that an export needs above it, each hole alone in a copy of the bakery.

The weather report is guarded by nothing else here: its contract says nothing of rows or values.
"""

import re
import shutil
from pathlib import Path

import pytest
from sluicegate.contracts.dbt_sources import write_sources
from sluicegate.contracts.load import load_contracts
from sluicegate.core.problems import Problem, ProjectError
from sluicegate.core.settings import Settings
from sluicegate.project.loading import load_project

from tests.company import BAKERY
from tests.gate.edits import Edit, append, both, remove, replace, write

pytestmark = pytest.mark.long
REPORT, SUITE = "exports/exp_weather_report.yml", "expectations/exp_weather_report.yml"
DESCRIBED = "dbt_project/models/exports/_exports.yml"
ITSELF = "`exp_weather_report` itself has no blocking check"
NOTHING = "nothing that `exp_weather_report` is made of has a blocking check"
NO_ROWS, NO_VALUES = f"{NOTHING} of rows that can fail", f"{NOTHING} of values that can fail"
COUNT = "  - type: expect_table_row_count_to_be_between\n    kwargs: {min_value: 0}\n"
NOT_NULL = "  - type: expect_column_values_to_not_be_null\n    kwargs: {column: town}\n"


def suite(*rules: str) -> Edit:
    """Leave the report one suite: a count that cannot fail, and these rules."""
    return both(
        remove("expectations/weather.yml", "expectations/stg_weather.yml"),
        write(SUITE, "expectations:\n" + COUNT + "".join(rules)),
    )


def rule(kind: str, kwargs: str) -> Edit:
    return suite(f"  - type: {kind}\n    kwargs: {kwargs}\n")


def contract_says_nothing(folder: Path) -> None:
    path = folder / "contracts/weather.odcs.yaml"
    path.write_text(path.read_text().replace("required: true", "required: false"))
    contracts, problems = load_contracts(folder)
    assert problems == []
    write_sources(folder, contracts)


def data_test(text: str) -> Edit:
    """Leave the report one dbt test, of a column."""
    return both(
        remove("expectations/weather.yml", "expectations/stg_weather.yml", SUITE),
        replace(DESCRIBED, "{name: town, data_type: varchar, description: The town.}",
                f"{{name: town, data_type: varchar, description: The town., data_tests: [{text}]}}"),
    )  # fmt: skip


def singular(sql: str) -> Edit:
    return both(
        remove("expectations/weather.yml", "expectations/stg_weather.yml", SUITE),
        write("dbt_project/tests/mine.sql", f"{sql}\n-- depends_on: {{{{ ref('exp_weather_report') }}}}\n"),
    )


HOLES: dict[str, tuple[Edit, str]] = {
    "a row count from below zero": (
        write(SUITE, "expectations:\n" + COUNT.replace("0", "-1")), ITSELF,
    ),
    "a query of nothing": (
        rule("unexpected_rows_expectation", "{unexpected_rows_query: select 1 where false}"), NOTHING,
    ),
    "an empty pattern": (rule("expect_column_values_to_match_regex", "{column: town, regex: ''}"), NOTHING),
    "a bound multiplied by nothing": (
        suite(COUNT.replace("min_value: 0", "min_value: {$PARAMETER: 0 * row_count.previous}")), NOTHING,
    ),
    "a column equal to itself": (
        rule("expect_column_pair_values_to_be_equal", "{column_A: town, column_B: town}"), NOTHING,
    ),
    "a column that is there": (rule("expect_column_to_exist", "{column: town}"), NOTHING),
    "uniqueness alone": (rule("expect_column_values_to_be_unique", "{column: town}"), NO_VALUES),
    "a value's rule alone": (suite(NOT_NULL), NO_ROWS),
    "a dbt test of values alone": (data_test("not_null"), NO_ROWS),
    "a dbt test of rows alone": (data_test("unique"), NO_VALUES),
    "a dbt test of nothing": (singular("select 1 where false"), NOTHING),
    "a dbt test that reads something": (singular("select 1 from {{ ref('exp_weather_report') }}"), NO_ROWS),
    "a column within no bounds": (data_test("within"), NOTHING),
    "a column among its own values": (
        data_test("{relationships: {arguments: {to: ref('exp_weather_report'), field: town}}}"), NOTHING,
    ),
}  # fmt: skip
ENOUGH: dict[str, Edit] = {
    "a rule of each": suite(COUNT.replace("0", "1"), NOT_NULL),
    "one rule of both": rule(
        "expect_column_sum_to_be_between", "{column: rain_mm, min_value: 0, max_value: 10}"
    ),
    "a rule and a test": both(
        data_test("not_null"), write(SUITE, "expectations:\n" + COUNT.replace("0", "1"))
    ),
    "a rule of rows above": both(
        suite(NOT_NULL), write("expectations/stg_weather.yml", "expectations:\n" + COUNT.replace("0", "1"))
    ),
}


def bakery(folder: Path, *edits: Edit) -> Path:
    shutil.copytree(BAKERY, folder)
    for edit in (contract_says_nothing, *edits):
        edit(folder)
    return folder


def problems(folder: Path) -> tuple[Problem, ...]:
    data = folder.with_name(f"{folder.name}_data")
    try:
        load_project(Settings.load({}, project_dir=folder, data_dir=data))
    except ProjectError as error:
        return error.problems
    return ()


def do_as_told(folder: Path, told: str) -> None:
    """Type what a problem says: write the file, or add the lines to it."""
    first, _, lines = told.partition("\n")
    name = re.search(r"expectations/\w+\.yml", first)
    assert name, told
    with (folder / name[0]).open("a" if first.startswith("add") else "x") as file:
        file.write(lines + "\n")


@pytest.mark.parametrize("hole", HOLES)
@pytest.mark.sampled(7)
def test_a_check_that_cannot_fail_is_no_guard_and_what_is_printed_makes_one(
    tmp_path: Path, hole: str
) -> None:
    edit, what = HOLES[hole]
    folder = bakery(tmp_path / "bakery", edit)

    [problem] = problems(folder)

    assert (problem.file, problem.what) == (REPORT, what)
    do_as_told(folder, problem.fix)
    assert problems(folder) == ()


@pytest.mark.sampled(3)
@pytest.mark.parametrize("empty", ["hold", "send"])
@pytest.mark.parametrize("indent", ["", "  ", "    "])
def test_what_is_printed_fits_the_file_and_what_the_export_says_of_empty_days(
    tmp_path: Path, empty: str, indent: str
) -> None:
    lines = re.sub(r"(?m)^  ", indent, COUNT + NOT_NULL)
    folder = bakery(tmp_path / "bakery", suite(), write(SUITE, f"expectations:\n{lines}"),
                    append(REPORT, f"limits: {{empty: {empty}}}\n"))  # fmt: skip

    [problem] = problems(folder)

    assert problem.what == NO_ROWS
    assert ("min_value: 1" in problem.fix) is (empty == "hold")
    do_as_told(folder, problem.fix)
    assert problems(folder) == ()


@pytest.mark.sampled(2)
@pytest.mark.parametrize("checks", ENOUGH)
def test_one_check_of_rows_and_one_of_values_are_enough(tmp_path: Path, checks: str) -> None:
    assert problems(bakery(tmp_path / "bakery", ENOUGH[checks])) == ()


def test_a_contract_counts_as_what_it_says(tmp_path: Path) -> None:
    """It is what the copy says nothing of that is missing elsewhere in this file."""
    folder = bakery(tmp_path / "bakery", suite(NOT_NULL))
    replace("contracts/weather.odcs.yaml", "value: allowed", "value: refused")(folder)

    assert problems(folder) == ()
