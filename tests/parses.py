"""dbt's parses of this test process, and places for copies of projects: parsing takes longer than most tests.

A parse is of a place and of the files in it. So a copy of a project lies where an earlier test's copy lay,
and a deployment is lent what was made of the very same files before; the platform finds out for itself
whether they are the same. Belongs here: that. Does not: what is copied, and any expectation.
"""

import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from orchestration.core.settings import Settings
from orchestration.project.loading import Project, load_project
from orchestration.transformation.project_files import stamp_of

_FOLDER = TemporaryDirectory(prefix="sluice_parses_")
_taken: list[Path] = []


def loaded(settings: Settings) -> Project:
    """Return a deployment's project; dbt parses it where nobody in this process has the same files parsed."""
    kept, target = Path(_FOLDER.name, "parsed", stamp_of(settings)), settings.dbt_target_dir
    if kept.exists():
        target.mkdir(parents=True, exist_ok=True)
        _copy(kept, target)
        return load_project(settings)
    project = load_project(settings)
    kept.mkdir(parents=True)
    _copy(target, kept)
    return project


def own_copy(project: Path) -> Path:
    """Copy a project to a place that no other copy has until this test ends (`places_given_back`).

    A copy that a test has already is its own.
    """
    if project in _taken:
        return project
    places = (Path(_FOLDER.name, f"{project.name}_{number}", "project") for number in range(1, 100))
    place = next(place for place in places if place not in _taken)
    _taken.append(place)
    shutil.rmtree(place, ignore_errors=True)
    return shutil.copytree(project, place)


@contextmanager
def places_given_back() -> Generator[None]:
    """Give the places back that are taken in the block."""
    before = len(_taken)
    yield
    del _taken[before:]


def _copy(folder: Path, to: Path) -> None:
    for file in folder.iterdir():
        if file.is_file():
            shutil.copy2(file, to)
