"""What is wrong with a project directory, said so that its author can fix it.

Belongs here: the one shape of a located error. Does not belong here: deciding what an error is; each
stage judges its own files.
"""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from sluicegate.codes import Coded, coded

# Of the files that share a cause so many are named beside the first.
_FILES_NAMED = 3


@dataclass(frozen=True, order=True)
class Problem:
    """One error in one file: `file:line: what; expected …; fix [SLU-P001: where its entry is]`.

    `file` is relative to the project directory where it lies below it, `line` counts from 1, as does `column`
    (in characters), which is 0 where the line says enough. Problems of one `cause` are mended in one place,
    and told once; without a cause each is told.
    """

    file: str
    line: int
    what: str
    expected: str
    fix: str
    cause: str = field(default="", compare=False)
    column: int = 0
    code: str = field(default="", kw_only=True)

    def __str__(self) -> str:
        column = f":{self.column}" if self.column else ""
        said = f"{self.file}:{self.line}{column}: {self.what}; expected {self.expected}; {self.fix}"
        return coded(said, self.code)


class ProjectError(Exception):
    """The project directory does not load; carries every problem found, in file order."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        count = len(self.problems)
        heading = f"{count} problem{'' if count == 1 else 's'} in the project directory:"
        super().__init__("\n".join([heading, *self.told]))

    @property
    def told(self) -> list[str]:
        """The problems in words, in file order; those of one cause as one, with the files that share it."""
        alike: dict[object, list[Problem]] = {}
        for problem in self.problems:
            alike.setdefault(problem.cause or problem, []).append(problem)
        return [_told(problems) for problems in alike.values()]


def _told(alike: list[Problem]) -> str:
    first, *others = alike
    files = [file for file in dict.fromkeys(other.file for other in others) if file != first.file]
    if not files:
        return f"{first}; the same for {len(others)} more" if others else str(first)
    more = f" and {len(files) - _FILES_NAMED} more" if len(files) > _FILES_NAMED else ""
    return f"{first}; the same in {', '.join(files[:_FILES_NAMED])}{more}"


class SettingsError(Coded):
    """The environment says something that Sluice does not understand."""


class Mistyped(Coded, ValueError):
    """What a person typed, on a command line or in a form, is none of what is expected there."""


class ProjectChanged(Coded):
    """Files are others than those that this process made its graph of; `what` names them."""

    def __init__(self, what: str) -> None:
        super().__init__(
            "SLU-P003",
            f"{what} has changed since this process loaded it, so nothing is built, judged or sent here;"
            " expected the files that its graph was made of; reload: in the UI Deployment → Code locations →"
            " Reload, on a command line type the command again; then rerun",
        )


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the name out of `known` that `word` was most likely meant to be, if any is close."""
    matches = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return matches[0] if matches else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `did you mean X?`, or a list of the known names where none is close."""
    names = sorted(known)
    close = nearest(word, names)
    if close:
        return f"did you mean `{close}`?"
    return f"use one of: {', '.join(names)}" if names else "there is none to name yet"


def shown_path(path: Path, project_dir: Path) -> str:
    """Return `path` as a reader of the project knows it: relative to the project directory."""
    if path.is_relative_to(project_dir):  # to resolve asks the file system, for each part of both
        return str(path.relative_to(project_dir))
    try:
        return str(path.resolve().relative_to(project_dir.resolve()))
    except ValueError:
        return str(path)
