"""The engine that a process keeps open: what one question leaves behind, no other one sees.

Belongs here: temporary tables, the zone, files that change, a fork. Does not: what is asked of it.
"""

import multiprocessing
import os
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path

import duckdb
import pyarrow
import pyarrow.parquet
import pytest
from sluicegate.compute.engine import shared_engine


def test_a_temporary_table_is_seen_by_its_own_connection_alone() -> None:
    with shared_engine() as one, shared_engine() as other:
        one.execute("create temp table found as select 1 as number")
        one.register("ours", pyarrow.table({"key": [1]}))
        assert one.execute("select number from found join ours on key = number").fetchall() == [(1,)]
        for name in ("found", "ours"):
            with pytest.raises(duckdb.CatalogException):
                other.execute(f"select * from {name}")
    with shared_engine() as later:
        assert later.execute("select count(*) from duckdb_tables()").fetchall() == [(0,)]


def test_moments_are_in_utc_in_each_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Kolkata")

    def zone(_: int) -> object:
        with shared_engine() as connection:
            return connection.execute("select current_setting('TimeZone')").fetchall()

    with ThreadPoolExecutor(4) as pool:
        assert set(map(str, pool.map(zone, range(8)))) == {"[('UTC',)]"}


def test_a_file_that_was_written_anew_is_read_anew(tmp_path: Path) -> None:
    file = tmp_path / "rows.parquet"
    for number in (1, 2):
        pyarrow.parquet.write_table(pyarrow.table({"number": [number]}), file)
        os.utime(file, ns=(1, 1))
        with shared_engine() as connection:
            assert connection.execute(f"select number from '{file}'").fetchall() == [(number,)]


def test_a_question_that_failed_leaves_the_engine_as_it_was() -> None:
    def ask() -> None:
        with shared_engine() as connection:
            connection.execute("begin; create temp table half as select 1; select 'x'::integer")

    with pytest.raises(duckdb.ConversionException):
        ask()
    with shared_engine() as connection:
        assert connection.execute("select count(*) from duckdb_tables()").fetchall() == [(0,)]


def _asked(answers: Connection) -> None:
    with shared_engine() as connection:
        answers.send(connection.execute("select sum(range) from range(1000000)").fetchall())


@pytest.mark.long
def test_a_process_that_was_forked_has_an_engine_of_its_own() -> None:
    with shared_engine() as connection:
        connection.execute("select sum(range) from range(1000000)").fetchall()
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=_asked, args=(there,))
    process.start()
    assert here.poll(60)
    assert here.recv() == [(499999500000,)]
    process.join(60)
    assert process.exitcode == 0
