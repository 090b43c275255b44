"""kusto/database.yml: whose database it is, and what its tables keep in each kind of deployment.

Belongs here: the file's fields, its problems, and its JSON Schema (in the repository as
docs/kusto_database.schema.json). Does not belong here: connections, which are variables of a deployment.
"""

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError, WithJsonSchema

from sluicegate.core.json_schemas import schema_text_of
from sluicegate.core.problems import Problem, did_you_mean
from sluicegate.core.yaml_files import fields_at, read_yaml
from sluicegate.delivery.export_files.strict import Strict
from sluicegate.kusto.files import FOLDER

FILE = f"{FOLDER}/database.yml"
SCHEMA_FILE = "docs/kusto_database.schema.json"
# "The timespan data type": a number with its unit, or `[days.]hours:minutes:seconds`. A policy of tables is
# made of days and hours; what is less than a minute is a slip.
_SPAN = re.compile(r"[1-9][0-9]{0,4}[dhm]|(?:[0-9]{1,5}\.)?(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]")
# "Database names" are as other names of entities.
_NAME = re.compile(r"[A-Za-z0-9_ .-]{1,260}")


def _span(value: object) -> str:
    if not isinstance(value, str) or not _SPAN.fullmatch(value) or not any(c in value for c in "123456789"):
        raise ValueError("a time span of Kusto, as `14d`, `36h` or `1.12:00:00`")
    return value


def _database(value: object) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ValueError("the name of a database: letters, digits, underscores, spaces, dots and dashes")
    return value


_TEXT = {"type": "string", "pattern": f"^(?:{_SPAN.pattern})$", "description": "a time span, as 14d"}
_Span = Annotated[str, BeforeValidator(_span), WithJsonSchema(_TEXT)]
_Database = Annotated[
    str, BeforeValidator(_database), WithJsonSchema({"type": "string", "pattern": f"^{_NAME.pattern}$"})
]


class Spans(Strict):
    """How long, by the kind of deployment; production's stands in each table's own file."""

    work: _Span | None = None
    scratch: _Span | None = None

    @property
    def said(self) -> dict[str, str]:
        """{kind of deployment: time span}."""
        return {name: str(span) for name, span in self if span is not None}


class DatabaseFile(Strict):
    """The database of `kusto/`.

    Attributes:
        connection: the name of the connection of exports whose database it is.
        scratch: the one database that scratch environments may change.
        retention: for how long tables keep rows in work and scratch, whatever their own files say.
        caching: the same for the hot cache.
    """

    connection: Annotated[str, Field(min_length=1)]
    scratch: _Database | None = None
    retention: Spans = Spans()
    caching: Spans = Spans()


def load_database_file(
    project_dir: Path, connections: Collection[str]
) -> tuple[DatabaseFile | None, list[Problem]]:
    """Return what the file says, and every problem; `connections` are those of exports to ADX."""
    path = project_dir / FILE
    if not path.exists():
        return None, [
            Problem(
                FILE, 1, "is missing", "the connection whose database the files of kusto/ define",
                f"write `connection: {next(iter(sorted(connections)), 'NAME')}` into {FILE}", code="SLU-P007",
            )
        ]  # fmt: skip
    read = read_yaml(path, project_dir)
    if isinstance(read, Problem):
        return None, [read]
    try:
        said = DatabaseFile.model_validate(read.data)
    except ValidationError as error:
        return None, read.model_problems(error, lambda at: fields_at(DatabaseFile, at))
    if said.connection not in connections:
        read.complain(
            f"no export of the type adx sends by the connection `{said.connection}`",
            expected="the connection of exports that feed its tables",
            fix=did_you_mean(said.connection, connections), at=("connection",), code="SLU-P006",
        )  # fmt: skip
    return said, read.problems


def schema_text() -> str:
    """Return the text of the schema file: JSON Schema, draft 2020-12."""
    schema: Mapping[str, Any] = DatabaseFile.model_json_schema()
    return schema_text_of({**schema, "title": "Database of Azure Data Explorer"})
