"""Times and moments in ISO 8601, and their zones -> SQL of the typed value.

The engine's casts drop a zone or round a fraction, and some raise at the ends of a type's range (`try_cast`
too); nothing here does. Belongs here: values that need no format. Does not belong here: formats of a
contract (`date_texts`).
"""

from sluicegate.compute.sql import literal
from sluicegate.compute.type_text import ALIASES
from sluicegate.contracts.equalities import DAY, HOUR, ZONE, clock
from sluicegate.contracts.types import base_of

# With seconds, six decimals of them at most, and a zone that the engine reads.
_OWN = rf"{DAY}[T ]{HOUR}:[0-5][0-9](?:\.[0-9]{{1,6}})?(?:Z|[+-](?:0[0-9]|1[0-5])(?::[0-5][0-9])?)"
# What a value of a coarser type is a whole number of.
_WHOLE = {"TIMESTAMP_S": "second", "TIMESTAMP_MS": "millisecond", "DATE": "day"}
_ZONED = "TIMESTAMP WITH TIME ZONE"
# Digits of a second's fraction.
_DIGITS = {"TIMESTAMP_S": 0, "TIMESTAMP_MS": 3, "TIMESTAMP": 6, _ZONED: 6, "TIMESTAMP_NS": 9, "TIME": 6}


def engine_base(type_: str) -> str:
    """Return the engine's own name of a type, without its arguments."""
    base = base_of(type_)
    return ALIASES.get(base, base)


def time_of_day() -> str:
    """Return a regular expression of how a TIME may be written."""
    return clock(_DIGITS["TIME"])


def moment(text: str, type_: str) -> tuple[str, str]:
    """Return SQL of a moment's value, and of whether it does not fit, both over a text that is not NULL.

    A moment is kept in UTC, where its zone is written.
    """
    base = engine_base(type_)
    at = clock(_DIGITS[base])
    zoned, local = literal(rf"^({DAY}[T ]{at})({ZONE})$"), rf"{DAY}(?:[T ]{at})?"
    clock_part = f"regexp_extract({text}, {zoned}, 1)"
    minutes = offset_minutes(f"regexp_extract({text}, {zoned}, 2)")
    if base == "TIMESTAMP_NS":
        # An interval would leave microseconds.
        nanoseconds = f"epoch_ns(try_cast({clock_part} as timestamp_ns)) - {minutes} * 60000000000"
        in_utc = f"try(make_timestamp_ns({nanoseconds}))"
    else:
        in_utc = cast_moment(f"try(try_cast({clock_part} as timestamp) - to_minutes({minutes}))", type_)
    # What the engine reads by itself need not be taken apart, which takes ten times as long.
    own = f"try_cast({text} as timestamptz)"
    own = own if base == _ZONED else cast_moment(f"make_timestamp(epoch_us({own}))", type_)
    is_own, is_zoned = f"regexp_full_match({text}, {literal(_OWN)})", f"regexp_matches({text}, {zoned})"
    with_zone = f"when {is_own} then {own} when {is_zoned} then {in_utc}"
    if base == _ZONED:
        value = f"(case {with_zone} end)"
        return value, f"{value} is null"
    unzoned = f"try_cast({text} as timestamp{'_ns' if base == 'TIMESTAMP_NS' else ''})"
    unzoned = unzoned if base == "TIMESTAMP_NS" else cast_moment(unzoned, type_)
    value = f"(case {with_zone} else {unzoned} end)"
    other = f"not regexp_full_match({text}, {literal(rf'{local}|{DAY}[T ]{at}(?:{ZONE})')})"
    differs = f"case when cast({value} as varchar) = {text} then false else {other} end"
    return value, f"{value} is null or not isfinite({value}) or {differs}"


def time_with_zone(text: str) -> tuple[str, str]:
    """Return SQL of a time with its zone, and of whether it does not fit."""
    parts = literal(rf"^({clock(6)})({ZONE})$")
    found = f"regexp_extract({text}, {parts}, 1)"
    seconds = f"case when length({found}) = 5 then ':00' else '' end"
    zone = f"replace(regexp_extract({text}, {parts}, 2), 'Z', '+00')"
    own = f"try_cast({text} as timetz)"
    value = f"(case when cast({own} as varchar) = {text} then {own}"
    value += f" else try_cast({found} || {seconds} || {zone} as timetz) end)"
    other = f"not regexp_full_match({text}, {literal(rf'{clock(6)}(?:{ZONE})')})"
    differs = f"case when cast({value} as varchar) = {text} then false else {other} end"
    return value, f"{value} is null or {differs}"


def offset_minutes(zone: str) -> str:
    """Return SQL of a zone's minutes east of Greenwich, a BIGINT; `zone` is SQL of a text as in `ZONE`."""
    digits = f"regexp_replace({zone}, '[^0-9]', '', 'g')"
    hours, minutes = (f"coalesce(try_cast({part} as bigint), 0)"
                      for part in (f"left({digits}, 2)", f"substr({digits}, 3)"))  # fmt: skip
    return f"(({hours} * 60 + {minutes}) * case when starts_with({zone}, '-') then -1 else 1 end)"


def cast_moment(value: str, type_: str) -> str:
    """Return SQL of a TIMESTAMP as another type of time; NULL where that does not hold it as it is.

    The engine raises for some that are out of range, whatever `try_cast` says, and rounds to a TIMESTAMP_S
    that it cannot print. `try` is no help: what stands within it twice is worked out before, and raises.
    """
    base = engine_base(type_)
    if base in ("TIME", "TIMESTAMP"):
        return value if base == "TIMESTAMP" else f"cast({value} as time)"
    if base == _ZONED:
        # A cast would go through a calendar, which loses microseconds of far years, and prints no later ones.
        return f"make_timestamptz(case when {value} < timestamp '294246-01-01' then epoch_us({value}) end)"
    if base == "TIMESTAMP_NS":
        held = f"{value} between timestamp '1677-09-22' and timestamp '2262-04-11 23:47:16.854775'"
    else:
        held = f"isfinite({value}) and date_trunc('{_WHOLE[base]}', {value}) = {value}"
    return f"(case when {held} then cast({value} as {type_}) end)"


def as_timestamp(value: str, type_: str) -> str:
    """Return SQL of a moment as a TIMESTAMP; NULL where it is endless and another type."""
    base = engine_base(type_)
    if base == "TIMESTAMP":
        return value
    if base == _ZONED:
        return f"make_timestamp(case when isfinite({value}) then epoch_us({value}) end)"
    return f"try(cast({value} as timestamp))"
