"""By when partitions have to be there: of every grain, by the clock of each look, on record once."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

import pytest
from sluicegate.core.partitions import Grain, Partitioning
from sluicegate.incidents.deadlines import Deadlines
from sluicegate.incidents.trouble import Root, RootKind
from sluicegate.operations.records import Records
from sluicegate.operations.site import Site
from sluicegate.state.ops_views import VIEWS
from sluicegate.state.records import DeliveryStatus

from tests.company import MON, SHOP_ORDERS, TUE, WED, Company
from tests.incidents.desk import NOON, Watch
from tests.incidents.test_kinds import Bakery

SOURCE, DELIVERY = RootKind.SOURCE, RootKind.DELIVERY
LOOKBACK = timedelta(days=31)


def deadlines(site: Site, now: datetime) -> Deadlines:
    return Deadlines(site, Records(site), now, LOOKBACK, {})


def cut_as(company: Company, grain: Grain, first: str) -> Site:
    """Return the bakery, with orders of another grain that have landed once; no export of them."""
    contract = replace(
        company.project.contracts["orders"], partitioning=Partitioning(grain), latency=timedelta(hours=6),
        frequency=None,
    )  # fmt: skip
    lineage = company.project.lineage
    table = replace(lineage.tables["raw.orders"], partitioning=Partitioning(grain), start=None)
    project = replace(company.project, contracts={"orders": contract}, exports={})
    vars(project)["lineage"] = type(lineage)([table])
    company.deployment.store.drops.register(
        "orders", first, digest="a" * 64, file="f", size_bytes=1, marker_stamp="s"
    )
    return Site(company.deployment, project)


GRAINS = [
    (Grain.HOURLY, "2024-01-03-05:00", "2024-01-03-06:00", datetime(2024, 1, 3, 13, tzinfo=UTC)),
    (Grain.DAILY, MON, TUE, datetime(2024, 1, 3, 6, tzinfo=UTC)),
    (Grain.WEEKLY, "2024-W01-1", "2024-W02-1", datetime(2024, 1, 15, 6, tzinfo=UTC)),
    (Grain.MONTHLY, "2023-12", "2024-01", datetime(2024, 2, 1, 6, tzinfo=UTC)),
]


@pytest.mark.parametrize(("grain", "first", "following", "due"), GRAINS)
def test_a_source_is_due_its_latency_after_a_partitions_end(
    bakery: Company, grain: Grain, first: str, following: str, due: datetime
) -> None:
    site = cut_as(bakery, grain, first)
    root = Root(SOURCE, "orders", following)
    # Before the first one nothing is expected.
    assert {key.partition_key for key in deadlines(site, due).moments if key.partition_key < first} == set()
    assert root not in deadlines(site, due - timedelta(seconds=1)).late
    assert deadlines(site, due).late[root] == due
    bakery.deployment.store.drops.register(
        "orders", following, digest="b" * 64, file="g", size_bytes=1, marker_stamp="s"
    )
    assert root not in deadlines(site, due).late


@pytest.mark.parametrize("grain", [Grain.SNAPSHOT, Grain.DROP])
def test_what_comes_by_no_partitions_is_as_fresh_as_its_newest(bakery: Company, grain: Grain) -> None:
    key = "snapshot" if grain is Grain.SNAPSHOT else "one"
    site = cut_as(bakery, grain, key)
    how = Partitioning(grain, "orders" if grain is Grain.DROP else "")
    contract = replace(site.project.contracts["orders"], partitioning=how, frequency=timedelta(days=1))
    site = Site(site.deployment, replace(site.project, contracts={"orders": contract}))
    vars(site.project)["lineage"] = type(bakery.project.lineage)(
        [replace(bakery.project.lineage.tables["raw.orders"], partitioning=how, start=None)]
    )
    [(found, newest, due)] = deadlines(site, NOON).silent()
    assert (found.name, due - newest) == ("orders", timedelta(hours=30))
    watch = Watch(site, now=due - timedelta(seconds=1))
    assert watch.look().opened == ()
    watch.now = due
    assert watch.look().opened == (Root(SOURCE, "orders"),)
    watch.now -= timedelta(days=3)
    assert watch.look().resolved == ()  # a clock that is set back is no drop


def test_days_that_may_be_left_out_are_not_expected(bakery: Company) -> None:
    site = cut_as(bakery, Grain.DAILY, MON)
    tables = [replace(site.project.lineage.tables["raw.orders"], gaps_allowed=True)]
    vars(site.project)["lineage"] = type(bakery.project.lineage)(tables)
    assert deadlines(site, NOON + timedelta(days=9)).late == {}


def test_an_export_is_expected_where_one_of_its_sources_comes_each_day(bakery: Company) -> None:
    """Weather may be left out, and shop orders wait for its word; the deadline is theirs all the same."""
    assert bakery.project.lineage.tables["raw.weather"].gaps_allowed
    bakery.land_shops("a")
    bakery.land_day(MON, a=1)
    bakery.land_orders(TUE, a=1)
    Bakery(bakery).settle()
    late = {root for root in deadlines(bakery.site, NOON).late if root.kind is DELIVERY}
    assert late == {Root(DELIVERY, SHOP_ORDERS, day) for day in (MON, TUE)}


def test_a_deadline_that_passed_while_all_was_down_is_found_and_opens_once(bakery: Company) -> None:
    ledger = Bakery(bakery)
    bakery.land_shops("a")
    ledger.done(MON)
    watch = Watch(bakery.site)
    watch.now = datetime(2024, 1, 2, 1, tzinfo=UTC)
    assert watch.look().opened == ()
    watch.now = datetime(2024, 1, 5, 1, tzinfo=UTC)
    first = watch.look()
    assert set(first.opened) == {Root(SOURCE, "orders", day) for day in (TUE, WED)}
    assert watch.look().told == 0
    # The late exports of these days hang below them.
    assert {item.affected[0]["export"] for item in watch.open.values()} == {SHOP_ORDERS}


def test_what_was_due_before_the_first_look_was_promised_to_nobody(bakery: Company) -> None:
    """What is due while nobody looks later on is: two days' looks are left out here."""
    ledger = Bakery(bakery)
    bakery.land_shops("a")
    ledger.done(MON)
    operations = bakery.deployment.store.operations

    def told() -> dict[str, tuple[str, str]]:
        rows = operations.rows(VIEWS["promises"])
        return {
            row["partition_key"]: (row["verdict"], row["excused_by"])
            for row in rows
            if row["kind"] == "export" and row["name"] == SHOP_ORDERS
        }

    assert deadlines(bakery.site, NOON).moments
    before = ("excused", "before it was promised")
    assert told() == dict.fromkeys((MON, TUE), before)
    assert deadlines(bakery.site, NOON + timedelta(days=3)).moments
    later = told()
    assert {key: later.pop(key) for key in (MON, TUE)} == dict.fromkeys((MON, TUE), before)
    assert later
    assert not [verdict for verdict, excused in later.values() if verdict == "excused" or excused]


def test_who_changes_a_file_changes_what_is_to_come(bakery: Company) -> None:
    ledger = Bakery(bakery)
    bakery.land_shops("a")
    ledger.done(MON)
    root = Root(DELIVERY, SHOP_ORDERS, TUE)
    assert deadlines(bakery.site, NOON).late[root] == datetime(2024, 1, 3, 12, tzinfo=UTC)
    export = bakery.project.exports[SHOP_ORDERS]
    longer = replace(
        export,
        spec=export.spec.model_copy(
            update={"deadline": export.spec.deadline.model_copy(update={"latency": 48.0})}  # pyright: ignore
        ),
    )
    project = replace(bakery.project, exports={**bakery.project.exports, SHOP_ORDERS: longer})
    changed = Site(bakery.deployment, project)
    assert deadlines(changed, NOON).late[root] == datetime(2024, 1, 3, 12, tzinfo=UTC)
    tomorrow = deadlines(changed, NOON + timedelta(days=1))
    assert tomorrow.moments[replace(root, partition_key=WED)] == datetime(2024, 1, 6, tzinfo=UTC)
    without = replace(bakery.project, exports=MappingProxyType({}))
    assert not [r for r in deadlines(Site(bakery.deployment, without), NOON).moments if r.kind is DELIVERY]


def test_what_has_no_connection_or_was_rejected_is_nobodys_lateness(bakery: Company) -> None:
    ledger = Bakery(bakery)
    bakery.land_shops("a")
    ledger.done(MON)
    ledger.company.land_day(TUE, a=1)
    ledger.settle()
    root = Root(DELIVERY, SHOP_ORDERS, TUE)
    assert root in deadlines(bakery.site, NOON).late
    bakery.deployment.store.record_connections({"shop_screens": False}, served=True)
    assert root not in deadlines(bakery.site, NOON).late
    bakery.deployment.store.record_connections({"shop_screens": True}, served=True)
    ledger.deliver(TUE, status=DeliveryStatus.REJECTED)
    assert root not in deadlines(bakery.site, NOON).late


def test_history_is_nobodys_deadline(bakery: Company) -> None:
    ledger = Bakery(bakery)
    bakery.land_shops("a")
    ledger.done(MON, TUE)
    found = deadlines(bakery.site, NOON + timedelta(days=60))
    assert min(root.partition_key for root in found.moments) >= "2024-02-01"
    assert found.due_at(SHOP_ORDERS, MON) is None
    assert deadlines(bakery.site, NOON).due_at(SHOP_ORDERS, "2024-01-04") == datetime(
        2024, 1, 5, 12, tzinfo=UTC
    )
