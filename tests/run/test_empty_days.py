"""A partition without a row: held, but where nothing came that need not come, or the export says `send`."""

from collections.abc import Callable

import pytest

from orchestration.contracts.dbt_sources import write_sources
from orchestration.contracts.load import load_contracts
from tests.company import MON, SHOP_ORDERS, TUE, WEATHER_REPORT, WED, Company, failures, runs
from tests.typed import sluice

pytestmark = [pytest.mark.long, pytest.mark.stories(2)]
HELD = "the partition is empty (limits.empty: hold)"
REPORT = f"exports/{WEATHER_REPORT}.yml"
CONTRACT = "contracts/weather.odcs.yaml"
MODEL = "dbt_project/models/exports/exp_weather_report.sql"


def nothing_of(model: str, column: str) -> Callable[[Company], Company]:
    """Break a model so that it is empty, which is wrong and breaks no rule of its own suite."""

    def edit(company: Company) -> Company:
        company = company.with_own_project()
        path = company.settings.project_dir / model
        assert "where {{" in path.read_text()
        path.write_text(path.read_text().replace("where {{", f"where {column} is null and {{{{"))
        return company.read_anew()

    return edit


def test_a_model_that_is_wrong_and_empty_is_held_until_somebody_looks(open_bakery: Company) -> None:
    company = nothing_of(MODEL, "town")(open_bakery)
    company.land_weather(TUE)
    company.land_orders(TUE, a=1)

    events = company.run()

    assert (TUE, False) in runs(events)
    assert HELD in failures(events)
    assert TUE not in company.in_container()
    plan = sluice(company, "delivery", "plan", WEATHER_REPORT, "--partition", TUE)[1]
    assert HELD in plan


def test_an_export_that_says_so_sends_what_is_empty(open_bakery: Company) -> None:
    company = nothing_of(MODEL, "town")(open_bakery)
    company.land_weather(TUE)
    company.land_orders(TUE, a=1)
    assert HELD in failures(company.run())

    company = company.with_line(REPORT, "limits: {empty: send}")
    events = company.run(retry=True)

    assert failures(events) == ""
    assert company.in_container()[TUE] == 0


@pytest.mark.parametrize("file", [REPORT, ""])
@pytest.mark.sampled(2)
def test_a_day_on_which_nothing_came_as_may_be_is_sent(open_bakery: Company, file: str) -> None:
    """Whether or not the file says `hold`: both mean days that are not as they should be."""
    company = open_bakery.with_own_project()
    if file:
        company = company.with_line(file, "limits: {empty: hold}")
    company.land_orders(TUE, a=1)
    company.land_orders(WED, b=1)
    company.land_weather(WED)

    assert failures(company.run()) == ""

    assert company.in_container() == {MON: 1, TUE: 0, WED: 1}
    assert HELD not in sluice(company, "delivery", "plan", WEATHER_REPORT, "--partition", TUE)[1]


def test_a_day_is_not_empty_by_right_if_another_source_had_rows(open_bakery: Company) -> None:
    """The orders came, and their contract lets no day be empty."""
    company = open_bakery.with_own_project()
    for name in ("shop_orders", SHOP_ORDERS):
        path = company.settings.project_dir / f"expectations/{name}.yml"
        path.write_text(path.read_text().replace("min_value: 1", "min_value: 0"))
    model = "dbt_project/models/exports/exp_shop_orders.sql"
    company = nothing_of(model, "shop")(company)
    company.land_orders(TUE, a=1)
    company.land_weather(WED)

    events = company.run()

    assert HELD in failures(events)
    assert company.in_postgres(TUE) == []


def tolerant(company: Company) -> Company:
    """Let each row of the weather be quarantined."""
    company = company.with_own_project().with_line(
        CONTRACT, "  - {property: quarantineLimit, value: {rows: 10, percent: 100}}"
    )
    contracts, problems = load_contracts(company.settings.project_dir)
    assert problems == []
    write_sources(company.settings.project_dir, contracts)
    return company.read_anew()


@pytest.mark.parametrize("day", [MON, TUE])
@pytest.mark.sampled(2)
def test_a_day_whose_rows_are_all_in_quarantine_is_held(open_bakery: Company, day: str) -> None:
    """Something came: that a day without a drop is right does not say that this one is."""
    company = tolerant(open_bakery)
    company.land("weather", day, f"date,town,rain_mm\n{day},Ulm,a lot\n")
    company.land_orders(TUE, a=1)

    events = company.run()

    assert HELD in failures(events)
    assert company.in_container() == {MON: 1}
    assert HELD in sluice(company, "delivery", "plan", WEATHER_REPORT, "--partition", day)[1]


def test_a_drop_without_rows_is_as_good_as_none(open_bakery: Company) -> None:
    company = tolerant(open_bakery)
    company.land("weather", TUE, "date,town,rain_mm\n")

    assert failures(company.run()) == ""

    assert company.in_container() == {MON: 1, TUE: 0}
