"""Every command of Microsoft's grammar is refused unless it is on the list, whatever stands around it.

Belongs here: commands by their kinds. Does not: what is said of one that is allowed (`test_rules`).
"""

import json
from pathlib import Path
from typing import Any

import pytest
from sluicegate.kusto.commands import ALL_ALLOWED, ALLOWED, commands_of
from sluicegate.kusto.objects import Kind

from tests.kql import read, shared_language
from tests.kusto.commands import commands

TEXTS = commands()
# Of these nobody could make a text that the parser takes; what is on no list is refused.
UNMADE = {
    "ExecuteDatabaseScript": "the parser itself fails at scripts within a command",
    "ExecuteClusterScript": "the same",
    "ShowStorageArtifactsCleanupState": "the parser has the kind, and takes no text of it",
    "ClusterDropStorageArtifactsCleanupState": "the same",
    "ShowExtentColumnStorageStats": "the same",
    "AlterFollowerDatabaseChildEntities": "the same",
}
MADE = {kind: text for kind, text in TEXTS.items() if text}


def test_the_list_is_of_kinds_that_the_parser_has() -> None:
    kinds = shared_language().kinds().keys()
    assert kinds == TEXTS.keys(), "type `python -m tests.kusto.commands`"
    assert set(ALL_ALLOWED) <= kinds
    assert {kind for kind, text in TEXTS.items() if not text} == UNMADE.keys()


def test_no_other_kind_is_taken_for_one_of_the_list() -> None:
    """All are tried, by the few parsers that a file is read with first: they alone let a command through."""
    v8: Any = getattr(shared_language(), "_v8")  # noqa: B009
    given = json.dumps([[kind, text] for kind, text in MADE.items()])
    script = f"""JSON.stringify({given}.map(([kind, text]) => {{
        const read = (kinds) => {{
            const said = JSON.parse(sluice("few", JSON.stringify({{ text, kinds }}))).answer;
            return said ? said.kind : "";
        }};
        return [kind, read([kind]), read({json.dumps(ALL_ALLOWED)})];
    }}))"""
    for kind, own, few in json.loads(v8._racer.eval(script)):
        assert own == kind
        assert few == (kind if kind in ALL_ALLOWED else "")


@pytest.mark.sampled(90)
@pytest.mark.parametrize(("kind", "text"), MADE.items(), ids=list(MADE))
def test_refused_in_every_folder_unless_it_is_listed(tmp_path: Path, kind: str, text: str) -> None:
    files = {f"{folder.value}/x.kql": text for folder in Kind}
    _, problems = read(tmp_path, files)
    refused = {problem.file.split("/")[1] for problem in problems}
    assert refused >= {folder.value for folder in Kind if kind not in ALLOWED[folder]}


AROUND = [
    "\n\n{}", "\n// so\n{}", "; {}", ";\n{}", " {}", "\n{}", "\n| {}", " <| {}", "\n;\n{}", "\n#x\n{}",
    "\n\t{}", "\n\\\n{}", "\n/* x */ {}", "\nset a=1;\n{}",
]  # fmt: skip
INSIDE = ["print '{}'", 'print "{}"', "print ```\n{}\n```", "sales // {}\n", "print @'{}'", "print h'{}'"]


@pytest.mark.sampled(4)
@pytest.mark.parametrize("around", AROUND)
def test_a_second_command_is_seen_wherever_it_stands(tmp_path: Path, around: str) -> None:
    drop = ".drop table sales"
    one = ".create-or-alter function F() { sales }"
    for text in (one + around.format(drop), around.format(drop).lstrip("\n") + "\n" + one):
        _, problems = read(tmp_path, {"functions/F.kql": text})
        assert problems, text
    table = ".alter table sales docstring 'x'"
    _, problems = read(tmp_path, {"functions/F.kql": one, "tables/sales.kql": table + around.format(drop)})
    assert [problem.file for problem in problems] == ["kusto/tables/sales.kql"]


@pytest.mark.parametrize("inside", INSIDE)
def test_what_stands_in_a_text_or_a_comment_is_no_command(tmp_path: Path, inside: str) -> None:
    body = inside.format(".drop table sales")
    project, problems = read(tmp_path, {"functions/F.kql": f".create-or-alter function F() {{ {body} }}\n"})
    assert not problems
    assert project is not None
    assert [one.body for one in project.objects] == [f"{{ {body} }}"]


BODIES = [
    "sales", "sales | where city == '}'", "print '{'", "}", "print dynamic({'a': {'b': '}'}})", "{ }",
    "sales | where city == \"\\\"}\"", "let f = (a:int) { sales | take a }; f(1)", "print ```}```",
    "sales | }", "{", "sales }", "} sales {", "print 1; print 2", "", "print @'}'",
    "sales | project ['}'] = city", "print '''", "print ~~~}~~~",
]  # fmt: skip


@pytest.mark.parametrize("body", BODIES)
def test_a_function_read_without_its_body_is_the_same_command(body: str) -> None:
    """The braces of the body are found by the parser's words; its query is read as a query."""
    language = shared_language()
    text = f".create-or-alter function with (folder='x') F(a:string='{{') {{ {body} }}\n// end\n"
    alone, quick = language.command(text), language.command(text, ALL_ALLOWED)
    if alone.diagnostics:  # the query's own words are told with the query
        assert quick.diagnostics or language.query(f"let F = (a:string='{{') {{ {body} }};").diagnostics
        return
    assert (quick.kind, quick.extent, quick.words) == (alone.kind, alone.extent, alone.words)
    assert [one for one in quick.parts if one.name != "Directives"] == [
        one for one in alone.parts if one.name != "Directives"
    ]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("kind", ALL_ALLOWED)
def test_the_few_parsers_say_what_the_whole_grammar_says(kind: str) -> None:
    language, text = shared_language(), MADE[kind]
    alone, quick = language.command(text), language.command(text, ALL_ALLOWED)
    assert (quick.kind, quick.extent, quick.words) == (alone.kind, alone.extent, alone.words)
    found = commands_of(text + "\n\n" + text + "\n.drop table x", language)
    assert [(one.kind, one.words) for one in found.commands[:2]] == [(kind, alone.words)] * 2
    assert found.commands[2].kind == "DropTable"
