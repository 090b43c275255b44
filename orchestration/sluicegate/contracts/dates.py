"""ODCS writes date formats as JDK's DateTimeFormatter does; the engine takes strptime's.

Belongs here: the letters, and which parts a type can hold. Does not belong here: reading dates
(`ingestion.date_texts`).
"""

import re

from sluicegate.contracts.types import Kind, kind_of

# `%-d` where the JDK's single letter means a number without a leading zero.
_LETTERS = {
    "yyyy": "%Y", "uuuu": "%Y", "YYYY": "%Y", "yy": "%y", "uu": "%y", "MMMM": "%B", "MMM": "%b", "MM": "%m",
    "M": "%-m", "dd": "%d", "DD": "%d", "d": "%-d", "HH": "%H", "H": "%-H", "hh": "%I", "h": "%-I",
    "mm": "%M", "ss": "%S", "SSSSSS": "%f", "SSS": "%g", "a": "%p", "XXX": "%z", "XX": "%z", "X": "%z",
    "Z": "%z", "EEEE": "%A", "EEE": "%a",
}  # fmt: skip
# Two quotes are one, also within a quoted text.
_TOKEN = re.compile(r"'((?:[^']|'')*)'|([A-Za-z])\2*|[^A-Za-z']")
SPECIFIER = re.compile(r"%(-?[A-Za-z%])")
# {what is written in digits: how many}; with a `-` one or two.
DIGITS = {"Y": 4, "y": 2, "m": 2, "d": 2, "H": 2, "I": 2, "M": 2, "S": 2, "f": 6, "g": 3}
_PIECE = re.compile(r"%(-?[A-Za-z%])|(.)", re.DOTALL)
_YEAR, _HALF, _ZONE = {"Y", "y"}, {"I", "-I"}, "z"
_OF_DAY = {"Y", "y", "B", "b", "m", "-m", "d", "-d", "A", "a", "z"}
_MONTH, _DATE, _HOUR = {"B", "b", "m", "-m"}, {"d", "-d"}, {"H", "-H", "I", "-I"}


class UnknownDateFormat(Exception):
    """A letter that has no strptime counterpart."""


def strptime_format(text: str) -> str:
    """Return the strptime format of a DateTimeFormatter pattern: `dd.MM.yyyy` is `%d.%m.%Y`.

    Raises:
        UnknownDateFormat: with the letters that are not known.
    """
    made, at = "", 0
    for match in _TOKEN.finditer(text):
        if match.start() != at:
            break
        at = match.end()
        if match[1] is not None:
            made += match[1].replace("''", "'").replace("%", "%%") or "'"
        elif match[2] is None:
            made += match[0].replace("%", "%%")
        elif match[0] in _LETTERS:
            made += _LETTERS[match[0]]
        else:
            raise UnknownDateFormat(f"`{match[0]}` is not known")
    if at != len(text):
        raise UnknownDateFormat("a quote is not closed")
    return made


def runs_of(strptime: str) -> list[list[str]]:
    """Return what is written in digits with nothing between, as `[["-H", "M"]]`; a zone counts as one."""
    runs: list[list[str]] = [[]]
    for specifier, character in _PIECE.findall(strptime):
        if specifier.removeprefix("-") in DIGITS or (character.isascii() and character.isdigit()):
            runs[-1].append(specifier or character)
        else:
            runs.append([_ZONE] if specifier == _ZONE else [])
    return [run for run in runs if run]


def format_problem(strptime: str, type_: str) -> str:
    """Return why values that are written so are none of a type: a part is missing, twice, or too much."""
    parts = [part for part in SPECIFIER.findall(strptime) if part != "%"]
    said, kind = set(parts), kind_of(type_)
    wanted: dict[str, set[str]] = {}
    if kind is not Kind.TIME:
        wanted |= {"year": _YEAR, "month": _MONTH, "day": _DATE}
    elif said & _OF_DAY:
        return "a time has no day and no zone"
    else:
        wanted |= {"hour": _HOUR}
    for name, ways in wanted.items():
        if not said & ways:
            return f"the {name} is missing"
    for ways in (_YEAR, _MONTH, _DATE, _HOUR, {"A", "a"}, {"f", "g"}, {"p"}, {"M"}, {"S"}, {_ZONE}):
        if sum(part in ways for part in parts) > 1:
            return "a part stands twice"
    if bool(said & _HALF) != ("p" in said):
        return "`hh` and `a` (AM or PM) go together"
    for run in runs_of(strptime):
        if sum(part.startswith("-") for part in run) > 1 or (run[0] == _ZONE and len(run) > 1):
            return "two numbers of any length touch, so that nobody can tell where the first one ends"
    return ""
