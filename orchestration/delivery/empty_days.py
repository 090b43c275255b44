"""Whether a partition of an export may be empty: nothing came, of sources whose contracts let nothing come.

Belongs here: that. Does not belong here: what an export file says of empty partitions (`planning.limits`).
"""

from typing import TYPE_CHECKING

from orchestration.compute.sql import literal
from orchestration.contracts.model import quarantine_of
from orchestration.core.lineage import Lineage, Table
from orchestration.warehouse.slices import partition_rows

if TYPE_CHECKING:
    import duckdb


def rightly_empty(
    connection: "duckdb.DuckDBPyConnection",
    lineage: Lineage,
    relation: str,
    partition_key: str,
) -> bool:
    """Return whether nothing came of every partition of a source that a partition is made of, as may be.

    Sources that are cut by time count, with each day of a window: of a snapshot nobody expects another a day.
    Without such a source nothing explains that there is no row. Rows in quarantine came.
    """
    made_of = [
        (table, item.partition_key)
        for item in lineage.chain(relation, partition_key)
        if not (table := lineage.tables[item.relation]).parents and table.partitioning.grain.timed
    ]
    return bool(made_of) and all(
        table.gaps_allowed and _nothing_came(connection, table, key) for table, key in made_of
    )


def _nothing_came(connection: "duckdb.DuckDBPyConnection", table: Table, key: str) -> bool:
    taken = partition_rows(table.relation, table.cut_by, table.partitioning, key)
    if connection.execute(f"select 1 from ({taken}) limit 1").fetchone() is not None:
        return False
    schema, _, name = quarantine_of(table.relation).partition(".")
    known = connection.execute(
        f"select 1 from duckdb_tables()"
        f" where schema_name = {literal(schema)} and table_name = {literal(name)}"
    ).fetchone()
    # A source that was never loaded has no table of quarantined rows.
    return known is None or (
        connection.execute(
            f"select 1 from {schema}.{name} where _partition_key = {literal(key)} limit 1"
        ).fetchone()
        is None
    )
