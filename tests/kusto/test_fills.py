"""Tables that functions fill: gated as exports are, whoever asks, and each partition there once.

Belongs here: the real graph, records and commands, beside a database that understands them. Does not: files
(`test_filled_files`).
"""

import json
import shutil
import signal
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest
from pydantic import SecretStr
from rich.console import Console

from orchestration.cli.story import show_trouble
from orchestration.core.lineage import Partition
from orchestration.core.partitions import Grain, Partitioning
from orchestration.destinations.base import DeliveryError
from orchestration.graph.instance import open_instance
from orchestration.graph.upkeep import deliveries_sensor
from orchestration.operations.due_run import DueRun
from orchestration.operations.filling import Filled
from orchestration.operations.fills import FillHeld, behind, fills_due
from orchestration.state import schema
from orchestration.state.records import DeliveryStatus, ForgottenKey
from tests.company import MON, SHOP_ORDERS, TUE, WEATHER_REPORT, Company, failures, finished, runs
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
    tag = f"drop-by:kusto/{table}/{DAILY.grain}/{key}"
    extents = [one for one in found.extents if tag in one.tags] if found else []
    return sorted(tuple(row.values()) for extent in extents for row in extent.living())


def changed(mill: Mill, body: str) -> None:
    """Somebody changes the function in the database."""
    function = mill.kusto.objects.functions["RainByTown"]
    mill.kusto.objects.functions["RainByTown"] = replace(function, body=body)


_COLUMNS = [one.name for one in schema.metadata.tables["deliveries"].columns if one.name != "id"]
_OF_BROKEN = {"delivery_id": "'broken'", "status": "'superseded'"}
BROKEN = ", ".join(_COLUMNS), ", ".join(_OF_BROKEN.get(one, one) for one in _COLUMNS)
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
    "broken off": (
        (
            f"insert into deliveries ({BROKEN[0]}) select {BROKEN[1]} from deliveries"
            f" where {MONDAY_OF_WEATHER}",
            "insert into acknowledgements (delivery_id, first_row, end_row, sending)"
            " values ('broken', 0, 1, 9)",
        ),
        "holds rows of a delivery that broke off since", "tuesday",
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
        told = copy.company.check_results(f"kusto/{RAIN}", "gate")[MON]
        assert (told[0], said in told[1]) == (False, True)
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
    tagged = f"drop-by:kusto/{REPORT}/{DAILY.grain}/{TUE}"
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


COMMANDS = 24


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
                if f"drop-by:kusto/{RAIN}/{DAILY.grain}/{MON}" in one.tags
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


def test_a_process_that_lost_its_lease_replaces_nothing(copy: Mill) -> None:
    """It was asleep while another one filled the partition: it asks before each command."""
    copy.fill(RAIN, MON)
    store = copy.company.deployment.store
    old = store.deliveries.latest(WEATHER_REPORT, acknowledged=True)[MON]
    store.deliveries.plan(replace(old, delivery_id="the next", id=0))
    before, fills = copy.kusto.engine.tables[RAIN].extents, store.kusto_fills.latest(RAIN)

    def lose(text: str) -> None:
        if text.startswith(".set-or-append"):
            with closing(sqlite3.connect(copy.company.settings.data_dir / "state.db")) as records:
                assert records.execute("update leases set token = 'another', host = 'another'").rowcount
                records.commit()
            for lease in vars(store.leases)["_held"].values():  # by its clock it has run out
                vars(lease)["_held_until"] = 0.0

    copy.kusto.before = lose
    copy.kusto.engine.commands.clear()
    with pytest.raises(DeliveryError, match=r"the lease of adx .*/rain_by_town is lost"):
        copy.fill(RAIN, MON)
    assert copy.sent(".replace") == []
    assert (copy.kusto.engine.tables[RAIN].extents, store.kusto_fills.latest(RAIN)) == (before, fills)


def test_a_process_that_is_killed_while_it_fills_loses_and_doubles_nothing(
    mill: Mill, tmp_path: Path
) -> None:
    """`kill -9` of `sluice run` while the cluster is at work for it; the next one ends what it began."""
    with mill.copied(tmp_path, "delete from kusto_objects where name <> 'Towns'") as copy:
        asked, dead = threading.Event(), threading.Event()

        def wait(text: str) -> None:
            if text.startswith(".replace extents") and not asked.is_set():
                asked.set()
                assert dead.wait(60)

        copy.kusto.before = wait
        with copy.company.start("run") as process:
            assert asked.wait(60)
            process.kill()
            assert process.wait(60) == -signal.SIGKILL
        dead.set()
        _, _, said = copy.company.sluice("run", "--retry")
        assert copy.held(TOWNS) == [("Ulm", 2)], said
        assert [row.standing.value for row in copy.company.status().values() if row.name == TOWNS] == [
            "delivered"
        ]


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


def test_who_is_forgotten_goes_from_what_was_filled(copy: Mill) -> None:
    """What a function made of a person's rows is made anew without them: nobody knows of which partitions."""
    copy.fill_everything()
    forgotten = copy.company.deployment.store.forgotten_keys
    forgotten.record(ForgottenKey(WEATHER_REPORT, "salt", "digest", 0, "", "asked", "ada"))
    assert due(copy) == set()  # nothing of them was there, or they are still to be taken out
    forgotten.conclude(WEATHER_REPORT, "salt", 1, "done")
    assert due(copy) == EVERYTHING
    assert copy.fill(RAIN, MON).called
    assert due(copy) == EVERYTHING - {(RAIN, MON)}


def test_forgetting_somebody_names_the_tables_that_functions_fill(copy: Mill) -> None:
    copy.fill(RAIN, MON)
    code, said, _ = copy.company.sluice("delivery", "forget", "town=Ulm", "--reason", "asked")
    told = "made of these rows by functions, until `sluice run` or the daemon fills them anew:"
    assert (code, f"{told} {REPORT}, {RAIN}, {TOWNS}" in said) == (0, True), said
    copy.fill(RAIN, MON)
    assert copy.held(RAIN) == []


def test_a_policy_that_drops_tags_fills_nothing(copy: Mill) -> None:
    """By its tag a partition is found that is to be replaced."""
    copy.fill(RAIN, MON)
    store = copy.company.deployment.store
    old = store.deliveries.latest(WEATHER_REPORT, acknowledged=True)[MON]
    store.deliveries.plan(replace(old, delivery_id="the next", id=0))
    copy.kusto.engine.tables[RAIN].tag_policy = [{"TagPrefix": "drop-by:", "RetentionPeriod": "30.00:00:00"}]
    with pytest.raises(DeliveryError, match="drops tags of 'rain_by_town'"):
        copy.fill(RAIN, MON)
    assert there(copy, RAIN, MON) == [("Ulm", 1)]


def test_a_whole_table_is_replaced_whole(copy: Mill) -> None:
    copy.fill(TOWNS, "")
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


def test_a_changed_function_fills_what_is_delivered_from_then_on(copy: Mill) -> None:
    """Older partitions by a backfill alone, as a changed model builds no older day; a whole table at once."""
    copy.fill_everything()
    company = copy.company.with_own_project()
    for name, before, after in (
        ("RainByTown", "days = count()", "days = count(), amount = count()"),
        ("Towns", "days = count()", "days = count(), amount = count()"),
    ):
        path = company.settings.project_dir / f"kusto/functions/{name}.kql"
        path.write_text(path.read_text().replace(before, after))
    new = Mill(company.read_anew(), copy.kusto, copy.queries)
    assert due(new) == set()  # not deployed yet
    rows = new.company.status()
    assert rows[TOWNS, ""].why.startswith("Towns is deployed as another")
    # It is due, and waits for a person; Monday is as it was delivered, and waits for nobody.
    assert [rows[one].standing.value for one in ((TOWNS, ""), (RAIN, MON))] == ["held", "waiting"]
    told = Console(file=StringIO(), width=200)
    assert show_trouble(list(rows.values()), [], told)
    assert isinstance(told.file, StringIO)
    assert told.file.getvalue().splitlines()[1:] == [
        "✗ held: Towns is deployed as another than git has it: `sluice kusto deploy`", "  holds back: towns",
    ]  # fmt: skip
    assert new.deploy() == 3  # and what waited for the table that was filled
    assert due(new) == {(TOWNS, "")}
    assert new.company.status()[RAIN, MON].why.endswith("by an older function")
    old = new.company.deployment.store.deliveries.latest(WEATHER_REPORT, acknowledged=True)[MON]
    new.company.deployment.store.deliveries.plan(replace(old, delivery_id="the next", id=0))
    assert due(new) == {(TOWNS, ""), (RAIN, MON), (REPORT, MON)}
    new.fill(RAIN, MON)
    new.fill(RAIN, TUE)  # the button
    assert there(new, RAIN, MON) == there(new, RAIN, TUE) == [("Ulm", 1, 1)]
    # And back to the one of before, which gives fewer columns than the table has by now.
    copy.deploy()
    copy.fill(RAIN, MON)
    assert (there(copy, RAIN, MON), there(copy, RAIN, TUE)) == ([("Ulm", 1, None)], [("Ulm", 1, 1)])
    new.company.deployment.close()


def test_what_waited_for_a_changed_function_is_filled_once_that_is_deployed(
    mill: Mill, tmp_path: Path
) -> None:
    """It was delivered after the function was deployed first: that one is another now makes it no older."""
    long_ago = "update kusto_objects set first_deployed_at = '2000-01-01 00:00:00.000000'"
    with mill.copied(tmp_path, long_ago) as copy:
        company = copy.company.with_own_project()
        path = company.settings.project_dir / "kusto/functions/RainByTown.kql"
        path.write_text(path.read_text().replace("days = count()", "days = count(), amount = count()"))
        new = Mill(company.read_anew(), copy.kusto, copy.queries)
        assert due(new, older=False) == {(TOWNS, "")}
        new.deploy()
        assert due(new, older=False) == EVERYTHING
        new.company.deployment.close()


def cloned(day: str) -> list[str]:
    """SQL that makes a day of the weather of Tuesday's: landed, built, judged and delivered."""
    found: list[str] = []
    tables = {
        "drops": "source = 'weather'",
        "builds": f"relation in ('raw.weather', 'staging.stg_weather', 'exports.{WEATHER_REPORT}')",
        "evidence": f"relation in ('raw.weather', 'staging.stg_weather', 'exports.{WEATHER_REPORT}')",
        "deliveries": f"export = '{WEATHER_REPORT}'",
    }
    for table, where in tables.items():
        columns = [one.name for one in schema.metadata.tables[table].columns if one.name != "id"]
        made = {one: f"replace({one}, '{TUE}', '{day}')" for one in TEXTS}
        made["delivery_id"] = f"delivery_id || '{day}'"
        values = ", ".join(made.get(one, one) for one in columns)
        listed = ", ".join(columns)
        found.append(
            f"insert into {table} ({listed}) select {values} from {table}"
            f" where {where} and partition_key = '{TUE}'"
        )
    return found


TEXTS = {"partition_key", "version", "inputs", "scope", "file", "reads"}


@pytest.mark.parametrize("grain", ["weekly", "monthly"])
def test_a_coarser_partition_waits_for_the_last_of_its_days(mill: Mill, tmp_path: Path, grain: str) -> None:
    """Days feed a week, as hours feed a day: all that its time touches is there, or nothing is filled."""
    table = RAIN
    days = [f"2024-01-{day:02}" for day in range(3, 8 if grain == "weekly" else 32)]
    key = Partitioning(Grain(grain)).key_at(datetime(2024, 1, 1, tzinfo=UTC))
    late = [statement for day in days[:-1] for statement in cloned(day)]
    with mill.copied(tmp_path / "late", *late) as copy:
        assert due(with_grain(copy, grain)) & {(table, key)} == set()
        with pytest.raises(FillHeld, match=rf"{WEATHER_REPORT} \[{days[-1]}\] is not delivered"):
            with_grain(copy, grain).fill(table, key)
    with mill.copied(tmp_path / "whole", *late, *cloned(days[-1])) as copy:
        assert (table, key) in due(with_grain(copy, grain))
        assert with_grain(copy, grain).fill(table, key).fill.rows == 1
        assert copy.held(table) == [("Ulm", 2)]
        inputs = copy.company.deployment.store.kusto_fills.latest(table)[key].inputs
        assert len(inputs[WEATHER_REPORT]) == len(days) + 2


@pytest.mark.parametrize("of", ["another cut", "somebody"])
def test_rows_beside_those_of_fills_hold_a_table_until_they_are_taken_out(
    mill: Mill, tmp_path: Path, of: str
) -> None:
    """What a schedule of somebody's brought, or days before the table was cut by weeks: twice there, else."""
    table, week = RAIN, [statement for day in range(3, 8) for statement in cloned(f"2024-01-0{day}")]
    with mill.copied(tmp_path, *week) as copy:
        engine, weekly = copy.kusto.engine, with_grain(copy, "weekly")
        if of == "another cut":
            copy.fill_everything()
            before = copy.held(RAIN)
        else:
            for name in (RAIN, TOWNS):
                engine.command(f".create-merge table ['{name}'] (['town']:string, ['days']:long)")
                assert engine.ingest(name, [{"town": "Ulm", "days": 1}], ["by hand"], [])
            before = copy.held(RAIN)
            taken_out(copy, TOWNS, "")
            assert copy.fill(TOWNS, "").fill.rows == 1
        key = taken_out(weekly, table, "2024-W01-1", before)
        assert weekly.fill(table, key).fill.rows == len(copy.held(table)) == 1
        # And back: what was filled before is there no more, whatever the records have of it.
        assert {one for one in due(copy) if one[0] == RAIN} >= {(RAIN, MON), (RAIN, TUE)}
        taken_out(copy, RAIN, MON, copy.held(RAIN))
        assert copy.fill(RAIN, MON).fill.rows == len(copy.held(RAIN)) == 1


def taken_out(mill: Mill, table: str, key: str, before: object = None) -> str:
    """Take out what holds a table, by what the message says; return the partition's key."""
    with pytest.raises(FillHeld, match=rf"{table} has \d rows that no fill brought as it is cut") as held:
        mill.fill(table, key)
    assert before is None or mill.held(table) == before  # nobody's rows are touched
    mill.kusto.engine.command(str(held.value).split("`")[-4])
    return key


def with_grain(mill: Mill, grain: str) -> Mill:
    """The same with a table of another grain, as `grain:` in its file says."""
    project, company = mill.company.project, mill.company.read_anew()
    assert project.kusto is not None
    filled = [
        replace(one, partitioning=Partitioning(Grain(grain))) if one.table == RAIN else one
        for one in project.kusto.filled
    ]
    vars(company)["project"] = replace(project, kusto=replace(project.kusto, filled=filled))
    vars(company)["deployment"] = mill.company.deployment
    return Mill(company, mill.kusto, mill.queries)


@pytest.mark.parametrize("database", [False, True], ids=["no database", "a scratch database"])
def test_scratch_fills_its_own_database_or_says_what_it_would(
    mill: Mill, tmp_path: Path, database: bool
) -> None:
    with mill.copied(tmp_path) as copy:
        copy.company.deployment.close()
        with closing(sqlite3.connect(copy.company.settings.data_dir / "state.db")) as records:
            records.execute("update deployment set kind = 'scratch'")
            records.commit()
        file = copy.company.settings.data_dir / "deployment.json"
        file.write_text(file.read_text().replace("production", "scratch"))
        url = copy.company.settings.connections["telemetry"].get_secret_value()
        own = SecretStr(url.replace("/sluice", "/try")) if database else None
        settings = copy.company.settings.model_copy(
            update={"declared": "scratch", "connections": {}, "scratch_kusto": own}
        )
        company = Company(settings, "", tmp_path)
        vars(company)["project"] = copy.company.project
        scratch = Mill(company, copy.kusto, copy.queries)
        if database:
            # There its tables hold what they hold, and nothing was delivered to them.
            copy.kusto.database = copy.kusto.engine.database = "try"
            try:
                scratch.deploy()
                assert scratch.fill(RAIN, MON).fill.place.endswith("/try")
            finally:
                copy.kusto.database = copy.kusto.engine.database = "sluice"
            assert there(copy, RAIN, MON) == [("Ulm", 1)]
        else:
            assert due(scratch) == EVERYTHING
            scratch.fill_everything()
            said = json.loads((settings.data_dir / "outbox/kusto" / RAIN / f"{MON}.json").read_text())
            assert said["call"].startswith("RainByTown(datetime(2024-01-01")
            assert due(scratch) == set()
            assert copy.sent(".") == []
        company.deployment.close()


def test_a_copy_that_nobody_adopted_fills_nothing(mill: Mill, tmp_path: Path) -> None:
    with mill.copied(tmp_path) as copy:
        shutil.copytree(copy.company.settings.data_dir, tmp_path / "other")
        settings = copy.company.settings.model_copy(
            update={
                "data_dir": tmp_path / "other",
                "state_url": SecretStr(f"sqlite:///{tmp_path / 'other' / 'state.db'}"),
            }
        )
        company = Company(settings, "", tmp_path)
        vars(company)["project"] = copy.company.project
        with pytest.raises(DeliveryError, match="is a copy"):
            Mill(company, copy.kusto, copy.queries).fill(RAIN, MON)
        assert copy.sent(".set", ".replace", ".create") == []
        company.deployment.close()
