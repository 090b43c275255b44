"""The columns of `kusto/`, below the fields of the exports that feed its tables.

Belongs here: each table, function and view of the database as a table of the graph. Does not belong here: how
KQL is understood (`kusto.language`), walking (`graph`).
"""

from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter

from sluicegate.columns.graph import DELIVERED, KUSTO, KUSTO_TABLE, ColumnGraph
from sluicegate.core.column_origins import Kind, NotUnderstood, Origin, Place, TableOrigins
from sluicegate.core.relations import Relation
from sluicegate.kusto.language.engine import UNKNOWN, Column, Sourced
from sluicegate.kusto.objects import FilledTable, KustoObject, KustoProject
from sluicegate.kusto.objects import Kind as ObjectKind

_KINDS = list(Kind)


def relation_of(kusto: KustoProject, kind: ObjectKind, name: str) -> Relation:
    """Return what an object of the database, or a table of it, is in the graph."""
    made = kind is not ObjectKind.TABLE or any(one.table == name for one in kusto.filled)
    return Relation(KUSTO if made else KUSTO_TABLE, name)


def of_assets(graph: ColumnGraph, place: Place) -> Iterator[Place]:
    """Yield a column as an asset has it: that of a table which an export feeds is the export's field."""
    if place.relation.schema != KUSTO_TABLE:
        yield place
        return
    for origin in graph.origins(place):
        yield from of_assets(graph, origin.place)


def kusto_types(kusto: KustoProject) -> dict[Relation, dict[str, str]]:
    """Return {table: {column: Kusto type}} of all tables, functions and views."""
    types = {relation_of(kusto, ObjectKind.TABLE, fed.table): dict(fed.columns) for fed in kusto.feeds}
    types |= {relation_of(kusto, one.kind, one.name): dict(one.columns or ()) for one in kusto.objects}
    return types | {
        relation_of(kusto, ObjectKind.TABLE, one.table): dict(one.columns) for one in kusto.filled
    }


def kusto_tables(kusto: KustoProject, above: Mapping[Relation, TableOrigins]) -> Iterator[TableOrigins]:
    """Yield the tables of the database, its functions and views, parents before children.

    `above` are those of the project, with what exports deliver.
    """
    building = _Building(kusto)
    tables = {one.relation: one for one in building.tables()}
    known = {**above, **tables}
    reads = {relation: [one for one in table.reads if one in tables] for relation, table in tables.items()}
    try:
        order = list(
            TopologicalSorter({name: sorted(found) for name, found in sorted(reads.items())}).static_order()
        )
    except CycleError:  # which is told as what it is
        order = sorted(tables)
    for relation in order:
        yield _there(tables[relation], known)


def _there(table: TableOrigins, known: Mapping[Relation, TableOrigins]) -> TableOrigins:
    """Return a table without places that are none: a function of any table gives its argument's columns."""

    def kept(origins: Iterable[Origin]) -> frozenset[Origin]:
        return frozenset(
            one for one in origins
            if (parent := known.get(one.place.relation)) and one.place.column in parent.columns
        )  # fmt: skip

    if any(one.what == UNKNOWN for one in table.not_understood):
        return _of_everything(table, known)
    return TableOrigins(
        table.relation, {name: kept(origins) for name, origins in table.columns.items()},
        frozenset(one for one in table.reads if one in known), kept(table.rows), table.row_of,
        not_understood=table.not_understood,
        named=frozenset(
            one for one in table.named if one.relation in known and one.column in known[one.relation].columns
        ),
    )  # fmt: skip


def _of_everything(table: TableOrigins, known: Mapping[Relation, TableOrigins]) -> TableOrigins:
    """Return a table that is not understood: any column of what it reads may be in any of its own."""
    reads = frozenset(one for one in table.reads if one in known)
    named = frozenset(Place(one, name) for one in reads for name in known[one].columns)
    every = frozenset(Origin(place, Kind.TRANSFORMATION) for place in named)
    rows = frozenset(Origin(place, Kind.FILTER) for place in named)
    return TableOrigins(
        table.relation, dict.fromkeys(table.columns, every), reads, rows,
        not_understood=table.not_understood, named=named,
    )  # fmt: skip


class _Building:
    def __init__(self, kusto: KustoProject) -> None:
        self._kusto = kusto
        self._filled = frozenset(one.table for one in kusto.filled)

    def tables(self) -> Iterator[TableOrigins]:
        for name in {fed.table for fed in self._kusto.feeds} - self._filled:
            yield self._fed(name)
        fed = {one.table for one in self._kusto.feeds}
        for one in self._kusto.objects:
            if one.kind is not ObjectKind.TABLE or one.name not in fed | self._filled:
                yield self._made(one)
        for one in self._kusto.filled:
            yield self._filling(one)

    def _fed(self, name: str) -> TableOrigins:
        """Return a table that exports feed; an update policy may fill it, too."""
        columns: dict[str, frozenset[Origin]] = {}
        exports: list[Relation] = []
        for fed in self._kusto.feeds:
            if fed.table == name:
                exports.append(export := Relation(DELIVERED, fed.export))
                for column, _ in fed.columns:
                    origin = Origin(Place(export, column), Kind.IDENTITY)
                    columns[column] = columns.get(column, frozenset()) | {origin}
        own = next(
            (one for one in self._kusto.objects if one.kind is ObjectKind.TABLE and one.name == name), None
        )
        if own is None:
            row_of = exports[0] if len(exports) == 1 else None
            return TableOrigins(Relation(KUSTO_TABLE, name), columns, frozenset(exports), row_of=row_of)
        made = self._made(own)
        for column, origins in made.columns.items():
            columns[column] = columns.get(column, frozenset()) | origins
        return TableOrigins(
            made.relation, columns, made.reads | frozenset(exports), made.rows,
            not_understood=made.not_understood, named=made.named,
        )  # fmt: skip

    def _made(self, one: KustoObject) -> TableOrigins:
        own = self._relation(str(one.kind), one.name)
        origins = dict.fromkeys((name for name, _ in one.columns or ()), frozenset[Origin]())
        for name, found in one.origins.columns:
            origins[name] = origins.get(name, frozenset()) | self._origins(found, own)
        named = frozenset(self._place(column) for column in one.origins.named)
        rows = self._origins(one.origins.rows, own)
        # What a table's policies let people see is below it, and no part of what it is made of.
        table = one.kind is ObjectKind.TABLE
        parents = {place.relation for made in (*origins.values(), rows) for place in (o.place for o in made)}
        read = () if table else (self._relation(str(kind), name) for kind, name in one.reads)
        return TableOrigins(
            own, origins, frozenset({*parents, *read} - {own}), rows,
            not_understood=tuple(NotUnderstood(what) for what in one.origins.blind),
            named=frozenset(
                place for place in named
                if place.relation != own and (not table or place.relation in parents)
            ),
        )  # fmt: skip

    def _filling(self, table: FilledTable) -> TableOrigins:
        function = Relation(KUSTO, table.function)
        columns = {
            name: frozenset([Origin(Place(function, name), Kind.IDENTITY)]) for name, _ in table.columns
        }
        own = Relation(KUSTO, table.table)
        return TableOrigins(own, columns, frozenset({function}), row_of=function)

    def _origins(self, found: Iterable[Sourced], own: Relation) -> frozenset[Origin]:
        origins = (Origin(self._place(column), _KINDS[kind]) for *column, kind in found)
        return frozenset(one for one in origins if one.place.relation != own)

    def _place(self, column: Column | list[str]) -> Place:
        kind, name, of = column
        return Place(self._relation(kind, name), of)

    def _relation(self, kind: str, name: str) -> Relation:
        made = kind.removesuffix("s") != "table" or name in self._filled
        return Relation(KUSTO if made else KUSTO_TABLE, name)
