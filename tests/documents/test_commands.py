"""What documents and messages say of commands is what the parser takes."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sluicegate.cli import app
from sluicegate.cli.exits import Code
from sluicegate.cli.main import FIRST
from sluicegate.core.settings import REPOSITORY
from sluicegate.demo.faults import FEEDS, kinds_for
from typer.testing import CliRunner

from tests.documents.commands import PAGE, commands, page
from tests.documents.reading import DOCUMENTS, TRACKED, Document, spans_of

COMMANDS = commands()
GROUPS = {path[0] for path in COMMANDS if len(path) > 1}
README = Document("README.md")
# Words in which a call is told: in backticks, or a line of a shell's block.
_CALL = re.compile(r"(?:^|`)sluice +([a-z][^`\n]*)")
_IN_A_BLOCK = re.compile(r"^ *(?:[A-Z_]+=\S+ +)*(?:\.venv/bin/)?(sluice +[a-z][^\n#]*)", re.MULTILINE)
# Where a command is named: not as a path, a module or a file.
_NAMED = re.compile(
    r"(?<![\w/.-])sluice[ \t]+(?:\"[ \t]*\n[ \t]*f?\"[ \t]*)?"
    r"([a-z][a-z-]*)(?![\w-]*[/.=]\w)(?:[ \t]+([a-z][a-z-]*))?"
)
# Words that stand behind a name in backticks, or in a sentence; and ids of runs, as records have them.
_NO_COMMANDS = ("sluice", "object", "schema", "small", "install", "forget", "redeliver")
TEXTS = [
    name
    for name in TRACKED
    if name.endswith((".py", ".md", ".yml", ".yaml", ".html", ".sql", ".toml", ".json"))
    and not name.startswith(("tests/upgrade/make_", "CHANGELOG"))  # which type an earlier version's
]
# Names of locks, of runs on record, and a pattern.
_NO_CALLS = ("object …", "schema …", "forget", "redeliver", "table ((?:rerun|judge) [^")
_OPTION = re.compile(r"(?<!\S)(--[a-z-]+)")


def test_the_page_of_commands_is_what_the_parser_says() -> None:
    assert PAGE.read_text() == page(), "python -m tests.documents.renew, and review the difference"


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_option_and_argument_says_what_it_is(path: tuple[str, ...]) -> None:
    command = COMMANDS[path]
    assert command.help
    assert [item.name for item in command.parameters if not item.help] == []


def test_the_readme_lists_eight_commands_and_every_one_is_listed_in_the_page_of_them() -> None:
    listed = [
        _path(span.removeprefix("sluice ")) for cell, _ in README.table("Command", "What it does")
        for span in spans_of(cell)
    ]  # fmt: skip
    assert len(set(listed)) == 8
    assert set(listed) <= set(COMMANDS)


def test_the_help_begins_with_five_commands_and_fits_on_a_screen() -> None:
    told = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "80"})
    assert told.exit_code == 0
    lines = told.stdout.splitlines()
    assert len(lines) <= 48
    assert [line for line in lines if "…" in line] == []  # nothing is cut off
    begin = next(number for number, line in enumerate(lines) if FIRST in line)
    assert [line.split()[1] for line in lines[begin + 1 : begin + 6]] == [
        "check",
        "land",
        "run",
        "status",
        "why",
    ]


def test_no_command_stands_beside_the_groups_that_is_of_one_thing() -> None:
    told = {path[0] for path in COMMANDS if len(path) == 1}
    assert told == {"check", "land", "run", "status", "why", "dev", "ui", "ci", "impact", "demo", "explain"}


def test_no_text_names_a_command_that_is_not_there() -> None:
    """In the product, the documents, the tests' expectations, comments: wherever `sluice WORD` is written."""
    wrong = [
        (file, found[0])
        for file in TEXTS
        for found in _NAMED.finditer((REPOSITORY / file).read_text(encoding="utf-8"))
        if _names_none(*found.groups())
    ]
    assert wrong == []


def _names_none(first: str, second: str | None) -> bool:
    if first in _NO_COMMANDS:
        return False
    if first not in GROUPS:
        return (first,) not in COMMANDS
    return second is not None and (first, second) not in COMMANDS


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_a_call_that_a_document_tells_can_be_typed(document: Document) -> None:
    calls = [span for span in document.spans if span.startswith("sluice ")]
    calls += [match.strip() for match in _IN_A_BLOCK.findall(document.text)]
    assert [call for call in calls if _wrong(call.removeprefix("sluice "))] == []


def test_a_call_that_a_message_tells_can_be_typed() -> None:
    product = [name for name in TRACKED if name.startswith("orchestration/") and name.endswith(".py")]
    told = [(file, call) for file in product for text in _texts(file) for call in _CALL.findall(text)]
    assert len(told) > 20
    assert [(file, call) for file, call in told if _wrong(call) and call not in _NO_CALLS] == []


def test_the_help_of_the_generator_names_every_fault() -> None:
    [said] = [str(item.help) for item in COMMANDS["demo", "generate"].parameters if item.name == "fault"]
    named = said.partition("FAULT is one of ")[2].rstrip(".").split(", ")
    assert set(named) == {kind for feed in FEEDS for kind in kinds_for(feed)}


def test_a_command_ends_with_the_codes_that_its_help_tells() -> None:
    told = re.findall(r"\b(\d) ", str(app.info.help).partition("Exit codes:")[2])
    assert [int(code) for code in told] == [code.value for code in Code]
    listed = Document("docs/commands.md").table("Exit code", "Means")
    assert listed == [(str(code.value), code.means) for code in Code]
    # Of what a command says of itself no other is meant.
    named = {
        int(code)
        for command in COMMANDS.values()
        for text in re.findall(r"[Ee]nds with (?:code )?([^.]*)", command.help)
        for code in re.findall(r"\b(\d)\b", text)
    }
    assert named <= {code.value for code in Code}


ENDS: dict[Code, tuple[str, ...]] = {
    Code.WELL: ("export", "schema"),
    Code.ATTENTION: ("backup", "verify", "/nowhere"),
    Code.NOT_DONE: ("land", "nothing", __file__),
}


@pytest.mark.parametrize("code", ENDS)
def test_the_shell_sees_the_code(code: Code, tmp_path: Path) -> None:
    told = CliRunner().invoke(app, ENDS[code], env={"SLUICE_DATA_DIR": str(tmp_path)})
    assert told.exit_code == code, told.output


def _path(call: str) -> tuple[str, ...]:
    """Return the command of a call; the call's own words where it is none."""
    words = call.split()
    return next((tuple(words[:size]) for size in (2, 1) if tuple(words[:size]) in COMMANDS), tuple(words))


def _wrong(call: str) -> bool:
    first, *rest = call.split()
    if first.startswith("--"):
        return first not in ("--help", "--install-completion", "--show-completion")
    if first in GROUPS and rest[:1] in ([], ["…"]):
        return False
    path = _path(call)
    return path not in COMMANDS or not COMMANDS[path].options.issuperset(_OPTION.findall(call))


def _texts(file: str) -> Iterator[str]:
    """Yield the texts of a module, with `…` for what is put into them."""
    tree = ast.parse((REPOSITORY / file).read_text())
    inside: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            inside.update(id(part) for part in node.values)
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            yield node.value
