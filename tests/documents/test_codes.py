"""Every error that people meet has a code, every code an entry that says what to click and what to type.

Belongs here: the strict walk over the code, room by room, and the form of the entries. Does not: that what an
entry tells to type can be typed, which `test_commands.py` asks of every page.
"""

import ast
import json
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import PurePosixPath

import pytest
from sluicegate.codes import AREAS, Coded, code_in, coded, codes_in, is_code, place, without_codes
from sluicegate.codes.reading import Entry, entries, retired
from sluicegate.core.settings import REPOSITORY

from tests.documents.anchors import BEFORE_CODES
from tests.documents.reading import TRACKED, Document
from tests.documents.runbook import FOLDER, pages

# Rooms whose errors have no codes yet, and entries that wait for them. Both lists only get shorter.
_NOT_YET = """
    areas cli comparing compute demo drafting environments graph incidents
    ingestion operations page publishing quality reporting review transformation
    warehouse
"""
_AWAITED = """
    B001 C003 D001 D003 D004 D005 D006 D007 D008 D010 D011 D012 D014 D015 D016 D017 D018 D019 D020 D024
    E008 G002 G007 I002 K002 M003 M004 M006 M008 M014 M015 N001 N002 P001
"""
NOT_YET = frozenset(_NOT_YET.split())
AWAITED = frozenset(f"SLU-{code}" for code in _AWAITED.split())
# What is caught by our own code and never told as it is, or is a mistake of whoever writes a destination.
CAUGHT = {
    # ValueError: of an entry that is not written as entries are.
    "codes": {"ValueError"},
    # Of the fields of classes.yml, and of the caller's own try; a type or a format that the caller names.
    "contracts": {"UnknownDateFormat", "ValueError"},
    # A name of a catalogue, a duration or a kind that the caller tells in words of its
    # own; the edits of a file whose caller names it; a socket that a library is refused.
    "core": {"DurationError", "KeyError", "PermissionError", "ValueError"},
    # ValueError: of the fields of an export file, as pydantic collects them.
    "delivery": {"ValueError"},
    # Of the fields of database.yml; a kind of command that nobody wrote a comparison for; of whoever brings
    # another version of the parser.
    "kusto": {"ValueError"},
    # Of the fields of environments.yml.
    "project": {"ValueError"},
    # ValueError: of options, as pydantic collects them, and of numbers that JSON has not; the areas' own.
    "destinations": {
        "AssertionError", "BatchRefused", "GivenUp", "Halted", "NotImplementedError", "OutOfTime",
        "StorageUrlError", "StrangeAnswerError", "TryAgain", "TypeError", "Unwritable", "ValueError",
    },
}  # fmt: skip
_CODE = re.compile(r"SLU-[A-Z]\d{3}")
_MODULES = [name for name in TRACKED if name.startswith("orchestration/") and name.endswith(".py")]
ENTRIES = entries()


@cache
def _tree(name: str) -> ast.Module:
    return ast.parse((REPOSITORY / name).read_text())


def _modules_of(room: str) -> list[str]:
    return [name for name in _MODULES if name.startswith(f"orchestration/sluicegate/{room}/")]


@cache
def _classes() -> dict[str, ast.ClassDef]:
    return {
        node.name: node
        for name in _MODULES
        for node in ast.walk(_tree(name))
        if isinstance(node, ast.ClassDef)
    }


@cache
def _is_coded(name: str) -> bool:
    if name == "Coded":
        return True
    found = _classes().get(name)
    return found is not None and any(_is_coded(base) for base in map(_last_name, found.bases))


@cache
def _says_its_own_code(name: str) -> bool:
    """Whether a class has a code of its own, so that no raise has to tell it."""
    if name == "Coded":
        return False
    node = _classes()[name]
    made = [item for item in node.body if isinstance(item, ast.FunctionDef) and item.name == "__init__"]
    if made and "code" not in [argument.arg for argument in made[0].args.args]:
        hands_on = any(isinstance(node, ast.Attribute) and node.attr == "code" for node in ast.walk(made[0]))
        return hands_on or any(_codes_below(made[0]))
    return any(_says_its_own_code(base) for base in map(_last_name, node.bases) if _is_coded(base))


def _last_name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _codes_below(node: ast.AST) -> Iterator[str]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Constant) and isinstance(inner.value, str) and is_code(inner.value):
            yield inner.value


def _is_one(node: ast.expr | None) -> bool:
    """Whether an expression is a code: written out, one of two, or handed on under that name."""
    if isinstance(node, ast.IfExp):
        return _is_one(node.body) and _is_one(node.orelse)
    if isinstance(node, ast.Constant):
        return node.value in ENTRIES
    return node is not None and _last_name(node) == "code"


def _without_code(room: str) -> Iterator[str]:
    for name in _modules_of(room):
        for node in ast.walk(_tree(name)):
            if isinstance(node, ast.Call) and _lacks_code(node):
                yield f"{name}:{node.lineno} {_last_name(node.func)}"
            elif isinstance(node, ast.Raise) and node.exc is not None:
                raised = _last_name(node.exc.func if isinstance(node.exc, ast.Call) else node.exc)
                caught = {"ProjectError", *CAUGHT.get(room, ())}  # its problems have codes
                if raised[:1].isupper() and not _is_coded(raised) and raised not in caught:
                    yield f"{name}:{node.lineno} raise {raised}"


def _lacks_code(call: ast.Call) -> bool:
    called, keywords = _last_name(call.func), {keyword.arg: keyword.value for keyword in call.keywords}
    if called == "Problem" or (
        called in ("problem", "complain") and ("fix" in keywords or len(call.args) > 2)
    ):
        return not any(map(_is_one, [*call.args[:2], *filter(None, [keywords.get("code")])]))
    if called[:1].isupper() and _is_coded(called) and not _says_its_own_code(called):
        return not _is_one(call.args[0] if call.args else None)
    return False


ROOMS = sorted({name.split("/")[2] for name in _MODULES if name.count("/") > 2})


@pytest.mark.parametrize("room", [room for room in ROOMS if room not in NOT_YET])
def test_every_error_of_a_room_has_a_code(room: str) -> None:
    assert list(_without_code(room)) == []


def test_the_lists_of_what_waits_only_name_what_waits() -> None:
    assert set(ROOMS) >= NOT_YET
    assert sorted(AWAITED & _used().keys()) == []
    assert sorted(AWAITED - ENTRIES.keys()) == []


@cache
def _used() -> Counter[str]:
    return Counter(
        code
        for name in _MODULES
        for code in _codes_below(_tree(name))
        if not name.startswith("orchestration/sluicegate/codes/")
    )


def test_every_code_in_the_program_has_an_entry_and_every_entry_a_code() -> None:
    assert sorted(_used().keys() - ENTRIES.keys()) == []
    by_person = {code for code, entry in ENTRIES.items() if entry.by_person}
    assert sorted(ENTRIES.keys() - _used().keys() - by_person - AWAITED) == []
    assert not (by_person & _used().keys()), "an error leads to it"


def test_what_is_retired_is_used_no_more() -> None:
    assert not retired() & ({*_used()} | {*ENTRIES})
    assert all(map(is_code, retired()))


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=lambda entry: entry.code)
def test_an_entry_says_what_is_seen_why_what_to_click_what_to_type_and_when_it_is_done(entry: Entry) -> None:
    assert [part for part in ("See", "Why", "Click", "Type", "Done") if not entry.parts.get(part)] == []
    assert "```sh\n" in entry.parts["Type"] or "`sluice " in entry.parts["Type"]
    assert entry.sees or entry.by_person
    assert set(_CODE.findall(entry.body)) <= ENTRIES.keys()


def test_titles_and_anchors_are_of_one_entry_each() -> None:
    assert [title for title, n in Counter(entry.title for entry in ENTRIES.values()).items() if n > 1] == []
    anchors = Counter(name for entry in ENTRIES.values() for name in entry.was)
    assert [name for name, n in anchors.items() if n > 1] == []
    assert sorted(anchors) == sorted(BEFORE_CODES), "older texts name these anchors"


def test_the_runbook_is_made_of_the_entries() -> None:
    made = pages()
    assert {path.name for path in made} == {path.name for path in FOLDER.iterdir()}
    stale = [path.name for path, text in made.items() if path.read_text() != text]
    assert stale == [], "python -m tests.documents.renew, and review the difference"


def test_the_place_of_a_code_is_its_anchor() -> None:
    for code in ENTRIES:
        file, _, anchor = place(code).partition("#")
        assert anchor in Document(file).anchors
    assert {PurePosixPath(area.page).name for area in AREAS.values()} | {"README"} == {
        path.stem for path in FOLDER.iterdir()
    }


def test_a_text_carries_its_code_once_and_at_the_end() -> None:
    said = coded("it broke", "SLU-E005")
    assert said == "it broke [SLU-E005: docs/runbook/deliveries.md#slu-e005]"
    assert coded(said, "SLU-E006") == said, "whoever hands a text on keeps its code"
    assert coded(f"{said}; and so on", "SLU-E006").endswith("[SLU-E006: docs/runbook/deliveries.md#slu-e006]")
    assert (codes_in(f"{said}, {said}"), code_in(said), without_codes(said)) == (
        ["SLU-E005"] * 2, "SLU-E005", "it broke",
    )  # fmt: skip
    older = "it broke [2022-10-03]; docs/runbook.md"
    assert (codes_in(older), code_in(older), without_codes(older), coded(older, "")) == ([], "", older, older)


def test_an_error_survives_pickling_with_its_code() -> None:
    import pickle

    again = pickle.loads(pickle.dumps(Coded("SLU-E005", "it broke")))
    assert (again.code, again.words, code_in(str(again))) == ("SLU-E005", "it broke", "SLU-E005")


def _explain(*arguments: str) -> tuple[int, str]:
    from sluicegate.cli import app
    from typer.testing import CliRunner

    ended = CliRunner().invoke(app, ["explain", *arguments])
    return ended.exit_code, ended.output


@pytest.mark.parametrize("typed", ["SLU-D009", "slu-d009", "d009"])
def test_explain_tells_an_entry_however_its_code_is_typed(typed: str) -> None:
    code, said = _explain(typed)
    assert code == 0
    assert said.startswith("SLU-D009  Staging out of reach\n")
    assert all(f"**{part}.**" in said for part in ("See", "Why", "Click", "Type", "Done"))


def test_explain_without_a_code_lists_all_and_tells_machines_the_same() -> None:
    code, said = _explain()
    assert code == 0
    assert [line.split()[0] for line in said.splitlines()] == list(ENTRIES)
    listed = json.loads(_explain("--json")[1])
    assert [(item["code"], item["runbook"]) for item in listed] == [(code, place(code)) for code in ENTRIES]
    assert json.loads(_explain("E005", "--json")[1]) == next(
        item for item in listed if item["code"] == "SLU-E005"
    )


def test_explain_leads_from_a_link_to_what_can_be_typed_or_opened() -> None:
    said = _explain("P001")[1]
    assert "](" not in said
    assert "(docs/adding-a-model.md)" in said


def test_explain_says_which_code_was_meant() -> None:
    assert _explain("D999") == (2, "there is no code SLU-D999; did you mean `SLU-D019`?\n")
