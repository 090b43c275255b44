"""What exports ask of their models' partitions and columns, as dbt and the contracts say them."""

import shutil
from pathlib import Path

import pytest
from sluicegate.contracts.dbt_sources import write_sources
from sluicegate.contracts.load import load_contracts
from sluicegate.core.problems import Problem, ProjectError
from sluicegate.core.settings import Settings
from sluicegate.project.loading import load_project

from tests.company import BAKERY
from tests.observatory import OBSERVATORY

SHOPS, WEATHER = "exports/exp_shop_orders.yml", "exports/exp_weather_report.yml"
PEAKS = "exports/exp_recording_peaks.yml"
# In the bakery's contract of orders, which the models below carry on under the same name.
CLASSIFIED = (
    "contracts/orders.odcs.yaml",
    "description: The shop, by its code.",
    "classification: restricted",
)


def replace(folder: Path, name: str, old: str, new: str) -> None:
    text = (folder / name).read_text()
    assert old in text, f"{old!r} is not in {name}"
    (folder / name).write_text(text.replace(old, new, 1))


def classify(folder: Path) -> None:
    """Classify a column in its contract alone; dbt's sources are generated from it."""
    replace(folder, *CLASSIFIED)
    replace(
        folder, CLASSIFIED[0], "customProperties:",
        "customProperties:\n  - {property: masking, value: {restricted: keep}}",
    )  # fmt: skip
    contracts, problems = load_contracts(folder)
    assert problems == []
    write_sources(folder, contracts)


def load(folder: Path, tmp_path: Path) -> tuple[Problem, ...]:
    try:
        load_project(Settings.load({}, project_dir=folder, data_dir=tmp_path / "data"))
    except ProjectError as error:
        return error.problems
    return ()


@pytest.fixture
def bakery_copy(tmp_path: Path) -> Path:
    folder = tmp_path / "bakery"
    shutil.copytree(BAKERY, folder)
    return folder


def test_a_column_that_its_contract_classifies_goes_only_where_the_export_says(
    bakery_copy: Path, tmp_path: Path
) -> None:
    classify(bakery_copy)
    found = load(bakery_copy, tmp_path)
    # The mart takes the shop of another source, to which this one is equal by a join.
    way = "raw.orders.shop → staging.stg_orders.shop → marts.shop_orders.shop → exports.exp_shop_orders.shop"
    assert [(problem.file, problem.what.partition(" (")[0]) for problem in found] == [
        (SHOPS, f"field `shop` is restricted: {way}")
    ]
    assert "dbt_project/models/exports/exp_shop_orders.sql" in found[0].fix
    path = bakery_copy / SHOPS
    path.write_text(path.read_text() + "classes: [public, internal, restricted]\n")
    assert load(bakery_copy, tmp_path) == ()


def test_latest_is_for_what_is_cut_by_time_and_without_the_partitions_column(
    bakery_copy: Path, tmp_path: Path
) -> None:
    replace(bakery_copy, SHOPS, "partitions: each", "partitions: latest")
    assert [(problem.file, problem.line, problem.what) for problem in load(bakery_copy, tmp_path)] == [
        (SHOPS, 6, "`business_date` tells the partition, and is not sent with `partitions: latest`")
    ]
    replace(bakery_copy, SHOPS, "[business_date, shop]", "[shop]")
    assert load(bakery_copy, tmp_path) == ()


def test_of_drops_none_is_the_latest(tmp_path: Path) -> None:
    folder = tmp_path / "observatory"
    shutil.copytree(OBSERVATORY, folder)
    replace(folder, PEAKS, "partitions: each", "partitions: latest")
    told = [(problem.file, problem.line, problem.what) for problem in load(folder, tmp_path)]
    assert (PEAKS, 8, "`partitions: latest`, but model `exp_recording_peaks` is cut by drop") in told


def test_columns_that_the_model_lacks_are_told_all_at_once(bakery_copy: Path, tmp_path: Path) -> None:
    path = bakery_copy / WEATHER
    path.write_text(path.read_text() + "names: {towns: Town}\nlimits: {sums: {town: {max: 1}}}\n")
    told = {(problem.file, problem.what) for problem in load(bakery_copy, tmp_path)}
    assert told == {
        (WEATHER, "column `towns` is not in `exp_weather_report`"),
        (WEATHER, "`town` has the type varchar, and no sum"),
    }
