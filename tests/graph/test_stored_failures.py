"""No data test may leave a table of its failed rows, wherever that is said."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from sluicegate.core.problems import ProjectError
from sluicegate.core.settings import Settings
from sluicegate.project.loading import load_project

from tests.company import BAKERY

pytestmark = pytest.mark.long

PROJECT, STAGING = "dbt_project/dbt_project.yml", "dbt_project/models/staging/_staging.yml"
SINGULAR = "dbt_project/tests/loaves_are_baked.sql"
GENERIC = "dbt_project/tests/generic/is_baked.sql"
SQL = "select * from {{ ref('stg_orders') }} where loaves < 0\n"


def _appended(name: str, text: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text((path.read_text() if path.exists() else "") + text)

    return change


def _of_a_column(config: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / STAGING
        text = path.read_text()
        assert "          - unique\n" in text
        path.write_text(
            text.replace("          - unique\n", f"          - unique: {{config: {{{config}}}}}\n")
        )

    return change


def _generic(folder: Path) -> None:
    text = "{% test is_baked(model, column_name) %}\n{{ config(store_failures=true) }}\n"
    _appended(GENERIC, text + "select * from {{ model }} where {{ column_name }} < 0\n{% endtest %}\n")(
        folder
    )
    path = folder / STAGING
    loaves = "      - {name: loaves, description: Loaves ordered.}\n"
    told = "      - name: loaves\n        description: Loaves ordered.\n        data_tests: [is_baked]\n"
    assert loaves in path.read_text()
    path.write_text(path.read_text().replace(loaves, told))


def _flag(folder: Path) -> None:
    path = folder / PROJECT
    assert "flags:\n" in path.read_text()
    path.write_text(path.read_text().replace("flags:\n", "flags:\n  store_failures: true\n"))


# {where it is said: (the change, the file that is told, what stands in its line)}
SAID: dict[str, tuple[Callable[[Path], None], str, str]] = {
    "a test's config": (_of_a_column("store_failures: true"), STAGING, "unique: {config"),
    "a test's config, as a table": (_of_a_column("store_failures_as: table"), STAGING, "unique: {config"),
    "a test's config, as a view": (_of_a_column("store_failures_as: view"), STAGING, "unique: {config"),
    "a singular test": (
        _appended(SINGULAR, "{{ config(store_failures=true) }}\n" + SQL), SINGULAR, "store_failures=true",
    ),
    "a generic test's own SQL": (_generic, GENERIC, "store_failures=true"),
    "the project, for all tests": (
        _appended(PROJECT, "\ndata_tests:\n  +store_failures: true\n"), PROJECT, "+store_failures: true",
    ),
    "the project, as a table": (
        _appended(PROJECT, "\ndata_tests:\n  bakery:\n    +store_failures_as: table\n"), PROJECT, "store_f",
    ),
    "the project's flags": (_flag, PROJECT, "store_failures: true"),
}  # fmt: skip


def _load(tmp_path: Path, *changes: Callable[[Path], None]) -> Path:
    folder = tmp_path / "bakery"
    shutil.copytree(BAKERY, folder)
    for change in changes:
        change(folder)
    load_project(Settings.load({}, project_dir=folder, data_dir=tmp_path / "data"))
    return folder


@pytest.mark.sampled(4)
@pytest.mark.parametrize("where", SAID)
def test_a_table_of_failed_rows_does_not_load(tmp_path: Path, where: str) -> None:
    change, file, line = SAID[where]
    with pytest.raises(ProjectError) as caught:
        _load(tmp_path, change)
    assert {problem.file for problem in caught.value.problems} == {file}
    for problem in caught.value.problems:
        assert "table of its failed rows" in problem.what
        assert "remove `store_failures`" in problem.fix
        assert line in (tmp_path / "bakery" / file).read_text().splitlines()[problem.line - 1]


@pytest.mark.parametrize("variable", ["DBT_STORE_FAILURES", "DBT_ENGINE_STORE_FAILURES"])
def test_nor_does_the_environment_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "true")
    with pytest.raises(ProjectError, match=f"unset {variable}"):
        _load(tmp_path)


def test_a_test_that_stores_nothing_loads(tmp_path: Path) -> None:
    ephemeral = _appended(SINGULAR, "{{ config(store_failures_as='ephemeral') }}\n" + SQL)
    assert (_load(tmp_path, _of_a_column("store_failures: false"), ephemeral) / SINGULAR).exists()
