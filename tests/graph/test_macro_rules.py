"""Whose name a macro may have, in the project and in a package; a project names its own relations."""

from pathlib import Path

import duckdb
import pytest

from tests.company import MON, Company, runs
from tests.gate.edits import Edit, both, replace, write
from tests.graph.test_rules_at_load import problems

pytestmark = pytest.mark.long

DBT = "dbt_project/dbt_project.yml"
PROJECT, PACKAGE = "dbt_project/macros/mine.sql", "dbt_project/dbt_packages/handy/macros/mine.sql"
# {a name: whose it is, in the project and in a package; "" where it may be had}.
NAMES = {
    "test_unique": ("dbt's own `test_unique`", "dbt's own `test_unique`"),
    "default__test_not_null": ("dbt's own `default__test_not_null`", "dbt's own `default__test_not_null`"),
    "duckdb__test_unique": ("dbt's own `test_unique`", "dbt's own `test_unique`"),
    "duckdb__test_relationships": ("dbt's own `test_relationships`", "dbt's own `test_relationships`"),
    "create_table_as": ("dbt's own `create_table_as`", "dbt's own `create_table_as`"),
    **{
        name: (f"dbt's own `{name}`", f"dbt's own `{name}`")
        for name in ("default__create_table_as", "duckdb__create_table_as", "config", "log", "zip")
    },
    "statement": ("dbt's own `statement`", "dbt's own `statement`"),
    "run_query": ("dbt's own `run_query`", "dbt's own `run_query`"),
    "get_test_sql": ("dbt's own `get_test_sql`", "dbt's own `get_test_sql`"),
    "duckdb__get_test_sql": ("dbt's own `get_test_sql`", "dbt's own `get_test_sql`"),
    "dateadd": ("dbt's own `dateadd`", ""),
    "date_spine": ("dbt's own `date_spine`", ""),
    "default__date_spine": ("dbt's own `default__date_spine`", ""),
    "duckdb__date_spine": ("dbt's own `date_spine`", ""),
    "duckdb__in_partition": ("the platform's `in_partition`", "the platform's `in_partition`"),
    "duckdb__to_type": ("the platform's `to_type`", "the platform's `to_type`"),
    "duckdb__get_incremental_partition_sql": (
        "the platform's `get_incremental_partition_sql`", "the platform's `get_incremental_partition_sql`",
    ),
    "range": ("Jinja's own `range`", "Jinja's own `range`"),
    "get_where_subquery_": ("", ""),
    "snowflake__dateadd": ("", ""),
    "duckdb__mine": ("", ""),
    "cents": ("", ""),
}  # fmt: skip
# What dbt parses in no project: it has them twice.
ONLY_IN_A_PACKAGE = {
    "in_partition": "the platform's `in_partition`",
    "record_table_version": "the platform's `record_table_version`",
    "generate_schema_name": "`generate_schema_name`",
    "ref": "`ref`",
    "source": "`source`",
    "generate_alias_name": "dbt's own `generate_alias_name`",
    "dbt": "the package `dbt`",
    "test_unique_combination_of_columns": "",
}
MATERIALIZATIONS = (
    "mine, default", "table, adapter='duckdb'", "table, default", "incremental, adapter='duckdb'",
    "test, default", "seed, default", "snapshot, default",
)  # fmt: skip
MACROS = replace(DBT, "macro-paths:\n", "macro-paths:\n  - macros\n")


def installed(folder: Path) -> None:
    (folder / PACKAGE).parent.mkdir(parents=True)
    (folder / PACKAGE).parent.with_name("dbt_project.yml").write_text(
        'name: handy\nversion: "1.0.0"\nconfig-version: 2\n'
    )
    (folder / "dbt_project/packages.yml").write_text("packages: [{local: dbt_packages/handy}]\n")


def macros(*names: str) -> str:
    """Macros of these names that take any arguments; without its own config dbt parses nothing."""
    anything = "{{ '' if varargs or kwargs }}"
    does = {"config": "{{ return(builtins.config(*varargs, **kwargs)) }}"}
    return "".join(f"{{% macro {name}() %}}{does.get(name, anything)}{{% endmacro %}}\n" for name in names)


@pytest.mark.parametrize("place", [PROJECT, PACKAGE])
def test_a_macro_takes_no_name_of_dbts_or_ours(tmp_path: Path, place: str) -> None:
    whose = {name: pair[place == PACKAGE] for name, pair in NAMES.items()}
    whose |= ONLY_IN_A_PACKAGE if place == PACKAGE else {}
    found = problems(tmp_path, MACROS, installed, write(place, macros(*whose)))
    said = {one.line: one for one in found if one.file == place and "takes the place" in one.what}
    for line, (name, owner) in enumerate(whose.items(), 1):
        if owner:
            assert said[line].what.startswith(f"macro `{name}` takes the place of "), name
            assert said[line].what.endswith(owner)
            assert said[line].expected
            assert said[line].fix
        else:
            assert line not in said, said[line]


@pytest.mark.parametrize("name", ["ref", "source"])
def test_a_project_reads_by_no_macro_of_its_own(tmp_path: Path, name: str) -> None:
    text = f"{{% macro {name}() %}}{{{{ return(builtins.{name}(*varargs)) }}}}{{% endmacro %}}\n"
    found = problems(tmp_path, MACROS, installed, write(PROJECT, text))
    # Or dbt says that there are two.
    assert any(f"macro `{name}` takes the place" in one.what or f'"{name}"' in one.what for one in found), (
        found
    )


@pytest.mark.parametrize("place", [PROJECT, PACKAGE])
def test_nobody_brings_a_materialization(tmp_path: Path, place: str) -> None:
    texts = [f"{{% materialization {told} %}}{{% endmaterialization %}}\n" for told in MATERIALIZATIONS]
    if place == PACKAGE:  # dbt says itself that a package may not override them, and where
        texts = texts[:1]
    found = problems(tmp_path, MACROS, installed, write(place, "".join(texts)))
    said = [problem for problem in found if problem.file == place]
    assert sorted(problem.line for problem in said) == list(range(1, len(texts) + 1))
    assert all("is a materialization of its own" in problem.what for problem in said)


OWN_NAMES = """
{% macro generate_schema_name(custom_schema_name, node) %}
    {{- ('bakers_' ~ custom_schema_name) | trim if custom_schema_name == 'marts' else custom_schema_name -}}
{% endmacro %}
{% macro generate_alias_name(custom_alias_name=none, node=none) %}
    {{- node.name ~ '_t' if node.name.startswith('shop') else (custom_alias_name or node.name) -}}
{% endmacro %}
{% macro generate_database_name(custom_database_name=none, node=none) %}{{ target.database }}{% endmacro %}
"""


@pytest.mark.long
def test_a_project_names_its_own_relations(bakery: Company) -> None:
    company = bakery.with_own_project()
    both(MACROS, lambda folder: (folder / PROJECT).parent.mkdir(), write(PROJECT, OWN_NAMES))(
        company.settings.project_dir
    )
    company = company.read_anew()
    company.land_shops("a", "b")
    company.land_day(MON, a=3)
    assert runs(company.run()) == [("", True), (MON, True)]
    node = next(node for node in company.project.manifest.nodes.values() if node.name == "shop_orders")
    assert node.relation == "bakers_marts.shop_orders_t"
    with duckdb.connect(str(company.settings.warehouse_path)) as connection:
        [[rows]] = connection.execute(f"select count(*) from {node.relation}").fetchall()
    assert company.deployment.store.latest_builds(node.relation)[MON].rows == rows
    assert company.in_postgres(MON) == [(MON, "a", 3)]


def test_a_database_of_another_name_is_refused(tmp_path: Path) -> None:
    away: Edit = write(PROJECT, OWN_NAMES.replace("target.database", "'elsewhere'"))
    found = problems(tmp_path, MACROS, lambda folder: (folder / PROJECT).parent.mkdir(), away)
    assert {problem.what for problem in found} >= {"`shop_orders` is built in the database `elsewhere`"}
    assert len({problem.cause for problem in found if problem.cause}) == 1
