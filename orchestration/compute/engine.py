"""The local engine: DuckDB in memory, for work on files and statements that needs no warehouse.

The only door to it, so that what every use of it must have stands in one place: no extension is fetched or
loaded by itself, and moments are in UTC. Belongs here: opening it. Does not: the warehouse's file.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.compute.sql import literal, quoted

if TYPE_CHECKING:
    import duckdb

SETTINGS = """
    set autoinstall_known_extensions = false;
    set autoload_known_extensions = false;
    set TimeZone = 'UTC';
"""


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
