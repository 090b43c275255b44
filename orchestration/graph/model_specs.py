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

from orchestration.core.lineage import Lineage
from orchestration.graph.partitions import PartitionsOf, asset_deps
from orchestration.transformation.manifest import DbtManifest


def asset_specs(
    manifest: DbtManifest, lineage: Lineage, partitions_of: PartitionsOf
) -> dict[str, dg.AssetSpec]:
    """Return {relation: spec} of all models, seeds and snapshots.

    Keys are `schema/name`, as in the warehouse; a group is a layer, which is a schema; the owner is the
    e-mail address of the model's dbt group.
    """
    emails = {
        group["name"]: group["owner"].get("email") for group in manifest.content.get("groups", {}).values()
    }
    adapter = manifest.content["metadata"]["adapter_type"]
    specs: dict[str, dg.AssetSpec] = {}
    for node in manifest.nodes.values():
        raw = manifest.content["nodes"][node.unique_id]
        table = lineage.tables[node.relation]
        email = emails.get(raw["config"].get("group"))
        specs[node.relation] = dg.AssetSpec(
            key=list(node.relation.parts),
            deps=asset_deps(lineage, table),
            description=_description(raw),
            metadata=_metadata(raw, adapter),
            group_name=node.relation.schema,
            code_version=_code_version(raw, table.code),
            owners=[email] if email else None,
            tags=dict.fromkeys(raw.get("tags", []), ""),
            kinds={"dbt", adapter},
            partitions_def=partitions_of(table.partitioning),
        )
    return specs


def _description(raw: Mapping[str, Any]) -> str:
    said = raw.get("description") or f"dbt {raw['resource_type']} {raw['name']}"
    sql = raw.get("raw_code")
    return f"{said}\n\n#### Raw SQL:\n```sql\n{textwrap.indent(sql, '    ')}\n```" if sql else str(said)


def _metadata(raw: Mapping[str, Any], adapter: str) -> dict[str, Any]:
    columns = [
        dg.TableColumn(
            name, type=column.get("data_type") or "?", description=column.get("description"),
            tags=dict.fromkeys(column.get("tags", []), ""),
        )
        for name, column in raw.get("columns", {}).items()
    ]  # fmt: skip
    return {
        "dagster-dbt/materialization_type": raw["config"]["materialized"],
        "dagster/table_name": ".".join(raw[part] for part in ("database", "schema", "alias")),
        "dagster/storage_kind": adapter,
        **({"dagster/column_schema": dg.TableSchema(columns)} if columns else {}),
    }


def _code_version(raw: Mapping[str, Any], digest: str) -> str:
    """Return dagster-dbt's word for the SQL; of a seed our own, as dbt's tells nothing of a large file."""
    code = raw.get("raw_code")
    return hashlib.sha1(code.encode(), usedforsecurity=False).hexdigest() if code else digest
