"""What is due: landed drops and new evidence -> the runs that they call for.

One run a partition, for everything affected. A table is due for a partition when every feed that it is made
of has landed (a day that is made of hours waits for all of them), what it reads outside the run is built and
validated, and nobody has asked for it yet with these very drops. The sensor and `sluice run` ask the same
question; nothing here looks at a clock.
"""

import hashlib
import json
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass
from datetime import UTC, datetime
from functools import cached_property

from orchestration.core.lineage import UNPARTITIONED_TABLES, Partition, Reach, TablePartition
from orchestration.core.partitions import Partitioning
from orchestration.core.settings import SettingsError
from orchestration.gate.gate import GateReport, Verdict
from orchestration.ingestion.emptying import empty_of_loaded
from orchestration.ingestion.staging import register_landed
from orchestration.operations.records import Records
from orchestration.operations.site import Site
from orchestration.state.records import Hold, Release

# Dagster's list of runs does not show tags that begin so: 64 digits tell nobody anything.
RUN_KEY_TAG = ".dagster/sluice_run_key"
# What older code wrote; its runs count as ever.
OLD_RUN_KEY_TAG = "sluice/run_key"
# A run that a person asked for says by this tag which kind of delivery it makes (`sluice resync`).
KIND_TAG = "sluice/delivery"


def run_key_of(tags: Mapping[str, str]) -> str | None:
    """Return the run key of a run by its tags; None for a run that nobody's request started."""
    return tags.get(RUN_KEY_TAG, tags.get(OLD_RUN_KEY_TAG))


@dataclass(frozen=True)
class Cursor:
    """How far the records were read. Four numbers, however many files have landed."""

    drops: int = 0
    builds: int = 0
    evidence: int = 0
    releases: int = 0

    @classmethod
    def parse(cls, text: str | None) -> "Cursor":
        """Return the cursor that `str()` wrote; without one, the start."""
        return cls(**json.loads(text)) if text else cls()

    def __str__(self) -> str:
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class DueRun:
    """One run to start: the tables to build for a partition, and the exports to send after them.

    All of them are cut alike: what is made of the partition, but cut otherwise, is another run's. `kind` is
    that of its deliveries, where a person asked for another than what the data call for. `checks` are
    (relation, check) of tables that stay as they are, to be judged again.
    """

    partition: Partition
    relations: tuple[str, ...]
    exports: tuple[str, ...]
    run_key: str
    requests: Mapping[str, frozenset[str]]
    kind: str = ""
    checks: tuple[tuple[str, str], ...] = ()

    @property
    def partition_key(self) -> str:
        """The partition's key, as Dagster has it; empty for tables that are not partitioned."""
        return self.partition.key

    @property
    def tags(self) -> dict[str, str]:
        """The tags by which the run is found again."""
        return {RUN_KEY_TAG: self.run_key} | ({KIND_TAG: self.kind} if self.kind else {})


@dataclass(frozen=True)
class Held:
    """An export that would be due, were its gate not closed; `run_id` is the run that knows the reason."""

    export: str
    partition_key: str
    report: GateReport
    run_id: str


@dataclass(frozen=True)
class Due:
    """The answer: runs in the order of their partitions, held exports, complaints and notes about staging."""

    runs: tuple[DueRun, ...]
    held: tuple[Held, ...]
    complaints: tuple[str, ...]
    cursor: Cursor
    not_looked_at: frozenset[Partition] = frozenset()
    notes: tuple[str, ...] = ()


def find_due(
    site: Site,
    cursor: Cursor,
    run_exists: Callable[[str], bool],
    look_again_at: Iterable[Partition] = (),
    at_most: int | None = None,
    busy: Callable[[str], bool] = lambda _: False,
    failed: Callable[[str], bool] = lambda _: False,
    queued: Callable[[str], bool] = lambda _: False,
    patience: float | None = None,
) -> Due:
    """Look into staging and the records for what has come since `cursor`.

    Args:
        site: the deployment to look at, and its project.
        cursor: how far the records were read before.
        run_exists: whether Dagster has a run of that run key: a request counts once its run exists.
        look_again_at: partitions to look at whether or not anything of theirs was recorded.
        at_most: the number of runs after which to stop looking; the answer tells what was left.
        busy: whether a run of a partition of that key is queued or under way: what is not judged yet may
            still be.
        failed: whether the newest run of that run key has failed, where that is to count no more as asked:
            what it was to build is due again, unless it is there and in order by now, or delivered.
        queued: whether a run of a partition of that key waits for its start: no other is asked for till then.
        patience: so many seconds a staging area elsewhere has to answer; see `register_landed`.
    """
    deployment = site.deployment
    complaints: list[str] = []
    notes: list[str] = []
    for contract in site.project.contracts.values():
        try:
            staging = deployment.staging_of(contract)
        except SettingsError as error:  # no other source is the worse for it
            complaints.append(str(error))
            continue
        scan = register_landed(contract, staging, deployment.store, now=deployment.clock, patience=patience)
        complaints += scan.complaints
        notes += scan.notes
        if left := empty_of_loaded(deployment, contract):
            complaints.append(left)
    newest = Cursor(*deployment.store.newest())
    touched = deployment.store.touched_after(*astuple(cursor))
    view = _View(site, run_exists, failed)
    # An error of a check records nothing that touches a partition, and holds it all the same.
    partitions = view.partitions_touched(touched | view.in_error()) | view.waiting_for_newer()
    partitions |= set(look_again_at)
    runs: list[DueRun] = []
    held: list[Held] = []
    settled = True
    waiting = [
        UNPARTITIONED_TABLES,
        *sorted(partitions - {UNPARTITIONED_TABLES}, key=lambda partition: partition.order),
    ]
    while waiting and (at_most is None or len(runs) < at_most):
        partition = waiting.pop(0)
        run = view.due_run(partition)
        if run is not None and queued(partition.key):
            # What has landed since goes with one run after that one, and not with one each. Whatever becomes
            # of that one, the next look comes upon this again.
            settled = False
            continue
        if run is not None:
            runs.append(run)
        for name in view.exports_of(partition):
            item = view.held(name, partition.key) if run is None or name not in run.exports else None
            if item is None:
                continue
            if item.report.unjudged and not item.report.refusals and busy(partition.key):
                settled = False  # look at it again once that run has ended, which records nothing
            else:
                held.append(item)
    left = frozenset(waiting) - {UNPARTITIONED_TABLES}
    at = newest if settled else cursor
    return Due(tuple(runs), tuple(held), tuple(complaints), at, left, tuple(notes))


@dataclass(frozen=True)
class _MadeOf:
    """What a partition is made of: its own drops by name, and the snapshots that it shares with others."""

    own: tuple[str, ...]
    shared: tuple[str, ...]

    @property
    def drops(self) -> str:
        """A digest of its own drops: what it is asked for by, once."""
        return _digest(self.own)

    def all(self, since: Sequence[str]) -> frozenset[str]:
        """Return what it is asked for by while it lacks; `since` are judgings that may help it, in words.

        Each judging counts by itself: what one of them could not help is not asked for again without others.
        """
        more = [self.shared, *((judging,) for judging in since)]
        return frozenset({self.drops, *(_digest([*self.own, *names]) for names in more if names)})


def held_still(site: Site, items: Iterable[Held]) -> list[Held]:
    """Return those of held exports that are held at this moment, with why they are."""
    view = _View(site, lambda _: False, lambda _: False)
    return [now for item in items if (now := view.held(item.export, item.partition_key)) is not None]


class _View:
    """The records as they are at one look, read once each."""

    def __init__(
        self,
        site: Site,
        run_exists: Callable[[str], bool],
        failed: Callable[[str], bool],
    ) -> None:
        self._store = site.deployment.store
        self._project = site.project
        self._tables = site.project.lineage.tables
        self._records = Records(site)
        self._run_exists = run_exists
        self._failed = failed
        self._unfinished: dict[Partitioning, list[str]] = {}

    @cached_property
    def _seeds(self) -> dict[str, str]:
        """{relation: digest} of the tables that come with the project: another digest is the event.

        The digest of the gate: what it calls built by older code is due.
        """
        return {
            node.relation: self._tables[node.relation].code
            for node in self._project.manifest.nodes.values()
            if not self._tables[node.relation].parents
        }

    def partitions_touched(self, touched: Iterable[tuple[str, str]]) -> set[Partition]:
        """Return the partitions that events may have made due, however those are cut."""
        partitions: set[Partition] = set()
        together: dict[Partition, set[str]] = {}
        below_snapshots: set[Partitioning] = set()
        for relation, key in touched:
            table = self._tables.get(relation)
            if table is None:
                continue
            if not table.partitioning.partitioned:  # a snapshot serves all partitions
                below_snapshots |= self._partitionings_below(relation)
            elif table.partitioning.holds(key):  # a source may have been cut in another way before
                together.setdefault(Partition(table.partitioning, key), set()).add(relation)
        for partition, relations in together.items():
            partitions.add(partition)
            if partition.partitioning.grain.timed:
                partitions |= self._made_of_it(partition, relations)
        for partitioning in below_snapshots:
            partitions |= {Partition(partitioning, key) for key in self._incomplete(partitioning)}
        return partitions

    def in_error(self) -> set[tuple[str, str]]:
        """Return the (relation, partition key) of which a check could not run on what there is now."""
        return {
            (error.relation, error.partition_key)
            for error in self._store.check_errors.all()
            if error.relation in self._tables
            and error.check in self._tables[error.relation].rules
            and (build := self._records.builds(error.relation).get(error.partition_key)) is not None
            and build.version == error.version
        }

    def _made_of_it(self, partition: Partition, relations: Collection[str]) -> set[Partition]:
        """Return the partitions of time that are made of one: an hour may complete a day, and so on up."""
        reaches: dict[Partitioning, Reach] = {}
        for name, reach in self._project.lineage.affected(relations, partition.key).items():
            partitioning = self._tables[name].partitioning
            reaches[partitioning] = reach.joined(reaches.get(partitioning))
        found: set[Partition] = set()
        for partitioning, reach in reaches.items():
            required = partitioning.overlapping(reach.start, reach.end)
            found |= {Partition(partitioning, key) for key in required}
            if reach.window_end > reach.end:
                # What a later partition's trailing window holds may have held that one up.
                keys = self._incomplete(partitioning)
                first = bisect_left(keys, partitioning.key_at(reach.end))
                last = bisect_left(keys, partitioning.key_at(reach.window_end))
                found |= {Partition(partitioning, key) for key in keys[first:last]}
        return found

    def _partitionings_below(self, relation: str) -> set[Partitioning]:
        below = self._project.lineage.descendants(relation)
        return {self._tables[name].partitioning for name in below} - {UNPARTITIONED_TABLES.partitioning}

    def _incomplete(self, partitioning: Partitioning) -> list[str]:
        """Return the keys of which something landed that is not in some table of theirs yet, in order."""
        if partitioning not in self._unfinished:
            tables = self._project.lineage.partitionings[partitioning]
            corrections = self._records.corrections
            self._unfinished[partitioning] = sorted(
                key
                for key in self._records.landed(partitioning)
                if any(
                    key not in self._records.builds(name) or corrections.below(name, key) for name in tables
                )
            )
        return self._unfinished[partitioning]

    def exports_of(self, partition: Partition) -> list[str]:
        """Return the exports that are cut as a partition is."""
        return self._exports.get(partition.partitioning, [])

    @cached_property
    def _exports(self) -> dict[Partitioning, list[str]]:
        found: dict[Partitioning, list[str]] = {}
        for name, export in self._project.exports.items():
            table = self._tables[self._project.node_of(export).relation]
            found.setdefault(table.partitioning, []).append(name)
        return found

    def due_run(self, partition: Partition) -> DueRun | None:
        """Return the run that a partition calls for now, if it calls for one."""
        key = partition.key
        asked = self._store.requests_of(key)
        building: dict[str, frozenset[str]] = {}
        for relation in self._project.lineage.partitionings.get(partition.partitioning, ()):
            made_of = self._made_of(relation, key)
            if made_of is None:
                continue
            lacks = self._lacks(relation, key)
            wanted = self._all_asked(relation, key, made_of) if lacks else {made_of.drops}
            run_keys = [asked.get((relation, digest)) for digest in wanted]
            failed = any(run_key is not None and self._failed(run_key) for run_key in run_keys)
            asked_for = all(run_key is not None and self._run_exists(run_key) for run_key in run_keys)
            if failed and not self._settled_since(relation, key):
                asked_for = False
            if asked_for and not self._made_of_what_is_built(relation, key, building):
                continue
            if self._ready(relation, key, building):
                # All of them: what this run fails on is not asked for again by what is known today.
                building[relation] = self._all_asked(relation, key, made_of)
        requests = dict(building)
        released = set[str]()
        for release, tables, digest in self._released(partition, asked, building):
            released.add(release.relation)
            for relation in (*tables, release.relation):
                requests[relation] = requests.get(relation, frozenset()) | {digest}
            building |= {relation: requests[relation] for relation in tables}
        for relation, tables, digest in self._let_go(partition, asked, requests):
            for name in (*tables, relation):
                requests[name] = requests.get(name, frozenset()) | {digest}
            building |= {name: requests[name] for name in tables}
            released.add(relation)
        for relation, digest in self._opened_since(partition, asked, requests):
            requests[relation] = frozenset({digest})
            released.add(relation)
        checks: list[tuple[str, str]] = []
        for relation, check, digest in self._judged_beside_others(partition, asked, building):
            requests[relation] = requests.get(relation, frozenset()) | {digest}
            checks.append((relation, check))
        if not requests:
            return None
        exports = tuple(
            name
            for name in self.exports_of(partition)
            if self._project.node_of(self._project.exports[name]).relation in {*building, *released}
        )
        run_key = _digest(
            [
                key,
                *(digest for made in requests.values() for digest in sorted(made)),
                *building,
                *(f"{relation} {check}" for relation, check in checks),
            ]
        )
        return DueRun(
            partition=partition,
            relations=tuple(building),
            exports=exports,
            run_key=run_key,
            requests=requests,
            checks=tuple(checks),
        )

    def _lacks(self, relation: str, key: str) -> bool:
        """Whether a partition has no table, or one that a correction is missing in which is loaded."""
        return key not in self._records.builds(relation) or self._records.corrections.missing(relation, key)

    def _judged_beside_others(
        self, partition: Partition, asked: Mapping[tuple[str, str], str], building: Collection[str]
    ) -> Iterator[tuple[str, str, str]]:
        """Yield tests of built tables that read other versions of other tables than there are now.

        What has failed beside an older snapshot may hold beside the newest one. Each is asked for once for
        these very versions.
        """
        for relation in self._project.lineage.partitionings.get(partition.partitioning, ()):
            if not self._tables[relation].reads_of or relation in building:
                continue
            if partition.key not in self._records.builds(relation):
                continue
            report = self._records.report(relation, partition.key)
            for item in report.findings:
                if item.relation != relation or item.verdict is not Verdict.OTHER_READ:
                    continue
                digest = _digest([f"judge {item.check} {item.version}: {item.summary}"])
                if not self._stands(asked.get((relation, digest))):
                    yield relation, item.check, digest

    def _stands(self, run_key: str | None) -> bool:
        """Whether what was asked for by a run still counts as asked for."""
        return run_key is not None and self._run_exists(run_key) and not self._failed(run_key)

    def _settled_since(self, relation: str, key: str) -> bool:
        """Whether what a failed run was to build is in order by now, whoever built it, or was delivered.

        A model that is in order and was not delivered is not built again for that; it is sent as it is.
        """
        build = self._records.builds(relation).get(key)
        drop = self._records.drop(relation, key) if relation in self._records.drops else None
        if build is None or (drop is not None and build.drop_ordinal != drop.ordinal):
            return False
        partition = Partition(self._tables[relation].partitioning, key)
        below = {relation, *self._project.lineage.descendants(relation)}
        models = {
            name: self._project.node_of(self._project.exports[name]).relation
            for name in self.exports_of(partition)
        }
        sent = [self._delivered(name, model, key) for name, model in models.items() if model in below]
        closed = self._records.report(relation, key).closed_by
        return (bool(sent) and all(sent)) or all(item.verdict is Verdict.TOO_OLD for item in closed)

    def _made_of_what_is_built(self, relation: str, key: str, building: Collection[str]) -> bool:
        """Whether a table stands on one that this run builds anew, and would be of another version then."""
        reads = self._project.lineage.reads(relation, key)
        return any(read.own and read.relation in building for read in reads)

    def _released(
        self, partition: Partition, asked: Mapping[tuple[str, str], str], building: Iterable[str]
    ) -> Iterator[tuple[Release, list[str], str]]:
        """Yield fresh releases of a partition that nobody has asked a run for, with the tables to build.

        Those are the tables between a failed check and the export: never built, or on older data. Tables
        with a released check stay as they are, since the release is for that very data.
        """
        key = partition.key
        for release in self._store.releases.of_partition(key):
            if self._tables[release.relation].partitioning != partition.partitioning:
                continue  # another source's drop of that name
            failed = {check.relation for check in release.checks}
            further = self._failed_below(release) if release.through else set[str]()
            digest = _digest([f"release {release.id}", *sorted(further)])
            run_key = asked.get((release.relation, digest))
            if not release.active(datetime.now(UTC)) or self._stands(run_key):
                continue
            tables: list[str] = []
            for relation in self._project.lineage.between(failed | further, release.relation):
                if self._tables[relation].partitioning != partition.partitioning:
                    continue
                if relation in building or self._ready(relation, key, [*building, *tables]):
                    tables.append(relation)
            arrived = release.relation in tables or self._records.report(release.relation, key).open
            if arrived:
                yield release, [relation for relation in tables if relation not in building], digest

    def _failed_below(self, release: Release) -> set[str]:
        """Return the tables that a release lets pass as well: built of what it names, and failed, too."""
        named = {check.relation for check in release.checks}
        key = release.partition_key
        found = set[str]()
        for relation in self._project.lineage.between(named, release.relation):
            own = [item for item in self._records.report(relation, key).findings if item.relation == relation]
            if any(item.verdict is Verdict.RELEASED for item in own) and not any(item.fix for item in own):
                found.add(relation)
        return found

    @cached_property
    def _waiting(self) -> dict[tuple[str, str], Hold]:
        """{(export, partition key): its hold} of what waits for something newer of a source."""
        found: dict[tuple[str, str], Hold] = {}
        for hold in self._store.holds_that_wait():
            export = self._project.exports.get(hold.export)
            if export is None:
                continue
            table = self._tables[self._project.node_of(export).relation]
            if table.partitioning.holds(hold.partition_key):
                found[(hold.export, hold.partition_key)] = hold
        return found

    def waiting_for_newer(self) -> set[Partition]:
        """Return the partitions of which an export is held as a source has nothing new enough."""
        return {
            Partition(
                self._tables[self._project.node_of(self._project.exports[name]).relation].partitioning, key
            )
            for name, key in self._waiting
        }

    def _let_go(
        self, partition: Partition, asked: Mapping[tuple[str, str], str], requested: Collection[str]
    ) -> Iterator[tuple[str, list[str], str]]:
        """Yield the models of exports that were held as a source was too old, and no more are.

        With the tables to build before: those that were built from what was too old already, and all that is
        built of them. It is asked for once for what is newest then; a run that fails is for somebody to see.
        """
        key = partition.key
        for name in self.exports_of(partition):
            relation = self._project.node_of(self._project.exports[name]).relation
            waits = (name, key) in self._waiting and relation not in requested
            if not waits or self._delivered(name, relation, key) or self._made_of(relation, key) is None:
                continue
            due = self._records.due_moments(relation)
            digest = _digest(
                ["waited", *(f"{source} {moment.isoformat()}" for source, moment in due.items())]
            )
            if self._stands(asked.get((relation, digest))):
                continue
            report = self._records.report(relation, key)
            late = {item.relation for item in report.closed_by if item.verdict is Verdict.BUILT_FROM_TOO_OLD}
            if any(item.relation not in late for item in report.reasons):
                continue
            tables = self._built_of(late, partition)
            ready = (self._ready(table, key, [*requested, *tables[:at]]) for at, table in enumerate(tables))
            if all(ready):
                yield relation, tables, digest

    def _opened_since(
        self, partition: Partition, asked: Mapping[tuple[str, str], str], requested: Collection[str]
    ) -> Iterator[tuple[str, str]]:
        """Yield the models of exports that the gate has held, and that judging alone has opened it for.

        As a check could run again, or by another rule. They are built, so nothing else would send them. Where
        a delivery was planned of them already, the gate is not what holds them.
        """
        key = partition.key
        for name in self.exports_of(partition):
            export = self._project.exports[name]
            relation = self._project.node_of(export).relation
            build = self._records.builds(relation).get(key)
            if build is None or relation in requested or key not in self._records.holds(name):
                continue
            plan = self._records.plans(name).get(key)
            planned = plan is not None and plan.version == build.version
            if planned or not self._records.has_connection(export.spec.destination.connection):
                continue
            report = self._records.report(relation, key)
            if self._made_of(relation, key) is None or not report.open:
                continue
            since = {item.run_id for item in report.findings if item.own} - {build.run_id, ""}
            digest = _digest([f"opened {build.version}", *sorted(since)])
            if since and not self._stands(asked.get((relation, digest))):
                yield relation, digest

    def _built_of(self, relations: Collection[str], partition: Partition) -> list[str]:
        """Return tables and what is built of them in a partition, parents before children."""
        below = set(relations).union(*(self._project.lineage.descendants(name) for name in relations))
        return [
            name
            for name in self._project.lineage.partitionings[partition.partitioning]
            if name in below and partition.key in self._records.builds(name)
        ]

    def held(self, export: str, key: str) -> Held | None:
        """Return why an export of a partition whose feeds have landed is held: a no, or no word at all."""
        relation = self._project.node_of(self._project.exports[export]).relation
        if self._made_of(relation, key) is None:
            return None
        report = self._records.report(relation, key)
        closed = report.unjudged or report.waits_for
        told = report.refusals or self._records.left_behind(relation, key, report)
        if not told and (not closed or self._delivered(export, relation, key)):
            return None
        reason = report.reasons[0]
        build = self._records.builds(reason.relation).get(reason.partition_key)
        return Held(export, key, report, reason.run_id or (build.run_id if build else ""))

    def _delivered(self, export: str, relation: str, key: str) -> bool:
        """Whether the destination has the very version that the model holds: there is nothing to hold."""
        delivery = self._records.deliveries(export).get(key)
        build = self._records.builds(relation).get(key)
        return delivery is not None and build is not None and delivery.version == build.version

    def _made_of(self, relation: str, key: str) -> _MadeOf | None:
        """Return the drops that a partition of a table is made of; None while one lacks.

        A partition is asked for once for its own drops, a day that is made of hours for those of all 24;
        while it has no table of these, once more for each newer snapshot, since the old one may be what it
        failed on, and for each time that what it is made of was judged again.
        A partition that has its table stays as it is.
        """
        own: list[str] = []
        shared: list[str] = []
        partitioned = self._tables[relation].partitioning.partitioned
        for source, keys in self._project.lineage.made_of(relation, key).items():
            names = own if not partitioned or self._tables[source].partitioning.partitioned else shared
            if source in self._seeds:
                names.append(f"{source}:{self._seeds[source]}")
                continue
            for required in keys:
                drop = self._records.drop(source, required)
                if drop is None:
                    return None
                names.append(drop.key)
        return _MadeOf(tuple(own), tuple(shared))

    def _all_asked(self, relation: str, key: str, made_of: _MadeOf) -> frozenset[str]:
        """Return what a partition is asked for by as long as it lacks: its drops, and what may help it."""
        return made_of.all(self._records.corrections.judged_since(relation, key))

    def _ready(self, relation: str, key: str, building: Iterable[str]) -> bool:
        """Whether all that a table reads is in this run, or built and validated before it."""
        in_run = frozenset(TablePartition(name, key, required=True) for name in [*building, relation])
        cut = self._tables[relation].partitioning
        for item in self._project.lineage.chain(relation, key):
            if item not in in_run and self._landed_but_not_built(item):
                return False
            if item.required and self._tables[item.relation].partitioning != cut and self._outdated(item):
                return False
        return self._records.parents_report(relation, key, in_run).open

    def _outdated(self, item: TablePartition) -> bool:
        """Whether a partition of another run is older than its drops: an hour whose correction is on its way.

        A day that was built on it now would have asked for the correction, and never get it.
        """
        if not self._tables[item.relation].partitioning.partitioned:
            return False
        build = self._records.builds(item.relation).get(item.partition_key)
        for source, keys in self._project.lineage.made_of(item.relation, item.partition_key).items():
            if not self._tables[source].partitioning.partitioned:
                continue
            for key in keys:
                drop, loaded = self._records.drop(source, key), self._records.builds(source).get(key)
                if build is None or drop is None or loaded is None or loaded.drop_ordinal != drop.ordinal:
                    return True
                if build.id < loaded.id:
                    return True
        return False

    def _landed_but_not_built(self, item: TablePartition) -> bool:
        """Whether a partition is on its way: its drops are there, it is not, and none was refused."""
        if item.required or item.partition_key in self._records.builds(item.relation):
            return False
        if self._made_of(item.relation, item.partition_key) is None:
            return False
        report = self._records.report(item.relation, item.partition_key)
        return not report.refusals


def _digest(names: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(names).encode()).hexdigest()
