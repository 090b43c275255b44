"""The contracts of the work tree beside those of another version, and whether `version` says how they differ.

Belongs here: finding the earlier contracts (git, a file, a directory), and semver. Does not belong here: what
counts as a change (`changes`).
"""

import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from sluicegate.contracts.changes import Change, Weight, changes_between
from sluicegate.contracts.load import CONNECTORS_FILE, SUFFIXES, load_contracts
from sluicegate.contracts.model import SourceContract
from sluicegate.core.problems import Mistyped, Problem, ProjectError

_DEFAULT_REFS = ("origin/main", "main", "HEAD")
_FOLDER = "contracts"
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)(?:[-+][0-9A-Za-z.+-]+)?")
_SECONDS = 60


@dataclass(frozen=True)
class Difference:
    """What has changed since `against`, and the versions that do not say so."""

    against: str
    changes: tuple[Change, ...]
    problems: tuple[Problem, ...]


def difference(project_dir: Path, against: str | None) -> Difference:
    """Compare a project's contracts with those of a git ref, a contract file or a directory.

    Args:
        project_dir: the project directory.
        against: what to compare with; None: `origin/main`, or `main`, or `HEAD`, whichever is there.

    Raises:
        ValueError: there is nothing of that name.
        ProjectError: the project's own contracts do not load.
    """
    after, problems = load_contracts(project_dir)
    if problems:
        raise ProjectError(problems)
    with TemporaryDirectory(prefix="sluice_contracts_") as folder:
        earlier = Path(folder) / _FOLDER
        earlier.mkdir()
        shown, alone = _fetch(project_dir, against, earlier)
        if not (earlier / CONNECTORS_FILE).exists() and (project_dir / _FOLDER / CONNECTORS_FILE).exists():
            shutil.copy(project_dir / _FOLDER / CONNECTORS_FILE, earlier)
        before, unreadable = load_contracts(earlier.parent)
        if alone:
            after = {name: contract for name, contract in after.items() if name in before}
        changes = _all_changes(before, after, {problem.file: problem for problem in unreadable})
    found = [
        problem
        for name, contract in after.items()
        if name in before
        and (problem := version_problem(before[name].version, contract, _of(changes, name))) is not None
    ]
    return Difference(shown, tuple(changes), tuple(found))


def _of(changes: list[Change], source: str) -> list[Change]:
    return [change for change in changes if change.source == source]


def _all_changes(
    before: Mapping[str, SourceContract],
    after: Mapping[str, SourceContract],
    unreadable: Mapping[str, Problem],
) -> list[Change]:
    changes: list[Change] = []
    for name, contract in after.items():
        if name in before:
            changes += changes_between(before[name], contract)
        elif earlier := unreadable.get(contract.file.name):
            what = f"the earlier contract does not load, so nothing is compared: {earlier.what}"
            changes.append(Change(name, contract.file.name, 1, Weight.NOTE, "", what))
        else:
            changes.append(Change(name, contract.file.name, 1, Weight.COMPATIBLE, "readers", "new source"))
    changes += [
        Change(name, contract.file.name, 1, Weight.BREAKING, "readers", "the contract is gone")
        for name, contract in before.items()
        if name not in after
    ]
    return changes


def version_problem(before: str, after: SourceContract, changes: list[Change]) -> Problem | None:
    """Return what is wrong with a contract's version, if these are the changes since version `before`.

    As semver has it: a breaking change asks for a new major version, a compatible one for a new minor, a note
    for a new patch; below 1.0.0 a breaking change asks for a new minor.
    """
    new, old = _VERSION.fullmatch(after.version), _VERSION.fullmatch(before)
    at = ("version",)
    if new is None:
        return after.file.problem(
            f"version is `{after.version}`", expected="a semantic version, as 1.4.0",
            fix="write three numbers", at=at, code="SLU-P031",
        )  # fmt: skip
    if old is None:
        return None
    earlier, later = (tuple(int(part) for part in match.groups()) for match in (old, new))
    weight = next((weight for weight in Weight if any(change.weight is weight for change in changes)), None)
    if weight is None:
        if later >= earlier:
            return None
        least, why = earlier, "nothing has changed"
    else:
        least = _next(earlier, weight)
        first = next(change for change in changes if change.weight is weight)
        why = f"{first.what} ({weight})"
    if later >= least:
        return None
    wanted = ".".join(map(str, least))
    return after.file.problem(
        f"version is {after.version}, was {before}, and {why}",
        expected=f"{wanted} or later", fix=f"write `version: {wanted}`", at=at, code="SLU-P031",
    )  # fmt: skip


def is_version(text: str) -> bool:
    """Whether a text is a semantic version, as 1.4.0."""
    return _VERSION.fullmatch(text) is not None


def next_version(version: str, weight: Weight) -> str:
    """Return the version after one whose heaviest change has a weight."""
    match = _VERSION.fullmatch(version)
    assert match is not None, version
    return ".".join(map(str, _next(tuple(int(part) for part in match.groups()), weight)))


def _next(version: tuple[int, ...], weight: Weight) -> tuple[int, ...]:
    major, minor, patch = version
    if weight is Weight.BREAKING and major > 0:
        return major + 1, 0, 0
    return (major, minor, patch + 1) if weight is Weight.NOTE else (major, minor + 1, 0)


def _fetch(project_dir: Path, against: str | None, target: Path) -> tuple[str, bool]:
    """Put the earlier contracts into `target`; return what they are, and whether it is one file alone."""
    path = Path(against) if against else None
    if path is not None and path.is_file():
        name = path.name if path.name.endswith(SUFFIXES) else f"{path.stem}{SUFFIXES[0]}"
        shutil.copy(path, target / name)
        return str(path), True
    if path is not None and path.is_dir():
        folder = path / _FOLDER if (path / _FOLDER).is_dir() else path
        files = [
            file for file in folder.iterdir() if file.name.endswith(SUFFIXES) or file.name == CONNECTORS_FILE
        ]
        if not files:
            raise Mistyped(
                "SLU-C008", f"{path}: no contract in it; expected files that end in {' or '.join(SUFFIXES)}"
            )
        for file in files:
            shutil.copy(file, target)
        return str(path), False
    ref = _ref(project_dir, against)
    for name in _git(project_dir, "ls-tree", "--name-only", "-z", ref, f"{_FOLDER}/").split("\0"):
        if name.endswith((*SUFFIXES, f"/{CONNECTORS_FILE}")):
            text = _git(project_dir, "show", f"{ref}:./{name}")
            (target / Path(name).name).write_text(text, encoding="utf-8")
    return ref, False


def _ref(project_dir: Path, against: str | None) -> str:
    candidates = (against,) if against else _DEFAULT_REFS
    for ref in candidates:
        try:
            _git(project_dir, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
        except ValueError:
            continue
        return ref
    raise Mistyped(
        "SLU-C008",
        f"{' and '.join(candidates)}: no commit in the repository of {project_dir}, no file, no directory;"
        " name another with --against",
    )


def _git(project_dir: Path, *arguments: str) -> str:
    program = shutil.which("git")
    if program is None:
        raise Mistyped("SLU-C008", "git is not installed; name a file or a directory with --against")
    done = subprocess.run(
        [program, "-C", str(project_dir), *arguments],
        capture_output=True, check=False, timeout=_SECONDS,
    )  # fmt: skip
    if done.returncode:
        raise Mistyped("SLU-C008", f"git {arguments[0]}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout.decode()
