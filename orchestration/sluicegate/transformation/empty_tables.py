"""The tables of a project without rows, in memory: what its SQL is bound against.

Belongs here: which columns a source, seed, model or snapshot has. Does not belong here: SQL that is judged.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from sluicegate.compute.engine import open_engine
from sluicegate.compute.select_only import Statement, objects_in
from sluicegate.compute.sql import quoted
from sluicegate.core.relations import Relation
from sluicegate.core.settings import Settings
from sluicegate.transformation.names_in_sql import is_type
from sluicegate.transformation.slices import relation_of

# (name, type) of each column, in order; the type as the engine writes it.
Columns = Sequence[tuple[str, str]]

# What dbt's snapshots have besides what they select, unless their config names them otherwise.
_OF_SNAPSHOTS = {
    "dbt_scd_id": "VARCHAR",
    "dbt_updated_at": "TIMESTAMP",
    "dbt_valid_from": "TIMESTAMP",
    "dbt_valid_to": "TIMESTAMP",
}
# dbt writes whole numbers of a seed as INTEGER, where the engine would take a BIGINT.
_OF_SEEDS = {"BIGINT": "INTEGER"}


class EmptyTables:
    """An empty copy of a project's warehouse; `connection` reaches no file and no other database."""

    def __init__(self, settings: Settings, content: Mapping[str, Any]) -> None:
        import duckdb

        self._dbt_dir = settings.dbt_dir
        self._schemas: set[str] = set()
        self._types: dict[str, str | None] = {}
        name = settings.warehouse_path.stem
        self.connection = open_engine(name=name, reaches_files=False)
        for node in content["nodes"].values():
            with suppress(duckdb.Error):
                self._place(relation_of(node))
        for source in content["sources"].values():
            stated = [(name, item.get("data_type")) for name, item in source["columns"].items()]
            known = [(name, str(type_)) for name, type_ in stated if type_]
            self.make(relation_of(source), known)

    def make(self, relation: Relation, columns: Columns) -> None:
        """Make a table of these columns; of none, where there is nothing to know of it, no table.

        Of two of one name, and of a name that the engine does not take, there is the first or none: another
        rule tells of them.
        """
        import duckdb

        if not columns:
            return
        # What is stated and is no type, another tells.
        known = [(column, self.type_of(type_) or "VARCHAR") for column, type_ in columns]
        listed = ", ".join(f"{quoted(column)} {type_}" for column, type_ in known)
        with suppress(duckdb.Error):
            self.connection.execute(f"create table {self._place(relation)} ({listed})")

    def make_of(self, relation: Relation, statement: Statement) -> Columns:
        """Make a table of what a query comes to, and return its columns; it is one that can be planned.

        What it is made by are the types that the query has, which spares planning it again. They say nothing
        of a collation, and of several columns of one name the engine calls the later ones otherwise: then the
        table is made of the query itself.
        """
        import duckdb

        sql = statement.sql.strip().rstrip(";")
        listed = ", ".join(f"{quoted(column)} {type_}" for column, type_ in statement.columns)
        with suppress(duckdb.Error):
            place = self._place(relation)
            if not any("collation" in item for item in objects_in(statement.plans)):
                with suppress(duckdb.Error):
                    self.connection.execute(f"create table {place} ({listed})")
                    return statement.columns
            self.connection.execute(f"create table {place} as ({sql}\n) with no data")
            return self.columns(relation)
        return []

    def drop(self, relation: Relation) -> None:
        """Drop a table, if it is there."""
        self.connection.execute(f"drop table if exists {relation.quoted}")

    def columns(self, relation: Relation) -> Columns:
        """Return the columns of a table."""
        described = self.connection.execute(f"describe {relation.quoted}").fetchall()
        return [(str(row[0]), str(row[1])) for row in described]

    def type_of(self, stated: str) -> str | None:
        """Return how the engine writes a type; None if it has none of that name."""
        if stated not in self._types:
            self._types[stated] = self._type_of(stated)
        return self._types[stated]

    def _type_of(self, stated: str) -> str | None:
        import duckdb

        if not is_type(stated):
            return None
        try:
            found = self.connection.execute(f"select typeof(cast(null as {stated}))").fetchone()
        except duckdb.Error:
            return None
        return str(found[0]) if found else None

    def seed_columns(self, node: Mapping[str, Any]) -> Columns:
        """Return the columns of a seed: types that its config states, and else what its values look like.

        Raises:
            ValueError: its file cannot be read with the delimiter of its config.
        """
        import duckdb

        config = node["config"]
        stated = {name.lower(): str(type_) for name, type_ in (config.get("column_types") or {}).items()}
        file = Path(node.get("root_path") or self._dbt_dir) / node["original_file_path"]
        read = "select column_name, column_type from (describe from read_csv(?, delim=?, header=true))"
        try:
            with open_engine() as connection:
                found = connection.execute(read, [str(file), str(config.get("delimiter") or ",")]).fetchall()
        except duckdb.Error as error:
            raise ValueError(str(error).split("\n", maxsplit=1)[0]) from None
        looks = {str(name): _OF_SEEDS.get(str(type_), str(type_)) for name, type_ in found}
        return [(name, stated.get(name.lower(), type_)) for name, type_ in looks.items()]

    def seed_digests(self, node: Mapping[str, Any]) -> dict[str, str]:
        """Return {column: digest of its texts and of its type} of a seed whose columns can be told.

        Line ends, quotes and a byte order mark that say nothing are not in it. {} if it cannot be read so.
        """
        import duckdb

        columns = self.seed_columns(node)
        texts = ", ".join(f"md5(to_json(list({quoted(name)}))::varchar || ?)" for name, _ in columns)
        file = Path(node.get("root_path") or self._dbt_dir) / node["original_file_path"]
        read = f"select {texts} from read_csv(?, delim=?, header=true, all_varchar=true)"
        values = [*(type_ for _, type_ in columns), str(file), str(node["config"].get("delimiter") or ",")]
        try:
            with open_engine() as connection:
                [found] = connection.execute(read, values).fetchall()
        except duckdb.Error:
            return {}
        return {name: str(digest) for (name, _), digest in zip(columns, found, strict=True)}

    def snapshot_columns(self, node: Mapping[str, Any], selected: Columns) -> Columns:
        """Return the columns of a snapshot: what it selects, and what dbt adds."""
        names = node["config"].get("snapshot_meta_column_names") or {}
        added = [(names.get(name) or name, type_) for name, type_ in _OF_SNAPSHOTS.items()]
        return [*selected, *added]

    def _place(self, relation: Relation) -> str:
        if relation.schema not in self._schemas:
            self.connection.execute(f"create schema if not exists {quoted(relation.schema)}")
            self._schemas.add(relation.schema)
        return relation.quoted
