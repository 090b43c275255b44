"""Whether a table is partitioned: the manifest and the macros answer alike, of every kind and config.

Each is built by dbt itself, in one run: what `sluice check` refuses, too.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import date

import pytest
from sluicegate.transformation.slices import partition_column

from tests.dbt.test_partitions import PROJECT
from tests.dbt.warehouse import Warehouse

DAY = date(2022, 10, 1)
_FOLDER = "\n    +partition_by: baked_on\n    +incremental_strategy: partition\n"
_SQL = "select date '2022-10-01' as baked_on, 1 as loaves"


@dataclass(frozen=True)
class Kind:
    """A table of a kind: its file, and the words by which the file configures it."""

    resource: str
    materialized: str
    strategy: str
    column: str

    @property
    def name(self) -> str:
        return "_".join(
            part or "none" for part in (self.resource, self.materialized, self.strategy, self.column)
        )

    @property
    def file(self) -> tuple[str, str]:
        said = {"materialized": self.materialized, "incremental_strategy": self.strategy}
        words = [f"{word}='{value}'" for word, value in said.items() if value]
        words.append(f"partition_by='{self.column}'" if self.column else "partition_by=none")
        if self.resource == "seed":
            return f"seeds/{self.name}.csv", "baked_on,loaves\n2022-10-01,1\n"
        if self.resource == "snapshot":
            words += ["unique_key='loaves'", "strategy='check'", "check_cols='all'", "target_schema='shop'"]
            config = f"{{{{ config({', '.join(words)}) }}}}"
            return (
                f"snapshots/{self.name}.sql",
                f"{{% snapshot {self.name} %}}{config} {_SQL}{{% endsnapshot %}}",
            )
        words += ["unique_key='loaves'", "on_schema_change='append_new_columns'", "full_refresh=false"]
        return f"models/{self.name}.sql", f"{{{{ config({', '.join(words)}) }}}}\n{_SQL}\n"


KINDS = [
    *(
        Kind("model", materialized, strategy, column)
        for materialized, strategy, column in itertools.product(
            ("table", "view", "incremental"),
            ("partition", "append", "delete+insert", "merge", ""),
            ("baked_on", ""),
        )
        # The strategy, the folder's too, asks for a column.
        if not (materialized == "incremental" and strategy in ("partition", "") and not column)
    ),
    *(
        Kind("snapshot", "", strategy, column)
        for strategy in ("", "partition")
        for column in ("", "baked_on")
    ),
    Kind("seed", "", "", ""),
]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """A project with all of them below folders that say how models are partitioned, built for a day twice."""
    folder = tmp_path_factory.mktemp("alike")
    project = folder / "project"
    project.mkdir()
    below = "\nseeds:\n  bakery:\n    +schema: shop\n    +post-hook: '{{ record_table_version() }}'" + _FOLDER
    below += "snapshots:\n  bakery:\n    +post-hook: '{{ record_table_version() }}'" + _FOLDER
    text = PROJECT["dbt_project.yml"].rstrip() + _FOLDER + below
    (project / "dbt_project.yml").write_text(text)
    (project / "profiles.yml").write_text(PROJECT["profiles.yml"])
    for kind in KINDS:
        name, content = kind.file
        path = project / name.replace("+", "_and_")
        path.parent.mkdir(exist_ok=True)
        path.write_text(content.replace(kind.name, kind.name.replace("+", "_and_")))
    warehouse = Warehouse(project, folder)
    for _ in range(2):
        done = warehouse.dbt("build", day=DAY)
        assert done.success, done.messages
    return warehouse


@pytest.mark.sampled(3)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_manifest_and_the_macros_answer_alike(built: Warehouse, kind: Kind) -> None:
    name = kind.name.replace("+", "_and_")
    node = next(node for node in built.manifest.nodes.values() if node.name == name)
    cut = partition_column(node.config.to_dict())
    recorded = built.rows(f"select partition_key from sluice.table_versions where relation = 'shop.{name}'")
    assert recorded == [(DAY.isoformat() if cut else "",)]
    expected = kind.materialized == "incremental" and kind.strategy in ("partition", "")
    assert cut == ("baked_on" if expected else None)


def test_without_a_partition_only_what_is_partitioned_is_refused(built: Warehouse) -> None:
    done = built.dbt("build")
    assert done.failed() == {"model_incremental_partition_baked_on", "model_incremental_none_baked_on"}
    assert "'model_incremental_partition_baked_on' is partitioned, and this run names no" in done.messages
