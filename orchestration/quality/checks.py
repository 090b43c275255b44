"""Suite -> asset check: partitioned as its table, blocking where a rule is critical."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import dagster as dg

from orchestration.dagster_partitions import PartitionsOf
from orchestration.deployment import Deployment
from orchestration.partitions import UNPARTITIONED
from orchestration.project_identity import ProjectIdentity
from orchestration.quality import history, results
from orchestration.quality.expectation_types import columns_read
from orchestration.quality.judging import judge
from orchestration.quality.parameters import ParameterProblem, parameters_in, references, resolved
from orchestration.quality.reporting import check_metadata
from orchestration.quality.rule_results import Outcome, RuleResult
from orchestration.quality.sent_rows import sent_content
from orchestration.quality.suites import CHECK_NAME, Rule, Suite, SuiteTarget
from orchestration.state.records import Evidence
from orchestration.steps import of_one_project
from orchestration.warehouse.engine import POOL, table_versions

if TYPE_CHECKING:
    import duckdb

_HIDDEN = "not shown: the column is classified"


def suite_checks(
    deployment: Deployment,
    project: ProjectIdentity,
    targets: Iterable[SuiteTarget],
    partitions_of: PartitionsOf,
) -> list[dg.AssetChecksDefinition]:
    """Return one check a suite."""
    return [
        _suite_check(deployment, project, target, partitions_of(target.table.partitioning))
        for target in targets
    ]


def _suite_check(
    deployment: Deployment,
    project: ProjectIdentity,
    target: SuiteTarget,
    partitions: dg.PartitionsDefinition[str] | None,
) -> dg.AssetChecksDefinition:
    suite, table = target.suite, target.table

    @dg.asset_check(
        asset=dg.AssetKey(table.asset_key),
        name=CHECK_NAME,
        description=f"{suite.description}\n\n{len(suite.rules)} rules, from {suite.file.name}".strip(),
        blocking=suite.blocking,
        pool=POOL,
        partitions_def=partitions,
        metadata={"suite": suite.file.name},
    )
    def check(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        key = context.partition_key if table.partitioning.partitioned else UNPARTITIONED
        with of_one_project(project):
            return judge_and_record(deployment, target, key, context.run.run_id)

    return check


def judge_and_record(
    deployment: Deployment, target: SuiteTarget, key: str, run_id: str
) -> dg.AssetCheckResult:
    """Judge a partition by its suite, record what it said as evidence, and return it as Dagster shows it.

    Raises:
        dagster.Failure: the table holds nothing for the partition.
    """
    judged = judge_partition(deployment, target, key, run_id)
    said = judged.said
    failed = [item for item in said if item.outcome in (Outcome.FAILED, Outcome.ERROR)]
    critical = [item for item in failed if item.rule.severity == "critical"]
    warned = [item for item in failed if item.rule.severity == "warning"]
    warned += [item for item in said if item.outcome is Outcome.NO_HISTORY]
    # A warning fails the check in the UI and blocks nothing; what is only for the record does neither.
    shown = critical or warned
    summary = _summary(said, shown or failed)
    deployment.store.record_evidence(
        [
            Evidence(
                relation=target.table.relation,
                partition_key=key,
                check=CHECK_NAME,
                version=judged.version,
                passed=not critical,
                summary=summary,
                run_id=run_id,
                rules=target.suite.rules_digest,
                content=judged.content,
            )
        ]
    )
    return dg.AssetCheckResult(
        check_name=CHECK_NAME,
        asset_key=dg.AssetKey(target.table.asset_key),
        passed=not shown,
        severity=dg.AssetCheckSeverity.ERROR if critical else dg.AssetCheckSeverity.WARN,
        description=summary,
        metadata={**check_metadata(said), "version of the table": judged.version},
    )


@dataclass(frozen=True)
class Judged:
    """What a suite said of a version: a result a rule; `content` is a digest of rows that are sent."""

    version: str
    content: str
    said: list[RuleResult]


def judge_partition(deployment: Deployment, target: SuiteTarget, key: str, run_id: str) -> Judged:
    """Judge a partition by its suite and keep the results.

    Raises:
        dagster.Failure: the table holds nothing for the partition.
    """
    relation = target.table.relation
    condition = target.condition(key)
    # One transaction: the version that is read is the version of the rows that are judged.
    with deployment.warehouse.connect() as connection:
        results.create_tables(connection)
        history.create_tables(connection)
        connection.execute("begin")
        versions = table_versions(connection, [relation])
        version = versions.get((relation, key))
        if version is None:
            raise dg.Failure(f"{relation} [{key}] holds nothing to judge; materialize it first")
        before = sent_content(connection, target.table, key)
        metrics = _metrics(target.suite)
        history.measure(connection, relation, key, version, condition, metrics)
        past = (
            history.validated_past(connection, deployment.store, target.table, target.partition_column, key)
            if metrics
            else history.Past(relation, target.table.partitioning, target.partition_column, [])
        )
        asked = [_resolve(connection, rule, past, key) for rule in target.suite.rules]
        answers = iter(
            judge(
                connection,
                relation,
                condition,
                [item for item, _ in asked if isinstance(item, Rule)],
                key_columns=target.key_columns,
            )
        )
        said = [_with_note(next(answers), note) if isinstance(item, Rule) else item for item, note in asked]
        said = [_masked(item, target.classified) for item in said]
        # A rule whose own SQL changes rows leaves others than were judged: no digest is theirs.
        after = sent_content(connection, target.table, key)
        judged = results.Judged(
            relation, key, CHECK_NAME, version, run_id, datetime.now(UTC).replace(tzinfo=None)
        )
        _keep(connection, judged, said)
    return Judged(version, before if before == after else "", said)


def _keep(connection: "duckdb.DuckDBPyConnection", judged: results.Judged, said: list[RuleResult]) -> None:
    """Keep the results and end the transaction of the judging.

    An engine's error in a rule's own SQL ends that transaction early; what the rules said is kept still.
    """
    import duckdb

    try:
        results.keep(connection, judged, said)
    except duckdb.TransactionException:
        connection.execute("rollback")
        connection.execute("begin")
        results.keep(connection, judged, said)
    connection.execute("commit")


def _metrics(suite: Suite) -> frozenset[history.Metric]:
    expressions = [text for rule in suite.rules for _, text in parameters_in(rule.kwargs)]
    return history.metrics_of(expressions)


def _resolve(
    connection: "duckdb.DuckDBPyConnection", rule: Rule, past: history.Past, key: str
) -> tuple[Rule | RuleResult, str]:
    """Return the rule with its parameters worked out, or what became of it without being judged."""
    if not any(parameters_in(rule.kwargs)):
        return rule, ""
    notes: list[str] = []

    def work_out(expression: str) -> history.Value:
        value, made_of = history.resolve(connection, expression, past, key)
        if references(expression):
            notes.append(made_of)
        return value

    try:
        kwargs = resolved(rule.kwargs, work_out)
    except history.NoHistory as missing:
        return RuleResult(rule, Outcome.NO_HISTORY, expected="earlier partitions", observed=str(missing)), ""
    except ParameterProblem as problem:
        return RuleResult(rule, Outcome.ERROR, error=str(problem)), ""
    return rule.model_copy(update={"kwargs": kwargs}), "; ".join(dict.fromkeys(notes))


def _with_note(result: RuleResult, note: str) -> RuleResult:
    return replace(result, expected=f"{result.expected}; {note}") if note else result


def _masked(result: RuleResult, classified: frozenset[str]) -> RuleResult:
    """Hide what a result would show of classified columns: samples, observed values, engines' messages."""
    sample = tuple(results.masked(row, classified) for row in result.sample)
    columns = {column for _, column in columns_read(result.rule.type, result.rule.kwargs)}
    if not columns & classified:
        return replace(result, sample=sample)
    counted = result.failing_rows is not None
    return replace(
        result,
        sample=sample,
        observed=result.observed if counted or not result.observed else _HIDDEN,
        observed_value=None,
        error=_HIDDEN if result.error else None,
    )


def _summary(said: list[RuleResult], shown: list[RuleResult]) -> str:
    if not shown:
        return f"{len(said)} rules hold"
    texts = "; ".join(_sentence(item) for item in shown[:3])
    more = f"; and {len(shown) - 3} more" if len(shown) > 3 else ""
    failed = [item for item in shown if item.outcome is not Outcome.NO_HISTORY]
    if not failed:
        return f"no rule fails; {len(shown)} of {len(said)} have no history yet: {texts}{more}"
    return f"{len(failed)} of {len(said)} rules fail: {texts}{more}"


def _sentence(item: RuleResult) -> str:
    if item.error or not item.expected:
        return f"{item.rule.title}: {item.error or item.observed}"
    return f"{item.rule.subject}: {item.observed}, expected {item.expected}"
