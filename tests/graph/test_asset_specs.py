"""Our asset specs of dbt's tables beside dagster-dbt's: one reader's words, whoever wrote them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings
from sluicegate.core.settings import Settings
from sluicegate.graph.model_specs import asset_specs
from sluicegate.graph.partitions import partitions_definitions
from sluicegate.project.loading import load_project
from sluicegate.transformation.manifest import DbtManifest

from tests.graph.shape import COMPANIES

pytestmark = pytest.mark.long


class ByRelation(DagsterDbtTranslator):
    """dagster-dbt as it is, but for the key, which is the relation."""

    def __init__(self, manifest: DbtManifest) -> None:
        super().__init__(DagsterDbtTranslatorSettings(enable_code_references=False))
        self._manifest = manifest

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        relation = self._manifest.relation(dbt_resource_props["unique_id"])
        assert relation is not None
        return dg.AssetKey(relation.split("."))


@pytest.mark.parametrize("company", sorted(COMPANIES))
@pytest.mark.sampled(2)
def test_specs_are_dagster_dbts_in_the_words_they_share(company: str, tmp_path: Path) -> None:
    project = load_project(Settings.load({}, project_dir=COMPANIES[company], data_dir=tmp_path))
    starts = partitions_definitions(project.partition_starts)
    ours = asset_specs(project.manifest, project.lineage, starts, project.catalogue)
    translator = ByRelation(project.manifest)
    assert ours
    for node in project.manifest.nodes.values():
        theirs = translator.get_asset_spec(project.manifest.content, node.unique_id, None)
        mine = ours[node.relation]
        for word in ("key", "kinds", "owners", "tags"):
            assert getattr(mine, word) == getattr(theirs, word), (node.name, word)
        # Of a seed dagster-dbt shows an empty block of SQL, and dbt's checksum, which may be that of a path.
        if node.resource_type != "seed":
            assert mine.description == theirs.description
            assert mine.code_version == theirs.code_version
        shared = {key: value for key, value in theirs.metadata.items() if not key.startswith("dagster_dbt/")}
        metadata = dict(mine.metadata)
        metadata.pop("dagster/column_lineage", None)  # theirs is of a run
        assert _described(metadata, shared) == shared, node.name
        # What its data tests read comes before a model as well.
        table = project.lineage.tables[node.relation]
        besides = {dg.AssetKey(name.split(".")) for name in {*table.tested_beside, *table.awaits}}
        assert {dep.asset_key for dep in mine.deps} == {dep.asset_key for dep in theirs.deps} | besides


def _described(ours: dict[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    """Return our metadata as theirs is: of described columns alone, and without what those are made of."""
    schema = ours.pop("dagster/column_schema", None)
    if (said := theirs.get("dagster/column_schema")) is None:
        return ours
    columns = {column.name: column for column in schema.columns}
    for column in said.columns:
        mine = columns[column.name]
        assert (mine.description or "").startswith(column.description or "")
        assert (mine.type, mine.tags) == (column.type, column.tags)
    return {**ours, "dagster/column_schema": said}
