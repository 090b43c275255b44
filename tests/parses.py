"""dbt's parses of this test process, and places for copies of projects: parsing takes longer than most tests.

A parse is of a place and of the files in it. So a copy of a project lies where an earlier test's copy lay,
and a deployment is lent what was made of the very same files before; the platform finds out for itself
whether they are the same. Of other files it is lent what was found of each piece of code that they share.
What is parsed of a company in the repository is lent to the other processes of the run as well.
Belongs here: that. Does not: what is copied, and any expectation.
"""

import json
import os
import shutil
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sluicegate.core.problems import Problem
from sluicegate.core.settings import REPOSITORY, Settings
from sluicegate.project import loading
from sluicegate.project.loading import Project, load_project
from sluicegate.quality.trials.found import Trials
from sluicegate.transformation import manifest
from sluicegate.transformation.manifest import DbtManifest
from sluicegate.transformation.project_files import stamp_of
from sluicegate.transformation.runner import DbtProcess

_FOLDER = TemporaryDirectory(prefix="sluice_parses_")
# The processes that xdist starts get the first one's folder by the environment; it goes with that process.
_ALL = Path(os.environ.setdefault("PYTEST_SHARED_PARSES", _FOLDER.name), "companies")
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


def lend_what_was_found() -> None:
    """Have a deployment that has bound no SQL and tried no rule begin with what others found in this process.

    A deployment keeps both by digests of the code, in two files: so an edited project binds anew what was
    edited, as it does for users, and not all of it because its directory is new. One that has parsed nothing
    begins with what was made of the very same files of a company in the repository.
    """
    bind, leave, load = manifest.bind_project, Trials.__exit__, manifest.load_manifest

    def load_manifest(settings: Settings) -> DbtManifest:
        folder = settings.dbt_target_dir
        kept = None if (folder / "manifest.json").exists() else _place_for_all(settings)
        if kept is not None and not kept.exists():
            _wanted[folder] = kept
        elif kept is not None:
            folder.mkdir(parents=True, exist_ok=True)
            _copy(kept, folder)
            _take(folder, settings.warehouse_path.stem)
            _tried.update(json.loads((folder / _TRIED).read_bytes()))
        return load(settings)

    def bind_project(
        settings: Settings, dbt: DbtProcess, content: Mapping[str, Any], digests: Mapping[str, str]
    ) -> list[Problem]:
        folder = settings.dbt_target_dir
        if not (folder / _BOUND).exists() and not (folder / _TRIED).exists():
            _lend(folder, settings.warehouse_path.stem, digests)
        problems = bind(settings, dbt, content, digests)
        _take(folder, settings.warehouse_path.stem)
        _tried_in.append((folder, _wanted.pop(folder, None)))
        return problems

    def leave_trials(self: Trials, *error: object) -> None:
        leave(self, *error)
        while _tried_in:  # rules are tried once the SQL is bound
            folder, kept = _tried_in.pop()
            with suppress(FileNotFoundError):
                _tried.update(json.loads((folder / _TRIED).read_bytes()))
                if kept is not None:
                    _keep_for_all(folder, kept)

    manifest.bind_project = bind_project
    manifest.load_manifest = loading.load_manifest = load_manifest
    setattr(Trials, "__exit__", leave_trials)  # noqa: B010


_BOUND, _TRIED = "bound.json", "rule_trials.json"
# {(database, dbt's unique id, digest of its code): what was found of it}, and what it was found by.
_bound: dict[tuple[str, str, str], Any] = {}
_by: dict[str, Any] = {}
# {digest of a rule: what it can fail by}, and where more of it is about to be written and is to be kept.
_tried: dict[str, str] = {}
_tried_in: list[tuple[Path, Path | None]] = []
# {where a company in the repository is about to be parsed: where the others will look for it}.
_wanted: dict[Path, Path] = {}


def _lend(folder: Path, database: str, digests: Mapping[str, str]) -> None:
    nodes = {
        name: _bound[database, name, code]
        for name, code in digests.items()
        if (database, name, code) in _bound
    }
    if nodes:
        (folder / _BOUND).write_text(json.dumps({"by": _by[database], "nodes": nodes}))
    (folder / _TRIED).write_text(json.dumps(_tried))


def _take(folder: Path, database: str) -> None:
    kept = json.loads((folder / _BOUND).read_bytes())
    _by[database] = kept["by"]
    for name, item in kept["nodes"].items():
        _bound[database, name, item["code"].partition(" ")[0]] = item


def _place_for_all(settings: Settings) -> Path | None:
    if not settings.project_dir.is_relative_to(REPOSITORY):
        return None
    return _ALL / f"{stamp_of(settings)} {settings.warehouse_path.stem}"


def _keep_for_all(folder: Path, kept: Path) -> None:
    """Keep what was made of a parse: all of it or nothing, as another process may do the same."""
    half = Path(_FOLDER.name, f"half {kept.name}")
    half.mkdir()
    _copy(folder, half)
    kept.parent.mkdir(exist_ok=True)
    try:
        half.rename(kept)
    except OSError:  # it is there
        shutil.rmtree(half)


def _copy(folder: Path, to: Path) -> None:
    for file in folder.iterdir():
        if file.is_file():
            shutil.copy2(file, to)
