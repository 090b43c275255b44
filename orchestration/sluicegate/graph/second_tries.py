"""Runs that failed, and left no word about the data: each is tried once more, a while after.

A vendor that was down, a lock, a disk that was full: such a run says nothing of what it was about, and mostly
goes through the next time. Belongs here: which runs those are, by what Dagster knows of them. Does not belong
here: what is asked for then (`due`, `deliveries_due`), and runs whose process died (`crashes`).
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster._core.storage.dagster_run import RunRecord
from dagster._core.storage.tags import AUTO_RETRY_RUN_ID_TAG, PARTITION_NAME_TAG

from sluicegate.core.lineage import Partition
from sluicegate.graph.crashes import DIED_TAG, STARTED_BY_TAG
from sluicegate.graph.reasons import may_pass
from sluicegate.operations.deliveries_due import deliveries_again
from sluicegate.operations.due_run import RUN_KEY_TAG, TRY_TAG, DueRun, Try
from sluicegate.operations.fills import fills_again
from sluicegate.operations.site import Site
from sluicegate.project.loading import Project
from sluicegate.project.names import DELIVERY_CHECK, GATE_CHECK

# A step that fails says what these do.
_OF_THE_STEP = {GATE_CHECK, DELIVERY_CHECK}
_LOOKED_AT = {dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.ASSET_CHECK_EVALUATION}


@dataclass(frozen=True)
class FailedTry:
    """A first try that failed without a word about the data; it is due once more at `due_at`.

    `tables` are the partitions that it was to build, none where it was to send alone.
    """

    run: dg.DagsterRun
    run_key: str
    due_at: datetime
    tables: frozenset[Partition]
    exports: frozenset[str]
    fills: frozenset[str]

    @property
    def partition_key(self) -> str:
        """The partition's key; "" of tables without partitions."""
        return self.run.tags.get(PARTITION_NAME_TAG, "")


class Selections:
    """What runs were to do, in the names of the project; the names of all assets are made once."""

    def __init__(self, project: Project) -> None:
        self._partitionings = {name: table.partitioning for name, table in project.lineage.tables.items()}
        self._tables = {dg.AssetKey(table.asset_key): name for name, table in project.lineage.tables.items()}
        self._exports = {dg.AssetKey(export.asset_key): name for name, export in project.exports.items()}
        filled = project.kusto.filled if project.kusto is not None else ()
        self._fills = {dg.AssetKey(table.asset_key): table.table for table in filled}

    def tables(self, run: dg.DagsterRun) -> frozenset[str]:
        """Return the tables that a run was to build."""
        return frozenset(self._tables[key] for key in run.asset_selection or () if key in self._tables)

    def partitions(self, run: dg.DagsterRun) -> frozenset[Partition]:
        """Return the partitions of tables that a run was to build."""
        key = run.tags.get(PARTITION_NAME_TAG, "")
        return frozenset(Partition(self._partitionings[name], key) for name in self.tables(run))

    def exports(self, run: dg.DagsterRun) -> frozenset[str]:
        """Return the exports that a run was to send."""
        return frozenset(self._exports[key] for key in run.asset_selection or () if key in self._exports)

    def fills(self, run: dg.DagsterRun) -> frozenset[str]:
        """Return the tables of Kusto that a run was to fill."""
        return frozenset(self._fills[key] for key in run.asset_selection or () if key in self._fills)


class SecondTries:
    """The second tries that are due at a moment.

    What was asked for already, Dagster's runs tell: whoever looks after a crash sees the same.
    """

    def __init__(self, instance: dg.DagsterInstance, site: Site) -> None:
        now = site.deployment.clock()
        self._instance, self._site, self._now = instance, site, now
        self._selections = Selections(site.project)
        tries = failed_tries(instance, site, self._selections)
        self._due = [item for item in tries if item.due_at <= now]
        self.partitions, self.run_keys = set[Partition](), set[str]()
        self._failed, self._unfilled = dict[tuple[str, str], str](), dict[tuple[str, str], str]()
        for item in self._due:
            partitions, exports, fills = self._asked_since(item)
            if item.tables and not partitions & item.tables:
                self.partitions |= item.tables
                self.run_keys.add(item.run_key)
            left = ((name, item.partition_key) for name in item.exports if name not in exports)
            self._failed |= dict.fromkeys(left, item.run.run_id)
            unfilled = ((name, item.partition_key) for name in item.fills if name not in fills)
            self._unfilled |= dict.fromkeys(unfilled, item.run.run_id)

    def sendings(self, run_exists: Callable[[str], bool]) -> list[DueRun]:
        """Return the runs of exports that are still to be sent, and of tables that are to be filled."""
        sent = deliveries_again(self._site, self._now, run_exists, self._failed)
        return [*sent, *fills_again(self._site, run_exists, self._unfilled)]

    def claim(self, run: DueRun, owner: str) -> bool:
        """Whether a run may be started: no other process starts the second try of any part of it."""
        named = {*run.relations, *run.exports, *run.fills}
        tries = {
            (item.run.run_id, name)
            for item in self._due
            if item.partition_key == run.partition_key
            for name in named & (self._selections.tables(item.run) | item.exports | item.fills)
        }
        deployment = self._site.deployment
        return not tries or deployment.store.incidents.claim_tries(tries, owner, deployment.clock())

    def settle(self, asked: Collection[DueRun], busy: Callable[[str], bool]) -> None:
        """Let those be of which nothing was to be asked for by a look that saw all of them."""
        keys = {run.partition_key for run in asked}
        for item in self._due:
            if item.partition_key not in keys and not busy(item.partition_key):
                self._instance.add_run_tags(item.run.run_id, {TRY_TAG: Try.OVER.value})

    def _asked_since(self, item: FailedTry) -> tuple[frozenset[Partition], frozenset[str], frozenset[str]]:
        """Return what of its partition was tried a second time since, as we asked for it, or a person."""
        again = {TRY_TAG: Try.SECOND.value}
        if item.partition_key:
            again[PARTITION_NAME_TAG] = item.partition_key
        ended = item.due_at - wait_of(self._site)
        runs = [
            run
            for run in self._instance.get_runs(dg.RunsFilter(tags=again, created_after=ended))
            if DIED_TAG not in run.tags and run.tags.get(PARTITION_NAME_TAG, "") == item.partition_key
        ]
        return (
            frozenset[Partition]().union(*map(self._selections.partitions, runs)),
            frozenset[str]().union(*map(self._selections.exports, runs)),
            frozenset[str]().union(*map(self._selections.fills, runs)),
        )


def failed_tries(instance: dg.DagsterInstance, site: Site, selections: Selections) -> list[FailedTry]:
    """Return the first tries that failed and wait for their second one, or are in it."""
    first = {TRY_TAG: [Try.FIRST.value, Try.WAITING.value]}
    filters = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], tags=first)
    found: list[FailedTry] = []
    for record in instance.get_run_records(filters):
        run = record.dagster_run
        # Of one that never began Dagster fails to start another, mostly; else that is its second try.
        never_began = record.start_time is None and DIED_TAG not in run.tags
        by_dagster = never_began and AUTO_RETRY_RUN_ID_TAG in run.tags
        if by_dagster or (run.tags[TRY_TAG] == Try.FIRST and not never_began):
            waits = not by_dagster and _says_nothing(instance, run)
            instance.add_run_tags(run.run_id, {TRY_TAG: (Try.WAITING if waits else Try.OVER).value})
            if not waits:
                continue
        found.append(
            FailedTry(
                run,
                run.tags[RUN_KEY_TAG],
                ended_at(record) + wait_of(site),
                selections.partitions(run),
                selections.exports(run),
                selections.fills(run),
            )
        )
    return found


def _says_nothing(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether a run that failed left no word about the data: all that failed of it was raised.

    Where no step failed, the run was ended from outside: Dagster starts the daemon's again by itself.
    """
    if DIED_TAG in run.tags:
        return False
    raised = False
    for entry in instance.all_logs(run.run_id, of_type=_LOOKED_AT):
        event = entry.dagster_event
        assert event is not None  # it is of these types
        if event.event_type is dg.DagsterEventType.STEP_FAILURE:
            if not may_pass(event.step_failure_data.error):
                return False
            raised = True
        else:
            said = event.asset_check_evaluation_data
            blocks = not said.passed and said.severity is dg.AssetCheckSeverity.ERROR
            if blocks and said.check_name not in _OF_THE_STEP:
                return False
    return raised or STARTED_BY_TAG in run.tags


def ended_at(record: RunRecord) -> datetime:
    """Return when a run ended."""
    if record.end_time is not None:
        return datetime.fromtimestamp(record.end_time, UTC)
    return record.update_timestamp.replace(tzinfo=record.update_timestamp.tzinfo or UTC)


def wait_of(site: Site) -> timedelta:
    """Return how long after its end a run is tried once more."""
    return timedelta(seconds=site.deployment.settings.run_retry_seconds)
