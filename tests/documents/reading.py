"""What the documents say, taken apart: links, anchors, code spans, tables.

Belongs here: Markdown as GitHub shows it, and which files are documents. Does not: what ought to stand in it.
"""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from sluicegate.core.settings import REPOSITORY

_FENCE = re.compile(r"^ *```.*?^ *```$", re.DOTALL | re.MULTILINE)
_SPAN = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"(?<!\\)\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.+?)\s*$", re.MULTILINE)
_ANCHOR = re.compile(r'<a id="([^"]+)">')
TRACKED = tuple(
    subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY, capture_output=True, text=True, check=True,
    ).stdout.splitlines()
)  # fmt: skip
FOLDERS = frozenset(
    "/".join(parts[:depth])
    for parts in (name.split("/") for name in TRACKED)
    for depth in range(1, len(parts))
)


@dataclass(frozen=True)
class Document:
    """One Markdown file, `name` relative to the repository."""

    name: str

    def __str__(self) -> str:
        return self.name

    @cached_property
    def text(self) -> str:
        """All of it."""
        return (REPOSITORY / self.name).read_text()

    @cached_property
    def prose(self) -> str:
        """What stands outside fences."""
        return _FENCE.sub("", self.text)

    @property
    def spans(self) -> list[str]:
        """What stands in backticks, outside fences."""
        return _SPAN.findall(self.prose)

    @property
    def links(self) -> list[str]:
        """Where links lead."""
        return _LINK.findall(self.prose)

    @cached_property
    def anchors(self) -> frozenset[str]:
        """What a link to this document may end with."""
        headings = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in _HEADING.findall(self.prose)]
        return frozenset([*(text.replace(" ", "-") for text in headings), *_ANCHOR.findall(self.prose)])

    def table(self, *columns: str) -> list[tuple[str, ...]]:
        """Return the rows of the one table with these columns."""
        [found] = [rows for head, *rows in _tables(self.prose) if head == columns]
        return found


DOCUMENTS = tuple(
    Document(name)
    for name in TRACKED
    if name.endswith(".md") and not name.startswith(("tests/", "exports/", "orchestration/"))
)


def spans_of(cell: str) -> list[str]:
    """Return what stands in backticks in a cell of a table."""
    return _SPAN.findall(cell)


def _tables(text: str) -> Iterator[list[tuple[str, ...]]]:
    rows: list[tuple[str, ...]] = []
    for line in [*text.splitlines(), ""]:
        if line.startswith("|"):
            cells = tuple(cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1])
            if not all(re.fullmatch(r":?-+:?", cell) for cell in cells):
                rows.append(cells)
        elif rows:
            yield rows
            rows = []
