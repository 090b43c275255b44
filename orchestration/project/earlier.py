"""A project as it was at a git revision, laid out in a folder of its own to be loaded like any other.

What was laid out and loaded is kept by the commit, so that asking again is quick. Belongs here: git, and that
folder. Does not belong here: what is compared (`columns.changes`). Git is asked to read only: neither the
index, nor HEAD, nor the list of worktrees changes, and nothing is fetched.
"""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from filelock import FileLock

from orchestration.core.problems import ProjectError
from orchestration.core.settings import Settings
from orchestration.project.loading import Project, load_project

FOLDERS = ("contracts", "dbt_project", "expectations", "exports", "environments.yml")
_KEPT = 8
_SECONDS = 300
# A partial clone would fetch what it lacks, and a prompt would wait for nobody.
_ENVIRONMENT = {"GIT_NO_LAZY_FETCH": "1", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}
# Said by git to its hooks, of the repository in which it runs one: here they would lead astray.
_OF_A_HOOK = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY")


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
    place = folder / f"{commit[:16]}-{hashlib.sha256(f'{prefix}{FOLDERS}'.encode()).hexdigest()[:8]}"
    with FileLock(folder / f"{place.name}.lock"):
        if not (place / "project").is_dir():
            _lay_out(settings.project_dir, commit, place)
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
            raise ValueError(
                "\n".join(
                    [f"the project at `{revision}` ({commit[:10]}) does not load, so nothing is compared;"
                     " expected a revision that `sluice check` takes; name another", *error.told]
                )
            ) from error  # fmt: skip
        yield Earlier(commit, then, project)
    _let_go(folder)


def commit_of(project_dir: Path, revision: str) -> str:
    """Return the id of the commit that a revision names.

    Raises:
        ValueError: there is none, with what to type.
    """
    try:
        git(project_dir, "rev-parse", "--git-dir")
    except ValueError as error:
        raise ValueError(
            f"{project_dir} lies in no git repository that can be read ({error}); expected one: --since"
            " compares with what was committed; run it in a clone"
        ) from None
    try:
        return git(
            project_dir, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"
        ).strip()
    except ValueError:
        shallow = git(project_dir, "rev-parse", "--is-shallow-repository").strip() == "true"
        mend = (
            "this clone is shallow, so type `git fetch --unshallow` (in GitHub Actions: `fetch-depth: 0` of"
            " actions/checkout)"
            if shallow
            else f"type `git fetch origin {revision}`, or name a revision that `git log --all` lists"
        )
        raise ValueError(f"`{revision}` is no commit of this repository; expected one; {mend}") from None


def _lay_out(project_dir: Path, commit: str, place: Path) -> None:
    """Put what a commit says of a project into a place, whole or not at all, by an index of its own."""
    shutil.rmtree(place, ignore_errors=True)  # its project is not there
    with TemporaryDirectory(prefix=f".{place.name}-", dir=place.parent) as temporary:
        made = Path(temporary) / "made"
        target = made / "project"
        target.mkdir(parents=True)
        index = {"GIT_INDEX_FILE": str(Path(temporary) / "index")}
        names = git(project_dir, "ls-tree", "-r", "-z", "--name-only", commit, "--", *FOLDERS)
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


def git(
    folder: Path, *arguments: str, environment: dict[str, str] | None = None, said: str | None = None
) -> str:
    """Return what git says, asked in a folder.

    Raises:
        ValueError: it is not installed, or refuses.
    """
    program = shutil.which("git")
    if program is None:
        raise ValueError("git is not installed; expected it: --since reads what was committed; install git")
    inherited = {name: value for name, value in os.environ.items() if name not in _OF_A_HOOK}
    done = subprocess.run(
        [program, "-C", str(folder), *arguments],
        capture_output=True, check=False, timeout=_SECONDS, input=None if said is None else os.fsencode(said),
        env={**inherited, **_ENVIRONMENT, **(environment or {})},
    )  # fmt: skip
    if done.returncode:
        raise ValueError(f"git {arguments[0]}: {done.stderr.decode(errors='replace').strip()}")
    return os.fsdecode(done.stdout)
