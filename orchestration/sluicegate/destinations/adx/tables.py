"""A table of Azure Data Explorer as a whole: what columns it has, and that it has those that are wanted.

Belongs here: asking for it, making it, adding columns. Does not: what is in it (`replacing`, `ingestion`),
column types (`types`).
"""

from collections.abc import Sequence

from . import kql as kql
from .cluster import Cluster, EntityMissing
from .policies import keep_tags
from .types import Column, TableColumn, remarked, table_columns


def found(cluster: Cluster, table: str) -> list[TableColumn]:
    """Return the columns of a table; none if there is no such table.

    Raises:
        DeliveryError: the cluster does not say.
    """
    doing, wrong = "show a table's schema", ""
    try:
        shown = cluster.command(f".show table {kql.name(table)} schema as json", doing)
    except EntityMissing:
        return []
    if not shown:
        raise cluster.strange(doing, "no row")
    try:
        return table_columns(cluster.told(shown[0], "Schema", str, doing))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        wrong = f"a schema of another form ({type(error).__name__})"
    raise cluster.strange(doing, wrong)


def make(cluster: Cluster, table: str, columns: Sequence[Column], *, staging: bool = False) -> None:
    """Make a table, or add the columns that it has not; what its columns were sent as is remarked.

    `staging`: nobody reads it, so nothing is remarked.

    Raises:
        DeliveryError: the principal may not, or a column has another type.
    """
    quoted = kql.name(table)
    listed = ", ".join(f"{kql.name(column.name)}:{column.type}" for column in columns)
    folder = ' with (folder="sluice")' if staging else ""
    there = found(cluster, table)
    cluster.command(f".create-merge table {quoted} ({listed}){folder}", "make a table or add columns")
    if not there or staging:
        keep_tags(cluster, table)
    said = {column.name: remarked(column.docstring) for column in there}
    remarks = [
        f"{kql.name(c.name)}:{kql.text(c.remark)}"
        for c in columns
        if c.remark and said.get(c.name) != c.remark  # people may have written more before it
    ]
    if remarks and not staging:
        cluster.command(
            f".alter-merge table {quoted} column-docstrings ({', '.join(remarks)})", "describe columns"
        )
