"""Columns of `kusto/` in the graph of all columns: from a field of an export to what functions give.

Belongs here: what stands below a field, what reads it, classes, what a change comes to. Does not: how KQL is
understood (`test_origins`).
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from sluicegate.cli import app
from sluicegate.cli.impact_text import markdown_of
from sluicegate.columns.asked import field_of, hanging_on
from sluicegate.columns.catalogue import Catalogue, tables_shown
from sluicegate.columns.changes import State
from sluicegate.columns.classes import ClassFlow
from sluicegate.columns.graph import DELIVERED, KUSTO, KUSTO_TABLE, ColumnGraph
from sluicegate.columns.impact import How, deciding
from sluicegate.columns.kusto_columns import kusto_tables, kusto_types
from sluicegate.columns.lineage_page import lineage_data
from sluicegate.columns.receivers import receivers
from sluicegate.columns.report import ImpactReport, Names, schema_text
from sluicegate.columns.since import since
from sluicegate.contracts.classes import ClassRules
from sluicegate.contracts.columns import Column
from sluicegate.contracts.load import load_contracts
from sluicegate.core.column_origins import Kind, Origin, Place, TableOrigins
from sluicegate.core.partitions import Grain, Partitioning
from sluicegate.core.relations import Relation
from sluicegate.core.stages import Stage
from sluicegate.graph.columns_shown import column_lineage
from sluicegate.kusto.language.engine import UNKNOWN, Origins
from sluicegate.kusto.objects import FilledTable, KustoProject
from sluicegate.transformation.manifest import DbtManifest
from typer.testing import CliRunner

from tests.company import BAKERY
from tests.kql import FEEDS, read
from tests.kusto.mill import Mill

RAW = Relation("raw", "orders")
NOTHING = DbtManifest({"nodes": {}, "sources": {}})
FILES = {
    "functions/BigSales.kql": "sales | where bottles > 10 | project city, item, big = bottles",
    "functions/ByCity.kql": "BigSales | summarize items = dcount(item), most = max(big) by city",
    "functions/Shops.kql": "stores | distinct store",
    "functions/MostSold.kql": "toscalar(sales | summarize max(bottles))",
    "functions/Above.kql": "stores | extend over = strlen(store) - MostSold() | project store, over",
    "functions/Dead.kql": "sales | extend twice = rank * 2 | project city",
    "views/Last.kql": "sales | summarize arg_max(day, bottles) by city",
}


def definition(name: str, body: str) -> str:
    own = Path(name).stem
    if name.startswith("views"):
        return f".create-or-alter materialized-view {own} on table sales {{ {body} }}"
    return f".create-or-alter function {own}() {{ {body} }}"


def project_of(folder: Path, **edits: str | None) -> KustoProject:
    """The project, with files edited by their names, or taken away; `ByCity` fills a table."""
    bodies = {name: body for name, body in FILES.items() if edits.get(Path(name).stem, "") is not None}
    texts = {name: definition(name, edits.get(Path(name).stem) or body) for name, body in bodies.items()}
    folder.mkdir(exist_ok=True)
    kusto, problems = read(folder, texts)
    assert kusto is not None
    assert not problems
    columns = next((one.columns for one in kusto.objects if one.name == "ByCity"), None)
    filled = FilledTable(
        "city_report", "ByCity", "kusto/filled/city_report.yml", Stage.PRODUCTION, "What cities bought.",
        "mill@bakery.example", Partitioning(Grain.SNAPSHOT), ("exp_sales",), (), (), "", tuple(columns or ()),
    )  # fmt: skip
    return replace(kusto, filled=[filled] if columns else [])


def graph_of(kusto: KustoProject) -> ColumnGraph:
    """The project's columns below a source with all of them."""
    every = {name for fed in FEEDS for name, _ in fed.columns}
    tables = [TableOrigins(RAW, dict.fromkeys(sorted(every), frozenset[Origin]()))]
    for fed in FEEDS:
        columns = {name: frozenset([Origin(Place(RAW, name), Kind.IDENTITY)]) for name, _ in fed.columns}
        tables.append(TableOrigins(Relation(DELIVERED, fed.export), columns, frozenset([RAW])))
    return ColumnGraph([*tables, *kusto_tables(kusto, {one.relation: one for one in tables})])


@pytest.fixture(scope="module")
def kusto(tmp_path_factory: pytest.TempPathFactory) -> KustoProject:
    return project_of(tmp_path_factory.mktemp("kusto"))


@pytest.fixture(scope="module")
def names(kusto: KustoProject) -> Names:
    return Names(graph_of(kusto), receivers({}, NOTHING, kusto))


# {what is asked: (fields below it, who gets other rows, who reads it)}
BELOW: Mapping[str, tuple[set[str], set[str], set[str]]] = {
    "orders.bottles": (
        {"BigSales.big value", "ByCity.most value", "city_report.most value", "MostSold.value value",
         "Above.over value", "Last.bottles value"},
        {"BigSales", "ByCity", "city_report"},
        {"BigSales", "ByCity", "city_report", "MostSold", "Above", "Last"},
    ),
    "orders.rank": (set(), set(), {"Dead"}),
    "orders.item": (
        {"BigSales.item value", "ByCity.items value", "city_report.items value"}, set(),
        {"BigSales", "ByCity", "city_report"},
    ),
    "orders.store": (
        {"Shops.store value", "Above.store value", "Above.over value"}, {"Shops"}, {"Shops", "Above"}
    ),
    "BigSales.big": ({"ByCity.most value", "city_report.most value"}, set(), {"ByCity", "city_report"}),
    "ByCity.items": ({"city_report.items value"}, set(), set()),
    "city_report.most": (set(), set(), set()),
    "MostSold": ({"Above.over value"}, {"Above"}, {"Above"}),
    "kusto_table.stores.city": (set(), set(), set()),
}  # fmt: skip


@pytest.mark.parametrize("name", BELOW)
def test_impact_goes_through_functions_to_the_tables_that_they_fill(names: Names, name: str) -> None:
    report = ImpactReport("", names.told(hanging_on(names.graph, {}, name)))
    fields = {f"{one.receiver.name}.{one.field} {one.change.removesuffix('s')}" for one in report.fields}
    reads = {one.receiver.name for change in report.changes for one in change.reads}
    ours = {one.name for one in names.receivers.values()}
    fields = {one for one in fields if one.partition(".")[0] in ours}
    rows = {one.receiver.name for one in report.rows} & ours
    assert (fields, rows, reads) == BELOW[name]
    Draft202012Validator(json.loads(schema_text())).validate(json.loads(json.dumps(asdict(report))))


def test_a_column_of_a_function_is_told_by_what_decides_it(names: Names) -> None:
    place = field_of(names.graph, "city_report.most")
    found = names.origins(place, deciding(names.graph, place))
    assert found.receiver.kind == "table"
    assert {(one.column, one.influence) for one in found.values} == {("bottles", "pick")}
    assert {one.column for one in found.rows} == {"bottles", "city"}
    assert found.values[0].way == (
        "raw.orders.bottles", "delivered.exp_sales.bottles", "kusto_table.sales.bottles",
        "kusto.BigSales.big", "kusto.ByCity.most", "kusto.city_report.most",
    )  # fmt: skip


def test_who_reads_it_is_told_with_the_function_that_names_it(names: Names) -> None:
    text = markdown_of(ImpactReport("", names.told(hanging_on(names.graph, {}, "orders.bottles"))))
    assert "**reads it**: " in text
    assert "function ByCity (as BigSales.big), " in text
    assert "table city\\_report (through ByCity)" in text
    assert "view Last" in text


@pytest.mark.parametrize("column", [name for name, _ in FEEDS[0].columns])
def test_what_is_refused_once_a_column_is_gone_is_what_reads_it(
    tmp_path: Path, names: Names, column: str
) -> None:
    """Those that name the table's column: who reads their columns fails in the database, not in its text."""
    sales = replace(FEEDS[0], columns=[one for one in FEEDS[0].columns if one[0] != column])
    texts = {name: definition(name, body) for name, body in FILES.items()}
    _, problems = read(tmp_path, texts, (sales, FEEDS[1]))
    refused = {Path(problem.file).stem for problem in problems if column in problem.what}
    (found,) = hanging_on(names.graph, {}, f"kusto_table.sales.{column}")
    assert refused == {one.receiver.name for one in found.readers if len(one.way) == 1}


def test_a_class_goes_through_functions_and_the_page_shows_it(kusto: KustoProject, names: Names) -> None:
    graph = names.graph
    columns = [
        Column(name, name, "VARCHAR", False, "", classification="internal" if name == "bottles" else "")
        for name in graph.tables[RAW].columns
    ]
    contract = replace(load_contracts(BAKERY)[0]["orders"], columns=tuple(columns))
    flow = ClassFlow(graph, ClassRules(), {"orders": contract}, {})
    classes = {
        str(place): flow.of(place)
        for table in graph.tables.values() if table.relation.schema in (KUSTO, KUSTO_TABLE)
        for place in (Place(table.relation, name) for name in table.columns)
    }  # fmt: skip
    having = {place.partition(".")[2] for place, found in classes.items() if found}
    assert having == {
        "sales.bottles", "BigSales.big", "ByCity.most", "city_report.most", "MostSold.value", "Above.over",
        "Last.bottles",
    }  # fmt: skip
    page = lineage_data(Catalogue(graph, tables_shown({}, NOTHING, {}, kusto), flow.of))
    shown = {one["name"]: one for one in page["tables"]}
    assert (shown["kusto.ByCity"]["kind"], shown["kusto.ByCity"]["file"]) == (
        "function", "kusto/functions/ByCity.kql",
    )  # fmt: skip
    assert shown["kusto.city_report"]["classes"] == {
        shown["kusto.city_report"]["cols"].index("most"): ["internal"]
    }
    assert shown["kusto_table.sales"]["to"] == "adx / telemetry"


def state(kusto: KustoProject) -> State:
    return State(kusto=kusto, graph=graph_of(kusto), types=kusto_types(kusto))


# {what was edited: the changes as "kind table.columns", and notes}
EDITS: Mapping[str, tuple[dict[str, str | None], set[str]]] = {
    "nothing": ({}, set()),
    "a comment": ({"Shops": "stores // the shops\n | distinct store"}, set()),
    "a column more": (
        {"Shops": "stores | distinct store, city"},
        {"new Shops.city", "values Shops.store", "rows Shops."},
    ),
    "a column less": (
        {"BigSales": "sales | where bottles > 10 | project city, item, big = bottles, day",
         "ByCity": "BigSales | summarize most = max(big) by city"},
        {"gone ByCity.items", "values ByCity.city,most", "rows ByCity.", "new BigSales.day",
         "values BigSales.big,city,item", "rows BigSales."},
    ),
    "another type": (
        {"BigSales": "sales | where bottles > 10 | project city, item, big = toint(bottles)"},
        {"type BigSales.big", "values BigSales.big,city,item", "rows BigSales."},
    ),
    "a function is gone": ({"Dead": None}, {"gone Dead.city"}),
    "a view is gone": ({"Last": None}, {"gone Last.bottles,city,day"}),
}  # fmt: skip


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_is_told_with_what_is_below_it(tmp_path: Path, kusto: KustoProject, name: str) -> None:
    edits, expected = EDITS[name]
    found = since(state(kusto), state(project_of(tmp_path / "later", **edits)))
    changes = [one.change for one in found.effects]
    assert {f"{one.how} {one.relation.name}.{','.join(sorted(one.columns))}" for one in changes} == expected


def test_who_read_a_column_that_is_gone_and_whose_type_is_another_is_told(
    tmp_path: Path, kusto: KustoProject
) -> None:
    edits = EDITS["another type"][0]
    found = since(state(kusto), state(project_of(tmp_path / "later", **edits)))
    (typed,) = [one for one in found.effects if one.change.how is How.TYPE]
    assert {one.receiver.name for one in typed.readers} == {"ByCity", "city_report"}
    assert {(one.field.relation.name, one.field.column, one.how) for one in typed.fields} == {
        ("BigSales", "big", How.TYPE), ("ByCity", "most", How.TYPE), ("city_report", "most", How.TYPE),
    }  # fmt: skip


@pytest.mark.long
def test_a_company_says_what_hangs_on_a_contract(mill: Mill) -> None:
    """The command, on a project that is loaded whole; Dagster's pages have the same."""
    settings = mill.company.settings
    said = CliRunner().invoke(
        app,
        ["impact", "weather.town", "--json", "--project", str(settings.project_dir), "--data",
         str(settings.data_dir)],
        env={"SLUICE_ENVIRONMENT": "production"},
    )  # fmt: skip
    assert said.exit_code == 1, said.output
    report = json.loads(said.stdout)
    reads = {one["receiver"]["name"] for change in report["changes"] for one in change["reads"]}
    assert {"RainByTown", "Towns", "rain_by_town", "towns"} <= reads
    project = mill.company.project
    shown = column_lineage(project.catalogue, Relation(KUSTO, "RainByTown"))["dagster/column_lineage"]
    assert {
        name: [(one.asset_key.to_user_string(), one.column_name) for one in found]
        for name, found in shown.deps_by_column.items()
    } == {
        "town": [("delivered/exp_weather_report", "town")],
        "days": [],
    }


def test_of_what_is_not_understood_every_column_counts(kusto: KustoProject) -> None:
    unknown = [
        replace(one, origins=Origins(blind=[UNKNOWN])) if one.name == "Shops" else one
        for one in kusto.objects
    ]
    table = graph_of(replace(kusto, objects=unknown)).tables[Relation(KUSTO, "Shops")]
    stores = Relation(KUSTO_TABLE, "stores")
    assert {one.place for one in table.columns["store"]} == {Place(stores, "store"), Place(stores, "city")}
    assert table.named == {one.place for one in table.rows} == {one.place for one in table.columns["store"]}


def test_an_update_policy_fills_a_table_that_kusto_itself_makes(tmp_path: Path) -> None:
    made = (
        ".create-merge table Cities (city: string, most: long)\n"
        '.alter table Cities policy update @\'[{"IsEnabled": true, "Source": "sales", "Query":'
        ' "sales | summarize most = max(bottles) by city", "IsTransactional": false}]\''
    )
    reads = definition("functions/Biggest.kql", "Cities | top 3 by most | project city")
    kusto, problems = read(tmp_path, {"tables/Cities.kql": made, "functions/Biggest.kql": reads})
    assert not problems
    assert kusto is not None
    graph = graph_of(kusto)
    (found,) = hanging_on(graph, {}, "orders.bottles")
    assert ("Cities", "most") in {
        (place.relation.name, place.column) for place in graph.below(Place(RAW, "bottles"))
    }
    assert {one.receiver.name for one in found.rows} >= {"Biggest"}
    assert {one.receiver.name for one in found.readers} == {"Biggest"}
