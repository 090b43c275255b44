"""A column's value as the file has it -> SQL of the typed value, and of what is wrong with it.

Strict: a value is taken only where the type can hold it as it is written. The engine's own casts are kinder
(`1.5` is 2 as an INTEGER, ` 5`, `1_000` and `0x10` are numbers, a TIMESTAMP forgets its time zone), so a cast
counts where the value printed again is the text itself; only other texts are looked at more closely.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from orchestration.compute.sql import literal
from orchestration.contracts.columns import Column, ValueFormat
from orchestration.contracts.types import FLOATS, RANGES, Kind, base_of, kind_of

_INTEGER_TEXT = r"[+-]?[0-9]+(\.0*)?"
_FLOAT_TEXT = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"
_TIME_TEXT = r"[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6}0*)?)?"
_TIMESTAMP_TEXT = r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ]" + _TIME_TEXT + r")?"
_ZONE_TEXT = r"(Z|[+-][0-9]{2}(:?[0-9]{2})?)"


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
    if kind_of(found_type.upper()) is not Kind.TEXT:
        return _typed(column, found, found_type)
    text = _present(column, found)
    if kind_of(type_) is Kind.TEXT:
        return TypedValue(text, text, "false", f"does not hold {type_}")
    return _from_text(column, text)


def _typed(column: Column, found: str, found_type: str) -> TypedValue:
    """A file with types of its own: what is cast must come back the same."""
    if found_type.upper() == column.type:
        return TypedValue(found, found, "false", "")
    value = f"try_cast({found} as {column.type})"
    misfit = f"({found} is not null and try_cast({value} as {found_type}) is distinct from {found})"
    return TypedValue(found, value, misfit, f"does not hold {column.type}")


def _present(column: Column, found: str) -> str:
    """Text, without the words that stand for NULL."""
    words = column.written.null_words
    if not words:
        return found
    listed = ", ".join(literal(word) for word in words)
    return f"(case when {found} in ({listed}) then null else {found} end)"


def _from_text(column: Column, text: str) -> TypedValue:
    type_, written = column.type, column.written
    base, kind = base_of(type_), kind_of(type_)
    if kind is Kind.BOOLEAN:
        value = _boolean(written, text)
        misfit = f"({text} is not null and {value} is null)"
        words = [*(written.true_words or ("true",)), *(written.false_words or ("false",))]
        return TypedValue(text, value, misfit, f"is none of {', '.join(words)}")
    if written.dates:
        return _written_date(column, text)
    if kind is Kind.NUMBER:
        return _number(column, text)
    value = f"try_cast({text} as {type_})"
    close: dict[str, str] = {
        "TIMESTAMP": _TIMESTAMP_TEXT,
        "DATETIME": _TIMESTAMP_TEXT,
        "TIME": _TIME_TEXT,
        "TIMESTAMPTZ": _TIMESTAMP_TEXT + _ZONE_TEXT,
        "TIMESTAMP WITH TIME ZONE": _TIMESTAMP_TEXT + _ZONE_TEXT,
        "UUID": r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
    }
    if base in ("TIMESTAMP", "DATETIME"):
        # The engine would drop the zone and keep the clock; a moment is kept, in UTC.
        zoned = f"regexp_full_match({text}, {literal(_TIMESTAMP_TEXT + _ZONE_TEXT)})"
        value = (
            f"(case when {zoned} then try_cast({text} as timestamptz) at time zone 'UTC'"
            f" else try_cast({text} as {type_}) end)"
        )
        close[base] = f"{_TIMESTAMP_TEXT}{_ZONE_TEXT}?"
    looks_right = f" and not regexp_full_match({text}, {literal(close[base])})" if base in close else ""
    if base == "JSON":
        return TypedValue(text, value, f"({text} is not null and not json_valid({text}))", "is no JSON")
    endless = f" or not isfinite({value})" if base.startswith(("DATE", "TIMESTAMP")) else ""
    misfit = (
        f"({text} is not null and ({value} is null{endless} or"
        f" (cast({value} as varchar) <> {text}{looks_right})))"
    )
    return TypedValue(text, value, misfit, _expected(column))


def _number(column: Column, text: str) -> TypedValue:
    base, written = base_of(column.type), column.written
    plain = _plain_number(written, text)
    value = f"try_cast({plain} as {column.type})"
    if base in FLOATS:
        well_written, finite = _FLOAT_TEXT, f" or not isfinite({value})"
    elif base in RANGES:
        well_written, finite = _INTEGER_TEXT, ""
    else:
        scale = _scale(column.type)
        fraction = rf"\.[0-9]{{0,{scale}}}0*"
        well_written, finite = rf"[+-]?([0-9]+({fraction})?|\.[0-9]{{1,{max(scale, 1)}}}0*)", ""
    wrong = (
        f"{value} is null{finite} or (cast({value} as varchar) <> {plain}"
        f" and not regexp_full_match({plain}, {literal(well_written)}))"
    )
    return TypedValue(text, value, f"({text} is not null and ({wrong}))", _expected(column))


def _scale(type_: str) -> int:
    """The digits after the point of a DECIMAL; the engine's own default is DECIMAL(18,3)."""
    _, _, arguments = type_.partition("(")
    if not arguments:
        return 3
    parts = arguments.rstrip(") ").split(",")
    return int(parts[1]) if len(parts) > 1 else 0


def _plain_number(written: ValueFormat, text: str) -> str:
    """Return SQL of the number as the engine writes it; NULL where it is not written as the contract says."""
    plain = text
    for symbol in written.currency:
        plain = f"replace({plain}, {literal(symbol)}, '')"
    if written.currency:
        plain = f"trim({plain})"
    decimal, thousands = written.decimal_separator, written.thousands_separator
    if decimal == "." and not thousands:
        return plain
    point, group = _class(decimal), _class(thousands)
    fraction = f"({point}[0-9]*)?([eE][+-]?[0-9]+)?"
    grouped = f"|[0-9]{{1,3}}({group}[0-9]{{3}})+" if thousands else ""
    pattern = f"[+-]?([0-9]*{grouped}){fraction}"
    cleaned = f"replace({plain}, {literal(thousands)}, '')" if thousands else plain
    cleaned = cleaned if decimal == "." else f"replace({cleaned}, {literal(decimal)}, '.')"
    return f"(case when regexp_full_match({plain}, {literal(pattern)}) then {cleaned} end)"


def _class(letter: str) -> str:
    return "[" + ("\\" + letter if letter in "\\]^-[" else letter) + "]"


def _boolean(written: ValueFormat, text: str) -> str:
    def listed(words: tuple[str, ...]) -> str:
        return ", ".join(literal(word.lower()) for word in words)

    true, false = listed(written.true_words or ("true",)), listed(written.false_words or ("false",))
    return f"(case when lower({text}) in ({true}) then true when lower({text}) in ({false}) then false end)"


def _written_date(column: Column, text: str) -> TypedValue:
    """A format of the contract's own; parts that the type would drop make a misfit."""
    parsed = f"try_strptime({text}, {literal(column.written.dates)})"
    value = f"cast({parsed} as {column.type})"
    if "%z" in column.written.dates and base_of(column.type) in ("TIMESTAMP", "DATETIME"):
        value = f"(cast({parsed} as timestamptz) at time zone 'UTC')"
    dropped = f" or cast({value} as timestamp) <> {parsed}" if base_of(column.type) == "DATE" else ""
    misfit = f"({text} is not null and ({parsed} is null{dropped}))"
    return TypedValue(text, value, misfit, _expected(column))


def _expected(column: Column) -> str:
    written = column.written
    how: list[str] = []
    if written.dates:
        how.append(f"written as {written.dates}")
    if written.decimal_separator != ".":
        how.append(f"with `{written.decimal_separator}` before the decimals")
    return f"does not hold {column.type}" + (f" {', '.join(how)}" if how else "")


def broken_rules(column: Column, value: str) -> Iterator[tuple[str, str]]:
    """Yield (SQL that is true where the typed value breaks a rule of the contract, what to say of it)."""
    rules = column.rules
    type_ = column.type
    if rules.pattern:
        yield f"not regexp_matches({value}, {literal(rules.pattern)})", f"does not match {rules.pattern}"
    if rules.min_length is not None:
        yield f"length({value}) < {rules.min_length}", f"is shorter than {rules.min_length}"
    longest = rules.max_length if rules.max_length is not None else _length_of(type_)
    if longest is not None:
        yield f"length({value}) > {longest}", f"is longer than {longest}"
    bounds = (
        ("<", rules.minimum, "is less than"),
        (">", rules.maximum, "is more than"),
        ("<=", rules.exclusive_minimum, "is not more than"),
        (">=", rules.exclusive_maximum, "is not less than"),
    )
    for operator, bound, words in bounds:
        if bound is not None:
            yield f"{value} {operator} cast({literal(bound)} as {type_})", f"{words} {bound}"
    if rules.multiple_of is not None:
        step = literal(rules.multiple_of)
        yield (
            f"cast({value} as decimal(38, 9)) % cast({step} as decimal(38, 9)) <> 0",
            f"is no multiple of {rules.multiple_of}",
        )
    if rules.valid_values:
        listed = ", ".join(f"cast({literal(item)} as {type_})" for item in rules.valid_values)
        shown = ", ".join(rules.valid_values[:8]) + (", …" if len(rules.valid_values) > 8 else "")
        yield f"{value} not in ({listed})", f"is none of {shown}"


def _length_of(type_: str) -> int | None:
    """The length of a VARCHAR(n), which the engine does not hold."""
    _, _, arguments = type_.partition("(")
    return int(arguments.rstrip(") ")) if kind_of(type_) is Kind.TEXT and arguments else None
