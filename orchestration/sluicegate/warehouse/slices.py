"""A partition of a table as SQL: the one place where a partition key becomes a condition on a column.

dbt's models have the same in their macros (`transformation/dbt_macros/partitions.sql`).
"""

from sluicegate.compute.sql import literal, quoted
from sluicegate.core.partitions import Partitioning
from sluicegate.core.relations import Relation

# The column of a raw table that holds the key of the partition, as text.
RAW_PARTITION_COLUMN = "_partition_key"


def partition_condition(column: str, partitioning: Partitioning, key: str) -> str:
    """Return the SQL condition for the rows of a partition.

    The column holds the key itself (in a raw table, and where partitions are drops), or a date or timestamp
    that lies in it.

    Raises:
        ValueError: the key is none of this partitioning.
    """
    bounds = partition_bounds(partitioning, key)
    if bounds is None or column == RAW_PARTITION_COLUMN:
        return f"{quoted(column)} = {literal(key)}"
    lower, upper = (f"{partitioning.grain.column_type} {literal(bound)}" for bound in bounds)
    return f"({quoted(column)} >= {lower} and {quoted(column)} < {upper})"


def partition_rows(relation: Relation, column: str, partitioning: Partitioning, key: str) -> str:
    """Return SQL for the rows of a partition of a table; of one that is not cut for all rows.

    Raises:
        ValueError: the key is none of this partitioning.
    """
    where = f" where {partition_condition(column, partitioning, key)}" if column else ""
    return f"select * from {relation.quoted}{where}"


def partition_bounds(partitioning: Partitioning, key: str) -> tuple[str, str] | None:
    """Return the half-open interval of a partition as ISO 8601 text, in UTC; None where it is no time.

    Hours are timestamps (`2024-01-01T13:00:00`), everything longer is dates.

    Raises:
        ValueError: the key is none of this partitioning.
    """
    if not partitioning.grain.timed:
        return None
    start, end = partitioning.interval(key)
    return partitioning.grain.span.written(start), partitioning.grain.span.written(end)


def key_expression(column: str, partitioning: Partitioning) -> str:
    """Return SQL for the key of the partition that a row lies in."""
    if not partitioning.grain.timed or column == RAW_PARTITION_COLUMN:
        return f"cast({quoted(column)} as varchar)"
    unit, form = literal(partitioning.grain.unit), literal(partitioning.grain.span.key_format)
    return f"strftime(date_trunc({unit}, {quoted(column)}), {form})"
