"""Contract files: what they say, and every problem with its file and line."""

from datetime import date
from pathlib import Path

import pytest

from orchestration.contracts.load import load_contracts
from orchestration.contracts.model import PartitionGrain
from tests.company import BAKERY
from tests.unit.conftest import Edit

ORDERS = "contracts/orders.odcs.yaml"


def test_a_contract_says_where_drops_land_and_how_they_are_read() -> None:
    contracts, problems = load_contracts(BAKERY)
    assert problems == []
    orders, shops, weather = contracts["orders"], contracts["shops"], contracts["weather"]
    assert orders.relation == "raw.orders"
    assert (orders.grain, orders.partition_start) == (PartitionGrain.DAILY, date(2024, 1, 1))
    assert (orders.path, orders.marker) == ("orders/{date}.csv.gz", "orders/{date}.done")
    assert [column.header for column in orders.columns] == ["Order No.", "Date", "Shop", "Loaves (pcs)"]
    assert [column.name for column in orders.columns] == ["order_number", "order_date", "shop", "loaves"]
    assert (orders.key, orders.partition_column) == (("order_number",), "order_date")
    assert not orders.gaps_allowed
    assert weather.gaps_allowed
    assert (shops.grain, shops.marker, shops.partition_column) == ("snapshot", "shops/shops.done", None)
    assert orders.owner == "ovens@bakery.example"


@pytest.mark.parametrize(
    ("path", "day"),
    [
        ("orders/2024-01-01.csv.gz", "2024-01-01"),
        ("orders/2024-02-29.csv.gz", "2024-02-29"),
        ("orders/2023-12-31.csv.gz", None),  # before the feed began
        ("orders/2024-02-30.csv.gz", None),
        ("orders/20240101.csv.gz", None),
        ("orders/2024-01-01.csv", None),
        ("weather/2024-01-01.csv.gz", None),
    ],
)
def test_a_path_tells_its_day(path: str, day: str | None) -> None:
    orders = load_contracts(BAKERY)[0]["orders"]
    assert orders.partition_of(path, orders.path) == day
    if day:
        assert orders.path_of(day) == path


@pytest.mark.parametrize(
    ("old", "new", "line", "what"),
    [
        ("apiVersion: v3.1.0", "apiVersion: v2.2.2", 1, "apiVersion"),
        ("version: 1.0.0", "versoin: 1.0.0", 5, "versoin"),
        ("version: 1.0.0\n", "", 1, "`version` is missing"),
        ("partitionGrain", "partitionGrian", 48, "unknown custom property `partitionGrian`"),
        ("value: daily", "value: hourly", 47, "custom property `partitionGrain` is `hourly`"),
        ('value: "2024-01-01"', "value: soon", 47, "custom property `partitionStart` is `soon`"),
        ("orders/{date}.csv.gz", "orders/all.csv.gz", 12, "path is `orders/all.csv.gz`"),
        ("format: csv", "format: parquet", 13, "format is `parquet`"),
        ("        physicalType: VARCHAR\n", "", 19, "column `order_number` has no physicalType"),
        ("required: true\n      - name: loaves", "partitioned: true\n      - name: loaves", 18,
         "2 partitioned properties"),
        ("servers:\n", "servers:\n  - {server: other, type: local, path: x}\n", 9, "2 servers"),
        ("kind: DataContract", "kind: DataContract\nkind: DataContract", 3, "`kind` stands twice"),
    ],
)  # fmt: skip
def test_each_problem_is_located(folder: Path, edit: Edit, old: str, new: str, line: int, what: str) -> None:
    edit(ORDERS, old, new)
    _, problems = load_contracts(folder)
    located = [(problem.file, problem.line) for problem in problems if what in str(problem)]
    assert located == [(ORDERS, line)], problems
    assert all(problem.expected and problem.mend for problem in problems)


def test_a_misspelt_custom_property_is_told_its_name(folder: Path, edit: Edit) -> None:
    edit("contracts/weather.odcs.yaml", "daysWithoutDrop", "daysWithoutDrops")
    _, problems = load_contracts(folder)
    assert [problem.mend for problem in problems] == ["did you mean `daysWithoutDrop`?"]


def test_two_contracts_for_one_source(folder: Path, edit: Edit) -> None:
    edit("contracts/shops.odcs.yaml", "  - name: shops", "  - name: orders")
    _, problems = load_contracts(folder)
    assert [(problem.file, problem.line, problem.what) for problem in problems] == [
        ("contracts/shops.odcs.yaml", 15, "a second contract for `orders`")
    ]
    assert ORDERS in problems[0].expected


def test_a_file_that_nothing_reads(folder: Path) -> None:
    (folder / ORDERS).rename(folder / "contracts/orders.yaml")
    contracts, problems = load_contracts(folder)
    assert set(contracts) == {"shops", "weather"}
    assert [(problem.file, problem.what) for problem in problems] == [
        ("contracts/orders.yaml", "a file that nothing reads")
    ]


def test_a_misspelt_field_below_the_top_is_told_its_name(folder: Path, edit: Edit) -> None:
    """The standard's own model passes over it, and the rule would be gone without a word."""
    edit(ORDERS, "required: true", "requierd: true")
    problems = [problem for problem in load_contracts(folder)[1] if "requierd" in problem.what]
    assert problems
    assert all("did you mean `required`?" in problem.mend for problem in problems)
    assert all(
        (folder / problem.file).read_text().splitlines()[problem.line - 1].count("requierd")
        for problem in problems
    )
