"""Plans and deploys against the double: what differs is sent, in order, and nothing after that.

Does not belong here: kills (`test_deploy_kills`), which database (`test_places`), files from a database
(`test_pulling`).
"""

import pytest
from sluicegate.core.environments import Environment
from sluicegate.kusto.deploying import DeployStopped
from sluicegate.kusto.planned import State

from tests.doubles.kusto import Kusto
from tests.kusto.bench import ITEMS, KustoBench, function

TABLE = """.alter table items docstring "Items, \\"as sent\\""
.alter table items folder 'raw'
.alter-merge table items column-docstrings (item: "its number")
.alter-merge table items policy retention softdelete = 10d recoverability = disabled
.alter table items policy caching hot = 72h
.alter table items policy row_level_security enable "Visible"
.create-or-alter table items ingestion csv mapping 'm' '[{"Column": "item", "Properties": {"Ordinal": "0"}}]'
"""
_VIEW = ".create-or-alter materialized-view Daily on table"
FILES = {
    "functions/Zero.kql": function("Zero", "items | where item == 0"),
    "functions/A.kql": function(
        "A", "Zero() | extend n = N(item)", "()", 'folder = "x", docstring = \'d "q"\''
    ),
    "functions/N.kql": function("N", "x + 1", "(x: long = 5)"),
    "functions/Visible.kql": function("Visible", "items | where note != 'hidden  // no' // a comment"),
    "views/Daily.kql": ".create-or-alter materialized-view with (lookback = 6h) Daily on table items\n"
    "{ items | summarize n = count() by day }\n",
    "functions/OfView.kql": function("OfView", "Daily | where n > 1"),
    "tables/items.kql": TABLE,
    "tables/made.kql": ".create-merge table made (a: int, ['b c']: string) with (folder = \"f\")\n",
    "functions/OfMade.kql": function("OfMade", "made | project a"),
}


def test_what_differs_is_sent_once_in_an_order_that_is_never_refused(kusto_there: KustoBench) -> None:
    bench = kusto_there
    bench.write(FILES)
    bench.deliver()
    plan = bench.plan()
    assert plan.differs
    assert {one.state for one in plan.items} == {State.CREATE, State.CHANGE}
    assert bench.deploy() == len(bench.said) - 1 == 15
    assert bench.states() == {}
    assert not bench.plan().differs
    before, bench.starts = len(bench.sent()), 0
    assert bench.deploy() == 0
    assert (len(bench.sent()), bench.starts) == (before, 0)
    objects = bench.kusto.objects
    assert (objects.functions["A"].folder, objects.functions["A"].docstring) == ("x", 'd "q"')
    table = bench.kusto.engine.tables["items"]
    assert (table.docstring, table.folder) == ('Items, "as sent"', "raw")
    assert table.policies["Retention"] == {"SoftDeletePeriod": "10.00:00:00", "Recoverability": "Disabled"}
    records = bench.store.kusto_objects.of("adx://there/db")
    assert len(records) == 9
    assert {one.commit for one in records.values()} == {"abc"}


def test_what_reads_a_table_that_no_delivery_has_made_waits_and_says_so(kusto_there: KustoBench) -> None:
    bench = kusto_there
    bench.write(FILES)
    waiting = {name for name, state in bench.states().items() if state is State.WAITS}
    assert waiting == {
        "function A", "function Zero", "function Visible", "function OfView", "view Daily", "table items",
    }  # fmt: skip
    notes = {note for one in bench.plan().of(State.WAITS) for note in one.notes}
    assert notes == {"waits for the first delivery of exp_items, which makes the table items"}
    bench.deploy()
    assert not bench.plan().differs
    bench.deliver()
    bench.deploy()
    assert bench.states() == {}


@pytest.mark.parametrize(
    ("typed", "called", "what"),
    [
        (".create-or-alter function Zero() { items | where item == 1 }", "function Zero", {"body"}),
        (".create-or-alter function N(x: long = 6) { x + 1 }", "function N", {"parameters"}),
        (".create-or-alter function N(x: long = 5, y: int = 1) { x + 1 }", "function N", {"parameters"}),
        (".create-or-alter function with (folder='y') N(x: long = 5) { x + 1 }", "function N", {"folder"}),
        (
            ".create-or-alter function Visible() { items | where note != 'hidden // no' }",
            "function Visible", {"body"},
        ),
        (
            ".create-or-alter function Visible() { items | where note != @'hidden  // no' }",
            "function Visible", {"body"},
        ),
        (".alter table items docstring 'x'", "table items", {"docstring"}),
        (
            ".alter-merge table items policy retention softdelete = 9d",
            "table items", {"retention SoftDeletePeriod"},
        ),
        (
            ".alter table items policy caching hotdata = 72h hotindex = 4d",
            "table items", {"caching IndexHotSpan"},
        ),
        (
            ".alter table items policy row_level_security disable 'Visible'",
            "table items", {"row_level_security IsEnabled"},
        ),
        (".create-or-alter table items ingestion csv mapping 'm' '[]'", "table items", {"csv mapping m"}),
        (
            ".create-or-alter materialized-view Daily on table items"
            " { items | summarize n = count(), m = max(item) by day }",
            "view Daily", {"query"},
        ),
        (".drop function OfMade", "function OfMade", set[str]()),
    ],
)  # fmt: skip
def test_what_somebody_changes_in_the_database_is_found_and_set_right(
    kusto_there: KustoBench, typed: str, called: str, what: set[str]
) -> None:
    bench = kusto_there
    bench.write(FILES)
    bench.deliver()
    bench.deploy()
    bench.command(typed)
    (item,) = [one for one in bench.plan().items if one.state is not State.UNCHANGED]
    assert (item.called, {one.what for one in item.differences}, item.drifted) == (called, what, True)
    assert bench.deploy() == 1
    assert bench.states() == {}


def test_what_differs_in_blanks_comments_and_spelling_alone_is_the_same(kusto_there: KustoBench) -> None:
    bench = kusto_there
    bench.write(FILES)
    bench.deliver()
    bench.deploy()
    objects = bench.kusto.objects
    objects.respelled = lambda parameters, body: (
        parameters.replace(": ", ":").replace("= 5", "=long(5)"),
        "{\r\n\r\n // as it was\r\n" + body[1:-1].strip() + "\r\n}",
    )  # fmt: skip
    others = {
        "functions/A.kql": "// another comment\n.create-or-alter function with"
        " (docstring = \"d \\\"q\\\"\",\n folder=@'x')\r\n"
        "A()\r\n{\r\n  Zero()\r\n\r\n  | extend n = N(item) // it is\r\n}\r\n",
        "tables/items.kql": TABLE.replace("10d", "240h")
        .replace("72h", "time(3d)")
        .replace("'raw'", '"raw"'),
    }  # fmt: skip
    bench.write(FILES | others)
    assert bench.states() == {}
    sent = len(bench.sent())
    assert bench.deploy() == 0
    assert len(bench.sent()) == sent


def test_a_property_that_git_has_no_more_is_taken_away(kusto_there: KustoBench) -> None:
    bench = kusto_there
    bench.write(FILES)
    bench.deliver()
    bench.deploy()
    for text in (
        function("A", "Zero() | extend n = N(item)"),
        function("A", "Zero() | extend n = N(item)", properties="folder = 'y' // , docstring = 'z'\n"),
    ):
        bench.write(FILES | {"functions/A.kql": text})
        bench.deploy()
        assert bench.states() == {}
        assert bench.kusto.objects.functions["A"].docstring == ""
    assert bench.kusto.objects.functions["A"].folder == "y"


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("tables/made.kql", ".create-merge table made (a: long)", "column a is int in the database"),
        ("views/Daily.kql", f"{_VIEW} items {{ items | summarize n=count() by item }}", "its keys would be"),
        ("views/Daily.kql", f"{_VIEW} made {{ made | summarize n=count() by a }}", "its source would be"),
        (
            "views/OfMade.kql",
            ".create-or-alter materialized-view OfMade on table items"
            " { items | summarize n = count() by day }",
            r"the function OfMade; .* drop that one by hand: `\.drop function \['OfMade'\]`",
        ),
    ],
)
def test_what_kusto_refuses_is_told_before_anything_is_sent(
    kusto_there: KustoBench, file: str, text: str, said: str
) -> None:
    bench = kusto_there
    bench.write(FILES)
    bench.deliver()
    bench.deploy()
    changed = {file: text, "functions/N.kql": function("N", "x + 2", "(x: long = 5)")}
    other = file.replace("views", "functions")
    bench.write({name: text for name, text in FILES.items() if name != other} | changed)
    before = len(bench.sent())
    with pytest.raises(DeployStopped, match=said):
        bench.deploy()
    assert len(bench.sent()) == before


def test_a_views_creation_properties_are_not_sent_to_one_that_is_there(kusto_there: KustoBench) -> None:
    bench = kusto_there
    bench.deliver()
    text = (
        ".create-or-alter materialized-view with (backfill = true, docString = 'as, backfill = (it)')"
        " V on table items { items | summarize n = count() by day }"
    )
    bench.write({"views/V.kql": text})
    bench.deploy()
    bench.write({"views/V.kql": text.replace("n = count()", "n = count(), m = max(item)")})
    bench.deploy()
    assert "backfill = true" in bench.sent()[-2]
    assert "with (docString = 'as, backfill = (it)') V on" in bench.sent()[-1]
    assert bench.states() == {}


def test_a_command_that_fails_says_which_what_stands_and_what_to_type(kusto_there: KustoBench) -> None:
    bench = kusto_there
    bench.write(FILES)
    bench.deliver()
    bench.kusto.forbidden = [".create-or-alter function N"]
    with pytest.raises(DeployStopped) as stopped:
        bench.deploy()
    told = str(stopped.value)
    for part in (
        "functions/N.kql:1: ", "does not let the principal create the function N",
        "deployed before: table items, table made",
        "Function Admin", "type `sluice kusto deploy` again",
    ):  # fmt: skip
        assert part in told
    bench.kusto.forbidden = []
    bench.deploy()
    assert bench.states() == {}


WORK_HEAD = "// owner: ada@acme.example\n// purpose: Finds out what is missing.\n// expires: 2999-01-01\n"
SPANS = "connection: telemetry\nretention: {work: 14d, scratch: 2d}\ncaching: {work: 1d}\n"


@pytest.mark.parametrize(
    ("kind", "kept", "hot", "work"),
    [
        (Environment.PRODUCTION, {"items": "10.00:00:00"}, "3.00:00:00", False),
        (Environment.WORK, {"items": "14.00:00:00", "made": "14.00:00:00"}, "1.00:00:00", True),
        (Environment.SCRATCH, {"items": "2.00:00:00", "made": "2.00:00:00"}, "3.00:00:00", True),
    ],
)
def test_each_kind_of_deployment_keeps_rows_as_it_is_said_and_has_its_objects(
    kusto_there: KustoBench, kind: Environment, kept: dict[str, str], hot: str, work: bool
) -> None:
    bench = kusto_there
    bench.kind = kind
    draft = {"work/functions/Draft.kql": WORK_HEAD + function("Draft", "Zero | take 1")}
    bench.write(FILES | draft | {"database.yml": SPANS})
    if kind is not Environment.SCRATCH:
        bench.deliver()
    bench.deploy()
    assert bench.states() == {}
    tables = bench.kusto.engine.tables
    assert {name: tables[name].policies["Retention"]["SoftDeletePeriod"] for name in kept} == kept
    assert tables["items"].policies["Caching"]["DataHotSpan"] == {"Value": hot}
    assert list(tables["items"].columns.items()) == list(ITEMS.columns)
    assert ("Draft" in bench.kusto.objects.functions) is work


def test_rows_that_would_be_kept_for_a_shorter_time_are_told(kusto_there: KustoBench) -> None:
    bench = kusto_there
    bench.write(FILES)
    bench.deliver()
    notes = [note for one in bench.plan().items for note in one.notes]
    assert notes == ["its rows are kept for a shorter time than now: older ones are deleted"]
    bench.deploy()
    bench.write(FILES | {"tables/items.kql": TABLE.replace("10d", "11d")})
    assert [one.notes for one in bench.plan().items if one.differences] == [[]]


def test_a_second_update_policy_of_one_source_is_in_the_way(kusto_there: KustoBench) -> None:
    bench = kusto_there
    made = ".create-merge table made (a: int)\n.create-merge table target (a: int)\n"
    for text in made.splitlines():
        bench.command(text)
    policy = '.alter-merge table target policy update \'[{"Source": "made", "Query": "made | take 1"}]\'\n'
    files = {
        "tables/made.kql": ".create-merge table made (a: int)\n",
        "tables/target.kql": f".create-merge table target (a: int)\n{policy}",
    }
    bench.write(files)
    assert bench.deploy() == 1
    assert bench.states() == {}
    bench.write(files | {"tables/target.kql": files["tables/target.kql"].replace("take 1", "take 2")})
    with pytest.raises(DeployStopped, match="another update policy of the same source"):
        bench.deploy()
    assert len(bench.kusto.engine.tables["target"].policies["Update"]) == 1


def test_an_obfuscated_string_is_sent_where_git_has_changed_and_not_for_ever(kusto_there: KustoBench) -> None:
    bench = kusto_there
    bench.kusto.objects.respelled = lambda parameters, body: (parameters, body.replace("h'one'", "h'***'"))
    files = {"functions/F.kql": function("F", "print x = h'one'")}
    bench.write(files)
    assert bench.deploy() == 1
    assert bench.states() == {}
    bench.write({"functions/F.kql": function("F", "print x = h'two'")})
    assert bench.deploy() == 1
    assert bench.states() == {}
    assert "h'two'" in bench.kusto.objects.functions["F"].body


UPDATED = {
    "tables/made.kql": ".create-merge table made (a: int, ['b c']: string) with (folder = \"f\")\n"
    '.alter table made policy update \'[{"Source": "other", "Query": "other | take 5"}]\'\n',
    "tables/other.kql": ".create-merge table other (a: int, ['b c']: string)\n",
}


def respell(kusto: Kusto) -> None:
    """Have the service show everything in other words than it was sent."""
    kusto.objects.respelled = lambda parameters, body: (
        parameters.replace("()", "(more: int = 0)"),
        body.replace("|", "| as X |").replace("+", "- -"),
    )
    kusto.objects.own_words = lambda text: (
        text.replace("items |", "items | as Y |").replace("by day", "by ['day']")
        if "items |" in text
        else f"{text} in our words"
    )


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("typed", "called"),
    [
        (".create-or-alter function Zero() { items | where item == 1 }", "function Zero"),
        (".create-or-alter function N(x: long = 6) { x + 1 }", "function N"),
        (
            ".create-or-alter materialized-view Daily on table items"
            " { items | summarize n = count(), m = max(item) by day }",
            "view Daily",
        ),
        (".alter-merge table items policy retention softdelete = 9d", "table items"),
        (".alter table items policy caching hot = 4d", "table items"),
        (".alter table items policy row_level_security enable 'items | take 3'", "table items"),
        (".alter table made policy update '[]'", "table made"),
        (".create-or-alter table items ingestion csv mapping 'm' '[]'", "table items"),
    ],
)
def test_a_service_that_spells_all_in_its_own_words_differs_only_where_somebody_changes_it(
    kusto_there: KustoBench, typed: str, called: str
) -> None:
    bench = kusto_there
    respell(bench.kusto)
    bench.write(FILES | UPDATED)
    bench.deliver()
    bench.deploy()
    before = len(bench.sent())
    assert (bench.states(), bench.deploy()) == ({}, 0)
    bench.command(typed)
    (item,) = [one for one in bench.plan().items if one.state is not State.UNCHANGED]
    assert (item.called, item.state, item.drifted) == (called, State.CHANGE, True)
    assert bench.deploy() > 0
    assert bench.states() == {}
    # Where git changes, that is sent and no other object.
    bench.write(FILES | UPDATED | {"functions/N.kql": function("N", "x + 2", "(x: long = 5)")})
    assert bench.states() == {"function N": State.CHANGE}
    assert (bench.deploy(), bench.states()) == (1, {})
    assert len(bench.sent()) > before


def test_what_is_overwritten_is_told_first_and_whose_it_is(kusto_there: KustoBench) -> None:
    bench = kusto_there
    bench.write({"functions/F.kql": function("F", "print 1"), "functions/G.kql": function("G", "print 1")})
    bench.kusto.objects.principal = "aaduser=ada"
    bench.command(".create-or-alter function F() { print 2 }")
    bench.deploy()
    assert bench.said[0].startswith(
        "function F: somebody else made what stands there; it is replaced (aaduser=ada at "
    )
    bench.command(".create-or-alter function G() { print 2 }")
    told = "somebody else has changed it since it was deployed; it is replaced"
    assert [list(one.notes) for one in bench.plan().items] == [[], [told]]
    bench.said.clear()
    bench.kusto.forbidden = [".show database ['db'] journal"]
    bench.deploy()
    assert bench.said == [f"function G: {told}", "changes function G  kusto/functions/G.kql:1"]
