"""The platform, watched from outside the daemon: by the records alone, whether somebody still looks.

Belongs here: what only somebody outside can tell. Does not belong here: what a look finds (`looking`).
"""

from collections.abc import Callable, Iterator
from datetime import timedelta

from orchestration.core.problems import ProjectError
from orchestration.incidents.alerts_file import alerts_unchecked
from orchestration.incidents.channels.log import to_output
from orchestration.incidents.looking import deployment_name, disk_troubles, send_all
from orchestration.incidents.settling import summary_body
from orchestration.incidents.telling import platform_trouble, recipients
from orchestration.incidents.trouble import Action, Trouble, Urgency
from orchestration.state.deployment import Deployment
from orchestration.state.incidents import LOOKS
from orchestration.state.outbox import Message

_WATCHED = "watch: "
_OLD = timedelta(minutes=15)


def watch(
    deployment: Deployment,
    load_project: Callable[[], object],
    quiet_for: timedelta,
    write: Callable[[str], None] = to_output,
) -> list[Trouble]:
    """Return what is wrong with the platform; each is told once, and once that it is over.

    Args:
        deployment: its records are read.
        load_project: loads the project, or raises ProjectError.
        quiet_for: how long no look may have been made.
        write: takes a line of the channel `log`.
    """
    incidents, now = deployment.store.incidents, deployment.clock()
    found = list(_troubles(deployment, load_project, quiet_for))
    alerts = alerts_unchecked(deployment.settings.project_dir)
    before = {
        beat.component: beat.note for beat in incidents.heartbeats() if beat.component.startswith(_WATCHED)
    }
    ended = {name.removeprefix(_WATCHED) for name, note in before.items() if note} - {
        item.root.name for item in found
    }
    news = [(Action.OPEN, item) for item in found if not before.get(_WATCHED + item.root.name)]
    news += [(Action.RESOLVE, platform_trouble(name, "it is right again", "")) for name in sorted(ended)]
    for action, trouble in news:
        finding, name = trouble.findings[0], deployment_name(deployment)
        body = summary_body(f"the platform: {trouble.root}", finding.what, name) | {
            "dedup_key": f"sluice:{name}:watch:{trouble.root.name}",
            "urgency": trouble.urgency.value,
            "fix": finding.fix,
        }
        # Told before it is noted: a watcher that dies in between tells it twice, and not never.
        for recipient in recipients(alerts, trouble):
            incidents.outbox.put(Message(recipient, action, body, now))
        incidents.beat(_WATCHED + trouble.root.name, "", now, "told" if action is Action.OPEN else "")
    send_all(deployment, alerts, False, write=write)
    return found


def _troubles(
    deployment: Deployment, load_project: Callable[[], object], quiet_for: timedelta
) -> Iterator[Trouble]:
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
    try:
        load_project()
    except ProjectError as error:
        yield platform_trouble("project", f"the project does not load: {error.told[0]}", "`sluice check`")
