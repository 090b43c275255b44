"""Codes of errors: each names the one entry of the runbook that has the fix.

Belongs here: what a code is, where its entry stands, how a text carries one. The entries are files of
`entries/`, which ship with the package and make `docs/runbook/`. Does not belong here: which error has which
code, as that is said where it is raised. This is the lowest room: it imports none of ours.

A code is `SLU-`, an area's letter and three digits. One code is one fix, whatever words lead to it. A code
stays for good: texts on record, tickets and searches name it. One that is given up goes to
`orchestration/sluicegate/codes/entries/retired.txt`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True)
class Area:
    """A part of the runbook: `letter` stands in its codes, `page` is its file below docs/runbook/."""

    letter: str
    page: str
    title: str


AREAS: Mapping[str, Area] = MappingProxyType(
    {
        letter: Area(letter, page, title)
        for letter, page, title in (
            ("D", "drops", "Drops"),
            ("B", "builds", "Builds"),
            ("Q", "checks", "Checks"),
            ("G", "held", "Held"),
            ("E", "deliveries", "Deliveries"),
            ("V", "destinations", "Destinations"),
            ("K", "kql", "KQL"),
            ("P", "project", "Project files"),
            ("N", "environments", "Environments and publishing"),
            ("I", "incidents", "Incidents"),
            ("M", "machine", "The machine"),
            ("C", "settings", "Settings, secrets and commands"),
        )
    }
)
_CODE = re.compile(rf"SLU-[{''.join(AREAS)}]\d{{3}}")
_ENDS_CODED = re.compile(rf"\[{_CODE.pattern}: [^\]\s]+\]$")
_CARRIED = re.compile(rf" \[({_CODE.pattern}): [^\]\s]+\]")


def is_code(text: str) -> bool:
    """Return whether `text` has the form of a code."""
    return _CODE.fullmatch(text) is not None


def place(code: str) -> str:
    """Return where the entry stands, from the root of the repository: the file and its anchor."""
    return f"docs/runbook/{AREAS[code[4]].page}.md#{code.lower()}"


def coded(text: str, code: str) -> str:
    """Return the text with its code and the entry's place at the end; as it is where one stands there."""
    return f"{text} [{code}: {place(code)}]" if code and not _ENDS_CODED.search(text) else text


def codes_in(text: str) -> list[str]:
    """Return the codes that a text carries, in their order; none of a text that an older version recorded."""
    return _CARRIED.findall(text)


def code_in(text: str) -> str:
    """Return the code of a whole text, which is the last that it carries; empty without one."""
    return found[-1] if (found := codes_in(text)) else ""


def without_codes(text: str) -> str:
    """Return the text as it is before codes: to be put into a sentence, or compared."""
    return _CARRIED.sub("", text)


class Coded(Exception):
    """An error that people meet. Its first argument is its code, so that no raise can leave it out.

    Its text ends with the code and the place of the entry; `words` is the text alone.
    """

    def __init__(self, code: str, *words: Any) -> None:
        super().__init__(code, *words)
        self.code = code

    @property
    def words(self) -> str:
        """The text without its code."""
        return " ".join(str(word) for word in self.args[1:])

    def __str__(self) -> str:
        return coded(self.words, self.code)

    def __reduce__(self) -> tuple[Any, ...]:
        # A class may be made of something else than its words, as of what it is about.
        return _again, (type(self), self.args, self.__dict__)


def _again(kind: type[Coded], args: tuple[Any, ...], state: dict[str, Any]) -> Coded:
    """Return an error as it was in another process."""
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error
