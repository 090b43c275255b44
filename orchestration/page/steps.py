"""Which step of a run made something, what repeats it, and which variables it reads.

Belongs here: names of steps, commands and variables. Does not belong here: what a step said (`logs`), a value
of any variable.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from orchestration.columns.graph import DELIVERED
from orchestration.core.partitions import as_option
from orchestration.core.relations import RAW
from orchestration.page.look import Look

_LOADS, _DELIVERS, _BETWEEN = "load__", "deliver__", "__"
_CONNECTION_PREFIXES = ("SLUICE_CONNECTION_", "SLUICE_WORK_CONNECTION_")
# What every process of a deployment has to be told, whether it is set or has its default.
_ALWAYS = ("SLUICE_DATA_DIR", "SLUICE_PROJECT_DIR")


@dataclass(frozen=True)
class Step:
    """What a step made, and how it is repeated: the commands, the one to type first, and its variables."""

    relation: str
    export: str
    commands: Sequence[str]
    variables: Sequence[str]


def step_of(relation: str) -> str:
    """Return the step that makes a table, or delivers an export, `delivered.<export>`."""
    if relation.startswith(f"{DELIVERED}."):
        return _DELIVERS + relation.removeprefix(f"{DELIVERED}.")
    if relation.startswith(f"{RAW}."):
        return _LOADS + relation.removeprefix(f"{RAW}.")
    return relation.replace(".", _BETWEEN, 1)


def step(look: Look, name: str, key: str) -> Step:
    """Return what repeats a step; of one that is no table's and no export's, nothing does alone."""
    relation, export, connection = "", "", ""
    project = look.read.project
    if name.startswith(_DELIVERS):
        export = name.removeprefix(_DELIVERS)
        relation = look.relation_of(export) or ""
        if project is not None and export in project.exports:
            connection = project.exports[export].spec.destination.connection
    elif name.startswith(_LOADS):
        source = name.removeprefix(_LOADS)
        relation = f"{RAW}.{source}"
        if project is not None and source in project.contracts:
            connection = project.contracts[source].connector
    else:
        known = project.lineage.tables if project is not None else ()
        relation = next((one for one in known if step_of(one) == name), "")
    option = as_option(key)
    again = [f"sluice table rerun {relation}{option}"] if relation else []
    commands = ["sluice run --retry", *again] if export or not relation else again
    return Step(relation, export, commands, _variables(look, connection))


def _variables(look: Look, connection: str) -> list[str]:
    """Return the names of the variables that the step's process reads, without other steps' connections."""
    named = {name for name in os.environ if name.startswith("SLUICE_")} | set(_ALWAYS)
    found = {name for name in named if not name.startswith(_CONNECTION_PREFIXES)}
    if connection in look.settings.connections:
        found.add(look.settings.variable_of(connection))
    return sorted(found)
