"""One value under every type and spelling: the forms on which texts, numbers, moments and the like compare.

A column's type changes, and people spell a value as they like: `042` is 42, a day is its midnight, a UUID
has small letters and capitals. What remembers a value without its type (an erasure) asks for every form that
the value may have, and a row for the one form that its type has. Belongs here: families of types, and those
forms as SQL of the local engine. Does not belong here: what a destination takes for one (`compute.alike`),
digests (`delivery.ledger.forgotten`).
"""

from collections.abc import Collection, Iterator, Mapping
from enum import StrEnum

from sluicegate.compute.alike import Alike, canonical, is_number, is_text, number_text, type_name
from sluicegate.compute.sql import literal

# What decides whether two texts are one; the rest is of numbers.
_OF_TEXTS = (Alike.CASE, Alike.PADDED, Alike.TRIMMED)
_SPELLINGS = tuple(
    frozenset([*case, *white])
    for case in ((), (Alike.CASE,))
    for white in ((), (Alike.PADDED,), (Alike.TRIMMED,))
)
_NUMBER = literal(r"^[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)(e[+-]?[0-9]{1,3})?$")
_PLAIN = literal(r"^(0|-?[1-9][0-9]*|-?(0|[1-9][0-9]*)[.][0-9]*[1-9])$")
_WHOLE = literal(r"^-?[1-9][0-9]*[.]0$")
_ZEROS, _KEPT, _WHITE = literal(r"[.]0*$|([.][0-9]*[1-9])0*$"), literal(r"\1"), literal(" \t\n\r")
_ZONED = literal(r"\d:\d\d(:\d\d([.]\d+)?)?\s*(Z|z|[+-]\d\d(:?\d\d)?)$")
_MIDNIGHT = literal(r" 00:00:00([+]00)?$")


class Family(StrEnum):
    """Types whose values are compared in one form."""

    TEXT = "text"
    # Whole numbers and decimals; those of 64 and of 32 bits of floating point, which hold fewer.
    NUMBER = "number"
    DOUBLE = "double"
    FLOAT = "float"
    BOOLEAN = "boolean"
    MOMENT = "moment"
    TIME = "time"
    UUID = "uuid"
    # Of an unknown type, or one whose values have one spelling.
    ANY = "any"


NUMBERS = frozenset({Family.NUMBER, Family.DOUBLE, Family.FLOAT})


def family_of(kind: str) -> Family:
    """Return the family of a SQL type, as `describe` writes it."""
    name = type_name(kind)
    if is_text(kind):
        return Family.TEXT
    if is_number(kind):
        return Family(name.lower()) if name in ("DOUBLE", "FLOAT") else Family.NUMBER
    if name == "DATE" or name.startswith("TIMESTAMP"):
        return Family.MOMENT
    return Family(name.lower()) if name in ("BOOLEAN", "UUID", "TIME") else Family.ANY


def spelling(alike: Collection[Alike]) -> str:
    """Return the name of the form in which texts are compared, by what makes two of them one."""
    folds = {one for one in _OF_TEXTS if one in alike}
    if Alike.TRIMMED in folds:
        folds.discard(Alike.PADDED)
    return "+".join([Family.TEXT, *sorted(folds)])


def form_of_row(value: str, kind: str, remembered: Family, alike: Collection[Alike]) -> tuple[str, str]:
    """Return the name of the form in which a row's value compares with a remembered one, and its SQL.

    Args:
        value: SQL of the value.
        kind: its SQL type.
        remembered: the family of the other value.
        alike: what makes two values one to the destination.
    """
    family, text = family_of(kind), f"{value}::varchar"
    if family in (Family.TEXT, Family.ANY) and remembered not in (Family.TEXT, Family.ANY):
        # A text is read as what it once was; all numbers are written as one.
        family = Family.NUMBER if remembered in NUMBERS else remembered
        return family, _of_text(family, text)
    if family in (Family.TEXT, Family.ANY):
        return spelling(alike), _spelt(text, alike)
    if family is Family.NUMBER and Alike.DOUBLE in alike:
        family, text = Family.DOUBLE, f"{value}::double::varchar"
    if family is Family.MOMENT:
        if type_name(kind) == "TIMESTAMP WITH TIME ZONE":
            text = f"timezone('UTC', {value})::varchar"
        return family, f"regexp_replace({text}, {_MIDNIGHT}, '')"
    if family in (Family.DOUBLE, Family.FLOAT):
        return family, plain_number(text)
    return family, number_text(text) if family is Family.NUMBER else text


def forms_of(text: str, kind: str) -> Iterator[tuple[str, str]]:
    """Yield the name and SQL of every form that a value has, whatever type its column gets; null where none.

    Args:
        text: SQL of the value as text; it stands in the results several times.
        kind: the SQL type of which it is, "" where that is unknown.
    """
    for alike in _SPELLINGS:
        yield spelling(alike), _spelt(text, alike)
    family = family_of(kind)
    number = plain_number(text)
    if family is Family.BOOLEAN:
        number = f"try_cast({text} as boolean)::integer::varchar"
    yield Family.NUMBER, number
    yield Family.DOUBLE, plain_number(f"try_cast({number} as double)::varchar")
    if family is Family.FLOAT:  # 0.1 is 0.10000000149011612 then
        yield Family.DOUBLE, plain_number(f"try_cast({text} as float)::double::varchar")
    yield Family.FLOAT, plain_number(f"try_cast({number} as float)::varchar")
    if family in NUMBERS:
        yield Family.BOOLEAN, f"case {number} when '1' then 'true' when '0' then 'false' end"
    else:
        yield Family.BOOLEAN, _of_text(Family.BOOLEAN, text)
    for other in (Family.MOMENT, Family.TIME, Family.UUID):
        yield other, _of_text(other, text)


def plain_number(text: str) -> str:
    """Return SQL of a text in the one spelling of the number that it writes; null where it writes none.

    Without an exponent, a plus or zeros that say nothing: `1e3` is 1000, `-0.0` is 0. Those that are none
    (NaN, infinities) are in DuckDB's spelling.
    """
    sign = "case when written[1] = '-' then '-' else '' end"
    # So many digits stand before the point, of as many as are needed for one to be there.
    before = "greatest(length(whole) + power, 1)"
    digits = "repeat('0', 1 - length(whole) - power) || whole || part || repeat('0', power - length(part))"
    shifted = f"digits[1:{before}] || '.' || digits[{before} + 1:]"
    bare = f"regexp_replace(regexp_replace({shifted}, '^0+([0-9])', {_KEPT}), {_ZEROS}, {_KEPT})"
    number = _with(
        {
            "mantissa": "split_part(ltrim(written, '+-'), 'e', 1)",
            "power": "coalesce(try_cast(nullif(split_part(written, 'e', 2), '') as integer), 0)",
            "whole": "split_part(mantissa, '.', 1)",
            "part": "split_part(mantissa, '.', 2)",
            "digits": digits,
            "bare": bare,
        },
        f"case when bare = '0' then bare else {sign} || bare end",
    )
    none = (
        "case ltrim(written, '+') when 'nan' then 'nan' when '-nan' then 'nan' when 'inf' then 'inf'"
        " when 'infinity' then 'inf' when '-inf' then '-inf' when '-infinity' then '-inf' end"
    )
    either = f"case when regexp_matches(written, {_NUMBER}) then {number} else {none} end"
    slowly = _with({"written": f"lower(trim({text}, {_WHITE}))"}, either)
    # Nearly all numbers are written so; what is below takes several times as long.
    return (
        f"case when regexp_matches({text}, {_PLAIN}) then {text}"
        f" when regexp_matches({text}, {_WHOLE}) then left({text}, -2) else {slowly} end"
    )


def _with(values: Mapping[str, str], body: str) -> str:
    """Return SQL of an expression over named values, each worked out once, and written once."""
    for name, value in reversed(list(values.items())):
        body = f"list_transform([{value}], lambda {name}: {body})[1]"
    return body


def _spelt(text: str, alike: Collection[Alike]) -> str:
    folds = frozenset(one for one in _OF_TEXTS if one in alike)
    # Letters that are folded are compared without regard to how their accents are put together.
    return canonical(f"nfc_normalize({text})" if Alike.CASE in folds else text, "VARCHAR", folds)


def _of_text(family: Family, text: str) -> str:
    """Return SQL of the form that a text has as a value of a family; null where it is none."""
    if family in NUMBERS:
        return plain_number(text)
    if family is Family.MOMENT:
        zoned = f"timezone('UTC', try_cast({text} as timestamptz))"
        bare = f"coalesce(try_cast({text} as timestamp_ns)::varchar, try_cast({text} as timestamp)::varchar)"
        moment = f"case when regexp_matches({text}, {_ZONED}) then {zoned}::varchar else {bare} end"
        return f"regexp_replace({moment}, {_MIDNIGHT}, '')"
    return f"try_cast({text} as {family})::varchar"
