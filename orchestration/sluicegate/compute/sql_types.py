"""An SQL type, as the engine's `describe` writes it, taken apart: what nests, and what in what.

Belongs here: reading types. Does not belong here: what is done with their values (`row_hash`), what a
contract may say (`contracts.types`).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from sluicegate.core.shown_text import HIDDEN

_PLAIN = frozenset({
    "BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER",
    "UBIGINT", "UHUGEINT", "BIGNUM", "FLOAT", "DOUBLE", "VARCHAR", "JSON", "BLOB", "BIT", "UUID",
    "ENUM", "DATE", "TIME", "TIME_NS", "TIME WITH TIME ZONE", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS",
    "TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE", "INTERVAL", "VARIANT", "GEOMETRY", '"NULL"',
})  # fmt: skip
_LISTS = r"(?:\[\d*\])*"
_NAMELESS = re.compile(rf'(?:[A-Z][A-Z0-9_ ]*(?:\(\d+(?:, ?\d+)?\))?|"NULL"){_LISTS}')
_BRACKETED = re.compile(rf"(?P<name>[A-Z]+)\(.*\)(?P<lists>{_LISTS})", re.DOTALL)
LIST, STRUCT, MAP, UNION = "LIST", "STRUCT", "MAP", "UNION"


class UnknownType(ValueError):
    """A type that is none of the engine's own, or is not written as the engine writes it."""


@dataclass(frozen=True)
class SqlType:
    """A type: `name` is that of the engine without what stands in brackets, `LIST` for `T[]` and `T[3]`.

    `numbers` are those in the brackets of a DECIMAL. `members` are (name, type): the element of a list, the
    key and the value of a map, all of them without a name, as are the fields of `row(1, 2)`; the fields of a
    struct, the members of a union.
    """

    name: str
    numbers: tuple[int, ...] = ()
    members: tuple[tuple[str, "SqlType"], ...] = ()


def parse_type(text: str) -> SqlType:
    """Return the type that `describe` writes as `text`.

    Raises:
        UnknownType: it is none that is known here.
    """
    if text.endswith("]"):
        return SqlType(LIST, members=(("", parse_type(text[: text.rindex("[")])),))
    name, bracket, inside = text.partition("(")
    inside = inside.removesuffix(")")
    if bracket and text.endswith(")"):
        if name in (STRUCT, UNION):
            return SqlType(name, members=tuple(_member(part) for part in _parts(inside)))
        if name == MAP:
            return SqlType(name, members=tuple(("", parse_type(part)) for part in _parts(inside)))
        if name == "DECIMAL":
            return SqlType(name, numbers=tuple(int(part) for part in _parts(inside)))
    if name in _PLAIN:  # what stands in the brackets of an ENUM or a GEOMETRY changes nothing
        return SqlType(name)
    raise UnknownType(f"{text}: no type that is known, as `describe` writes it")


def without_names(text: str) -> str:
    """Return a type as a message may show it: `STRUCT(…)`, `ENUM(…)[]`, and others as they are.

    Names of fields and members, and the values of an ENUM, may be data, as a file brings its own.
    """
    if _NAMELESS.fullmatch(text):
        return text
    known = _BRACKETED.fullmatch(text)
    return f"{known['name']}({HIDDEN}){known['lists']}" if known else HIDDEN


def _member(text: str) -> tuple[str, SqlType]:
    """Read `name TYPE`, or a type alone."""
    try:
        return "", parse_type(text)
    except UnknownType:
        if not text.startswith('"'):
            name, _, kind = text.partition(" ")
            return name, parse_type(kind)
    end = 1
    while text[end : end + 1] != '"' or text[end : end + 2] == '""':
        if end >= len(text):
            raise UnknownType(f"{text}: a name without an end")
        end += 2 if text[end] == '"' else 1
    return text[1:end].replace('""', '"'), parse_type(text[end + 1 :].removeprefix(" "))


def _parts(text: str) -> Iterator[str]:
    """Yield what stands between commas, save those within brackets or quotes."""
    depth, start, quote = 0, 0, ""
    for place, sign in enumerate(text):
        if quote:
            # A doubled quote within quotes ends them, and begins them anew.
            quote = "" if sign == quote else quote
        elif sign in "'\"":
            quote = sign
        elif sign in "([":
            depth += 1
        elif sign in ")]":
            depth -= 1
        elif sign == "," and not depth:
            yield text[start:place].strip()
            start = place + 1
    yield text[start:].strip()
