"""`sluice incident show …` and `sluice alerts …`: what is wrong, and who is told.

Belongs here: arguments and what is printed. Does not belong here: work (`incidents`), tables
(`incident_tables`).
"""

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from sluicegate.cli.exits import Code, ended
from sluicegate.cli.opened import By, DataDir, Json, ProjectDir, Reason, account, opened, out, print_json

if TYPE_CHECKING:
    from sluicegate.cli.opened import Opened

app = typer.Typer(help="What is wrong, who takes it on, what is muted.")
alerts_app = typer.Typer(help="Test channels, what was not told, a watch from outside.")

Number = Annotated[
    str, typer.Argument(metavar="ID", help="The incident's number, as `sluice incident list` says.")
]
For = Annotated[str, typer.Option("--for", help="For how long, as 2h, 30min or 3d.")]


@app.command("list")
def list_(
    everything: Annotated[bool, typer.Option("--all", help="Also the last 100 that were resolved.")] = False,
    owner: Annotated[str | None, typer.Option(help="Those alone that this owner answers for.")] = None,
    as_json: Json = False,
    project: ProjectDir = None,
    data: DataDir = None,
) -> None:
    """List what is wrong, one line a cause, most urgent first: since when, whose it is, what it holds up.

    As the last look found it: the sensor looks every 30 seconds, `sluice run` at its end. Ends with code 1 if
    one is open.
    """
    with opened(project, data, typed=False) as here:
        from sluicegate.cli.incident_tables import as_data, incidents_table

        store = here.deployment.store.incidents
        found = store.newest() if everything else store.open()
        found = [item for item in found if owner is None or item.owner == owner]
    if as_json:
        print_json([as_data(item, here.now) for item in found])
    elif found:
        out.print(incidents_table(found, here.now))
    else:
        out.print(
            "no incident" + ("" if everything else " is open; `sluice incident list --all` lists older ones")
        )
    raise ended(any(item.resolved_at is None for item in found))


@app.command()
def show(number: Number, as_json: Json = False, project: ProjectDir = None, data: DataDir = None) -> None:
    """Show one incident: what is wrong, what to type or click, what waits for it, and what became of it."""
    with opened(project, data) as here:
        from sluicegate.cli.incident_tables import as_data, show_incident
        from sluicegate.incidents.people import incident_of

        store = here.deployment.store
        found = incident_of(store, number)
        events, messages = store.incidents.events(found.id), store.incidents.outbox.of_incident(found.id)
    if as_json:
        print_json(as_data(found, here.now, events, messages))
    else:
        show_incident(found, events, messages, here.settings, here.now, out)


@app.command()
def ack(
    number: Number, reason: Reason, by: By = None, project: ProjectDir = None, data: DataDir = None
) -> None:
    """Say that you take an incident on: nobody else is called for it; its end is told as usual."""
    with opened(project, data) as here:
        from sluicegate.incidents.people import open_incident
        from sluicegate.incidents.settling import acknowledge

        found = open_incident(here.deployment.store, number)
        acknowledge(here.deployment.store, found.id, account(by), reason, here.now)
        _say(
            f"incident {found.id} is acknowledged by {account(by)};"
            f" `sluice incident unack {found.id}` takes it back"
        )
        _send(here)


@app.command()
def unack(
    number: Number,
    reason: Annotated[str, typer.Option(help="Why; it is kept.")] = "",
    by: By = None,
    project: ProjectDir = None,
    data: DataDir = None,
) -> None:
    """Take an acknowledgement, or a snooze, back: the incident is told of, and passed on, as before."""
    with opened(project, data) as here:
        from sluicegate.incidents.people import open_incident
        from sluicegate.incidents.settling import unacknowledge

        found = open_incident(here.deployment.store, number)
        unacknowledge(here.deployment.store, found.id, account(by), reason, here.now)
    _say(f"incident {found.id} is nobody's again")


@app.command()
def snooze(
    number: Number,
    span: For,
    reason: Reason,
    by: By = None,
    project: ProjectDir = None,
    data: DataDir = None,
) -> None:
    """Let nobody be told of an incident for a time; what is new by then is told then, its end at once."""
    with opened(project, data) as here:
        from sluicegate.incidents.people import open_incident, span_of
        from sluicegate.incidents.settling import snooze as record

        found, until = open_incident(here.deployment.store, number), here.now + span_of(span)
        record(here.deployment.store, found.id, until, account(by), reason, here.now)
    _say(
        f"incident {found.id} is snoozed until {until:%Y-%m-%d %H:%M} UTC; `sluice incident unack"
        f" {found.id}` ends it"
    )


@app.command()
def mute(
    name: Annotated[str, typer.Argument(help="A source, table or export; `exp_*` is all that begin so.")],
    span: For,
    reason: Reason,
    partition: Annotated[str | None, typer.Option("--partition", help="One partition alone.")] = None,
    by: By = None,
    project: ProjectDir = None,
    data: DataDir = None,
) -> None:
    """Let nobody be told what is wrong with something for a time; what is wrong at its end is told then."""
    with opened(project, data) as here:
        from sluicegate.incidents.people import muted_name, span_of
        from sluicegate.state.incidents import Mute

        selector = {"name": muted_name(here.project, name, partition)} | (
            {"partition_key": partition} if partition else {}
        )
        until = here.now + span_of(span)
        number = here.deployment.store.incidents.mute(Mute(selector, here.now, until, reason, account(by)))
    _say(f"{name} is muted until {until:%Y-%m-%d %H:%M} UTC; `sluice incident unmute {number}` ends it")


@app.command()
def mutes(as_json: Json = False, project: ProjectDir = None, data: DataDir = None) -> None:
    """List what is muted now."""
    with opened(project, data, typed=False) as here:
        from sluicegate.cli.incident_tables import mutes_table

        found = [item for item in here.deployment.store.incidents.mutes() if item.ends_at > here.now]
    if as_json:
        print_json(
            [
                {
                    "number": item.id, "what": dict(item.selector), "until": item.ends_at.isoformat(),
                    "by": item.muted_by, "reason": item.reason,
                }
                for item in found
            ]
        )  # fmt: skip
    else:
        out.print(mutes_table(found) if found else "nothing is muted")


@app.command()
def unmute(
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="As `sluice incident mutes` says.")],
    project: ProjectDir = None,
    data: DataDir = None,
) -> None:
    """Let a mute end now."""
    with opened(project, data) as here:
        known = {item.id for item in here.deployment.store.incidents.mutes()}
        if number not in known or not here.deployment.store.incidents.unmute(number, here.now):
            raise ValueError(f"no mute {number} that has not ended; `sluice incident mutes` lists them")
    _say(f"mute {number} has ended; what is still wrong is told at the next look")


@alerts_app.command("test")
def try_channel(
    channel: Annotated[
        str, typer.Argument(help="Its name in alerts.yaml; `mail:ada@example.com` an owner's.")
    ],
    project: ProjectDir = None,
    data: DataDir = None,
) -> None:
    """Send one message that is marked as a test, at once, and show what the channel says to it.

    Ends with code 1 if the channel did not take it.
    """
    with opened(project, data) as here:
        from sluicegate.incidents.channels.base import ChannelBusy, ChannelRefused
        from sluicegate.incidents.looking import deployment_name, tells_nobody
        from sluicegate.incidents.telling import send_test

        if why := tells_nobody(here.deployment):
            raise ValueError(str(why))
        try:
            said = send_test(here.alerts, channel, here.settings, deployment_name(here.deployment), here.now)
        except (ChannelBusy, ChannelRefused) as error:
            _say(f"{channel} did not take it: {error}")
            raise typer.Exit(Code.ATTENTION) from None
    _say(f"{channel} took it" + (f", and calls it {said}" if said else ""))


@alerts_app.command()
def outbox(
    retry: Annotated[bool, typer.Option("--retry", help="Try all of it now, what was given up too.")] = False,
    as_json: Json = False,
    project: ProjectDir = None,
    data: DataDir = None,
) -> None:
    """List what was not told yet, and why. Ends with code 1 if a channel did not take something."""
    with opened(project, data, typed=False) as here:
        from sluicegate.cli.incident_tables import message_as_data, outbox_table

        waiting = here.deployment.store.incidents.outbox
        if retry:
            waiting.try_again()
            _send(here)
        found = waiting.unsent()
    if as_json:
        print_json([message_as_data(item) for item in found])
    else:
        out.print(outbox_table(found) if found else "all that was to be told is told")
    raise ended(any(item.last_error for item in found))


@alerts_app.command()
def watch(
    minutes: Annotated[int, typer.Option(min=1, help="So long no look at what is wrong may be made.")] = 10,
    project: ProjectDir = None,
    data: DataDir = None,
) -> None:
    """Look from outside whether the platform itself works; for cron, on another machine where there is one.

    Tells, once, when nobody looks any more, when messages do not go out, when the disk is nearly full, when
    the project does not load. Ends with code 1 if something is wrong.
    """
    with opened(project, data, typed=False) as here:
        from sluicegate.incidents.watching import watch as watch_platform

        quiet_for = timedelta(minutes=minutes)
        found = watch_platform(here.deployment, lambda: here.project, quiet_for, _log)
    for trouble in found:
        _say(f"✗ {trouble.findings[0].what}")
        _say(f"  → {trouble.findings[0].fix}")
    if not found:
        out.print("the platform works")
    raise ended(found)


def _send(here: "Opened") -> None:
    """Send what waits, where the project says to whom; otherwise the next look does."""
    from sluicegate.incidents.looking import alerts_of, send_all

    alerts, broken = alerts_of(here.site)
    send_all(here.deployment, alerts, bool(broken), write=_log)


def _log(line: str) -> None:
    """Write a line of the channel `log` where it is in nobody's way who reads the output."""
    typer.echo(line, err=True)


def _say(text: str) -> None:
    out.print(text, markup=False, soft_wrap=True)
