"""`sluice run --retry` beside the daemon and hands on buttons: what failed once, and what became of it."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from pydantic import SecretStr
from sluicegate.operations.due import Cursor, find_due
from sluicegate.operations.due_run import RUN_KEY_TAG
from sluicegate.operations.status import Standing

from tests.company import SHOP_ORDERS, TUE, WEATHER_REPORT, Company, finished, runs

pytestmark = [pytest.mark.long, pytest.mark.stories(2)]


def _dead(company: Company) -> Company:
    """The same deployment while the shops' screens do not answer."""
    dead = {**company.settings.connections, "shop_screens": SecretStr("postgresql://u:p@127.0.0.1:1/nowhere")}
    return replace(company, settings=company.settings.model_copy(update={"connections": dead}))


def _by_command(company: Company) -> None:
    assert runs(company.run()) == [(TUE, False)]


def _by_daemon(company: Company) -> None:
    """As the sensor asks, and as the run that it asked for ends."""
    due = find_due(company.site, Cursor(), lambda _: False)
    [run] = [run for run in due.runs if run.partition_key == TUE]
    company.deployment.store.record_requests(run.run_key, TUE, run.requests)
    tables = ("/".join(company.project.lineage.tables[name].asset_key) for name in run.relations)
    exports = (f"delivered/{name}" for name in run.exports)
    assert not company.materialize(TUE, *tables, *exports, tags={RUN_KEY_TAG: run.run_key})[0]


def _on_a_button(company: Company) -> None:
    assert company.materialize(TUE, f"delivered/{SHOP_ORDERS}") == (True, "")


def _by_retry(company: Company) -> None:
    assert [run.success for run in finished(company.run(retry=True))] == [True]


BY = {"the command": _by_command, "the daemon": _by_daemon}
MENDED = {"a button": _on_a_button, "a retry": _by_retry}


@pytest.mark.parametrize("mended", MENDED.values(), ids=MENDED)
@pytest.mark.parametrize("failing", BY.values(), ids=BY)
@pytest.mark.sampled(3)
def test_what_was_delivered_since_is_not_built_again(
    open_bakery: Company, failing: Callable[[Company], None], mended: Callable[[Company], None]
) -> None:
    company = open_bakery
    company.land_day(TUE, a=4)
    failing(_dead(company))
    assert company.status()[(SHOP_ORDERS, TUE)].standing is Standing.READY
    tables = company.project.lineage.tables
    built = {name: company.deployment.store.latest_builds(name) for name in tables}
    mended(company)
    assert company.status()[(SHOP_ORDERS, TUE)].standing is Standing.DELIVERED
    before = company.untouched()
    # Not by another retry, nor by one in a shell that has no connection.
    unset = replace(company, settings=company.settings.model_copy(update={"connections": {}}))
    assert runs(company.run(retry=True)) == []
    assert runs(unset.run(retry=True)) == []
    # What was in order when its delivery failed was never built again, either.
    assert {name: company.deployment.store.latest_builds(name) for name in tables} == built
    assert company.untouched() == before


def test_what_is_not_in_order_is_built_again_by_a_retry_and_nothing_else(open_bakery: Company) -> None:
    company = open_bakery
    company.land_orders(TUE, a=1)
    company.land_weather(TUE, rain=-1)  # which its suite refuses
    company.run()
    assert company.status()[(WEATHER_REPORT, TUE)].standing is Standing.HELD
    store = company.deployment.store
    orders, weather = (store.latest_builds(f"raw.{name}")[TUE].id for name in ("orders", "weather"))
    staging = store.latest_builds("staging.stg_weather")[TUE].id
    assert runs(company.run(retry=True)) == [(TUE, False)]
    assert [store.latest_builds(f"raw.{name}")[TUE].id for name in ("orders", "weather")] == [orders, weather]
    assert store.latest_builds("staging.stg_weather")[TUE].id > staging


def test_a_refused_drop_is_read_again_by_a_retry_although_the_one_before_is_in_order(
    open_bakery: Company,
) -> None:
    company = open_bakery
    company.land("weather", "2024-01-01", "date,town\n2024-01-01,Ulm\n")
    company.run()
    assert company.status()[("weather", "2024-01-01")].standing is Standing.REFUSED
    assert runs(company.run()) == []
    assert runs(company.run(retry=True)) == [("2024-01-01", False)]
