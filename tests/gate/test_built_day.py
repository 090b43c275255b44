"""Every condition of a Tuesday that is built, against all that may ask for its delivery alone.

A hand on the button, in the UI and on the command line; a backfill of a range; re-execution from failure;
automation.
"""

import pytest

from tests.company import MON, TUE, WED, Company
from tests.gate.cells import Pass, assert_held, assert_sent, cell, cells
from tests.gate.conditions import CONDITIONS, DELIVERED, Condition
from tests.gate.conftest import Shelf
from tests.gate.triggers import by_automation, by_backfill, by_command, by_hand, by_reexecution

pytestmark = pytest.mark.long


@cells
@pytest.mark.sampled(4)
def test_manual(tuesday: Company, condition: Condition, gate: Pass) -> None:
    with cell(tuesday, condition, gate, condition.days):
        by_hand(tuesday, *condition.days)


@pytest.mark.parametrize("condition", [one for one in CONDITIONS if one.name == "check failed"])
def test_manual_from_the_command_line(tuesday: Company, condition: Condition) -> None:
    code, complained = by_command(tuesday, TUE)
    assert code != 0
    assert "held, nothing was sent" in complained
    assert_held(tuesday, condition.said)
    code, complained = by_command(tuesday, WED)
    assert code == 0, complained
    assert_sent(tuesday, WED)


@cells
@pytest.mark.sampled(4)
def test_backfill_of_a_range(tuesday: Company, condition: Condition, gate: Pass) -> None:
    with cell(tuesday, condition, gate, (TUE, WED)):
        by_backfill(tuesday, MON, TUE, WED)


@cells
@pytest.mark.sampled(4)
def test_reexecution_from_failure(tuesday: Company, condition: Condition, gate: Pass) -> None:
    with cell(tuesday, condition, gate, condition.days):
        by_reexecution(tuesday, *condition.days)


@cells
@pytest.mark.sampled(4)
def test_automation(tuesday: Company, condition: Condition, gate: Pass, shelf: Shelf) -> None:
    with cell(tuesday, condition, gate, condition.days):
        asked = by_automation(tuesday, shelf.monday_evening, *condition.days)
    assert asked == [*DELIVERED] * len(condition.days)
