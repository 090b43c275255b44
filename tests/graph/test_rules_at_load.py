"""The rules that look across the four folders: each broken alone, in a copy of the bakery."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from sluicegate.core.problems import Problem, ProjectError
from sluicegate.core.settings import Settings
from sluicegate.project.loading import load_project

from tests.company import BAKERY

pytestmark = pytest.mark.long
MODELS = "dbt_project/models"
Break = Callable[[Path], None]


def replace(name: str, old: str, new: str) -> Break:
    def change(folder: Path) -> None:
        path = folder / name
        text = path.read_text()
        assert old in text, f"{old!r} is not in {name}"
        path.write_text(text.replace(old, new))

    return change


def write(name: str, text: str) -> Break:
    def change(folder: Path) -> None:
        (folder / name).write_text(text)

    return change


def remove(*names: str) -> Break:
    def change(folder: Path) -> None:
        for name in names:
            (folder / name).unlink()

    return change


def unjudged(folder: Path) -> None:
    """Take every suite and test away that the weather report is made of."""
    remove(*(f"expectations/{name}.yml" for name in ("weather", "stg_weather", "exp_weather_report")))(folder)


def export_of_a_mart(folder: Path) -> None:
    """Point an export at the mart itself, its file named after it."""
    (folder / "exports/exp_shop_orders.yml").rename(folder / "exports/shop_orders.yml")
    replace("exports/shop_orders.yml", "model: exp_shop_orders", "model: shop_orders")(folder)


def problems(tmp_path: Path, *breaks: Break) -> tuple[Problem, ...]:
    folder = tmp_path / "bakery"
    shutil.copytree(BAKERY, folder)
    for change in breaks:
        change(folder)
    with pytest.raises(ProjectError) as caught:
        load_project(Settings.load({}, project_dir=folder, data_dir=tmp_path / "data"))
    for problem in caught.value.problems:
        lines = (folder / problem.file).read_text().splitlines()
        assert 1 <= problem.line <= len(lines), f"{problem} points nowhere"
        # Of one cause one is told whole.
        assert str(problem) in str(caught.value) or problem.cause
    return caught.value.problems


AS_TABLE = "{{ config(materialized='table', incremental_strategy='append') }}\n"
RULES: dict[str, tuple[Break, str, int, str]] = {
    "an export without a blocking check upstream": (
        unjudged, "exports/exp_weather_report.yml", 1,
        "nothing that `exp_weather_report` is made of has a blocking check",
    ),
    "an export of a mart": (
        export_of_a_mart,
        "exports/shop_orders.yml", 1, "model `shop_orders` is not an export model",
    ),
    "an export model without an export": (
        remove("exports/exp_weather_report.yml"), f"{MODELS}/exports/exp_weather_report.sql", 1,
        "no export sends `exp_weather_report`",
    ),
    "an unpartitioned model on a partitioned one": (
        replace(f"{MODELS}/marts/shop_orders.sql", "with ordered as (", AS_TABLE + "with ordered as ("),
        f"{MODELS}/marts/shop_orders.sql", 1, "`shop_orders` is not partitioned, but reads `staging.stg_",
    ),
    "a table that only inherits the strategy": (
        replace(f"{MODELS}/marts/shop_orders.sql", "with ordered as (",
                "{{ config(materialized='table') }}\nwith ordered as ("),
        f"{MODELS}/marts/shop_orders.sql", 1, "`shop_orders` is not partitioned",
    ),
    "a partitioned model on nothing partitioned": (
        write(f"{MODELS}/marts/towns.sql",
              "select {{ partition_date() }} as business_date, town from {{ source('raw', 'shops') }}\n"),
        f"{MODELS}/marts/towns.sql", 1, "`towns` is partitioned, but nothing that it reads is",
    ),
    "a window over what is not read": (
        replace(f"{MODELS}/marts/_marts.yml", "{stg_orders: 3}", "{stg_order: 3}"),
        f"{MODELS}/marts/shop_orders.sql", 1, "meta trailing_days names `stg_order`",
    ),
    "a view": (
        replace(f"{MODELS}/staging/stg_weather.sql", "select\n",
                "{{ config(materialized='view') }}\nselect\n"),
        f"{MODELS}/staging/stg_weather.sql", 1, "`stg_weather` is view",
    ),
    "a source without a contract": (
        write(f"{MODELS}/staging/_more.yml", "sources: [{name: raw, tables: [{name: ordres}]}]\n"),
        f"{MODELS}/staging/_more.yml", 1, "source `raw.ordres` has no contract",
    ),
    "a suite for no table": (
        write("expectations/stg_order.yml", (BAKERY / "expectations/stg_orders.yml").read_text()),
        "expectations/stg_order.yml", 1, "stg_order",
    ),
    "a key column that the model lacks": (
        replace("exports/exp_shop_orders.yml", "[business_date, shop]", "[business_date, shops]"),
        "exports/exp_shop_orders.yml", 6, "key column `shops` is not in `exp_shop_orders`",
    ),
    "an export model without an enforced contract": (
        replace("dbt_project/dbt_project.yml", "enforced: true", "enforced: false"),
        "exports/exp_shop_orders.yml", 1, "model `exp_shop_orders` has no enforced contract",
    ),
    "two tables of one name": (
        write(f"{MODELS}/marts/orders.sql",
              "select order_date as business_date from {{ source('raw', 'orders') }}"
              " where {{ in_partition('order_date') }}\n"),
        f"{MODELS}/marts/orders.sql", 1, "`orders` is the name of two tables",
    ),
    "what dbt cannot parse": (
        replace(f"{MODELS}/marts/shop_orders.sql", "ref('stg_orders')", "ref('stg_order')"),
        f"{MODELS}/marts/shop_orders.sql", 5, "dbt cannot parse the project",
    ),
}  # fmt: skip


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.sampled(7)
def test_each_rule_is_told_with_file_and_line(tmp_path: Path, rule: str) -> None:
    change, file, line, what = RULES[rule]
    found = problems(tmp_path, change)
    located = [(problem.file, problem.line) for problem in found if what in problem.what]
    assert (file, line) in located, found


def test_the_mend_names_what_was_meant(tmp_path: Path) -> None:
    found = problems(tmp_path, RULES["a source without a contract"][0])
    assert [problem.fix for problem in found] == ["did you mean `orders`?"]


def test_every_model_records_its_version(tmp_path: Path) -> None:
    hook = '    +post-hook: "{{ record_table_version() }}"\n'
    found = problems(tmp_path, replace("dbt_project/dbt_project.yml", hook, ""))
    silent = [re.findall("`(.*?)` does not record", problem.what) for problem in found]
    assert sorted(name for names in silent for name in names) == sorted(
        path.stem for path in (BAKERY / MODELS).rglob("*.sql")
    )


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        replace("contracts/shops.odcs.yaml", "value: snapshot", "value: snapshots"),
        replace("exports/exp_shop_orders.yml", "mode: mirror", "mode: mirrored"),
        replace("expectations/orders.yml", "row_count", "rows_count"),
    )
    assert {problem.file for problem in found} >= {
        "contracts/shops.odcs.yaml",
        "exports/exp_shop_orders.yml",
        "expectations/orders.yml",
    }


def test_one_cause_in_many_files_is_one_line(tmp_path: Path) -> None:
    many = [write(f"{MODELS}/marts/view_{number:03}.sql", "select 1 as x\n") for number in range(300)]
    found = problems(
        tmp_path,
        replace("dbt_project/dbt_project.yml", '    +post-hook: "{{ record_table_version() }}"\n', ""),
        replace("dbt_project/dbt_project.yml", "    marts:\n", "    marts:\n      +materialized: view\n"),
        *many,
    )
    assert len([problem for problem in found if "`view_" in problem.what]) == 600
    told = ProjectError(found).told
    assert len(told) == 2, told
    assert [line for line in told if "view_000.sql:1: `view_000` is view; expected" in line] == []
    views, hooks = sorted(told, key=lambda line: "post-hook" in line)
    assert views.startswith("dbt_project/dbt_project.yml:24: `shop_orders` is view; expected a table")
    assert views.endswith("; the same for 300 more")
    assert f"{MODELS}/marts/view_000.sql and 301 more" in hooks
