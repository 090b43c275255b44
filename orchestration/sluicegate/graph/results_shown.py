"""Rule results as Dagster metadata: the tables an analyst sees in the UI."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from sluicegate.quality.rule_results import Outcome, RuleResult

_BAD = (Outcome.FAILED, Outcome.ERROR)


def check_metadata(results: Sequence[RuleResult]) -> dict[str, dg.MetadataValue[Any]]:
    """Return what a suite's check shows: its rules, failing rows of each that failed, and numbers to plot."""
    shown: dict[str, dg.MetadataValue[Any]] = {"rules": rules_table(results)}
    for label, item in _labelled(results):
        if item.sample:
            columns = list(dict.fromkeys(name for row in item.sample for name in row))
            records = [
                dg.TableRecord({name: _cell(row.get(name)) for name in columns}) for row in item.sample
            ]
            shown[f"failing rows: {label}"] = _table(columns, records)
    for label, item in _labelled(results):
        if item.failing_share is not None:
            shown[f"failing share, {label}"] = dg.MetadataValue.float(item.failing_share)
        elif item.observed_value is not None and math.isfinite(item.observed_value):
            shown[f"observed, {label}"] = dg.MetadataValue.float(item.observed_value)
    return shown


def rules_table(results: Sequence[RuleResult]) -> dg.TableMetadataValue:
    """Return what each rule of a suite said as a table, failures first."""
    records = [
        dg.TableRecord(
            {
                "rule": item.rule.subject,
                "severity": item.rule.severity.value,
                "outcome": item.outcome.value.upper() if item.outcome in _BAD else item.outcome.value,
                "observed": item.error or item.observed,
                "expected": item.expected,
                "why": str(item.rule.meta.get("notes") or ""),
            }
        )
        for item in sorted(results, key=lambda item: (item.passed, item.outcome not in _BAD))
    ]
    columns = ("rule", "severity", "outcome", "observed", "expected", "why")
    return _table(columns, records)


def text_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> dg.TableMetadataValue:
    """Return rows of text as a table."""
    return _table(columns, [dg.TableRecord(dict(zip(columns, row, strict=True))) for row in rows])


def _labelled(results: Sequence[RuleResult]) -> Iterator[tuple[str, RuleResult]]:
    """Yield each result with a label of its own, the same on every day: bounds from history are not in it."""
    seen: Counter[str] = Counter()
    for item in results:
        seen[item.rule.subject] += 1
        again = seen[item.rule.subject]
        yield f"{item.rule.subject} #{again}" if again > 1 else item.rule.subject, item


def _cell(value: object) -> str:
    return "" if value is None else str(value)


def _table(columns: Sequence[str], records: Sequence[dg.TableRecord]) -> dg.TableMetadataValue:
    schema = dg.TableSchema(columns=[dg.TableColumn(name, "string") for name in columns])
    return dg.MetadataValue.table(records=records, schema=schema)
