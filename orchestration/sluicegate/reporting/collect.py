"""What a look adds to operations data from the project's files: definitions, and which promises are excused.

All else is a view over the records, or comes from Dagster (`graph.reported`). Belongs here: that. Does not
belong here: rows of the records (`state.ops`).
"""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sluicegate.core.problems import ProjectError
from sluicegate.core.relations import RAW
from sluicegate.incidents.alerts_file import Alerts, Answerable, load_alerts
from sluicegate.incidents.trouble import Finding, Root, RootKind, Trouble, TroubleKind, Urgency
from sluicegate.operations.site import Site
from sluicegate.project.export_models import ExportModels
from sluicegate.project.loading import Project
from sluicegate.state.ops import Row

_DEFINITIONS = "definitions"
# Raised when other rows are made of the same project.
_FORM = 1
_LATE = {RootKind.SOURCE: TroubleKind.LATE_SOURCE, RootKind.DELIVERY: TroubleKind.LATE_EXPORT}


def collect(site: Site, now: datetime) -> None:
    """Bring the project's definitions, and what is excused of what is due, up to date."""
    define(site, now)
    excuse(site, now)


def define(site: Site, now: datetime) -> None:
    """Record what the project says, where it is another one than is on record."""
    store, stages = site.deployment.store.operations, site.deployment.settings.stages
    told = f"{_FORM} {site.project.identity.digest} {stages}"
    digest = hashlib.sha256(told.encode()).hexdigest()
    if store.until(_DEFINITIONS)[1] != digest:
        store.define(_DEFINITIONS, definitions(site.project), digest, now)


def definitions(project: Project) -> dict[str, list[Row]]:
    """Return the rows of {table: what the project says}, by the names of `state.ops_tables`."""
    answerable, lineage = _answerable(project), project.lineage
    nobody = Answerable("", "", "")
    contracts: list[Row] = [
        {
            "source": one.name, "version": one.version, "grain": one.grain.value, "owner": one.owner,
            "provider": one.provider, "latency_seconds": _seconds(one.latency),
            "frequency_seconds": _seconds(one.frequency), "max_age_seconds": _seconds(one.max_age),
            "file": one.file.name,
        }
        for one in project.contracts.values()
    ]  # fmt: skip
    tables: list[Row] = [
        {
            "relation": str(name), "kind": "source" if name.startswith(f"{RAW}.") else "model",
            "grain": table.partitioning.grain.value, "stage": project.stages[name].value,
            "owner": (one := answerable.get(("table", str(name)), nobody)).owner, "file": one.said_in,
        }
        for name, table in lineage.tables.items()
    ]  # fmt: skip
    exports: list[Row] = [
        {
            "export": name, "relation": str(project.node_of(one).relation),
            "destination": one.spec.destination.type, "connection": one.spec.destination.connection,
            "mode": one.spec.mode.value, "partitions": one.spec.partitions, "stage": one.stage.value,
            "deadline_seconds": _seconds(one.spec.deadline.span if one.spec.deadline else None),
            "owner": one.spec.owner, "file": one.file.name,
        }
        for name, one in project.exports.items()
    ]  # fmt: skip
    owners: list[Row] = [
        {"owner": one.owner, "kind": kind, "name": name, "channel": one.room}
        for (kind, name), one in answerable.items()
        if one.owner
    ]
    parents: list[Row] = [
        {
            "relation": str(name), "parent": str(parent), "trailing_days": days,
            "by_test": parent not in table.parents,
        }
        for name, table in lineage.tables.items()
        for parent, days in table.needs.items()
    ]  # fmt: skip
    checks: list[Row] = [
        {"relation": str(name), "check_name": check, "rules": rules}
        for name, table in lineage.tables.items()
        for check, rules in table.rules.items()
    ]
    return {
        "reported_contracts": contracts, "reported_tables": tables, "reported_exports": exports,
        "reported_owners": owners, "reported_lineage": parents, "reported_checks": checks,
    }  # fmt: skip


def _answerable(project: Project) -> dict[tuple[str, str], Answerable]:
    """Return {(kind, name): who answers for it, and the file that says so}."""
    models = ExportModels(project.manifest)
    found: dict[tuple[str, str], Answerable] = {}
    for contract in project.contracts.values():
        one = Answerable(contract.owner, contract.channel, contract.file.name)
        found["source", contract.name] = found["table", str(contract.relation)] = one
    for node in project.manifest.nodes.values():
        found["table", str(node.relation)] = Answerable(models.owner(node), "", node.file)
    for name, export in project.exports.items():
        found["export", name] = Answerable(export.spec.owner, export.spec.channel or "", export.file.name)
    return found


def excuse(site: Site, now: datetime) -> None:
    """Decide of each promise that is due by now whether its due moment lay in a maintenance window.

    By the file as it is now, and once: who changes the file later changes what is to come. A file that does
    not hold decides nothing, as what it excuses nobody knows.
    """
    store = site.deployment.store.operations
    if undecided := store.undecided(now):
        try:
            alerts = load_alerts(site.deployment.settings.project_dir, site.project)
        except ProjectError:
            return
        store.decide(excused(alerts, site.project, undecided))


def excused(
    alerts: Alerts, project: Project, due: Iterable[tuple[str, str, str, datetime]]
) -> Mapping[tuple[str, str, str], str]:
    """Return {(kind, name, partition key): the window in which it was due, "" for none}.

    Args:
        alerts: what the file says.
        project: says whose each is.
        due: (kind, name, partition key, due moment).
    """
    found: dict[tuple[str, str, str], str] = {}
    for kind, name, key, moment in due:
        window = None
        if alerts.spec.maintenance:
            window = alerts.muted(_as_late(RootKind(kind), name, key, project), moment)
        found[kind, name, key] = window[0] if window else ""
    return found


def _as_late(kind: RootKind, name: str, key: str, project: Project) -> Trouble:
    """Return what would be wrong, were it not there: what windows select."""
    owner: Any = project.contracts.get(name) if kind is RootKind.SOURCE else project.exports.get(name)
    said = owner.owner if kind is RootKind.SOURCE and owner else owner.spec.owner if owner else ""
    urgency = Urgency.ERROR if kind is RootKind.SOURCE else Urgency.CRITICAL
    return Trouble(Root(kind, name, key), urgency, (Finding(_LATE[kind], "late"),), said)


def _seconds(span: timedelta | None) -> float | None:
    return None if span is None else span.total_seconds()
