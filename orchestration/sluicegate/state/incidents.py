"""Incidents on record: what was wrong from when to when, what people said of it, what was told of it.

A change of incidents, with its events and its messages, is one transaction, and no other one is beside it. Of
two processes that look at once the first to end wins: the other's changes are of records that are older, and
fall away.

Belongs here: rows of the state store. Does not belong here: what is wrong, and whether it is worth telling
(`incidents`), messages on their way (`outbox`).
"""

from collections.abc import Collection, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from sluicegate.state import schema
from sluicegate.state.moments import utc
from sluicegate.state.outbox import Messages, MessageStatus, Outbox, one_at_a_time
from sluicegate.state.rows import changed, found, insert_once, inserted, values_of

# The heartbeat that counts the looks at what is wrong.
LOOKS = "looks at what is wrong"
Place = tuple[str, str, str]
"""(kind, name, partition key) of what an incident is with."""


@dataclass(frozen=True)
class Incident:
    """Something that was wrong with one root, from `opened_at` until `resolved_at` (None: still).

    `findings` and `affected` are those of the last look, as JSON has them. `told` is what of it was told, as
    tokens; None while nothing was. `escalation` counts whom it went on to.
    """

    root_kind: str
    root_name: str
    partition_key: str
    dedup_key: str
    urgency: str
    owner: str
    channel: str
    opened_at: datetime
    updated_at: datetime
    findings: Sequence[Mapping[str, str]] = ()
    affected: Sequence[Mapping[str, Any]] = ()
    told: Sequence[str] | None = None
    due_at: datetime | None = None
    resolved_at: datetime | None = None
    resolution: str = ""
    acknowledged_by: str = ""
    acknowledged_at: datetime | None = None
    snoozed_until: datetime | None = None
    escalation: int = 0
    id: int = 0

    @property
    def place(self) -> Place:
        """What it is with."""
        return self.root_kind, self.root_name, self.partition_key

    def status(self, now: datetime) -> str:
        """Return how it stands: resolved, snoozed, acknowledged or open."""
        if self.resolved_at is not None:
            return "resolved"
        if self.snoozed_until is not None and now < self.snoozed_until:
            return "snoozed"
        return "acknowledged" if self.acknowledged_at is not None else "open"


@dataclass(frozen=True)
class Event:
    """One thing that became of an incident; `person` is "" where the platform did it."""

    incident_id: int
    at: datetime
    what: str
    person: str = ""
    text: str = ""


@dataclass(frozen=True)
class Mute:
    """A person's word that nobody is told of some incidents for a time.

    `selector` may name `kind`, `name` and `partition_key` of what they are with; a name may end in `*`.
    """

    selector: Mapping[str, str]
    starts_at: datetime
    ends_at: datetime
    reason: str
    muted_by: str
    id: int = 0

    def covers(self, place: Place, now: datetime) -> bool:
        """Whether it holds of something at a moment."""
        said: dict[str, str] = dict(zip(("kind", "name", "partition_key"), place, strict=True))
        return self.starts_at <= now < self.ends_at and all(
            said[name].startswith(value[:-1]) if value.endswith("*") else said[name] == value
            for name, value in self.selector.items()
        )


@dataclass(frozen=True)
class Heartbeat:
    """When a part of the platform was last heard of; `number` counts how often."""

    component: str
    host: str
    at: datetime
    note: str = ""
    number: int = 0


@dataclass(frozen=True)
class Look:
    """The state of the records at which a look begins: so many looks were settled before, the last one then.

    `restored` tells the restore from others that the records were last brought back by.
    """

    number: int
    restored: str
    since_a_restore: bool
    last_at: datetime | None = None

    @property
    def tells_nobody(self) -> bool:
        """Whether nobody knows what was told before."""
        return self.last_at is None or self.since_a_restore


class Changes(Messages):
    """Changes of incidents in one transaction; they count once it has ended."""

    def open(self) -> dict[Place, Incident]:
        """Return the open incidents by what they are with."""
        return {item.place: item for item in found(self.connection, Incident, _INCIDENTS, _IS_OPEN)}

    def open_since(self, moment: datetime) -> list[Incident]:
        """Return the incidents that are open, or were after a moment."""
        return found(
            self.connection, Incident, _INCIDENTS, sa.or_(_IS_OPEN, _INCIDENTS.c.resolved_at > moment)
        )

    def of(self, incident_id: int) -> Incident | None:
        """Return an incident by its id."""
        return next(iter(found(self.connection, Incident, _INCIDENTS, _INCIDENTS.c.id == incident_id)), None)

    def earlier(self, place: Place) -> list[Incident]:
        """Return all incidents of a root, the newest last."""
        names = ("root_kind", "root_name", "partition_key")
        same = (_INCIDENTS.c[name] == value for name, value in zip(names, place, strict=True))
        return found(self.connection, Incident, _INCIDENTS, *same)

    def insert(self, incident: Incident) -> int:
        """Record a new incident; return its id.

        Raises:
            IntegrityError: one is open with the same.
        """
        return inserted(self.connection, incident, _INCIDENTS)

    def change(self, incident_id: int, **values: Any) -> None:
        """Change an incident."""
        changed(self.connection, _INCIDENTS, _INCIDENTS.c.id == incident_id, **values)

    def note(self, event: Event) -> None:
        """Record what became of an incident."""
        inserted(self.connection, event, schema.incident_events)

    def mutes(self) -> list[Mute]:
        """Return all mutes."""
        return found(self.connection, Mute, schema.mutes)


class Incidents:
    """The incidents in a state store; `outbox` are their messages."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.outbox = Outbox(engine)

    def look(self) -> Look:
        """Begin a look: what is found after this call is settled by `settling`, or falls away."""
        with self._engine.connect() as connection:
            return _look(connection)

    @contextmanager
    def settling(self, look: Look, now: datetime) -> Generator[Changes | None]:
        """Change incidents by what a look has found; None where another look was settled since it began."""
        with self.changing() as changes:
            if _look(changes.connection) != look:
                yield None
                return
            yield changes
            _beat(changes.connection, Heartbeat(LOOKS, "", now, look.restored, look.number + 1))

    @contextmanager
    def changing(self) -> Generator[Changes]:
        """Change incidents by a person's word."""
        with one_at_a_time(self._engine) as connection:
            yield Changes(connection)

    def open(self) -> list[Incident]:
        """Return the open incidents, those opened first first."""
        return self._found(Incident, _INCIDENTS, _IS_OPEN)

    def of(self, incident_id: int) -> Incident | None:
        """Return an incident by its id."""
        return next(iter(self._found(Incident, _INCIDENTS, _INCIDENTS.c.id == incident_id)), None)

    def newest(self, at_most: int = 100) -> list[Incident]:
        """Return the newest incidents, resolved ones too, newest first."""
        ids = sa.select(_INCIDENTS.c.id).order_by(_INCIDENTS.c.id.desc()).limit(at_most)
        return self._found(Incident, _INCIDENTS, _INCIDENTS.c.id.in_(ids))[::-1]

    def events(self, incident_id: int) -> list[Event]:
        """Return what became of an incident, in its order."""
        table = schema.incident_events
        return self._found(Event, table, table.c.incident_id == incident_id)

    def forget(self, resolved_before: datetime) -> int:
        """Take out incidents that were resolved before a moment, with all of them; return how many.

        Messages of no incident go as well, once they are as old and do not wait any more.
        """
        with one_at_a_time(self._engine) as connection:
            old = _INCIDENTS.c.resolved_at < resolved_before
            for other in (schema.incident_events, schema.outbox):
                whose = other.c.incident_id.in_(sa.select(_INCIDENTS.c.id).where(old))
                connection.execute(sa.delete(other).where(whose))
            sent = schema.outbox.c
            done = (sent.incident_id.is_(None), sent.status != MessageStatus.WAITING)
            connection.execute(sa.delete(schema.outbox).where(*done, sent.queued_at < resolved_before))
            tries = schema.second_tries
            connection.execute(sa.delete(tries).where(tries.c.claimed_at < resolved_before))
            return connection.execute(sa.delete(_INCIDENTS).where(old)).rowcount

    def mute(self, mute: Mute) -> int:
        """Record a mute; return its id."""
        with one_at_a_time(self._engine) as connection:
            return inserted(connection, mute, schema.mutes)

    def unmute(self, mute_id: int, now: datetime) -> bool:
        """Let a mute end now; return whether it had not ended."""
        table = schema.mutes
        with one_at_a_time(self._engine) as connection:
            return changed(connection, table, table.c.id == mute_id, table.c.ends_at > now, ends_at=now) == 1

    def mutes(self) -> list[Mute]:
        """Return all mutes, ended ones too."""
        return self._found(Mute, schema.mutes)

    def beat(self, component: str, host: str, now: datetime, note: str = "") -> None:
        """Record that a part of the platform is alive."""
        with one_at_a_time(self._engine) as connection:
            _beat(connection, Heartbeat(component, host, now, note))

    def heartbeats(self) -> list[Heartbeat]:
        """Return when each part of the platform was last heard of."""
        return self._found(Heartbeat, schema.heartbeats)

    def noted(self, component: str) -> str:
        """Return what the last heartbeat of a part says; "" of one that was never heard of."""
        return next((beat.note for beat in self.heartbeats() if beat.component == component), "")

    def due_moments(self, ended_after: datetime) -> dict[Place, datetime]:
        """Return {(kind, name, partition key): by when it had to be there} of partitions ended since."""
        table = schema.due_moments
        columns = (table.c.kind, table.c.name, table.c.partition_key, table.c.due_at)
        with self._engine.connect() as connection:
            rows = connection.execute(sa.select(*columns).where(table.c.ends_at > ended_after))
            return {(row[0], row[1], row[2]): utc(row[3]) for row in rows}

    def note_due(
        self, moments: Mapping[Place, tuple[datetime, datetime]], looked_at: datetime | None = None
    ) -> None:
        """Record {(kind, name, partition key): (due moment, partition's end)}, where none is on record.

        What was due before anybody looked at it for the first time, at `looked_at`, was promised to nobody.
        """
        table = schema.due_moments
        with one_at_a_time(self._engine) as connection:
            columns = (table.c.kind, table.c.name)
            asked = sa.select(*columns).where(table.c.name.in_({name for _, name, _ in moments})).distinct()
            known = {(row[0], row[1]) for row in connection.execute(asked)}
            rows: list[dict[str, Any]] = []
            for (kind, name, key), (due, end) in moments.items():
                in_time = looked_at is None or due > looked_at or (kind, name) in known
                row = {"kind": kind, "name": name, "partition_key": key, "due_at": due, "ends_at": end}
                rows.append(row | {"excused_by": None if in_time else BEFORE_PROMISED})
            insert_once(connection, table, rows)

    def claim_tries(self, tries: Collection[tuple[str, str]], owner: str, now: datetime) -> bool:
        """Claim the second tries of {(run id, table or export)}: all of them or, if one is another's, none.

        An owner has what it has claimed, so that it may start it after a crash.
        """
        table = schema.second_tries
        with one_at_a_time(self._engine) as connection:
            others = sa.select(table.c.run_id, table.c.name).where(
                table.c.run_id.in_({run_id for run_id, _ in tries}), table.c.owner != owner
            )
            if any((row[0], row[1]) in tries for row in connection.execute(others)):
                return False
            claim = {"owner": owner, "claimed_at": now}
            insert_once(connection, table, [{"run_id": run, "name": name, **claim} for run, name in tries])
            return True

    def _found(self, type_: type[Any], table: sa.Table, *where: sa.ColumnElement[bool]) -> list[Any]:
        with self._engine.connect() as connection:
            return found(connection, type_, table, *where)


# What excuses a promise of which nobody knew when it was due.
BEFORE_PROMISED = "before it was promised"
_INCIDENTS = schema.incidents
_IS_OPEN = _INCIDENTS.c.resolved_at.is_(None)


def _look(connection: Connection) -> Look:
    """Return how the records stand; what brought them back last is told by its moment, as ids begin anew."""
    beats, restores = schema.heartbeats, schema.restores
    newest = sa.select(restores.c.restored_at).order_by(restores.c.id.desc()).limit(1)
    at = connection.execute(newest).scalar()
    restored = "" if at is None else utc(at).isoformat()
    for mine in found(connection, Heartbeat, beats, beats.c.component == LOOKS, beats.c.host == ""):
        return Look(mine.number, restored, mine.note != restored, mine.at)
    return Look(0, restored, since_a_restore=bool(restored))


def _beat(connection: Connection, heartbeat: Heartbeat) -> None:
    table = schema.heartbeats
    same = (table.c.component == heartbeat.component, table.c.host == heartbeat.host)
    connection.execute(sa.delete(table).where(*same))
    connection.execute(sa.insert(table).values(values_of(heartbeat, table)))
