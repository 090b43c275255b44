"""What documents and messages say of commands is what the parser takes."""

import ast
import re
from collections.abc import Iterator

import pytest
from sluicegate.cli import app
from sluicegate.core.settings import REPOSITORY

from tests.documents.commands import PAGE, commands, page
from tests.documents.reading import DOCUMENTS, TRACKED, Document, spans_of

COMMANDS = commands()
README = Document("README.md")
# Words in which a call is told: in backticks, or a line of a shell's block.
_CALL = re.compile(r"(?:^|`)sluice +([a-z][^`\n]*)")
_IN_A_BLOCK = re.compile(r"^ *(?:[A-Z_]+=\S+ +)*(?:\.venv/bin/)?(sluice +[a-z][^\n#]*)", re.MULTILINE)
# Groups of commands, and names of locks.
_NO_CALLS = ("contract", "export", "object …", "schema …")
_OPTION = re.compile(r"(?<!\S)(--[a-z-]+)")


def test_the_page_of_commands_is_what_the_parser_says() -> None:
    assert PAGE.read_text() == page(), "python -m tests.documents.renew, and review the difference"


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_option_and_argument_says_what_it_is(path: tuple[str, ...]) -> None:
    command = COMMANDS[path]
    assert command.help
    assert [item.name for item in command.parameters if not item.help] == []


def test_the_readme_lists_every_command_and_no_other() -> None:
    listed = [
        span.removeprefix("sluice ") for cell, _ in README.table("Command", "What it does")
        for span in spans_of(cell)
    ]  # fmt: skip
    assert sorted(listed) == sorted(set(listed))
    assert {_path(call) for call in listed} == set(COMMANDS)


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


def test_the_exit_codes_are_those_of_the_help() -> None:
    codes = [code for code, _ in Document("docs/runbook/README.md").table("Exit code", "Means")]
    assert codes == re.findall(r"\b(\d) ", str(app.info.help).partition("Exit codes:")[2])


def _path(call: str) -> tuple[str, ...]:
    """Return the command of a call; the call's own words where it is none."""
    words = call.split()
    return next((tuple(words[:size]) for size in (2, 1) if tuple(words[:size]) in COMMANDS), tuple(words))


def _wrong(call: str) -> bool:
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
