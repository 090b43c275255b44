"""The git repository that a project directory lies in: commits, and what is another since one.

Belongs here: asking git, which is asked to read only: neither the index, nor HEAD, nor the list of worktrees
changes, and nothing is fetched. Does not belong here: a project at a commit (`earlier`).
"""

import os
import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from sluicegate.core.problems import Mistyped

_SECONDS = 300
# A partial clone would fetch what it lacks, and a prompt would wait for nobody.
_ENVIRONMENT = {"GIT_NO_LAZY_FETCH": "1", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}
# Said by git to its hooks, of the repository in which it runs one: here they would lead astray.
_OF_A_HOOK = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY")


@dataclass(frozen=True)
class Repository:
    """A repository's work tree, and where in it the project lies: `prefix` is "" or ends with `/`.

    Paths of files are relative to the work tree, as git and CODEOWNERS have them.
    """

    top: Path
    prefix: str

    @classmethod
    def of(cls, project_dir: Path) -> "Repository | None":
        """Return the repository of a directory; None where there is none, or no git."""
        try:
            top = git(project_dir, "rev-parse", "--show-toplevel").rstrip("\n")
            return cls(Path(top), git(project_dir, "rev-parse", "--show-prefix").strip()) if top else None
        except ValueError:
            return None

    def files(self, *folders: str) -> list[str]:
        """Return the files below folders of the project that are there and not ignored; submodules as one."""
        asked = [f"{self.prefix}{folder}" for folder in folders]
        listed = ("ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate", "--")
        found = sorted(_names(git(self.top, *listed, *asked)))
        return [name for name in found if (self.top / name).exists()]

    def changed_since(self, commit: str) -> list[str]:
        """Return the files that are there, or were, and are another since a commit; uncommitted ones too."""
        new = git(self.top, "ls-files", "-z", "--others", "--exclude-standard")
        told = git(self.top, "diff", "--name-only", "-z", "--no-renames", "--no-ext-diff", commit, "--")
        return sorted({*_names(told), *_names(new)})

    def ignored(self, folder: str) -> list[str]:
        """Return the files of a folder that are there, and that git is told to ignore."""
        return _names(
            git(self.top, "ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--", folder)
        )

    def text_at(self, commit: str, file: str) -> str | None:
        """Return a file as it was at a commit; None where it was not there."""
        try:
            return git(self.top, "show", f"{commit}:{file}")
        except ValueError:
            return None

    def of_project(self, file: str) -> str | None:
        """Return a file's path relative to the project directory; None of one that lies outside of it."""
        return file.removeprefix(self.prefix) if file.startswith(self.prefix) else None


def _names(told: str) -> list[str]:
    return [str(PurePosixPath(name)) for name in told.split("\0") if name]


def commit_of(project_dir: Path, revision: str) -> str:
    """Return the id of the commit that a revision names.

    Raises:
        ValueError: there is none, with what to type.
    """
    try:
        git(project_dir, "rev-parse", "--git-dir")
    except Mistyped as error:
        raise Mistyped(
            "SLU-C008",
            f"{project_dir} lies in no git repository that can be read ({error.words}); expected one: --since"
            " compares with what was committed; run it in a clone",
        ) from None
    # git takes a tag before a branch of its name, and anybody may push a tag that is called `origin/main`.
    for name in (f"refs/remotes/{revision}", f"refs/heads/{revision}", revision):
        with suppress(ValueError):
            asked = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
            return git(project_dir, *asked).strip()
    fix = _deepened(project_dir) or (
        f"type `git fetch origin {revision}`, or name a revision that `git log --all` lists"
    )
    raise Mistyped("SLU-C008", f"`{revision}` is no commit of this repository; expected one; {fix}")


def fork_point(project_dir: Path, revision: str) -> str:
    """Return the commit that a branch comes from: the newest that it and a revision have in common.

    What was merged there since is no part of the branch.

    Raises:
        ValueError: there is no such revision, or they have nothing in common, with what to type.
    """
    commit = commit_of(project_dir, revision)
    try:
        return git(project_dir, "merge-base", commit, "HEAD").strip()
    except ValueError:
        fix = _deepened(project_dir) or "name the branch that this one was made from"
        raise Mistyped(
            "SLU-C008",
            f"`{revision}` and this branch have no commit in common; expected one that both come from; {fix}",
        ) from None


def _deepened(project_dir: Path) -> str:
    """Return what to type where a clone is shallow; "" where it is not."""
    if git(project_dir, "rev-parse", "--is-shallow-repository").strip() != "true":
        return ""
    return (
        "this clone is shallow, so type `git fetch --unshallow` (in GitHub Actions: `fetch-depth: 0` of"
        " actions/checkout)"
    )


def git(
    folder: Path, *arguments: str, environment: dict[str, str] | None = None, said: str | None = None
) -> str:
    """Ask git, and return what it says.

    Raises:
        ValueError: it is not there, or refuses.
    """
    program = shutil.which("git")
    if program is None:
        raise Mistyped(
            "SLU-C008", "git is not installed; expected it: --since reads what was committed; install git"
        )
    inherited = {name: value for name, value in os.environ.items() if name not in _OF_A_HOOK}
    done = subprocess.run(
        [program, "-C", str(folder), *arguments],
        capture_output=True, check=False, timeout=_SECONDS, input=None if said is None else os.fsencode(said),
        env={**inherited, **_ENVIRONMENT, **(environment or {})},
    )  # fmt: skip
    if done.returncode:
        raise Mistyped("SLU-C008", f"git {arguments[0]}: {done.stderr.decode(errors='replace').strip()}")
    return os.fsdecode(done.stdout)
