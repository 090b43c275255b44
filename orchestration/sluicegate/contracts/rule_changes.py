"""Two versions of a column's rules -> which take less than before, and which take more.

Belongs here: rules, and how values are written. Does not belong here: what a change means for whom
(`changes`).
"""

from collections.abc import Iterator
from enum import Enum
from typing import Any

from sluicegate.contracts.columns import Column
from sluicegate.contracts.types import value_of


class Verdict(Enum):
    """What a change of a rule does to the values that are taken."""

    TIGHTER = "tighter"  # some that were taken are not
    LOOSER = "looser"  # none is lost


def limit_verdict(old: Any, new: Any, side: int) -> Verdict | None:
    """Return what a change of a bound does; `side` is 1 for an upper bound, -1 for a lower one."""
    if old == new:
        return None
    if old is None or new is None:
        return Verdict.TIGHTER if old is None else Verdict.LOOSER
    return Verdict.LOOSER if (new > old) == (side > 0) else Verdict.TIGHTER


def rule_changes(old: Column, new: Column) -> Iterator[tuple[Verdict, str]]:
    """Yield (verdict, words) of every rule that has changed; both columns have the same type."""
    these, those = old.rules, new.rules
    if these.pattern != those.pattern:
        yield (
            Verdict.TIGHTER if those.pattern else Verdict.LOOSER,
            _was("pattern", those.pattern, these.pattern),
        )
    for name, side in (
        ("minimum", -1), ("exclusive_minimum", -1), ("maximum", 1), ("exclusive_maximum", 1),
        ("min_length", -1), ("max_length", 1),
    ):  # fmt: skip
        before, after = getattr(these, name), getattr(those, name)
        verdict = _bound_verdict(new.type, before, after, side)
        if verdict is not None:
            yield verdict, _was(name.replace("_", " "), after, before)
    if these.multiple_of != those.multiple_of:
        verdict = Verdict.TIGHTER if those.multiple_of else Verdict.LOOSER
        yield verdict, _was("multiple of", those.multiple_of, these.multiple_of)
    if set(these.valid_values) != set(those.valid_values):
        loses = those.valid_values and (
            not these.valid_values or set(these.valid_values) - set(those.valid_values)
        )
        verdict = Verdict.TIGHTER if loses else Verdict.LOOSER
        yield verdict, _was("valid values", ", ".join(those.valid_values), ", ".join(these.valid_values))
    yield from _written(old, new)


def _bound_verdict(type_: str, before: Any, after: Any, side: int) -> Verdict | None:
    if isinstance(before, str) and isinstance(after, str):
        before, after = value_of(type_, before), value_of(type_, after)
    try:
        return limit_verdict(before, after, side)
    except TypeError:  # a moment with a time zone, and one without
        return Verdict.TIGHTER


def _written(old: Column, new: Column) -> Iterator[tuple[Verdict, str]]:
    """Values written as they were yesterday must still be read as they were."""
    these, those = old.written, new.written
    for name in ("dates", "decimal_separator", "thousands_separator"):
        before, after = getattr(these, name), getattr(those, name)
        if before != after:
            only_more = name == "thousands_separator" and not before
            yield (
                Verdict.LOOSER if only_more else Verdict.TIGHTER,
                _was(name.replace("_", " "), after, before),
            )
    words = {
        "currency": (these.currency, those.currency),
        "null words": (these.null_words, those.null_words),
        "words for true": (these.true_words or ("true",), those.true_words or ("true",)),
        "words for false": (these.false_words or ("false",), those.false_words or ("false",)),
    }
    for name, (before, after) in words.items():
        if set(before) != set(after):
            verdict = Verdict.TIGHTER if set(before) - set(after) else Verdict.LOOSER
            yield verdict, _was(name, ", ".join(after), ", ".join(before))


def _was(name: str, after: object, before: object) -> str:
    said = [f"`{value}`" if value not in (None, "") else "nothing" for value in (after, before)]
    return f"{name} is {said[0]}, was {said[1]}"
