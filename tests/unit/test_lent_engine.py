"""The engines that a process keeps and lends: nothing of one use is left for the next, nor seen beside it."""

import os
from pathlib import Path

import duckdb
import pytest
from sluicegate.compute import engine as local
from sluicegate.compute import lent_engine as kept
from sluicegate.compute.lent_engine import lent_engine


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The engines that were opened since the test began."""
    made: list[object] = []

    def opening(**options: object) -> object:
        made.append(options)
        return local.open_engine(**options)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(kept, "open_engine", opening)
    getattr(kept, "_idle").clear()  # noqa: B009
    return made


def test_it_is_opened_once_and_never_lent_twice_at_a_time(opened: list[object], tmp_path: Path) -> None:
    for number in range(3):
        with lent_engine(memory_limit="64MB", spill_into=tmp_path / str(number)) as one:
            one.execute(f"create table t{number} as select {number} as n")
            assert one.execute("select table_name from duckdb_tables()").fetchall() == [(f"t{number}",)]
            where = one.execute("select current_setting('temp_directory'), current_setting('memory_limit')")
            assert where.fetchall() == [(str(tmp_path / str(number)), "61.0 MiB")]
    assert len(opened) == 1
    with lent_engine() as one, lent_engine() as other:
        one.execute("create table ours as select 1 as n; set preserve_insertion_order = false")
        assert other.execute("select count(*) from duckdb_tables()").fetchall() == [(0,)]
        setting = other.execute("select current_setting('preserve_insertion_order')").fetchall()
        assert setting == [(True,)]
    assert len(opened) == 2


@pytest.mark.parametrize(
    "change",
    [
        "set memory_limit = '64MB'", "set global threads = 1", "set global TimeZone = 'Asia/Tokyo'",
        "set TimeZone = 'Asia/Tokyo'", "set preserve_insertion_order = false", "attach ':memory:' as other",
        "attach ':memory:' as other; use other; detach memory", "create temporary table of_mine (n int)",
        "create table of_mine (n int)", "begin; create table half (n int)", "create macro twice(n) as 2 * n",
        "create type mood as enum ('sad')", "set variable secret = 'key'", "create schema s; use s",
        "create temporary view seen as select 1", "prepare asked as select 1",
    ],
)  # fmt: skip
@pytest.mark.parametrize("fails", [False, True])
def test_nothing_of_a_use_is_left_for_the_next(change: str, fails: bool) -> None:
    asked = (
        "select name, value from duckdb_settings() where name <> 'temp_directory'",
        "select database_name from duckdb_databases()", "select table_name from duckdb_tables()",
        "select view_name from duckdb_views() where not internal", "select current_schema()",
        "select function_name from duckdb_functions() where not internal",
        "select type_name from duckdb_types() where not internal", "select getvariable('secret')",
        "select name from duckdb_prepared_statements()",
    )  # fmt: skip

    def told() -> list[object]:
        with lent_engine() as connection:
            return [sorted(map(str, connection.execute(sql).fetchall())) for sql in asked]

    before = told()
    try:
        with lent_engine() as connection:
            connection.execute(change)
            if fails:
                connection.execute("select error('said')")
    except duckdb.Error:
        assert fails
    assert told() == before


def test_after_it_has_spilled_the_next_one_spills_elsewhere(tmp_path: Path) -> None:
    for number in range(2):
        folder = tmp_path / str(number)
        with lent_engine(memory_limit="16MB", spill_into=folder) as connection:
            connection.execute("set threads = 1; create table t as select range as n from range(4000000)")
            assert folder.exists()


def test_a_file_that_was_written_anew_is_read_anew(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    for number in (1, 2):
        file.write_text(f"number\n{number}\n")
        os.utime(file, ns=(1, 1))
        with lent_engine() as connection:
            assert connection.execute(f"select number from '{file}'").fetchall() == [(number,)]


@pytest.mark.long
def test_a_forked_process_opens_its_own() -> None:
    with lent_engine() as connection:
        connection.execute("select sum(range) from range(1000000)").fetchall()
    child = os.fork()
    if not child:
        with lent_engine() as connection:
            found = connection.execute("select sum(range) from range(1000000)").fetchall()
        os._exit(found != [(499999500000,)])
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
