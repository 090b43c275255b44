"""Columns of one name, from table to table: a second opinion on where a class comes from.

Belongs here: which columns upstream are called alike. Does not belong here: whether that counts (`classes`).
"""

from collections.abc import Collection
from functools import reduce

from sluicegate.core.column_origins import Place, TableOrigins
from sluicegate.core.relations import Relation


class Namesakes:
    """The columns of tables that come parents first, by their names; the case of letters tells none apart."""

    def __init__(self) -> None:
        self._reads: dict[Relation, Collection[Relation]] = {}
        self._columns: dict[Relation, dict[str, str]] = {}
        # Sets of tables as the bits of a number: all that a table is made of, and those with a class, by
        # {name: {class: tables}}. Most columns need no more than to be asked so.
        self._bit: dict[Relation, int] = {}
        self._above: dict[Relation, int] = {}
        self._having: dict[str, dict[str, int]] = {}

    def enter(self, table: TableOrigins) -> None:
        """Take a table in, after its parents; of its columns nothing is known yet."""
        self._bit[table.relation] = 1 << len(self._bit)
        self._reads[table.relation] = table.reads
        self._columns[table.relation] = {name.lower(): name for name in table.columns}
        self._above[table.relation] = reduce(
            lambda found, parent: found | self._above.get(parent, 0) | self._bit.get(parent, 0),
            table.reads,
            0,
        )

    def note(self, relation: Relation, column: str, classes: Collection[str]) -> None:
        """Take in the classes of a column."""
        having = self._having.setdefault(column.lower(), {})
        for class_ in classes:
            having[class_] = having.get(class_, 0) | self._bit[relation]

    def say_more(self, relation: Relation, name: str, classes: Collection[str]) -> bool:
        """Whether any column of a name, in what a table is made of, has a class that is not among these."""
        having = self._having.get(name.lower())
        if not having:
            return False
        above = self._above[relation]
        return any(tables & above and class_ not in classes for class_, tables in having.items())

    def nearest(self, place: Place) -> list[Place]:
        """Return the columns of the same name that are the nearest, on each way up through other tables."""
        name, found = place.column.lower(), list[Place]()
        waiting, seen = sorted(self._reads[place.relation]), set[Relation]()
        while waiting:
            relation = waiting.pop()
            if relation in seen or relation not in self._columns:
                continue
            seen.add(relation)
            if own := self._columns[relation].get(name):
                found.append(Place(relation, own))
            else:
                waiting += sorted(self._reads[relation])
        return found
