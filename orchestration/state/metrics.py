"""Metrics of versions of partitions: what rules that compare with earlier partitions look at.

By version, so that a corrected partition is measured anew. One that is missing, as a process died before it
was kept, is measured when somebody asks for it. Belongs here: keeping them. Does not belong here: measuring
(`quality.history`).
"""

from collections.abc import Collection, Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from orchestration.state import schema
from orchestration.state.moments import now
from orchestration.state.upgrade import require_form

# Below what any database takes as parameters of a statement.
_AT_ONCE = 1_000
_Place = tuple[str, str]
_Measured = tuple[str, str, str]


class Metrics:
    """The metrics in a state store. A value of None says that there is no finite number."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def keep(self, relation: str, values: Mapping[_Measured, float | None]) -> None:
        """Keep {(partition key, version, metric): value}, in the place of what was kept of those."""
        table = schema.metrics
        moment = now()
        rows = [
            {
                "relation": relation, "partition_key": key, "version": version, "metric": metric,
                "value": value, "measured_at": moment,
            }
            for (key, version, metric), value in values.items()
        ]  # fmt: skip
        if rows:
            same = (column == sa.bindparam(f"old_{column.name}") for column in table.primary_key)
            old = [{f"old_{column.name}": row[column.name] for column in table.primary_key} for row in rows]
            with self._engine.begin() as connection:
                require_form(connection)
                connection.execute(sa.delete(table).where(*same), old)
                connection.execute(sa.insert(table), rows)

    def of(self, relation: str, metric: str, partitions: Collection[_Place]) -> dict[_Place, float | None]:
        """Return {(partition key, version): value} of those that are kept."""
        table = schema.metrics
        wanted = set(partitions)
        keys = sorted({key for key, _ in wanted})
        found: dict[_Place, float | None] = {}
        with self._engine.connect() as connection:
            for first in range(0, len(keys), _AT_ONCE):
                query = sa.select(table.c.partition_key, table.c.version, table.c.value).where(
                    table.c.relation == relation,
                    table.c.metric == metric,
                    table.c.partition_key.in_(keys[first : first + _AT_ONCE]),
                )
                found |= {(key, version): value for key, version, value in connection.execute(query)}
        return {place: value for place, value in found.items() if place in wanted}

    def versions(self, relation: str) -> Sequence[str]:
        """Return the versions that anything is kept of, in the order in which they were measured."""
        table = schema.metrics
        query = (
            sa.select(table.c.version)
            .where(table.c.relation == relation)
            .group_by(table.c.version)
            .order_by(sa.func.min(table.c.measured_at))
        )
        with self._engine.connect() as connection:
            return connection.execute(query).scalars().all()
