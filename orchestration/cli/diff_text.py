"""The answer of `sluice diff` for a terminal: tables, and the sentences of `comparing.words`."""

from rich.console import Console
from rich.markup import escape

from orchestration.cli.opened import table
from orchestration.comparing.report import DiffReport, ExportDiff, TableDiff
from orchestration.comparing.words import columns_in_words, rows_in_words, sentences


def show(report: DiffReport, out: Console) -> None:
    """Print what destinations get, then tables by partition, then what is to be known besides."""
    title = f"environment `{report.environment}` beside catalogue {report.catalogue}"
    if not report.tables:
        out.print(f"{title}: nothing is built there that means anything else", markup=False, soft_wrap=True)
        return
    if report.exports:
        made = table(escape(title), "export", "destination", "rows", "fields")
        for one in report.exports:
            to = f"{one.connection} {one.object}"
            made.add_row(*map(escape, (one.export, to, rows_in_words(one), columns_in_words(one))))
        out.print(made)
    made = table(
        "" if report.exports else escape(title),
        "table",
        "partition",
        "stands",
        "#rows",
        "difference",
        "columns",
    )
    for one in report.tables:
        for part in one.partitions:
            columns = ", ".join(f"{name} {rows:,}" for name, rows in part.columns.items())
            rows = "" if part.is_now is None else f"{part.is_now:,}"
            stands = part.stands.replace("_", " ")
            made.add_row(
                *map(escape, (one.table, part.partition_key, stands, rows, rows_in_words(part), columns))
            )
    out.print(made)
    for heading, lines in sentences(report):
        out.print(f"{heading}:", markup=False)
        for line in lines:
            out.print(f"  {line}", markup=False, soft_wrap=True)
    for one in report.exports or report.tables:
        _show_keys(one, out)


def _show_keys(one: ExportDiff | TableDiff, out: Console) -> None:
    for part in one.partitions:
        for sort in ("added", "removed", "changed"):
            if keys := getattr(part.keys, sort):
                name = one.export if isinstance(one, ExportDiff) else one.table
                shown = "; ".join(", ".join(f"{name}={text}" for name, text in key.items()) for key in keys)
                out.print(f"{name} {part.partition_key} {sort}: {shown}", markup=False, soft_wrap=True)
