"""ODCS writes date formats as JDK's DateTimeFormatter does; the engine takes strptime's."""

import re

# Longest first: `yyyy` is no `yy` twice.
_LETTERS = {
    "yyyy": "%Y", "uuuu": "%Y", "YYYY": "%Y", "yy": "%y", "MMMM": "%B", "MMM": "%b", "MM": "%m", "M": "%m",
    "dd": "%d", "DD": "%d", "d": "%d", "HH": "%H", "H": "%H", "hh": "%I", "h": "%I", "mm": "%M", "ss": "%S",
    "SSSSSS": "%f", "SSS": "%g", "a": "%p", "XXX": "%z", "XX": "%z", "X": "%z", "Z": "%z",
    "EEEE": "%A", "EEE": "%a",
}  # fmt: skip
_TOKEN = re.compile(r"'([^']*)'|([A-Za-z])\2*|[^A-Za-z']")


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
            made += match[1].replace("%", "%%") or "'"
        elif match[2] is None:
            made += match[0].replace("%", "%%")
        elif match[0] in _LETTERS:
            made += _LETTERS[match[0]]
        else:
            raise UnknownDateFormat(f"`{match[0]}` is not known")
    if at != len(text):
        raise UnknownDateFormat("a quote is not closed")
    return made
