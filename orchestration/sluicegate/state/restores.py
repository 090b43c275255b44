"""Restores on record, and which scopes of which exports were reconciled since.

A backup does not know what was sent after it was made. So what was restored sends nothing to a scope before
somebody has looked at what the destination holds. Belongs here: rows of the state store. Does not belong
here: who may send (`delivery.restored`), the restore itself (`operations.backup`).
"""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from sluicegate.state import schema
from sluicegate.state.moments import now
from sluicegate.state.rows import record_of, values_of

# Stands for all scopes of an export, those that are to come among them.
EVERY_SCOPE = "*"


@dataclass(frozen=True)
class Restore:
    """A backup that was restored: its name, when it was taken, and when it was brought back."""

    backup: str
    taken_at: datetime
    restored_at: datetime
    id: int = 0

    def __str__(self) -> str:
        return f"restored from the backup {self.backup}"

    @property
    def told_apart(self) -> str:
        """What tells it from all others; `id` begins anew with each restore of a backup."""
        return f"{self} at {self.restored_at.isoformat()}"


@dataclass(frozen=True)
class Finding:
    """What was found of a scope after a restore; `settled`: it may be sent to again."""

    restore_id: int
    export: str
    scope: str
    settled: bool
    said: str
    found_by: str = ""


class Restores:
    """The restores in a state store; nothing is ever taken out."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def record(self, restore: Restore) -> None:
        """Record that everything here came from a backup."""
        with self._engine.begin() as connection:
            connection.execute(sa.insert(schema.restores).values(values_of(restore, schema.restores)))

    def newest(self) -> Restore | None:
        """Return the last restore; None where the records were never restored."""
        table = schema.restores
        query = sa.select(table).order_by(table.c.id.desc()).limit(1)
        with self._engine.connect() as connection:
            row = connection.execute(query).mappings().first()
        return record_of(Restore, row) if row is not None else None

    def last_at(self) -> datetime | None:
        """Return when the records were last brought back; None where they never were."""
        restore = self.newest()
        return restore.restored_at if restore is not None else None

    def findings(self, restore: Restore, export: str) -> dict[str, Finding]:
        """Return {scope: what was found of it} of an export since a restore."""
        table = schema.reconciled_scopes
        query = sa.select(table).where(table.c.restore_id == restore.id, table.c.export == export)
        with self._engine.connect() as connection:
            found = [record_of(Finding, row) for row in connection.execute(query).mappings()]
        return {item.scope: item for item in found}

    def found(self, finding: Finding) -> None:
        """Record what was found of a scope, over what was found before."""
        table = schema.reconciled_scopes
        same = (
            table.c.restore_id == finding.restore_id,
            table.c.export == finding.export,
            table.c.scope == finding.scope,
        )
        with self._engine.begin() as connection:
            connection.execute(sa.delete(table).where(*same))
            connection.execute(sa.insert(table).values(values_of(finding, table, found_at=now())))
