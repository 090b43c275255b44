"""dbt's profile and the platform's macros and hooks: what leads elsewhere is refused at load."""

import shutil
from pathlib import Path

import pytest
from sluicegate.cli import app
from sluicegate.core.problems import ProjectError
from sluicegate.core.settings import Settings
from sluicegate.project.loading import load_project
from typer.testing import CliRunner

from tests.company import BAKERY
from tests.gate.edits import Edit, both, remove, replace, write
from tests.graph.test_rules_at_load import problems

pytestmark = pytest.mark.long

PROFILES, DBT = "dbt_project/profiles.yml", "dbt_project/dbt_project.yml"
PATH = "\"{{ env_var('SLUICE_WAREHOUSE', '../.sluice/warehouse.duckdb') }}\""
_SHARED = "orchestration/sluicegate/transformation/dbt_macros"
MACROS = f"""  - "{{{{ env_var('SLUICE_DBT_MACROS', '../../../../{_SHARED}') }}}}"\n"""


def says(line: str) -> Edit:
    return replace(PROFILES, "      schema: main\n", f"      schema: main\n      {line}\n")


def path(to: str) -> Edit:
    return replace(PROFILES, PATH, to)


_OTHER = "    prod:\n      type: duckdb\n      path: production.duckdb\n"
ELSEWHERE: dict[str, tuple[Edit, str, int, str]] = {
    "a file in the current directory": (path("warehouse.duckdb"), PROFILES, 7, "another file"),
    "a file elsewhere": (path("/production/warehouse.duckdb"), PROFILES, 7, "another file"),
    "memory": (path("':memory:'"), PROFILES, 7, "another file"),
    "MotherDuck": (path("md:production"), PROFILES, 7, "another file"),
    "another variable": (path("\"{{ env_var('HOME') }}/w.duckdb\""), PROFILES, 7, "another file"),
    "no path": (replace(PROFILES, f"      path: {PATH}\n", ""), PROFILES, 5, "another file"),
    "another engine": (
        replace(PROFILES, "type: duckdb", "type: postgres"), PROFILES, 6, "is of type postgres",
    ),
    "another engine, not installed": (
        replace(PROFILES, "type: duckdb", "type: snowflake"), PROFILES, 6, "is of type snowflake",
    ),
    "another target": (
        both(replace(PROFILES, "target: duckdb", "target: prod"),
             replace(PROFILES, "  outputs:\n", f"  outputs:\n{_OTHER}")),
        PROFILES, 7, "target `prod` builds in another file",
    ),
    "a target that is not there": (
        replace(PROFILES, "target: duckdb", "target: prod"), PROFILES, 4, "dbt cannot read it",
    ),
    "a profile that is not there": (
        replace(DBT, "profile: sluice", "profile: company"), PROFILES, 2, "there is no profile `company`",
    ),
    "no profiles": (remove(PROFILES), PROFILES, 1, "there is no profile"),
    "profiles that are no YAML": (write(PROFILES, "sluice:\n  a: 1\n  a: 2\n"), PROFILES, 3, "stands twice"),
    **{
        f"with {line.partition(':')[0]}": (says(line), PROFILES, 9, f"has `{line.partition(':')[0]}`")
        for line in (
            "attach: [{path: production.duckdb}]", "plugins: [{module: excel}]", "secrets: [{type: s3}]",
            "filesystems: [{fs: s3}]", "module_paths: [.]", "external_root: /tmp", "is_ducklake: true",
            "disable_transactions: true", "config_options: {access_mode: read_only}", "remote: {host: x}",
            "use_credential_provider: aws", "motherduck_token: x",
        )
    },
    "no macros of ours": (replace(DBT, MACROS, "  - macros\n"), DBT, 6, "the platform's macros are not read"),
    "a copy of our macros": (
        both(
            replace(DBT, MACROS, "  - macros\n"),
            lambda folder: shutil.copytree(
                Path(_SHARED).resolve(), folder / "dbt_project/macros"
            ) and None,
        ),
        DBT, 6, "the platform's macros are not read",
    ),
    "no hook at the start": (
        replace(DBT, 'on-run-start: "{{ prepare_table_versions() }}"\n', ""), DBT, 1,
        "nothing makes the record of versions",
    ),
    "another hook at the start": (
        replace(DBT, "{{ prepare_table_versions() }}", "select 1"), DBT, 1,
        "nothing makes the record of versions",
    ),
    "no hook after a model": (
        replace(DBT, '    +post-hook: "{{ record_table_version() }}"\n', ""),
        "dbt_project/models/marts/shop_orders.sql", 1, "does not record the version",
    ),
}  # fmt: skip


@pytest.mark.sampled(3)
@pytest.mark.parametrize("case", ELSEWHERE)
def test_a_project_that_would_build_elsewhere_does_not_load(tmp_path: Path, case: str) -> None:
    edit, file, line, what = ELSEWHERE[case]
    if case == "no profiles":  # there is no file to point into
        folder = tmp_path / "bakery"
        shutil.copytree(BAKERY, folder)
        edit(folder)
        with pytest.raises(ProjectError) as caught:
            load_project(Settings.load({}, project_dir=folder, data_dir=tmp_path / "data"))
        found = caught.value.problems
    else:
        found = problems(tmp_path, edit)
    assert (file, line) in [(p.file, p.line) for p in found if what in p.what], found


def test_the_environment_chooses_a_target_and_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What loaded under one target is asked for again under another, though no file has changed."""
    folder = tmp_path / "bakery"
    shutil.copytree(BAKERY, folder)
    replace(PROFILES, "  outputs:\n", f"  outputs:\n{_OTHER}")(folder)
    settings = Settings.load({}, project_dir=folder, data_dir=tmp_path / "data")
    load_project(settings)
    monkeypatch.setenv("DBT_TARGET", "prod")
    with pytest.raises(ProjectError, match="target `prod` builds in another file"):
        load_project(settings)


def test_a_profile_is_right_for_one_warehouse_alone(tmp_path: Path) -> None:
    folder = tmp_path / "bakery"
    shutil.copytree(BAKERY, folder)
    mine = tmp_path / "data/warehouse.duckdb"
    path(str(mine))(folder)
    load_project(Settings.load({}, project_dir=folder, data_dir=tmp_path / "data"))
    other = Settings.load(
        {}, project_dir=folder, data_dir=tmp_path / "data", warehouse_path=tmp_path / "b.duckdb"
    )
    with pytest.raises(ProjectError, match="another file than the warehouse"):
        load_project(other)


def test_no_secret_of_a_profile_is_told(tmp_path: Path) -> None:
    found = problems(
        tmp_path, path("md:production?motherduck_token=hunter2"), says("motherduck_token: hunter3")
    )
    assert len(found) == 2
    assert "hunter" not in " ".join(map(str, found))


def test_the_mend_that_is_told_mends(tmp_path: Path) -> None:
    folder = tmp_path / "bakery"
    shutil.copytree(BAKERY, folder)
    both(path("production.duckdb"), replace(DBT, MACROS, "  - macros\n"))(folder)
    arguments = ["check", "--project", str(folder), "--data", str(tmp_path / "data")]
    told = CliRunner().invoke(app, arguments)
    assert told.exit_code == 2
    fix = told.stderr.partition("write path: ")[2].splitlines()[0]
    path_line = f"path: {fix}"
    replace(PROFILES, "path: production.duckdb", path_line)(folder)
    told = CliRunner().invoke(app, arguments)
    assert told.exit_code == 2
    fix = told.stderr.partition("add it to macro-paths: ")[2].splitlines()[0]
    replace(DBT, "macro-paths:\n  - macros\n", f"macro-paths: {fix}\n")(folder)
    told = CliRunner().invoke(app, arguments)
    assert told.exit_code == 0, told.output
    assert not list(tmp_path.rglob("production.duckdb"))
