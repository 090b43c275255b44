"""A table filled by a function of its database: its rows are staged by a query, then replace a scope.

Belongs here: the call, and which of what was staged counts. Does not: what may be filled, and when
(`operations.fills`), the replacing (`replacing`).

How it stays once. `.set-or-append` commits whole or not at all, but its answer may be lost while it is still
at work, and then it is sent again beside itself. So each sending has a tag of its own, all that one process
sends share an `ingest-by:` tag that is ingested only if it does not exist, and the rows of one sending alone
replace the scope. What others come to stage later stays in the staging table, which the next fill clears.
"Ingest from query" (https://learn.microsoft.com/kusto/management/data-ingestion/ingest-from-query): the
command matches columns by their place and not by their names, so they are named in the staging table's order.
"""

import json
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ..errors import DeliveryError
from . import kql as kql
from .cluster import Cluster, EntityMissing
from .ingestion import rows_tagged, rows_where
from .policies import check_tags_stay
from .replacing import Replacing
from .tables import found, make
from .types import Column, TableColumn, settled

_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Call:
    """A call of a function: its name, the partition that it is given (None: no arguments), and its columns.

    The columns are (name, Kusto type), as the function gives them.
    """

    function: str
    partition: tuple[datetime, datetime] | None
    columns: Sequence[tuple[str, str]]

    @property
    def text(self) -> str:
        """The call in the query language."""
        name = self.function if _PLAIN_NAME.fullmatch(self.function) else kql.name(self.function)
        moments = (kql.literal(moment, "datetime", "partition") for moment in self.partition or ())
        return f"{name}({', '.join(moments)})"

    def ordered(self, table: Sequence[TableColumn]) -> str:
        """The call, with the columns in the order of a table; what the function does not give is empty."""
        given = {name for name, _ in self.columns}
        named = [
            kql.name(column.name)
            if column.name in given
            else f"{kql.name(column.name)} = {_NULLS.get(column.type, f'{column.type}(null)')}"
            for column in table
        ]
        return f"{self.text} | project {', '.join(named)}"


# Text knows no null.
_NULLS = {"string": '""'}


@dataclass(frozen=True)
class Staged:
    """What a call gave: how many rows, and by which tag they are found."""

    rows: int
    by: str


def stage(cluster: Cluster, table: str, scope: str, fill: str, call: Call, replacing: Replacing) -> Staged:
    """Bring what a call gives into the staging table; make it, and the table, where they are not.

    `scope` and `fill` are values of `drop-by:` tags. What was staged for the scope before goes.

    Raises:
        DeliveryError: it is refused, or the service cannot be reached in time.
    """
    check_tags_stay(cluster, table, ("drop-by:",))
    columns = [Column(name, kind, "") for name, kind in call.columns]
    for name in (table, replacing.staging):
        make(cluster, name, settled(columns, found(cluster, name), name), staging=name != table)
    replacing.clear_staging(keeping=False)
    query = call.ordered(found(cluster, replacing.staging))
    tried, sent = f"{fill}/{uuid.uuid4().hex[:8]}", list[str]()

    def command() -> str:
        sent.append(f"{tried}/{len(sent)}")
        tags = [f"drop-by:{scope}", f"drop-by:{fill}", f"drop-by:{sent[-1]}", f"ingest-by:{tried}"]
        return (
            f".set-or-append {kql.name(replacing.staging)} with (tags={_listed(tags)}, "
            f"ingestIfNotExists={_listed([tried])}) <| {query}"
        )

    refused: DeliveryError | None = None
    doing, rows = "fill a table by a function", 0
    try:
        answer = cluster.command(command, doing)
        rows = sum(cluster.told(extent, "RowCount", int, doing) for extent in answer)
    except DeliveryError as error:
        if len(sent) < 2:
            raise
        # An earlier sending of it may have come through, and only its answer not.
        refused = error
    for by in sent:
        if there := rows_tagged(cluster, replacing.staging, f"drop-by:{by}"):
            return Staged(there, by)
    if refused is not None:
        raise refused
    if rows:  # nothing staged would empty the partition
        raise DeliveryError(
            "SLU-K003",
            f"Azure Data Explorer said that {call.function} gave {rows} rows, and {replacing.staging!r} has"
            f" none of them; {table!r} is as it was",
            "every row in the staging table, with the tags that were asked for",
            "look at `.show table T extents` of the staging table; then run the fill again",
        )
    return Staged(0, "")


@dataclass(frozen=True)
class OtherRows:
    """Rows of a table that no fill of it has brought; `command` shows their extents."""

    rows: int
    command: str


def rows_of_others(cluster: Cluster, table: str, ours: str) -> OtherRows:
    """Return the rows of a table in extents without a `drop-by:` tag whose value begins as `ours`."""
    unlike = f"tags !contains {kql.text(f'drop-by:{ours}')}"
    shown = f".show table {kql.name(table)} extents where {unlike}"
    try:
        return OtherRows(rows_where(cluster, table, unlike), shown)
    except EntityMissing:  # it was never filled
        return OtherRows(0, shown)


def _listed(texts: Sequence[str]) -> str:
    """A JSON list as a text literal: what the properties of the command take."""
    return kql.text(json.dumps(texts))
