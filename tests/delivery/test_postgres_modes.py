"""Postgres: what each mode makes of a table, and what is asked of it afterwards."""

import datetime as dt
import threading
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from importlib import import_module
from typing import Any

import psycopg
import pytest
from sluicegate.destinations.base import Change, DeliveryError, Mode, Receipt, Scope, Shard
from sluicegate.destinations.postgres import PostgresDestination

from .journals import Crash, MemoryJournal
from .support import DAY, NEXT_DAY, MakeShard, Row, execute, query, read_table, rows_of

pa: Any = import_module("pyarrow")

SCOPE = Scope(
    export="exp_items",
    partition_key=DAY,
    key=("business_date", "item"),
    fields=("item", "business_date", "note"),
    partition_column="business_date",
)
LATEST = replace(SCOPE, key=("item",), partition_column=None)


def deliver(url: str, shard: Shard) -> Receipt:
    return PostgresDestination(url, "items").send(shard, MemoryJournal(shard.rows))


def held(url: str) -> list[Row]:
    return read_table(url, "items")


def changed(number: int, note: str) -> Row:
    return number, DAY, note


@pytest.fixture
def two_days(database_url: str, make_shard: MakeShard) -> str:
    """A table with three rows of the day and two of the next."""
    deliver(database_url, make_shard(rows_of(DAY, 3, "old")))
    deliver(database_url, make_shard(rows_of(NEXT_DAY, 2, "next"), partition=NEXT_DAY))
    return database_url


NEXT = rows_of(NEXT_DAY, 2, "next")


def test_upsert_adds_and_changes_and_leaves_the_rest(two_days: str, make_shard: MakeShard) -> None:
    rows = [changed(1, "new"), changed(7, "new")]
    receipt = deliver(two_days, make_shard(rows, changes=["changed", "added"]))
    assert held(two_days) == [
        changed(0, "old"),
        changed(1, "new"),
        changed(2, "old"),
        changed(7, "new"),
        *NEXT,
    ]
    assert receipt.details["rows_written"] == 2
    assert (receipt.details["rows_changed"], receipt.details["rows_deleted"]) == (2, 0)


def test_a_full_upsert_removes_nothing(two_days: str, make_shard: MakeShard) -> None:
    deliver(two_days, make_shard([changed(1, "new")], full=True))
    assert held(two_days) == [changed(0, "old"), changed(1, "new"), changed(2, "old"), *NEXT]


def test_an_upsert_takes_over_a_row_that_somebody_else_has_added(
    two_days: str, make_shard: MakeShard
) -> None:
    execute(two_days, f"insert into items values (9, '{DAY}', 'a stranger')")
    deliver(two_days, make_shard([changed(9, "ours")]))
    assert changed(9, "ours") in held(two_days)
    assert len(held(two_days)) == 6


def test_mirror_removes_as_well(two_days: str, make_shard: MakeShard) -> None:
    rows = [changed(0, "old"), changed(1, "new"), changed(7, "new")]
    shard = make_shard(rows, changes=["removed", "changed", "added"], mode=Mode.MIRROR)
    receipt = deliver(two_days, shard)
    assert held(two_days) == [changed(1, "new"), changed(2, "old"), changed(7, "new"), *NEXT]
    assert (receipt.rows, receipt.details["rows_written"]) == (3, 2)


def test_mirror_removes_no_row_of_another_day(database_url: str, make_shard: MakeShard) -> None:
    """A key that has moved from one day to another: the later day's row stays."""
    named = {"key": ("item",), "mode": Mode.MIRROR}
    deliver(database_url, make_shard([(1, NEXT_DAY, "moved")], partition=NEXT_DAY, **named))
    deliver(database_url, make_shard([changed(1, "here before")], changes="removed", **named))
    assert held(database_url) == [(1, NEXT_DAY, "moved")]


@pytest.mark.parametrize(("mode", "full"), [(Mode.MIRROR, True), (Mode.SNAPSHOT, True)])
def test_a_full_mirror_and_a_snapshot_replace_the_day(
    two_days: str, make_shard: MakeShard, mode: Mode, full: bool
) -> None:
    execute(two_days, f"insert into items values (9, '{DAY}', 'a stranger')")
    deliver(two_days, make_shard([changed(1, "whole")], mode=mode, full=full))
    assert held(two_days) == [changed(1, "whole"), *NEXT]
    deliver(two_days, make_shard([], mode=mode, full=full))
    assert held(two_days) == NEXT


@pytest.mark.parametrize("mode", [Mode.MIRROR, Mode.SNAPSHOT])
def test_the_latest_day_is_the_whole_table(database_url: str, make_shard: MakeShard, mode: Mode) -> None:
    whole = {"mode": mode, "full": True, "partition_column": None, "key": ("item",)}
    deliver(database_url, make_shard(rows_of(DAY, 3, "old"), **whole))
    deliver(database_url, make_shard(rows_of(NEXT_DAY, 2, "new"), partition=NEXT_DAY, **whole))
    assert held(database_url) == rows_of(NEXT_DAY, 2, "new")
    keys = query(
        database_url, "select indexdef from pg_indexes where tablename = 'items' and indexdef like '%UNIQUE%'"
    )
    assert "(item)" in keys[0][0]
    read = PostgresDestination(database_url, "items").read_back(replace(LATEST, partition_key=NEXT_DAY))
    assert sum(batch.num_rows for batch in read) == 2


def test_append_adds_and_refuses_a_key_that_is_there(two_days: str, make_shard: MakeShard) -> None:
    deliver(two_days, make_shard([changed(7, "new")], mode=Mode.APPEND))
    before = held(two_days)
    assert changed(7, "new") in before
    with pytest.raises(DeliveryError) as caught:
        deliver(two_days, make_shard([changed(7, "again"), changed(8, "new")], mode=Mode.APPEND))
    assert "holds 1 of 2 keys to append already, e.g. business_date = 2022-10-03, item = 7" in str(
        caught.value
    )
    assert "mode upsert" in caught.value.fix
    assert held(two_days) == before


@pytest.mark.parametrize(
    ("mode", "full", "change", "only"),
    [
        (Mode.APPEND, False, Change.CHANGED, "only added rows"),
        (Mode.UPSERT, False, Change.REMOVED, "only added and changed rows"),
        (Mode.MIRROR, True, Change.REMOVED, "only added rows"),
        (Mode.SNAPSHOT, True, Change.CHANGED, "only added rows"),
    ],
)
def test_a_row_that_does_what_the_mode_does_not_is_refused(
    two_days: str, make_shard: MakeShard, mode: Mode, full: bool, change: Change, only: str
) -> None:
    rows = [changed(1, "x"), changed(2, "x")]
    shard = make_shard(rows, changes=["added", change], mode=mode, full=full)
    with pytest.raises(DeliveryError, match=f"1 of 2 rows .* are '{change}'") as caught:
        deliver(two_days, shard)
    assert only in caught.value.expected
    assert held(two_days) == [*rows_of(DAY, 3, "old"), *NEXT]


def test_a_delivery_is_noted_whole_and_acknowledged_whole(database_url: str, make_shard: MakeShard) -> None:
    shard, journal = make_shard(rows_of(DAY, 3, "x")), MemoryJournal(3)
    PostgresDestination(database_url, "items").send(shard, journal)
    assert (journal.noted, journal.notes) == ([[(0, 3)]], {})
    assert journal.acknowledgements == [(0, 3)]
    assert journal.pending() == []


def test_a_delivery_that_was_committed_and_not_acknowledged_is_not_sent_again(
    database_url: str, make_shard: MakeShard
) -> None:
    destination = PostgresDestination(database_url, "items")
    shard, dying = make_shard(rows_of(DAY, 3, "x"), mode=Mode.APPEND), MemoryJournal(3, fail_after=0)
    with pytest.raises(Crash):
        destination.send(shard, dying)
    assert destination.arrived(shard)
    journal = dying.taken_up()
    receipt = destination.send(shard, journal)
    assert receipt.already_delivered
    assert journal.pending() == []
    assert held(database_url) == rows_of(DAY, 3, "x")


def test_nothing_is_sent_where_nothing_is_pending(make_shard: MakeShard) -> None:
    """Nobody listens there: the journal alone is asked."""
    shard = make_shard(rows_of(DAY, 2, "x"))
    away = PostgresDestination("postgresql://127.0.0.1:9/none", "items")
    assert away.send(shard, MemoryJournal(2, acknowledged=[(0, 2)])).already_delivered


def test_an_error_leaves_nothing_acknowledged(two_days: str, make_shard: MakeShard) -> None:
    journal = MemoryJournal(1)
    execute(two_days, "alter table items add constraint c check (note <> 'bad')")
    with pytest.raises(DeliveryError, match="SQLSTATE 23514") as caught:
        PostgresDestination(two_days, "items").send(make_shard([changed(1, "bad")]), journal)
    assert "Failing row" not in str(caught.value)
    assert journal.pending() == [(0, 1)]
    assert held(two_days) == [*rows_of(DAY, 3, "old"), *NEXT]


def test_what_has_not_arrived_has_not(database_url: str, make_shard: MakeShard) -> None:
    destination = PostgresDestination(database_url, "items")
    assert not destination.arrived(make_shard(rows_of(DAY, 1, "x")))
    deliver(database_url, make_shard(rows_of(DAY, 1, "x"), delivery_id="d1"))
    assert not destination.arrived(make_shard(rows_of(DAY, 1, "x"), delivery_id="d2"))
    with pytest.raises(DeliveryError, match="d1 has been used for"):
        destination.arrived(make_shard(rows_of(DAY, 1, "x"), delivery_id="d1"))


def test_arrived_waits_for_a_delivery_that_is_being_committed(two_days: str, make_shard: MakeShard) -> None:
    """A sender has died, its transaction has not: only once that is over can it be told."""
    shard, answers = make_shard(rows_of(DAY, 1, "x")), list[bool]()
    asked = threading.Thread(
        target=lambda: answers.append(PostgresDestination(two_days, "items").arrived(shard))
    )
    with psycopg.connect(two_days) as dead:
        dead.execute(
            """select pg_advisory_xact_lock(hashtextextended('sluice object "public"."items"', 0))"""
        )
        asked.start()
        waiting = (
            "select count(*) from pg_locks where locktype = 'advisory' and not granted"
            " and database = (select oid from pg_database where datname = current_database())"
        )
        poll = threading.Event()
        for _ in range(1_000):
            if query(two_days, waiting) == [(1,)]:
                break
            poll.wait(0.01)
        assert answers == []
        dead.execute(
            "insert into _sluice_deliveries values (%s, %s, %s, %s, 1, %s)",
            ('"public"."items"', shard.delivery_id, shard.export, shard.partition_key, shard.digest),
        )
    asked.join()
    assert answers == [True]


def test_check_is_content_with_what_can_be_sent_and_changes_nothing(
    database_url: str, make_shard: MakeShard
) -> None:
    shard = make_shard(rows_of(DAY, 2, "x"))
    PostgresDestination(database_url, "app.items").check(shard)
    assert query(database_url, "select 1 from pg_namespace where nspname = 'app'") == []
    PostgresDestination(database_url, "items").check(shard)
    assert query(database_url, "select to_regclass('items')::text") == [(None,)]
    deliver(database_url, shard)
    PostgresDestination(database_url, "items").check(shard)
    assert held(database_url) == rows_of(DAY, 2, "x")


def read(url: str, scope: Scope) -> list[dict[str, Any]]:
    batches = PostgresDestination(url, "items").read_back(scope)
    rows: list[dict[str, Any]] = [row for batch in batches for row in batch.to_pylist()]
    return sorted(rows, key=lambda row: str(row["item"]))


def test_values_are_read_back_as_they_were_sent(database_url: str, make_shard: MakeShard) -> None:
    day, moment = dt.date(2022, 10, 3), dt.datetime(2022, 10, 3, 23, 59, 59, 999_999)
    columns: dict[str, Any] = {
        "business_date": pa.array([day, day]),
        "item": pa.array([1, 2], pa.int32()),
        "unsigned": pa.array([2**64 - 1, None], pa.uint64()),
        "amount": pa.array([Decimal("-0.0100"), None], pa.decimal128(18, 4)),
        "ratio": pa.array([0.1, None]),
        "flag": pa.array([True, None]),
        "text": pa.array(["ünï ☃ 𝄞\n", None]),
        "at": pa.array([moment, None], pa.timestamp("us")),
        "at_utc": pa.array([moment, None], pa.timestamp("us", "UTC")),
        "clock": pa.array([dt.time(1, 2, 3), None], pa.time64("us")),
        "raw": pa.array([b"\x00\xff", None]),
    }
    table = pa.table(columns)
    deliver(database_url, make_shard(table))
    found = read(database_url, replace(SCOPE, fields=tuple(columns)))
    assert found == table.to_pylist()
    assert list(found[0]) == list(columns)


def test_unlimited_decimals_are_read_back_as_their_text(database_url: str, make_shard: MakeShard) -> None:
    execute(database_url, "create table items (business_date date, item int, amount numeric)")
    amounts = pa.array([Decimal("1.20")], pa.decimal128(10, 2))
    table = pa.table(
        {"business_date": [dt.date(2022, 10, 3)], "item": pa.array([1], pa.int32()), "amount": amounts}
    )
    deliver(database_url, make_shard(table))
    assert read(database_url, replace(SCOPE, fields=("item", "amount"))) == [{"item": 1, "amount": "1.20"}]


def test_what_is_no_number_is_named(database_url: str, make_shard: MakeShard) -> None:
    """Somebody else has written it: a shard's decimals are all numbers."""
    amounts = pa.array([Decimal("1.20")], pa.decimal128(10, 2))
    table = pa.table(
        {"business_date": [dt.date(2022, 10, 3)], "item": pa.array([1], pa.int32()), "amount": amounts}
    )
    deliver(database_url, make_shard(table))
    execute(database_url, "update items set amount = 'NaN'")
    with pytest.raises(DeliveryError, match="column 'amount' .* holds what is no number"):
        read(database_url, replace(SCOPE, fields=("item", "amount")))


def test_only_the_scope_is_read_back(two_days: str) -> None:
    assert [row["item"] for row in read(two_days, SCOPE)] == [0, 1, 2]
    week = replace(SCOPE, partition_key="2022-W40-1", bounds=("2022-10-03", "2022-10-05"))
    assert len(read(two_days, week)) == 5


def test_reading_back_what_is_not_there(database_url: str, make_shard: MakeShard) -> None:
    assert read(database_url, SCOPE) == []
    deliver(database_url, make_shard(rows_of(DAY, 1, "x")))
    with pytest.raises(DeliveryError, match="has no column 'colour'"):
        read(database_url, replace(SCOPE, fields=("item", "colour")))


def test_reading_back_may_stop_half_way(database_url: str, make_shard: MakeShard) -> None:
    deliver(database_url, make_shard(rows_of(DAY, 1_000, "x")))
    batches = PostgresDestination(database_url, "items").read_back(SCOPE)
    assert next(batches).num_rows > 0
    close: Any = batches
    close.close()
    left = "select count(*) from pg_locks where relation = 'items'::regclass and mode = 'AccessShareLock'"
    assert query(database_url, left) == [(0,)]


KEYS: Sequence[dict[str, Any]] = (
    {"business_date": dt.date(2022, 10, 3), "item": 1},
    {"business_date": dt.date(2022, 10, 3), "item": 2},
    {"business_date": dt.date(2022, 10, 3), "item": 77},
)


def test_keys_are_forgotten_in_their_scope_alone(two_days: str) -> None:
    destination = PostgresDestination(two_days, "items")
    assert destination.forget(SCOPE, KEYS) == 2
    assert held(two_days) == [changed(0, "old"), *NEXT]
    assert destination.forget(SCOPE, KEYS) == 0
    assert destination.forget(SCOPE, []) == 0
    # By item alone there are two more, of the next day; the scope is this day.
    assert destination.forget(replace(SCOPE, key=("item",)), [{"item": 0}, {"item": 1}]) == 1
    assert held(two_days) == NEXT


def test_a_key_that_is_none_is_explained_and_nothing_forgotten(two_days: str) -> None:
    destination = PostgresDestination(two_days, "items")
    keys = [*KEYS, {"business_date": dt.date(2022, 10, 3), "item": "a7"}]
    with pytest.raises(DeliveryError, match="SQLSTATE 22P02"):
        destination.forget(SCOPE, keys)
    assert len(held(two_days)) == 5


def test_forgetting_where_nothing_was_delivered(database_url: str) -> None:
    assert PostgresDestination(database_url, "items").forget(SCOPE, KEYS) == 0


@pytest.mark.parametrize(
    ("before", "state", "fix"),
    [
        (
            "create function no() returns trigger language plpgsql as"
            " 'begin raise exception $q$not today$q$; end';"
            " create trigger no before insert on items for each row execute function no()",
            "not today (SQLSTATE P0001)",
            "a trigger of the table says so",
        ),
        (
            "do $$ begin execute format('alter database %I set default_transaction_read_only to on',"
            " current_database()); end $$",
            "SQLSTATE 25006",
            "name the primary",
        ),
    ],
)
def test_a_server_that_takes_no_row_is_explained(
    two_days: str, make_shard: MakeShard, before: str, state: str, fix: str
) -> None:
    execute(two_days, before)
    with pytest.raises(DeliveryError) as caught:
        deliver(two_days, make_shard([(9, DAY, "new")]))
    assert state in caught.value.what
    assert fix in caught.value.fix
