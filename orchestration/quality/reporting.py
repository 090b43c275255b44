"""Findings and rule results as Dagster metadata: the tables an analyst sees in the UI."""

from collections.abc import Sequence

import dagster as dg

from orchestration.quality.gate import Finding
from orchestration.quality.gx_engine import RuleResult

_SHOWN_FINDINGS = 50


def findings_table(findings: Sequence[Finding]) -> dg.TableMetadataValue:
    """Return findings that keep a gate closed as a table, each with what mends it."""
    records = [
        dg.TableRecord(
            {
                "table": item.relation,
                "partition": item.partition_key,
                "check": item.check,
                "said": item.verdict.value,
                "why": item.summary,
                "mend": item.mend,
                "when": item.judged_at.isoformat(sep=" ", timespec="seconds") if item.judged_at else "",
                "version": item.version,
            }
        )
        for item in findings[:_SHOWN_FINDINGS]
    ]
    columns = ("table", "partition", "check", "said", "why", "mend", "when", "version")
    return _table(columns, records)


def passed_table(findings: Sequence[Finding]) -> dg.TableMetadataValue:
    """Return what an open gate rests on: a line a table, since there may be hundreds of checks."""
    tables: dict[str, list[Finding]] = {}
    for item in findings:
        tables.setdefault(item.relation, []).append(item)
    records = [
        dg.TableRecord(
            {
                "table": relation,
                "partitions": str(len({item.partition_key for item in items})),
                "checks passed": str(len(items)),
                "last judged": str(max(str(item.judged_at)[:19] for item in items)),
            }
        )
        for relation, items in tables.items()
    ]
    return _table(("table", "partitions", "checks passed", "last judged"), records)


def rules_table(results: Sequence[RuleResult]) -> dg.TableMetadataValue:
    """Return what each rule of a suite said as a table, failures first."""
    records = [
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
    ]
    columns = ("rule", "severity", "passed", "observed", "failing rows", "failing share")
    return _table(columns, records)


def _table(columns: Sequence[str], records: Sequence[dg.TableRecord]) -> dg.TableMetadataValue:
    schema = dg.TableSchema(columns=[dg.TableColumn(name, "string") for name in columns])
    return dg.MetadataValue.table(records=records, schema=schema)
