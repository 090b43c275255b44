"""`kusto/` of a project with real dbt models: what an export's model says is what functions may read.

Belongs here: the way from a model's columns to a function, and what a project's load makes of `kusto/`. Does
not: rules of KQL (`test_rules`).
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestration.core.problems import ProjectChanged, ProjectError
from orchestration.core.settings import Settings
from orchestration.core.stages import Stage, stage_of
from orchestration.kusto.feeds import feeds_of
from orchestration.project.loading import expired_in, load_project, warnings_in
from orchestration.project.ownership import ownership_warnings
from orchestration.project.repository import Repository
from orchestration.transformation.identity import ProjectIdentity
from tests.company import BAKERY, NO_WAIT, Company
from tests.kql import nothing_lent
from tests.parses import loaded, own_copy, places_given_back
from tests.stages.workshop import TODAY, change, write
from tests.typed import sluice

pytestmark = pytest.mark.long
WORK = "// owner: ada@bakery.example\n// expires: 2999-01-31\n// purpose: Finds out.\n"
TRIAL, RAIN = "kusto/work/functions/Trial.kql", "kusto/functions/RainOf.kql"
WARNED = ".create-or-alter function W() { weather | take hint.remote=left 1 }"
FILES = {
    "kusto/database.yml": "connection: telemetry\nscratch: try\n",
    RAIN: '// sample: RainOf("York")\n.create-or-alter function RainOf(place: string) {\n'
    "    weather\n    | where town == place and rain_mm > 1\n    | project business_date, rain_mm\n}\n",
    "kusto/tables/weather.kql": ".alter table weather docstring 'The weather.'\n",
    TRIAL: f"{WORK}.create-or-alter function Trial() {{ RainOf('York') | count }}\n",
}


@pytest.fixture(scope="module")
def mill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A bakery that feeds a table of Azure Data Explorer, with functions on it, in a deployment for work."""
    with places_given_back():
        project = own_copy(BAKERY)
        export = "exports/exp_weather_report.yml"
        change(project, export, "type: blob\n  connection: miller", "type: adx\n  connection: telemetry")
        write(project, FILES)
        data = tmp_path_factory.mktemp("mill")
        settings = Settings.load(
            {"SLUICE_ENVIRONMENT": "work", **NO_WAIT}, project_dir=project, data_dir=data
        )
        loaded(settings)
        yield settings


@pytest.fixture
def edited(mill: Settings) -> Iterator[Path]:
    """The project, whose files are put back afterwards."""
    before = {path: path.read_bytes() for path in mill.project_dir.rglob("*") if path.is_file()}
    yield mill.project_dir
    for path in set(mill.project_dir.rglob("*")) - before.keys():
        if path.is_file() and ".git" not in path.parts:
            path.unlink()
    for path, text in before.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)


def problems_of(settings: Settings) -> list[str]:
    with pytest.raises(ProjectError) as raised:
        loaded(settings)
    return [str(problem) for problem in raised.value.problems]


def test_a_project_has_what_kusto_defines(mill: Settings) -> None:
    kusto = loaded(mill).kusto
    assert kusto is not None
    assert [(one.name, one.stage) for one in kusto.objects] == [
        ("weather", Stage.PRODUCTION), ("RainOf", Stage.PRODUCTION), ("Trial", Stage.WORK),
    ]  # fmt: skip
    assert kusto.objects[1].columns == [("business_date", "datetime"), ("rain_mm", "decimal")]
    assert kusto.scratch_database == "try"


def test_a_column_that_a_model_calls_otherwise_breaks_the_function_that_reads_it(
    mill: Settings, edited: Path
) -> None:
    for name in ("exp_weather_report.sql", "_exports.yml"):
        text = edited / "dbt_project/models/exports" / name
        new = "rain_mm as rain" if name.endswith("sql") else "{name: rain, data"
        old = "rain_mm" if name.endswith("sql") else "{name: rain_mm, data"
        before, _, after = text.read_text().rpartition(old)
        text.write_text(f"{before}{new}{after}")
    found = problems_of(mill)
    assert {one.split(": ")[0] for one in found} == {f"{RAIN}:4:31", f"{RAIN}:5:30"}
    assert all("KS142" in one and "rain_mm" in one for one in found)


def test_a_field_that_the_export_calls_otherwise_does_so_too(mill: Settings, edited: Path) -> None:
    change(edited, "exports/exp_weather_report.yml", "purpose:", "names: {rain_mm: rain}\npurpose:")
    assert {one.split(": ")[0] for one in problems_of(mill)} == {f"{RAIN}:4:31", f"{RAIN}:5:30"}


def test_a_table_that_no_export_feeds_any_more_is_told(mill: Settings, edited: Path) -> None:
    change(edited, "exports/exp_weather_report.yml", "object: weather", "object: rains")
    found = problems_of(mill)
    assert any(one.startswith(f"{RAIN}:3:5: KS") for one in found)
    assert any("nothing makes the table `weather`" in one for one in found)


def test_nothing_is_asked_where_nothing_has_changed(mill: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a code server that loads its graph again: no parser, in this process or another."""
    loaded(mill)
    assert (mill.data_dir / "kusto" / "parsed.json").is_file()
    with nothing_lent():
        monkeypatch.setattr("subprocess.Popen.__init__", None)
        project = load_project(mill)
    assert project.kusto is not None


def test_the_files_are_part_of_what_a_project_is(mill: Settings, edited: Path) -> None:
    identity = ProjectIdentity.of(mill)
    assert {name for name in identity.contents if name.startswith("kusto/")} == FILES.keys()
    production = mill.model_copy(update={"declared": "production"})
    assert TRIAL not in ProjectIdentity.of(production).contents
    change(edited, RAIN, "> 1", "> 2")
    with pytest.raises(ProjectChanged, match="RainOf"):
        identity.require_unchanged()


def test_work_ends(mill: Settings, edited: Path) -> None:
    change(edited, TRIAL, "2999-01-31", "2020-01-31")
    project = loaded(mill)
    said = [str(problem) for problem in expired_in(project, mill, TODAY)]
    assert any(one.startswith(f"{TRIAL}:") and "`sluice env promote Trial`" in one for one in said)
    change(edited, TRIAL, "2020-01-31", TODAY.isoformat())
    assert any(TRIAL in one for one in warnings_in(loaded(mill), TODAY))


def test_a_function_is_promoted(mill: Settings, edited: Path) -> None:
    company = Company(mill, "", mill.data_dir)
    code, said = sluice(company, "env", "promote", "Trial", "--dry-run")
    assert (code, "Trial.kql -> kusto/functions/Trial.kql" in said) == (0, True), said
    assert (edited / TRIAL).is_file()
    assert sluice(company, "env", "promote", "Trial")[0] == 0
    assert not (edited / TRIAL).exists()
    kusto = loaded(mill).kusto
    assert kusto is not None
    assert {one.name: one.stage for one in kusto.objects}["Trial"] is Stage.PRODUCTION


def test_what_reads_work_is_not_promoted_before_that(mill: Settings, edited: Path) -> None:
    write(edited, {"kusto/work/functions/More.kql": f"{WORK}.create-or-alter function More() {{ Trial }}\n"})
    loaded(mill)
    code, said = sluice(Company(mill, "", mill.data_dir), "env", "promote", "More")
    assert (code, "`sluice env promote Trial` first" in said) == (2, True), said
    assert (edited / "kusto/work/functions/More.kql").is_file()


def test_a_link_to_work_is_not_productions(mill: Settings, edited: Path) -> None:
    (edited / "kusto/functions/Trial.kql").symlink_to(edited / TRIAL)
    assert any(one.startswith("kusto/functions/Trial.kql:1: ") and "link" in one for one in problems_of(mill))


def test_production_needs_an_owner(mill: Settings, edited: Path) -> None:
    subprocess.run(["git", "init", "-q", str(edited)], check=True)
    subprocess.run(["git", "-C", str(edited), "add", "-A"], check=True)
    write(edited, {"CODEOWNERS": "* @bakery/all\nkusto/functions\n"})
    said = ownership_warnings(Repository.of(edited))
    assert [RAIN in one for one in said] == [True]
    subprocess.run(["rm", "-rf", str(edited / ".git")], check=True)


@pytest.mark.parametrize(
    ("file", "stage"),
    [
        (RAIN, Stage.PRODUCTION),
        (TRIAL, Stage.WORK),
        ("kusto/Work/tables/a.kql", Stage.WORK),
        ("kusto/functions/work/a.kql", Stage.PRODUCTION),
        ("kusto/work", Stage.PRODUCTION),
    ],
)
def test_the_folder_says_the_stage(file: str, stage: Stage) -> None:
    assert stage_of(file) is stage


def test_a_view_of_a_table_whose_days_are_replaced_is_told_and_warnings_are_shown(
    mill: Settings, edited: Path
) -> None:
    view = ".create-or-alter materialized-view V on table weather { weather | summarize count() by town }"
    write(edited, {"kusto/views/V.kql": view, "kusto/functions/W.kql": WARNED})
    code, said = sluice(Company(mill, "", mill.data_dir), "kusto", "check")
    assert (code, "V.kql:1:47: `V` is a view of `weather`, which exports/" in said) == (2, True), said
    (edited / "kusto/views/V.kql").unlink()
    code, said = sluice(Company(mill, "", mill.data_dir), "kusto", "check")
    assert (code, "warning: kusto/functions/W.kql:1:48: KS179" in said) == (0, True), said
    assert any("W.kql:1:48: KS179" in one for one in warnings_in(loaded(mill), TODAY))


def test_the_command_tells_what_is_wrong_with_kusto_alone(mill: Settings, edited: Path) -> None:
    company = Company(mill, "", mill.data_dir)
    code, said = sluice(company, "kusto", "check")
    assert (code, "2 functions, 1 tables of the connection telemetry" in said) == (0, True), said
    change(edited, RAIN, "town ==", "twon ==")
    code, said = sluice(company, "kusto", "check")
    assert (code, f"{RAIN}:4:13: KS142" in said) == (2, True), said


# SQL types, and what a column becomes that a delivery makes.
TYPES = {
    "BOOLEAN": "bool", "TINYINT": "int", "INTEGER": "int", "UINTEGER": "long", "BIGINT": "long",
    "HUGEINT": "decimal", "FLOAT": "real", "DOUBLE": "real", "DECIMAL(10,2)": "decimal", "VARCHAR": "string",
    "DATE": "datetime", "TIMESTAMP": "datetime", "TIMESTAMP WITH TIME ZONE": "datetime", "UUID": "guid",
    "ENUM('a', 'b')": "string", "INTERVAL": "string", "TIMESTAMP_S": "datetime",
}  # fmt: skip


def test_a_table_has_the_types_that_a_delivery_gives_it(mill: Settings) -> None:
    export = loaded(mill).exports["exp_weather_report"]
    columns = [(f"c {number}", kind) for number, kind in enumerate(TYPES)]
    (fed,) = feeds_of([export], {export.name: columns})
    assert dict(zip(TYPES, [kind for _, kind in fed.columns], strict=True)) == TYPES
    assert feeds_of([export], {export.name: [("a", "UBIGINT")]}) == []  # the export's own rules tell it
    assert feeds_of([export], {}) == []
