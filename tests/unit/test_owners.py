"""Who answers for something: as files say it, and as Dagster takes it."""

from pathlib import Path

import dagster as dg
import pytest
from sluicegate.contracts.load import load_contracts
from sluicegate.core.owners import is_address, is_owner
from sluicegate.delivery.export_files.exports import load_exports
from sluicegate.graph.owners import asset_owners

from tests.unit.conftest import Edit

# Domains end in more than seven letters, and in letters beyond ASCII; teams are called anything.
OWNERS = (
    "ada@bakery.example", "ada.l+night@bakery.co.uk", "ada@bakery.technology", "zoë@bäckerei.example",
    "o'brien@bakery.example", "_ada@bakery.example", "ada@bakery.xn--p1ai", "team:ovens",
    "team:night shift", "team:@org/ovens", "team:ada@bakery.example",
)  # fmt: skip
NOBODY = (
    "@ovens", "ada@", "ada@bakery", "ovens", "ada bakery@x.example", "ada@bakery.example, bob@bakery.example",
    "ada@bakery.example;bob@bakery.example", "ada@@bakery.example", "ada@bakery..example", "team:", "team: ",
    "Team:ovens", "team:ovens ", "<ada@bakery.example>,", "ada@.example", "",
)  # fmt: skip


@pytest.mark.parametrize("text", OWNERS)
def test_whoever_a_file_may_name_is_taken_by_dagster(text: str) -> None:
    assert is_owner(text)
    assert is_address(text) is not text.startswith("team:")
    shown = asset_owners(text)
    assert list(dg.AssetSpec("sent", owners=shown).owners) == shown
    assert shown in ([text], [f"team:{text}"])


@pytest.mark.parametrize("text", NOBODY)
def test_what_names_nobody(text: str) -> None:
    assert not is_owner(text)


def test_what_dbt_lets_a_group_say_is_taken_by_dagster() -> None:
    """The e-mail address of a dbt group is any text."""
    for text in filter(None, NOBODY):
        assert dg.AssetSpec("built", owners=asset_owners(text)).owners
    assert asset_owners(None, "") is None
    assert asset_owners("a@b.cd", "@x") == ["a@b.cd", "team:@x"]


@pytest.mark.parametrize("text", [text for text in NOBODY if text])
def test_an_export_of_nobody(folder: Path, edit: Edit, text: str) -> None:
    edit("exports/exp_shop_orders.yml", "owner: counter@bakery.example", f"owner: '{text}'")
    (problem,) = load_exports(folder)[1]
    assert (problem.file, problem.line) == ("exports/exp_shop_orders.yml", 9)
    assert (problem.what, problem.expected) == (f"`owner` is '{text}'", "an e-mail address, or team:NAME")


@pytest.mark.parametrize("text", [text for text in NOBODY if text])
def test_a_contract_of_nobody(folder: Path, edit: Edit, text: str) -> None:
    edit("contracts/orders.odcs.yaml", "value: ovens@bakery.example", f"value: '{text}'")
    (problem,) = load_contracts(folder)[1]
    assert (problem.what, problem.expected) == (f"the owner is `{text}`", "an e-mail address, or team:NAME")
    assert problem.line > 1
