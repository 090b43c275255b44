"""Dagster's records on SQLite, eased.

Dagster opens SQLite anew for each event and waits for the disk twice each time: closing the last
connection to a file in WAL mode makes SQLite fold the log back and sync it. A run of fifty checks spent
more than half of its time there (31 s with, 14 s without, on a busy machine). So in our processes a
connection to each file stays open, and commits do not wait for the disk: after a power cut the log is whole
but may lack its last events. What must not be lost, the state store, is a file of its own and waits.

It makes an SQLAlchemy engine anew for each event as well, which then finds out once more what SQLite can do
and compiles each statement once more; and it reads all of its migrations whenever a run's file is made. Both
are kept here, the engine with that connection: of what was left, a third. And it makes each run's file table
by table: here it is a copy of one that Dagster made in this process. And for each step it reads the newest
events of what the step is made of twice: from the assets' own rows, and then, in case these lack one, from
among all events, although none is lacking.
Belongs here: that. Does not belong here: anything for Postgres, which needs none of it.
"""

import os
import sqlite3
from contextlib import suppress
from functools import cache, lru_cache
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any
from weakref import WeakSet

from sqlalchemy import create_engine, event
from sqlalchemy.engine import Engine
from sqlalchemy.pool import NullPool, Pool, QueuePool

from sluicegate.graph.event_storing import store_with_less

_ENGINES = 64
_STORAGE = "dagster._core.storage"
_EVENT_LOG = "event_log.sqlite.sqlite_event_log"
_pools = WeakSet[Pool]()
_inherited: list[Pool] = []
_SQLITE_STORAGES = (
    _EVENT_LOG, "runs.sqlite.sqlite_run_storage", "schedules.sqlite.sqlite_schedule_storage",
)  # fmt: skip


@cache
def ease_event_log(dagster_home: Path) -> None:
    """Ease every SQLite file below a DAGSTER_HOME, for the life of the process."""
    home = dagster_home.resolve()
    _keep_engines()

    @cache
    def below_home(file: str) -> bool:
        return home in Path(file).resolve().parents

    @event.listens_for(Engine, "connect")
    def ease(connection: Any, _: object) -> None:  # pyright: ignore[reportUnusedFunction]
        if not isinstance(connection, sqlite3.Connection):
            return
        file = connection.execute("pragma database_list").fetchone()[2]
        if not file or not below_home(file):
            return
        connection.execute("pragma synchronous = normal")


class _OnePool(QueuePool):
    """One connection that stays open; who asks while it is in use gets one of its own.

    Dagster disposes of an engine after each event, which would close it.
    """

    def dispose(self) -> None:
        """Nothing: the connection is closed when nobody has the engine any more."""

    def recreate(self) -> "_OnePool":
        """Return itself."""
        return self


@lru_cache(maxsize=_ENGINES)
def kept_engine(conn_string: str, timeout: float | None) -> Engine:
    """The engine of a file."""
    arguments: dict[str, Any] = {"check_same_thread": False}
    if timeout is not None:
        arguments["timeout"] = timeout
    engine = create_engine(
        conn_string, poolclass=_OnePool, pool_size=1, max_overflow=-1, connect_args=arguments
    )
    _pools.add(engine.pool)
    return engine


def _begin_anew() -> None:
    # In a process that was forked SQLite's connections must be neither used nor closed ("How To Corrupt An
    # SQLite Database File", 2.6).
    _inherited.extend(_pools)
    kept_engine.cache_clear()


def _engine(conn_string: str, **options: Any) -> Engine:
    arguments = options.pop("connect_args", {})
    if options != {"poolclass": NullPool} or arguments.keys() - {"timeout"}:
        return create_engine(conn_string, connect_args=arguments, **options)
    return kept_engine(conn_string, arguments.get("timeout"))


@cache
def kept_migrations() -> SimpleNamespace:
    """What stands in the place of Alembic's `ScriptDirectory` where Dagster asks for its newest revision."""
    directory = import_module("alembic.script").ScriptDirectory
    return SimpleNamespace(from_config=cache(directory.from_config))


@cache
def _keep_engines() -> None:
    os.register_at_fork(after_in_child=_begin_anew)
    # Private to Dagster; a test notices when it changes.
    for storage in _SQLITE_STORAGES:
        vars(import_module(f"{_STORAGE}.{storage}"))["create_engine"] = _engine
    vars(import_module(f"{_STORAGE}.sql"))["ScriptDirectory"] = kept_migrations()
    storage = import_module(f"{_STORAGE}.{_EVENT_LOG}").SqliteEventLogStorage
    _copy_new_files(storage)
    _read_newest_once(storage)
    _read_target_once()
    store_with_less(storage)


def _copy_new_files(storage: Any) -> None:
    makes = storage._initdb

    @cache
    def blank() -> bytes:
        with TemporaryDirectory() as folder:
            file = Path(folder) / "blank.db"
            makes(None, create_engine(f"sqlite:///{file}", poolclass=NullPool))
            return file.read_bytes()

    def copies(self: Any, engine: Engine, for_index_shard: bool = False) -> None:
        file = Path(str(engine.url.database))
        if not file.exists():
            with TemporaryDirectory(dir=file.parent) as folder, suppress(FileExistsError):
                whole = Path(folder) / file.name
                whole.write_bytes(blank())
                os.link(whole, file)  # at once, as another process may make it meanwhile
        makes(self, engine, for_index_shard)  # which finds nothing left to do

    storage._initdb = copies


def _read_newest_once(storage: Any) -> None:
    searches = storage._get_latest_materialization_records
    from dagster import AssetKey, EventLogRecord
    from dagster._core.assets import AssetDetails
    from dagster._serdes import deserialize_value

    def reads(self: Any, rows: Any) -> Any:
        found: dict[Any, Any] = {}
        for row in rows:
            details = AssetDetails.from_db_string(row["asset_details"])
            newest = deserialize_value(row["last_materialization"]) if row["last_materialization"] else None
            if not isinstance(newest, EventLogRecord) or (details and details.last_wipe_timestamp):
                return searches(self, rows)
            found[AssetKey.from_db_string(row["asset_key"])] = newest
        return found

    storage._get_latest_materialization_records = reads


def _read_target_once() -> None:
    from dagster._core.definitions.asset_checks.asset_check_result import AssetCheckResult

    reads = AssetCheckResult._get_partitioned_target_materialization_data  # pyright: ignore[reportPrivateUsage]

    def read(self: Any, step_context: Any, asset_key: Any, partition_key: str) -> Any:
        known = vars(step_context).setdefault("sluice_targets", {})
        place = asset_key, partition_key
        if place in known:
            return known[place]
        found = reads(self, step_context, asset_key, partition_key)
        if found is not None and found.run_id == step_context.run_id:  # its own, and so the newest
            known[place] = found
        return found

    setattr(AssetCheckResult, "_get_partitioned_target_materialization_data", read)  # noqa: B010
