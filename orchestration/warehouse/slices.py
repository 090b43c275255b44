"""A partition of a table as SQL: the one place where a partition key becomes a condition on a column.

dbt's models have the same in their macros (`transformation/dbt_macros/partitions.sql`).
"""

from datetime import datetime

from orchestration.compute.sql import literal, quoted
from orchestration.core.partitions import KEY_FORMATS, Grain, Partitioning

# The column of a raw table that holds the key of the partition, as text.
RAW_PARTITION_COLUMN = "_partition_key"
# What a moment is cut off to before it is written as a key.
_TRUNCATED_TO = {Grain.HOURLY: "hour", Grain.DAILY: "day", Grain.WEEKLY: "week", Grain.MONTHLY: "month"}


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
    kind = "timestamp" if partitioning.grain is Grain.HOURLY else "date"
    lower, upper = (f"{kind} {literal(bound)}" for bound in bounds)
    return f"({quoted(column)} >= {lower} and {quoted(column)} < {upper})"


def partition_rows(relation: str, column: str, partitioning: Partitioning, key: str) -> str:
    """Return SQL for the rows of a partition of a table, `schema.name`; of one that is not cut for all rows.

    Raises:
        ValueError: the key is none of this partitioning.
    """
    schema, _, name = relation.partition(".")
    where = f" where {partition_condition(column, partitioning, key)}" if column else ""
    return f"select * from {quoted(schema)}.{quoted(name)}{where}"


def partition_bounds(partitioning: Partitioning, key: str) -> tuple[str, str] | None:
    """Return the half-open interval of a partition as ISO 8601 text, in UTC; None where it is no time.

    Hours are timestamps (`2024-01-01T13:00:00`), everything longer is dates.

    Raises:
        ValueError: the key is none of this partitioning.
    """
    if not partitioning.grain.timed:
        return None
    start, end = partitioning.interval(key)
    return _written(partitioning.grain, start), _written(partitioning.grain, end)


def key_expression(column: str, partitioning: Partitioning) -> str:
    """Return SQL for the key of the partition that a row lies in."""
    if not partitioning.grain.timed or column == RAW_PARTITION_COLUMN:
        return f"cast({quoted(column)} as varchar)"
    unit = _TRUNCATED_TO[partitioning.grain]
    form = literal(KEY_FORMATS[partitioning.grain])
    return f"strftime(date_trunc({literal(unit)}, {quoted(column)}), {form})"


def _written(grain: Grain, moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S" if grain is Grain.HOURLY else "%Y-%m-%d")
