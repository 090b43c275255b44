"""The graph of a company's columns, made of what its files say and of what was bound.

Belongs here: which tables there are, and what a dbt node or an export file adds to what its SQL says.
Does not belong here: how SQL is understood (`compute`), walking (`graph`), classes.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sluicegate.columns.graph import DELIVERED, ColumnGraph
from sluicegate.columns.kusto_columns import kusto_tables
from sluicegate.contracts.dbt_sources import TECHNICAL_COLUMNS
from sluicegate.contracts.model import SourceContract
from sluicegate.core.column_origins import Kind, NotUnderstood, Origin, Place, TableOrigins
from sluicegate.core.relations import Relation
from sluicegate.delivery.export_files.exported_model import sent_of
from sluicegate.delivery.export_files.exports import Export
from sluicegate.kusto.objects import KustoProject
from sluicegate.transformation.binding import BoundSql
from sluicegate.transformation.manifest import DbtManifest, DbtNode

_Origins = frozenset[Origin]
# Said of a table whose SQL could not be bound.
NOT_BOUND = NotUnderstood("SQL of which nothing is known")


def column_graph(
    contracts: Mapping[str, SourceContract],
    manifest: DbtManifest,
    bound: BoundSql,
    exports: Mapping[str, Export],
    kusto: KustoProject | None = None,
) -> ColumnGraph:
    """Return every column from the contracts' to the destinations' fields, and what `kusto/` makes of these.

    The files hold what they should.

    A table of which nothing is known is made of all columns of all its parents (`TableOrigins`).
    """
    tables = {one.relation: one for one in _Building(manifest, bound, exports).tables(contracts)}
    below = kusto_tables(kusto, tables) if kusto is not None else ()
    return ColumnGraph([*tables.values(), *below])


class _Building:
    def __init__(self, manifest: DbtManifest, bound: BoundSql, exports: Mapping[str, Export]) -> None:
        self._manifest = manifest
        self._bound = bound
        self._exports = {export.spec.model: export for export in exports.values()}
        self._columns: dict[Relation, Sequence[str]] = {}

    def tables(self, contracts: Mapping[str, SourceContract]) -> Iterator[TableOrigins]:
        for contract in contracts.values():
            names = [column.name for column in contract.loaded_columns]
            yield self._made(_source(contract.relation, [*names, *TECHNICAL_COLUMNS]))
        nodes = self._manifest.nodes.values()
        for node in nodes:
            yield self._made(self._of_node(node))
        for node in nodes:
            if export := self._exports.get(node.name):
                yield self._made(self._of_export(export, node))

    def _made(self, table: TableOrigins) -> TableOrigins:
        self._columns[table.relation] = tuple(table.columns)
        return table

    def _of_node(self, node: DbtNode) -> TableOrigins:
        names = [name for name, _ in self._bound.columns.get(node.unique_id, ())] or list(node.columns)
        if node.resource_type == "seed":
            return self._bound.origins.get(node.unique_id) or _source(node.relation, names)
        parents = frozenset(filter(None, map(self._manifest.relation, node.parents)))
        table = self._bound.origins.get(node.unique_id)
        if table is None:
            none = dict.fromkeys(names, _Origins())
            table = TableOrigins(node.relation, none, parents, not_understood=(NOT_BOUND,))
        if table.not_understood:
            return self._of_everything(table, parents)
        row_of = table.row_of
        return replace(table, row_of=None) if row_of and not _once(table, node, row_of) else table

    def _of_everything(self, table: TableOrigins, parents: frozenset[Relation]) -> TableOrigins:
        """Return a table that is not understood: whatever its parents have may be in any of its columns."""
        reads = table.reads | parents
        every = frozenset(
            Origin(Place(parent, column), Kind.IDENTITY)
            for parent in reads
            for column in self._columns.get(parent, ())
        )
        columns = {name: origins | every for name, origins in table.columns.items()}
        return replace(table, columns=columns, reads=reads, row_of=None)

    def _of_export(self, export: Export, node: DbtNode) -> TableOrigins:
        described = {name.lower(): name for name in node.columns}
        columns = {described.get(name.lower(), name): name for name in self._columns[node.relation]}
        maps = {rule.map.column: rule.map for rule in export.spec.last_mile if rule.map}
        fields: dict[str, _Origins] = {}
        digests: dict[str, str] = {}
        for name in sent_of(export, columns, node.partition_column):
            place, mapped = Place(node.relation, columns[name]), maps.get(name)
            kinds = (Kind.TRANSFORMATION, Kind.CONDITIONAL) if mapped else (Kind.IDENTITY,)
            fields[export.field(name)] = frozenset(Origin(place, kind) for kind in kinds)
            values = [[str(old), str(new)] for old, new in mapped.values.items()] if mapped else []
            digests[export.field(name)] = _digest([name.lower(), values])
        filters = [rule.filter for rule in export.spec.last_mile if rule.filter]
        rows = frozenset(
            Origin(Place(node.relation, columns.get(rule.column, rule.column)), Kind.FILTER)
            for rule in filters
        )
        return TableOrigins(
            Relation(DELIVERED, export.name), fields, frozenset({node.relation}), rows,
            row_of=node.relation, digests=digests,
            rows_digest=_digest([export.spec.partitions, *sorted(map(repr, filters))]),
        )  # fmt: skip


def _source(relation: Relation, columns: Sequence[str]) -> TableOrigins:
    return TableOrigins(relation, dict.fromkeys(columns, _Origins()))


def _once(table: TableOrigins, node: DbtNode, row_of: Relation) -> bool:
    """Whether no row of a parent is in two partitions of a table, which its SQL alone does not tell.

    A table that is made at once has none. Else the row itself must say in which partition it is, and no
    partition may read further back.
    """
    if node.partition_column is None:
        return True
    names = [name for name in table.columns if name.lower() == node.partition_column.lower()]
    cut_by = frozenset[Origin]().union(*(table.columns[name] for name in names))
    return (
        row_of.name not in node.trailing_days
        and bool(cut_by)
        and all(one.kind is Kind.IDENTITY and one.place.relation == row_of for one in cut_by)
    )


def _digest(told: Any) -> str:
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()
