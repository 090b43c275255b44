"""The look at what is wrong, with what Dagster alone knows: runs that failed, and what was read back.

Belongs here: reading it, and the sensor that looks. Does not belong here: what follows from it (`incidents`).
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache, partial
from itertools import takewhile

import dagster as dg
from dagster._core.scheduler.instigation import TickStatus
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES, RunRecord
from dagster._core.storage.tags import PARTITION_NAME_TAG, WILL_RETRY_TAG

from orchestration.graph.crashes import DIED_TAG
from orchestration.graph.desk import Desk
from orchestration.graph.holds import is_mark
from orchestration.graph.reasons import in_words
from orchestration.graph.reconciled import check_key, readable
from orchestration.graph.reported import report_at
from orchestration.graph.second_tries import Selections, ended_at, failed_tries, wait_of
from orchestration.graph.sensors import run_under_way
from orchestration.incidents.looking import Looked, look
from orchestration.incidents.telling import platform_trouble
from orchestration.incidents.trouble import Trouble
from orchestration.incidents.troubles import LOOKBACK, Differing, FailedRun
from orchestration.operations.site import Site

_INTERVAL_SECONDS = 30
# Read once a run, and kept on it: the events of a run are many.
_FAILED_TAG = ".dagster/sluice_failed_with"
# So many ticks in a row are no accident.
_FAILED_TICKS = 3


def look_at(
    desk: Desk, write: Callable[[str], None] | None = None, say: Callable[[str], object] = lambda _: None
) -> Looked | None:
    """Find what is wrong, put it on record and tell it; None where that failed, which `say` is told of.

    Then operations data are brought up to date, whatever became of it.

    What becomes of telling is no reason for a run to fail, or for a delivery to wait.
    """
    try:
        lines = partial(look, write=write) if write else look
        failed, others = list(failed_runs(desk)), list(failing_sensors(desk.instance))
        looked = lines(desk, failed_runs=failed, differing=list(_differing(desk)), others=others)
    except Exception as error:
        say(f"nobody could be told what is wrong: {type(error).__name__}: {error}")
        looked = None
    report_at(desk, say)
    return looked


def failed_runs(desk: Desk) -> Iterator[FailedRun]:
    """Yield the runs that failed within the look-back, of tables and exports; not those that people ended."""
    instance, selections, now = desk.instance, Selections(desk.project), desk.deployment.clock()
    left = {
        item.run.run_id
        for item in failed_tries(instance, desk, selections)
        # Where nobody asks for it although its time has come, somebody is told.
        if now < item.due_at + wait_of(desk) or run_under_way(instance, item.partition_key)
    }
    at_work = _at_work(instance, selections)
    filters = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], updated_after=now - LOOKBACK)
    runs_of = cache(partial(_runs_of, instance, now - 2 * LOOKBACK))
    for record in instance.get_run_records(filters):
        run, key = record.dagster_run, record.dagster_run.tags.get(PARTITION_NAME_TAG, "")
        if not run.asset_selection or is_mark(run):  # a job of people's, or the gate's mark
            continue
        if record.start_time is None and DIED_TAG in run.tags:  # asked for again: it had not begun
            continue
        step, error = _failed_at(instance, record)
        tables, exports = selections.tables(run), selections.exports(run)
        by_dagster = run.tags.get(WILL_RETRY_TAG) == "true" and now < ended_at(record) + 2 * wait_of(desk)
        # What a correction has built so far says nothing of what it is still to build and to send.
        fills = selections.fills(run)
        again = run.run_id in left or by_dagster or not at_work[key].isdisjoint(tables | exports | fills)
        yield FailedRun(
            run.run_id,
            key,
            tuple(sorted(tables)),
            tuple(sorted(exports)),
            step,
            ended_at(record),
            error,
            retries_left=int(again),
            fills=tuple(sorted(fills)),
            later=frozenset(takewhile(lambda other, this=run.run_id: other != this, runs_of(key))),
        )


def _at_work(instance: dg.DagsterInstance, selections: Selections) -> Mapping[str, set[str]]:
    """Return the tables and exports that runs which are queued or at work are to make, by partition."""
    found = defaultdict[str, set[str]](set)
    for run in instance.get_runs(dg.RunsFilter(statuses=NOT_FINISHED_STATUSES)):
        found[run.tags.get(PARTITION_NAME_TAG, "")] |= (
            selections.tables(run) | selections.exports(run) | selections.fills(run)
        )
    return found


def _runs_of(instance: dg.DagsterInstance, since: datetime, key: str) -> Sequence[str]:
    """Return the ids of a partition's runs, or of all for none, as Dagster made them: newest first.

    Older ones than `since` are left out: they came before every run that is asked about.
    """
    tags = {PARTITION_NAME_TAG: key} if key else {}
    return instance.get_run_ids(dg.RunsFilter(tags=tags, created_after=since))


def _failed_at(instance: dg.DagsterInstance, record: RunRecord) -> tuple[str, str]:
    """Return the first step of a run that failed, and with what, in words."""
    run = record.dagster_run
    if _FAILED_TAG not in run.tags:
        found = ("", "")
        for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)[:1]:
            event = entry.dagster_event
            assert event is not None  # it is of this type
            found = (event.step_key or "", in_words(event))
        instance.add_run_tags(run.run_id, {_FAILED_TAG: "\n".join(found)})
        return found
    step, _, error = run.tags[_FAILED_TAG].partition("\n")
    return step, error


def _differing(desk: Desk) -> Iterator[Differing]:
    """Yield the exports whose destination was not, when last read, what it acknowledged."""
    targets = {
        check_key(target): target for target in map(desk.target, desk.project.exports) if readable(target)
    }
    found = desk.instance.event_log_storage.get_latest_asset_check_execution_by_key(list(targets))
    for key, record in found.items():
        event = record.event.dagster_event if record.event else None
        if event is not None and event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            said = event.asset_check_evaluation_data
            if not said.passed and said.severity is dg.AssetCheckSeverity.ERROR:
                yield Differing(targets[key].export.name, record.partition or "", record.run_id)


def failing_sensors(instance: dg.DagsterInstance) -> Iterator[Trouble]:
    """Yield the sensors and schedules whose newest ticks have all failed: what they are for is not done."""
    for state in instance.all_instigator_state():
        ticks = instance.get_ticks(
            state.instigator_origin_id, state.selector_id, limit=_FAILED_TICKS,
            statuses=[TickStatus.SUCCESS, TickStatus.SKIPPED, TickStatus.FAILURE],
        )  # fmt: skip
        if len(ticks) == _FAILED_TICKS and all(tick.status is TickStatus.FAILURE for tick in ticks):
            error = ticks[0].error.cls_name if ticks[0].error else None
            said = f" with {error}" if error else ""
            what = f"the sensor `{state.name}` fails again and again{said}: what it is for is not done"
            fix = (
                f"click Automation, `{state.name}` in the UI, and read its last tick; until then `sluice run`"
            )
            yield platform_trouble(state.name, what, fix)


def incidents_sensor(site: Site) -> dg.SensorDefinition:
    """Return the sensor that looks at what is wrong; it has no cursor, so no lost tick loses anything."""

    @dg.sensor(
        name="incidents",
        asset_selection=dg.AssetSelection.all(),
        minimum_interval_seconds=_INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Finds what is wrong by the records, and tells who answers for it, once: see"
        " `sluice incident list`.",
    )
    def incidents(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        looked = look_at(Desk.of(site, context.instance), context.log.warning, context.log.error)
        if looked is None or looked.settled is None:
            return dg.SkipReason("another look was at work, or this one failed: its log says so")
        found = looked.settled
        return dg.SkipReason(
            f"{len(found.opened) + len(found.reopened)} opened, {len(found.updated)} updated,"
            f" {len(found.resolved)} resolved; {looked.sent} messages sent"
        )

    return incidents
