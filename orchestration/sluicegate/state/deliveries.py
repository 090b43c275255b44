"""Deliveries on record: plans, what was acknowledged of them, which rows were refused.

Belongs here: rows of the state store. Does not: what a plan holds (`delivery.ledger`), when to send.
"""

import json
import re
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from sluicegate.core.ranges import Ranges, joined
from sluicegate.state import schema
from sluicegate.state.held_lease import LeaseLost as LeaseLost  # what a write under a lease may raise
from sluicegate.state.held_lease import require_lease
from sluicegate.state.moments import now, utc
from sluicegate.state.records import OPEN, Base, Delivery, DeliveryKind, DeliveryStatus
from sluicegate.state.rows import record_of, values_of
from sluicegate.state.sendings import Sendings
from sluicegate.state.upgrade import require_form

# What the destination's content is made of: all that was settled, whole or in part.
_LAYERS = (DeliveryStatus.ACKNOWLEDGED, DeliveryStatus.SUPERSEDED)


class Deliveries(Sendings):
    """The deliveries in a state store; what lies below `shards` is on record by its place there."""

    def __init__(self, engine: Engine, shards: Path | None = None) -> None:
        super().__init__(engine)
        self._shards = shards

    def plan(self, delivery: Delivery) -> Delivery:
        """Record a plan before anything is sent; return it as recorded. The same again changes nothing."""
        table = schema.deliveries
        values = values_of(
            delivery, table, planned_at=now(), acknowledged_at=None, shard=self._recorded(delivery.shard)
        )
        with self._engine.begin() as connection:
            require_form(connection)
            known = connection.execute(
                sa.select(table.c.id).where(table.c.delivery_id == delivery.delivery_id)
            ).first()
            if known is None:
                connection.execute(sa.insert(table).values(values))
            row = connection.execute(sa.select(table).where(table.c.delivery_id == delivery.delivery_id))
            return self._delivery(row.mappings().one())

    def of(self, delivery_id: str) -> Delivery | None:
        """Return a delivery by its id, or by the beginning of one that no other has."""
        table = schema.deliveries
        query = sa.select(table).where(table.c.delivery_id.startswith(delivery_id, autoescape=True)).limit(2)
        found = self._found(query)
        return found[0] if len(found) == 1 else None

    def of_export(self, export: str, scope: str | None = None, *, after: int = 0) -> list[Delivery]:
        """Return all deliveries of an export, oldest first; of one scope, if it is given.

        `after` leaves out those that were neither made nor sent later: with no higher id, and no sending of a
        higher number.
        """
        table = schema.deliveries
        query = sa.select(table).where(table.c.export == export).order_by(table.c.id)
        if after:
            query = query.where(sa.or_(table.c.id > after, table.c.sending > after))
        if scope is not None:
            query = query.where(table.c.scope == scope)
        return self._found(query)

    def scopes(self) -> list[tuple[str, str]]:
        """Return every (export, scope) of which anything is on record, in their order."""
        table = schema.deliveries
        query = sa.select(table.c.export, table.c.scope).distinct().order_by(table.c.export, table.c.scope)
        with self._engine.connect() as connection:
            return [(row[0], row[1]) for row in connection.execute(query)]

    def writers_of(self, place: str) -> set[str]:
        """Return the exports that were ever planned for an object of a destination."""
        table = schema.deliveries
        query = sa.select(table.c.export).where(table.c.place == place).distinct()
        with self._engine.connect() as connection:
            return set(connection.execute(query).scalars())

    def first_planned(self, export: str) -> datetime | None:
        """Return when the first plan of an export was made; None if there was none."""
        table = schema.deliveries
        query = sa.select(sa.func.min(table.c.planned_at)).where(table.c.export == export)
        with self._engine.connect() as connection:
            found = connection.execute(query).scalar()
        return None if found is None else utc(found)

    def open_in(self, export: str, scope: str) -> Delivery | None:
        """Return the newest delivery of a scope if it is not settled: planned, held, approved or sending."""
        return self._newest_in(export, scope, OPEN)

    def open_of(self, export: str) -> list[Delivery]:
        """Return all deliveries of an export that are not settled, oldest first."""
        table = schema.deliveries
        query = (
            sa.select(table).where(table.c.export == export, table.c.status.in_(OPEN)).order_by(table.c.id)
        )
        return self._found(query)

    def rejected(self, export: str) -> list[Delivery]:
        """Return the plans of an export that a person rejected, newest first."""
        table = schema.deliveries
        query = (
            sa.select(table)
            .where(table.c.export == export, table.c.status == DeliveryStatus.REJECTED)
            .order_by(table.c.id.desc())
        )
        return self._found(query)

    def at_destination(self, export: str) -> Delivery | None:
        """Return the delivery whose partition a destination holds that holds one alone; None if none was.

        That is the one that was acknowledged last, not the newest that was planned: what is planned, held or
        under way is not there, and may never be.
        """
        return self._newest_in(export, "", (DeliveryStatus.ACKNOWLEDGED,))

    def _newest_in(self, export: str, scope: str, statuses: Sequence[DeliveryStatus]) -> Delivery | None:
        table = schema.deliveries
        query = (
            sa.select(table)
            .where(table.c.export == export, table.c.scope == scope, table.c.status.in_(statuses))
            .order_by(table.c.id.desc())
            .limit(1)
        )
        return next(iter(self._found(query)), None)

    def _found(self, query: sa.Select[Any]) -> list[Delivery]:
        with self._engine.connect() as connection:
            return [self._delivery(row) for row in connection.execute(query).mappings()]

    def layers(self, export: str, scope: str, *, until: datetime | None = None) -> list[Delivery]:
        """Return the deliveries that the scope's content is made of, oldest first.

        They begin with the last whole one that left nothing else, with the last that was sent anew as what
        was known before was of no use, or with the first that tells rows apart by the same key as the newest.
        `until` leaves out what was settled later.
        """
        table, rows = schema.deliveries, schema.acknowledgements
        settled = sa.or_(
            sa.exists().where(rows.c.delivery_id == table.c.delivery_id),
            sa.exists().where(schema.leavings.c.delivery_id == table.c.delivery_id),
        )
        emptied = sa.and_(
            table.c.whole, table.c.shard_rows == 0, table.c.status == DeliveryStatus.ACKNOWLEDGED
        )
        query = (
            sa.select(table)
            .where(table.c.export == export, table.c.scope == scope, table.c.status.in_(_LAYERS))
            .where(sa.or_(settled, emptied))
            .order_by(table.c.id)
        )
        found: list[Delivery] = []
        for item in self._found(query):
            if until is not None and (item.acknowledged_at is None or item.acknowledged_at > until):
                continue
            complete = item.whole and item.status is DeliveryStatus.ACKNOWLEDGED
            replaces = item.mode in ("mirror", "snapshot")
            # One that replaces has done so only once it is whole: before, what it replaces may be there.
            replaced = complete if replaces else item.anew
            if replaced or (found and found[-1].key != item.key):
                found = []
            found.append(item)
        return found

    def cut_otherwise(self, export: str, scope: str, after_id: int, *, timed: bool) -> list[Delivery]:
        """Return what was settled after `after_id` of scopes that are cut otherwise than this one.

        They are the newest of each. Beside the whole object ("") those are all partitions, beside a partition
        the whole, and where it is one of time (`timed`) those of another grain.
        """
        table, rows = schema.deliveries, schema.acknowledgements
        settled = sa.exists().where(rows.c.delivery_id == table.c.delivery_id)
        where = [table.c.export == export, table.c.id > after_id, table.c.status.in_(_LAYERS), settled]
        where.append(table.c.scope != scope if not scope or timed else table.c.scope == "")
        grouped = sa.select(table.c.scope, sa.func.max(table.c.id)).where(*where).group_by(table.c.scope)
        with self._engine.connect() as connection:
            found = [str(row[0]) for row in connection.execute(grouped)]
        if all(_form(other) == _form(scope) for other in found):
            return []
        newest = sa.select(sa.func.max(table.c.id)).where(*where).group_by(table.c.scope)
        items = self._found(sa.select(table).where(table.c.id.in_(newest)).order_by(table.c.id))
        return [item for item in items if _form(item.scope) != _form(scope)]

    def latest(self, export: str, *, acknowledged: bool) -> dict[str, Delivery]:
        """Return the newest delivery of each partition: settled ones, or all of them."""
        table = schema.deliveries
        newest = sa.select(sa.func.max(table.c.id)).where(table.c.export == export)
        if acknowledged:
            settled = (DeliveryStatus.ACKNOWLEDGED, DeliveryStatus.OVERTAKEN)
            newest = newest.where(table.c.status.in_(settled))
        query = sa.select(table).where(table.c.id.in_(newest.group_by(table.c.partition_key)))
        return {item.partition_key: item for item in self._found(query)}

    def partitions_at(self, *statuses: DeliveryStatus) -> dict[str, set[str]]:
        """Return {export: the partitions of which a plan stands at one of these}, of all exports."""
        table = schema.deliveries
        query = sa.select(table.c.export, table.c.partition_key).where(table.c.status.in_(statuses))
        found: dict[str, set[str]] = {}
        with self._engine.connect() as connection:
            for export, key in connection.execute(query.distinct()):
                found.setdefault(export, set()).add(key)
        return found

    def held(self) -> list[Delivery]:
        """Return the deliveries that wait for a person, oldest first."""
        table = schema.deliveries
        query = sa.select(table).where(table.c.status == DeliveryStatus.HELD).order_by(table.c.id)
        return self._found(query)

    def newest(self, export: str | None = None, at_most: int = 20) -> list[Delivery]:
        """Return the newest deliveries, newest first: of an export, or those of all that may need somebody.

        Those are held, under way, or had rows refused.
        """
        table = schema.deliveries
        query = sa.select(table).order_by(table.c.id.desc()).limit(at_most)
        if export is not None:
            query = query.where(table.c.export == export)
        else:
            query = query.where(sa.or_(table.c.status.in_(OPEN), table.c.refused > 0))
        return self._found(query)

    def approved(self) -> list[Delivery]:
        """Return the plans that a person approved and that nobody has sent yet, oldest first."""
        table = schema.deliveries
        query = sa.select(table).where(table.c.status == DeliveryStatus.APPROVED).order_by(table.c.id)
        return self._found(query)

    def forget_words(self, delivery_id: str, rows: Sequence[int]) -> None:
        """Take out what the vendor said of rows that were erased: it may quote them."""
        table = schema.refusals
        with self._engine.begin() as connection:
            connection.execute(
                sa.update(table)
                .where(table.c.delivery_id == delivery_id, table.c.row.in_(list(rows)))
                .values(said="")
            )

    def move(
        self, delivery_id: str, to: DeliveryStatus, *, out_of: Sequence[DeliveryStatus], **values: Any
    ) -> bool:
        """Give a delivery another status if it has one of `out_of`; return whether it had."""
        table = schema.deliveries
        if to in (DeliveryStatus.ACKNOWLEDGED, DeliveryStatus.SUPERSEDED, DeliveryStatus.OVERTAKEN):
            values.setdefault("acknowledged_at", now())
        if "decided_by" in values:
            values["decided_at"] = now()
        with self._engine.begin() as connection:
            changed = connection.execute(
                sa.update(table)
                .where(table.c.delivery_id == delivery_id, table.c.status.in_(tuple(out_of)))
                .values(status=to, **values)
            )
            return changed.rowcount == 1

    # -- what a destination has settled

    def note_leaving(self, delivery_id: str, rows: Ranges, token: str, sending: int = 0) -> str:
        """Note that a request with these rows may reach the destination from now on; return the note's name.

        `sending` is the number of the sending that it is of.

        Raises:
            LeaseLost: the lease with this token is another's now.
        """
        note = uuid.uuid4().hex
        listed = json.dumps([list(one) for one in rows])
        values = {"note": note, "delivery_id": delivery_id, "rows": listed, "sending": sending}
        with self._engine.begin() as connection:
            require_lease(connection, token)
            connection.execute(sa.insert(schema.leavings).values(values))
        return note

    def take_back(self, note: str, token: str) -> None:
        """Take a note back, as its request has not left, or has changed nothing for certain.

        Raises:
            LeaseLost: the lease with this token is another's now.
        """
        with self._engine.begin() as connection:
            require_lease(connection, token)
            _take_back(connection, note)

    def take_all_back(self, delivery_id: str, token: str) -> None:
        """Take back whatever was noted as leaving, as the destination says that nothing of it has arrived.

        Raises:
            LeaseLost: the lease with this token is another's now.
        """
        table = schema.deliveries
        with self._engine.begin() as connection:
            require_lease(connection, token)
            connection.execute(sa.delete(schema.leavings).where(schema.leavings.c.delivery_id == delivery_id))
            connection.execute(sa.update(table).where(table.c.delivery_id == delivery_id).values(sent_to=0))

    def acknowledge(
        self,
        delivery_id: str,
        first: int,
        end: int,
        refused: Sequence[tuple[int, str, str]],
        token: str,
        note: str = "",
        sending: int = 0,
    ) -> None:
        """Note rows as settled; `refused` are (row, code, vendor's words), `note` is what was answered.

        `sending` is the number of the sending that brought them.

        Raises:
            LeaseLost: the lease with this token is another's now.
        """
        with self._engine.begin() as connection:
            require_lease(connection, token)
            if note:
                _take_back(connection, note)
            connection.execute(
                sa.insert(schema.acknowledgements).values(
                    delivery_id=delivery_id, first_row=first, end_row=end, sending=sending
                )
            )
            if refused:
                rows = [
                    {"delivery_id": delivery_id, "row": row, "code": code[:200], "said": said}
                    for row, code, said in refused
                ]
                connection.execute(sa.insert(schema.refusals), rows)

    def acknowledged(self, delivery_id: str) -> list[tuple[int, int]]:
        """Return the half-open ranges of rows that are settled, ascending; adjacent ones joined."""
        table = schema.acknowledgements
        query = (
            sa.select(table.c.first_row, table.c.end_row)
            .where(table.c.delivery_id == delivery_id)
            .order_by(table.c.first_row)
        )
        with self._engine.connect() as connection:
            return joined((row[0], row[1]) for row in connection.execute(query))

    def refusals(self, delivery_id: str) -> list[tuple[int, str, str]]:
        """Return (row, code, vendor's words) of the refused rows of a delivery, ascending."""
        table = schema.refusals
        query = (
            sa.select(table.c.row, table.c.code, table.c.said)
            .where(table.c.delivery_id == delivery_id)
            .order_by(table.c.row)
        )
        with self._engine.connect() as connection:
            return [(row[0], row[1], row[2]) for row in connection.execute(query)]

    def keep_note(self, delivery_id: str, name: str, value: str, token: str) -> None:
        """Remember a text of a delivery under a name, over any earlier.

        Raises:
            LeaseLost: the lease with this token is another's now.
        """
        table = schema.delivery_notes
        with self._engine.begin() as connection:
            require_lease(connection, token)
            same = (table.c.delivery_id == delivery_id, table.c.name == name)
            connection.execute(sa.delete(table).where(*same))
            connection.execute(sa.insert(table).values(delivery_id=delivery_id, name=name, value=value))

    def notes(self, delivery_id: str) -> dict[str, str]:
        """Return what was remembered of a delivery."""
        table = schema.delivery_notes
        query = sa.select(table.c.name, table.c.value).where(table.c.delivery_id == delivery_id)
        with self._engine.connect() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    # -- bases

    def base(self, export: str, scope: str) -> Base | None:
        """Return the newest base of a scope."""
        table = schema.bases
        query = sa.select(table).where(table.c.export == export, table.c.scope == scope)
        with self._engine.connect() as connection:
            row = connection.execute(query).mappings().first()
        return record_of(Base, row, shard=self._located(row["shard"])) if row is not None else None

    def set_base(self, base: Base) -> None:
        """Record a base over the earlier one of its scope."""
        table = schema.bases
        values = values_of(base, table, shard=self._recorded(base.shard))
        with self._engine.begin() as connection:
            same = (table.c.export == base.export, table.c.scope == base.scope)
            connection.execute(sa.delete(table).where(*same))
            connection.execute(sa.insert(table).values(**values))

    # -- where shards lie

    def _recorded(self, shard: str) -> str:
        if self._shards is None or not Path(shard).is_relative_to(self._shards):
            return shard
        return Path(shard).relative_to(self._shards).as_posix()

    def _located(self, shard: str) -> str:
        # A path that is absolute, as an older version recorded it, stays what it is.
        return shard if self._shards is None or not shard else str(self._shards / shard)

    def _delivery(self, row: Mapping[Any, Any]) -> Delivery:
        return record_of(
            Delivery,
            row,
            shard=self._located(row["shard"]),
            status=DeliveryStatus(row["status"]),
            kind=DeliveryKind(row["kind"] or DeliveryKind.CHANGE),
            reasons=tuple(row["reasons"] or ()),
            bounds=tuple(row["bounds"]) if row["bounds"] else None,
        )


def _take_back(connection: sa.Connection, note: str) -> None:
    connection.execute(sa.delete(schema.leavings).where(schema.leavings.c.note == note))


def _form(scope: str) -> str:
    """Return a scope with every digit as 0: partitions of one grain of time have one form."""
    return re.sub(r"[0-9]", "0", scope)
