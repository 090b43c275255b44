"""Rows of status as tables on a terminal."""

from collections.abc import Sequence
from typing import Any

from rich.markup import escape
from rich.table import Table

from sluicegate.operations.status import Row, Standing, needs_attention

_STYLES = {
    Standing.REFUSED: "red",
    Standing.INVALID: "red",
    Standing.HELD: "red",
    Standing.REJECTED: "yellow",
    Standing.NOT_CONFIGURED: "yellow",
    Standing.READY: "yellow",
    Standing.WAITING: "dim",
    Standing.OVERTAKEN: "dim",
    Standing.DELIVERED: "green",
    Standing.VALIDATED: "green",
}
_NEWEST = 5


def status_tables(rows: Sequence[Row], everything: bool) -> list[Table]:
    """Return a table for sources, for exports, and for fills if any: the newest and every troubled partition.

    A line a partition: what needs attention is told in full elsewhere. Exports without a connection are left
    out, unless everything is asked for.
    """
    tables: list[Table] = []
    for kind in ("source", "export", "fill"):
        of_kind = [row for row in rows if row.kind == kind]
        if kind == "fill" and not of_kind:
            continue
        shown = of_kind if everything else _newest_and_troubled(of_kind)
        left_out = len(of_kind) - len(shown)
        caption = f"{left_out} more partitions need no attention: --all shows them" if left_out else None
        tables.append(_table(f"{kind}s", shown, caption))
    return tables


def _newest_and_troubled(rows: Sequence[Row]) -> list[Row]:
    keep = {id(row) for row in needs_attention(rows)}
    for name in {row.name for row in rows}:
        newest = [row for row in rows if row.name == name][-_NEWEST:]
        keep |= {id(row) for row in newest if row.standing is not Standing.NOT_CONFIGURED}
    return [row for row in rows if id(row) in keep]


def _table(title: str, rows: Sequence[Row], caption: str | None) -> Table:
    table = Table(title=title, title_justify="left", caption=caption, caption_justify="left", expand=True)
    for heading in ("name", "partition", "standing", "rows", "why / where"):
        table.add_column(
            heading,
            justify="right" if heading == "rows" else "left",
            no_wrap=True,
            overflow="ellipsis",
            # The last one gives way, so that the others can be read on any screen.
            ratio=1 if heading == "why / where" else None,
        )
    for row in rows:
        style = _STYLES.get(row.standing, "")
        table.add_row(
            row.name,
            row.partition_key,
            f"[{style}]{row.standing.value}[/]" if style else row.standing.value,
            "" if row.rows is None else f"{row.rows:,}",
            escape(" ".join(row.why.split())),
        )
    return table


def status_as_data(rows: Sequence[Row], complaints: Sequence[str]) -> dict[str, Any]:
    """Return status for machines; docs/runbook/ lists the keys, which stay."""
    troubled = {id(row) for row in needs_attention(rows)}
    return {
        "rows": [
            {
                "kind": row.kind,
                "name": row.name,
                "partition": row.partition_key,
                "standing": row.standing.value,
                "rows": row.rows,
                "why": row.why,
                "needs_attention": id(row) in troubled,
            }
            for row in rows
        ],
        "needs_attention": len(troubled),
        "staging": list(complaints),
    }
