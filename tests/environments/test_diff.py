"""`sluice diff`: an environment beside production, of the same inputs or not at all.

Belongs here: partitions, tables and exports of real environments. Does not belong here: the rows of one
partition (`tests/comparing`).
"""

import json
from typing import Any

import pytest

from tests.environments.conftest import Desk

pytestmark = pytest.mark.long
STG_ORDERS = "dbt_project/models/staging/stg_orders.sql"
TWICE = ("    loaves\n", "    loaves * 2 as loaves\n")


def diff(desk: Desk, *arguments: str) -> dict[str, Any]:
    """Return what the command says of environment `ada`, as JSON."""
    code, said = desk.sluice("diff", "--name", "ada", "--json", *arguments)
    assert said.startswith("{"), said
    report = json.loads(said)
    assert code in (0, 1)
    return report


def test_first(desk: Desk) -> None:
    desk.sluice("env", "new", "ada", "--days", "2")
    print(desk.sluice("diff", "--name", "ada"))
    desk.edit(STG_ORDERS, TWICE)
    print(desk.sluice("diff", "--name", "ada")[1])
    print(desk.sluice("env", "build", "--name", "ada")[1])
    print(desk.sluice("diff", "--name", "ada")[1])
    print(desk.sluice("diff", "--name", "ada", "--markdown")[1])
    print(desk.sluice("diff", "--name", "ada", "--json")[1])
    assert 0
