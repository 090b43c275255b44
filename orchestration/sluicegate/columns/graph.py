"""All columns of a company, from the contracts' to the destinations' fields, and the ways between them.

Belongs here: walking up and down. Does not belong here: one table's step (`core.column_origins`), classes.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from sluicegate.core.column_origins import Kind, Origin, Place, TableOrigins
from sluicegate.core.relations import Relation

# Where exports stand in the graph, as among Dagster's assets: `delivered.exp_…`, their columns are fields.
DELIVERED = "delivered"
# Functions, views and tables that a function fills, in a database of Azure Data Explorer, as among Dagster's
# assets; and its tables that exports feed, or that `kusto/` itself makes.
KUSTO, KUSTO_TABLE = "kusto", "kusto_table"


@dataclass(frozen=True)
class Influence:
    """How one column has a part in another's values: the kind of the whole way, and the shortest such way.

    `way` goes down, from the one to the other, both included.
    """

    kind: Kind
    way: tuple[Place, ...]


class ColumnGraph:
    """The columns of all tables, each table after its parents; exports are tables of `delivered`."""

    def __init__(self, tables: Iterable[TableOrigins]) -> None:
        self.tables: Mapping[Relation, TableOrigins] = {table.relation: table for table in tables}

    def origins(self, place: Place) -> frozenset[Origin]:
        """Return what decides a column's values in one step."""
        return self.tables[place.relation].columns[place.column]

    def above(self, place: Place) -> dict[Place, Influence]:
        """Return every column that has a part in a column's values, nearest first; itself left out."""
        return _walked([place], self._up, downward=False)

    def below(self, place: Place) -> dict[Place, Influence]:
        """Return every column in whose values a column has a part, nearest first; itself left out."""
        return _walked([place], self._down, downward=True)

    def rows_below(self, place: Place) -> dict[Relation, Influence]:
        """Return the tables of which a column decides the rows or their order, with all that reads them.

        The way ends at the column that decides, in the first such table's parent; the kind is that step's.
        """
        return self.rows_of({place: Influence(Kind.IDENTITY, (place,)), **self.below(place)})

    def reached(self, places: Sequence[Place]) -> dict[Place, Influence]:
        """Return some columns and all in whose values any of them has a part, in one walk."""
        return _walked(places, self._down, downward=True) | _itself(places)

    def deciding(self, places: Sequence[Place]) -> dict[Place, Influence]:
        """Return some columns and all that have a part in the values of any of them, in one walk."""
        return _walked(places, self._up, downward=False) | _itself(places)

    def rows_of(self, reached: Mapping[Place, Influence]) -> dict[Relation, Influence]:
        """Return the tables of which any of the reached columns decides the rows, as `rows_below` does."""
        found: dict[Relation, Influence] = {}
        for relation, rows, reads in self._in_order:
            deciding = [
                Influence(origin.kind, reached[origin.place].way)
                for origin in rows
                if origin.place in reached
            ]
            inherited = [found[parent] for parent in reads if parent in found]
            if deciding or inherited:
                found[relation] = min([*deciding, *inherited], key=lambda one: len(one.way))
        return found

    @cached_property
    def _in_order(self) -> list[tuple[Relation, list[Origin], list[Relation]]]:
        """What decides each table's rows, and what it reads; parents before children."""
        return [(table.relation, sorted(table.rows), sorted(table.reads)) for table in self.tables.values()]

    def fields(self) -> Iterator[Place]:
        """Yield every field of every export."""
        for table in self.tables.values():
            if table.relation.schema == DELIVERED:
                yield from (Place(table.relation, name) for name in table.columns)

    def _up(self, place: Place) -> list[tuple[Place, Kind]]:
        table = self.tables.get(place.relation)
        return [(one.place, one.kind) for one in sorted(table.columns.get(place.column, ()))] if table else []

    def _down(self, place: Place) -> list[tuple[Place, Kind]]:
        return self._children.get(place, [])

    @cached_property
    def _children(self) -> dict[Place, list[tuple[Place, Kind]]]:
        found: dict[Place, list[tuple[Place, Kind]]] = {}
        for table in self.tables.values():
            for name, origins in table.columns.items():
                for origin in sorted(origins):
                    found.setdefault(origin.place, []).append((Place(table.relation, name), origin.kind))
        return found


def _itself(places: Sequence[Place]) -> dict[Place, Influence]:
    return {place: Influence(Kind.IDENTITY, (place,)) for place in places}


def _walked(
    starts: Iterable[Place], neighbours: Callable[[Place], list[tuple[Place, Kind]]], *, downward: bool
) -> dict[Place, Influence]:
    """Walk breadth first; of several ways to one place the kind that tells most of the value counts."""
    found: dict[Place, Influence] = {}
    waiting = [(start, Influence(Kind.IDENTITY, (start,))) for start in starts]
    while waiting:
        after: list[tuple[Place, Influence]] = []
        for place, so_far in waiting:
            for other, kind in neighbours(place):
                way = (*so_far.way, other) if downward else (other, *so_far.way)
                influence = Influence(so_far.kind.then(kind), way)
                known = found.get(other)
                if known is None or known.kind.then(influence.kind) is not influence.kind:
                    found[other] = influence
                    after.append((other, influence))
        waiting = after
    return found
