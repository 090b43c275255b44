"""How late data may be, in the words of the Open Data Contract Standard: a value and a unit.

Belongs here: what a duration may say, and when something that comes again and again is overdue. Does not
belong here: Dagster, which judges it, and the files that say it.
"""

import math
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

DAY = timedelta(days=1)
# Dagster's freshness policies know nothing shorter.
SHORTEST = timedelta(minutes=1)
# ODCS leaves units open (`d`, day, days …). Months and years have no fixed length, so none is due in one.
UNITS: Mapping[str, timedelta] = {
    **dict.fromkeys(("min", "minute", "minutes"), timedelta(minutes=1)),
    **dict.fromkeys(("h", "hour", "hours"), timedelta(hours=1)),
    **dict.fromkeys(("d", "day", "days"), DAY),
    **dict.fromkeys(("w", "week", "weeks"), timedelta(weeks=1)),
}

# How a span is written where a file or a person says it in one word, as `30 min`.
SPAN = re.compile(rf"^(\d+(?:\.\d+)?) ?({'|'.join(UNITS)})$")


class DurationError(Exception):
    """A value and a unit that are no duration; `field` is the one at fault, `value` or `unit`."""

    def __init__(self, field: str, what: str, expected: str) -> None:
        self.field, self.what, self.expected = field, what, expected
        super().__init__(f"{what}; expected {expected}")


def duration(value: Any, unit: Any) -> timedelta:
    """Return `value` `unit`s, such as 36 h.

    Raises:
        DurationError: the value is no number, shorter than a minute or beyond all calendars; or no such unit.
    """
    if unit not in UNITS:
        raise DurationError("unit", f"unit is `{unit}`", f"one of: {', '.join(UNITS)}")
    number = value if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan
    try:
        found = number * UNITS[unit]
    except (ValueError, OverflowError):  # a NaN; longer than a timedelta can be
        found = None
    if found is None or found < SHORTEST:
        raise DurationError("value", f"value is `{value}`", "a number, and at least a minute in its unit")
    return found


def written_span(text: str) -> timedelta | None:
    """Return a span as it is written (`SPAN`); None if it is none."""
    written = SPAN.fullmatch(text.strip())
    try:
        return duration(float(written[1]), written[2]) if written else None
    except DurationError:
        return None


def in_words(span: timedelta) -> str:
    """Return a duration in the largest unit in which it is a whole number, as 36 h."""
    for unit in ("w", "d", "h"):
        if span % UNITS[unit] == timedelta():
            return f"{span // UNITS[unit]} {unit}"
    return f"{span / UNITS['min']:g} min"


def overdue_after(frequency: timedelta, latency: timedelta) -> timedelta:
    """Return how long nothing may arrive of what comes once a `frequency`, up to `latency` late.

    The longest wait that keeps the promise is from one that came at once to the next that came as late
    as it may.
    """
    return frequency + latency
