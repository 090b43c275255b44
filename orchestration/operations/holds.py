"""Held exports, shown where an analyst looks: on the export's own page.

A run that stops at a failed check never reaches the export, so the export's page would say nothing. The
gate's answer is put there as the export's `gate` check, by partition, once for each new reason.
"""

from collections.abc import Iterable

import dagster as dg

from orchestration.delivery.assets import gate_result
from orchestration.operations.due import Held
from orchestration.project import Project
from orchestration.state.store import Hold, StateStore


def publish_holds(
    instance: dg.DagsterInstance, project: Project, store: StateStore, held: Iterable[Held]
) -> list[Held]:
    """Report newly held partitions to Dagster; return those that were not shown before."""
    published: list[Held] = []
    for item in held:
        reasons = tuple(str(finding) for finding in item.report.refusals)
        known = store.holds(item.export).get(item.partition_key)
        if known is not None and known.reasons == reasons:
            continue
        key = dg.AssetKey(project.exports[item.export].asset_key)
        result = gate_result(key, item.report)
        instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=key,
                check_name=str(result.check_name),
                passed=result.passed,
                metadata=result.metadata,
                severity=result.severity,
                description=result.description,
                blocking=False,
                partition=item.partition_key,
            )
        )
        store.hold(Hold(item.export, item.partition_key, reasons, ""))
        published.append(item)
    return published
