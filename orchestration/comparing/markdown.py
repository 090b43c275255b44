"""The answer of `sluice env diff` as a comment on a pull request."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict

from orchestration.comparing.report import DiffReport, ExportDiff, TableDiff
from orchestration.comparing.words import columns_in_words, name_of, rows_in_words, sentences
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
        lines += [f"**{heading}**", "", *(f"- {line}" for line in said), ""]
    if more := [line for one in report.exports or report.tables for line in _more(one)]:
        lines += ["<details><summary>Sums and keys</summary>", "", *more, "", "</details>", ""]
    return "\n".join(lines)


def _export(one: ExportDiff) -> str:
    to = f"{plain(one.connection)} {code(one.object)}"
    cells = (code(one.export), to, rows_in_words(one), columns_in_words(one), plain(one.owner))
    return f"| {' | '.join(cells)} |"


def _table(one: TableDiff) -> str:
    stands = Counter(part.stands.replace("_", " ") for part in one.partitions)
    partitions = ", ".join(f"{count} {word}" for word, count in stands.items())
    compared = any(part.is_now is not None for part in one.partitions)
    key = f"{', '.join(map(code, one.key))} ({one.key_from})" if one.key else "whole rows" * compared
    cells = (code(one.table), partitions, rows_in_words(one), columns_in_words(one), key)
    return f"| {' | '.join(cells)} |"


def _more(one: ExportDiff | TableDiff) -> Iterator[str]:
    """Yield sums that are others, and some keys, of each partition."""
    for part in one.partitions:
        where = plain(place(name_of(one), part.partition_key))
        for total in part.sums:
            yield f"- {where} sum of {code(total.name)}: {total.was or 'none'} → {total.is_now or 'none'}"
        for sort, keys in asdict(part.keys).items():
            if keys:
                shown = (code(" ".join(map(_value, key.values()))) for key in keys)
                yield f"- {where} {sort}: {', '.join(shown)}"


def _value(text: str | None) -> str:
    """Return a value of a key; in quotes where it may be read as null, or nobody sees where it ends."""
    if text is None:
        return "null"
    plain = text.split() == [text] and text != "null" and '"' not in text
    return text if plain else json.dumps(text, ensure_ascii=False)
