"""Who receives fields: exports, what `kusto/` makes of them, and dbt's exposures, as dashboards.

Belongs here: whose they are, where they are told, and what an exposure reads. Does not belong here: how a
change travels (`impact`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sluicegate.columns.graph import DELIVERED, KUSTO, ColumnGraph
from sluicegate.columns.kusto_columns import relation_of
from sluicegate.core.column_origins import Kind, Origin, Place, TableOrigins
from sluicegate.core.problems import Problem, did_you_mean
from sluicegate.core.relations import Relation
from sluicegate.delivery.export_files.exports import Export
from sluicegate.kusto.objects import Kind as Kinds
from sluicegate.kusto.objects import KustoProject
from sluicegate.transformation.manifest import DbtManifest

# Where exposures stand in the graph; their columns are `MODEL.COLUMN`.
EXPOSED = "exposed"
RECEIVING = frozenset({DELIVERED, EXPOSED, KUSTO})
# What of a manifest may stand between an exposure and a table.
_BETWEEN = ("exposures", "metrics", "semantic_models", "saved_queries")


@dataclass(frozen=True)
class Receiver:
    """An export, a function, view or filled table of Kusto, or an exposure: then `kind` is dbt's own word.

    `connection` and `object` say where an export goes, or where a function is; an exposure has a `url` and a
    `maturity`.
    """

    relation: Relation
    kind: str
    name: str
    connection: str = ""
    object: str = ""
    owner: str = ""
    channel: str = ""
    purpose: str = ""
    url: str = ""
    maturity: str = ""


def receivers(
    exports: Mapping[str, Export], manifest: DbtManifest, kusto: KustoProject | None = None
) -> dict[Relation, Receiver]:
    """Return everybody who receives something, by the table of the graph."""
    found = [_of_export(export) for export in exports.values()]
    found += [_of_exposure(exposure) for exposure in _exposures(manifest)]
    found += _of_kusto(kusto) if kusto is not None else ()
    return {one.relation: one for one in found}


def with_exposures(graph: ColumnGraph, manifest: DbtManifest) -> ColumnGraph:
    """Return the graph with each exposure as a table of what it reads.

    That is every column of its models and sources; or of those that `meta: {columns: {MODEL: [COLUMN]}}` of
    it names. What is named there and is not found counts as all of that table (`exposure_problems` tells it).
    """
    return ColumnGraph(
        [*graph.tables.values(), *(_table(graph, manifest, one) for one in _exposures(manifest))]
    )


def exposure_problems(graph: ColumnGraph, manifest: DbtManifest) -> Iterator[Problem]:
    """Yield what `meta.columns` of an exposure names and is not there."""
    for exposure in _exposures(manifest):
        reads = _reads(graph, manifest, exposure)
        file = f"dbt_project/{exposure['original_file_path']}"
        for name, columns in _named(exposure).items():
            known = next((one for one in reads if one.name == name), None)
            if known is None:
                yield Problem(
                    file, 1, f"meta.columns of exposure `{exposure['name']}` names `{name}`",
                    "a table that its depends_on has", did_you_mean(name, [one.name for one in reads]),
                    code="SLU-P006",
                )  # fmt: skip
                continue
            there = _spelled(graph.tables[known])
            for column in columns:
                if column.lower() not in there:
                    yield Problem(
                        file, 1, f"meta.columns of exposure `{exposure['name']}` names `{name}.{column}`",
                        f"columns of `{name}`", did_you_mean(column, there.values()), code="SLU-P006",
                    )  # fmt: skip


def _of_export(export: Export) -> Receiver:
    spec = export.spec
    return Receiver(
        Relation(DELIVERED, export.name), "export", export.name, spec.destination.connection,
        spec.destination.object, spec.owner, spec.channel or "", spec.purpose,
    )  # fmt: skip


def _of_kusto(kusto: KustoProject) -> Iterator[Receiver]:
    for one in kusto.objects:
        if one.kind is not Kinds.TABLE:
            relation = relation_of(kusto, one.kind, one.name)
            yield Receiver(relation, one.kind.singular, one.name, kusto.connection, one.name)
    for table in kusto.filled:
        relation = relation_of(kusto, Kinds.TABLE, table.table)
        yield Receiver(
            relation, "table", table.table, kusto.connection, table.table, table.owner,
            purpose=table.description,
        )  # fmt: skip


def _of_exposure(exposure: Mapping[str, Any]) -> Receiver:
    owner: Mapping[str, Any] = exposure.get("owner") or {}
    said = owner.get("email") or owner.get("name") or ""
    return Receiver(
        _relation(exposure),
        str(exposure.get("type") or "exposure"),
        str(exposure["name"]),
        owner=", ".join(map(str, said)) if isinstance(said, list) else str(said),
        channel=str(_meta(exposure).get("channel") or ""),
        purpose=str(exposure.get("description") or exposure.get("label") or ""),
        url=str(exposure.get("url") or ""),
        maturity=str(exposure.get("maturity") or ""),
    )


def _exposures(manifest: DbtManifest) -> list[Mapping[str, Any]]:
    """Return the exposures by name; those that are switched off are not in the manifest's list."""
    found: Mapping[str, Mapping[str, Any]] = manifest.content.get("exposures") or {}
    return sorted(found.values(), key=lambda one: str(one["name"]))


def _relation(exposure: Mapping[str, Any]) -> Relation:
    return Relation(EXPOSED, str(exposure["name"]))


def _meta(exposure: Mapping[str, Any]) -> Mapping[str, Any]:
    return (exposure.get("config") or {}).get("meta") or exposure.get("meta") or {}


def _named(exposure: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return {table: columns} as the exposure's meta has it."""
    said: Any = _meta(exposure).get("columns") or {}
    if not isinstance(said, dict):
        return {}
    named: Mapping[Any, Any] = said
    return {
        str(name): [str(column) for column in (columns if isinstance(columns, list) else [columns])]
        for name, columns in named.items()
    }


def _reads(graph: ColumnGraph, manifest: DbtManifest, exposure: Mapping[str, Any]) -> list[Relation]:
    """Return the tables that an exposure reads, also by way of metrics."""
    between = {name: node for kind in _BETWEEN for name, node in (manifest.content.get(kind) or {}).items()}
    waiting, seen, found = [exposure], set[str](), set[Relation]()
    while waiting:
        for unique_id in (waiting.pop().get("depends_on") or {}).get("nodes") or []:
            relation = manifest.relation(unique_id)
            if relation is not None and relation in graph.tables:
                found.add(relation)
            elif unique_id in between and unique_id not in seen:
                seen.add(unique_id)
                waiting.append(between[unique_id])
    return sorted(found)


def _spelled(table: TableOrigins) -> dict[str, str]:
    return {name.lower(): name for name in table.columns}


def _table(graph: ColumnGraph, manifest: DbtManifest, exposure: Mapping[str, Any]) -> TableOrigins:
    reads, named = _reads(graph, manifest, exposure), _named(exposure)
    columns: dict[str, frozenset[Origin]] = {}
    for relation in reads:
        there = _spelled(graph.tables[relation])
        chosen = [there.get(name.lower()) for name in named.get(relation.name, [])]
        known = [name for name in chosen if name is not None]
        if named and relation.name not in named and named.keys() <= {one.name for one in reads}:
            known = []  # of this table it reads only that there are rows
        elif not known or len(known) < len(chosen):
            known = list(there.values())
        for name in known:
            columns[f"{relation.name}.{name}"] = frozenset([Origin(Place(relation, name), Kind.IDENTITY)])
    return TableOrigins(_relation(exposure), columns, frozenset(reads))
