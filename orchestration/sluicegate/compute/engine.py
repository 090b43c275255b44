"""The local engine: DuckDB in memory, for work on files and statements that needs no warehouse.

The only door to it, so that what every use of it must have stands in one place: no extension is fetched or
loaded by itself, and moments are in UTC. Belongs here: opening it. Does not: the warehouse's file.
"""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from sluicegate.compute.sql import literal, quoted

if TYPE_CHECKING:
    import duckdb

SETTINGS = """
    set autoinstall_known_extensions = false;
    set autoload_known_extensions = false;
    set TimeZone = 'UTC';
"""

# A connection has its zone from here. What is cached of a file would be told of another of its name and time.
_SHARED_SETTINGS = "set global TimeZone = 'UTC'; set enable_external_file_cache = false"


@contextmanager
def shared_engine() -> Generator["duckdb.DuckDBPyConnection"]:
    """Lend a connection of the engine that this process keeps open: for a question that takes little memory.

    To open an engine takes 10 ms, for the catalogue of its functions; a delivery asks a dozen questions. What
    a connection makes is temporary, and it changes no setting: others would see both.
    """
    import duckdb

    base = _Shared.base()
    connection = base.cursor()
    try:
        yield connection
    except (duckdb.FatalException, duckdb.InternalException):
        _Shared.forget(base)  # an engine that has met an error of its own answers nothing any more
        raise
    finally:
        connection.close()


@contextmanager
def beside(connection: "duckdb.DuckDBPyConnection") -> Generator["duckdb.DuckDBPyConnection"]:
    """Lend another connection to the same database, in no transaction of the first."""
    [(database,)] = connection.execute("select current_database()").fetchall()
    with connection.cursor() as apart:
        apart.execute(f"use {quoted(database)}")
        yield apart


class _Shared:
    """The engine of this process, which is not there before somebody asks, nor in a process that forks."""

    _open: "duckdb.DuckDBPyConnection | None" = None
    _lock = Lock()

    @classmethod
    def base(cls) -> "duckdb.DuckDBPyConnection":
        with cls._lock:
            if cls._open is None:
                cls._open = open_engine()
                cls._open.execute(_SHARED_SETTINGS)
            return cls._open

    @classmethod
    def forget(cls, base: "duckdb.DuckDBPyConnection | None" = None) -> None:
        with cls._lock:
            if base is None or cls._open is base:
                cls._open = None


# Its threads would not be there in the new process, which would wait for them.
os.register_at_fork(before=_Shared.forget)


def open_engine(
    *,
    name: str = "",
    memory_limit: str = "",
    spill_into: Path | None = None,
    threads: int | None = None,
    reaches_files: bool = True,
) -> "duckdb.DuckDBPyConnection":
    """Open an empty database in memory; close it, or use it as a context manager.

    Args:
        name: what the database is called; `memory` if "".
        memory_limit: of the engine's rows, as `1GB`; what is larger spills. 80 % of the machine's if "".
        spill_into: a folder for what does not fit; it is made when it is needed.
        threads: how many work at once; one a core if None.
        reaches_files: whether SQL may read and write files. Without, it cannot be allowed again.
    """
    import duckdb

    connection = duckdb.connect()
    connection.execute(SETTINGS)
    if memory_limit:
        connection.execute(f"set memory_limit = {literal(memory_limit)}")
    if spill_into is not None:
        connection.execute(f"set temp_directory = {literal(str(spill_into))}")
    if threads is not None:
        connection.execute(f"set threads = {threads}")
    if name and name != "memory":
        connection.execute(f"attach ':memory:' as {quoted(name)}; use {quoted(name)}")
    if not reaches_files:
        connection.execute("set python_enable_replacements = false; set enable_external_access = false")
    return connection
