"""Findings and rule results as Dagster metadata: the tables an analyst sees in the UI."""

from collections.abc import Sequence

import dagster as dg

from orchestration.quality.gate import Finding
from orchestration.quality.gx_engine import RuleResult

_SHOWN_FINDINGS = 50


def findings_table(findings: Sequence[Finding]) -> dg.TableMetadataValue:
    """Return the gate's findings as a table."""
    return dg.MetadataValue.table(
        records=[
            dg.TableRecord(
                {
                    "table": item.relation,
                    "partition": item.partition_key,
                    "check": item.check,
                    "said": item.verdict.value,
                    "why": item.summary,
                    "when": item.judged_at.isoformat(timespec="seconds") if item.judged_at else "",
                    "version": item.version,
                }
            )
            for item in findings[:_SHOWN_FINDINGS]
        ],
        schema=dg.TableSchema(
            columns=[
                dg.TableColumn(name, "string")
                for name in ("table", "partition", "check", "said", "why", "when", "version")
            ]
        ),
    )


def rules_table(results: Sequence[RuleResult]) -> dg.TableMetadataValue:
    """Return what each rule of a suite said as a table, failures first."""
    return dg.MetadataValue.table(
        records=[
            dg.TableRecord(
                {
                    "rule": item.rule.title,
                    "severity": item.rule.severity,
                    "passed": "yes" if item.passed else "NO",
                    "observed": item.error or item.observed,
                    "failing rows": "" if item.failing_rows is None else str(item.failing_rows),
                    "failing share": "" if item.failing_share is None else f"{item.failing_share:.2%}",
                }
            )
            for item in sorted(results, key=lambda item: item.passed)
        ],
        schema=dg.TableSchema(
            columns=[
                dg.TableColumn(name, "string")
                for name in (
                    "rule",
                    "severity",
                    "passed",
                    "observed",
                    "failing rows",
                    "failing share",
                )
            ]
        ),
    )
