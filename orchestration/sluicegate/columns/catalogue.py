"""What people are told of each table beside its columns: what it is, whose it is, where that is written.

Belongs here: gathering it from contracts, dbt's files and export files. Does not belong here: how it is shown
(`lineage_page`, Dagster's pages).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from sluicegate.columns.graph import DELIVERED, ColumnGraph
from sluicegate.columns.kusto_columns import relation_of
from sluicegate.contracts.model import SourceContract
from sluicegate.core.column_origins import Place
from sluicegate.core.relations import Relation
from sluicegate.delivery.export_files.exports import Export
from sluicegate.kusto.feeds import ADX
from sluicegate.kusto.objects import Kind, KustoProject
from sluicegate.transformation.manifest import DbtManifest


@dataclass(frozen=True)
class TableShown:
    """One table: `kind` is source, model, seed, snapshot, export, or of Kusto function, view or table.

    `file` is relative to the project directory, `to` where an export goes, `described` {column: description}.
    """

    kind: str
    owner: str = ""
    channel: str = ""
    file: str = ""
    about: str = ""
    to: str = ""
    described: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Catalogue:
    """All columns, their classes, and what is told of their tables."""

    graph: ColumnGraph
    tables: Mapping[Relation, TableShown]
    classes_of: Callable[[Place], frozenset[str]]

    def shown(self, relation: Relation) -> TableShown:
        """Return what is told of a table."""
        return self.tables.get(relation, TableShown("table"))


def tables_shown(
    contracts: Mapping[str, SourceContract],
    manifest: DbtManifest,
    exports: Mapping[str, Export],
    kusto: KustoProject | None = None,
) -> dict[Relation, TableShown]:
    """Return what is told of every table of a project."""
    return {
        **dict(_sources(contracts)),
        **dict(_nodes(manifest)),
        **dict(_exports(manifest, exports)),
        **(dict(_kusto(kusto)) if kusto is not None else {}),
    }


def _sources(contracts: Mapping[str, SourceContract]) -> Iterator[tuple[Relation, TableShown]]:
    for contract in contracts.values():
        described = {column.name: column.description for column in contract.columns}
        yield (
            contract.relation,
            TableShown(
                "source", contract.owner, contract.channel, contract.file.name,
                contract.description.partition("\n\n")[0], "", described,
            ),
        )  # fmt: skip


def _nodes(manifest: DbtManifest) -> Iterator[tuple[Relation, TableShown]]:
    groups: Mapping[str, Any] = manifest.content.get("groups") or {}
    emails = {group["name"]: str(group["owner"].get("email") or "") for group in groups.values()}
    for node in manifest.nodes.values():
        raw = cast("Mapping[str, Any]", manifest.content["nodes"][node.unique_id])
        owner = str((raw["config"].get("meta") or {}).get("owner") or "")
        about = str(raw.get("description") or "")
        group = str(raw["config"].get("group") or "")
        yield (
            node.relation,
            TableShown(
                node.resource_type, owner or emails.get(group, ""), "", node.file, about,
                described=_described(raw),
            ),
        )  # fmt: skip


def _exports(manifest: DbtManifest, exports: Mapping[str, Export]) -> Iterator[tuple[Relation, TableShown]]:
    models = {node.name: node for node in manifest.nodes.values()}
    for export in exports.values():
        spec, destination = export.spec, export.spec.destination
        raw = manifest.content["nodes"][models[spec.model].unique_id]
        described = {export.field(name): text for name, text in _described(raw).items()}
        yield (
            Relation(DELIVERED, export.name),
            TableShown(
                "export", spec.owner, spec.channel or "", export.file.name, spec.purpose,
                f"{destination.type} / {destination.connection} / {destination.object}", described,
            ),
        )  # fmt: skip


def _kusto(kusto: KustoProject) -> Iterator[tuple[Relation, TableShown]]:
    to = f"{ADX} / {kusto.connection}"
    for fed in kusto.feeds:
        yield relation_of(kusto, Kind.TABLE, fed.table), TableShown("table", file=fed.file, to=to)
    for one in kusto.objects:
        yield relation_of(kusto, one.kind, one.name), TableShown(one.kind.singular, file=one.file, to=to)
    for table in kusto.filled:
        shown = TableShown("table", table.owner, "", table.file, table.description, to)
        yield relation_of(kusto, Kind.TABLE, table.table), shown


def _described(raw: Mapping[str, Any]) -> dict[str, str]:
    columns = cast("Mapping[str, Mapping[str, Any]]", raw.get("columns") or {})
    return {name: str(column.get("description") or "").strip() for name, column in columns.items()}
