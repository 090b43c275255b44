"""What is another, in words, as Markdown.

Belongs here: sentences. Does not belong here: tables (`markdown`), escaping (`core.markdown`).
"""

from collections.abc import Iterator

from sluicegate.comparing.report import (
    COMPARED,
    DiffReport,
    ExportDiff,
    Shape,
    Stands,
    TableDiff,
)
from sluicegate.core.markdown import code, plain
from sluicegate.core.partitions import place

_SHOWN = 3
_SHAPES = {
    Shape.ADDED: "new, {one.is_now}",
    Shape.GONE: "gone",
    Shape.TYPE: "{one.is_now}, was {one.was}",
    Shape.SPELT: "was spelt {one.was}",
    Shape.CLOSED: "not compared: {one.why}",
}


def rows_in_words(diff: TableDiff | ExportDiff) -> str:
    """Return how many rows are others: `57 changed, 2 added`, or `nothing`."""
    stay = " (they stay there)" if isinstance(diff, ExportDiff) and diff.stays else ""
    counted = [
        f"{count:,} {sort}{stay if sort == 'removed' else ''}"
        for sort, count in (("added", diff.added), ("removed", diff.removed), ("changed", diff.changed))
        if count
    ]
    if counted:
        return ", ".join(counted)
    return "nothing" if any(one.stands in COMPARED for one in diff.partitions) else "not compared"


def columns_in_words(diff: TableDiff | ExportDiff) -> str:
    """Return in how many rows which column, or field, has another value; the most first."""
    most_first = sorted(diff.changed_columns.items(), key=lambda item: -item[1])
    return ", ".join(f"{code(name)} {rows:,}" for name, rows in most_first)


def sentences(report: DiffReport) -> Iterator[tuple[str, list[str]]]:
    """Yield what is to be known besides, each with its heading; none where there is nothing to say."""
    every = (*report.exports, *report.tables)
    unbuilt = dict.fromkeys(line for one in every for line in one.unbuilt)
    found = {
        "Past a limit, so that a person has to approve": [
            f"{code(one.export)} {plain(line)}" for one in report.exports for line in one.held_by
        ],
        "Not built and validated with what the project means now": [*map(plain, unbuilt)],
        "Not compared": [line for one in every for line in _not_compared(one, report.tables)],
        "Columns": [
            f"{code(f'{name_of(one)}.{column.name}')}: {plain(_SHAPES[column.shape].format(one=column))}"
            for one in every
            for column in one.columns
        ],
        "Rows that no key tells apart": [*_without_key(report.tables)],
        "Production has gone on": [
            line
            for one in report.tables
            for line in _grouped(
                one.table, [(note, part.partition_key) for part in one.partitions for note in part.notes]
            )
        ],
    }
    yield from ((heading, lines) for heading, lines in found.items() if lines)


def name_of(diff: TableDiff | ExportDiff) -> str:
    """Return the table, or the export."""
    return diff.table if isinstance(diff, TableDiff) else diff.export


def _not_compared(diff: TableDiff | ExportDiff, tables: tuple[TableDiff, ...]) -> list[str]:
    """Return what is not compared, and why; of an export where that is not its table's reason, too."""
    told = {
        (one.table, part.partition_key, part.why)
        for one in tables
        for part in one.partitions
        if one is not diff
    }
    return _grouped(
        name_of(diff),
        [
            (f"{one.stands.replace('_', ' ')}: {one.why}", one.partition_key)
            for one in diff.partitions
            if one.stands in (Stands.ONLY_PUBLISHED, Stands.NOT_COMPARABLE)
            and (diff.table, one.partition_key, one.why) not in told
        ],
    )


def _without_key(tables: tuple[TableDiff, ...]) -> Iterator[str]:
    for one in tables:
        if not one.key and any(part.stands in COMPARED for part in one.partitions):
            yield f"{code(one.table)}: whole rows are compared, as no export, suite or dbt test names its key"
        if twice := sum(part.twice for part in one.partitions):
            key = ", ".join(map(code, one.key))
            yield f"{code(one.table)}: {twice:,} rows whose key ({key}) stands more than once"


def _grouped(name: str, said: list[tuple[str, str]]) -> list[str]:
    """Return each sentence once, with the partitions of which it is true."""
    keys: dict[str, list[str]] = {}
    for text, key in said:
        keys.setdefault(text, []).append(key)
    return [f"{code(name)} {plain(places('', found) + f' {text}')}" for text, found in keys.items()]


def places(name: str, keys: list[str]) -> str:
    """Return some partitions of one table in words, the first ones by their keys."""
    more = f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
    return place(name, f"{', '.join(keys[:_SHOWN])}{more}")
