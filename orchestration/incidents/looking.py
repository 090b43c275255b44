"""One look: what is wrong is found, put on record and told. Commands, the sensor and the watcher call it.

Belongs here: the order of these, and the platform's own troubles. Does not belong here: any of them.
"""

import shutil
import uuid
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from orchestration.core.environments import Environment
from orchestration.core.loopback import hosts_in
from orchestration.core.problems import ProjectError
from orchestration.core.secrets import SecretError
from orchestration.core.settings import Settings
from orchestration.destinations.bounded import bounded
from orchestration.incidents.alerts_file import FILE, Alerts, load_alerts
from orchestration.incidents.alerts_spec import LOG
from orchestration.incidents.channels.log import to_output
from orchestration.incidents.ended import WhatEnded
from orchestration.incidents.settling import Settled, body_of, known_of, root_of, settle
from orchestration.incidents.telling import (
    SECONDS,
    channel_troubles,
    escalate_all,
    platform_trouble,
    recipients,
    send,
)
from orchestration.incidents.trouble import Action, Root, Trouble, Urgency
from orchestration.incidents.troubles import Differing, FailedRun, find_troubles
from orchestration.operations.site import Site
from orchestration.state.adoption import NotTheOne
from orchestration.state.deployment import Deployment
from orchestration.state.outbox import Message
from orchestration.state.store import StateStore

_DEPLOYMENT, STAGING, PINGED = "deployment", "staging", "heartbeat url"
_PING_SECONDS = 5.0
_DISK_NEARLY_FULL = 0.95


@dataclass(frozen=True)
class Looked:
    """What a look has changed; None where another one was settled meanwhile, which found the same."""

    settled: Settled | None
    sent: int = 0


def look(
    site: Site,
    *,
    failed_runs: Iterable[FailedRun] = (),
    differing: Iterable[Differing] = (),
    others: Iterable[Trouble] = (),
    seconds: float = SECONDS,
    write: Callable[[str], None] = to_output,
) -> Looked:
    """Find what is wrong, put it on record, tell it, and leave a heartbeat.

    Args:
        site: the deployment and its project.
        failed_runs: those that Dagster knows of.
        differing: destinations that differ from what they acknowledged, as Dagster knows.
        others: troubles of the platform that Dagster knows of.
        seconds: so long messages are sent.
        write: takes a line of the channel `log`.
    """
    deployment, store, now = site.deployment, site.deployment.store, site.deployment.clock()
    alerts, broken = alerts_of(site)
    began, complaints = store.incidents.look(), store.incidents.noted(STAGING).splitlines()
    platform = [*channel_troubles(store, now), *disk_troubles(deployment.settings), *others]
    troubles = find_troubles(
        site, now, failed_runs=failed_runs, differing=differing, complaints=complaints,
        known=known_of(store), others=platform,
    )  # fmt: skip
    # Whom a file means that does not hold nobody knows: they are told once it does.
    troubles = [
        replace(item, quiet=item.quiet or bool(broken) or alerts.muted(item, now) is not None)
        for item in troubles
    ]
    if why := deployment.kept_back(asks_areas=False):
        troubles.append(platform_trouble("this deployment", why.what, why.fix, Urgency.CRITICAL))
    settled = settle(
        store, began, [*troubles, *broken], now, lambda trouble, _: recipients(alerts, trouble),
        deployment=deployment_name(deployment), ended=WhatEnded(site), holding=alerts.holding,
        kept=deployment.settings.operations_kept,
    )  # fmt: skip
    if not broken:
        escalate_all(store, alerts, troubles, now)
    elif settled is not None:
        _log(store, {*settled.opened, *settled.reopened, *settled.updated}, now)
    sent = send_all(deployment, alerts, bool(broken), seconds, write)
    ping(deployment, alerts)
    return Looked(settled, sent)


def _log(store: StateStore, roots: Collection[Root], now: datetime) -> None:
    """Write what nobody else is told to the log."""
    for incident in store.incidents.open():
        if root_of(incident) in roots and incident.told is None:
            store.incidents.outbox.put(Message(LOG, Action.OPEN, body_of(incident, Action.OPEN), now))


def alerts_of(site: Site) -> tuple[Alerts, list[Trouble]]:
    """Return what `alerts.yaml` says, and what is wrong with it: then all goes to the log."""
    try:
        return load_alerts(site.deployment.settings.project_dir, site.project), []
    except ProjectError as error:
        what = f"{FILE} does not hold, so nobody is told anything: {error.told[0]}"
        return Alerts(), [platform_trouble(FILE, what, "correct it; `sluice check` says whether it holds")]


def send_all(
    deployment: Deployment,
    alerts: Alerts,
    log_alone: bool,
    seconds: float = SECONDS,
    write: Callable[[str], None] = to_output,
) -> int:
    """Send what waits, or what waits for the log: of a copy, or one without connections, nobody is told."""
    others = any(channel != LOG for channel in deployment.store.incidents.outbox.channels())
    log_alone = log_alone or (others and tells_nobody(deployment) is not None)
    return send(
        deployment.store, alerts, deployment.settings, deployment.clock, log_alone=log_alone,
        deployment=deployment_name(deployment), seconds=seconds, write=write,
    )  # fmt: skip


def tells_nobody(deployment: Deployment, *, asks_areas: bool = True) -> NotTheOne | None:
    """Return why no message leaves this deployment but for the log; None where they do.

    `asks_areas` is as for `Deployment.kept_back`.
    """
    if deployment.identity.kind is Environment.SCRATCH:
        what, expected = (
            "a scratch deployment has no connections",
            "the channel `log`, which goes to the output",
        )
        return NotTheOne(what, expected, "`sluice incident list` shows what is wrong")
    return deployment.kept_back(asks_areas=asks_areas)


def deployment_name(deployment: Deployment) -> str:
    """Return what tells this deployment from others at a vendor, as its records say."""
    incidents = deployment.store.incidents
    if not incidents.noted(_DEPLOYMENT):
        incidents.beat(_DEPLOYMENT, "", deployment.clock(), uuid.uuid4().hex[:8])
    return f"{deployment.settings.project_dir.name}-{incidents.noted(_DEPLOYMENT)}"


def note_complaints(deployment: Deployment, complaints: Sequence[str]) -> None:
    """Put on record what the look into staging complains of, which only who takes drops in has to ask."""
    said = "\n".join(dict.fromkeys(complaints))
    if deployment.store.incidents.noted(STAGING) != said:
        deployment.store.incidents.beat(STAGING, "", deployment.clock(), said)


def disk_troubles(settings: Settings) -> Iterable[Trouble]:
    """Yield what is wrong with the disk of the data directory."""
    usage = shutil.disk_usage(settings.data_dir)
    if usage.used / usage.total > _DISK_NEARLY_FULL:
        yield platform_trouble(
            "disk", f"the disk of {settings.data_dir} is more than {_DISK_NEARLY_FULL:.0%} full",
            "make room; docs/runbook.md, The disk is nearly full", Urgency.CRITICAL,
        )  # fmt: skip


def ping(deployment: Deployment, alerts: Alerts) -> None:
    """Call the heartbeat URL, so that somebody else notices when no look is made; its failure is noted."""
    beat = alerts.spec.heartbeat
    if not beat or tells_nobody(deployment, asks_areas=False) is not None:
        return
    try:
        url = deployment.settings.connection(beat.connection)
    except SecretError as error:
        deployment.store.incidents.beat(PINGED, "", deployment.clock(), str(error))
        return
    if not url:
        return
    import httpx

    if wrong := deployment.settings.led_elsewhere(beat.connection, hosts_in(url)):
        deployment.store.incidents.beat(PINGED, "", deployment.clock(), str(wrong))
        return
    try:
        # An answer that comes byte by byte keeps no look waiting.
        answer = bounded(_PING_SECONDS, lambda _: httpx.get(url, timeout=_PING_SECONDS), TimeoutError)
        said = "" if answer.is_success else f"HTTP {answer.status_code}"
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
        said = type(error).__name__  # its text holds the URL, which is a secret
    deployment.store.incidents.beat(PINGED, "", deployment.clock(), said)
