"""Whether a partition of an export may be empty: nothing came, of sources whose contracts let nothing come.

Belongs here: that. Does not belong here: what an export file says of empty partitions (`planning.limits`).
"""

from typing import TYPE_CHECKING

from orchestration.lineage import Lineage, Table
from orchestration.warehouse.slices import partition_rows

if TYPE_CHECKING:
    import duckdb


def rightly_empty(
    connection: "duckdb.DuckDBPyConnection", lineage: Lineage, relation: str, partition_key: str
) -> bool:
    """Return whether every partition of a source that a partition is made of is empty, and may be.

    Sources that are cut by time count, with each day of a window: of a snapshot nobody expects another a day.
    Without such a source nothing explains that there is no row.
    """
    made_of = [
        (table, item.partition_key)
        for item in lineage.chain(relation, partition_key)
        if not (table := lineage.tables[item.relation]).parents and table.partitioning.grain.timed
    ]
    return bool(made_of) and all(
        table.gaps_allowed and _is_empty(connection, table, key) for table, key in made_of
    )


def _is_empty(connection: "duckdb.DuckDBPyConnection", table: Table, key: str) -> bool:
    rows = partition_rows(table.relation, table.cut_by, table.partitioning, key)
    return connection.execute(f"select 1 from ({rows}) limit 1").fetchone() is None
