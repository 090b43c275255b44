"""How Postgres may join what was sent with a table that is there, so that it does not compare all with all.

What it knows of a table may be older than a day's rows, or nothing. It takes them for one row, or for a
hundred, then, and compares each of them with every staged row: hours, where half a million are delivered once
more before the table was analyzed. To analyze it is its owner's business. It may still do so where the table
has triggers, or where few rows are sent to a large one. Belongs here: which joins are left. Does not belong
here: the statements.
"""

from .catalogue import Catalogue
from .types import literal

# Of the table, for each staged row: to read so much takes five times as long as one look into an index.
_BYTES_A_LOOK = 65_536


def bound_joins(catalogue: Catalogue, staged: int) -> None:
    """Until the transaction ends, leave out joins that may take the square of the rows; `staged` are sent.

    A nested loop that looks each row up in an index is right where few rows are sent to a large table: there
    it is left, and what compares all with all costs too much to be chosen. It is left for somebody's
    triggers as well, whose own statements would have to do without.
    """
    catalogue.cursor.execute("set local enable_material = off")
    if staged * _BYTES_A_LOOK >= _size(catalogue) and not _has_triggers(catalogue):
        catalogue.cursor.execute("set local enable_nestloop = off")


def _size(catalogue: Catalogue) -> int:
    """Return the bytes of a table's rows, those of its partitions too."""
    table = f"to_regclass({literal(catalogue.target)})"
    [(own, parts)] = catalogue.rows(
        f"select coalesce(pg_relation_size({table}), 0)::bigint,"
        f" (select coalesce(sum(pg_relation_size(relid)), 0)::bigint from pg_partition_tree({table}))"
    )
    return max(own, parts)


def _has_triggers(catalogue: Catalogue) -> bool:
    table = f"to_regclass({literal(catalogue.target)})"
    return bool(
        catalogue.rows(
            f"select 1 from pg_trigger where not tgisinternal and tgenabled <> 'D' and tgrelid in"
            f" (select {table} union all select relid from pg_partition_tree({table})) limit 1"
        )
    )
