"""A run that has ended, as the terminal tells of it: read from its events.

Belongs here: which events say what. Does not belong here: starting runs (`headless`), printing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg

from sluicegate.graph.exports import NOT_CONFIGURED
from sluicegate.graph.in_process import Result
from sluicegate.kusto.objects import filled_key
from sluicegate.operations.due_run import DueRun
from sluicegate.project.loading import Project
from sluicegate.project.names import GATE_CHECK


@dataclass(frozen=True)
class Finished:
    """A run has ended; `failures` are what its failed steps and checks said.

    `warnings` are what checks of its exports said that only warn, `said` those that passed. `not_configured`
    are exports without a connection, to which nothing was sent. `built` tells of each table how many rows it
    has, `sent` of each export besides what became of them, and where they are.
    """

    run: DueRun
    run_id: str
    success: bool
    failures: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    said: tuple[str, ...] = ()
    not_configured: tuple[str, ...] = ()
    built: tuple[str, ...] = ()
    sent: tuple[str, ...] = ()


def finished(project: Project, run: DueRun, result: Result) -> Finished:
    """Return what a run's events say became of it."""
    exports = {dg.AssetKey(project.exports[name].asset_key) for name in run.exports}
    exports |= {dg.AssetKey(filled_key(name)) for name in run.fills}
    failures, warnings, passed, skipped = list[str](), list[str](), list[str](), list[str]()
    built, sent = list[str](), list[str]()
    for event in result.events:
        if event.event_type is dg.DagsterEventType.STEP_FAILURE:
            cause = event.step_failure_data.error
            if cause is not None and cause.cls_name == "DagsterAssetCheckFailedError":
                continue  # the check itself tells more, below
            failures.append(f"{event.step_key}: {said_of_failure(event)}")
        if event.event_type is dg.DagsterEventType.RUN_FAILURE:
            outside = event.job_failure_data.error
            # Between its steps, as where it was taken from this process; a step or a check tells more.
            if outside is not None and not failures:
                failures.append(f"run {result.run_id[:8]}: {outside.message.strip()}")
        if event.event_type is dg.DagsterEventType.ASSET_OBSERVATION:
            observed = event.asset_observation_data.asset_observation
            if NOT_CONFIGURED in observed.metadata:
                skipped.append(observed.asset_key.path[-1])
        if event.event_type is dg.DagsterEventType.ASSET_MATERIALIZATION:
            (sent if event.asset_key in exports else built).append(_rows_of(event))
        if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            evaluation = event.asset_check_evaluation_data
            table = evaluation.asset_key.to_user_string()
            text = f"{table} check `{evaluation.check_name}`: {evaluation.description}"
            if not evaluation.passed and evaluation.severity is dg.AssetCheckSeverity.ERROR:
                # A gate that is closed is told by the step that asked it, and here for the UI.
                failures += [] if evaluation.check_name == GATE_CHECK else [text]
            elif evaluation.asset_key in exports and evaluation.asset_key.path[-1] not in skipped:
                (passed if evaluation.passed else warnings).append(text)
    return Finished(
        run,
        result.run_id,
        result.success,
        _each_once(failures),
        tuple(warnings),
        tuple(passed),
        tuple(skipped),
        tuple(built),
        tuple(sent),
    )


def _rows_of(event: dg.DagsterEvent) -> str:
    materialization = event.step_materialization_data.materialization
    shown = {name: item.value for name, item in materialization.metadata.items()}
    rows = f"{shown['dagster/row_count']:,} rows"
    if "location" not in shown:
        return f"{'.'.join(materialization.asset_key.path)} {rows}"
    return f"{materialization.asset_key.path[-1]}: {rows}, {shown['said']} → {shown['location']}"


def _each_once(failures: Sequence[str]) -> tuple[str, ...]:
    """A step that fails for what its own check tells says the same twice."""
    told = set[str]()
    found: list[str] = []
    for text in failures:
        said = text.partition(": ")[2]
        if said not in told:
            found.append(text)
        told.add(said)
    return tuple(found)


def said_of_failure(event: dg.DagsterEvent) -> str:
    """Return why a step failed: what it said itself, or else the first cause's message."""
    error = event.step_failure_data.user_failure_data
    return error.description if error and error.description else _error(event)


def _error(event: dg.DagsterEvent) -> str:
    error = event.step_failure_data.error
    while error is not None and error.cause is not None:
        error = error.cause
    return error.message.strip() if error is not None else "failed without a message"
