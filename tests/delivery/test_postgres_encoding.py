"""Postgres: a value is the same to any other client, whatever a database keeps it in, or says of its clients.

Belongs here: encodings, and settings of the server. Does not: which types there are (`types`).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sluicegate.delivery.reconcile import reconcile
from sluicegate.destinations.base import DeliveryError, Mode, Scope
from sluicegate.destinations.postgres import PostgresDestination

from .probe import Probe
from .support import execute

# What each has, and what it lacks.
ENCODINGS = {
    "LATIN1": ("Zoë", "€"),
    "LATIN9": ("Zoë €", "¤"),
    "WIN1252": ("Zoë “€”", "☃"),
    "EUC_JP": ("東京", "é\N{MUSICAL SYMBOL G CLEF}"),
    "SQL_ASCII": ("Zoë ☃", ""),
}


@pytest.fixture
def probe(tmp_path: Path) -> Probe:
    return Probe(tmp_path)


def held(url: str, asked: str) -> list[tuple[Any, ...]]:
    """What another client finds, which speaks UTF-8."""
    with psycopg.connect(url, client_encoding="UTF8") as connection:
        return connection.execute(asked.encode()).fetchall()


@pytest.fixture(params=list(ENCODINGS))
def encoded(request: pytest.FixtureRequest, postgres_url: str) -> Iterator[tuple[str, str]]:
    """A database of each encoding: its URL, and the encoding."""
    encoding: str = request.param
    name = f"encoded_{encoding.lower()}"
    execute(
        postgres_url,
        f"create database {name} encoding '{encoding}' lc_collate 'C' lc_ctype 'C' template template0",
    )
    yield postgres_url.replace("/postgres?", f"/{name}?"), encoding
    execute(postgres_url, f"drop database {name} with (force)")


@pytest.mark.sampled(3)
def test_a_text_arrives_or_its_row_is_refused_by_name(encoded: tuple[str, str], probe: Probe) -> None:
    """Plain, in JSON and in a list; a character that the database lacks stops no other row."""
    url, encoding = encoded
    has, lacks = ENCODINGS[encoding]
    destination = PostgresDestination(url, "public.t")
    rows = [f"select 1 as k, '{has}' as v, '\"{has}\"'::json as j, ['x', '{has}'] as l"]
    if lacks:
        columns = [f"'{lacks}', null, null", f"null, '\"{lacks}\"'::json, null", f"null, null, ['{lacks}']"]
        rows += [f"select {place}, {listed}" for place, listed in enumerate(columns, 2)]
    outcome = probe.deliver(destination, " union all ".join(rows), mode=Mode.MIRROR)
    assert held(url, "select v, j::text, l[2] from public.t") == [(has, f'"{has}"', has)]
    said = [one.said for one in outcome.refused]
    assert [text.partition(":")[0] for text in said] == (["v", "j", "l"] if lacks else [])
    assert all(encoding in text and lacks not in text for text in said)
    compared = reconcile(probe.engine(destination), probe.order(mode=Mode.MIRROR))
    assert compared is not None
    assert compared.equal
    # Such a key was never sent: who bears it can be erased, and nobody else is.
    scope = Scope("exp_items", "", ("v",), ("k", "v"), None)
    assert destination.forget(scope, [{"v": lacks or "nobody"}, {"v": has}]) == 1


def test_a_name_with_a_character_that_the_database_lacks_is_to_be_changed(
    postgres_url: str, probe: Probe
) -> None:
    execute(
        postgres_url,
        "create database encoded_names encoding 'LATIN1' lc_collate 'C' lc_ctype 'C' template template0",
    )
    destination = PostgresDestination(postgres_url.replace("/postgres?", "/encoded_names?"), "public.t")
    with pytest.raises(DeliveryError, match="22P05") as caught:
        probe.deliver(destination, 'select 1 as k, 1 as "☃"')
    assert "name them otherwise" in caught.value.fix


@pytest.mark.parametrize("of", ["database", "role", "environment", "url", "options"])
@pytest.mark.sampled(3)
def test_a_text_arrives_whatever_encoding_is_set_for_clients(
    database_url: str, probe: Probe, of: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, setting = database_url, "set client_encoding to 'LATIN1'"
    if of == "environment":
        monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    elif of == "database":
        name = database_url.partition("/test_")[2].partition("?")[0]
        execute(database_url, f"alter database test_{name} {setting}")
    elif of == "role":
        execute(database_url, f"create role of_latin login superuser; alter role of_latin {setting}")
        url = url.replace("//postgres:", "//of_latin:")
    else:
        url += "&client_encoding=LATIN1" if of == "url" else "&options=-c%20client_encoding%3DLATIN1"
    destination = PostgresDestination(url, "public.t")
    probe.deliver(destination, "select 1 as k, 'Zoë' as v")
    scope = Scope("exp_items", "", ("v",), ("v",), None)
    back = [row for batch in destination.read_back(scope) for row in batch.to_pylist()]
    taken_out = destination.forget(scope, [{"v": "nobody"}])
    monkeypatch.delenv("PGCLIENTENCODING", raising=False)
    assert held(database_url, "select v from public.t") == [("Zoë",)]
    assert back == [{"v": "Zoë"}]
    assert taken_out == 0
    if of == "role":
        execute(database_url, "drop owned by of_latin; drop role of_latin")


SETTINGS = [
    "datestyle to 'German, DMY'", "array_nulls to off", "extra_float_digits to -10",
    "bytea_output to 'escape'",
    "timezone to 'America/New_York'", "search_path to nowhere", "standard_conforming_strings to off",
    "intervalstyle to 'sql_standard'", "default_transaction_isolation to 'serializable'",
]  # fmt: skip


def test_settings_of_the_server_change_no_value(database_url: str, probe: Probe) -> None:
    """What an administrator sets for a database changes nothing of what arrives."""
    name = database_url.partition("/test_")[2].partition("?")[0]
    for setting in SETTINGS:
        execute(database_url, f"alter database test_{name} set {setting}")
    rows = (
        "select 1 as k, date '2024-02-03' as d, timestamptz '2024-02-03 04:05:06.5+00' as m,"
        " ['a', null, 'NULL', ''] as a, 0.1::double + 0.2::double as f, '\\x00\\x5C'::blob as b,"
        " 'a\\b''c' as x, interval '-1 month 2 days' as i, [0.1::double] as n"
    )
    probe.deliver(PostgresDestination(database_url, "public.t"), rows)
    shown = "-c datestyle=ISO -c extra_float_digits=1 -c bytea_output=hex -c timezone=UTC"
    with psycopg.connect(database_url, options=shown) as connection:
        (found,) = connection.execute("select t::text from public.t t").fetchall()[0]
    assert found == (
        '(1,2024-02-03,"2024-02-03 04:05:06.5+00","{a,NULL,""NULL"",""""}",0.30000000000000004,'
        '"\\\\x005c","a\\\\b\'c","-1 month 2 days",{0.1})'
    )
