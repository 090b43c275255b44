"""Rows of unit tests that are written in SQL: values load, and what is read does not."""

import shutil
from pathlib import Path

import pytest
from sluicegate.core.settings import Settings
from sluicegate.project.loading import load_project

from tests.company import BAKERY
from tests.gate.edits import Edit, both, replace, write
from tests.graph.test_rules_at_load import problems

pytestmark = pytest.mark.long

DESCRIBED = "dbt_project/models/marts/_units.yml"
GIVEN = """unit_tests:
  - name: other
    model: exp_weather_report
    given: []
    expect: {rows: []}
  - name: odd
    model: exp_weather_report
    given:
      - input: ref('stg_weather')
        format: sql
        rows: |
          select date '2024-01-01' as business_date,
          FROM
    expect: {rows: []}
"""
READS = {
    "a file": "1 as a from read_csv('/etc/hosts')",
    "a file by its name": "1 as a from '/etc/hosts'",
    "a table": "1 as a from raw.weather",
    "a table of its own": "1 as a from staging.stg_weather",
    "statistics": "stats(1) as a",
    "a plan": "json_serialize_plan('from raw.weather') as a",
    "two statements": "1 as a; delete from raw.weather",
}


@pytest.mark.sampled(4)
@pytest.mark.parametrize("kind", READS)
def test_rows_that_are_read_do_not_load(tmp_path: Path, kind: str) -> None:
    [problem] = problems(tmp_path, write(DESCRIBED, GIVEN.replace("FROM", READS[kind])))
    assert (problem.file, problem.line) == (DESCRIBED, 12)
    assert "rows of the unit test `odd` are no values" in problem.what


def test_rows_of_a_file_do_not_load(tmp_path: Path) -> None:
    rows = "rows: |\n          select date '2024-01-01' as business_date,\n          FROM\n"
    with_file = both(
        replace("dbt_project/dbt_project.yml", "macro-paths:\n", 'test-paths: ["tests"]\nmacro-paths:\n'),
        _fixture("select 1 as a from raw.weather\n"),
        write(DESCRIBED, GIVEN.replace(rows, "fixture: of_weather\n")),
    )
    [problem] = problems(tmp_path, with_file)
    assert (problem.file, problem.line) == (DESCRIBED, 6)


def test_expected_rows_that_are_read_do_not_load(tmp_path: Path) -> None:
    expected = GIVEN.replace("FROM", "1 as a").replace(
        "    expect: {rows: []}\n", '    expect: {format: sql, rows: "select 1 as a from raw.weather"}\n'
    )
    found = problems(tmp_path, write(DESCRIBED, expected))
    assert {one.line for one in found} == {5, 14}


@pytest.mark.parametrize(
    "values", ["1 as a", "x as a from (values (1), (2)) v(x)", "x as a from range(3) r(x)"]
)
def test_rows_that_are_values_load(tmp_path: Path, values: str) -> None:
    folder = tmp_path / "bakery"
    shutil.copytree(BAKERY, folder)
    write(DESCRIBED, GIVEN.replace("FROM", values))(folder)
    assert load_project(Settings.load({}, project_dir=folder, data_dir=tmp_path / "data")).manifest


def _fixture(sql: str) -> Edit:
    def change(folder: Path) -> None:
        (folder / "dbt_project/tests/fixtures").mkdir(parents=True)
        (folder / "dbt_project/tests/fixtures/of_weather.sql").write_text(sql)

    return change
