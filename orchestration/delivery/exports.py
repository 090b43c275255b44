"""Export file -> `Export`: one dbt model, whole, to one destination object."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from orchestration.delivery.destinations.base import DeliveryError
from orchestration.delivery.destinations.registry import destination_types
from orchestration.freshness import UNITS, USUAL_FREQUENCY, DurationError, duration, overdue_after
from orchestration.partitions import Grain
from orchestration.problems import Problem, did_you_mean
from orchestration.yaml_files import Location, YamlFile, yaml_folder

SUFFIXES = (".yml", ".yaml")
# How often a partition ends; nobody knows when the next drop of a by-drop source comes.
# What somebody writes who wants less than the whole model; it belongs in dbt, where it is tested.
_SELECTING_FIELDS = frozenset(
    {"select", "columns", "where", "filter", "query", "sql", "limit", "exclude", "transform"}
)


class DestinationSpec(BaseModel):
    """Where an export goes: `connection` by the name that settings know, `object` within it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: str
    connection: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    object: str = Field(min_length=1)


class DeadlineSpec(BaseModel):
    """When a partition must have been delivered: at most `latency` `unit`s after its end."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    unit: str
    latency: float = Field(strict=True)

    @field_validator("unit")
    @classmethod
    def _known(cls, unit: str) -> str:
        if unit not in UNITS:
            raise ValueError(f"one of: {', '.join(UNITS)}")
        return unit

    @field_validator("latency")
    @classmethod
    def _a_duration(cls, latency: float, info: ValidationInfo) -> float:
        try:
            duration(latency, info.data.get("unit", "d"))  # a wrong unit has its own error
        except DurationError as error:
            raise ValueError(error.expected) from None
        return latency


class ExportSpec(BaseModel):
    """The fields of an export file.

    `mode: mirror` with `partitions: each`: the destination's slice of a partition is made equal to the
    model's, and every partition is delivered, a corrected one again. A missed `deadline` is shown; it
    starts nothing and holds nothing.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    destination: DestinationSpec
    key: tuple[str, ...] = Field(min_length=1)
    mode: Literal["mirror"]
    partitions: Literal["each"]
    owner: str
    purpose: str = Field(min_length=1)
    deadline: DeadlineSpec | None = None


@dataclass(frozen=True)
class Export:
    """One export; its name is its model's."""

    name: str
    spec: ExportSpec
    file: YamlFile

    @property
    def asset_key(self) -> tuple[str, str]:
        """The asset that delivers it."""
        return "delivered", self.name

    def overdue_after(self, grain: Grain) -> timedelta | None:
        """Return how long nothing may be delivered of partitions of a grain; None without a deadline."""
        deadline = self.spec.deadline
        if deadline is None or grain not in USUAL_FREQUENCY:
            return None
        return overdue_after(USUAL_FREQUENCY[grain], duration(deadline.latency, deadline.unit))

    @property
    def place(self) -> tuple[str, str, str]:
        """One spelling for the object it writes to; two exports must not share it."""
        destination = self.spec.destination
        kind = destination_types[destination.type]
        return destination.type, destination.connection, kind.canonical_name(destination.object)


def load_exports(project_dir: Path) -> tuple[dict[str, Export], list[Problem]]:
    """Read `exports/`; return the exports by name, and every problem found."""
    files, problems = yaml_folder(project_dir / "exports", project_dir, SUFFIXES)
    exports: dict[str, Export] = {}
    for file in files:
        selecting = _SELECTING_FIELDS & set(file.data)
        problems += [
            file.problem(
                f"`{field}` makes the export send something else than its model",
                expected="`select *` from its own model, and nothing said about it",
                mend=f"move the rule into the dbt model `{file.data.get('model')}`",
                at=(field,),
            )
            for field in sorted(selecting)
        ]
        try:
            data = {field: value for field, value in file.data.items() if field not in selecting}
            spec = ExportSpec.model_validate(data)
        except ValidationError as error:
            problems += file.model_problems(error, _known_fields)
            continue
        name = file.path.name.removesuffix(".yml").removesuffix(".yaml")
        if spec.destination.type not in destination_types:
            problems.append(
                file.problem(
                    f"unknown destination type `{spec.destination.type}`",
                    expected=f"one of: {', '.join(sorted(destination_types))}",
                    mend=did_you_mean(spec.destination.type, destination_types),
                    at=("destination", "type"),
                )
            )
            continue
        try:
            destination_types[spec.destination.type].canonical_name(spec.destination.object)
        except DeliveryError as error:
            at = ("destination", "object")
            problems.append(file.problem(error.what, expected=error.expected, mend=error.mend, at=at))
            continue
        if name != spec.model:
            problems.append(
                file.problem(
                    f"the file is named `{name}`, its model is `{spec.model}`",
                    expected="a file named after its model, since both are one to one",
                    mend=f"rename the file to {spec.model}.yml or correct the model",
                    at=("model",),
                )
            )
        exports[name] = Export(name, spec, file)
    return exports, problems + _shared_places(exports)


def _known_fields(at: Location) -> list[str]:
    nested: dict[Location, type[BaseModel]] = {("destination",): DestinationSpec, ("deadline",): DeadlineSpec}
    return list(nested.get(at, ExportSpec).model_fields)


def _shared_places(exports: dict[str, Export]) -> list[Problem]:
    problems: list[Problem] = []
    models: dict[str, Export] = {}
    places: dict[tuple[str, str, str], Export] = {}
    for export in exports.values():
        other = models.setdefault(export.spec.model, export)
        if other is not export:
            problems.append(
                export.file.problem(
                    f"model `{export.spec.model}` is exported twice",
                    expected=f"a model of its own ({other.file.name} has this one)",
                    mend="make a second exp_… model",
                    at=("model",),
                )
            )
        for place, other in places.items():
            if not overlap(export.place, place):
                continue
            problems.append(
                export.file.problem(
                    f"`{export.spec.destination.object}` of connection"
                    f" `{export.spec.destination.connection}` is written by two exports",
                    expected=f"an object outside that of {other.file.name}",
                    mend="send to another object",
                    at=("destination", "object"),
                )
            )
        places[export.place] = export
    return problems


def overlap(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether two places are one, or one is a folder inside the other; a place ends with its object."""
    (*where, object_name), (*other_where, other_name) = one, other
    shorter, longer = sorted((f"{object_name}/", f"{other_name}/"), key=len)
    return where == other_where and longer.startswith(shorter)
