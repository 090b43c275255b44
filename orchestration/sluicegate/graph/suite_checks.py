"""A suite as Dagster shows it: an asset check of its table, blocking where a rule is critical."""

import dagster as dg

from sluicegate.graph.results_shown import check_metadata
from sluicegate.quality.suite_verdict import SuiteVerdict
from sluicegate.quality.suites import CHECK_NAME, SuiteTarget


def suite_spec(target: SuiteTarget, partitions: dg.PartitionsDefinition[str] | None) -> dg.AssetCheckSpec:
    """Return the check of a suite."""
    suite = target.suite
    return dg.AssetCheckSpec(
        CHECK_NAME,
        asset=dg.AssetKey(target.table.asset_key),
        description=f"{suite.description}\n\n{len(suite.rules)} rules, from {suite.file.name}".strip(),
        blocking=suite.blocking,
        partitions_def=partitions,
        metadata={"suite": suite.file.name},
    )


def suite_result(verdict: SuiteVerdict) -> dg.AssetCheckResult:
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
