"""What is worked out of columns that are not published: in an environment they are null.

So values and rows that are made of them are others than in production, whatever the branch does. Belongs
here: which those are. Does not belong here: what is published (`publishing`), what is compared (`shapes`).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sluicegate.columns.graph import ColumnGraph, Influence
from sluicegate.core.column_origins import Place
from sluicegate.project.loading import Project
from sluicegate.publishing.catalogue import UNKNOWN, Catalogue

_NOT_TOLD = "which production has not published"


@dataclass(frozen=True)
class Closed:
    """Of tables that an environment has built: {table: {column, in small letters: why}}, and {table: why}."""

    columns: Mapping[str, Mapping[str, str]]
    rows: Mapping[str, str]


def closed(project: Project, catalogue: Catalogue, built: Collection[str]) -> Closed:
    """Return what of the built tables is made of columns that are not published.

    What stands there as production has made it is no way: its values are production's.
    """
    graph = project.columns
    own = ColumnGraph(table for relation, table in graph.tables.items() if str(relation) in built)
    hidden: dict[Place, str] = {}
    for relation in sorted({parent for table in own.tables.values() for parent in table.reads}):
        table, published = graph.tables.get(relation), catalogue.tables.get(str(relation))
        if table is None or published is None or str(relation) in built:
            continue
        there = {name.casefold() for name in published.columns}
        left_out = {name.casefold(): class_ for name, class_ in published.left_out.items()}
        for name in table.columns:
            if (folded := name.casefold()) not in there:
                class_ = left_out.get(folded, UNKNOWN)
                why = f"whose class, {class_}, is not published"
                hidden[Place(relation, name)] = _NOT_TOLD if class_ == UNKNOWN else why
    reached = own.reached([*hidden])
    columns: dict[str, dict[str, str]] = {}
    for place, through in reached.items():
        if place not in hidden:
            columns.setdefault(str(place.relation), {})[place.column.casefold()] = _why(through, hidden)
    rows = {str(relation): _why(through, hidden) for relation, through in own.rows_of(reached).items()}
    return Closed(columns, rows)


def never_shown(project: Project, catalogue: Catalogue) -> Mapping[str, frozenset[str]]:
    """Return {table: columns, in small letters, whose values are never shown}.

    They are what the branch calls classified, and what is made of columns that production does: a class
    that the branch has lowered is not lowered yet.
    """
    graph = project.columns
    there = {
        relation: {name.casefold() for name in names} for relation, names in catalogue.classified.items()
    }
    places = [
        Place(relation, name)
        for relation, table in graph.tables.items()
        for name in table.columns
        if name.casefold() in there.get(str(relation), ())
    ]
    found: dict[str, frozenset[str]] = {
        str(relation): frozenset(name.casefold() for name in names)
        for relation, names in project.classified_columns.items()
    }
    for place in graph.reached(places):
        relation = str(place.relation)
        found[relation] = found.get(relation, frozenset()) | {place.column.casefold()}
    return found


def _why(through: Influence, hidden: Mapping[Place, str]) -> str:
    return f"made of {through.way[0]}, {hidden[through.way[0]]}"
