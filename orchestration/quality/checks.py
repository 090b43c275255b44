"""Suite -> asset check: partitioned as its table, blocking where a rule is critical."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import dagster as dg

from orchestration.dagster_partitions import PartitionsOf
from orchestration.deployment import Deployment
from orchestration.partitions import UNPARTITIONED
from orchestration.project_identity import ProjectIdentity
from orchestration.quality.reporting import check_metadata
from orchestration.quality.suite_verdict import SuiteVerdict, judge_suite, record_verdict
from orchestration.quality.suites import CHECK_NAME, SuiteTarget
from orchestration.steps import of_one_project
from orchestration.warehouse.engine import POOL

if TYPE_CHECKING:
    import duckdb


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
    deployment: Deployment,
    target: SuiteTarget,
    key: str,
    run_id: str,
    *,
    connection: "duckdb.DuckDBPyConnection | None" = None,
) -> dg.AssetCheckResult:
    """Judge a partition by its suite, record what it said as evidence, and return it as Dagster shows it.

    Raises:
        dagster.Failure: the table holds nothing for the partition, it was rebuilt meanwhile, or a critical
            rule could not run and none failed: that leaves no evidence.
    """
    verdict = judge_suite(deployment, target, key, run_id, connection=connection)
    if verdict.passed is None:
        where = f"{target.table.relation} [{key}]" if key else target.table.relation
        raise dg.Failure(
            description=f"{CHECK_NAME} of {where} could not run: {verdict.errors}", allow_retries=True
        )
    record_verdict(deployment, verdict)
    return check_result(verdict)


def check_result(verdict: SuiteVerdict) -> dg.AssetCheckResult:
    """Return what a suite said as Dagster shows it.

    A warning fails the check in the UI and blocks nothing; what is only for the record does neither. Where a
    critical rule could not run, the check has failed as an error.
    """
    return dg.AssetCheckResult(
        check_name=CHECK_NAME,
        asset_key=dg.AssetKey(verdict.target.table.asset_key),
        passed=not verdict.shown,
        severity=dg.AssetCheckSeverity.WARN if verdict.passed else dg.AssetCheckSeverity.ERROR,
        description=verdict.summary,
        metadata={**check_metadata(verdict.said), "version of the table": verdict.version},
    )
