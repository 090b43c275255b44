"""Sendings of deliveries, in the order in which they were made: which of them brought a row.

A delivery that broke off is sent again, and another may have been sent between. So the order of plans does
not tell which of two has written a key later; the number of a sending does. Belongs here: these numbers, and
what a sending may have brought. Does not belong here: what follows for a key (`delivery.ledger.moved`).
"""

import json

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from sluicegate.core.ranges import joined
from sluicegate.state import schema
from sluicegate.state.held_lease import require_lease


class Sendings:
    """The sendings of the deliveries in a state store."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def new_sending(self, delivery_id: str, token: str) -> int:
        """Return the number of a sending of a delivery: greater than those of all sendings before.

        Raises:
            LeaseLost: the lease with this token is another's now.
        """
        table = schema.deliveries
        newest = sa.select(sa.func.max(table.c.id), sa.func.max(table.c.sending))
        with self._engine.begin() as connection:
            require_lease(connection, token)
            number = max(found or 0 for found in connection.execute(newest).one()) + 1
            connection.execute(
                sa.update(table).where(table.c.delivery_id == delivery_id).values(sending=number)
            )
        return number

    def left(self, delivery_id: str) -> list[list[tuple[int, int]]]:
        """Return the rows of each request of a delivery that may have left, and was not answered."""
        table = schema.leavings
        query = sa.select(table.c.rows).where(table.c.delivery_id == delivery_id)
        with self._engine.connect() as connection:
            found = [json.loads(row[0]) for row in connection.execute(query)]
        return [[(first, end) for first, end in rows] for rows in found]

    def sendings(self, delivery_id: str) -> dict[int, list[tuple[int, int]]]:
        """Return {number of a sending: rows that it settled, or may have brought}, the last sending first.

        0 is that of older code, which gave them none.
        """
        table = schema.acknowledgements
        query = sa.select(table.c.sending, table.c.first_row, table.c.end_row).where(
            table.c.delivery_id == delivery_id
        )
        table = schema.leavings
        left = sa.select(table.c.sending, table.c.rows).where(table.c.delivery_id == delivery_id)
        found: dict[int, list[tuple[int, int]]] = {}
        with self._engine.connect() as connection:
            for sending, first, end in connection.execute(query):
                found.setdefault(sending, []).append((first, end))
            for sending, rows in connection.execute(left):
                found.setdefault(sending, []).extend((first, end) for first, end in json.loads(rows))
        return {sending: joined(found[sending]) for sending in sorted(found, reverse=True)}
