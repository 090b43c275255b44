"""Names are had once: by tables, whatever their case and whoever makes them, by steps and by checks."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from sluicegate.core.problems import Problem
from sluicegate.core.settings import Settings
from sluicegate.graph.building import build_definitions
from sluicegate.project.loading import load_project

from tests.company import BAKERY
from tests.gate.edits import Edit, append, both, copy, replace, write
from tests.graph.test_rules_at_load import problems

pytestmark = pytest.mark.long
MARTS = "dbt_project/models/marts"
DBT = "dbt_project/dbt_project.yml"
YAML = "dbt_project/models/staging/_staging.yml"
TESTS = "dbt_project/tests"
SNAPSHOTS = append(DBT, "\nsnapshots:\n  bakery:\n    +post-hook: '{{ record_table_version() }}'\n")
SEEDS = append(
    DBT, "\nseeds:\n  bakery:\n    +schema: marts\n    +post-hook: '{{ record_table_version() }}'\n"
)
_SQL = "select town from {{ source('raw', 'shops') }}\n"
_TEST = "select * from {{ ref('stg_weather') }} where rain_mm < 0\n"


def model(name: str, *words: str) -> Edit:
    said = ", ".join(("materialized='table'", *words))
    return write(f"{MARTS}/{name}.sql", f"{{{{ config({said}) }}}}\n{_SQL}")


def own_test(name: str) -> Edit:
    return write(f"{TESTS}/{name}.sql", _TEST)


def named_test(name: str) -> Edit:
    return replace(YAML, "          - unique\n", f"          - unique: {{name: {name}}}\n")


def export_of(name: str) -> Edit:
    """Let an export, its model and both files have a name."""
    return both(
        write(
            f"dbt_project/models/exports/{name}.sql",
            (BAKERY / "dbt_project/models/exports/exp_weather_report.sql").read_text(),
        ),
        copy("exports/exp_weather_report.yml", f"exports/{name}.yml"),
        replace(f"exports/{name}.yml", "model: exp_weather_report", f"model: {name}"),
        replace(f"exports/{name}.yml", "object: ", "object: other/"),
    )


TAKEN: dict[str, tuple[Edit, str, str]] = {
    "an alias onto a raw table": (
        model("copied", "alias='orders'", "schema='raw'"),
        f"{MARTS}/copied.sql",
        "`raw.orders` is the table of",
    ),
    "an alias onto a raw table in other letters": (
        model("copied", "alias='ORDERS'", "schema='Raw'"),
        f"{MARTS}/copied.sql",
        "`Raw.ORDERS` is the table of",
    ),
    "two models of one alias": (
        both(model("one", "alias='towns'"), model("two", "alias='towns'")),
        f"{MARTS}/two.sql",
        "dbt cannot parse the project",
    ),
    "two models whose aliases differ by case": (
        both(model("one", "alias='towns'"), model("two", "alias='Towns'")),
        f"{MARTS}/two.sql",
        "`marts.Towns` is the table of `two` and of another",
    ),
    "two models whose schemas differ by case": (
        both(
            model("one", "alias='towns'", "schema='areas'"), model("two", "alias='towns'", "schema='Areas'")
        ),
        f"{MARTS}/two.sql",
        "`Areas.towns` is the table of `two` and of another",
    ),
    "a seed onto a model": (
        both(SEEDS, model("one", "alias='TOWNS'"), write("dbt_project/seeds/towns.csv", "town\nUlm\n")),
        "dbt_project/seeds/towns.csv",
        "`marts.towns` is the table of `towns` and of another",
    ),
    "a snapshot onto a model": (
        both(
            SNAPSHOTS,
            model("one", "alias='TOWNS'"),
            write(
                "dbt_project/snapshots/towns.sql",
                "{% snapshot towns %}{{ config(unique_key='town',"
                " strategy='check', check_cols='all', target_schema='marts') }}" + _SQL + "{% endsnapshot %}",
            ),
        ),
        "dbt_project/snapshots/towns.sql",
        "`marts.towns` is the table of `towns` and of another",
    ),
    "a model of a source's name": (
        model("orders"),
        f"{MARTS}/orders.sql",
        "`orders` is the name of two tables",
    ),
    "a model of a source's name in other letters": (
        model("Orders"),
        f"{MARTS}/Orders.sql",
        "`Orders` is the name of two tables",
    ),
    "models whose names differ by case": (
        model("Shop_Orders", "schema='areas'"),
        f"{MARTS}/shop_orders.sql",
        "is the name of two tables",
    ),
    "a model with the step of a raw table": (
        model("x", "schema='load'", "alias='orders'"),
        f"{MARTS}/x.sql",
        "the step `load__orders` that builds `x`",
    ),
    "a model with the step of an export": (
        model("x", "schema='deliver'", "alias='exp_shop_orders'"),
        f"{MARTS}/x.sql",
        "has the name of another",
    ),
    "two models with one step": (
        both(model("one", "schema='a__b'", "alias='c'"), model("two", "schema='a'", "alias='b__c'")),
        f"{MARTS}/two.sql",
        "the step `a__b__c` that builds `two` has the name of another",
    ),
    "a singular test of such a name": (
        own_test("contract"),
        f"{TESTS}/contract.sql",
        "is called `contract`, as a check of the platform is",
    ),
    "tests whose names differ by case": (
        both(own_test("no_rain"), own_test("No_Rain")),
        f"{TESTS}/no_rain.sql",
        "two tests of `staging.stg_weather`",
    ),
    "a test with a space in its name": (
        named_test("'every order once'"),
        YAML,
        "do not contain any spaces",
    ),
    "a test with a dash in its name": (own_test("no-rain"), f"{TESTS}/no-rain.sql", "in its name"),
    "sources whose names differ by case": (
        both(
            copy("contracts/weather.odcs.yaml", "contracts/weather2.odcs.yaml"),
            replace("contracts/weather2.odcs.yaml", "name: weather\n", "name: Weather\n"),
        ),
        "contracts/weather2.odcs.yaml",
        "a second contract for `Weather`",
    ),
    "a source of no word": (
        replace("contracts/weather.odcs.yaml", "name: weather\n", "name: the-weather\n"),
        "contracts/weather.odcs.yaml",
        "the source is called `the-weather`",
    ),
    "an export whose name differs by case": (
        export_of("exp_Weather_Report"),
        "exports/exp_weather_report.yml",
        "is the name of two exports",
    ),
}


@pytest.mark.parametrize("name", TAKEN)
@pytest.mark.sampled(10)
def test_a_name_that_is_taken_is_told_with_its_file(tmp_path: Path, name: str) -> None:
    edit, file, what = TAKEN[name]
    found = problems(tmp_path, edit)
    assert file in {item.file for item in found if what in " ".join(item.what.split())}, found
    assert all(problem.expected and problem.fix for problem in found)


_SCHEMAS = (
    "raw", "sluice", "Sluice", "quarantine", "delivered", "information_schema", "pg_catalog", "temp",
    "system", "my marts",
)  # fmt: skip
_ALIASES = ("my towns", "my-towns", "my.towns", "1towns", "t\u00f6wns")
_TESTS = ("expectations", "contract", "gate", "delivery", "reconciled", "Expectations")
# Names that are each refused for itself: {what it is: (file, what is said)}.
REFUSED: dict[str, tuple[str, str]] = {
    **{
        f"the schema {schema}": (
            f"{MARTS}/of_schema_{number}.sql",
            f"the schema of `of_schema_{number}` is `{schema}`"
            if " " in schema
            else f"`of_schema_{number}` lies in the schema `{schema}`, which is not the project's",
        )
        for number, schema in enumerate(_SCHEMAS)
    },
    **{
        f"the alias {alias!r}": (f"{MARTS}/of_alias_{number}.sql", f"the alias of `of_alias_{number}` is")
        for number, alias in enumerate(_ALIASES)
    },
    **{
        f"a test called {name}": (YAML, f"is called `{name}`, as a check of the platform is")
        for name in _TESTS
    },
}


@pytest.fixture(scope="module")
def found_of_names(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Problem]:
    """What is said of a project that has all of these names."""
    unique = "".join(f"          - unique: {{name: {name}}}\n" for name in _TESTS)
    return problems(
        tmp_path_factory.mktemp("names"),
        *(model(f"of_schema_{number}", f"schema='{schema}'") for number, schema in enumerate(_SCHEMAS)),
        *(model(f"of_alias_{number}", f"alias='{alias}'") for number, alias in enumerate(_ALIASES)),
        replace(YAML, "          - unique\n", unique),
    )


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.sampled(4)
def test_a_name_that_nothing_may_have_is_told_with_its_file(
    found_of_names: Sequence[Problem], name: str
) -> None:
    file, what = REFUSED[name]
    told = [item for item in found_of_names if what in " ".join(item.what.split())]
    assert file in {item.file for item in told}, found_of_names
    assert all(item.expected and item.fix for item in told)


FREE: dict[str, Edit] = {
    "an alias of its own": model("one", "alias='towns'", "schema='areas'"),
    "the name of a table in another schema": model("one", "alias='shop_orders'", "schema='areas'"),
    "a test of another table's test's name": both(
        named_test("no_doubles"),
        write(f"{TESTS}/no_doubles.sql", "select * from {{ ref('stg_weather') }} where rain_mm < 0\n"),
    ),
    "the schema main": model("towns", "schema='main'"),
}


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", FREE)
def test_a_name_that_is_free_loads_as_a_graph(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "bakery"
    shutil.copytree(BAKERY, folder)
    FREE[name](folder)
    settings = Settings.load({}, project_dir=folder, data_dir=tmp_path / "data")
    build_definitions(settings, load_project(settings)).get_repository_def()
