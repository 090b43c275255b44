"""Every kind of node that dbt has: built as it says, or refused at load with file, line and fix.

Never taken and failing in each run.
"""

from collections.abc import Sequence
from pathlib import Path

import duckdb
import pytest
from sluicegate.core.problems import Problem

from tests.company import MON, Company, runs
from tests.gate.edits import Edit, append, both, replace, write
from tests.graph.test_rules_at_load import problems

pytestmark = pytest.mark.long

MARTS = "dbt_project/models/marts"
TOWNS = f"{MARTS}/towns.sql"
DBT = "dbt_project/dbt_project.yml"
_SELECT = "select town, count(*) as shops from {{ source('raw', 'shops') }} group by town\n"
_WHOLE = "{{ config(materialized='table') }}\n" + _SELECT


def model(*words: str, name: str = "towns") -> Edit:
    return write(f"{MARTS}/{name}.sql", f"{{{{ config({', '.join(words)}) }}}}\n{_SELECT}")


def files(**texts: str) -> Edit:
    """Write files, `folder__name` being `dbt_project/folder/name.sql`."""
    return both(*(write(f"dbt_project/{name.replace('__', '/')}.sql", text) for name, text in texts.items()))


_PYTHON = """
def model(dbt, session):
    dbt.config(materialized='table')
    return session.sql('select 1 as x')
"""
_FUNCTION = """
functions:
  - name: twice
    arguments: [{name: x, data_type: integer}]
    returns: {data_type: integer}
"""
_SNAPSHOT = (
    "{% snapshot town_history %}{{ config(unique_key='town', strategy='check', check_cols='all',"
    " target_schema='history'MORE) }}\n" + _SELECT + "{% endsnapshot %}\n"
)
SNAPSHOTS = append(DBT, "\nsnapshots:\n  bakery:\n    +post-hook: '{{ record_table_version() }}'\n")
SEEDS = append(
    DBT, "\nseeds:\n  bakery:\n    +schema: reference\n    +post-hook: '{{ record_table_version() }}'\n"
)
PARTITION = "+partition_by: business_date\n    +incremental_strategy: partition\n"
SEED = write("dbt_project/seeds/levels.csv", "level,word\n1,low\n")
_SEMANTIC = """
models:
  - name: shop_orders_spine
    config: {materialized: table}
    time_spine: {standard_granularity_column: day}
    columns: [{name: day, granularity: day}]
semantic_models:
  - name: orders
    model: ref('shop_orders')
    defaults: {agg_time_dimension: business_date}
    entities: [{name: shop, type: primary}]
    dimensions: [{name: business_date, type: time, type_params: {time_granularity: day}}]
    measures: [{name: loaves, agg: sum}]
metrics:
  - {name: loaves, label: Loaves, type: simple, type_params: {measure: loaves}}
saved_queries:
  - name: weekly
    query_params: {metrics: [loaves], group_by: ["TimeDimension('shop__business_date', 'day')"]}
    exports: [{name: weekly, config: {export_as: table}}]
"""
_UNIT_TEST = """
unit_tests:
  - name: a_unit_test_that_would_fail
    model: towns
    given: [{input: "source('raw', 'shops')", rows: [{shop: a, town: Ulm}]}]
    expect: {rows: [{town: Bonn, shops: 7}]}
"""
_EXPOSURE = """
exposures:
  - {name: screens, type: dashboard, owner: {email: a@b.example}, depends_on: [ref('shop_orders')]}
"""

# Models that are refused each for itself, {what it is: (its config, what is said of it)}.
REFUSED_MODELS: dict[str, tuple[Sequence[str], str]] = {
    "a view": (["materialized='view'"], "is view"),
    "an ephemeral model": (["materialized='ephemeral'"], "is ephemeral"),
    "a materialized view": (["materialized='materialized_view'"], "is materialized_view"),
    "an external file": (["materialized='external'"], "is external"),
    "a table function": (["materialized='table_function'"], "is table_function"),
    "what is misspelt": (["materialized='Table'"], "is Table"),
    "a materialization of the project": (["materialized='mine'"], "is mine"),
    **{
        f"the strategy {strategy}": (
            ["materialized='incremental'", f"incremental_strategy='{strategy}'", "unique_key='town'",
             "event_time='day'", "begin='2024-01-01'", "batch_size='day'"],
            f"is incremental with the strategy `{strategy}`",
        )
        for strategy in ("append", "merge", "delete+insert", "microbatch", "insert_overwrite", "Partition")
    },
    **{
        f"partition_by={column}": (["materialized='incremental'", f"partition_by={column}"], "partition_by")
        for column in ("none", "['business_date', 'town']", "'date_trunc(business_date)'", "{'field': 'day'}")
    },
    "another database": (["materialized='table'", "database='elsewhere'"],
                         "is built in the database `elsewhere`"),
}  # fmt: skip
_NAMES = {kind: f"towns_{number}" for number, kind in enumerate(REFUSED_MODELS)}


@pytest.fixture(scope="module")
def found_of_models(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Problem]:
    """What is said of a project that has all of these models."""
    return problems(
        tmp_path_factory.mktemp("models"),
        replace(DBT, "macro-paths:\n", "macro-paths:\n  - macros\n"),
        files(macros__mine="{% materialization mine, default %}{% endmaterialization %}"),
        *(model(*words, name=_NAMES[kind]) for kind, (words, _) in REFUSED_MODELS.items()),
    )


@pytest.mark.parametrize("kind", REFUSED_MODELS)
def test_a_model_that_would_not_be_built_as_it_says_is_refused(
    found_of_models: Sequence[Problem], kind: str
) -> None:
    name, (_, what) = _NAMES[kind], REFUSED_MODELS[kind]
    said = f"partition_by of `{name}` is" if what == "partition_by" else f"`{name}` {what}"
    [problem] = [item for item in found_of_models if item.file == f"{MARTS}/{name}.sql"]
    assert said in " ".join(problem.what.split())
    assert problem.expected
    assert problem.fix


REFUSED: dict[str, tuple[Edit, str, str]] = {
    "dbt's own strategy": (
        replace(DBT, "    +incremental_strategy: partition\n", ""), f"{MARTS}/shop_orders.sql",
        "`shop_orders` is incremental with dbt's own strategy",
    ),
    "a Python model": (write(f"{MARTS}/towns.py", _PYTHON), f"{MARTS}/towns.py", "`towns` is a Python model"),
    "a function": (
        both(files(functions__twice="x * 2\n"), write("dbt_project/functions/_f.yml", _FUNCTION)),
        "dbt_project/functions/twice.sql", "`twice` is a function of the database",
    ),
    "a seed as a view": (
        both(SEEDS, SEED, append(DBT, "    +materialized: view\n")), DBT,
        "must have a materialized value of 'seed'",
    ),
    "a snapshot as a table": (
        both(SNAPSHOTS, files(snapshots__towns=_SNAPSHOT.replace("MORE", ", materialized='table'"))),
        DBT, "must have a materialized value of 'snapshot'",
    ),
    "sources with external_location": (
        append(DBT, "\nsources:\n  bakery:\n    +meta: {external_location: elsewhere}\n"),
        "dbt_project/models/staging/_sources.yml",
        "read by dbt from elsewhere: its meta has `external_location`",
    ),
}  # fmt: skip


@pytest.mark.sampled(2)
@pytest.mark.parametrize("kind", REFUSED)
def test_what_would_not_be_built_as_it_says_is_refused(tmp_path: Path, kind: str) -> None:
    edit, file, what = REFUSED[kind]
    found = problems(tmp_path, edit)
    said = [problem for problem in found if what in " ".join(problem.what.split())]
    assert file in {problem.file for problem in said}, found
    assert all(problem.expected and problem.fix for problem in said)


def test_sources_that_a_plugin_reads_are_refused(tmp_path: Path) -> None:
    """By dbt-duckdb itself, where it has opened a database in this process before."""
    found = problems(tmp_path, append(DBT, "\nsources:\n  bakery:\n    +meta: {plugin: elsewhere}\n"))
    said = [" ".join(problem.what.split()) for problem in found]
    ours = all("read by dbt from elsewhere: its meta has `plugin`" in text for text in said)
    assert ours or "Plugin" in said[0], said


BUILT: dict[str, tuple[Edit, Sequence[str]]] = {
    "a table": (model("materialized='table'"), ["marts.towns"]),
    "a table that inherits partition_by": (
        model("materialized='table'", "partition_by='business_date'", "incremental_strategy='partition'"),
        ["marts.towns"],
    ),
    "a snapshot that inherits partition_by": (
        both(SNAPSHOTS, append(DBT, f"    {PARTITION}"),
             files(snapshots__towns=_SNAPSHOT.replace("MORE", ""))),
        ["history.town_history"],
    ),
    "a seed that inherits partition_by": (
        both(SEEDS, append(DBT, f"    {PARTITION}"), SEED), ["reference.levels"],
    ),
    "semantic models, metrics and saved queries": (
        both(
            write(f"{MARTS}/_semantic.yml", _SEMANTIC),
            files(models__marts__shop_orders_spine="select date '2024-01-01' as day, 1 as n\n"),
        ),
        ["marts.shop_orders_spine"],
    ),
    "an exposure": (both(write(TOWNS, _WHOLE), write(f"{MARTS}/_exposures.yml", _EXPOSURE)), ["marts.towns"]),
    "a unit test": (both(write(TOWNS, _WHOLE), write(f"{MARTS}/_unit.yml", _UNIT_TEST)), ["marts.towns"]),
    "an analysis": (
        both(write(TOWNS, _WHOLE), replace(DBT, "model-paths:", 'analysis-paths: ["analyses"]\nmodel-paths:'),
             files(analyses__shops="select * from {{ ref('towns') }}")),
        ["marts.towns"],
    ),
    "a version of a model": (
        both(write(f"{MARTS}/towns_v1.sql", _WHOLE),
             write(f"{MARTS}/_towns.yml", "models: [{name: towns, versions: [{v: 1}]}]\n")),
        ["marts.towns_v1"],
    ),
}  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize("kind", BUILT)
@pytest.mark.sampled(5)
def test_what_loads_is_built_as_it_says(bakery: Company, kind: str) -> None:
    company = bakery.with_own_project()
    edit, relations = BUILT[kind]
    edit(company.settings.project_dir)
    company = company.read_anew()
    company.land_shops("a", "b")
    company.land_day(MON, a=3)
    assert runs(company.run()) == [("", True), (MON, True)]
    with duckdb.connect(str(company.settings.warehouse_path)) as connection:
        for relation in relations:
            [[rows]] = connection.execute(f"select count(*) from {relation}").fetchall()
            assert rows
            assert company.deployment.store.latest_builds(relation)[""].rows == rows
    assert company.in_postgres(MON) == [(MON, "a", 3)]
