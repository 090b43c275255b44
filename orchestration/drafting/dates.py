"""Texts that may be dates -> the ways in which they can be read, in the letters of ODCS.

Belongs here: the order of day, month and year, by what stands in the texts. Does not belong here: whether a
format holds every value; that is asked of the SQL that judges drops (`values`).

Two readings of the same texts are told apart by nobody but their author: `01/02/2024` is a day of January or
of February, `24-03-08` of 2024 or of 2008. Which orders are used with which sign is Unicode's CLDR: no locale
writes the month first between dots.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_TAIL = r"(?:([T ])(\d{1,2}):\d{2}(:\d{2}(?:\.(\d{3}|\d{6}))?)?(?:( ?)[AaPp][Mm])?)?"
_NUMBERS = re.compile(rf"(\d{{1,4}})([./-])(\d{{1,2}})\2(\d{{1,4}}){_TAIL}")
_NAMED = re.compile(rf"(\d{{1,2}})([ -])([A-Za-z]{{3,9}})\2(\d{{4}}|\d{{2}}){_TAIL}")
_AMERICAN = re.compile(rf"([A-Za-z]{{3,9}}) (\d{{1,2}}), (\d{{4}}){_TAIL}")
# Of two digits each, which of three numbers is what. A year of four digits stands where it stands.
_SHORT_YEAR = {".": ("dMy", "yMd"), "/": ("dMy", "Mdy", "yMd"), "-": ("dMy", "Mdy", "yMd")}
_YEAR_LAST = {".": ("dMy",), "/": ("dMy", "Mdy"), "-": ("dMy", "Mdy")}


@dataclass(frozen=True)
class Reading:
    """One way to read texts: `format` as ODCS writes it, `shape` a pattern that such texts match in full."""

    format: str
    shape: str

    @property
    def timed(self) -> bool:
        """Whether a time of day is told, too."""
        return ":" in self.format


def readings_of(values: Sequence[str]) -> Iterator[tuple[Reading, ...]]:
    """Yield sets of readings, the likeliest first; of one set several may hold the same texts."""
    for pattern, made in ((_NUMBERS, _numbers), (_NAMED, _named), (_AMERICAN, _american)):
        matches = [pattern.fullmatch(value) for value in values]
        found = [match.groups() for match in matches if match is not None]
        if values and len(found) == len(values):
            yield from made(found)


def _numbers(found: Sequence[tuple[str | None, ...]]) -> Iterator[tuple[Reading, ...]]:
    signs = {str(groups[1]) for groups in found}
    parts = [[str(groups[at]) for groups in found] for at in (0, 2, 3)]
    if len(signs) != 1:
        return
    (sign,) = signs
    long = [all(len(text) == 4 for text in texts) for texts in parts]
    short = [all(len(text) <= 2 for text in texts) for texts in parts]
    if long[0] and short[2]:
        orders: tuple[str, ...] = ("yMd",)
    elif short[0] and long[2]:
        orders = _YEAR_LAST[sign]
    elif short[0] and short[2]:
        orders = _SHORT_YEAR[sign]
    else:
        return
    for padded in (True, False):
        made: list[Reading] = []
        for order in orders:
            day = {letter: parts[order.index(letter)] for letter in "dM"}
            years = parts[order.index("y")]
            texts = [*day["d"], *day["M"]]
            if padded and any(len(text) < 2 for text in texts):
                continue
            if not long[order.index("y")] and any(len(text) < 2 for text in years):
                continue
            year = "yyyy" if long[order.index("y")] else "yy"
            letters = {"d": "dd" if padded else "d", "M": "MM" if padded else "M", "y": year}
            digits = {"d": r"\d{2}" if padded else r"\d{1,2}", "y": rf"\d{{{len(year)}}}"}
            digits["M"] = digits["d"]
            made += [
                Reading(
                    sign.join(letters[letter] for letter in order) + tail,
                    re.escape(sign).join(digits[letter] for letter in order) + shape,
                )
                for tail, shape in _tails([groups[4:] for groups in found])
            ]
        if made:
            yield tuple(made)


def _named(found: Sequence[tuple[str | None, ...]]) -> Iterator[tuple[Reading, ...]]:
    signs, years = {str(groups[1]) for groups in found}, {len(str(groups[3])) for groups in found}
    if len(signs) != 1 or len(years) != 1:
        return
    (sign,), (digits,) = signs, years
    day, shape = _day([str(groups[0]) for groups in found])
    for month in ("MMM", "MMMM"):
        for tail, rest in _tails([groups[4:] for groups in found]):
            yield (
                Reading(
                    sign.join((day, month, "y" * digits)) + tail,
                    sign.join((shape, "[A-Za-z]+", rf"\d{{{digits}}}")) + rest,
                ),
            )


def _american(found: Sequence[tuple[str | None, ...]]) -> Iterator[tuple[Reading, ...]]:
    day, shape = _day([str(groups[1]) for groups in found])
    for month in ("MMM", "MMMM"):
        for tail, rest in _tails([groups[3:] for groups in found]):
            yield (Reading(f"{month} {day}, yyyy{tail}", rf"[A-Za-z]+ {shape}, \d{{4}}{rest}"),)


def _day(texts: Sequence[str]) -> tuple[str, str]:
    padded = all(len(text) == 2 for text in texts)
    return ("dd", r"\d{2}") if padded else ("d", r"\d{1,2}")


def _tails(found: Sequence[tuple[str | None, ...]]) -> Iterator[tuple[str, str]]:
    """Yield the time of day after the dates, and its pattern: none if the texts do not agree on one."""
    first = found[0]
    between, _, seconds, fraction, space = first
    alike = {(groups[0], groups[2] is None, len(groups[3] or ""), groups[4]) for groups in found}
    if len(alike) != 1:
        return
    if between is None:
        yield "", ""
        return
    padded = all(len(str(groups[1])) == 2 for groups in found)
    hour = ("hh" if space is not None else "HH") if padded else ("h" if space is not None else "H")
    digits = r"\d{2}" if padded else r"\d{1,2}"
    text = ("'T'" if between == "T" else " ") + f"{hour}:mm"
    shape = rf"{between}{digits}:\d{{2}}"
    if seconds is not None:
        text, shape = f"{text}:ss", rf"{shape}:\d{{2}}"
    if fraction is not None:
        text, shape = f"{text}.{'S' * len(fraction)}", rf"{shape}\.\d{{{len(fraction)}}}"
    if space is not None:
        text, shape = f"{text}{space}a", f"{shape}{space}[AaPp][Mm]"
    yield text, shape
