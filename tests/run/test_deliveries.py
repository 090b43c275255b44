"""What people do with deliveries, on the command line of a whole company."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import dagster as dg
import psycopg
import pytest

from orchestration.core.problems import ProjectChanged
from orchestration.graph.desk import Desk
from orchestration.graph.erasing import forget_everywhere
from orchestration.graph.instance import open_instance
from orchestration.graph.redelivering import redeliver_and_show
from orchestration.graph.upkeep import deliveries_sensor, reconcile_sensor, to_reconcile
from orchestration.operations.deliveries_due import deliveries_due
from orchestration.operations.site import Site
from orchestration.operations.status import Standing
from orchestration.project.loading import load_project
from orchestration.state.records import DeliveryStatus, RefusedKey
from tests.company import MON, SHOP_ORDERS, TUE, WEATHER_REPORT, Company, runs
from tests.typed import sluice

pytestmark = pytest.mark.long
SENT = "delivered/exp_shop_orders"
FILE = "exports/exp_shop_orders.yml"


def observed(company: Company, asset: str) -> list[str]:
    """Return what people did to an asset, as the UI shows it."""
    with open_instance(company.settings) as instance:
        found = instance.fetch_observations(dg.AssetKey(asset.split("/")), limit=20).records
    return [str(record.asset_observation.description) for record in found if record.asset_observation]


def test_names_that_are_none_are_told_with_what_was_meant(open_bakery: Company) -> None:
    company = open_bakery
    for arguments, said in [
        (("delivery", "plan", "exp_shop_order"), "did you mean `exp_shop_orders`?"),
        (("delivery", "plan", SHOP_ORDERS, "--partition", "monday"), "no partition of"),
        (("delivery", "approve", "abcdef", "--reason", "so"), "`sluice delivery list` lists them"),
        (("delivery", "content", SHOP_ORDERS, "--on", "soon"), "no time"),
        (
            ("delivery", "redeliver", SHOP_ORDERS, "--on", "2020-01-01", "--reason", "so"),
            "had been delivered",
        ),
        (("delivery", "redeliver", SHOP_ORDERS, "--on", "2020-01-01", "--reason", " "), "needs a reason"),
        (("delivery", "forget", "shop", "--reason", "so"), "COLUMN=VALUE"),
    ]:
        code, complained = sluice(company, *arguments)
        assert (code, said in complained) == (2, True), complained
    assert "no row is refused" in sluice(company, "delivery", "refusals", SHOP_ORDERS)[1]
    assert "no delivery is held" in sluice(company, "delivery", "list")[1]


def test_a_plan_is_looked_at_and_a_partition_is_sent_again(open_bakery: Company) -> None:
    company = open_bakery
    code, said = sluice(company, "delivery", "plan", SHOP_ORDERS)
    assert code == 0
    assert f"{SHOP_ORDERS} [{MON}], mode mirror: 2 rows; 2 unchanged" in said
    assert "the gate is open" in said
    code, said = sluice(company, "delivery", "reconcile", SHOP_ORDERS)
    assert (code, "holds the 2 rows that it acknowledged" in said) == (0, True), said
    with psycopg.connect(company.postgres_url) as connection:
        connection.execute("update bakery.shop_orders set loaves = 99 where shop = 'a'")
        connection.execute("delete from bakery.shop_orders where shop = 'b'")
    code, said = sluice(company, "delivery", "reconcile", SHOP_ORDERS)
    assert code == 1
    assert "1 missing there, 1 changed there" in said
    assert company.check_results(SENT, "reconciled")[MON][0] is False
    assert sluice(company, "delivery", "resend", SHOP_ORDERS, "--partition", MON)[0] == 0
    assert company.in_postgres() == [(MON, "a", 3), (MON, "b", 4)]
    assert sluice(company, "delivery", "reconcile", SHOP_ORDERS)[0] == 0
    # No run of a delivery reads the destination back.
    before = company.check_results(SENT, "reconciled")
    company.land_day(TUE, a=1)
    assert runs(company.run()) == [(TUE, True)]
    assert company.check_results(SENT, "reconciled") == before


def nobody_asked(_: str) -> bool:
    return False


def hold(bakery: Company) -> tuple[Company, str]:
    """Return the bakery with a limit, and the id of Monday's delivery, held for want of a person's word."""
    company = bakery.with_own_project().with_line(FILE, "limits: {changed_share: 0.0}")
    company.land_orders(MON, a=30, b=4)
    assert runs(company.run()) == [(MON, False)]
    [waiting] = company.deployment.store.deliveries.held()
    return company, waiting.delivery_id


def test_a_held_delivery_goes_once_a_person_says_so(open_bakery: Company) -> None:
    company, name = hold(open_bakery)
    assert company.in_postgres() == [(MON, "a", 3), (MON, "b", 4)]
    code, said = sluice(company, "delivery", "plan", SHOP_ORDERS)
    assert (code, "past a limit" in said, f"sluice delivery approve {name[:12]}" in said) == (
        0,
        True,
        True,
    ), said
    row = company.status()[(SHOP_ORDERS, MON)]
    assert (row.standing, f"sluice delivery approve {name[:12]}" in row.why) == (Standing.HELD, True), row
    listed = sluice(company, "delivery", "list")[1]
    assert name[:12] in listed
    assert sluice(company, "delivery", "approve", name[:8], "--reason", " ")[0] == 2
    code, said = sluice(company, "delivery", "approve", name[:8], "--reason", "a feast", "--by", "ada")
    assert code == 0, said
    assert company.in_postgres() == [(MON, "a", 30), (MON, "b", 4)]
    assert any("approved by ada: a feast" in text for text in observed(company, SENT))
    code, said = sluice(company, "delivery", "reject", name, "--reason", "late")
    assert (code, "was sent" in said) == (2, True)


def test_a_rejected_delivery_never_goes_and_an_approved_one_waits_for_the_next_run(
    open_bakery: Company,
) -> None:
    company, name = hold(open_bakery)
    assert sluice(company, "delivery", "reject", name, "--reason", "a slip", "--by", "ada")[0] == 0
    code, said = sluice(company, "delivery", "approve", name, "--reason", "after all")
    assert (code, "is rejected already, by ada: a slip" in said) == (2, True)
    assert runs(company.run()) == []
    store = company.deployment.store
    # As if it had not been: the plan waits again, and is left to the next run this time.
    assert store.deliveries.move(name, DeliveryStatus.HELD, out_of=[DeliveryStatus.REJECTED])
    assert sluice(company, "delivery", "approve", name, "--reason", "a feast", "--no-run")[0] == 0
    assert company.in_postgres() == [(MON, "a", 3), (MON, "b", 4)]
    with open_instance(company.settings) as instance:
        tick = deliveries_sensor(company.site).evaluate_tick(sensor_context(company, instance))
        [asked] = tick.run_requests or []
        assert (asked.partition_key, asked.asset_selection) == (MON, [dg.AssetKey(SENT.split("/"))])
        assert {key.name for key in asked.asset_check_keys or ()} == {"gate", "delivery"}
    assert runs(company.run()) == [(MON, True)]
    assert company.in_postgres() == [(MON, "a", 30), (MON, "b", 4)]
    assert runs(company.run()) == []


def test_a_destination_goes_back_and_a_person_is_forgotten(open_bakery: Company) -> None:
    company = open_bakery
    then = str(company.deployment.store.deliveries.newest(SHOP_ORDERS)[0].acknowledged_at)
    company.land_orders(MON, a=30, b=4)
    company.run()
    assert company.in_postgres() == [(MON, "a", 30), (MON, "b", 4)]
    code, said = sluice(
        company, "delivery", "redeliver", SHOP_ORDERS, "--on", then, "--reason", "wrong", "--by", "ada"
    )
    assert (code, "1 changed" in said) == (0, True), said
    assert company.in_postgres() == [(MON, "a", 3), (MON, "b", 4)]
    file = company.settings.data_dir / "then.csv"
    assert "2 rows" in sluice(company, "delivery", "content", SHOP_ORDERS, "--on", then, "--to", str(file))[1]
    assert len(file.read_text().splitlines()) == 3

    code, said = sluice(company, "delivery", "forget", "shop=a", "--reason", "request 7", "--by", "ada")
    assert code == 0, said
    assert "1 rows taken out of the destination" in said
    assert "not touched: the warehouse" in said
    assert WEATHER_REPORT not in said  # it knows no shop
    assert company.in_postgres() == [(MON, "b", 4)]
    assert sluice(company, "delivery", "resend", SHOP_ORDERS)[0] == 0
    assert company.in_postgres() == [(MON, "b", 4)]
    assert any("an erasure, asked by ada" in text for text in observed(company, SENT))


def test_a_command_that_knows_older_files_sends_nothing_again_and_takes_nothing_out(
    open_bakery: Company,
) -> None:
    company = open_bakery.with_own_project()
    then = company.deployment.store.deliveries.newest(SHOP_ORDERS)[0].acknowledged_at
    assert then is not None
    company.land_orders(MON, a=30, b=4)
    company.run()
    known = Site(company.deployment, load_project(company.settings))
    file = company.settings.project_dir / f"exports/{SHOP_ORDERS}.yml"
    file.write_text(f"{file.read_text()}# pulled\n", encoding="utf-8")
    with open_instance(company.settings) as instance:
        desk, target = Desk.of(known, instance), known.target(SHOP_ORDERS)
        with pytest.raises(ProjectChanged, match=f"exports/{SHOP_ORDERS}.yml"):
            redeliver_and_show(desk, target, MON, then, log=print, by="ada", reason="wrong")
        with pytest.raises(ProjectChanged, match=f"exports/{SHOP_ORDERS}.yml"):
            list(forget_everywhere(desk, {"shop": "a"}, by="ada", reason="7", log=print))
    assert company.in_postgres() == [(MON, "a", 30), (MON, "b", 4)]


def test_refused_rows_are_shown_and_tried_again_when_their_time_has_come(open_bakery: Company) -> None:
    company, store = open_bakery, open_bakery.deployment.store
    now = datetime.now(UTC)
    refused = RefusedKey(
        export=SHOP_ORDERS,
        scope=MON,
        key=f'["{MON}","a"]',
        row_hash="0",
        delivery_id="d",
        code="422",
        said="no such shop",
        attempts=2,
        first_refused_at=now,
        next_try_at=now + timedelta(hours=1),
    )
    store.refused_keys.replace(SHOP_ORDERS, MON, [refused], [])
    assert deliveries_due(company.site, now, nobody_asked) == []
    [run] = deliveries_due(company.site, now + timedelta(hours=2), nobody_asked)
    assert (run.exports, run.partition_key, run.relations) == ((SHOP_ORDERS,), MON, ())
    code, said = sluice(company, "delivery", "refusals", SHOP_ORDERS)
    assert code == 0
    for text in ("no such shop", "422", "shop=a", "--retry"):
        assert text in said
    given_up = replace(refused, next_try_at=None)
    store.refused_keys.replace(SHOP_ORDERS, MON, [given_up], [])
    assert "given up" in sluice(company, "delivery", "refusals", SHOP_ORDERS, "--partition", MON)[1]
    # The screens have the row by now: it is refused no more.
    code, said = sluice(company, "delivery", "refusals", SHOP_ORDERS, "--retry")
    assert (code, "1 of 1 were taken" in said) == (0, True), said
    assert store.refused_keys.of(SHOP_ORDERS) == []
    store.refused_keys.replace(SHOP_ORDERS, MON, [replace(refused, next_try_at=now)], [])
    assert runs(company.run()) == [(MON, True)]
    assert runs(company.run()) == []


def test_the_newest_partitions_are_compared_once_a_day(open_bakery: Company) -> None:
    company = open_bakery
    wanted = [company.site.target(name) for name in company.project.exports]
    assert (SHOP_ORDERS, MON) in {
        (target.export.name, key) for target, key in to_reconcile(company.deployment, wanted)
    }
    night = datetime(2024, 1, 2, 3, 30, tzinfo=UTC)
    [sensor] = reconcile_sensor(company.site, lambda: night)
    with open_instance(company.settings) as instance:
        tick = sensor.evaluate_tick(sensor_context(company, instance))
        requests = tick.run_requests or []
        wanted_check = dg.AssetCheckKey(dg.AssetKey(SENT.split("/")), "reconciled")
        asked = {(request.partition_key, tuple(request.asset_check_keys or ())) for request in requests}
        assert (MON, (wanted_check,)) in asked
        assert all(not request.asset_selection for request in requests)
        assert not sensor.evaluate_tick(sensor_context(company, instance, tick.cursor)).run_requests


def sensor_context(
    company: Company, instance: dg.DagsterInstance, cursor: str | None = None
) -> dg.SensorEvaluationContext:
    """Return what Dagster's daemon evaluates a sensor with."""
    return dg.build_sensor_context(instance=instance, definitions=company.definitions, cursor=cursor)
