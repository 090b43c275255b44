"""Incidents on a terminal, and for machines."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sluicegate.cli.opened import table
from sluicegate.core.partitions import place
from sluicegate.core.settings import Settings
from sluicegate.incidents.telling import run_url
from sluicegate.incidents.trouble import Urgency
from sluicegate.state.incidents import Event, Incident, Mute
from sluicegate.state.outbox import Message

_STYLES = {"critical": "red", "error": "red", "warning": "yellow"}


def incidents_table(found: Sequence[Incident], now: datetime) -> Table:
    """Return a line an incident: open ones first, the most urgent at the top."""
    made = table("incidents", "id", "since", "urgency", "what", "owner", "due in", "#holds up", "status")
    for item in sorted(
        found, key=lambda item: (item.resolved_at is not None, -Urgency(item.urgency).rank, item.id)
    ):
        style = _STYLES.get(item.urgency, "") if item.resolved_at is None else ""
        kinds = ", ".join(dict.fromkeys(finding["kind"] for finding in item.findings))
        made.add_row(
            str(item.id), _at(item.opened_at), f"[{style}]{item.urgency}[/]" if style else item.urgency,
            escape(f"{place(item.root_name, item.partition_key)}: {kinds}"), escape(item.owner),
            _left(item.due_at, now) if item.resolved_at is None else "",
            str(len(item.affected) or ""), item.status(now),
        )  # fmt: skip
    return made


def show_incident(
    item: Incident,
    events: Sequence[Event],
    messages: Sequence[Message],
    settings: Settings,
    now: datetime,
    out: Console,
) -> None:
    """Print an incident as a person needs it: what, what to do, what waits for it, what became of it."""

    def say(text: str, style: str | None = None) -> None:
        out.print(text, style=style, markup=False, soft_wrap=True)

    owner = f", {item.owner} answers for it" if item.owner else ""
    where = place(item.root_name, item.partition_key)
    say(f"incident {item.id}, {item.urgency}, {item.status(now)}: {where}{owner}", "bold")
    for finding in item.findings:
        say(f"✗ {finding['what']}", _STYLES.get(item.urgency))
        if finding["fix"]:
            say(f"  → {finding['fix']}")
        if run := finding["run_id"]:
            clicks = run_url(settings, run, finding["step"])
            step = f", step {finding['step']}" if finding["step"] else ""
            say(f"  → click: {clicks or f'Runs, {run[:8]}{step}, in the UI'}")
    for waits in item.affected:
        due = f", due {_at(datetime.fromisoformat(waits['due_at']))}" if waits["due_at"] else ""
        say(f"– holds up {place(waits['export'], waits['partition_key'])}{due}")
    for event in events:
        by = f" by {event.person}" if event.person else ""
        say(f"  {_at(event.at)} {event.what}{by}{f': {event.text}' if event.text else ''}", "dim")
    for message in messages:
        why = f": {message.last_error}" if message.last_error else ""
        say(f"  {_at(message.queued_at)} {message.action} to {message.channel}: {message.status}{why}", "dim")
    if item.resolved_at is None and item.acknowledged_at is None:
        say(f"to take it on: sluice incident ack {item.id} --reason '…'")


def mutes_table(found: Sequence[Mute]) -> Table:
    """Return a line a mute."""
    made = table("mutes", "number", "what", "until", "by", "reason")
    for item in found:
        what = " ".join(item.selector.values())
        made.add_row(
            str(item.id), escape(what), _at(item.ends_at), escape(item.muted_by), escape(item.reason)
        )
    return made


def outbox_table(found: Sequence[Message]) -> Table:
    """Return a line a message that was not sent."""
    made = table("not told yet", "channel", "since", "incident", "what", "#tries", "next", "why")
    for item in found:
        made.add_row(
            escape(item.channel), _at(item.queued_at), str(item.incident_id or ""), item.action,
            str(item.attempts), _at(item.next_try_at) if item.next_try_at else str(item.status),
            escape(item.last_error),
        )  # fmt: skip
    return made


def message_as_data(item: Message) -> dict[str, Any]:
    """Return a message that was not sent, for machines; not what it says."""
    return {
        "channel": item.channel,
        "since": _iso(item.queued_at),
        "incident": item.incident_id,
        "what": item.action,
        "status": str(item.status),
        "tries": item.attempts,
        "next_try": _iso(item.next_try_at),
        "why": item.last_error,
    }


def as_data(
    item: Incident, now: datetime, events: Sequence[Event] = (), messages: Sequence[Message] = ()
) -> dict[str, Any]:
    """Return an incident for machines; docs/runbook/ lists the keys, which stay."""
    moments = ("opened_at", "updated_at", "due_at", "resolved_at", "acknowledged_at", "snoozed_until")
    return {
        "id": item.id,
        "status": item.status(now),
        "urgency": item.urgency,
        "kind": item.root_kind,
        "name": item.root_name,
        "partition": item.partition_key,
        "owner": item.owner,
        "acknowledged_by": item.acknowledged_by,
        "resolution": item.resolution,
        **{name: _iso(getattr(item, name)) for name in moments},
        "findings": list(item.findings),
        "affected": list(item.affected),
        "events": [
            {"at": _iso(event.at), "what": event.what, "by": event.person, "text": event.text}
            for event in events
        ],
        "messages": [
            {"channel": one.channel, "what": one.action, "status": str(one.status), "why": one.last_error}
            for one in messages
        ],
    }


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"


def _left(due_at: datetime | None, now: datetime) -> str:
    if due_at is None:
        return ""
    minutes = int((due_at - now).total_seconds() // 60)
    late, minutes = ("late by " if minutes < 0 else ""), abs(minutes)
    return f"{late}{minutes // 60} h {minutes % 60} min"
