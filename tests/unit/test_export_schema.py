"""The JSON Schema of export files: up to date, and of one mind with the loader."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from sluicegate.core.settings import REPOSITORY
from sluicegate.delivery.export_files.schema import COMMAND, FILE, export_schema, schema_text

EXPORTS = sorted([*REPOSITORY.glob("exports/*.yml"), *REPOSITORY.glob("tests/companies/*/exports/*.yml")])
SOUND: dict[str, Any] = {
    "model": "exp_a",
    "destination": {"type": "postgres", "connection": "a", "object": "b"},
    "key": ["a"],
    "mode": "mirror",
    "partitions": "each",
    "owner": "a@b.example",
    "purpose": "For a.",
}
RULE = {
    "filter": {"column": "a", "keep": ["b", 1, None]},
    "owner": "a",
    "reason": "b",
    "issue": "https://x.example/1",
    "declared": "2026-04-01",
    "expires": "2026-05-01",
}


def complaints(content: Any) -> list[str]:
    return [error.json_path for error in Draft202012Validator(export_schema()).iter_errors(content)]


def test_the_schema_in_the_repository_is_the_one_that_the_fields_make() -> None:
    committed = (REPOSITORY / FILE).read_text(encoding="utf-8")
    assert committed == schema_text(), f"run `{COMMAND} > {FILE}`"


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(export_schema())
    assert export_schema()["properties"]["key"]["description"].startswith("The model's columns")


@pytest.mark.parametrize("path", EXPORTS, ids=lambda path: path.stem)
def test_every_export_there_is_keeps_to_it(path: Path) -> None:
    assert complaints(yaml.safe_load(path.read_text())) == []


@pytest.mark.parametrize("path", sorted(REPOSITORY.glob("exports/*.yml")), ids=lambda path: path.stem)
def test_editors_find_it(path: Path) -> None:
    first = path.read_text().splitlines()[0]
    said = first.removeprefix("# yaml-language-server: $schema=")
    assert said != first
    assert (path.parent / said).resolve() == REPOSITORY / FILE
    assert json.loads((path.parent / said).read_text())["title"] == "Export"


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"wher": "a"}, "$"),
        ({"destination": {"type": "postgress", "connection": "a", "object": "b"}}, "$.destination"),
        ({"destination": {"type": "postgres", "connection": "A b", "object": "b"}}, "$.destination"),
        ({"mode": "merge"}, "$.mode"),
        ({"key": []}, "$.key"),
        ({"limits": {"changed_share": 2}}, "$.limits.changed_share"),
        ({"limits": {"empty": "stop"}}, "$.limits.empty"),
        ({"last_mile": [{**RULE, "map": {"column": "a", "values": {"b": "c"}}}]}, "$.last_mile[0]"),
        (
            {"last_mile": [{name: value for name, value in RULE.items() if name != "expires"}]},
            "$.last_mile[0]",
        ),
        ({"last_mile": [{**RULE, "issue": "BAKE-7"}]}, "$.last_mile[0].issue"),
        # What a kind of destination cannot do.
        ({"destination": {"type": "blob", "connection": "a", "object": "b"}}, "$.mode"),
    ],
)
def test_editors_are_told_what_is_wrong(change: dict[str, Any], where: str) -> None:
    assert complaints({**SOUND, "last_mile": [RULE]}) == []
    found = complaints({**SOUND, **change})
    assert found
    assert all(path.startswith(where) for path in found)
