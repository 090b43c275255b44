"""Texts that may be dates -> the ways in which they can be read, in the letters of ODCS.

Belongs here: the order of day, month and year, by what stands in the texts. Does not belong here: whether a
format holds every value; that is asked of the SQL that judges drops (`values`).

Two readings of the same texts are told apart by nobody but their author: `01/02/2024` is a day of January or
of February, `24-03-08` of 2024 or of 2008. Which orders are used with which sign is Unicode's CLDR: no locale
writes the month first between dots.
"""

import re
from collections.abc import Iterator, Sequence

_TAIL = r"(?:([T ])(\d{1,2}):\d{2}(:\d{2}(?:\.(\d{3}|\d{6}))?)?(?:( ?)[AaPp][Mm])?)?"
_NUMBERS = re.compile(rf"(\d{{1,4}})([./-])(\d{{1,2}})\2(\d{{1,4}}){_TAIL}")
_NAMED = re.compile(rf"(\d{{1,2}})([ -])([A-Za-z]{{3,9}})\2(\d{{4}}|\d{{2}}){_TAIL}")
_AMERICAN = re.compile(rf"([A-Za-z]{{3,9}}) (\d{{1,2}}), (\d{{4}}){_TAIL}")
# Of two digits each, which of three numbers is what. A year of four digits stands where it stands.
_SHORT_YEAR = {".": ("dMy", "yMd"), "/": ("dMy", "Mdy", "yMd"), "-": ("dMy", "Mdy", "yMd")}
_YEAR_LAST = {".": ("dMy",), "/": ("dMy", "Mdy"), "-": ("dMy", "Mdy")}


def readings_of(values: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield sets of formats, the likeliest first; of one set several may hold the same texts."""
    for pattern, made in ((_NUMBERS, _numbers), (_NAMED, _named), (_AMERICAN, _american)):
        matches = [pattern.fullmatch(value) for value in values]
        found = [match.groups() for match in matches if match is not None]
        if values and len(found) == len(values):
            yield from made(found)


def _numbers(found: Sequence[tuple[str | None, ...]]) -> Iterator[tuple[str, ...]]:
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
        made: list[str] = []
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
            made += [
                sign.join(letters[letter] for letter in order) + tail
                for tail in _tails([groups[4:] for groups in found])
            ]
        if made:
            yield tuple(made)


def _named(found: Sequence[tuple[str | None, ...]]) -> Iterator[tuple[str, ...]]:
    signs, years = {str(groups[1]) for groups in found}, {len(str(groups[3])) for groups in found}
    if len(signs) != 1 or len(years) != 1:
        return
    (sign,), (digits,) = signs, years
    day = _day([str(groups[0]) for groups in found])
    for month in ("MMM", "MMMM"):
        for tail in _tails([groups[4:] for groups in found]):
            yield (sign.join((day, month, "y" * digits)) + tail,)


def _american(found: Sequence[tuple[str | None, ...]]) -> Iterator[tuple[str, ...]]:
    day = _day([str(groups[1]) for groups in found])
    for month in ("MMM", "MMMM"):
        for tail in _tails([groups[3:] for groups in found]):
            yield (f"{month} {day}, yyyy{tail}",)


def _day(texts: Sequence[str]) -> str:
    return "dd" if all(len(text) == 2 for text in texts) else "d"


def _tails(found: Sequence[tuple[str | None, ...]]) -> Iterator[str]:
    """Yield the time of day after the dates, "" without one: nothing if the texts do not agree on one."""
    first = found[0]
    between, _, seconds, fraction, space = first
    alike = {(groups[0], groups[2] is None, len(groups[3] or ""), groups[4]) for groups in found}
    if len(alike) != 1:
        return
    if between is None:
        yield ""
        return
    padded = all(len(str(groups[1])) == 2 for groups in found)
    hour = ("hh" if space is not None else "HH") if padded else ("h" if space is not None else "H")
    text = ("'T'" if between == "T" else " ") + f"{hour}:mm"
    if seconds is not None:
        text += ":ss"
    if fraction is not None:
        text += f".{'S' * len(fraction)}"
    if space is not None:
        text += f"{space}a"
    yield text
