"""What every step of a run does first: make sure that the graph is still that of the project's files.

Belongs here: that, in Dagster's terms, and the place that a step takes in the warehouse. Does not belong
here: what a step does.
"""

from collections.abc import Generator
from contextlib import contextmanager

import dagster as dg

from sluicegate.core.problems import ProjectChanged
from sluicegate.transformation.identity import ProjectIdentity


class SaysNothing(dg.Failure):
    """A step that failed, and said nothing about the data: its run is tried once more (`second_tries`)."""


# Steps that work in the warehouse take a place in Dagster's pool of this name.
POOL = "warehouse"


@contextmanager
def of_one_project(project: ProjectIdentity) -> Generator[None]:
    """Refuse to work on files that the graph was not made of, before the block and within it.

    Raises:
        dagster.Failure: a file of the project has changed since this process loaded it; it says "reload".
    """
    with told_of_changes():
        project.require_unchanged()
        yield


@contextmanager
def told_of_changes() -> Generator[None]:
    """Do the same for a block that looks at the files itself."""
    try:
        yield
    except ProjectChanged as changed:
        raise dg.Failure(description=str(changed), allow_retries=False) from None
