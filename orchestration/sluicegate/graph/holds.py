"""Held exports, shown where an analyst looks: on the export's own page.

A run that stops at a failed check never reaches the export, so the export's page would say nothing. The
gate's answer is put there as the export's `gate` check, by partition, once for each new reason; and the
partition is marked as failed, with the tables below the reason that could not be built.
"""

from collections.abc import Iterable, Iterator

import dagster as dg
from dagster._core.events import AssetMaterializationPlannedData, DagsterEvent
from dagster._core.storage.tags import PARTITION_NAME_TAG

from sluicegate.gate.gate import Verdict
from sluicegate.graph.check_events import check_evaluation
from sluicegate.graph.deliveries_shown import gate_result
from sluicegate.graph.desk import Desk
from sluicegate.operations.due import Held
from sluicegate.project.loading import Project
from sluicegate.state.records import Hold

_JOB_NAME = "gate"


def publish_holds(desk: Desk, held: Iterable[Held]) -> list[Held]:
    """Report newly held partitions to Dagster; return those that were not shown before."""
    store = desk.deployment.store
    published: list[Held] = []
    for item in held:
        reasons = tuple(str(finding) for finding in item.report.reasons)
        known = store.holds(item.export).get(item.partition_key)
        if known is not None and known.reasons == reasons:
            continue
        _report(desk.instance, dg.AssetKey(desk.project.exports[item.export].asset_key), item)
        _mark_as_failed(desk.instance, desk.project, item)
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


def _mark_as_failed(instance: dg.DagsterInstance, project: Project, item: Held) -> None:
    """Have Dagster show the held partition, and those that are missing because of it, as failed.

    Its own storage takes a partition for failed that a failed run was to materialize and did not, until
    something is materialized of it. Where the reason is no failed run's, as after a judging, a run that has
    failed stands for it.
    """
    run = instance.get_run_by_id(item.run_id) if item.run_id else None
    keys = list(_held_assets(project, item))
    run_id = run.run_id if run is not None and _fails(run) else _failed_run(instance, item, keys)
    for key in keys:
        planned = AssetMaterializationPlannedData(dg.AssetKey(key), partition=item.partition_key or None)
        event = DagsterEvent.build_asset_materialization_planned_event(_JOB_NAME, _JOB_NAME, planned)
        instance.report_dagster_event(event, run_id=run_id)


def _held_assets(project: Project, item: Held) -> Iterator[tuple[str, ...]]:
    """Yield the export, and the tables of its partition that were never built."""
    yield tuple(project.exports[item.export].asset_key)
    own = project.lineage.tables[item.report.relation].partitioning
    for finding in item.report.closed_by:
        table = project.lineage.tables[finding.relation]
        missing = finding.verdict is Verdict.NOT_BUILT and finding.own
        if missing and table.partitioning == own:
            yield tuple(table.asset_key)


def _fails(run: dg.DagsterRun) -> bool:
    """Whether a run has failed, or is at work and may."""
    return run.status is dg.DagsterRunStatus.FAILURE or not run.is_finished


def is_mark(run: dg.DagsterRun) -> bool:
    """Whether a run is a mark of a hold, and never was at work."""
    return run.job_name == _JOB_NAME


def _failed_run(instance: dg.DagsterInstance, item: Held, keys: list[tuple[str, ...]]) -> str:
    tags = {PARTITION_NAME_TAG: item.partition_key} if item.partition_key else {}
    run = dg.DagsterRun(
        job_name=_JOB_NAME,
        status=dg.DagsterRunStatus.FAILURE,
        tags=tags,
        asset_selection=frozenset(dg.AssetKey(key) for key in keys),
    )
    return instance.run_storage.add_run(run).run_id
