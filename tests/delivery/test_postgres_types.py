"""Postgres: the column types of real tables. A value arrives exactly, or its row is refused by name.

Belongs here: each type with its extremes, written by us, read by psycopg and compared by reconcile's own
comparison. Does not: what becomes of other columns and rows (`owned`, `modes`).
"""

import datetime as dt
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest
from sluicegate.compute.row_hash import fields_of
from sluicegate.compute.sql import literal
from sluicegate.delivery.json_text import knowing_json
from sluicegate.delivery.reconcile import normalised
from sluicegate.destinations.base import DeliveryError, Receipt, Scope, Shard
from sluicegate.destinations.postgres import PostgresDestination

from .journals import MemoryJournal
from .support import DAY, MakeShard, execute, query

pa: Any = import_module("pyarrow")

SCOPE = Scope(
    export="exp_items",
    partition_key=DAY,
    key=("item",),
    fields=("item", "value"),
    partition_column="business_date",
)
_MADE = (
    "create type mood as enum ('sad', 'so so');"
    "create domain code as text check (value ~ '^[A-Z]{2}$');"
    "create domain short_code as code check (length(value) < 5);"
    "create domain percent as integer check (value between 0 and 100);"
)
UUIDS = ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "00000000-0000-0000-0000-000000000000"]
SPANS = [
    "1 year 2 months 3 days 04:05:06.789",
    "-1 year -2 months 1 day -03:00:00",
    "-1 day",
    "00:00:00",
    "100:00:00.000001",
    "1 month",
    "30 days",
]
SHOWN_SPANS = [
    "1 year 2 mons 3 days 04:05:06.789",
    "-1 years -2 mons +1 day -03:00:00",
    "-1 days",
    "00:00:00",
    "100:00:00.000001",
    "1 mon",
    "30 days",
]


def deliver(url: str, shard: Shard) -> Receipt:
    return PostgresDestination(url, "items").send(shard, MemoryJournal(shard.rows))


def from_duckdb(kind: str, values: Sequence[str], folder: Path) -> Any:
    """Rows of SQL values of a type of the local engine, as an Arrow table read from its Parquet."""
    path = folder / "values.parquet"
    rows = ", ".join(f"({number}, cast({value} as {kind}))" for number, value in enumerate(values))
    with duckdb.connect() as connection:
        connection.execute(
            f"copy (select item, date '{DAY}' as business_date, value from (values {rows}) v (item, value)"
            f" order by item) to {literal(str(path))} (format parquet)"
        )
    return import_module("pyarrow.parquet").read_table(path)


def made(url: str, kind: str) -> None:
    execute(url, f"{_MADE} create table items (item int primary key, business_date date, value {kind})")


def texts(url: str) -> list[str | None]:
    """What the table holds, by psycopg."""
    with psycopg.connect(url) as connection:
        connection.execute("set time zone 'UTC'")
        rows = connection.execute("select value::text from items order by item").fetchall()
    return [row[0] for row in rows]


def reconciles(url: str, shard: Shard, folder: Path) -> bool:
    """Whether what is read back compares equal with the shard, as `reconcile` compares."""
    back = pa.Table.from_batches(list(PostgresDestination(url, "items").read_back(SCOPE)))
    import_module("pyarrow.parquet").write_table(back, folder / "back.parquet")
    with duckdb.connect() as connection, knowing_json(connection):
        ours, theirs = (
            f"select item, value from read_parquet({literal(str(path))})"
            for path in (shard.path, folder / "back.parquet")
        )
        kinds = [fields_of(connection, rows)["value"] for rows in (ours, theirs)]
        sides = normalised("value", *kinds)
        found = [
            connection.execute(f"select item, {side} from ({rows}) order by item").fetchall()
            for side, rows in zip(sides, (ours, theirs), strict=True)
        ]
    assert found[0] == found[1]
    return True


def sql(*values: object) -> list[str]:
    return ["null" if value is None else literal(str(value)) for value in values]


# (the model's type, the table's type, values as SQL, what psycopg reads as text; None: the same texts)
ARRIVES: list[tuple[str, str, list[str], list[str | None] | None]] = [
    (
        "varchar",
        "jsonb",
        sql('{"b": 1, "a": [1.50, null]}', "null", '"ü"', None),
        ['{"a": [1.50, null], "b": 1}', "null", '"ü"', None],
    ),
    ("varchar", "json", sql('{"b":1,  "b":2}', "1e2", None), None),
    (
        "json",
        "jsonb",
        sql('{"aa":1,"b":12345678901234567890.5}', None),
        ['{"b": 12345678901234567890.5, "aa": 1}', None],
    ),
    ("json", "text", sql('{"b":1}', None), None),
    ("varchar", "uuid", sql(*UUIDS, None), None),
    ("uuid", "uuid", sql(*UUIDS, None), None),
    ("uuid", "text", sql(*UUIDS, None), None),
    ("varchar", "varchar(3)", sql("abc", "", "ü☃𝄞", " a ", None), None),
    ("varchar", "char(3)", sql("abc", "a", "", None), ["abc", "a", "", None]),
    ("varchar", "mood", sql("so so", None), None),
    ("varchar", "code", sql("AB", None), None),
    ("varchar", "short_code", sql("AB", None), None),
    ("varchar", "interval", sql(*SPANS, None), [*SHOWN_SPANS, None]),
    (
        "varchar",
        "inet",
        sql("10.0.0.1", "10.1.0.0/16", "::1", None),
        ["10.0.0.1/32", "10.1.0.0/16", "::1/128", None],
    ),
    ("varchar", "cidr", sql("10.1.0.0/16", None), None),
    ("varchar", "macaddr", sql("08:00:2b:01:02:03", None), None),
    ("bigint", "integer", sql(2**31 - 1, -(2**31), 0, None), None),
    ("bigint", "smallint", sql(2**15 - 1, -(2**15), None), None),
    ("bigint", "percent", sql(0, 100, None), None),
    ("bigint", "numeric(19,0)", sql(2**63 - 1, -(2**63), None), None),
    ("ubigint", "bigint", sql(2**63 - 1, 0, None), None),
    ("decimal(38,0)", "numeric(38,0)", sql("9" * 38, "-" + "9" * 38, None), None),
    ("decimal(18,4)", "numeric(6,2)", sql("9999.99", "-0.01", None), ["9999.99", "-0.01", None]),
    ("decimal(10,0)", "integer", sql(2147483647, None), None),
    ("double", "real", sql(0.5, "nan", "-inf", "inf", None), ["0.5", "NaN", "-Infinity", "Infinity", None]),
    (
        "double",
        "double precision",
        sql(-0.0, "nan", 5e-324, 1.7976931348623157e308, None),
        ["-0", "NaN", "5e-324", "1.7976931348623157e+308", None],
    ),
    ("boolean", "boolean", ["true", "false", "null"], None),
    ("blob", "bytea", ["'\\x00\\xFF'::blob", "''::blob", "null"], ["\\x00ff", "\\x", None]),
    ("date", "date", sql("infinity", "-infinity", "0001-01-01", "9999-12-31", None), None),
    ("date", "date", ["date '-4712-01-01'", "date '5874897-12-31'"], ["4713-01-01 BC", "5874897-12-31"]),
    ("timestamp", "timestamp", sql("infinity", "-infinity", "2300-01-01 00:00:00.000001", None), None),
    ("timestamp", "timestamp", sql("1969-12-31 23:59:59.999999", "294246-12-31 23:59:59.999999"), None),
    ("timestamptz", "timestamptz", sql("infinity", "-infinity", "1999-12-31 23:59:59.999999+00", None), None),
    ("timestamp", "timestamp(3)", sql("2020-01-01 00:00:00.123", None), None),
    ("time", "time", sql("23:59:59.999999", "00:00:00", "24:00:00", None), None),
    (
        "varchar[]",
        "text[]",
        ["['a', null, '', 'b,\"{c}']", "[]", "null"],
        ['{a,NULL,"","b,\\"{c}"}', "{}", None],
    ),
    ("varchar[]", "varchar(3)[]", ["['abc', null]", "[]", "null"], ["{abc,NULL}", "{}", None]),
    ("varchar[]", "uuid[]", [f"['{UUIDS[0]}', null]", "[]", "null"], [f"{{{UUIDS[0]},NULL}}", "{}", None]),
    ("varchar[]", "mood[]", ["['sad', 'so so']", "[]"], ['{sad,"so so"}', "{}"]),
    ("bigint[]", "integer[]", ["[2147483647, null]", "[]", "null"], ["{2147483647,NULL}", "{}", None]),
    (
        "bigint[]",
        "bigint[]",
        ["[9223372036854775807, -9223372036854775808]", "null"],
        ["{9223372036854775807,-9223372036854775808}", None],
    ),
    ("decimal(10,2)[]", "numeric(10,2)[]", ["[1.20, null, -0.01]", "[]"], ["{1.20,NULL,-0.01}", "{}"]),
    ("date[]", "date[]", ["['2022-10-03', null]", "[]"], ["{2022-10-03,NULL}", "{}"]),
    ("boolean[]", "boolean[]", ["[true, null, false]"], ["{t,NULL,f}"]),
    (
        "double[]",
        "double precision[]",
        ["['0.0']", "['-0.0']", "['nan', '5e-324', null]"],
        ["{0}", "{-0}", "{NaN,5e-324,NULL}"],
    ),
    ("double[]", "real[]", ["['0.0']", "['-0.0']", "['0.5', 'inf']"], ["{0}", "{-0}", "{0.5,Infinity}"]),
    *(("uuid[]", kind, [f"['{UUIDS[0]}', null]", "[]", "null"], [f"{{{UUIDS[0]},NULL}}", "{}", None])
      for kind in ("uuid[]", "text[]", "varchar[]")),
    *(("json[]", kind, ["""['{"b":1,  "a":1.50}', null]""", "['null', '1']", "[]", "null"],
       [r'{"{\"b\":1,  \"a\":1.50}",NULL}', '{"null",1}', "{}", None]) for kind in ("json[]", "text[]")),
    *((model, "jsonb[]", ["""['{"b":1,  "a":1.50}', null]""", "['null', '1.0']", "['1']", "[]", "null"],
       [r'{"{\"a\": 1.50, \"b\": 1}",NULL}', '{"null",1.0}', "{1}", "{}", None])
      for model in ("json[]", "varchar[]")),
    ("varchar[]", "inet[]", ["['10.0.0.1', null, '10.1.0.0/16']", "[]", "null"],
     ["{10.0.0.1,NULL,10.1.0.0/16}", "{}", None]),
    ("timestamp[]", "timestamp[]", ["['2300-01-01 00:00:00.000001', null]", "[]"],
     ['{"2300-01-01 00:00:00.000001",NULL}', "{}"]),
    ("timestamptz[]", "timestamptz[]", ["['1999-12-31 23:59:59.999999+00', null]", "null"],
     ['{"1999-12-31 23:59:59.999999+00",NULL}', None]),
    ("time[]", "time[]", ["['23:59:59.999999', '24:00:00', null]"], ["{23:59:59.999999,24:00:00,NULL}"]),
    ("blob[]", "bytea[]", ["['\\x00\\xFF'::blob, null]", "[]"], [r'{"\\x00ff",NULL}', "{}"]),
    ("ubigint[]", "numeric(20,0)[]", ["[18446744073709551615, null]"], ["{18446744073709551615,NULL}"]),
    ("float[]", "real[]", ["['0.1', '-inf', null]"], ["{0.1,-Infinity,NULL}"]),
    ("enum('it''s', 'b')[]", "text[]", ["['it''s', null]"], ["{it's,NULL}"]),
    ("varchar[]", "interval[]", ["['1 month', null]", "['30 days']", "null"],
     ['{"1 mon",NULL}', '{"30 days"}', None]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("model", "kind", "values", "read"), ARRIVES, ids=[f"{model}-{kind}" for model, kind, _, _ in ARRIVES]
)
@pytest.mark.sampled(8)
def test_a_value_arrives_exactly_and_is_read_back_as_it_was_sent(
    database_url: str,
    make_shard: MakeShard,
    tmp_path: Path,
    model: str,
    kind: str,
    values: list[str],
    read: list[str | None] | None,
) -> None:
    made(database_url, kind)
    table = from_duckdb(model, values, tmp_path)
    shard = make_shard(table, key=("item",))
    PostgresDestination(database_url, "items").check(shard)
    deliver(database_url, shard)
    if read is None:
        read = [None if value == "null" else value.strip("'") for value in values]
    assert texts(database_url) == read
    assert reconciles(database_url, shard, tmp_path)
    # What is there already is seen as such, and not written anew.
    again = deliver(database_url, make_shard(table, key=("item",)))
    assert again.details["rows_changed"] == 0
    # And so is what differs: all values but one are brought back.
    execute(database_url, "update items set value = (select value from items where item = 0)")
    deliver(database_url, make_shard(table, key=("item",)))
    assert reconciles(database_url, shard, tmp_path)


# (the model's type, the table's type, a value that fits, one that does not)
REFUSED: list[tuple[str, str, str, str]] = [
    ("varchar", "jsonb", "'{}'", "'{'"),
    ("varchar", "jsonb", "'{}'", '\'{"a":1,"a":2}\''),
    ("varchar", "jsonb", "'{}'", "'\"\\u0000\"'"),
    ("varchar", "json", "'{}'", "'{'"),
    ("varchar", "uuid", f"'{UUIDS[0]}'", "'no uuid'"),
    ("varchar", "uuid", f"'{UUIDS[0]}'", f"'{UUIDS[0].upper()}'"),
    ("varchar", "varchar(3)", "'abc'", "'abcd'"),
    ("varchar", "varchar(3)", "'abc'", "'abc '"),
    ("varchar", "char(3)", "'abc'", "'a '"),
    ("varchar", "mood", "'sad'", "'glad'"),
    ("varchar", "code", "'AB'", "'ABC'"),
    ("varchar", "short_code", "'AB'", "'A'"),
    ("varchar", "interval", "'1 month'", "'0.5 months'"),
    ("varchar", "inet", "'10.0.0.1'", "'10.0.0.256'"),
    ("varchar", "inet", "'10.0.0.1'", "'10.0.0.1/32'"),
    ("bigint", "integer", "1", "2147483648"),
    ("bigint", "percent", "1", "101"),
    ("ubigint", "bigint", "1", "9223372036854775808"),
    ("decimal(18,4)", "numeric(6,2)", "1", "10000"),
    ("decimal(18,4)", "numeric(6,2)", "1", "0.001"),
    ("decimal(10,0)", "integer", "1", "2147483648"),
    ("double", "real", "0.5", "0.1"),
    ("double", "real", "0.5", "1e300"),
    ("timestamp", "timestamp(3)", "'2020-01-01'", "'2020-01-01 00:00:00.0001'"),
    ("timestamp", "timestamp", "'2020-01-01'", "'290000-01-01 (BC)'"),
    ("date", "date", "'2020-01-01'", "'5880000-01-01'"),
    ("date", "date", "'2020-01-01'", "'10000-01-01 (BC)'"),
    ("date[]", "date[]", "[]", "['infinity']"),
    ("varchar", "text", "'a'", "'a' || chr(0)"),
    ("varchar[]", "varchar(3)[]", "['abc']", "['abcd']"),
    ("varchar[]", "uuid[]", "[]", "['x']"),
    ("varchar[]", "jsonb[]", "['{}']", "['{']"),
    ("json[]", "jsonb[]", "['{}']", """['{"a":1,"a":2}']"""),
    ("varchar[]", "inet[]", "['10.0.0.1']", "['10.0.0.1/32']"),
    ("double[]", "real[]", "[0.5]", "[0.1]"),
    ("bigint[]", "smallint[]", "[1]", "[70000]"),
    ("decimal(10,3)[]", "numeric(5,2)[]", "[1]", "[1.005]"),
    ("timestamp[]", "timestamp(0)[]", "[]", "['2024-01-02 03:04:05.6']"),
    ("varchar", "name", "'x'", "repeat('x', 70)"),
    ("varchar[]", "name[]", "['x']", "[repeat('x', 70)]"),
    ("bigint[]", "integer[]", "[1]", "[2147483648]"),
    ("timestamp_ns", "timestamp", "'2020-01-01'", "'2020-01-01 00:00:00.000000001'"),
]


@pytest.mark.sampled(6)
@pytest.mark.parametrize(("model", "kind", "fits", "other"), REFUSED)
def test_a_value_that_does_not_fit_is_refused_by_its_row(
    database_url: str, make_shard: MakeShard, tmp_path: Path, model: str, kind: str, fits: str, other: str
) -> None:
    made(database_url, kind)
    deliver(database_url, make_shard(from_duckdb(model, [fits, fits], tmp_path), key=("item",)))
    before = query(database_url, "select *, xmin::text from items order by item")
    shard = make_shard(from_duckdb(model, [fits, fits, other, fits], tmp_path), key=("item",))
    with pytest.raises(DeliveryError, match="column 'value' .*item = 2") as caught:
        deliver(database_url, shard)
    # No value stands where it is shown to everybody.
    secret = other.strip("'[]")
    assert len(secret) < 5 or secret not in caught.value.expected + caught.value.fix
    assert query(database_url, "select *, xmin::text from items order by item") == before


def test_the_statement_that_makes_room_is_right_when_typed(
    database_url: str, make_shard: MakeShard, tmp_path: Path
) -> None:
    made(database_url, "uuid")
    shard = make_shard(from_duckdb("varchar", ["'x'"], tmp_path), key=("item",))
    with pytest.raises(DeliveryError) as caught:
        deliver(database_url, shard)
    execute(database_url, caught.value.fix.partition("or: ")[2])
    deliver(database_url, shard)
    assert texts(database_url) == ["x"]


@pytest.mark.parametrize("name", ["tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"])
def test_a_name_that_postgres_keeps_for_itself_is_to_be_changed(
    database_url: str, make_shard: MakeShard, name: str
) -> None:
    table = pa.table({"item": pa.array([1]), name: pa.array(["a"])})
    with pytest.raises(DeliveryError, match=f"column '{name}' .* of its own") as caught:
        PostgresDestination(database_url, "items").check(
            make_shard(table, key=("item",), partition_column=None)
        )
    assert "`names`" in caught.value.fix


@pytest.mark.parametrize("kind", ["json", "jsonb", "interval"])
def test_what_tells_no_rows_apart_is_no_key(database_url: str, make_shard: MakeShard, kind: str) -> None:
    execute(database_url, f"create table items (item {kind}, business_date date)")
    day = dt.date.fromisoformat(DAY)
    table = pa.table({"item": pa.array(["1 day"]), "business_date": pa.array([day])})
    with pytest.raises(DeliveryError, match=f"item: expected text, found {kind}") as caught:
        deliver(database_url, make_shard(table, key=("item",)))
    execute(database_url, caught.value.fix.partition(", or ")[2])
    deliver(database_url, make_shard(table, key=("item",)))


def test_an_infinity_of_others_is_read_back_as_one(
    database_url: str, make_shard: MakeShard, tmp_path: Path
) -> None:
    made(database_url, "timestamptz")
    deliver(database_url, make_shard(from_duckdb("timestamptz", sql("2020-01-01"), tmp_path), key=("item",)))
    execute(database_url, "update items set value = '-infinity'")
    back = pa.Table.from_batches(list(PostgresDestination(database_url, "items").read_back(SCOPE)))
    import_module("pyarrow.parquet").write_table(back, tmp_path / "back.parquet")
    with duckdb.connect() as connection:
        found = connection.execute(f"select value::varchar from read_parquet('{tmp_path}/back.parquet')")
        assert found.fetchall() == [("-infinity",)]


def test_a_new_table_gets_types_that_hold_all(
    database_url: str, make_shard: MakeShard, tmp_path: Path
) -> None:
    for kind, value, made_of in (
        ("uuid", f"'{UUIDS[0]}'", "uuid"),
        ("json", '\'{"a":1,"a":2}\'', "json"),
        ("varchar[]", "['a']", "ARRAY"),
        ("uuid[]", f"['{UUIDS[0]}']", "ARRAY"),
        ("json[]", '[\'{"a":1,"a":2}\']', "ARRAY"),
        ("date", "'infinity'", "date"),
        ("timestamptz", "'-infinity'", "timestamp with time zone"),
    ):
        shard = make_shard(from_duckdb(kind, [value], tmp_path), key=("item",))
        deliver(database_url, shard)
        types = query(
            database_url, "select data_type from information_schema.columns where column_name = 'value'"
        )
        assert types == [(made_of,)]
        assert reconciles(database_url, shard, tmp_path)
        execute(database_url, "drop table items")
