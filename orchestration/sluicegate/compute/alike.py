"""When two texts or numbers are one value to somebody else: the form on which an exact comparison agrees.

A plan compares keys as they are; a CRM may take `A-7 ` and `a-7` for one. The form stands here alone, as SQL
of the local engine, so that whoever compares keys asks the same question. Belongs here: what makes values
alike, and that form. Does not belong here: which destination does what (its capabilities), keys of several
fields (`delivery.ledger.keys`).
"""

from collections.abc import Collection
from enum import StrEnum

from sluicegate.compute.sql import literal
from sluicegate.compute.sql_types import UnknownType, parse_type

_INTEGERS = frozenset(
    f"{sign}{name}" for sign in ("", "U") for name in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
)
_NUMBERS = _INTEGERS | {"BIGNUM", "DECIMAL", "FLOAT", "DOUBLE"}
# What Unicode calls white space, which is what `str.strip` takes off.
_WHITE_POINTS = (
    *(*range(9, 14), *range(0x1C, 0x21), 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B)),
    *(0x2028, 0x2029, 0x202F, 0x205F, 0x3000),
)
WHITE = "".join(map(chr, _WHITE_POINTS))
_ZEROS_AT_END = literal(r"^(-?\d+)(?:\.0*|(\.\d*?[1-9])0*)$")
_ZEROS_AT_BOTH = literal(r"^\s*\+?(-?)0*(\d+)(?:\.0*|(\.\d*?[1-9])0*)?\s*$")


class Alike(StrEnum):
    """One thing that makes two different values one."""

    # White space at both ends of a text is taken off, and what is then empty is no value.
    TRIMMED = "trimmed"
    # Spaces at the end of a text do not count.
    PADDED = "padded"
    # Capital letters are small ones.
    CASE = "case"
    # A number is the text that writes it.
    TEXT = "text"
    # Numbers are kept in 64 bits of floating point.
    DOUBLE = "double"


EXACT: frozenset[Alike] = frozenset()


def canonical(value: str, kind: str, alike: Collection[Alike]) -> str:
    """Return SQL of the form on which two values are equal if they are alike, and else are not.

    Args:
        value: SQL of the value; it may stand in the result several times.
        kind: its SQL type, as `describe` writes it.
        alike: what makes two values one; with nothing, the value is its own form.
    """
    if not alike:
        return value
    name = type_name(kind)
    if name in _NUMBERS:
        if Alike.DOUBLE in alike:
            # As whole numbers where they are: people read a key in this form.
            value = f"{value}::double::hugeint" if name in _INTEGERS else f"{value}::double"
        return number_text(f"{value}::varchar") if Alike.TEXT in alike else value
    if name not in ("VARCHAR", "ENUM"):
        return f"{value}::varchar" if Alike.TEXT in alike else value
    text = f"{value}::varchar" if name == "ENUM" else value
    if Alike.TRIMMED in alike:
        text = f"nullif(trim({text}, {literal(WHITE)}), '')"
    if Alike.PADDED in alike:
        text = f"rtrim({text}, ' ')"
    # A capital sigma has two small ones, and an I with a dot above, too: which of them it becomes depends on
    # who asks.
    dotted = "'i' || chr(775)"
    return f"replace(replace(lower({text}), 'ς', 'σ'), {dotted}, 'i')" if Alike.CASE in alike else text


def is_number(kind: str) -> bool:
    """Whether a SQL type is one of numbers."""
    return type_name(kind) in _NUMBERS


def is_whole_number(name: str) -> bool:
    """Whether a type of this name is one of whole numbers of so many bits."""
    return name in _INTEGERS


def is_text(kind: str) -> bool:
    """Whether a SQL type is one of texts."""
    return type_name(kind) in ("VARCHAR", "ENUM")


def type_name(kind: str) -> str:
    """Return the name of a SQL type, without its numbers and members; "" for one that nobody knows."""
    try:
        return parse_type(kind).name
    except UnknownType:
        return ""


def number_text(text: str) -> str:
    """Return SQL of a number's text without zeros at its end: `7.50` is `7.5`, `7.0` is `7`."""
    return rf"regexp_replace({text}, {_ZEROS_AT_END}, '\1\2')"


def as_number(text: str) -> str:
    """Return SQL of a text in the one spelling of the number that it writes; null where it writes none."""
    found = rf"regexp_replace({text}, {_ZEROS_AT_BOTH}, '\1\2\3')"
    return f"case when regexp_matches({text}, {_ZEROS_AT_BOTH}) then {found} end"
