"""The graph of columns, of a real project: its tables, and what a node or an export file adds to its SQL."""

from dataclasses import replace

import pytest
from sluicegate.columns.building import NOT_BOUND, column_graph
from sluicegate.columns.graph import ColumnGraph
from sluicegate.core.column_origins import Kind, Origin, Place
from sluicegate.core.relations import Relation
from sluicegate.core.settings import Settings
from sluicegate.project.loading import Project
from sluicegate.transformation.binding import BoundSql, bound_sql

from tests.columns.conftest import Edited
from tests.company import BAKERY
from tests.parses import loaded

WEATHER, ORDERS, SHOPS = (Relation("raw", name) for name in ("weather", "orders", "shops"))
STG_ORDERS, STG_WEATHER = Relation("staging", "stg_orders"), Relation("staging", "stg_weather")
SHOP_ORDERS = Relation("marts", "shop_orders")
REPORT, SCREENS = Relation("delivered", "exp_weather_report"), Relation("delivered", "exp_shop_orders")
SENT = Relation("exports", "exp_weather_report")
LAST_MILE = """
names: {town: Where}
last_mile:
  - map: {column: rain_mm, values: {0: 1}}
    owner: me@bakery.example
    reason: soon
    issue: https://x.example/1
    declared: 2026-04-01
    expires: 2026-05-01
  - filter: {column: town, drop: [Ulm]}
    owner: me@bakery.example
    reason: soon
    issue: https://x.example/1
    declared: 2026-04-01
    expires: 2026-05-01
"""
HOOKS = """
seeds:
  bakery: {+schema: reference, +full_refresh: false, +post-hook: "{{ record_table_version() }}"}
snapshots:
  bakery: {+post-hook: "{{ record_table_version() }}"}
"""
SNAPSHOT = """
snapshots:
  - name: shops_kept
    relation: source('raw', 'shops')
    config: {schema: kept, strategy: check, unique_key: shop, check_cols: [town]}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return loaded(Settings.load({}, project_dir=BAKERY, data_dir=tmp_path_factory.mktemp("data")))


def rebuilt(project: Project, bound: BoundSql) -> ColumnGraph:
    return column_graph(project.contracts, project.manifest, bound, project.exports)


def bound_of(project: Project) -> BoundSql:
    return bound_sql(project.identity.settings, project.manifest.digests)


def test_sources_have_what_lands_and_stand_before_all_that_is_made_of_them(project: Project) -> None:
    tables = project.columns.tables
    assert list(tables[WEATHER].columns) == ["weather_date", "town", "rain_mm", "_partition_key", "_drop"]
    assert not any(tables[WEATHER].columns.values())
    order = list(tables)
    for table in tables.values():
        assert all(order.index(parent) < order.index(table.relation) for parent in table.reads)
    assert {place.relation for place in project.columns.fields()} == {REPORT, SCREENS}


def test_a_row_is_in_one_partition_only_where_it_says_so_itself(project: Project) -> None:
    tables = project.columns.tables
    assert tables[STG_ORDERS].row_of == ORDERS, "its partition is a column of the row"
    assert tables[STG_WEATHER].row_of == WEATHER
    by_day = {node.relation: node for node in project.manifest.nodes.values()}[STG_ORDERS]
    bound = bound_of(project)
    known = bound.origins[by_day.unique_id]
    # A model that stamps each row with the day of its run has every row in every partition.
    stamped = replace(known, columns={**known.columns, "business_date": frozenset[Origin]()})
    graph = rebuilt(project, replace(bound, origins={**dict(bound.origins), by_day.unique_id: stamped}))
    assert graph.tables[STG_ORDERS].row_of is None


def test_what_is_not_bound_is_made_of_all_that_it_reads(project: Project) -> None:
    bound = bound_of(project)
    ids = {node.relation: node.unique_id for node in project.manifest.nodes.values()}
    others = {name: origins for name, origins in bound.origins.items() if name != ids[SHOP_ORDERS]}
    table = rebuilt(project, replace(bound, origins=others)).tables[SHOP_ORDERS]
    assert table.not_understood == (NOT_BOUND,)
    assert table.reads == {STG_ORDERS, STG_WEATHER, SHOPS}
    every = {
        Origin(Place(parent, column), Kind.IDENTITY)
        for parent in table.reads
        for column in project.columns.tables[parent].columns
    }
    assert {frozenset(origins) for origins in table.columns.values()} == {frozenset(every)}
    assert list(table.columns) == ["business_date", "shop", "town", "loaves", "rain_mm"]


def test_an_export_sends_its_models_columns_as_its_file_says(bakery: Edited) -> None:
    bakery.write("contracts/classes.yml", "classes: [public, internal, restricted, personal]\n")
    path = "exports/exp_weather_report.yml"
    bakery.write(path, (bakery.folder / path).read_text() + LAST_MILE + "classes: [internal, restricted]\n")
    bakery.edit(path, ("partitions: each", "partitions: latest"), ("[business_date, town]", "[town]"))
    screens = "exports/exp_shop_orders.yml"
    bakery.write(screens, (bakery.folder / screens).read_text() + "classes: [internal, restricted]\n")
    project = bakery.load()
    table = project.columns.tables[REPORT]
    rain, town = Place(SENT, "rain_mm"), Place(SENT, "town")
    assert table.columns == {
        "Where": {Origin(town, Kind.IDENTITY)},
        "rain_mm": {Origin(rain, Kind.TRANSFORMATION), Origin(rain, Kind.CONDITIONAL)},
    }
    assert table.rows == {Origin(town, Kind.FILTER)}
    assert (table.reads, table.row_of) == ({SENT}, SENT)
    assert project.classes.of(Place(REPORT, "rain_mm")) == {"restricted"}, "a map lowers nothing"
    bakery.edit(path, ("{0: 1}", "{0: 2}"), ("drop: [Ulm]", "drop: [Bonn]"))
    other = bakery.load().columns.tables[REPORT]
    assert other.digests["Where"] == table.digests["Where"]
    assert other.digests["rain_mm"] != table.digests["rain_mm"]
    assert other.rows_digest != table.rows_digest


def test_seeds_and_snapshots_are_tables_and_carry_classes(bakery: Edited) -> None:
    bakery.classify("shops", "The town that the shop stands in.", "personal")
    bakery.edit(
        "exports/exp_weather_report.yml", ("partitions: each", "partitions: each\nclasses: [restricted]")
    )
    bakery.edit(
        "exports/exp_shop_orders.yml", ("partitions: each", "partitions: each\nclasses: [restricted]")
    )
    bakery.write("contracts/classes.yml", "indirect: {personal: allow}\n")
    for name in ("seeds", "snapshots"):
        (bakery.folder / "dbt_project" / name).mkdir()
    bakery.write("dbt_project/snapshots/kept.yml", SNAPSHOT)
    bakery.write("dbt_project/seeds/mills.csv", "mill,miller\nA,Otto\n")
    bakery.write(
        "dbt_project/seeds/_seeds.yml",
        "seeds:\n  - name: mills\n    columns:\n"
        "      - {name: miller, config: {meta: {classification: personal}}}\n",
    )
    settings = "dbt_project/dbt_project.yml"
    bakery.write(settings, (bakery.folder / settings).read_text() + HOOKS)
    assert bakery.told() == []
    project = bakery.load()
    kept, mills = Relation("kept", "shops_kept"), Relation("reference", "mills")
    assert project.classes.of(Place(kept, "town")) == {"personal"}
    assert project.columns.tables[kept].row_of is None
    assert project.classes.of(Place(mills, "miller")) == {"personal"}
    assert project.classified_columns[mills] == {"miller"}
    assert project.classified_columns[kept] >= {"town"}
