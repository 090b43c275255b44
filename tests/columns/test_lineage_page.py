"""`lineage.html`: what it is given, that it needs nobody, and that a browser answers as the graph does."""

import html
import json
import random
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

import pytest
from sluicegate.columns.catalogue import Catalogue, TableShown
from sluicegate.columns.graph import DELIVERED, ColumnGraph
from sluicegate.columns.lineage_page import address, lineage_data, lineage_html, shown_name
from sluicegate.columns.ways import comes_from, rows_come_from
from sluicegate.core.column_origins import Kind, NotUnderstood, Origin, Place, TableOrigins
from sluicegate.core.relations import RAW, Relation

from tests.columns.companies import project_of

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
browser = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine: the page is not run")
NASTY = "</script><script>document.title = 'broken'</script><!--"


def catalogue(graph: ColumnGraph, **shown: TableShown) -> Catalogue:
    tables = {relation: shown[relation.name] for relation in graph.tables if relation.name in shown}
    closed = Place(Relation(RAW, "people"), "mail")
    return Catalogue(graph, tables, lambda place: frozenset({"personal"} if place == closed else ()))


def nasty() -> Catalogue:
    """Return columns whose names and descriptions are what a page must not run."""
    people, model, export = Relation(RAW, "people"), Relation("marts", "m"), Relation(DELIVERED, "exp_m")
    mail = Origin(Place(people, "mail"), Kind.PICK)
    condition = Origin(Place(people, NASTY), Kind.CONDITIONAL)
    who = Origin(Place(model, "who"), Kind.IDENTITY)
    graph = ColumnGraph(
        [
            TableOrigins(people, {"mail": frozenset(), NASTY: frozenset(), "age": frozenset()}),
            TableOrigins(
                model,
                {"who": frozenset({mail, condition})},
                frozenset({people}), frozenset({Origin(Place(people, "age"), Kind.FILTER)}),
                not_understood=(NotUnderstood(f"operator {NASTY}"),),
            ),
            TableOrigins(export, {"Who é": frozenset({who})}, frozenset({model})),
        ]
    )  # fmt: skip
    return catalogue(
        graph,
        people=TableShown("source", "me@x.example", "#people", described={"mail": NASTY}),
        m=TableShown("model"),
        exp_m=TableShown("export", "you@x.example", "#crm", to="webhook / crm / items"),
    )


def generated(seed: int, models: int) -> Catalogue:
    """Return a graph of random edges of all kinds."""
    chance = random.Random(seed)
    tables = [
        TableOrigins(Relation(RAW, f"s{number}"), {f"c{column}": frozenset() for column in range(4)})
        for number in range(5)
    ]
    shown = {table.relation.name: TableShown("source") for table in tables}
    for number in range(models):
        reads = chance.sample([table for table in tables if table.relation.schema != DELIVERED][-12:], 2)
        places = [Place(table.relation, name) for table in reads for name in table.columns]
        columns = {
            f"m{column}": frozenset(
                Origin(place, chance.choice(list(Kind)[:6]))
                for place in chance.sample(places, chance.randint(0, 3))
            )
            for column in range(3)
        }
        rows = frozenset(Origin(place, chance.choice(list(Kind)[6:])) for place in chance.sample(places, 1))
        relation = Relation(DELIVERED if number % 4 == 3 else "marts", f"t{number}")
        made = TableOrigins(relation, columns, frozenset(one.relation for one in reads), rows)
        tables.append(made)
        shown[relation.name] = TableShown("export" if relation.schema == DELIVERED else "model")
    return catalogue(ColumnGraph(tables), **shown)


def given(page: str) -> dict[str, Any]:
    """Return the data that a page holds, as a browser takes it out."""
    [text] = re.findall(r'<script id="data" type="application/json">(.*?)</script>', page, re.DOTALL)
    data: dict[str, Any] = json.loads(text)
    return data


def test_the_page_is_one_file_that_names_no_other_server_and_is_the_same_each_time() -> None:
    project = project_of("demo")
    page = lineage_html(project.catalogue)
    assert page == lineage_html(project_of("demo").catalogue)
    code = page.replace(json.dumps(given(page)), "")
    markup = re.sub(r'<script id="data".*?</script>', "", code, flags=re.DOTALL)
    assert re.findall(r"https?:|//[a-z]|\bimport\b|@import|url\(", markup.replace("/* ", "")) == []
    assert set(re.findall(r'(?:href|src)="([^"]*)"', markup)) == {"index.html"}
    assert "default-src 'none'" in markup
    assert '<meta name="viewport"' in markup
    assert "prefers-color-scheme: dark" in markup
    assert '<label for="search">' in markup


def test_the_page_is_given_every_column_edge_class_and_owner() -> None:
    project = project_of("demo")
    data, graph = given(lineage_html(project.catalogue)), project.columns
    assert data == json.loads(json.dumps(lineage_data(project.catalogue)))
    names = [f"{table['name']}.{column}" for table in data["tables"] for column in table.get("cols", [])]
    assert len(names) == sum(len(table.columns) for table in graph.tables.values())
    told = {
        (names[other], f"{table['name']}.{table['cols'][int(place)]}", data["kinds"][kind][0])
        for table in data["tables"]
        for place, edges in table.get("up", {}).items()
        for other, kind in edges
    }
    assert told == {
        (
            f"{shown_name(origin.place.relation)}.{origin.place.column}",
            f"{shown_name(table.relation)}.{name}",
            origin.kind.value,
        )
        for table in graph.tables.values()
        for name, origins in table.columns.items()
        for origin in origins
    }
    crm = next(table for table in data["tables"] if table["name"] == "exp_store_gaps_crm")
    assert (crm["kind"], crm["owner"], crm["channel"], crm["to"], crm["file"]) == (
        "export", "partnerships@marketplace.example", "#partnerships", "salesforce / crm / Account",
        "exports/exp_store_gaps_crm.yml",
    )  # fmt: skip
    assert crm["classes"]["0"] == ["public"]
    assert "Market__c" in crm["cols"]
    assert {table["kind"] for table in data["tables"]} >= {"source", "model", "seed", "export"}


def test_names_and_texts_cannot_end_the_script() -> None:
    page = lineage_html(nasty())
    assert NASTY not in page
    assert page.count("</script>") == 2, "the data's and the program's own"
    assert given(page)["tables"][0]["cols"][1] == NASTY


@cache
def _dom(page: Path, at: str) -> str:
    """Return the page as a browser shows it at an address within it."""
    assert CHROMIUM is not None
    with TemporaryDirectory(prefix="sluice_browser_") as profile:
        shown = subprocess.run(
            [
                CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                "--disable-background-networking", "--disable-component-update", "--disable-sync",
                f"--user-data-dir={profile}", "--virtual-time-budget=5000", "--dump-dom",
                f"{page.as_uri()}{at}",
            ],
            capture_output=True, check=True, text=True, timeout=120,
        )  # fmt: skip
    return shown.stdout


def shown(page: Path, at: str = "") -> str:
    """Return what a reader sees of it."""
    [main] = re.findall(r'<main id="shown".*?</main>', _dom(page, at), re.DOTALL)
    return " ".join(
        html.unescape(re.sub(r"<wbr>|<[^>]+>", lambda tag: "" if tag[0] == "<wbr>" else " ", main)).split()
    )


def written(tmp_path: Path, page: str, script: str = "") -> Path:
    file = tmp_path / "lineage.html"
    file.write_text(page.replace("</body>", f"{script}</body>"), encoding="utf-8")
    return file


@browser
@pytest.mark.long
def test_a_reader_sees_both_directions_the_class_the_owner_and_the_rows_in_a_line(tmp_path: Path) -> None:
    page = written(tmp_path, lineage_html(nasty()))
    up = shown(page, address("exp_m.Who é"))
    assert "Field of exp_m" in up
    assert "Destination webhook / crm / items" in up
    assert "raw.people.mail one of several rows' values" in up
    assert "personal me@x.example #people" in up
    assert f"raw.people.{NASTY}" in up, "shown, not run"
    assert "Which rows there are is decided by raw.people.age" in up
    assert "Not understood, so that all columns count there: marts.m" in up
    down = shown(page, address("raw.people.mail"))
    assert "exp_m.Who é one of several rows' values" in down
    assert "you@x.example #crm" in down
    assert "Through 1 column of models" in down
    rows = shown(page, address("raw.people.age"))
    assert "Into no field of an export. It also decides which rows are in exp_m (filter)" in rows
    listed = shown(page, "#exp_m")
    assert "Who é raw.people.mail : one of several rows' values" in listed
    assert "There is no raw.people.gone" in shown(page, "#raw.people.gone")
    assert "1 source, 1 model, 1 export, 5 columns." in shown(page)
    assert "<title>broken" not in _dom(page, "")


# Asks the page's own functions about every column, and writes their answers down.
ASKED = """<script>
const answers = names.map((_, column) => [
  full(column),
  [...walk(column, up).values()].map((step) => [full(step.column), kinds[step.kind][0]]),
  [...walk(column, down).values()].map((step) => [full(step.column), kinds[step.kind][0]]),
  [...rowsBelow(column, walk(column, down)).keys()].map((number) => tables[number].name),
]);
const rowsOf = tables.map((table, number) => [table.name, rowsAbove(number).map(full)]);
document.body.append(el("pre", { id: "asked" }, JSON.stringify([answers, rowsOf])));
</script>"""


@browser
@pytest.mark.long
@pytest.mark.parametrize("which", ["demo", "generated"])
def test_a_browser_finds_what_the_graph_finds_in_both_directions(which: str, tmp_path: Path) -> None:
    told = project_of("demo").catalogue if which == "demo" else generated(7, 60)
    graph = told.graph
    dom = _dom(written(tmp_path, lineage_html(told), ASKED), "")
    [answers] = re.findall(r'<pre id="asked">(.*?)</pre>', dom, re.DOTALL)
    columns, tables = json.loads(html.unescape(answers))

    def named(place: Place) -> str:
        return f"{shown_name(place.relation)}.{place.column}"

    wanted: dict[str, tuple[set[tuple[str, str]], set[tuple[str, str]], set[str]]] = {}
    for table in graph.tables.values():
        for place in (Place(table.relation, name) for name in table.columns):
            wanted[named(place)] = (
                {(named(other), one.kind.value) for other, one in graph.above(place).items()},
                {(named(other), one.kind.value) for other, one in graph.below(place).items()},
                {shown_name(relation) for relation in graph.rows_below(place)},
            )
    assert wanted == {
        name: ({(a, b) for a, b in above}, {(a, b) for a, b in below}, set(rows))
        for name, above, below, rows in columns
    }
    assert {name: set(rows) for name, rows in tables} == {
        shown_name(relation): {named(place) for place in rows_come_from(graph, relation)}
        for relation in graph.tables
    }


SEARCHED = """<script>
const box = document.getElementById("search");
const press = (key, on) => on.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
press("/", document.body);
const focused = document.activeElement === box;
box.value = "crm market"; box.dispatchEvent(new Event("input"));
const best = document.querySelector("#found a").dataset.name;
press("ArrowDown", box);
const moved = document.activeElement.dataset.name;
box.value = "c"; box.dispatchEvent(new Event("input"));
const lazy = document.querySelectorAll("#found a").length;
const count = document.getElementById("count").textContent;
document.body.append(el("pre", { id: "asked" }, JSON.stringify({ focused, best, moved, lazy, count })));
</script>"""


@browser
@pytest.mark.long
def test_the_search_is_typed_and_walked_by_keys_and_shows_no_more_than_a_page(tmp_path: Path) -> None:
    dom = _dom(written(tmp_path, lineage_html(project_of("demo").catalogue), SEARCHED), "")
    [said] = re.findall(r'<pre id="asked">(.*?)</pre>', dom, re.DOTALL)
    told = json.loads(html.unescape(said))
    assert told["focused"]
    assert told["best"] == told["moved"] == "exp_store_gaps_crm.Market__c"
    found = int(told["count"].split()[0])
    assert found > told["lazy"] == 100


def test_what_a_field_comes_from_is_in_the_order_of_what_tells_most() -> None:
    found = comes_from(nasty().graph, Place(Relation(DELIVERED, "exp_m"), "Who é"))
    assert [(str(one.place), one.kind) for one in found] == [
        ("raw.people.mail", Kind.PICK), (f"raw.people.{NASTY}", Kind.CONDITIONAL),
    ]  # fmt: skip
    assert [str(place) for place in found[0].way] == [
        "raw.people.mail",
        "marts.m.who",
        "delivered.exp_m.Who é",
    ]
    assert address("exp_m.Who é") == "#" + quote("exp_m.Who é", safe="")
