"""`sluice why` and `sluice export release`: what holds a partition of an export, and letting it pass."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from rich.console import Console

from sluicegate.core.partitions import as_option, place
from sluicegate.gate.gate import Finding, GateReport, Verdict
from sluicegate.operations.asking import moment_until
from sluicegate.state.records import Release

_STYLES = {Verdict.PASSED: "green", Verdict.RELEASED: "yellow"}


def show_gate(report: GateReport, export: str, out: Console, *, everything: bool) -> None:
    """Print a gate's answer: each reason once with what opens it, and last what closes it, by name.

    Passes are a count there. With `everything` a line a check stands before it, those that passed too.
    """
    where = place(export, report.partition_key)
    if report.open:
        out.print(f"open: {where} may go out, by today's rules", markup=False, style="green", soft_wrap=True)
    else:
        out.print(f"closed: {where} is not sent", markup=False, style="red", soft_wrap=True)
    for release in report.releases:
        out.print(f"{where}: {release}", style="yellow", markup=False, soft_wrap=True)
    for step in report.story:
        for reason in step.reasons:
            out.print(f"- {reason}", markup=False, soft_wrap=True)
        out.print(f"  → {step.fix}", markup=False, soft_wrap=True)
    if report.releasable:
        option = as_option(report.partition_key)
        let_pass = f"`sluice export release {export}{option} --reason WHY --until WHEN`"
        out.print(f"to let it pass as it is, once: {let_pass}", markup=False, style="dim", soft_wrap=True)
    if left := len(report.closed_by) - len(report.reasons):
        out.print(f"{left} more links are broken, which this repairs as well", markup=False, style="dim")
    if everything:
        for item in report.findings:
            style = _STYLES.get(item.verdict, "red")
            out.print(_line(item), style=style, markup=False, soft_wrap=True)
    passed = sum(item.verdict is Verdict.PASSED for item in report.findings)
    counted = f"{passed} blocking checks passed{'' if everything else '; --all shows them'}"
    out.print(f"{_closed_by(report)}{counted}", markup=False, style="dim", soft_wrap=True)


def _closed_by(report: GateReport) -> str:
    """Return the reasons by their names alone, for the line that is read first on a terminal: the last."""
    if report.open:
        return ""
    names = (f"{place(item.relation, item.partition_key)} {item.check}".strip() for item in report.reasons)
    first, *more = dict.fromkeys(names)
    return f"closed by {first}{f' and {len(more)} more' if more else ''}; "


def gate_as_data(report: GateReport, export: str) -> dict[str, Any]:
    """Return a gate's answer for machines; docs/runbook/ lists the keys, which stay."""
    return {
        "export": export,
        "partition": report.partition_key,
        "open": report.open,
        "steps": [{"reasons": list(step.reasons), "fix": step.fix} for step in report.story],
        "releases": [str(release) for release in report.releases],
        "findings": _as_data(report.findings, report),
    }


def _as_data(findings: Iterable[Finding], report: GateReport) -> list[dict[str, Any]]:
    closing, reasons = set(report.closed_by), set(report.reasons)
    return [
        {
            "table": item.relation,
            "partition": item.partition_key,
            "check": item.check,
            "verdict": item.verdict.value,
            "summary": item.summary,
            "closes": item in closing,
            "reason": item in reasons,
            "fix": item.fix,
            "version": item.version,
            "judged_at": item.judged_at.isoformat() if item.judged_at else None,
            "run_id": item.run_id,
        }
        for item in findings
    ]


def _line(item: Finding) -> str:
    when = f" ({item.judged_at:%Y-%m-%d %H:%M:%S} UTC)" if item.judged_at else ""
    return f"{item}{when}{f', version {item.version[:8]}' if item.version else ''}"


def show_release(release: Release, out: Console) -> None:
    """Print what was released, and what happens next."""
    for item in sorted(release.checks, key=lambda item: (item.relation, item.partition_key, item.check)):
        out.print(f"{place(item.relation, item.partition_key)} check `{item.check}` lets pass", markup=False)
    out.print(f"{place(release.export, release.partition_key)} is {release}", markup=False, style="yellow")
    out.print("`sluice run`, or the daemon's sensor, sends it now; once, and on this very data alone.")


def parse_until(text: str) -> datetime:
    """Return a moment in UTC; `2026-05-01` is its midnight, a time without a zone is UTC.

    Raises:
        ValueError: it is no ISO 8601 date or time.
    """
    try:
        return moment_until(text)
    except ValueError:
        raise ValueError(
            f"--until {text!r} is no time; expected ISO 8601, as 2026-05-01T06:00 (UTC)"
        ) from None
