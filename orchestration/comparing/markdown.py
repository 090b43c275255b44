"""The answer of `sluice diff` as a comment on a pull request."""

from collections.abc import Iterator

from orchestration.comparing.report import DiffReport, ExportDiff, TableDiff
from orchestration.comparing.words import columns_in_words, rows_in_words, sentences
from orchestration.core.markdown import code, plain


def markdown_of(report: DiffReport) -> str:
    """Return it as Markdown: what destinations get, then tables, then what is to be known besides."""
    lines = ["### Difference to production", ""]
    lines += [f"Environment {code(report.environment)} beside catalogue {code(report.catalogue)}.", ""]
    if not report.tables:
        lines += ["Nothing is built there that means anything else.", ""]
    if report.exports:
        lines += ["| Export | Destination | Rows | Fields | Owner |", "| --- | --- | --- | --- | --- |"]
        lines += [*map(_export, report.exports), ""]
    if report.tables:
        lines += ["| Table | Rows | Columns | By |", "| --- | --- | --- | --- |"]
        lines += [*map(_table, report.tables), ""]
    for heading, said in sentences(report):
        lines += [f"**{heading}**", "", *(f"- {plain(line)}" for line in said), ""]
    for one in report.exports or report.tables:
        lines += _keys(one)
    return "\n".join(lines)


def _export(one: ExportDiff) -> str:
    to = f"{plain(one.connection)} {code(one.object)}"
    cells = (code(one.export), to, rows_in_words(one), plain(columns_in_words(one)), plain(one.owner))
    return f"| {' | '.join(cells)} |"


def _table(one: TableDiff) -> str:
    key = f"{', '.join(map(code, one.key))} ({one.key_from})" if one.key else "whole rows"
    return f"| {code(one.table)} | {rows_in_words(one)} | {plain(columns_in_words(one))} | {key} |"


def _keys(one: ExportDiff | TableDiff) -> Iterator[str]:
    """Yield some keys, folded away."""
    name = one.export if isinstance(one, ExportDiff) else one.table
    for part in one.partitions:
        sorts = {"added": part.keys.added, "removed": part.keys.removed, "changed": part.keys.changed}
        if any(sorts.values()):
            yield f"<details><summary>Keys of {plain(name)} {plain(part.partition_key)}</summary>"
            yield ""
            for sort, keys in sorts.items():
                if keys:
                    shown = ", ".join(code(" ".join(key.values())) for key in keys)
                    yield f"- {sort}: {shown}"
            yield from ("", "</details>", "")
