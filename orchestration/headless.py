"""Everything that has landed, taken through the graph in this process: no daemon, no UI."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import dagster as dg
from dagster._core.storage.tags import PARTITION_NAME_TAG

from orchestration.dagster_partitions import add_drop
from orchestration.definitions import build_definitions
from orchestration.deployment import Deployment
from orchestration.lineage import Partition
from orchestration.operations.crashes import STARTED_BY_COMMAND, STARTED_BY_TAG, bury_dead_runs
from orchestration.operations.due import RUN_KEY_TAG, Cursor, DueRun, Held, find_due
from orchestration.operations.holds import publish_holds
from orchestration.operations.sensors import run_exists, selected_assets
from orchestration.project import Project


@dataclass(frozen=True)
class Started:
    """A run begins; `waiting` runs are due after it, as far as is known yet."""

    run: DueRun
    waiting: int


@dataclass(frozen=True)
class Finished:
    """A run has ended; `failures` are what its failed steps said."""

    run: DueRun
    run_id: str
    success: bool
    failures: tuple[str, ...]


@dataclass(frozen=True)
class Complaint:
    """Something in staging that could not be taken."""

    text: str


@dataclass(frozen=True)
class Note:
    """Something in staging that somebody may want to know; nothing is wrong with it."""

    text: str


Event = Started | Finished | Held | Complaint | Note


def run_everything(
    deployment: Deployment, project: Project, instance: dg.DagsterInstance, *, retry: bool = False
) -> Iterator[Event]:
    """Run what is due until nothing is; yields progress as it happens.

    With `retry`, what was asked for in a run that has failed is due again, once.
    """
    repository = build_definitions(deployment.settings, project).get_repository_def()
    job = repository.get_implicit_global_asset_job_def()
    bury_dead_runs(instance, ask_again=True)
    forgotten = _failed_run_keys(instance) if retry else set[str]()
    said: set[str] = set()
    cursor, waiting = Cursor(), frozenset[Partition]()
    held: dict[tuple[str, str], Held] = {}
    while True:
        # One at a time, then a new look: what a run leaves behind decides what comes next.
        due = find_due(
            deployment,
            project,
            cursor,
            lambda run_key: run_key not in forgotten and run_exists(instance, run_key),
            waiting,
            at_most=1,
        )
        cursor, waiting = due.cursor, due.not_looked_at
        for text in (*due.complaints, *due.notes):
            if text not in said:
                said.add(text)
                yield Complaint(text) if text in due.complaints else Note(text)
        publish_holds(instance, project, deployment.store, due.held)
        held |= {(item.export, item.partition_key): item for item in due.held}
        if not due.runs:
            yield from held.values()
            return
        run = due.runs[0]
        for export in run.exports:
            held.pop((export, run.partition_key), None)
        forgotten.discard(run.run_key)
        deployment.store.record_requests(run.run_key, run.partition_key, run.requests)
        yield Started(run, len(waiting))
        yield _execute(job, project, instance, run)


def rerun(
    deployment: Deployment, project: Project, instance: dg.DagsterInstance, relation: str, partition_key: str
) -> Iterator[Finished]:
    """Build a partition of a table anew, all that is made of it, and send the exports below.

    What is cut otherwise and requires it, as a day its hours, is built anew where it was built before, in a
    run of its own. What reads it as an earlier day of a window stays as it is, and so does what is cut at all
    below a table that is not.
    """
    repository = build_definitions(deployment.settings, project).get_repository_def()
    job = repository.get_implicit_global_asset_job_def()
    for partition, tables in _made_of(deployment, project, relation, partition_key):
        run = DueRun(
            partition=partition,
            relations=tuple(tables),
            exports=tuple(
                name for name, export in project.exports.items() if project.node_of(export).relation in tables
            ),
            run_key=f"rerun {uuid.uuid4()}",
            requests={},
        )
        done = _execute(job, project, instance, run)
        yield done
        if not done.success:
            return


def _made_of(
    deployment: Deployment, project: Project, relation: str, partition_key: str
) -> list[tuple[Partition, list[str]]]:
    """Return the partitions to build anew with their tables, what others are made of first."""
    lineage = project.lineage
    own = Partition(lineage.tables[relation].partitioning, partition_key)
    if not own.partitioning.grain.timed:
        wanted = {relation, *lineage.descendants(relation)}
        return [(own, [name for name in lineage.partitionings[own.partitioning] if name in wanted])]
    reaches = lineage.affected([relation], partition_key)
    # A table stands as many runs behind the first as its ancestors change their grain on the way to it.
    behind: dict[str, int] = {}
    found: dict[tuple[int, Partition], list[str]] = {}
    for name, table in lineage.tables.items():
        if name not in reaches:
            continue
        changes = [
            behind[parent] + (lineage.tables[parent].partitioning != table.partitioning)
            for parent in table.parents
            if parent in behind
        ]
        behind[name] = max(changes, default=0)
        built = deployment.store.latest_builds(name)
        for key in table.partitioning.overlapping(reaches[name].start, reaches[name].end):
            partition = Partition(table.partitioning, key)
            if partition == own or key in built:
                found.setdefault((behind[name], partition), []).append(name)
    return [
        (partition, found[(runs, partition)])
        for runs, partition in sorted(found, key=lambda place: (place[0], place[1].order))
    ]


def _failed_run_keys(instance: dg.DagsterInstance) -> set[str]:
    statuses = [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
    runs = instance.get_runs(filters=dg.RunsFilter(statuses=statuses))
    return {run.tags[RUN_KEY_TAG] for run in runs if RUN_KEY_TAG in run.tags}


def _execute(job: dg.JobDefinition, project: Project, instance: dg.DagsterInstance, run: DueRun) -> Finished:
    add_drop(instance, run.partition.partitioning, run.partition_key)
    tags = (
        run.tags
        | {STARTED_BY_TAG: STARTED_BY_COMMAND}
        | ({PARTITION_NAME_TAG: run.partition_key} if run.partition_key else {})
    )
    result = job.execute_in_process(
        instance=instance,
        asset_selection=selected_assets(project, run),
        tags=tags,
        # Every event is kept in the event log; the terminal gets our own line a run.
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        raise_on_error=False,
    )
    failures: list[str] = []
    for event in result.all_events:
        if event.event_type is dg.DagsterEventType.STEP_FAILURE:
            cause = event.step_failure_data.error
            if cause is not None and cause.cls_name == "DagsterAssetCheckFailedError":
                continue  # the check itself tells more, below
            error = event.step_failure_data.user_failure_data
            said = error.description if error and error.description else _error(event)
            failures.append(f"{event.step_key}: {said}")
        if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            evaluation = event.asset_check_evaluation_data
            if not evaluation.passed and evaluation.severity is dg.AssetCheckSeverity.ERROR:
                table = evaluation.asset_key.to_user_string()
                failures.append(f"{table} check `{evaluation.check_name}`: {evaluation.description}")
    return Finished(run, result.run_id, result.success, tuple(dict.fromkeys(failures)))


def _error(event: dg.DagsterEvent) -> str:
    error = event.step_failure_data.error
    while error is not None and error.cause is not None:
        error = error.cause
    return error.message.strip() if error is not None else "failed without a message"
