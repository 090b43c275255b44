"""Messages to channels on record: queued with what they tell of, in one transaction, and sent afterwards.

A channel's messages go out in the order of their ids, each at least once: who takes one has it alone until
its time is over, so that a sender that dies leaves it to the next. Of an incident a channel hears open,
update …, resolve, in this order; an update that newer words replace before it left is dropped, and so is
what tells the end of something that nobody was told the beginning of.

Belongs here: rows of the state store. Does not belong here: what a message says, and sending it.
"""

import uuid
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from orchestration.state import schema
from orchestration.state.rows import record_of, values_of
from orchestration.state.upgrade import require_form

# Any number that no other advisory lock of this database uses.
_SETTLING = 0x51D21
# So long a sender has a message alone.
TAKEN_FOR = timedelta(minutes=5)
# More messages than this that a channel could not be sent become one summary.
HELD_BACK = 10
_LATE_AFTER = timedelta(minutes=5)
_OPEN, _UPDATE, _ACKNOWLEDGE, _RESOLVE, _SUMMARY = "open", "update", "acknowledge", "resolve", "summary"


class MessageStatus(StrEnum):
    """Where a message stands; `dropped` is what nobody needs to be told any more."""

    WAITING = "waiting"
    SENT = "sent"
    GIVEN_UP = "given up"
    DROPPED = "dropped"


@dataclass(frozen=True)
class Message:
    """One message to one channel; `body` is what it says, `incident_id` None where it is of many.

    `notice` is its own id, the same at each try. `doubtful`: a try may have brought it there. `action` is
    what became of the incident, as `incidents.trouble.Action` has it.
    """

    channel: str
    action: str
    body: Mapping[str, Any]
    queued_at: datetime
    incident_id: int | None = None
    notice: str = field(default_factory=lambda: uuid.uuid4().hex)
    status: MessageStatus = MessageStatus.WAITING
    attempts: int = 0
    tried_at: datetime | None = None
    next_try_at: datetime | None = None
    doubtful: bool = False
    sent_at: datetime | None = None
    vendor_id: str = ""
    last_error: str = ""
    id: int = 0

    def is_due(self, now: datetime) -> bool:
        """Whether it may be tried; a clock that was set back since its last try makes nobody wait."""
        set_back = self.tried_at is not None and now < self.tried_at
        return self.next_try_at is None or now >= self.next_try_at or set_back


@contextmanager
def one_at_a_time(engine: Engine) -> Generator[Connection]:
    """Begin a transaction that no other one of incidents or messages is beside."""
    with engine.begin() as connection:
        require_form(connection)
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("begin immediate")
        else:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_SETTLING)))
        yield connection


class Outbox:
    """The messages in a state store; they go with their incident."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def take(
        self,
        channel: str,
        now: datetime,
        summary: Callable[[Sequence[Message]], Mapping[str, Any]] | None = None,
        hold_back: int = HELD_BACK,
    ) -> Message | None:
        """Return the next message of a channel, for this caller alone; None while none is due.

        Args:
            channel: its name.
            now: the moment.
            summary: what one message says in the place of many that were held back; None: each goes out.
            hold_back: so many may be held back.
        """
        with one_at_a_time(self._engine) as connection:
            waiting = _waiting(connection, channel)
            if summary is not None and waiting:
                waiting = _summed_up(connection, waiting, now, summary, hold_back)
            for message in waiting:
                if not message.is_due(now):
                    return None
                follows = message.incident_id is not None and message.action != _OPEN
                if follows and not _was_told(connection, message):
                    _drop(connection, [message.id])  # what it follows was given up
                    continue
                taken: dict[str, Any] = {
                    "attempts": message.attempts + 1, "tried_at": now, "next_try_at": now + TAKEN_FOR,
                }  # fmt: skip
                # A sender that dies leaves it in doubt; this one knows what became of the tries before.
                _change(connection, message.id, **taken, doubtful=True)
                return replace(message, **taken)
        return None

    def sent(self, message: Message, now: datetime, vendor_id: str = "") -> None:
        """Note that a channel has a message."""
        with one_at_a_time(self._engine) as connection:
            said = {"sent_at": now, "vendor_id": vendor_id, "last_error": ""}
            _change(connection, message.id, status=MessageStatus.SENT, **said)

    def failed(
        self, message: Message, error: str, next_try_at: datetime, *, may_have_arrived: bool = False
    ) -> None:
        """Note that a channel could not be sent a message now; all behind it wait with it."""
        with one_at_a_time(self._engine) as connection:
            doubtful = message.doubtful or may_have_arrived
            _change(connection, message.id, next_try_at=next_try_at, last_error=error, doubtful=doubtful)

    def given_up(self, message: Message, error: str) -> None:
        """Note that a channel will not take a message, however often it is tried."""
        with one_at_a_time(self._engine) as connection:
            _change(connection, message.id, status=MessageStatus.GIVEN_UP, last_error=error)

    def put(self, message: Message) -> None:
        """Queue a message that is of no incident: a test, or a word on many."""
        with one_at_a_time(self._engine) as connection:
            connection.execute(sa.insert(schema.outbox).values(values_of(message, schema.outbox)))

    def try_again(self, channel: str | None = None) -> int:
        """Let what waits, and what was given up, be tried at once; return how many messages that are.

        What newer words have replaced since stays as it is.
        """
        table, later = schema.outbox, schema.outbox.alias()
        replaced = sa.exists().where(
            later.c.incident_id == table.c.incident_id, later.c.channel == table.c.channel,
            later.c.id > table.c.id,
        )  # fmt: skip
        again = sa.or_(
            table.c.status == MessageStatus.WAITING,
            sa.and_(table.c.status == MessageStatus.GIVEN_UP, sa.not_(replaced)),
        )
        where = [again, *([table.c.channel == channel] if channel else [])]
        with one_at_a_time(self._engine) as connection:
            values = {"status": MessageStatus.WAITING, "next_try_at": None}
            return connection.execute(sa.update(table).where(*where).values(values)).rowcount

    def channels(self) -> list[str]:
        """Return the channels that messages wait for; who took long when last asked lets others go first."""
        table = schema.outbox
        tried = sa.func.max(table.c.tried_at)
        query = sa.select(table.c.channel).where(table.c.status == MessageStatus.WAITING)
        query = query.group_by(table.c.channel).order_by(tried.asc().nulls_first(), table.c.channel)
        with self._engine.connect() as connection:
            return list(connection.execute(query).scalars())

    def unsent(self) -> list[Message]:
        """Return what waits, and what was given up, in the order in which it was queued."""
        return self._found(schema.outbox.c.status.in_((MessageStatus.WAITING, MessageStatus.GIVEN_UP)))

    def of_incident(self, incident_id: int) -> list[Message]:
        """Return all messages of an incident, in the order in which they were queued."""
        return self._found(schema.outbox.c.incident_id == incident_id)

    def _found(self, *where: sa.ColumnElement[bool]) -> list[Message]:
        with self._engine.connect() as connection:
            return _messages(connection, *where)


def queue(connection: Connection, message: Message) -> bool:
    """Queue a message of an incident in the transaction that changes it; return whether one is needed.

    A channel that was not told of the incident is told that it is open, whatever became of it, and nothing of
    its end. What waits and says less is dropped.
    """
    assert message.incident_id is not None
    before = _messages(
        connection,
        schema.outbox.c.incident_id == message.incident_id,
        schema.outbox.c.channel == message.channel,
        schema.outbox.c.status.in_((MessageStatus.WAITING, MessageStatus.SENT)),
    )
    since = _since_the_end(before)
    waiting = [item for item in since if item.status is MessageStatus.WAITING]
    _drop(connection, [item.id for item in waiting if item.action == _UPDATE])
    if message.action == _RESOLVE:
        never_left = [item for item in waiting if item.action == _OPEN and not item.doubtful]
        if never_left:
            _drop(connection, [item.id for item in waiting])
        if never_left or not since:
            return False
    elif not since:
        if message.action == _ACKNOWLEDGE:
            return False
        message = replace(message, action=_OPEN)
    elif message.action == _OPEN:
        message = replace(message, action=_UPDATE)
    connection.execute(sa.insert(schema.outbox).values(values_of(message, schema.outbox)))
    return True


def told_channels(connection: Connection, incident_id: int) -> list[str]:
    """Return the channels that were told, or are about to be, that an incident is open."""
    table = schema.outbox
    there = table.c.status.in_((MessageStatus.WAITING, MessageStatus.SENT))
    told: dict[str, list[Message]] = {}
    for item in _messages(connection, table.c.incident_id == incident_id, there):
        told.setdefault(item.channel, []).append(item)
    return [channel for channel, items in told.items() if _since_the_end(items)]


def drop_waiting(connection: Connection) -> None:
    """Drop all that waits: nobody knows what of it has left."""
    waiting = schema.outbox.c.status == MessageStatus.WAITING
    connection.execute(sa.update(schema.outbox).where(waiting).values(status=MessageStatus.DROPPED))


def _since_the_end(messages: Sequence[Message]) -> list[Message]:
    """Return the messages of an incident on a channel since it was last told its end there."""
    ends = [number for number, item in enumerate(messages) if item.action == _RESOLVE]
    return list(messages[ends[-1] + 1 :] if ends else messages)


def _was_told(connection: Connection, message: Message) -> bool:
    """Whether a message follows one that was sent, and tells of the same incident."""
    table = schema.outbox
    earlier = _messages(
        connection, table.c.incident_id == message.incident_id, table.c.channel == message.channel,
        table.c.status == MessageStatus.SENT, table.c.id < message.id,
    )  # fmt: skip
    return bool(_since_the_end(earlier))


def _summed_up(
    connection: Connection,
    waiting: list[Message],
    now: datetime,
    summary: Callable[[Sequence[Message]], Mapping[str, Any]],
    hold_back: int,
) -> list[Message]:
    """Put one message in the place of those that were held back too many; return what waits then.

    What may have arrived is tried again as it is, and the end of what was told before is told as well.
    """
    late = [item for item in waiting if waiting[0].attempts or item.queued_at + _LATE_AFTER < now]
    # A try under way, or a wait that is not over, is not disturbed.
    if len(late) <= hold_back or not waiting[0].is_due(now):
        return waiting
    kept: set[int | None] = {item.incident_id for item in late if item.doubtful}
    begun = {item.incident_id for item in late if item.action == _OPEN} - kept
    replaced = [
        item
        for item in late
        if not item.doubtful
        and (item.incident_id in begun or item.action in (_UPDATE, _ACKNOWLEDGE, _SUMMARY))
    ]
    if len(replaced) <= 1:
        return waiting
    _drop(connection, [item.id for item in replaced])
    told = Message(waiting[0].channel, _SUMMARY, summary(replaced), now)
    connection.execute(sa.insert(schema.outbox).values(values_of(told, schema.outbox)))
    return _waiting(connection, told.channel)


def _waiting(connection: Connection, channel: str) -> list[Message]:
    table = schema.outbox
    return _messages(connection, table.c.channel == channel, table.c.status == MessageStatus.WAITING)


def _messages(connection: Connection, *where: sa.ColumnElement[bool]) -> list[Message]:
    query = sa.select(schema.outbox).where(*where).order_by(schema.outbox.c.id)
    return [
        record_of(Message, row, status=MessageStatus(row["status"]))
        for row in connection.execute(query).mappings()
    ]


def _drop(connection: Connection, ids: Sequence[int]) -> None:
    table = schema.outbox
    for at in range(0, len(ids), 500):
        some = table.c.id.in_(ids[at : at + 500])
        connection.execute(sa.update(table).where(some).values(status=MessageStatus.DROPPED))


def _change(connection: Connection, message_id: int, **values: Any) -> None:
    table = schema.outbox
    connection.execute(sa.update(table).where(table.c.id == message_id).values(**values))
