"""What waits in the outbox, brought to its channels; and who is told next of what nobody acknowledges.

A channel's messages go out in order, by whoever holds its lease, at least once each. A channel that does not
take them delays its own and no other's. Belongs here: when a message is tried, and what follows from an
answer. Does not belong here: what is told (`settling`), a vendor's ways (`channels`).
"""

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from sluicegate.core.settings import Settings
from sluicegate.incidents.alerts_file import Alerts
from sluicegate.incidents.alerts_spec import LOG
from sluicegate.incidents.channels.base import ChannelBusy, ChannelRefused
from sluicegate.incidents.channels.log import LogChannel, to_output
from sluicegate.incidents.channels.opening import tell as tell_by
from sluicegate.incidents.settling import escalate, held_back, notice_of, root_of
from sluicegate.incidents.trouble import (
    Action,
    Finding,
    Notice,
    Root,
    RootKind,
    Trouble,
    TroubleKind,
    Urgency,
)
from sluicegate.state.incidents import Incident
from sluicegate.state.leases import LeaseLost, LeaseTimeout
from sluicegate.state.outbox import Message, MessageStatus, Outbox
from sluicegate.state.store import StateStore

# No message is begun after so long; the one that was has a limit of its own (`channels.base`).
SECONDS = 15.0
_FIRST_WAIT = timedelta(seconds=30)
_LONGEST_WAIT = timedelta(minutes=15)
# A channel that says no wants a person; a message that it has said no to for so long is not tried again.
_GIVEN_UP_AFTER = timedelta(days=1)
_REFUSED = "refused: "
_CHANNEL = "channel "


def send(
    store: StateStore,
    alerts: Alerts,
    settings: Settings,
    clock: Callable[[], datetime],
    *,
    deployment: str,
    log_alone: bool = False,
    seconds: float = SECONDS,
    write: Callable[[str], None] = to_output,
) -> int:
    """Send what waits and is due, for so many seconds; return how many messages went out.

    `write` takes a line of the channel `log`, `log_alone` leaves all others as they are.
    """
    until, sent, outbox = time.monotonic() + seconds, 0, store.incidents.outbox
    for recipient in [LOG] if log_alone else outbox.channels():
        # Whoever has the lease sends; who has lost it has sent nothing that another did not know of.
        with (
            suppress(LeaseTimeout, LeaseLost),
            store.leases.hold(f"outbox:{recipient}", wait_seconds=0) as lease,
        ):
            while time.monotonic() < until:
                now = clock()
                # By its key each incident goes out in its newest state; a chat would be flooded.
                keyed = alerts.channel_of(recipient)[0] in alerts.holding
                message = outbox.take(recipient, now, None if keyed else held_back(deployment, now))
                if message is None:
                    break
                lease.still_held()
                if not _tell(outbox, alerts, settings, message, now, write):
                    break
                sent += 1
    return sent


def _tell(
    outbox: Outbox,
    alerts: Alerts,
    settings: Settings,
    message: Message,
    now: datetime,
    write: Callable[[str], None],
) -> bool:
    """Send one message; return whether the channel is to be asked for the next one."""
    wait = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** min(message.attempts - 1, 9))
    notice = notice_of(message)
    url = run_url(settings, notice.facts.get("run", ""), notice.facts.get("step", ""))
    notice = replace(notice, links={"the run": url} if url else {})
    try:
        said = tell_by(alerts, message.channel, settings, notice, write)
    except ChannelRefused as refused:
        gone = alerts.channel_of(message.channel)[1] is None
        if gone or now - message.queued_at > _GIVEN_UP_AFTER:
            outbox.given_up(message, f"{_REFUSED}{refused}", told_anew=gone)
            return True
        if not message.last_error.startswith(_REFUSED):  # there may be no other channel that tells it
            LogChannel(write).send(notice)
        outbox.failed(message, f"{_REFUSED}{refused}", now + _LONGEST_WAIT)
    except ChannelBusy as busy:
        asked = timedelta(seconds=busy.retry_after or 0)
        outbox.failed(message, str(busy), now + max(wait, asked), may_have_arrived=True)
    except Exception as error:  # one of ours: no other channel is the worse for it, and nothing is lost
        outbox.failed(message, f"{type(error).__name__}: {error}", now + wait, may_have_arrived=True)
    else:
        outbox.sent(message, now, said)
        return True
    return False


def run_url(settings: Settings, run_id: str, step: str = "") -> str:
    """Return the address of a run in the UI, at a step; "" of no run, or where it is not said."""
    at = f"?selection={step}" if step else ""
    return f"{settings.ui_url.rstrip('/')}/runs/{run_id}{at}" if settings.ui_url and run_id else ""


def send_test(alerts: Alerts, recipient: str, settings: Settings, deployment: str, now: datetime) -> str:
    """Send a message that is marked as a test, past the outbox; return the vendor's id, "" if it gives none.

    Raises:
        ChannelBusy: not now.
        ChannelRefused: never like this.
    """
    notice = Notice(
        uuid.uuid4().hex, Action.TEST, f"sluice:{deployment}:test", "Sluice can reach you here", Urgency.INFO,
        "somebody typed `sluice alerts test`", "", deployment, now, {}, {},
    )  # fmt: skip
    return tell_by(alerts, recipient, settings, notice)


def channel_troubles(store: StateStore, now: datetime) -> Iterator[Trouble]:
    """Yield what is wrong with channels, by what they did not take: a refused key, or long silence."""
    waiting: dict[str, list[Message]] = {}
    for message in store.incidents.outbox.unsent():
        if message.status == MessageStatus.WAITING:
            waiting.setdefault(message.channel.partition(":")[0], []).append(message)
    for channel, messages in waiting.items():
        said = next((item.last_error for item in messages if item.last_error), "")
        if said.startswith(_REFUSED) or (said and now - messages[0].queued_at > _LONGEST_WAIT):
            what = f"channel `{channel}` takes no message: {said.removeprefix(_REFUSED)}"
            fix = f"correct it, then `sluice alerts test {channel}` and `sluice alerts outbox --retry`"
            yield platform_trouble(f"{_CHANNEL}{channel}", what, fix)


def platform_trouble(name: str, what: str, fix: str, urgency: Urgency = Urgency.ERROR) -> Trouble:
    """Return a trouble of the platform itself."""
    return Trouble(Root(RootKind.PLATFORM, name), urgency, (Finding(TroubleKind.PLATFORM, what, fix),))


def recipients(alerts: Alerts, trouble: Trouble) -> tuple[str, ...]:
    """Return who is told of a trouble: of a channel's not by that channel."""
    of_channel = trouble.root.kind is RootKind.PLATFORM and trouble.root.name.startswith(_CHANNEL)
    channel = trouble.root.name.removeprefix(_CHANNEL) if of_channel else None
    found = [item for item in alerts.recipients(trouble) if alerts.channel_of(item)[0] != channel]
    return tuple(found) or (LOG,)


def escalate_all(store: StateStore, alerts: Alerts, troubles: Sequence[Trouble], now: datetime) -> None:
    """Tell the next in line of what nobody has acknowledged for as long as the file says, once a level."""
    found = {trouble.root: trouble for trouble in troubles if not trouble.quiet}
    with suppress(LeaseTimeout), store.leases.hold("escalation", wait_seconds=0):
        for incident in store.incidents.open():
            trouble, told_at = found.get(root_of(incident)), _told_at(store, incident)
            if trouble is None or told_at is None or incident.status(now) != "open":
                continue
            steps = alerts.escalation(trouble)[incident.escalation :]
            if steps and now - told_at >= steps[0].after:
                escalate(store, incident.id, steps[0].recipients, now)


def _told_at(store: StateStore, incident: Incident) -> datetime | None:
    """Return when somebody was first told that an incident is open, since it last was; None: nobody was."""
    told_at: datetime | None = None
    for message in store.incidents.outbox.of_incident(incident.id) if incident.told is not None else ():
        if message.action == Action.RESOLVE:
            told_at = None
        elif told_at is None:
            told_at = message.queued_at
    return told_at
