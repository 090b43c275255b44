"""A suite on a partition -> what it says of the version that is there, and the evidence of it.

Belongs here: judging, keeping what the rules said, and what it amounts to. Does not belong here: how Dagster
shows it (`checks`), how a rule is judged (`judging`).
"""

import re
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from sluicegate.core.severity import Severity
from sluicegate.core.shown_text import CLASSIFIED, Near, shown
from sluicegate.quality import history, results
from sluicegate.quality.expectation_types import columns_read
from sluicegate.quality.held_rows import HeldRows
from sluicegate.quality.judging import judge
from sluicegate.quality.parameters import (
    Metric,
    ParameterProblem,
    as_shown,
    parameters_in,
    references,
    resolved,
)
from sluicegate.quality.pushdown.table import first_line
from sluicegate.quality.rule_results import Outcome, RuleResult
from sluicegate.quality.suites import CHECK_NAME, Rule, SuiteTarget
from sluicegate.state.deployment import Deployment
from sluicegate.state.metrics import Metrics
from sluicegate.state.moments import now
from sluicegate.state.records import Evidence
from sluicegate.state.results import Judgement
from sluicegate.warehouse.base import Session

_NAME = re.compile(r"[^\W\d]\w*")
# A number, and what it counts: no text of a row.
_MEASURED = re.compile(r"[-+]?[0-9][0-9.,e+-]*(?: rows?| %)?")
_MANY_RULES = 3


@dataclass(frozen=True)
class SuiteVerdict:
    """What a suite said of a version: a result a rule, in order; `content` is a digest of rows that are sent.

    Values of classified columns are hidden in all of it.
    """

    target: SuiteTarget
    partition_key: str
    run_id: str
    version: str
    content: str
    said: list[RuleResult]

    @property
    def passed(self) -> bool | None:
        """Whether every critical rule holds; None where none failed, but one could not run.

        An error says nothing of the data: there is no verdict, and it has to be tried again.
        """
        if self.blocking(Outcome.FAILED):
            return False
        return None if self.blocking(Outcome.ERROR) else True

    @property
    def errors(self) -> str:
        """Which critical rules could not run, and why; empty where all could."""
        return "; ".join(_sentence(item) for item in self.blocking(Outcome.ERROR))

    @property
    def shown(self) -> list[RuleResult]:
        """The results that fail the check in the UI: critical ones, or else the warnings.

        What is only for the record is none of them.
        """
        bad = [item for item in self.said if item.outcome in (Outcome.FAILED, Outcome.ERROR)]
        critical = [item for item in bad if item.rule.severity.blocks]
        warned = [item for item in bad if item.rule.severity is Severity.WARNING]
        return critical or [*warned, *self.of(Outcome.NO_HISTORY)]

    @property
    def summary(self) -> str:
        """What was said, in a line."""
        bad = [item for item in self.said if item.outcome in (Outcome.FAILED, Outcome.ERROR)]
        told = self.shown or bad
        if not told:
            return f"{len(self.said)} rules hold"
        kinds = (
            (Outcome.FAILED, "rules fail"),
            (Outcome.ERROR, "rules could not run"),
            (Outcome.NO_HISTORY, "have no history yet"),
        )
        parts = [
            f"{len(items)} of {len(self.said)} {words}: {_sentences(items)}"
            for outcome, words in kinds
            if (items := [item for item in told if item.outcome is outcome])
        ]
        return "; ".join(parts if bad else ["no rule fails", *parts])

    def of(self, outcome: Outcome) -> list[RuleResult]:
        """Return the results of an outcome."""
        return [item for item in self.said if item.outcome is outcome]

    def blocking(self, outcome: Outcome) -> list[RuleResult]:
        """Return the results of an outcome that hold what comes after."""
        return [item for item in self.of(outcome) if item.rule.severity.blocks]


def judge_suite(
    session: Session, deployment: Deployment, target: SuiteTarget, key: str, run_id: str
) -> SuiteVerdict:
    """Judge a partition by its suite, and put on record what each rule said; that is no evidence yet.

    A rule that cannot run takes no other along. The session has no snapshot begun.

    Raises:
        NotJudged: the table holds nothing for the partition, or was rebuilt meanwhile.
    """
    relation, rules = target.table.relation, target.suite.rules
    held = HeldRows(session, target.table, key)
    asked = _resolved(session, deployment, target, key, held)
    with held.reading() as begin_again:
        answers = iter(
            judge(
                session.native,
                relation,
                target.condition(key),
                [item for item, _ in asked if isinstance(item, Rule)],
                key_columns=target.key_columns,
                begin_again=begin_again,
            )
        )
    said = [
        _with_note(next(answers), note, rule, target.classified) if isinstance(item, Rule) else item
        for (item, note), rule in zip(asked, rules, strict=True)
    ]
    said = [_masked(item, rule, target.classified) for item, rule in zip(said, rules, strict=True)]
    deployment.store.results.keep(
        Judgement(relation, key, CHECK_NAME, held.version, run_id, now(), results.kept(said))
    )
    return SuiteVerdict(target, key, run_id, held.version, held.content, said)


def record_verdict(deployment: Deployment, verdict: SuiteVerdict) -> None:
    """Record what a suite said as evidence; nothing, where a critical rule could not run and none failed."""
    if verdict.passed is None:
        return
    target = verdict.target
    deployment.store.record_evidence(
        [
            Evidence(
                relation=target.table.relation,
                partition_key=verdict.partition_key,
                check=CHECK_NAME,
                version=verdict.version,
                passed=verdict.passed,
                summary=verdict.summary,
                run_id=verdict.run_id,
                rules=target.suite.rules_digest,
                content=verdict.content,
            )
        ]
    )


def _resolved(
    session: Session,
    deployment: Deployment,
    target: SuiteTarget,
    key: str,
    held: HeldRows,
) -> list[tuple[Rule | RuleResult, str]]:
    """Return the rules with their parameters worked out, and keep what later partitions compare with.

    In the place of a rule comes what became of it where it need not be judged.
    """
    table, rules, kept = target.table, target.suite.rules, deployment.store.metrics
    metrics = sorted(history.metrics_of(text for rule in rules for text in _parameters(rule)), key=str)
    if not metrics:
        past = history.Past(table.relation, table.partitioning, target.partition_column, [])
        return [_resolve(session, kept, rule, past, key, {}, target.classified) for rule in rules]
    unmeasured = _unmeasured(session, kept, held, target, key, metrics)
    past = history.validated_past(session, deployment.store, table, target.partition_column, key)
    _recall(session, kept, held, rules, past, key, unmeasured)
    return held.each(
        rules,
        lambda rule: _resolve(session, kept, rule, past, key, unmeasured, target.classified),
        lambda rule, error: (RuleResult(rule, Outcome.ERROR, error=first_line(error)), ""),
    )


def _recall(
    session: Session,
    kept: Metrics,
    held: HeldRows,
    rules: Sequence[Rule],
    past: history.Past,
    key: str,
    unmeasured: Collection[Metric],
) -> None:
    """Look up together what all rules look at; where that cannot be measured, each rule asks for its own."""
    named = (item for rule in rules for text in _parameters(rule) for item in references(text))
    wanted = [reference for reference in named if reference.metric not in unmeasured]
    with suppress(*session.errors), held.still():
        history.recall(session, kept, past, wanted, key)


def _unmeasured(
    session: Session,
    kept: Metrics,
    held: HeldRows,
    target: SuiteTarget,
    key: str,
    metrics: Sequence[Metric],
) -> dict[Metric, str]:
    """Keep the metrics of the version; return those that cannot be measured, and why."""

    def measure(chosen: Sequence[Metric]) -> None:
        version, condition = held.version, target.condition(key)
        history.measure(session, kept, target.table.relation, key, version, condition, chosen)

    try:
        with held.still():
            measure(metrics)
    except session.errors:
        problems = held.each(
            metrics,
            lambda metric: measure([metric]),
            lambda metric, error: (metric, first_line(error)),
        )
        return dict(problem for problem in problems if problem is not None)
    return {}


def _parameters(rule: Rule) -> list[str]:
    return [text for _, text in parameters_in(rule.kwargs)]


def _resolve(
    session: Session,
    kept: Metrics,
    rule: Rule,
    past: history.Past,
    key: str,
    unmeasured: dict[Metric, str],
    classified: frozenset[str],
) -> tuple[Rule | RuleResult, str]:
    """Return the rule with its parameters worked out, or what became of it without being judged."""
    if not any(parameters_in(rule.kwargs)):
        return rule, ""
    notes: list[str] = []

    def work_out(expression: str) -> history.Value:
        found = references(expression)
        for reference in found:
            if reference.metric in unmeasured:
                raise ParameterProblem(f"`{reference.metric}`: {unmeasured[reference.metric]}")
        value, made_of = history.resolve(session, kept, expression, past, key, classified)
        if found:
            notes.append(made_of)
        return value

    try:
        kwargs = resolved(rule.kwargs, work_out)
    except history.NoHistory as missing:
        return RuleResult(rule, Outcome.NO_HISTORY, expected="earlier partitions", observed=str(missing)), ""
    except ParameterProblem as problem:
        return RuleResult(rule, Outcome.ERROR, error=str(problem)), ""
    return rule.model_copy(update={"kwargs": kwargs}), "; ".join(dict.fromkeys(notes))


def _with_note(result: RuleResult, note: str, written: Rule, classified: frozenset[str]) -> RuleResult:
    """Return what is shown of a rule's bounds, and what history they are made of.

    A bound that is worked out of the values of a classified column is one of them, or near it.
    """

    def hidden(expression: str) -> bool:
        return any(reference.metric.tells_of(classified) for reference in references(expression))

    expected = result.expected
    if result.rule is not written and any(map(hidden, _parameters(written))):
        kwargs = as_shown(written.kwargs, result.rule.kwargs, hidden)
        bounds = {
            name: CLASSIFIED if any(parameters_in(value)) else value
            for name, value in kwargs.items()
            if (name,) not in dict(columns_read(written.type, written.kwargs))
        }
        expected = ", ".join(f"{name}: {value}" for name, value in bounds.items())
        result = replace(result, rule=written.model_copy(update={"kwargs": kwargs}))
    return replace(result, expected=f"{expected}; {note}" if note else expected)


def _masked(result: RuleResult, rule: Rule, classified: frozenset[str]) -> RuleResult:
    """Hide what a result would show of classified values: samples, observed values, engines' messages.

    `rule` is the rule as it is written: its parameters name columns too. Also a rule on another column shows
    no text: where the fields of a row are shifted, that column has a classified value.
    """
    if not classified:
        return result
    sample = tuple(results.masked(row, classified) for row in result.sample)
    columns = {column for _, column in columns_read(rule.type, rule.kwargs)}
    near = Near(True, classified | columns | set(_NAME.findall(str(rule.kwargs))))
    error = None if result.error is None else shown(result.error, near)
    counted = result.failing_rows is not None
    unjudged = result.outcome is Outcome.NO_HISTORY  # and says which history, in our words
    if not columns & classified:
        measured = result.observed_value is not None and _MEASURED.fullmatch(result.observed)
        told = counted or measured or unjudged
        observed = result.observed if told else shown(result.observed, near)
        return replace(result, sample=sample, observed=observed, error=error)
    return replace(
        result,
        sample=sample,
        observed=result.observed if counted or unjudged or not result.observed else CLASSIFIED,
        observed_value=None,
        error=error,
    )


def _sentences(items: Sequence[RuleResult]) -> str:
    more = f"; and {len(items) - _MANY_RULES} more" if len(items) > _MANY_RULES else ""
    return "; ".join(_sentence(item) for item in items[:_MANY_RULES]) + more


def _sentence(item: RuleResult) -> str:
    if item.error or not item.expected:
        return f"{item.rule.title}: {item.error or item.observed}"
    return f"{item.rule.subject}: {item.observed}, expected {item.expected}"
