"""Days of a trailing window that are not there: refused is not absent, and what comes late is listed."""

from pathlib import Path

import pytest

from orchestration.gate.findings import Finding, GateReport
from orchestration.gate.gate import Verdict
from orchestration.operations.rebuilding import built_without
from tests.company import MON, SHOP_ORDERS, TUE, WED, Company, failures, held, orders, runs
from tests.gate.edits import replace
from tests.typed import sluice

pytestmark = pytest.mark.stories(2)

NO_NUMBER = "Order No.,Date,Shop,Loaves (pcs)\n1,{day},a,many\n"


def absent(report: GateReport) -> list[Finding]:
    """The days of trailing windows that hold nothing."""
    return [item for item in report.findings if item.verdict in (Verdict.ABSENT, Verdict.LEFT_OUT)]


def _refuse(company: Company, day: str) -> None:
    company.land("orders", day, NO_NUMBER.format(day=day))
    company.land_weather(day)


def _fails_its_suite(company: Company, day: str) -> None:
    company.land("orders", day, orders(day, a=501))
    company.land_weather(day)


@pytest.mark.parametrize("bad", [_refuse, _fails_its_suite])
@pytest.mark.sampled(2)
def test_a_day_that_landed_and_is_not_good_holds_the_days_that_read_it(bakery: Company, bad: object) -> None:
    assert callable(bad)
    bakery.land_shops("a")
    bad(bakery, MON)
    bakery.land_day(TUE, a=4)
    events = bakery.run()
    assert bakery.in_postgres() == []
    assert {(SHOP_ORDERS, MON), (SHOP_ORDERS, TUE)} <= set(held(events))
    assert f"[{MON}]" in bakery.status()[(SHOP_ORDERS, TUE)].why
    bakery.land_day(MON, a=3)
    assert failures(bakery.run()) == ""
    assert bakery.in_postgres() == [(MON, "a", 3), (TUE, "a", 7)]


def test_whoever_presses_the_button_builds_nothing_beside_a_refused_day(bakery: Company) -> None:
    bakery.land_shops("a")
    _refuse(bakery, MON)
    bakery.land_day(TUE, a=4)
    bakery.run()
    success, said = bakery.materialize(TUE, "marts/shop_orders")
    assert not success
    assert f"raw.orders [{MON}]" in said


def test_a_refused_day_may_be_left_out_where_the_contract_allows_days_without_a_drop(bakery: Company) -> None:
    company = bakery.with_own_project()
    _allow_gaps(company.settings.project_dir)
    company = company.read_anew()
    company.land_shops("a")
    _refuse(company, MON)
    company.land_day(TUE, a=4)
    company.run()
    assert company.in_postgres() == [(TUE, "a", 4)]
    report = company.site.gate_report(SHOP_ORDERS, TUE)
    assert report.open
    assert [(item.relation, item.partition_key, item.verdict) for item in absent(report)] == [
        ("staging.stg_orders", MON, Verdict.LEFT_OUT)
    ]
    company.land_day(MON, a=3)
    assert failures(company.run()) == ""
    (lacking,) = built_without(company.site)
    assert (lacking.relation, lacking.partition_keys) == ("marts.shop_orders", (TUE,))


def _allow_gaps(folder: Path) -> None:
    replace(
        "contracts/orders.odcs.yaml", "customProperties:\n",
        "customProperties:\n  - {property: daysWithoutDrop, value: allowed}\n",
    )(folder)  # fmt: skip


def test_what_was_built_without_a_day_that_came_late_is_listed_and_rebuilt(bakery: Company) -> None:
    bakery.land_shops("a")
    bakery.land_day(TUE, a=4)
    bakery.land_day(WED, a=5)
    assert failures(bakery.run()) == ""
    report = bakery.site.gate_report(SHOP_ORDERS, WED)
    assert report.open
    assert [(item.relation, item.partition_key, item.verdict) for item in absent(report)] == [
        ("staging.stg_orders", MON, Verdict.ABSENT)
    ]
    bakery.land_day(MON, a=3)
    events = bakery.run()
    assert runs(events) == [(MON, True)]
    assert bakery.in_postgres(WED) == [(WED, "a", 9)]
    code, said, _ = bakery.sluice("table", "outdated")
    assert code == 1
    assert (
        f"marts.shop_orders {TUE} to {WED} (2 partitions): built without staging.stg_orders [{MON}]" in said
    )
    code, said, complained = bakery.sluice(*_typed(said))
    assert code == 0, said + complained
    assert bakery.in_postgres() == [(MON, "a", 3), (TUE, "a", 7), (WED, "a", 12)]
    assert bakery.sluice("table", "outdated")[0] == 0


def _typed(said: str) -> list[str]:
    """Return the command that was printed, without its first word."""
    return said.split("`")[1].split()[1:]


@pytest.mark.parametrize("bad", [_refuse, _fails_its_suite])
@pytest.mark.sampled(2)
def test_a_corrected_day_behind_one_that_is_not_good_is_told_by_that_and_goes_out_after_it(
    open_bakery: Company, bad: object
) -> None:
    assert callable(bad)
    company = open_bakery
    company.land_day(WED, a=1)
    assert failures(company.run()) == ""
    assert company.in_postgres(WED)[0] == (WED, "a", 4)
    bad(company, TUE)
    company.run()
    company.land_orders(WED, a=2)
    company.run()
    code, said = sluice(company, "why", SHOP_ORDERS, "--partition", WED)
    assert (code, f"[{TUE}]" in said) == (1, True), said
    # To build it now would end at the bad day.
    assert "sluice table rerun marts.shop_orders" not in said
    code, said = sluice(company, "run")
    assert code == 1
    held_back = [line for line in said.splitlines() if line.startswith("  holds back: ")]
    assert held_back
    assert all(f"{SHOP_ORDERS} [{WED}]" in line for line in held_back), said
    company.land_day(TUE, a=10)
    assert failures(company.run()) == ""
    assert company.in_postgres(WED)[0] == (WED, "a", 15)
    assert sluice(company, "run")[0] == 0
