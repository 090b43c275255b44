"""Every condition within one run: all feeds of a day have landed, the sensor asks for everything at once."""

from contextlib import nullcontext
from dataclasses import dataclass

import pytest

from tests.company import MON, TUE, WED, Company
from tests.gate.cells import Pass, assert_held, assert_sent, assert_told
from tests.gate.conditions import DELIVERED, TABLES, two_rains, weather
from tests.gate.deployments import NOWHERE, STUCK_GAUGE
from tests.gate.triggers import launch, look, reexecute_failed
from tests.gate.without_gate import gate_taken_out

pytestmark = pytest.mark.long


@dataclass(frozen=True)
class Day:
    """A Tuesday as it lands, and what becomes of it when all of it is in one run.

    `said` is what the exports' gate checks name once the day is held. `dagster_holds` says that a blocking
    check holds the day within its run as well, so that the gate taken out makes no difference there.
    """

    name: str
    weather: str
    holds: bool = True
    said: str = ""
    dagster_holds: bool = False
    checks: bool = True
    good: tuple[str, ...] = ()


SAME_RUN = [
    Day("check failed", weather(TUE, STUCK_GAUGE), said="check `expectations`: failed", dagster_holds=True),
    Day("check warned", weather(TUE, 60), holds=False),
    Day("check never ran", weather(TUE), checks=False, said="never ran on this version"),
    Day("check errored", two_rains(TUE), said="check `one_rain_a_day`", dagster_holds=True),
    Day("ancestor two layers up failed", weather(TUE, town=NOWHERE), said="raw.weather", dagster_holds=True),
    Day("another partition failed", weather(TUE, -1), said="stg_weather", dagster_holds=True, good=(WED,)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("day", "gate"),
    [
        pytest.param(day, gate, id=f"{day.name}, {gate}")
        for day in SAME_RUN
        for gate in Pass
        if day.holds or gate is Pass.ASKED
    ],
)
@pytest.mark.sampled(6)
def test_same_run(open_bakery: Company, day: Day, gate: Pass) -> None:
    company = open_bakery
    company.land_orders(TUE, a=1)
    company.land("weather", TUE, day.weather)
    for good in day.good:
        company.land_day(good, b=2)
    arrives = [*day.good]
    if not day.holds or (gate is Pass.TAKEN_OUT and not day.dagster_holds):
        arrives.append(TUE)
    before = company.untouched(*arrives)
    with gate_taken_out() if gate is Pass.TAKEN_OUT else nullcontext():
        tuesday, *others = look(company)
        assert tuesday.partition_key == TUE
        assert {key.to_user_string() for key in tuesday.asset_selection or ()} == {*TABLES, *DELIVERED}
        launch(company, tuesday, checks=day.checks)
        launch(company, *others)
        while asked := look(company):  # what has waited for Tuesday, as its window contains it
            assert {request.partition_key for request in asked} <= set(day.good)
            launch(company, *asked)
    assert company.untouched(*arrives) == before
    for each in arrives:
        assert_sent(company, each)
    if not day.holds:
        assert company.check_severity("staging/stg_weather", "expectations", TUE) == "WARN"
    if day.holds and gate is Pass.ASKED:
        assert_told(company, DELIVERED, day.said)


@pytest.mark.parametrize("gate", Pass)
def test_same_run_of_a_correction_whose_checks_passed_on_an_older_version(
    open_bakery: Company, gate: Pass
) -> None:
    company = open_bakery
    company.land_orders(MON, a=9)
    company.land_weather(MON, rain=9)
    before = company.untouched()
    with gate_taken_out() if gate is Pass.TAKEN_OUT else nullcontext():
        launch(company, *look(company), checks=False)
        assert look(company) == []
    if gate is Pass.ASKED:
        assert company.untouched() == before
        ok, said = company.materialize(MON, *DELIVERED)
        assert not ok
        assert "passed on an older version" in said
        assert company.untouched() == before
    else:
        assert company.in_postgres() == [(MON, "a", 9)]
        assert company.untouched() != before


def test_the_days_own_run_executed_again_from_its_failure_is_held_again(open_bakery: Company) -> None:
    company = open_bakery
    company.land_orders(TUE, a=1)
    company.land("weather", TUE, weather(TUE, STUCK_GAUGE))
    before = company.untouched()
    launch(company, *look(company))
    reexecute_failed(company, 1)
    assert look(company) == []
    assert company.untouched() == before
    assert_held(company, ["check `expectations`: failed"])
