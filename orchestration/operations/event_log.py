"""Dagster's event log on SQLite, eased.

Dagster opens SQLite anew for each event and waits for the disk twice each time: closing the last
connection to a file in WAL mode makes SQLite fold the log back and sync it. A run of fifty checks spent
more than half of its time there (31 s with, 14 s without, on a busy machine). So in our processes one more
connection a file stays open, and commits do not wait for the disk: after a power cut the log is whole
but may lack its last events. What must not be lost, the state store, is a file of its own and waits.
Belongs here: that. Does not belong here: anything for Postgres, which needs none of it.
"""

import sqlite3
from collections import OrderedDict
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine

_KEPT_OPEN = 16


@cache
def ease_event_log(dagster_home: Path) -> None:
    """Ease every SQLite file below a DAGSTER_HOME, for the life of the process."""
    home = dagster_home.resolve()
    kept: OrderedDict[str, sqlite3.Connection] = OrderedDict()

    @event.listens_for(Engine, "connect")
    def ease(connection: Any, _: object) -> None:  # pyright: ignore[reportUnusedFunction]
        if not isinstance(connection, sqlite3.Connection):
            return
        file = connection.execute("pragma database_list").fetchone()[2]
        if not file or home not in Path(file).resolve().parents:
            return
        connection.execute("pragma synchronous = normal")
        if file not in kept:
            kept[file] = sqlite3.connect(file, check_same_thread=False)
            while len(kept) > _KEPT_OPEN:
                kept.popitem(last=False)[1].close()
        # SQLite counts a connection to a file in WAL mode only once it has read in that mode, which
        # Dagster sets after it has opened a new file.
        kept[file].execute("select count(*) from sqlite_master").fetchone()
