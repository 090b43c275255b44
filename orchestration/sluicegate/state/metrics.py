"""Metrics of versions of partitions: what rules that compare with earlier partitions look at.

By version, so that a corrected partition is measured anew. One that is missing, as a process died before it
was kept, is measured when somebody asks for it. What is measured of a whole past at once has one row for each
partition and set of metrics: with a row for each metric of 685 days, keeping them took longer than measuring.
Belongs here: keeping them. Does not belong here: measuring (`quality.history`).
"""

import hashlib
import json
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
# Partition key, version.
Place = tuple[str, str]


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

    def keep_past(
        self, relation: str, names: Sequence[str], values: Mapping[Place, Sequence[float | None]]
    ) -> None:
        """Keep the same metrics of many partitions, whose values are in the order of the names."""
        moment, digest = now(), hashlib.sha256(json.dumps(names).encode()).hexdigest()
        rows = [
            {
                "relation": relation, "partition_key": key, "version": version, "names": digest,
                "numbers": json.dumps(dict(zip(names, numbers, strict=True)), allow_nan=False),
                "measured_at": moment,
            }
            for (key, version), numbers in values.items()
        ]  # fmt: skip
        if rows:
            with self._engine.begin() as connection:
                require_form(connection)
                insert_instead(connection, schema.past_metrics, rows)

    def of(self, relation: str, wanted: Collection[Measured]) -> dict[Measured, float | None]:
        """Return those of the wanted ones that are kept."""
        keys = sorted({key for key, _, _ in wanted})
        metrics = sorted({metric for _, _, metric in wanted})
        found: dict[Measured, float | None] = {}
        with self._engine.connect() as connection:
            for first in range(0, len(keys), _AT_ONCE):
                some = keys[first : first + _AT_ONCE]
                # What was measured as the version was built goes before what was measured later.
                found |= self._past(connection, relation, some)
                found |= self._each(connection, relation, some, metrics)
        return {measured: found[measured] for measured in wanted if measured in found}

    def _each(
        self, connection: sa.Connection, relation: str, keys: Sequence[str], metrics: Sequence[str]
    ) -> dict[Measured, float | None]:
        table = schema.metrics
        query = sa.select(table.c.partition_key, table.c.version, table.c.metric, table.c.value).where(
            table.c.relation == relation, table.c.partition_key.in_(keys), table.c.metric.in_(metrics)
        )
        return {(key, version, name): value for key, version, name, value in connection.execute(query)}

    def _past(
        self, connection: sa.Connection, relation: str, keys: Sequence[str]
    ) -> dict[Measured, float | None]:
        table = schema.past_metrics
        query = (
            sa.select(table.c.partition_key, table.c.version, table.c.numbers)
            .where(table.c.relation == relation, table.c.partition_key.in_(keys))
            .order_by(table.c.measured_at)
        )
        return {
            (key, version, name): value
            for key, version, numbers in connection.execute(query)
            for name, value in json.loads(numbers).items()
        }

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
