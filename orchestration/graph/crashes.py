"""Runs whose process is gone: seen, told to Dagster, and asked for again.

Dagster marks a run as failed when the process that started it sees it die; when that one died as well
(a machine that went down, a `kill -9` of all), the run stays `STARTED` for ever and keeps the warehouse's
slot. Belongs here: burying such runs. Does not belong here: runs that failed by themselves; those are for
somebody to look at.
"""

import dagster as dg
import psutil

STARTED_BY_TAG = "sluice/started_by"
STARTED_BY_COMMAND = "sluice run"
DIED_TAG = "sluice/died"
_PARTITION_TAG = "dagster/partition"
_UNDER_WAY = [
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
# The kernel tells a process's start to a hundredth of a second, counted from a boot time in seconds.
_CLOCK_SLACK_SECONDS = 2.0


def bury_dead_runs(instance: dg.DagsterInstance, *, ask_again: bool) -> list[str]:
    """Mark runs without a process as failed and free their slots; return their ids.

    Args:
        instance: the instance, on the machine that its runs run on.
        ask_again: whether what they were to build is due again at the next look. The daemon retries the
            runs it launched by itself (`run_retries` in dagster.yaml), so it passes False; runs of
            `sluice run` are asked for again in any case, since Dagster cannot retry them.
    """
    buried: list[str] = []
    for run in instance.get_runs(filters=dg.RunsFilter(statuses=_UNDER_WAY)):
        sign = _last_sign_of_life(instance, run.run_id)
        if sign is None or _alive(*sign):
            continue
        if ask_again or run.tags.get(STARTED_BY_TAG) == STARTED_BY_COMMAND:
            instance.add_run_tags(run.run_id, {DIED_TAG: "true"})
        instance.report_run_failed(
            run, f"the run's process {sign[0]} is gone: killed, or its machine went down"
        )
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
        buried.append(run.run_id)
    return buried


def partitions_of_dead_runs(instance: dg.DagsterInstance) -> set[str]:
    """Return the partitions of buried runs that are to be asked for again; '' for an unpartitioned one."""
    runs = instance.get_runs(filters=dg.RunsFilter(tags={DIED_TAG: "true"}))
    return {run.tags.get(_PARTITION_TAG, "") for run in runs}


def _last_sign_of_life(instance: dg.DagsterInstance, run_id: str) -> tuple[int, float] | None:
    """Return (process id, time as seconds of the epoch) of the last event that a run's process wrote."""
    signs = [
        (entry.dagster_event.pid, entry.timestamp)
        for entry in instance.all_logs(run_id)
        if entry.dagster_event is not None and entry.dagster_event.pid is not None
    ]
    return signs[-1] if signs else None


def _alive(pid: int, seen_at: float) -> bool:
    """Whether the process that wrote an event at a time still works.

    The number may be another process's by now; and where nobody waits for orphans, as in a container
    whose first process is no init, a dead one keeps its number as a zombie.
    """
    try:
        process = psutil.Process(pid)
        if process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
            return False
        return process.create_time() <= seen_at + _CLOCK_SLACK_SECONDS
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True
