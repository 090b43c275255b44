"""Two states of `kusto/` -> what is another in what its functions, views and tables give.

Belongs here: what a file of `kusto/` decides. Does not belong here: what exports send to its tables, what a
change does further down (`impact`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sluicegate.columns.impact import Change, How
from sluicegate.columns.kusto_columns import relation_of
from sluicegate.core.relations import Relation
from sluicegate.core.stages import Stage
from sluicegate.kusto.objects import Kind, KustoProject


@dataclass(frozen=True)
class Given:
    """A function, view or table as it is, or was: what it gives, and a digest of what makes its rows.

    `said` is a digest of all that its file says.
    """

    kind: str
    file: str
    stage: Stage
    columns: Mapping[str, str]
    made: Sequence[object]
    said: Sequence[object]


def given(kusto: KustoProject | None) -> dict[Relation, Given]:
    """Return everything that `kusto/` itself makes, by its table of the graph."""
    found: dict[Relation, Given] = {}
    if kusto is None:
        return found
    elsewhere = {one.table for one in kusto.filled} | {one.table for one in kusto.feeds}
    for one in kusto.objects:
        policies = one.kind is Kind.TABLE
        if not policies or one.name not in elsewhere:
            # Of a table that the file makes, nothing there says which rows it has.
            made = () if policies else (one.parameters, one.body)
            found[relation_of(kusto, one.kind, one.name)] = Given(
                one.kind.singular, one.file, one.stage, dict(one.columns or ()), made, (one.digest,)
            )
    for table in kusto.filled:
        made = (table.function, table.partitioning)
        found[relation_of(kusto, Kind.TABLE, table.table)] = Given(
            "table",
            table.file,
            table.stage,
            dict(table.columns),
            made,
            (*made, table.owner, table.description),
        )
    return found


def kusto_changes(
    before: KustoProject | None, after: KustoProject | None
) -> tuple[list[Change], tuple[str, ...]]:
    """Return what changes in columns and rows, and what is said otherwise, in no column."""
    these, those = given(before), given(after)
    changes: list[Change] = []
    notes: list[str] = []
    for relation, new in those.items():
        old = these.get(relation)
        if old is None:
            changes.append(Change(relation, How.NEW, f"the {new.kind} is new", tuple(new.columns)))
            continue
        changes += _of_columns(relation, old, new)
        if old.said == new.said:
            continue
        if old.made == new.made:
            notes.append(f"{new.file} says another thing, of no column's values")
            continue
        stays = tuple(name for name in new.columns if name in old.columns)
        changes.append(Change(relation, How.VALUES, f"the {new.kind} is made otherwise", stays))
        changes.append(Change(relation, How.ROWS, f"the {new.kind} is made otherwise"))
    for relation, old in these.items():
        if relation not in those:
            changes.append(Change(relation, How.GONE, f"the {old.kind} is gone", tuple(old.columns)))
    return changes, (*notes, *_policies(before, after))


def _policies(before: KustoProject | None, after: KustoProject | None) -> Iterator[str]:
    """Yield files of tables that exports or functions fill: what they say changes no column."""
    old, new = (
        {one.file: one.digest for one in kusto.objects if one.kind is Kind.TABLE} if kusto else {}
        for kusto in (before, after)
    )
    made = {one.file for kusto in (before, after) for one in given(kusto).values()}
    for file in sorted((old.keys() | new.keys()) - made):
        if old.get(file) != new.get(file):
            what = "is gone" if file not in new else "is new" if file not in old else "changed"
            yield f"{file} {what}: the policies of a table"


def _of_columns(relation: Relation, old: Given, new: Given) -> Iterator[Change]:
    if gone := tuple(name for name in old.columns if name not in new.columns):
        yield Change(relation, How.GONE, f"the {new.kind} does not give it any more", gone)
    if came := tuple(name for name in new.columns if name not in old.columns):
        yield Change(relation, How.NEW, f"the {new.kind} gives it now", came)
    for name, kind in new.columns.items():
        # Else it is told where it changed.
        if old.columns.get(name, kind) != kind and old.said != new.said:
            yield Change(relation, How.TYPE, f"type is {kind}, was {old.columns[name]}", (name,))
