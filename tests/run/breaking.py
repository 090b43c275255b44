"""Checks that could not run, as a test has them: what makes one err, and what ends it without new data.

A file is looked for by a rule of a suite. SQL of dbt's tests reads tables of the project alone: there it is
the list of shops, which has a shop in it that no test can live with.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tests.company import Company
from tests.gate.edits import both, write
from tests.gate.edits import replace as replaced

# A shop on the list by which tests that read it break.
BREAKING = "breaking"

_TEST_PATHS = replaced(
    "dbt_project/dbt_project.yml",
    'model-paths: ["models"]',
    'model-paths: ["models"]\ntest-paths: ["tests"]',
)


def breaks_until(path: Path, severity: str = "critical") -> str:
    """Return a rule of a suite that holds, and breaks until a file is there."""
    return (
        "  - type: unexpected_rows_expectation\n    kwargs:\n      unexpected_rows_query: >-\n"
        f"        select 1 from (select count(*) as n from glob('{path}'))"
        " where case when n = 0 then error('the file is not there')::boolean else false end"
        f" and exists (select 1 from {{batch}})\n    severity: {severity}\n"
    )


def dbt_test(sql: str, name: str = "breaks") -> Callable[[Path], None]:
    """Write a data test of dbt into a project, in the place of what is there of that name."""

    def change(folder: Path) -> None:
        if (folder / "dbt_project/tests").exists():
            write(f"dbt_project/tests/{name}.sql", sql)(folder)
        else:
            both(_TEST_PATHS, write(f"dbt_project/tests/{name}.sql", sql))(folder)

    return change


def breaks_by_shops(*tables: str, severity: str = "error") -> str:
    """Return SQL of a data test of these models that holds, and breaks while the list has a breaking shop."""
    read = "".join(f" and (select count(*) from {{{{ ref('{table}') }}}}) >= 0" for table in tables)
    return (
        f"{{{{ config(severity='{severity}') }}}}\n"
        "select 1 from {{ source('raw', 'shops') }}\n"
        f"where case when shop = '{BREAKING}'{read} then error('the test broke')::boolean else false end\n"
    )


def without_waits(company: Company) -> Company:
    """Return the deployment with steps that try again at once."""
    return replace(company, settings=company.settings.model_copy(update={"check_retry_seconds": 0}))
