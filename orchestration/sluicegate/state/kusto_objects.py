"""What stands in a database of Azure Data Explorer because it was deployed from git: what is ours there.

Belongs here: these records. Does not belong here: what git says, what the database holds (`kusto`).
"""

from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from sluicegate.state import schema
from sluicegate.state.rows import found, values_of

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Deployed:
    """An object of a database.

    Args:
        database: the place, as `adx://CLUSTER/DATABASE`.
        kind: `functions`, `views` or `tables`.
        name: as the database has it.
        environment: the deployment that did it, as `work:NAME`; "" where another did, in a shared database.
        digest: of what git said.
        held: of how the database showed it then, in its own words; "" where nobody can tell.
        commit: of git; "" where there was none, with `+` behind it where files were not committed.
        deployed_at: when.
        first_deployed_at: since when it is there in some form; None where an older version recorded it.
    """

    database: str
    kind: str
    name: str
    environment: str
    digest: str
    held: str
    commit: str
    deployed_at: datetime = _EPOCH
    first_deployed_at: datetime | None = None

    @property
    def since(self) -> datetime:
        """Since when it is there, in whatever form."""
        return self.first_deployed_at or self.deployed_at


class KustoObjects:
    """The deployed objects in a state store."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def of(self, database: str) -> dict[tuple[str, str], Deployed]:
        """Return {(kind, name): record} of a database."""
        table = schema.kusto_objects
        with self._engine.connect() as connection:
            records = found(connection, Deployed, table, table.c.database == database)
        return {(one.kind, one.name): one for one in records}

    def record(self, deployed: Deployed) -> None:
        """Record that an object stands there, in the place of what was on record of it."""
        table, same = schema.kusto_objects, _same(deployed)
        with self._engine.begin() as connection:
            before = found(connection, Deployed, table, *same)
            first = min(one.since for one in (*before, deployed))
            connection.execute(sa.delete(table).where(*same))
            connection.execute(sa.insert(table).values(values_of(deployed, table, first_deployed_at=first)))

    def forget(self, deployed: Deployed) -> None:
        """Record that an object is not ours any more."""
        with self._engine.begin() as connection:
            connection.execute(sa.delete(schema.kusto_objects).where(*_same(deployed)))


def _same(one: Deployed) -> list[sa.ColumnElement[bool]]:
    table = schema.kusto_objects
    return [table.c.database == one.database, table.c.kind == one.kind, table.c.name == one.name]
