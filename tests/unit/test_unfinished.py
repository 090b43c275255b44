"""What a draft left open is found, at its line and by its field; the word todo alone is nothing."""

from pathlib import Path

import pytest
from sluicegate.core.problems import Problem
from sluicegate.core.settings import REPOSITORY
from sluicegate.project.unfinished import unfinished_in

from tests.company import BAKERY

CONTRACT = """\
# Drafted from samples by `sluice contract new`. What only a person knows is marked TODO.
description:
  purpose: {purpose}
schema:
  - name: {table}
    properties:
      - name: {column}
        physicalName: {header}
        description: {described}
        customProperties:
          - property: nullWords
            value: {words}
      # {comment}
customProperties:
  - property: provider
    value: {provider}
"""
FINE: dict[str, str] = {
    "purpose": "What there is to do.", "table": "todo_items", "column": "todo", "header": "TODO_NAME",
    "described": "Number of todo entries", "words": "[none]", "comment": "as the provider says",
    "provider": "Todo app team, app@todo.example",
}  # fmt: skip
COLUMN = "schema.todo_items.properties.todo"
# {case: what is written otherwise, line, field and text that are told}
OPEN: dict[str, tuple[dict[str, str], int, str]] = {
    "value": ({"provider": "TODO"}, 16, "customProperties.provider"),
    "any case": ({"provider": "Todo"}, 16, "customProperties.provider"),
    "small": ({"provider": "todo"}, 16, "customProperties.provider"),
    "quoted": ({"provider": '"TODO"'}, 16, "customProperties.provider"),
    "in brackets": ({"provider": "<TODO>"}, 16, "customProperties.provider"),
    "with words": ({"purpose": '"TODO what it is"'}, 3, "description.purpose"),
    "with a colon": ({"purpose": '"todo: what it is"'}, 3, "description.purpose"),
    "in a text": ({"described": "The amount. TODO say which tax."}, 9, f"{COLUMN}.description"),
    "second line of a text": (
        {"purpose": "|\n    What is sold.\n    TODO and where"}, 5, "description.purpose",
    ),
    "a column that is called as a field": (
        {"column": "name", "described": "TODO"}, 9, "schema.todo_items.properties.name.description",
    ),
    "alone in a list": ({"words": "[TODO]"}, 12, f"{COLUMN}.customProperties.nullWords"),
    "a name": ({"header": "TODO"}, 8, f"{COLUMN}.physicalName"),
    "comment": ({"comment": "TODO key: which columns"}, 13, "TODO key: which columns"),
    "a comment of the word": ({"comment": "todo"}, 13, "todo"),
    "a comment in small letters": ({"comment": "todo: which columns"}, 13, "todo: which columns"),
    "comment after a value": ({"described": '""  # TODO'}, 9, f"{COLUMN}.description"),
    "comment after the last value": ({"provider": "Shop  # TODO who"}, 16, "customProperties.provider"),
}  # fmt: skip
NOT_OPEN: dict[str, dict[str, str]] = {
    "nothing": {},
    "capitals among data": {"words": "[TODO, DONE]"},
    "data in quotes": {"words": '["TODO"]', "header": '"TODO"'},
    "small letters as names": {"table": "todo", "header": "todo", "words": "[todo]"},
    "begins with the word": {"described": "Todo entries of a user, and the to-do list that they are on."},
    "a comment that speaks of it": {"comment": "todo items have no date; see what is marked TODO elsewhere"},
    "a sign of number in a text": {"described": "'the text \"# TODO\" in quotes'".replace("TODO", "todo")},
}


def found(project: Path, folder: str, name: str, text: str) -> list[Problem]:
    (project / folder).mkdir(exist_ok=True)
    (project / folder / name).write_text(text)
    return unfinished_in(project)


@pytest.mark.parametrize("case", OPEN)
def test_what_is_open_is_told_with_its_line_and_field(tmp_path: Path, case: str) -> None:
    change, line, field = OPEN[case]
    (problem,) = found(tmp_path, "contracts", "a.odcs.yaml", CONTRACT.format(**(FINE | change)))
    assert (problem.file, problem.line) == ("contracts/a.odcs.yaml", line)
    assert field in problem.what
    assert problem.expected
    assert problem.fix.startswith("write it")


@pytest.mark.parametrize("case", NOT_OPEN)
def test_the_word_alone_is_no_error(tmp_path: Path, case: str) -> None:
    assert found(tmp_path, "contracts", "a.odcs.yaml", CONTRACT.format(**(FINE | NOT_OPEN[case]))) == []


@pytest.mark.parametrize(
    ("folder", "text", "line", "field"),
    [
        ("expectations", "expectations:\n  - type: expect_x\n    meta:\n      notes: TODO\n", 4,
         "expectations.expect_x.meta.notes"),
        ("expectations", "expectations:\n  - type: expect_x\n    kwargs: {column: TODO}\n", 3,
         "expectations.expect_x.kwargs.column"),
        ("expectations", "description: 'todo'\n", 1, "description"),
        ("exports", "owner: team:todo\n", 1, "owner"),
        ("exports", "purpose: TODO what the destination does with it, in one sentence\n", 1, "purpose"),
        ("exports", "model: exp_a\nmode: mirror  # TODO one of: append, mirror\n", 2, "mode"),
        ("exports", "key: [a]\n# classes: [internal]  # TODO which of them\n", 2, "TODO which"),
        ("exports", "last_mile:\n  - {reason: TODO, filter: {column: a}}\n", 2, "last_mile.0.reason"),
    ],
)  # fmt: skip
def test_suites_and_exports_too(tmp_path: Path, folder: str, text: str, line: int, field: str) -> None:
    (problem,) = found(tmp_path, folder, "a.yml", text)
    assert problem.line == line
    assert field in problem.what


@pytest.mark.parametrize(
    ("folder", "text"),
    [
        ("expectations", "expectations:\n  - kwargs: {column: todo, value_set: [TODO, DONE]}\n"),
        ("exports", "last_mile:\n  - {reason: Old, filter: {column: todo, keep: [TODO, DONE]}}\n"),
        ("exports", "destination: {connection: todo, object: todo}\nkey: [todo]\nowner: team:todo-app\n"),
        ("exports", "not: [yaml\n# TODO\n"),
    ],
)  # fmt: skip
def test_names_and_data_of_suites_and_exports_are_none(tmp_path: Path, folder: str, text: str) -> None:
    assert found(tmp_path, folder, "a.yml", text) == []


COMPANIES = BAKERY.parent


@pytest.mark.parametrize(
    "project", [REPOSITORY, *(COMPANIES / name for name in ("bakery", "kiosk", "observatory"))]
)
def test_finished_projects_have_nothing_open(project: Path) -> None:
    assert (project / "contracts").is_dir()
    assert unfinished_in(project) == []
