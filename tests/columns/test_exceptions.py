"""Exceptions in dbt, read strictly: each field that does not hold is told at its line."""

from copy import deepcopy
from pathlib import Path

import pytest
import yaml
from sluicegate.columns.said import DbtWords
from sluicegate.contracts.classes import load_classes
from sluicegate.core.settings import Settings
from sluicegate.project.loading import Project
from sluicegate.transformation.manifest import DbtManifest

from tests.columns.conftest import CLASSES, DESCRIBED
from tests.company import BAKERY
from tests.parses import loaded

WHOLE = {
    "from": "restricted", "to": "internal", "reason": "agreed", "by": "me@bakery.example",
    "until": "2026-04-30",
}  # fmt: skip
# {what is wrong: (field, what is written there or None, what is told, expected)}
WRONG: dict[str, tuple[str, str | None, str, str]] = {
    **{
        f"without {name}": (name, None, f"has no `{name}`", "all of: from, to, reason, by, until")
        for name in WHOLE
    },
    "a field too many": ("since", "2026-01-01", "an unknown field `since`", "one of: from"),
    "no reason": ("reason", '" "', "`reason` of `declassified`", "a text that says it"),
    "nobody": ("by", "somebody", "`by` of `declassified`", "the e-mail address of who decided it"),
    "no day": ("until", "soon", "`until` of `declassified`", "its last day, as 2026-04-30"),
    "a day that the calendar has not": ("until", '"2026-02-30"', "`until` of `declassified`", "its last day"),
    "an unknown class": ("to", "intern", "`to` of `declassified`", "a class of contracts/classes.yml"),
    "raised": ("to", "personal", "is from `restricted` to `personal`", "`to` more open than `from`"),
    "to itself": ("to", "restricted", "is from `restricted` to `restricted`", "`to` more open than `from`"),
}  # fmt: skip


def written(fields: dict[str, str | None]) -> str:
    """The description of the column, with a line for each field."""
    said = "".join(f"              {name}: {value}\n" for name, value in fields.items() if value is not None)
    return (
        "models:\n  - name: exp_weather_report\n    columns:\n"
        "      - name: damp\n        data_type: decimal(6,1)\n        description: Rain in millimetres.\n"
        f"        config:\n          meta:\n            declassified:\n{said}"
    )


@pytest.fixture(scope="module")
def bakery(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return loaded(Settings.load({}, project_dir=BAKERY, data_dir=tmp_path_factory.mktemp("data")))


def told(bakery: Project, folder: Path, text: str) -> list[str]:
    """Return what is said of an exception that stands in a file, as dbt has read it."""
    (folder / DESCRIBED).parent.mkdir(parents=True, exist_ok=True)
    (folder / DESCRIBED).write_text(text)
    content = deepcopy(dict(bakery.manifest.content))
    [model] = yaml.safe_load(text)["models"]
    node = next(node for node in content["nodes"].values() if node["name"] == model["name"])
    node["columns"] = {column["name"]: column for column in model["columns"]}
    settings = Settings.load({}, project_dir=folder, data_dir=folder / "data")
    rules, problems = load_classes(folder)
    assert problems == []
    return list(map(str, DbtWords(settings, DbtManifest(content), rules).problems))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts" / "classes.yml").write_text(CLASSES)
    return tmp_path


@pytest.mark.parametrize(("name", "value", "what", "expected"), WRONG.values(), ids=WRONG)
def test_what_does_not_hold_is_told_at_its_line(
    bakery: Project, folder: Path, name: str, value: str | None, what: str, expected: str
) -> None:
    text = written({**WHOLE, name: value})
    [said] = told(bakery, folder, text)
    searched = "declassified:" if value is None else f"  {name}: "
    line = next(number for number, line in enumerate(text.splitlines(), 1) if searched in line)
    assert said.startswith(f"{DESCRIBED}:{line}: "), said
    assert what in said
    assert f"expected {expected}" in said


def test_what_holds_is_taken_and_what_is_no_mapping_is_told(bakery: Project, folder: Path) -> None:
    text = written({**WHOLE})
    assert told(bakery, folder, text) == []
    begin = text.index("            declassified:")
    [said] = told(bakery, folder, text[:begin] + "            declassified: internal\n")
    what = "`declassified` of `damp` of `exp_weather_report` is 'internal'"
    assert said.startswith(f"{DESCRIBED}:9: {what}; expected a mapping")
    [said] = told(bakery, folder, text[:begin] + "            classification: intern\n")
    assert said.startswith(f"{DESCRIBED}:9: column `damp` of `exp_weather_report` is classified `intern`")
