"""The gate: may this partition of this table go on?

Open means: every blocking check of the table and of its own ancestors, by today's rules, has passed on the
version that the warehouse holds now, which is the newest build on record; each build was made by today's SQL
from the versions that its parents have now; and the earlier days and snapshots that they read were good when
they were read, and have not been found bad since. No evidence is a closed gate. Dagster's blocking checks
hold inside one run; the gate holds across runs, backfills and hands on buttons, since it asks the records and
not the run.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime

from sluicegate.core.lineage import Lineage, TablePartition
from sluicegate.gate.ages import built_too_late, too_old
from sluicegate.gate.findings import Finding, GateClosed, GateReport, Verdict
from sluicegate.gate.on_record import OnRecord
from sluicegate.gate.releasable import can_be_released
from sluicegate.gate.walk import Held, Walk
from sluicegate.state.moments import now as utc_now
from sluicegate.state.records import FailedCheck, Inputs, Release
from sluicegate.state.store import StateStore
from sluicegate.warehouse.base import Session

__all__ = ["Finding", "Gate", "GateClosed", "GateReport", "Verdict"]


class Gate:
    """Judges partitions of tables by the lineage and by the records in the state store."""

    def __init__(self, lineage: Lineage, store: StateStore, clock: Callable[[], datetime] = utc_now) -> None:
        self.lineage = lineage
        self._store = store
        self._clock = clock

    def report(self, session: Session, relation: str, partition_key: str) -> GateReport:
        """Judge a partition of a table and all it is made of, as the warehouse is in this snapshot.

        Of a table that an export sends the rows themselves are compared with those that were judged, and the
        age of what it is made of with what contracts allow.
        """
        on_record = OnRecord(self._store)
        walk = self._walk(self._held(session, relation), on_record)
        walk.own(relation, self.lineage.tables[relation].partition(partition_key))
        table = self.lineage.tables[relation]
        if table.sent:
            walk.compare_rows(table, partition_key, session)
        return self._report(
            walk, relation, partition_key, self._ages(walk, on_record, relation, partition_key)
        )

    def standing(
        self,
        session: Session,
        relation: str,
        partition_key: str,
        held: Held,
        on_record: OnRecord,
        *,
        rows: bool,
    ) -> GateReport:
        """Judge a partition as `report` does, but for ages, which are asked when something is sent.

        With `rows` those of a table that an export sends are compared with what was judged. `held` is what
        the warehouse holds in this snapshot.
        """
        walk = self._walk(held, on_record)
        table = self.lineage.tables[relation]
        walk.own(relation, table.partition(partition_key))
        if rows and table.sent:
            walk.compare_rows(table, partition_key, session)
        return self._report(walk, relation, partition_key)

    def require_parents(self, session: Session, relation: str, partition_key: str) -> None:
        """Raise where something that a table is made of must not be built on.

        Raises:
            GateClosed: an ancestor of this partition is missing, unjudged or bad.
        """
        walk = self._walk(self._held(session, relation), OnRecord(self._store))
        walk.parents(relation, partition_key)
        report = self._report(walk, relation, partition_key)
        if not report.open:
            raise GateClosed(report)

    def inputs(self, session: Session, relation: str, partition_key: str) -> Inputs:
        """Return the versions of all that a partition of a table is made of, as the warehouse is now."""
        held = session.versions(list(self.lineage.tables[relation].parents))
        found: dict[str, dict[str, str]] = {}
        for read in self.lineage.reads(relation, partition_key):
            if read.by_test:
                continue
            if version := held.get((read.relation, read.partition_key)):
                found.setdefault(read.relation, {})[read.partition_key] = version
        return found

    def report_from_records(
        self, relation: str, partition_key: str, held: Held, on_record: OnRecord | None = None
    ) -> GateReport:
        """Judge without opening the warehouse: `held` is what the records say that it holds.

        For planning and for showing; what is sent is judged by `report`.
        """
        on_record = on_record or OnRecord(self._store)
        walk = self._walk(held, on_record)
        walk.own(relation, self.lineage.tables[relation].partition(partition_key))
        return self._report(
            walk, relation, partition_key, self._ages(walk, on_record, relation, partition_key)
        )

    def parents_from_records(
        self,
        relation: str,
        partition_key: str,
        held: Held,
        about_to_be_built: Collection[TablePartition],
        on_record: OnRecord | None = None,
    ) -> GateReport:
        """Judge what a partition of a table is made of, by the records.

        `about_to_be_built` are partitions of tables that are good by then; what they are made of is judged.
        """
        walk = self._walk(held, on_record or OnRecord(self._store))
        built = {(item.relation, item.partition_key) for item in about_to_be_built}
        walk.parents(relation, partition_key, built)
        return self._report(walk, relation, partition_key)

    def _held(self, session: Session, relation: str) -> Held:
        return session.versions(sorted(self.lineage.looked_at(relation)))

    def _walk(self, held: Held, on_record: OnRecord) -> Walk:
        return Walk(self.lineage, held, on_record)

    def _ages(self, walk: Walk, on_record: OnRecord, relation: str, key: str) -> list[Finding]:
        """Age counts when something is sent; what is only built may be as old as it is."""
        if not self.lineage.tables[relation].sent:
            return []
        old = too_old(self.lineage, on_record, relation, self._clock())
        own = [
            (item.relation, item.partition_key) for item in self.lineage.chain(relation, key) if item.required
        ]
        held = {place: walk.versions[place] for place in own if place in walk.versions}
        # While there is nothing newer, to build it anew would not make it newer.
        late = built_too_late(self.lineage, on_record, held, but={item.relation for item in old})
        return [*old, *late]

    def _report(
        self, walk: Walk, relation: str, partition_key: str, ages: Collection[Finding] = ()
    ) -> GateReport:
        findings = self._in_order([*walk.findings, *ages])
        releases = self._releases(relation, partition_key, findings, walk.held)
        findings = [self._with_release(item, releases) for item in findings]
        report = GateReport(
            relation, partition_key, tuple(findings), walk.versions, tuple(releases),
            self._covered(findings, walk),
            walk.content,
            frozenset(name for name in {item.relation for item in findings} if self._timed(name)),
        )  # fmt: skip
        return replace(report, releasable=can_be_released(self.lineage, report))

    def _timed(self, relation: str) -> bool:
        return self.lineage.tables[relation].partitioning.grain.timed

    def _in_order(self, findings: Collection[Finding]) -> list[Finding]:
        """Ancestors first, then by partition; what is of the own chain and of a window alike is told once."""
        place = self.lineage.order
        own = {item.link for item in findings if item.own}
        once = [item for item in findings if item.own or item.link not in own]
        return sorted(once, key=lambda item: (place[item.relation], item.partition_key))

    def _covered(self, findings: Sequence[Finding], walk: Walk) -> frozenset[Finding]:
        """Return the findings that go with another one's fix: what is made of a table is built with it.

        Nothing can be built while an earlier day that it reads was refused, so that this is what to fix.
        """
        again = {item.relation for item in findings if item.own and item.builds_again}
        below = {name for relation in again for name in self.lineage.descendants(relation)}
        places = {
            (item.relation, item.partition_key)
            for item in findings
            if item.builds_again and item.verdict is not Verdict.FAILED
        }
        return frozenset(
            item
            for item in findings
            if (item.own and item.relation in below and item.verdict is not Verdict.FAILED)
            or (item.rebuilds and walk.in_the_way.get((item.relation, item.partition_key)))
            or (item.judges_again and (item.relation, item.partition_key) in places)
        )

    def _releases(
        self, relation: str, partition_key: str, findings: Sequence[Finding], held: Held
    ) -> list[Release]:
        """Return the releases that cover failed checks of a table: its own, and those of exports below it."""
        failed = {_failed_check(item) for item in findings if item.verdict is Verdict.FAILED}
        if not failed:
            return []
        now = self._clock()
        return [
            release
            for release in self._store.releases.of_partition(partition_key)
            if release.checks & failed
            and release.holds_for(held.get((release.relation, partition_key)), now)
            and (relation == release.relation or relation in self.lineage.ancestors(release.relation))
        ]

    def _with_release(self, item: Finding, releases: Sequence[Release]) -> Finding:
        """A failed check stays what it is, whoever lets it pass: the verdict tells both."""
        for release in releases:
            if item.verdict is Verdict.FAILED and self._covers(release, item):
                return replace(item, verdict=Verdict.RELEASED, summary=f"{item.summary}; {release}")
        return item

    def let_pass(self, release: Release, report: GateReport) -> bool:
        """Whether a release, expired or not, let all that failed pass: on these very data."""
        return all(self._covers(release, item) for item in report.findings if item.verdict is Verdict.FAILED)

    def _covers(self, release: Release, item: Finding) -> bool:
        """Whether a release lets a failed check pass: it names it, or goes through to what is below those."""
        if _failed_check(item) in release.checks:
            return True
        if not release.through or not item.own or item.partition_key != release.partition_key:
            return False
        named = {check.relation for check in release.checks}
        return item.relation in self.lineage.between(named, release.relation)


def _failed_check(item: Finding) -> FailedCheck:
    return FailedCheck(item.relation, item.partition_key, item.check, item.version, item.rules)
