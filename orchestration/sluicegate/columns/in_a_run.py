"""What SQL in a run makes a table of, against what was known of it when the project was loaded.

dbt compiles a model for each partition, and its text may ask which one that is, the moment, or dbt's command.
Classes were judged by what it was made of at load; so it may be made of no more in a run.
Belongs here: the comparison of one table's step. Does not: which tables it may read (`declared_reads`).
"""

from collections.abc import Collection, Iterator

from sluicegate.core.column_origins import Kind, Origin, TableOrigins

_EXPECTED = (
    "SQL that makes each column of the same in every run, as classes were judged by that: write it so that"
    " what it selects depends on no partition, moment or command of dbt"
)


def unforeseen(known: TableOrigins, now: TableOrigins) -> str:
    """Return what a table is made of now and was not known to be, in words; "" if it is nothing."""
    found = sorted(set(_unforeseen(known, now)))
    return f"{'; '.join(found)}; expected {_EXPECTED}" if found else ""


def _unforeseen(known: TableOrigins, now: TableOrigins) -> Iterator[str]:
    columns = {name.lower(): origins for name, origins in known.columns.items()}
    for name, origins in now.columns.items():
        for one in origins:
            if not _within(one, columns.get(name.lower(), frozenset()) | known.rows):
                yield f"its column `{name}` is made of {one.place} in this run ({one.kind})"
    deciding = known.rows.union(*columns.values())
    for one in now.rows:
        if not _within(one, deciding):
            yield f"{one.place} decides which rows it has in this run ({one.kind})"
    for one in sorted(now.compared - known.compared):
        yield f"{one.place} is compared with {one.other} in this run"
    for place in sorted(now.multiplied_by - known.multiplied_by):
        yield f"{place} decides how often a row is in it in this run"
    for place in sorted(known.only_present - now.only_present):
        if any(one.place == place for one in now.rows):
            yield f"{place} decides by its value which rows it has in this run"
    if now.row_of != known.row_of and known.row_of is not None:
        yield f"a row of {known.row_of} is in it several times, or not alone, in this run"
    if not known.not_understood:
        for item in now.not_understood:
            yield f"{item.what} in this run"


def _within(one: Origin, known: Collection[Origin]) -> bool:
    """Whether an origin tells no more of its column than one that is known, nor of fewer rows."""
    return any(
        other.place == one.place
        and other.kind.then(one.kind) is one.kind
        and (one.kind is not Kind.MEASURE or other.kind is not Kind.MEASURE or _as_many(one, other))
        for other in known
        if other.kind.of_value or not one.kind.of_value
    )


def _as_many(one: Origin, known: Origin) -> bool:
    """Whether a measure is of no fewer rows than a known one, chosen by no other columns, if it is of any."""
    return one.at_least >= known.at_least and (
        not known.at_least or set(one.chosen_by) <= set(known.chosen_by)
    )
