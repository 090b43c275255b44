"""A project's origins: of models, seeds and snapshots, found when it is bound, kept, and read when asked.

Belongs here: nodes of a real project. Does not belong here: what one query is made of (test_constructs.py).
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from sluicegate.core.column_origins import Kind, NotUnderstood, Origin, Place
from sluicegate.core.relations import Relation
from sluicegate.core.settings import Settings
from sluicegate.project.loading import load_project
from sluicegate.transformation.binding import BoundSql, bound_sql
from sluicegate.transformation.empty_tables import EmptyTables
from sluicegate.transformation.manifest import DbtManifest
from sluicegate.transformation.node_origins import origin_notes

from tests.company import BAKERY

MARTS = "dbt_project/models/marts"
ORDERS, SHOPS = Relation("staging", "stg_orders"), Relation("raw", "shops")
DEEP = " + ".join(["loaves"] * 400)
SELECTED = "select shop, town from {{ source('raw', 'shops') }}"


def snapshot(name: str, key: str, strategy: str) -> dict[str, str]:
    config = f"{{{{ config(schema='history', unique_key={key}, strategy={strategy}) }}}}"
    text = f"{{% snapshot {name} %}}\n{config}\n{SELECTED}\n{{% endsnapshot %}}\n"
    return {f"dbt_project/snapshots/{name}.sql": text}


FILES = {
    f"{MARTS}/summed.sql": f"select\n    business_date,\n    {DEEP} as x\nfrom {{{{ ref('stg_orders') }}}}\n",
    f"{MARTS}/shop_sums.sql": (
        "select\n    business_date,\n    shop,\n    sum(loaves) as loaves\nfrom {{ ref('stg_orders') }}\n"
        "group by all\nhaving count(loaves) >= 5\n"
    ),
    "dbt_project/seeds/towns.csv": "town,region\nUlm,South\n",
    **snapshot("by_check", "'shop'", "'check', check_cols=['town']"),
    **snapshot("by_all", "['shop', 'town']", "'check', check_cols='all'"),
    **snapshot("by_time", "'shop'", "'timestamp', updated_at='town::timestamp'"),
}
HOOK = "+post-hook: '{{ record_table_version() }}'"
OF_FOLDERS = f"\nseeds:\n  bakery:\n    +schema: reference\n    {HOOK}\nsnapshots:\n  bakery:\n    {HOOK}\n"


@dataclass(frozen=True)
class Bound:
    """A bakery with more nodes, and what was bound of it."""

    settings: Settings
    manifest: DbtManifest

    @property
    def sql(self) -> BoundSql:
        return bound_sql(self.settings, self.manifest.digests)


@pytest.fixture(scope="module")
def bakery(tmp_path_factory: pytest.TempPathFactory) -> Bound:
    folder = tmp_path_factory.mktemp("origins") / "bakery"
    shutil.copytree(BAKERY, folder)
    for name, text in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    project_file = folder / "dbt_project/dbt_project.yml"
    project_file.write_text(project_file.read_text() + OF_FOLDERS)
    settings = Settings.load({}, project_dir=folder, data_dir=folder.parent / "data")
    return Bound(settings, load_project(settings).manifest)


def of(kind: Kind, relation: Relation, *columns: str) -> frozenset[Origin]:
    return frozenset(Origin(Place(relation, column), kind) for column in columns)


def test_a_model_is_made_of_its_parents(bakery: Bound) -> None:
    made = bakery.sql.origins["model.bakery.stg_orders"]
    raw = Relation("raw", "orders")
    assert made.relation == ORDERS
    assert made.columns["business_date"] == of(Kind.IDENTITY, raw, "order_date")
    # The slice of a partition is asked for by `source()`.
    assert of(Kind.FILTER, raw, "_partition_key") <= made.rows
    assert made.row_of == raw
    assert made.reads == frozenset({raw})


def test_what_is_proven_of_a_measure_is_kept(bakery: Bound) -> None:
    made = bakery.sql.origins["model.bakery.shop_sums"]
    [loaves] = made.columns["loaves"]
    assert (loaves.place, loaves.kind, loaves.at_least) == (Place(ORDERS, "loaves"), Kind.MEASURE, 5)
    assert {place.column for place in loaves.chosen_by} == {"business_date", "shop"}


def test_a_seed_has_columns_and_is_made_of_nothing(bakery: Bound) -> None:
    made = bakery.sql.origins["seed.bakery.towns"]
    assert (made.relation, made.columns) == (
        Relation("reference", "towns"), {"town": frozenset(), "region": frozenset()},
    )  # fmt: skip


SEEDS = {
    # A seed's file: the columns of which something is another.
    "town,region\r\nUlm,South\r\n": set[str](),
    "town,region\nUlm,South": set[str](),
    '\ufefftown,"region"\n"Ulm",South\n': set[str](),
    "town,region\nUlm,North\n": {"region"},
    "town,region\nUlm,South\nKiel,North\n": {"town", "region"},
    "town,region\nUlm,\n": {"region"},
}


@pytest.mark.parametrize("text", SEEDS)
def test_a_seed_is_what_stands_in_its_file(bakery: Bound, text: str, tmp_path: Path) -> None:
    known: Mapping[str, Any] = bakery.manifest.content["nodes"]["seed.bakery.towns"]
    node: dict[str, Any] = {**known, "root_path": str(tmp_path), "original_file_path": "other.csv"}
    (tmp_path / "other.csv").write_bytes(text.encode())
    tables = EmptyTables(bakery.settings, {"nodes": {}, "sources": {}})

    found = tables.seed_digests(node)

    kept = bakery.sql.origins["seed.bakery.towns"]
    assert {name for name, digest in kept.digests.items() if digest != found[name]} == SEEDS[text]
    typed = {**node, "config": {**node["config"], "column_types": {"town": "varchar(9)"}}}
    assert [name for name, digest in tables.seed_digests(typed).items() if digest != found[name]] == ["town"]


IDENTITIES = {name: of(Kind.IDENTITY, SHOPS, name) for name in ("shop", "town")}
NOTHING: Mapping[str, frozenset[Origin]] = {"dbt_updated_at": frozenset(), "dbt_valid_from": frozenset()}
SNAPSHOTS: dict[str, tuple[dict[str, frozenset[Origin]], frozenset[Origin]]] = {
    "by_check": (
        {
            **IDENTITIES, **NOTHING,
            "dbt_scd_id": of(Kind.TRANSFORMATION, SHOPS, "shop"),
            "dbt_valid_to": of(Kind.WINDOW, SHOPS, "shop"),
        },
        of(Kind.FILTER, SHOPS, "shop", "town"),
    ),
    "by_all": (
        {
            **IDENTITIES, **NOTHING,
            "dbt_scd_id": of(Kind.TRANSFORMATION, SHOPS, "shop", "town"),
            "dbt_valid_to": of(Kind.WINDOW, SHOPS, "shop", "town"),
        },
        of(Kind.FILTER, SHOPS, "shop", "town"),
    ),
    "by_time": (
        {
            **IDENTITIES,
            "dbt_updated_at": of(Kind.IDENTITY, SHOPS, "town"),
            "dbt_valid_from": of(Kind.IDENTITY, SHOPS, "town"),
            "dbt_scd_id": of(Kind.TRANSFORMATION, SHOPS, "shop", "town"),
            "dbt_valid_to": of(Kind.PICK, SHOPS, "town") | of(Kind.WINDOW, SHOPS, "shop", "town"),
        },
        of(Kind.FILTER, SHOPS, "shop", "town"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SNAPSHOTS)
def test_of_a_snapshot_the_columns_that_dbt_adds_have_origins_too(bakery: Bound, name: str) -> None:
    made, (columns, rows) = bakery.sql.origins[f"snapshot.bakery.{name}"], SNAPSHOTS[name]
    assert made.columns == columns
    assert made.rows == rows
    assert made.row_of is None
    assert made.not_understood == ()
    assert list(made.columns) == [column for column, _ in bakery.sql.columns[f"snapshot.bakery.{name}"]]


def test_what_is_not_understood_is_no_error_and_is_named_with_its_file(bakery: Bound) -> None:
    bound, content = bakery.sql, bakery.manifest.content
    made = bound.origins["model.bakery.summed"]
    everything = {origin.place.column for origin in made.columns["x"]}
    assert everything == {"business_date", "order_number", "shop", "loaves"}
    [note] = origin_notes(bakery.settings, content, bound.compiled, bound.origins)
    assert note.file == f"{MARTS}/summed.sql"
    assert "`summed`: a query that is nested so deeply is not understood" in note.what


def test_the_line_that_is_not_understood_is_that_of_the_file(bakery: Bound) -> None:
    unique_id = "model.bakery.shop_sums"
    bound, content = bakery.sql, bakery.manifest.content
    unknown = NotUnderstood("the function `sum` is not understood", bound.compiled[unique_id].index("sum("))
    made = replace(bound.origins[unique_id], not_understood=(unknown,))
    [note] = origin_notes(bakery.settings, content, bound.compiled, {unique_id: made})
    assert (note.file, note.line) == (f"{MARTS}/shop_sums.sql", 4)


def test_all_tables_of_the_project_have_origins_and_tests_have_none(bakery: Bound) -> None:
    bound = bakery.sql
    assert set(bound.origins) == set(bakery.manifest.nodes)
    assert len(bound.origins) == len(bakery.manifest.nodes)
    for unique_id, made in bound.origins.items():
        assert made.relation == bakery.manifest.nodes[unique_id].relation
        assert list(made.columns) == [column for column, _ in bound.columns[unique_id]]


def test_what_has_changed_is_read_anew_and_the_rest_is_kept(bakery: Bound) -> None:
    model = bakery.settings.project_dir / MARTS / "shop_sums.sql"
    kept = bakery.settings.dbt_target_dir / "bound.json"
    before = json.loads(kept.read_text())["nodes"]
    model.write_text(FILES[f"{MARTS}/shop_sums.sql"].replace("sum(", "max("))
    after = Bound(bakery.settings, load_project(bakery.settings).manifest)
    made = after.sql.origins["model.bakery.shop_sums"]
    assert made.columns["loaves"] == of(Kind.PICK, ORDERS, "loaves")
    assert (
        made.digests["loaves"] != json.loads(before["model.bakery.shop_sums"]["origins"])["digests"]["loaves"]
    )
    changed = json.loads(kept.read_text())["nodes"]
    assert [name for name, item in changed.items() if item != before[name]] == ["model.bakery.shop_sums"]


def test_origins_of_another_code_are_not_given(bakery: Bound) -> None:
    digests = {**bakery.manifest.digests, "model.bakery.summed": "another"}
    found = bound_sql(bakery.settings, digests).origins
    assert set(bakery.manifest.nodes) - set(found) >= {"model.bakery.summed"}


def test_a_settings_of_nothing_bound_has_no_origins(tmp_path: Path) -> None:
    settings = Settings.load({}, project_dir=BAKERY, data_dir=tmp_path)
    assert dict(bound_sql(settings, {}).origins) == {}
