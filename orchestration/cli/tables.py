"""Rows of status as tables on a terminal."""

from collections.abc import Sequence

from rich.table import Table

from orchestration.operations.status import Row, Standing, needs_attention

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
    """Return a table for sources and one for exports: the newest partitions and every troubled one."""
    tables: list[Table] = []
    for kind in ("source", "export"):
        of_kind = [row for row in rows if row.kind == kind]
        shown = of_kind if everything else _newest_and_troubled(of_kind)
        left_out = len(of_kind) - len(shown)
        caption = f"{left_out} more partitions need nobody: --all shows them" if left_out else None
        tables.append(_table(f"{kind}s", shown, caption))
    return tables


def skipped_lines(rows: Sequence[Row]) -> list[str]:
    """Return a line for each export without a connection: nothing is sent there, and nothing is wrong."""
    skipped: dict[str, list[Row]] = {}
    for row in rows:
        if row.standing is Standing.NOT_CONFIGURED:
            skipped.setdefault(row.name, []).append(row)
    return [
        f"– {name} is not configured, and skipped ({', '.join(row.partition_key for row in found[-1:])}"
        f"{f' and {len(found) - 1} more' if found[1:] else ''}): {found[-1].why}"
        for name, found in skipped.items()
    ]


def trouble_table(rows: Sequence[Row]) -> Table:
    """Return the partitions that need somebody, with the reason in full."""
    return _table("needs attention (docs/runbook.md)", rows, None)


def _newest_and_troubled(rows: Sequence[Row]) -> list[Row]:
    keep = {id(row) for row in needs_attention(rows)}
    for name in {row.name for row in rows}:
        newest = [row for row in rows if row.name == name][-_NEWEST:]
        # Of an export without a connection one partition tells all.
        keep |= {id(row) for row in newest if row.standing is not Standing.NOT_CONFIGURED}
        keep |= {id(row) for row in newest[-1:]}
    return [row for row in rows if id(row) in keep]


def _table(title: str, rows: Sequence[Row], caption: str | None) -> Table:
    table = Table(title=title, title_justify="left", caption=caption, caption_justify="left")
    for heading in ("name", "partition", "standing", "rows", "why / where"):
        table.add_column(heading, justify="right" if heading == "rows" else "left", overflow="fold")
    for row in rows:
        style = _STYLES.get(row.standing, "")
        table.add_row(
            row.name,
            row.partition_key,
            f"[{style}]{row.standing.value}[/]" if style else row.standing.value,
            "" if row.rows is None else f"{row.rows:,}",
            row.why.replace("[", r"\["),
        )
    return table
