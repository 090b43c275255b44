"""The gate: may this partition of this table go on?

Open means: every blocking check of the table and of all its ancestors, for this partition, has passed on
the version of the data that the warehouse holds now. No evidence is a closed gate. Dagster's blocking
checks hold inside one run; the gate holds across runs, backfills and hands on buttons, since it asks the
records and not the run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from orchestration.lineage import Lineage, TablePartition
from orchestration.state.records import Evidence, FailedCheck, Release
from orchestration.state.store import StateStore
from orchestration.warehouse.engine import table_versions

if TYPE_CHECKING:
    import duckdb


class Verdict(StrEnum):
    """What the records say of one check on one partition of one table."""

    PASSED = "passed"
    FAILED = "failed"
    RELEASED = "failed, and released"
    STALE = "passed on an older version"
    MISSING = "never ran on this version"
    NOT_BUILT = "table never built for this partition"


_LETS_PASS = (Verdict.PASSED, Verdict.RELEASED)


@dataclass(frozen=True)
class Finding:
    """One check of one ancestor; `check` is empty where the table itself is missing."""

    relation: str
    partition_key: str
    check: str
    verdict: Verdict
    summary: str
    version: str
    judged_at: datetime | None
    run_id: str = ""

    @property
    def mend(self) -> str:
        """What opens the gate again, as far as this finding goes."""
        raw = self.relation.startswith("raw.")
        partition = f" --partition {self.partition_key}" if self.partition_key else ""
        rerun = f"`sluice rerun {self.relation}{partition}`"
        match self.verdict:
            case Verdict.PASSED | Verdict.RELEASED:
                return ""
            case Verdict.FAILED if raw:
                return "have the provider land a corrected drop"
            case Verdict.FAILED:
                return f"mend the model or its input, then {rerun}"
            case Verdict.STALE | Verdict.MISSING:
                return rerun
            case Verdict.NOT_BUILT if self.judged_at is not None:
                return "have the provider land a corrected drop"
            case Verdict.NOT_BUILT:
                return f"{rerun}, once what it reads is in order"

    def __str__(self) -> str:
        where = f"{self.relation} [{self.partition_key}]" if self.partition_key else self.relation
        check = f" check `{self.check}`" if self.check else ""
        return f"{where}{check}: {self.verdict.value}{f': {self.summary}' if self.summary else ''}"


@dataclass(frozen=True)
class GateReport:
    """The gate of one partition of one table: every finding, ancestors first."""

    relation: str
    partition_key: str
    findings: tuple[Finding, ...]
    versions: Mapping[tuple[str, str], str]
    releases: tuple[Release, ...] = ()

    @property
    def closed_by(self) -> tuple[Finding, ...]:
        """The findings that keep the gate closed."""
        return tuple(item for item in self.findings if item.verdict not in _LETS_PASS)

    @property
    def open(self) -> bool:
        """Whether the partition may go on."""
        return not self.closed_by

    @property
    def refusals(self) -> tuple[Finding, ...]:
        """The findings in which something said no; what is only not there yet is left out."""
        return tuple(
            item
            for item in self.findings
            if item.verdict is Verdict.FAILED
            or (item.verdict is Verdict.NOT_BUILT and item.judged_at is not None)
        )

    @property
    def unjudged(self) -> bool:
        """Whether a table holds what was not judged as it is now."""
        return any(item.verdict in (Verdict.MISSING, Verdict.STALE) for item in self.findings)

    @property
    def reasons(self) -> tuple[Finding, ...]:
        """Why the gate is closed: what said no, not all that is missing because of it."""
        return self.refusals or self.closed_by


class GateClosed(Exception):
    """A partition must not go on; `report` says why."""

    def __init__(self, report: GateReport) -> None:
        self.report = report
        reasons = "\n".join(f"- {finding}" for finding in report.reasons)
        partition = f" [{report.partition_key}]" if report.partition_key else ""
        super().__init__(f"the gate of {report.relation}{partition} is closed:\n{reasons}")


class Gate:
    """Judges partitions of tables by the lineage and by the records in the state store."""

    def __init__(self, lineage: Lineage, store: StateStore) -> None:
        self._lineage = lineage
        self._store = store

    def report(
        self, connection: "duckdb.DuckDBPyConnection", relation: str, partition_key: str
    ) -> GateReport:
        """Judge a partition of a table and all it is made of, as the warehouse is in this transaction."""
        chain = self._lineage.chain(relation, partition_key)
        held = table_versions(connection, sorted({item.relation for item in chain}))
        return self._judge(relation, partition_key, chain, held)

    def require_parents(
        self, connection: "duckdb.DuckDBPyConnection", relation: str, partition_key: str
    ) -> None:
        """Raise where something that a table is made of must not be built on.

        Raises:
            GateClosed: an ancestor of this partition is missing, unjudged or bad.
        """
        chain = self._lineage.chain(relation, partition_key)
        chain = [item for item in chain if item.relation != relation]
        held = table_versions(connection, sorted({item.relation for item in chain}))
        report = self._judge(relation, partition_key, chain, held)
        if not report.open:
            raise GateClosed(report)

    def report_from_records(
        self,
        relation: str,
        partition_key: str,
        held: Mapping[tuple[str, str], str],
        leave_out: frozenset[TablePartition] = frozenset(),
    ) -> GateReport:
        """Judge without opening the warehouse: `held` is {(relation, partition key): version} on record.

        For planning and for showing; what is sent is judged by `report`. `leave_out` are partitions of
        tables that are about to be built anew.
        """
        chain = self._lineage.chain(relation, partition_key)
        chain = [item for item in chain if item not in leave_out]
        return self._judge(relation, partition_key, chain, held)

    def _judge(
        self,
        relation: str,
        partition_key: str,
        chain: Sequence[TablePartition],
        held: Mapping[tuple[str, str], str],
    ) -> GateReport:
        said = self._evidence(chain)
        findings: list[Finding] = []
        versions: dict[tuple[str, str], str] = {}
        for item in chain:
            place = (item.relation, item.partition_key)
            version = held.get(place)
            if version is not None:
                versions[place] = version
                for check in self._lineage.tables[item.relation].blocking_checks:
                    findings.append(_finding(item, check, version, said.get((*place, check), [])))
            elif item.required:
                findings.append(_not_built(item, said))
        releases = self._releases(relation, partition_key, findings, versions)
        return GateReport(
            relation,
            partition_key,
            tuple(_with_release(item, releases) for item in findings),
            versions,
            tuple(releases),
        )

    def _releases(
        self,
        relation: str,
        partition_key: str,
        findings: list[Finding],
        held: Mapping[tuple[str, str], str],
    ) -> list[Release]:
        """Return the releases that cover failed checks of a table: its own, and those of exports below it."""
        failed = {_failed_check(item) for item in findings if item.verdict is Verdict.FAILED}
        if not failed:
            return []
        now = datetime.now(UTC)
        return [
            release
            for release in self._store.releases.of_partition(partition_key)
            if release.checks & failed
            and release.holds_for(held.get((release.relation, partition_key)), now)
            and (relation == release.relation or relation in self._lineage.ancestors(release.relation))
        ]

    def _evidence(self, chain: Sequence[TablePartition]) -> dict[tuple[str, str, str], list[Evidence]]:
        found: dict[tuple[str, str, str], list[Evidence]] = {}
        for item in self._store.evidence_of((part.relation, part.partition_key) for part in chain):
            found.setdefault((item.relation, item.partition_key, item.check), []).append(item)
        return found


def _failed_check(item: Finding) -> FailedCheck:
    return FailedCheck(item.relation, item.partition_key, item.check, item.version)


def _with_release(item: Finding, releases: list[Release]) -> Finding:
    """A failed check stays what it is, whoever lets it pass: the verdict tells both."""
    for release in releases:
        if item.verdict is Verdict.FAILED and _failed_check(item) in release.checks:
            return replace(item, verdict=Verdict.RELEASED, summary=f"{item.summary}; {release}")
    return item


def _finding(item: TablePartition, check: str, version: str, said: list[Evidence]) -> Finding:
    """The evidence on this very version counts; what was said of another only explains."""
    on_version = [evidence for evidence in said if evidence.version == version]
    if on_version:
        verdict = Verdict.PASSED if on_version[-1].passed else Verdict.FAILED
        latest = on_version[-1]
    elif said:
        verdict, latest = Verdict.STALE if said[-1].passed else Verdict.MISSING, said[-1]
    else:
        return Finding(item.relation, item.partition_key, check, Verdict.MISSING, "", version, None)
    return Finding(
        item.relation,
        item.partition_key,
        check,
        verdict,
        latest.summary,
        version,
        latest.judged_at,
        latest.run_id,
    )


def _not_built(item: TablePartition, said: Mapping[tuple[str, str, str], list[Evidence]]) -> Finding:
    """A drop that was refused leaves no table, but its refusal is on record."""
    refusals = [
        evidence
        for (relation, key, _), found in said.items()
        for evidence in found
        if (relation, key) == (item.relation, item.partition_key) and not evidence.passed
    ]
    latest = refusals[-1] if refusals else None
    return Finding(
        item.relation,
        item.partition_key,
        "",
        Verdict.NOT_BUILT,
        latest.summary if latest else "",
        "",
        latest.judged_at if latest else None,
        latest.run_id if latest else "",
    )
