"""The platform, watched from outside the daemon: by the records alone, whether somebody still looks.

Belongs here: what only somebody outside can tell. Does not belong here: what a look finds (`looking`).
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

from sqlalchemy.exc import DBAPIError

from sluicegate.core.problems import ProjectError
from sluicegate.destinations.bounded import bounded
from sluicegate.incidents.alerts_file import Alerts, alerts_unchecked
from sluicegate.incidents.channels.base import ChannelBusy, ChannelRefused
from sluicegate.incidents.channels.log import to_output
from sluicegate.incidents.channels.opening import tell
from sluicegate.incidents.looking import deployment_name, disk_troubles, send_all
from sluicegate.incidents.settling import notice_of, summary_body
from sluicegate.incidents.telling import platform_trouble, recipients
from sluicegate.incidents.trouble import Action, Trouble, Urgency
from sluicegate.state.deployment import Deployment
from sluicegate.state.incidents import LOOKS
from sluicegate.state.outbox import Message
from sluicegate.state.upgrade import StateStoreUnavailable

_WATCHED = "watch: "
_OLD = timedelta(minutes=15)
# What a look from outside may take of its own: to read the records, and to send what they hold.
SECONDS = 60.0
# There while somebody was told that the records do not answer: beside them, as they could not hold it.
SILENT_FILE = "records-silent"


class RecordsSilent(Exception):
    """The records did not answer in time."""


def watch(
    deployment: Deployment,
    load_project: Callable[[], object],
    quiet_for: timedelta,
    write: Callable[[str], None] = to_output,
    seconds: float = SECONDS,
) -> list[Trouble]:
    """Return what is wrong with the platform; each is told once, and once that it is over.

    Args:
        deployment: its records are read.
        load_project: loads the project, or raises ProjectError.
        quiet_for: how long no look may have been made.
        write: takes a line of the channel `log`.
        seconds: so long the records may take to answer; what they do not hold is told past the outbox.
    """
    alerts, found = alerts_unchecked(deployment.settings.project_dir), list[Trouble]()
    try:
        load_project()
    except ProjectError as error:
        what = f"the project does not load: {error.told[0]}"
        found.append(platform_trouble("project", what, "`sluice check`"))

    def look(_: Callable[[], None]) -> list[Trouble]:
        every = [*_troubles(deployment, quiet_for), *found]
        _tell(deployment, alerts, every, write)
        return every

    silent, why = deployment.settings.data_dir / SILENT_FILE, f"not within {seconds:g} s"
    try:
        found = bounded(seconds, look, lambda: RecordsSilent(why))
    except (RecordsSilent, StateStoreUnavailable, DBAPIError) as error:
        why = why if isinstance(error, RecordsSilent) else type(error).__name__
        what = f"the records do not answer ({why}), so nobody is told what is wrong"
        fix = "see whether the database of SLUICE_STATE_URL, or the disk, is well; then `sluice alerts watch`"
        trouble = platform_trouble("records", what, fix, Urgency.CRITICAL)
        if not silent.exists() and _past_the_outbox(deployment, alerts, Action.OPEN, trouble, write):
            silent.parent.mkdir(parents=True, exist_ok=True)
            silent.touch()
        return [trouble, *found]
    over = platform_trouble("records", "they answer again", "")
    if silent.exists() and _past_the_outbox(deployment, alerts, Action.RESOLVE, over, write):
        silent.unlink()
    return found


def _past_the_outbox(
    deployment: Deployment, alerts: Alerts, action: Action, trouble: Trouble, write: Callable[[str], None]
) -> bool:
    """Tell a trouble at once, by no record; return whether a channel took it."""
    message = Message("", action, _body(trouble, deployment.settings.project_dir.name), deployment.clock())
    taken = False
    for recipient in recipients(alerts, trouble):
        with suppress(ChannelBusy, ChannelRefused):
            tell(alerts, recipient, deployment.settings, notice_of(message), write)
            taken = True
    return taken


def _body(trouble: Trouble, name: str) -> dict[str, Any]:
    finding = trouble.findings[0]
    key = f"sluice:{name}:watch:{trouble.root.name}"
    return summary_body(f"the platform: {trouble.root}", finding.what, name, key) | {
        "urgency": trouble.urgency.value,
        "fix": finding.fix,
    }


def _tell(deployment: Deployment, alerts: Alerts, found: list[Trouble], write: Callable[[str], None]) -> None:
    """Tell what is new, and what is over."""
    incidents, now, name = deployment.store.incidents, deployment.clock(), deployment_name(deployment)
    beats = [beat for beat in incidents.heartbeats() if beat.component.startswith(_WATCHED) and beat.note]
    before = {beat.component.removeprefix(_WATCHED) for beat in beats}
    news = [(Action.OPEN, item) for item in found if item.root.name not in before]
    ended = sorted(before - {item.root.name for item in found})
    news += [(Action.RESOLVE, platform_trouble(one, "it is right again", "")) for one in ended]
    for action, trouble in news:
        # Told before it is noted: a watcher that dies in between tells it twice, and not never.
        for recipient in recipients(alerts, trouble):
            incidents.outbox.put(Message(recipient, action, _body(trouble, name), now))
        incidents.beat(_WATCHED + trouble.root.name, "", now, "told" if action is Action.OPEN else "")
    send_all(deployment, alerts, False, write=write)


def _troubles(deployment: Deployment, quiet_for: timedelta) -> Iterator[Trouble]:
    now, incidents = deployment.clock(), deployment.store.incidents
    looks = [beat.at for beat in incidents.heartbeats() if beat.component == LOOKS and not beat.host]
    if not looks or now - looks[0] > quiet_for:
        since = f"since {looks[0]:%Y-%m-%d %H:%M} UTC" if looks else "ever"
        yield platform_trouble(
            "looks", f"nobody has looked at what is wrong {since}: the daemon does not run, or its sensor"
            " `incidents` fails", "start it again (`sluice dev`), or run `sluice run`", Urgency.CRITICAL,
        )  # fmt: skip
    waiting = [message for message in incidents.outbox.unsent() if now - message.queued_at > _OLD]
    if waiting:
        yield platform_trouble(
            "outbox", f"{len(waiting)} messages are not sent since {waiting[0].queued_at:%Y-%m-%d %H:%M} UTC",
            "`sluice alerts outbox`",
        )  # fmt: skip
    yield from disk_troubles(deployment.settings)
