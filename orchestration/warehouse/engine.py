"""The embedded warehouse: one DuckDB file, opened briefly.

A process that holds the file locks all others out, readers too; so every stage opens it for as long as
it works and closes it. Between processes Dagster's `warehouse` pool keeps order, and a connection that
still finds the file locked waits.
"""

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from orchestration.areas import Area, StorageAccess
from orchestration.compute.engine import SETTINGS
from orchestration.compute.object_storage import object_storage
from orchestration.compute.sql import literal, literals

if TYPE_CHECKING:
    import duckdb

# dbt's own tables versions are written by the macro `record_table_version` in transformation/dbt_macros.
_VERSIONS_DDL = """
    create schema if not exists sluice;
    create schema if not exists raw;
    create table if not exists sluice.table_versions (
        relation varchar, partition_key varchar, version varchar, recorded_at timestamp
    );
"""
POOL = "warehouse"
_LONGEST_STEP_SECONDS = 3_600.0


class Warehouse:
    """The DuckDB file at `path`, whose connections read the files of `areas`."""

    def __init__(
        self,
        path: Path,
        *,
        areas: Sequence[Area] = (),
        access: StorageAccess | None = None,
        lock_timeout_seconds: float = 60.0,
        bring_up_to_date: "Callable[[duckdb.DuckDBPyConnection], None] | None" = None,
    ) -> None:
        """`bring_up_to_date` is called once, with the first connection."""
        self.path = path
        self._areas = tuple(areas)
        self._access = access or StorageAccess()
        self._lock_timeout_seconds = lock_timeout_seconds
        self._bring_up_to_date, self._one_at_a_time = bring_up_to_date, Lock()

    @contextmanager
    def connect(
        self, *, waiting: Callable[[str], None] | None = None
    ) -> Generator["duckdb.DuckDBPyConnection"]:
        """Open the warehouse; wait while another process holds it.

        With `waiting`, which is told when that begins, it waits as long as the longest step may take: for
        what holds no place in Dagster's pool.

        Raises:
            duckdb.IOException: the file is still locked after the lock timeout.
        """
        import duckdb

        self.path.parent.mkdir(parents=True, exist_ok=True)
        patience = _LONGEST_STEP_SECONDS if waiting else self._lock_timeout_seconds
        deadline = time.monotonic() + patience
        while True:
            try:
                connection = duckdb.connect(str(self.path))
                break
            except duckdb.IOException as error:
                if "lock" not in str(error).lower() or time.monotonic() > deadline:
                    raise
                if waiting:
                    waiting("waiting for another process to close the warehouse")
                    waiting = None
                time.sleep(0.05)  # another process writes; DuckDB offers nothing to wait on
        try:
            # Not as a configuration: a process can have one alone for a file, and dbt's has none.
            connection.execute(SETTINGS)
            connection.execute(_VERSIONS_DDL)
            with self._one_at_a_time:
                if self._bring_up_to_date is not None:
                    self._bring_up_to_date(connection)
                    self._bring_up_to_date = None
            with object_storage(connection, self._areas, self._access):
                yield connection
        finally:
            connection.close()


def record_version(
    connection: "duckdb.DuckDBPyConnection", relation: str, partition_key: str, version: str
) -> None:
    """Note what the table holds now; call it in the transaction that wrote the table."""
    connection.execute(
        f"delete from sluice.table_versions where relation = {literal(relation)}"
        f" and partition_key = {literal(partition_key)}"
    )
    connection.execute(
        f"insert into sluice.table_versions values ({literal(relation)}, {literal(partition_key)},"
        f" {literal(version)}, cast(now() as timestamp))"
    )


def has_table(connection: "duckdb.DuckDBPyConnection", relation: str) -> bool:
    """Return whether the warehouse has a table or view, `schema.name`."""
    found = connection.execute(
        "select 1 from information_schema.tables"
        f" where table_schema || '.' || table_name = {literal(relation)}"
    )
    return found.fetchone() is not None


def table_versions(
    connection: "duckdb.DuckDBPyConnection", relations: Sequence[str]
) -> dict[tuple[str, str], str]:
    """Return {(relation, partition key): version} for what the named tables hold now."""
    rows = connection.execute(
        "select relation, partition_key, version from sluice.table_versions"
        f" where list_contains({literals(relations)}, relation)"
    ).fetchall()
    return {(relation, key): version for relation, key, version in rows}
