"""Operations data that Dagster alone knows: runs that have ended, and their steps.

A run is read once, when it has ended. Looks read again what ended shortly before the last one, as processes
commit in no order and clocks differ; what is on record stays as it is. Belongs here: reading runs. Does not
belong here: what they are kept in (`state.ops`), what else operations data are made of (`reporting`).
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import dagster as dg
import sqlalchemy as sa
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.dagster_run import FINISHED_STATUSES, RunRecord
from dagster._core.storage.tags import (
    PARENT_RUN_ID_TAG,
    PARTITION_NAME_TAG,
    SCHEDULE_NAME_TAG,
    SENSOR_NAME_TAG,
)
from dagster._serdes import deserialize_value

from sluicegate.graph.crashes import STARTED_BY_TAG
from sluicegate.graph.desk import Desk
from sluicegate.graph.holds import is_mark
from sluicegate.graph.reasons import cause_of
from sluicegate.graph.second_tries import ended_at
from sluicegate.project.loading import Project
from sluicegate.reporting.collect import collect
from sluicegate.state.ops import Row

if TYPE_CHECKING:
    from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage

_RUNS = "runs"
_AT_ONCE = 20
# A look takes no longer than this and one batch, whatever has piled up: the next goes on.
_SECONDS = 2.0
_OVERLAP = timedelta(minutes=15)
_TYPES = dg.DagsterEventType
_BEGINS = {_TYPES.STEP_START.value, _TYPES.STEP_RESTARTED.value}
_ENDS = {
    _TYPES.STEP_SUCCESS.value: "success",
    _TYPES.STEP_FAILURE.value: "failure",
    _TYPES.STEP_SKIPPED.value: "skipped",
}


def report_at(desk: Desk, say: Callable[[str], object] = lambda _: None, seconds: float = _SECONDS) -> None:
    """Bring operations data up to date, within some seconds; `say` is told where that failed.

    What becomes of it is no reason for a run to fail, or for a look to tell nobody.
    """
    try:
        report(desk, seconds)
    except Exception as error:
        say(f"operations data were not brought up to date: {type(error).__name__}: {error}")


def report(desk: Desk, seconds: float = _SECONDS) -> bool:
    """Bring operations data up to date, within some seconds; return whether nothing is left to do."""
    collect(desk, desk.deployment.clock())
    return _report_runs(desk, seconds)


def _report_runs(desk: Desk, seconds: float) -> bool:
    store, until = desk.deployment.store.operations, time.monotonic() + seconds
    now = datetime.now(UTC)  # Dagster's clock, which is no test's
    since = store.until(_RUNS)[0]
    if since is None or since > now:  # a look whose clock was ahead has seen nothing of what came since
        since = now - desk.deployment.settings.operations_kept
    filters = dg.RunsFilter(statuses=list(FINISHED_STATUSES), updated_after=min(since, now - _OVERLAP))
    left = store.unknown_runs(list(desk.instance.get_run_ids(filters))[::-1])
    named = _Named.of(desk.project) if left else _Named({})
    while left:
        some, left = left[:_AT_ONCE], left[_AT_ONCE:]
        runs, steps = list[Row](), list[Row]()
        for record in desk.instance.get_run_records(dg.RunsFilter(run_ids=some)):
            if not is_mark(record.dagster_run):
                run, of_run = _read(desk.instance, record, named, now)
                runs.append(run)
                steps += of_run
        store.add_runs(runs, steps)
        if left and time.monotonic() > until:
            return False
    store.set_until(_RUNS, now - _OVERLAP)
    return True


@dataclass(frozen=True)
class _Named:
    """{step: (kind, name)} of the steps that load, build and send."""

    steps: Mapping[str, tuple[str, str]]

    @classmethod
    def of(cls, project: Project) -> "_Named":
        """Return those of a project."""
        steps = {f"load__{name}": ("source", str(one.relation)) for name, one in project.contracts.items()}
        steps |= {
            "__".join(node.relation.parts): ("model", str(node.relation))
            for node in project.manifest.nodes.values()
        }
        return cls(steps | {f"deliver__{name}": ("export", name) for name in project.exports})


def _read(
    instance: dg.DagsterInstance, record: RunRecord, named: _Named, now: datetime
) -> tuple[Row, list[Row]]:
    run = record.dagster_run
    began = None if record.start_time is None else datetime.fromtimestamp(record.start_time, UTC)
    steps = list(_steps(run.run_id, _events(instance, run.run_id), named)) if began else []
    failed = [step for step in steps if step["status"] == "failure"]
    row = {
        "run_id": run.run_id,
        "job": "assets" if run.job_name.startswith("__ASSET_JOB") else run.job_name[:200],
        "partition_key": run.tags.get(PARTITION_NAME_TAG, "")[:100],
        "started_by": _started_by(run.tags)[:200],
        "status": run.status.value.lower(),
        "queued_at": record.create_timestamp.replace(tzinfo=record.create_timestamp.tzinfo or UTC),
        "started_at": began,
        "ended_at": ended_at(record),
        "retry_of": run.tags.get(PARENT_RUN_ID_TAG, ""),
        "failed_step": min(failed, key=lambda step: step["ended_at"])["step"] if failed else "",
        "collected_at": now,
    }
    return row, steps


def _started_by(tags: Mapping[str, str]) -> str:
    if tags.get(STARTED_BY_TAG):
        return "command"
    for tag, kind in ((SENSOR_NAME_TAG, "sensor"), (SCHEDULE_NAME_TAG, "schedule")):
        if tag in tags:
            return f"{kind} {tags[tag]}"
    return "person"


# (step, type of the event, when, the event of a failure).
_Event = tuple[str, str, datetime, Any]


def _events(instance: dg.DagsterInstance, run_id: str) -> list[_Event]:
    """Return what began and ended of a run; its events are not read whole, which takes ten times as long."""
    # Late: the package brings the databases' migrations, and a graph that loads reads no events.
    from dagster._core.storage.event_log.schema import SqlEventLogStorageTable

    storage, table = cast("SqlEventLogStorage", instance.event_log_storage), SqlEventLogStorageTable
    columns = (table.c.step_key, table.c.dagster_event_type, table.c.timestamp)
    failed = sa.case((table.c.dagster_event_type == _TYPES.STEP_FAILURE.value, table.c.event))
    query = (
        sa.select(*columns, failed)
        .where(table.c.run_id == run_id, table.c.step_key.is_not(None))
        .where(table.c.dagster_event_type.in_([*_BEGINS, *_ENDS]))
        .order_by(table.c.id)
    )
    with storage.run_connection(run_id) as connection:
        return [
            (step, type_, at.replace(tzinfo=at.tzinfo or UTC), event)
            for step, type_, at, event in connection.execute(query)
        ]


def _steps(run_id: str, events: Sequence[_Event], named: _Named) -> Iterator[Row]:
    by_step: dict[str, list[_Event]] = {}
    for event in events:
        by_step.setdefault(event[0], []).append(event)
    for step, of_step in by_step.items():
        kind, name = named.steps.get(step, ("other", step))
        begins = [at for _, type_, at, _ in of_step if type_ in _BEGINS]
        ends = [(at, type_, event) for _, type_, at, event in of_step if type_ in _ENDS]
        ended, type_, event = ends[-1] if ends else (None, "", None)
        yield {
            "run_id": run_id,
            "step": step[:400],
            "kind": kind,
            "name": name[:400],
            "status": _ENDS.get(type_, "unknown"),
            "started_at": min(begins, default=None),
            "ended_at": ended,
            "seconds": (ended - min(begins)).total_seconds() if ended and begins else None,
            "attempts": len(begins),
            "error_class": _error_class(event) if event else "",
        }


def _error_class(event: Any) -> str:
    entry = deserialize_value(event, EventLogEntry)
    failure = entry.dagster_event.step_failure_data if entry.dagster_event else None
    cause = cause_of(failure.error) if failure else None
    return (cause.cls_name or "")[:200] if cause else ""
