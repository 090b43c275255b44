"""The warehouse of a new environment: a view over each published table, at one version of it, and versions.

A view names and casts each column. A column that is not published, as its class is not for everybody, or that
the project has and production has not yet, is null. Belongs here: the SQL. Does not belong here: where rows
come from once a table is built (`changes`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestration.compute.exact_parquet import cast_to
from orchestration.compute.sql import literal, quoted
from orchestration.core.relations import Relation
from orchestration.publishing.catalogue import PublishedTable

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class View:
    """One table at the keys of an environment: `path` is where the engine finds it, `lacks` {column: type}."""

    relation: Relation
    published: PublishedTable
    path: str
    keys: Sequence[str]
    lacks: Mapping[str, str]

    @property
    def sql(self) -> str:
        """The statement that makes it."""
        nulls = [f"cast(null as {kind}) as {quoted(name)}" for name, kind in self.lacks.items()]
        if not self.keys:  # an empty table has no file that would tell its columns
            columns = {**self.published.columns, **self.lacks}
            nulls = [f"cast(null as {kind}) as {quoted(name)}" for name, kind in columns.items()]
            return f"create view {self.relation.quoted} as select {', '.join(nulls)} where false"
        listed = ", ".join([cast_to(self.published.columns), *nulls])
        rows = f"delta_scan({literal(self.path)}, version = {self.published.at})"
        return f"create view {self.relation.quoted} as select {listed} from {rows}{self._where}"

    @property
    def _where(self) -> str:
        column = self.published.key_column
        if not column or len(self.keys) == len(self.published.partitions):
            return ""
        return f" where {quoted(column)} in ({', '.join(map(literal, self.keys))})"

    def versions(self) -> Iterator[tuple[str, str, str]]:
        """Yield (relation, partition key, version) of what it shows."""
        yield from ((self.relation, key, self.published.partitions[key].version) for key in self.keys)


def make_views(connection: "duckdb.DuckDBPyConnection", views: Iterable[View]) -> None:
    """Make all views in an open warehouse, and note what they hold; the engine's `delta` is loaded."""
    connection.execute("begin")
    made, versions = set[str](), list[tuple[str, str, str]]()
    for view in views:
        if view.relation.schema not in made:
            made.add(view.relation.schema)
            connection.execute(f"create schema if not exists {quoted(view.relation.schema)}")
        connection.execute(view.sql)
        versions += view.versions()
    for start in range(0, len(versions), 1_000):
        rows = ", ".join(f"({', '.join(map(literal, row))}, now()::timestamp)" for row in versions[start:][:1_000])
        connection.execute(f"insert into sluice.table_versions values {rows}")
    connection.execute("commit")


def drop_tables(connection: "duckdb.DuckDBPyConnection", relations: Iterable[Relation]) -> None:
    """Take tables, or the views in their place, out of a warehouse, with what is noted of them."""
    connection.execute("begin")
    for relation in relations:
        kinds = connection.execute(
            "select table_type from information_schema.tables"
            f" where table_schema || '.' || table_name = {literal(relation)}"
        ).fetchall()
        for (kind,) in kinds:
            connection.execute(f"drop {'view' if kind == 'VIEW' else 'table'} {relation.quoted}")
        connection.execute(f"delete from sluice.table_versions where relation = {literal(relation)}")
    connection.execute("commit")
