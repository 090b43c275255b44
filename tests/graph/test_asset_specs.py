"""Our asset specs of dbt's tables beside dagster-dbt's: one reader's words, whoever wrote them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings

from orchestration.core.settings import Settings
from orchestration.graph.model_specs import asset_specs
from orchestration.graph.partitions import partitions_definitions
from orchestration.project.loading import load_project
from orchestration.transformation.manifest import DbtManifest
from tests.graph.shape import COMPANIES


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
def test_specs_are_dagster_dbts_in_the_words_they_share(company: str, tmp_path: Path) -> None:
    project = load_project(Settings.load({}, project_dir=COMPANIES[company], data_dir=tmp_path))
    ours = asset_specs(project.manifest, project.lineage, partitions_definitions(project.partition_starts))
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
        assert dict(mine.metadata) == shared, node.name
        # What its data tests read comes before a model as well.
        table = project.lineage.tables[node.relation]
        besides = {dg.AssetKey(name.split(".")) for name in {*table.tested_beside, *table.awaits}}
        assert {dep.asset_key for dep in mine.deps} == {dep.asset_key for dep in theirs.deps} | besides
