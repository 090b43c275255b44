"""`sluice gate` and `sluice release`: what holds a partition of an export, and letting it pass."""

import getpass
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table

from orchestration.cli.running import partition_option
from orchestration.partitions import UNPARTITIONED, Grain, place
from orchestration.problems import did_you_mean
from orchestration.project import Project
from orchestration.quality.gate import GateReport, Verdict
from orchestration.state.records import Release

_STYLES = {Verdict.PASSED: "green", Verdict.RELEASED: "yellow"}


def gate_table(report: GateReport) -> Table:
    """Return every finding of a gate, those that passed too."""
    table = Table()
    for heading in ("table", "check", "said", "when (UTC), on version", "why"):
        table.add_column(heading, no_wrap=heading in ("table", "said"), overflow="fold")
    for item in report.findings:
        style = _STYLES.get(item.verdict, "red")
        another = item.partition_key not in ("", report.partition_key)
        when = f"{item.judged_at:%m-%d %H:%M:%S}, " if item.judged_at else ""
        table.add_row(
            item.relation + (f"\n{item.partition_key}" if another else ""),
            item.check,
            f"[{style}]{item.verdict.value}[/]",
            when + item.version[:8],
            item.summary.replace("[", r"\["),
        )
    return table


def show_gate(report: GateReport, export: str, out: Console, *, everything: bool) -> None:
    """Print a gate's answer: each link that is broken, and the command that repairs it; passes as a count."""
    if everything:
        out.print(gate_table(report))
    where = f"the gate of {export}" + (f" [{report.partition_key}]" if report.partition_key else "")
    for release in report.releases:
        out.print(f"{where}: {release}", style="yellow", markup=False, soft_wrap=True)
    passed = sum(item.verdict is Verdict.PASSED for item in report.findings)
    if report.open:
        out.print(
            f"{where} is open: {passed} blocking checks passed, by today's rules", markup=False, style="green"
        )
        return
    out.print(f"{where} is closed:", markup=False, style="red")
    for item in report.reasons:
        out.print(f"- {item}", markup=False, soft_wrap=True)
    out.print("what repairs it:", markup=False)
    for step in report.steps:
        out.print(f"  → {step}", markup=False, soft_wrap=True)
    left = len(report.closed_by) - len(report.reasons)
    also = f"{left} more links are broken, which this repairs as well; " if left else ""
    out.print(f"{also}{passed} blocking checks passed: --all shows them", markup=False, style="dim")


def show_release(release: Release, out: Console) -> None:
    """Print what was released, and what happens next."""
    for item in sorted(release.checks, key=lambda item: (item.relation, item.partition_key, item.check)):
        out.print(f"{place(item.relation, item.partition_key)} check `{item.check}` lets pass", markup=False)
    out.print(f"{place(release.export, release.partition_key)} is {release}", markup=False, style="yellow")
    out.print("`sluice run`, or the daemon's sensor, sends it now; once, and on this very data alone.")


def export_and_day(project: Project, export: str, named: str | None) -> str:
    """Return the partition of an export that is named; of a model without partitions none is, and it is "".

    Raises:
        ValueError: there is no such export, or its model has no such partition.
    """
    if export not in project.exports:
        raise ValueError(f"no export `{export}`; {did_you_mean(export, project.exports)}")
    relation = project.node_of(project.exports[export]).relation
    partitioning = project.lineage.tables[relation].partitioning
    key = named or UNPARTITIONED
    if not partitioning.holds(key):
        if not key:
            raise ValueError(f"`{export}` expects {partition_option(partitioning)}")
        if not partitioning.partitioned:
            raise ValueError(f"--partition {key!r}: `{export}` has no partitions; expected none")
        noun = {Grain.DAILY: "day", Grain.DROP: "id of a drop"}.get(partitioning.grain, "partition key")
        raise ValueError(
            f"--partition {key!r} is no {noun}; `{export}` expects {partition_option(partitioning)}"
        )
    return key


def parse_until(text: str) -> datetime:
    """Return a moment in UTC; `2026-05-01` is its midnight, a time without a zone is UTC.

    Raises:
        ValueError: it is no ISO 8601 date or time.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"--until {text!r} is no time; expected ISO 8601, as 2026-05-01T06:00 (UTC)"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def whoever_asks() -> str:
    """Return the account that runs the command."""
    return getpass.getuser()
