"""The rows of a partition that an export sends, as one digest: what is sent is what was judged.

Belongs here: which rows those are. Does not belong here: how rows are hashed (`compute.row_hash`).
"""

from sluicegate.core.lineage import Table
from sluicegate.warehouse.base import Session
from sluicegate.warehouse.slices import partition_rows


def sent_content(session: Session, table: Table, partition_key: str) -> str:
    """Return a digest of the rows of a partition of a table that an export sends; "" of any other table's."""
    if not table.sent:
        return ""
    rows = partition_rows(table.relation, table.cut_by, table.partitioning, partition_key)
    return session.digest(rows)
