"""What is due: one run a partition, when all it needs is there, once for each drop."""

import pytest
from sluicegate.operations.due import Cursor, Due
from sluicegate.state.records import Delivery, DeliveryStatus

from tests.company import FRI, MON, SHOP_ORDERS, THU, TUE, WEATHER_REPORT, WED, Company
from tests.unit.records import Ledger

ALL = (
    "raw.orders", "raw.weather", "staging.stg_orders", "staging.stg_weather", "marts.shop_orders",
    "exports.exp_shop_orders", "exports.exp_weather_report",
)  # fmt: skip
OF_ORDERS = ("raw.orders", "staging.stg_orders")
OF_WEATHER = ("raw.weather", "staging.stg_weather", "exports.exp_weather_report")


@pytest.fixture
def ledger(bakery: Company) -> Ledger:
    """Shops have landed and are loaded."""
    bakery.land_shops("a")
    ledger = Ledger(bakery)
    assert ledger.settle() == [("", ("raw.shops",))]
    return ledger


def test_one_run_a_day_for_everything_in_the_order_of_days(ledger: Ledger) -> None:
    for day in (WED, MON, TUE):
        ledger.company.land_day(day, a=1)
    due = ledger.look()
    assert [run.partition_key for run in due.runs[:1]] == [MON]
    assert set(due.runs[0].relations) == set(ALL)
    assert set(due.runs[0].exports) == {SHOP_ORDERS, WEATHER_REPORT}
    order = list(due.runs[0].relations)
    assert order.index("raw.orders") < order.index("staging.stg_orders") < order.index("marts.shop_orders")
    ledger.cursor = Cursor()
    done = ledger.settle()
    assert {(day, table) for day, tables in done for table in tables} == {
        (day, table) for day in (MON, TUE, WED) for table in ALL
    }
    assert len([table for _, tables in done for table in tables]) == 3 * len(ALL)


def test_a_mart_waits_for_all_its_feeds(ledger: Ledger) -> None:
    ledger.company.land_orders(MON, a=1)
    assert [(day, set(tables)) for day, tables in ledger.settle()] == [(MON, set(OF_ORDERS))]
    ledger.company.land_weather(MON)
    assert [(day, set(tables)) for day, tables in ledger.settle()] == [(MON, set(ALL) - set(OF_ORDERS))]


def test_a_day_waits_for_the_first_snapshot(bakery: Company) -> None:
    bakery.land_day(MON, a=1)
    ledger = Ledger(bakery)
    first = {table for _, tables in ledger.settle() for table in tables}
    assert first == {*OF_ORDERS, *OF_WEATHER}
    bakery.land_shops("a")
    later = ledger.settle()
    assert later[0] == ("", ("raw.shops",))
    assert {table for _, tables in later[1:] for table in tables} == {
        "marts.shop_orders",
        "exports.exp_shop_orders",
    }


def test_the_same_drop_twice_is_due_once(ledger: Ledger) -> None:
    ledger.company.land_day(MON, a=1)
    ledger.settle()
    for _ in range(2):
        ledger.company.land_day(MON, a=1)
        ledger.company.land_shops("a")
        assert ledger.look().runs == ()


def test_content_that_comes_back_is_due_again_under_another_key(ledger: Ledger) -> None:
    keys: set[str] = set()
    for loaves in (1, 2, 1):
        ledger.company.land_day(MON, a=loaves)
        due = ledger.look()
        assert [run.partition_key for run in due.runs] == [MON]
        keys.add(due.runs[0].run_key)
        ledger.ask(due)
        ledger.carry_out(due.runs[0])
    assert len(keys) == 3


def test_run_keys_are_made_of_content(ledger: Ledger) -> None:
    ledger.company.land_day(MON, a=1)
    first = ledger.look().runs[0]
    ledger.cursor = Cursor()
    assert ledger.look().runs[0].run_key == first.run_key


def test_a_corrected_old_day_reruns_that_day_alone(ledger: Ledger) -> None:
    for day in (MON, TUE, WED):
        ledger.company.land_day(day, a=1)
    ledger.settle()
    ledger.company.land_orders(MON, a=9)
    # Tuesday's three days hold Monday too, and stay as they were delivered.
    assert [(day, set(tables)) for day, tables in ledger.settle()] == [
        (MON, {*OF_ORDERS, "marts.shop_orders", "exports.exp_shop_orders"})
    ]


def test_a_new_snapshot_does_not_rerun_days_that_are_built(ledger: Ledger) -> None:
    ledger.company.land_day(MON, a=1)
    ledger.settle()
    ledger.company.land_shops("a", "b")
    assert ledger.settle() == [("", ("raw.shops",))]
    ledger.company.land_day(TUE, a=1)
    assert {day for day, _ in ledger.settle()} == {TUE}


def test_a_new_snapshot_takes_up_a_day_that_failed_on_the_old_one(ledger: Ledger) -> None:
    ledger.company.land_shops("a", "b")
    assert ledger.settle(failing={"raw.shops"}) == [("", ("raw.shops",))]
    ledger.company.land_day(MON, a=1)
    ledger.settle()
    assert MON not in ledger.company.deployment.store.latest_builds("marts.shop_orders")
    ledger.company.land_shops("a", "c")
    done = {day: set(tables) for day, tables in ledger.settle()}
    assert done == {"": {"raw.shops"}, MON: {"marts.shop_orders", "exports.exp_shop_orders"}}


def test_a_correction_that_a_check_held_is_due_once_more_each_time_that_is_judged_again(
    ledger: Ledger,
) -> None:
    ledger.company.land_day(MON, a=1)
    ledger.settle()
    ledger.company.land_orders(MON, a=2)
    ledger.settle(failing={"marts.shop_orders"})
    ledger.cursor = Cursor()
    assert ledger.look().runs == ()
    ledger.judge("marts.shop_orders", MON, passed=False, by="a later run")
    assert ledger.look().runs == ()
    ledger.judge("marts.shop_orders", MON, by="another one")
    (run,) = ledger.look().runs
    assert (run.relations, run.exports) == (("exports.exp_shop_orders",), (SHOP_ORDERS,))
    ledger.ask(Due((run,), (), (), Cursor()))
    ledger.cursor = Cursor()
    assert ledger.look().runs == ()  # it has failed, say: nothing is known that would help it
    ledger.carry_out(run)
    ledger.cursor = Cursor()
    assert ledger.look().runs == ()


def test_what_a_correction_failed_to_build_is_taken_up_by_a_new_snapshot(ledger: Ledger) -> None:
    ledger.company.land_day(MON, a=1)
    ledger.settle()
    for table in OF_ORDERS:  # somebody has judged what is there
        ledger.judge(table, MON, by="by hand")
    ledger.company.land_orders(MON, a=2)
    (run,) = (due := ledger.look()).runs
    ledger.ask(due)
    for table in OF_ORDERS:  # the mart's SQL breaks
        ledger.build(table, MON)
        ledger.judge(table, MON)
    ledger.cursor = Cursor()
    assert ledger.look().runs == ()
    ledger.company.land_shops("a", "b")
    assert ledger.settle() == [("", ("raw.shops",)), (MON, ("marts.shop_orders", "exports.exp_shop_orders"))]
    assert set(run.relations) == {*OF_ORDERS, "marts.shop_orders", "exports.exp_shop_orders"}


def test_what_is_only_built_anew_by_hand_is_no_correction(ledger: Ledger) -> None:
    ledger.company.land_day(MON, a=1)
    ledger.settle()
    for table in OF_ORDERS:
        ledger.build(table, MON)
        ledger.judge(table, MON, by="by hand")
    ledger.cursor = Cursor()
    assert ledger.look().runs == ()


def test_a_window_waits_for_a_day_that_has_landed_and_is_not_loaded(ledger: Ledger) -> None:
    for day in (MON, TUE):
        ledger.company.land_day(day, a=1)
    due = ledger.look()
    by_day = {run.partition_key: set(run.relations) for run in due.runs}
    # Tuesday's mart reads Monday's orders, which are on their way.
    assert "marts.shop_orders" in by_day[MON]
    assert "marts.shop_orders" not in by_day.get(TUE, set())
    ledger.ask(due)
    for run in due.runs:
        ledger.carry_out(run)
    after = ledger.look()
    assert [(run.partition_key, run.exports) for run in after.runs] == [(TUE, (SHOP_ORDERS,))]


def test_a_window_does_not_wait_for_a_day_without_a_drop_or_out_of_reach(ledger: Ledger) -> None:
    ledger.company.land_day(MON, a=1)
    ledger.settle()
    # Nothing has landed for Tuesday to Thursday; the window of Friday does not reach Monday.
    ledger.company.land_day(FRI, a=1)
    done = {(day, table) for day, tables in ledger.settle() for table in tables}
    assert (FRI, "exports.exp_shop_orders") in done


def test_a_failed_day_in_the_window_holds_later_days_until_it_is_corrected(ledger: Ledger) -> None:
    ledger.company.land_day(MON, a=1)
    ledger.settle(failing={"staging.stg_orders"})
    for day in (TUE, WED, THU):
        ledger.company.land_day(day, a=1)
    exported = {day for day, tables in ledger.settle() if "exports.exp_shop_orders" in tables}
    assert exported == {THU}
    ledger.cursor = Cursor()
    assert {(item.export, item.partition_key) for item in ledger.look().held} == {
        (SHOP_ORDERS, day) for day in (MON, TUE, WED)
    }
    ledger.company.land_orders(MON, a=2)
    done = [day for day, tables in ledger.settle() if "exports.exp_shop_orders" in tables]
    assert done == [MON, TUE, WED]
    assert ledger.look().held == ()


def test_what_nobody_judged_is_held_once_no_run_is_at_it(ledger: Ledger) -> None:
    ledger.company.land_day(MON, a=1)
    ledger.settle()
    assert ledger.look().held == ()
    ledger.busy_days = {MON}
    ledger.build("staging.stg_weather", MON)
    assert [ledger.look().held for _ in range(2)] == [(), ()]
    ledger.busy_days.clear()
    held = {item.export: item for item in ledger.look().held}
    assert held.keys() == {SHOP_ORDERS, WEATHER_REPORT}
    assert [str(item.report.reasons[0].verdict) for item in held.values()] == [
        "passed on an older version"
    ] * 2
    assert {item.run_id for item in held.values()} == {"run"}
    assert ledger.look().held == ()  # told once


def test_what_is_delivered_as_it_is_is_not_held_for_want_of_a_new_checks_word(ledger: Ledger) -> None:
    ledger.company.land_day(MON, a=1)
    ledger.settle()
    ledger.look()
    store = ledger.company.deployment.store
    for export in (SHOP_ORDERS, WEATHER_REPORT):
        version = store.latest_builds(f"exports.{export}")[MON].version
        store.deliveries.plan(Delivery(export, export, MON, version, "digest", 1, "shard", "run"))
        store.deliveries.move(
            export, DeliveryStatus.ACKNOWLEDGED, out_of=[DeliveryStatus.PLANNED], location="there"
        )
    ledger.build("staging.stg_weather", MON)
    assert ledger.look().held == ()
    ledger.build("exports.exp_weather_report", MON)
    assert [item.export for item in ledger.look().held] == [WEATHER_REPORT]


def test_a_request_whose_run_dagster_never_had_is_asked_again(ledger: Ledger) -> None:
    ledger.company.land_day(MON, a=1)
    due = ledger.look()
    store = ledger.company.deployment.store
    for run in due.runs:
        store.record_requests(run.run_key, run.partition_key, run.requests)
    ledger.cursor = Cursor()  # the daemon died before it kept its cursor
    again = ledger.look()
    assert [run.run_key for run in again.runs] == [run.run_key for run in due.runs]
    ledger.ask(again)
    ledger.cursor = Cursor()
    assert ledger.look().runs == ()


def test_the_cursor_does_not_grow_with_the_number_of_files(ledger: Ledger) -> None:
    size = len(str(ledger.cursor))
    for day in range(1, 21):
        ledger.company.land_weather(f"2024-02-{day:02}")
    due = ledger.look()
    assert len(due.runs) == 20
    assert len(str(due.cursor)) <= size + 6
    assert Cursor.parse(str(due.cursor)) == due.cursor
    assert Cursor.parse(None) == Cursor.parse("") == Cursor()


def test_complaints_about_staging_are_told(ledger: Ledger) -> None:
    ledger.company.deployment.staging.write(f"orders/{MON}.done", iter(()))
    due = ledger.look()
    assert due.runs == ()
    assert [f"orders/{MON}.done: marker without its file" in text for text in due.complaints] == [True]


@pytest.mark.parametrize("ended", ["well", "without building, as it was cancelled or failed", "by dying"])
def test_what_lands_while_a_run_of_its_day_is_queued_goes_with_one_run_after_it(
    ledger: Ledger, ended: str
) -> None:
    ledger.company.land_orders(MON, a=1)
    first = ledger.look()
    ledger.ask(first)
    [queued] = first.runs
    assert queued.relations == OF_ORDERS
    ledger.busy_days = {MON}
    before = ledger.cursor
    ledger.company.land_weather(MON)
    ledger.company.land_day(TUE, a=2)
    # Another day is asked for at once; of Monday nothing, at whatever look, and it is not passed by.
    second = ledger.look()
    assert [run.partition_key for run in second.runs] == [TUE]
    ledger.ask(second)
    assert (ledger.look().runs, ledger.cursor) == ((), before)
    ledger.company.land_orders(MON, a=9)  # a correction, while it still waits
    assert (ledger.look().runs, ledger.cursor) == ((), before)
    if ended == "well":
        ledger.carry_out(queued)
    if ended == "by dying":
        ledger.run_keys.discard(queued.run_key)
    ledger.busy_days.clear()
    [after] = ledger.look().runs
    assert (after.partition_key, set(after.relations)) == (MON, set(ALL))
    ledger.ask(Due((after,), (), (), ledger.cursor))
    ledger.carry_out(after)
    assert ledger.look().runs == ()
