"""Postgres is somebody's production database: what a delivery leaves as it is, and what it says it cannot do.

Belongs here: other columns, rows that refer to ours, constraints of the table. Does not: types (`types`),
what a mode makes of our own rows (`modes`).
"""

import re
import threading
from dataclasses import replace
from importlib import import_module
from typing import Any

import psycopg
import pytest
from sluicegate.core.shown_text import Near
from sluicegate.delivery.discretion import discreet
from sluicegate.destinations.base import DeliveryError, Mode, Receipt, Scope, Shard
from sluicegate.destinations.postgres import PostgresDestination

from .journals import MemoryJournal
from .support import DAY, NEXT_DAY, MakeShard, Row, execute, query, rows_of

pa: Any = import_module("pyarrow")

# An application's table: our four columns, and its own.
_TABLE = """
create sequence serial;
create table items (
    item int not null, business_date date not null, note text,
    number bigint not null default nextval('serial'), owner text default 'nobody',
    touched int not null default 0,
    unique (item, business_date));
create table orders (id int, item int, business_date date,
    constraint of_item foreign key (item, business_date) references items (item, business_date));
create function touch() returns trigger language plpgsql as
    'begin new.touched := old.touched + 1; return new; end';
create trigger touch before update on items for each row execute function touch();
"""
_HELD = "select item, business_date::text, note, owner, touched from items order by 2, 1"
_FULL = [(Mode.MIRROR, True), (Mode.SNAPSHOT, True)]
_CHANGES = [(Mode.UPSERT, False), (Mode.UPSERT, True), (Mode.MIRROR, False), *_FULL]


def deliver(url: str, shard: Shard) -> Receipt:
    return PostgresDestination(url, "items").send(shard, MemoryJournal(shard.rows))


@pytest.fixture
def shop(database_url: str) -> str:
    """An application's table with three items of the day and one of the next; an order refers to item 1."""
    execute(database_url, _TABLE)
    execute(
        database_url,
        "insert into items (item, business_date, note, owner)"
        f" select n, '{DAY}', 'old', 'ann' from generate_series(0, 2) n;"
        f"insert into items (item, business_date, note, owner) values (0, '{NEXT_DAY}', 'next', 'bob');"
        f"insert into orders values (7, 1, '{DAY}')",
    )
    return database_url


@pytest.mark.parametrize(("mode", "full"), _CHANGES)
def test_a_changed_row_keeps_what_is_the_applications(
    shop: str, make_shard: MakeShard, mode: Mode, full: bool
) -> None:
    before = query(shop, "select item, number, xmin::text from items order by item, business_date")
    rows: list[Row] = [(0, DAY, "old"), (1, DAY, "new"), (2, DAY, "old"), (5, DAY, "added")]
    changes = "added" if full else ["changed", "changed", "changed", "added"]
    receipt = deliver(shop, make_shard(rows, mode=mode, full=full, changes=changes))
    assert query(shop, _HELD) == [
        (0, DAY, "old", "ann", 0),
        (1, DAY, "new", "ann", 1),
        (2, DAY, "old", "ann", 0),
        (5, DAY, "added", "nobody", 0),
        (0, NEXT_DAY, "next", "bob", 0),
    ]
    assert (receipt.details["rows_changed"], receipt.details["rows_deleted"]) == (2, 0)
    after = query(shop, "select item, number, xmin::text from items order by item, business_date")
    # Rows that are as they were were not written anew.
    assert [row for row in after if row in before] == [row for row in before if row[0] != 1]
    assert query(shop, "select item from orders") == [(1,)]


@pytest.mark.parametrize(("mode", "full"), _CHANGES)
def test_a_table_with_rules_takes_changes_too(
    shop: str, make_shard: MakeShard, mode: Mode, full: bool
) -> None:
    """`merge` does not take one."""
    execute(shop, "create rule noted as on update to items do also notify items")
    rows: list[Row] = [(0, DAY, "old"), (1, DAY, "new"), (2, DAY, "old"), (5, DAY, "added")]
    deliver(shop, make_shard(rows, mode=mode, full=full))
    held = query(shop, f"{_HELD} limit 4")
    assert [row[2:] for row in held] == [
        ("old", "ann", 0),
        ("new", "ann", 1),
        ("old", "ann", 0),
        ("added", "nobody", 0),
    ]


@pytest.mark.parametrize("on_delete", ["", "deferrable initially deferred"])
@pytest.mark.parametrize(("mode", "full"), [(Mode.MIRROR, False), *_FULL])
def test_a_row_that_goes_and_is_referred_to_is_named(
    shop: str, make_shard: MakeShard, mode: Mode, full: bool, on_delete: str
) -> None:
    execute(
        shop,
        "alter table orders drop constraint of_item, add constraint of_item foreign key (item, business_date)"
        f" references items (item, business_date) {on_delete}",
    )
    before = query(shop, _HELD)
    if full:
        shard = make_shard([(0, DAY, "x"), (2, DAY, "x")], mode=mode, full=True)
    else:
        shard = make_shard([(1, DAY, "old"), (2, DAY, "x")], mode=mode, changes=["removed", "changed"])
    with pytest.raises(DeliveryError) as caught:
        deliver(shop, shard)
    said = (
        'referred to by "public"."orders" (constraint "of_item"), e.g. business_date = 2022-10-03, item = 1'
    )
    assert said in caught.value.what
    assert "item = 1" not in caught.value.expected + caught.value.fix
    assert "or deliver in mode upsert" in caught.value.fix
    assert query(shop, _HELD) == before


def test_beside_classified_values_the_constraint_is_named_and_no_key(
    shop: str, make_shard: MakeShard
) -> None:
    destination = discreet(PostgresDestination(shop, "items"), Near(classified=True))
    shard = make_shard([(1, DAY, "old")], mode=Mode.MIRROR, changes="removed")
    with pytest.raises(DeliveryError) as caught:
        destination.send(shard, MemoryJournal(1))
    assert "item = 1" not in str(caught.value)
    assert DAY not in str(caught.value)
    assert '"public"."orders"' in caught.value.fix
    assert 'constraint "of_item"' in caught.value.fix


def test_an_erasure_says_what_still_refers_to_the_row(shop: str, make_shard: MakeShard) -> None:
    deliver(shop, make_shard(rows_of(DAY, 3, "old")))
    scope = Scope("exp_items", DAY, ("item",), ("item", "business_date", "note"), "business_date")
    with pytest.raises(DeliveryError, match='foreign key constraint "of_item" on table "orders"') as caught:
        PostgresDestination(shop, "items").forget(scope, [{"item": 1}])
    assert "delete what refers to the row" in caught.value.fix
    assert query(shop, "select count(*) from items") == [(4,)]


@pytest.mark.parametrize(("mode", "full"), _CHANGES)
def test_a_partitioned_table_takes_changes(
    database_url: str, make_shard: MakeShard, mode: Mode, full: bool
) -> None:
    execute(
        database_url,
        "create table items (item int, business_date date, note text, owner text,"
        " primary key (business_date, item)) partition by range (business_date);"
        f"create table early partition of items for values from (minvalue) to ('{NEXT_DAY}');"
        f"create table late partition of items for values from ('{NEXT_DAY}') to (maxvalue);"
        f"insert into items values (1, '{DAY}', 'old', 'ann'), (1, '{NEXT_DAY}', 'old', 'bob')",
    )
    deliver(database_url, make_shard([(1, DAY, "new"), (2, DAY, "added")], mode=mode, full=full))
    held = query(database_url, "select item, note, owner from items order by business_date, item")
    assert held == [(1, "new", "ann"), (2, "added", None), (1, "old", "bob")]
    execute(
        database_url,
        "create function stay() returns trigger language plpgsql as 'begin return null; end';"
        "create trigger t before update on early for each row execute function stay()",
    )
    with pytest.raises(DeliveryError, match="took 1 of 2 rows"):
        deliver(database_url, make_shard([(1, DAY, "newer"), (2, DAY, "added")], mode=mode, full=full))


@pytest.mark.parametrize(("mode", "full"), _CHANGES)
def test_a_table_without_a_unique_index_takes_changes(
    database_url: str, make_shard: MakeShard, mode: Mode, full: bool
) -> None:
    execute(database_url, "create table items (item int, business_date date, note text, owner text)")
    execute(database_url, f"insert into items values (1, '{DAY}', 'old', 'ann')")
    deliver(database_url, make_shard([(1, DAY, "new"), (2, DAY, "added")], mode=mode, full=full))
    held = query(database_url, "select item, note, owner from items order by 1")
    assert held == [(1, "new", "ann"), (2, "added", None)]


def test_a_key_that_stands_twice_in_the_table_is_refused_with_the_index_to_make(
    database_url: str, make_shard: MakeShard
) -> None:
    execute(database_url, "create table items (item int, business_date date, note text)")
    execute(database_url, f"insert into items select 1, '{DAY}', 'old' from generate_series(1, 2)")
    shard = make_shard([(1, DAY, "new")])
    with pytest.raises(
        DeliveryError, match="in several rows, e.g. business_date = 2022-10-03, item = 1"
    ) as caught:
        deliver(database_url, shard)
    statement = re.search(r"create unique index .*", caught.value.fix)
    assert statement is not None
    execute(database_url, "delete from items where ctid = (select min(ctid) from items)")
    execute(database_url, statement[0])
    deliver(database_url, shard)
    assert query(database_url, "select item, note from items") == [(1, "new")]
    with pytest.raises(Exception, match="duplicate key"):
        execute(database_url, f"insert into items values (1, '{DAY}', 'again')")


def emails(**columns: Any) -> Any:
    day = import_module("datetime").date.fromisoformat(DAY)
    rows = len(next(iter(columns.values())))
    return pa.table({"business_date": pa.array([day] * rows), **columns})


def test_another_unique_constraint_is_named_with_its_columns(
    database_url: str, make_shard: MakeShard
) -> None:
    execute(
        database_url,
        "create table items (item int, business_date date, email text constraint one_email unique,"
        " primary key (business_date, item));"
        f"insert into items values (9, '{NEXT_DAY}', 'a@x')",
    )
    for items, addresses in (([1, 2], ["b@x", "a@x"]), ([1, 2], ["c@x", "c@x"])):
        table = emails(item=pa.array(items, pa.int32()), email=pa.array(addresses))
        with pytest.raises(DeliveryError) as caught:
            deliver(database_url, make_shard(table))
        assert 'stand twice in email, which constraint "one_email"' in caught.value.what
        assert "SQLSTATE 23505" in caught.value.what
        assert "item = " in caught.value.what
        assert "`key`" not in caught.value.fix
        assert "@x" not in caught.value.expected + caught.value.fix


def test_a_key_that_comes_in_during_a_delivery_is_found_by_the_next(shop: str, make_shard: MakeShard) -> None:
    shard, caught = make_shard([(8, DAY, "ours")]), list[DeliveryError]()

    def send() -> None:
        try:
            deliver(shop, shard)
        except DeliveryError as error:
            caught.append(error)

    sender, poll = threading.Thread(target=send), threading.Event()
    with psycopg.connect(shop) as application:
        application.execute(f"insert into items (item, business_date, owner) values (8, '{DAY}', 'eve')")
        sender.start()
        waiting = (
            "select count(*) from pg_locks l join pg_stat_activity a using (pid)"
            " where not l.granted and a.datname = current_database()"
        )
        for _ in range(1_000):
            if query(shop, waiting) == [(1,)]:
                break
            poll.wait(0.01)
    sender.join()
    assert ["somebody else inserted a key" in error.what for error in caught] == [True]
    assert "rerun the partition" in caught[0].fix
    deliver(shop, shard)
    held = query(shop, "select note, owner from items where item = 8")
    assert held == [("ours", "eve")]


@pytest.mark.sampled(2)
@pytest.mark.parametrize("kind", ["text", "varchar", "varchar(9)"])
@pytest.mark.parametrize("mode", [Mode.UPSERT, Mode.MIRROR])
def test_many_added_rows_join_those_that_are_there(
    database_url: str, make_shard: MakeShard, mode: Mode, kind: str
) -> None:
    """They are copied into the table itself, unless a key is there after all."""
    execute(
        database_url,
        f"create table items (owner text default 'nobody', item int, business_date date, note {kind},"
        " unique (item, business_date));"
        f"insert into items select 'ann', n, '{DAY}', 'old' from generate_series(0, 2) n",
    )
    added: list[Row] = [(number, DAY, "added") for number in range(100, 20_100)]
    rows = [*added[:7], (0, DAY, "new"), (1, DAY, "old"), *added[7:]]
    changes = ["added"] * 7 + ["changed", "removed" if mode is Mode.MIRROR else "changed"]
    shard = make_shard(rows, mode=mode, changes=changes + ["added"] * 19_993)
    receipt = deliver(database_url, shard)
    assert receipt.details["rows_changed"] == 20_001
    old = 1 if mode is Mode.MIRROR else 2
    counted = "select owner, note, count(*)::int from items group by 1, 2 order by 1, 2"
    held = query(database_url, counted)
    assert held == [("ann", "new", 1), ("ann", "old", old), ("nobody", "added", 20_000)]
    # A key of somebody else's is one of ours from then on, and its other columns stay.
    execute(database_url, f"insert into items values ('eve', 30000, '{DAY}', 'hers')")
    more: list[Row] = [(number, DAY, "more") for number in range(20_100, 40_100)]
    deliver(database_url, make_shard(more, mode=mode))
    assert query(database_url, "select owner, note from items where item = 30000") == [("eve", "more")]
    assert query(database_url, "select count(*)::int from items where note = 'more'") == [(20_000,)]


def test_many_added_rows_arrive_under_names_with_spaces_and_quotes(
    database_url: str, make_shard: MakeShard
) -> None:
    name, field = '"The ""App"""."Top Items"', 'Store "No" é'
    for first in (0, 20_000):
        numbers = pa.array(range(first, first + 20_000), pa.int64())
        shard = make_shard(emails(**{field: numbers, "select": numbers}), key=(field,))
        PostgresDestination(database_url, name).send(shard, MemoryJournal(shard.rows))
    counted = (
        'select count(*)::int, max("Store ""No"" é")::int, max("select")::int from "The ""App"""."Top Items"'
    )
    assert query(database_url, counted) == [(40_000, 39_999, 39_999)]


def test_values_that_change_places_pass_a_deferrable_constraint(
    database_url: str, make_shard: MakeShard
) -> None:
    execute(
        database_url,
        "create table items (item int, business_date date, email text constraint one_email unique deferrable,"
        " primary key (business_date, item));"
        f"insert into items values (1, '{DAY}', 'a@x'), (2, '{DAY}', 'b@x')",
    )
    table = emails(item=pa.array([1, 2], pa.int32()), email=pa.array(["b@x", "a@x"]))
    deliver(database_url, make_shard(table, changes="changed"))
    assert query(database_url, "select item, email from items order by 1") == [(1, "b@x"), (2, "a@x")]


def test_a_row_whose_parent_is_not_there_is_named(database_url: str, make_shard: MakeShard) -> None:
    execute(
        database_url,
        "create table notes (note text primary key); insert into notes values ('known');"
        "create table items (item int, business_date date, note text constraint noted references notes)",
    )
    with pytest.raises(
        DeliveryError, match=r'by note .*notes.* \(constraint "noted"\), .* item = 2'
    ) as caught:
        deliver(database_url, make_shard([(1, DAY, "known"), (2, DAY, "strange")]))
    assert "strange" not in str(caught.value)


def test_a_null_where_none_may_be_is_named(database_url: str, make_shard: MakeShard) -> None:
    execute(database_url, "create table items (item int, business_date date, note text not null)")
    table = emails(item=pa.array([1, 2], pa.int32()), note=pa.array(["x", None]))
    with pytest.raises(DeliveryError, match="column 'note' .* may not be null, .* item = 2"):
        deliver(database_url, make_shard(table))


# What forbids a row, and what is to be read of it. The first row is there, with the owner ann.
_FORBIDS = {
    "alter table items add constraint short check (length(note) < 6)": '"short" .* 1 rows .* item = 2',
    "alter table items add constraint of_both check (note <> owner)": '"of_both" .* 1 rows .* item = 1',
    "alter table only_day add constraint of_day check (item < 2)": '"of_day" .* 1 rows .* item = 2',
    "alter table items detach partition only_day;"
    f" create table other_day partition of items for values in ('{NEXT_DAY}')":
        "no partition for 2 rows .* item = 1",
}  # fmt: skip


@pytest.mark.parametrize("forbids", list(_FORBIDS))
def test_a_row_that_the_table_forbids_is_named(
    database_url: str, make_shard: MakeShard, forbids: str
) -> None:
    execute(
        database_url,
        "create table items (item int, business_date date, note text, owner text default 'ann',"
        " primary key (business_date, item)) partition by list (business_date);"
        f" create table only_day partition of items for values in ('{DAY}');"
        f" insert into items values (1, '{DAY}', 'old'); {forbids}",
    )
    shard = make_shard([(1, DAY, "ann"), (2, DAY, "longer")])
    with pytest.raises(DeliveryError, match=f"{_FORBIDS[forbids]}.*SQLSTATE 23514") as caught:
        deliver(database_url, shard)
    shown = caught.value.expected + caught.value.fix
    assert "item =" not in shown
    assert "longer" not in shown
    statement = re.search(r"(alter|create) table .*", caught.value.fix)
    assert statement is not None
    execute(database_url, statement[0])
    deliver(database_url, shard)
    held = query(database_url, "select note from items order by item")
    assert held == [("ann",), ("longer",)]


@pytest.mark.parametrize(("mode", "full"), _CHANGES)
def test_a_first_delivery_touches_no_row_outside_its_scope(
    shop: str, make_shard: MakeShard, mode: Mode, full: bool
) -> None:
    execute(shop, "delete from orders")
    outside = query(shop, f"select *, xmin::text from items where business_date <> '{DAY}'")
    deliver(shop, make_shard(rows_of(DAY, 2, "x"), mode=mode, full=full))
    assert query(shop, f"select *, xmin::text from items where business_date <> '{DAY}'") == outside


def test_a_delivery_that_comes_twice_changes_once(shop: str, make_shard: MakeShard) -> None:
    shard = make_shard(rows_of(DAY, 3, "new"), delivery_id="d1")
    deliver(shop, shard)
    held = query(shop, "select *, xmin::text from items")
    assert deliver(shop, shard).already_delivered
    # Another delivery of the same content writes no row.
    again = replace(shard, delivery_id="d2")
    assert deliver(shop, again).details["rows_changed"] == 0
    assert query(shop, "select *, xmin::text from items") == held
