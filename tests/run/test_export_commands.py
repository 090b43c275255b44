"""`sluice export` and `sluice export last-mile`, as a person calls them."""

import json
import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from orchestration.cli import app
from orchestration.delivery.export_files.exports import load_exports
from orchestration.delivery.export_files.schema import export_schema
from tests.company import BAKERY

NAME = "exp_shop_orders"
ARGUMENTS = ("--type", "postgres", "--connection", "shop_screens", "--object", "bakery.orders")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    copy = tmp_path / "bakery"
    shutil.copytree(BAKERY, copy)
    return copy


def sluice(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--project", str(folder)])


def new(folder: Path, model: str, *arguments: str) -> Result:
    return sluice(folder, "export", "new", model, *arguments, "--data", str(folder.parent / "data"))


def test_a_draft_loads_as_it_is(folder: Path) -> None:
    (folder / f"exports/{NAME}.yml").unlink()
    made = new(folder, NAME, *ARGUMENTS)
    assert made.exit_code == 0, made.output
    exports, problems = load_exports(folder)
    assert problems == []
    spec = exports[NAME].spec
    assert (spec.destination.type, spec.destination.object) == ("postgres", "bakery.orders")
    assert spec.key == ("business_date", "shop")
    assert (spec.mode, spec.partitions) == ("mirror", "each")
    text = (folder / f"exports/{NAME}.yml").read_text()
    assert f"{text.count('TODO') - 1} TODOs are left" in made.stdout
    checked = sluice(folder, "check", "--data", str(folder.parent / "data"))
    assert checked.exit_code == 2
    lines = [at for at, line in enumerate(text.splitlines(), 1) if "TODO" in line][
        1:
    ]  # the first is of the word
    assert [
        int(at) for at in re.findall(rf"exports/{NAME}\.yml:(\d+): .*; expected ", checked.output)
    ] == lines


def test_what_a_person_says_beforehand_is_not_left_open(folder: Path) -> None:
    (folder / f"exports/{NAME}.yml").unlink()
    said = ("--mode", "upsert", "--owner", "team:shop", "--purpose", "Screens in the shops.")
    made = new(folder, NAME, *ARGUMENTS, *said)
    assert made.exit_code == 0, made.output
    assert "0 TODOs are left" in made.stdout
    spec = load_exports(folder)[0][NAME].spec
    assert (spec.mode, spec.owner, spec.purpose) == ("upsert", "team:shop", "Screens in the shops.")
    assert sluice(folder, "check", "--data", str(folder.parent / "data")).exit_code == 0
    wrong = new(folder, NAME, *ARGUMENTS, "--force", "--mode", "upset")
    assert wrong.exit_code == 2
    assert "upsert" in wrong.output


def test_a_file_that_is_there_stays_unless_told_otherwise(folder: Path) -> None:
    path = folder / f"exports/{NAME}.yml"
    before = path.read_text()
    refused = new(folder, NAME, *ARGUMENTS)
    assert refused.exit_code == 2
    assert "there is a file; expected none; edit it, or --force" in refused.stderr
    assert path.read_text() == before
    assert new(folder, NAME, *ARGUMENTS, "--force", "--key", "shop").exit_code == 0
    assert "\nkey: [shop]  # TODO must tell rows of different partitions apart" in path.read_text()


def test_a_draft_for_a_crm_removes_nothing_and_sends_no_partition(folder: Path) -> None:
    (folder / f"exports/{NAME}.yml").unlink()
    made = new(folder, NAME, "--type", "hubspot", "--connection", "crm", "--object", "companies")
    assert made.exit_code == 0, made.output
    exports, problems = load_exports(folder)
    assert problems == []
    spec = exports[NAME].spec
    assert (spec.key, spec.mode, spec.partitions) == (("shop",), "upsert", "latest")


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("model", "arguments", "said"),
    [
        ("exp_shop_order", ARGUMENTS, "did you mean `exp_shop_orders`?"),
        (NAME, ("--type", "postgress", *ARGUMENTS[2:]), "did you mean `postgres`?"),
        (NAME, (*ARGUMENTS, "--option", "colour=red"), "unknown field `destination.options.colour`"),
        (NAME, (*ARGUMENTS, "--option", "colour"), "expected NAME=VALUE"),
        (NAME, (*ARGUMENTS, "--key", "shops"), "did you mean `shop`?"),
        (NAME, ("--type", "postgres", "--connection", "Shop Screens", "--object", "a.b"),
         "`destination.connection` is 'Shop Screens'"),
        (NAME, ("--type", "blob", "--connection", "miller", "--object", "weather/today"),
         "is written by exports/exp_weather_report.yml"),
    ],
)  # fmt: skip
def test_what_cannot_be_an_export_is_not_written(
    folder: Path, model: str, arguments: tuple[str, ...], said: str
) -> None:
    (folder / f"exports/{NAME}.yml").unlink()
    refused = new(folder, model, *arguments)
    assert refused.exit_code == 2, refused.output
    assert said in refused.stderr
    assert sorted(path.name for path in (folder / "exports").iterdir()) == ["exp_weather_report.yml"]


def test_the_schema_is_printed() -> None:
    printed = CliRunner().invoke(app, ["export", "schema"])
    assert printed.exit_code == 0
    assert json.loads(printed.stdout) == export_schema()


def rule(days: int, shop: str) -> str:
    today = datetime.now(UTC).date()
    return (
        f"  - filter: {{column: shop, drop: [{shop}]}}\n    owner: me@bakery.example\n    reason: closed\n"
        f"    issue: https://x.example/1\n    declared: {today - timedelta(days=20)}\n"
        f"    expires: {today + timedelta(days=days)}\n"
    )


def test_last_mile_rules_are_listed_with_the_days_they_have_left(folder: Path) -> None:
    path = folder / f"exports/{NAME}.yml"
    before = path.read_text()
    nothing = sluice(folder, "export", "last-mile")
    assert (nothing.exit_code, nothing.stdout) == (0, "no export has a last-mile rule\n")

    path.write_text(before + "last_mile:\n" + rule(40, "a") + rule(3, "b"))
    listed = sluice(folder, "export", "last-mile")
    assert listed.exit_code == 0, listed.output
    assert listed.stdout.index("drop shop: b") < listed.stdout.index("drop shop: a")
    assert NAME in listed.stdout

    path.write_text(before + "last_mile:\n" + rule(40, "a") + rule(-3, "b"))
    listed = sluice(folder, "export", "last-mile")
    assert listed.exit_code == 1
    assert "expired 3" in listed.stdout
    assert "drop shop: a" in listed.stdout
    assert "dbt_project/models/exports/exp_shop_orders.sql" in listed.stderr
