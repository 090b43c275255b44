"""The embedded warehouse: one DuckDB file, opened briefly.

A process that holds the file locks all others out, readers too; so every stage opens it for as long as
it works and closes it. Between processes Dagster's `warehouse` pool keeps order, and a connection that
still finds the file locked waits.
"""

import sys
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from sluicegate.areas import Area, StorageAccess
from sluicegate.compute.engine import SETTINGS
from sluicegate.compute.exact_parquet import carried, cast_to, exact_files
from sluicegate.compute.object_storage import extensions_for, object_storage
from sluicegate.compute.row_hash import content_digest, fields_of
from sluicegate.compute.sql import literal, literals, quoted, value_literal
from sluicegate.compute.type_text import same_spelling
from sluicegate.core.relations import Relation
from sluicegate.warehouse.base import Capabilities, CopyDamaged, OtherType, Rows, Version
from sluicegate.warehouse.kept_engine import AttachedFile

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
_LONGEST_STEP_SECONDS = 3_600.0
# So many rows go into one statement.
_ROWS_AT_ONCE = 1_000


class DuckDBFile:
    """The DuckDB file at `path`, whose connections read the files of `areas`."""

    dialect = "duckdb"
    capabilities = Capabilities(several_processes=False, several_tables=True)

    def __init__(
        self,
        path: Path,
        *,
        areas: Sequence[Area] = (),
        shelf: Area | None = None,
        access: StorageAccess | None = None,
        lock_timeout_seconds: float = 60.0,
        bring_up_to_date: "Callable[[duckdb.DuckDBPyConnection], None] | None" = None,
        kept_open: Callable[[], bool] = lambda: False,
        before_commit: Callable[[], None] = lambda: None,
        writes_within: str = "512MB",
    ) -> None:
        """`bring_up_to_date` is called once, with the first connection.

        `shelf` is where published tables lie, of which there are views in the file.
        `kept_open` tells whether somebody keeps the file open for long and gives it back: then the lock
        timeout does not count. `before_commit` is called before `replace` commits, and keeps it from doing
        so if it raises. `writes_within` is what the engine may take while it writes a partition.
        """
        self.path = path
        self._writes_within = writes_within
        self._areas = (*areas, *([shelf] if shelf else []))
        self._extensions = (*(["delta"] if shelf else []), *extensions_for(self._areas))
        self._access = access or StorageAccess()
        self._lock_timeout_seconds = lock_timeout_seconds
        self._bring_up_to_date, self._one_at_a_time = bring_up_to_date, Lock()
        self._kept_open = kept_open
        self._before_commit = before_commit

    @contextmanager
    def session(self, *, waiting: Callable[[str], None] | None = None) -> Generator["DuckDBSession"]:
        """Open the file.

        Raises:
            duckdb.IOException: it is still locked after the lock timeout.
        """
        import duckdb

        self.path.parent.mkdir(parents=True, exist_ok=True)
        patience = _LONGEST_STEP_SECONDS if waiting else self._lock_timeout_seconds
        deadline = time.monotonic() + patience
        while True:
            try:
                file = AttachedFile(self.path, self._extensions)
                break
            except duckdb.IOException as error:
                late = time.monotonic() > deadline
                if "lock" not in str(error).lower() or (late and not self._kept_open()):
                    raise
                if waiting:
                    waiting("waiting for another process to close the warehouse")
                    waiting = None
                time.sleep(0.05)  # another process writes; DuckDB offers nothing to wait on
        with closing(file), closing(file.cursor()) as connection:
            connection.execute(SETTINGS)
            connection.execute(_VERSIONS_DDL)
            with self._one_at_a_time:
                if self._bring_up_to_date is not None:
                    self._bring_up_to_date(connection)
                    self._bring_up_to_date = None
            with object_storage(connection, self._areas, self._access, self._extensions):
                yield DuckDBSession(connection, self._before_commit, self._writes_within)


class DuckDBSession:
    """The file while it is open; see `base.Session`."""

    def __init__(
        self,
        connection: "duckdb.DuckDBPyConnection",
        before_commit: Callable[[], None] = lambda: None,
        writes_within: str = "512MB",
    ) -> None:
        import duckdb

        self.native = connection
        self._before_commit = before_commit
        self._writes_within = writes_within
        self.errors: tuple[type[Exception], ...] = (duckdb.Error,)

    @contextmanager
    def snapshot(self) -> Generator[Callable[[], None]]:
        """Begin a transaction that only reads."""
        try:
            self._begin_to_read()
            yield self._begin_to_read
        finally:
            self._end()

    def versions(self, relations: Sequence[str]) -> dict[tuple[str, str], str]:
        """Return what the macro `record_table_version` and `replace` have noted."""
        rows = self.query(
            "select relation, partition_key, version from sluice.table_versions"
            f" where list_contains({literals(relations)}, relation)"
        )
        return {(relation, key): version for relation, key, version in rows}

    def written(self, relation: str) -> list[tuple[str, str]]:
        """Return it in the order of the clock; where that is the same, of the keys."""
        rows = self.query(
            f"select partition_key, version from sluice.table_versions where relation = {literal(relation)}"
            " order by recorded_at, partition_key"
        )
        return [(key, version) for key, version in rows]

    def has_table(self, relation: str) -> bool:
        """Look it up in the catalogue."""
        return bool(self._kinds([relation]))

    def describe(self, query: str) -> dict[str, str]:
        """Plan the query."""
        return fields_of(self.native, query)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Run it."""
        return self.native.execute(sql).fetchall()

    def digest(self, query: str) -> str:
        """Read the rows once, where they are."""
        return content_digest(self.native, query)

    def fetch(self, query: str, folder: Path) -> str:
        """Write one Parquet file; what that format does not keep as it is goes as text."""
        types = self.describe(query)
        as_kept = {name: carried(type_) for name, type_ in types.items()}
        file = literal(str(folder / "rows.parquet"))
        with self._in_any_order():
            rows = f"select {cast_to(as_kept)} from ({query})"
            self.native.execute(f"copy ({rows}) to {file} (format parquet, compression lz4_raw)")
        # In two steps, as a UNION is read as a STRUCT, which is cast to one of the same types alone.
        return f"select {cast_to(types)} from (select {cast_to(as_kept)} from read_parquet({file}))"

    def write_parquet(self, query: str, file: Path) -> int:
        """Write it with what every reader unpacks."""
        with self._in_any_order():
            written = f"copy ({query}) to {literal(str(file))} (format parquet, compression snappy)"
            return int(self.query(written)[0][0])

    @contextmanager
    def _in_any_order(self) -> Generator[None]:
        """Nobody reads a table in the order of its file: without it every core is used, and less memory."""
        self.native.execute("set preserve_insertion_order = false")
        try:
            yield
        finally:
            self.native.execute("reset preserve_insertion_order")

    def replace(self, tables: Sequence[Rows], version: Version | None = None) -> None:
        """Write in one transaction, with less memory than the engine would take."""
        self.native.execute(f"set memory_limit = {literal(self._writes_within)}")
        try:
            with self._in_any_order(), self._one_transaction():
                for rows in tables:
                    self._ensure(rows)
                    self._replace(rows)
                if version is not None:
                    record_version(self.native, *version)
                self._before_commit()
        finally:
            self.native.execute("reset memory_limit")

    def published(self, path: str, at: int) -> str:
        """Read a Delta table, by the engine's extension."""
        return f"delta_scan({literal(path)}, version = {at})"

    def show(self, views: Iterable[tuple[Relation, str]], versions: Iterable[Version]) -> None:
        """Make them in one transaction; the engine looks into each table for it."""
        with self._one_transaction():
            schemas = set[str]()
            for relation, query in views:
                if relation.schema not in schemas:
                    schemas.add(relation.schema)
                    self.native.execute(f"create schema if not exists {quoted(relation.schema)}")
                self.native.execute(f"create view {relation.quoted} as {query}")
            noted = [f"({', '.join(map(literal, one))}, now()::timestamp)" for one in versions]
            for start in range(0, len(noted), _ROWS_AT_ONCE):
                rows = ", ".join(noted[start : start + _ROWS_AT_ONCE])
                self.native.execute(f"insert into sluice.table_versions values {rows}")

    def keep(self, relation: str) -> None:
        """Make it in one transaction."""
        with self._one_transaction():
            self._keep(relation)

    def take_out(self, relations: Iterable[Relation]) -> None:
        """Look up which of them are views."""
        wanted = {str(relation): relation for relation in relations}
        with self._one_transaction():
            for name, kind in self._kinds(wanted).items():
                self.native.execute(f"drop {'view' if kind == 'VIEW' else 'table'} {wanted[name].quoted}")
            self.native.execute(
                f"delete from sluice.table_versions where list_contains({literals(wanted)}, relation)"
            )

    def _kinds(self, relations: Iterable[str]) -> dict[str, str]:
        """Return {relation: `VIEW` or `BASE TABLE`} of those that are there."""
        return dict(
            self.query(
                "select table_schema || '.' || table_name, table_type from information_schema.tables where"
                f" table_catalog = current_database()"
                f" and list_contains({literals(relations)}, table_schema || '.' || table_name)"
            )
        )

    @contextmanager
    def _one_transaction(self) -> Generator[None]:
        self.native.execute("begin")
        try:
            yield
            self.native.execute("commit")
        except BaseException:
            self._end()
            raise

    def copy_to(self, file: Path) -> None:
        """Copy the file as it is, in a process of its own.

        Whoever opens and closes a file gives up all locks that its process has on it, the engine's as well.
        """
        import subprocess

        self.native.execute("checkpoint")
        [(held,)] = self.query("select path from duckdb_databases() where database_name = current_database()")
        copying = (
            "import shutil, sys\n"
            "try:\n"
            "    shutil.copyfile(sys.argv[1], sys.argv[2])\n"
            "except OSError as error:\n"
            "    sys.exit(f'{error.strerror}: {error.filename or sys.argv[2]}')"
        )
        copied = subprocess.run(
            [sys.executable, "-I", "-c", copying, held, str(file)],
            stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
        if copied.returncode:
            raise OSError(copied.stderr.strip())

    def _ensure(self, rows: Rows) -> None:
        """Make a table, or add the columns that it lacks."""
        relation, typed = _name(rows.relation), rows.columns.items()
        listed = ", ".join(f"{quoted(name)} {type_}" for name, type_ in typed)
        self.native.execute(f"create schema if not exists {quoted(rows.relation.partition('.')[0])}")
        self._keep(rows.relation)
        self.native.execute(f"create table if not exists {relation} ({listed})")
        nulls = ", ".join(f"cast(null as {type_}) as {quoted(name)}" for name, type_ in typed)
        held, wanted = self.describe(f"select * from {relation}"), self.describe(f"select {nulls}")
        for name, type_ in wanted.items():
            if name not in held:
                self.native.execute(f"alter table {relation} add column {quoted(name)} {type_}")
            elif same_spelling(held[name], folded=True) != same_spelling(type_, folded=True):
                raise OtherType(rows.relation, name, held[name], rows.columns[name])

    def _keep(self, relation: str) -> None:
        """Make a table of a view."""
        if self._kinds([relation]).get(relation) != "VIEW":
            return
        shown, as_table = _name(relation), _name(f"{relation}__shown")
        self.native.execute(
            f"create table {as_table} as select * from {shown}; drop view {shown};"
            f" alter table {as_table} rename to {quoted(relation.partition('.')[2])}"
        )

    def _replace(self, rows: Rows) -> None:
        relation, (column, value) = _name(rows.relation), rows.where
        self.native.execute(f"delete from {relation} where {quoted(column)} = {literal(value)}")
        if rows.files:
            names = ", ".join(map(quoted, rows.columns))
            selected = ", ".join(
                value_literal(rows.fixed[name]) if name in rows.fixed else quoted(name)
                for name in rows.columns
            )
            held = exact_files(self.native, rows.files)
            self.native.execute(f"insert into {relation} ({names}) select {selected} from {held}")

    def _begin_to_read(self) -> None:
        self._end()
        self.native.execute("begin transaction read only")

    def _end(self) -> None:
        import duckdb

        # There is none where a commit failed: the engine has rolled it back.
        with suppress(duckdb.TransactionException):
            self.native.execute("rollback")


def versions_in(file: Path) -> list[Version]:
    """Return what all partitions of a copy hold; the copy stays as it is.

    Raises:
        CopyDamaged: it is no whole file of the engine.
    """
    import duckdb

    try:
        with duckdb.connect(str(file), read_only=True) as connection:
            found = connection.execute("select relation, partition_key, version from sluice.table_versions")
            return [Version(*row) for row in found.fetchall()]
    except duckdb.Error as error:
        raise CopyDamaged(str(error).splitlines()[0]) from None


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


def _name(relation: str) -> str:
    schema, _, name = relation.partition(".")
    return f"{quoted(schema)}.{quoted(name)}"
