"""`environments.yml`: what it may say, where a mistake is, and what is published by it."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from sluicegate.contracts.classes import ClassRules
from sluicegate.core.settings import REPOSITORY
from sluicegate.core.yaml_files import YamlFile
from sluicegate.project.environments_file import (
    FILE,
    OPEN,
    SCHEMA_FILE,
    EnvironmentRules,
    load_environment_rules,
    schema_text,
)

WHOLE = """\
scratch: {keep: 14d, days: 3, classes: [public]}
production: {keep_published: 60d}
"""
# {what the file says: what the problem says}; each at its line.
WRONG = {
    "scratch: {keep: 31d}": f"{FILE}:1: `scratch.keep` is '31d'; expected a number of days from 1d to 30d",
    "scratch: {keep: 0d}": "expected a number of days from 1d to 30d, as `30d`",
    "scratch: {keep: 30}": "expected a number of days",
    "scratch:\n  keep: true": f"{FILE}:2: `scratch.keep` is True",
    "scratch: {days: 0}": "`scratch.days` is 0; expected greater than or equal to 1",
    "scratch: {days: '7'}": "expected a valid integer",
    "\nscratch:\n  class: [public]": (
        f"{FILE}:3: unknown field `scratch.class`; expected one of: classes, days, keep; did you mean"
        " `classes`?"
    ),
    "scratch:\n  classes: [public, intern]": (
        f"{FILE}:2: `scratch.classes` names `intern`; expected a class of classes.yml: public, internal,"
        " personal; did you mean `internal`?"
    ),
    "production: {keep_published: 367d}": "expected a number of days from 1d to 366d",
    "working: {}": "unknown field `working`; expected one of: production, scratch, work; did you mean `work`",
    "work: {at_most: 367d}": "expected a number of days from 1d to 366d",
    "work:\n  connections: sandbox": f"{FILE}:2: `work.connections` is 'sandbox'",
    "work: {connections: ['']}": "should have at least 1 character",
    "[scratch]": f"{FILE}:1:",
}


def load(folder: Path, text: str) -> tuple[EnvironmentRules, list[str]]:
    """Return what a file of this text says, in a project whose classes are stated."""
    (folder / FILE).write_text(text)
    (folder / "classes.yml").write_text("{}")
    stated = YamlFile(folder / "classes.yml", folder, {})
    rules = ClassRules(classes=("public", "internal", "personal"), file=stated)
    found, problems = load_environment_rules(folder, rules)
    return found, [str(problem) for problem in problems]


def test_what_it_says_and_what_holds_without_it(tmp_path: Path) -> None:
    assert load_environment_rules(tmp_path, ClassRules()) == (EnvironmentRules(), [])
    assert (EnvironmentRules().work.at_most, EnvironmentRules().work.connections) == (180, ())
    assert EnvironmentRules().scratch.classes == OPEN == ("internal", "public")
    rules, problems = load(tmp_path, WHOLE)
    assert problems == []
    assert (rules.scratch.keep, rules.scratch.days, rules.scratch.classes) == (14, 3, ("public",))
    assert rules.production.keep_published == 60


@pytest.mark.parametrize("text", WRONG)
def test_a_mistake_is_told_with_its_place_and_its_fix(text: str, tmp_path: Path) -> None:
    rules, problems = load(tmp_path, text)
    assert rules == EnvironmentRules() or "intern" in text
    [problem] = problems
    assert WRONG[text] in problem


def test_another_name_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "environments.yaml").write_text(WHOLE)
    _, [problem] = load_environment_rules(tmp_path, ClassRules())
    assert "`git mv environments.yaml environments.yml`" in str(problem)


def test_the_schema_in_the_repository_is_the_files() -> None:
    assert (REPOSITORY / SCHEMA_FILE).read_text() == schema_text()
    schema = json.loads(schema_text())
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    assert validator.is_valid({"scratch": {"keep": "14d", "days": 3, "classes": ["public"]}})
    assert not validator.is_valid({"scratch": {"keep": 30}})
    assert validator.is_valid({"work": {"at_most": "90d", "connections": ["sandbox"]}})
    assert not validator.is_valid({"working": {}})
