"""Where every partition of every source and export stands, from the records alone."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date
from enum import StrEnum

from orchestration.contracts.model import SourceContract
from orchestration.core.partitions import UNPARTITIONED, as_option
from orchestration.core.settings import SettingsError
from orchestration.delivery.deliver import Target, is_todays, ledger_of, order_today
from orchestration.delivery.export_files.expiry import expired, in_one_line
from orchestration.delivery.export_files.exports import Export
from orchestration.gate.gate import GateReport
from orchestration.ingestion.staging import complaints_about
from orchestration.operations.fills import fills_of
from orchestration.operations.records import Records
from orchestration.operations.site import Site
from orchestration.project.loading import Project
from orchestration.state.deployment import Deployment
from orchestration.state.records import Delivery, DeliveryStatus, Drop

# Storage that is out of reach makes its client try for minutes: nobody waits so long for a status.
_PATIENCE_SECONDS = 10


class Standing(StrEnum):
    """How far a partition has come."""

    LANDED = "landed"
    REFUSED = "refused"
    LOADED = "loaded"
    INVALID = "invalid"
    VALIDATED = "validated"
    WAITING = "waiting"
    HELD = "held"
    REJECTED = "rejected"
    NOT_CONFIGURED = "not configured"
    READY = "ready"
    OVERTAKEN = "overtaken"
    DELIVERED = "delivered"


@dataclass(frozen=True)
class Row:
    """One partition of one source or export; `rows` are what its table or destination holds.

    `report` is the gate's answer where it is closed.
    """

    kind: str
    name: str
    partition_key: str
    standing: Standing
    rows: int | None
    why: str
    report: GateReport | None = field(default=None, compare=False, repr=False)


def status(site: Site, today: date | None = None) -> list[Row]:
    """Return a row for each partition that has landed, sources first, in the order of their days.

    `today` (UTC, by default the clock's) tells what of an export file has expired.
    """
    deployment, project = site.deployment, site.project
    today = today or deployment.clock().astimezone(UTC).date()
    records = Records(site)
    cut = {contract.relation: contract.partitioning for contract in project.contracts.values()}
    sources = [
        _source_row(deployment, records, contract, drop)
        for contract in project.contracts.values()
        for key, drop in sorted(records.drops[contract.relation].items())
        # A source that was cut in another way before has keys of that in its records.
        if cut[contract.relation].holds(key) or not cut[contract.relation].partitioned
    ]
    exports: list[Row] = []
    for name in project.exports:
        target = site.target(name)
        held_by = in_one_line(expired(target.export, deployment.settings.project_dir, today))
        exports += [
            _export_row(site, records, target, key, held_by)
            for key in sorted(records.landed(target.table.partitioning))
        ]
    return sources + exports + _fill_rows(site, records)


def _fill_rows(site: Site, records: Records) -> list[Row]:
    """Return how the partitions stand of tables that functions fill."""
    fills, rows = fills_of(site, records), list[Row]()
    if fills is None:
        return rows
    for name, table in fills.tables.items():
        for key in fills.keys(table):
            report, fill = fills.report(table, key), fills.latest(name).get(key)
            if not report.open:
                # What feeds it is told of where it stands; that a deploy is to come nothing else tells.
                deploys = any(fills.undeployed(table)) and (fill is None or fills.is_due(report))
                standing, why = Standing.HELD if deploys else Standing.WAITING, report.reasons[0]
            elif fill is None or fills.is_due(report):
                standing, why = Standing.READY, "not filled from what is there now; `sluice run --retry`"
            else:
                older = fill.code != table.code
                standing, why = Standing.DELIVERED, f"{fill.tag}{', by an older function' if older else ''}"
            rows.append(Row("fill", name, key, standing, fill.rows if fill else None, why))
    return rows


def staging_complaints(site: Site) -> list[str]:
    """Return what is wrong in staging now, of every source; it reads no file whole, and records nothing."""
    deployment = site.deployment
    found: list[str] = []
    for contract in site.project.contracts.values():
        try:
            staging = deployment.staging_of(contract)
        except SettingsError as error:
            found.append(str(error))
        else:
            found += complaints_about(
                contract, staging, deployment.store, now=deployment.clock, patience=_PATIENCE_SECONDS
            )
    return found


def _source_row(deployment: Deployment, records: Records, contract: SourceContract, drop: Drop) -> Row:
    table_key = drop.partition_key if contract.partitioning.partitioned else UNPARTITIONED
    build = records.builds(contract.relation).get(table_key)
    report = records.report(contract.relation, table_key)
    if build is None or build.drop_ordinal != drop.ordinal:
        refusal = _refusal(deployment, contract.relation, table_key, drop.key)
        standing = Standing.REFUSED if refusal else Standing.LANDED
        why = refusal or "not loaded yet"
    elif report.open:
        standing, why = Standing.VALIDATED, ""
    else:
        standing, why = (Standing.INVALID if report.refusals else Standing.LOADED), report.summary
    closed = None if report.open else report
    return Row(
        "source", contract.name, drop.partition_key, standing, build.rows if build else None, why, closed
    )


def _export_row(site: Site, records: Records, target: Target, key: str, held_by: str) -> Row:
    """Return how a partition of an export stands; `held_by` is what of its file has expired."""
    export, relation = target.export, target.table.relation
    delivery = records.deliveries(export.name).get(key)
    missing = _missing(site.project, records, relation, key)
    report = records.report(relation, key)
    build = records.builds(relation).get(key)
    version = build.version if build else None
    release = next((r for r in reversed(records.releases(key)) if r.export == export.name), None)
    sent_so = release and delivery and release.used_for_version == delivery.version == version
    behind = records.left_behind(relation, key, report)
    if release and sent_so and not behind and records.let_pass(release, report):
        standing, why = Standing.DELIVERED, f"on failed checks, {release}"
    elif (
        delivery
        and _holds_still(records, delivery, key, version)
        and not (missing or report.refusals or behind)
    ):
        standing, why = _settled(delivery)
        if report.unjudged:
            why += f"; what is there now would not go out as it is: {report.summary}"
    elif missing:
        standing, why = Standing.WAITING, f"for {', '.join(missing)}"
    elif not report.open:
        bad = report.refusals or report.unjudged or report.waits_for
        standing = Standing.HELD if bad else Standing.WAITING
        why = report.summary
    else:
        standing, why = _unsent(site.deployment, records, target, key, version, held_by)
        if standing is Standing.READY and (unset := _unset_variable(records, export)) is not None:
            standing, why = (
                Standing.NOT_CONFIGURED,
                f"nothing is sent: set {unset}, then `sluice run --retry`",
            )
    closed_by = None if report.open else report
    kept_back = records.kept_back(target, key)
    if kept_back is not None and standing in (Standing.DELIVERED, Standing.READY, Standing.NOT_CONFIGURED):
        standing, why, closed_by = Standing.HELD, kept_back.brief, None
    return Row("export", export.name, key, standing, delivery.rows if delivery else None, why, closed_by)


def _holds_still(records: Records, delivery: Delivery, key: str, version: str | None) -> bool:
    """Whether the newest version was settled; what was overtaken is, while something newer is there."""
    if delivery.status is DeliveryStatus.OVERTAKEN and records.at_destination(delivery.export) <= key:
        return False
    return delivery.version == version


def _settled(delivery: Delivery) -> tuple[Standing, str]:
    """Return how a partition stands whose newest version was settled."""
    if delivery.status is DeliveryStatus.OVERTAKEN:
        return Standing.OVERTAKEN, "the destination holds a newer partition"
    refused = f"; {delivery.refused:,} rows refused: `sluice delivery refusals {delivery.export}`"
    return Standing.DELIVERED, delivery.location + (refused if delivery.refused else "")


def _unsent(
    deployment: Deployment, records: Records, target: Target, key: str, version: str | None, held_by: str
) -> tuple[Standing, str]:
    """Return how a validated partition stands whose newest version was not settled.

    A plan holds it that the next delivery would meet again: of these data, and made by today's export file.
    """
    export = target.export
    plan, delivered = records.plans(export.name).get(key), records.deliveries(export.name)
    waits = plan is not None and plan.version == version and plan.status is DeliveryStatus.HELD
    if plan and waits and not held_by and is_todays(deployment, target, plan):
        return _by_people(plan)
    for rejected in records.rejected(export.name).get(key, []):
        if rejected.version == version and ledger_of(deployment).still_rejected(
            order_today(deployment, target, key), rejected
        ):
            return _by_people(rejected)
    newest = records.at_destination(export.name) if export.spec.latest_only else ""
    if newest > key:
        return Standing.OVERTAKEN, f"the destination holds {newest}"
    if held_by:
        return Standing.HELD, held_by
    since = "rebuilt since it was delivered" if key in delivered else "validated, not delivered"
    if plan and waits:
        since = f"delivery {plan.delivery_id[:12]} was held, and is planned anew by today's export file"
    again = f"sluice table rerun {target.table.relation}{as_option(target.table.partition(key))}"
    return Standing.READY, f"{since}; `sluice run --retry`, or `{again}`"


def _by_people(plan: Delivery) -> tuple[Standing, str]:
    """Return how a partition stands whose plan waits for a person's word, or has it."""
    short = plan.delivery_id[:12]
    if plan.status is DeliveryStatus.REJECTED:
        return Standing.REJECTED, f"delivery {short} by {plan.decided_by}: {plan.decision}"
    return Standing.HELD, (
        f"delivery {short}: {'; '.join(plan.reasons)}; `sluice delivery plan {plan.export}`, then"
        f" `sluice delivery approve {short} --reason …` or `sluice delivery reject {short} --reason …`"
    )


def _unset_variable(records: Records, export: Export) -> str | None:
    """Return the variable without which an export has no destination; None where the deployment has it."""
    name = export.spec.destination.connection
    return None if records.connected(name) else records.variable_of(name)


def _missing(project: Project, records: Records, relation: str, key: str) -> list[str]:
    """Return the sources of which something has not landed, and what of them.

    Snapshots are among them for what is not partitioned: all else is asked for once its own have landed.
    """
    partitioned = project.lineage.tables[relation].partitioning.partitioned
    missing: list[str] = []
    for source, keys in project.lineage.made_of(relation, key).items():
        if project.lineage.tables[source].partitioning.partitioned != partitioned:
            continue
        if source not in records.drops:  # a seed, which comes with the project
            continue
        lacking = [required for required in keys if records.drop(source, required) is None]
        if lacking and len(keys) == 1 and keys == [key]:
            missing.append(source)
        elif lacking:
            more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
            missing.append(f"{source} [{lacking[0]}]{more} of {len(keys)}")
    return missing


def needs_attention(rows: Sequence[Row]) -> list[Row]:
    """Return the rows in which something said no, or is ready and was not sent."""
    bad = {Standing.REFUSED, Standing.INVALID, Standing.HELD, Standing.READY}
    return [row for row in rows if row.standing in bad]


def _refusal(deployment: Deployment, relation: str, key: str, drop_key: str) -> str:
    found = [
        item.summary
        for item in deployment.store.evidence_of([(relation, key)])
        if item.version == drop_key and not item.passed
    ]
    return found[-1] if found else ""
