"""What an export needs to know of its dbt model, and what it may say of the model's columns.

Belongs here: rules about columns. Does not belong here: reading dbt's manifest (`export_models` does),
checks and lineage (`graph_rules`).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from sluicegate.contracts.types import Kind, kind_of
from sluicegate.core.problems import Problem, did_you_mean
from sluicegate.core.yaml_files import Location
from sluicegate.delivery.export_files.exports import Export
from sluicegate.delivery.export_files.last_mile import value_problem
from sluicegate.destinations.base import TECHNICAL_COLUMNS


@dataclass(frozen=True)
class ExportedModel:
    """One dbt model. `file` and `described_in` are relative to the project directory.

    `types` is {column: SQL type, "" where dbt says none}, in the model's order; empty if no column is
    described. `key` are the columns that a dbt test says are unique together, () if none does; `owner` an
    e-mail address, "" if nobody is named.
    """

    name: str
    file: str
    described_in: str
    types: Mapping[str, str]
    partition_column: str | None
    key: tuple[str, ...] = ()
    owner: str = ""
    description: str = ""


def column_problems(export: Export, model: ExportedModel) -> list[Problem]:
    """Return what is wrong between an export file and its model's columns."""
    if not model.types:
        return []
    return [
        *_unknown(export, model),
        *_unsent(export, model),
        *_fields(export, model),
        *_sums(export, model),
        *_last_mile(export, model),
    ]


def sent_columns(export: Export, model: ExportedModel) -> list[str]:
    """Return the model's columns that the destination gets, in the model's order."""
    return sent_of(export, model.types, model.partition_column)


def sent_of(export: Export, columns: Iterable[str], partition_column: str | None) -> list[str]:
    """Return those of a model's columns that the destination gets, in their order."""
    unsent = partition_column if export.spec.latest_only else None
    return [column for column in columns if column != unsent]


def _unknown(export: Export, model: ExportedModel) -> Iterator[Problem]:
    spec = export.spec
    named: list[tuple[str, str, Location]] = [("key column", column, ("key",)) for column in spec.key]
    named += [("column", column, ("names", column)) for column in spec.names]
    named += [("column", column, ("limits", "sums", column)) for column in spec.limits.sums]
    named += [
        ("column", rule.column, ("last_mile", place, rule.kind, "column"))
        for place, rule in enumerate(spec.last_mile)
    ]
    for what, column, at in named:
        if column not in model.types:
            yield export.file.problem(
                f"{what} `{column}` is not in `{model.name}`",
                expected=f"columns of the model: {', '.join(model.types)}",
                fix=did_you_mean(column, model.types),
                at=at,
                code="SLU-P006",
            )


def _unsent(export: Export, model: ExportedModel) -> Iterator[Problem]:
    """With `partitions: latest` the partition's column stays behind: it would be one value in every row."""
    spec, column = export.spec, model.partition_column
    if not spec.latest_only or column is None:
        return
    named: list[Location] = [("key",)] if column in spec.key else []
    named += [("names", column)] if column in spec.names else []
    named += [
        ("last_mile", place, "map")
        for place, rule in enumerate(spec.last_mile)
        if rule.map and rule.column == column
    ]
    for at in named:
        yield export.file.problem(
            f"`{column}` tells the partition, and is not sent with `partitions: latest`",
            expected="other columns: the destination holds one partition, the newest",
            fix="take it away, or deliver with `partitions: each`",
            at=at,
            code="SLU-P046",
        )


def _fields(export: Export, model: ExportedModel) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for column in sent_columns(export, model):
        name = export.field(column)
        at = ("names", column) if column in export.spec.names else ("names",)
        other = seen.setdefault(name.lower(), column)
        if other != column:
            yield export.file.problem(
                f"columns `{other}` and `{column}` would both be sent as `{name}`",
                expected="a field of its own each, whatever the case of its letters",
                fix="give one of them another name under `names`",
                at=at,
                code="SLU-P046",
            )
        if name.lower() in TECHNICAL_COLUMNS:
            yield export.file.problem(
                f"column `{column}` would be sent as `{name}`",
                expected=f"a field that is not the platform's own: {', '.join(TECHNICAL_COLUMNS)}",
                fix="give it another name under `names`",
                at=at,
                code="SLU-P046",
            )


def _sums(export: Export, model: ExportedModel) -> Iterator[Problem]:
    for column in export.spec.limits.sums:
        type_ = model.types.get(column, "")
        if type_ and kind_of(type_.upper()) is not Kind.NUMBER:
            yield export.file.problem(
                f"`{column}` has the type {type_}, and no sum",
                expected="a column of numbers",
                fix="name another, or take the limit away",
                at=("limits", "sums", column),
                code="SLU-P046",
            )


def _last_mile(export: Export, model: ExportedModel) -> Iterator[Problem]:
    mapped: set[str] = set()
    for place, rule in enumerate(export.spec.last_mile):
        at = ("last_mile", place, rule.kind)
        if rule.map and rule.column in mapped:
            yield export.file.problem(
                f"`{rule.column}` is mapped twice",
                expected="one mapping a column: the second would not see what the first makes",
                fix="put the values of both into one",
                at=(*at, "column"),
                code="SLU-P009",
            )
        mapped |= {rule.column} if rule.map else set()
        type_ = model.types.get(rule.column, "")
        for value in dict.fromkeys(rule.named_values) if type_ else ():
            if expected := value_problem(type_, value):
                yield export.file.problem(
                    f"`{value!r}` is no value of `{rule.column}`",
                    expected=expected,
                    fix="correct the value",
                    at=at,
                    code="SLU-P047",
                )
