"""What every warehouse answers: all that stages ask of the engine that holds the tables.

A second engine is a module beside `duckdb_file`, which passes `tests/warehouse`. Queries are in the engine's
own SQL, as dbt's models are; types of columns are told by DuckDB's names, in which contracts and rules write
them.

`Session.native` is the one door to the engine's own connection, for work whose SQL is written for each
engine. Through it go, and nothing else does (`tests/warehouse/test_door.py`): compiled rules and Great
Expectations (`quality/suite_verdict.py`), and the reading of dbt's compiled SQL before it runs
(`graph/data_tests.py`). dbt itself opens the warehouse by its profile, and shares the file that a session has
open (`kept_engine`).

Belongs here: the questions. Does not belong here: any engine's SQL.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from sluicegate.core.relations import Relation


@dataclass(frozen=True)
class Capabilities:
    """What an engine can do; a stage asks this, and never for its name.

    `several_processes`: they may have it open at once. `several_tables`: what one call writes to several
    tables is seen at once, and a snapshot is of one moment over all of them.
    """

    several_processes: bool
    several_tables: bool


class Version(NamedTuple):
    """What a partition of a table, `schema.name`, holds; the key is "" of a table that is not cut."""

    relation: str
    partition_key: str
    version: str


@dataclass(frozen=True)
class Rows:
    """Rows that take the place of others in a table, `schema.name`.

    Those go whose column `where[0]` is the text `where[1]`. What comes is in Parquet `files`, as
    `compute.exact_parquet` writes them or others do, each of which has the `columns`, {name: type}, but for
    those of which `fixed` has the value of every row.
    """

    relation: str
    columns: Mapping[str, str]
    where: tuple[str, str]
    files: Sequence[Path] = ()
    fixed: Mapping[str, object] = field(default_factory=dict[str, object])


class OtherType(Exception):
    """A table has a column of another type than the rows that were to come."""

    def __init__(self, relation: str, column: str, held: str, wanted: str) -> None:
        super().__init__(f"column `{column}` of {relation} is {held}, not {wanted}")
        self.relation, self.column, self.held, self.wanted = relation, column, held, wanted


class CopyDamaged(Exception):
    """A copy that cannot be opened."""


class Session(Protocol):
    """A warehouse while it is open. Each call sees what is committed, or the snapshot that it is made in."""

    errors: tuple[type[Exception], ...]
    """What the engine raises where it cannot run a query."""

    @property
    def native(self) -> Any:
        """The engine's own connection; see the module for who may use it."""

    def snapshot(self) -> AbstractContextManager[Callable[[], None]]:
        """Have reads be of one moment, over all tables; nothing can be changed meanwhile.

        An error of the engine may end it; what it gives begins another, of the moment of that call.
        """
        ...

    def versions(self, relations: Sequence[str]) -> dict[tuple[str, str], str]:
        """Return {(relation, partition key): version} for what the named tables hold."""
        ...

    def written(self, relation: str) -> list[tuple[str, str]]:
        """Return (partition key, version) of all that a table holds, in the order in which it was written."""
        ...

    def has_table(self, relation: str) -> bool:
        """Return whether there is a table or view, `schema.name`."""
        ...

    def describe(self, query: str) -> dict[str, str]:
        """Return {column: type} of a query."""
        ...

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query; there are few of them."""
        ...

    def digest(self, query: str) -> str:
        """Return a digest of the rows of a query, as `compute.row_hash.content_digest` makes it."""
        ...

    def fetch(self, query: str, folder: Path) -> str:
        """Write the rows of a query to files in a folder, without holding them in memory.

        Returns:
            SQL of them for the local engine (`compute.engine`): their columns, types and values as they are.
        """
        ...

    def write_parquet(self, query: str, file: Path) -> int:
        """Write the rows of a query as one Parquet file for others to read, and return how many there are.

        They are not held in memory. What that format lacks is the query's to cast.
        """
        ...

    def published(self, path: str, at: int) -> str:
        """Return what a query reads a published table from, at a version of it; where it is open to that."""
        ...

    def show(self, views: Iterable[tuple[Relation, str]], versions: Iterable[Version]) -> None:
        """Make views, of queries, and note the versions of what they hold, all or nothing."""
        ...

    def keep(self, relation: str) -> None:
        """Make a table of what a view shows, if it is one; its rows and their versions stay."""
        ...

    def take_out(self, relations: Iterable[Relation]) -> None:
        """Take tables, and views in the place of some, out of the warehouse, with their versions."""
        ...

    def copy_to(self, file: Path) -> None:
        """Write all that is committed to a file of the engine's own, which is not there yet; for a backup."""
        ...

    def replace(self, tables: Sequence[Rows], version: Version | None = None) -> None:
        """Put rows in the place of others in each of these tables and note the version, all or nothing.

        Tables are made, and get columns that they lack, which are null in the rows that are there.

        Raises:
            OtherType: a table has a column of another type; all is as it was.
        """
        ...


class Warehouse(Protocol):
    """The engine that holds the tables of a deployment."""

    dialect: str
    """What sqlglot and dbt call its SQL."""
    capabilities: Capabilities

    def session(self, *, waiting: Callable[[str], None] | None = None) -> AbstractContextManager[Session]:
        """Open it, waiting while another process holds it.

        With `waiting`, which is told when that begins, it waits as long as the longest step may take: for
        what holds no place in Dagster's pool.
        """
        ...
