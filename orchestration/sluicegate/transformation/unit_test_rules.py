"""Rows of a unit test that are written in SQL: values, and nothing that is read.

dbt runs such SQL in the warehouse as it stands. What it reads there, or from a file, is of no version that
anybody has judged, and a test of it says another thing each day.
Belongs here: the rows that unit tests are given and expect. Does not belong here: data tests (`binding`).
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from sluicegate.compute.engine import open_engine
from sluicegate.compute.select_only import NotASelect, scans
from sluicegate.core.problems import Problem
from sluicegate.core.settings import Settings
from sluicegate.transformation.code_lines import file_of

if TYPE_CHECKING:
    import duckdb


def unit_test_problems(settings: Settings, content: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield rows in SQL that are more than values; `content` is that of `manifest.json`."""
    given = [
        (test, rows)
        for test in content.get("unit_tests", {}).values()
        for rows in (*test.get("given", []), test.get("expect") or {})
        if rows.get("format") == "sql" and isinstance(rows.get("rows"), str)
    ]
    if not given:
        return
    with open_engine(reaches_files=False) as connection:
        for test, rows in given:
            if said := _said(connection, rows["rows"]):
                file = file_of(content, test)
                yield Problem(
                    file, _line(settings, file, test, rows),
                    f"rows of the unit test `{test['name']}` are no values: {said}",
                    "a select of values: it reads no table and no file",
                    "write them out, as `select 1 as id union all select 2 as id`, or as `format: csv`",
                )  # fmt: skip


def _said(connection: "duckdb.DuckDBPyConnection", sql: str) -> str:
    """Return what is wrong with rows; "" if they are values."""
    try:
        read = scans(connection, sql)
    except NotASelect as refused:
        return str(refused)
    return f"it reads `{read[0].relation}`" if read else ""


def _line(settings: Settings, file: str, test: Mapping[str, Any], rows: Mapping[str, Any]) -> int:
    """Return the line with the first of the rows, or else with the name of their test."""
    first = str(rows["rows"]).strip().split("\n", maxsplit=1)[0].strip()
    lines = (settings.project_dir / file).read_text(encoding="utf-8").splitlines()
    name = f"name: {test['name']}"
    below = next((at for at, line in enumerate(lines, 1) if line.replace("- ", "  ").strip() == name), 1)
    return next((at for at, line in enumerate(lines, 1) if at >= below and first and first in line), below)
