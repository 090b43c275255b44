"""Dates and moments that are written in a format of the contract's own -> SQL of the typed value.

The parsed value is printed in the format and compared with what was written, as `strptime` takes much that is
written otherwise: a year of two digits for four, `1/2/2024` as `dd/MM/yyyy`, a wrong weekday. What counts as
equal nonetheless is in `contracts.equalities`. Belongs here: formats of a contract. Does not belong here: ISO
8601, which needs none (`moment_texts`).
"""

import re

from sluicegate.compute.sql import literal
from sluicegate.contracts.dates import DIGITS, SPECIFIER, runs_of
from sluicegate.contracts.equalities import ZONE
from sluicegate.ingestion.moment_texts import cast_moment, offset_minutes

_ONE_LETTER = re.compile(r"%-[A-Za-z]")


def written_date(type_: str, dates: str, text: str) -> tuple[str, str]:
    """Return SQL of the typed value, and of whether it does not fit, both over a text that is not NULL.

    Args:
        type_: the column's type.
        dates: the strptime format.
        text: SQL of the text.
    """
    if "%z" in dates:
        before, _, after = dates.partition("%z")
        around = literal(f"^({_pattern(before)})({ZONE})({_pattern(after)})$")
        zone = f"regexp_extract({text}, {around}, 2)"
        local = f"(case when {zone} <> '' then regexp_replace({text}, {around}, '\\1\\3') end)"
        parsed, unfit = _parsed(before + after, local)
        parsed = f"try({parsed} - to_minutes({offset_minutes(zone)}))"
    else:
        parsed, unfit = _parsed(dates, text)
    value = cast_moment(parsed, type_)
    return value, f"{unfit} or {value} is null"


def _parsed(dates: str, text: str) -> tuple[str, str]:
    """Return SQL of the moment, and of whether it is not written in this format."""
    parsed = f"try_strptime({text}, {literal(dates)})"
    if any(len(run) > 1 and any(part.startswith("-") for part in run) for run in runs_of(dates)):
        # The engine takes as many digits as it can get: 930 as `Hmm` would be 93 hours. What is parted is
        # parsed alone, as what it is compared with has no such sign there.
        parts, letters = _ONE_LETTER.split(dates), _ONE_LETTER.findall(dates)
        around = "([0-9]{1,2})".join(f"({_pattern(part)})" for part in parts)
        groups = "|".join(f"\\{group}" for group in range(1, len(parts) + len(letters) + 1))
        parted = f"regexp_replace({text}, {literal(f'^{around}$')}, {literal(groups)})"
        with_signs = _ONE_LETTER.sub(lambda letter: f"|{letter[0]}|", dates)
        parsed = f"try_strptime({parted}, {literal(with_signs)})"
    printed = f"strftime({parsed}, {literal(dates)})"
    plain = f"lower({text})"
    if _ONE_LETTER.search(dates):
        # A leading zero is no other number where the format asks for none.
        plain = f"lower(regexp_replace({text}, {literal(_zeros(dates))}, {literal(_groups(dates))}))"
    same = f"case when {printed} = {text} then true else coalesce(lower({printed}) = {plain}, false) end"
    return parsed, f"{parsed} is null or not {same}"


def _zeros(dates: str) -> str:
    """Return a regular expression that leaves the zeros of single letters out of its groups."""
    between = [f"({_pattern(part)})" for part in _ONE_LETTER.split(dates)]
    return "^" + "0?([0-9]{1,2})".join(between) + "$"


def _pattern(dates: str) -> str:
    made, at = "", 0
    for match in SPECIFIER.finditer(dates):
        made += re.escape(dates[at : match.start()])
        made += "%" if match[1] == "%" else "[^ ]+?" if match[1] in "BbAap" else _digits(match[1])
        at = match.end()
    return made + re.escape(dates[at:])


def _digits(part: str) -> str:
    return "[0-9]{1,2}" if part.startswith("-") else f"[0-9]{{{DIGITS[part]}}}"


def _groups(dates: str) -> str:
    return "".join(f"\\{number}" for number in range(1, 2 * len(_ONE_LETTER.findall(dates)) + 2))
