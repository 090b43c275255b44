"""What a change in one place does to the fields of destinations, and what decides a field.

Belongs here: how a change travels on the graph. Does not belong here: which changes there are (`changes`),
who receives a field (`receivers`), how an answer is written.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from sluicegate.columns.graph import ColumnGraph, Influence
from sluicegate.columns.receivers import RECEIVING
from sluicegate.core.column_origins import Kind, Place
from sluicegate.core.relations import RAW, Relation


class How(StrEnum):
    """What becomes of a column, or with `ROWS` of a table: which rows it has, or in which order."""

    GONE = "gone"
    NEW = "new"
    TYPE = "type"
    CLASS = "class"
    VALUES = "values"
    ROWS = "rows"


@dataclass(frozen=True)
class Change:
    """A change at its place, before it travels; `columns` are those that it is about, none with `ROWS`.

    `renamed`: what is gone or new is there still, or was there, under another name. `elsewhere`: a receiver's
    fields are gone from one place and new in another, whatever they are called.
    """

    relation: Relation
    how: How
    what: str
    columns: tuple[str, ...] = ()
    renamed: bool = False
    elsewhere: bool = False


@dataclass(frozen=True)
class Moved:
    """A field that a change reaches: how it changes, and through what."""

    field: Place
    how: How
    through: Influence


@dataclass(frozen=True)
class Rows:
    """Somebody who gets other rows.

    `way` is that of tables, from the one that changes to the receiver; `by` is the column that decides, and
    how it does; None where the table's own rows are others.
    """

    receiver: Relation
    way: tuple[Relation, ...]
    by: Influence | None = None


@dataclass(frozen=True)
class Reader:
    """What names a column that changes, and does not run without it, or reads what does.

    `way` goes from the column that changes to the one that is named; `through` are the receivers from the one
    that names it to this one.
    """

    receiver: Relation
    way: tuple[Place, ...]
    through: tuple[Relation, ...]


@dataclass(frozen=True)
class Effect:
    """A change, the fields that it changes, who gets other rows by it, and what cannot be without it."""

    change: Change
    fields: tuple[Moved, ...] = ()
    rows: tuple[Rows, ...] = ()
    readers: tuple[Reader, ...] = ()

    @property
    def reaches(self) -> bool:
        """Whether any receiver sees it."""
        return bool(self.fields or self.rows or self.readers)


@dataclass(frozen=True)
class Deciding:
    """What decides a field: {column of a source: how it has a part in the value}, and those of the rows."""

    values: Mapping[Place, Influence]
    rows: Mapping[Place, Influence]


def effect(graph: ColumnGraph, change: Change) -> Effect:
    """Return what a change does, on the graph that has its place.

    A change of values may be one of rows, too: where a filter reads the column, a join, a group's key.
    """
    if change.how is How.ROWS:
        return Effect(change, rows=tuple(_below(graph, change.relation)))
    reached = graph.reached([Place(change.relation, name) for name in change.columns])
    fields = (
        Moved(place, how, through)
        for place, through in reached.items()
        if place.relation.schema in RECEIVING and (how := _travelled(change.how, through.kind)) is not None
    )
    deciding = {} if change.how is How.CLASS else graph.rows_of(reached)
    rows = (
        Rows(receiver, (change.relation, receiver), by)
        for receiver, by in deciding.items()
        if receiver.schema in RECEIVING
    )
    named = () if change.how in (How.CLASS, How.NEW) else _readers(graph, reached)
    return Effect(change, tuple(sorted(fields, key=lambda one: one.field)), tuple(rows), tuple(named))


def _readers(graph: ColumnGraph, reached: Mapping[Place, Influence]) -> Iterable[Reader]:
    """Yield what names any of the columns, and what reads such a one, parents before children."""
    found: dict[Relation, Reader] = {}
    for table in graph.tables.values():
        named = [reached[place].way for place in sorted(table.named) if place in reached]
        above = [found[parent] for parent in sorted(table.reads) if parent in found]
        if named:
            found[table.relation] = Reader(table.relation, min(named, key=len), (table.relation,))
        elif above:
            one = min(above, key=lambda one: len(one.through))
            found[table.relation] = Reader(table.relation, one.way, (*one.through, table.relation))
    return (one for one in found.values() if one.receiver.schema in RECEIVING)


def _travelled(how: How, kind: Kind) -> How | None:
    """Return what a change is at the end of a way of this kind; None where nothing is left of it."""
    if how in (How.GONE, How.NEW):
        return how if kind is Kind.IDENTITY else How.VALUES
    if how is How.TYPE:
        return how if kind in (Kind.IDENTITY, Kind.PICK) else How.VALUES
    if how is How.CLASS:
        return how if kind.of_value else None
    return how


def _below(graph: ColumnGraph, relation: Relation) -> Iterable[Rows]:
    """Yield who receives what is made of a table, by the shortest way of tables."""
    ways: dict[Relation, tuple[Relation, ...]] = {relation: (relation,)}
    for table in graph.tables.values():  # parents before children
        known = [ways[parent] for parent in sorted(table.reads) if parent in ways]
        if known and table.relation not in ways:
            ways[table.relation] = (*min(known, key=len), table.relation)
        if table.relation in ways and table.relation.schema in RECEIVING:
            yield Rows(table.relation, ways[table.relation])


def deciding(graph: ColumnGraph, field: Place) -> Deciding:
    """Return which columns of sources decide a field's values, and which rows its receiver gets."""
    kinds: dict[Place, Kind] = {}
    for relation in _above(graph, field.relation):
        for origin in sorted(graph.tables[relation].rows):
            kinds.setdefault(origin.place, origin.kind)
    rows = {
        place: Influence(through.kind.then(kinds[through.way[-1]]), through.way)
        for place, through in graph.deciding(list(kinds)).items()
    }
    return Deciding(_of_sources(graph, graph.above(field)), _of_sources(graph, rows))


def _of_sources(graph: ColumnGraph, found: Mapping[Place, Influence]) -> dict[Place, Influence]:
    """Return those of raw tables and of seeds: nothing is above them."""
    return {place: through for place, through in sorted(found.items()) if is_source(graph, place.relation)}


def is_source(graph: ColumnGraph, relation: Relation) -> bool:
    """Whether a table is made of no other: a raw table, or a seed."""
    table = graph.tables.get(relation)
    return relation.schema == RAW or (table is not None and not table.reads)


def _above(graph: ColumnGraph, relation: Relation) -> list[Relation]:
    """Return a table and all that it is made of."""
    found, waiting = [relation], [relation]
    while waiting:
        table = graph.tables.get(waiting.pop())
        for parent in sorted(table.reads) if table else []:
            if parent not in found and parent in graph.tables:
                found.append(parent)
                waiting.append(parent)
    return found
