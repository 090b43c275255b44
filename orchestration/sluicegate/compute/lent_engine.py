"""Engines that stay open between uses, and are lent to one user at a time who may change their settings.

To open DuckDB takes 15 ms of a processor, for the catalogue of its functions; to load an extension takes up
to 300, as the signature of its whole file is checked. Belongs here: that nothing of one use is left for the
next. Does not: questions that change nothing (`engine.shared_engine`), the warehouse's file
(`warehouse.kept_engine`).
"""

import os
from collections.abc import Collection, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from sluicegate.compute.engine import open_engine
from sluicegate.compute.object_storage import load_extension
from sluicegate.compute.sql import literal

if TYPE_CHECKING:
    import duckdb

# What an engine has instead of a database of its own, which statements could mean.
_NOTHING = "no database"
_STATE = (
    "select name, value from duckdb_settings()"
    " union all select database_name, path from duckdb_databases() order by all"
)
# The settings of `lent_engine`, and those that its users change.
_CHANGED = ("memory_limit", "temp_directory", "preserve_insertion_order")


class KeptEngine:
    """An engine without a database, with these extensions.

    Raises:
        ObjectStorageError: an extension cannot be loaded.
    """

    def __init__(self, extensions: Collection[str] = (), spill_into: Path | None = None) -> None:
        self.extensions = frozenset(extensions)
        # Where it spills cannot be changed any more once something was.
        self.connection = open_engine(name=_NOTHING, spill_into=spill_into)
        # What is cached of a file would be told of another of its name and time.
        self.connection.execute("detach memory; set enable_external_file_cache = false")
        try:
            for extension in extensions:  # each has settings, and may change others
                load_extension(self.connection, extension)
        except BaseException:
            self.connection.close()
            raise
        self._state = self.connection.execute(_STATE).fetchall()

    def is_as_before(self) -> bool:
        """Return whether it may be used again; it is closed if not."""
        import duckdb

        try:
            if self.connection.execute(_STATE).fetchall() == self._state:
                return True
        except duckdb.Error:
            pass  # after an error of its own it answers nothing any more
        self.connection.close()
        return False


@contextmanager
def lent_engine(
    *, memory_limit: str = "", spill_into: Path | None = None, extensions: Collection[str] = ()
) -> Generator["duckdb.DuckDBPyConnection"]:
    """Lend an engine of nobody else's, with an empty database in memory; for the arguments see `open_engine`.

    Raises:
        ObjectStorageError: an extension cannot be loaded.
    """
    import duckdb

    engine = _taken(frozenset(extensions)) or KeptEngine(extensions)
    connection = engine.connection.cursor()
    try:
        connection.execute("attach ':memory:' as memory; use memory; set TimeZone = 'UTC'")
        if memory_limit:
            connection.execute(f"set memory_limit = {literal(memory_limit)}")
        if spill_into is not None:
            connection.execute(f"set temp_directory = {literal(str(spill_into))}")
        yield connection
    finally:
        connection.close()
        with suppress(duckdb.Error):  # one that has spilled, or failed within, is another now
            engine.connection.execute("; ".join((*(f"reset {name}" for name in _CHANGED), "detach memory")))
        _give_back(engine)


_lock = Lock()
_idle: list[KeptEngine] = []


def _taken(extensions: frozenset[str]) -> KeptEngine | None:
    with _lock:
        engine = next((engine for engine in _idle if engine.extensions == extensions), None)
        if engine is not None:
            _idle.remove(engine)
        return engine


def _give_back(engine: KeptEngine) -> None:
    if engine.is_as_before():
        with _lock:
            _idle[:] = [engine]


# Its threads would not be there in the new process, which would wait for them.
os.register_at_fork(before=_idle.clear)
