"""What needs attention, as a person reads it: each cause once, what to do right below it, then what it holds.

Belongs here: putting partitions together by their cause. Does not belong here: what needs attention
(`operations.status`), why a gate is closed (`gate.findings`).
"""

from collections.abc import Iterable, Sequence

from rich.console import Console

from sluicegate.operations.causes import Cause, causes_of
from sluicegate.operations.status import Row, Standing, needs_attention

_NAMED = 3


def show_trouble(
    rows: Sequence[Row], failures: Iterable[str], out: Console, *, partitions_follow: bool = False
) -> bool:
    """Print what failed, each reason once, and what it holds back; nothing where all is well.

    `failures` are what runs said; those that a partition's cause tells are left out. What is held back is not
    named where the partitions follow anyway. Return whether something was printed: a command that ends with
    another code says why.
    """
    causes = causes_of(rows)
    told = [reason for row in needs_attention(rows) for reason in _summaries(row)]
    untold = [text for text in dict.fromkeys(failures) if not any(reason in text for reason in told)]
    if not causes and not untold:
        return False
    counted = f"{len(causes) + len(untold)} cause{'s' if len(causes) + len(untold) > 1 else ''}"
    out.print(f"needs attention: {counted} (docs/runbook/)", style="bold")
    for text in untold:
        out.print(f"✗ {text}", style="red", markup=False, soft_wrap=True)
    for cause in causes:
        style = "red" if cause.failed else "yellow"
        out.print(f"{'✗' if cause.failed else '–'} {cause.said}", style=style, markup=False, soft_wrap=True)
        if cause.fix:
            out.print(f"  → {cause.fix}", markup=False, soft_wrap=True)
        if (held := _held(cause)) and not partitions_follow:
            out.print(f"  {held}", style="dim", markup=False, soft_wrap=True)
    return True


def skipped_lines(rows: Sequence[Row]) -> list[str]:
    """Return a line for each export without a connection: nothing is sent there, and nothing is wrong."""
    skipped: dict[str, list[Row]] = {}
    for row in rows:
        if row.standing is Standing.NOT_CONFIGURED:
            skipped.setdefault(row.name, []).append(row)
    return [
        f"– {name} is not configured, and skipped ({found[-1].partition_key}"
        f"{f' and {len(found) - 1} more' if found[1:] else ''}): {found[-1].why.partition(';')[0]}"
        for name, found in skipped.items()
    ]


def _held(cause: Cause) -> str:
    # A source's own day is what the cause tells of.
    rows = [row for row in cause.holds if row.kind != "source"]
    if not rows:
        return ""
    names = ", ".join(_named(row) for row in rows[:_NAMED])
    more = f" and {len(rows) - _NAMED} more" if len(rows) > _NAMED else ""
    return f"{'holds back' if cause.failed else 'waits'}: {names}{more}"


def _named(row: Row) -> str:
    return f"{row.name} [{row.partition_key}]" if row.partition_key else row.name


def _summaries(row: Row) -> list[str]:
    if row.report is None:
        return [row.why]
    return [item.summary for item in row.report.reasons if item.summary] + (
        [row.why] if row.standing is Standing.REFUSED else []
    )
