"""The stage of a definition: what others rely on, or work that is shared before it is that.

A definition is a file of the project directory, and its folder alone says its stage, so that the review of a
folder is the review of a stage (CODEOWNERS). Belongs here: which folder is which. Does not belong here: what
may read what (`project.directions`), nor kinds of deployments (`core.environments`).
"""

from enum import StrEnum

# The folder of each place where definitions are, and the schema and asset group of what is made of it.
WORK = "work"
_FOLDERS = frozenset({"exports", "expectations", "kusto"})
_DBT = "dbt_project"
# What others have made lies there, whatever they call their folders.
_PACKAGES = "dbt_packages"
# Parts of a path that leads out of the project, as dbt's are of macros that all projects share.
_OUTSIDE = frozenset({"", ".."})


class Stage(StrEnum):
    """The stage of a definition; production's reads production's alone, work's reads both."""

    PRODUCTION = "production"
    WORK = "work"


def folder_of(folder: str, stage: Stage) -> str:
    """Return the folder of a stage in one of the folders where definitions are."""
    return f"{folder}/{WORK}" if stage is Stage.WORK else folder


def stage_of(file: str) -> Stage:
    """Return the stage of a file, by its path as it is written, relative to the project directory.

    Work is what lies at any depth below the folder `work` of exports, of expectations, of kusto, and of each
    folder of the dbt project (models, seeds, snapshots, tests, macros, whatever `model-paths` calls it). A
    folder of that name further down (`models/marts/work`) is no stage, nor is one of a package. Case makes no
    difference, as some file systems know none. A link is not followed: that it leads to another stage is a
    problem of its own.
    """
    parts = [part for part in file.replace("\\", "/").casefold().split("/") if part != "."]
    if not _OUTSIDE.isdisjoint(parts[1:]):
        return Stage.PRODUCTION
    if len(parts) > 2 and parts[0] in _FOLDERS:
        below = parts[1]
    elif len(parts) > 3 and parts[0] == _DBT and parts[1] != _PACKAGES:
        below = parts[2]
    else:
        return Stage.PRODUCTION
    return Stage.WORK if below == WORK else Stage.PRODUCTION
