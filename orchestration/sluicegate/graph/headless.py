"""Everything that has landed, taken through the graph in this process: no daemon, no UI."""

import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg
from dagster._core.storage.tags import PARTITION_NAME_TAG

from sluicegate.core.lineage import Partition
from sluicegate.core.progress import each, step
from sluicegate.delivery.deliver import Target, record_connections
from sluicegate.delivery.ledger import Outcome
from sluicegate.graph.asset_graph import asset_graph
from sluicegate.graph.crashes import STARTED_BY_COMMAND, STARTED_BY_TAG, bury_dead_runs
from sluicegate.graph.deciding import approve
from sluicegate.graph.desk import Desk
from sluicegate.graph.finished import Finished, finished, said_of_failure
from sluicegate.graph.holds import publish_holds
from sluicegate.graph.in_process import execute_here
from sluicegate.graph.judging import JUDGE_JOB, JUDGE_OP, JudgeConfig, places_to_judge
from sluicegate.graph.partitions import add_drop
from sluicegate.graph.publishing import publish_after
from sluicegate.graph.reconciled import check_key
from sluicegate.graph.redelivering import take_up
from sluicegate.graph.restored_shown import show_restored
from sluicegate.graph.run_leases import executing, place_tags
from sluicegate.graph.second_tries import SecondTries
from sluicegate.graph.sensors import checks_of_run, run_exists, selected_assets
from sluicegate.incidents.looking import note_complaints
from sluicegate.operations.checks_due import checks_due
from sluicegate.operations.deliveries_due import deliveries_due, deliveries_ready, delivery_run
from sluicegate.operations.due import Cursor, Held, find_due, held_still
from sluicegate.operations.due_run import OLD_RUN_KEY_TAG, RUN_KEY_TAG, DueRun, run_key_of
from sluicegate.operations.fills import behind, fills_due
from sluicegate.operations.rebuilding import Rebuild, built_without, rebuild_of
from sluicegate.state.records import Delivery, DeliveryKind

# Every event is kept in the event log; the terminal gets our own lines.
_QUIET: dict[str, Any] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class Started:
    """A run begins; `waiting` runs are due after it, as far as is known yet."""

    run: DueRun
    waiting: int


@dataclass(frozen=True)
class Complaint:
    """Something in staging that could not be taken."""

    text: str


@dataclass(frozen=True)
class Note:
    """Something that somebody may want to know; nothing is wrong with it."""

    text: str


Event = Started | Finished | Held | Complaint | Note


def run_everything(desk: Desk, *, retry: bool = False) -> Iterator[Event]:
    """Run what is due until nothing is; yields progress as it happens.

    With `retry`, what was asked for in a run that has failed is due again, once, unless it is in order by
    now, or delivered; and so is what is validated and was never sent, as its connection was not set.
    """
    job = _asset_job(desk)
    instance, store = desk.instance, desk.deployment.store
    left_alone: list[str] = []
    bury_dead_runs(
        instance, store.leases, ask_again=True, say=left_alone.append, restored_at=store.restores.last_at()
    )
    yield from map(Note, left_alone)
    show_restored(desk)
    tries = SecondTries(instance, desk)
    again = set(tries.partitions)
    failed = tries.run_keys | (_failed_run_keys(instance) if retry else set[str]())
    said: set[str] = set()
    began = desk.deployment.clock()
    cursor, waiting = Cursor(), frozenset[Partition]()
    tried: set[tuple[str, str]] = set()
    held: dict[tuple[str, str], Held] = {}
    built: set[tuple[str, str]] = set()
    me, others = uuid.uuid4().hex, dict[str, DueRun]()

    def exists(run_key: str) -> bool:
        return run_exists(instance, run_key)

    def asked_for(run_key: str) -> bool:
        return run_key not in failed and exists(run_key)

    while True:
        # One at a time, then a new look: what a run leaves behind decides what comes next.
        due = find_due(desk, cursor, exists, waiting, at_most=1, failed=failed.__contains__, again=again)
        cursor, waiting = due.cursor, due.not_looked_at
        for text in (*due.complaints, *due.notes):
            if text not in said:
                said.add(text)
                yield Complaint(text) if text in due.complaints else Note(text)
        note_complaints(desk.deployment, due.complaints)
        publish_holds(desk, due.held)
        held |= {(item.export, item.partition_key): item for item in due.held}
        # New data first: a delivery of them tries refused rows again as well.
        runs = [run for run in due.runs if run.run_key not in others] or [
            run
            for run in (
                *checks_due(desk, began, asked_for),
                *deliveries_due(desk, began, asked_for),
                *tries.sendings(exists),
                *fills_due(desk, began, asked_for, older=retry),
            )
            if run.run_key not in others
        ]
        if retry and not runs:
            ready = deliveries_ready(desk)
            runs = [run for run in ready if not tried.issuperset(_deliveries_of(run))]
        if not runs:
            tries.settle(others.values(), lambda _: False)
            for lacking in built_without(desk, built) if built else ():
                yield Note(f"{lacking}; `sluice table rerun --outdated` builds it anew")
            # What a look has found was held then; a run may have let it go since.
            yield from held_still(desk, held.values())
            return
        run = runs[0]
        failed.discard(run.run_key)
        again.discard(run.partition)
        if not tries.claim(run, me):  # another process starts its second try
            others[run.run_key] = run
            continue
        for delivery in _deliveries_of(run):
            tried.add(delivery)
            held.pop(delivery, None)
        store.record_requests(run.run_key, run.partition_key, run.requests)
        built |= {(relation, run.partition_key) for relation in run.relations}
        yield Started(run, len(waiting))
        yield _execute(desk, job, run)


def rerun(
    desk: Desk,
    relation: str,
    *partition_keys: str,
) -> Iterator[Finished]:
    """Build partitions of a table anew, all that is made of them, and send the exports below."""
    places = [(relation, key) for key in partition_keys]
    yield from carry_out(desk, rebuild_of(desk, places))


def carry_out(
    desk: Desk,
    rebuilds: Sequence[Rebuild],
    log: Callable[[str], None] = lambda _: None,
) -> Iterator[Finished]:
    """Run a rebuild, and tell `log` of each run; what is made of a run that has failed is left as it is."""
    job = _asset_job(desk)
    failed_at: int | None = None
    for number, item in enumerate(each("building", rebuilds, "runs"), start=1):
        if failed_at is not None and item.level > failed_at:
            return
        log(f"run {number} of {len(rebuilds)}: {item.run.partition_key or 'not partitioned'}")
        done = _execute(desk, job, item.run)
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
    desk: Desk,
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
    places_to_judge(desk, config)
    run_id = str(uuid.uuid4())
    with executing(desk.deployment.store.leases, run_id):
        result = _graph(desk).get_job_def(JUDGE_JOB).execute_in_process(
            instance=desk.instance,
            run_id=run_id,
            run_config={"ops": {JUDGE_OP: {"config": config.model_dump()}}, **_QUIET},
            tags=place_tags(),
            raise_on_error=False,
        )  # fmt: skip
    checks: list[JudgedCheck] = []
    failures: list[str] = []
    for event in result.all_events:
        if event.event_type is dg.DagsterEventType.STEP_FAILURE:
            failures.append(said_of_failure(event))
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
    desk: Desk,
    target: Target,
    partition_key: str,
    kind: str = "",
) -> Finished:
    """Run the asset of an export for a partition, and nothing else; `kind` is what its run's tag says."""
    run = delivery_run(target, partition_key, f"deliver {uuid.uuid4()}", kind)
    return _execute(desk, _asset_job(desk), run)


@dataclass(frozen=True)
class Sent:
    """What became of a plan that a person approved: a run of its export, or, of a redelivery, its outcome.

    Neither where the sending was left to the next run.
    """

    decided: Delivery
    run: Finished | None = None
    outcome: Outcome | None = None


def approve_and_send(
    desk: Desk,
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
    again = delivery.kind is DeliveryKind.REDELIVER
    if again and not send:
        raise ValueError(
            "a redelivery is made of no table, so no run sends it: it is sent when it is approved, or never"
        )
    decided = approve(desk, delivery, by, reason)
    if not send:
        return Sent(decided)
    target = desk.target(delivery.export)
    if again:
        return Sent(decided, outcome=take_up(desk, target, decided, log))
    kind = "" if decided.kind is DeliveryKind.CHANGE else decided.kind.value
    return Sent(decided, deliver_alone(desk, target, decided.partition_key, kind))


def retry_refused(desk: Desk, target: Target, scope: str | None) -> Iterator[Finished]:
    """Try the refused rows of a scope again now, or of all, those given up too."""
    store, export = desk.deployment.store, target.export.name
    keys = {item.scope for item in store.refused_keys.of(export, scope)}
    store.refused_keys.make_due(export, scope)
    if target.export.spec.latest_only:
        standing = store.deliveries.at_destination(export)
        keys = {standing.partition_key if standing else ""}
    for key in each("trying again", sorted(keys), "partitions", str):
        yield deliver_alone(desk, target, key)


def resync(
    desk: Desk,
    target: Target,
    partition_key: str,
) -> Finished:
    """Send every row of a partition again, whatever the destination acknowledged."""
    return deliver_alone(desk, target, partition_key, DeliveryKind.RESYNC.value)


def reconcile_alone(
    desk: Desk,
    target: Target,
    partition_key: str,
) -> Finished:
    """Run the check that compares an export's destination with what it acknowledged, and nothing else."""
    run = delivery_run(target, partition_key, f"reconcile {uuid.uuid4()}")
    return _execute(desk, _asset_job(desk), run, {check_key(target)})


def _graph(desk: Desk) -> dg.Definitions:
    record_connections(desk.deployment, desk.project.exports.values(), served=False)
    return asset_graph(desk)


def _asset_job(desk: Desk) -> dg.JobDefinition:
    return _graph(desk).get_repository_def().get_implicit_global_asset_job_def()


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
    desk: Desk,
    job: dg.JobDefinition,
    run: DueRun,
    checks_alone: Collection[dg.AssetCheckKey] = (),
) -> Finished:
    """Run what is due; with `checks_alone` those checks and no asset."""
    run = run if checks_alone else behind(desk, run)
    add_drop(desk.instance, run.partition.partitioning, run.partition_key)
    tags = (
        run.tags
        | {STARTED_BY_TAG: STARTED_BY_COMMAND}
        | ({PARTITION_NAME_TAG: run.partition_key} if run.partition_key else {})
    )
    assets = [] if checks_alone else selected_assets(desk.project, run)
    checks = checks_alone or checks_of_run(job.asset_layer.asset_graph, desk.project, run, assets)
    with step(run.partition_key or "what is not partitioned"):
        result = execute_here(
            desk.instance, desk.deployment, job, assets, checks, tags=tags, run_config=_QUIET,
            after=publish_after(desk),
        )  # fmt: skip
    return finished(desk.project, run, result)
