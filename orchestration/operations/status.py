"""Where every partition of every source and export stands, from the records alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from orchestration.deployment import Deployment
from orchestration.project import Project
from orchestration.quality.gate import Gate, GateReport
from orchestration.state.store import Build


class Standing(StrEnum):
    """How far a partition has come."""

    LANDED = "landed"
    REFUSED = "refused"
    LOADED = "loaded"
    INVALID = "invalid"
    VALIDATED = "validated"
    WAITING = "waiting"
    HELD = "held"
    READY = "ready"
    DELIVERED = "delivered"


@dataclass(frozen=True)
class Row:
    """One partition of one source or export; `rows` are what its table or destination holds."""

    kind: str
    name: str
    partition_key: str
    standing: Standing
    rows: int | None
    why: str


def status(deployment: Deployment, project: Project) -> list[Row]:
    """Return a row for each partition that has landed, sources first, in the order of their days."""
    gate = Gate(project.lineage, deployment.store)
    rows: list[Row] = []
    days: set[str] = set()
    landed: dict[str, set[str]] = {}
    for contract in project.contracts.values():
        drops = deployment.store.latest_drops(contract.name)
        builds = deployment.store.latest_builds(contract.relation)
        landed[contract.relation] = set(drops)
        for key, drop in sorted(drops.items()):
            build = builds.get(key if contract.daily else "")
            table_key = key if contract.daily else ""
            report = _report(deployment, project, gate, contract.relation, table_key)
            refusal = _refusal(deployment, contract.relation, table_key, drop.key)
            if build is None or build.drop_ordinal != drop.ordinal:
                standing = Standing.REFUSED if refusal else Standing.LANDED
                why = refusal or "not loaded yet"
            elif report.open:
                standing, why = Standing.VALIDATED, ""
            else:
                standing = Standing.INVALID if report.refusals else Standing.LOADED
                why = _reasons(report)
            rows.append(Row("source", contract.name, key, standing, build.rows if build else None, why))
        if contract.daily:
            days |= set(drops)
    for name, export in project.exports.items():
        relation = project.node_of(export).relation
        builds = deployment.store.latest_builds(relation)
        delivered = deployment.store.latest_deliveries(name, acknowledged=True)
        needed = [
            source
            for source in sorted(project.lineage.sources(relation))
            if source in landed and project.lineage.tables[source].daily
        ]
        for key in sorted(days):
            missing = [source for source in needed if key not in landed[source]]
            report = _report(deployment, project, gate, relation, key)
            build: Build | None = builds.get(key)
            delivery = delivered.get(key)
            if missing:
                standing, why = Standing.WAITING, f"for {', '.join(missing)}"
            elif not report.open:
                standing = Standing.HELD if report.refusals else Standing.WAITING
                why = _reasons(report)
            elif delivery and build and delivery.version == build.version:
                standing, why = Standing.DELIVERED, delivery.location
            elif delivery:
                standing, why = Standing.READY, "rebuilt since it was delivered"
            else:
                standing, why = Standing.READY, "validated, not delivered; rerun the partition"
            rows.append(Row("export", name, key, standing, delivery.rows if delivery else None, why))
    return rows


def needs_attention(rows: Sequence[Row]) -> list[Row]:
    """Return the rows in which something said no, or is ready and was not sent."""
    bad = {Standing.REFUSED, Standing.INVALID, Standing.HELD, Standing.READY}
    return [row for row in rows if row.standing in bad]


def _report(deployment: Deployment, project: Project, gate: Gate, relation: str, key: str) -> GateReport:
    held = {
        (item.relation, item.partition_key): build.version
        for item in project.lineage.chain(relation, key)
        if (build := deployment.store.latest_builds(item.relation).get(item.partition_key))
    }
    return gate.report_from_records(relation, key, held)


def _refusal(deployment: Deployment, relation: str, key: str, drop_key: str) -> str:
    found = [
        item.summary
        for item in deployment.store.evidence_of([(relation, key)])
        if item.version == drop_key and not item.passed
    ]
    return found[-1] if found else ""


def _reasons(report: GateReport) -> str:
    findings = report.refusals or report.closed_by
    return "; ".join(str(item) for item in findings[:2])
