"""Where a field comes from: columns of sources and seeds that have a part in it, or decide which rows.

Belongs here: what people are shown of the way of one column, in words. Does not belong here: the walk
(`graph`), and where it is shown (`delivered_contract`, `lineage_page`, Dagster's pages).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sluicegate.columns.graph import ColumnGraph
from sluicegate.core.column_origins import Kind, Place
from sluicegate.core.relations import Relation

# What a kind says to somebody who reads no SQL.
WORDS = {
    Kind.IDENTITY: "as it is",
    Kind.PICK: "one of several rows' values",
    Kind.TRANSFORMATION: "worked out of it",
    Kind.CONDITIONAL: "decides the value",
    Kind.MEASURE: "counted or summed",
    Kind.WINDOW: "decides the order or group of rows",
    Kind.SORT: "decides the order",
    Kind.GROUP_BY: "decides the groups",
    Kind.JOIN: "decides which rows meet",
    Kind.FILTER: "decides which rows there are",
}


@dataclass(frozen=True)
class ComesFrom:
    """A column that was not made here, a source's or a seed's, and how it comes to be in another.

    `way` goes down to that other one, both included.
    """

    place: Place
    kind: Kind
    way: tuple[Place, ...]

    @property
    def steps(self) -> str:
        """The whole way, in a line."""
        return " → ".join(map(str, self.way))


def comes_from(graph: ColumnGraph, place: Place) -> list[ComesFrom]:
    """Return what a column is made of in the end: first what is in its value, nearest first."""
    found = [
        ComesFrom(other, influence.kind, influence.way)
        for other, influence in graph.above(place).items()
        if _begins(graph, other.relation)
    ]
    return sorted(found, key=lambda one: (not one.kind.of_value, list(Kind).index(one.kind), one.place))


def rows_come_from(graph: ColumnGraph, relation: Relation) -> list[Place]:
    """Return the columns of sources and seeds that decide which rows a table has, or in which order."""
    deciding = [origin.place for one in _with_all_above(graph, relation) for origin in graph.tables[one].rows]
    seen = set[Place]()
    while deciding:
        place = deciding.pop()
        if place not in seen:
            seen.add(place)
            table = graph.tables.get(place.relation)
            deciding += [one.place for one in table.columns.get(place.column, ())] if table else []
    return sorted(place for place in seen if _begins(graph, place.relation))


def not_understood(graph: ColumnGraph, relation: Relation) -> list[Relation]:
    """Return the tables, it and all above it, of whose SQL something is not known.

    There all columns of what such a table reads count as origins of all of its own.
    """
    return sorted(one for one in _with_all_above(graph, relation) if graph.tables[one].not_understood)


def listed(texts: Sequence[str], most: int) -> str:
    """Return texts with commas, and how many more there are."""
    more = [f"and {len(texts) - most} more"] if len(texts) > most else []
    return ", ".join([*texts[:most], *more])


def fields_of(graph: ColumnGraph, relation: Relation) -> Iterator[Place]:
    """Yield the columns of a table in its own order."""
    table = graph.tables.get(relation)
    for name in table.columns if table else ():
        yield Place(relation, name)


def _with_all_above(graph: ColumnGraph, relation: Relation) -> set[Relation]:
    """Return a table and all that it is made of, as far as they are in the graph."""
    found, waiting = set[Relation](), [relation]
    while waiting:
        table = graph.tables.get(waiting.pop())
        if table is not None and table.relation not in found:
            found.add(table.relation)
            waiting += table.reads
    return found


def _begins(graph: ColumnGraph, relation: Relation) -> bool:
    table = graph.tables.get(relation)
    return table is None or not table.reads
