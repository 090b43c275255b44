"""Each kind of trouble, from records that tell of it: found once, with its fix, and gone with its cause."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa

from orchestration.contracts.model import CONTRACT_CHECK
from orchestration.delivery.export_files.exports import RestsOn
from orchestration.incidents.trouble import Finding, Root, RootKind, Trouble, TroubleKind, Urgency
from orchestration.incidents.troubles import Differing, FailedRun, Promise
from orchestration.operations.site import Site
from orchestration.state import schema
from orchestration.state.records import (
    CheckError,
    Delivery,
    DeliveryStatus,
    Evidence,
    Hold,
    RefusedKey,
)
from tests.company import MON, SHOP_ORDERS, TUE, WEATHER_REPORT, Company
from tests.incidents.conftest import LANDED
from tests.incidents.desk import NOON, Watch
from tests.unit.records import Ledger

TABLE, SOURCE, DELIVERY = RootKind.TABLE, RootKind.SOURCE, RootKind.DELIVERY
STAGED = Root(TABLE, "staging.stg_orders", MON)
OF_MONDAY = Root(DELIVERY, SHOP_ORDERS, MON)


class Bakery(Ledger):
    """A bakery of records, and deliveries as the engine would record them."""

    def deliver(self, *days: str, export: str = SHOP_ORDERS, status: DeliveryStatus | None = None) -> None:
        """Record that partitions of an export were settled, or are at another status."""
        store, model = self.company.deployment.store, f"exports.{export}"
        for day in days:
            version = store.latest_builds(model)[day].version
            self.builds += 1
            plan = Delivery(
                f"{export}-{day}-{self.builds}", export, day, version, "d", 1, "", "run", scope=day
            )
            store.deliveries.plan(plan)
            to = status or DeliveryStatus.ACKNOWLEDGED
            store.deliveries.move(plan.delivery_id, to, out_of=[DeliveryStatus.PLANNED])

    def done(self, *days: str, but: str = "") -> None:
        """Land days, build and deliver them; nothing of an export named `but` is sent."""
        for day in days:
            self.company.land_day(day, a=1)
        self.settle()
        for export in {SHOP_ORDERS, WEATHER_REPORT} - {but}:
            self.deliver(*days, export=export)


@pytest.fixture
def ledger(bakery: Company) -> Bakery:
    """Shops have landed."""
    ledger = Bakery(bakery)
    ledger.company.land_shops("a")
    ledger.settle()
    return ledger


@pytest.fixture
def watch(ledger: Bakery) -> Watch:
    return Watch(ledger.company.site)


def kinds(troubles: list[Trouble]) -> dict[Root, list[TroubleKind]]:
    return {one.root: [finding.kind for finding in one.findings] for one in troubles}


def only(troubles: list[Trouble]) -> Trouble:
    [one] = troubles
    return one


def test_where_all_is_delivered_nothing_is_wrong(ledger: Bakery, watch: Watch) -> None:
    ledger.done(MON, TUE)
    assert watch.troubles() == []


def test_two_failed_checks_of_one_table_are_one_trouble_that_holds_its_exports(
    ledger: Bakery, watch: Watch
) -> None:
    ledger.done(TUE)
    ledger.company.land_day(MON, a=1)
    ledger.settle(failing={"staging.stg_orders"})
    ledger.deliver(MON, export=WEATHER_REPORT)
    found = only(watch.troubles())
    assert (found.root, found.urgency) == (STAGED, Urgency.CRITICAL)  # its deadline has passed
    assert len(found.findings) == 2
    assert {finding.kind for finding in found.findings} == {TroubleKind.CHECK_FAILED}
    assert all(
        "sluice table rerun staging.stg_orders --partition 2024-01-01`" in one.fix for one in found.findings
    )
    assert [(one.export, one.partition_key) for one in found.affected] == [(SHOP_ORDERS, MON)]
    assert found.due_at == datetime(2024, 1, 2, 12, tzinfo=UTC)
    assert "as told" not in str(found)  # a summary may quote the data
    # What is below it and fails as well is part of it; what failed on another day is not.
    ledger.build("marts.shop_orders", MON)
    ledger.judge("marts.shop_orders", MON, passed=False)
    ledger.judge("marts.shop_orders", TUE, passed=False)
    found = watch.troubles()
    assert kinds(found).keys() == {STAGED, Root(TABLE, "marts.shop_orders", TUE)}
    assert Root(TABLE, "marts.shop_orders", MON) in found[1].holds
    ledger.judge("staging.stg_orders", MON)
    assert Root(TABLE, "marts.shop_orders", MON) in kinds(watch.troubles())
    for day in (MON, TUE):
        ledger.judge("marts.shop_orders", day)
    assert only(watch.troubles()).root == OF_MONDAY


@pytest.mark.parametrize("loaded_before", [False, True], ids=["the first drop", "a correction"])
def test_a_refused_drop_is_told_whatever_the_table_holds(
    ledger: Bakery, watch: Watch, *, loaded_before: bool
) -> None:
    ledger.done(TUE, *([MON] if loaded_before else []))
    ledger.company.land_day(MON, a=99)
    ledger.look()
    store = ledger.company.deployment.store
    drop = store.drops.latest("orders")[MON]
    store.record_evidence([Evidence("raw.orders", MON, CONTRACT_CHECK, drop.key, False, "name: Ann", "run")])
    found = next(one for one in watch.troubles() if one.root.kind is TABLE)
    assert (found.root, found.owner) == (Root(TABLE, "raw.orders", MON), "ovens@bakery.example")
    assert [(item.kind, item.fix) for item in found.findings] == [
        (TroubleKind.REFUSED_DROP, "have the provider land a corrected drop")
    ]
    assert {(one.export, one.partition_key) for one in found.affected} == (
        set() if loaded_before else {(SHOP_ORDERS, MON)}
    )
    assert "Ann" not in str(found)
    ledger.build("raw.orders", MON)
    ledger.judge("raw.orders", MON)
    assert all(one.root.kind is not TABLE for one in watch.troubles())


@pytest.mark.parametrize("given_up", [False, True])
def test_a_check_that_could_not_run_is_told_once_it_is_given_up(
    ledger: Bakery, watch: Watch, *, given_up: bool
) -> None:
    ledger.done(MON, TUE)
    store, relation = ledger.company.deployment.store, "staging.stg_orders"
    version = ledger.build(relation, MON)
    [check, *_] = rules = ledger.company.project.lineage.tables[relation].rules
    for run in range(5 if given_up else 1):
        error = CheckError(relation, MON, check, version, rules[check], "no memory", f"run {run}")
        store.check_errors.record([error])
    found = [one for one in watch.troubles() if one.root == Root(TABLE, relation, MON)]
    assert [finding.kind for one in found for finding in one.findings] == (
        [TroubleKind.CHECK_NOT_RUN] if given_up else []
    )


def run_of(export: str = "", *relations: str, key: str = MON, retries: int = 0) -> FailedRun:
    sent = (export,) if export else ()
    at = datetime.now(UTC)
    return FailedRun("r1", key, relations, sent, "step", at, "OperationalError", retries)


def test_a_failed_run_is_its_first_table_until_that_is_built(ledger: Bakery, watch: Watch) -> None:
    ledger.done(TUE)
    ledger.company.land_day(MON, a=1)
    ledger.look()
    of_it = ("exports.exp_shop_orders", "marts.shop_orders", "staging.stg_orders", "raw.orders")
    before = replace(run_of(SHOP_ORDERS, *of_it), failed_at=LANDED - timedelta(hours=1))
    ledger.build("raw.orders", MON)
    ledger.judge("raw.orders", MON)
    found = next(one for one in watch.troubles(failed_runs=[before]) if one.root == STAGED)
    assert [(one.kind, one.run_id, one.step) for one in found.findings] == [
        (TroubleKind.RUN_FAILED, "r1", "step")
    ]
    assert [one.export for one in found.affected] == [SHOP_ORDERS]
    assert not found.quiet
    quiet = next(
        one for one in watch.troubles(failed_runs=[replace(before, retries_left=1)]) if one.root == STAGED
    )
    assert quiet.quiet
    ledger.build("staging.stg_orders", MON)
    found = watch.troubles(failed_runs=[before])
    assert STAGED not in kinds(found)


def test_where_the_data_said_no_a_failed_run_is_no_trouble_of_its_own(ledger: Bakery, watch: Watch) -> None:
    ledger.company.land_day(MON, a=1)
    ledger.settle(failing={"staging.stg_orders"})
    run = run_of(SHOP_ORDERS, "staging.stg_orders", "marts.shop_orders", "exports.exp_shop_orders")
    with_run = watch.troubles(failed_runs=[run])
    assert kinds(with_run) == kinds(watch.troubles())


def test_a_failed_delivery_is_told_until_it_is_settled(ledger: Bakery, watch: Watch) -> None:
    ledger.done(MON, TUE, "2024-01-03", but=SHOP_ORDERS)
    ledger.deliver(TUE)
    run = run_of(SHOP_ORDERS)
    ledger.deliver("2024-01-03")  # others go by the same connection
    found = only(watch.troubles(failed_runs=[run]))
    assert kinds([found]) == {OF_MONDAY: [TroubleKind.DELIVERY_FAILED, TroubleKind.LATE_EXPORT]}
    assert (found.owner, found.channel) == ("counter@bakery.example", "#counter")
    ledger.deliver(MON)
    assert watch.troubles(failed_runs=[run]) == []


def test_a_held_plan_waits_for_a_person(ledger: Bakery, watch: Watch) -> None:
    ledger.done(MON, TUE, but=WEATHER_REPORT)
    ledger.deliver(MON, export=WEATHER_REPORT)
    ledger.deliver(TUE, export=WEATHER_REPORT, status=DeliveryStatus.HELD)
    store = ledger.company.deployment.store
    # What was planned by today's file alone counts; of the others nobody knows more here.
    plan = store.deliveries.held()[0]
    expected = [TroubleKind.DELIVERY_HELD] if ledger.company.site.is_todays(plan) else []
    found = watch.troubles()
    assert [finding.kind for one in found for finding in one.findings] == expected


def test_what_a_gate_holds_for_no_root_is_a_held_delivery(ledger: Bakery, watch: Watch) -> None:
    """Tuesday was built from a version of Monday that was found bad afterwards, and is gone."""
    ledger.done(MON, TUE, but=SHOP_ORDERS)
    store = ledger.company.deployment.store
    ledger.judge("staging.stg_orders", MON, passed=False)
    ledger.build("staging.stg_orders", MON)
    ledger.judge("staging.stg_orders", MON)
    ledger.deliver(MON)
    store.hold(Hold(SHOP_ORDERS, TUE, ("bad",), "run"))
    found = only(watch.troubles())
    assert found.root == Root(DELIVERY, SHOP_ORDERS, TUE)
    assert kinds([found])[found.root] == [TroubleKind.DELIVERY_HELD, TroubleKind.LATE_EXPORT]
    assert "sluice table rerun" in found.findings[0].fix


def test_rows_refused_for_good_and_what_differs_over_there(ledger: Bakery, watch: Watch) -> None:
    ledger.done(MON, TUE)
    store = ledger.company.deployment.store
    key = RefusedKey(SHOP_ORDERS, MON, '["Ann"]', "h", "d", "c", "Ann is none", 5, NOON, None)
    store.refused_keys.replace(SHOP_ORDERS, MON, [key], [])
    found = only(watch.troubles(differing=[Differing(SHOP_ORDERS, MON, "r")]))
    assert kinds([found]) == {OF_MONDAY: [TroubleKind.ROWS_REFUSED, TroubleKind.NOT_RECONCILED]}
    assert found.urgency is Urgency.WARNING
    assert "Ann" not in str(found)
    store.refused_keys.make_due(SHOP_ORDERS)
    assert watch.troubles() == []


def test_complaints_of_staging_are_of_their_source(watch: Watch) -> None:
    said = ["orders: 15 days without a drop", "no source's file"]
    found = watch.troubles(complaints=said)
    assert kinds(found) == {
        Root(SOURCE, "orders"): [TroubleKind.STAGING],
        Root(RootKind.PLATFORM, "staging"): [TroubleKind.STAGING],
    }
    tomorrow = watch.troubles(complaints=["orders: 16 days without a drop", "no source's file"])
    assert [one.news for one in tomorrow] == [one.news for one in found]


@pytest.mark.parametrize(
    ("days", "urgency"),
    [(15, None), (14, "info"), (8, "info"), (7, "warning"), (2, "warning"), (1, "error"), (-1, "error")],
)
def test_what_ends_is_told_within_fourteen_seven_and_one_days(
    watch: Watch, days: int, urgency: str | None
) -> None:
    promise = Promise("a promise", NOON.date() + timedelta(days=days), "o@bakery.example", "renew it")
    found = watch.troubles(promises=[promise])
    assert [(one.urgency, one.owner) for one in found] == ([(urgency, promise.owner)] if urgency else [])


def test_a_last_mile_rule_is_such_a_promise(ledger: Bakery, watch: Watch) -> None:
    own = ledger.company.with_own_project().with_line(
        f"exports/{SHOP_ORDERS}.yml",
        "last_mile:",
        "  - filter: {column: shop, drop: [x]}",
        "    owner: counter@bakery.example",
        "    reason: closed",
        "    issue: https://bakery.example/1",
        "    declared: 2024-01-01",
        f"    expires: {date(2024, 1, 8)}",
    )
    found = only(Watch(own.site).troubles())
    assert (found.root.kind, found.urgency) == (RootKind.PROMISE, Urgency.WARNING)
    assert "https://bakery.example/1" in found.findings[0].fix


def test_what_has_ended_is_told_with_the_export_that_it_holds(ledger: Bakery, watch: Watch) -> None:
    ledger.done(MON, but=SHOP_ORDERS)
    promise = Promise("a promise", NOON.date(), "o@bakery.example", "renew it", (SHOP_ORDERS,))
    watch.look()

    def found_now() -> Trouble:
        found = watch.troubles(promises=[promise])
        return only([one for one in found if one.root.kind is RootKind.PROMISE])

    assert "ends on" in found_now().findings[0].what
    watch.look(promises=[promise])
    watch.later(days=1).look()
    found = found_now()
    assert found.findings[0].what == f"a promise ended on 2024-01-03: {SHOP_ORDERS} is held"
    assert [(one.export, one.partition_key) for one in found.affected] == [(SHOP_ORDERS, MON)]
    assert watch.look(promises=[promise]).told == 1, "once more"
    assert watch.look(promises=[promise]).told == 0


def test_an_exception_is_one_such_promise_however_many_exports_rest_on_it(
    ledger: Bakery, watch: Watch
) -> None:
    file, by = "dbt_project/models/staging/_staging.yml", "data@bakery.example"
    rests = RestsOn(
        "staging.stg_orders.shop", "restricted", "internal", by, date(2024, 1, 8), file, 12, ("shop",)
    )
    project = watch.site.project
    exports = {name: replace(export, rests_on=(rests,)) for name, export in project.exports.items()}
    assert len(exports) > 1
    found = only(Watch(Site(watch.site.deployment, replace(project, exports=exports))).troubles())
    assert (found.root.kind, found.urgency, found.owner) == (RootKind.PROMISE, Urgency.WARNING, by)
    assert "`staging.stg_orders.shop`" in found.findings[0].what
    assert f"{file}:12" in found.findings[0].fix


# -- many of one cause


@pytest.mark.parametrize("failing", [1, 2, 6])
@pytest.mark.parametrize("answers", [False, True], ids=["down", "of another it takes data"])
def test_a_vendor_that_is_down_is_one_trouble(
    ledger: Bakery, watch: Watch, failing: int, *, answers: bool
) -> None:
    days = [f"2024-01-{day:02}" for day in range(1, failing + 1)]
    watch.now = datetime(2024, 1, 1, 12, tzinfo=UTC)
    ledger.done(*days, "2024-01-07", but=WEATHER_REPORT)
    runs = [run_of(WEATHER_REPORT, key=day) for day in days]
    if answers:
        ledger.deliver("2024-01-07", export=WEATHER_REPORT)
    found = watch.troubles(failed_runs=runs)
    if answers and failing <= 5:
        assert kinds(found).keys() == {Root(DELIVERY, WEATHER_REPORT, day) for day in days}
        return
    assert kinds(found) == {Root(RootKind.CONNECTION, "miller"): [TroubleKind.OUTAGE]}
    assert [one.partition_key for one in found[0].affected] == days
    assert len(found[0].holds) == failing
    assert found[0].owner == watch.site.project.exports[WEATHER_REPORT].spec.owner


def test_an_outage_that_arrives_one_delivery_at_a_time_is_told_once(ledger: Bakery, watch: Watch) -> None:
    watch.now = datetime(2024, 1, 1, 12, tzinfo=UTC)
    watch.look()
    days, runs, told = [f"2024-01-{day:02}" for day in range(1, 9)], list[FailedRun](), list[int]()
    for day in days:
        ledger.done(day, but=WEATHER_REPORT)
        runs.append(run_of(WEATHER_REPORT, key=day))
        told += [watch.look(failed_runs=runs).told, watch.later(hours=1).look(failed_runs=runs).told]
    assert sum(told) == told[0] == 1
    for number, day in enumerate(days, 1):
        ledger.deliver(day, export=WEATHER_REPORT)
        # Its end is told when nothing of it is left, whatever of it is sent first.
        assert len(watch.look(failed_runs=runs).resolved) == (number == len(days))


def test_what_is_told_of_by_itself_is_never_taken_into_an_outage(ledger: Bakery, watch: Watch) -> None:
    watch.now = datetime(2024, 1, 1, 12, tzinfo=UTC)
    ledger.done(MON, TUE, "2024-01-03", but=WEATHER_REPORT)
    runs = [run_of(WEATHER_REPORT, key=MON)]
    ledger.deliver(TUE, export=WEATHER_REPORT)
    watch.look(failed_runs=runs)
    assert watch.open.keys() == {f"{WEATHER_REPORT} {MON}"}
    runs.append(run_of(WEATHER_REPORT, key="2024-01-03"))
    assert watch.look(failed_runs=[*runs, run_of(WEATHER_REPORT, key=MON)]).resolved == ()
    assert watch.open.keys() == {f"{WEATHER_REPORT} {MON}", "miller"}


def test_an_outage_lasts_until_the_last_of_it_is_over(ledger: Bakery, watch: Watch) -> None:
    """Four of six are delivered: two are no troubles of their own, for an hour of an outage's end."""
    days = [f"2024-01-{day:02}" for day in range(1, 7)]
    watch.now = datetime(2024, 1, 1, 12, tzinfo=UTC)
    ledger.done(*days, but=WEATHER_REPORT)
    runs = [run_of(WEATHER_REPORT, key=day) for day in days]
    watch.look()
    assert watch.look(failed_runs=runs).told == 1
    ledger.deliver(*days[:4], export=WEATHER_REPORT)
    assert watch.look(failed_runs=runs).told == 0
    assert watch.open.keys() == {"miller"}
    ledger.deliver(*days[4:], export=WEATHER_REPORT)
    assert watch.look(failed_runs=runs).resolved == (Root(RootKind.CONNECTION, "miller"),)


def test_many_partitions_of_one_source_that_stays_away_are_one(ledger: Bakery, watch: Watch) -> None:
    ledger.done(MON)
    watch.now = NOON + timedelta(days=7)
    found = watch.troubles()
    assert kinds(found) == {Root(SOURCE, "orders"): [TroubleKind.OUTAGE]}
    assert len([root for root in found[0].holds if root.kind is SOURCE]) == 8
    assert {one.export for one in found[0].affected} == {SHOP_ORDERS}


def test_what_others_know_is_among_it(watch: Watch) -> None:
    own = Trouble(
        Root(RootKind.PLATFORM, "daemon"), Urgency.CRITICAL, (Finding(TroubleKind.PLATFORM, "silent"),)
    )
    assert watch.troubles(others=[own]) == [own]


def test_nothing_is_older_than_the_look_back(ledger: Bakery, watch: Watch) -> None:
    ledger.done(MON, TUE)
    ledger.judge("staging.stg_orders", MON, passed=False)
    watch.look()
    assert len(watch.open) == 1
    store = ledger.company.deployment.store
    with sa.create_engine(ledger.company.settings.state_url.get_secret_value()).begin() as connection:
        connection.execute(sa.update(schema.evidence).values(judged_at=NOON - timedelta(days=40)))
    # An incident that is open ends by facts alone.
    assert watch.troubles()
    ledger.judge("staging.stg_orders", MON)
    watch.look()
    assert watch.open == {}
    assert store.incidents.newest()[0].resolution.startswith("it was built by run")
