"""Where each page is: one path for whoever is served it, and for the file of the page that is written.

A name or key is a file's name, escaped; one too long for a file is its digest. Belongs
here: names to paths and back. Does not belong here: what is on a page.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote, unquote

# Linux' files have names of 255 bytes at most, `.html` and what copies add to it included.
_LONGEST = 180
_DIGEST = 32
# Of a table without partitions; an escaped key never is this.
_NO_KEY = "="
SUFFIX = ".html"
NOW, SOURCES, EXPORTS, INCIDENTS, NAMES, SEARCH = (
    "index",
    "sources",
    "exports",
    "incidents",
    "names",
    "search",
)


@dataclass(frozen=True)
class Place:
    """A page: `kind` and what it is of, as people name it."""

    kind: str
    of: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """The path of its file, relative to the first page's folder."""
        return "/".join([self.kind, *map(escaped, self.of)]) + SUFFIX

    @property
    def up(self) -> str:
        """What leads from it to that folder."""
        return "../" * len(self.of)


def href(place: Place, up: str) -> str:
    """Return how a page whose way up is `up` links to another."""
    return up + quote(place.path)


def parsed(path: str) -> Place | None:
    """Return the page of a path, decoded once as servers do; None where it is none's.

    A name that was cut is as it stands in the path; `meant` finds whose it is.
    """
    if not path:
        return Place(NOW)
    if not path.endswith(SUFFIX):
        return None
    kind, *of = path.removesuffix(SUFFIX).split("/")
    place = Place(kind, tuple("" if one == _NO_KEY else unquote(one) for one in of))
    return place if place.path == path or any(map(_is_cut, of)) else None


def meant(name: str, known: Iterable[str]) -> str | None:
    """Return which of the known names a part of a path is; None where it is none of them."""
    return next((one for one in known if one == name or (_is_cut(name) and escaped(one) == name)), None)


def escaped(name: str) -> str:
    """Return a name as a part of a path."""
    whole = quote(name, safe="") if name else _NO_KEY
    if len(whole) <= _LONGEST and not _is_cut(whole):
        return whole
    return f"~{hashlib.sha256(name.encode()).hexdigest()[:_DIGEST]}"


def _is_cut(part: str) -> bool:
    return part.startswith("~") and len(part) == _DIGEST + 1
