"""The embedded warehouse: one DuckDB file, opened briefly.

A process that holds the file locks all others out, readers too; so every stage opens it for as long as
it works and closes it. Between processes Dagster's `warehouse` pool keeps order, and a connection that
still finds the file locked waits.
"""

import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.areas import Area, StorageAccess
from orchestration.warehouse.object_storage import object_storage

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
# DuckDB refuses a second connection of a process with another configuration, and dbt's has none: so ours
# has none either, and settings are set once connected.
_SETTINGS = """
    set autoinstall_known_extensions = false;
    set autoload_known_extensions = false;
    set TimeZone = 'UTC';
"""
POOL = "warehouse"
_LONGEST_STEP_SECONDS = 3_600.0


@dataclass(frozen=True)
class TableVersion:
    """What a table holds now: `version` is new whenever the table's partition was written."""

    relation: str
    partition_key: str
    version: str


class Warehouse:
    """The DuckDB file at `path`, whose connections read the files of `areas`."""

    def __init__(
        self,
        path: Path,
        *,
        areas: Sequence[Area] = (),
        access: StorageAccess | None = None,
        lock_timeout_seconds: float = 60.0,
    ) -> None:
        self.path = path
        self._areas = tuple(areas)
        self._access = access or StorageAccess()
        self._lock_timeout_seconds = lock_timeout_seconds

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
            connection.execute(_SETTINGS)
            connection.execute(_VERSIONS_DDL)
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


def table_versions(
    connection: "duckdb.DuckDBPyConnection", relations: Sequence[str]
) -> dict[tuple[str, str], str]:
    """Return {(relation, partition key): version} for what the named tables hold now."""
    rows = connection.execute(
        "select relation, partition_key, version from sluice.table_versions"
        f" where list_contains({literals(relations)}, relation)"
    ).fetchall()
    return {(relation, key): version for relation, key, version in rows}


def quoted(identifier: str) -> str:
    """Return an SQL identifier, quoted."""
    return '"' + identifier.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return an SQL string literal.

    In what every run does it stands in the place of a parameter: to bind one, the engine imports pandas,
    which takes half a second.
    """
    return "'" + text.replace("'", "''") + "'"


def value_literal(value: object) -> str:
    """Return an SQL literal of a number, a text, a date, a moment, a truth value or None."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return f"{literal(repr(value))}::double"
    return literal(str(value))


def literals(texts: Iterable[str]) -> str:
    """Return an SQL list of string literals."""
    return f"[{', '.join(literal(text) for text in texts)}]::varchar[]"
