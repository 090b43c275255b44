"""Kusto's words as values: strings, time spans, names and types, of whichever spelling.

Belongs here: one word, or a few, and what they mean. Does not belong here: commands (`facts`).

Sources, under https://learn.microsoft.com/kusto/query/: "The string data type" (verbatim, obfuscated and
multi-line literals), "The timespan data type", "Scalar data types" (types and their other names), "Entity
names".
"""

import re
from collections.abc import Sequence

from sluicegate.kusto.literals import characters_of

_STRING = re.compile(r"[hH]?(?:@?(?:'.*'|\".*\")|```.*```|~~~.*~~~)", re.DOTALL)
_OBFUSCATED = re.compile(r"[hH]@?['\"`~]")
# What stands for an obfuscated string on both sides: the database does not show it.
HIDDEN = "h'***'"
_TYPES = {
    "boolean": "bool", "date": "datetime", "double": "real", "float": "real", "int32": "int", "int64": "long",
    "time": "timespan", "uniqueid": "guid", "uuid": "guid",
}  # fmt: skip
_CALL = re.compile(r"(\w+)\((.*)\)", re.DOTALL)
_UNITS = {
    "d": 864_000_000_000, "day": 864_000_000_000, "h": 36_000_000_000, "hr": 36_000_000_000,
    "hour": 36_000_000_000, "m": 600_000_000, "min": 600_000_000, "minute": 600_000_000, "s": 10_000_000,
    "sec": 10_000_000, "second": 10_000_000, "ms": 10_000, "milli": 10_000, "millisecond": 10_000,
    "micro": 10, "microsecond": 10, "tick": 1,
}  # fmt: skip
_WITH_UNIT = re.compile(r"(-?\d+(?:\.\d+)?)\s*([a-z]+)")
_CLOCK = re.compile(r"(-)?(?:(\d+)\.)?(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d{1,7}))?)?")


def is_string(word: str) -> bool:
    """Whether a word is a literal of the type string."""
    return _STRING.fullmatch(word) is not None


def is_obfuscated(word: str) -> bool:
    """Whether a word is a string that is not shown to others."""
    return _OBFUSCATED.match(word) is not None


def string(word: str) -> str:
    """Return what a literal says; a word that is none says itself."""
    if not is_string(word):
        return word
    said = "".join(character for character, _ in characters_of(word)[1])
    # A character beyond the first 65,536 may be escaped as two units of UTF-16.
    return said.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def ticks(text: str) -> int | str:
    """Return a time span in units of 100 nanoseconds, however it is spelled; a text that is none as it is."""
    said = text.strip().lower()
    if call := _CALL.fullmatch(said):
        said = call[2].strip() if type_name(call[1]) == "timespan" else said
        said = f"{said}d" if said.isdecimal() else said  # `time(2)` is two days
    said = string(said)
    if found := _WITH_UNIT.fullmatch(said):
        # `s` is seconds, and the end of a unit of several letters.
        size = _UNITS.get(found[2]) or _UNITS.get(found[2].removesuffix("s"))
        return text if size is None else round(float(found[1]) * size)
    if found := _CLOCK.fullmatch(said):
        minus, days, hours, minutes, seconds, part = found.groups()
        whole = ((int(days or 0) * 24 + int(hours)) * 60 + int(minutes)) * 60 + int(seconds or 0)
        return (-1 if minus else 1) * (whole * 10_000_000 + int((part or "").ljust(7, "0")))
    return text


def type_name(word: str) -> str:
    """Return the one name of a scalar type."""
    return _TYPES.get(word.lower(), word.lower())


def value(words: Sequence[str], kind: str) -> str:
    """Return one spelling of a literal of a scalar type, which may stand within its type's name."""
    text = "".join(words) if kind != "dynamic" else " ".join(words)
    if (call := _CALL.fullmatch(text)) and type_name(call[1]) == kind:
        text = call[2].strip()
    if kind == "string":
        return string(text)
    if kind == "timespan":
        return str(ticks(text))
    return text if kind == "dynamic" else text.lower()
