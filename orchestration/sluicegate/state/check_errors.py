"""Checks that could not run, on record until they have: how often they were tried, and when again.

An error is not a failure: it says nothing about the data, so it is no evidence.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from sluicegate.state import schema
from sluicegate.state.records import CheckError
from sluicegate.state.rows import record_of, values_of

# How long after each try comes the next, in a run of its own; after the last one a person has to look.
TRIED_AGAIN_AFTER = (timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2), timedelta(hours=8))


class CheckErrors:
    """The errors of checks in a state store."""

    def __init__(self, engine: Engine, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._clock = clock

    def record(self, errors: Sequence[CheckError]) -> None:
        """Record that checks could not run: one more try where another run could not on the same version."""
        table = schema.check_errors
        with self._engine.begin() as connection:
            for error in errors:
                of_check = _of(error.relation, error.partition_key, error.check)
                before = connection.execute(sa.select(table).where(*of_check)).mappings().first()
                again = before is not None and (before["version"], before["rules"]) == (
                    error.version, error.rules,
                )  # fmt: skip
                tried = int(before["attempts"]) if before is not None and again else 0
                # A step tries several times: all of them are one.
                attempts = tried + (before is None or not again or before["run_id"] != error.run_id)
                moment = self._clock()
                waits = TRIED_AGAIN_AFTER[attempts - 1 : attempts]
                connection.execute(sa.delete(table).where(*of_check))
                next_try = moment + waits[0] if waits else None
                values = values_of(error, table, attempts=attempts, failed_at=moment, next_try_at=next_try)
                connection.execute(sa.insert(table).values(values))

    def forget(self, relation: str, partition_key: str, ran: Collection[str]) -> None:
        """Forget the errors of checks of a partition that have run since."""
        table = schema.check_errors
        with self._engine.begin() as connection:
            connection.execute(
                sa.delete(table).where(
                    table.c.relation == relation,
                    table.c.partition_key == partition_key,
                    table.c.check_name.in_(ran),
                )
            )

    def all(self) -> list[CheckError]:
        """Return every check that could not run and has not since."""
        query = sa.select(schema.check_errors).order_by(
            schema.check_errors.c.relation, schema.check_errors.c.partition_key
        )
        with self._engine.connect() as connection:
            return [record_of(CheckError, row) for row in connection.execute(query).mappings()]


def _of(relation: str, partition_key: str, check: str) -> list[sa.ColumnElement[bool]]:
    table = schema.check_errors
    return [
        table.c.relation == relation,
        table.c.partition_key == partition_key,
        table.c.check_name == check,
    ]
