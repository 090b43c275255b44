"""What is asserted of every cell of the matrix, with the gate and with the gate taken out."""

from collections.abc import Collection, Generator
from contextlib import contextmanager, nullcontext
from enum import StrEnum

import pytest

from tests.company import TUE, Company
from tests.gate.conditions import CONDITIONS, DELIVERED, Condition
from tests.gate.without_gate import gate_taken_out


class Pass(StrEnum):
    """Which pass over a cell it is."""

    ASKED = "gate asked"
    TAKEN_OUT = "gate taken out"


cells = pytest.mark.parametrize(
    ("condition", "gate"),
    [
        pytest.param(condition, gate, id=f"{condition.name}, {gate}")
        for condition in CONDITIONS
        for gate in Pass
        # Without the gate the rows arrive by every trigger: one condition is enough to show that.
        if gate is Pass.ASKED or condition is CONDITIONS[0]
    ],
)


@contextmanager
def cell(company: Company, condition: Condition, gate: Pass, days: Collection[str]) -> Generator[None]:
    """Do what is in the block, which asks for these days: Tuesday must be held or sent, Wednesday is sent.

    What is not asked for, and what was there before, stays byte for byte.
    """
    held = bool(condition.said) and gate is Pass.ASKED
    arrives = [day for day in days if not (held and day == TUE)]
    before = company.untouched(*arrives)
    with gate_taken_out() if gate is Pass.TAKEN_OUT else nullcontext():
        yield
    assert company.untouched(*arrives) == before
    for day in arrives:
        assert_sent(company, day)
    if held:
        assert_held(company, condition.said)
    elif not condition.said:
        assert company.check_severity("staging/stg_weather", "expectations", TUE) == "WARN"


def assert_sent(company: Company, day: str) -> None:
    """Both destinations have the day, and the exports' gate checks say that it was open."""
    assert company.in_postgres(day) != []
    assert day in company.in_container()
    for export in DELIVERED:
        assert company.check_results(export, "gate")[day][0] is True
        assert day in company.materialized(export)


def assert_held(company: Company, said: Collection[str], day: str = TUE) -> None:
    """Neither destination has the day, and the exports' gate checks tell why."""
    assert company.in_postgres(day) == []
    assert day not in company.in_container()
    for export in DELIVERED:
        passed, told = company.check_results(export, "gate")[day]
        assert passed is False
        assert told.startswith("held, nothing was sent")
        for part in said:
            assert part in told
        assert day not in company.materialized(export)


def assert_told(company: Company, exports: Collection[str], said: str) -> None:
    """The exports' gate checks say that Tuesday is held, and why."""
    for export in exports:
        passed, told = company.check_results(export, "gate")[TUE]
        assert passed is False
        assert said in told
        assert TUE not in company.materialized(export)
