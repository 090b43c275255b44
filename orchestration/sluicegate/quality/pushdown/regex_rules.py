"""Rules on what regular expressions find in the text of a column: by the warehouse as far as it is exact.

RE2 reads what it and Python's `re` read alike, in the shared scan. The rest Python reads: each different
value once, as they stream by.
"""

import heapq
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sluicegate.compute.sql import literal
from sluicegate.quality.pushdown.arguments import Arguments
from sluicegate.quality.pushdown.column_values import (
    Compiler,
    found_as_wanted,
    like_words,
    patterns_of,
    text_of,
)
from sluicegate.quality.pushdown.mapped import map_scan, map_verdict
from sluicegate.quality.pushdown.regular_expressions import Readers, readers
from sluicegate.quality.pushdown.steps import Compiled, Sample, Scan, Step, Stream, Verdict
from sluicegate.quality.pushdown.table import Column, Table
from sluicegate.quality.pushdown.wording import at_least

_NOT_PLAIN = "[^ -~]"
_SHOWN_VALUES = 20


def matches(*, name: str, positive: bool) -> Compiler:
    """`expect_column_values_to_(not_)match_regex(_list)`: found anywhere, as Python's `re` has it."""

    def compile_rule(table: Table, arguments: Arguments) -> Compiled:
        patterns, every = patterns_of(arguments, name, positive=positive)
        expected = like_words(patterns, every=every, positive=positive)
        rule = _Rule(
            table=table,
            column=table.column(arguments.text("column")),
            text=text_of(table, arguments),
            patterns={pattern: readers(pattern) for pattern in patterns},
            every=every,
            positive=positive,
            mostly=arguments.mostly(),
        )
        return Compiled(f"{expected}{at_least(rule.mostly)}", rule.step())

    return compile_rule


@dataclass(frozen=True)
class _Rule:
    table: Table
    column: Column
    text: str
    patterns: Mapping[str, Readers]
    every: bool
    positive: bool
    mostly: float

    def step(self) -> Step:
        """Return how the rule begins."""
        present = f"not ({self.column.missing})"
        if Readers.PYTHON in self.patterns.values():
            return Scan((self.column.count,), lambda found: self._by_python(present, found[0], 0, "false"))
        holds = found_as_wanted(
            [self._found(pattern) for pattern in self.patterns], every=self.every, positive=self.positive
        )
        failing = self.column.unless_missing(f"not ({holds})")
        if Readers.EITHER_IF_PLAIN not in self.patterns.values():
            return map_scan((self.column.name,), self.column.count, failing, self.mostly)
        other = f"regexp_matches({self.text}, {literal(_NOT_PLAIN)})"
        plain_failing = f"({failing}) and not {other}"

        def then(found: Sequence[Any]) -> Step:
            rows, failed, others = found
            if not others:
                return self._verdict(rows, failed, plain_failing)
            return self._by_python(f"{present} and {other}", rows, failed, plain_failing)

        counts = (plain_failing, f"{present} and {other}")
        return Scan((self.column.count, *(f"count(*) filter (where {item})" for item in counts)), then)

    def _by_python(self, which: str, rows: int, failed: int, failing: str) -> Stream:
        """Return the step that judges `which` values by Python; `failed` of the others have, by `failing`."""
        asked = [pattern for pattern, who in self.patterns.items() if who is Readers.RE2]
        columns = ", ".join([self.text, "count(*)", *(self._found(pattern) for pattern in asked)])

        def then(values: Iterable[Sequence[Any]]) -> Verdict:
            also_failed = 0

            def failing_values() -> Iterator[str]:
                nonlocal also_failed
                for text, count, *answers in values:
                    if not self._holds(text, dict(zip(asked, answers, strict=True))):
                        also_failed += count
                        yield text

            shown = heapq.nsmallest(_SHOWN_VALUES, failing_values())
            listed = ", ".join(literal(text) for text in shown)
            where = f"({failing}) or {self.text} in ({listed})" if shown else failing
            return self._verdict(rows, failed + also_failed, where)

        return Stream(f"select {columns} from {self.table.rows} where {which} group by all", then)

    def _holds(self, text: str, answered: Mapping[str, bool]) -> bool:
        found = (
            answered[pattern] if pattern in answered else re.search(pattern, text) is not None
            for pattern in self.patterns
        )  # fmt: skip
        return (all(found) if self.every else any(found)) is self.positive

    def _found(self, pattern: str) -> str:
        return f"regexp_matches({self.text}, {literal(pattern)})"

    def _verdict(self, rows: int, failed: int, failing: str) -> Verdict:
        return map_verdict(rows, failed, self.mostly, Sample((self.column.name,), failing))
