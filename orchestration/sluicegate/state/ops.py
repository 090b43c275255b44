"""Operations data in the records: what is put there, and reading its views, with types.

Each call is one transaction. What is there stays as it is: who was killed, or is not alone, does it again.
Belongs here: rows. Does not belong here: what they are made of (`reporting`, `graph.reported`), the views
(`ops_views`).
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from sluicegate.state import ops_tables, schema
from sluicegate.state.moments import utc
from sluicegate.state.ops_model import PREFIX, Type, View
from sluicegate.state.outbox import one_at_a_time
from sluicegate.state.records import DeliveryStatus
from sluicegate.state.rows import insert_once

Row = Mapping[str, Any]
Promise = tuple[str, str, str, datetime, bool]
"""(kind, name, partition key, due moment, whether it is excused)."""
Arrival = tuple[str, str, str, datetime, bool, int | None]
"""(kind, name, partition key, when, whether the destination holds the newest alone, rows; None of drops)."""
_AT_ONCE = 500
# Of more days all are read, and those that are not wanted are left out.
_DAYS_ASKED = 50


class Operations:
    """The operations data of a state store."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    # -- what is put on record

    def until(self, what: str) -> tuple[datetime | None, str]:
        """Return up to when, and at which content, something was brought here."""
        table = ops_tables.collected
        with self._engine.connect() as connection:
            row = connection.execute(sa.select(table).where(table.c.what == what)).first()
        return (None, "") if row is None else (utc(row.at), row.digest)

    def unknown_runs(self, run_ids: Sequence[str]) -> list[str]:
        """Return those of some runs that are not on record, in their order."""
        table, known = ops_tables.runs, set[str]()
        with self._engine.connect() as connection:
            for first in range(0, len(run_ids), _AT_ONCE):
                some = run_ids[first : first + _AT_ONCE]
                query = sa.select(table.c.run_id).where(table.c.run_id.in_(some))
                known.update(connection.execute(query).scalars())
        return [run_id for run_id in run_ids if run_id not in known]

    def add_runs(self, runs: Sequence[Row], steps: Sequence[Row]) -> None:
        """Record runs that have ended, together with their steps."""
        with self._engine.begin() as connection:
            insert_once(connection, ops_tables.runs, runs)
            insert_once(connection, ops_tables.steps, steps)

    def set_until(self, what: str, at: datetime) -> None:
        """Record up to when something was brought here."""
        with one_at_a_time(self._engine) as connection:
            _set_until(connection, what, at, "")

    def define(self, what: str, rows: Mapping[str, Sequence[Row]], digest: str, at: datetime) -> None:
        """Record what the project says, {name of the table: rows}, in the place of what it said before."""
        with one_at_a_time(self._engine) as connection:
            _set_until(connection, what, at, digest)
            for table in ops_tables.DEFINITIONS:
                connection.execute(sa.delete(table))
                if found := rows[table.name]:
                    connection.execute(sa.insert(table), list(found))

    def undecided(self, now: datetime) -> list[tuple[str, str, str, datetime]]:
        """Return (kind, name, partition key, due moment) of promises that are due, and may be excused."""
        table = schema.due_moments
        query = (
            sa.select(table.c.kind, table.c.name, table.c.partition_key, table.c.due_at)
            .where(table.c.excused_by.is_(None), table.c.due_at <= now)
        )  # fmt: skip
        with self._engine.connect() as connection:
            return [(row[0], row[1], row[2], utc(row[3])) for row in connection.execute(query)]

    def decide(self, excused: Mapping[tuple[str, str, str], str]) -> None:
        """Record the maintenance window that a promise fell into, "" for none; what is decided stays."""
        table = schema.due_moments
        where = [
            table.c[column] == sa.bindparam(f"of_{column}") for column in ("kind", "name", "partition_key")
        ]
        change = sa.update(table).where(*where, table.c.excused_by.is_(None))
        rows = [
            {"of_kind": kind, "of_name": name, "of_partition_key": key, "window": window[:200]}
            for (kind, name, key), window in excused.items()
        ]
        if rows:
            with self._engine.begin() as connection:
                connection.execute(change.values(excused_by=sa.bindparam("window")), rows)

    def forget(self, before: datetime) -> None:
        """Take out runs that ended before a moment, with their steps, and promises of partitions that did."""
        runs, steps, due = ops_tables.runs, ops_tables.steps, schema.due_moments
        with self._engine.begin() as connection:
            old = sa.select(runs.c.run_id).where(runs.c.ended_at < before)
            connection.execute(sa.delete(steps).where(steps.c.run_id.in_(old)))
            connection.execute(sa.delete(runs).where(runs.c.ended_at < before))
            connection.execute(sa.delete(due).where(due.c.ends_at < before))

    # -- what is read

    def rows(
        self, view: View, where: str = "", *, days: Collection[date] | None = None, **values: Any
    ) -> Iterator[dict[str, Any]]:
        """Yield the rows of a view by its key, {column: value}, with values of the columns' types.

        `where` is SQL of its columns with :names, of which `values` are the values. Of facts, whose days come
        one after the other, `days` are the days that are wanted.
        """
        names = [column.name for column in view.columns]
        order = (["day"] if view.is_fact and "day" not in view.key else []) + list(view.key)
        query = sa.select(*map(sa.literal_column, names)).select_from(sa.text(PREFIX + view.name))
        if where:
            query = query.where(_condition(where, values))
        if days is not None and len(days) <= _DAYS_ASKED:
            query = query.where(sa.literal_column("day", sa.Date).in_(sorted(days)))
        query = query.order_by(*map(sa.literal_column, order))
        of_types = [_READ[column.type] for column in view.columns]
        with self._engine.connect() as connection:
            for row in connection.execution_options(stream_results=True).execute(query):
                found = {
                    name: None if value is None else read(value)
                    for name, read, value in zip(names, of_types, row, strict=True)
                }
                if days is None or found["day"] in days:
                    yield found

    def days(self, view: View, where: str, **values: Any) -> list[date]:
        """Return the days on which a view of facts has rows of which a condition holds, as `rows` has it."""
        query = (
            sa.select(sa.literal_column("day"))
            .distinct()
            .select_from(sa.text(PREFIX + view.name))
            .where(_condition(where, values))
        )
        with self._engine.connect() as connection:
            return sorted(_day(row[0]) for row in connection.execute(query))

    def promises(self, since: datetime, names: Collection[str] | None = None) -> list[Promise]:
        """Return the promises of partitions that ended since a moment; of these names alone, if given."""
        table = schema.due_moments
        query = sa.select(
            table.c.kind, table.c.name, table.c.partition_key, table.c.due_at, table.c.excused_by
        ).where(
            # Of both kinds: the key begins with the kind, and finds a name without looking at all.
            table.c.ends_at > since, table.c.kind.in_(_PROMISED), _named(table.c.name, names),
        )  # fmt: skip
        with self._engine.connect() as connection:
            return [(row[0], row[1], row[2], utc(row[3]), bool(row[4])) for row in connection.execute(query)]

    def arrivals(self, since: datetime, names: Collection[str] | None = None) -> list[Arrival]:
        """Return what came since a moment, in that order: drops, and what exports have delivered.

        Of sources and exports of these names alone, if given.
        """
        drops, sent = schema.drops, schema.deliveries
        landed = sa.select(drops.c.source, drops.c.partition_key, drops.c.landed_at).where(
            drops.c.landed_at > since, _named(drops.c.source, names)
        )
        delivered = sa.select(
            sent.c.export, sent.c.partition_key, sent.c.acknowledged_at, sent.c.scope, sent.c.row_count
        ).where(
            sent.c.status == DeliveryStatus.ACKNOWLEDGED,
            sent.c.acknowledged_at > since,
            _named(sent.c.export, names),
        )
        with self._engine.connect() as connection:
            found: list[Arrival] = [
                ("source", row[0], row[1], utc(row[2]), False, None)
                for row in connection.execute(landed).all()
            ]
            found += [
                ("delivery", row[0], row[1], utc(row[2]), row[3] == "", int(row[4]))
                for row in connection.execute(delivered).all()
            ]
        return sorted(found, key=lambda item: item[3])


# What promises are of, as `due_moments` calls it.
_PROMISED = ("source", "delivery")


def _named(column: sa.ColumnElement[str], names: Collection[str] | None) -> sa.ColumnElement[bool]:
    return sa.true() if names is None else column.in_(names)


def _set_until(connection: sa.Connection, what: str, at: datetime, digest: str) -> None:
    table = ops_tables.collected
    connection.execute(sa.delete(table).where(table.c.what == what))
    connection.execute(sa.insert(table).values(what=what, at=at, digest=digest))


def _condition(where: str, values: Mapping[str, Any]) -> sa.TextClause:
    bound = (sa.bindparam(name, value, type_=_type_of(value)) for name, value in values.items())
    return sa.text(where).bindparams(*bound)


def _type_of(value: object) -> sa.types.TypeEngine[Any]:
    return sa.DateTime(timezone=True) if isinstance(value, datetime) else sa.String()


def _moment(value: Any) -> datetime:
    found = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return utc(found).astimezone(UTC)


def _day(value: Any) -> date:
    return value if isinstance(value, date) else date.fromisoformat(str(value))


_READ: Mapping[Type, Any] = {
    Type.TEXT: str,
    Type.INTEGER: int,
    Type.NUMBER: float,
    Type.BOOLEAN: bool,
    Type.DATE: _day,
    Type.TIMESTAMP: _moment,
}
