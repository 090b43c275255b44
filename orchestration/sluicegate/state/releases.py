"""Releases on record: who let which partition of which export pass, on which failed checks, until when."""

from collections.abc import Mapping
from dataclasses import astuple
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from sluicegate.state import schema
from sluicegate.state.moments import now
from sluicegate.state.records import FailedCheck, Release
from sluicegate.state.rows import record_of, values_of


class Releases:
    """The releases in a state store; nothing is ever taken out."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def record(self, release: Release) -> Release:
        """Record a release; return it with its id and time."""
        values = values_of(
            release,
            schema.releases,
            checks=[astuple(check) for check in release.checks],
            released_at=now(),
            until=release.until.astimezone(UTC),
        )
        with self._engine.begin() as connection:
            inserted = connection.execute(sa.insert(schema.releases).values(values))
            primary_key = inserted.inserted_primary_key
            assert primary_key is not None
        return _release({**values, "id": primary_key[0]})

    def of_partition(self, partition_key: str) -> list[Release]:
        """Return all releases of a partition, used and expired ones too, oldest first."""
        table = schema.releases
        query = sa.select(table).where(table.c.partition_key == partition_key).order_by(table.c.id)
        with self._engine.connect() as connection:
            return [_release(row) for row in connection.execute(query).mappings()]

    def unused_until(self, after: datetime, before: datetime) -> list[Release]:
        """Return the releases that nothing went out under yet, and that end between two moments."""
        table = schema.releases
        query = sa.select(table).where(
            table.c.used_for_version.is_(None), table.c.until > after, table.c.until <= before
        )
        with self._engine.connect() as connection:
            return [_release(row) for row in connection.execute(query).mappings()]

    def use(self, release: Release, version: str) -> bool:
        """Note the version of the model that goes out under a release; False where another has.

        One statement, so that of two processes one gets it.
        """
        table = schema.releases
        free = sa.or_(table.c.used_for_version.is_(None), table.c.used_for_version == version)
        with self._engine.begin() as connection:
            changed = connection.execute(
                sa.update(table)
                .where(table.c.id == release.id, free)
                .values(used_for_version=version, used_at=sa.func.coalesce(table.c.used_at, now()))
            )
            return changed.rowcount == 1


def _release(row: Mapping[Any, Any]) -> Release:
    return record_of(Release, row, checks=frozenset(FailedCheck(*item) for item in row["checks"]))
