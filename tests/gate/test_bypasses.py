"""What a clever contributor would try, each alone in a copy of the bakery: refused at load, and located."""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from sluicegate.core.problems import ProjectError
from sluicegate.core.settings import Settings
from sluicegate.project.loading import load_project

from tests.company import BAKERY
from tests.gate.edits import Edit, append, both, copy, remove, replace, write

MODELS, EXPORTS = "dbt_project/models", "dbt_project/models/exports"
ORDERS, REPORT = "exports/exp_shop_orders.yml", "exports/exp_weather_report.yml"
MODEL = f"{EXPORTS}/exp_weather_report.sql"
DBT = "dbt_project/dbt_project.yml"
WEATHER = ("weather", "stg_weather", "exp_weather_report")
NOTHING_BLOCKS = "nothing that `exp_weather_report` is made of has a blocking check"
TWICE = "is written by two exports"
TRIVIAL = """expectations:
  - type: expect_table_row_count_to_be_between
    kwargs: {min_value: 0}
    severity: critical
"""
MOSTLY_NONE = """  - type: expect_column_values_to_be_between
    kwargs: {column: town, min_value: A, mostly: 0}
    severity: critical
"""


@dataclass(frozen=True)
class Bypass:
    """A change, and where its refusal must point."""

    edit: Edit
    file: str
    what: str = ""


def only_check(config: str) -> Edit:
    """Leave the weather report one blocking check, a dbt test with this config."""
    test = (
        "    data_tests:\n      - unique_combination_of_columns:\n"
        f"          arguments: {{combination_of_columns: [town]}}\n          config: {{{config}}}\n"
    )
    described = "    description: Weather of the day, by town.\n"
    return both(no_suites, replace(f"{MODELS}/staging/_staging.yml", described, described + test))


def second_export(kind: str, connection: str, first: str, second: str) -> Edit:
    """Send both exports with one destination type: the orders to `first`, the weather to `second`."""

    def change(folder: Path) -> None:
        for name, place in ((ORDERS, first), (REPORT, second)):
            path = folder / name
            before, rest = path.read_text().split("destination:\n")
            mode = {"postgres": "mirror", "blob": "snapshot"}[kind]
            kept = re.sub(r"(?m)^mode: \w+$", f"mode: {mode}", rest[rest.index("key: ") :])
            used = connection if name == REPORT else {"postgres": "shop_screens", "blob": "miller"}[kind]
            path.write_text(
                f"{before}destination:\n  type: {kind}\n  connection: {used}\n  object: {place}\n{kept}"
            )

    return change


def to_postgres(first: str, second: str, connection: str = "shop_screens") -> Edit:
    return second_export("postgres", connection, first, second)


def to_blob(first: str, second: str, connection: str = "miller") -> Edit:
    return second_export("blob", connection, first, second)


def export_of_a_mart(folder: Path) -> None:
    (folder / ORDERS).rename(folder / "exports/shop_orders.yml")
    replace("exports/shop_orders.yml", "model: exp_shop_orders", "model: shop_orders")(folder)


no_suites = remove(*(f"expectations/{name}.yml" for name in WEATHER))
hidden_where = both(
    write("dbt_project/macros/dry.sql", "{% macro dry() %}rain_mm > 0 and{% endmacro %}"),
    replace(DBT, "macro-paths:\n", "macro-paths:\n  - macros\n"),
    replace(MODEL, "where {{", "where {{ dry() }} {{"),
)

BYPASSES = {
    "all suites and tests only warn": Bypass(
        both(
            *(replace(f"expectations/{name}.yml", ": critical", ": warning") for name in WEATHER)
        ),
        REPORT, NOTHING_BLOCKS,
    ),
    "the only dbt test only warns": Bypass(only_check("severity: warn"), REPORT, NOTHING_BLOCKS),
    "the only dbt test is switched off": Bypass(only_check("enabled: false"), REPORT, NOTHING_BLOCKS),
    "a suite emptied": Bypass(
        write("expectations/stg_weather.yml", "expectations: []\n"), "expectations/stg_weather.yml",
        "`expectations` is []",
    ),
    "a check on a sibling alone": Bypass(
        both(
            no_suites,
            write(f"{MODELS}/marts/sibling.sql", "select business_date, town from {{ ref('stg_weather') }}\n"
                  "where {{ in_partition('business_date') }}\n"),
            write("expectations/sibling.yml", TRIVIAL.replace("0", "1")),
        ),
        REPORT, NOTHING_BLOCKS,
    ),
    "an export of a mart": Bypass(
        export_of_a_mart, "exports/shop_orders.yml", "model `shop_orders` is not an export model"
    ),
    "a where in the export file": Bypass(append(REPORT, "where: rain_mm > 0\n"), REPORT, "`where` makes"),
    "the version hook taken away": Bypass(
        replace(DBT, '    +post-hook: "{{ record_table_version() }}"\n', ""), MODEL,
        "does not record the version",
    ),
    "the version macro overridden": Bypass(
        both(
            write("dbt_project/macros/mine.sql", "{% macro record_table_version() %}select 1{% endmacro %}"),
            replace(DBT, "macro-paths:\n", "macro-paths:\n  - macros\n"),
        ),
        DBT, "record_table_version",
    ),
    "no table of its own: the export reads around dbt": Bypass(
        replace(MODEL, "{{ ref('stg_weather') }}", "staging.stg_weather"), MODEL,
        "nothing that it reads is",
    ),
    "the same object": Bypass(to_blob("weather", "weather"), REPORT, TWICE),
    "the same object, ./": Bypass(to_blob("weather", "./weather"), REPORT, TWICE),
    "the same object, //": Bypass(to_blob("rain/weather", "/rain//weather"), REPORT, TWICE),
    "the same object, trailing /": Bypass(to_blob("weather", "weather/"), REPORT, TWICE),
    "the same table, quoted": Bypass(to_postgres("a.b", """'"a"."b"'"""), REPORT, TWICE),
    "the same table, other case": Bypass(to_postgres("a.b", "A.B"), REPORT, TWICE),
    "the same table, public.": Bypass(to_postgres("b", "public.b"), REPORT, TWICE),
    "suites that nothing can fail": Bypass(
        both(*(write(f"expectations/{name}.yml", TRIVIAL) for name in WEATHER)), REPORT, NOTHING_BLOCKS,
    ),
    "the only rule looks at no row": Bypass(
        both(
            *(write(f"expectations/{name}.yml", TRIVIAL + MOSTLY_NONE) for name in WEATHER)
        ),
        "expectations/stg_weather.yml",
    ),
    "a second suite of the table": Bypass(
        write("expectations/stg_weather.yaml", TRIVIAL), "expectations/stg_weather.yml",
    ),
    "a second file of the export": Bypass(
        copy(REPORT, "exports/exp_weather_report.yaml"), REPORT,
    ),
    "the only dbt test looks at no row": Bypass(
        only_check('where: "1 = 0"'), REPORT,
    ),
    "the only dbt test never says error": Bypass(
        only_check('error_if: ">1000000"'), REPORT,
    ),
    "the only dbt test counts nothing": Bypass(
        only_check('fail_calc: "0"'), REPORT,
    ),
    "nobody judges the export's own table": Bypass(
        both(remove("expectations/exp_weather_report.yml"), hidden_where), REPORT,
        "`exp_weather_report` itself has no blocking check",
    ),
    "an export's model on another's": Bypass(
        write(MODEL, "select business_date, shop as town, 1.0::decimal(6, 1) as rain_mm"
              " from {{ ref('exp_shop_orders') }}\n"),
        REPORT,
        "which is another export's model",
    ),
    "a macro in the place of dbt's own test": Bypass(
        both(
            write("dbt_project/macros/mine.sql", "{% macro default__test_unique(model, column_name) %}"
                  "select 1 where 1 = 0{% endmacro %}"),
            replace(DBT, "macro-paths:\n", "macro-paths:\n  - macros\n"),
        ),
        "dbt_project/macros/mine.sql", "takes the place of dbt's own",
    ),
    "the version hook is a comment": Bypass(
        replace(DBT, '"{{ record_table_version() }}"', '"-- {{ record_table_version() if false }}"'), MODEL,
    ),
    "a hook changes another table": Bypass(
        replace(MODEL, "select\n", "{{ config(pre_hook='delete from staging.stg_weather') }}\nselect\n"),
        MODEL,
    ),
    "a hook changes tables at the end": Bypass(
        append(DBT, '\non-run-end: "delete from exports.exp_weather_report"\n'), DBT,
    ),
    "a day's run rebuilds all days": Bypass(
        replace(DBT, "+full_refresh: false", "+full_refresh: true"), DBT,
    ),
    "another connection with the same URL": Bypass(
        to_postgres("a.b", "a.b", connection="shop_screens_too"), REPORT, TWICE,
    ),
    "an object inside another's": Bypass(
        to_blob("weather", "weather/2024-01-01"), REPORT,
    ),
    "the destination's own ledger": Bypass(
        to_postgres("a.b", "a._sluice_deliveries"), REPORT,
    ),
    "an object that is no name": Bypass(
        to_blob("weather", "x/../weather"), REPORT,
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    "bypass",
    [pytest.param(bypass, id=name) for name, bypass in BYPASSES.items()],
)
@pytest.mark.sampled(9)
def test_each_is_refused_at_load_with_file_and_line(tmp_path: Path, bypass: Bypass) -> None:
    folder = tmp_path / "bakery"
    shutil.copytree(BAKERY, folder)
    bypass.edit(folder)
    urls = {
        f"SLUICE_CONNECTION_{name}": "postgresql://same/place"
        for name in ("SHOP_SCREENS", "SHOP_SCREENS_TOO")
    }
    with pytest.raises(ProjectError) as refused:
        load_project(Settings.load(urls, project_dir=folder, data_dir=tmp_path / "data"))
    found = [problem for problem in refused.value.problems if problem.file == bypass.file]
    assert any(bypass.what in problem.what for problem in found), refused.value.problems
    assert all(
        1 <= problem.line <= len((folder / problem.file).read_text().splitlines()) for problem in found
    )
