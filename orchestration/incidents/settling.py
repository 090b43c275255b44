"""What was found, reconciled with the incidents on record: opened, updated, resolved, and who is told.

A look is `Incidents.look()`, then `find_troubles` (with `known_of`), then `settle`. What changes, the events
of it and the messages are one transaction, so that a process that dies anywhere has changed all or nothing.
Words go to a channel once for each thing that is new: a finding, a higher urgency, an export that waits.

Belongs here: what is new, what nobody is told now, what people say of an incident. Does not belong here:
which channels there are (`routes`), messages on their way (`state.outbox`).
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from orchestration.incidents.folding import Was
from orchestration.incidents.trouble import (
    Action,
    Affected,
    Finding,
    Notice,
    Root,
    RootKind,
    Trouble,
    TroubleKind,
    Urgency,
)
from orchestration.operations.retention import forget_incidents
from orchestration.state.incidents import Changes, Event, Incident, Look, Place
from orchestration.state.moments import utc
from orchestration.state.outbox import Message
from orchestration.state.store import StateStore

# A root that is bad again within this time was never right.
REOPENED_WITHIN = timedelta(hours=24)
_KEY_LENGTH = 255
_DIGEST_LENGTH = 16
_SHOWN = 10
_ANYBODY = Trouble(Root(RootKind.PLATFORM, "incidents"), Urgency.INFO, ())

Routes = Callable[[Trouble, Action], Iterable[str]]
"""The channels that are told what became of a trouble."""
Ended = Callable[[Root], str]
"""What ended a trouble with a root, in words; "" where nothing more is known (`ended.WhatEnded`)."""


@dataclass(frozen=True)
class Settled:
    """What a look has changed, by the roots of the incidents; `told` counts the messages."""

    opened: tuple[Root, ...] = ()
    updated: tuple[Root, ...] = ()
    reopened: tuple[Root, ...] = ()
    resolved: tuple[Root, ...] = ()
    told: int = 0


def known_of(store: StateStore) -> dict[Root, Was]:
    """Return the open incidents by what they are with: for `find_troubles`."""
    return {root_of(item): Was(item.opened_at, item.updated_at) for item in store.incidents.open()}


def root_of(incident: Incident) -> Root:
    """Return what an incident is with."""
    return Root(RootKind(incident.root_kind), incident.root_name, incident.partition_key)


def settle(
    store: StateStore,
    look: Look,
    troubles: Iterable[Trouble],
    now: datetime,
    routes: Routes,
    *,
    deployment: str,
    ended: Ended = lambda _: "",
    host: str = "",
) -> Settled | None:
    """Bring the incidents on record up to date with what a look has found.

    Args:
        store: the records.
        look: as they were before the look.
        troubles: what it has found.
        now: the moment that is put on record.
        routes: asked for the channels of each message.
        deployment: what tells this one's incidents from others' at a vendor.
        ended: what ended a trouble, in words, where the record of it says no more.
        host: the machine that looks, for its heartbeat.

    Returns:
        What was changed; None where another look was settled meanwhile, and this one's changes fell away.
    """
    with store.incidents.settling(look, now, host) as changes:
        if changes is None:
            return None
        settled = _Settling(changes, look, now, routes, deployment).settle(list(troubles), ended)
    if look.last_at is not None and look.last_at.date() != now.date():
        forget_incidents(store, now)
    return settled


class _Settling:
    def __init__(self, changes: Changes, look: Look, now: datetime, routes: Routes, deployment: str) -> None:
        self._changes, self._look, self._now = changes, look, now
        self._routes, self._deployment = routes, deployment
        self._mutes = changes.mutes()

    def settle(self, troubles: list[Trouble], ended: Ended) -> Settled:
        open_ = self._changes.open()
        if self._look.tells_nobody:
            self._changes.forget_waiting()
        by_place = {_place(trouble.root): trouble for trouble in troubles}
        new = by_place.keys() - open_.keys()
        before = self._changes.last_resolved(new)
        done: dict[str, list[Root]] = {"opened": [], "updated": [], "reopened": [], "resolved": []}
        parents = {_place(root): trouble.root for trouble in troubles for root in trouble.holds}
        for place, incident in open_.items():
            if place not in by_place:
                reason = f"it is part of {parents[place]}" if place in parents else ""
                self._resolve(incident, reason or ended(root_of(incident)))
                done["resolved"].append(root_of(incident))
        for place, trouble in by_place.items():
            if place in open_:
                became = self._follow(open_[place], trouble)
            else:
                became = self._begin(trouble, *before.get(place, (None, 0)))
            if became:
                done[became].append(trouble.root)
        if self._look.tells_nobody and (troubles or open_):
            self._sum_up(troubles, done["resolved"])
        roots = {name: tuple(found) for name, found in done.items()}
        return Settled(**roots, told=self._changes.messages)

    def _begin(self, trouble: Trouble, last: Incident | None, count: int) -> str:
        """Open an incident: the last one of the same root, where that was resolved within a day."""
        # Who is told nothing of a first look is told of what changes from there on.
        known = sorted(trouble.news) if self._look.tells_nobody else None
        values = self._values(trouble)
        values["told"] = known
        if last is not None and last.resolved_at and self._now - last.resolved_at < REOPENED_WITHIN:
            again: dict[str, Any] = {
                "resolved_at": None, "resolution": "", "acknowledged_by": "", "acknowledged_at": None,
                "snoozed_until": None, "escalation": 0,
            }  # fmt: skip
            self._changes.change(last.id, **values, **again)
            became, id_ = "reopened", last.id
        else:
            key = dedup_key(self._deployment, trouble.root, count + 1)
            root = trouble.root
            incident = Incident(root.kind, root.name, root.partition_key, key, opened_at=self._now, **values)
            became, id_ = "opened", self._changes.insert(incident)
        self._note(id_, became, _headline(trouble))
        self._tell(id_, trouble, known, None)
        return became

    def _follow(self, incident: Incident, trouble: Trouble) -> str:
        """Bring an open incident up to date; it never becomes less urgent than it was."""
        if trouble.urgency.rank < Urgency(incident.urgency).rank:
            trouble = replace(trouble, urgency=Urgency(incident.urgency))
        values = self._values(trouble)
        if (
            values["findings"] != incident.findings
            or values["affected"] != incident.affected
            or ((trouble.urgency, trouble.due_at) != (incident.urgency, incident.due_at))
        ):
            self._changes.change(incident.id, **values)
        before = _news_of(incident)
        new = sorted(trouble.news - before)
        if new:
            self._note(incident.id, "updated", "; ".join(new))
        self._tell(incident.id, trouble, incident.told, incident.snoozed_until)
        return "updated" if new else ""

    def _resolve(self, incident: Incident, reason: str) -> None:
        reason = reason or "it is right by now"
        self._changes.change(
            incident.id, resolved_at=self._now, updated_at=self._now, resolution=reason, snoozed_until=None
        )
        self._note(incident.id, "resolved", reason)
        if self._look.tells_nobody:
            return
        for channel in self._changes.told(incident.id):
            body = body_of(incident, Action.RESOLVE, reason)
            self._changes.tell(Message(channel, Action.RESOLVE, body, self._now, incident.id))

    def _tell(
        self, id_: int, trouble: Trouble, told: Sequence[str] | None, snoozed_until: datetime | None
    ) -> None:
        """Queue what is new of an open incident, unless nobody is to be told of it now."""
        news = trouble.news - set(told or ())
        if not news:
            return
        if self._look.tells_nobody:
            self._changes.change(id_, told=sorted(trouble.news))
            return
        snoozed = snoozed_until is not None and self._now < snoozed_until
        muted = any(mute.covers(_place(trouble.root), self._now) for mute in self._mutes)
        if trouble.quiet or muted or snoozed:
            return
        action = Action.OPEN if told is None else Action.UPDATE
        incident = self._changes.of(id_)
        assert incident is not None
        channels = dict.fromkeys([*self._changes.told(id_), *self._routes(trouble, action)])
        for channel in channels:
            self._changes.tell(Message(channel, action, body_of(incident, action), self._now, id_))
        self._changes.change(id_, told=sorted({*(told or ()), *trouble.news}))

    def _sum_up(self, troubles: Sequence[Trouble], resolved: Sequence[Root]) -> None:
        """Queue one message that says what is on record and was told to nobody."""
        why = "the first look at what is wrong here"
        if self._look.since_a_restore:
            why = (
                "the first look since the records were restored: nobody knows what was told since the backup"
            )
        many = sorted(troubles, key=lambda one: (-one.urgency.rank, one.root))
        lines = [f"{one.urgency}: {_headline(one)}" for one in many[:_SHOWN]]
        lines += [f"and {len(many) - _SHOWN} more"] if len(many) > _SHOWN else []
        lines += [
            f"resolved since the backup: {root}; close it where it was told" for root in resolved[:_SHOWN]
        ]
        what = "\n".join(
            [f"{why}: each of these is on record as known, and is told of once it changes", *lines]
        )
        title = f"{len(troubles)} incidents are open"
        for channel in dict.fromkeys(self._routes(_ANYBODY, Action.SUMMARY)):
            body = summary_body(title, what, self._deployment)
            self._changes.tell_of_many(Message(channel, Action.SUMMARY, body, self._now))

    def _values(self, trouble: Trouble) -> dict[str, Any]:
        return {
            "urgency": trouble.urgency.value,
            "owner": trouble.owner,
            "channel": trouble.channel,
            "updated_at": self._now,
            "due_at": trouble.due_at,
            "findings": [{**asdict(finding), "kind": finding.kind.value} for finding in trouble.findings],
            "affected": [
                {**asdict(item), "due_at": item.due_at.isoformat() if item.due_at else None}
                for item in trouble.affected
            ],
        }

    def _note(self, id_: int, what: str, text: str) -> None:
        self._changes.note(Event(id_, self._now, what, text=text))


# -- what people say of it


def acknowledge(store: StateStore, incident_id: int, by: str, reason: str, now: datetime) -> bool:
    """Put on record that somebody sees to an incident; return whether it is open."""
    said = {"acknowledged_by": by, "acknowledged_at": now}
    return _said(store, incident_id, Event(incident_id, now, "acknowledged", by, reason), **said)


def snooze(store: StateStore, incident_id: int, until: datetime, by: str, reason: str, now: datetime) -> bool:
    """Let nobody be told of an incident until a moment; return whether it is open. Its end is told."""
    event = Event(incident_id, now, "snoozed", by, f"until {until:%Y-%m-%d %H:%M} UTC: {reason}")
    return _said(store, incident_id, event, snoozed_until=until)


def escalate(store: StateStore, incident_id: int, channels: Iterable[str], now: datetime) -> bool:
    """Tell more channels of an open incident; return whether it is open, and nobody has acknowledged it."""
    with store.incidents.changing() as changes:
        incident = changes.of(incident_id)
        if incident is None or incident.resolved_at or incident.acknowledged_at:
            return False
        changes.change(incident_id, escalation=incident.escalation + 1)
        told = list(channels)
        changes.note(Event(incident_id, now, "escalated", text=", ".join(told)))
        for channel in told:
            body = body_of(incident, Action.OPEN)
            changes.tell(Message(channel, Action.OPEN, body, now, incident_id))
        return True


def _said(store: StateStore, incident_id: int, event: Event, **values: Any) -> bool:
    with store.incidents.changing() as changes:
        incident = changes.of(incident_id)
        if incident is None or incident.resolved_at is not None:
            return False
        changes.change(incident_id, **values)
        changes.note(event)
        if event.what == "acknowledged":
            for channel in changes.told(incident_id):
                body = body_of(incident, Action.ACKNOWLEDGE, f"{event.person}: {event.text}")
                changes.tell(Message(channel, Action.ACKNOWLEDGE, body, event.at, incident_id))
        return True


# -- words


def dedup_key(deployment: str, root: Root, number: int) -> str:
    """Return what an incident is called at every vendor: the `number`-th of a root."""
    key = f"sluice:{deployment}:{root.kind}:{root.name}:{root.partition_key}" + (
        f"#{number}" if number > 1 else ""
    )
    if len(key) <= _KEY_LENGTH:
        return key
    digest = hashlib.sha256(key.encode()).hexdigest()[:_DIGEST_LENGTH]
    return f"{key[: _KEY_LENGTH - len(digest) - 1]}~{digest}"


def body_of(incident: Incident, action: Action, said: str = "") -> dict[str, Any]:
    """Return what a message says of an incident: names, numbers and what to do; no value of the data."""
    findings = [_finding(item) for item in incident.findings]
    exports = [
        f"{item['export']} [{item['partition_key']}]" if item["partition_key"] else item["export"]
        for item in incident.affected
    ]
    more = [f"and {len(exports) - _SHOWN} more"] if len(exports) > _SHOWN else []
    facts = {
        "incident": str(incident.id),
        "owner": incident.owner,
        "holds up": ", ".join([*exports[:_SHOWN], *more]),
        "nearest deadline": f"{utc(incident.due_at):%Y-%m-%d %H:%M} UTC" if incident.due_at else "",
        "run": next((item.run_id for item in findings if item.run_id), ""),
        "step": next((item.step for item in findings if item.step), ""),
    }
    holds = (
        f"; holds up {len(exports)} {'delivery' if len(exports) == 1 else 'deliveries'}" if exports else ""
    )
    done = {Action.RESOLVE: "resolved: ", Action.ACKNOWLEDGE: "acknowledged: "}.get(action, "")
    kinds = ", ".join(dict.fromkeys(item.kind.value for item in findings))
    return {
        "dedup_key": incident.dedup_key,
        "title": f"{done}{root_of(incident)}: {kinds}{'' if done else holds}",
        "urgency": incident.urgency,
        "what": said or "\n".join(item.what for item in findings),
        "fix": "" if done else "\n".join(dict.fromkeys(item.fix for item in findings if item.fix)),
        "source": str(root_of(incident)),
        "facts": {name: value for name, value in facts.items() if value},
        "links": {},
    }


def summary_body(title: str, what: str, deployment: str) -> dict[str, Any]:
    """Return what a message says that is of many incidents."""
    return {
        "dedup_key": f"sluice:{deployment}:summary",
        "title": title,
        "urgency": Urgency.INFO.value,
        "what": what,
        "fix": "`sluice incidents`",
        "source": deployment,
        "facts": {},
        "links": {},
    }


def held_back(deployment: str, now: datetime) -> Callable[[Sequence[Message]], dict[str, Any]]:
    """Return how one message is worded that stands for many which a channel could not be sent."""

    def worded(messages: Sequence[Message]) -> dict[str, Any]:
        ends = {item.incident_id for item in messages if item.action == Action.RESOLVE}
        still = {item.incident_id: item for item in messages if item.incident_id not in ends}
        still.pop(None, None)
        hours = (now - min(item.queued_at for item in messages)).total_seconds() / 3600
        lines = [str(item.body["title"]) for item in list(still.values())[:_SHOWN]]
        lines += [f"and {len(still) - _SHOWN} more"] if len(still) > _SHOWN else []
        title = (
            f"{len(messages)} messages of {hours:.1f} h were not sent; {len(still)} incidents are still open"
        )
        return summary_body(title, "\n".join(lines), deployment)

    return worded


def notice_of(message: Message) -> Notice:
    """Return a message as channels send it."""
    body = dict(message.body)
    return Notice(
        message.notice,
        Action(message.action),
        at=message.queued_at,
        urgency=Urgency(body.pop("urgency")),
        **body,
    )


def _headline(trouble: Trouble) -> str:
    return f"{trouble.root}: {', '.join(dict.fromkeys(item.kind.value for item in trouble.findings))}"


def _news_of(incident: Incident) -> frozenset[str]:
    findings = tuple(_finding(said) for said in incident.findings)
    affected = tuple(Affected(item["export"], item["partition_key"], "") for item in incident.affected)
    return Trouble(root_of(incident), Urgency(incident.urgency), findings, affected=affected).news


def _finding(said: Mapping[str, str]) -> Finding:
    return Finding(TroubleKind(said["kind"]), said["what"], said["fix"], said["run_id"], said["step"])


def _place(root: Root) -> Place:
    return root.kind.value, root.name, root.partition_key
