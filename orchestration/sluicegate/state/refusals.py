"""Keys that destinations refuse, on record; and keys that must never be sent again."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from sluicegate.state import schema
from sluicegate.state.erasure_journal import ErasureJournal
from sluicegate.state.moments import now, utc
from sluicegate.state.records import ForgottenKey, RefusedKey
from sluicegate.state.rows import record_of, values_of


class RefusedKeys:
    """The refused keys in a state store."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def of(self, export: str, scope: str | None = None) -> list[RefusedKey]:
        """Return the refused keys of an export, those refused first first; of one scope, if it is given."""
        table = schema.refused_keys
        query = (
            sa.select(table).where(table.c.export == export).order_by(table.c.first_refused_at, table.c.key)
        )
        if scope is not None:
            query = query.where(table.c.scope == scope)
        with self._engine.connect() as connection:
            return [record_of(RefusedKey, row) for row in connection.execute(query).mappings()]

    def replace(self, export: str, scope: str, refused: Sequence[RefusedKey], taken: Iterable[str]) -> None:
        """Record refused keys over what was known of them, and forget those that were taken or are gone."""
        table = schema.refused_keys
        with self._engine.begin() as connection:
            for key in {*taken, *(item.key for item in refused)}:
                connection.execute(
                    sa.delete(table).where(
                        table.c.export == export, table.c.scope == scope, table.c.key == key
                    )
                )
            if refused:
                connection.execute(sa.insert(table), [values_of(item, table) for item in refused])

    def make_due(self, export: str, scope: str | None = None) -> int:
        """Let refused keys, those given up too, be tried with the next delivery; return how many."""
        table = schema.refused_keys
        due = sa.update(table).where(table.c.export == export).values(next_try_at=now())
        with self._engine.begin() as connection:
            return connection.execute(due if scope is None else due.where(table.c.scope == scope)).rowcount

    def due(self, now: datetime) -> dict[tuple[str, str], datetime]:
        """Return {(export, scope): the latest moment} of refused keys whose next try has come."""
        table = schema.refused_keys
        query = (
            sa.select(table.c.export, table.c.scope, sa.func.max(table.c.next_try_at))
            .where(table.c.next_try_at <= now)
            .group_by(table.c.export, table.c.scope)
        )
        with self._engine.connect() as connection:
            return {(row[0], row[1]): utc(row[2]) for row in connection.execute(query)}

    def given_up(self) -> dict[tuple[str, str], datetime]:
        """Return {(export, scope): when the newest was first refused} of keys that are not tried any more."""
        table = schema.refused_keys
        query = (
            sa.select(table.c.export, table.c.scope, sa.func.max(table.c.first_refused_at))
            .where(table.c.next_try_at.is_(None))
            .group_by(table.c.export, table.c.scope)
        )
        with self._engine.connect() as connection:
            return {(row[0], row[1]): utc(row[2]) for row in connection.execute(query)}


class ForgottenKeys:
    """The erasures in a state store, and in the journal beside it; nothing is ever taken out."""

    def __init__(self, engine: Engine, journal: ErasureJournal | None = None) -> None:
        self._engine, self.journal = engine, journal

    def record(self, forgotten: ForgottenKey) -> None:
        """Record an erasure: first in the journal.

        Raises:
            JournalError: the journal cannot be written; nothing is recorded.
        """
        if self.journal is not None:
            self.journal.record(forgotten)
        at = forgotten.forgotten_at or now()
        values = values_of(forgotten, schema.forgotten_keys, forgotten_at=at)
        with self._engine.begin() as connection:
            connection.execute(sa.insert(schema.forgotten_keys).values(values))

    def conclude(self, export: str, salt: str, found: int, outcome: str) -> None:
        """Record what became of the erasure whose keys have this salt: first in the journal.

        Raises:
            JournalError: the journal cannot be written.
        """
        if self.journal is not None:
            self.journal.conclude(export, salt, found, outcome)
        table = schema.forgotten_keys
        with self._engine.begin() as connection:
            connection.execute(
                sa.update(table)
                .where(table.c.export == export, table.c.salt == salt)
                .values(found=found, outcome=outcome)
            )

    def of(self, export: str | None = None) -> list[ForgottenKey]:
        """Return the erasures of an export, or of all, oldest first."""
        table = schema.forgotten_keys
        query = sa.select(table).order_by(table.c.id)
        if export is not None:
            query = query.where(table.c.export == export)
        with self._engine.connect() as connection:
            return [record_of(ForgottenKey, row) for row in connection.execute(query).mappings()]
