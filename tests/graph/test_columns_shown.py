"""Where each field comes from, on Dagster's pages: in definitions, readable at any width, without a value."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dagster as dg
import pytest

from orchestration.columns.catalogue import Catalogue, TableShown
from orchestration.columns.graph import DELIVERED, KUSTO_TABLE, ColumnGraph
from orchestration.columns.kusto_columns import of_assets
from orchestration.core.column_origins import Kind, NotUnderstood, Origin, Place, TableOrigins
from orchestration.core.relations import RAW, Relation
from orchestration.core.settings import Settings
from orchestration.graph.building import build_definitions
from orchestration.graph.columns_shown import WHERE_FROM, column_lineage, described_from, where_from
from tests.columns.companies import project_of

FEED, MODEL, EXPORT = Relation(RAW, "feed"), Relation("marts", "m"), Relation(DELIVERED, "exp_m")
CRM = "exp_store_gaps_crm"
URL = "http://127.0.0.1:3001"


@cache
def metadata() -> Mapping[str, Mapping[str, Any]]:
    """Return {asset: its definition's metadata} of the demo company."""
    project = project_of("demo")
    with TemporaryDirectory() as data:
        settings = Settings.load(
            {"SLUICE_DATA_DOCS_URL": URL},
            project_dir=project.identity.settings.project_dir,
            data_dir=Path(data),
        )
        graph = build_definitions(settings, project).resolve_asset_graph()
        return {key.to_user_string(): graph.get(key).metadata for key in graph.get_all_asset_keys()}


def wide(fields: int, origins: int = 1) -> Catalogue:
    """Return an export of so many fields, each made of so many columns of a feed."""
    feed = TableOrigins(FEED, {f"c{place}": frozenset() for place in range(origins)})
    made = frozenset(Origin(Place(FEED, name), Kind.MEASURE) for name in feed.columns)
    model = TableOrigins(
        MODEL, {f"f|{place}": made for place in range(fields)}, frozenset({FEED}),
        frozenset({Origin(Place(FEED, "c0"), Kind.FILTER)}), not_understood=(NotUnderstood("x"),),
    )  # fmt: skip
    sent = {name: frozenset({Origin(Place(MODEL, name), Kind.IDENTITY)}) for name in model.columns}
    export = TableOrigins(EXPORT, sent, frozenset({MODEL}))
    tables = {FEED: TableShown("source", "feeds@x.example")}
    return Catalogue(ColumnGraph([feed, model, export]), tables, lambda _: frozenset({"internal"}))


def markdown(catalogue: Catalogue, url: str = "") -> str:
    value = where_from(catalogue, EXPORT, url)[WHERE_FROM]
    assert isinstance(value, dg.MarkdownMetadataValue)
    return value.md_str or ""


def test_an_exports_page_says_of_each_field_where_it_comes_from_how_its_class_and_whose_it_is() -> None:
    shown = metadata()["delivered/exp_store_gaps_crm"]
    lines = shown[WHERE_FROM].md_str.splitlines()
    assert lines[0] == "| Field | Comes from | How | Class | Owner of the source |"
    owner = "data-platform@marketplace.example"
    assert lines[2:5] == [
        f"| `Store_Number__c` | `raw.stores.store_number` | as it is | public | {owner} |",
        f"| `Name` | `raw.stores.store_name` | worked out of it | public | {owner} |",
        f"| `Licensee_Key__c` | `raw.stores.licensee` | as it is | internal | {owner} |",
    ]
    assert "| `Top_Items__c` | no column's value | a number of rows, or a constant |" in lines[6]
    assert lines[-1] == f"[Each way, step by step]({URL}/lineage.html#exp_store_gaps_crm)"
    schema = {column.name: column for column in shown["dagster/column_schema"].columns}
    assert list(schema) == list(project_of("demo").columns.tables[Relation(DELIVERED, CRM)].columns)
    assert schema["Market__c"].type == "varchar"
    assert schema["Market__c"].description == (
        "The city; it serves as the market. From exports.exp_store_gaps_crm.city (as it is)."
    )


def test_models_and_exports_have_dagsters_column_lineage_of_one_step() -> None:
    found = metadata()
    deps = found["delivered/exp_store_gaps_crm"]["dagster/column_lineage"].deps_by_column
    assert deps["Market__c"] == [dg.TableColumnDep(dg.AssetKey(["exports", "exp_store_gaps_crm"]), "city")]
    graph = project_of("demo").columns
    for table in graph.tables.values():
        if table.relation.schema == KUSTO_TABLE:
            continue  # no asset: it stands between the export's and a function's
        shown = found["/".join(table.relation.parts)].get("dagster/column_lineage")
        if not table.reads:
            assert shown is None, "a source and a seed are made of nothing"
            continue
        assert shown is not None
        told = shown.deps_by_column
        assert {
            name: {(dep.asset_key.to_user_string(), dep.column_name) for dep in deps}
            for name, deps in told.items()
        } == {
            name: {
                ("/".join(place.relation.parts), place.column)
                for one in origins
                for place in of_assets(graph, one.place)
            }
            for name, origins in table.columns.items()
        }
        assert all(dep.asset_key.to_user_string() in found for deps in told.values() for dep in deps), (
            "each is an asset of the graph"
        )


def test_a_models_columns_say_what_they_are_made_of_those_without_a_description_too() -> None:
    schema = metadata()["staging/stg_stores"]["dagster/column_schema"]
    columns = {column.name: column.description for column in schema.columns}
    assert columns["store_number"].endswith("From raw.stores.store_number (as it is).")
    assert set(columns) >= set(project_of("demo").columns.tables[Relation("staging", "stg_stores")].columns)


@pytest.mark.parametrize(
    ("fields", "rows", "more"), [(1, 1, 0), (5, 5, 0), (20, 20, 0), (21, 20, 1), (60, 20, 40)]
)
def test_a_wide_export_is_cut_and_names_the_command_that_shows_all(fields: int, rows: int, more: int) -> None:
    text = markdown(wide(fields))
    assert text.count("| `f\\|") == rows
    assert (f"And {more} more fields: `sluice export contract exp_m` lists all." in text) == bool(more)
    assert "And" in text or not more
    assert all(line.count(" | ") == 4 for line in text.splitlines() if line.startswith("| `")), "five cells"


@pytest.mark.parametrize("origins", [1, 3, 50])
def test_a_field_of_many_columns_stays_one_readable_line(origins: int) -> None:
    catalogue = wide(1, origins)
    row = markdown(catalogue).splitlines()[2]
    assert len(row) < 200
    assert ("and 47 more" in row) == (origins == 50)
    said = described_from(catalogue, Place(MODEL, "f|0"), "")
    assert said.startswith("From raw.feed.c0 (counted or summed)")
    assert len(said) < 200


def test_rows_what_is_not_understood_and_a_page_without_an_address_are_a_line_each() -> None:
    lines = markdown(wide(2)).splitlines()
    assert "Which rows are sent: `raw.feed.c0`." in lines
    assert "Not understood, so that all columns count there: `marts.m`." in lines
    assert lines[-1] == "Each way, step by step: `lineage.html#exp_m`, which `sluice page data-docs` makes."
    assert column_lineage(wide(2), FEED) == {}
