"""Checks that could not run, as a test has them: what makes one err, and what ends it without new data.

SQL reads tables of the project alone: for dbt's tests it is the list of shops, which has a shop in it that no
test can live with. A rule of a suite reads the rows that it judges alone: it calls a function that is broken.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tests.company import Company
from tests.gate.edits import both, write
from tests.gate.edits import replace as replaced
from tests.warehouse.bare import bare

# A shop on the list by which tests that read it break.
BREAKING = "breaking"

_TEST_PATHS = replaced(
    "dbt_project/dbt_project.yml",
    'model-paths: ["models"]',
    'model-paths: ["models"]\ntest-paths: ["tests"]',
)


def breaks_until_there(severity: str = "critical") -> str:
    """Return a rule of a suite that holds, and breaks from `be_broken` until `be_there`."""
    return (
        "  - type: unexpected_rows_expectation\n    kwargs:\n      unexpected_rows_query: >-\n"
        "        select 1 from {batch} where bit_length('') > 0\n"
        f"    severity: {severity}\n"
    )


def be_broken(company: Company, how: str = "error('the rule broke')::integer") -> Company:
    """Let the rules break: the warehouse has a macro in the place of a function of the engine."""
    with bare(company.deployment.warehouse) as connection:
        connection.execute(f"create macro main.bit_length(x) as {how}")
    return company


def be_there(company: Company) -> None:
    """Give the function back for which rules wait."""
    with bare(company.deployment.warehouse) as connection:
        connection.execute("drop macro main.bit_length")


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
