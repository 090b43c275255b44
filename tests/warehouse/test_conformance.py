"""What every warehouse must do, whichever engine it is."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from sluicegate.compute.engine import open_engine
from sluicegate.compute.row_hash import content_digest, fields_of
from sluicegate.compute.sql import quoted
from sluicegate.warehouse.base import OtherType, Rows, Version, Warehouse

from tests.warehouse.engines import ENGINES, another_process
from tests.warehouse.rows import BESIDE, COLUMNS, MON, RAW, TUE, held, load, parquet

pytestmark = pytest.mark.long


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def warehouse(engine: str, tmp_path: Path) -> Warehouse:
    return ENGINES[engine].make(tmp_path, 60)


# -- replacing


def test_rows_take_the_place_of_their_partition_alone(warehouse: Warehouse, tmp_path: Path) -> None:
    with warehouse.session() as session:
        load(session, tmp_path, MON, 3, "a", beside=1)
        load(session, tmp_path, TUE, 2, "b")
        assert held(session) == {MON: ("a", 3, 1), TUE: ("b", 2, 0)}
        load(session, tmp_path, MON, 5, "c")
        assert held(session) == {MON: ("c", 5, 0), TUE: ("b", 2, 0)}
    with warehouse.session() as session:
        load(session, tmp_path, MON, 0, "d", beside=2)
        assert held(session) == {MON: ("d", 0, 2), TUE: ("b", 2, 0)}
        assert session.query(f"select distinct item, _drop from {RAW} order by item") == [(0, 1), (1, 1)]


def test_several_files_are_one_partition(warehouse: Warehouse, tmp_path: Path) -> None:
    files = [
        parquet(tmp_path, f"select {n}::integer as item, null::varchar as note", f"n{n}") for n in range(3)
    ]
    fixed = {"_partition_key": MON, "_drop": 2}
    with warehouse.session() as session:
        session.replace([Rows(RAW, COLUMNS, ("_partition_key", MON), files, fixed)])
        assert session.query(f"select * from {RAW} order by item") == [(n, None, MON, 2) for n in range(3)]
        assert session.versions([RAW]) == {}


@pytest.mark.sampled(2)
@pytest.mark.parametrize("killed_at", range(2, 7))
def test_a_killed_writer_leaves_the_old_or_the_new(
    warehouse: Warehouse, engine: str, tmp_path: Path, killed_at: int
) -> None:
    script = """
for number in range(1, 99):
    say(number)
    with warehouse.session() as session:
        load(session, folder, MON, 20_000 * number, str(number), beside=number)
"""
    with another_process(engine, tmp_path, script) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if int(line) == killed_at:
                break
        child.kill()
    with warehouse.session() as session:
        [(version, rows, beside)] = held(session).values()
    assert int(version) in (killed_at - 1, killed_at)
    assert (rows, beside) == (20_000 * int(version), int(version))


def test_rows_that_cannot_be_written_leave_all_as_it_was(warehouse: Warehouse, tmp_path: Path) -> None:
    wrong = parquet(tmp_path, "select 'x' as item, 'y' as note", "wrong")
    with warehouse.session() as session:
        load(session, tmp_path, MON, 3, "a", beside=1)
        own = Rows(RAW, COLUMNS, ("_partition_key", MON), fixed={"_partition_key": MON, "_drop": 2})
        beside = Rows(BESIDE, COLUMNS | {"more": "DATE"}, ("_partition_key", MON), [wrong], own.fixed)
        with pytest.raises(session.errors):
            session.replace([own, beside], Version(RAW, MON, "b"))
        assert held(session) == {MON: ("a", 3, 1)}
        assert "more" not in session.describe(f"select * from {BESIDE}")
        load(session, tmp_path, MON, 4, "b")
        assert held(session) == {MON: ("b", 4, 0)}


# -- tables


def test_a_table_gets_the_columns_that_it_lacks(warehouse: Warehouse, tmp_path: Path) -> None:
    with warehouse.session() as session:
        load(session, tmp_path, MON, 1, "a")
        more = parquet(tmp_path, "select 7 as item, 'n' as note, 1.5::decimal(4, 1) as price", "more")
        columns = COLUMNS | {"price": "DECIMAL(4,1)"}
        fixed = {"_partition_key": TUE, "_drop": 1}
        session.replace([Rows(RAW, columns, ("_partition_key", TUE), [more], fixed)])
        found = session.query(f"select item, price::varchar from {RAW} order by item")
        assert found == [(0, None), (7, "1.5")]
        load(session, tmp_path, MON, 2, "b")  # which knows of no price
        assert [price for _, price in session.query(f"select item, price from {RAW} order by item")][:2] == [
            None
        ] * 2


def test_a_column_of_another_type_is_refused(warehouse: Warehouse, tmp_path: Path) -> None:
    with warehouse.session() as session:
        load(session, tmp_path, MON, 3, "a")
        other = Rows(RAW, {"more": "DATE", **COLUMNS, "item": "BIGINT"}, ("_partition_key", MON))
        with pytest.raises(OtherType) as refused:
            session.replace([other], Version(RAW, MON, "b"))
        said = refused.value
        assert (said.relation, said.column, said.held, said.wanted) == (RAW, "item", "INTEGER", "BIGINT")
        assert held(session) == {MON: ("a", 3, 0)}
        assert list(session.describe(f"select * from {RAW}")) == list(COLUMNS)
        # By whatever name the type is called, it is the same one.
        session.replace([replace(other, columns={**COLUMNS, "item": "int4"})], Version(RAW, MON, "c"))
        assert held(session) == {MON: ("c", 0, 0)}


def test_tables_are_there_or_not(warehouse: Warehouse, tmp_path: Path) -> None:
    with warehouse.session() as session:
        assert not session.has_table(RAW)
        load(session, tmp_path, MON, 1, "a")
        assert session.has_table(RAW)
        assert session.has_table(BESIDE)
        assert not session.has_table("raw.orders_")
        assert not session.has_table("orders")


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", ["select", "order", "group_by_", "größe"])
@pytest.mark.parametrize("column", ["select", "a b", 'a"b', "a'b", "größe", "ITEM"])
def test_names_are_as_they_are_written(warehouse: Warehouse, tmp_path: Path, name: str, column: str) -> None:
    relation = f"raw.{name}"
    file = parquet(tmp_path, f"select 5 as {quoted(column)}, 'it''s' as n")
    with warehouse.session() as session:
        rows = Rows(relation, {column: "INTEGER", "n": "VARCHAR", "k": "VARCHAR"}, ("k", "it's"), [file])
        for version in ("a'b", "c"):
            session.replace([replace(rows, fixed={"k": "it's"})], Version(relation, "it's", version))
        assert session.has_table(relation)
        assert session.versions([relation]) == {(relation, "it's"): "c"}
        assert session.query(f"select * from raw.{quoted(name)}") == [(5, "it's", "it's")]
        source = session.fetch(f"select * from raw.{quoted(name)}", tmp_path)
        with open_engine() as local:
            assert list(fields_of(local, source)) == [column, "n", "k"]


# -- versions


def test_versions_are_told_in_the_order_of_writing(warehouse: Warehouse, tmp_path: Path) -> None:
    with warehouse.session() as session:
        for key, version in (("zebra", "1"), ("ant", "2"), ("mole", "3"), ("zebra", "4")):
            load(session, tmp_path, key, 1, version)
        session.replace([], Version("raw.other", "", "5"))
        assert session.written(RAW) == [("ant", "2"), ("mole", "3"), ("zebra", "4")]
        assert session.versions([RAW, "raw.other", "raw.none"]) == {
            (RAW, "ant"): "2", (RAW, "mole"): "3", (RAW, "zebra"): "4", ("raw.other", ""): "5",
        }  # fmt: skip
        assert session.versions([]) == {}
        assert session.written("raw.none") == []


# -- snapshots


def test_a_snapshot_is_of_one_moment_beside_a_writer(warehouse: Warehouse, tmp_path: Path) -> None:
    with warehouse.session() as reader, warehouse.session() as writer:
        load(writer, tmp_path, MON, 3, "a", beside=1)
        with reader.snapshot() as begin:
            assert held(reader) == {MON: ("a", 3, 1)}
            load(writer, tmp_path, MON, 9, "b", beside=2)
            load(writer, tmp_path, TUE, 1, "c")
            assert held(reader) == {MON: ("a", 3, 1)}
            assert reader.written(RAW) == [(MON, "a")]
            source = reader.fetch(f"select * from {RAW}", tmp_path)
            assert reader.digest(f"select * from {RAW}") == _digest(source)
            begin()
            assert held(reader) == {MON: ("b", 9, 2), TUE: ("c", 1, 0)}
        load(reader, tmp_path, TUE, 2, "d")  # what comes after it may write
        assert held(writer)[TUE] == ("d", 2, 0)


def test_nothing_is_changed_within_a_snapshot(warehouse: Warehouse, tmp_path: Path) -> None:
    with warehouse.session() as session:
        load(session, tmp_path, MON, 3, "a")
        with session.snapshot() as begin:
            for sql in (f"delete from {RAW} returning *", f"select nothing from {RAW}", "selec 1"):
                with pytest.raises(session.errors):
                    session.query(sql)
                begin()
                assert held(session) == {MON: ("a", 3, 0)}
        with pytest.raises(ZeroDivisionError), session.snapshot():
            raise ZeroDivisionError
        assert held(session) == {MON: ("a", 3, 0)}


# -- fetching

BIG = "170141183460469231731687303715884105727"
# type -> values, as SQL of the engine; an engine that lacks a type has no model with it either
TYPES = {
    "boolean": ("true", "false"),
    "tinyint": ("-128", "127"), "smallint": ("-32768",), "integer": ("-2147483648",),
    "bigint": ("-9223372036854775808", "9007199254740993"), "utinyint": ("255",), "usmallint": ("65535",),
    "uinteger": ("4294967295",), "ubigint": ("18446744073709551615",),
    "hugeint": (BIG, f"-{BIG}", "9007199254740993"), "uhugeint": ("340282366920938463463374607431768211455",),
    "bignum": ("'123456789012345678901234567890123456789012345678901234567890'",),
    "float": ("'nan'", "'-inf'", "0.1"), "double": ("'nan'", "'inf'", "-0.0", "5e-324"),
    "decimal(38, 10)": ("'1234567890123456789012345678.0123456789'",), "decimal(4, 1)": ("-999.9",),
    "varchar": ("''", "'é\U0001f600 \"''\\'", "chr(0)", "'null'"), "blob": ("'\\x00\\xFF'", "''"),
    "uuid": ("'ffffffff-ffff-ffff-ffff-ffffffffffff'",), "bit": ("'0101001'",),
    "date": ("'infinity'", "'0001-01-01 (BC)'"), "time": ("'24:00:00'", "'00:00:00.000001'"),
    "time_ns": ("'12:34:56.123456789'",), "timetz": ("'12:34:56.123456+05:30:15'", "'24:00:00-15:59:59'"),
    "timestamp": ("'-infinity'", "'9999-12-31 23:59:59.999999'"),
    "timestamp_s": ("'2024-01-01 00:00:01'",),
    "timestamp_ms": ("'2024-01-01 00:00:01.123'",), "timestamp_ns": ("'2024-01-01 00:00:01.123456789'",),
    "timestamptz": ("'infinity'", "'2024-03-31 02:30:00+02'"),
    "interval": ("'1 year 2 months 3 days 4.000005 seconds'", "'-1 day 1 microsecond'", "'1000000 days'"),
    "enum('a', 'it''s', 'HUGEINT')": ("'it''s'", "'HUGEINT'"),
    "integer[]": ("[1, null]", "[]"), "integer[2]": ("[1, null]",), "hugeint[][]": (f"[[{BIG}], null, []]",),
    'struct(a hugeint, "b c" varchar)': (
        f"{{'a': {BIG}, 'b c': 'it''s, {{x}}'}}", "{'a': null, 'b c': null}",
    ),
    'struct("HUGEINT" integer, "interval" interval)': (
        "{'HUGEINT': 1, 'interval': interval '1 microsecond'}",
    ),
    'struct("INTERVAL" hugeint, "HUGEINT," time, v varchar)': (
        f"{{'INTERVAL': {BIG}, 'HUGEINT,': '24:00:00', 'v': 'HUGEINT'}}",
    ),
    "map(varchar, hugeint)": (f"map {{'a': {BIG}}}", "map {}"),
    "union(n integer, s varchar)": ("union_value(s := '1')", "union_value(n := 1)"),
    "union(h hugeint, l interval)": ("union_value(l := '1 day 1 microsecond'::interval)",),
    "struct(a time, b timestamp_ms)[]": ("[{'a': '24:00:00', 'b': '2024-01-01 00:00:01.123'}]",),
    "map(integer, timetz)": ("map {1: '24:00:00+01:00:00'}",), "enum('a', 'b')[]": ("['a', null]",),
    "json": ("'{\"a\": [1, null]}'", "'null'"),
}  # fmt: skip


@pytest.mark.sampled(3)
@pytest.mark.parametrize("kind", TYPES)
def test_fetched_rows_have_the_types_and_values_that_they_had(
    warehouse: Warehouse, tmp_path: Path, kind: str
) -> None:
    values = [*(f"cast({value} as {kind})" for value in TYPES[kind]), f"cast(null as {kind})"]
    listed = " union all ".join(f"select {number} as n, {value} as v" for number, value in enumerate(values))
    with warehouse.session() as session:
        for query in (listed, f"select * from ({listed}) where false"):
            with session.snapshot():
                source = session.fetch(query, tmp_path)
            with open_engine() as local:
                assert fields_of(local, source) == session.describe(query)
                there, here = (
                    f"select v::varchar, v is null, hash(v), typeof(v) from ({sql}) order by n"
                    for sql in (query, source)
                )
                assert local.execute(here).fetchall() == session.query(there)
                if not kind.startswith("union"):  # which nobody can compare
                    assert content_digest(local, source) == session.digest(query)


def test_what_is_fetched_is_of_the_session_no_longer(warehouse: Warehouse, tmp_path: Path) -> None:
    with warehouse.session() as session:
        load(session, tmp_path, MON, 3, "a")
        source = session.fetch(f"select item, note from {RAW}", tmp_path)
        load(session, tmp_path, MON, 0, "b")
    with open_engine(reaches_files=True) as local:
        assert sorted(local.execute(source).fetchall()) == [(0, "a"), (1, "a"), (2, "a")]


def _digest(source: str) -> str:
    with open_engine() as local:
        return content_digest(local, source)


# -- several processes


def test_a_session_that_has_ended_locks_nobody_out(warehouse: Warehouse, engine: str, tmp_path: Path) -> None:
    with warehouse.session() as session:
        load(session, tmp_path, MON, 3, "a")
    script = "with warehouse.session() as session: say(held(session))"
    with another_process(engine, tmp_path, script) as child:
        assert child.stdout is not None
        assert child.stdout.readline().strip() == str({MON: ("a", 3, 0)})


HOLDS = """
with warehouse.session() as session:
    load(session, folder, MON, 3, "a")
    say("open")
    sys.stdin.readline()
"""


def test_one_that_waits_is_told_once_and_then_gets_it(
    warehouse: Warehouse, engine: str, tmp_path: Path
) -> None:
    if warehouse.capabilities.several_processes:
        pytest.skip("no process waits for another")
    told: list[str] = []
    with another_process(engine, tmp_path, HOLDS) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "open\n"

        def waiting(said: str) -> None:
            told.append(said)
            assert child.stdin is not None
            threading.Timer(0, child.stdin.close).start()  # which ends it

        with warehouse.session(waiting=waiting) as session:
            assert held(session) == {MON: ("a", 3, 0)}
    assert told == ["waiting for another process to close the warehouse"]


def test_one_with_a_place_in_the_pool_does_not_wait_for_ever(engine: str, tmp_path: Path) -> None:
    impatient = ENGINES[engine].make(tmp_path, 0.1)
    if impatient.capabilities.several_processes:
        pytest.skip("no process waits for another")
    with another_process(engine, tmp_path, HOLDS) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "open\n"
        with pytest.raises(Exception, match="lock"), impatient.session():
            pass
