"""A day, from the provider's file to both destinations: good, broken, corrected, landed again.

What the receivers see is read from the destinations, not from our records.
"""

import pytest
from sluicegate.operations.status import Standing

from tests.company import (
    MON,
    SHOP_ORDERS,
    TUE,
    WEATHER_REPORT,
    WED,
    Company,
    failures,
    held,
    orders,
    runs,
)

pytestmark = pytest.mark.long
GATES = ("delivered/exp_shop_orders", "delivered/exp_weather_report")


def test_a_good_day_arrives_at_both_destinations(open_bakery: Company) -> None:
    company = open_bakery
    assert company.in_postgres() == [(MON, "a", 3), (MON, "b", 4)]
    assert company.in_container() == {MON: 1}
    standing = {name: row.standing for (name, _), row in company.status().items()}
    assert standing == {
        "shops": Standing.VALIDATED,
        "orders": Standing.VALIDATED,
        "weather": Standing.VALIDATED,
        SHOP_ORDERS: Standing.DELIVERED,
        WEATHER_REPORT: Standing.DELIVERED,
    }
    for asset in (*GATES, "marts/shop_orders", "raw/orders"):
        assert company.materialized(asset) == {MON}
    for gate in GATES:
        assert [(day, passed) for day, (passed, _) in company.check_results(gate, "gate").items()] == [
            (MON, True)
        ]
    assert company.run() == []


def test_a_broken_day_is_held_the_next_passes_and_the_corrected_one_goes_through(
    open_bakery: Company,
) -> None:
    company = open_bakery
    company.land_orders(TUE, a=1)
    company.land_weather(TUE, rain=-1)
    company.land_day(WED, b=2)
    events = company.run()
    assert runs(events) == [(TUE, False), (WED, True)]
    assert held(events) == [(SHOP_ORDERS, TUE), (WEATHER_REPORT, TUE)]
    assert "rain_mm" in failures(events)
    # Held by day: Tuesday is nowhere, Wednesday is everywhere.
    assert company.in_postgres(TUE) == []
    assert company.in_postgres(WED) == [(WED, "a", 4), (WED, "b", 6)]
    assert company.in_container() == {MON: 1, WED: 1}
    status = company.status()
    for export, gate in zip((SHOP_ORDERS, WEATHER_REPORT), GATES, strict=True):
        assert status[(export, TUE)].standing is Standing.HELD
        assert "staging.stg_weather [2024-01-02]" in status[(export, TUE)].why
        assert "rain_mm" in status[(export, TUE)].why
        assert status[(export, WED)].standing is Standing.DELIVERED
        # The same story where the analyst looks: on the export's own page, by day.
        results = company.check_results(gate, "gate")
        assert {day: passed for day, (passed, _) in results.items()} == {MON: True, TUE: False, WED: True}
        assert "rain_mm" in results[TUE][1]

    before = company.untouched(TUE)
    company.land_weather(TUE, rain=2)
    events = company.run()
    assert runs(events) == [(TUE, True)]
    assert company.in_postgres(TUE) == [(TUE, "a", 4), (TUE, "b", 4)]
    assert company.in_container() == {MON: 1, TUE: 1, WED: 1}
    assert company.untouched(TUE) == before
    assert {day: passed for day, (passed, _) in company.check_results(GATES[0], "gate").items()} == {
        MON: True,
        TUE: True,
        WED: True,
    }


def test_a_correction_of_a_delivered_day_replaces_its_slice_alone(open_bakery: Company) -> None:
    company = open_bakery
    company.land_day(TUE, a=1, b=1)
    assert runs(company.run()) == [(TUE, True)]
    before = company.untouched(MON)
    company.land_orders(MON, b=9)
    assert runs(company.run()) == [(MON, True)]
    assert company.in_postgres(MON) == [(MON, "b", 9)]
    assert company.untouched(MON) == before


def test_the_same_drop_again_sends_nothing(open_bakery: Company) -> None:
    company = open_bakery
    before = company.untouched()
    company.land_shops("a", "b")
    company.land_day(MON, a=3, b=4)
    assert company.run() == []
    assert company.untouched() == before


def test_a_day_that_has_become_empty_is_emptied_where_it_went(open_bakery: Company) -> None:
    company = open_bakery
    company.land("weather", MON, "date,town,rain_mm\n")
    assert runs(company.run()) == [(MON, True)]
    assert company.in_container() == {MON: 0}


def test_a_later_day_closes_one_without_a_drop(open_bakery: Company) -> None:
    company = open_bakery
    company.land_orders(TUE, a=1)
    assert runs(company.run()) == [(TUE, True)]  # the orders alone: the mart waits for the weather
    assert company.in_postgres(TUE) == []
    assert company.status()[(SHOP_ORDERS, TUE)].standing is Standing.WAITING
    company.land_orders(WED, b=1)
    company.land_weather(WED)
    assert dict(runs(company.run())) == {TUE: True, WED: True}
    assert company.in_container() == {MON: 1, TUE: 0, WED: 1}
    assert company.in_postgres(TUE) == [(TUE, "a", 4), (TUE, "b", 4)]
    assert company.in_postgres(WED) == [(WED, "a", 4), (WED, "b", 5)]


def test_a_refused_drop_reaches_nobody_and_says_what_changed(open_bakery: Company) -> None:
    company = open_bakery
    before = company.untouched()
    renamed = orders(MON, a=99).replace("Loaves (pcs)", "Loaves")
    company.land("orders", MON, renamed)
    events = company.run()
    assert runs(events) == [(MON, False)]
    assert "line 1: column `Loaves (pcs)` is missing; `Loaves` stands in the file: renamed?" in failures(
        events
    )
    assert company.untouched() == before
    row = company.status()[("orders", MON)]
    assert row.standing is Standing.REFUSED
    assert "`Loaves`" in row.why
    assert company.check_results("raw/orders", "contract")[MON][0] is False


def test_a_new_day_that_is_refused_holds_its_export(open_bakery: Company) -> None:
    company = open_bakery
    company.land("orders", TUE, orders(TUE, a=1).replace("Shop", "Store"))
    company.land_weather(TUE)
    events = company.run()
    assert held(events) == [(SHOP_ORDERS, TUE)]
    assert company.in_postgres(TUE) == []
    assert company.in_container() == {MON: 1, TUE: 1}
    why = company.status()[(SHOP_ORDERS, TUE)].why
    assert "raw.orders [2024-01-02]" in why
    assert "`Store`" in why
