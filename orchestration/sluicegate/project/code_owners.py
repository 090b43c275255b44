r"""CODEOWNERS: who has to approve a change of a file, as GitHub reads that file.

Belongs here: GitHub's syntax, and where the file lies. Does not belong here: which files need an owner
(`unowned`'s caller), and who approves what (`review`). Another host reads no such file; then it says who must
be made a required reviewer there.

Source: GitHub, "About code owners". Patterns are gitignore's, but that `!`, `[ ]`, and `\#` at the beginning
mean nothing, that case counts, and that `docs/*` has no files of folders below. The last line that matches
decides; one without an owner says that there is none. A line that is wrong is passed over. What GitLab adds
(sections) is wrong.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sluicegate.core.problems import Problem

# Where GitHub looks, in this order; the first that is there counts.
PLACES = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS")
# A larger one is not loaded.
_MOST_BYTES = 3 * 1024 * 1024
_OWNER = re.compile(r"@[A-Za-z0-9][A-Za-z0-9_-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)?|[^@\s]+@[^@\s]+\.[^@\s]+")
_WORDS = re.compile(r"(?:[^\s\\]|\\.)+")
_MATCHES_NOTHING = re.compile(r"(?!)")


@dataclass(frozen=True)
class _Line:
    pattern: re.Pattern[str]
    owners: tuple[str, ...]


@dataclass(frozen=True)
class CodeOwners:
    """What one file says; `file` is its path in the repository, "" where there is none."""

    file: str = ""
    problems: tuple[Problem, ...] = ()
    _lines: tuple[_Line, ...] = field(default=(), repr=False)

    @classmethod
    def read(cls, file: str, text: str) -> "CodeOwners":
        """Read a file's text; what is wrong is passed over, as GitHub does, and told."""
        if len(text.encode(errors="replace")) > _MOST_BYTES:
            told = Problem(
                file,
                1,
                "is not read by GitHub: too large",
                "3 MB at most",
                "use fewer patterns",
                code="SLU-P065",
            )
            return cls(file, (told,))
        lines, problems = list[_Line](), list[Problem]()
        for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
            words = list(_before_comment(_WORDS.findall(line)))
            if not words:
                continue
            if wrong := _wrong(words[0], words[1:]):
                expected = "a pattern, and owners: @user, @organization/team or an e-mail address"
                fix = "correct the line: GitHub passes it over"
                problems.append(Problem(file, number, wrong, expected, fix, code="SLU-P065"))
            else:
                lines.append(_Line(_compiled(words[0]), tuple(words[1:])))
        return cls(file, tuple(problems), tuple(reversed(lines)))

    def of(self, path: str) -> tuple[str, ...]:
        """Return the owners of a file, by its path in the repository; none where nobody is named."""
        return next((line.owners for line in self._lines if line.pattern.fullmatch(path)), ())


def load_code_owners(top: Path) -> CodeOwners:
    """Return what a work tree's file says; one without lines where there is no file."""
    for place in PLACES:
        path = top / place
        if path.is_file():
            return CodeOwners.read(place, path.read_text(encoding="utf-8", errors="replace"))
    return CodeOwners()


def unowned(owners: CodeOwners, files: Iterable[str]) -> list[Problem]:
    """Return the files of these, as the repository names them, that nobody has to approve."""
    where = owners.file or f"{PLACES[0]}, which is not there"
    return [
        Problem(
            file, 1, f"has no owner in {where}", "somebody who approves a change of it",
            f"add a line to {owners.file or PLACES[0]}, as `{_written(file)} @organization/team`",
            code="SLU-P065",
        )
        for file in files
        if not owners.of(file)
    ]  # fmt: skip


def _before_comment(words: Iterable[str]) -> Iterator[str]:
    for word in words:
        if word.startswith("#"):
            return
        yield word


def _wrong(pattern: str, owners: Iterable[str]) -> str:
    """Return what is wrong with a line; "" if nothing."""
    if pattern.startswith("!"):
        return "negates a pattern by `!`, which GitHub does not know"
    if "[" in pattern or "]" in pattern:
        return "has `[ ]` in its pattern: GitHub knows neither ranges nor sections"
    if pattern.startswith("\\#"):
        return "begins with `\\#`, which GitHub does not know"
    if "***" in pattern:
        return "has `***` in its pattern"
    bad = next((owner for owner in owners if not _OWNER.fullmatch(owner)), None)
    return "" if bad is None else "names somebody who is no user, team or e-mail address"


def _compiled(pattern: str) -> re.Pattern[str]:
    if pattern == "/":
        return _MATCHES_NOTHING
    anchored, parts = pattern.startswith("/"), pattern.strip("/").split("/")
    if not anchored and len(parts) == 1 and parts != ["**"]:
        parts.insert(0, "**")
    if pattern.endswith("/") and parts[-1] != "**":
        parts.append("**")
    made, slash = "", False
    for place, part in enumerate(parts):
        last = place == len(parts) - 1
        if part == "**":
            made += (
                "(?:.+/)?" if not slash and not last else ".+" if not slash else "/.+" if last else "(?:/.+)?"
            )
        else:
            made += ("/" if slash else "") + _part(part)
            # What names a folder names all that is in it; a lone star names the files there.
            made += "(?:/.*)?" if last and part != "*" else ""
        slash = slash or part != "**"
    return re.compile(made, re.DOTALL)


def _part(part: str) -> str:
    if part == "*":
        return "[^/]+"
    signs = {"*": "[^/]*", "?": "[^/]"}
    found = re.findall(r"\\.|.", part, re.DOTALL)
    return "".join(signs.get(sign) or re.escape(sign[-1]) for sign in found)


def _written(file: str) -> str:
    return "/" + re.sub(r"([\s\\*?])", r"\\\1", file)
