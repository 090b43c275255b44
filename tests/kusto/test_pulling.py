"""From a database to files, and back: what was pulled is checked, and differs in nothing.

Does not belong here: the command (`test_deploy_commands`).
"""

import json
from pathlib import Path

import pytest
from sluicegate.core.problems import Problem
from sluicegate.destinations.adx import kql
from sluicegate.kusto.deploying import cluster_of
from sluicegate.kusto.held import Held
from sluicegate.kusto.objects import KustoProject
from sluicegate.kusto.pulling import Pulled, pull
from sluicegate.kusto.reading import load_kusto

from tests.kusto.bench import KustoBench, function
from tests.kusto.test_deploying import FILES as SPELLED
from tests.kusto.test_deploying import respell

MAPPING = json.dumps([{"Column": "a", "Properties": {"Ordinal": "0"}}])
DOCSTRING = "of \"this\" 'and' that \\ // {x}\nü😀"
TYPED = [
    f".create-or-alter function with (folder='a\\\\b', docstring={kql.text(DOCSTRING)}) First(a: long = 5)"
    "\r\n{\r\n  items // note\r\n\r\n  | where item == a and note != '// no'\r\n}",
    ".create-or-alter function ['a-b c']() { First() | union (First(2)) }",
    ".create-merge table other (a: int, ['b c']: string) with (folder='f')",
    ".create-merge table target (a: int, ['b c']: string)",
    ".create-or-alter materialized-view with (lookback=time(1.12:00:00), docString='v')"
    " V on table other { other | summarize arg_max(a, *) by ['b c'] }",
    ".create-or-alter materialized-view W on materialized-view V { V | summarize count() by a }",
    ".alter table items docstring 'of items'",
    ".alter-merge table items column-docstrings (item: 'its number', day: 'sluice: date32[day]')",
    ".alter-merge table items policy retention softdelete = 36h recoverability = disabled",
    ".alter table other policy caching hotdata = 2d hotindex = 3d",
    ".alter table items policy row_level_security enable \"items | where note != 'x'\"",
    '.alter table target policy update \'[{"Source": "other", "Query": "other | take 5"}]\'',
    f".create-or-alter table other ingestion csv mapping 'm' '{MAPPING}'",
    ".create-or-alter table items ingestion parquet mapping 'sluice_1' '[]'",
    ".create-merge table items_sluice_staging (a: int) with (folder='sluice')",
]


@pytest.fixture
def bench(kusto_there: KustoBench) -> KustoBench:
    """A database that people have made, and no files."""
    kusto_there.deliver()
    for text in TYPED:
        kusto_there.command(text)
    kusto_there.project_dir.mkdir()
    return kusto_there


def pulled(bench: KustoBench, *only: str) -> Pulled:
    def read(folder: Path) -> tuple[KustoProject | None, list[Problem]]:
        return load_kusto(folder, None, bench.feeds, start=bench.start)

    project = read(bench.project_dir)[0] or KustoProject("telemetry", feeds=bench.feeds)
    with cluster_of(bench.place) as cluster, bench.words() as words:
        ours = bench.store.kusto_objects.of(bench.place.name)
        return pull(Held(cluster, words), bench.project_dir, project, words, read, only, ours)


def write(bench: KustoBench, found: Pulled) -> None:
    for name, text in found.texts.items():
        path = bench.project_dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_what_was_pulled_is_checked_and_differs_in_nothing(bench: KustoBench) -> None:
    found = pulled(bench)
    assert (found.left, found.same, found.other) == ([], [], [])
    assert {*found.texts} == {
        "kusto/database.yml", "kusto/functions/First.kql", "kusto/functions/a-b c.kql", "kusto/views/V.kql",
        "kusto/views/W.kql",
        "kusto/tables/items.kql", "kusto/tables/other.kql", "kusto/tables/target.kql",
    }  # fmt: skip
    assert "sluice" not in found.texts["kusto/tables/items.kql"]
    write(bench, found)
    before = len(bench.sent())
    assert bench.states() == {}
    assert bench.deploy() == 0
    assert len(bench.sent()) == before
    assert len(bench.store.kusto_objects.of("adx://there/db")) == 7
    again = pulled(bench)
    assert (again.texts, len(again.same)) == ({}, 7)


def test_what_is_not_allowed_or_not_shown_is_left_and_told(bench: KustoBench) -> None:
    for text in (
        ".create-or-alter function Secret() { print h'password' }",
        ".create-or-alter function with (skipvalidation=true) Far() { cluster('x').database('y').Z }",
        ".create-or-alter function with (skipvalidation=true) UsesFar() { Far() }",
    ):
        bench.command(text)
    found = pulled(bench)
    assert {one.split(":")[0].split("/")[-1] for one in found.left} >= {"Secret.kql", "Far.kql"}
    assert not any("password" in text for text in found.texts.values())
    write(bench, found)
    assert bench.project().objects


def test_a_file_that_says_the_same_stays_and_another_is_named(bench: KustoBench) -> None:
    write(bench, pulled(bench))
    own = "// ours\n" + (bench.project_dir / "kusto/functions/a-b c.kql").read_text()
    bench.write(
        {"functions/a-b c.kql": own, "tables/items.kql": ".alter table items docstring 'mine'\n"}, whole=False
    )
    found = pulled(bench)
    assert found.other == ["kusto/tables/items.kql"]
    assert "kusto/functions/a-b c.kql" in found.same
    assert {*pulled(bench, "First").texts} == set()
    bench.write({"functions/First.kql": function("First", "items", "(a: long = 5)")}, whole=False)
    assert {*pulled(bench, "First").texts} == {"kusto/functions/First.kql"}


def test_what_the_service_only_spells_in_other_words_is_the_same(kusto_there: KustoBench) -> None:
    bench = kusto_there
    respell(bench.kusto)
    bench.write(SPELLED)
    bench.deliver()
    bench.deploy()
    assert (pulled(bench).texts, pulled(bench).other) == ({}, [])
    bench.command(".create-or-alter function A() { Zero() }")
    bench.command(SPELLED["views/Daily.kql"].replace("count()", "max(item)"))
    assert pulled(bench).other == ["kusto/functions/A.kql", "kusto/views/Daily.kql"]


WORDS = ["and", "date", "has_any", "kind", "True", "FALSE", "title", "to", "where", "with", "Plain"]


def test_names_that_are_words_of_kusto_are_quoted(bench: KustoBench) -> None:
    listed = ", ".join(f"{kql.name(name)}: int" for name in WORDS)
    documented = listed.replace(": int", ": 'of it'")
    for name in WORDS:
        bench.command(f".create-or-alter function {kql.name(name)}() {{ items }}")
    bench.command(f".create-merge table ['string'] ({listed})")
    bench.command(f".alter-merge table ['string'] column-docstrings ({documented})")
    write(bench, found := pulled(bench))
    assert (found.left, bench.states()) == ([], {})
    assert " Plain: int" in found.texts["kusto/tables/string.kql"]


def test_no_name_leads_out_of_the_folder(bench: KustoBench) -> None:
    names = ["..", "../../evil", "a/b", "..\\evil", "/evil", "a:b"]
    for name in names:
        bench.command(f".create-or-alter function {kql.name(name)}() {{ items }}")
    found = pulled(bench)
    assert [one.split(": ")[0] for one in found.left] == [
        kql.text(f"functions/{name}.kql") for name in sorted(names)
    ]
    root = (bench.project_dir / "kusto").resolve()
    assert all((bench.project_dir / name).resolve().is_relative_to(root) for name in found.texts)


def test_a_name_that_is_not_there_is_told(bench: KustoBench) -> None:
    with pytest.raises(ValueError, match="nothing that is called first, nope; "):
        pulled(bench, "First", "nope", "first")
    assert pulled(bench, "items_sluice_staging").texts.keys() == {"kusto/database.yml"}
