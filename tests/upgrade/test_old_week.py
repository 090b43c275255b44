"""A data directory of version 716f0d0 opens elsewhere, and tells where each day stands."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from orchestration.cli.main import app
from orchestration.operations.status import Standing
from orchestration.state.records import DeliveryStatus
from tests.company import FRI, MON, SHOP_ORDERS, THU, TUE, WEATHER_REPORT, WED, Company
from tests.upgrade.old_week import NEXT_MON, SAT, SUN

pytestmark = pytest.mark.long
DAYS = (MON, TUE, WED, THU, FRI, SAT, SUN, NEXT_MON)
DELIVERED, HELD, WAITING = Standing.DELIVERED, Standing.HELD, Standing.WAITING
# What was not sent is held until it is judged by today's rules: see `test_upgrade`.
STANDINGS = {
    SHOP_ORDERS: (DELIVERED, HELD, HELD, HELD, HELD, WAITING, WAITING, WAITING),
    WEATHER_REPORT: (DELIVERED, HELD, HELD, HELD, HELD, DELIVERED, HELD, HELD),
}


def test_each_day_stands_where_it_stood(old_week: Company) -> None:
    rows = old_week.status()
    assert {name: tuple(rows[name, day].standing for day in DAYS) for name in STANDINGS} == STANDINGS
    assert {row.standing for row in rows.values() if row.kind == "source"} == {Standing.LOADED}
    assert "on failed checks, released by ada" in rows[WEATHER_REPORT, SAT].why
    statuses = {
        (item.export, item.partition_key): item.status
        for name in STANDINGS
        for item in old_week.deployment.store.deliveries.newest(name)
    }
    assert statuses == {
        (SHOP_ORDERS, MON): DeliveryStatus.ACKNOWLEDGED,
        (SHOP_ORDERS, THU): DeliveryStatus.HELD,
        (WEATHER_REPORT, MON): DeliveryStatus.ACKNOWLEDGED,
        (WEATHER_REPORT, THU): DeliveryStatus.SENDING,
        (WEATHER_REPORT, SAT): DeliveryStatus.ACKNOWLEDGED,
        (WEATHER_REPORT, NEXT_MON): DeliveryStatus.REJECTED,
    }


@pytest.fixture
def unset(old_week: Company) -> Iterator[Company]:
    """The same, with no connection set, as on that Tuesday."""
    company = replace(old_week, settings=old_week.settings.model_copy(update={"connections": {}}))
    yield company
    company.deployment.store.close()


def test_a_shell_without_connections_is_told_the_same(unset: Company, old_week: Company) -> None:
    """Older code kept no record of connections: what is held is held all the same."""
    rows, known = unset.status(), old_week.status()
    assert {place: row.standing for place, row in rows.items()} == {
        place: row.standing for place, row in known.items()
    }


@pytest.mark.sampled(2)
def test_the_destinations_hold_what_was_delivered(old_week: Company) -> None:
    assert old_week.in_postgres() == [(MON, "a", 3), (MON, "b", 4)]
    assert old_week.in_container() == {MON: 1, SAT: 1}
    # Compared with the shards of the deliveries, which lie in another folder by now.
    for name, rows in ((SHOP_ORDERS, 2), (WEATHER_REPORT, 1)):
        asked = ("delivery", "reconcile", name, "--partition", MON)
        said = CliRunner().invoke(app, asked, env=old_week.environment() | {"COLUMNS": "250"})
        assert (said.exit_code, f"holds the {rows} rows that it acknowledged" in said.output) == (0, True)
