"""environments.yml: what scratch environments may have, what work may, how long what is published stays.

Belongs here: the file's fields, what holds without it, its problems, and its JSON Schema (in the repository
as docs/environments.schema.json). Does not belong here: what is published (`publishing`), environments.

No part of the graph's identity: a change of the file holds from the next command or run on.
"""

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError, WithJsonSchema

from sluicegate.contracts.classes import ClassRules
from sluicegate.contracts.columns import OPEN_CLASSIFICATIONS
from sluicegate.core.json_schemas import schema_text_of
from sluicegate.core.problems import Problem
from sluicegate.core.yaml_files import fields_at, read_yaml
from sluicegate.delivery.export_files.strict import Strict

FILE = "environments.yml"
SCHEMA_FILE = "docs/environments.schema.json"
# How the other files of a project may end as well.
_UNREAD = "environments.yaml"
_SPAN = re.compile(r"([1-9][0-9]{0,3})d")
_LONGEST_LEASE, _LONGEST_KEPT = 30, 366
OPEN = tuple(sorted(OPEN_CLASSIFICATIONS - {""}))


def _days(longest: int) -> Any:
    def read(value: object) -> int:
        found = _SPAN.fullmatch(str(value))
        if found is None or int(found[1]) > longest:
            raise ValueError(f"a number of days from 1d to {longest}d, as `{min(30, longest)}d`")
        return int(found[1])

    schema = {"type": "string", "pattern": f"^{_SPAN.pattern}$", "description": f"days, {longest}d at most"}
    return Annotated[int, BeforeValidator(read), WithJsonSchema(schema)]


class ScratchSpec(Strict):
    """Scratch environments: how long they last, how many days they have without a word, which classes."""

    keep: _days(_LONGEST_LEASE) = 30  # pyright: ignore[reportInvalidTypeForm]
    days: Annotated[int, Field(strict=True, ge=1, le=_LONGEST_KEPT)] = 7
    classes: tuple[Annotated[str, Field(min_length=1)], ...] = OPEN


class WorkSpec(Strict):
    """Definitions that are work: how long one may last, and the connections that their exports send by."""

    at_most: _days(_LONGEST_KEPT) = 180  # pyright: ignore[reportInvalidTypeForm]
    connections: tuple[Annotated[str, Field(min_length=1)], ...] = ()


class ProductionSpec(Strict):
    """Production: for how long a version stays that a catalogue names, once a newer one is published."""

    keep_published: _days(_LONGEST_KEPT) = 30  # pyright: ignore[reportInvalidTypeForm]


class EnvironmentRules(Strict):
    """Rules for the environments of a project: scratch ones, work, and what production publishes for them."""

    scratch: ScratchSpec = ScratchSpec()
    work: WorkSpec = WorkSpec()
    production: ProductionSpec = ProductionSpec()


def load_environment_rules(project_dir: Path, classes: ClassRules) -> tuple[EnvironmentRules, list[Problem]]:
    """Return what the file says, or what holds without it, and every problem found."""
    if (project_dir / _UNREAD).exists():
        return EnvironmentRules(), [
            Problem(
                _UNREAD, 1, "is not read", f"the name {FILE}", f"`git mv {_UNREAD} {FILE}`", code="SLU-P005"
            )
        ]
    path = project_dir / FILE
    if not path.exists():
        return EnvironmentRules(), []
    read = read_yaml(path, project_dir)
    if isinstance(read, Problem):
        return EnvironmentRules(), [read]
    try:
        rules = EnvironmentRules.model_validate(read.data)
    except ValidationError as error:
        known = lambda at: fields_at(EnvironmentRules, at)  # noqa: E731
        return EnvironmentRules(), read.model_problems(error, known)
    for place, word in enumerate(rules.scratch.classes):
        if wrong := classes.unknown(word):
            read.complain(
                f"`scratch.classes` names `{word}`", expected=wrong[0], fix=wrong[1],
                at=("scratch", "classes", place), code="SLU-P006",
            )  # fmt: skip
    return rules, read.problems


def schema_text() -> str:
    """Return the text of the schema file: JSON Schema, draft 2020-12."""
    return schema_text_of({**EnvironmentRules.model_json_schema(), "title": "Environments"})
