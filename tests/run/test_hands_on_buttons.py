"""The gate against people: whoever materializes what, in whichever order, nothing unvalidated is sent."""

import pytest
from sluicegate.operations.status import Standing

from tests.company import MON, SHOP_ORDERS, TUE, WEATHER_REPORT, Company, held

pytestmark = pytest.mark.long


@pytest.fixture
def rainy_bakery(open_bakery: Company) -> Company:
    """Monday is delivered, Tuesday's weather has failed its critical rule."""
    open_bakery.land_orders(TUE, a=1)
    open_bakery.land_weather(TUE, rain=-1)
    assert held(open_bakery.run()) == [(SHOP_ORDERS, TUE), (WEATHER_REPORT, TUE)]
    return open_bakery


def test_an_export_alone_is_held_after_its_check_failed_in_an_earlier_run(rainy_bakery: Company) -> None:
    company = rainy_bakery
    before = company.untouched()
    ok, said = company.materialize(TUE, "delivered/exp_weather_report")
    assert not ok
    assert "held, nothing was sent" in said
    assert "staging.stg_weather [2024-01-02]" in said
    assert company.untouched() == before
    assert company.check_results("delivered/exp_weather_report", "gate")[TUE][0] is False
    assert TUE not in company.materialized("delivered/exp_weather_report")
    assert company.status()[(WEATHER_REPORT, TUE)].standing is Standing.HELD


def test_a_model_is_not_built_on_an_unvalidated_parent_in_a_later_run(rainy_bakery: Company) -> None:
    ok, said = rainy_bakery.materialize(TUE, "marts/shop_orders", "exports/exp_weather_report")
    assert not ok
    assert "marts.shop_orders is not built on what is not validated" in said
    assert "exports.exp_weather_report is not built on what is not validated" in said
    assert TUE not in rainy_bakery.materialized("marts/shop_orders")
    assert rainy_bakery.in_postgres(TUE) == []


def test_a_table_built_anew_and_not_judged_anew_holds_its_export(open_bakery: Company) -> None:
    company = open_bakery
    before = company.untouched()
    assert company.materialize(MON, "marts/shop_orders", checks=False) == (True, "")
    ok, said = company.materialize(MON, "delivered/exp_shop_orders")
    assert not ok
    assert "marts.shop_orders [2024-01-01] check `expectations`: passed on an older version" in said
    assert company.untouched() == before
    results = company.check_results("delivered/exp_shop_orders", "gate")
    assert results[MON][0] is False
    # Judged, rebuilt on and sent: the gate opens again, and the rows are what the screens have already.
    assert company.materialize(MON, "marts/shop_orders") == (True, "")
    assert company.materialize(MON, "exports/exp_shop_orders", "delivered/exp_shop_orders") == (True, "")
    assert company.untouched() == before
    assert company.check_results("delivered/exp_shop_orders", "gate")[MON][0] is True


def test_an_export_of_a_day_that_was_never_built_is_held(open_bakery: Company) -> None:
    ok, said = open_bakery.materialize(TUE, "delivered/exp_shop_orders")
    assert not ok
    assert "exports.exp_shop_orders [2024-01-02]" in said
    assert open_bakery.in_postgres(TUE) == []
