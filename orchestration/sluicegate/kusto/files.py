"""The files of `kusto/`: which there are, their text, and places in it.

Belongs here: what is no text that a command can be read of. Does not belong here: commands (`statements`).
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sluicegate.core.problems import Problem, shown_path
from sluicegate.core.stages import Stage, folder_of, stage_of
from sluicegate.kusto.objects import Kind

FOLDER = "kusto"
SUFFIX = ".kql"
# A command is a text of some kilobytes; a longer one is refused by the service, or somebody's data.
_LONGEST = 262_144
# What a reader does not see, or sees elsewhere than where the parser has it: control characters, line ends
# that are one for some programs only, marks that turn the direction of writing, and what has no width.
# Joiners stay: scripts and emojis are written with them.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f"
    "\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
# What is nested deeper the parser takes minutes for, and the service refuses.
_DEEPEST = 200
_BRACKETS = re.compile(r"[(\[{]|[)\]}]")
_COMMENT = re.compile(r"\s*//\s*(?P<word>[A-Za-z]+):\s*(?P<said>.*?)\s*")


@dataclass(frozen=True)
class KqlFile:
    """One file; `text` has line feeds alone at its ends of lines, whatever git made of them."""

    name: str
    kind: Kind
    stage: Stage
    text: str

    @property
    def object_name(self) -> str:
        """What the file's name says that it defines."""
        return Path(self.name).name.removesuffix(SUFFIX)

    def place(self, offset: int) -> tuple[int, int]:
        """Return line and column of a character, both counted from 1."""
        before = self.text.rfind("\n", 0, offset)
        return self.text.count("\n", 0, offset) + 1, offset - before

    def problem(self, offset: int, code: str, what: str, expected: str, fix: str) -> Problem:
        """Return a problem at a character of the file."""
        line, column = self.place(offset)
        return Problem(self.name, line, what, expected, fix, column=column, code=code)

    @cached_property
    def said(self) -> dict[str, tuple[str, int]]:
        """{word: (what follows it, its place)} of the comments `// word: …` above the first command."""
        found: dict[str, tuple[str, int]] = {}
        start = 0
        for line in self.text.split("\n"):
            if line.strip() and not line.strip().startswith("//"):
                break
            if comment := _COMMENT.fullmatch(line):
                found.setdefault(comment["word"].lower(), (comment["said"], start + comment.start("said")))
            start += len(line) + 1
        return found


def kql_files(
    project_dir: Path, stages: Collection[Stage] = tuple(Stage)
) -> tuple[list[KqlFile], list[Problem]]:
    """Read the files of functions, views and tables; production's come first."""
    files: list[KqlFile] = []
    problems: list[Problem] = []
    for stage in Stage:
        if stage not in stages:
            continue
        for kind in Kind:
            folder = project_dir / folder_of(FOLDER, stage) / kind.value
            for path in _inside(folder):
                read = _read(path, shown_path(path, project_dir), kind, stage, folder)
                if isinstance(read, Problem):
                    problems.append(read)
                else:
                    files.append(read)
    problems += _strangers(project_dir, stages)
    return files, problems


def kql_names(project_dir: Path) -> list[str]:
    """Return the names of the files of both stages, relative to the project directory."""
    folders = [project_dir / folder_of(FOLDER, stage) / kind.value for stage in Stage for kind in Kind]
    return [shown_path(path, project_dir) for folder in folders for path in _inside(folder)]


def _inside(folder: Path) -> Sequence[Path]:
    """Return the files of a folder, but what editors and systems hide beside them."""
    found = folder.rglob("*") if folder.is_dir() else ()
    return sorted(path for path in found if not path.is_dir() and not path.name.startswith("."))


def _read(path: Path, name: str, kind: Kind, stage: Stage, folder: Path) -> KqlFile | Problem:
    if path.suffix != SUFFIX or path.parent != folder or path.name == SUFFIX:
        return Problem(
            name, 1, "is not read", f"files `<Name>{SUFFIX}`, directly in {FOLDER}/…/{kind.value}",
            "move it there, or take it away", code="SLU-P005",
        )  # fmt: skip
    try:
        size = path.stat().st_size
        content = path.read_bytes() if size <= _LONGEST else b""
    except OSError as error:
        return Problem(
            name, 1, f"cannot be read: {error.strerror}", "a file that this process may read",
            "correct the link, or its rights", code="SLU-P004",
        )  # fmt: skip
    if size > _LONGEST:
        return Problem(
            name, 1, f"has {size:,} bytes", f"{_LONGEST:,} at most",
            "cut what it says into several functions; data belongs in a table", code="SLU-K012",
        )  # fmt: skip
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        return Problem(
            name,
            line,
            "a character that is not written in UTF-8",
            "a text in UTF-8",
            "save it as UTF-8",
            code="SLU-P004",
        )
    file = KqlFile(name, kind, stage, text.replace("\r\n", "\n"))
    if unseen := _UNSEEN.search(file.text):
        return file.problem(
            unseen.start(), "SLU-K012", f"has the character U+{ord(unseen[0]):04X}, which nobody sees",
            "no control characters but tabs and ends of lines, and no marks of direction",
            f"take it away, or write it as `{_escaped(unseen[0])}` in a string",
        )  # fmt: skip
    depth = 0
    for bracket in _BRACKETS.finditer(file.text):
        depth = depth + 1 if bracket[0] in "([{" else max(depth - 1, 0)
        if depth > _DEEPEST:
            return file.problem(
                bracket.start(), "SLU-K012",
                f"brackets are nested more than {_DEEPEST} deep", "a text that people write",
                "cut it into several functions",
            )  # fmt: skip
    return file


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _strangers(project_dir: Path, stages: Collection[Stage]) -> Iterator[Problem]:
    """Yield what lies in `kusto/` where nobody reads it."""
    known = {"database.yml", "filled", "work", *(kind.value for kind in Kind)}
    listed = "database.yml, functions/, views/, tables/, filled/ and work/"
    for stage in (one for one in Stage if one in stages):
        folder = project_dir / folder_of(FOLDER, stage)
        for path in sorted(folder.iterdir()) if folder.is_dir() else []:
            name = shown_path(path, project_dir)
            wrong_place = stage is Stage.WORK and path.name in ("database.yml", "work")
            if path.name.startswith(".") or (path.name in known and not wrong_place):
                continue
            if stage_of(f"{name}/…") is Stage.WORK and stage is not Stage.WORK:
                fix = f"`git mv {name} {FOLDER}/work`"
            elif path.name == "database.yaml":
                fix = f"`git mv {name} {FOLDER}/database.yml`"
            else:
                fix = "move what it has into one of them, or take it away"
            yield Problem(name, 1, "is not read", f"in {FOLDER}/: {listed}", fix, code="SLU-P005")
