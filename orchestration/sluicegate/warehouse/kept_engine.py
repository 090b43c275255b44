"""An engine stays open between sessions, without a file: a session attaches the warehouse's to it.

To attach a file takes a millisecond, where to open an engine takes 15. The file is open as long as somebody
in this process works on it, and no longer: others wait for it.
Belongs here: whose file is attached to which engine. Does not: waiting for other processes, what a session
does.
"""

import os
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from sluicegate.compute.lent_engine import KeptEngine
from sluicegate.compute.sql import literal, quoted

if TYPE_CHECKING:
    import duckdb


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


class _Engine(KeptEngine):
    """One that had no file but this."""

    def __init__(self, path: str, extensions: Collection[str]) -> None:
        self.path = path
        super().__init__(extensions, Path(f"{path}.tmp"))  # as where the file itself is opened

    def put_away(self) -> None:
        """Keep it for the next, if nobody has changed it meanwhile; its file is detached."""
        if self.is_as_before():
            _idle[:] = [self]


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
