"""Each setting stands in the table of settings, with its default; and nothing else does."""

import re
from typing import Any

import pytest
from pydantic import SecretStr
from sluicegate.core.environments import Environment
from sluicegate.core.settings import (
    OTHER_VARIABLES,
    REPOSITORY,
    SHARED_DBT_MACROS,
    VARIABLES,
    Settings,
    SettingsError,
)

from tests.documents.reading import TRACKED, Document, spans_of

ROWS = {
    spans_of(variable)[0]: (meaning, default)
    for variable, meaning, default in Document("docs/architecture.md").table("Variable", "Meaning", "Default")
}
# Those that would name themselves.
IN_WORDS = {"SLUICE_PROJECT_DIR": "the repository", "SLUICE_DATA_DIR": "`<project>/.sluice`"}
MISSPELT = "SLUICE_DATADIR"
_NAMED = re.compile(r"\bSLUICE_[A-Z0-9_]*[A-Z0-9]\b")
CONNECTION = Settings.connection_variable("<name>")
# What tests read says CONTRIBUTING.md.
OF_WORK = Settings.connection_variable("<name>", Environment.WORK)
OF_THE_TABLE = {*VARIABLES, CONNECTION, OF_WORK, "SLUICE_DBT_MACROS"}
OF_TESTS = OTHER_VARIABLES - OF_THE_TABLE


def test_the_table_has_every_variable_and_no_other() -> None:
    assert ROWS.keys() == OF_THE_TABLE
    contributing = Document("CONTRIBUTING.md").text
    assert [name for name in OF_TESTS if name not in contributing] == []


@pytest.mark.parametrize("variable", VARIABLES)
def test_its_default_is_told(variable: str) -> None:
    default = _shown(getattr(Settings.load({"SLUICE_ENVIRONMENT": ""}), VARIABLES[variable]))
    _, told = ROWS[variable]
    if default is None:
        assert spans_of(told) == []
        assert told
    else:
        assert told == IN_WORDS.get(variable, f"`{default}`")


def test_the_defaults_that_are_no_fields_are_told() -> None:
    assert ROWS["SLUICE_DBT_MACROS"][1] == f"`{SHARED_DBT_MACROS.relative_to(REPOSITORY)}`"
    assert ROWS[CONNECTION][1] == ROWS[OF_WORK][1] == "none"


@pytest.mark.parametrize("variable", sorted(OF_THE_TABLE - {"SLUICE_DBT_MACROS"}))
def test_what_is_a_secret_is_told(variable: str) -> None:
    field = VARIABLES.get(variable)
    secret = field is None or "SecretStr" in str(Settings.model_fields[field].annotation)
    assert (re.search(r"\ba secret\b", ROWS[variable][0]) is not None) == secret


def test_no_other_variable_is_named() -> None:
    known = {*VARIABLES, *OTHER_VARIABLES, MISSPELT}
    files = [name for name in TRACKED if name.endswith((".md", ".yml", ".yaml", ".toml", "Makefile"))]
    files += [name for name in TRACKED if name.startswith("orchestration/")]
    named = {name: _NAMED.findall((REPOSITORY / name).read_text()) for name in files}
    assert [
        (file, name)
        for file, names in named.items()
        for name in names
        if name not in known and not name.startswith(("SLUICE_CONNECTION", "SLUICE_WORK_CONNECTION"))
    ] == []


def test_the_misspelt_one_of_the_runbook_is_refused() -> None:
    with pytest.raises(SettingsError, match="did you mean `SLUICE_DATA_DIR`"):
        Settings.load({MISSPELT: "/tmp"})


def _shown(value: Any) -> str | None:
    if value is None:
        return None
    text = (
        value.get_secret_value()
        if isinstance(value, SecretStr)
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )
    data = str(REPOSITORY / ".sluice")
    return text.replace("sqlite:///" + data, "sqlite:///<data>").replace(data, "<data>")
