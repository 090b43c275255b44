"""What was promised and kept: the views and the page's figures beside plain counting, of every grain."""

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from threading import Barrier

import pytest
import sqlalchemy as sa
from sluicegate.core.partitions import Partitioning, grain_of
from sluicegate.reporting.model import EXPORT, by_month, last_days
from sluicegate.state.ops import Row
from sluicegate.state.ops_tables import DEFINITIONS
from sluicegate.state.ops_views import VIEWS
from sluicegate.state.store import StateStore

from tests.reporting.histories import History, Promised, Sent, history, this_moment, write
from tests.unit.test_state_leases import engine_of

SEEDS = range(int(os.environ.get("SLUICE_TEST_KILLS", "2")))
VERDICTS = ("met", "missed", "excused", "pending")
EACH, LATEST = "exp_each", "exp_latest"
END = datetime(2024, 1, 2, tzinfo=UTC)
DUE = END + timedelta(hours=6)
LATER = timedelta(microseconds=1)
TEXTS = ("job", "partition_key", "started_by", "status", "retry_of", "failed_step")
MOMENTS = ("queued_at", "started_at", "ended_at", "collected_at")


@pytest.mark.parametrize("seed", SEEDS)
def test_views_and_page_say_what_plain_counting_says(store: StateStore, state_url: str, seed: int) -> None:
    told = history(seed, this_moment())
    write(store, state_url, told)
    found = list(store.operations.rows(VIEWS["promises"]))
    assert {(row["name"], row["partition_key"]): row["verdict"] for row in found} == {
        (one.export, one.key): told.verdict(one) for one in told.promised
    }
    assert {(row["name"], row["partition_key"]): row["arrived_at"] for row in found} == {
        (one.export, one.key): told.arrived(one) for one in told.promised
    }
    sla = Counter[tuple[str, str, str]]()
    for row in store.operations.rows(VIEWS["sla"]):
        counted = row["met"] + row["missed"]
        assert (row["promised"], row["attainment"]) == (counted, row["met"] / counted if counted else None)
        sla.update({(row["export"], row["month"], said): row[said] for said in ("met", "missed", "excused")})
    assert +sla == told.counts()
    assert _of_months(store, told) == +Counter(
        {key: number for key, number in told.counts().items() if key[1] >= _first_month(told.now, 9)}
    )
    for (kind, name), days in last_days(store, told.now, 30).items():
        assert kind == EXPORT
        assert [day.day for day in days][-1] == told.now.date()
        said = Counter(
            told.verdict(one) for one in told.promised
            if one.export == name and days[0].day <= _begins(one) <= told.now.date()
        )  # fmt: skip
        sums = {
            word: sum(getattr(day, word) for day in days) for word in ("met", "missed", "excused", "pending")
        }
        assert +Counter(sums) == said


def _of_months(store: StateStore, told: History) -> Counter[tuple[str, str, str]]:
    return +Counter(
        {
            (name, f"{month.month:%Y-%m}", said): getattr(month, said)
            for name, months in by_month(store, told.now, 9).items()
            for month in months
            for said in ("met", "missed", "excused")
        }
    )


def _first_month(now: datetime, months: int) -> str:
    number = now.year * 12 + now.month - months
    return f"{number // 12}-{number % 12 + 1:02}"


def _begins(promise: Promised) -> date:
    grain = grain_of(promise.key)
    assert grain is not None
    return Partitioning(grain).interval(promise.key)[0].date()


def _sent(export: str, key: str, at: datetime, status: str = "acknowledged") -> Sent:
    return Sent(export, key, export == LATEST, status, at, 1)


CASES = {
    "in time": ([_sent(EACH, "2024-01-01", DUE)], EACH, "met"),
    "a moment late": ([_sent(EACH, "2024-01-01", DUE + LATER)], EACH, "missed"),
    "never": ([], EACH, "missed"),
    "before its end": ([_sent(EACH, "2024-01-01", END - LATER)], EACH, "met"),
    "corrected afterwards": (
        [_sent(EACH, "2024-01-01", DUE), _sent(EACH, "2024-01-01", DUE + timedelta(days=9))], EACH, "met",
    ),
    "held, then too late": (
        [_sent(EACH, "2024-01-01", END, "superseded"), _sent(EACH, "2024-01-01", DUE + LATER)],
        EACH, "missed",
    ),
    "rejected": ([_sent(EACH, "2024-01-01", END, "rejected")], EACH, "missed"),
    "overtaken in time": (
        [_sent(LATEST, "2024-01-01", END, "overtaken"), _sent(LATEST, "2024-01-02", DUE)], LATEST, "met",
    ),
    "overtaken too late": ([_sent(LATEST, "2024-01-02", DUE + LATER)], LATEST, "missed"),
    "an older one is there": ([_sent(LATEST, "2023-12-31", END)], LATEST, "missed"),
    "a newer one beside it": ([_sent(EACH, "2024-01-02", END)], EACH, "missed"),
}  # fmt: skip


def test_each_rule_of_a_promise(store: StateStore, state_url: str) -> None:
    """One partition of January 1 for each, due at six on the next morning."""
    promised, sent, expected = list[Promised](), list[Sent](), dict[str, str]()
    for number, (sendings, export, verdict) in enumerate(CASES.values()):
        name = f"{export}_{number}"
        promised.append(Promised(name, "2024-01-01", END, DUE, ""))
        sent += [Sent(name, one.key, one.newest_alone, one.status, one.at, 1) for one in sendings]
        expected[name] = verdict
    promised.append(Promised("exp_muted", "2024-01-01", END, DUE, "month end"))
    expected["exp_muted"] = "excused"
    write(store, state_url, History(this_moment(), promised, sent))
    assert {row["name"]: row["verdict"] for row in store.operations.rows(VIEWS["promises"])} == expected
    shown = {name: days[-2] for (_, name), days in last_days(store, END, 3).items()}
    assert {name: day.pending for name, day in shown.items()} == dict.fromkeys(
        expected, 1
    )  # it was not due yet
    shown = {name: days[0] for (_, name), days in last_days(store, DUE, 2).items()}
    assert {name: (day.met, day.missed, day.excused) for name, day in shown.items()} == {
        name: (said == "met", said == "missed", said == "excused") for name, said in expected.items()
    }


def test_what_is_decided_stays(store: StateStore) -> None:
    place = ("delivery", "exp_each", "2024-01-01")
    store.incidents.note_due({place: (DUE, END)})
    store.incidents.note_due({place: (DUE + timedelta(hours=9), END)})  # the file says another deadline now
    assert store.operations.undecided(DUE - LATER) == []
    assert store.operations.undecided(DUE) == [(*place, DUE)]
    store.operations.decide({place: "month end"})
    store.operations.decide({place: ""})
    assert store.operations.undecided(DUE + timedelta(days=9)) == []
    [row] = store.operations.rows(VIEWS["promises"])
    assert (row["due_at"], row["verdict"], row["excused_by"]) == (DUE, "excused", "month end")
    store.operations.forget(END)
    assert len(list(store.operations.rows(VIEWS["promises"]))) == 1
    store.operations.forget(END + LATER)
    assert list(store.operations.rows(VIEWS["promises"])) == []


def test_what_the_project_has_no_more_is_neither_late_nor_held(store: StateStore, state_url: str) -> None:
    """An export that was renamed, say: nobody can send it, or answers for it."""
    ended = this_moment() - timedelta(days=1)
    names = {"delivery": ("exp_old", "exp_new"), "source": ("old", "new")}
    for kind, both in names.items():
        store.incidents.note_due({(kind, name, "k"): (ended, ended) for name in both})
    held = [Sent(name, "k", False, "held", ended, 1) for name in names["delivery"]]
    write(store, state_url, History(this_moment(), [], held))

    def shown() -> tuple[set[str], set[str]]:
        late, waiting = (store.operations.rows(VIEWS[name]) for name in ("late_now", "held_now"))
        return {row["name"] for row in late}, {row["export"] for row in waiting}

    assert shown() == ({"exp_old", "exp_new", "old", "new"}, {"exp_old", "exp_new"})  # no look was there yet
    rows = {table.name: list[Row]() for table in DEFINITIONS}
    for name, of in {
        "reported_contracts": "new",
        "reported_exports": "exp_new",
        "reported_tables": "",
    }.items():
        table = next(table for table in DEFINITIONS if table.name == name)
        key, *others = table.columns
        said = {one.name: None if one.nullable else "" for one in others}
        rows[name].append({key.name: of, **said})
    store.operations.define("definitions", rows, "1", ended)
    assert shown() == ({"exp_new", "new"}, {"exp_new"})


def test_two_looks_at_once_leave_one_of_each(store: StateStore, another_process: StateStore) -> None:
    """Neither is told that it failed."""
    barrier = Barrier(2)
    rows = {table.name: list[Row]() for table in DEFINITIONS}
    rows["reported_checks"] = [{"relation": "raw.a", "check_name": "contract", "rules": "r"}]
    ran = {"run_id": "one", **dict.fromkeys(TEXTS, ""), **dict.fromkeys(MOMENTS, END)}

    def looks(one: StateStore) -> None:
        barrier.wait(30)
        for number in range(5):
            one.operations.define("definitions", rows, str(number), END)
            one.operations.add_runs([ran], [])
            one.operations.set_until("runs", END)

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(looks, one) for one in (store, another_process)]:
            done.result()
    assert len(list(store.operations.rows(VIEWS["checks"]))) == 1
    assert len(list(store.operations.rows(VIEWS["runs"]))) == 1
    assert store.operations.until("runs") == (END, "")


def test_reports_read_them_where_they_look(store: StateStore, state_url: str) -> None:
    """On Postgres in a schema of their own, described; on SQLite beside the records."""
    engine = engine_of(state_url)
    with engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            described = connection.exec_driver_sql(
                "select table_name, column_name, col_description(('ops.' || table_name)::regclass,"
                " ordinal_position) from information_schema.columns where table_schema = 'ops'"
            ).all()
            assert all(text for _, _, text in described)
        else:
            described = [
                (view, column, "")
                for (view,) in connection.exec_driver_sql(
                    "select name from sqlite_master where type = 'view'"
                )
                for column in list(connection.execute(sa.text(f"select * from {view}")).keys())
            ]
    engine.dispose()
    assert [name for name, view in VIEWS.items() if list(store.operations.rows(view))] == []
    found = {(name.removeprefix("ops_"), column) for name, column, _ in described}
    assert found == {(view.name, column.name) for view in VIEWS.values() for column in view.columns}


@pytest.mark.long
def test_a_schema_of_somebody_else_is_left_alone(database_url: str) -> None:
    """Until it is free, or an administrator has made one for the records' role."""
    engine = engine_of(database_url)

    def opened() -> list[str]:
        StateStore(database_url).close()
        with engine.begin() as connection:
            return [
                name for (name,) in connection.exec_driver_sql(
                    "select table_name from information_schema.tables where table_schema = 'ops'"
                )
            ]  # fmt: skip

    def typed(statement: str) -> None:
        with engine.begin() as connection:
            connection.exec_driver_sql(statement)

    typed("create schema ops; create table ops.own (a integer)")
    assert opened() == ["own"]
    with engine.connect() as connection:
        assert connection.exec_driver_sql("select * from ops_sla").all() == []
    typed("drop schema ops cascade; create schema ops authorization current_user")
    assert set(opened()) == set(VIEWS)
    # One view that other code has made otherwise is made anew, whoever reads it.
    typed("create view report as select export from ops.sla; comment on view ops_sla is 'of older code'")
    assert set(opened()) == set(VIEWS)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("select * from report").all() == []
    engine.dispose()
