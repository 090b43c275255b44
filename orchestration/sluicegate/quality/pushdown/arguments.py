"""The keywords of a rule, read as Great Expectations types them.

What is not as expected is left to Great Expectations: it judges it, or says what is wrong with it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sluicegate.quality.pushdown.literals import moment
from sluicegate.quality.pushdown.steps import NotCompiled
from sluicegate.quality.pushdown.wording import number


@dataclass(frozen=True)
class Bounds:
    """`min_value` and `max_value`, either of them optional."""

    low: Any = None
    high: Any = None
    above_low: bool = False
    below_high: bool = False

    def predicate(self, expression: str, low: str | None, high: str | None) -> str:
        """Return the SQL predicate that an expression is within bounds, which come as literals."""
        parts = [
            f"{expression} {sign} {bound}"
            for sign, bound in (
                (">" if self.above_low else ">=", low),
                ("<" if self.below_high else "<=", high),
            )
            if bound is not None
        ]
        return " and ".join(parts) or "true"

    def hold(self, value: Any) -> bool:
        """Whether a value is within bounds; days and times compare with text that names one."""
        return self._holds(self.low, value, self.above_low) and self._holds(value, self.high, self.below_high)

    @staticmethod
    def _holds(lower: Any, upper: Any, strictly: bool) -> bool:
        if lower is None or upper is None:
            return True
        times = moment(lower), moment(upper)
        if times[0] is not None and times[1] is not None:
            lower, upper = times
        elif isinstance(lower, Decimal) != isinstance(upper, Decimal):
            lower, upper = float(lower), float(upper)
        return bool(lower < upper if strictly else lower <= upper)

    @property
    def given(self) -> bool:
        """Whether there is any."""
        return self.low is not None or self.high is not None

    def __str__(self) -> str:
        if self.given and None not in (self.low, self.high) and not (self.above_low or self.below_high):
            if self.low == self.high:
                return number(self.low)
            return f"between {number(self.low)} and {number(self.high)}"
        said = [
            f"{words[strictly]} {number(bound)}"
            for words, bound, strictly in (
                (("at least", "more than"), self.low, self.above_low),
                (("at most", "less than"), self.high, self.below_high),
            )
            if bound is not None
        ]
        return " and ".join(said) or "anything"


@dataclass(frozen=True)
class Arguments:
    """The kwargs of a rule; methods raise `NotCompiled` where a value is not of the type they return."""

    kwargs: Mapping[str, Any]

    def text(self, name: str) -> str:
        """Return a text."""
        return self._typed(name, self.kwargs.get(name), str)

    def texts(self, name: str) -> list[str]:
        """Return a list of at least one text."""
        return [self._typed(name, item, str) for item in self.values(name, least=1)]

    def column_list(self) -> list[str]:
        """Return `column_list`, at least two columns."""
        return [self._typed("column_list", item, str) for item in self.values("column_list", least=2)]

    def values(self, name: str, *, least: int = 0) -> list[Any]:
        """Return a list of anything."""
        value = self.kwargs.get(name)
        if not isinstance(value, (Sequence, set, frozenset)) or isinstance(value, str) or len(value) < least:
            raise NotCompiled(name)
        return list(value)

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Return a flag; null is the default."""
        value = self.kwargs.get(name)
        return default if value is None else self._typed(name, value, bool)

    def whole(self, name: str) -> int:
        """Return a whole number."""
        return self._typed(name, self.kwargs.get(name), int)

    def real(self, name: str, default: float | None = None) -> float:
        """Return a number."""
        value = self.kwargs.get(name, default)
        if isinstance(value, bool):
            raise NotCompiled(name)
        return self._typed(name, value, (int, float))

    def choice(self, name: str, choices: Sequence[str]) -> str:
        """Return one of the choices; the first if the rule says nothing."""
        value = self.kwargs.get(name, choices[0])
        if value not in choices:
            raise NotCompiled(name)
        return value

    def mostly(self) -> float:
        """Return the share of rows for which the rule must hold, from 0 to 1."""
        value = self.real("mostly", 1)
        if not 0 <= value <= 1:
            raise NotCompiled("mostly")
        return value

    def bounds(self) -> Bounds:
        """Return `min_value` and `max_value`, whether strict or not."""
        return Bounds(
            self.kwargs.get("min_value"),
            self.kwargs.get("max_value"),
            self.flag("strict_min"),
            self.flag("strict_max"),
        )

    @staticmethod
    def _typed(name: str, value: Any, kind: Any) -> Any:
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise NotCompiled(name)
        return value
