"""What the Tab key offers, and that it imports nothing that takes time."""

import subprocess
import sys

import pytest
from sluicegate.cli import app
from sluicegate.core.settings import REPOSITORY
from typer.testing import CliRunner

from tests.company import BAKERY, SHOP_ORDERS, WEATHER_REPORT

EXPORTS, SOURCES = {SHOP_ORDERS, WEATHER_REPORT}, {"orders", "shops", "weather"}
TYPED = {
    "why ": EXPORTS,
    "why exp_s": {SHOP_ORDERS},
    "delivery plan ": EXPORTS,
    "delivery list exp_w": {WEATHER_REPORT},
    "export contract ": EXPORTS,
    "land ": SOURCES,
    "source quarantine w": {"weather"},
    "table rerun staging.stg_o": {"staging.stg_orders"},
    "table judge raw.": {f"raw.{name}" for name in SOURCES},
    "delivery re": {"reject", "refusals", "resend", "redeliver", "reconcile"},
    "why nothing": set[str](),
}


@pytest.mark.parametrize("typed", TYPED)
def test_names_of_the_project_are_completed(typed: str) -> None:
    assert _completed(typed, {"SLUICE_PROJECT_DIR": str(BAKERY)}) == TYPED[typed]


def test_without_a_project_nothing_is_completed() -> None:
    assert _completed("why ", {"SLUICE_PROJECT_DIR": "/nowhere"}) == set()


@pytest.mark.long
def test_help_and_completion_import_nothing_heavy() -> None:
    heavy = ("dagster", "dbt", "duckdb", "great_expectations", "sqlalchemy", "pydantic", "yaml", "pyarrow")
    asked = f"import sys, sluicegate.cli; print([name for name in {heavy!r} if name in sys.modules])"
    told = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, check=True, cwd=REPOSITORY
    )
    assert told.stdout == "[]\n"


def _completed(typed: str, variables: dict[str, str]) -> set[str]:
    """Return what bash is told, which splits what is typed at spaces."""
    asked = {
        "_SLUICE_COMPLETE": "complete_bash", "COMP_WORDS": f"sluice {typed}",
        "COMP_CWORD": str(len(f"sluice {typed}".split(" ")) - 1),
    }  # fmt: skip
    told = CliRunner().invoke(app, [], prog_name="sluice", env=asked | variables)
    return set(told.stdout.split())
