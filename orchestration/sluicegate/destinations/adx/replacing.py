"""A scope of a table, replaced in one transaction by what was staged for it.

Belongs here: the staging table, and the commands on extents with a scope's tags. Does not: how rows come
into the staging table (`ingestion`, `filling`).

`.replace extents` drops what the scope had and moves in what is staged "in a single transaction": readers see
the old rows or the new ones. What replaces it is left alone by the part that drops, so the command may be
given again when its answer is lost.
"""

from . import kql as kql
from .cluster import Cluster
from .ingestion import rows_tagged

STAGING = "_sluice_staging"
# What was given up may stay in the staging table until the next of its scope, or until then.
_KEPT = "14d"
# `.replace extents` wants to know when its extents were made; all were in between.
_EVER = "extentCreatedOnFrom=datetime(2010-01-01), extentCreatedOnTo=datetime(2200-01-01)"


class Replacing:
    """One scope of a table, and what is to be there instead.

    Args:
        cluster: the database.
        table: its name.
        scope: the value of the `drop-by:` tag of the scope.
        by: the value of the `drop-by:` tag of what replaces it.
        whole: the scope is the table: every other extent of it goes, whatever its tags.
    """

    def __init__(self, cluster: Cluster, table: str, scope: str, by: str, *, whole: bool) -> None:
        self._cluster, self._table, self._scope, self._by, self._whole = cluster, table, scope, by, whole

    @property
    def staging(self) -> str:
        """The table in which it is staged."""
        return self._table + STAGING

    def rows_there(self) -> int:
        """Return how many rows of what replaces the scope the table has."""
        return rows_tagged(self._cluster, self._table, f"drop-by:{self._by}")

    def rows_staged(self, by: str = "") -> int:
        """Return how many rows are staged for it; `by` is another tag's value, as for `swap`."""
        return rows_tagged(self._cluster, self.staging, f"drop-by:{by or self._by}")

    def clear_staging(self, *, keeping: bool = True) -> None:
        """Drop what was staged for the scope before; `keeping` leaves what replaces it now."""
        mine = f" and tags !has {kql.text(f'drop-by:{self._by}')}" if keeping else ""
        self._cluster.command(
            f".drop extents <| .show table {kql.name(self.staging)} extents "
            f"where tags has {kql.text(f'drop-by:{self._scope}')}{mine}",
            "drop rows that were staged before",
        )
        self._cluster.command(
            f".alter-merge table {kql.name(self.staging)} policy retention softdelete = {_KEPT}",
            "set the retention of the staging table",
        )

    def drop_staged(self) -> None:
        """Drop what is staged to replace it."""
        self._cluster.command(f".drop extents <| {self._staged(self._by)}", "drop staged rows")

    def empty(self) -> None:
        """Drop what the scope has of others."""
        self._cluster.command(f".drop extents <| {self._others()}", "drop what a partition had")

    def swap(self, by: str = "") -> None:
        """Replace the scope by what is staged, or by what of it has a tag of its own."""
        self._cluster.command(
            f".replace extents in table {kql.name(self._table)} with ({_EVER}) <| "
            f"{{ {self._others()} }}, {{ {self._staged(by or self._by)} }}",
            "replace a partition",
        )

    def _others(self) -> str:
        """The command that shows what the scope has of others."""
        # Without what replaces it: a command whose answer was lost is given again, and must not drop that.
        mine = f"tags !has {kql.text(f'drop-by:{self._by}')}"
        scope = "" if self._whole else f"tags has {kql.text(f'drop-by:{self._scope}')} and "
        return f".show table {kql.name(self._table)} extents where {scope}{mine}"

    def _staged(self, by: str) -> str:
        return f".show table {kql.name(self.staging)} extents where tags has {kql.text(f'drop-by:{by}')}"
