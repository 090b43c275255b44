"""The sensor that sees `.done` markers and starts one run a partition for everything affected."""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from math import ceil
from typing import Any

import dagster as dg
from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES
from dagster._core.storage.tags import PARTITION_NAME_TAG

from sluicegate.core.partitions import Grain, place
from sluicegate.graph.crashes import DIED_TAG, bury_dead_runs, partitions_of_dead_runs
from sluicegate.graph.desk import Desk
from sluicegate.graph.holds import publish_holds
from sluicegate.graph.partitions import drops_name
from sluicegate.graph.restored_shown import show_restored
from sluicegate.graph.run_leases import place_tags
from sluicegate.graph.second_tries import SecondTries
from sluicegate.incidents.looking import note_complaints
from sluicegate.kusto.objects import filled_key
from sluicegate.operations.due import Cursor, Due, find_due
from sluicegate.operations.due_run import OLD_RUN_KEY_TAG, RUN_KEY_TAG, DueRun, Try, run_key_of
from sluicegate.operations.fills import behind
from sluicegate.operations.site import Site
from sluicegate.project.loading import Project
from sluicegate.project.names import RECONCILED_CHECK

_SENSOR = "drops"
# What such a run will do is fixed already, but it costs nobody anything yet to wait for it.
_WAITS_FOR_ITS_START = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED]
# Dagster asks its sensors that often, however short an interval they name (`MIN_INTERVAL_LOOP_TIME`).
_BETWEEN_TICKS_SECONDS = 5
# A tick that takes a minute is cut off with whatever it has found: what is out of reach must not take it.
_PATIENCE_SECONDS = 10


def run_exists(instance: dg.DagsterInstance, run_key: str) -> bool:
    """Whether Dagster has a run for this run key, of any status but that of a process that died."""
    return any(
        DIED_TAG not in run.tags
        for tag in (RUN_KEY_TAG, OLD_RUN_KEY_TAG)
        for run in instance.get_runs(filters=dg.RunsFilter(tags={tag: run_key}))
    )


def run_queued(instance: dg.DagsterInstance, partition_key: str) -> bool:
    """Whether a run of a partition waits for its start; "" is that of tables without partitions."""
    return _run_is(instance, partition_key, _WAITS_FOR_ITS_START)


def run_under_way(instance: dg.DagsterInstance, partition_key: str) -> bool:
    """Whether a run of a partition is queued or at work; "" is that of tables without partitions."""
    return _run_is(instance, partition_key, NOT_FINISHED_STATUSES)


def _run_is(
    instance: dg.DagsterInstance, partition_key: str, statuses: Sequence[dg.DagsterRunStatus]
) -> bool:
    if partition_key:
        tags = {PARTITION_NAME_TAG: partition_key}
        return bool(instance.get_runs(dg.RunsFilter(tags=tags, statuses=statuses), limit=1))
    runs = instance.get_runs(dg.RunsFilter(statuses=statuses))
    return any(run_key_of(run.tags) is not None and PARTITION_NAME_TAG not in run.tags for run in runs)


def selected_assets(project: Project, run: DueRun) -> list[dg.AssetKey]:
    """Return the assets of a due run: its tables, then its exports, and what is filled behind them."""
    tables = (project.lineage.tables[relation].asset_key for relation in run.relations)
    exports = (project.exports[name].asset_key for name in run.exports)
    fills = (filled_key(name) for name in run.fills)
    return [dg.AssetKey(key) for key in (*tables, *exports, *fills)]


def checks_of_run(
    graph: BaseAssetGraph[Any], project: Project, run: DueRun, assets: Collection[dg.AssetKey]
) -> list[dg.AssetCheckKey]:
    """Return the checks of a due run: those that go with its assets, and those that it asks for alone."""
    tables = project.lineage.tables
    alone = [dg.AssetCheckKey(dg.AssetKey(tables[name].asset_key), check) for name, check in run.checks]
    return [*selected_checks(graph, assets), *alone]


def selected_checks(graph: BaseAssetGraph[Any], assets: Collection[dg.AssetKey]) -> list[dg.AssetCheckKey]:
    """Return the checks that go with assets in a run: all but those that read a whole destination."""
    selected = set(assets)
    return [
        key for key in graph.asset_check_keys if key.asset_key in selected and key.name != RECONCILED_CHECK
    ]


def run_requests(
    context: dg.SensorEvaluationContext, site: Site, runs: Sequence[DueRun]
) -> list[dg.RunRequest]:
    """Return the runs that are due, as a sensor asks for them."""
    repository, project = context.repository_def, site.project
    assert repository is not None  # a sensor is evaluated in its own code location
    requests: list[dg.RunRequest] = []
    for run in (behind(site, run) for run in runs):
        assets = selected_assets(project, run)
        requests.append(
            dg.RunRequest(
                # Dagster starts nothing twice by one key, of a run that has failed neither.
                run_key=f"{run.run_key} again" if run.attempt is Try.SECOND else run.run_key,
                partition_key=run.partition_key or None,
                asset_selection=assets,
                asset_check_keys=checks_of_run(repository.asset_graph, project, run, assets),
                tags=run.tags | place_tags(),
            )
        )
    return requests


def drops_sensor(site: Site, pause: Callable[[float], object] = time.sleep) -> dg.SensorDefinition:
    """Return the sensor; its cursor is four numbers, however many files have landed.

    A tick that finds nothing due looks again after each `sensor_interval_seconds`, until Dagster's next tick
    would come: five seconds are half of what a small day takes to arrive. The first tick looks once.
    """
    interval = max(1, site.deployment.settings.sensor_interval_seconds)

    @dg.sensor(
        name=_SENSOR,
        # A target would be one job, whose assets must all be cut alike.
        asset_selection=dg.AssetSelection.all(),
        minimum_interval_seconds=interval,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Sees `.done` markers in the staging area; starts one run a partition.",
    )
    def drops(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        _bury(context, site)
        show_restored(Desk.of(site, context.instance))
        cursor = Cursor.parse(context.cursor)
        due = _look(context, site, cursor)
        notes = list(due.notes)
        until = time.monotonic() + _BETWEEN_TICKS_SECONDS
        looks = 1 if context.last_tick_completion_time is None else ceil(_BETWEEN_TICKS_SECONDS / interval)
        for _ in range(1, looks):
            if due.runs or time.monotonic() + interval > until:
                break
            pause(interval)
            due = _look(context, site, due.cursor)
            notes += due.notes
        site.deployment.store.fold()  # the daemon's runs end without a command that would
        for complaint in due.complaints:
            context.log.warning(complaint)
        for note in dict.fromkeys(notes):
            context.log.info(note)
        return dg.SensorResult(
            run_requests=run_requests(context, site, due.runs),
            dynamic_partitions_requests=_new_drops(due.runs),
            cursor=str(due.cursor),
            skip_reason=None if due.runs else dg.SkipReason(_nothing(due.complaints)),
        )

    return drops


def _bury(context: dg.SensorEvaluationContext, site: Site) -> None:
    """Take up runs whose process died with what started it, as another machine; Dagster retries them."""
    store = site.deployment.store
    for run_id in bury_dead_runs(
        context.instance, store.leases, ask_again=False, restored_at=store.restores.last_at()
    ):
        context.log.warning(f"run {run_id[:8]} is marked as failed: its process is gone")


def _look(context: dg.SensorEvaluationContext, site: Site, cursor: Cursor) -> Due:
    """Find what is due, show what is held, and record what will be asked for."""
    tries = SecondTries(context.instance, site)
    due = find_due(
        site,
        cursor,
        lambda run_key: run_exists(context.instance, run_key),
        [
            partition
            for key in partitions_of_dead_runs(context.instance)
            for partition in site.project.lineage.partitions_named(key)
        ],
        busy=lambda key: run_under_way(context.instance, key),
        queued=lambda key: run_queued(context.instance, key),
        patience=_PATIENCE_SECONDS,
        failed=tries.run_keys.__contains__,
        again=tries.partitions,
    )
    sent = tries.sendings(lambda run_key: run_exists(context.instance, run_key))
    tries.settle([*due.runs, *sent], lambda key: run_under_way(context.instance, key))
    due = replace(due, runs=tuple(run for run in (*due.runs, *sent) if tries.claim(run, _SENSOR)))
    note_complaints(site.deployment, due.complaints)
    for item in publish_holds(Desk.of(site, context.instance), due.held):
        context.log.warning(f"{place(item.export, item.partition_key)} is held")
    # Recorded before they start; a request counts only once Dagster has its run, so a daemon that
    # dies in between asks again.
    for run in due.runs:
        site.deployment.store.record_requests(run.run_key, run.partition_key, run.requests)
    return due


def _new_drops(runs: Sequence[DueRun]) -> list[dg.AddDynamicPartitionsRequest]:
    """Return the drops that Dagster must know before their runs start; those that it knows do no harm."""
    return [
        dg.AddDynamicPartitionsRequest(drops_name(run.partition.partitioning), [run.partition_key])
        for run in runs
        if run.partition.partitioning.grain is Grain.DROP
    ]


def _nothing(complaints: Sequence[str]) -> str:
    if complaints:
        return "nothing is due; staging has: " + "; ".join(complaints)
    return "nothing has landed since the last look"
