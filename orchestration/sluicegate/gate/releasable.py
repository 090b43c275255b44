"""What a release opens: failed checks, and what is built after them; nothing else that is closed.

Belongs here: the one answer to whether a person may let a partition pass, for whoever releases it and for
whoever is told that it can be released. Does not belong here: recording releases (`graph.releasing`).
"""

from collections.abc import Collection

from sluicegate.core.lineage import Lineage
from sluicegate.gate.findings import Finding, GateReport, Verdict


def failed_checks(report: GateReport) -> list[Finding]:
    """Return the checks that have failed, and that nobody has released."""
    return [item for item in report.findings if item.verdict is Verdict.FAILED]


def left_closed(lineage: Lineage, report: GateReport, chosen: Collection[Finding]) -> list[Finding]:
    """Return what would keep a gate closed although these failed checks were released.

    What comes after a released check is built yet; anything else that is closed stays closed.
    """
    tables = lineage.tables
    to_come = {
        relation
        for relation in lineage.between({item.relation for item in chosen}, report.relation)
        # Tables that are cut otherwise are not of the released partition's run.
        if tables[relation].partitioning == tables[report.relation].partitioning
    }
    return [
        item
        for item in report.closed_by
        if item.verdict is not Verdict.FAILED
        and (item.relation not in to_come or (item.verdict is Verdict.NOT_BUILT and item.judged_at))
    ]


def can_be_released(lineage: Lineage, report: GateReport) -> bool:
    """Whether a release of all that has failed would be accepted."""
    failed = failed_checks(report)
    return bool(failed) and not left_closed(lineage, report, failed)
