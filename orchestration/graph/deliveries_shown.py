"""What the gate and a delivery say, as an analyst sees it in Dagster: check results and metadata.

Whoever is woken by one finds in it what happened and what to type.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from orchestration.core.partitions import as_option
from orchestration.delivery.export_files.exports import Export
from orchestration.delivery.ledger import DeliveryHeld, DeliveryRejected, Outcome
from orchestration.destinations.base import DeliveryError, Refused
from orchestration.gate.gate import GateReport, Verdict
from orchestration.graph.launchpad import check_address, job_link, release_link
from orchestration.graph.results_shown import text_table
from orchestration.project.names import DELIVERY_CHECK, GATE_CHECK
from orchestration.state.records import DeliveryStatus

_SHOWN_REFUSALS = 50
_SHOWN_STEPS = _SHOWN_REASONS = 10
# What Markdown would take for its own; names between backticks stay as they are.
_MARKUP, _ESCAPED = re.compile(r"([*<])"), r"\\\1"


def gate_result(key: dg.AssetKey, report: GateReport) -> dg.AssetCheckResult:
    """Return what the gate said as the export's check: the reasons first, what to do below each.

    A closed gate shows what said no, not all that could not be built because of it. A gate that is open by a
    release warns. Dagster shows a check's description as Markdown, in full width; a table scrolls sideways.
    """
    passed, severity = report.open, dg.AssetCheckSeverity.ERROR
    good = sum(item.verdict is Verdict.PASSED for item in report.findings)
    counted = f"{good} blocking checks passed"
    export, clicks = key.path[-1], dict[str, str]()
    if report.open and report.releases:
        released = [str(item) for item in report.findings if item.verdict is Verdict.RELEASED]
        story = [f"open by release, on {len(released)} failed checks:", _listed(released), counted]
        passed, severity = False, dg.AssetCheckSeverity.WARN
    elif report.open:
        story = [f"open: {len(report.findings)} blocking checks passed on the version that was sent"]
    else:
        story = ["held, nothing was sent:", *_closed(report), counted]
        clicks = _clicks(export, report)
    option = f" --partition {report.partition_key}" if report.partition_key else ""
    return dg.AssetCheckResult(
        check_name=GATE_CHECK,
        asset_key=key,
        passed=passed,
        severity=severity,
        description="\n\n".join(story),
        metadata={
            **{said: dg.MetadataValue.url(address) for said, address in clicks.items()},
            "all days at a glance: Execution history of": dg.MetadataValue.url(
                check_address("/".join(key.path), GATE_CHECK)
            ),
            "to type, for every check": f"sluice why {export}{option} --all",
        },
    )


def _closed(report: GateReport) -> Iterator[str]:
    """Yield why a gate is closed, and below each reason what to do."""
    for step in report.story[:_SHOWN_STEPS]:
        yield _listed(step.reasons[:_SHOWN_REASONS])
        if (left := len(step.reasons) - _SHOWN_REASONS) > 0:
            yield f"  and {left} more for the same fix"
        yield f"  → {step.fix}"
    if (left := len(report.story) - _SHOWN_STEPS) > 0:
        yield f"and {left} more things to do"


def _clicks(export: str, report: GateReport) -> dict[str, str]:
    """Return {what it does: address} of the jobs for what is to be done; Dagster sorts them by name.

    They stand beside the description: where that is not shown as Markdown, an address in it is in the way.
    """
    jobs = [link for step in report.story[:_SHOWN_STEPS] if (link := job_link(step.fix)) is not None]
    found = {f"to click: {said}": address for said, address in jobs}
    if report.releasable:
        said, address = release_link(export, report.partition_key)
        found[f"to let it pass as it is: {said}"] = address
    return found


def _listed(texts: Sequence[str]) -> str:
    return "\n".join(f"- {_MARKUP.sub(_ESCAPED, text)}" for text in texts)


def delivery_result(key: dg.AssetKey, export: Export, outcome: Outcome) -> dg.AssetCheckResult:
    """Return what became of a delivery as the export's check.

    Refused rows warn, or fail where they are more than the export tolerates. So do rows that were given up,
    and last-mile rules and exceptions that are about to end.
    """
    delivery, notes = outcome.delivery, list[str]()
    metadata: dict[str, Any] = {"delivery": delivery.delivery_id, "status": delivery.status.value}
    if outcome.refused:
        notes.append(
            f"the destination refused {len(outcome.refused):,} of {delivery.shard_rows:,} rows; they are"
            f" tried again with the next delivery: `sluice delivery refusals {export.name}`"
        )
        metadata["refused"] = refusals_table(outcome.refused)
    if outcome.waiting:
        notes.append(f"{outcome.waiting:,} rows that were refused before wait for their next try")
    if outcome.given_up:
        notes.append(
            f"{outcome.given_up:,} rows are given up, after {export.spec.refusals.attempts} tries:"
            f" `sluice delivery refusals {export.name}`; mend them in the model, and they are tried anew"
        )
    today = datetime.now(UTC).date()
    notes += [f"last mile: {text}" for text in export.last_mile_warnings(today)]
    notes += export.exception_warnings(today)
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
            "to look at it": f"sluice delivery plan {delivery.export}{as_option(delivery.partition_key)}",
        }
        if isinstance(problem, DeliveryHeld):
            metadata["held by"] = text_table(("limit",), [(reason,) for reason in delivery.reasons])
            for word in ("approve", "reject"):
                metadata[f"to {word}"] = f"sluice delivery {word} {delivery.delivery_id} --reason '…'"
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
    """Return refused rows with the vendor's words; the keys are told by `sluice delivery refusals`."""
    rows = [(str(item.row), item.code, item.said) for item in refused[:_SHOWN_REFUSALS]]
    return text_table(("row of the delivery", "code", "what the vendor said"), rows)
