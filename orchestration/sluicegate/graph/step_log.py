"""What a step of a run said: its events, and the end of what it wrote to its output, as Dagster keeps it.

Read only. Belongs here: reading it, wherever Dagster's compute logs are kept. Does not belong here: what
of it may be shown (`page.logs`).
"""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.compute_log_manager import ComputeIOType, ComputeLogManager
from dagster._core.storage.tags import PARTITION_NAME_TAG

from sluicegate.core.settings import Settings
from sluicegate.graph.reasons import cause_of, in_words

# So much of the end of an output is read, and so many events; a longer output is read in pieces.
LAST_BYTES, _PIECE, _MOST_EVENTS = 64 * 1024, 1024 * 1024, 200
_Type = dg.DagsterEventType
_SHOWN = {
    _Type.RUN_START, _Type.RUN_SUCCESS, _Type.RUN_FAILURE, _Type.RUN_CANCELED, _Type.ENGINE_EVENT,
    _Type.STEP_START, _Type.STEP_SUCCESS, _Type.STEP_FAILURE, _Type.STEP_SKIPPED, _Type.STEP_UP_FOR_RETRY,
    _Type.ASSET_MATERIALIZATION, _Type.ASSET_OBSERVATION, _Type.ASSET_CHECK_EVALUATION,
}  # fmt: skip


@dataclass(frozen=True)
class StepEvent:
    """One thing that became of a step; `said` is what Dagster or the step says of it."""

    at: datetime
    what: str
    said: str
    failed: bool = False


@dataclass(frozen=True)
class StepLog:
    """What a step said. `stdout` and `stderr` are the ends of its output, "" where nothing was kept of it.

    `status` is the run's, `cut` tells that output was longer than what is here.
    """

    run_id: str
    step: str
    status: str
    partition_key: str
    job: str
    events: Sequence[StepEvent] = ()
    stdout: str = ""
    stderr: str = ""
    cut: bool = False


@contextmanager
def reading(settings: Settings) -> Generator[dg.DagsterInstance | None]:
    """Open the instance to read what is kept, its logs where its own configuration says; None before any.

    Nothing in its home is written for it.
    """
    if not (settings.dagster_home / "dagster.yaml").exists():
        yield None
        return
    with dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(settings.dagster_home))) as instance:
        yield instance


def step_log(instance: dg.DagsterInstance, run_id: str, step: str) -> StepLog | None:
    """Return what a step of a run said, "" being the run as a whole; None where Dagster has no such run."""
    run = instance.get_run_by_id(run_id)
    if run is None:
        return None
    events: list[StepEvent] = []
    files: list[str] = []
    for entry in instance.all_logs(run_id):
        event = entry.dagster_event
        if event is not None and event.event_type is _Type.LOGS_CAPTURED:
            captured = event.logs_captured_data
            if not step or step in captured.step_keys:
                files.append(captured.file_key)
        elif (not step or entry.step_key == step) and (told := _told(entry)):
            events.append(told)
    ends = {kind: _end_of(instance.compute_log_manager, run_id, files, kind) for kind in ComputeIOType}
    return StepLog(
        run_id, step, run.status.value, run.tags.get(PARTITION_NAME_TAG, ""), run.job_name,
        events[-_MOST_EVENTS:], *(ends[kind][0] for kind in (ComputeIOType.STDOUT, ComputeIOType.STDERR)),
        cut=any(cut for _, cut in ends.values()) or len(events) > _MOST_EVENTS,
    )  # fmt: skip


def _told(entry: dg.EventLogEntry) -> StepEvent | None:
    """Return what an entry tells people; None where it is of Dagster's own doings."""
    event, at = entry.dagster_event, datetime.fromtimestamp(entry.timestamp, UTC)
    if event is None:
        return StepEvent(at, "log", entry.user_message)
    if event.event_type not in _SHOWN:
        return None
    kind, said = event.event_type_value.replace("_", " ").lower(), event.message or entry.user_message
    if event.event_type is _Type.ASSET_CHECK_EVALUATION:
        return StepEvent(at, kind, said, failed=not event.asset_check_evaluation_data.passed)
    if event.event_type is not _Type.STEP_FAILURE:
        return StepEvent(at, kind, said, failed=event.event_type is _Type.RUN_FAILURE)
    error = cause_of(event.step_failure_data.error)
    words = [said, in_words(event), error.message.strip() if error else ""]
    return StepEvent(at, kind, "\n".join(filter(None, words)), failed=True)


def _end_of(
    manager: "ComputeLogManager[dg.DagsterInstance]", run_id: str, files: Sequence[str], kind: ComputeIOType
) -> tuple[str, bool]:
    """Return the end of one output of a step, and whether it was longer."""
    end, longer = b"", False
    for file in files:
        key, offset = manager.build_log_key_for_run(run_id, file), 0
        while True:
            piece, offset = manager.get_log_data_for_type(key, kind, offset, _PIECE)
            if not piece:
                break
            whole = end + piece
            longer, end = longer or len(whole) > LAST_BYTES, whole[-LAST_BYTES:]
    return end.decode("utf-8", "replace"), longer
