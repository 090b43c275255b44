"""Export file -> `Export`: one dbt model, whole, to one destination object.

Belongs here: reading the files, and what is wrong in one of them or between two. Does not belong here: the
fields (`spec`), the model's columns (`exported_model`).
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from orchestration.core.freshness import overdue_after
from orchestration.core.partitions import Grain
from orchestration.core.problems import Problem, did_you_mean
from orchestration.core.stages import Stage, stage_of
from orchestration.core.yaml_files import YamlFile, fields_at, yaml_folder
from orchestration.delivery.export_files.last_mile import WARNED_BEFORE, last_mile_sql
from orchestration.delivery.export_files.places import Places
from orchestration.delivery.export_files.spec import ExportSpec, spec_model
from orchestration.destinations.base import Capabilities, DeliveryError, Destination
from orchestration.destinations.registry import destination_types

FOLDER = "exports"
SUFFIXES = (".yml", ".yaml")
# What somebody writes who wants less than the whole model; it belongs in dbt, where it is tested.
_SELECTING_FIELDS = frozenset(
    {"select", "columns", "where", "filter", "query", "sql", "limit", "exclude", "transform"}
)


@dataclass(frozen=True)
class RestsOn:
    """An exception in a dbt file without which an export's fields have a class that may not go there.

    `column` is the one that it is said of, with its table; `until` its last day (UTC).
    """

    column: str
    from_: str
    to: str
    by: str
    until: date
    file: str
    line: int
    sent: tuple[str, ...]

    def days_left(self, today: date) -> int:
        """Return how many days it will still hold, 0 on the last; negative once it has ended."""
        return (self.until - today).days

    @property
    def fields(self) -> str:
        """The fields that need it, in words, and what they would be."""
        named = ", ".join(f"`{field}`" for field in self.sent)
        return f"{named} {'is' if len(self.sent) == 1 else 'are'} {self.from_}"


@dataclass(frozen=True)
class MadeOfWork:
    """A table of stage work that an export is made of, and its last day (UTC), with where a file says it."""

    name: str
    expires: date
    owner: str
    file: str
    line: int

    def ended(self, today: date) -> bool:
        """Whether its time is over."""
        return self.expires < today

    @property
    def what(self) -> str:
        """What is wrong once it has ended."""
        return f"the time of `{self.name}`, which is work, ended on {self.expires}"

    @property
    def mend(self) -> str:
        """What is done about it."""
        return (
            f"{self.owner} makes it production's (`sluice env promote {self.name}`), takes it away, or"
            f" decides anew how long it is worked on (`expires` in {self.file}:{self.line})"
        )


@dataclass(frozen=True)
class Export:
    """One export; its name is its model's.

    `rests_on`, and of which `work` it is made, is known once the whole project is read.
    """

    name: str
    spec: ExportSpec
    file: YamlFile
    rests_on: tuple[RestsOn, ...] = ()
    work: tuple[MadeOfWork, ...] = ()

    @property
    def stage(self) -> Stage:
        """The stage of its file."""
        return stage_of(self.file.name)

    @property
    def asset_key(self) -> tuple[str, str]:
        """The asset that delivers it."""
        return "delivered", self.name

    def overdue_after(self, grain: Grain) -> timedelta | None:
        """Return how long nothing may be delivered of partitions of a grain; None without a deadline."""
        deadline = self.spec.deadline
        if deadline is None or not grain.timed:
            return None
        return overdue_after(grain.span.longest, deadline.span)

    @property
    def place(self) -> tuple[str, str, str]:
        """One spelling for the object it writes to; two exports must not share it."""
        destination = self.spec.destination
        kind = destination_types[destination.type]
        return destination.type, destination.connection, kind.canonical_name(destination.object)

    def field(self, column: str) -> str:
        """Return what the destination calls a column of the model."""
        return self.spec.names.get(column, column)

    @property
    def key_fields(self) -> tuple[str, ...]:
        """The key, as the destination calls its columns."""
        return tuple(self.field(column) for column in self.spec.key)

    @property
    def columns(self) -> dict[str, str]:
        """The model's columns by what the destination calls them, where that is something else."""
        return {field: column for column, field in self.spec.names.items()}

    @property
    def maps(self) -> dict[str, list[tuple[str | None, str | None]]]:
        """{field: [(the model's value, what is sent in its place)]}, as texts that the engine reads."""
        return {
            self.field(rule.map.column): [(_plain(old), _plain(new)) for old, new in rule.map.values.items()]
            for rule in self.spec.last_mile
            if rule.map
        }

    def last_mile_sql(
        self, columns: Mapping[str, str], quoted: Callable[[str], str]
    ) -> tuple[list[str], dict[str, str]]:
        """Return the conditions that every row to send meets, and {model column: what is sent instead}.

        `columns` is {model column: SQL type}; both results are SQL over the model's own columns and values.
        """
        return last_mile_sql(self.spec.last_mile, columns, quoted)

    def exception_warnings(self, today: date) -> list[str]:
        """Return the exceptions that end within two weeks, each with what is to be done."""
        return [
            f"the exception that lets `{one.column}` count as {one.to} ends on {one.until}, in"
            f" {one.days_left(today)} days; without it {one.fields}, and nothing is sent; {one.by} takes the"
            f" data out, or decides anew until when it holds (`until` in {one.file}:{one.line})"
            for one in self.rests_on
            if 0 <= one.days_left(today) <= WARNED_BEFORE.days
        ]

    def last_mile_warnings(self, today: date) -> list[str]:
        """Return the rules that expire within two weeks, each with what is to be done."""
        return [
            f"{rule}: expires on {rule.expires}, in {rule.days_left(today)} days; {rule.owner} moves it into"
            f" the dbt model `{self.spec.model}` or takes it away ({rule.issue})"
            for rule in self.spec.last_mile
            if 0 <= rule.days_left(today) <= WARNED_BEFORE.days
        ]


def _plain(value: Any) -> str | None:
    return None if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def capabilities_of(kind: type[Destination]) -> Capabilities | None:
    """Return what a kind of destination can do; None of one that does not say."""
    return getattr(kind, "capabilities", None)


def load_exports(
    project_dir: Path, stages: Collection[Stage] = tuple(Stage)
) -> tuple[dict[str, Export], list[Problem]]:
    """Read `exports/`; return the exports of these stages by name, and every problem found.

    No clock is asked: what an export says for a time only is asked when it is used (`expiry`).
    """
    files, problems = yaml_folder(project_dir / FOLDER, project_dir, SUFFIXES, stages=stages)
    exports: dict[str, Export] = {}
    for file in files:
        export, found = read_export(file)
        problems += found
        if export is not None:
            exports[export.name] = export
    return exports, [*problems, *_shared_places(exports)]


def read_export(file: YamlFile) -> tuple[Export | None, list[Problem]]:
    """Return the export of one file, None where its fields do not hold, and every problem found."""
    selecting = _SELECTING_FIELDS & set(file.data)
    problems = [
        file.problem(
            f"`{field}` makes the export send something else than its model",
            expected="`select *` from its own model, and nothing said about it",
            mend=f"move the rule into the dbt model `{file.data.get('model')}`",
            at=(field,),
        )
        for field in sorted(selecting)
    ]
    data = {field: value for field, value in file.data.items() if field not in selecting}
    named: Any = data.get("destination")
    type_: Any = cast("dict[str, Any]", named).get("type") if isinstance(named, dict) else None
    model = ExportSpec
    if isinstance(type_, str) and type_ in destination_types:
        model = spec_model(type_)
    elif isinstance(type_, str):
        problems.append(
            file.problem(
                f"unknown destination type `{type_}`",
                expected=f"one of: {', '.join(sorted(destination_types))}",
                mend=did_you_mean(type_, destination_types),
                at=("destination", "type"),
            )
        )
        # Its options are a type's own, and nobody knows which.
        data["destination"] = {key: value for key, value in named.items() if key != "options"}
    try:
        spec = model.model_validate(data)
    except ValidationError as error:
        return None, problems + file.model_problems(error, lambda at: fields_at(model, at))
    if model is ExportSpec:
        return None, problems
    kind = destination_types[spec.destination.type]
    try:
        kind.canonical_name(spec.destination.object)
    except DeliveryError as error:
        at = ("destination", "object")
        return None, [*problems, file.problem(error.what, expected=error.expected, mend=error.mend, at=at)]
    name = file.path.name.removesuffix(".yml").removesuffix(".yaml")
    export = Export(name, spec, file)
    problems += _name_problems(export)
    problems += _capability_problems(export, capabilities_of(kind))
    return export, problems


def _name_problems(export: Export) -> Iterator[Problem]:
    spec, file = export.spec, export.file
    if export.name != spec.model:
        yield file.problem(
            f"the file is named `{export.name}`, its model is `{spec.model}`",
            expected="a file named after its model, since both are one to one",
            mend=f"rename the file to {spec.model}.yml or correct the model",
            at=("model",),
        )
    fields: dict[str, str] = {}
    for column, name in spec.names.items():
        if name == column:
            yield file.problem(
                f"`names` calls `{column}` what it is called",
                expected="columns whose fields have another name",
                mend="take the line away",
                at=("names", column),
            )
        other = fields.setdefault(name.lower(), column)
        if other != column:
            yield file.problem(
                f"`names` calls both `{other}` and `{column}` `{name}`",
                expected="a field of its own each, whatever the case of its letters",
                mend="give one of them another name",
                at=("names", column),
            )


def _capability_problems(export: Export, capabilities: Capabilities | None) -> Iterator[Problem]:
    spec, file = export.spec, export.file
    if capabilities is None:
        return
    if spec.mode not in capabilities.modes:
        modes = sorted(mode.value for mode in capabilities.modes)
        yield file.problem(
            f"`{spec.destination.type}` knows no `mode: {spec.mode}`",
            expected=f"one of: {', '.join(modes)}",
            mend=f"deliver with `mode: {modes[0]}`" if len(modes) == 1 else "choose one of them",
            at=("mode",),
        )
    if capabilities.keys.single and len(spec.key) > 1:
        yield file.problem(
            f"a key of {len(spec.key)} columns, but `{spec.destination.type}` tells rows apart by one field",
            expected="one column",
            mend=f"make one of them in the dbt model `{spec.model}`",
            at=("key",),
        )


def _shared_places(exports: Mapping[str, Export]) -> Iterator[Problem]:
    models: dict[str, Export] = {}
    places = Places[Export]()
    for export in exports.values():
        other = models.setdefault(export.spec.model, export)
        if other is not export:
            yield export.file.problem(
                f"model `{export.spec.model}` is exported twice",
                expected=f"a model of its own ({other.file.name} has this one)",
                mend="make a second exp_… model",
                at=("model",),
            )
        other = places.claim(export.place, export)
        if other is not None:
            yield export.file.problem(
                f"`{export.spec.destination.object}` of connection"
                f" `{export.spec.destination.connection}` is written by two exports",
                expected=f"an object outside that of {other.file.name}",
                mend="send to another object",
                at=("destination", "object"),
            )
