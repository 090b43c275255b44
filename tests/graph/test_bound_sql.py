"""What models and tests read is proved when a project is loaded: each way around, in a model of its own.

Belongs here: SQL that loads, and SQL that does not, with the place that is named. Does not: what is judged of
one statement without dbt (tests/quality/test_select_only.py), and runs.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from sluicegate.core.problems import Problem, ProjectError
from sluicegate.core.settings import Settings
from sluicegate.project.loading import load_project

from tests.company import BAKERY

pytestmark = [pytest.mark.long, pytest.mark.stories(2)]

PROJECT = "dbt_project/dbt_project.yml"
MARTS = "dbt_project/models/marts"
STAGING = "dbt_project/models/staging/_staging.yml"
SOURCES = "dbt_project/models/staging/_sources.yml"
WINDOW = "{{ config(meta={'trailing_days': {'stg_weather': 3}}) }}\n"
ORDERS = "{{ ref('stg_orders') }}"
WHOLE = "staging.stg_orders"
DECLARES = "-- depends_on: {{ ref('stg_orders') }} {{ ref('stg_weather') }} {{ source('raw', 'orders') }}\n"


@dataclass(frozen=True)
class Bad:
    """SQL of a daily model, what is said of it, the line of it that is named, and the fix."""

    sql: str
    said: str
    line: int = 1
    fix: str = ""


BAD: dict[str, Bad] = {
    "another_table": Bad(
        f"select * from {ORDERS}\nunion all by name\nselect * from staging.stg_weather",
        "it reads `staging.stg_weather`, and nothing says so", 3, "write `from {{ ref('stg_weather') }}`",
    ),
    "a_raw_table": Bad(
        f"select o.* from {ORDERS} as o where exists (\n  select 1 from raw.weather)",
        "it reads `raw.weather`, and nothing says so", 2, "write `from {{ source('raw', 'weather') }}`",
    ),
    "in_capitals": Bad(
        f"select o.* from {ORDERS} as o,\nlateral (select max(rain_mm) as r from STAGING.Stg_Weather) as w",
        "it reads `staging.stg_weather`, and nothing says so",
    ),
    "with_the_database": Bad(
        f'select o.* from {ORDERS} as o where loaves > (select count(*) from warehouse.staging.stg_weather)',
        "it reads `staging.stg_weather`, and nothing says so",
    ),
    "in_a_cte": Bad(
        f"with w as materialized (select * from staging.stg_weather) select o.* from {ORDERS} o, w",
        "it reads `staging.stg_weather`, and nothing says so",
    ),
    "by_query_table": Bad(
        f"select o.* from {ORDERS} o, query_table('staging.stg_weather')", "it reads `staging.stg_weather`",
    ),
    "by_query": Bad(
        f"select o.* from {ORDERS} o, query('select 1 from raw.weather')", "it reads `raw.weather`",
    ),
    "itself": Bad(
        f"select * from {ORDERS}\nunion all\nselect * from {{{{ this }}}}", "it reads its own table"
    ),
    "its_own_name": Bad(f"select o.* from {ORDERS} o, marts.its_own_name", "it reads its own table"),
    "a_later_table": Bad(
        f"select o.* from {ORDERS} o, exports.exp_weather_report",
        "it reads `exports.exp_weather_report`, and nothing says so",
        fix="write `from {{ ref('exp_weather_report') }}`",
    ),
    "no_such_table": Bad(f"select o.* from {ORDERS} o, marts.never", "Table with name never does not exist"),
    "whole": Bad(
        f"select * from\n{WHOLE}", "it reads `staging.stg_orders` past its partition", 2,
        "write `from {{ ref('stg_orders') }}` wherever it is read",
    ),
    "whole_beside_the_slice": Bad(
        f"select o.* from {ORDERS} o where loaves > (select avg(loaves) from staging.stg_orders)",
        "it reads `staging.stg_orders` past its partition",
    ),
    "a_wider_filter": Bad(
        f"select * from {WHOLE} where business_date >= date '2000-01-01'",
        "it reads `staging.stg_orders` past its partition",
    ),
    "a_filter_that_is_one_of_two": Bad(
        f"select * from {WHOLE} where {{{{ in_partition('business_date') }}}} or loaves > 3",
        "it reads `staging.stg_orders` past its partition",
    ),
    "a_filter_after_a_limit": Bad(
        f"select * from (select * from {WHOLE} limit 3) where {{{{ in_partition('business_date') }}}}",
        "it reads `staging.stg_orders` past its partition",
    ),
    "a_source_past_its_partition": Bad(
        "select order_date as business_date from raw.orders",
        "it reads `raw.orders` past its partition", fix="write `from {{ source('raw', 'orders') }}` wherever",
    ),
    "a_longer_window": Bad(
        "select business_date from staging.stg_weather\n"
        "where business_date > {{ partition_date() }} - 7 and business_date <= {{ partition_date() }}",
        "it reads `staging.stg_weather` past its partition",
    ),
    "a_file": Bad(f"select o.* from {ORDERS} o,\n  read_csv('rain.csv')", "read_csv"),
    "a_file_by_name": Bad(f"select o.* from {ORDERS} o, 'rain.parquet'", "reads the file `rain.parquet`"),
    "names_of_files": Bad(f"select o.* from {ORDERS} o, glob('*')", "glob"),
    "the_catalogue": Bad(f"select o.* from {ORDERS} o, duckdb_tables()", "duckdb_tables"),
    "the_schema": Bad(f"select o.* from {ORDERS} o, information_schema.tables t", "duckdb_"),
    "a_setting": Bad(f"select *, current_setting('memory_limit') as m from {ORDERS}", "current_setting"),
    "statistics": Bad(f"select business_date,\n stats(loaves) as of_all_days\nfrom {ORDERS}", "`stats`", 2),
    "a_plan": Bad(
        f"select o.* from {ORDERS} as o where\njson_serialize_plan('from raw.weather')::text <> 'x'",
        "it calls `json_serialize_plan`", 2,
    ),
    "a_row_id": Bad(
        f"-- {ORDERS}\nselect *,\nrowid as n\nfrom {WHOLE} where {{{{ in_partition('business_date') }}}}",
        "it reads `rowid`, which counts rows of other partitions", 3,
    ),
    "an_update": Bad(
        f"-- {ORDERS}\nupdate staging.stg_orders set loaves = 1", "it is no query but UPDATE",
    ),
    "a_dynamic_pivot": Bad(f"pivot {ORDERS} on shop using sum(loaves)", "a PIVOT whose columns depend"),
    "no_such_column": Bad(
        f"select\n    business_date,\n    loafes\nfrom {ORDERS}", '"loafes" not found', 3,
    ),
    "no_such_function": Bad(f"select business_date,\n loavify(loaves) as l\nfrom {ORDERS}", "loavify", 2),
    "no_such_type": Bad(f"select *,\n loaves + [shop] as x\nfrom {ORDERS}", "+", 2),
    "asks_the_warehouse": Bad(
        f"{{% if execute %}}{{% do run_query('select 1') %}}{{% endif %}} select * from {ORDERS}", "",
    ),
}  # fmt: skip

WEATHER = "{{ ref('stg_weather') }}"
IN_PARTITION = "{{ in_partition('business_date') }}"
GOOD: Mapping[str, str] = {
    "plain": f"select * from {ORDERS}",
    "still_filtered": f"select * from {ORDERS} where {IN_PARTITION}",
    "a_window": f"select business_date, avg(rain_mm) over (order by business_date) as r from {WEATHER}",
    "a_join": f"select o.* from {ORDERS} o left join {WEATHER} w using (business_date)",
    "a_snapshot": f"select o.*, s.town from {ORDERS} o join {{{{ source('raw', 'shops') }}}} s using (shop)",
    "rows_of_nothing": f"select o.business_date, n.n from {ORDERS} o, range(3) n(n), unnest([1, 2]) u",
    "recursive": f"with recursive r as (select 1 as n union all select n + 1 from r where n < 3)"
    f" select o.business_date, n from {ORDERS} o, r",
    "a_static_pivot":
    f"select * from (pivot {ORDERS} on shop in ('a', 'b') using sum(loaves) group by business_date)",
    "unpivot": f"select business_date, n, v from (unpivot {ORDERS} on loaves into name n value v)",
    "columns": f"select business_date, max(columns('loa.*')) from {ORDERS} group by all",
    "qualify": f"select * from {ORDERS} qualify row_number() over (partition by shop order by loaves) = 1",
    "distinct_on": f"select distinct on (shop) * from {ORDERS} order by shop, loaves",
    "asof": f"select o.* from {ORDERS} o asof join {WEATHER} w on o.business_date >= w.business_date",
    "correlated":
    f"select o.* from {ORDERS} o where loaves >= (select max(loaves) from {ORDERS} i where i.shop = o.shop)",
    "sets": f"(select shop, business_date from {ORDERS} except select 'a', business_date from {ORDERS})"
    f" union all by name select business_date from {ORDERS}",
    "lists": f"select business_date, list_transform(list(loaves), lambda x: x + 1) as l, {{'a': 1}} as s"
    f" from {ORDERS} group by 1",
    "incremental": f"select * from {ORDERS} {{% if is_incremental() %}}where loaves > 0{{% endif %}}",
    "values_of_its_own": f"select o.* from {ORDERS} o join (values ('a'), ('b')) v(shop) using (shop)",
}  # fmt: skip


def load(tmp_path: Path, models: Mapping[str, str], *more: tuple[str, str]) -> tuple[Problem, ...]:
    """Load a bakery with these models, each below a first line; return what is wrong."""
    folder = tmp_path / "bakery"
    shutil.copytree(BAKERY, folder)
    for name, sql in models.items():
        said = BAD[name].said if name in BAD else ""
        first = WINDOW if WEATHER in sql else DECLARES if "past" in said else "-- No window.\n"
        (folder / MARTS / f"{name}.sql").write_text(f"{first}{sql}\n")
    for file, text in more:
        (folder / file).parent.mkdir(exist_ok=True)
        (folder / file).write_text(text)
    try:
        load_project(Settings.load({}, project_dir=folder, data_dir=tmp_path / "data"))
    except ProjectError as error:
        return error.problems
    return ()


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Problem, ...]:
    """What is wrong with all of them at once: one is told whatever is wrong with another."""
    compiled = {name: bad.sql for name, bad in BAD.items() if name != "asks_the_warehouse"}
    return load(tmp_path_factory.mktemp("bad"), compiled)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", [name for name in BAD if name != "asks_the_warehouse"])
def test_what_is_not_declared_does_not_load(told: tuple[Problem, ...], name: str) -> None:
    bad = BAD[name]
    # What Jinja may ask for is another's rule, and told beside this one.
    [problem] = [
        problem for problem in told if problem.file == f"{MARTS}/{name}.sql" and bad.said in problem.what
    ]
    if bad.line > 1:
        assert problem.line == bad.line + 1, problem
    assert bad.fix in problem.fix


def test_sql_that_asks_the_warehouse_while_it_is_compiled_does_not_load(tmp_path: Path) -> None:
    found = load(tmp_path, {"asks_the_warehouse": BAD["asks_the_warehouse"].sql})
    assert any("asks_the_warehouse" in str(problem) for problem in found), found


def test_what_is_declared_loads(tmp_path: Path) -> None:
    assert load(tmp_path, GOOD) == ()


GENERIC = (
    "{% test odd(model) %}select * from {{ model }} where rain_mm > (select 1 from raw.weather){% endtest %}"
)
SHOPS = "source('raw', 'shops')"
TESTS = {
    "odd": "raw.weather",
    '{relationships: {arguments: {column_name: town, to: "raw.shops", field: town}}}': "raw.shops",
    "{relationships: {arguments: {column_name: town, to: \"(select content as town from read_text('x'))\","
    " field: town}}}": "read_text",
    "{accepted_values: {arguments: {column_name: rain_mm, quote: false,"
    " values: ['(select max(rain_mm) from raw.weather)']}}}": "raw.weather",
    "{within: {arguments: {column_name: rain_mm, at_most: (select 1 from raw.orders)}}}": "raw.orders",
    '{not_null: {arguments: {column_name: town}, config: {where: "nope = 1"}}}': "nope",
    '{not_null: {name: c, arguments: {column_name: town}, config: {fail_calc: "max(noop)"}}}': "noop",
    "{unique: {arguments: {column_name: nothing}}}": "nothing",
    f'{{relationships: {{arguments: {{column_name: town, to: "{SHOPS}", field: never}}}}}}': "never",
    "{within: {name: of_text, arguments: {column_name: town, at_least: 3}}}": "town",
}


def test_generic_tests_read_what_they_name(tmp_path: Path) -> None:
    """The project's, dbt's and the platform's: their arguments are SQL."""
    folder = tmp_path / "bakery"
    shutil.copytree(BAKERY, folder)
    project, described = folder / "dbt_project/dbt_project.yml", folder / STAGING
    project.write_text(project.read_text().replace("macro-paths:\n", "macro-paths:\n  - macros\n"))
    (folder / "dbt_project/macros").mkdir()
    (folder / "dbt_project/macros/odd.sql").write_text(GENERIC)
    listed = "".join(f"      - {test}\n" for test in TESTS)
    told = described.read_text().replace(
        "  - name: stg_weather\n", f"  - name: stg_weather\n    data_tests:\n{listed}"
    )
    described.write_text(told)
    with pytest.raises(ProjectError) as caught:
        load_project(Settings.load({}, project_dir=folder, data_dir=tmp_path / "data"))
    problems = [problem for problem in caught.value.problems if problem.file == STAGING]
    for said in TESTS.values():
        assert any(said in problem.what for problem in problems), (said, problems)
    assert len(problems) >= len(TESTS)


def test_the_line_of_a_singular_test_is_named(tmp_path: Path) -> None:
    sql = (
        "select business_date\nfrom {{ ref('stg_weather') }}\nwhere\n    rain_mm > 300\n    and showers > 1\n"
    )
    test = "dbt_project/tests/showers.sql"
    [problem] = load(tmp_path, {}, (test, sql), (PROJECT, _with_tests()))
    assert (problem.file, problem.line) == (test, 5)
    assert "showers" in problem.what


def test_a_singular_test_calls_known_functions_alone(tmp_path: Path) -> None:
    plan = "json_serialize_plan('from raw.weather where rain_mm > 300', optimize := true)"
    sql = f"select *\nfrom {ORDERS}\nwhere\n    {plan}::varchar <> ''\n    and loaves < 0\n"
    test = "dbt_project/tests/planned.sql"
    [problem] = load(tmp_path, {}, (test, sql), (PROJECT, _with_tests()))
    assert (problem.file, problem.line) == (test, 4)
    assert "json_serialize_plan" in problem.what


def _with_tests() -> str:
    text = (BAKERY / PROJECT).read_text()
    return text.replace('model-paths: ["models"]', 'model-paths: ["models"]\ntest-paths: ["tests"]')


DECLARED = """models:
  - {{name: of_orders, description: x, columns: [{{name: {}, data_type: {}, description: x}}]}}
"""


def test_what_is_described_is_looked_at_again(tmp_path: Path) -> None:
    folder, data = tmp_path / "bakery", tmp_path / "data"
    shutil.copytree(BAKERY, folder)
    (folder / MARTS / "of_orders.sql").write_text(f"select business_date, loaves from {ORDERS}\n")
    for name, type_, said in (
        ("loaves", "integer", ""), ("loaves", "date", "is a date"), ("loaves", "integer", ""),
        ("loafes", "integer", "has no column `loafes`"), ("loaves", "int4", ""), ("loaves", "loaf", "`loaf`"),
    ):  # fmt: skip
        (folder / MARTS / "_of.yml").write_text(DECLARED.format(name, type_))
        try:
            load_project(Settings.load({}, project_dir=folder, data_dir=data))
        except ProjectError as error:
            [problem] = error.problems
            assert said, problem
            assert said in problem.what
            assert problem.file == f"{MARTS}/_of.yml"
        else:
            assert not said


@pytest.mark.parametrize("days", ["0", "'3'"])
def test_a_window_is_a_whole_number_of_days(tmp_path: Path, days: str) -> None:
    config = f"{{{{ config(meta={{'trailing_days': {{'stg_orders': {days}}}}}) }}}}"
    found = load(tmp_path, {"window": f"{config} select * from {ORDERS}"})
    assert any("expected a whole number of days, 1 or more" in str(problem) for problem in found), found


def test_what_was_kept_is_never_stale(tmp_path: Path) -> None:
    """After each change all that is below it is looked at again; a file that is cut short keeps nothing."""
    folder, data = tmp_path / "bakery", tmp_path / "data"
    shutil.copytree(BAKERY, folder)
    staging, mart = folder / "dbt_project/models/staging/stg_orders.sql", folder / MARTS / "of_orders.sql"
    contract, sources = folder / "contracts/orders.odcs.yaml", folder / SOURCES
    mart.write_text(f"select business_date, loaves + 1 as more from {ORDERS}\n")
    original = {file: file.read_text() for file in (staging, contract, sources)}

    def told() -> list[str]:
        try:
            load_project(Settings.load({}, project_dir=folder, data_dir=data))
        except ProjectError as error:
            return [f"{problem.file}: {problem.what}" for problem in error.problems]
        return []

    assert told() == []
    staging.write_text(original[staging].replace("    loaves\n", "    shop as loaves\n"))
    assert any(line.startswith(f"{MARTS}/of_orders.sql: ") for line in told())
    staging.write_text(original[staging])
    assert told() == []
    contract.write_text(original[contract].replace("physicalType: INTEGER", "physicalType: BOOLEAN"))
    sources.write_text(original[sources].replace("data_type: INTEGER", "data_type: BOOLEAN"))
    assert original[contract] != contract.read_text()
    assert told() != []
    for file, text in original.items():
        file.write_text(text)
    assert told() == []
    kept = data / "dbt/target/bound.json"
    kept.write_text(kept.read_text()[:100])
    mart.write_text(f"select business_date, loafes from {ORDERS}\n")
    assert any("loafes" in line for line in told())


def test_what_older_code_has_bound_is_bound_again(tmp_path: Path) -> None:
    """A project that has not changed is asked what this version asks, and its suites have their tables."""
    folder, data = tmp_path / "bakery", tmp_path / "data"
    shutil.copytree(BAKERY, folder)
    settings = Settings.load({}, project_dir=folder, data_dir=data)
    load_project(settings)
    kept = data / "dbt/target/bound.json"
    new = kept.read_text()
    kept.write_text(new.replace('{"by": [', '{"by": [0.5, ', 1))
    assert kept.read_text() != new
    load_project(settings)
    assert kept.read_text() == new
