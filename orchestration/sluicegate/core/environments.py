"""What kind of deployment this is: what may be sent from it, and which connections it has.

Belongs here: the words, as a variable and the data directory's own file say them. Does not belong here: which
one a data directory is (`state.identity`).
"""

import hashlib
import json
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Self

# The data directory's own file: what it is called, and what tells it from its copies (`state.identity`).
FILE = "deployment.json"
# Its other one, if it was made from what production publishes: what it was made from.
MADE_FROM = "environment.json"
_SAID = re.compile(r"(local|production|(?:scratch|work)(?::[A-Za-z0-9][A-Za-z0-9_.-]{0,62})?)")
EXPECTED = "local, scratch, scratch:NAME, work, work:NAME or production"


class Environment(StrEnum):
    """The kind of a deployment.

    `local`: a demo or a test; it connects to this machine alone. `scratch`: a person's own, which vanishes;
    it has no connections, and what would be delivered goes to a folder. `work`: shared, with connections of
    its own, never to a place of production's. `production`: what others rely on.
    """

    LOCAL = "local"
    SCRATCH = "scratch"
    WORK = "work"
    PRODUCTION = "production"

    @property
    def publishes(self) -> bool:
        """Whether what is validated there may go to the shelf: the others write nothing there but leases."""
        return self in (Environment.PRODUCTION, Environment.LOCAL)


@dataclass(frozen=True)
class Declared:
    """A kind, and the name of one of several, "" without."""

    kind: Environment
    name: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}" if self.name else str(self.kind)

    @classmethod
    def of(cls, text: str) -> Self:
        """Return what a text says.

        Raises:
            ValueError: it is none of the kinds.
        """
        if _SAID.fullmatch(text) is None:
            raise ValueError(f"`{text}`; expected {EXPECTED}")
        kind, _, name = text.partition(":")
        return cls(Environment(kind), name)


def declared_in(data_dir: Path) -> Declared | None:
    """Return what the own file of a data directory says; None where there is none, or it says nothing."""
    try:
        return Declared.of(str(json.loads((data_dir / FILE).read_text())["environment"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def made_from(data_dir: Path) -> str | None:
    """Return the URL of the shelf that a data directory shows; None where it shows none."""
    try:
        return str(json.loads((data_dir / MADE_FROM).read_text())["shelf"])
    except FileNotFoundError:
        return None


def place_digest(place: str) -> str:
    """Return a digest of a place that is written to, by which it is known again and not found.

    `place` is in the one spelling of its kind of destination (`canonical_object`).
    """
    return hashlib.sha256(place.encode()).hexdigest()
