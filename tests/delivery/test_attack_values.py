"""Attacks on values that shall arrive exactly, and on what shall stay untouched: each test breaks a promise.

Belongs here: attempts that succeeded. Does not: those that held (`test_attack_values_held`).
"""

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest

from orchestration.delivery.engine import DeliveryEngine
from orchestration.delivery.ledger import Ledger, Order
from orchestration.delivery.reconcile import reconcile
from orchestration.destinations.base import DeliveryError, Destination, Mode, Scope
from orchestration.destinations.blob import BlobDestination, BlobOptions
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


def lines(folder: Path) -> list[dict[str, Any]]:
    """What a consumer reads of JSON lines, each number with all its digits."""
    parts = sorted(folder.rglob("part-*.jsonl"))
    read = [json.loads(line, parse_float=str) for part in parts for line in part.read_text().splitlines()]
    return sorted(read, key=lambda row: row["k"])


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


HUGE = "'-170141183460469231731687303715884105728'::hugeint"


def test_a_hugeint_of_39_digits_stops_no_other_row(database_url: str, probe: Probe) -> None:
    """Claims 3, 4: 'a HUGEINT is a decimal of 38 digits': a row with more is refused by name, others go."""
    destination = PostgresDestination(database_url, "public.t")
    probe.deliver(destination, "select 1 as k, 5::hugeint as v")
    outcome = probe.deliver(destination, f"select 1 as k, 6::hugeint as v union all select 2, {HUGE}")
    assert [one.row for one in outcome.refused] == [1]
    assert query(database_url, "select k, v::text from public.t") == [(1, "6")]


def test_the_type_of_a_hugeint_column_does_not_hang_on_its_rows(database_url: str, probe: Probe) -> None:
    """Claim 5: what a delivery made of the table, the next day's rows of the same model can go into."""
    destination = PostgresDestination(database_url, "public.t")
    probe.deliver(destination, f"select 1 as k, 5::hugeint as v union all select 2, {HUGE}")
    probe.deliver(destination, "select 1 as k, 6::hugeint as v union all select 2, 7")
    assert query(database_url, "select k, v::text from public.t order by k") == [(1, "6"), (2, "7")]


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


# Files.


def in_lines(folder: Path) -> BlobDestination:
    return BlobDestination(str(folder / "container"), "o", BlobOptions(format="json_lines"))


@pytest.mark.parametrize("number", ["12345678901234567890.10", "0.1000000000000000055511151231257827"])
def test_numbers_within_json_keep_their_digits_in_json_lines(
    tmp_path: Path, probe: Probe, number: str
) -> None:
    """Claim 3: a number in a column of type JSON is never rounded on its way into JSON lines."""
    stated = f"""select 1 as k, '{{"a": {number}}}'::json as v union all select 2, '{{"a": 1}}'"""
    outcome = probe.deliver(in_lines(tmp_path), stated, mode=Mode.SNAPSHOT)
    arrived = {row["k"]: str(row["v"]["a"]) for row in lines(tmp_path)}
    refused = {one.row + 1: number for one in outcome.refused}
    assert arrived | refused == {1: number, 2: "1"}


@pytest.mark.parametrize(
    "value",
    [
        "[timestamptz '2024-01-02 03:04:05.123456+00']",
        "[timestamp '2024-01-02 03:04:05.5', null]",
        "['2024-01-02 03:04:05'::timestamp_s]",
    ],
)
def test_lists_of_moments_go_into_json_lines(tmp_path: Path, probe: Probe, value: str) -> None:
    """Claim 3: a type in any nesting arrives, or its row is refused by name and the others go."""
    probe.deliver(in_lines(tmp_path), f"select 1 as k, {value} as v", mode=Mode.SNAPSHOT)
    assert lines(tmp_path)[0]["v"][0].startswith("2024-01-02T03:04:05")


@pytest.mark.parametrize("value", ["[{0}]", "{{'a': {0}}}", "map{{'a': {0}}}"])
def test_nested_decimals_keep_their_digits_in_json_lines(tmp_path: Path, probe: Probe, value: str) -> None:
    """Claim 3: a decimal that a reader of JSON would round is text within a list too, as it is outside."""
    decimal = "12345678901234567890.1234567890"
    stated = value.format(f"{decimal}::decimal(38, 10)")
    probe.deliver(in_lines(tmp_path), f"select 1 as k, {stated} as v", mode=Mode.SNAPSHOT)
    (part,) = tmp_path.rglob("part-*.jsonl")
    arrived = json.loads(part.read_text())["v"]
    assert (arrived["a"] if isinstance(arrived, dict) else arrived[0]) == decimal


def test_json_null_is_no_null_in_json_lines(tmp_path: Path, probe: Probe) -> None:
    """Claim 3: the JSON value null, and no value, do not arrive as one, unless the row is refused by name."""
    rows = "select 1 as k, 'null'::json as v union all select 2, null"
    outcome = probe.deliver(in_lines(tmp_path), rows, mode=Mode.SNAPSHOT)
    arrived = [row["v"] for row in lines(tmp_path)]
    assert outcome.refused or arrived[0] != arrived[1]


@pytest.mark.parametrize("name", ["webhook", "json_lines"])
def test_a_variant_arrives_or_is_refused_by_its_column(
    request: pytest.FixtureRequest, tmp_path: Path, probe: Probe, name: str
) -> None:
    """Claim 3: of a VARIANT arrives what it holds, 5 as 5 and '5' as a text; or the column is refused."""
    rows = "select 1 as k, 5::variant as v union all select 2, '5'::variant"
    if name == "webhook":
        case = case_of(name, request, tmp_path)
        try:
            probe.deliver(case.destination(), rows)
        except DeliveryError:
            return
        assert {row["k"]: row["v"] for row in case.contents()} == {1: 5, 2: "5"}
        return
    place = BlobDestination(str(tmp_path / "container"), "o", BlobOptions(format=name))
    try:
        probe.deliver(place, rows, mode=Mode.SNAPSHOT)
    except DeliveryError:
        return
    pytest.fail(f"sent: {[part.read_bytes()[:60] for part in tmp_path.rglob('part-*')]}")


# Vendors.


def test_whole_numbers_of_a_list_are_numbers_for_a_webhook(
    request: pytest.FixtureRequest, tmp_path: Path, probe: Probe
) -> None:
    """Claim 3: 'Whole numbers are JSON numbers with all their digits', a HUGEINT in a list as well."""
    case = case_of("webhook", request, tmp_path)
    probe.deliver(case.destination(), "select 1 as k, 5::hugeint as v, [5::hugeint] as w")
    assert case.contents() == [{"k": 1, "v": 5, "w": [5]}]


def test_a_struct_without_names_is_refused_by_its_column(
    request: pytest.FixtureRequest, tmp_path: Path, probe: Probe
) -> None:
    """Claim 3: what cannot be sent is refused with field and fix before anything is sent, not by a crash."""
    case = case_of("webhook", request, tmp_path)
    try:
        probe.deliver(case.destination(), "select 1 as k, row(1, 'a') as v")
    except DeliveryError as error:
        assert "'v'" in str(error)


def test_a_hugeint_of_39_digits_stops_no_other_row_in_azure_data_explorer(
    request: pytest.FixtureRequest, tmp_path: Path, probe: Probe
) -> None:
    """Claim 3: 'a HUGEINT is a decimal (34 in Azure Data Explorer)': a row with more is refused by name."""
    case = case_of("adx", request, tmp_path)
    rows = f"select 1 as k, 6::hugeint as v union all select 2, {HUGE}"
    outcome = probe.deliver(case.destination(), rows, mode=Mode.SNAPSHOT)
    assert [one.row for one in outcome.refused] == [1]


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


# Erasure.


def lines_shown(folder: Path) -> list[dict[str, Any]]:
    """The rows of JSON lines that the manifest names, each number with all its digits."""
    shown = json.loads((folder / "container/o/snapshot/manifest.json").read_text())
    parts = [folder / "container/o/snapshot" / shown["folder"] / part["path"] for part in shown["files"]]
    return [json.loads(line, parse_float=str) for part in parts for line in part.read_text().splitlines()]


@pytest.mark.parametrize(
    "value",
    [
        "[12345678901234567890.1234567890::decimal(38, 10)]",
        "{'a': 12345678901234567890.1234567890::decimal(38, 10)}",
        "['\\x00\\xff'::blob]",
        "{'a': '\\xff'::blob}",
        "union_value(a := 1)::union(a integer, b integer)",
        "5::variant",
    ],
)
def test_an_erasure_leaves_the_others_as_they_are(tmp_path: Path, probe: Probe, value: str) -> None:
    """Claims 2, 3: one person is taken out of JSON lines, and the values of all others stay as they were."""
    place = in_lines(tmp_path)
    rows = f"select 1 as k, {value} as v union all select 2, {value}"
    try:
        probe.deliver(place, rows, mode=Mode.SNAPSHOT)
    except DeliveryError:
        return
    (before,) = [row for row in lines_shown(tmp_path) if row["k"] == 1]
    assert place.forget(Scope("exp_items", "", ("k",), ("k", "v"), None), [{"k": 2}]) == 1
    assert lines_shown(tmp_path) == [before]


@pytest.mark.parametrize(
    "value",
    [
        "['\\xff'::blob]",
        "[12345678901234567890.1234567890::decimal(38, 10)]",
        "'null'::json",
        "union_value(a := 1)::union(a integer, b integer)",
    ],
)
def test_what_was_just_sent_compares_equal(tmp_path: Path, probe: Probe, value: str) -> None:
    """Claims 3, 5: a comparison right after a delivery of JSON lines finds no difference, and can be made."""
    place = in_lines(tmp_path)
    probe.deliver(place, f"select 1 as k, {value} as v", mode=Mode.SNAPSHOT)
    order = Order("exp_items", "", ("k",), Mode.SNAPSHOT, None, None, wait_seconds=0.0)
    ledger = Ledger(probe.store, probe.folder / "shards", "run", probe.said.append)
    compared = reconcile(DeliveryEngine(ledger, place), order)
    assert compared is not None
    assert (compared.missing, compared.foreign, compared.differing) == (0, 0, 0)


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
