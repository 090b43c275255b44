"""A query that is to find rows too many, bound and run on tables in the place of those that it names.

Belongs here: which of the tables it reads, and its word. Does not belong here: which rows are put there
(`made_up`), and what follows from the word (`trying`).
"""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from sluicegate.compute.select_only import NotASelect, scans
from sluicegate.compute.sql import quoted
from sluicegate.core.relations import Relation
from sluicegate.quality.trials.shapes import Shape

if TYPE_CHECKING:
    import duckdb

# What a view of a table reads, as long as nothing else is put there.
_EMPTY = "made_up_empty"


class Statement:
    """A query, and a view in the place of each table, {relation: shape}, that it may name."""

    def __init__(
        self, connection: "duckdb.DuckDBPyConnection", sql: str, shapes: Mapping[Relation, Shape]
    ) -> None:
        self.sql = sql.strip().rstrip(";")
        self._connection = connection
        self._shapes = list(shapes.items())

    def reads(self) -> list[Relation] | None:
        """Put an empty table in each place, and return what it reads; None if it cannot be bound."""
        import duckdb

        try:
            for number, (relation, shape) in enumerate(self._shapes):
                columns = ", ".join(
                    f"{quoted(name)} {kind or 'varchar'}" for name, kind in shape.columns.items()
                )
                self._connection.execute(f"create or replace table {_EMPTY}_{number} ({columns})")
                self.put(relation, f"select * from {_EMPTY}_{number}")
            names = {scan.name for scan in scans(self._connection, self.sql)}
        except (NotASelect, duckdb.Error):
            return None
        known = {f"{_EMPTY}_{number}": relation for number, (relation, _) in enumerate(self._shapes)}
        return sorted(known[name] for name in names) if names <= known.keys() else None

    def put(self, relation: Relation, sql: str) -> None:
        """Put the rows of a query in the place of a table."""
        self._connection.execute(
            f"create schema if not exists {quoted(relation.schema)};"
            f" create or replace view {relation.quoted} as {sql}"
        )

    def holds(self) -> bool | None:
        """Return whether it finds no row; None if it cannot say."""
        import duckdb

        try:
            return self._connection.execute(f"select 1 from ({self.sql}\n) limit 1").fetchone() is None
        except duckdb.Error:
            return None

    def is_of_nothing(self) -> bool:
        """Return whether the engine sees without a look at any row that there is none."""
        # It would see of an empty table, too, that nothing in it is above a bound.
        self._connection.execute("set disabled_optimizers = 'statistics_propagation'")
        try:
            [(_, plan)] = self._connection.execute(f"explain (format json) {self.sql}").fetchall()
        finally:
            self._connection.execute("reset disabled_optimizers")
        return [item["name"] for item in json.loads(plan)] == ["EMPTY_RESULT"]
