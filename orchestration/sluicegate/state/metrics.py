"""Metrics of versions of partitions: what rules that compare with earlier partitions look at.

By version, so that a corrected partition is measured anew. One that is missing, as a process died before it
was kept, is measured when somebody asks for it. Belongs here: keeping them. Does not belong here: measuring
(`quality.history`).
"""

from collections.abc import Collection, Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from sluicegate.state import schema
from sluicegate.state.moments import now
from sluicegate.state.rows import insert_instead
from sluicegate.state.upgrade import require_form

# Keys at once: with all metrics of a suite, below what any database takes as parameters of a statement.
_AT_ONCE = 1_000
# Partition key, version, metric.
Measured = tuple[str, str, str]


class Metrics:
    """The metrics in a state store. A value of None says that there is no finite number."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def keep(self, relation: str, values: Mapping[Measured, float | None]) -> None:
        """Keep what was measured, in the place of what was kept of those."""
        moment = now()
        rows = [
            {
                "relation": relation, "partition_key": key, "version": version, "metric": metric,
                "value": value, "measured_at": moment,
            }
            for (key, version, metric), value in values.items()
        ]  # fmt: skip
        if rows:
            with self._engine.begin() as connection:
                require_form(connection)
                insert_instead(connection, schema.metrics, rows)

    def of(self, relation: str, wanted: Collection[Measured]) -> dict[Measured, float | None]:
        """Return those of the wanted ones that are kept."""
        table, wanted = schema.metrics, set(wanted)
        keys = sorted({key for key, _, _ in wanted})
        metrics = sorted({metric for _, _, metric in wanted})
        found: dict[Measured, float | None] = {}
        with self._engine.connect() as connection:
            for first in range(0, len(keys), _AT_ONCE):
                query = sa.select(
                    table.c.partition_key, table.c.version, table.c.metric, table.c.value
                ).where(
                    table.c.relation == relation,
                    table.c.partition_key.in_(keys[first : first + _AT_ONCE]),
                    table.c.metric.in_(metrics),
                )
                found |= {
                    (key, version, name): value for key, version, name, value in connection.execute(query)
                }
        return {measured: value for measured, value in found.items() if measured in wanted}

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
