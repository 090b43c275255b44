"""Incidents on record: what was wrong from when to when, what people said of it, what was told of it.

A change of incidents, with its events and its messages, is one transaction, and no other one is beside it. Of
two processes that look at once the first to end wins: the other's changes are of records that are older, and
fall away.

Belongs here: rows of the state store. Does not belong here: what is wrong, and whether it is worth telling
(`incidents`), messages on their way (`outbox`).
"""

from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from orchestration.state import schema
from orchestration.state.moments import utc
from orchestration.state.outbox import Message, Outbox, drop_waiting, one_at_a_time, queue, told_channels
from orchestration.state.rows import record_of, values_of

# The heartbeat that counts the looks at what is wrong.
LOOKS = "looks at what is wrong"
_ROOT = ("root_kind", "root_name", "partition_key")
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
        if not self.starts_at <= now < self.ends_at:
            return False
        said: dict[str, str] = dict(zip(("kind", "name", "partition_key"), place, strict=True))
        return all(
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
    first: bool
    since_a_restore: bool
    last_at: datetime | None = None

    @property
    def tells_nobody(self) -> bool:
        """Whether nobody knows what was told before."""
        return self.first or self.since_a_restore


@dataclass
class Changes:
    """Changes of incidents in one transaction; they count once it has ended."""

    connection: Connection
    messages: int = field(default=0)

    def open(self) -> dict[Place, Incident]:
        """Return the open incidents by what they are with."""
        return {item.place: item for item in _incidents(self.connection, _IS_OPEN)}

    def of(self, incident_id: int) -> Incident | None:
        """Return an incident by its id."""
        return next(iter(_incidents(self.connection, schema.incidents.c.id == incident_id)), None)

    def last_resolved(self, places: Iterable[Place]) -> dict[Place, tuple[Incident, int]]:
        """Return the newest resolved incident of each of these, and how many there were."""
        table, wanted = schema.incidents, set(places)
        columns = [table.c[name] for name in _ROOT]
        grouped = sa.select(*columns, sa.func.max(table.c.id), sa.func.count()).group_by(*columns)
        found = {
            (row[0], row[1], row[2]): (row[3], row[4])
            for row in self.connection.execute(grouped.where(table.c.resolved_at.is_not(None)))
            if (row[0], row[1], row[2]) in wanted
        }
        items: dict[int, Incident] = {}
        ids = [number for number, _ in found.values()]
        for at in range(0, len(ids), 500):
            items |= {i.id: i for i in _incidents(self.connection, table.c.id.in_(ids[at : at + 500]))}
        return {place: (items[number], count) for place, (number, count) in found.items()}

    def insert(self, incident: Incident) -> int:
        """Record a new incident; return its id.

        Raises:
            IntegrityError: one is open with the same.
        """
        values = values_of(incident, schema.incidents)
        inserted = self.connection.execute(sa.insert(schema.incidents).values(values)).inserted_primary_key
        assert inserted is not None
        return int(inserted[0])

    def change(self, incident_id: int, **values: Any) -> None:
        """Change an incident."""
        table = schema.incidents
        self.connection.execute(sa.update(table).where(table.c.id == incident_id).values(**values))

    def note(self, event: Event) -> None:
        """Record what became of an incident."""
        values = values_of(event, schema.incident_events)
        self.connection.execute(sa.insert(schema.incident_events).values(values))

    def tell(self, message: Message) -> None:
        """Queue a message of an incident, if its channel needs it."""
        self.messages += queue(self.connection, message)

    def tell_of_many(self, message: Message) -> None:
        """Queue a message that is of no single incident."""
        self.connection.execute(sa.insert(schema.outbox).values(values_of(message, schema.outbox)))
        self.messages += 1

    def told(self, incident_id: int) -> list[str]:
        """Return the channels that were told that an incident is open, and not its end."""
        return told_channels(self.connection, incident_id)

    def forget_waiting(self) -> None:
        """Drop all messages that wait."""
        drop_waiting(self.connection)

    def mutes(self) -> list[Mute]:
        """Return all mutes."""
        rows = self.connection.execute(sa.select(schema.mutes).order_by(schema.mutes.c.id)).mappings()
        return [record_of(Mute, row) for row in rows]


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
    def settling(self, look: Look, now: datetime, host: str = "") -> Generator[Changes | None]:
        """Change incidents by what a look has found; None where another look was settled since it began."""
        with one_at_a_time(self._engine) as connection:
            current = _look(connection)
            if current != look:
                yield None
                return
            yield Changes(connection)
            _beat(connection, Heartbeat(LOOKS, "", now, look.restored, look.number + 1))
            if host:
                _beat(connection, Heartbeat(LOOKS, host, now))

    @contextmanager
    def changing(self) -> Generator[Changes]:
        """Change incidents by a person's word."""
        with one_at_a_time(self._engine) as connection:
            yield Changes(connection)

    def open(self) -> list[Incident]:
        """Return the open incidents, those opened first first."""
        return self._found(_IS_OPEN)

    def of(self, incident_id: int) -> Incident | None:
        """Return an incident by its id."""
        return next(iter(self._found(schema.incidents.c.id == incident_id)), None)

    def newest(self, at_most: int = 100) -> list[Incident]:
        """Return the newest incidents, resolved ones too, newest first."""
        query = sa.select(schema.incidents).order_by(schema.incidents.c.id.desc()).limit(at_most)
        with self._engine.connect() as connection:
            return [record_of(Incident, row) for row in connection.execute(query).mappings()]

    def events(self, incident_id: int) -> list[Event]:
        """Return what became of an incident, in its order."""
        table = schema.incident_events
        query = sa.select(table).where(table.c.incident_id == incident_id).order_by(table.c.id)
        with self._engine.connect() as connection:
            return [record_of(Event, row) for row in connection.execute(query).mappings()]

    def forget(self, resolved_before: datetime) -> int:
        """Take out incidents that were resolved before a moment, with all of them; return how many."""
        table = schema.incidents
        with one_at_a_time(self._engine) as connection:
            old = sa.select(table.c.id).where(table.c.resolved_at < resolved_before)
            for other in (schema.incident_events, schema.outbox):
                connection.execute(sa.delete(other).where(other.c.incident_id.in_(old)))
            return connection.execute(sa.delete(table).where(table.c.resolved_at < resolved_before)).rowcount

    # -- mutes

    def mute(self, mute: Mute) -> int:
        """Record a mute; return its id."""
        with one_at_a_time(self._engine) as connection:
            values = values_of(mute, schema.mutes)
            inserted = connection.execute(sa.insert(schema.mutes).values(values)).inserted_primary_key
            assert inserted is not None
            return int(inserted[0])

    def unmute(self, mute_id: int, now: datetime) -> bool:
        """Let a mute end now; return whether it had not ended."""
        table = schema.mutes
        with one_at_a_time(self._engine) as connection:
            ending = sa.update(table).where(table.c.id == mute_id, table.c.ends_at > now)
            return connection.execute(ending.values(ends_at=now)).rowcount == 1

    def mutes(self) -> list[Mute]:
        """Return all mutes, ended ones too."""
        with self._engine.connect() as connection:
            return Changes(connection).mutes()

    # -- heartbeats

    def beat(self, component: str, host: str, now: datetime, note: str = "") -> None:
        """Record that a part of the platform is alive."""
        with one_at_a_time(self._engine) as connection:
            _beat(connection, Heartbeat(component, host, now, note))

    def heartbeats(self) -> list[Heartbeat]:
        """Return when each part of the platform was last heard of."""
        query = sa.select(schema.heartbeats).order_by(schema.heartbeats.c.component, schema.heartbeats.c.host)
        with self._engine.connect() as connection:
            return [record_of(Heartbeat, row) for row in connection.execute(query).mappings()]

    # -- due moments

    def due_moments(self, ended_after: datetime) -> dict[Place, datetime]:
        """Return {(kind, name, partition key): by when it had to be there} of partitions ended since."""
        table = schema.due_moments
        query = sa.select(table.c.kind, table.c.name, table.c.partition_key, table.c.due_at).where(
            table.c.ends_at > ended_after
        )
        with self._engine.connect() as connection:
            return {(row[0], row[1], row[2]): utc(row[3]) for row in connection.execute(query)}

    def note_due(self, moments: Mapping[Place, tuple[datetime, datetime]], forget_before: datetime) -> None:
        """Record {(kind, name, partition key): (due moment, the partition's end)}, where none is on record.

        What ended before a moment is forgotten.
        """
        table = schema.due_moments
        columns = ("kind", "name", "partition_key", "due_at", "ends_at")
        rows: list[dict[str, Any]] = [
            dict(zip(columns, (*place, *two), strict=True)) for place, two in moments.items()
        ]
        with one_at_a_time(self._engine) as connection:
            connection.execute(sa.delete(table).where(table.c.ends_at <= forget_before))
            if rows:
                connection.execute(_inserted_once(connection, table), rows)

    def _found(self, *where: sa.ColumnElement[bool]) -> list[Incident]:
        with self._engine.connect() as connection:
            return _incidents(connection, *where)


_IS_OPEN = schema.incidents.c.resolved_at.is_(None)


def _incidents(connection: Connection, *where: sa.ColumnElement[bool]) -> list[Incident]:
    query = sa.select(schema.incidents).where(*where).order_by(schema.incidents.c.id)
    return [record_of(Incident, row) for row in connection.execute(query).mappings()]


def _look(connection: Connection) -> Look:
    """Return how the records stand; what brought them back last is told by its moment, as ids begin anew."""
    beats, restores = schema.heartbeats, schema.restores
    mine = connection.execute(
        sa.select(beats.c.number, beats.c.note, beats.c.at).where(
            beats.c.component == LOOKS, beats.c.host == ""
        )
    ).first()
    newest = connection.execute(
        sa.select(restores.c.restored_at).order_by(restores.c.id.desc()).limit(1)
    ).scalar()
    restored = "" if newest is None else utc(newest).isoformat()
    if mine is None:
        return Look(0, restored, first=True, since_a_restore=bool(restored))
    since_a_restore = mine.note != restored
    return Look(
        int(mine.number), restored, first=False, since_a_restore=since_a_restore, last_at=utc(mine.at)
    )


def _beat(connection: Connection, heartbeat: Heartbeat) -> None:
    table = schema.heartbeats
    same = (table.c.component == heartbeat.component, table.c.host == heartbeat.host)
    connection.execute(sa.delete(table).where(*same))
    connection.execute(sa.insert(table).values(values_of(heartbeat, table)))


def _inserted_once(connection: Connection, table: sa.Table) -> Any:
    """Return an insert that leaves rows as they are which are there."""
    from sqlalchemy.dialects import postgresql, sqlite

    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    return insert(table).on_conflict_do_nothing()
