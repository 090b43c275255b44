"""What `--json` prints, of every command that prints a table: JSON, with the keys of docs/commands.md."""

import ast
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sluicegate.core.settings import REPOSITORY
from sluicegate.state.outbox import Message
from sluicegate.state.records import RefusedKey

from tests.company import MON, SHOP_ORDERS, TUE, WEATHER_REPORT, Company
from tests.documents.commands import commands
from tests.documents.json_fields import ELSEWHERE, PRINTED, Printed
from tests.prepared import copy_of
from tests.typed import sluice_apart

COMMANDS = commands()
_CLI = REPOSITORY / "orchestration" / "sluicegate" / "cli"
# Its `--json` is a file to write.
_OF_A_FILE = {"ci"}
# What makes a table in `cli/`, besides functions whose names end with `_table`.
_TABLES = {"table", "status_tables", "show_plan", "_show"}
RULE = """last_mile:
  - filter: {column: town, drop: ["Bonn"]}
    owner: counter@bakery.example
    reason: Bonn has no scale.
    issue: https://issues.example/1
    declared: 2026-11-20
    expires: 2026-12-20
"""


@pytest.fixture(scope="module")
def shop(
    tmp_path_factory: pytest.TempPathFactory, postgres_url: str, monday_done: Company
) -> Iterator[Company]:
    """A bakery of which each list has something: a day that is held, an incident, a mute, a refused row."""
    with copy_of(monday_done, tmp_path_factory.mktemp("json"), postgres_url) as company:
        company.land_orders(TUE, a=3)
        company.land_weather(TUE, rain=-1)
        assert sluice_apart(company, "run")[0] == 1
        assert sluice_apart(company, "incident", "mute", "weather", "--for", "2h", "--reason", "r")[0] == 0
        store, at = company.deployment.store, datetime(2024, 1, 2, tzinfo=UTC)
        store.incidents.outbox.put(Message("oncall", "opened", {"what": "x"}, at))
        refused = RefusedKey(SHOP_ORDERS, MON, '["2024-01-01", "a"]', "0", "d", "too_long", "no", 1, at, None)
        store.refused_keys.replace(SHOP_ORDERS, MON, [refused], [])
        folder = str(company.settings.data_dir.parent / "kept")
        assert sluice_apart(company, "backup", "create", folder)[0] == 0
        own = company.with_own_project()
        file = own.settings.project_dir / "exports" / f"{WEATHER_REPORT}.yml"
        file.write_text(file.read_text() + RULE)
        yield own


# What is typed behind the command, and the lists that have something in them there.
ASKED: dict[str, tuple[str, ...]] = {
    "status": (),
    "why": (WEATHER_REPORT, "--partition", TUE),
    "delivery plan": (SHOP_ORDERS, "--partition", MON),
    "delivery list": (SHOP_ORDERS,),
    "delivery refusals": (SHOP_ORDERS,),
    "delivery content": (SHOP_ORDERS, "--on", "{today}"),
    "delivery forget": ("shop=nobody", "--reason", "asked"),
    "export last-mile": (),
    "export contract": (SHOP_ORDERS,),
    "incident list": (),
    "incident show": ("1",),
    "incident mutes": (),
    "alerts outbox": (),
    "source quarantine": ("orders",),
    "table judge": ("staging.stg_weather", "--from", TUE),
    "table outdated": (),
    "backup verify": ("{kept}",),
    "env publish": (),
    "ops publish": (),
    "explain": (),
}
_PERHAPS = {"source quarantine", "delivery forget"}  # whose lists are empty here
# By tests/contracts/test_diff.py and tests/environments/test_environments.py.
_ASKED_ELSEWHERE = {"contract diff", "env list", "env show"}


@pytest.mark.parametrize("name", ASKED)
def test_json_is_printed_with_the_keys_that_are_documented(shop: Company, name: str) -> None:
    kept = str(shop.settings.data_dir.parent / "kept")
    words = (word.format(kept=kept, today=datetime.now(UTC).date()) for word in ASKED[name])
    code, said, complained = shop.sluice(
        *name.split(), *words, "--json", SLUICE_PUBLISHED_URL=str(shop.settings.data_dir / "published")
    )
    assert code in (0, 1), complained
    found: Any = json.loads(said)
    printed: Printed = PRINTED[name]
    assert isinstance(found, list) is printed.many
    for item in found if printed.many else [found]:
        assert set(item) == set(printed.keys), name
        for key, inner in (printed.rows or {}).items():
            assert [set(row) for row in item[key]] == [set(inner)] * len(item[key])
            assert item[key] or name in _PERHAPS
    assert found, name


def test_every_command_with_json_says_what_it_prints() -> None:
    asked = {" ".join(path) for path, command in COMMANDS.items() if "--json" in command.options}
    assert asked - _OF_A_FILE == PRINTED.keys() | ELSEWHERE.keys()
    assert set(ASKED) | _ASKED_ELSEWHERE == PRINTED.keys()
    assert all((REPOSITORY / "docs" / file).exists() for file in ELSEWHERE.values())


def test_every_command_that_prints_a_table_has_json() -> None:
    without = [
        f"{file.name}: {function.name}"
        for file in _CLI.glob("*.py")
        for function in ast.walk(ast.parse(file.read_text()))
        if isinstance(function, ast.FunctionDef)
        and any("command" in ast.unparse(one) for one in function.decorator_list)
        and _makes_a_table(function)
        and "as_json" not in {one.arg for one in function.args.args}
    ]
    assert without == []


def _makes_a_table(function: ast.FunctionDef) -> bool:
    called = {
        one.func.id
        for one in ast.walk(function)
        if isinstance(one, ast.Call) and isinstance(one.func, ast.Name)
    }
    return any(name in _TABLES or name.endswith("_table") for name in called)
