"""What people do at night, as jobs of the UI: rerun, release, approve, reject, resync; as the commands do it.

Belongs here: the fields of each job, and what is wrong with them. Does not belong here: what is done, which
is the commands' too. What a job builds or sends are runs of their own, as ordinary ones of their partitions:
each of their steps waits for the pools and is judged by the gate, and they need no place in the queue, which
the job itself might take from them.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import Enum
from functools import partial

import dagster as dg
from pydantic import Field

from orchestration.core.problems import ProjectChanged
from orchestration.delivery.deliver import Target
from orchestration.graph.deciding import reject
from orchestration.graph.deliveries_shown import said_of
from orchestration.graph.desk import Desk
from orchestration.graph.finished import Finished
from orchestration.graph.headless import approve_and_send, carry_out, resync
from orchestration.graph.releasing import Request, release
from orchestration.graph.run_leases import run_executor
from orchestration.operations.asking import NOT_SENT, delivery_of, key_expected, moment_until, partition_of
from orchestration.operations.rebuilding import (
    NOTHING_OUTDATED,
    Wanted,
    left_out,
    rebuild_wanted,
    said_beforehand,
)
from orchestration.operations.site import Site
from orchestration.state.records import Delivery

_TABLE = "The table, as staging.stg_sales."
_EXPORT = "The export's name, as its file's."
_PARTITION = "The partition, as 2022-10-05; empty if there are none."
_DELIVERY = "The delivery's id, or a beginning of it that is unique; the asset's check `delivery` shows it."
_BY = "Who answers for it: your name; it is kept."


class Which(Enum):
    """Which partitions are built anew."""

    NAMED = "named"
    OUTDATED = "outdated"


class RerunConfig(dg.Config):
    """What to build anew, with its checks, all that is made of it, and the exports below."""

    which: Which = Field(
        Which.NAMED, description="NAMED: the partitions named below. OUTDATED: all that older SQL has built."
    )
    table: str = Field("", description=f"{_TABLE} Empty, with OUTDATED, for all tables.")
    from_partition: str = Field(
        "", description="The first partition, as 2022-10-03; empty for a table that is not cut."
    )
    to_partition: str = Field("", description="The last partition; empty for the first one alone.")
    dry_run: bool = Field(False, description="Only say, in the run's log, what would be built.")


class ReleaseConfig(dg.Config):
    """Which partition of an export may pass on failed checks, once, and who says so."""

    export: str = Field(description=_EXPORT)
    partition: str = Field("", description=_PARTITION)
    reason: str = Field(description="Why it may go out although checks failed; it is kept.")
    by: str = Field(description=_BY)
    until: str = Field(description="When this ends if it was not used, in UTC, as 2026-05-01T06:00.")
    checks: list[str] = Field(
        default=[],
        description="TABLE:CHECK to pass on, as staging.stg_sales:expectations; all that failed, if none.",
    )
    through: bool = Field(
        default=False, description="Also on what fails further down, on what is made of these data."
    )


class DecideConfig(dg.Config):
    """A person's word on a delivery that is held."""

    delivery: str = Field(description=_DELIVERY)
    reason: str = Field(description="Why; it is kept.")
    by: str = Field(description=_BY)


class ResyncConfig(dg.Config):
    """Which partition of an export is sent again, every row of it."""

    export: str = Field(description=_EXPORT)
    partition: str = Field("", description=f"{_PARTITION} Empty, too, for the newest that is built.")


def hands_on_jobs(site: Site) -> list[dg.JobDefinition]:
    """Return the jobs by which people act in the UI."""

    # Dagster wants the names of jobs and of ops to differ.
    @dg.op(name="rerun_partitions")
    def rerun_op(context: dg.OpExecutionContext, config: RerunConfig) -> None:
        with _told():
            _rerun(context, site, config)

    @dg.op(name="release_partition")
    def release_op(context: dg.OpExecutionContext, config: ReleaseConfig) -> None:
        with _told():
            target = _target(site, config.export)
            _require_partition(target, config.partition)
            request = Request(
                config.export, config.partition, _filled("reason", config.reason), _filled("by", config.by),
                _until(config.until), tuple(config.checks), config.through,
            )  # fmt: skip
            recorded = release(Desk.of(site, context.instance), request)
            context.log.info(f"{recorded.export} [{recorded.partition_key}] is {recorded}: it is sent now")

    @dg.op(name="approve_delivery")
    def approve_op(context: dg.OpExecutionContext, config: DecideConfig) -> None:
        with _told():
            decision = _decision(site, config)
            sent = approve_and_send(Desk.of(site, context.instance), *decision, log=context.log.info)
            if sent.outcome is not None:
                context.log.info(said_of(sent.outcome))
            if sent.run is not None:
                _require_success(context, [sent.run])

    @dg.op(name="reject_delivery")
    def reject_op(context: dg.OpExecutionContext, config: DecideConfig) -> None:
        with _told():
            decision = _decision(site, config)
            decided = reject(Desk.of(site, context.instance), *decision)
            context.log.info(f"delivery {decided.delivery_id} is {decided.status.value}")

    @dg.op(name="resync_partition")
    def resync_op(context: dg.OpExecutionContext, config: ResyncConfig) -> None:
        with _told():
            target = _target(site, config.export)
            if config.partition:
                _require_partition(target, config.partition)
            key = partition_of(site.deployment, target, config.partition or None)
            _require_success(context, [resync(Desk.of(site, context.instance), target, key)])

    made = partial(_job, run_executor(site.deployment))
    return [
        made("rerun", rerun_op, "Builds partitions of a table anew, with their checks and all that is made of"
             " them, and sends the exports below; the same as `sluice table rerun`."),
        made("release", release_op, "Lets one partition of one export pass on failed checks, once, on the"
             " record; the same as `sluice export release`."),
        made("approve", approve_op, "Lets a delivery go that is held past a limit: that very plan, at once;"
             " the same as `sluice delivery approve`."),
        made("reject", reject_op, "Lets a held delivery never go: nothing of its partition is sent until the"
             " data are others; the same as `sluice delivery reject`."),
        made("resync", resync_op, "Sends every row of a partition again, whatever the destination"
             " acknowledged; the same as `sluice delivery resend`."),
    ]  # fmt: skip


def _job(
    executor: dg.ExecutorDefinition, name: str, op: Callable[..., object], description: str
) -> dg.JobDefinition:
    @dg.job(name=name, executor_def=executor, description=description)
    def job() -> None:
        op()

    return job


def _rerun(context: dg.OpExecutionContext, site: Site, config: RerunConfig) -> None:
    first, last = config.from_partition, config.to_partition
    outdated = config.which is Which.OUTDATED
    if not config.table and not outdated:
        raise ValueError("`table` is empty: enter one, as staging.stg_sales, or choose OUTDATED in `which`")
    if last and not first:
        raise ValueError("`to_partition` without `from_partition`: enter the first partition, too")
    wanted = Wanted(
        config.table,
        partition="" if last or outdated else first,
        first=first if last or outdated else "",
        last=last,
        outdated=outdated,
    )
    rebuilds = rebuild_wanted(site, wanted)
    for line in said_beforehand(rebuilds):
        context.log.info(line)
    if not rebuilds:
        context.log.info(NOTHING_OUTDATED)
    if config.dry_run:
        return
    done = list(carry_out(Desk.of(site, context.instance), rebuilds, log=context.log.info))
    _require_success(context, done, len(rebuilds) - len(done))


def _require_success(context: dg.OpExecutionContext, runs: list[Finished], missing: int = 0) -> None:
    """Say what became of the runs that a job has made.

    Raises:
        ValueError: one of them failed, or did not start because of that.
    """
    said: list[str] = []
    for run in runs:
        for line in (*run.built, *run.sent, *run.warnings):
            context.log.info(line)
        where = f"run {run.run_id[:8]}" + (f" of {run.run.partition_key}" if run.run.partition_key else "")
        said += [f"{where}: {text}" for text in run.failures or (() if run.success else ("failed",))]
        for name in run.not_configured:
            context.log.warning(f"{name} is not configured, nothing is sent")
    if missing:
        said.append(left_out(missing))
    if said:
        raise ValueError("\n".join(said))


def _decision(site: Site, config: DecideConfig) -> tuple[Delivery, str, str]:
    found = delivery_of(site.deployment, _filled("delivery", config.delivery))
    site.target(found.export)  # it may be of an export that is gone
    return found, _filled("by", config.by), _filled("reason", config.reason)


def _filled(name: str, text: str) -> str:
    if not text.strip():
        raise ValueError(f"`{name}` is empty: {_WANTED[name]}")
    return text.strip()


def _target(site: Site, export: str) -> Target:
    return site.target(_filled("export", export))


def _require_partition(target: Target, key: str) -> None:
    cut = target.table.partitioning
    if not cut.holds(key):
        raise ValueError(f"`partition` {key!r} is none of `{target.export.name}`: enter {key_expected(cut)}")


def _until(text: str) -> datetime:
    try:
        moment = moment_until(_filled("until", text))
    except ValueError:
        raise ValueError(f"`until` {text!r} is no time: {_WANTED['until']}") from None
    if moment <= datetime.now(UTC):
        raise ValueError(f"`until` {text!r} is past: enter a time to come, in UTC")
    return moment


_WANTED = {
    "export": "enter an export's name, as its file's",
    "delivery": "enter the id of a delivery, or a beginning of it that is unique",
    "reason": "enter why; it is kept",
    "by": "enter who answers for it: your name; it is kept",
    "until": "enter when the release ends if it was not used, in UTC, as 2026-05-01T06:00",
}


@contextmanager
def _told() -> Generator[None]:
    """Turn what people can mend into the step's failure, in its own words, without a stack of calls."""
    try:
        yield
    except (ValueError, ProjectChanged, *NOT_SENT) as problem:
        raise dg.Failure(description=str(problem), allow_retries=False) from None
