"""Which rows of a shard have a value that the other side cannot hold as it is; they are refused beforehand.

Each destination says by SQL conditions what it cannot hold of a type (`Unfit`); one scan of the shard finds
the rows. Belongs here: the scan, the way into nested values, conditions that several destinations share. Does
not: what one vendor holds (its own module), what becomes of such rows (`delivery.sendable`).
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from sluicegate.compute.alike import WHITE
from sluicegate.compute.engine import shared_engine
from sluicegate.compute.exact_parquet import exact_rows, noted_types
from sluicegate.compute.row_hash import fields_of
from sluicegate.compute.sql import literal, quoted
from sluicegate.compute.sql_types import LIST, MAP, STRUCT, UNION, SqlType, parse_type, without_names

from .base import CHANGE, ROW, TECHNICAL_COLUMNS, Change, DeliveryError, Refused, Shard

# The code that a row is refused with.
INEXACT = "INEXACT"
# Whole numbers up to here, and decimals of so many digits, are the same as a double (IEEE 754).
WHOLE_IN_DOUBLE = 2**53
DIGITS_IN_DOUBLE = 15
WHOLE = frozenset({
    "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT",
})  # fmt: skip
FLOATS = frozenset({"FLOAT", "DOUBLE"})
MOMENTS = frozenset({"TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE"})
TEXTS = frozenset({"VARCHAR", "ENUM", "JSON", "UUID"})
# Of a VARIANT to_json() makes a text, and of fields without names one that nobody can read.
IN_MODEL = (
    "in the export's model write to_json(field), of a VARIANT field::json, and give names to all fields of a"
    " struct; or leave them out"
)


@dataclass(frozen=True, slots=True)
class Unfit:
    """An SQL condition that a value cannot be held as it is, why, and how to fix it; never the value."""

    condition: str
    reason: str
    fix: str


# What a destination cannot hold: by SQL of a value, and its type.
Rules = Callable[[str, SqlType], Iterable[Unfit]]


def unfit_rows(
    shard: Shard, rules: Callable[[str, str, SqlType], Iterable[Unfit]], *, before: bool = False
) -> list[Refused]:
    """Return the rows that a destination cannot hold as they are, each with field, reason and fix.

    Args:
        shard: removed rows of it are not looked at: of those the key alone is sent, which was held.
        rules: from a field's name, SQL of its value, and its type in the file.
        before: values and types are those that were before the file (`exact_parquet`).
    """
    with shared_engine() as connection:
        read = exact_rows(connection, shard.path) if before else f"read_parquet({literal(str(shard.path))})"
        found: list[tuple[str, Unfit]] = [
            (name, unfit)
            for name, kind in fields_of(connection, f"select * from {read}").items()
            if name not in TECHNICAL_COLUMNS
            for unfit in rules(name, quoted(name), parse_type(kind))
        ]
        if not found:
            return []
        numbers = ", ".join(
            f"case when {unfit.condition} then {place} end" for place, (_, unfit) in enumerate(found)
        )
        # Most shards have none: lists are made of those rows alone that have one.
        some = " or ".join(f"({unfit.condition})" for _, unfit in found)
        rows = connection.execute(
            f"select {ROW}, list_filter([{numbers}], lambda n: n is not null) as found from {read}"
            f" where {CHANGE} not in ('{Change.REMOVED}', '{Change.MOVED}') and ({some}) order by {ROW}"
        ).fetchall()
    return [
        Refused(row, INEXACT, "; ".join(_said(*found[place]) for place in places)) for row, places in rows
    ]


def with_names(kind: SqlType) -> bool:
    """Return whether all fields of a struct have names; of a UNION and `row(1, 2)` some have none."""
    return kind.name != UNION and (kind.name != STRUCT or all(name for name, _ in kind.members))


def check_kinds(
    shard: Shard,
    takes: Callable[[SqlType], bool],
    of: str,
    expected: str,
    fix: str = IN_MODEL,
) -> None:
    """Raise for fields of a type that the other side has nothing like, or that have one within.

    A UNION, and a struct whose fields have no names, nobody has anything like.

    Raises:
        DeliveryError: they are named.
    """
    with shared_engine() as connection:
        fields = fields_of(connection, f"select * from read_parquet({literal(str(shard.path))})")
        noted = noted_types(connection, shard.path)
    fields |= {name: kind for name, (_, kind) in noted.items() if "UNION(" in kind}

    def fits(kind: SqlType) -> bool:
        within = [member for _, member in kind.members]
        return takes(kind) and with_names(kind) and all(map(fits, within))

    foreign = [
        f"{name} ({without_names(kind)})"
        for name, kind in fields.items()
        if name not in TECHNICAL_COLUMNS and not fits(parse_type(kind))
    ]
    if foreign:
        raise DeliveryError(
            "SLU-E012",
            f"{of} has nothing like these fields of {shard.export}: {', '.join(foreign)}",
            expected,
            fix,
        )


def nested(value: str, kind: SqlType, rules: Rules, depth: int = 0) -> Iterator[Unfit]:
    """Yield what is unfit of a value and of the values within it, whatever nests them."""
    if kind.name in (LIST, MAP):
        element, items = f"_item{depth}", value if kind.name == LIST else f"map_entries({value})"
        for place, (_, member) in enumerate(kind.members, 1):
            inner = element if kind.name == LIST else f"struct_extract_at({element}, {place})"
            for unfit in nested(inner, member, rules, depth + 1):
                condition = f"len(list_filter({items}, lambda {element}: {unfit.condition})) > 0"
                yield Unfit(condition, unfit.reason, unfit.fix)
    elif kind.name == STRUCT:
        for place, (_, member) in enumerate(kind.members, 1):
            yield from nested(f"struct_extract_at({value}, {place})", member, rules, depth)
    elif kind.name == UNION:
        for name, member in kind.members:
            yield from nested(f"union_extract({value}, {literal(name)})", member, rules, depth)
    else:
        yield from rules(value, kind)


def days_outside(value: str, kind: SqlType, first: int, last: int, of: str) -> Iterator[Unfit]:
    """Infinite days and moments, and those of years before `first` or after `last`."""
    if kind.name == "DATE" or kind.name in MOMENTS:
        yield Unfit(f"not isfinite({value})", f"{of} has no infinite days", "make it null in the model")
        # A TIMESTAMP_NS cannot be compared with what is beyond its own calendar.
        day = f"{value}::timestamp" if kind.name == "TIMESTAMP_NS" else value
        yield Unfit(
            f"isfinite({value}) and ({day} < '{first:04}-01-01'::date or {day} >= '{last + 1}-01-01'::date)",
            f"{of} has the years {first} to {last} alone",
            "make it null, or correct it, in the model",
        )


def finer_moments(value: str, kind: SqlType, digits: int, of: str) -> Iterator[Unfit]:
    """Moments and times of day with a fraction of more than so many digits of a second."""
    if kind.name == "TIMESTAMP_NS" or (digits < 6 and (kind.name in MOMENTS or kind.name == "TIME")):
        unit, most = ("nanosecond", 9) if kind.name == "TIMESTAMP_NS" else ("microsecond", 6)
        yield Unfit(
            f"{unit}({value}) % {10 ** (most - digits)} <> 0",
            f"{of} keeps {digits} digits of a second's fraction",
            "date_trunc the field in the model",
        )


def end_of_day(value: str, kind: SqlType, of: str) -> Iterator[Unfit]:
    """The time 24:00, which others take for 00:00."""
    if kind.name == "TIME":
        yield Unfit(f"{value} = '24:00:00'::time", f"{of} has no time 24:00", "make it 00:00 in the model")


def no_numbers(value: str, kind: SqlType, of: str) -> Iterator[Unfit]:
    """NaN and the infinities."""
    if kind.name in FLOATS:
        yield Unfit(f"not isfinite({value})", f"{of} has no NaN and no infinity", "make it null in the model")


def no_doubles(value: str, kind: SqlType, of: str, *, whole: bool = True) -> Iterator[Unfit]:
    """Numbers that a double does not hold; those without a fraction only if `whole`."""
    fix = "round it in the model, or send it to a field of text"
    digits, scale = kind.numbers if kind.name == "DECIMAL" else (0, 0)
    if whole and (kind.name in ("BIGINT", "UBIGINT") or digits - scale > DIGITS_IN_DOUBLE):
        least = 0 if kind.name == "UBIGINT" else -WHOLE_IN_DOUBLE
        is_whole = f"{value} = trunc({value}) and " if scale else ""
        yield Unfit(
            f"{is_whole}{value} not between {least} and {WHOLE_IN_DOUBLE}",
            f"{of} keeps whole numbers up to 2^53 alone",
            fix,
        )
    if scale and digits > DIGITS_IN_DOUBLE:
        bound = format(Decimal(1).scaleb(DIGITS_IN_DOUBLE - scale), "f")
        yield Unfit(
            f"{value} <> trunc({value}) and abs({value}) >= cast('{bound}' as decimal({digits}, {scale}))",
            f"{of} keeps {DIGITS_IN_DOUBLE} digits of a number with a fraction",
            fix,
        )


def zero_signs(value: str, kind: SqlType, of: str) -> Iterator[Unfit]:
    """Texts with the character NUL."""
    if kind.name in ("VARCHAR", "ENUM"):
        yield Unfit(
            f"contains({value}, chr(0))",
            f"{of} has no text with the character NUL",
            "replace(…, chr(0), '') in the model",
        )
    elif kind.name == "JSON":
        yield Unfit(
            f"contains({value}::varchar, '\\u0000')",
            f"{of} has no JSON with the character NUL",
            "take \\u0000 out in the model",
        )


def folded_texts(value: str, kind: SqlType, of: str) -> Iterator[Unfit]:
    """Texts with white space at an end, which is taken off there, and empty ones, which become null."""
    if kind.name in ("VARCHAR", "ENUM", "JSON"):
        text = f"{value}::varchar"
        yield Unfit(
            f"{text} <> trim({text}, {literal(WHITE)}) or {text} = ''",
            f"{of} has no white space at the ends of a text, and no empty text",
            "nullif(trim(…), '') in the model",
        )


def _said(field: str, unfit: Unfit) -> str:
    return f"{field}: {unfit.reason}; {unfit.fix}"
