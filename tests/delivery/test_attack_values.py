"""Attacks on values that shall arrive exactly, and on what shall stay untouched: each test breaks a promise.

Belongs here: attempts that succeeded. Does not: those that held (`test_attack_values_held`).
"""

from pathlib import Path
from typing import Any

import psycopg
import pytest

from orchestration.destinations.base import DeliveryError, Destination, Mode
from orchestration.destinations.postgres import PostgresDestination
from tests.doubles.hubspot import Property

from .attack_values import Probe
from .cases import Case, case_class
from .support import execute, query


@pytest.fixture
def probe(tmp_path: Path) -> Probe:
    return Probe(tmp_path)


def case_of(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    opened = case_class(name)(request, tmp_path)
    request.addfinalizer(opened.close)
    return opened


def not_sent(probe: Probe, destination: Destination, rows: str, **stated: Any) -> bool:
    """Whether each of the rows is refused by name, alone or with all others."""
    try:
        outcome = probe.deliver(destination, rows, **stated)
    except DeliveryError:
        return True
    return {one.code for one in outcome.refused} == {"INEXACT"} and len(
        outcome.refused
    ) == outcome.delivery.rows


# Postgres.


@pytest.mark.parametrize("encoding", ["LATIN1", "LATIN9", "WIN1252"])
def test_text_arrives_in_a_database_of_another_encoding(
    postgres_url: str, probe: Probe, encoding: str
) -> None:
    """Claim 3: a text is the same text to another client, whatever encoding the database keeps it in."""
    name = f"attack_{encoding.lower()}"
    execute(postgres_url, f"drop database if exists {name}")
    execute(
        postgres_url,
        f"create database {name} encoding '{encoding}' lc_collate 'C' lc_ctype 'C' template template0",
    )
    url = postgres_url.replace("/postgres?", f"/{name}?")
    probe.deliver(PostgresDestination(url, "public.t"), "select 1 as k, 'Zoë' as v")
    with psycopg.connect(url, client_encoding="UTF8") as connection:
        assert connection.execute("select v from public.t").fetchall() == [("Zoë",)]


@pytest.mark.parametrize("of", ["database", "environment"])
def test_text_arrives_whatever_encoding_is_set_for_clients(
    database_url: str, probe: Probe, of: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Claim 3: an administrator's or a shell's `client_encoding` changes no text that is sent."""
    if of == "database":
        name = database_url.partition("/test_")[2].partition("?")[0]
        execute(database_url, f"alter database test_{name} set client_encoding to 'LATIN1'")
    else:
        monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    probe.deliver(PostgresDestination(database_url, "public.t"), "select 1 as k, 'Zoë' as v")
    monkeypatch.delenv("PGCLIENTENCODING", raising=False)
    with psycopg.connect(database_url, client_encoding="UTF8") as connection:
        assert connection.execute("select v from public.t").fetchall() == [("Zoë",)]


def test_a_zero_in_a_list_that_changes_its_sign_arrives(database_url: str, probe: Probe) -> None:
    """Claim 3: 0.0 that became -0.0 within a list is changed there, as it is outside of lists."""
    destination = PostgresDestination(database_url, "public.t")
    probe.deliver(destination, "select 1 as k, [0.0::double] as v")
    assert probe.deliver(destination, "select 1 as k, [-0.0::double] as v").sent
    assert query(database_url, "select v::text from public.t") == [("{-0}",)]


@pytest.mark.parametrize("kind", ["json", "jsonb"])
def test_lists_of_json_arrive_more_than_once(database_url: str, probe: Probe, kind: str) -> None:
    """Claims 4, 5: lists of JSON go into an array, the second time as well."""
    if kind == "jsonb":
        execute(database_url, "create table public.t (k integer primary key, v jsonb[])")
    destination = PostgresDestination(database_url, "public.t")
    probe.deliver(destination, """select 1 as k, ['{"a":1}'::json] as v""")
    probe.deliver(destination, """select 1 as k, ['{"a":2}'::json] as v""")
    assert query(database_url, "select v[1]->>'a' from public.t") == [("2",)]


def test_lists_of_uuids_go_into_an_array_of_uuids(database_url: str, probe: Probe) -> None:
    """Claim 4: 'lists of these, of one level: arrays', says the table in which UUID stands."""
    execute(database_url, "create table public.t (k integer primary key, v uuid[])")
    probe.deliver(
        PostgresDestination(database_url, "public.t"),
        "select 1 as k, ['00000000-0000-0000-0000-00000000000a'::uuid] as v",
    )
    assert query(database_url, "select v::text from public.t") == [
        ("{00000000-0000-0000-0000-00000000000a}",)
    ]


@pytest.mark.parametrize("mode", [Mode.MIRROR, Mode.SNAPSHOT])
def test_rows_of_a_table_that_inherits_stay(database_url: str, probe: Probe, mode: Mode) -> None:
    """Claim 4: rows of another table, one that inherits from the export's, are never touched."""
    execute(
        database_url,
        "create table public.t (k integer primary key, v text);"
        " create table public.theirs (note text) inherits (public.t)",
    )
    destination = PostgresDestination(database_url, "public.t")
    probe.deliver(destination, "select 1 as k, 'a' as v union all select 2, 'b'", mode=mode)
    execute(database_url, "insert into public.theirs values (1, 'theirs', 'n'), (7, 'theirs', 'n')")
    probe.deliver(destination, "select 2 as k, 'b' as v", mode=mode)
    assert query(database_url, "select k from public.theirs order by k") == [(1,), (7,)]


@pytest.mark.parametrize("action", ["set null", "cascade"])
def test_rows_that_refer_to_a_changed_field_stay(database_url: str, probe: Probe, action: str) -> None:
    """Claim 4: an updated row leaves 'rows that refer to it' as they are (`on update …`), or is refused."""
    execute(
        database_url,
        "create table public.t (k integer primary key, v text unique);"
        f" create table public.theirs (id integer, v text references public.t (v) on update {action})",
    )
    destination = PostgresDestination(database_url, "public.t")
    probe.deliver(destination, "select 1 as k, 'a' as v", mode=Mode.MIRROR)
    execute(database_url, "insert into public.theirs values (1, 'a')")
    try:
        probe.deliver(destination, "select 1 as k, 'x' as v", mode=Mode.MIRROR)
    except DeliveryError as error:
        assert "theirs" in str(error)
    assert query(database_url, "select * from public.theirs") == [(1, "a")]


@pytest.mark.parametrize("action", ["cascade", "set null", "set default"])
def test_rows_that_refer_to_a_row_that_goes_stay(database_url: str, probe: Probe, action: str) -> None:
    """Claim 4: never other tables' rows by cascade: the key and the constraint are named instead."""
    execute(
        database_url,
        "create table public.t (k integer primary key, v text); create table public.theirs"
        f" (id integer, k integer default 2 references public.t (k) on delete {action})",
    )
    destination = PostgresDestination(database_url, "public.t")
    probe.deliver(destination, "select 1 as k, 'a' as v union all select 2, 'b'", mode=Mode.MIRROR)
    execute(database_url, "insert into public.theirs values (1, 1)")
    try:
        probe.deliver(destination, "select 2 as k, 'b' as v", mode=Mode.MIRROR)
    except DeliveryError as error:
        assert "theirs" in str(error)
    assert query(database_url, "select * from public.theirs") == [(1, 1)]


# Vendors.


def test_a_text_over_a_megabyte_is_not_cut_in_azure_data_explorer(
    request: pytest.FixtureRequest, tmp_path: Path, probe: Probe
) -> None:
    """Claims 3, 6: Kusto cuts a string of more than 1 MB and says nothing: such a row is refused by name.

    "If a single string value in a record exceeds 1MB (measured using UTF-8 encoding), the value is truncated
    and ingestion succeeds": https://learn.microsoft.com/kusto/query/scalar-data-types/string
    """
    case = case_of("adx", request, tmp_path)
    rows = "select 1 as k, repeat('x', 1048577) as v union all select 2, 'b'"
    outcome = probe.deliver(case.destination(), rows, mode=Mode.SNAPSHOT)
    assert [one.row for one in outcome.refused] == [0]


BRAZE_CHANGES = {
    # "['hotdog','hotdog','hotdog','pizza'] … will show … as ['hotdog', 'pizza'] because only unique values
    # are supported": www.braze.com/docs/api/objects_filters/user_attributes_object, as all of these but the last.
    "a list with a value twice": "['hotdog', 'hotdog', 'pizza'] as v",
    # "may be incremented … by assigning them an object with the field 'inc'"
    "an increment": "{'inc': 5} as v",
    "an addition to a list": "{'add': ['Value3']} as v",
    "a removal from a list": "{'remove': ['Value1']} as v",
    # "if the input doesn't match a given ISO-3166-1 alpha-2 standard, the country value will be set to NULL"
    "a country that is no code": "'Atlantis' as country",
    # "Only valid time zone values will be set"
    "a time zone that is none": "'Mars/Phobos' as time_zone",
    # "if the year is less than 0 or greater than 3000, Braze stores these values as strings"
    "a day after the year 3000": "date '3001-01-01' as v",
}


@pytest.mark.parametrize("what", list(BRAZE_CHANGES))
def test_what_braze_makes_another_value_of_is_refused(
    request: pytest.FixtureRequest, tmp_path: Path, probe: Probe, what: str
) -> None:
    """Claims 3, 6: what Braze's documents say that it alters, drops or takes for a command is refused."""
    case = case_of("braze", request, tmp_path)
    rows = f"select 'u1' as external_id, {BRAZE_CHANGES[what]}"
    assert not_sent(probe, case.destination(), rows, key=("external_id",)), case.contents()


def test_an_event_of_a_time_to_come_is_refused(
    request: pytest.FixtureRequest, tmp_path: Path, probe: Probe
) -> None:
    """Claims 3, 6: "Events with timestamps in the future will default to the current time" (Braze)."""
    case = case_of("braze_events", request, tmp_path)
    rows = "select 'u1' as external_id, timestamptz '2099-01-01 00:00:00+00' as time, 1 as v"
    key = ("external_id", "time")
    assert not_sent(probe, case.destination(), rows, key=key, mode=Mode.APPEND), case.contents()


@pytest.mark.parametrize("text", [" a", "a ", "", "   ", "\u00a0a", "a\t"])
@pytest.mark.parametrize("name", ["hubspot", "salesforce", "salesforce_bulk"])
def test_a_text_is_not_trimmed_or_made_null(
    request: pytest.FixtureRequest, tmp_path: Path, probe: Probe, name: str, text: str
) -> None:
    """Claim 3: never trimmed, never from empty to null: the row is refused by name."""
    case = case_of(name, request, tmp_path)
    item, note = case.name("item"), case.name("note")
    rows = f"select 7 as {item}, '{text}' as {note}"
    assert not_sent(probe, case.destination(), rows, key=(item,)), case.contents()


def test_an_address_keeps_its_capitals_in_hubspot(
    request: pytest.FixtureRequest, tmp_path: Path, probe: Probe
) -> None:
    """Claim 3: HubSpot writes e-mail addresses small: one with capitals is refused by name."""
    case = case_of("hubspot", request, tmp_path)
    rows = "select 7 as item, 'Zoe@Example.com' as email"
    assert not_sent(probe, case.destination(), rows, key=("item",)), case.contents()


def test_a_list_for_a_property_of_options_is_refused_by_its_column(
    request: pytest.FixtureRequest, tmp_path: Path, probe: Probe
) -> None:
    """Claim 3: a type that HubSpot has nothing like is refused with field and fix, not by a crash."""
    case = case_of("hubspot", request, tmp_path)
    try:
        probe.deliver(case.destination(), "select 7 as item, ['gold', 'silver'] as tier", key=("item",))
    except DeliveryError as error:
        assert "tier" in str(error)


STAGES = ("subscriber", "lead", "customer")


def test_a_stage_that_moves_back_arrives_in_hubspot(
    request: pytest.FixtureRequest, tmp_path: Path, probe: Probe
) -> None:
    """Claims 3, 6: HubSpot keeps a later lifecycle stage and says nothing: cleared first, or refused by name.

    "The Lifecycle stage is not designed to move backwards. If you need to set this property to an previous
    stage, you will first need to set the value to "" (an empty string)": developers.hubspot.com/docs/
    api-reference/legacy/crm/objects/contacts/v1/post-contacts-v1-contact-email-email-profile
    """
    case = case_of("hubspot", request, tmp_path)
    double: Any = case.double  # type: ignore[attr-defined]
    double.properties["lifecyclestage"] = Property("enumeration", options=STAGES, hubspot_defined=True)
    hold = double._hold

    def hold_no_earlier(record_id: str, values: dict[str, str]) -> None:
        before = double.records.get(record_id, {}).get("lifecyclestage", "")
        after = values.get("lifecyclestage", "")
        back = bool(before and after) and STAGES.index(after) < STAGES.index(before)
        hold(record_id, {k: v for k, v in values.items() if not (back and k == "lifecyclestage")})

    double._hold = hold_no_earlier
    probe.deliver(case.destination(), "select 7 as item, 'customer' as lifecyclestage", key=("item",))
    back = "select 7 as item, 'lead' as lifecyclestage"
    if not not_sent(probe, case.destination(), back, key=("item",)):
        assert case.contents()[0]["lifecyclestage"] == "lead"


# What Postgres' own messages say is no way out.


def test_a_row_that_a_check_forbids_is_named(database_url: str, probe: Probe) -> None:
    """Claim 4: 'a row whose value does not fit is named by its key', by a check constraint as well."""
    ddl = "create table public.t (k integer primary key, v text check (length(v) < 3))"
    execute(database_url, ddl)
    rows = "select 7 as k, 'abcd' as v union all select 8, 'b'"
    with pytest.raises(DeliveryError, match="k = 7"):
        probe.deliver(PostgresDestination(database_url, "public.t"), rows)


def test_a_name_that_postgres_keeps_for_itself_is_to_be_changed(database_url: str, probe: Probe) -> None:
    """Claim 5: a field named as a system column is named, with the fix; not 'see the server's log'."""
    with pytest.raises(DeliveryError, match="names|rename|another name"):
        probe.deliver(PostgresDestination(database_url, "public.t"), "select 1 as k, 2 as xmin")
