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

from orchestration.core.partitions import place
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
from orchestration.state.incidents import Changes, Event, Incident, Look, Place
from orchestration.state.moments import utc
from orchestration.state.outbox import Message
from orchestration.state.store import StateStore

# A root that is bad again within this time was never right.
REOPENED_WITHIN = timedelta(hours=24)
# A year, and what a month's end or a holiday may delay a look at it.
INCIDENTS_KEPT = timedelta(days=400)
_KEY_LENGTH = 255
_DIGEST_LENGTH = 16
_SHOWN = 10
_ANYBODY = Trouble(Root(RootKind.PLATFORM, "incidents"), Urgency.INFO, ())
_NOBODYS: dict[str, Any] = {"acknowledged_by": "", "acknowledged_at": None, "snoozed_until": None}
_AGAIN = {**_NOBODYS, "resolved_at": None, "resolution": "", "escalation": 0}

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
    holding: Sequence[str] = (),
    kept: timedelta = INCIDENTS_KEPT,
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
        holding: channels that hold what they were told open until they are told its end, once or twice.
        kept: so long what is over stays on record.

    Returns:
        What was changed; None where another look was settled meanwhile, and this one's changes fell away.
    """
    with store.incidents.settling(look, now) as changes:
        if changes is None:
            return None
        settled = _Settling(changes, look, now, routes, deployment, holding).settle(list(troubles), ended)
    if look.last_at is not None and look.last_at.date() != now.date():
        store.incidents.forget(now - kept)
        store.operations.forget(now - kept)
    return settled


@dataclass
class _Settling:
    changes: Changes
    look: Look
    now: datetime
    routes: Routes
    deployment: str
    holding: Sequence[str]

    def settle(self, troubles: list[Trouble], ended: Ended) -> Settled:
        self._mutes = self.changes.mutes()
        open_ = self.changes.open()
        lost = self._lost() if self.look.since_a_restore else set()
        if self.look.tells_nobody:
            self.changes.drop_waiting()
        done: dict[str, list[Root]] = {"opened": [], "updated": [], "reopened": [], "resolved": []}
        found = {_place(trouble.root) for trouble in troubles}
        parents = {_place(root): trouble.root for trouble in troubles for root in trouble.holds}
        for where, incident in open_.items():
            if where not in found:
                reason = f"it is part of {parents[where]}" if where in parents else ""
                self._resolve(incident, reason or ended(root_of(incident)) or "it is right by now")
                done["resolved"].append(root_of(incident))
        for trouble in troubles:
            incident = open_.get(_place(trouble.root))
            if became := self._follow(incident, trouble) if incident else self._begin(trouble):
                done[became].append(trouble.root)
        if not self.look.tells_nobody:
            self._end_summaries()
        elif troubles or open_:
            self._sum_up(troubles, done["resolved"])
        self._close(lost)
        roots = {name: tuple(found) for name, found in done.items()}
        return Settled(**roots, told=self.changes.messages)

    def _lost(self) -> set[tuple[str, int]]:
        """Return the (channel, incident id) of what may have been told open since the backup."""
        # What was on its way, what was wrong or was just over; whatever began after it has left no record.
        since = (self.look.last_at or self.now) - REOPENED_WITHIN
        known = [one.id for one in self.changes.open_since(since)]
        return self.changes.may_be_open(self.holding) | {
            (name, id_) for name in self.holding for id_ in known
        }

    def _begin(self, trouble: Trouble) -> str:
        """Open an incident: the last one of the same root, where that was resolved within a day."""
        root, earlier = trouble.root, self.changes.earlier(_place(trouble.root))
        # Who is told nothing of a first look is told of what changes from there on.
        values = self._values(trouble)
        values["told"] = sorted(trouble.news) if self.look.tells_nobody else None
        last = earlier[-1].resolved_at if earlier else None
        if last is not None and self.now - last < REOPENED_WITHIN:
            became, incident = "reopened", replace(earlier[-1], **values, **_AGAIN)
            self.changes.change(incident.id, **values, **_AGAIN)
        else:
            key = dedup_key(self.deployment, root, len(earlier) + 1)
            incident = Incident(root.kind, root.name, root.partition_key, key, opened_at=self.now, **values)
            became, incident = "opened", replace(incident, id=self.changes.insert(incident))
        self._note(incident, became, _headline(trouble))
        self._tell(incident, trouble)
        return became

    def _follow(self, incident: Incident, trouble: Trouble) -> str:
        """Bring an open incident up to date; it never becomes less urgent than it was."""
        urgency = max(trouble.urgency, Urgency(incident.urgency), key=lambda one: one.rank)
        trouble = replace(trouble, urgency=urgency)
        values = self._values(trouble)
        if any(values[name] != getattr(incident, name) for name in _COMPARED):
            self.changes.change(incident.id, **values)
        new = sorted(trouble.news - _news_of(incident))
        if new:
            self._note(incident, "updated", "; ".join(new))
        self._tell(replace(incident, **values), trouble)
        return "updated" if new else ""

    def _resolve(self, incident: Incident, reason: str) -> None:
        values = {"resolved_at": self.now, "updated_at": self.now, "snoozed_until": None}
        self.changes.change(incident.id, resolution=reason, **values)
        self._note(incident, "resolved", reason)
        if self.look.tells_nobody:
            return
        told = self.changes.told(incident.id)
        for channel in told:
            body = body_of(incident, Action.RESOLVE, reason)
            self.changes.tell(Message(channel, Action.RESOLVE, body, self.now, incident.id))
        if self.look.restored and incident.told is not None:
            self._close((channel, incident.id) for channel in self.holding if channel not in told)

    def _tell(self, incident: Incident, trouble: Trouble) -> None:
        """Queue what is new of an open incident, unless nobody is to be told of it now."""
        told = incident.told or ()
        if trouble.news <= set(told):
            return
        if self.look.tells_nobody:
            self.changes.change(incident.id, told=sorted(trouble.news))
            return
        muted = any(mute.covers(incident.place, self.now) for mute in self._mutes)
        if trouble.quiet or muted or incident.status(self.now) == "snoozed":
            return
        action = Action.OPEN if incident.told is None else Action.UPDATE
        for channel in dict.fromkeys([*self.changes.told(incident.id), *self.routes(trouble, action)]):
            body = body_of(incident, action)
            self.changes.tell(Message(channel, action, body, self.now, incident.id))
        self.changes.change(incident.id, told=sorted({*told, *trouble.news}))

    def _sum_up(self, troubles: Sequence[Trouble], resolved: Sequence[Root]) -> None:
        """Queue one message that says what is on record and was told to nobody."""
        why = "the first look at what is wrong here"
        if self.look.since_a_restore:
            why = (
                "the first look since the records were restored: nobody knows what was told since the backup"
            )
        many = sorted(troubles, key=lambda one: (-one.urgency.rank, one.root))
        lines = _few([f"{one.urgency}: {_headline(one)}" for one in many])
        lines += [
            f"resolved since the backup: {root}; close it where it was told" for root in resolved[:_SHOWN]
        ]
        what = "\n".join(
            [f"{why}: each of these is on record as known, and is told of once it changes", *lines]
        )
        title, key = f"{len(troubles)} incidents are open", summary_key(self.deployment, self.now)
        for channel in dict.fromkeys(self.routes(_ANYBODY, Action.SUMMARY)):
            body = summary_body(title, what, self.deployment, key)
            self.changes.tell(Message(channel, Action.SUMMARY, body, self.now))

    def _end_summaries(self) -> None:
        """Queue the end of a summary once all that it stands for is over, or was told by itself."""
        for summary in (one for channel in self.holding for one in self.changes.summaries_on(channel)):
            before = (one for one in self.changes.open().values() if one.opened_at <= summary.queued_at)
            if not any(self.changes.untold(one.id, summary.channel) for one in before):
                what = "each of its incidents is over, or was told by itself since"
                body = {**summary.body, "title": f"resolved: {summary.body['title']}", "what": what}
                self.changes.tell(Message(summary.channel, Action.RESOLVE, body, self.now))

    def _close(self, places: Iterable[tuple[str, int]]) -> None:
        """Queue the end of what a channel may hold open, by no record that it does."""
        for channel, incident_id in sorted(places):
            incident = self.changes.of(incident_id)
            if incident is not None and incident.resolved_at is not None:
                body = body_of(incident, Action.RESOLVE, incident.resolution)
                self.changes.tell(Message(channel, Action.RESOLVE, body, self.now))

    def _values(self, trouble: Trouble) -> dict[str, Any]:
        affected = [
            {**asdict(item), "due_at": item.due_at.isoformat() if item.due_at else None}
            for item in trouble.affected
        ]
        return {
            "urgency": trouble.urgency.value, "owner": trouble.owner, "channel": trouble.channel,
            "updated_at": self.now, "due_at": trouble.due_at, "affected": affected,
            "findings": [{**asdict(finding), "kind": finding.kind.value} for finding in trouble.findings],
        }  # fmt: skip

    def _note(self, incident: Incident, what: str, text: str) -> None:
        self.changes.note(Event(incident.id, self.now, what, text=text))


_COMPARED = ("findings", "affected", "urgency", "due_at")

# -- what people say of it: each returns whether the incident is open


def acknowledge(store: StateStore, incident_id: int, by: str, reason: str, now: datetime) -> bool:
    """Put on record that somebody sees to an incident."""
    event = Event(incident_id, now, "acknowledged", by, reason)
    return _said(store, event, acknowledged_by=by, acknowledged_at=now)


def unacknowledge(store: StateStore, incident_id: int, by: str, reason: str, now: datetime) -> bool:
    """Take back that somebody sees to an incident, or its snooze: it is told of as before."""
    return _said(store, Event(incident_id, now, "unacknowledged", by, reason), **_NOBODYS)


def snooze(store: StateStore, incident_id: int, until: datetime, by: str, reason: str, now: datetime) -> bool:
    """Let nobody be told of an incident until a moment. Its end is told."""
    text = f"until {until:%Y-%m-%d %H:%M} UTC: {reason}"
    return _said(store, Event(incident_id, now, "snoozed", by, text), snoozed_until=until)


def escalate(store: StateStore, incident_id: int, channels: Sequence[str], now: datetime) -> bool:
    """Tell more channels of an open incident, unless somebody has acknowledged it."""
    incident = store.incidents.of(incident_id)
    if incident is None or incident.acknowledged_at:
        return False
    event = Event(incident_id, now, "escalated", text=", ".join(channels))
    return _said(store, event, channels, escalation=incident.escalation + 1)


def _said(store: StateStore, event: Event, channels: Sequence[str] = (), **values: Any) -> bool:
    with store.incidents.changing() as changes:
        incident = changes.of(event.incident_id)
        if incident is None or incident.resolved_at is not None:
            return False
        changes.change(incident.id, **values)
        changes.note(event)
        action, said = Action.OPEN, ""
        if event.what == "acknowledged":
            action, said, channels = (
                Action.ACKNOWLEDGE,
                f"{event.person}: {event.text}",
                changes.told(incident.id),
            )
        for channel in channels:
            changes.tell(Message(channel, action, body_of(incident, action, said), event.at, incident.id))
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
    exports = [place(item["export"], item["partition_key"]) for item in incident.affected]
    facts = {
        "incident": str(incident.id),
        "owner": incident.owner,
        "holds up": ", ".join(_few(exports)),
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


def summary_key(deployment: str, now: datetime) -> str:
    """Return a summary's own key: who has the last one open is called for this one, too."""
    return f"sluice:{deployment}:{now:%Y-%m-%dT%H:%M:%S}:summary"


def summary_body(title: str, what: str, deployment: str, dedup_key: str) -> dict[str, Any]:
    """Return what a message says that is of no single incident."""
    return {
        "dedup_key": dedup_key,
        "title": title,
        "urgency": Urgency.INFO.value,
        "what": what,
        "fix": "`sluice incident list`",
        "source": deployment,
        "facts": {},
        "links": {},
    }


def held_back(deployment: str, now: datetime) -> Callable[[Sequence[Message]], dict[str, Any]]:
    """Return how one message is worded that stands for many which a channel could not be sent."""

    def worded(messages: Sequence[Message]) -> dict[str, Any]:
        ends = {item.body["dedup_key"] for item in messages if item.action == Action.RESOLVE}
        still = {key: item for item in messages if (key := item.body["dedup_key"]) not in ends}
        hours = (now - min(item.queued_at for item in messages)).total_seconds() / 3600
        # Most urgent first, and what somebody sees to last.
        order = sorted(
            still.values(), key=lambda item: (item.action == Action.ACKNOWLEDGE, -_rank(item), item.id)
        )
        lines = _few([str(item.body["title"]) for item in order])
        worst = max(order, key=_rank, default=None)
        title = (
            f"{len(messages)} messages of {hours:.1f} h were not sent; {len(still)} incidents are still open"
        )
        said = {"urgency": worst.body["urgency"]} if worst is not None else {}
        return summary_body(title, "\n".join(lines), deployment, summary_key(deployment, now)) | said

    return worded


def _rank(message: Message) -> int:
    return Urgency(message.body.get("urgency", Urgency.INFO)).rank


def _few(lines: Sequence[str]) -> list[str]:
    more = len(lines) - _SHOWN
    return [*lines[:_SHOWN], *([f"and {more} more"] if more > 0 else [])]


def notice_of(message: Message) -> Notice:
    """Return a message as channels send it."""
    body: dict[str, Any] = {**message.body, "urgency": Urgency(message.body["urgency"])}
    return Notice(message.notice, Action(message.action), at=message.queued_at, **body)


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
