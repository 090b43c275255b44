"""A data test that is executed with less is executed by the same SQL, and comes to the same, as by dbt's own.

A project that has one of dbt's macros as its own is the measure: there dbt does all of it.
"""

from pathlib import Path

import pytest
from dbt.adapters.duckdb.environments.local import DuckDBCursorWrapper
from dbt.clients.jinja import MacroGenerator
from sluicegate.core.partitions import Grain, Partitioning
from sluicegate.transformation.runner import DbtProcess
from sluicegate.transformation.slices import partition_variables

from tests.company import MON, Company
from tests.gate.edits import write

pytestmark = pytest.mark.long
# dbt's own, word for word, in the project's name.
MACROS = """
{% macro default__get_test_sql(main_sql, fail_calc, warn_if, error_if, limit) -%}
    select
      {{ fail_calc }} as failures,
      {{ fail_calc }} {{ warn_if }} as should_warn,
      {{ fail_calc }} {{ error_if }} as should_error
    from (
      {{ main_sql }}
      {{ "limit " ~ limit if limit != none }}
    ) dbt_internal_test
{%- endmacro %}
{% macro default__get_where_subquery(relation) -%}
    {% set where = config.get('where', '') %}
    {% if where %}
        {%- set filtered -%}
            (select * from {{ relation }} where {{ where }}) dbt_subquery
        {%- endset -%}
        {% do return(filtered) %}
    {%- else -%}
        {% do return(relation) %}
    {%- endif -%}
{%- endmacro %}
"""
CASES = {
    "plain": "",
    "warns": "severity: warn",
    "counts": 'warn_if: ">1", error_if: ">=2", fail_calc: "count(*) + 1"',
    "some": 'where: "loaves > 0"',
    "others": 'where: "loaves > 1"',
    "limited": "limit: 1",
    "kept": "store_failures: true",
}


@pytest.fixture(scope="module")
def singular() -> str:
    """A test with a comment at its end, on which what comes after must not land."""
    return "select * from {{ ref('stg_orders') }} where loaves < 0 -- none"


def test_what_is_executed_is_what_dbt_executes(
    open_bakery: Company, singular: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    executed: list[str] = []
    execute, macro = DuckDBCursorWrapper.execute, MacroGenerator.__call__

    def executing(self: object, sql: str, bindings: object = None) -> object:
        executed.append(" ".join(sql.split()))
        return execute(self, sql, bindings)  # pyright: ignore[reportArgumentType]

    def calling(self: MacroGenerator, *words: object, **more: object) -> object:
        calls.append(self.macro.name)
        return macro(self, *words, **more)

    day = partition_variables(Partitioning(Grain.DAILY), MON)
    found: list[tuple[list[object], list[str], list[str]]] = []
    for own in (True, False):
        company = open_bakery.with_own_project()
        _write_tests(company.settings.dbt_dir, singular, MACROS if own else "")
        process = DbtProcess(company.settings)
        process.test(["singular"], day)  # which parses the project
        with monkeypatch.context() as patched:
            patched.setattr(DuckDBCursorWrapper, "execute", executing)
            patched.setattr(MacroGenerator, "__call__", calling)
            said = process.test([*CASES, "singular"], day)
        results = [(one.unique_id, one.status, one.message, one.failures, one.compiled_code) for one in said]
        found.append(
            (sorted(results, key=str), sorted({s for s in executed if "should_error" in s}), list(calls))
        )
        executed.clear()
        calls.clear()
    (by_dbt, their_sql, their_calls), (eased, our_sql, our_calls) = found
    assert len(eased) == len(CASES) + 1
    assert eased == by_dbt
    assert len(our_sql) == len(CASES)  # `plain` and `warns` differ in what is made of it
    assert our_sql == their_sql
    # Two of eight tests are dbt's to execute, and five of seven look at the same rows.
    assert (their_calls.count("get_test_sql"), our_calls.count("get_test_sql")) == (8, 2)
    assert (their_calls.count("get_where_subquery"), our_calls.count("get_where_subquery")) == (7, 3)


def _write_tests(dbt_dir: Path, singular: str, macros: str) -> None:
    told = "\n".join(
        f"          - not_null: {{name: {name}, config: {{{config}}}}}" for name, config in CASES.items()
    )
    staging = dbt_dir / "models/staging/_staging.yml"
    staging.write_text(staging.read_text().replace("          - unique", told, 1))
    write("tests/singular.sql", singular)(dbt_dir)
    project = dbt_dir / "dbt_project.yml"
    project.write_text(
        project.read_text().replace("macro-paths:\n", "test-paths: [tests]\nmacro-paths:\n  - macros\n")
    )
    write("macros/ours.sql", macros or "{% macro nothing() %}{% endmacro %}")(dbt_dir)
