"""Deployments of a stricter bakery, prepared once a test process and copied for each cell.

Belongs here: the project directory, data directories and databases. Does not: what is landed and run.
"""

import re
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from sluicegate.core.settings import REPOSITORY, Settings

from tests.company import BAKERY, NO_WAIT, Company
from tests.gate.edits import append, replace, write
from tests.prepared import database, name_of, take_over

STUCK_GAUGE = 350  # mm: the exports' own suites refuse it, and no table before them does
BAKERYS = ("SHOP_SCREENS", "MILLER")
NOWHERE = "?"  # the town that the raw table's suite refuses, and no table after it does
# A test whose SQL fails where a day has two measures of rain: the scalar subquery gets two rows.
_ONE_RAIN_A_DAY = """
select *
from {{ ref('stg_weather') }}
where
    {{ in_partition('business_date') }}
    and rain_mm <> (select rain_mm from {{ ref('stg_weather') }} where {{ in_partition('business_date') }})
"""
# What SQL and tests are made of besides their own file: a macro, variables of dbt's, one of the environment.
GAUGE = "BAKERY_GAUGE"
_CREDIBLE_RAIN = """
select *
from {{ ref('stg_weather') }}
where {{ in_partition('business_date') }} and rain_mm > {{ var('most_rain') }}
"""
_TOTAL = "{% macro total(column) %}sum({{ column }}){% endmacro %}\n"
_VARIABLES = """
vars:
  most_rain: 400
  least_loaves: 0
"""
_NO_GIANT_ORDER = """
        data_tests:
          - within:
              name: no_giant_order
              arguments: {at_most: 500}
"""
_RULE = """  - type: {type}
    kwargs: {{column: {column}, {limit}}}
    severity: critical
    meta: {{notes: {notes}}}
"""


def stricter_bakery(folder: Path) -> Path:
    """Copy the bakery; each layer gets a check that it alone fails, and runs are launched in this process.

    Its SQL and its tests are made of macros and variables as well, none of which changes a row or a verdict.
    """
    project = folder / "bakery"
    shutil.copytree(BAKERY, project)
    rain = "expect_column_values_to_be_between", "rain_mm", f"max_value: {STUCK_GAUGE - 50}"
    town = "expect_column_values_to_not_be_in_set", "town", f'value_set: ["{NOWHERE}"]'
    for table, (kind, column, limit), notes in (
        ("exp_weather_report", rain, "More is a stuck gauge."),
        ("exp_shop_orders", rain, "More is a stuck gauge."),
        ("weather", town, "The gauge has lost its name."),
    ):
        with (project / "expectations" / f"{table}.yml").open("a") as suite:
            suite.write(_RULE.format(type=kind, column=column, limit=limit, notes=notes))
    dbt = project / "dbt_project"
    write("tests/one_rain_a_day.sql", _ONE_RAIN_A_DAY)(dbt)
    write("tests/credible_rain.sql", _CREDIBLE_RAIN)(dbt)
    write("macros/measures.sql", _TOTAL)(dbt)
    replace("dbt_project.yml", "macro-paths:\n", "macro-paths:\n  - macros\n")(dbt)
    append("dbt_project.yml", _VARIABLES)(dbt)
    replace("models/marts/shop_orders.sql", "'sum(loaves)'", "total('loaves')")(dbt)
    orders = "models/staging/stg_orders.sql"
    append(orders, "    and loaves >= {{ var('least_loaves') }}\n")(dbt)
    report = "models/exports/exp_weather_report.sql"
    measured = f"""{{{{ to_type('rain_mm * ' ~ env_var('{GAUGE}', '1'), 'decimal(6,1)') }}}} as rain_mm"""
    replace(report, "    rain_mm\n", f"    {measured}\n")(dbt)
    loaves = "{name: loaves, description: Loaves ordered.}\n"
    named = f"name: loaves\n        description: Loaves ordered.{_NO_GIANT_ORDER}"
    replace("models/staging/_staging.yml", loaves, named)(dbt)
    run_in_this_process(project)
    return project


def run_in_this_process(project: Path) -> None:
    """Have what is launched from the queue run here; who monitors processes has nothing to look at then."""
    stated = (REPOSITORY / "dagster.yaml").read_text()
    without = re.sub(r"^(run_monitoring|run_retries):\n(?: .*\n)+", "", stated, flags=re.MULTILINE)
    module, name = "dagster._core.launcher.sync_in_memory_run_launcher", "SyncInMemoryRunLauncher"
    (project / "dagster.yaml").write_text(f"{without}run_launcher:\n  module: {module}\n  class: {name}\n")


@contextmanager
def deployed(
    project: Path,
    folder: Path,
    postgres_url: str,
    copy_of: Company | None = None,
    connections: tuple[str, str] = BAKERYS,
) -> Generator[Company]:
    """A company on directories and a database of its own, empty or a copy of another's, closed at the end.

    `connections` are the names of its database and of its container.
    """
    template = None if copy_of is None else name_of(copy_of.postgres_url)
    with database(postgres_url, template) as url:
        container = folder / "container"
        environ = NO_WAIT | {
            f"SLUICE_CONNECTION_{name}": place
            for name, place in zip(connections, (url, str(container)), strict=True)
        }
        settings = Settings.load(environ, project_dir=project, data_dir=folder / "data")
        company = Company(settings, url, container)
        if copy_of is not None:
            shutil.copytree(copy_of.settings.data_dir, settings.data_dir)
            if copy_of.container.exists():
                shutil.copytree(copy_of.container, container)
            take_over(settings)
        yield company
        company.deployment.store.close()
