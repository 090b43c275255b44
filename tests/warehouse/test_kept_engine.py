"""Sessions share an engine that stays; nothing of one is left for the next."""

import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from pydantic import SecretStr
from sluicegate.areas import Area, StorageAccess
from sluicegate.compute.engine import beside
from sluicegate.warehouse.duckdb_file import DuckDBFile

pytestmark = pytest.mark.long
OPEN = "import duckdb, sys; duckdb.connect(sys.argv[1]).execute('select 1')"


@pytest.fixture
def warehouse(tmp_path: Path) -> DuckDBFile:
    return DuckDBFile(tmp_path / "w.duckdb", lock_timeout_seconds=5)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The databases that were opened since the test began."""
    made: list[object] = []
    connect = duckdb.connect

    def connecting(*database: object, **more: object) -> object:
        made.append(database)
        return connect(*database, **more)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]

    monkeypatch.setattr(duckdb, "connect", connecting)
    return made


def test_sessions_share_an_engine(warehouse: DuckDBFile, opened: list[object]) -> None:
    for number in range(3):
        with warehouse.session() as session, warehouse.session() as other:
            session.native.execute(f"create table t{number} as select {number} as n")
            assert other.query(f"select n from t{number}") == [(number,)]
    assert len(opened) == 1


@pytest.mark.parametrize("place", ["", "s3://sluice/sales", "abfs://sluice/sales"])
def test_an_engine_with_extensions_stays_as_well(
    tmp_path: Path, opened: list[object], place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "any")
    areas = [Area(place)] if place else []
    access = StorageAccess(azure_connection_string=SecretStr("AccountName=a;AccountKey=aHVzaA=="))
    warehouse = DuckDBFile(tmp_path / "w.duckdb", areas=areas, shelf=Area(str(tmp_path)), access=access)
    changed = "select count(*) from duckdb_settings() where name = 'delta_kernel_logging' and value = 'true'"
    for number in range(2):
        with warehouse.session() as session:
            assert session.query("select count(*) from duckdb_secrets()") == [(int(bool(place)),)]
            session.native.execute(f"create table t{number} (n int)")
    assert len(opened) == 1
    with warehouse.session() as session:
        session.native.execute("set global delta_kernel_logging = true")
        assert session.query(changed) == [(1,)]
    with warehouse.session() as session:
        assert session.query(changed) == [(0,)]


def test_a_session_knows_the_file_alone_and_spills_beside_it(warehouse: DuckDBFile) -> None:
    with warehouse.session() as session:
        session.native.execute("create schema memory; create table memory.t as select 1 as n")
        assert session.query("select n from memory.t") == [(1,)]
        named = session.query("select database_name from duckdb_databases() where not internal")
        assert {name for (name,) in named} == {"w", "no database"}
        assert session.query("select current_setting('temp_directory')") == [(f"{warehouse.path}.tmp",)]


@pytest.mark.parametrize(
    ("change", "ask"),
    [
        ("set memory_limit = '64MB'", "select current_setting('memory_limit')"),
        ("set global threads = 1", "select current_setting('threads')"),
        ("set global TimeZone = 'Asia/Tokyo'", "select current_setting('TimeZone')"),
        ("set preserve_insertion_order = false", "select current_setting('preserve_insertion_order')"),
        ("attach ':memory:' as other", "select count(*) from duckdb_databases()"),
        (
            "create temporary table left_behind (n int)",
            "select count(*) from duckdb_tables() where temporary",
        ),
        (
            "begin; create table half (n int)",
            "select count(*) from duckdb_tables() where table_name = 'half'",
        ),
        ("create schema elsewhere; use elsewhere", "select current_schema()"),
    ],
)
def test_nothing_of_a_session_is_left_for_the_next(warehouse: DuckDBFile, change: str, ask: str) -> None:
    with warehouse.session() as session:
        before = session.query(ask)
    with warehouse.session() as session:
        session.native.execute(change)
    with warehouse.session() as session:
        assert session.query(ask) == before


@pytest.mark.parametrize("statement", ["select error('said')", "select * from nowhere"])
def test_after_an_error_the_file_is_given_back(warehouse: DuckDBFile, statement: str) -> None:
    with pytest.raises(duckdb.Error), warehouse.session() as session:
        session.query(statement)
    done = subprocess.run([sys.executable, "-c", OPEN, str(warehouse.path)], check=False, timeout=60)
    assert done.returncode == 0
    assert not warehouse.path.with_name("w.duckdb.wal").exists(), "it is one file"


def test_what_is_no_file_of_the_engine_leaves_no_trace(warehouse: DuckDBFile, tmp_path: Path) -> None:
    warehouse.path.write_bytes(b"no database" * 1000)
    with pytest.raises(duckdb.Error), warehouse.session():
        pass
    warehouse.path.unlink()
    with warehouse.session() as session:
        assert session.versions(["raw.t"]) == {}


def test_one_that_waits_opens_no_engine_each_time(warehouse: DuckDBFile, opened: list[object]) -> None:
    holding = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print(1, flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", holding, str(warehouse.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        impatient = DuckDBFile(warehouse.path, lock_timeout_seconds=0.3)
        with pytest.raises(duckdb.IOException, match="lock"), impatient.session():
            pass
        child.kill()
    with warehouse.session():
        pass
    assert len(opened) == 1


def test_a_forked_process_has_an_engine_of_its_own(warehouse: DuckDBFile) -> None:
    with warehouse.session() as session:
        session.native.execute("create table t as select range as n from range(100000)")
    child = os.fork()
    if not child:
        with warehouse.session() as session:
            os._exit(session.query("select count(*) from t") != [(100000,)])
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_connection_beside_is_in_the_same_database_and_in_no_transaction(warehouse: DuckDBFile) -> None:
    with warehouse.session() as session:
        session.native.execute("create table t as select 1 as n; begin; insert into t values (2)")
        with beside(session.native) as apart:
            assert apart.execute("select count(*) from t").fetchall() == [(1,)]
        session.native.execute("rollback")
