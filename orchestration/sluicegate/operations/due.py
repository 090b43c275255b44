"""What is due: landed drops and new evidence -> the runs that they call for.

One run a partition, for everything affected. A table is due for a partition when every feed that it is made
of has landed (a day that is made of hours waits for all of them), what it reads outside the run is built and
validated, and nobody has asked for it yet with these very drops. The sensor and `sluice run` ask the same
question; nothing here looks at a clock.
"""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, astuple, dataclass
from datetime import UTC, datetime
from functools import cache

from sluicegate.core.lineage import UNPARTITIONED_TABLES, Partition
from sluicegate.core.settings import SettingsError
from sluicegate.gate.gate import GateReport, Verdict
from sluicegate.ingestion.emptying import empty_of_loaded
from sluicegate.ingestion.staging import register_landed
from sluicegate.operations.due_run import DueRun, Try, digest_of
from sluicegate.operations.readiness import Readiness
from sluicegate.operations.records import Records
from sluicegate.operations.site import Site
from sluicegate.operations.touched import Touched
from sluicegate.state.records import Release


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
    again: Collection[Partition] = (),
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
        again: partitions of which a run has failed that is due once more: they are looked at, and what is
            asked for there, and was before, is a second try.
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
    view = _View(site, run_exists, failed, again)
    # An error of a check records nothing that touches a partition, and holds it all the same.
    partitions = view.touched.partitions(touched | view.touched.in_error()) | view.touched.waiting_for_newer()
    partitions |= {*look_again_at, *again}
    runs: list[DueRun] = []
    held: list[Held] = []
    settled = True
    waiting = [
        UNPARTITIONED_TABLES,
        *sorted(partitions - {UNPARTITIONED_TABLES}, key=lambda partition: partition.order),
    ]
    while waiting and (at_most is None or len(runs) < at_most):
        partition = waiting.pop(0)
        view.read_ahead(partition)
        run = view.due_run(partition)
        if run is not None and queued(partition.key):
            # What has landed since goes with one run after that one, and not with one each. Whatever becomes
            # of that one, the next look comes upon this again.
            settled = False
            continue
        if run is not None:
            runs.append(run)
        for name in view.readiness.exports_of(partition):
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
        again: Collection[Partition] = (),
    ) -> None:
        self._store = site.deployment.store
        self._project = site.project
        self._tables = site.project.lineage.tables
        self._records = Records(site)
        self.readiness = Readiness(site, self._records)
        self.touched = Touched(site, self._records)
        self._run_exists = cache(run_exists)  # a run's tables share its key
        self._failed = failed
        self._again = again

    def read_ahead(self, partition: Partition) -> None:
        """Read what the gate is asked of all exports of a partition: one by one they are too many queries."""
        exports = (self._project.exports[name] for name in self.readiness.exports_of(partition))
        self._records.read_ahead({self._project.node_of(one).relation for one in exports}, partition.key)

    def due_run(self, partition: Partition) -> DueRun | None:
        """Return the run that a partition calls for now, if it calls for one."""
        key = partition.key
        asked = self._store.requests_of(key)
        building: dict[str, frozenset[str]] = {}
        for relation in self._project.lineage.partitionings.get(partition.partitioning, ()):
            made_of = self.readiness.made_of(relation, key)
            if made_of is None:
                continue
            lacks = self.readiness.lacks(relation, key)
            wanted = self.readiness.all_asked(relation, key, made_of) if lacks else {made_of.drops}
            run_keys = [asked.get((relation, digest)) for digest in wanted]
            failed = any(run_key is not None and self._failed(run_key) for run_key in run_keys)
            asked_for = all(run_key is not None and self._run_exists(run_key) for run_key in run_keys)
            if failed and not self.readiness.settled_since(relation, key):
                asked_for = False
            if asked_for and not self.readiness.reads_what_is_built(relation, key, building):
                continue
            if self.readiness.ready(relation, key, building):
                # All of them: what this run fails on is not asked for again by what is known today.
                building[relation] = self.readiness.all_asked(relation, key, made_of)
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
            for name in self.readiness.exports_of(partition)
            if self._project.node_of(self._project.exports[name]).relation in {*building, *released}
        )
        before = {asked.get((relation, made)) for relation, made_of in requests.items() for made in made_of}
        tried = partition in self._again or any(run_key and self._failed(run_key) for run_key in before)
        run_key = digest_of(
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
            attempt=Try.SECOND if tried and None not in before else Try.FIRST,
        )

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
                digest = digest_of([f"judge {item.check} {item.version}: {item.summary}"])
                if not self._stands(asked.get((relation, digest))):
                    yield relation, item.check, digest

    def _stands(self, run_key: str | None) -> bool:
        """Whether what was asked for by a run still counts as asked for."""
        return run_key is not None and self._run_exists(run_key) and not self._failed(run_key)

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
            digest = digest_of([f"release {release.id}", *sorted(further)])
            run_key = asked.get((release.relation, digest))
            if not release.active(datetime.now(UTC)) or self._stands(run_key):
                continue
            tables: list[str] = []
            for relation in self._project.lineage.between(failed | further, release.relation):
                if self._tables[relation].partitioning != partition.partitioning:
                    continue
                if relation in building or self.readiness.ready(relation, key, [*building, *tables]):
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

    def _let_go(
        self, partition: Partition, asked: Mapping[tuple[str, str], str], requested: Collection[str]
    ) -> Iterator[tuple[str, list[str], str]]:
        """Yield the models of exports that were held as a source was too old, and no more are.

        With the tables to build before: those that were built from what was too old already, and all that is
        built of them. It is asked for once for what is newest then; a run that fails is for somebody to see.
        """
        key = partition.key
        for name in self.readiness.exports_of(partition):
            relation = self._project.node_of(self._project.exports[name]).relation
            waits = (name, key) in self.touched.waiting and relation not in requested
            if (
                not waits
                or self.readiness.delivered(name, relation, key)
                or self.readiness.made_of(relation, key) is None
            ):
                continue
            due = self._records.due_moments(relation)
            digest = digest_of(
                ["waited", *(f"{source} {moment.isoformat()}" for source, moment in due.items())]
            )
            if self._stands(asked.get((relation, digest))):
                continue
            report = self._records.report(relation, key)
            late = {item.relation for item in report.closed_by if item.verdict is Verdict.BUILT_FROM_TOO_OLD}
            if any(item.relation not in late for item in report.reasons):
                continue
            tables = self._built_of(late, partition)
            ready = (
                self.readiness.ready(table, key, [*requested, *tables[:at]])
                for at, table in enumerate(tables)
            )
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
        for name in self.readiness.exports_of(partition):
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
            if self.readiness.made_of(relation, key) is None or not report.open:
                continue
            since = {item.run_id for item in report.findings if item.own} - {build.run_id, ""}
            digest = digest_of([f"opened {build.version}", *sorted(since)])
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
        if self.readiness.made_of(relation, key) is None:
            return None
        report = self._records.report(relation, key)
        closed = report.unjudged or report.waits_for
        told = report.refusals or self._records.left_behind(relation, key, report)
        if not told and (not closed or self.readiness.delivered(export, relation, key)):
            return None
        reason = report.reasons[0]
        build = self._records.builds(reason.relation).get(reason.partition_key)
        return Held(export, key, report, reason.run_id or (build.run_id if build else ""))
