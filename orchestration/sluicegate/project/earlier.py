"""A project as it was at a git revision, laid out in a folder of its own to be loaded like any other.

What was laid out and loaded is kept by the commit, so that asking again is quick. Belongs here: that folder.
Does not belong here: git (`repository`), what is compared (`columns.changes`).
"""

import hashlib
import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from filelock import FileLock

from sluicegate.core.problems import Mistyped, ProjectError
from sluicegate.core.settings import Settings
from sluicegate.kusto.files import FOLDER as KUSTO
from sluicegate.kusto.reading import KEPT
from sluicegate.project.environments_file import FILE as ENVIRONMENTS_FILE
from sluicegate.project.loading import Project, load_project
from sluicegate.project.repository import commit_of, git

FOLDERS = ("contracts", "dbt_project", "expectations", "exports")
# What is read of a project when it loads.
_LAID_OUT = (*FOLDERS, KUSTO, ENVIRONMENTS_FILE)
_KEPT = 8


@dataclass(frozen=True)
class Earlier:
    """A project at a commit; `project` is None where there was no dbt project yet."""

    commit: str
    settings: Settings
    project: Project | None


@contextmanager
def earlier(settings: Settings, revision: str) -> Generator[Earlier]:
    """Yield the project as it was at a revision; its folder may go once the block has ended.

    Raises:
        ValueError: there is no such revision here, no repository, or the project of then does not load.
    """
    commit = commit_of(settings.project_dir, revision)
    prefix = git(settings.project_dir, "rev-parse", "--show-prefix").strip()
    folder = settings.data_dir / "earlier"
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / f"{commit[:16]}-{hashlib.sha256(f'{prefix}{_LAID_OUT}'.encode()).hexdigest()[:8]}"
    with FileLock(folder / f"{place.name}.lock"):
        if not (place / "project").is_dir():
            _lay_out(settings.project_dir, commit, place)
            # What Microsoft's parser has said of today's files holds of those that were the same then.
            if (said := settings.data_dir / KEPT).is_file():
                (place / "data" / KEPT).parent.mkdir(parents=True)
                shutil.copyfile(said, place / "data" / KEPT)
        os.utime(place)
        then = settings.model_copy(
            update={
                "project_dir": place / "project",
                "data_dir": place / "data",
                # dbt names the warehouse by the file's stem, and so does the SQL that is compared.
                "warehouse_path": place / "data" / settings.warehouse_path.name,
            }
        )
        there = (then.dbt_dir / "dbt_project.yml").is_file()
        try:
            project = load_project(then) if there else None
        except ProjectError as error:
            raise Mistyped("SLU-C008",
                "\n".join(
                    [f"the project at `{revision}` ({commit[:10]}) does not load, so nothing is compared;"
                     " expected a revision that `sluice check` takes; name another", *error.told]
                )
            ) from error  # fmt: skip
        yield Earlier(commit, then, project)
    _let_go(folder)


def _lay_out(project_dir: Path, commit: str, place: Path) -> None:
    """Put what a commit says of a project into a place, whole or not at all, by an index of its own."""
    shutil.rmtree(place, ignore_errors=True)  # its project is not there
    with TemporaryDirectory(prefix=f".{place.name}-", dir=place.parent) as temporary:
        made = Path(temporary) / "made"
        target = made / "project"
        target.mkdir(parents=True)
        index = {"GIT_INDEX_FILE": str(Path(temporary) / "index")}
        names = git(project_dir, "ls-tree", "-r", "-z", "--name-only", commit, "--", *_LAID_OUT)
        if names:
            prefix = git(project_dir, "rev-parse", "--show-prefix").strip().rstrip("/")
            tree = f"{commit}:{prefix}" if prefix else commit
            git(project_dir, "read-tree", tree, environment=index)
            top = git(project_dir, "rev-parse", "--show-toplevel").rstrip("\n")
            git(
                Path(top), "checkout-index", "-z", "--stdin", f"--prefix={target}/",
                environment=index, said=names,
            )  # fmt: skip
        _packages(project_dir, target)
        made.rename(place)


def _packages(project_dir: Path, target: Path) -> None:
    """Take over what `dbt deps` has fetched, which is in no commit; of other versions dbt would say so."""
    fetched = project_dir / "dbt_project" / "dbt_packages"
    there = target / "dbt_project"
    asked = ("packages.yml", "dependencies.yml", "package-lock.yml")
    if fetched.is_dir() and there.is_dir() and not (there / "dbt_packages").exists():
        texts = [
            [(folder / name).read_bytes() if (folder / name).is_file() else b"" for name in asked]
            for folder in (fetched.parent, there)
        ]
        if texts[0] == texts[1]:
            shutil.copytree(fetched, there / "dbt_packages", symlinks=True)


def _let_go(folder: Path) -> None:
    """Delete what killed processes have left, and all but the newest; what another process reads stays."""
    found = [one for one in folder.iterdir() if one.is_dir()]
    left = {one: one.name[1:].rpartition("-")[0] for one in found if one.name.startswith(".")}
    places = sorted((one for one in found if one not in left), key=lambda one: one.stat().st_mtime)
    for place, name in {**left, **{one: one.name for one in places[:-_KEPT]}}.items():
        try:
            with FileLock(folder / f"{name}.lock", timeout=0):
                shutil.rmtree(place, ignore_errors=True)
        except TimeoutError:
            continue
