"""Fills of Kusto tables on record: what a partition of a table was filled from, by which function, and when.

Belongs here: rows of the state store. Does not: when a table is filled, and how (`operations.fills`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from sluicegate.state import schema
from sluicegate.state.held_lease import require_lease
from sluicegate.state.moments import now
from sluicegate.state.rows import record_of, values_of
from sluicegate.state.upgrade import require_form

# {what feeds it: {partition key: what of it was there}}: of an export version, delivery and sending.
FilledFrom = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Fill:
    """One fill of one partition of a table.

    `fill_id` is made of all that it is made of. `code` is a digest of the function and of all that it reads
    of git's. `tag` is the value of the `drop-by:` tag of its extents, `place` the object that was filled.
    """

    name: str
    partition_key: str
    fill_id: str
    function: str
    code: str
    inputs: FilledFrom
    rows: int
    tag: str
    place: str
    run_id: str
    filled_at: datetime | None = None
    id: int = 0


class Fills:
    """The fills in a state store; nothing is ever taken out."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def record(self, fill: Fill, token: str) -> None:
        """Record a fill that is there, under the lease with this token.

        Raises:
            LeaseLost: the lease is another's now.
        """
        with self._engine.begin() as connection:
            require_form(connection)
            require_lease(connection, token)
            values = values_of(fill, schema.kusto_fills, filled_at=now())
            connection.execute(sa.insert(schema.kusto_fills).values(values))

    def latest(self, name: str, place: str = "") -> dict[str, Fill]:
        """Return the newest fill of each partition of a table; with `place` those of that object alone."""
        table = schema.kusto_fills
        newest = sa.select(sa.func.max(table.c.id)).where(table.c.name == name)
        if place:
            newest = newest.where(table.c.place == place)
        query = sa.select(table).where(table.c.id.in_(newest.group_by(table.c.partition_key)))
        with self._engine.connect() as connection:
            found = [record_of(Fill, row) for row in connection.execute(query).mappings()]
        return {fill.partition_key: fill for fill in found}
