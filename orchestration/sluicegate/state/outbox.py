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

from sluicegate.state import schema
from sluicegate.state.rows import changed, found, inserted
from sluicegate.state.upgrade import require_form

# Any number that no other advisory lock of this database uses.
_SETTLING = 0x51D21
# So long a sender has a message alone.
TAKEN_FOR = timedelta(minutes=5)
# More messages than this that a channel could not be sent become one summary.
HELD_BACK = 10
_LATE_AFTER = timedelta(minutes=5)
_OPEN, _UPDATE, _ACKNOWLEDGE, _RESOLVE, _SUMMARY = "open", "update", "acknowledge", "resolve", "summary"
_OUTBOX = schema.outbox


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
    status: str = MessageStatus.WAITING
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
                _change(connection, message, **taken, doubtful=True)
                return replace(message, **taken)
        return None

    def sent(self, message: Message, now: datetime, vendor_id: str = "") -> None:
        """Note that a channel has a message."""
        self._note(message, status=MessageStatus.SENT, sent_at=now, vendor_id=vendor_id, last_error="")

    def failed(
        self, message: Message, error: str, next_try_at: datetime, *, may_have_arrived: bool = False
    ) -> None:
        """Note that a channel could not be sent a message now; all behind it wait with it."""
        doubtful = message.doubtful or may_have_arrived
        self._note(message, next_try_at=next_try_at, last_error=error, doubtful=doubtful)

    def given_up(self, message: Message, error: str, *, told_anew: bool = False) -> None:
        """Note that a channel will not take a message, however often it is tried.

        `told_anew`: what nobody else was told either is told at the next look, by the channels of then.
        """
        with one_at_a_time(self._engine) as connection:
            _change(connection, message, status=MessageStatus.GIVEN_UP, last_error=error)
            id_, incidents = message.incident_id, schema.incidents
            if told_anew and id_ is not None and not Messages(connection).told(id_):
                changed(connection, incidents, incidents.c.id == id_, told=sa.null())

    def _note(self, message: Message, **values: Any) -> None:
        with one_at_a_time(self._engine) as connection:
            _change(connection, message, **values)

    def put(self, message: Message) -> None:
        """Queue a message that is of no incident: a test, or a word on many."""
        with one_at_a_time(self._engine) as connection:
            inserted(connection, message, _OUTBOX)

    def try_again(self, channel: str | None = None) -> int:
        """Let what waits, and what was given up, be tried at once; return how many messages that are.

        What newer words have replaced since stays as it is.
        """
        table, later = _OUTBOX, _OUTBOX.alias()
        replaced = sa.exists().where(
            later.c.incident_id == table.c.incident_id, later.c.channel == table.c.channel,
            later.c.id > table.c.id,
        )  # fmt: skip
        given_up = sa.and_(table.c.status == MessageStatus.GIVEN_UP, sa.not_(replaced))
        where = [sa.or_(table.c.status == MessageStatus.WAITING, given_up)]
        where += [table.c.channel == channel] if channel else []
        with one_at_a_time(self._engine) as connection:
            return changed(connection, table, *where, status=MessageStatus.WAITING, next_try_at=None)

    def channels(self) -> list[str]:
        """Return the channels that messages wait for; who took long when last asked lets others go first."""
        tried = sa.func.max(_OUTBOX.c.tried_at)
        query = sa.select(_OUTBOX.c.channel).where(_OUTBOX.c.status == MessageStatus.WAITING)
        query = query.group_by(_OUTBOX.c.channel).order_by(tried.asc().nulls_first(), _OUTBOX.c.channel)
        with self._engine.connect() as connection:
            return list(connection.execute(query).scalars())

    def unsent(self) -> list[Message]:
        """Return what waits, and what was given up, in the order in which it was queued."""
        return self._found(_OUTBOX.c.status.in_((MessageStatus.WAITING, MessageStatus.GIVEN_UP)))

    def of_incident(self, incident_id: int) -> list[Message]:
        """Return all messages of an incident, in the order in which they were queued."""
        return self._found(_OUTBOX.c.incident_id == incident_id)

    def _found(self, *where: sa.ColumnElement[bool]) -> list[Message]:
        with self._engine.connect() as connection:
            return found(connection, Message, _OUTBOX, *where)


@dataclass
class Messages:
    """The messages of incidents, in the transaction that changes these; `messages` counts those queued."""

    connection: Connection
    messages: int = 0

    def tell(self, message: Message) -> None:
        """Queue a message: of no incident in any case, of an incident if its channel needs it.

        A channel that was not told of the incident is told that it is open, whatever became of it, and
        nothing of its end. What waits and says less is dropped.
        """
        if message.incident_id is not None:
            since = _told(self.connection, _OUTBOX.c.incident_id == message.incident_id)
            needed = self._fitting(message, since.get((message.channel, message.incident_id), []))
            if needed is None:
                return
            message = needed
        inserted(self.connection, message, _OUTBOX)
        self.messages += 1

    def told(self, incident_id: int) -> list[str]:
        """Return the channels that were told, or are about to be, that an incident is open, not its end."""
        return [channel for channel, _ in _told(self.connection, _OUTBOX.c.incident_id == incident_id)]

    def untold(self, incident_id: int, channel: str) -> bool:
        """Whether an incident was kept from a channel: with others, for one message, or from all channels."""
        of_it = _OUTBOX.c.incident_id == incident_id
        channels = {item.channel for item in found(self.connection, Message, _OUTBOX, of_it)}
        return channel not in self.told(incident_id) and (not channels or channel in channels)

    def summaries_on(self, channel: str) -> list[Message]:
        """Return the summaries that a channel was sent, and not their end."""
        of_none = (_OUTBOX.c.channel == channel, _OUTBOX.c.incident_id.is_(None), _THERE)
        newest = {item.body["dedup_key"]: item for item in found(self.connection, Message, _OUTBOX, *of_none)}
        sent = (_SUMMARY, MessageStatus.SENT)
        return [item for item in newest.values() if (item.action, item.status) == sent]

    def may_be_open(self, channels: Sequence[str]) -> set[tuple[str, int]]:
        """Return the (channel, incident id) of what channels were told, or may have been told since."""
        on_them = (_OUTBOX.c.channel.in_(channels), _OUTBOX.c.incident_id.is_not(None))
        sent = _told(self.connection, *on_them, _OUTBOX.c.status == MessageStatus.SENT)
        return {*sent, *_told(self.connection, *on_them)}

    def drop_waiting(self) -> None:
        """Drop all that waits: nobody knows what of it has left."""
        waiting = _OUTBOX.c.status == MessageStatus.WAITING
        changed(self.connection, _OUTBOX, waiting, status=MessageStatus.DROPPED)

    def _fitting(self, message: Message, since: Sequence[Message]) -> Message | None:
        waiting = [item for item in since if item.status == MessageStatus.WAITING]
        _drop(self.connection, [item.id for item in waiting if item.action == _UPDATE])
        never_left = next((item for item in waiting if item.action == _OPEN and not item.doubtful), None)
        if message.action == _RESOLVE and never_left:
            _drop(self.connection, [item.id for item in waiting])
            return None
        if message.action in (_OPEN, _UPDATE) and never_left:  # it says the newest, and once
            _change(self.connection, never_left, body=message.body)
            return None
        if not since:
            return None if message.action in (_RESOLVE, _ACKNOWLEDGE) else replace(message, action=_OPEN)
        return replace(message, action=_UPDATE) if message.action == _OPEN else message


_THERE = _OUTBOX.c.status.in_((MessageStatus.WAITING, MessageStatus.SENT))


def _told(connection: Connection, *where: sa.ColumnElement[bool]) -> dict[tuple[str, int], list[Message]]:
    """Return {(channel, incident id): what was told of it, or is about to be, since its end was told}."""
    told: dict[tuple[str, int], list[Message]] = {}
    for item in found(connection, Message, _OUTBOX, _THERE, *where):
        place = (item.channel, item.incident_id or 0)
        if item.action == _RESOLVE:
            told.pop(place, None)
        else:
            told.setdefault(place, []).append(item)
    return told


def _was_told(connection: Connection, message: Message) -> bool:
    """Whether a message follows one that was sent, and tells of the same incident."""
    same = (_OUTBOX.c.incident_id == message.incident_id, _OUTBOX.c.channel == message.channel)
    earlier = (_OUTBOX.c.status == MessageStatus.SENT, _OUTBOX.c.id < message.id)
    return bool(_told(connection, *same, *earlier))


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
        # What ends no incident of ours ends what was told before.
        and (item.action, item.incident_id) != (_RESOLVE, None)
        and (item.incident_id in begun or item.action in (_UPDATE, _ACKNOWLEDGE, _SUMMARY))
    ]
    if len(replaced) <= 1:
        return waiting
    _drop(connection, [item.id for item in replaced])
    told = Message(waiting[0].channel, _SUMMARY, summary(replaced), now)
    inserted(connection, told, _OUTBOX)
    return _waiting(connection, told.channel)


def _waiting(connection: Connection, channel: str) -> list[Message]:
    waiting = (_OUTBOX.c.channel == channel, _OUTBOX.c.status == MessageStatus.WAITING)
    return found(connection, Message, _OUTBOX, *waiting)


def _change(connection: Connection, message: Message, **values: Any) -> None:
    changed(connection, _OUTBOX, _OUTBOX.c.id == message.id, **values)


def _drop(connection: Connection, ids: Sequence[int]) -> None:
    for id_ in ids:
        changed(connection, _OUTBOX, _OUTBOX.c.id == id_, status=MessageStatus.DROPPED)
