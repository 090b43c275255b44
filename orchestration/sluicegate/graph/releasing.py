"""Break-glass: a person lets one partition of one export pass on failed checks, on the record.

Belongs here: what may be released, and telling Dagster of it. Does not belong here: what a release opens;
the gate knows that.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg

from sluicegate.core.partitions import place
from sluicegate.gate.gate import Finding, GateReport
from sluicegate.gate.releasable import failed_checks, left_closed
from sluicegate.graph.desk import Desk
from sluicegate.project.loading import Project
from sluicegate.state.records import FailedCheck, Release


class NotReleasable(ValueError):
    """A release that would do nothing, or must not be; says why and what to do instead."""


@dataclass(frozen=True)
class Request:
    """What a person asks for; `checks` are `relation:check`, none for every check that failed.

    `through`: also what fails further down, on what is made of the data that these have failed on.
    """

    export: str
    partition_key: str
    reason: str
    released_by: str
    until: datetime
    checks: tuple[str, ...] = ()
    through: bool = False


def release(desk: Desk, request: Request) -> Release:
    """Record a release and show it on the export's asset.

    Raises:
        NotReleasable: the gate is open, the expiry is past, a named check has not failed, or something is
            closed that no person can vouch for: data that was never judged, or never taken in.
    """
    if not request.reason.strip():
        raise NotReleasable("a release needs a reason: --reason says why this partition may go out")
    if request.until <= datetime.now(UTC):
        raise NotReleasable(f"--until {request.until:%Y-%m-%d %H:%M} UTC is past; expected a time to come")
    report = desk.gate_report(request.export, request.partition_key)
    if report.open:
        raise NotReleasable(f"the gate of {place(request.export, request.partition_key)} is open already")
    chosen = _chosen(failed_checks(report), request.checks)
    _require_releasable(desk.project, report, chosen)
    recorded = desk.deployment.store.releases.record(
        Release(
            export=request.export,
            relation=report.relation,
            partition_key=request.partition_key,
            checks=frozenset(
                FailedCheck(i.relation, i.partition_key, i.check, i.version, i.rules) for i in chosen
            ),
            reason=request.reason.strip(),
            released_by=request.released_by,
            until=request.until,
            through=request.through,
        )
    )
    _show(desk, recorded)
    return recorded


def _chosen(failed: list[Finding], names: Collection[str]) -> list[Finding]:
    known = {f"{item.relation}:{item.check}" for item in failed}
    for name in names:
        if name not in known:
            raise NotReleasable(
                f"no check `{name}` has failed; failed are: {', '.join(sorted(known)) or 'none'}"
            )
    return [item for item in failed if not names or f"{item.relation}:{item.check}" in names]


def _require_releasable(project: Project, report: GateReport, chosen: Collection[Finding]) -> None:
    left = left_closed(project.lineage, report, chosen)
    if left or not chosen:
        reasons = "\n".join(f"- {item} → {item.fix}" for item in (left or report.closed_by)[:5])
        raise NotReleasable(f"only a check that has failed can be released; fix this first:\n{reasons}")


def _show(desk: Desk, recorded: Release) -> None:
    checks = "\n".join(
        f"- {place(f'`{item.relation}`', item.partition_key)} check `{item.check}`"
        for item in sorted(recorded.checks, key=lambda item: (item.relation, item.partition_key, item.check))
    )
    desk.show(
        recorded.export,
        recorded.partition_key,
        str(recorded),
        {
            "released by": recorded.released_by,
            "reason": recorded.reason,
            "until (UTC)": f"{recorded.until:%Y-%m-%d %H:%M}",
            "failed checks": dg.MetadataValue.md(checks),
        },
    )
