r"""Which engine may read a regular expression: Great Expectations means Python's `re`, the warehouse has RE2.

They differ in what they refuse (look-around, back-references, `\p{L}`), and silently in what they mean: `\d`,
`\w`, `\s` and `\b` beyond ASCII, `$` before a last line break, `a{,3}`, `[[:alpha:]]`. Belongs here: telling
them apart. Does not belong here: SQL.
"""

import re
import warnings
from collections.abc import Iterable
from enum import Enum, auto
from functools import lru_cache
from importlib import import_module
from typing import Any

from sluicegate.compute.engine import open_engine
from sluicegate.compute.sql import literal
from sluicegate.quality.pushdown.steps import RuleProblem
from sluicegate.quality.pushdown.table import first_line

_POSIX_CLASS = re.compile(
    r"(?<!\\)\[[^]]*\[:\^?(alnum|alpha|ascii|blank|cntrl|digit|graph|lower|print|punct|space|upper|word|xdigit):\]"
)
_SAME_FLAGS = re.UNICODE | re.IGNORECASE | re.MULTILINE | re.DOTALL
# What both read alike, by the names of Python's own parser: of every text, and of plain text besides.
_ALWAYS = frozenset(
    {"LITERAL", "NOT_LITERAL", "RANGE", "NEGATE", "IN", "BRANCH", "SUBPATTERN", "MAX_REPEAT", "MIN_REPEAT"}
    | {"ANY", "AT_BEGINNING", "AT_BEGINNING_STRING"}
)
_OF_PLAIN_TEXT = _ALWAYS | {"AT_END", "AT_BOUNDARY", "CATEGORY"}


_FOLDED = "ignores case"


class Readers(Enum):
    """Who reads a pattern as it is meant. `EITHER_IF_PLAIN`: plain text is printable ASCII on one line."""

    EITHER = auto()
    EITHER_IF_PLAIN = auto()
    PYTHON = auto()
    RE2 = auto()


@lru_cache(maxsize=4096)
def readers(pattern: str) -> Readers:
    """Return who reads a pattern.

    Raises:
        RuleProblem: nobody does, or what it means depends on who does.
    """
    problem = pattern_problem(pattern)
    if problem is not None:
        raise RuleProblem(problem)
    if _refused_by_python(pattern) is not None:
        return Readers.RE2
    parsed = _parsed(pattern)
    names = set(_names(parsed))
    flags = parsed.state.flags
    ignores_case = bool(flags & re.IGNORECASE) or _FOLDED in names
    if (
        flags & ~_SAME_FLAGS
        or not names <= _OF_PLAIN_TEXT | {_FOLDED}
        or (ignores_case and not pattern.isascii())
        or "{," in pattern
        or _refused_by_re2(pattern) is not None
    ):
        return Readers.PYTHON
    alike = names <= _ALWAYS and not ignores_case and not flags & re.MULTILINE
    return Readers.EITHER if alike else Readers.EITHER_IF_PLAIN


@lru_cache(maxsize=4096)
def pattern_problem(pattern: str) -> str | None:
    """Return why nobody reads a pattern, or why it means another thing to each; None where it is judged."""
    if _POSIX_CLASS.search(pattern):
        return (
            f"the regular expression `{pattern}` has a POSIX class, which Python reads as a set of letters;"
            " write the set itself, as [A-Za-z] or [0-9]"
        )
    of_python = _refused_by_python(pattern)
    of_re2 = _refused_by_re2(pattern) if of_python is not None else None
    if of_python is None or of_re2 is None:
        return None
    return f"the engine does not take the regular expression `{pattern}`: {of_python}; {of_re2}"


def _refused_by_python(pattern: str) -> str | None:
    try:
        _parsed(pattern)
    except (re.error, OverflowError, RecursionError) as problem:
        return str(problem)
    return None


def _parsed(pattern: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of sets that a later Python may read otherwise
        re.compile(pattern)
        return import_module("re._parser").parse(pattern)


def _names(parsed: Any) -> Iterable[str]:
    """Yield the names of all that a parsed pattern is made of."""
    for operation, argument in parsed:
        yield from _names_of(str(operation), argument)


def _names_of(name: str, argument: Any) -> Iterable[str]:
    match name:
        case "AT":
            yield str(argument)
        case "IN":
            yield name
            for inner, of_inner in argument:
                yield from _names_of(str(inner), of_inner)
        case "BRANCH":
            yield name
            for branch in argument[1]:
                yield from _names(branch)
        case "SUBPATTERN":
            _, added, removed, inner = argument
            # Flags of a part count for the whole: what they change is not looked into.
            if (added | removed) & ~re.IGNORECASE:
                yield "other flags"
            yield _FOLDED if added | removed else name
            yield from _names(inner)
        case "MAX_REPEAT" | "MIN_REPEAT":
            yield name
            yield from _names(argument[2])
        case _:
            yield name


def _refused_by_re2(pattern: str) -> str | None:
    """Return what the warehouse's engine says of a pattern that it does not take."""
    import duckdb

    # Not through the warehouse, whose transaction the error would end.
    with open_engine() as apart:
        try:
            apart.execute(f"select regexp_matches('', {literal(pattern)})").fetchall()
        except duckdb.Error as error:
            return first_line(error)
    return None
