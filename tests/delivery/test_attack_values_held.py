"""Attacks on values and on an application's own table that held, as tables: cheap, and each a promise.

Does not belong here: attempts that succeeded (`test_attack_values`).
"""

from pathlib import Path

import psycopg
import pytest

from orchestration.destinations.base import DeliveryError, Mode
from orchestration.destinations.postgres import PostgresDestination
from orchestration.state.records import DeliveryKind

from .attack_values import Probe
from .support import execute, query


@pytest.fixture
def probe(tmp_path: Path) -> Probe:
    return Probe(tmp_path)


# Column's type, the value, the value that another equals by Postgres' own `=`, as text afterwards.
EQUAL_AND_OTHER = [
    ("double precision", "0.0::double", "-0.0::double", "-0"),
    ("real", "0.0::float", "-0.0::float", "-0"),
    ("interval", "'1 month'", "'30 days'", "30 days"),
    ("interval", "interval '1 month'", "interval '30 days'", "30 days"),
    ("json", "'1'::json", "'1.0'::json", "1.0"),
    ("jsonb", "'1'::json", "'1.0'::json", "1.0"),
    ("time", "time '24:00'", "time '00:00'", "00:00:00"),
]


def test_a_change_that_postgres_takes_for_none_arrives(database_url: str, probe: Probe) -> None:
    """Claim 3: what differs is changed, though Postgres' `=` says that it is equal."""
    columns = ", ".join(f"v{place} {kind}" for place, (kind, *_) in enumerate(EQUAL_AND_OTHER))
    execute(database_url, f"create table public.t (k integer primary key, {columns})")
    destination = PostgresDestination(database_url, "public.t")
    for place in (1, 2):
        stated = ", ".join(f"{row[place]} as v{n}" for n, row in enumerate(EQUAL_AND_OTHER))
        probe.deliver(destination, f"select 1 as k, {stated}")
    names = ", ".join(f"v{n}::text" for n in range(len(EQUAL_AND_OTHER)))
    assert query(database_url, f"select {names} from public.t") == [tuple(row[3] for row in EQUAL_AND_OTHER)]


UNCHANGED = [
    ("numeric(10, 4)", "1.50::decimal(10, 2)"), ("real", "0.5::double"), ("double precision", "'nan'::double"),
    ("char(3)", "'ab'"), ("varchar(9)", "'a '"), ("timestamptz", "timestamptz '2024-01-02 03:04:05+05'"),
    ("interval", "interval '14 months'"), ("json", "'{\"a\": 1}'::json"),
    ("jsonb", "'{\"b\":1,  \"a\":1.0}'::json"), ("jsonb", "'null'::json"), ("bytea", "'\\xAA'::blob"),
    ("inet", "'10.0.0.1'"), ("text[]", "['NULL', '', null]"), ("double precision[]", "['nan'::double]"),
    ("uuid", "'00000000-0000-0000-0000-00000000000A'::uuid"), ("date", "'-infinity'::date"),
    ("time(3)", "time '01:02:03.5'"), ("timestamptz[]", "[timestamptz '2024-01-02 03:04:05+05']"),
]  # fmt: skip


@pytest.mark.parametrize("mode", [Mode.UPSERT, Mode.MIRROR, Mode.SNAPSHOT])
def test_no_row_version_of_an_unchanged_row_is_made(database_url: str, probe: Probe, mode: Mode) -> None:
    """Claim 4: a resync of equal rows touches none of them, of whatever type a column is."""
    columns = ", ".join(f"v{place} {kind}" for place, (kind, _) in enumerate(UNCHANGED))
    execute(
        database_url, f"create table public.t (k integer primary key, {columns}, theirs text default 'o')"
    )
    destination = PostgresDestination(database_url, "public.t")
    stated = ", ".join(f"{value} as v{place}" for place, (_, value) in enumerate(UNCHANGED))
    rows = f"select 1 as k, {stated} union all by name select 2 as k"
    probe.deliver(destination, rows, mode=mode)
    before = query(database_url, "select xmin::text, ctid::text, t::text from public.t t order by k")
    probe.deliver(destination, rows, mode=mode, kind=DeliveryKind.RESYNC)
    assert query(database_url, "select xmin::text, ctid::text, t::text from public.t t order by k") == before


SETTINGS = [
    "datestyle to 'German, DMY'", "array_nulls to off", "extra_float_digits to -10", "bytea_output to 'escape'",
    "timezone to 'America/New_York'", "search_path to nowhere", "standard_conforming_strings to off",
    "intervalstyle to 'sql_standard'", "default_transaction_isolation to 'serializable'",
]  # fmt: skip


def test_settings_of_the_server_change_no_value(database_url: str, probe: Probe) -> None:
    """Claim 3: what an administrator sets for a database changes nothing of what arrives (but encodings)."""
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


MISFITS = {
    "varchar(3)": "'abc   '", "varchar(3)[]": "['abc   ']", "numeric(5, 2)": "1.005::decimal(10, 3)",
    "numeric(5, 2)[]": "[1.005::decimal(10, 3)]", "real": "0.1::double", "real[]": "[0.1::double]",
    "smallint": "70000", "smallint[]": "[70000]", "name": "repeat('x', 70)", "name[]": "[repeat('x', 70)]",
    "timestamp(0)": "timestamp '2024-01-02 03:04:05.6'", "timestamp(0)[]": "[timestamp '2024-01-02 03:04:05.6']",
    "timestamp": "timestamptz '2024-01-02 03:04:05+00'", "timestamptz": "timestamp '2024-01-02 03:04:05'",
    "uuid": "'00000000-0000-0000-0000-00000000000A'", "integer": "0.5::double", "char(3)": "'ab '",
    "date": "timestamp '2024-01-02 03:04:05'", "interval": "'1 year 2 mons'", "inet": "'10.0.0.1/32'",
}  # fmt: skip


@pytest.mark.parametrize("kind", list(MISFITS))
def test_a_value_that_a_column_would_alter_is_refused(database_url: str, probe: Probe, kind: str) -> None:
    """Claim 4: a column gets a value exactly, or the delivery names the column and the fix."""
    execute(database_url, f"create table public.t (k integer primary key, v {kind})")
    rows = f"select 1 as k, {MISFITS[kind]} as v"
    with pytest.raises(DeliveryError, match=r"v.*\n.*\n.*alter column"):
        probe.deliver(PostgresDestination(database_url, "public.t"), rows)
    assert query(database_url, "select * from public.t") == []
