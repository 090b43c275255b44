"""The column that cuts a model is one that it selects, of a type that tells its partitions: asked at load."""

import shutil
from pathlib import Path

import pytest
from sluicegate.core.problems import Problem, ProjectError
from sluicegate.core.settings import Settings
from sluicegate.project.loading import load_project

from tests.observatory import OBSERVATORY

MARTS = "dbt_project/models/marts"
READ = {
    "hourly": "stg_readings", "weekly": "stg_calibrations", "monthly": "stg_plans", "drop": "stg_recordings",
    "daily": "day_sums",
}  # fmt: skip
DAYS, HOURS, DROPS = "a date or a timestamp", "a timestamp", "the drop's id, as text"
# (grain, the column that cuts, what it is, what is expected of it instead)
BAD = [
    ("hourly", "read_at::date", "DATE", HOURS),
    ("hourly", "read_at::varchar", "VARCHAR", HOURS),
    ("daily", "observed_on::varchar", "VARCHAR", DAYS),
    ("daily", "1", "INTEGER", DAYS),
    ("weekly", "calibrated_on::varchar", "VARCHAR", DAYS),
    ("weekly", "week(calibrated_on)", "BIGINT", DAYS),
    ("monthly", "month(month)", "BIGINT", DAYS),
    ("monthly", "time '10:00'", "TIME", DAYS),
    ("drop", "1", "INTEGER", DROPS),
    ("drop", "current_date", "DATE", DROPS),
]
GOOD = [
    ("hourly", "read_at"),
    ("hourly", "read_at::timestamptz"),
    ("daily", "observed_on"),
    ("daily", "observed_on::timestamp"),
    ("weekly", "calibrated_on::timestamp_s"),
    ("monthly", "month"),
    ("monthly", "month::timestamp"),
    ("drop", "recording"),
]


def load(tmp_path: Path, models: dict[str, str]) -> tuple[Problem, ...]:
    folder = tmp_path / "observatory"
    shutil.copytree(OBSERVATORY, folder)
    for name, sql in models.items():
        (folder / MARTS / f"{name}.sql").write_text(sql)
    try:
        load_project(Settings.load({}, project_dir=folder, data_dir=tmp_path / "data"))
    except ProjectError as error:
        return error.problems
    return ()


def model(grain: str, column: str, cut_by: str = "cut") -> str:
    """SQL of a model, whose config stands in its second line."""
    meta = ", meta={'partition_grain': 'daily'}" if grain == "daily" else ""
    config = f"{{{{ config(\n    partition_by='{cut_by}'{meta}) }}}}"
    return f"{config}\nselect {column} as cut from {{{{ ref('{READ[grain]}') }}}}\n"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Problem, ...]:
    typed = {f"typed_{at}": model(grain, column) for at, (grain, column, *_) in enumerate(BAD)}
    absent = {f"absent_{grain}": model(grain, "1", "never") for grain in READ}
    elsewhere = {"elsewhere": model("daily", "observed_on", "nowhere")}
    return load(tmp_path_factory.mktemp("bad"), typed | absent | elsewhere)


def of(told: tuple[Problem, ...], name: str) -> Problem:
    [problem] = [problem for problem in told if problem.file == f"{MARTS}/{name}.sql"]
    assert problem.line == 2
    return problem


@pytest.mark.parametrize("at", range(len(BAD)))
def test_a_column_that_tells_no_partition_is_told_at_its_config(told: tuple[Problem, ...], at: int) -> None:
    _, _, type_, expected = BAD[at]
    problem = of(told, f"typed_{at}")
    assert problem.what == f"`typed_{at}` is partitioned by `cut`, which is {type_}"
    assert problem.expected.startswith(expected)


@pytest.mark.parametrize("grain", READ)
def test_a_column_that_is_not_selected_is_told_at_its_config(told: tuple[Problem, ...], grain: str) -> None:
    problem = of(told, f"absent_{grain}")
    assert problem.what == f"`absent_{grain}` is partitioned by `never`, which it does not select"
    assert problem.fix == "select it"


def test_a_column_that_would_do_is_named(told: tuple[Problem, ...]) -> None:
    assert of(told, "elsewhere").fix == "select it, or set partition_by to `cut`"


def test_what_tells_a_partition_loads(tmp_path: Path) -> None:
    assert load(tmp_path, {f"m{at}": model(*item) for at, item in enumerate(GOOD)}) == ()
