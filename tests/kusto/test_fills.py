"""Tables that functions fill: gated as exports are, whoever asks, and each partition there once.

Belongs here: the real graph, records and commands, beside a database that understands them. Does not: files
(`test_filled_files`).
"""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from orchestration.core.lineage import Partition
from orchestration.core.partitions import Grain, Partitioning
from orchestration.destinations.base import DeliveryError
from orchestration.graph.instance import open_instance
from orchestration.graph.upkeep import deliveries_sensor
from orchestration.operations.due_run import DueRun
from orchestration.operations.filling import Filled
from orchestration.operations.fills import FillHeld, behind, fills_due
from orchestration.state.records import DeliveryStatus
from tests.company import MON, SHOP_ORDERS, TUE, WEATHER_REPORT, failures, finished, runs
from tests.doubles.kusto_language import Refused
from tests.kusto.mill import RAIN, REPORT, TOWNS, Mill
from tests.run.test_deliveries import sensor_context

pytestmark = pytest.mark.long
SENDING = DeliveryStatus.SENDING
DAILY = Partitioning(Grain.DAILY)
EVERYTHING = {(RAIN, MON), (RAIN, TUE), (REPORT, MON), (REPORT, TUE), (TOWNS, "")}
MONDAY_OF_WEATHER = f"export = '{WEATHER_REPORT}' and partition_key = '{MON}'"
STOPPED = Refused("Forbidden", "Kusto.Data.Exceptions.SecurityException", "the process is gone", 403)


@pytest.fixture
def copy(mill: Mill, tmp_path: Path) -> Iterator[Mill]:
    """A mill of which nothing is filled yet."""
    with mill.copied(tmp_path) as found:
        yield found


def due(mill: Mill, *, older: bool = True) -> set[tuple[str, str]]:
    found = fills_due(mill.company.site, mill.company.deployment.clock(), lambda _: False, older=older)
    return {(run.fills[0], run.partition_key) for run in found}


def there(mill: Mill, table: str, key: str) -> list[tuple[object, ...]]:
    """The rows of a partition, by the tags of its extents."""
    found = mill.kusto.engine.tables.get(table)
    extents = [one for one in found.extents if f"drop-by:kusto/{table}/{key}" in one.tags] if found else []
    return sorted(tuple(row.values()) for extent in extents for row in extent.living())


def changed(mill: Mill, body: str) -> None:
    """Somebody changes the function in the database."""
    function = mill.kusto.objects.functions["RainByTown"]
    mill.kusto.objects.functions["RainByTown"] = replace(function, body=body)


CONDITIONS: dict[str, tuple[tuple[str, ...], str, str]] = {
    # {what is so of Monday's weather: (SQL that makes it so, the reason, what is filled all the same)}
    "under way": (
        (f"update deliveries set status = 'sending' where {MONDAY_OF_WEATHER}",),
        "on its way, and not acknowledged", "tuesday",
    ),
    "not delivered": (
        (f"delete from deliveries where {MONDAY_OF_WEATHER}",), "is not delivered", "tuesday and towns",
    ),
    "built anew since": (
        (f"update builds set version = 'newer' where relation = 'exports.{WEATHER_REPORT}'"
         f" and partition_key = '{MON}'",),
        "another version than is there now", "tuesday",
    ),
    "of an earlier moment": (
        (f"update deliveries set version = 'content at 2024' where {MONDAY_OF_WEATHER}",),
        "another version than is there now", "tuesday",
    ),
    "found bad since": (
        ("update evidence set passed = 0 where relation = 'staging.stg_weather'"
         f" and partition_key = '{MON}'",),
        f"the gate of {WEATHER_REPORT} [{MON}] is closed", "tuesday",
    ),
    "not judged by today's rules": (
        (f"update evidence set rules = 'older' where relation = 'staging.stg_weather'"
         f" and partition_key = '{MON}'",),
        f"the gate of {WEATHER_REPORT} [{MON}] is closed", "tuesday",
    ),
    "delivered elsewhere": (
        (f"update deliveries set place = 'adx adx://elsewhere/sluice/weather' where {MONDAY_OF_WEATHER}",),
        "was delivered elsewhere", "tuesday",
    ),
    "not deployed": (
        ("delete from kusto_objects where name = 'RainByTown'",), "is not deployed", "towns",
    ),
    "deployed as another": (
        ("update kusto_objects set digest = 'older' where name = 'RainByTown'",),
        "is deployed as another than git has it", "towns",
    ),
    "restored": (
        ("insert into restores (backup, taken_at, restored_at) values ('b', '2020-01-01', '2030-01-01')",),
        "restored from the backup", "",
    ),
}  # fmt: skip
ALL_THE_SAME = {
    "": set[tuple[str, str]](),
    "tuesday": {(RAIN, TUE), (REPORT, TUE)},
    "tuesday and towns": {(RAIN, TUE), (REPORT, TUE), (TOWNS, "")},
    "towns": {(TOWNS, "")},
}


@pytest.mark.parametrize("condition", CONDITIONS)
def test_nothing_is_filled_from_what_is_not_there_as_it_was_validated(
    mill: Mill, tmp_path: Path, condition: str
) -> None:
    statements, said, same = CONDITIONS[condition]
    with mill.copied(tmp_path, *statements) as copy:
        assert due(copy) == ALL_THE_SAME[same]
        run = DueRun(Partition(DAILY, MON), (), (SHOP_ORDERS,), "", {})
        assert behind(copy.company.site, run).fills == ()
        with pytest.raises(FillHeld, match="nothing was filled") as held:
            copy.fill(RAIN, MON)
        assert said in str(held.value)
        assert RAIN not in copy.kusto.engine.tables
        assert copy.sent(".set", ".replace", ".drop", ".create") == []
        assert not copy.company.deployment.store.kusto_fills.latest(RAIN)


def test_every_trigger_asks_the_same_gate(mill: Mill, tmp_path: Path) -> None:
    """The button, a backfill, `sluice run`, its --retry, the sensor, and the export's own run."""
    statements, said, _ = CONDITIONS["deployed as another"]
    with mill.copied(tmp_path, *statements) as copy:
        success, complained = copy.company.materialize(MON, f"kusto/{RAIN}")
        assert (success, said in complained) == (False, True), complained
        copy.company.land_orders(MON, a=5)
        done = finished(copy.company.run(retry=True))
        assert all(one.success for one in done)
        assert {fill for one in done for fill in one.run.fills} == {TOWNS}
        assert any(one.run.exports for one in done)
        assert not {RAIN, REPORT} & copy.kusto.engine.tables.keys()
        with open_instance(copy.company.settings) as instance:
            tick = deliveries_sensor(copy.company.site).evaluate_tick(sensor_context(copy.company, instance))
        assert tick.run_requests == []


def test_what_a_person_changed_in_the_database_fills_nothing(copy: Mill) -> None:
    changed(copy, "{ weather | where town == partition_start | summarize days = count() by town }")
    with pytest.raises(FillHeld, match="RainByTown was changed in the database since it was deployed"):
        copy.fill(RAIN, MON)
    del copy.kusto.objects.functions["RainByTown"]
    with pytest.raises(FillHeld, match="RainByTown is not in the database: `sluice kusto deploy`"):
        copy.fill(RAIN, MON)
    assert RAIN not in copy.kusto.engine.tables


def test_it_is_filled_once_and_again_after_a_delivery(copy: Mill) -> None:
    company = copy.company
    # What was delivered before the function was there is filled by a backfill alone; of a whole table that is
    # not so.
    assert due(copy, older=False) == {(TOWNS, "")}
    assert due(copy) == EVERYTHING
    assert all(one.success for one in finished(company.run(retry=True)))
    assert due(copy) == set()
    assert {there(copy, RAIN, day)[0] for day in (MON, TUE)} == {("Ulm", 1)}
    [record] = [one for key, one in company.deployment.store.kusto_fills.latest(REPORT).items() if key == MON]
    assert (record.rows, record.function, set(record.inputs)) == (
        1,
        "DayReport",
        {SHOP_ORDERS, WEATHER_REPORT},
    )
    assert record.inputs[SHOP_ORDERS].keys() == {MON}
    before = copy.kusto.engine.tables[REPORT].extents[:]
    # A correction: its delivery and what is filled behind it are one run.
    company.land_orders(MON, a=30, b=4)
    monday = [one for one in finished(company.run()) if one.run.partition_key == MON]
    assert [(one.success, bool(one.run.exports), one.run.fills) for one in monday] == [
        (True, True, (REPORT,))
    ], failures(company.run())
    assert [row[1:] for row in there(copy, REPORT, MON)] == [(2, 34)]
    tagged = f"drop-by:kusto/{REPORT}/{TUE}"
    left = [
        one for one in before if tagged in one.tags and one not in copy.kusto.engine.tables[REPORT].extents
    ]
    assert (left == []) is not any(one.run.partition_key == TUE for one in finished(company.run()))
    assert runs(company.run()) == []
    rows = {key: row for key, row in company.status().items() if row.kind == "fill"}
    assert {row.standing.value for row in rows.values()} == {"delivered"}
    # Pressed again it does nothing.
    copy.kusto.engine.commands.clear()
    assert copy.fill(REPORT, MON).called is False
    assert copy.sent(".set", ".replace", ".drop") == []


COMMANDS = 20


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
def test_a_fill_that_is_stopped_at_any_command_ends_in_the_same_state(
    mill: Mill, tmp_path: Path, done: bool
) -> None:
    """`done`: the command was executed, and the process did not live to hear of it."""
    with mill.copied(tmp_path) as copy:
        copy.fill(RAIN, TUE)
        copy.fill(RAIN, MON)
        # Another delivery since: the partition has rows, which are to be replaced.
        store = copy.company.deployment.store.deliveries
        number, stopped = 0, True
        for number in range(COMMANDS):
            old = store.latest(WEATHER_REPORT, acknowledged=True)[MON]
            again = replace(old, delivery_id=f"delivery {number}", id=0)
            store.plan(again)
            copy.kusto.engine.commands.clear()

            def stop(text: str, number: int = number) -> None:
                if len(copy.kusto.engine.commands) == number:
                    if done:
                        copy.kusto.engine.command(text)
                    raise STOPPED

            copy.kusto.before = stop
            stopped = False
            try:
                copy.fill(RAIN, MON)
            except DeliveryError:
                stopped = True
            copy.kusto.before = lambda _: None
            assert there(copy, RAIN, MON) == [("Ulm", 1)]  # the old rows, or the new ones
            copy.fill(RAIN, MON)
            assert (there(copy, RAIN, MON), there(copy, RAIN, TUE)) == ([("Ulm", 1)], [("Ulm", 1)])
            [extent] = [
                one
                for one in copy.kusto.engine.tables[RAIN].extents
                if f"drop-by:kusto/{RAIN}/{MON}" in one.tags
            ]
            record = copy.company.deployment.store.kusto_fills.latest(RAIN)[MON]
            assert f"drop-by:{record.tag}" in extent.tags
            if not stopped:
                break
        assert not stopped, "there are more commands than this test counts"
        assert number > 8


@pytest.mark.parametrize("beside", [False, True], ids=["one after the other", "beside each other"])
@pytest.mark.parametrize("lost", [".set-or-append", ".replace extents", ".drop extents", ".create-merge"])
def test_a_lost_answer_doubles_nothing(mill: Mill, tmp_path: Path, lost: str, beside: bool) -> None:
    with mill.copied(tmp_path) as copy:
        copy.fill(RAIN, TUE)
        copy.kusto.lost.append(lost)
        copy.queries.beside = beside
        assert copy.fill(RAIN, MON).fill.rows == 1
        assert copy.kusto.lost == []
        assert (there(copy, RAIN, MON), there(copy, RAIN, TUE)) == ([("Ulm", 1)], [("Ulm", 1)])
        assert len(copy.sent(lost)) > 1


def test_two_at_once_fill_a_partition_once(copy: Mill) -> None:
    begun, results = threading.Event(), list[Filled]()
    copy.queries.calling = lambda _: begun.set()
    both = [
        threading.Thread(target=lambda: results.append(copy.fill(RAIN, MON)), daemon=True) for _ in range(2)
    ]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert begun.is_set()
    assert [one.called for one in results] == [True, False]
    assert (len(copy.sent(".set-or-append")), there(copy, RAIN, MON)) == (1, [("Ulm", 1)])


def test_what_is_delivered_while_the_function_runs_is_not_half_in_the_table(copy: Mill) -> None:
    """A delivery that begins holds it; one that began and ended is read by another call."""
    store = copy.company.deployment.store.deliveries
    old = store.latest(WEATHER_REPORT, acknowledged=True)[MON]
    copy.fill(RAIN, MON)
    store.plan(replace(old, delivery_id="the next", id=0))

    def once(do: Callable[[], object]) -> Callable[[str], None]:
        waiting = [do]

        def calling(_: str) -> None:
            if waiting:
                waiting.pop()()

        return calling

    rows = copy.kusto.engine.tables["weather"].extents
    copy.queries.calling = once(lambda: store.plan(replace(old, delivery_id="one more", id=0)))
    copy.kusto.engine.commands.clear()
    assert copy.fill(RAIN, MON).called
    assert len(copy.sent(".set-or-append")) == 2
    assert "one more" in str(copy.company.deployment.store.kusto_fills.latest(RAIN)[MON].inputs)
    store.plan(replace(old, delivery_id="the last", id=0))
    copy.queries.calling = once(
        lambda: (store.plan(replace(old, delivery_id="begun", id=0, status=SENDING)), rows.clear())
    )
    with pytest.raises(FillHeld, match="on its way"):
        copy.fill(RAIN, MON)
    assert there(copy, RAIN, MON) == [("Ulm", 1)]


def test_a_partition_without_rows_loses_what_it_had(copy: Mill) -> None:
    copy.fill(RAIN, MON)
    copy.fill(RAIN, TUE)
    store = copy.company.deployment.store
    old = store.deliveries.latest(WEATHER_REPORT, acknowledged=True)[MON]
    store.deliveries.plan(replace(old, delivery_id="it is dry", id=0))
    weather = copy.kusto.engine.tables["weather"]
    weather.extents = [one for one in weather.extents if f"drop-by:{WEATHER_REPORT}/{MON}" not in one.tags]
    assert copy.fill(RAIN, MON).fill.rows == 0
    assert (there(copy, RAIN, MON), there(copy, RAIN, TUE)) == ([], [("Ulm", 1)])
    assert due(copy) & {(RAIN, MON)} == set()


def test_rows_that_were_taken_out_come_back_by_the_button(copy: Mill) -> None:
    copy.fill(RAIN, MON)
    extents = copy.kusto.engine.tables[RAIN].extents
    extents[0].deleted |= {0}
    assert there(copy, RAIN, MON) == []
    assert copy.company.materialize(MON, f"kusto/{RAIN}") == (True, "")
    assert there(copy, RAIN, MON) == [("Ulm", 1)]
    assert copy.fill(RAIN, MON).called is False


def test_a_whole_table_is_replaced_whole(copy: Mill) -> None:
    copy.fill(TOWNS, "")
    engine = copy.kusto.engine
    engine.command('.create-merge table ["towns"] (days:long)'.replace('["towns"]', "['towns']"))
    assert engine.ingest(TOWNS, [{"town": "by hand", "days": 9}], ["by hand"], [])
    store = copy.company.deployment.store
    old = store.deliveries.latest(WEATHER_REPORT, acknowledged=True)[MON]
    store.deliveries.plan(replace(old, delivery_id="the next", id=0))
    assert (TOWNS, "") in due(copy, older=False)
    copy.fill(TOWNS, "")
    assert copy.held(TOWNS) == [("Ulm", 2)]
    assert sorted(store.kusto_fills.latest(TOWNS)[""].inputs[WEATHER_REPORT]) == [MON, TUE]


def test_what_is_refused_says_what_and_is_tried_again(copy: Mill) -> None:
    copy.kusto.forbidden.append(".set-or-append")
    try:
        success, said = copy.company.materialize(MON, f"kusto/{RAIN}")
    finally:
        copy.kusto.forbidden.clear()
    assert (success, "does not let the principal fill a table by a function" in said) == (False, True), said
    assert copy.company.materialize(MON, f"kusto/{RAIN}") == (True, "")
