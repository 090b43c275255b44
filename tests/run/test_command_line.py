"""The `sluice` console script, as a person or a scheduler calls it: output and exit codes."""

import gc
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from sluicegate.cli.main import app
from sluicegate.codes import place
from typer.testing import CliRunner

from tests.company import BAKERY, MON, TUE, Company, orders

pytestmark = pytest.mark.long


def test_land_run_and_status(open_bakery: Company, tmp_path: Path) -> None:
    company = open_bakery
    feed = tmp_path / "feed"
    feed.mkdir()
    (feed / f"{TUE}.csv").write_text(f"date,town,rain_mm\n{TUE},Ulm,-1\n")
    assert company.sluice("land", "weather", str(feed)) == (0, f"landed weather {TUE}\n", "")

    code, said, complained = company.process("run")
    assert code == 1
    assert f"✗ {TUE}" in said
    assert "needs attention" in said, complained
    assert "rain_mm" in said
    assert "Traceback" not in said + complained

    code, said, _ = company.sluice("status", COLUMNS="250")
    assert code == 0
    held = [line for line in said.splitlines() if "exp_weather_report" in line and TUE in line]
    assert len(held) == 1
    assert "held" in held[0]
    assert [
        line
        for line in said.splitlines()
        if "exp_shop_orders" in line and MON in line and "delivered" in line
    ]

    corrected = tmp_path / "corrected.csv"
    corrected.write_text(f"date,town,rain_mm\n{TUE},Ulm,1\n")
    assert company.sluice("land", "weather", str(corrected), "--partition", TUE)[0] == 0
    code, said, _ = company.sluice("run", COLUMNS="250")
    assert code == 0
    assert f"✓ {TUE}" in said
    assert company.in_container() == {MON: 1, TUE: 1}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["land", "order", "{file}"], "no contract for source `order`; did you mean `orders`?"),
        (["land", "orders", "{file}"], "its name does not tell the day; expected {{date}}.csv.gz"),
        (["land", "orders", "{file}", "--partition", "2023-12-31"], "from 2024-01-01 on"),
    ],
)
def test_land_says_what_it_cannot_place(
    bakery: Company, tmp_path: Path, arguments: list[str], complaint: str
) -> None:
    file = tmp_path / "today.csv"
    file.write_text(orders(MON, a=1))
    typed = (argument.format(file=file) for argument in arguments)
    code, said, complained = bakery.sluice(*typed, COLUMNS="250")
    assert (code, said) == (2, "")
    assert complaint.format() in complained
    assert not Path(bakery.settings.staging_url).exists()


def test_check_names_file_and_line_of_every_problem(bakery: Company, tmp_path: Path) -> None:
    folder = tmp_path / "bakery"
    shutil.copytree(BAKERY, folder)
    export = folder / "exports" / "exp_shop_orders.yml"
    export.write_text(export.read_text().replace("mode: mirror", "mode: mirror\nwhere: shop = 'a'"))
    suite = folder / "expectations" / "orders.yml"
    suite.write_text(suite.read_text().replace("row_count", "rowcount"))
    broken = replace(bakery, settings=bakery.settings.model_copy(update={"project_dir": folder}))
    code, said, complained = broken.sluice("check")
    assert (code, said) == (2, "")
    assert (
        "expectations/orders.yml:3: unknown expectation `expect_table_rowcount_to_be_between`" in complained
    )
    assert "did you mean `expect_table_row_count_to_be_between`?" in complained
    assert "exports/exp_shop_orders.yml:8: `where` makes the export send something else" in complained
    assert "Traceback" not in complained


def test_check_of_a_sound_project(bakery: Company) -> None:
    assert bakery.process("check") == (
        0,
        "3 contracts, 5 dbt tables, 8 suites, 2 exports: no problem found\n",
        "",
    )


def test_a_misspelt_variable_ends_with_code_2(bakery: Company) -> None:
    code, said, complained = bakery.sluice("check", SLUICE_STAGING_ULR="somewhere", COLUMNS="250")
    assert (code, said) == (2, "")
    assert complained == (
        "environment variable SLUICE_STAGING_ULR means nothing here; did you mean `SLUICE_STAGING_URL`?"
        f" [SLU-C002: {place('SLU-C002')}]\n"
    )


def test_a_command_looks_for_garbage_seldom(tmp_path: Path) -> None:
    before = gc.get_threshold()
    try:
        gc.set_threshold(700, 10, 10)
        assert CliRunner().invoke(app, ["check", "--project", str(tmp_path / "nowhere")]).exit_code == 2
        assert gc.get_threshold()[0] == 50_000
    finally:
        gc.set_threshold(*before)
