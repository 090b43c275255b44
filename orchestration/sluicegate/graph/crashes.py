"""Runs whose process is gone: seen, told to Dagster, and asked for again.

Dagster marks a run as failed when the process that started it sees it die; when that one died as well
(a machine that went down, a `kill -9` of all), the run stays `STARTED` for ever and keeps the warehouse's
slot. Whether a run's process works, its lease says (`run_leases`). Belongs here: burying such runs. Does not
belong here: runs that failed by themselves; those are for somebody to look at.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg
import psutil
from dagster._core.storage.tags import MAX_RETRIES_TAG

from sluicegate.core.processes import this_process
from sluicegate.graph.run_leases import PLACE_TAG
from sluicegate.state.leases import Leases, Standing, run_name

STARTED_BY_TAG = "sluice/started_by"
STARTED_BY_COMMAND = "sluice run"
DIED_TAG = "sluice/died"
_PARTITION_TAG = "dagster/partition"
_UNDER_WAY = [
    # A command makes its runs itself, and takes their lease first: it may have died before they began.
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
_LEFT_BEHIND = (
    "the run was under way when the backup was taken that has been restored since: what it did afterwards is"
    " not here"
)
# The kernel tells a process's start to a hundredth of a second, counted from a boot time in seconds.
_CLOCK_SLACK_SECONDS = 2.0


@dataclass(frozen=True)
class _Found:
    """What is known of a run's process: that it is `dead`, or else whether somebody should hear `said`."""

    dead: bool
    said: str = ""


def bury_dead_runs(
    instance: dg.DagsterInstance,
    leases: Leases,
    *,
    ask_again: bool,
    say: Callable[[str], None] = lambda _: None,
    restored_at: datetime | None = None,
) -> list[str]:
    """Mark runs without a process as failed and free their slots; return their ids.

    Args:
        instance: the instance.
        leases: those that the processes of its runs hold.
        ask_again: whether what they were to build is due again at the next look. The daemon retries the
            runs it launched by itself (`run_retries` in dagster.yaml), so it passes False; runs of
            `sluice run` are asked for again in any case, since Dagster cannot retry them.
        say: is told of each run that may be dead, and is left alone.
        restored_at: when the records were last brought back from a backup. It has no leases: a run from
            before that has none was left behind, one in the queue as well. It is asked for again in any case.
    """
    buried: list[str] = _bury_left_behind(instance, leases, restored_at) if restored_at else []
    for run in instance.get_runs(filters=dg.RunsFilter(statuses=_UNDER_WAY)):
        standing = leases.standing(run_name(run.run_id))
        found = _by_lease(run, standing) if standing else _by_signs(instance, run)
        # What holds no lease any more can write nothing, should it wake up.
        if not found.dead or (standing is not None and not leases.end(standing)):
            if found.said and not found.dead:
                say(found.said)
            continue
        if ask_again or run.tags.get(STARTED_BY_TAG) == STARTED_BY_COMMAND:
            instance.add_run_tags(run.run_id, {DIED_TAG: "true"})
        instance.report_run_failed(run, found.said)
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
        buried.append(run.run_id)
    for run_id, standing in leases.dead_runs().items():
        run = instance.get_run_by_id(run_id)
        if run is None or run.is_finished:  # Dagster saw its process die itself
            leases.end(standing)
    return buried


def partitions_of_dead_runs(instance: dg.DagsterInstance) -> set[str]:
    """Return the partitions of buried runs that are to be asked for again; '' for an unpartitioned one."""
    runs = instance.get_runs(filters=dg.RunsFilter(tags={DIED_TAG: "true"}))
    return {run.tags.get(_PARTITION_TAG, "") for run in runs}


def _bury_left_behind(instance: dg.DagsterInstance, leases: Leases, restored_at: datetime) -> list[str]:
    buried: list[str] = []
    statuses = [*_UNDER_WAY, dg.DagsterRunStatus.QUEUED]
    for record in instance.get_run_records(filters=dg.RunsFilter(statuses=statuses)):
        run = record.dagster_run
        if _utc(record.create_timestamp) > restored_at or leases.standing(run_name(run.run_id)):
            continue
        # Of one that had not begun Dagster cannot retry what has failed.
        instance.add_run_tags(run.run_id, {DIED_TAG: "true", MAX_RETRIES_TAG: "0"})
        instance.report_run_failed(run, _LEFT_BEHIND)
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
        buried.append(run.run_id)
    return buried


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _by_lease(run: dg.DagsterRun, standing: Standing) -> _Found:
    if standing.is_dead:
        if standing.holder.is_gone():
            return _Found(
                dead=True, said=f"the run's {standing.holder} is gone: killed, or its machine went down"
            )
        return _Found(
            dead=True,
            said=f"the run's {standing.holder} has not been heard of since {standing.until:%Y-%m-%d %H:%M}"
            " UTC, when its lease ran out: stopped, killed, cut off, or its machine went down",
        )
    if standing.overdue_seconds < 0:
        return _Found(dead=False)
    return _Found(
        dead=False,
        said=f"run {run.run_id[:8]} may be dead: {standing.holder} has not renewed its lease, and nobody can"
        f" tell from here whether it works; if not heard of, it is taken up {standing.dead_in_seconds:.0f} s"
        " from now",
    )


def _by_signs(instance: dg.DagsterInstance, run: dg.DagsterRun) -> _Found:
    """Return what is known of a run without a lease: of older code, or on its way in or out."""
    if run.status is dg.DagsterRunStatus.NOT_STARTED:
        return _Found(dead=False)
    sign = _last_sign_of_life(instance, run.run_id)
    if sign is None:
        return _Found(dead=False)
    if this_process().place and run.tags.get(PLACE_TAG) == this_process().place:
        gone = f"the run's process {sign[0]} is gone: killed, or its machine went down"
        return _Found(dead=False) if _alive(*sign) else _Found(dead=True, said=gone)
    return _Found(
        dead=False,
        said=f"run {run.run_id[:8]} is left alone: it has no lease, as an older version began it, or another"
        f" machine is about to; nobody can tell from here whether its process {sign[0]} works. If it does"
        f" not, `dagster run delete {run.run_id} --force` makes its work due again",
    )


def _last_sign_of_life(instance: dg.DagsterInstance, run_id: str) -> tuple[int, float] | None:
    """Return (process id, time as seconds of the epoch) of the last event that a run's process wrote."""
    signs = [
        (entry.dagster_event.pid, entry.timestamp)
        for entry in instance.all_logs(run_id)
        if entry.dagster_event is not None and entry.dagster_event.pid is not None
    ]
    return signs[-1] if signs else None


def _alive(pid: int, seen_at: float) -> bool:
    """Whether the process of this place that wrote an event at a time still works.

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
