"""What the proof lets through, and what it refuses, on the engine itself."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from sluicegate.compute.select_only import NotASelect, Scan, scans

READS = [
    ("select 1", ""),
    ("select 1; -- the end", ""),
    ("/* a note */ select 1", ""),
    ("values (1), (2)", ""),
    ("select * from t", "main.t"),
    ("from raw.t", "raw.t"),
    ("table raw.t", "raw.t"),
    ("select * from raw.v", "raw.t"),
    ("select * from seen", "raw.t"),
    ("select * from of_macro(1)", "raw.t"),
    ("select plus_one(a) from t", "main.t"),
    ("select * from query('select * from raw.t')", "raw.t"),
    ("select * from query_table('t')", "main.t"),
    ("select * from query_table(['odd', 'seen'])", "main.odd raw.t"),
    ("select * from t where a in (select a from raw.t)", "main.t raw.t"),
    ("with x as (select * from t) select * from x join raw.t using (a)", "main.t raw.t"),
    ("with recursive r as (select 1 a union all select a + 1 from r where a < 3) from r", ""),
    ("select * from t t1 where exists (select 1 from raw.t t2 where t2.a = t1.a)", "main.t raw.t"),
    ("select * from range(3) union all select * from generate_series(1, 3)", ""),
    ("select * from unnest([1, 2]), (select unnest(s) from t)", "main.t"),
    ("select * from t, json_each(j), json_tree(j)", "main.t"),
    ("select a, sum(a) over (order by a) from t order by 1 limit 3", "main.t"),
    ("pivot t on a in (1, 2)", "main.t"),
    ("select 'update t; copy t to ''x.csv''' as text, \"update\" from odd", "main.odd"),
    ("select * from t asof join raw.t r on t.a >= r.a", "main.t raw.t"),
    ("select * from t using sample 10%", "main.t"),
    ('select * from main."a.csv"', "main.a.csv"),
    ("select count(*), now(), random(), current_date, uuid(), user from t", "main.t"),
    ("select row_number() over (order by a), lag(a) over (order by a) from t", "main.t"),
    ("select count(*) from t where j->>'kind' = 'rowid'", "main.t"),
    ("select rowid from numbered", "main.numbered"),
    ("select [x + 1 for x in s], s.list_transform(lambda x: x * 2), a::varchar ilike '1%' from t", "main.t"),
    ("from range(length('abc'))", ""),
]

REFUSED = [
    ("", "no statements"),
    ("selec 1", "syntax error"),
    ("select * from nowhere", "nowhere does not exist"),
    ("select no_column from t", "no_column"),
    ("select 1; select 2", "2 statements"),
    ("select 1; drop table t", "2 statements"),
    ("select 1; -- a note\n/* another */ delete from t", "2 statements"),
    ("select ?", "parameter"),
    ("select * from t where a = $here", "parameter"),
    ("update t set a = 1 returning *", "UPDATE"),
    ("insert into t(a) values (1) returning *", "INSERT"),
    ("delete from t returning *", "DELETE"),
    ("merge into t using raw.t r on t.a = r.a when matched then delete returning *", "MERGE"),
    ("with x as (delete from t returning *) select * from x", "SELECT"),
    ("with x as (select 1) insert into t(a) select * from x", "INSERT"),
    ("create table u as select 1", "CREATE"),
    ("drop table t", "DROP"),
    ("copy t to 'x.csv'", "COPY"),
    ("copy (select * from t) to 'x.parquet'", "COPY"),
    ("export database 'x'", "EXPORT"),
    ("attach ':memory:' as other", "ATTACH"),
    ("install httpfs", "LOAD"),
    ("load httpfs", "LOAD"),
    ("pragma version", "only select"),
    ("pragma table_info('t')", "only select"),
    ("call range(3)", "CALL"),
    ("set threads = 1", "SET"),
    ("set variable x = 1", "SET"),
    ("begin", "TRANSACTION"),
    ("checkpoint", "CALL"),
    ("vacuum", "VACUUM"),
    ("prepare p as select 1", "PREPARE"),
    ("explain analyze select 1", "EXPLAIN"),
    ("describe t", "describes"),
    ("show tables", "describes"),
    ("pivot t on a", "columns depend on the data"),
    ("select * from read_csv('{file}')", "read_csv"),
    ("select * from read_parquet('nothing.parquet')", "read_parquet"),
    ("select * from read_json('nothing.json')", "read_json"),
    ("select * from read_text('{file}')", "read_text"),
    ("select * from read_blob('{file}')", "read_blob"),
    ("select * from read_duckdb('x.db', table_name = 't')", "read_duckdb"),
    ("select * from glob('/*')", "glob"),
    ("select * from sniff_csv('{file}')", "sniff_csv"),
    ("select * from parquet_metadata('x.parquet')", "parquet_metadata"),
    ("from '{file}'", "file"),
    ("from 's3://bucket/x.parquet'", "file"),
    ("from 'https://example.com/x.csv'", "file"),
    ("select (select count(*) from read_text('{file}'))", "read_text"),
    ("select * from t where a in (select 1 from glob('*'))", "glob"),
    ("with x as (from read_blob('{file}')) select 1 from t where exists (from x)", "read_blob"),
    ("select * from query('from read_text(''{file}'')')", "read_text"),
    ("select * from query('from ''{file}''')", "file"),
    ("select * from query('delete from t')", "DELETE"),
    ("select * from query('sel' || 'ect 1')", "plain text"),
    ("select * from raw.of_file", "read_text"),
    ("select * from reads_file()", "read_text"),
    ("select * from json_execute_serialized_sql(json_serialize_sql('select 1'))", "json_execute"),
    ("select nextval('numbers')", "nextval"),
    ("select currval('numbers')", "currval"),
    ("select next_number()", "nextval"),
    ("from range(0, nextval('numbers'))", "nextval"),
    ("from range(0, next_number())", "next_number"),
    ("from query('from range(0, nextval(''numbers''))')", "nextval"),
    ("select setseed(0.5)", "setseed"),
    ("select write_log('x')", "write_log"),
    ("select getenv('HOME')", "getenv"),
    ("select current_setting('threads')", "current_setting"),
    ("select \"STATS\"(a) from t", "`stats`"),
    ("select system.main.stats(a) from t", "`stats`"),
    ("select a.stats() from t", "`stats`"),
    ("select * from t where json_serialize_plan('from t')::text = ''", "json_serialize_plan"),
    ("select * from query('select stats(a) from t')", "`stats`"),
    ("from range(0, length(json_serialize_sql('select 1')))", "json_serialize_sql"),
    ("select current_schema", "current_schema"),
    ("select rowid from t", "`rowid`"),
    ("select x.\"RowId\" + 1 as n from t as x", "`rowid`"),
    ("select a from t order by rowid", "`rowid`"),
    ("select 1 from t join raw.t as r using (rowid)", "`rowid`"),
    ("select (select max(rowid) from raw.t)", "`rowid`"),
    ("select * from query('select rowid as n from t')", "`rowid`"),
    ("select * from sqlite_scan('x.db', 't')", "sqlite_scan"),
    ("select * from postgres_scan('host=x', 'public', 't')", "postgres_scan"),
    ("select * from duckdb_secrets()", "duckdb_secrets"),
    ("select * from which_secret('s3://x', 's3')", "which_secret"),
    ("select * from duckdb_settings()", "duckdb_settings"),
    ("select * from duckdb_tables", "duckdb_tables"),
    ("select * from information_schema.tables", "which is no table"),
    ("select * from pragma_table_info('t')", "pragma_table_info"),
    ("select * from force_checkpoint()", "force_checkpoint"),
    ("select * from enable_logging()", "enable_logging"),
    ("select * from other.main.t", "another database"),
]  # fmt: skip


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    (tmp_path / "secret.csv").write_text("a\n1\n")
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as connection:
        connection.execute(f"""
            set autoinstall_known_extensions = false; set autoload_known_extensions = false;
            create schema raw;
            create table t (a int, j json, s int[]);
            create table raw.t (a int);
            create table odd ("update" int);
            create table numbered (rowid int);
            create table "a.csv" (a int);
            create view raw.v as select * from raw.t;
            create temp view seen as select * from raw.t where a > 0;
            create view raw.of_file as select * from read_text('{tmp_path}/secret.csv');
            create sequence numbers;
            create macro plus_one(x) as x + 1;
            create macro next_number() as nextval('numbers');
            create macro of_macro(x) as table select * from raw.t where a = x;
            create macro reads_file() as table select * from read_text('{tmp_path}/secret.csv');
            attach ':memory:' as other;
            create table other.t (a int);
        """)
        yield connection


@pytest.mark.parametrize(("sql", "expected"), READS)
def test_a_query_of_tables_names_them(warehouse: duckdb.DuckDBPyConnection, sql: str, expected: str) -> None:
    found = scans(warehouse, sql)

    assert [f"{scan.schema}.{scan.name}" for scan in found] == expected.split()
    assert {scan.catalog for scan in found} <= {"warehouse"}


@pytest.mark.sampled(3)
@pytest.mark.parametrize(("sql", "said"), REFUSED)
def test_whatever_else_is_refused_and_nothing_has_happened(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path, sql: str, said: str
) -> None:
    warehouse.execute("begin transaction")

    with pytest.raises(NotASelect) as refused:
        scans(warehouse, sql.replace("{file}", f"{tmp_path}/secret.csv"))

    assert said.lower() in str(refused.value).lower()
    assert "\n" not in str(refused.value)
    # The transaction goes on, and no file, table or number has come or gone.
    assert warehouse.execute("select count(*) from t").fetchall() == [(0,)]
    warehouse.execute("commit")
    assert warehouse.execute("select nextval('numbers')").fetchall() == [(1,)]
    assert {path.name for path in tmp_path.iterdir()} <= {
        "secret.csv", "warehouse.duckdb", "warehouse.duckdb.wal"
    }  # fmt: skip


def test_a_table_of_the_temporary_database_is_named_as_such(warehouse: duckdb.DuckDBPyConnection) -> None:
    warehouse.execute("create temp table held (a int)")

    assert scans(warehouse, "from held") == [Scan("temp", "main", "held")]
