"""A column's value as the file has it -> SQL of the typed value, and of what is wrong with it.

Strict: a value is taken only where the type can hold it as it is written. The engine's own casts are kinder
(`1.5` is 2 as an INTEGER, ` 5`, `1_000` and `0x10` are numbers, a TIMESTAMP forgets its time zone), so a cast
counts where the value printed again is the text itself; only other texts are looked at more closely. What is
equal though it is written otherwise is listed in `contracts.equalities`.
"""

from dataclasses import dataclass

from sluicegate.compute.sql import literal
from sluicegate.compute.type_text import parts_of, same_spelling, type_text, without_lengths
from sluicegate.contracts.columns import Column, ValueFormat
from sluicegate.contracts.equalities import UUID
from sluicegate.contracts.floats import FLOATS
from sluicegate.contracts.types import RANGES, Kind, base_of, kind_of, nests
from sluicegate.ingestion.date_texts import written_date
from sluicegate.ingestion.moment_texts import (
    as_timestamp,
    cast_moment,
    engine_base,
    moment,
    time_of_day,
    time_with_zone,
)
from sluicegate.ingestion.number_texts import UP_TO_NUMBER, number, significant_digits

# A fraction of at most 15 digits is what a double is printed as.
_MAY_BE_ROUNDED = "[0-9.]{17}|[0-9][eE]"


@dataclass(frozen=True)
class TypedValue:
    """`value` is SQL of the typed value (NULL if it does not fit), `misfit` is true where it does not fit.

    `text` is the value as the file has it, NULL where the contract takes it for NULL.
    """

    text: str
    value: str
    misfit: str
    words: str


def typed_value(column: Column, found: str, found_type: str) -> TypedValue:
    """Return the SQL for a column of the contract.

    Args:
        column: what the contract says.
        found: SQL of the value as the reader gives it.
        found_type: the reader's type of it; `VARCHAR` for text.
    """
    type_ = column.type
    if kind_of(type_text(found_type)) is not Kind.TEXT:
        return _typed(column, found, found_type)
    text = _present(column, found)
    if kind_of(type_) is Kind.TEXT:
        return TypedValue(text, text, "false", f"does not hold {type_}")
    return _from_text(column, text)


def _typed(column: Column, found: str, found_type: str) -> TypedValue:
    """A file with types of its own: what is cast must come back the same."""
    type_, words = column.type, f"does not hold {column.type}"
    if same_spelling(found_type) == same_spelling(type_):
        return TypedValue(found, found, "false", "")
    from_float, to_float = base_of(type_text(found_type)) in FLOATS, base_of(type_) in FLOATS
    if to_float and not from_float and kind_of(type_text(found_type)) is Kind.NUMBER:
        # As its text would be: cast back, the digits of a wide DECIMAL are not those that it had.
        value, unfit = number(type_, ValueFormat(), f"cast({found} as varchar)")
        return TypedValue(found, value, f"({found} is not null and ({unfit}))", words)
    # A float has the digits that it is printed with; the engine multiplies it, and brings in others.
    floats_within = nests(type_) and any(name in found_type for name in FLOATS)
    printed = (from_float or floats_within) and "DECIMAL" in same_spelling(type_)
    value = f"try(try_cast({f'cast({found} as varchar)' if printed else found} as {type_}))"
    if kind_of(type_text(found_type)) is kind_of(type_) is Kind.MOMENT:
        value = cast_moment(as_timestamp(found, type_text(found_type)), type_)
    differs = f"try(try_cast({value} as {found_type})) is distinct from {found}"
    return TypedValue(found, value, f"({found} is not null and ({differs}))", words)


def _present(column: Column, found: str) -> str:
    """Text, without the words that stand for NULL."""
    words = column.written.null_words
    if not words:
        return found
    listed = ", ".join(literal(word) for word in words)
    return f"(case when {found} in ({listed}) then null else {found} end)"


def _from_text(column: Column, text: str) -> TypedValue:
    type_, written = column.type, column.written
    base, kind = engine_base(type_), kind_of(type_)
    words = _expected(column)
    if kind is Kind.BOOLEAN:
        value = _boolean(written, text)
        unfit = f"{value} is null"
        listed = [*(written.true_words or ("true",)), *(written.false_words or ("false",))]
        words = f"is none of {', '.join(listed)}"
    elif written.dates:
        value, unfit = written_date(type_, written.dates, text)
    elif kind is Kind.NUMBER:
        value, unfit = number(type_, written, text)
    elif base == "JSON":
        value, unfit, words = f"try_cast({text} as json)", f"not json_valid({text})", "is no JSON"
    elif nests(type_):
        value, unfit = _nested(type_, text)
    elif kind is Kind.MOMENT:
        value, unfit = moment(text, type_)
    elif base == "TIME WITH TIME ZONE":
        value, unfit = time_with_zone(text)
    else:
        value, unfit = _printed(type_, base, text)
    return TypedValue(text, value, f"({text} is not null and ({unfit}))", words)


def _printed(type_: str, base: str, text: str) -> tuple[str, str]:
    """What is printed as it is written, or as one of the texts that are equal to it."""
    value = f"try(try_cast({text} as {type_}))"
    other = "true"
    if spelling := {"TIME": time_of_day(), "UUID": UUID}.get(base):
        other = f"not regexp_full_match({text}, {literal(spelling)})"
    elif base == "BLOB":  # it prints some bytes as numbers that may as well stand for themselves
        other = f"coalesce(try(decode({value})) <> {text}, true)"
    endless = f" or not isfinite({value})" if base == "DATE" else ""
    differs = f"case when cast({value} as varchar) = {text} then false else {other} end"
    return value, f"{value} is null{endless} or {differs}"


def _nested(type_: str, text: str) -> tuple[str, str]:
    """A list, struct or map, as the engine prints it, or as JSON."""
    # The engine has no `case` of lists of a fixed length.
    loose = without_lengths(type_)
    within, document = _within(type_), text
    if not within.isdisjoint(("DECIMAL", "NUMERIC")) and "JSON" not in within:
        # The engine makes decimals of doubles, 4.34999999999999934464 of 4.35; of a text it takes the digits.
        numbers = f"regexp_replace({text}, {literal(UP_TO_NUMBER)}, '\\1\"\\2\"', 'g')"
        document = f"left({numbers}, -2)"  # the last step matched the end of the text
    value = (
        f"(case when json_valid({text}) then try(try_cast(cast({document} as json) as {loose}))"
        f" else try(try_cast({text} as {loose})) end)"
    )
    value = value if loose == type_ else f"try(cast({value} as {type_}))"
    as_json = (
        f"case when not json_valid({text}) then false"
        f" when {_without_zeros(f'to_json({value})')} <> {_without_zeros(f'json({text})')} then false"
        f" when regexp_matches({text}, {literal(_MAY_BE_ROUNDED)}) then {_as_written(type_, text)}"
        " else true end"
    )
    return value, f"{value} is null or (cast({value} as varchar) <> {text} and not {as_json})"


def _without_zeros(document: str) -> str:
    """JSON as text, its numbers without zeros at the end of a fraction: 1 is 1.0.

    It does no harm within a text: it is done to both sides, and a text is cast to itself.
    """
    short = f"regexp_replace(cast({document} as varchar), '(\\.[0-9]*?)0+([],}}]|$)', '\\1\\2', 'g')"
    return f"regexp_replace({short}, '([0-9])\\.([],}}]|$)', '\\1\\2', 'g')"


def _as_written(type_: str, text: str) -> str:
    """Whether each fraction in a document is kept by the JSON functions, to which it is a double."""
    if {"DECIMAL", "NUMERIC", *RANGES}.isdisjoint(_within(type_)):
        lost = number("DOUBLE", ValueFormat(), "n")[1]
    else:
        # Two doubles may be the same one though they are not to a decimal: its digits must be those written.
        printed = "cast(try_cast(n as double) as varchar)"
        lost = f"{significant_digits('n')} <> coalesce({significant_digits(printed)}, '')"
    numbers = f"regexp_extract_all({text}, {literal(UP_TO_NUMBER)}, 2)"
    return f"len(list_filter({numbers}, lambda n: regexp_matches(n, '[.eE]') and ({lost}))) = 0"


def _within(type_: str) -> set[str]:
    """Return the types that a nested one is made of in the end, without their arguments."""
    parts = parts_of(type_)
    return {base for part in parts for base in _within(part)} if parts else {base_of(type_)}


def _boolean(written: ValueFormat, text: str) -> str:
    def listed(words: tuple[str, ...]) -> str:
        return ", ".join(literal(word.lower()) for word in words)

    true, false = listed(written.true_words or ("true",)), listed(written.false_words or ("false",))
    return f"(case when lower({text}) in ({true}) then true when lower({text}) in ({false}) then false end)"


def _expected(column: Column) -> str:
    written = column.written
    how: list[str] = []
    if written.dates:
        how.append(f"written as {written.dates}")
    if written.decimal_separator != ".":
        how.append(f"with `{written.decimal_separator}` before the decimals")
    return f"does not hold {column.type}" + (f" {', '.join(how)}" if how else "")
