"""What judging a table says, rule by rule."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sluicegate.quality.suites import Rule


class Outcome(StrEnum):
    """What became of a rule. Only `PASSED` is a pass; `ERROR` says nothing of the data: it did not run."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "did not run"
    NO_HISTORY = "no history yet"


@dataclass(frozen=True)
class RuleResult:
    """One rule on one partition.

    `rule` has its parameters resolved. `expected` and `observed` are for people; `observed_value` is the
    observed number where there is one, and `failing_share` runs from 0 to 1, of `rows` (those that the rule
    looks at: GX leaves out empty values). `sample` has a few failing rows, each {column: value}.
    """

    rule: Rule
    outcome: Outcome
    expected: str = ""
    observed: str = ""
    observed_value: float | None = None
    rows: int | None = None
    failing_rows: int | None = None
    failing_share: float | None = None
    error: str | None = None
    sample: tuple[Mapping[str, Any], ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the rule ran and holds."""
        return self.outcome is Outcome.PASSED
