"""Export files: one model, whole, to an object that nobody else writes to."""

from pathlib import Path

import pytest
from sluicegate.delivery.export_files.exports import load_exports

from tests.company import BAKERY
from tests.unit.conftest import Edit

SHOPS, WEATHER = "exports/exp_shop_orders.yml", "exports/exp_weather_report.yml"


def test_an_export_is_named_after_its_model() -> None:
    exports, problems = load_exports(BAKERY)
    assert problems == []
    assert exports["exp_shop_orders"].asset_key == ("delivered", "exp_shop_orders")
    assert exports["exp_shop_orders"].spec.key == ("business_date", "shop")


@pytest.mark.parametrize(
    ("old", "new", "line", "what", "fix"),
    [
        ("purpose:", "purpos:", 10, "unknown field `purpos`", "did you mean `purpose`?"),
        ("purpose: Shows each shop what it ordered.\n", "", 1, "`purpose` is missing", "add `purpose:`"),
        ("  object:", "  objekt:", 5, "unknown field `destination.objekt`", "did you mean `object`?"),
        ("mode: mirror", "mode: mirrored", 7, "`mode` is 'mirrored'", ""),
        ("partitions: each", "partitions: all", 8, "`partitions` is 'all'", ""),
        ("[business_date, shop]", "[]", 6, "`key` is []", ""),
        ("shop_screens", "Shop Screens", 4, "`destination.connection` is 'Shop Screens'", ""),
        ("type: postgres", "type: postgress", 3, "unknown destination type `postgress`",
         "did you mean `postgres`?"),
        ("model: exp_shop_orders", "model: exp_shop_order", 1,
         "the file is named `exp_shop_orders`, its model is `exp_shop_order`", "rename the file"),
        *(("mode:", f"{field}: [shop]\nmode:", 7, f"`{field}` makes the export send something else",
           "move the rule into the dbt model `exp_shop_orders`")
          for field in ("where", "columns", "select", "query", "limit", "transform")),
    ],
)  # fmt: skip
def test_each_problem_is_located(
    folder: Path, edit: Edit, old: str, new: str, line: int, what: str, fix: str
) -> None:
    edit(SHOPS, old, new)
    _, problems = load_exports(folder)
    located = [
        (problem.file, problem.line) for problem in problems if what in problem.what and fix in problem.fix
    ]
    assert located == [(SHOPS, line)], problems


def test_two_exports_on_one_model(folder: Path, edit: Edit) -> None:
    edit(WEATHER, "model: exp_weather_report", "model: exp_shop_orders")
    _, problems = load_exports(folder)
    twice = [problem for problem in problems if problem.what == "model `exp_shop_orders` is exported twice"]
    assert [(problem.file, problem.line) for problem in twice] == [(WEATHER, 1)]
    assert SHOPS in twice[0].expected


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("postgres", "bakery.shop_orders", '"bakery"."shop_orders"'),
        ("postgres", "shop_orders", "public.shop_orders"),
        ("postgres", "bakery.shop_orders", "BAKERY.Shop_Orders"),
        ("blob", "weather", "/weather/"),
        ("blob", "weather/daily", "./weather//daily"),
    ],
)
def test_two_exports_on_one_object_under_another_spelling(
    folder: Path, edit: Edit, kind: str, one: str, other: str
) -> None:
    mode = {"postgres": "mirror", "blob": "snapshot"}[kind]
    edit(SHOPS, "mode: mirror", f"mode: {mode}")
    edit(WEATHER, "mode: snapshot", f"mode: {mode}")
    edit(SHOPS, "  type: postgres\n  connection: shop_screens\n  object: bakery.shop_orders",
         f"  type: {kind}\n  connection: same\n  object: '{one}'")  # fmt: skip
    edit(WEATHER, "  type: blob\n  connection: miller\n  object: weather",
         f"  type: {kind}\n  connection: same\n  object: '{other}'")  # fmt: skip
    _, problems = load_exports(folder)
    assert [(problem.file, problem.line) for problem in problems] == [(WEATHER, 5)]
    assert "is written by two exports" in problems[0].what
    assert SHOPS in problems[0].expected


def test_the_same_name_at_two_connections_is_two_objects(folder: Path, edit: Edit) -> None:
    edit(WEATHER, "  type: blob", "  type: postgres")
    edit(WEATHER, "  object: weather", "  object: bakery.shop_orders")
    assert load_exports(folder)[1] == []


def test_a_file_that_nothing_reads(folder: Path) -> None:
    (folder / SHOPS).rename(folder / "exports/exp_shop_orders.yml.bak")
    _, problems = load_exports(folder)
    assert [problem.what for problem in problems] == ["a file that nothing reads"]
