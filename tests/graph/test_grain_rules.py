"""The rules of grains across the four folders: broken in a copy of the observatory, told all at once."""

import shutil
from pathlib import Path

import pytest
from sluicegate.core.problems import ProjectError
from sluicegate.core.settings import Settings
from sluicegate.project.loading import load_project

from tests.observatory import OBSERVATORY

MODELS = "dbt_project/models"


def test_models_that_cannot_be_cut_and_deadlines_of_drops_are_told_with_file_and_line(tmp_path: Path) -> None:
    folder = tmp_path / "observatory"
    shutil.copytree(OBSERVATORY, folder)

    def replace(name: str, old: str, new: str) -> None:
        text = (folder / name).read_text()
        assert old in text, f"{old!r} is not in {name}"
        (folder / name).write_text(text.replace(old, new, 1))

    replace(f"{MODELS}/marts/_marts.yml", "      meta: {partition_grain: daily}\n", "")
    replace(f"{MODELS}/marts/_marts.yml", "partition_grain: weekly", "partition_grain: weakly")
    replace(
        f"{MODELS}/exports/exp_recording_peaks.sql", "where {{ in_partition",
        "where amplitude > (select min(readings_planned) from {{ ref('stg_plans') }}) and {{ in_partition",
    )  # fmt: skip
    replace(
        "exports/exp_recording_peaks.yml", "mode: snapshot", "deadline: {unit: h, latency: 1}\nmode: snapshot"
    )
    with pytest.raises(ProjectError) as caught:
        load_project(Settings.load({}, project_dir=folder, data_dir=tmp_path / "data"))
    told = {(problem.file, problem.line, problem.what) for problem in caught.value.problems}
    assert told >= {
        (f"{MODELS}/marts/day_sums.sql", 1,
         "`day_sums` reads partitions of several grains: `staging.stg_plans` (monthly),"
         " `staging.stg_readings` (hourly)"),
        (f"{MODELS}/marts/week_offsets.sql", 1, "meta partition_grain of `week_offsets` is `weakly`"),
        (f"{MODELS}/exports/exp_recording_peaks.sql", 1,
         "`exp_recording_peaks` mixes drops and time: `staging.stg_plans` (monthly),"
         " `staging.stg_recordings` (drop of recordings)"),
        ("exports/exp_recording_peaks.yml", 7, "a deadline, but model `exp_recording_peaks` is cut by drop"),
    }  # fmt: skip
