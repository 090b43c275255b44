"""Postgres: rows that would change along with ours stay as they are: those that refer, those that inherit.

Belongs here: tables of others that hang on the export's. Does not: what forbids a change (`owned`).
"""

import threading
from collections.abc import Mapping
from pathlib import Path

import psycopg
import pytest
from sluicegate.core.shown_text import Near
from sluicegate.delivery.discretion import discreet
from sluicegate.destinations.base import DeliveryError, Mode, Scope
from sluicegate.destinations.postgres import PostgresDestination, PostgresOptions
from sluicegate.state.records import DeliveryKind

from .probe import Probe
from .support import execute, query

TABLES = {
    "plain": "create table public.t (k integer primary key, v text unique, owner text)",
    "partitioned": "create table public.t (k integer, v text, owner text, primary key (k), unique (k, v))"
    " partition by range (k);"
    " create table public.t_all partition of public.t for values from (0) to (100)",
}
FOLLOW = PostgresOptions(referring_rows="follow")
SCOPE = Scope("exp_items", "", ("k",), ("k", "v"), None)


@pytest.fixture
def probe(tmp_path: Path) -> Probe:
    return Probe(tmp_path)


def refers(url: str, table: str, says: str, *, by: str = "k") -> None:
    """Two rows of ours, and one of another table that refers to the first by a field."""
    fields = "(k, v)" if table == "partitioned" and by == "v" else f"({by})"
    execute(
        url,
        f"{TABLES[table]}; insert into public.t values (1, 'a', 'ann'), (2, 'b', 'bob');"
        " create table public.theirs (id integer, k integer, v text,"
        f" constraint theirs_t foreign key {fields} references public.t {fields} {says});"
        " insert into public.theirs values (7, 1, 'a')",
    )


GOES: Mapping[Mode, str] = {
    Mode.MIRROR: "select 2 as k, 'b' as v",
    Mode.SNAPSHOT: "select 2 as k, 'b' as v",
}


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("action", "way", "table"),
    [
        ("cascade", "changes", "plain"),
        ("set default", "changes", "partitioned"),
        ("set null", "mirror", "plain"),
        ("set default", "snapshot", "plain"),
        ("cascade", "snapshot", "partitioned"),
        ("set null", "erasure", "plain"),
        ("cascade", "erasure", "partitioned"),
    ],
)
def test_rows_that_refer_to_a_row_that_goes_stay_unless_they_may_follow(
    database_url: str, probe: Probe, action: str, way: str, table: str
) -> None:
    refers(database_url, table, f"on delete {action}")
    mode = Mode(way) if way in GOES else Mode.MIRROR
    ours = PostgresDestination(database_url, "public.t")
    if way == "changes":
        probe.deliver(ours, "select 1 as k, 'a' as v union all select 2, 'b'", mode=mode)

    def go(destination: PostgresDestination) -> None:
        if way == "erasure":
            destination.forget(SCOPE, [{"k": 1}])
        else:
            probe.deliver(destination, GOES[mode], mode=mode)

    with pytest.raises(
        DeliveryError, match=f'"public"."theirs" .*"theirs_t", `on delete {action}`.* k = 1'
    ) as caught:
        go(ours)
    assert "k = 1" not in caught.value.expected + caught.value.fix
    assert "referring_rows: follow" in caught.value.fix
    assert query(database_url, "select * from public.theirs") == [(7, 1, "a")]
    assert query(database_url, "select k, owner from public.t order by 1") == [(1, "ann"), (2, "bob")]
    go(PostgresDestination(database_url, "public.t", FOLLOW))
    followed = [] if action == "cascade" else [(7, None, "a")]
    assert query(database_url, "select * from public.theirs") == followed
    assert query(database_url, "select k, owner from public.t") == [(2, "bob")]


@pytest.mark.parametrize(
    ("action", "mode", "table"),
    [
        ("cascade", Mode.UPSERT, "plain"),
        ("set null", Mode.MIRROR, "plain"),
        ("cascade", Mode.SNAPSHOT, "partitioned"),
    ],
)
def test_rows_that_refer_to_a_changed_field_stay_unless_they_may_follow(
    database_url: str, probe: Probe, action: str, mode: Mode, table: str
) -> None:
    refers(database_url, table, f"on update {action}", by="v")
    ours = PostgresDestination(database_url, "public.t")
    # What is not referred to may change; the first row is as it was.
    probe.deliver(ours, "select 1 as k, 'a' as v union all select 2, 'x'", mode=mode)
    changed = "select 1 as k, 'y' as v union all select 2, 'z'"
    with pytest.raises(DeliveryError, match=f'"theirs_t", `on update {action}`.* k = 1'):
        probe.deliver(ours, changed, mode=mode)
    assert query(database_url, "select * from public.theirs") == [(7, 1, "a")]
    assert query(database_url, "select k, v from public.t order by 1") == [(1, "a"), (2, "x")]
    probe.deliver(PostgresDestination(database_url, "public.t", FOLLOW), changed, mode=mode)
    assert query(database_url, "select v from public.theirs") == [("y" if action == "cascade" else None,)]


@pytest.mark.parametrize("says", ["", "deferrable initially deferred"])
def test_a_changed_field_that_others_refer_to_is_named(database_url: str, probe: Probe, says: str) -> None:
    """The constraint keeps the other rows, and the way out is said."""
    refers(database_url, "plain", says, by="v")
    ours = PostgresDestination(database_url, "public.t")
    with pytest.raises(
        DeliveryError, match=r'have another v in .*"theirs_t".* k = 1 \(SQLSTATE 23503'
    ) as caught:
        probe.deliver(ours, "select 1 as k, 'y' as v union all select 2, 'z'")
    assert "keep v as it is" in caught.value.fix
    assert query(database_url, "select k, v from public.t order by 1") == [(1, "a"), (2, "b")]


def test_a_number_that_is_only_written_otherwise_changes_no_row_that_refers(
    database_url: str, probe: Probe
) -> None:
    """1.0 and 1.00 are one number, and two in the bytes by which the server sees a change."""
    execute(
        database_url,
        "create table public.t (k integer primary key, v numeric unique, n integer);"
        " create table public.theirs (v numeric references public.t (v) on update cascade);"
        " insert into public.t values (1, 1.0, 1); insert into public.theirs values (1.0)",
    )
    rows = "select 1 as k, 1::decimal(9, 2) as v, 2 as n"
    with pytest.raises(DeliveryError, match="on update cascade"):
        probe.deliver(PostgresDestination(database_url, "public.t"), rows)
    assert query(database_url, "select v::text from public.theirs") == [("1.0",)]


@pytest.mark.parametrize("action", ["cascade", "set null"])
def test_a_table_that_refers_to_itself_loses_what_goes_and_changes_nothing_else(
    database_url: str, probe: Probe, action: str
) -> None:
    execute(
        database_url,
        "create table public.t (k integer primary key, v text,"
        f" parent integer constraint of_parent references public.t (k) on delete {action});"
        " insert into public.t values (1, 'a', null), (2, 'b', 1), (3, 'c', 2)",
    )
    ours = PostgresDestination(database_url, "public.t")
    # The second goes with the first, but the third would change along.
    with pytest.raises(DeliveryError, match=r'"of_parent".* k = 2'):
        probe.deliver(ours, "select 3 as k, 'c' as v", mode=Mode.MIRROR)
    with pytest.raises(DeliveryError, match=r'"of_parent".* k = 2'):
        ours.forget(SCOPE, [{"k": 1}, {"k": 2}])
    execute(database_url, "update public.t set parent = null where k = 3")
    probe.deliver(ours, "select 3 as k, 'c' as v", mode=Mode.MIRROR)
    assert query(database_url, "select * from public.t") == [(3, "c", None)]


def test_a_role_that_may_not_see_who_refers_is_told_what_to_grant(database_url: str, probe: Probe) -> None:
    refers(database_url, "plain", "on delete cascade")
    execute(
        database_url,
        "create role blind login; grant create on schema public to blind;"
        " grant select, insert, update (v), delete on public.t to blind",
    )
    ours = PostgresDestination(database_url.replace("//postgres:", "//blind:"), "public.t")
    try:
        with pytest.raises(DeliveryError, match="may not read them") as caught:
            probe.deliver(ours, "select 2 as k, 'b' as v", mode=Mode.SNAPSHOT)
        assert query(database_url, "select * from public.theirs") == [(7, 1, "a")]
        said = caught.value.fix.partition("; or")[0]
        for grant in said.removesuffix(" to the role").removeprefix("grant ").split(" and "):
            execute(database_url, f"grant {grant} to blind")
        with pytest.raises(DeliveryError, match="k = 1"):
            probe.deliver(ours, "select 2 as k, 'b' as v", mode=Mode.SNAPSHOT)
        # With nobody who refers to what goes all is as usual.
        execute(database_url, "delete from public.theirs")
        probe.deliver(ours, "select 2 as k, 'b' as v", mode=Mode.SNAPSHOT)
        assert query(database_url, "select k from public.t") == [(2,)]
    finally:
        execute(database_url, "drop owned by blind; drop role blind")


def test_who_refers_meanwhile_is_seen(database_url: str, probe: Probe) -> None:
    refers(database_url, "plain", "on delete cascade")
    execute(database_url, "delete from public.theirs")
    said, poll = list[str](), threading.Event()

    def send() -> None:
        try:
            probe.deliver(
                PostgresDestination(database_url, "public.t"), GOES[Mode.MIRROR], mode=Mode.SNAPSHOT
            )
        except DeliveryError as error:
            said.append(str(error))

    sender = threading.Thread(target=send)
    with psycopg.connect(database_url) as application:
        application.execute("insert into public.theirs values (8, 1, 'a')")
        sender.start()
        waiting = (
            "select count(*) from pg_locks l join pg_stat_activity a using (pid)"
            " where not l.granted and a.datname = current_database()"
        )
        for _ in range(6_000):
            if query(database_url, waiting) == [(1,)]:
                break
            poll.wait(0.01)
    sender.join()
    assert ["k = 1" in text for text in said] == [True]
    assert query(database_url, "select * from public.theirs") == [(8, 1, "a")]


def test_beside_classified_values_the_constraint_is_named_and_no_key(database_url: str) -> None:
    refers(database_url, "plain", "on delete cascade")
    destination = discreet(PostgresDestination(database_url, "public.t"), Near(classified=True))
    with pytest.raises(DeliveryError) as caught:
        destination.forget(SCOPE, [{"k": 1}])
    assert "k = 1" not in str(caught.value)
    assert '"public"."theirs" (constraint "theirs_t")' in caught.value.fix


@pytest.mark.parametrize("mode", list(Mode))
def test_rows_of_a_table_that_inherits_are_somebody_elses(
    database_url: str, probe: Probe, mode: Mode
) -> None:
    """They are neither changed nor deleted, stand in no key's way, and are not read back."""
    execute(
        database_url,
        "create table public.t (k integer primary key, v text);"
        " create table public.theirs (note text) inherits (public.t);"
        " insert into public.theirs values (1, 'theirs', 'n'), (2, 'theirs', 'n'), (2, 'theirs', 'n'),"
        " (7, 'theirs', 'n')",
    )
    destination = PostgresDestination(database_url, "public.t")
    theirs = query(database_url, "select *, xmin::text from public.theirs order by k")
    probe.deliver(destination, "select 1 as k, 'a' as v union all select 2, 'b'", mode=mode)
    owns = mode in (Mode.MIRROR, Mode.SNAPSHOT)
    probe.deliver(
        destination,
        "select 2 as k, 'c' as v",
        mode=mode,
        kind=DeliveryKind.RESYNC if owns else DeliveryKind.CHANGE,
    )
    held = query(database_url, "select * from only public.t order by k")
    assert held == {Mode.APPEND: [(1, "a"), (2, "b")], Mode.UPSERT: [(1, "a"), (2, "c")]}.get(
        mode, [(2, "c")]
    )
    back = [tuple(row.values()) for batch in destination.read_back(SCOPE) for row in batch.to_pylist()]
    assert sorted(back) == held
    assert destination.forget(SCOPE, [{"k": 2}, {"k": 7}]) == 1
    assert query(database_url, "select *, xmin::text from public.theirs order by k") == theirs
