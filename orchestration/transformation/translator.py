"""dbt's names for things -> Dagster's: keys, groups, owners, partitions."""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings

from orchestration.transformation.manifest import DbtManifest


class SluiceTranslator(DagsterDbtTranslator):
    """Asset keys are `schema/name`, as in the warehouse; a group is a layer, which is a schema."""

    def __init__(
        self, manifest: DbtManifest, daily: frozenset[str], partitions: dg.PartitionsDefinition[str]
    ) -> None:
        super().__init__(DagsterDbtTranslatorSettings(enable_code_references=False))
        self._manifest = manifest
        self._daily = daily
        self._partitions = partitions

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        """Return `schema/name`; a source's is that of the asset which loads it."""
        relation = self._manifest.relation(dbt_resource_props["unique_id"])
        if relation is None:
            return super().get_asset_key(dbt_resource_props)
        return dg.AssetKey(relation.split("."))

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        """Return the layer."""
        relation = self._manifest.relation(dbt_resource_props["unique_id"])
        return relation.split(".")[0] if relation else super().get_group_name(dbt_resource_props)

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> Sequence[str] | None:
        """Return the e-mail addresses of the owner of the dbt group."""
        owners = super().get_owners(dbt_resource_props)
        if owners:
            return owners
        group = dbt_resource_props.get("group")
        name = group.get("name") if isinstance(group, Mapping) else group
        found = self._manifest.content.get("groups", {}).values()
        emails = [item["owner"].get("email") for item in found if item["name"] == name]
        return [email for email in emails if email]

    def get_partitions_def(
        self, dbt_resource_props: Mapping[str, Any]
    ) -> dg.PartitionsDefinition[str] | None:
        """Return the daily partitions for what is cut by day."""
        return self._partitions if dbt_resource_props["unique_id"] in self._daily else None

    def get_partition_mapping(
        self,
        dbt_resource_props: Mapping[str, Any],
        dbt_parent_resource_props: Mapping[str, Any],
    ) -> dg.PartitionMapping | None:
        """Return the trailing window that the model's meta states; the macro reads the same number."""
        node = self._manifest.nodes.get(dbt_resource_props["unique_id"])
        days = node.trailing_days.get(dbt_parent_resource_props["name"], 1) if node else 1
        if days == 1:
            return None
        return dg.TimeWindowPartitionMapping(
            start_offset=1 - days, allow_nonexistent_upstream_partitions=True
        )
