"""Held exports, shown where an analyst looks: on the export's own page.

A run that stops at a failed check never reaches the export, so the export's page would say nothing. The
gate's answer is put there as the export's `gate` check, by partition, once for each new reason.
"""

from collections.abc import Iterable

import dagster as dg
from dagster._core.events import DagsterEvent

from orchestration.delivery.showing import gate_result
from orchestration.operations.check_events import check_evaluation
from orchestration.operations.due import Held
from orchestration.project import Project
from orchestration.state.records import Hold
from orchestration.state.store import StateStore

_JOB_NAME = "gate"


def publish_holds(
    instance: dg.DagsterInstance, project: Project, store: StateStore, held: Iterable[Held]
) -> list[Held]:
    """Report newly held partitions to Dagster; return those that were not shown before."""
    published: list[Held] = []
    for item in held:
        reasons = tuple(str(finding) for finding in item.report.reasons)
        known = store.holds(item.export).get(item.partition_key)
        if known is not None and known.reasons == reasons:
            continue
        _report(instance, dg.AssetKey(project.exports[item.export].asset_key), item)
        store.hold(Hold(item.export, item.partition_key, reasons, "", item.report.waits_for))
        published.append(item)
    return published


def _report(instance: dg.DagsterInstance, key: dg.AssetKey, item: Held) -> None:
    """Record the gate's answer as an event of the run whose check said no.

    Dagster keeps one result of a check for a partition and run, and only one without a run at all; so it
    goes to the run that knows the reason, where it replaces what that run said of the gate before.
    """
    result = gate_result(key, item.report)
    event = DagsterEvent(
        event_type_value=dg.DagsterEventType.ASSET_CHECK_EVALUATION.value,
        job_name=_JOB_NAME,
        event_specific_data=check_evaluation(instance, result, key, item.partition_key, blocking=False),
        message=result.description,
    )
    instance.report_dagster_event(event, run_id=item.run_id)
