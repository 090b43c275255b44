"""What a compiled rule asks of the warehouse, step by step, until there is a verdict."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias


@dataclass(frozen=True)
class Sample:
    """Which rows to show of a rule that failed: `columns` of the rows for which `where` (SQL) holds."""

    columns: tuple[str, ...]
    where: str


@dataclass(frozen=True)
class Verdict:
    """What came out; the fields are those of `RuleResult`."""

    passed: bool
    observed: str
    observed_value: float | None = None
    rows: int | None = None
    failing_rows: int | None = None
    sample: Sample | None = None


@dataclass(frozen=True)
class Scan:
    """Aggregates over the judged rows; `then` takes their values. They share a scan with other rules'."""

    aggregates: tuple[str, ...]
    then: Callable[[Sequence[Any]], "Step"]


@dataclass(frozen=True)
class Query:
    """A query of another shape; `then` takes its rows."""

    sql: str
    then: Callable[[Sequence[Sequence[Any]]], "Step"]


@dataclass(frozen=True)
class Stream:
    """A query of many rows; `then` takes them as they come, and need not hold them all."""

    sql: str
    then: Callable[[Iterable[Sequence[Any]]], "Step"]


Step: TypeAlias = Verdict | Scan | Query | Stream


@dataclass(frozen=True)
class Compiled:
    """A rule that the warehouse judges: what is expected, for people, and the first step."""

    expected: str
    step: Step


class NotCompiled(Exception):
    """The rule, or a keyword of it, is one that only Great Expectations judges."""


class RuleProblem(ValueError):
    """The rule cannot be judged on this table, and says why; a result that is an error, never a pass."""
