"""Why partitions need somebody: each cause once, with what fixes it and what waits for that.

Belongs here: putting partitions together by their cause. Does not belong here: what needs somebody
(`status`), why a gate is closed (`gate.findings`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sluicegate.operations.status import Row, Standing, needs_attention

LAND_AGAIN = "have the provider land a corrected drop"


@dataclass
class Cause:
    """Something that went wrong, what fixes it, and the partitions that wait for that."""

    said: str
    fix: str
    failed: bool
    holds: list[Row] = field(default_factory=list[Row])


def causes_of(rows: Sequence[Row]) -> list[Cause]:
    """Return why partitions need somebody: what failed first, each cause once."""
    found: dict[str, Cause] = {}

    def tell(key: str, said: str, fix: str, row: Row, *, failed: bool) -> None:
        found.setdefault(key, Cause(said, fix, failed)).holds.append(row)

    for row in needs_attention(rows):
        if row.standing is Standing.REFUSED:
            # Exports that lack it tell the same of their table, in other words.
            said = f"{row.name} [{row.partition_key}] is refused: {row.why}"
            tell(f"{row.partition_key} {row.why}", said, LAND_AGAIN, row, failed=True)
        elif row.report is not None:
            for step in row.report.story:
                for finding, reason in zip(step.findings, step.reasons, strict=True):
                    refused = f"{finding.partition_key} {finding.summary}"
                    key = refused if finding.summary and refused in found else reason
                    tell(key, reason, step.fix, row, failed=True)
        else:
            said = f"{row.standing.value}: {row.why}"
            tell(said, said, "", row, failed=row.standing is not Standing.READY)
    return sorted(found.values(), key=lambda cause: not cause.failed)
