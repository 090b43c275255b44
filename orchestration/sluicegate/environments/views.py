"""The warehouse of a new environment: each published table at one version of it, as a view.

A view names and casts each column. A column that is not published, as its class is not for everybody, or that
the project has and production has not yet, is null. Belongs here: what a view selects. Does not belong here:
the engine's part (`warehouse`), where rows come from once a table is built (`changes`).
"""

from collections.abc import Mapping, Sequence

from sluicegate.compute.exact_parquet import cast_to
from sluicegate.compute.sql import literal, quoted
from sluicegate.publishing.catalogue import PublishedTable
from sluicegate.warehouse.base import Session


def view_of(
    session: Session, published: PublishedTable, path: str, keys: Sequence[str], known: Mapping[str, str]
) -> str:
    """Return the query that a view of a table shows at some of its keys.

    `path` is where the engine finds the table, `known` {column: type} as the project has them, in order; a
    column that is not published is null.
    """
    there = published.columns
    has = there if keys else {}  # an empty table may have no file that would tell its columns
    spelt = {name.casefold(): name for name in there}
    wanted = {spelt.get(name.casefold(), name): kind for name, kind in known.items()}
    listed = ", ".join(
        cast_to({name: kind}) if name in has else f"cast(null as {kind}) as {quoted(name)}"
        for name, kind in {**wanted, **there}.items()
    )
    if not keys:
        return f"select {listed} where false"
    where = ""
    if published.key_column and len(keys) < len(published.partitions):
        where = f" where {quoted(published.key_column)} in ({', '.join(map(literal, keys))})"
    return f"select {listed} from {session.published(path, published.at)}{where}"
