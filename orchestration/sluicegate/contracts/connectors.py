"""`contracts/connectors.yml`: the places that drops may come from, a list that platform engineers keep.

A connector is a staging area by name; its URL is a setting (`SLUICE_STAGING_URL` for `staging`,
`SLUICE_CONNECTION_<NAME>` for any other), so that a contract holds in every environment.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from sluicegate.core.problems import Problem
from sluicegate.core.yaml_files import Location, read_yaml

STAGING = "staging"
# Without a file there is the staging area alone, on any storage that we know.
_TYPES = ("local", "azure", "s3")
_DEFAULT: Mapping[str, frozenset[str]] = {STAGING: frozenset(_TYPES)}


class Connector(BaseModel):
    """One connector; `types` are the ODCS server types that it may be in some environment."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    types: list[Literal["local", "azure", "s3"]]
    description: str = ""


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    connectors: list[Connector]


def load_connectors(path: Path, project_dir: Path, problems: list[Problem]) -> Mapping[str, frozenset[str]]:
    """Return {connector: the ODCS server types it may have}; `staging` alone where there is no file."""
    if not path.exists():
        return _DEFAULT
    read = read_yaml(path, project_dir)
    if isinstance(read, Problem):
        problems.append(read)
        return _DEFAULT
    try:
        found = _File.model_validate(read.data)
    except ValidationError as error:
        problems += read.model_problems(error, _known_fields)
        return _DEFAULT
    return {connector.name: frozenset(connector.types) for connector in found.connectors}


def _known_fields(at: Location) -> list[str]:
    return list((Connector if at else _File).model_fields)
