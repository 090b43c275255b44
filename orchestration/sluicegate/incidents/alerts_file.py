"""`alerts.yaml`: who is told of what, by which channel, and when not.

Belongs here: reading the file, what is wrong between two of its parts or with the project's names, and what
it says of one trouble. Does not belong here: what a field may be (`alerts_spec`), sending (`channels`).

No part of the graph's identity: a change of the file holds from the next look on, without a reload.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, ValidationError

from sluicegate.core.problems import Problem, ProjectError, did_you_mean
from sluicegate.core.relations import RAW
from sluicegate.core.settings import Settings
from sluicegate.core.stages import Stage
from sluicegate.core.yaml_files import YamlFile, fields_at, read_yaml
from sluicegate.incidents.alerts_spec import (
    ADDRESS,
    CHANNEL_TYPES,
    LOG,
    NAME,
    OWNER,
    AlertsSpec,
    ChannelSpec,
    EmailChannel,
    LogChannel,
    RouteSpec,
    Selecting,
    WindowSpec,
)
from sluicegate.incidents.trouble import RootKind, Trouble
from sluicegate.project.export_models import ExportModels
from sluicegate.project.loading import Project

FILE = "alerts.yaml"
# How the other files of a project may end as well.
_UNREAD = "alerts.yml"
_BY_OWNER = ":"
_NAMES = {"lasts": "for"}
# Fields of which the value is a text for people.
_MAY_BE_URLS = ("name", "room")
_ALL_TO_LOG = AlertsSpec(routes=(RouteSpec(to=(LOG,)),))


@dataclass(frozen=True)
class Answerable:
    """Who answers for something, and where they talk, as a file says, the one that is named."""

    owner: str
    room: str
    said_in: str


@dataclass(frozen=True)
class Names:
    """What the file may name, and who answers for each: sources, and tables and exports of production."""

    source: Mapping[str, Answerable]
    table: Mapping[str, Answerable]
    export: Mapping[str, Answerable]

    @classmethod
    def of(cls, project: Project) -> "Names":
        """Return the names of a project."""
        models = ExportModels(project.manifest)
        sources = {
            contract.name: Answerable(contract.owner, contract.channel, contract.file.name)
            for contract in project.contracts.values()
        }
        tables = {str(contract.relation): sources[name] for name, contract in project.contracts.items()}
        for node in project.manifest.nodes.values():
            if node.stage is Stage.WORK:  # production does not know it, and reads the same file
                continue
            tables[str(node.relation)] = Answerable(models.owner(node), "", node.described_in)
        exports = {
            name: Answerable(export.spec.owner, export.spec.channel or "", export.file.name)
            for name, export in project.exports.items()
            if export.stage is Stage.PRODUCTION
        }
        return cls(sources, tables, exports)

    @property
    def everyone(self) -> Iterator[Answerable]:
        """Whoever answers for something."""
        yield from [*self.source.values(), *self.table.values(), *self.export.values()]


@dataclass(frozen=True)
class Step:
    """Who is told besides, once nobody has acknowledged for so long."""

    after: timedelta
    recipients: tuple[str, ...]


class Alerts:
    """What the file says; without a file all goes to the log.

    A recipient is a channel's name, or `name:address` of a channel of e-mail that an owner is told by.
    """

    def __init__(self, spec: AlertsSpec = _ALL_TO_LOG) -> None:
        self.spec = spec
        self.channels: Mapping[str, ChannelSpec] = {LOG: LogChannel(type="log"), **spec.channels}

    def recipients(self, trouble: Trouble) -> tuple[str, ...]:
        """Return who is told of a trouble: as the first route says that fits, or, of no owner, the last."""
        fitting = (route for route in self.spec.routes if fits(route, trouble))
        found = self._reached(next(fitting, self.spec.routes[-1]).to, trouble)
        return found or self._reached(self.spec.routes[-1].to, trouble) or (LOG,)

    def escalation(self, trouble: Trouble) -> tuple[Step, ...]:
        """Return who is told next of a trouble that nobody acknowledges, soonest first."""
        steps = [
            Step(step.after, found)
            for step in self.spec.escalation
            if fits(step, trouble) and (found := self._reached(step.to, trouble))
        ]
        return tuple(sorted(steps, key=lambda step: step.after))

    def muted(self, trouble: Trouble, now: datetime) -> tuple[str, datetime] | None:
        """Return the name and the end of the maintenance window that a trouble falls into at a moment (UTC).

        Of several that which ends last.
        """
        windows = (window for window in self.spec.maintenance if fits(window, trouble, whole=True))
        found = [(ends, window.name) for window in windows if (ends := window.ends_at(now))]
        return (max(found)[1], max(found)[0]) if found else None

    def channel_of(self, recipient: str) -> tuple[str, ChannelSpec | None, str]:
        """Return a recipient's channel and address; None where the file has no such channel any more."""
        name, _, address = recipient.partition(_BY_OWNER)
        return name, self.channels.get(name), address

    @property
    def holding(self) -> tuple[str, ...]:
        """The channels that hold each incident open by its key until they are told its end."""
        return tuple(name for name, spec in self.channels.items() if spec.type in ("pagerduty", "webhook"))

    def warnings(self, settings: Settings) -> list[str]:
        """Return what keeps nothing from running, and somebody from being told."""
        said: list[str] = []
        connected = [(f"channel `{name}`", spec) for name, spec in self.spec.channels.items()]
        for what, spec in [*connected, ("`heartbeat`", self.spec.heartbeat)]:
            name = getattr(spec, "connection", "")
            if name and name not in settings.connections:
                variable = settings.variable_of(name)
                said.append(f"{FILE}: {what} has no connection here; set {variable} to its URL")
        used = {name for told in [*self.spec.routes, *self.spec.escalation] for name in told.to}
        rooms = used if OWNER in used else set[str]()
        for name, spec in self.spec.channels.items():
            by_owner = OWNER in rooms and (spec.room or isinstance(spec, EmailChannel))
            if name not in used and not by_owner:
                said.append(f"{FILE}: nobody is told by channel `{name}`; name it under `to` of a route")
        return said

    def _reached(self, to: Sequence[str], trouble: Trouble) -> tuple[str, ...]:
        found: list[str] = []
        for name in to:
            if name == OWNER:
                found += reaching(self.channels, trouble.owner, trouble.channel)
            elif (spec := self.channels.get(name)) and (told := _by_mail(name, spec, trouble.owner)):
                found.append(told)
        return tuple(dict.fromkeys(found))


def fits(selector: Selecting, trouble: Trouble, *, whole: bool = False) -> bool:
    """Whether a selector means a trouble; `whole`: every export that waits for its end is meant as well."""
    root = trouble.root
    held = [affected.export for affected in trouble.affected]
    source = root.name if root.kind is RootKind.SOURCE else root.name.removeprefix(f"{RAW}.")
    of_source = root.kind is RootKind.SOURCE or (root.kind is RootKind.TABLE and source != root.name)
    by_name = [
        not selector.source or (of_source and _among(source, selector.source)),
        not selector.table or (root.kind is RootKind.TABLE and _among(root.name, selector.table)),
        not selector.owner or _among(trouble.owner, selector.owner),
    ]
    if selector.export:
        exports = [root.name, *held] if root.kind is RootKind.DELIVERY else held
        meant = [_among(export, selector.export) for export in exports]
        by_name.append(bool(meant) and (all(meant) if whole else any(meant)))
    kinds = {finding.kind for finding in trouble.findings}
    return (
        all(by_name)
        and (not selector.kind or not kinds.isdisjoint(selector.kind))
        and trouble.urgency.rank >= selector.urgency.rank
    )


def reaching(channels: Mapping[str, ChannelSpec], owner: str, room: str) -> list[str]:
    """Return the recipients that an owner is reached by: where their people talk, or else by e-mail."""
    rooms = [name for name, spec in channels.items() if room and spec.room == room]
    if rooms:
        return [told for name in rooms if (told := _by_mail(name, channels[name], owner))]
    mail = next(
        (name for name, spec in channels.items() if isinstance(spec, EmailChannel) and OWNER in spec.to), ""
    )
    return [f"{mail}{_BY_OWNER}{owner}"] if mail and ADDRESS.fullmatch(owner) else []


def _by_mail(name: str, spec: ChannelSpec, owner: str) -> str:
    """A channel's recipient; "" of one that mails nobody but an owner, who has no address."""
    if not isinstance(spec, EmailChannel) or OWNER not in spec.to:
        return name
    if ADDRESS.fullmatch(owner):
        return f"{name}{_BY_OWNER}{owner}"
    return "" if _mails_owners(spec) else name


def _among(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def load_alerts(project_dir: Path, project: Project) -> Alerts:
    """Return what the file of a project says, as it is now.

    Raises:
        ProjectError: the file does not hold, with every problem found.
    """
    if (unread := project_dir / _UNREAD).exists():
        told = "a file that nothing reads", f"{FILE} alone", f"rename it to {FILE}, or take it away"
        raise ProjectError([Problem(unread.name, 1, *told)])
    return read_alerts(project_dir, Names.of(project)) if (project_dir / FILE).exists() else Alerts()


def read_alerts(project_dir: Path, names: Names) -> Alerts:
    """Return what the file says, which is there.

    Raises:
        ProjectError: the file does not hold, with every problem found.
    """
    file = read_yaml(project_dir / FILE, project_dir)
    if isinstance(file, Problem):
        raise ProjectError([file])
    spec = _read(file)
    if spec is not None:
        _check(file, spec, names)
    if file.problems or spec is None:
        raise ProjectError(file.problems)
    return Alerts(spec)


def _read(file: YamlFile) -> AlertsSpec | None:
    data = dict(file.data)
    if secrets := list(_secrets(data)):
        for at in secrets:  # what else is wrong may show it, and is not told yet
            what = f"`{'.'.join(map(str, at))}` is no name, and not shown, as it may be a secret"
            fix = "write a name there, and set SLUICE_CONNECTION_<NAME> to the URL"
            file.complain(what, expected="small letters, digits and _", fix=fix, at=at)
        return None
    named: Any = data.pop("channels", None) or {}
    if not isinstance(named, dict):
        what, fix = f"`channels` is {named!r}", "write `name: {type: …, connection: …}` below it"
        file.complain(what, expected="channels by their names", fix=fix, at=("channels",))
        named = {}
    # Of a channel that does not hold its name is known all the same.
    channels = {
        str(name): _channel(file, str(name), written) or LogChannel(type="log")
        for name, written in cast("dict[Any, Any]", named).items()
    }
    spec = _validated(file, AlertsSpec, data, ())
    return spec.model_copy(update={"channels": channels}) if isinstance(spec, AlertsSpec) else None


def _secrets(written: Any, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the places of URLs, and of what else is no connection's name."""
    if isinstance(written, dict | list):
        parts: Any = written.items() if isinstance(written, dict) else enumerate(written)
        for name, value in parts:
            yield from _secrets(value, (*at, name))
    elif isinstance(written, str) and (
        (at[-1] == "connection" and not NAME.fullmatch(written))
        or ("://" in written and at[-1] not in _MAY_BE_URLS)
    ):
        yield at


def _channel(file: YamlFile, name: str, written: Any) -> ChannelSpec | None:
    at = ("channels", name)
    if name in (OWNER, LOG) or not NAME.fullmatch(name):
        what = f"small letters, digits and _, and neither `{OWNER}` nor `{LOG}`, which mean something"
        file.complain(f"a channel is named `{name}`", expected=what, fix="give it another name", at=at)
    type_: Any = cast("dict[str, Any]", written).get("type") if isinstance(written, dict) else None
    if type_ not in CHANNEL_TYPES:
        what, expected = f"channel `{name}` is of type `{type_}`", f"one of: {', '.join(CHANNEL_TYPES)}"
        file.complain(what, expected=expected, fix=did_you_mean(str(type_), CHANNEL_TYPES), at=(*at, "type"))
        return None
    return cast("ChannelSpec | None", _validated(file, CHANNEL_TYPES[type_], written, at))


def _validated(
    file: YamlFile, model: type[BaseModel], data: Any, at: tuple[str | int, ...]
) -> BaseModel | None:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        file.problems += file.model_problems(error, lambda inner: fields_at(model, inner), at, _NAMES)
        return None


def _check(file: YamlFile, spec: AlertsSpec, names: Names) -> None:
    """Complain of what is wrong between two parts of the file, or is no name of the project."""
    known = {*spec.channels, LOG, OWNER}
    telling = [(("routes", index), route) for index, route in enumerate(spec.routes)]
    telling += [(("escalation", index), step) for index, step in enumerate(spec.escalation)]
    for at, told in telling:
        for name in set(told.to) - known:
            fix = did_you_mean(name, known)
            what, expected = f"unknown channel `{name}`", "one that stands under `channels`"
            file.complain(what, expected=expected, fix=fix, at=(*at, "to", told.to.index(name)))
        if OWNER in told.to:
            _check_owners(file, spec, names, (*at, "to"))
    muting = [(("maintenance", index), window) for index, window in enumerate(spec.maintenance)]
    for at, selector in [*telling, *muting]:
        _check_names(file, selector, names, at)
    crons = [window for window in spec.maintenance if window.cron]  # what comes once ends
    together = [[one for one in crons if one.covers(window)] for window in crons]
    for index, windows in enumerate(together):
        if windows not in together[:index] and not WindowSpec.ends_together(windows):
            named = " and ".join(f"`{one.name}`" for one in windows)
            at = ("maintenance", spec.maintenance.index(windows[-1]))
            expected, fix = "a moment between them", "shorten one of them"
            file.complain(f"the windows {named} together never end", expected=expected, fix=fix, at=at)
    *others, last = spec.routes
    for index, route in enumerate(others):
        if route.selects_all:
            what = f"route {index + 1} fits every incident, so no later one is ever asked"
            file.complain(what, expected="such a route at the end", fix="move it down", at=("routes", index))
        earlier = [one for one in others[:index] if one.covers(route) and not one.selects_all]
        if earlier:
            before = others.index(earlier[0]) + 1
            what, expected = (
                f"route {index + 1} is never asked",
                f"one that fits what route {before} does not",
            )
            fix = f"move it above route {before}, or take it away"
            file.complain(what, expected=expected, fix=fix, at=("routes", index))
    at = ("routes", len(others))
    if not last.selects_all:
        expected, fix = "one that says `to` alone, for all others", f"add `- {{to: [{LOG}]}}` at the end"
        file.complain("the last route does not fit every incident", expected=expected, fix=fix, at=at)
    elif all(name == OWNER or _mails_owners(spec.channels.get(name)) for name in last.to):
        what = "the last route tells nobody of what has no owner"
        fix = f"write `to: [{', '.join([*last.to, LOG])}]`"
        file.complain(what, expected="a channel that needs no owner as well", fix=fix, at=(*at, "to"))


def _mails_owners(spec: ChannelSpec | None) -> bool:
    return isinstance(spec, EmailChannel) and set(spec.to) == {OWNER}


def _check_names(file: YamlFile, selector: Selecting, names: Names, at: tuple[str | int, ...]) -> None:
    owners = {one.owner: one for one in names.everyone if one.owner}
    all_names = {"source": names.source, "table": names.table, "export": names.export, "owner": owners}
    for field, known in all_names.items():
        for pattern in getattr(selector, field):
            if not any(fnmatchcase(name, pattern) for name in known):
                expected = f"one of this project's {field}s, or a pattern with *"
                what, fix = f"`{field}: {pattern}` means nothing here", did_you_mean(pattern, known)
                file.complain(what, expected=expected, fix=fix, at=(*at, field))


def _check_owners(file: YamlFile, spec: AlertsSpec, names: Names, at: tuple[str | int, ...]) -> None:
    for one in names.everyone:
        if one.owner and not reaching(spec.channels, one.owner, one.room):
            room = f'add `room: "{one.room}"` to a channel'
            where = f", `channel: {one.room}`" if one.room else ""
            mail = f"`mail: {{type: email, connection: smtp, to: [{OWNER}]}}`"
            fixes = [room] if one.room else []
            fixes += [f"add a channel {mail}"] if ADDRESS.fullmatch(one.owner) else []
            file.complain(
                f"`{OWNER}` reaches nobody for `{one.owner}` ({one.said_in}{where})",
                expected="a channel whose `room` is the owner's, or e-mail and an owner with an address",
                fix=" or ".join(fixes) or f"write a `channel` or an e-mail address there ({one.said_in})",
                at=at,
            )


def alerts_unchecked(project_dir: Path) -> Alerts:
    """Return what the file says, whatever the project is; all to the log if it does not hold."""
    file = read_yaml(project_dir / FILE, project_dir) if (project_dir / FILE).exists() else None
    spec = _read(file) if file is not None and not isinstance(file, Problem) else None
    return Alerts(spec) if spec is not None else Alerts()
