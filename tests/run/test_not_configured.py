"""An export whose connection is not set: skipped aloud, never green, sent once it is."""

from collections.abc import Iterator
from dataclasses import replace

import dagster as dg
import pytest

from orchestration.delivery.deliver import record_connections
from orchestration.graph.instance import open_instance
from orchestration.operations.status import Standing, needs_attention
from tests.company import MON, SHOP_ORDERS, TUE, WEATHER_REPORT, WED, Company, finished, held
from tests.typed import sluice

pytestmark = [pytest.mark.long, pytest.mark.stories(2)]
VARIABLE = "SLUICE_CONNECTION_MILLER"
ASSET = "delivered/exp_weather_report"


@pytest.fixture
def unset(open_bakery: Company) -> Iterator[Company]:
    """The bakery, Monday delivered, and then the miller's connection taken away."""
    connections = dict(open_bakery.settings.connections)
    connections.pop("miller")
    company = replace(
        open_bakery, settings=open_bakery.settings.model_copy(update={"connections": connections})
    )
    yield company
    company.deployment.store.close()


def observations(company: Company) -> list[dg.AssetObservation]:
    with open_instance(company.settings) as instance:
        records = instance.fetch_observations(dg.AssetKey(ASSET.split("/")), limit=10).records
    return [record.asset_observation for record in records if record.asset_observation]


def test_it_is_skipped_aloud_and_the_others_go_out(unset: Company) -> None:
    unset.land_day(TUE, a=4)
    [run] = finished(unset.run())
    assert (run.success, run.not_configured, run.failures) == (True, (WEATHER_REPORT,), ())
    assert unset.in_postgres(TUE) == [(TUE, "a", 7), (TUE, "b", 4)]
    # Nothing that is green: no materialization, checks that warn; an observation tells why.
    assert unset.materialized(ASSET) == {MON}
    for check in ("gate", "delivery"):
        passed, said = unset.check_results(ASSET, check)[TUE]
        assert not passed
        assert VARIABLE in said
        assert unset.check_severity(ASSET, check, TUE) == "WARN"
    assert run.warnings == ()  # told once a command, not once a check and partition
    [seen] = observations(unset)
    assert seen.partition == TUE
    assert VARIABLE in (seen.description or "")


def test_it_needs_nobody_and_is_not_asked_for_again(unset: Company) -> None:
    unset.land_day(TUE, a=4)
    unset.run()
    rows = unset.status()
    row = rows[(WEATHER_REPORT, TUE)]
    assert row.standing is Standing.NOT_CONFIGURED
    assert VARIABLE in row.why
    assert rows[(WEATHER_REPORT, MON)].standing is Standing.DELIVERED
    assert needs_attention(list(rows.values())) == []
    for retry in (False, True):
        assert unset.run(retry=retry) == []


def test_the_command_ends_well_and_names_the_variable(unset: Company) -> None:
    unset.land_day(TUE, a=4)
    code, written, complained = unset.sluice("run")
    assert code == 0, complained
    assert "2 exports (1 skipped, not configured)" in written
    assert f"{WEATHER_REPORT} is not configured, and skipped ({TUE})" in written
    assert f"set {VARIABLE}" in written
    code, written = sluice(unset, "status")
    assert code == 0
    assert "not configured" in written


def test_once_the_connection_is_set_a_retry_sends(unset: Company, open_bakery: Company) -> None:
    for day in (TUE, WED):
        unset.land_day(day, a=4)
    unset.run()
    # Until a process that has it says so, whoever asks is told the same.
    assert open_bakery.status()[(WEATHER_REPORT, TUE)].standing is Standing.NOT_CONFIGURED
    assert finished(open_bakery.run()) == []
    assert open_bakery.status()[(WEATHER_REPORT, TUE)].standing is Standing.READY
    assert unset.status()[(WEATHER_REPORT, TUE)].standing is Standing.READY
    runs = finished(open_bakery.run(retry=True))
    assert [(run.run.partition_key, run.run.exports, run.success) for run in runs] == [
        (TUE, (WEATHER_REPORT,), True),
        (WED, (WEATHER_REPORT,), True),
    ]
    assert open_bakery.in_container() == {MON: 1, TUE: 1, WED: 1}
    assert open_bakery.materialized(ASSET) == {MON, TUE, WED}
    assert open_bakery.run(retry=True) == []


def test_the_next_data_send_it_too(unset: Company, open_bakery: Company) -> None:
    unset.land_day(TUE, a=4)
    unset.run()
    open_bakery.land_weather(TUE, rain=3)
    assert [run.success for run in finished(open_bakery.run())] == [True]
    assert open_bakery.in_container() == {MON: 1, TUE: 1}


def test_a_held_day_is_held_whatever_the_connection(unset: Company, open_bakery: Company) -> None:
    unset.land_orders(TUE, a=1)
    unset.land_weather(TUE, rain=-1)
    assert sorted(held(unset.run())) == [(SHOP_ORDERS, TUE), (WEATHER_REPORT, TUE)]
    for company in (unset, open_bakery):
        row = company.status()[(WEATHER_REPORT, TUE)]
        assert (row.standing, "rain_mm" in row.why) == (Standing.HELD, True)


@pytest.mark.parametrize("rain", [3, -1], ids=["validated", "held"])
@pytest.mark.parametrize("served", [True, False], ids=["beside the daemon", "by commands alone"])
@pytest.mark.sampled(3)
def test_every_shell_says_the_same(open_bakery: Company, unset: Company, rain: float, served: bool) -> None:
    """The second terminal knows neither connections nor where they lead, and asks the records."""
    if served:
        record_connections(open_bakery.deployment, open_bakery.project.exports.values(), served=True)
    open_bakery.land_day(TUE, a=4)
    open_bakery.land_weather(TUE, rain=rain)
    open_bakery.run()
    if rain > 0:  # built again, and not sent: somebody has to send it
        assert open_bakery.materialize(TUE, "exports/exp_weather_report") == (True, "")
    bare = replace(unset, settings=unset.settings.model_copy(update={"connections": {}}))
    wanted = Standing.READY if rain > 0 else Standing.HELD
    for company in (open_bakery, unset, bare):
        assert company.status()[(WEATHER_REPORT, TUE)].standing is wanted
    said = [
        [sluice(company, *command) for company in (open_bakery, unset, bare)]
        for command in (["status"], ["why", WEATHER_REPORT, "--partition", TUE],
                        ["delivery", "plan", WEATHER_REPORT, "--partition", TUE])
    ]  # fmt: skip
    for first, *others in said:
        assert others == [first, first]
    # A command that has less says so of itself alone, and of the deployment where nobody serves it.
    bare.run(retry=True)
    after = Standing.NOT_CONFIGURED if rain > 0 and not served else wanted
    assert {company.status()[(WEATHER_REPORT, TUE)].standing for company in (open_bakery, bare)} == {after}
