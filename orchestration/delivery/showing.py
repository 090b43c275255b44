"""What the gate and a delivery say, as an analyst sees it in Dagster: check results and metadata.

Whoever is woken by one finds in it what happened and what to type.
"""

from datetime import UTC, datetime
from typing import Any

import dagster as dg

from orchestration.delivery.destinations.base import DeliveryError, Refused
from orchestration.delivery.export_files.exports import Export
from orchestration.delivery.order import DeliveryHeld, DeliveryRejected, Outcome
from orchestration.partitions import as_option
from orchestration.quality.gate import GateReport, Verdict
from orchestration.quality.reporting import findings_table, passed_table, text_table
from orchestration.state.records import DeliveryStatus

GATE_CHECK = "gate"
DELIVERY_CHECK = "delivery"
_SHOWN_REFUSALS = 50


def gate_result(key: dg.AssetKey, report: GateReport) -> dg.AssetCheckResult:
    """Return what the gate said as the export's check.

    A closed gate shows what said no, not all that could not be built because of it. A gate that is open by a
    release warns.
    """
    passed, severity = report.open, dg.AssetCheckSeverity.ERROR
    if report.open and report.releases:
        released = [item for item in report.findings if item.verdict is Verdict.RELEASED]
        said = "; ".join(f"{item}" for item in released[:3])
        description = f"open by release, on {len(released)} failed checks: {said}"
        metadata = {"released": findings_table(released), "passed": passed_table(report.findings)}
        passed, severity = False, dg.AssetCheckSeverity.WARN
    elif report.open:
        description = f"open: {len(report.findings)} blocking checks passed on the version that was sent"
        metadata = {"passed": passed_table(report.findings)}
    else:
        shown = report.reasons
        more = f"; and {len(shown) - 3} more" if len(shown) > 3 else ""
        reasons = "; ".join(f"{item} → {item.fix}" for item in shown[:3])
        description = f"held, nothing was sent: {reasons}{more}"
        metadata = {"closed by": findings_table(shown), "passed": passed_table(report.findings)}
    return dg.AssetCheckResult(
        check_name=GATE_CHECK,
        asset_key=key,
        passed=passed,
        severity=severity,
        description=description,
        metadata=metadata,
    )


def delivery_result(key: dg.AssetKey, export: Export, outcome: Outcome) -> dg.AssetCheckResult:
    """Return what became of a delivery as the export's check.

    Refused rows warn, or fail where they are more than the export tolerates. So do rows that were given up,
    and last-mile rules that are about to expire.
    """
    delivery, notes = outcome.delivery, list[str]()
    metadata: dict[str, Any] = {"delivery": delivery.delivery_id, "status": delivery.status.value}
    if outcome.refused:
        notes.append(
            f"the destination refused {len(outcome.refused):,} of {delivery.shard_rows:,} rows; they are"
            f" tried again with the next delivery: `sluice rejected {export.name}`"
        )
        metadata["refused"] = refusals_table(outcome.refused)
    if outcome.waiting:
        notes.append(f"{outcome.waiting:,} rows that were refused before wait for their next try")
    if outcome.given_up:
        notes.append(
            f"{outcome.given_up:,} rows are given up, after {export.spec.refusals.attempts} tries:"
            f" `sluice rejected {export.name}`; mend them in the model, and they are tried anew"
        )
    notes += [f"last mile: {text}" for text in export.last_mile_warnings(datetime.now(UTC).date())]
    passed = not notes
    return dg.AssetCheckResult(
        check_name=DELIVERY_CHECK,
        asset_key=key,
        passed=passed,
        severity=dg.AssetCheckSeverity.ERROR if outcome.too_many_refused else dg.AssetCheckSeverity.WARN,
        description="; ".join(notes) or said_of(outcome),
        metadata=metadata,
    )


def problem_result(
    key: dg.AssetKey, problem: DeliveryHeld | DeliveryRejected | DeliveryError
) -> dg.AssetCheckResult:
    """Return why nothing, or not all, was sent as the export's check."""
    metadata: dict[str, Any] = {}
    if isinstance(problem, DeliveryError):
        metadata = {"what": problem.what, "expected": problem.expected, "mend": problem.mend}
    else:
        delivery = problem.delivery
        metadata = {
            "delivery": delivery.delivery_id,
            "rows": delivery.rows,
            "added": delivery.added,
            "changed": delivery.changed,
            "removed": delivery.removed,
            "unchanged": delivery.unchanged,
            "to look at it": f"sluice plan {delivery.export}{as_option(delivery.partition_key)}",
        }
        if isinstance(problem, DeliveryHeld):
            metadata["held by"] = text_table(("limit",), [(reason,) for reason in delivery.reasons])
            for word in ("approve", "reject"):
                metadata[f"to {word}"] = f"sluice {word} {delivery.delivery_id} --reason '…'"
    return dg.AssetCheckResult(
        check_name=DELIVERY_CHECK,
        asset_key=key,
        passed=False,
        severity=dg.AssetCheckSeverity.ERROR,
        description=str(problem),
        metadata=metadata,
    )


def delivery_metadata(outcome: Outcome) -> dict[str, dg.MetadataValue[Any]]:
    """Return what a materialization of an export tells; numbers are plotted by Dagster."""
    delivery, receipt = outcome.delivery, outcome.receipt
    metadata: dict[str, dg.MetadataValue[Any]] = {
        "dagster/row_count": dg.MetadataValue.int(delivery.rows),
        "added": dg.MetadataValue.int(delivery.added),
        "changed": dg.MetadataValue.int(delivery.changed),
        "removed": dg.MetadataValue.int(delivery.removed),
        "unchanged": dg.MetadataValue.int(delivery.unchanged),
        "rows sent": dg.MetadataValue.int(delivery.shard_rows if outcome.sent else 0),
        "refused": dg.MetadataValue.int(len(outcome.refused)),
        "delivery": dg.MetadataValue.text(delivery.delivery_id),
        "sent": dg.MetadataValue.bool(outcome.sent),
        "said": dg.MetadataValue.text(said_of(outcome)),
        "location": dg.MetadataValue.text(receipt.location if receipt else delivery.location),
        "version of the model": dg.MetadataValue.text(delivery.version),
    }
    for name, value in (receipt.details if receipt else {}).items():
        if name != "delivery_id":
            metadata[name.replace("_", " ")] = dg.MetadataValue.text(str(value))
    return metadata


def said_of(outcome: Outcome) -> str:
    """Return one sentence on a delivery that went well."""
    delivery = outcome.delivery
    if delivery.status is DeliveryStatus.OVERTAKEN:
        return "not sent: the destination holds a newer partition"
    if outcome.receipt is None:
        return f"nothing to send: the destination has these {delivery.rows:,} rows"
    return (
        f"{delivery.added:,} added, {delivery.changed:,} changed, {delivery.removed:,} removed,"
        f" {delivery.unchanged:,} as they were"
    )


def refusals_table(refused: tuple[Refused, ...]) -> dg.TableMetadataValue:
    """Return refused rows with the vendor's words; the keys are told by `sluice rejected`."""
    rows = [(str(item.row), item.code, item.said) for item in refused[:_SHOWN_REFUSALS]]
    return text_table(("row of the delivery", "code", "what the vendor said"), rows)
