"""A dbt model and a destination -> the text of an export file, with `TODO` where only a person knows.

Belongs here: the words and the order of the file, and that it loads before anybody writes it. Does not
belong here: the manifest (`export_models`), the disk.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sluicegate.columns.classes import ClassFlow
from sluicegate.columns.door import class_problems
from sluicegate.core.column_origins import Place
from sluicegate.core.problems import Problem, did_you_mean
from sluicegate.core.relations import Relation
from sluicegate.core.yaml_files import read_yaml
from sluicegate.delivery.export_files.exported_model import ExportedModel, column_problems, sent_columns
from sluicegate.delivery.export_files.exports import FOLDER, Export, capabilities_of, read_export
from sluicegate.delivery.export_files.places import Places
from sluicegate.destinations.base import Capabilities, Destination, Mode
from sluicegate.destinations.registry import destination_types

_PURPOSE = "TODO what the destination does with it, in one sentence"
# What somebody most likely means, of the modes that a destination knows. A CRM, which tells rows apart by one
# field, has records of other people's too: nobody is led to a mode there that removes what the model lacks.
_USUAL_MODES = (Mode.MIRROR, Mode.SNAPSHOT, Mode.UPSERT, Mode.APPEND)
_USUAL_MODES_OF_CRMS = (Mode.UPSERT, Mode.APPEND, Mode.SNAPSHOT, Mode.MIRROR)


@dataclass(frozen=True)
class DraftRequest:
    """Where the model is to go. `key` are its columns, () for those that a dbt test says are unique.

    `mode`, `owner` and `purpose` are what a person has said; empty, where nobody has.
    """

    destination_type: str
    connection: str
    object_name: str
    key: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    mode: str = ""
    owner: str = ""
    purpose: str = ""


@dataclass(frozen=True)
class ModelClasses:
    """The classes of a model's columns: `flow` knows them by their table."""

    flow: ClassFlow
    relation: Relation

    def place(self, column: str) -> Place:
        """Return where a column of the model stands."""
        return Place(self.relation, column)


@dataclass(frozen=True)
class Draft:
    """The text of the file, and what keeps the export from loading until a person has decided it."""

    text: str
    undecided: tuple[Problem, ...]


def draft_export(
    request: DraftRequest,
    model: ExportedModel,
    classes: ModelClasses,
    others: Mapping[str, Export],
    schema: str = "",
) -> Draft:
    """Return a draft that reads as an export; `schema` is the path of the JSON Schema from the file.

    Raises:
        ValueError: no such type, no key, a place that another export writes to, or a value that no export
            may have; says what, what was expected and how to fix it.
    """
    kind = destination_types.get(request.destination_type)
    if kind is None:
        raise ValueError(
            f"unknown destination type `{request.destination_type}`; expected one of:"
            f" {', '.join(sorted(destination_types))};"
            f" {did_you_mean(request.destination_type, destination_types)}"
        )
    latest_only = _latest_only(kind, model)
    key = request.key or model.key
    if latest_only:
        key = tuple(column for column in key if column != model.partition_column)
    if not key:
        raise ValueError(
            f"nothing says what tells the rows of `{model.name}` apart; expected a dbt test `unique` or"
            f" `unique_combination_of_columns` on it; write one in {model.described_in or model.file},"
            " or name the columns with --key"
        )
    text = "\n".join([*_lines(request, kind, model, classes, key, latest_only, schema), ""])
    export, problems = _read(text, model.name)
    undecided: list[Problem] = []
    if export is not None:
        places = Places[Export]()
        for other in others.values():
            if other.name != export.name:
                places.claim(other.place, other)
        if taken := places.claim(export.place, export):
            raise ValueError(
                f"`{request.object_name}` of connection `{request.connection}` is written by"
                f" {taken.file.name}; expected an object of its own; send to another"
            )
        sent = {export.field(column): classes.place(column) for column in sent_columns(export, model)}
        undecided = list(class_problems(export, classes.flow, sent, model.file))
        problems += column_problems(export, model)
    if problems:
        raise ValueError("\n".join(f"{p.what}; expected {p.expected}; {p.fix}" for p in problems))
    return Draft(text, tuple(undecided))


def _read(text: str, name: str) -> tuple[Export | None, list[Problem]]:
    """Read a text as the file it will be; its lines are looked up while the file is there."""
    with TemporaryDirectory() as directory:
        path = Path(directory) / FOLDER / f"{name}.yml"
        path.parent.mkdir()
        path.write_text(text, encoding="utf-8")
        file = read_yaml(path, Path(directory))
        if isinstance(file, Problem):
            return None, [file]
        _ = file.line()
        return read_export(file)


def _latest_only(kind: type[Destination], model: ExportedModel) -> bool:
    capabilities = capabilities_of(kind)
    single = capabilities is not None and capabilities.keys.single
    return single or model.partition_column is None


def _lines(
    request: DraftRequest,
    kind: type[Destination],
    model: ExportedModel,
    classes: ModelClasses,
    key: Sequence[str],
    latest_only: bool,
    schema: str,
) -> Iterator[str]:
    if schema:
        yield f"# yaml-language-server: $schema={schema}"
    yield "# Drafted by `sluice export new`. What only a person knows is marked TODO."
    yield f"model: {_said(model.name)}"
    yield "destination:"
    yield f"  type: {_said(request.destination_type)}"
    yield f"  connection: {_said(request.connection)}  # the name of a URL in the environment"
    yield f"  object: {_said(request.object_name)}"
    yield from _options(request, kind)
    yield from _key(model, key, latest_only)
    yield from _mode(capabilities_of(kind), request.mode)
    if model.partition_column is None:
        yield "partitions: latest  # the model whole: it has no partitions"
    elif latest_only:
        yield "partitions: latest  # the destination holds the newest, whose column is not sent"
    else:
        yield "partitions: each  # every partition is delivered, a corrected one again"
    yield "# names: {model_column: field}  # where the destination calls a column something else"
    yield from _classes({column: classes.flow.of(classes.place(column)) for column in model.types})
    if owner := request.owner or model.owner:
        yield f"owner: {_said(owner)}"
    else:
        yield "owner: team:todo  # TODO an e-mail address, or team:NAME"
    yield '# channel: "#…"  # where the owner\'s people talk'
    yield f"purpose: {_said(request.purpose or _PURPOSE)}"
    if model.partition_column:
        yield "# deadline: {latency: 36, unit: h}  # after the end of the partition; missed, it is shown"
    yield "# limits:  # past one of these a delivery waits for a person"
    yield "#   rows: {min: 1, max: 100000}"
    yield "#   changed_share: 0.5"
    yield "#   removed_share: 0.1"
    yield "#   empty: send  # held by default, but for days that contracts let be empty"
    yield "#   first_load: 100000"


def _options(request: DraftRequest, kind: type[Destination]) -> Iterator[str]:
    fields = kind.options_model.model_fields
    if request.options:
        yield "  options:"
        for name, value in request.options.items():
            yield f"    {_said(name)}: {_said(value)}"
    others = [name for name in fields if name not in request.options]
    if others:
        yield f"  # options: {', '.join(others)}"


def _key(model: ExportedModel, key: Sequence[str], latest_only: bool) -> Iterator[str]:
    column = model.partition_column
    remark = ""
    if not latest_only and column and column not in key:
        remark = f"  # TODO must tell rows of different partitions apart; else add {column}"
    yield f"key: {_said(list(key))}{remark}"


def _mode(capabilities: Capabilities | None, told: str) -> Iterator[str]:
    modes = capabilities.modes if capabilities else frozenset(Mode)
    if told or len(modes) == 1:
        yield f"mode: {told or next(iter(modes)).value}"
        return
    preferred = _USUAL_MODES_OF_CRMS if capabilities and capabilities.keys.single else _USUAL_MODES
    usual = next(mode for mode in preferred if mode in modes)
    yield f"mode: {usual.value}  # TODO one of: {', '.join(sorted(mode.value for mode in modes))}"


def _classes(of_columns: Mapping[str, frozenset[str]]) -> Iterator[str]:
    classes = sorted(frozenset[str]().union(*of_columns.values()))
    if not classes:
        return
    yield "# Data classes that the destination may receive; without a word: internal, public. The model has:"
    for class_ in classes:
        columns = [column for column, found in of_columns.items() if class_ in found]
        yield f"#   {class_}: {', '.join(columns)}"
    yield "# classes: [internal, public]  # TODO which of them its owner agrees to"


def _said(value: object) -> str:
    """Return a value as YAML on one line."""
    import yaml

    text = yaml.safe_dump(value, allow_unicode=True, default_flow_style=True, width=10**9, sort_keys=False)
    return text.removesuffix("\n").removesuffix("\n...")
