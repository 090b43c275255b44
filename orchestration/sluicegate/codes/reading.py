"""The entries of the runbook, as they lie in the package.

Belongs here: their form, and reading them. Does not: the pages, which are made of them
(`tests/documents/runbook.py`), and how a terminal shows one.

An entry is a file as `codes/entries/D001.md`: lines `name: value`, an empty line, then its parts
as Markdown, each begun by its name in bold, as `**See.**`. Links stand as the pages need them, but
`(SLU-D001)` for another entry.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from sluicegate.codes import AREAS, Area, is_code

# `Do` is left out where clicking or typing is all there is to do.
PARTS = ("See", "Why", "Do", "Click", "Type", "Done")
_PART = re.compile(rf"^\*\*({'|'.join(PARTS)})\.\*\*\s*", re.MULTILINE)
_FOLDER = files("sluicegate.codes") / "entries"


@dataclass(frozen=True)
class Entry:
    """What is to be done about one code."""

    code: str
    title: str
    parts: Mapping[str, str]
    """The Markdown below each of `PARTS`."""
    sees: str = ""
    """Pieces of messages, and what else is seen, as the table of symptoms tells it."""
    was: tuple[str, ...] = ()
    """Anchors by which older links, and texts on record, name this entry."""
    by_person: bool = False
    """Whether no error leads here: a person comes by what they see, or want."""
    body: str = field(default="", repr=False)
    """All parts as they are written."""

    @property
    def area(self) -> Area:
        """The part of the runbook that it belongs to."""
        return AREAS[self.code[4]]


@cache
def entries() -> Mapping[str, Entry]:
    """Return every entry by its code, in the order of areas and numbers."""
    found = [_read(f"SLU-{file.name[:-3]}", file.read_text(encoding="utf-8"))
             for file in _FOLDER.iterdir() if is_code(f"SLU-{file.name[:-3]}")]  # fmt: skip
    order = list(AREAS)
    found.sort(key=lambda entry: (order.index(entry.code[4]), entry.code))
    return MappingProxyType({entry.code: entry for entry in found})


def above(name: str) -> str:
    """Return what stands above the entries of an area, by its letter; of `README` the head of the index."""
    return (_FOLDER / f"{name}.md").read_text(encoding="utf-8")


def retired() -> frozenset[str]:
    """Return the codes that were given up, and that no error may have again."""
    lines = (_FOLDER / "retired.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(line.split()[0] for line in lines if line.strip() and not line.startswith("#"))


def _read(code: str, text: str) -> Entry:
    head, _, body = text.partition("\n\n")
    said = dict(line.split(": ", 1) for line in head.splitlines())
    pieces = _PART.split(body)
    parts = dict(zip(pieces[1::2], (piece.strip() for piece in pieces[2::2]), strict=True))
    if unknown := said.keys() - {"title", "sees", "was", "met"}:
        raise ValueError(f"{code}: {sorted(unknown)} are no lines of an entry's head")
    return Entry(
        code, said["title"], MappingProxyType(parts), said.get("sees", ""),
        tuple(said.get("was", "").split()), said.get("met") == "by a person", body.strip(),
    )  # fmt: skip
