"""`sluice land`: which local file is which partition's."""

from dataclasses import replace
from pathlib import Path

import pytest
from sluicegate.contracts.drops import DropTemplate
from sluicegate.contracts.load import load_contracts
from sluicegate.contracts.model import SourceContract
from sluicegate.core.partitions import Grain, Partitioning
from sluicegate.ingestion.local_files import files_to_land

from tests.company import BAKERY, MON, TUE

ORDERS = load_contracts(BAKERY)[0]["orders"]


def orders_at(path: str, grain: Grain) -> dict[str, SourceContract]:
    """The bakery's orders alone, landed at another path and grain."""
    template = DropTemplate(path, Partitioning(grain, "orders" if grain is Grain.DROP else ""))
    start = ORDERS.partition_start if grain.timed else None
    changed = replace(ORDERS, partitioning=template.partitioning, template=template, partition_start=start)
    return {"orders": changed}


def made(folder: Path, *names: str) -> Path:
    """A folder of files with these names."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


@pytest.mark.parametrize(
    ("path", "grain", "names", "expected"),
    [
        ("a/{date}.csv", Grain.DAILY, [f"{MON}.csv", f"{TUE}.csv", ".hidden"], {MON: 1, TUE: 1}),
        ("{date}/part-*.csv", Grain.DAILY, [f"{MON}/part-1.csv", f"{MON}/part-2.csv"], {MON: 2}),
        ("{date}/{hour}/x-?.csv", Grain.HOURLY, [f"{MON}/13/x-1.csv"], {"2024-01-01-13:00": 1}),
        ("a/{week}.csv", Grain.WEEKLY, ["2024-W02.csv"], {"2024-W02-1": 1}),
        ("a/{year}/{month}.csv", Grain.MONTHLY, ["2024/02.csv", "2024/03.csv"], {"2024-02": 1, "2024-03": 1}),
        ("a/{drop}/*.bag", Grain.DROP, ["run-1/a.bag", "run-1/b.bag"], {"run-1": 2}),
        ("shops/*.csv", Grain.SNAPSHOT, ["a.csv", "b.csv"], {"snapshot": 2}),
    ],
)
def test_the_end_of_a_path_tells_the_partition(
    tmp_path: Path, path: str, grain: Grain, names: list[str], expected: dict[str, int]
) -> None:
    files, complaint = files_to_land(orders_at(path, grain), "orders", [made(tmp_path, *names)], None)
    assert complaint == ""
    assert {key: len(found) for key, found in files.items()} == expected


def test_a_partition_that_is_named_takes_a_file_of_any_name(tmp_path: Path) -> None:
    file = made(tmp_path, "export (1).csv") / "export (1).csv"
    contracts = orders_at("a/{date}.csv", Grain.DAILY)
    assert files_to_land(contracts, "orders", [file], MON) == ({MON: [file]}, "")


@pytest.mark.parametrize(
    ("path", "grain", "names", "partition", "complaint"),
    [
        (
            "a/{date}.csv",
            Grain.DAILY,
            ["x.csv"],
            None,
            "its name does not tell the day; expected {date}.csv from",
        ),
        ("a/{date}.csv", Grain.DAILY, ["2023-12-31.csv"], None, "expected {date}.csv from 2024-01-01 on"),
        ("a/{date}.csv", Grain.DAILY, ["x.csv"], "2023-12-31", "from 2024-01-01 on"),
        ("a/{date}.csv", Grain.DAILY, ["x.csv"], "2024-W01-1", "no daily partition of `orders`"),
        ("a/{date}.csv", Grain.DAILY, ["x.csv", "y.csv"], MON, "a second file for a/2024-01-01.csv"),
        ("a/{date}-*.csv", Grain.DAILY, ["x.csv"], MON, "its name does not fit; expected a/2024-01-01-*.csv"),
        (
            "a/{drop}.bag",
            Grain.DROP,
            ["x.bag"],
            "not/an/id",
            "no drop partition of `orders`; expected a key",
        ),
        ("shops.csv", Grain.SNAPSHOT, ["x.csv"], MON, "is a snapshot, without partitions"),
        ("a/{date}.csv", Grain.DAILY, [], None, "no file in"),
    ],
)
def test_what_cannot_be_landed(
    tmp_path: Path, path: str, grain: Grain, names: list[str], partition: str | None, complaint: str
) -> None:
    files, said = files_to_land(orders_at(path, grain), "orders", [made(tmp_path, *names)], partition)
    assert files == {}
    assert complaint in said


def test_a_source_without_a_contract_is_named(tmp_path: Path) -> None:
    files, said = files_to_land({"orders": ORDERS}, "order", [tmp_path], None)
    assert (files, said) == ({}, "no contract for source `order`; did you mean `orders`?")
