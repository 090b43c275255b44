"""dbt's names for things -> Dagster's: an asset spec for each table that dbt builds.

The words are dagster-dbt's, so that its readers and Dagster's UI find what they know; a test compares
the two. Its translator is not asked here, since importing it costs a second in each process that loads
the graph. Dependencies and partitions are the lineage's: what the UI draws is what the gate judges.
"""

import hashlib
import textwrap
from collections.abc import Mapping
from typing import Any

import dagster as dg

from sluicegate.columns.catalogue import Catalogue
from sluicegate.columns.ways import fields_of
from sluicegate.core.column_origins import Place
from sluicegate.core.lineage import Lineage
from sluicegate.core.relations import Relation
from sluicegate.core.stages import Stage
from sluicegate.graph.columns_shown import column_lineage, described_from
from sluicegate.graph.owners import asset_owners
from sluicegate.graph.partitions import PartitionsOf, asset_deps
from sluicegate.transformation.manifest import DbtManifest

_UNDESCRIBED: Mapping[str, Any] = {}


def asset_specs(
    manifest: DbtManifest, lineage: Lineage, partitions_of: PartitionsOf, catalogue: Catalogue
) -> dict[str, dg.AssetSpec]:
    """Return {relation: spec} of all models, seeds and snapshots.

    Keys are `schema/name`, as in the warehouse; a group is a layer, which is a schema; the owner is the
    e-mail address of the model's dbt group, or of work the one that its meta says.
    """
    emails = {
        group["name"]: group["owner"].get("email") for group in manifest.content.get("groups", {}).values()
    }
    adapter = manifest.content["metadata"]["adapter_type"]
    specs: dict[str, dg.AssetSpec] = {}
    for node in manifest.nodes.values():
        raw = manifest.content["nodes"][node.unique_id]
        table = lineage.tables[node.relation]
        work = node.stage is Stage.WORK
        email = node.owner if work else emails.get(raw["config"].get("group"))
        specs[node.relation] = dg.AssetSpec(
            key=list(node.relation.parts),
            deps=asset_deps(lineage, table),
            description=_description(raw),
            metadata=_metadata(raw, adapter, node.relation, catalogue)
            | ({"work until": str(node.expires), "purpose": node.purpose} if work else {}),
            group_name=node.relation.schema,
            code_version=_code_version(raw, table.code),
            owners=asset_owners(*([email] if isinstance(email, str) else email or ())),
            tags=dict.fromkeys(raw.get("tags", []), ""),
            kinds={"dbt", adapter},
            partitions_def=partitions_of(table.partitioning),
        )
    return specs


def _description(raw: Mapping[str, Any]) -> str:
    said = raw.get("description") or f"dbt {raw['resource_type']} {raw['name']}"
    sql = raw.get("raw_code")
    return f"{said}\n\n#### Raw SQL:\n```sql\n{textwrap.indent(sql, '    ')}\n```" if sql else str(said)


def _metadata(
    raw: Mapping[str, Any], adapter: str, relation: Relation, catalogue: Catalogue
) -> dict[str, Any]:
    """Return dagster-dbt's metadata, and of what each column is made."""
    described: Mapping[str, Mapping[str, Any]] = raw.get("columns", {})
    spelled = {name.lower(): name for name in described}
    # Those that no YAML describes come after those that it does.
    others = [
        place.column for place in fields_of(catalogue.graph, relation) if place.column.lower() not in spelled
    ]
    made = {place.column.lower(): place for place in fields_of(catalogue.graph, relation)}
    columns = [
        dg.TableColumn(
            name, type=column.get("data_type") or "?",
            description=described_from(
                catalogue, made.get(name.lower(), Place(relation, name)), column.get("description") or ""
            ),
            tags=dict.fromkeys(column.get("tags", []), ""),
        )
        for name, column in [*described.items(), *((name, _UNDESCRIBED) for name in others)]
    ]  # fmt: skip
    return {
        "dagster-dbt/materialization_type": raw["config"]["materialized"],
        "dagster/table_name": ".".join(raw[part] for part in ("database", "schema", "alias")),
        "dagster/storage_kind": adapter,
        **({"dagster/column_schema": dg.TableSchema(columns)} if columns else {}),
        **column_lineage(catalogue, relation),
    }


def _code_version(raw: Mapping[str, Any], digest: str) -> str:
    """Return dagster-dbt's word for the SQL; of a seed our own, as dbt's tells nothing of a large file."""
    code = raw.get("raw_code")
    return hashlib.sha1(code.encode(), usedforsecurity=False).hexdigest() if code else digest
