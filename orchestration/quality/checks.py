"""Suite -> asset check: partitioned as its table, blocking where a rule is critical."""

from collections.abc import Mapping

import dagster as dg

from orchestration.deployment import Deployment
from orchestration.lineage import Table
from orchestration.quality.gx_engine import RuleResult, judge
from orchestration.quality.reporting import rules_table
from orchestration.quality.suites import CHECK_NAME, Suite
from orchestration.state.records import Evidence
from orchestration.warehouse.engine import POOL, literal, quoted, table_versions


def suite_checks(
    deployment: Deployment,
    suites: Mapping[str, tuple[Suite, Table, str | None]],
    partitions: dg.PartitionsDefinition[str],
) -> list[dg.AssetChecksDefinition]:
    """Return one check a suite; each comes with its table and the column that cuts it by day."""
    return [
        _suite_check(deployment, suite, table, column, partitions if table.daily else None)
        for suite, table, column in suites.values()
    ]


def _suite_check(
    deployment: Deployment,
    suite: Suite,
    table: Table,
    partition_column: str | None,
    partitions: dg.PartitionsDefinition[str] | None,
) -> dg.AssetChecksDefinition:
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
        key = context.partition_key if table.daily else ""
        condition = _condition(partition_column, key)
        # One transaction: the version that is read is the version of the rows that are judged.
        with deployment.warehouse.connect() as connection:
            connection.execute("begin")
            version = table_versions(connection, [table.relation]).get((table.relation, key))
            if version is None:
                raise dg.Failure(f"{table.relation} [{key}] holds nothing to judge; materialize it first")
            results = judge(connection, table.relation, condition, suite.rules)
        failed = [item for item in results if not item.passed]
        critical = [item for item in failed if item.rule.severity == "critical"]
        summary = _summary(results, critical or failed)
        deployment.store.record_evidence(
            [
                Evidence(
                    relation=table.relation,
                    partition_key=key,
                    check=CHECK_NAME,
                    version=version,
                    passed=not critical,
                    summary=summary,
                    run_id=context.run.run_id,
                )
            ]
        )
        # A warning fails the check in the UI and blocks nothing; what is only for the record does neither.
        shown = critical or [item for item in failed if item.rule.severity == "warning"]
        return dg.AssetCheckResult(
            passed=not shown,
            severity=dg.AssetCheckSeverity.ERROR if critical else dg.AssetCheckSeverity.WARN,
            description=summary,
            metadata={"rules": rules_table(results), "version of the table": version},
        )

    return check


def _condition(partition_column: str | None, key: str) -> str | None:
    if partition_column is None:
        return None
    # A raw table's key is text, as drops are named; a model's is the day itself.
    typed = "" if partition_column == "_partition_key" else "date "
    return f"{quoted(partition_column)} = {typed}{literal(key)}"


def _summary(results: list[RuleResult], failed: list[RuleResult]) -> str:
    if not failed:
        return f"{len(results)} rules hold"
    said = "; ".join(f"{item.rule.title}: {item.error or item.observed}" for item in failed[:3])
    more = f"; and {len(failed) - 3} more" if len(failed) > 3 else ""
    return f"{len(failed)} of {len(results)} rules fail: {said}{more}"
