"""Everything that has landed, taken through the graph in this process: no daemon, no UI."""

import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg
from dagster._core.storage.tags import PARTITION_NAME_TAG

from orchestration.core.lineage import Partition
from orchestration.delivery.deliver import Target, record_connections
from orchestration.delivery.ledger import Outcome
from orchestration.graph.building import build_definitions
from orchestration.graph.crashes import STARTED_BY_COMMAND, STARTED_BY_TAG, bury_dead_runs
from orchestration.graph.deciding import approve
from orchestration.graph.exports import NOT_CONFIGURED
from orchestration.graph.holds import publish_holds
from orchestration.graph.in_process import execute_here
from orchestration.graph.judging import JUDGE_JOB, JUDGE_OP, JudgeConfig, places_to_judge
from orchestration.graph.partitions import add_drop
from orchestration.graph.reconciled import check_key
from orchestration.graph.redelivering import take_up
from orchestration.graph.sensors import checks_of_run, run_exists, selected_assets
from orchestration.operations.asking import target_of
from orchestration.operations.checks_due import checks_due
from orchestration.operations.deliveries_due import deliveries_due, deliveries_ready, delivery_run
from orchestration.operations.due import (
    OLD_RUN_KEY_TAG,
    RUN_KEY_TAG,
    Cursor,
    DueRun,
    Held,
    find_due,
    held_still,
    run_key_of,
)
from orchestration.operations.rebuilding import Rebuild, built_without, rebuild_of
from orchestration.project.loading import Project
from orchestration.project.names import GATE_CHECK
from orchestration.state.deployment import Deployment
from orchestration.state.records import Delivery, DeliveryKind

# Every event is kept in the event log; the terminal gets our own lines.
_QUIET: dict[str, Any] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class Started:
    """A run begins; `waiting` runs are due after it, as far as is known yet."""

    run: DueRun
    waiting: int


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


@dataclass(frozen=True)
class Complaint:
    """Something in staging that could not be taken."""

    text: str


@dataclass(frozen=True)
class Note:
    """Something that somebody may want to know; nothing is wrong with it."""

    text: str


Event = Started | Finished | Held | Complaint | Note


def run_everything(
    deployment: Deployment, project: Project, instance: dg.DagsterInstance, *, retry: bool = False
) -> Iterator[Event]:
    """Run what is due until nothing is; yields progress as it happens.

    With `retry`, what was asked for in a run that has failed is due again, once, unless it is in order by
    now, or delivered; and so is what is validated and was never sent, as its connection was not set.
    """
    repository = _definitions(deployment, project).get_repository_def()
    job = repository.get_implicit_global_asset_job_def()
    bury_dead_runs(instance, ask_again=True)
    failed = _failed_run_keys(instance) if retry else set[str]()
    said: set[str] = set()
    began = deployment.clock()
    cursor, waiting = Cursor(), frozenset[Partition]()
    tried: set[tuple[str, str]] = set()
    held: dict[tuple[str, str], Held] = {}
    built: set[tuple[str, str]] = set()

    def exists(run_key: str) -> bool:
        return run_exists(instance, run_key)

    def asked_for(run_key: str) -> bool:
        return run_key not in failed and exists(run_key)

    while True:
        # One at a time, then a new look: what a run leaves behind decides what comes next.
        due = find_due(deployment, project, cursor, exists, waiting, at_most=1, failed=failed.__contains__)
        cursor, waiting = due.cursor, due.not_looked_at
        for text in (*due.complaints, *due.notes):
            if text not in said:
                said.add(text)
                yield Complaint(text) if text in due.complaints else Note(text)
        publish_holds(instance, project, deployment.store, due.held)
        held |= {(item.export, item.partition_key): item for item in due.held}
        # New data first: a delivery of them tries refused rows again as well.
        runs = list(due.runs) or [
            *checks_due(deployment, project, began, asked_for),
            *deliveries_due(deployment, project, began, asked_for),
        ]
        if retry and not runs:
            ready = deliveries_ready(deployment, project)
            runs = [run for run in ready if not tried.issuperset(_deliveries_of(run))]
        if not runs:
            for lacking in built_without(deployment, project, built) if built else ():
                yield Note(f"{lacking}; `sluice rerun --outdated` builds it anew")
            # What a look has found was held then; a run may have let it go since.
            yield from held_still(deployment, project, held.values())
            return
        run = runs[0]
        for delivery in _deliveries_of(run):
            tried.add(delivery)
            held.pop(delivery, None)
        failed.discard(run.run_key)
        deployment.store.record_requests(run.run_key, run.partition_key, run.requests)
        built |= {(relation, run.partition_key) for relation in run.relations}
        yield Started(run, len(waiting))
        yield _execute(job, project, instance, run)


def rerun(
    deployment: Deployment,
    project: Project,
    instance: dg.DagsterInstance,
    relation: str,
    *partition_keys: str,
) -> Iterator[Finished]:
    """Build partitions of a table anew, all that is made of them, and send the exports below."""
    places = [(relation, key) for key in partition_keys]
    yield from carry_out(deployment, project, instance, rebuild_of(deployment, project, places))


def carry_out(
    deployment: Deployment,
    project: Project,
    instance: dg.DagsterInstance,
    rebuilds: Sequence[Rebuild],
    log: Callable[[str], None] = lambda _: None,
) -> Iterator[Finished]:
    """Run a rebuild, and tell `log` of each run; what is made of a run that has failed is left as it is."""
    repository = _definitions(deployment, project).get_repository_def()
    job = repository.get_implicit_global_asset_job_def()
    failed_at: int | None = None
    for number, item in enumerate(rebuilds, start=1):
        if failed_at is not None and item.level > failed_at:
            return
        log(f"run {number} of {len(rebuilds)}: {item.run.partition_key or 'not partitioned'}")
        done = _execute(job, project, instance, item.run)
        if not done.success and failed_at is None:
            failed_at = item.level
        yield done


@dataclass(frozen=True)
class JudgedCheck:
    """What one check said of one partition of one table; what it said blocks, or only warns."""

    relation: str
    partition_key: str
    check: str
    passed: bool
    blocking: bool
    summary: str


@dataclass(frozen=True)
class Judged:
    """What became of a judging: `failures` tell what could not be judged, and why."""

    checks: tuple[JudgedCheck, ...]
    failures: tuple[str, ...]
    run_id: str


def judge(
    deployment: Deployment,
    project: Project,
    instance: dg.DagsterInstance,
    relation: str,
    first_key: str = "",
    last_key: str = "",
    *,
    with_parents: bool = False,
) -> Judged:
    """Judge what is built of a table from a partition to another by today's rules, without building.

    Raises:
        ValueError: there is no such table, or it has no such partitions.
    """
    config = JudgeConfig(
        table=relation, from_partition=first_key, to_partition=last_key, with_parents=with_parents
    )
    places_to_judge(deployment, project, config)
    result = _definitions(deployment, project).get_job_def(JUDGE_JOB).execute_in_process(
        instance=instance,
        run_config={"ops": {JUDGE_OP: {"config": config.model_dump()}}, **_QUIET},
        raise_on_error=False,
    )  # fmt: skip
    checks: list[JudgedCheck] = []
    failures: list[str] = []
    for event in result.all_events:
        if event.event_type is dg.DagsterEventType.STEP_FAILURE:
            failures.append(_said_of_failure(event))
        if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            said = event.asset_check_evaluation_data
            checks.append(
                JudgedCheck(
                    ".".join(said.asset_key.path), said.partition or "", said.check_name, said.passed,
                    bool(said.blocking) and said.severity is dg.AssetCheckSeverity.ERROR,
                    said.description or "",
                )
            )  # fmt: skip
    return Judged(tuple(checks), tuple(failures), result.run_id)


def deliver_alone(
    deployment: Deployment,
    project: Project,
    instance: dg.DagsterInstance,
    target: Target,
    partition_key: str,
    kind: str = "",
) -> Finished:
    """Run the asset of an export for a partition, and nothing else; `kind` is what its run's tag says."""
    repository = _definitions(deployment, project).get_repository_def()
    run = delivery_run(target, partition_key, f"deliver {uuid.uuid4()}", kind)
    return _execute(repository.get_implicit_global_asset_job_def(), project, instance, run)


@dataclass(frozen=True)
class Sent:
    """What became of a plan that a person approved: a run of its export, or, of a redelivery, its outcome.

    Neither where the sending was left to the next run.
    """

    decided: Delivery
    run: Finished | None = None
    outcome: Outcome | None = None


def approve_and_send(
    deployment: Deployment,
    project: Project,
    instance: dg.DagsterInstance,
    delivery: Delivery,
    by: str,
    reason: str,
    *,
    log: Callable[[str], None],
    send: bool = True,
) -> Sent:
    """Let a held plan go, and send it at once; without `send` the next run does.

    Raises:
        ValueError: it is not to be decided, or it is a redelivery, which no run sends.
        ProjectChanged, NotConfigured, DeliveryHeld, DeliveryRejected, DeliveryError: of a redelivery, as any.
    """
    target = target_of(project, delivery.export)
    again = delivery.kind is DeliveryKind.REDELIVER
    if again and not send:
        raise ValueError(
            "a redelivery is made of no table, so no run sends it: it is sent when it is approved, or never"
        )
    decided = approve(deployment, instance, target, delivery, by, reason)
    if not send:
        return Sent(decided)
    if again:
        return Sent(decided, outcome=take_up(deployment, project, instance, target, decided, log))
    kind = "" if decided.kind is DeliveryKind.CHANGE else decided.kind.value
    return Sent(decided, deliver_alone(deployment, project, instance, target, decided.partition_key, kind))


def resync(
    deployment: Deployment,
    project: Project,
    instance: dg.DagsterInstance,
    target: Target,
    partition_key: str,
) -> Finished:
    """Send every row of a partition again, whatever the destination acknowledged."""
    return deliver_alone(deployment, project, instance, target, partition_key, DeliveryKind.RESYNC.value)


def reconcile_alone(
    deployment: Deployment,
    project: Project,
    instance: dg.DagsterInstance,
    target: Target,
    partition_key: str,
) -> Finished:
    """Run the check that compares an export's destination with what it acknowledged, and nothing else."""
    repository = _definitions(deployment, project).get_repository_def()
    run = delivery_run(target, partition_key, f"reconcile {uuid.uuid4()}")
    job = repository.get_implicit_global_asset_job_def()
    return _execute(job, project, instance, run, {check_key(target)})


def _definitions(deployment: Deployment, project: Project) -> dg.Definitions:
    record_connections(deployment, project.exports.values(), served=False)
    return build_definitions(deployment.settings, project, deployment.clock)


def _deliveries_of(run: DueRun) -> list[tuple[str, str]]:
    return [(export, run.partition_key) for export in run.exports]


def _failed_run_keys(instance: dg.DagsterInstance) -> set[str]:
    """Return the run keys whose newest run has failed, or was cancelled."""
    statuses = [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
    runs = instance.get_runs(filters=dg.RunsFilter(statuses=statuses))
    keys = {run_key for run in runs if (run_key := run_key_of(run.tags)) is not None}
    return {key for key in keys if _newest_run(instance, key).status in statuses}


def _newest_run(instance: dg.DagsterInstance, run_key: str) -> dg.DagsterRun:
    """Return the newest run of a run key; what older code wrote is older than all of today's."""
    return next(
        run
        for tag in (RUN_KEY_TAG, OLD_RUN_KEY_TAG)
        for run in instance.get_runs(filters=dg.RunsFilter(tags={tag: run_key}), limit=1)
    )


def _execute(
    job: dg.JobDefinition,
    project: Project,
    instance: dg.DagsterInstance,
    run: DueRun,
    checks_alone: Collection[dg.AssetCheckKey] = (),
) -> Finished:
    """Run what is due; with `checks_alone` those checks and no asset."""
    add_drop(instance, run.partition.partitioning, run.partition_key)
    tags = (
        run.tags
        | {STARTED_BY_TAG: STARTED_BY_COMMAND}
        | ({PARTITION_NAME_TAG: run.partition_key} if run.partition_key else {})
    )
    assets = [] if checks_alone else selected_assets(project, run)
    checks = checks_alone or checks_of_run(job.asset_layer.asset_graph, project, run, assets)
    result = execute_here(instance, job, assets, checks, tags=tags, run_config=_QUIET)
    exports = {dg.AssetKey(project.exports[name].asset_key) for name in run.exports}
    failures, warnings, passed, skipped = list[str](), list[str](), list[str](), list[str]()
    built, sent = list[str](), list[str]()
    for event in result.events:
        if event.event_type is dg.DagsterEventType.STEP_FAILURE:
            cause = event.step_failure_data.error
            if cause is not None and cause.cls_name == "DagsterAssetCheckFailedError":
                continue  # the check itself tells more, below
            failures.append(f"{event.step_key}: {_said_of_failure(event)}")
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


def _said_of_failure(event: dg.DagsterEvent) -> str:
    error = event.step_failure_data.user_failure_data
    return error.description if error and error.description else _error(event)


def _error(event: dg.DagsterEvent) -> str:
    error = event.step_failure_data.error
    while error is not None and error.cause is not None:
        error = error.cause
    return error.message.strip() if error is not None else "failed without a message"
