"""Postgres: what differs is changed, whatever the server takes for equal; what is equal is not touched.

Belongs here: the comparison of what the table holds with what is sent, of every type. Does not: whether a
type takes a value (`types`).
"""

from pathlib import Path

import pytest
from sluicegate.destinations.base import Mode
from sluicegate.destinations.postgres import PostgresDestination
from sluicegate.state.records import DeliveryKind

from .probe import Probe
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
    ("double precision[]", "[0.0::double]", "[-0.0::double]", "{-0}"),
    ("real[]", "[0.0::float]", "[-0.0::float]", "{-0}"),
    ("interval[]", "['1 month']", "['30 days']", '{"30 days"}'),
    ("jsonb[]", "['1'::json]", "['1.0'::json]", "{1.0}"),
    ("json[]", "['1'::json]", "['1.0'::json]", "{1.0}"),
]


def test_a_change_that_postgres_takes_for_none_arrives(database_url: str, probe: Probe) -> None:
    """What differs is changed, though Postgres' `=` says that it is equal."""
    columns = ", ".join(f"v{place} {kind}" for place, (kind, *_) in enumerate(EQUAL_AND_OTHER))
    execute(database_url, f"create table public.t (k integer primary key, {columns})")
    destination = PostgresDestination(database_url, "public.t")
    for place in (1, 2):
        stated = ", ".join(f"{row[place]} as v{n}" for n, row in enumerate(EQUAL_AND_OTHER))
        probe.deliver(destination, f"select 1 as k, {stated}")
    names = ", ".join(f"v{n}::text" for n in range(len(EQUAL_AND_OTHER)))
    assert query(database_url, f"select {names} from public.t") == [tuple(row[3] for row in EQUAL_AND_OTHER)]


UNCHANGED = [
    ("numeric(10, 4)", "1.50::decimal(10, 2)"), ("real", "0.5::double"),
    ("double precision", "'nan'::double"),
    ("char(3)", "'ab'"), ("varchar(9)", "'a '"), ("timestamptz", "timestamptz '2024-01-02 03:04:05+05'"),
    ("interval", "interval '14 months'"), ("json", "'{\"a\": 1}'::json"),
    ("jsonb", "'{\"b\":1,  \"a\":1.0}'::json"), ("jsonb", "'null'::json"), ("bytea", "'\\xAA'::blob"),
    ("inet", "'10.0.0.1'"), ("text[]", "['NULL', '', null]"), ("double precision[]", "['nan'::double]"),
    ("uuid", "'00000000-0000-0000-0000-00000000000A'::uuid"), ("date", "'-infinity'::date"),
    ("time(3)", "time '01:02:03.5'"), ("timestamptz[]", "[timestamptz '2024-01-02 03:04:05+05']"),
    ("json[]", "['{\"a\":  1}'::json]"), ("jsonb[]", "['{\"b\":1,  \"a\":1.0}'::json, null]"),
    ("uuid[]", "['00000000-0000-0000-0000-00000000000A'::uuid]"), ("inet[]", "['10.0.0.1']"),
    ("double precision[]", "[-0.0::double]"), ("interval[]", "['1 year']"),
]  # fmt: skip


@pytest.mark.parametrize("mode", [Mode.UPSERT, Mode.MIRROR, Mode.SNAPSHOT])
def test_no_row_version_of_an_unchanged_row_is_made(database_url: str, probe: Probe, mode: Mode) -> None:
    """A resync of equal rows touches none of them, of whatever type a column is."""
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
