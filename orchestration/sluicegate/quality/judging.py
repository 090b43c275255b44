"""Judge the rows of a table by the rules of a suite: in the warehouse, in as few scans as can be.

Rules are compiled to SQL (`pushdown/`) and share their scans; Great Expectations judges what is not compiled,
through the same connection (`gx_engine.py`), and is imported only then.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sluicegate.compute.sql import quoted
from sluicegate.quality.pushdown.compiling import PYTHON_TYPES, compile_rule
from sluicegate.quality.pushdown.steps import (
    NotCompiled,
    Query,
    RuleProblem,
    Sample,
    Scan,
    Step,
    Stream,
    Verdict,
)
from sluicegate.quality.pushdown.table import Table, first_line, read_table
from sluicegate.quality.reading import Reading
from sluicegate.quality.rule_results import Outcome, RuleResult
from sluicegate.quality.suites import Rule

if TYPE_CHECKING:
    import duckdb

_CONDITION_KWARGS = ("row_condition", "condition_parser")


def judge(
    connection: "duckdb.DuckDBPyConnection",
    relation: str,
    condition: str | None,
    rules: Sequence[Rule],
    *,
    key_columns: Sequence[str] = (),
    sample_rows: int = 20,
    begin_again: Callable[[], None] | None = None,
) -> list[RuleResult]:
    """Judge the rows of `relation` for which `condition` (SQL) holds; return one result a rule, in order.

    Everything is read through `connection`, so it sees what the caller's transaction sees. A rule that cannot
    run is `Outcome.ERROR` and takes no other along. Compiled SQL is made so that data cannot make it fail; a
    rule's own SQL may, and such an error ends the caller's transaction: `begin_again` is called then, to
    begin another that sees the same. Without it, what comes after is an error too.

    A rule that failed comes with at most `sample_rows` of its failing rows: `key_columns` first, then the
    rule's own, ordered by both.

    Raises:
        RuntimeError: there is not one answer for each rule.
    """
    import duckdb

    try:
        table = read_table(connection, relation, condition)
    except duckdb.Error as error:
        return [RuleResult(rule, Outcome.ERROR, error=first_line(error)) for rule in rules]
    reading = Reading(connection, begin_again)
    judged: dict[int, RuleResult] = {}
    left: list[int] = []
    courses: list[_Course] = []
    for index, rule in enumerate(rules):
        try:
            looked_at, whole = _without_condition(rule, table)
            compiled = compile_rule(whole, looked_at)
        except NotCompiled:
            left.append(index)
        except Exception as error:  # arguments of kinds that nothing takes fail in many ways
            judged[index] = RuleResult(rule, Outcome.ERROR, error=first_line(error))
        else:
            courses.append(_Course(index, rule, looked_at, compiled.expected, compiled.step))
    _run(reading, courses)
    for course in courses:
        judged[course.index] = _result(reading, course, key_columns, sample_rows)
    if left:
        from sluicegate.quality.gx_engine import judge_with_gx

        answers = judge_with_gx(
            connection,
            relation,
            condition,
            [rules[index] for index in left],
            key_columns=[name for name in key_columns if name in table.columns],
            sample_rows=sample_rows,
            reading=reading,
        )
        judged |= dict(zip(left, answers, strict=True))
    if len(judged) != len(rules):
        raise RuntimeError(f"{len(judged)} of {len(rules)} rules were judged on {relation}")
    return [judged[index] for index in range(len(rules))]


def _without_condition(rule: Rule, table: Table) -> tuple[Table, Rule]:
    """Return a rule without its `row_condition`, and the rows that this leaves: of regular expressions alone.

    Great Expectations would have RE2 read them.
    """
    condition = rule.kwargs.get("row_condition")
    if condition is None or rule.type not in PYTHON_TYPES:
        return table, rule
    from sluicegate.quality.gx_engine import condition_sql

    rows = f"(select * from {table.rows} where {condition_sql(rule)})"
    kwargs = {name: rule.kwargs[name] for name in rule.kwargs if name not in _CONDITION_KWARGS}
    return replace(table, relation=rows, condition=None), rule.model_copy(update={"kwargs": kwargs})


@dataclass
class _Course:
    """A rule on its way to a verdict, or to an error."""

    index: int
    rule: Rule
    table: Table
    expected: str
    step: Step
    error: str | None = field(default=None)

    @property
    def aggregates(self) -> tuple[str, ...]:
        """What it asks of the next scan."""
        return self.step.aggregates if isinstance(self.step, Scan) and self.error is None else ()

    def take(self, then: Callable[[Any], Step], found: Iterable[Any]) -> None:
        """Take the next step by what was found."""
        try:
            self.step = then(found)
        except Exception as error:  # values that do not compare fail in many ways, each of its own rule alone
            self.error = first_line(error)


def _run(reading: Reading, courses: Sequence[_Course]) -> None:
    """Take every rule to its verdict; what rules ask at the same time is one scan."""
    while any(course.error is None and not isinstance(course.step, Verdict) for course in courses):
        scanning = [course for course in courses if course.aggregates]
        waiting = [course for course in courses if course.error is None]
        querying = [course for course in waiting if isinstance(course.step, Query)]
        streaming = [course for course in waiting if isinstance(course.step, Stream)]
        for rows in dict.fromkeys(course.table.rows for course in scanning):
            _scan_together(reading, rows, [course for course in scanning if course.table.rows == rows])
        for course in querying:
            assert isinstance(course.step, Query)
            try:
                rows = reading.rows(course.step.sql)
            except RuleProblem as problem:
                course.error = str(problem)
            else:
                course.take(course.step.then, rows)
        for course in streaming:
            assert isinstance(course.step, Stream)
            course.take(course.step.then, reading.stream(course.step.sql))
            reading.go_on()


def _scan_together(reading: Reading, rows: str, courses: Sequence[_Course]) -> None:
    wanted = list(dict.fromkeys(aggregate for course in courses for aggregate in course.aggregates))
    try:
        [row] = reading.rows(f"select {', '.join(wanted)} from {rows}")
    except RuleProblem as problem:
        if len(courses) == 1:
            courses[0].error = str(problem)
        else:
            # One of them is at fault: each alone, so that it does not take the others with it.
            for course in courses:
                _scan_together(reading, rows, [course])
        return
    found = dict(zip(wanted, row, strict=True))
    for course in courses:
        assert isinstance(course.step, Scan)
        course.take(course.step.then, [found[aggregate] for aggregate in course.step.aggregates])


def _result(
    reading: Reading,
    course: _Course,
    key_columns: Sequence[str],
    sample_rows: int,
) -> RuleResult:
    verdict = course.step
    if not isinstance(verdict, Verdict) or course.error is not None:
        return RuleResult(course.rule, Outcome.ERROR, course.expected, error=course.error)
    sample: tuple[Mapping[str, Any], ...] = ()
    if not verdict.passed and verdict.sample is not None:
        sample = _sample(reading, course.table, verdict.sample, key_columns, sample_rows)
    return RuleResult(
        rule=course.rule,
        outcome=Outcome.PASSED if verdict.passed else Outcome.FAILED,
        expected=course.expected,
        observed=verdict.observed,
        observed_value=verdict.observed_value,
        rows=verdict.rows,
        failing_rows=verdict.failing_rows,
        failing_share=verdict.failing_rows / verdict.rows
        if verdict.failing_rows is not None and verdict.rows
        else None,
        sample=sample,
    )


def _sample(
    reading: Reading,
    table: Table,
    sample: Sample,
    key_columns: Sequence[str],
    sample_rows: int,
) -> tuple[Mapping[str, Any], ...]:
    """Read a few failing rows. A sample is for people: without it the verdict stands."""
    # A key column that the table lacks is another rule's matter.
    names = [name for name in dict.fromkeys((*key_columns, *sample.columns)) if name in table.columns]
    listed = ", ".join(quoted(name) for name in names)
    try:
        rows = reading.rows(
            f"select {listed} from {table.rows} where {sample.where} order by {listed} limit {sample_rows}"
        )
    except RuleProblem:
        return ()
    return tuple(dict(zip(names, row, strict=True)) for row in rows)
