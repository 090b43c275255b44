"""The answer of `sluice diff` as a comment on a pull request."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict

from orchestration.comparing.report import DiffReport, ExportDiff, TableDiff
from orchestration.comparing.words import columns_in_words, rows_in_words, sentences
from orchestration.core.markdown import code, plain
from orchestration.core.partitions import place


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
        lines += ["| Table | Partitions | Rows | Columns | By |", "| --- | --- | --- | --- | --- |"]
        lines += [*map(_table, report.tables), ""]
    for heading, said in sentences(report):
        lines += [f"**{heading}**", "", *(f"- {plain(line)}" for line in said), ""]
    if keys := [line for one in report.exports or report.tables for line in _keys(one)]:
        lines += ["<details><summary>Keys</summary>", "", *keys, "", "</details>", ""]
    return "\n".join(lines)


def _export(one: ExportDiff) -> str:
    to = f"{plain(one.connection)} {code(one.object)}"
    cells = (code(one.export), to, rows_in_words(one), plain(columns_in_words(one)), plain(one.owner))
    return f"| {' | '.join(cells)} |"


def _table(one: TableDiff) -> str:
    stands = Counter(part.stands.replace("_", " ") for part in one.partitions)
    partitions = ", ".join(f"{count} {word}" for word, count in stands.items())
    key = f"{', '.join(map(code, one.key))} ({one.key_from})" if one.key else "whole rows"
    cells = (code(one.table), partitions, rows_in_words(one), plain(columns_in_words(one)), key)
    return f"| {' | '.join(cells)} |"


def _keys(one: ExportDiff | TableDiff) -> Iterator[str]:
    """Yield some keys of each partition, by sort."""
    name = one.export if isinstance(one, ExportDiff) else one.table
    for part in one.partitions:
        for sort, keys in asdict(part.keys).items():
            if keys:
                shown = ", ".join(code(" ".join(key.values())) for key in keys)
                yield f"- {plain(place(name, part.partition_key))} {sort}: {shown}"
