"""An engine stays open between sessions, without a file: a session attaches the warehouse's to it.

To open DuckDB takes 10 ms of a processor, for the catalogue of its functions, and to attach a file one; to
load an extension takes up to 300, as the signature of its whole file is checked. The file is open as long as
somebody in this process works on it, and no longer: others wait for it.
Belongs here: whose file is attached to which engine. Does not: waiting for other processes, what a session
does.
"""

import os
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from orchestration.compute.engine import open_engine
from orchestration.compute.object_storage import load_extension
from orchestration.compute.sql import literal, quoted

if TYPE_CHECKING:
    import duckdb

# What an engine has instead of a database of its own, which statements could mean.
_NOTHING = "no database"
_STATE = (
    "select name, value from duckdb_settings()"
    " union all select database_name, path from duckdb_databases() order by all"
)


class AttachedFile:
    """A file that is open until it is closed; whoever opens it meanwhile shares it.

    An engine that is opened for it has these extensions; one that is open already may lack some.

    Raises:
        duckdb.Error: another process has the file open, or it is none of the engine's.
        ObjectStorageError: an extension cannot be loaded.
    """

    def __init__(self, path: Path, extensions: Collection[str] = ()) -> None:
        self._shared: _Shared | None = _take(os.path.realpath(path), extensions)

    def cursor(self) -> "duckdb.DuckDBPyConnection":
        """Return a connection of its own, to be closed."""
        assert self._shared is not None
        connection = self._shared.engine.connection.cursor()
        connection.execute(f"use {self._shared.name}")
        return connection

    def close(self) -> None:
        """Give the file back; a second time does nothing."""
        shared, self._shared = self._shared, None
        if shared is not None:
            _give_back(shared)


class _Engine:
    """One that had no file but this."""

    def __init__(self, path: str, extensions: Collection[str]) -> None:
        self.path = path
        # As where the file itself is opened; it cannot be changed any more once something was spilled.
        self.connection = open_engine(name=_NOTHING, spill_into=Path(f"{path}.tmp"))
        # What is cached of a file would be told of another of its name and time.
        self.connection.execute("detach memory; set enable_external_file_cache = false")
        try:
            for extension in extensions:  # each has settings, and may change others
                load_extension(self.connection, extension)
        except BaseException:
            self.connection.close()
            raise
        self._state = self.connection.execute(_STATE).fetchall()

    def put_away(self) -> None:
        """Keep it for the next, if nobody has changed it meanwhile; its file is detached."""
        import duckdb

        try:
            as_before = self.connection.execute(_STATE).fetchall() == self._state
        except duckdb.Error:
            as_before = False  # after an error of its own it answers nothing any more
        if as_before:
            _idle[:] = [self]
        else:
            self.connection.close()


class _Shared:
    """An engine, the file that is attached to it, and by how many."""

    def __init__(self, engine: _Engine) -> None:
        self.engine, self.users, self.name = engine, 1, quoted(Path(engine.path).stem)
        engine.connection.execute(f"attach {literal(engine.path)} as {self.name}")


_lock = Lock()
_shared: dict[str, _Shared] = {}
_idle: list[_Engine] = []


def _take(path: str, extensions: Collection[str]) -> _Shared:
    with _lock:
        if path in _shared:
            _shared[path].users += 1
        else:
            kept = [engine for engine in _idle if engine.path == path]
            _idle.clear()
            engine = kept[0] if kept else _Engine(path, extensions)
            try:
                _shared[path] = _Shared(engine)
            except BaseException:
                engine.put_away()  # as another process has the file, for instance: it is tried again
                raise
        return _shared[path]


def _give_back(shared: _Shared) -> None:
    import duckdb

    with _lock:
        shared.users -= 1
        if not shared.users:
            del _shared[shared.engine.path]
            with suppress(duckdb.Error):  # what is attached still is a change
                shared.engine.connection.execute(f"detach {shared.name}")
            shared.engine.put_away()


# Its threads would not be there in the new process, which would wait for them.
os.register_at_fork(before=_idle.clear)
