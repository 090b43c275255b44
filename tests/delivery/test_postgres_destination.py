"""Postgres: types, names, privileges, secrets, concurrency. Modes and kills have modules of their own."""

import datetime as dt
import threading
from decimal import Decimal
from importlib import import_module
from typing import Any

import pytest
from sluicegate.destinations.base import (
    EXACT,
    Alike,
    Change,
    DeliveryError,
    Mode,
    Receipt,
    Scope,
    Shard,
)
from sluicegate.destinations.postgres import PostgresDestination

from .journals import MemoryJournal
from .support import DAY, NEXT_DAY, MakeShard, execute, query, rows_of
from .test_postgres_folding import make_citext

pa: Any = import_module("pyarrow")


DAY_OF_ITEMS = Scope(
    export="exp_items",
    partition_key=DAY,
    key=("business_date", "item"),
    fields=("item", "business_date", "note"),
    partition_column="business_date",
)


def deliver(url: str, name: str, shard: Shard) -> Receipt:
    return PostgresDestination(url, name).send(shard, MemoryJournal(shard.rows))


def day(table: dict[str, Any], rows: int) -> Any:
    return pa.table({"business_date": pa.array([dt.date(2022, 10, 3)] * rows), **table})


def test_values_of_every_type_come_back_as_they_were(database_url: str, make_shard: MakeShard) -> None:
    moment = dt.datetime(2022, 10, 3, 23, 59, 59, 999_999)
    amounts = [Decimal("-0.01"), Decimal("99999999.9999"), Decimal(10_000), Decimal(0), None]
    texts = ['it\'s "quoted"', "line\r\nbreak\ttab \\N \\", "ünï ☃ 𝄞", "", None]
    columns: dict[str, Any] = {
        "id": pa.array([1, 2, 3, 4, 5], pa.int64()),
        "small": pa.array([-(2**15), 2**15 - 1, 0, 1, None], pa.int16()),
        "unsigned": pa.array([2**32 - 1, 0, 1, 2, None], pa.uint32()),
        "amount": pa.array(amounts, pa.decimal128(18, 4)),
        "ratio": pa.array([0.1, -1e300, float("inf"), 0.0, None]),
        "flag": pa.array([True, False, True, False, None]),
        "text": pa.array(texts, pa.large_string()),
        "word": pa.array(["a", "b", "a", "", None]).dictionary_encode(),
        "at": pa.array([moment, dt.datetime(1970, 1, 1), moment, moment, None], pa.timestamp("us")),
        "at_utc": pa.array([moment] * 4 + [None], pa.timestamp("us", "Europe/Paris")),
        "clock": pa.array([dt.time(1, 2, 3)] * 4 + [None], pa.time64("us")),
        "raw": pa.array([b"\x00\xff", b"", b"x", b"y", None]),
    }
    table = day(columns, 5)
    deliver(database_url, "app.items", make_shard(table, key=("id",)))
    found = query(database_url, "select * from app.items order by id")
    assert found == [tuple(row.values()) for row in table.to_pylist()]
    types = query(
        database_url,
        "select column_name, data_type from information_schema.columns"
        " where table_schema = 'app' and table_name = 'items'",
    )
    assert dict(types)["amount"] == "numeric"
    assert dict(types)["at_utc"] == "timestamp with time zone"


def test_the_types_of_a_server_are_read_once_and_later_ones_are_met(
    database_url: str, make_shard: MakeShard, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = import_module("adbc_driver_postgresql")
    read: list[str] = []
    reads = driver.connect
    monkeypatch.setattr(driver, "connect", lambda url, **more: read.append(url) or reads(url, **more))
    deliver(database_url, "app.first", make_shard(rows_of(DAY, 2, "x"), key=("item", "business_date")))
    assert len(read) == 1
    execute(
        database_url,
        "create domain app.word as text; create table app.items"
        " (item integer, business_date date, note app.word, primary key (item, business_date))",
    )
    deliver(database_url, "app.items", make_shard(rows_of(DAY, 2, "x"), key=("item", "business_date")))
    assert query(database_url, "select count(*) from app.items") == [(2,)]
    assert len(read) == 1


def test_the_table_gets_the_key_and_is_indexed_by_partition(database_url: str, make_shard: MakeShard) -> None:
    shard = make_shard(rows_of(DAY, 1, "x"), key=("item", "business_date"))
    deliver(database_url, "items", shard)
    indexes = query(database_url, "select indexdef from pg_indexes where tablename = 'items'")
    text = " ".join(row[0] for row in indexes)
    assert "UNIQUE" in text
    assert "(item, business_date)" in text
    assert "(business_date)" in text


def test_names_with_capitals_spaces_and_quotes(database_url: str, make_shard: MakeShard) -> None:
    table = day({'Store "No" é': pa.array([1, 2]), "select": pa.array(["a", "b"])}, 2)
    shard = make_shard(table, key=('Store "No" é',))
    name = '"The ""App"""."Top Items"'
    assert not deliver(database_url, name, shard).already_delivered
    assert deliver(database_url, name, shard).already_delivered
    found = query(database_url, 'select "Store ""No"" é", "select" from "The ""App"""."Top Items"')
    assert found == [(1, "a"), (2, "b")]


@pytest.mark.parametrize("name", ["", "a.b.c", "a b", 'a"b', '"a', "a;drop table x", "é", "x" * 64])
def test_what_is_no_table_name_is_refused(name: str) -> None:
    with pytest.raises(DeliveryError, match="destination object"):
        PostgresDestination("postgresql://h/db", name)


def test_one_table_has_one_spelling() -> None:
    def spelling(url: str, name: str) -> str:
        return PostgresDestination(url, name).canonical_object()

    wanted = 'postgresql://localhost:5432/app "public"."items"'
    for url in (
        "postgresql://u:pw@localhost/app",
        "postgres://other:x@LOCALHOST:5432/app?sslmode=require",
        "postgresql://127.0.0.1/app",
        "postgresql://[::1]:5432/app",
        "postgresql:///app?host=localhost",
        "postgresql://app:pw@localhost",
    ):
        for name in ("items", "ITEMS", "public.items", '"public".Items', '"items"', " items "):
            assert spelling(url, name) == wanted
    assert spelling("postgresql://h/app", '"Items"') != spelling("postgresql://h/app", "Items")
    assert spelling("postgresql:///app?host=/Run/pg", "x").startswith("postgresql:///Run/pg:5432/")


def test_a_table_that_cannot_take_the_shard_is_left_as_it_is(
    database_url: str, make_shard: MakeShard
) -> None:
    execute(
        database_url,
        "create table items (business_date date, note varchar(3), owner text not null, ref date,"
        " total int generated always as (1) stored, number int generated always as identity);"
        f"insert into items values ('{DAY}', 'old', 'me')",
    )
    one, text = pa.array([1, 2], pa.int32()), pa.array(["a", "b"])
    table = day({"item": one, "note": text, "ref": text, "total": one, "number": one}, 2)
    shard = make_shard(table)
    with pytest.raises(DeliveryError) as caught:
        deliver(database_url, "items", shard)
    said = str(caught.value)
    assert "item: expected integer, found none" in said
    assert "total: expected a plain column, found a generated one" in said
    assert "number: expected a plain column, found an identity that is always generated" in said
    assert "ref: expected text or a text, enum, uuid, json, jsonb, inet or interval, found date" in said
    assert "owner: expected a column of the export" in said
    assert 'alter table "public"."items" add column "item" integer' in said
    with pytest.raises(DeliveryError) as checked:
        PostgresDestination(database_url, "items").check(shard)
    assert str(checked.value) == said
    assert query(database_url, "select note from items") == [("old",)]
    assert query(database_url, "select to_regclass('_sluice_deliveries')::text") == [(None,)]


def test_wider_types_will_do_narrower_ones_for_what_they_hold(
    database_url: str, make_shard: MakeShard
) -> None:
    execute(
        database_url,
        "create table items (business_date date, id bigint, price numeric(12,4), name varchar);"
        "create table narrow (business_date date, id smallint, price numeric(9,1), name text)",
    )
    table = day(
        {
            "id": pa.array([7], pa.int32()),
            "price": pa.array([Decimal("1.25")], pa.decimal128(10, 2)),
            "name": pa.array(["x"]),
        },
        1,
    )
    shard = make_shard(table, key=("id",))
    deliver(database_url, "items", shard)
    assert query(database_url, "select id, price, name from items") == [(7, Decimal("1.25"), "x")]
    with pytest.raises(DeliveryError, match=r"'price' .* numeric\(9,1\), .* e.g. 1.25 at id = 7"):
        deliver(database_url, "narrow", shard)
    assert query(database_url, "select count(*) from narrow") == [(0,)]


def test_a_type_without_a_counterpart_is_refused(database_url: str, make_shard: MakeShard) -> None:
    table = day({"id": pa.array([1]), "tags": pa.array([{"a": 1}])}, 1)
    with pytest.raises(DeliveryError, match="column 'tags' of exp_items is of type struct"):
        deliver(database_url, "items", make_shard(table, key=("id",)))


def test_nanoseconds_are_not_cut_off_in_silence(database_url: str, make_shard: MakeShard) -> None:
    table = day({"id": pa.array([1]), "at": pa.array([1_001], pa.timestamp("ns"))}, 1)
    with pytest.raises(DeliveryError, match="would lose data"):
        deliver(database_url, "items", make_shard(table, key=("id",)))
    assert query(database_url, "select to_regclass('items')::text") == [(None,)]


def test_a_key_that_another_day_holds_is_explained(database_url: str, make_shard: MakeShard) -> None:
    mirrored = {"key": ("item",), "mode": Mode.MIRROR}
    deliver(database_url, "items", make_shard(rows_of(DAY, 2, "x"), **mirrored))
    shard = make_shard(rows_of(NEXT_DAY, 2, "y"), partition=NEXT_DAY, **mirrored)
    with pytest.raises(DeliveryError) as caught:
        deliver(database_url, "items", shard)
    assert "SQLSTATE 23505" in str(caught.value)
    assert "add the partition's column to `key`" in caught.value.fix
    assert query(database_url, "select count(*), min(note) from items") == [(2, "x")]


def test_a_trigger_that_drops_rows_is_noticed(database_url: str, make_shard: MakeShard) -> None:
    deliver(database_url, "items", make_shard(rows_of(DAY, 2, "old")))
    execute(
        database_url,
        "create function skip() returns trigger language plpgsql as 'begin return null; end';"
        "create trigger t before insert on items for each row execute function skip()",
    )
    with pytest.raises(DeliveryError, match="took 2 of 3 rows"):
        deliver(database_url, "items", make_shard(rows_of(DAY, 3, "new")))
    assert query(database_url, "select count(*), min(note) from items") == [(2, "old")]


def test_a_trigger_that_keeps_rows_is_noticed(database_url: str, make_shard: MakeShard) -> None:
    execute(
        database_url,
        "create table items (item int, business_date date, note text);"
        "create function stay() returns trigger language plpgsql as 'begin return null; end';"
        "create trigger t before delete on items for each row execute function stay()",
    )
    deliver(database_url, "items", make_shard(rows_of(DAY, 3, "old")))
    with pytest.raises(DeliveryError, match="kept 3 rows that were to be deleted"):
        deliver(
            database_url,
            "items",
            make_shard(rows_of(DAY, 3, "old"), changes=Change.REMOVED, mode=Mode.MIRROR),
        )
    assert query(database_url, "select count(*), max(note) from items") == [(3, "old")]


@pytest.mark.parametrize("does", ["return null", "new.note := lower(new.note); return new"])
def test_a_trigger_that_drops_or_alters_a_change_is_noticed(
    database_url: str, make_shard: MakeShard, does: str
) -> None:
    deliver(database_url, "items", make_shard(rows_of(DAY, 3, "old")))
    execute(
        database_url,
        f"create function alter_it() returns trigger language plpgsql as $$begin {does}; end$$;"
        "create trigger t before update on items for each row execute function alter_it()",
    )
    with pytest.raises(DeliveryError, match="took 0 of 3 rows"):
        deliver(database_url, "items", make_shard(rows_of(DAY, 3, "NEW"), changes=Change.CHANGED))
    assert query(database_url, "select count(*), max(note) from items") == [(3, "old")]


def test_a_view_is_no_table(database_url: str, make_shard: MakeShard) -> None:
    execute(database_url, "create view items as select 1 as item")
    with pytest.raises(DeliveryError, match="is no table"):
        deliver(database_url, "items", make_shard(rows_of(DAY, 1, "x")))


@pytest.fixture
def clerk_url(database_url: str) -> str:
    """A role that may connect, and nothing in the tables."""
    role = "clerk_" + database_url.partition("test_")[2].partition("?")[0]
    execute(database_url, f"create role {role} login password 's3cr%et'")
    return database_url.replace("postgres:@", f"{role}:s3cr%25et@")


def test_a_missing_privilege_is_named_with_its_grant(
    database_url: str, clerk_url: str, make_shard: MakeShard
) -> None:
    shard, role = make_shard(rows_of(DAY, 2, "x")), clerk_url.partition("//")[2].partition(":")[0]
    with pytest.raises(DeliveryError, match=f'grant create on schema "public" to "{role}"'):
        deliver(clerk_url, "items", shard)
    deliver(database_url, "items", make_shard(rows_of(DAY, 1, "old")))
    execute(database_url, f"grant select, insert on items, _sluice_deliveries to {role}")
    with pytest.raises(DeliveryError) as caught:
        deliver(clerk_url, "items", shard)
    assert caught.value.fix == f'grant update on table "public"."items" to "{role}"'
    # Of the export's fields alone is enough.
    execute(database_url, f"grant update (note) on items to {role}")
    assert deliver(clerk_url, "items", shard).rows == 2
    with pytest.raises(DeliveryError) as caught:
        deliver(clerk_url, "items", make_shard(rows_of(DAY, 2, "x"), mode=Mode.MIRROR, full=True))
    assert caught.value.fix == f'grant delete on table "public"."items" to "{role}"'
    execute(database_url, caught.value.fix)
    assert (
        deliver(clerk_url, "items", make_shard(rows_of(DAY, 1, "x"), mode=Mode.MIRROR, full=True)).rows == 1
    )
    execute(database_url, f"drop owned by {role}; drop role {role}")


def test_rows_that_a_policy_hides_stop_the_delivery(
    database_url: str, clerk_url: str, make_shard: MakeShard
) -> None:
    role = clerk_url.partition("//")[2].partition(":")[0]
    deliver(database_url, "items", make_shard(rows_of(DAY, 3, "old")))
    execute(
        database_url,
        f"grant all on items, _sluice_deliveries to {role};"
        "alter table items enable row level security;"
        "create policy p on items using (item = 0) with check (true)",
    )
    shard = make_shard(rows_of(DAY, 1, "new"))
    with pytest.raises(DeliveryError, match="row-level security") as caught:
        deliver(clerk_url, "items", shard)
    assert caught.value.fix.endswith(f'alter role "{role}" bypassrls')
    with pytest.raises(DeliveryError, match="row-level security"):
        PostgresDestination(clerk_url, "items").check(shard)
    # A reader that sees only some rows would take the others for deleted ones.
    with pytest.raises(DeliveryError, match="row-level security"):
        list(PostgresDestination(clerk_url, "items").read_back(DAY_OF_ITEMS))
    assert query(database_url, "select count(*), min(note) from items") == [(3, "old")]
    execute(database_url, f"drop owned by {role}; drop role {role}")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://bob:hunter2%21@localhost:1/app",
        "postgresql://bob:hunter2%21@/app?host=/nowhere",
        "postgresql://bob:hunter2%21@[bad/app",
        "postgresql://bob:hunter2!/x@localhost/app",
        "postgresql://bob:hunter2!@x@localhost/app",
        "postgresql://bob:hunter2!?x@localhost/app",
        "postgresql://bob:5432?hunter2!@localhost/app",
        "postgresql://bob:hunter2%zz@localhost:1/app",
        "postgresql://localhost:1/app?password=hunter2%21&user=bob",
        "postgresql://localhost:1/app?passwrd=hunter2!",
        "mysql://bob:hunter2!@localhost/app",
        "host=localhost password=hunter2!",
    ],
)
@pytest.mark.parametrize("ask", ["send", "check", "arrived", "read_back", "forget"])
def test_no_error_shows_a_secret(url: str, ask: str, make_shard: MakeShard) -> None:
    shard = make_shard(rows_of(DAY, 1, "x"))

    def do() -> None:
        destination = PostgresDestination(url, "items")
        if ask == "send":
            destination.send(shard, MemoryJournal(1))
        elif ask == "read_back":
            list(destination.read_back(DAY_OF_ITEMS))
        elif ask == "forget":
            destination.forget(DAY_OF_ITEMS, [{"business_date": DAY, "item": 1}])
        else:
            getattr(destination, ask)(shard)

    with pytest.raises(DeliveryError) as caught:
        do()
    error: BaseException | None = caught.value
    while error is not None:
        assert "hunter2" not in str(error)
        assert "hunter2" not in repr(error)
        error = error.__cause__ or error.__context__


def test_deliveries_to_one_table_wait_for_each_other(database_url: str, make_shard: MakeShard) -> None:
    """Same day, at once: each waits its turn, and what stands is one of them, whole."""
    whole = {"mode": Mode.MIRROR, "full": True}
    shards = [make_shard(rows_of(DAY, 2_000 + n, f"n{n}"), **whole) for n in range(4)]
    outcomes: list[Receipt | Exception] = []

    def send(number: int) -> None:
        try:
            outcomes.append(deliver(database_url, "items", shards[number]))
        except Exception as error:
            outcomes.append(error)

    threads = [threading.Thread(target=send, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(isinstance(outcome, Receipt) for outcome in outcomes), outcomes
    found = query(database_url, "select note, count(*) from items group by 1")
    assert len(found) == 1
    assert found[0][1] == 2_000 + int(found[0][0][1:])
    assert query(database_url, "select count(*) from _sluice_deliveries") == [(4,)]


def test_a_text_key_is_what_the_columns_type_and_collation_make_of_it(database_url: str) -> None:
    make_citext(database_url)
    execute(
        database_url,
        "create table items (plain text, short varchar(9), padded char(9), folded citext, number bigint)",
    )
    destination = PostgresDestination(database_url, "items")
    texts = dict.fromkeys(("plain", "short", "padded", "folded", "new"), "VARCHAR")
    assert destination.key_alike({**texts, "number": "BIGINT"}) == {
        "plain": EXACT,
        "short": EXACT,
        "padded": {Alike.PADDED},
        "folded": {Alike.CASE},
        "new": EXACT,
        "number": EXACT,
    }
    assert PostgresDestination(database_url, "none").key_alike({"a": "VARCHAR"}) == {"a": EXACT}
    # Nobody is asked about what cannot be folded.
    nowhere = PostgresDestination("postgresql://postgres@127.0.0.1:9/items", "items")
    assert nowhere.key_alike({"number": "BIGINT"}) == {"number": EXACT}
    with pytest.raises(DeliveryError):
        nowhere.key_alike({"a": "VARCHAR"})
