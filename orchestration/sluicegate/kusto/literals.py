"""Text literals of Kusto: where in the file each character of a value stands.

Row level security and update policies hold queries in text literals; what is wrong in such a query is told at
its own place. Belongs here: that ("The string data type",
https://learn.microsoft.com/kusto/query/scalar-data-types/string). Does not belong here: the queries.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

_FENCES = ("```", "~~~")
_ESCAPE = re.compile(r"\\(?:u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|x[0-9A-Fa-f]{2}|[0-7]{3}|.)", re.DOTALL)
_CODES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


@dataclass(frozen=True)
class Piece:
    """A part of a query's text that stands in a file: it begins at `query` there, and at `file` here."""

    query: int
    file: int
    length: int


def pieces_of(written: str, value: str, at: int) -> Sequence[Piece]:
    """Return where the characters of a literal's value stand, of one that is written at a place of the file.

    Empty where it is written in a way that is not known here.
    """
    start, characters = characters_of(written)
    if "".join(character for character, _ in characters) != value:
        return ()
    pieces: list[Piece] = []
    place, length, first = at + start, 0, 0
    for number, (_, width) in enumerate(characters):
        length += 1
        if width != 1 or number == len(characters) - 1:
            pieces.append(Piece(first, place, length))
            place, first, length = place + length - 1 + width, first + length, 0
    return pieces or [Piece(0, at + start, 0)]


def characters_of(written: str) -> tuple[int, list[tuple[str, int]]]:
    """Return where a literal's value begins, and its characters with the width in which each is written."""
    start = 1 if written[:1] in ("h", "H") else 0
    if written[start : start + 3] in _FENCES:
        return start + 3, [(character, 1) for character in written[start + 3 : -3]]
    verbatim = written[start : start + 1] == "@"
    start += verbatim
    quote, inside = written[start : start + 1], written[start + 1 : -1]
    found: list[tuple[str, int]] = []
    place = 0
    while place < len(inside):
        width, character = 1, inside[place]
        if verbatim and inside.startswith(quote * 2, place):
            width = 2
        elif not verbatim and (escape := _ESCAPE.match(inside, place)):
            width, character = len(escape[0]), _meant(escape[0][1:])
        found.append((character, width))
        place += width
    return start + 1, found


def _meant(escape: str) -> str:
    if escape[0] in "uUx" and len(escape) > 1:
        return chr(int(escape[1:], 16))
    if len(escape) == 3:
        return chr(int(escape, 8))
    return _CODES.get(escape, escape)
