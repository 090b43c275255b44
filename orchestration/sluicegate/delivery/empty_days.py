"""Whether a partition of an export may be empty: nothing came, of sources whose contracts let nothing come.

Belongs here: that. Does not belong here: what an export file says of empty partitions (`ledger`).
"""

from sluicegate.contracts.model import quarantine_of
from sluicegate.core.lineage import Lineage, Table
from sluicegate.core.relations import Relation
from sluicegate.warehouse.base import Session
from sluicegate.warehouse.slices import RAW_PARTITION_COLUMN, partition_rows


def rightly_empty(
    session: Session,
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
        table.gaps_allowed and _nothing_came(session, table, key) for table, key in made_of
    )


def _nothing_came(session: Session, table: Table, key: str) -> bool:
    # A source that was never loaded has no table of quarantined rows.
    held = quarantine_of(table.relation)
    return not _has_rows(session, table.relation, table, key) and (
        not session.has_table(held) or not _has_rows(session, held, table, key)
    )


def _has_rows(session: Session, relation: Relation, table: Table, key: str) -> bool:
    rows = partition_rows(relation, RAW_PARTITION_COLUMN, table.partitioning, key)
    return bool(session.query(f"select 1 from ({rows}) limit 1"))
