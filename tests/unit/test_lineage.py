"""The map of tables: what a day is made of, with windows, and in which order."""

import pytest

from orchestration.lineage import Lineage, Table


def table(name: str, *, daily: bool = True, **parents: int) -> Table:
    return Table(name, (name,), daily, parents, ())


@pytest.fixture
def lineage() -> Lineage:
    return Lineage(
        [
            table("raw_orders"),
            table("raw_shops", daily=False),
            table("stg_orders", raw_orders=1),
            table("sums", stg_orders=3),
            table("shop_sums", sums=1, raw_shops=1),
            table("trend", shop_sums=2, stg_orders=1),
        ]
    )


def chain(lineage: Lineage, relation: str, day: str) -> list[tuple[str, str, bool]]:
    return [(item.relation, item.partition_key, item.required) for item in lineage.chain(relation, day)]


def test_a_chain_holds_ancestors_first_and_days_in_order(lineage: Lineage) -> None:
    days = ["2024-02-28", "2024-02-29", "2024-03-01"]
    assert chain(lineage, "shop_sums", "2024-03-01") == [
        *(("raw_orders", day, day == days[-1]) for day in days),
        ("raw_shops", "", True),
        *(("stg_orders", day, day == days[-1]) for day in days),
        ("sums", days[-1], True),
        ("shop_sums", days[-1], True),
    ]


def test_windows_add_up_along_the_longest_path(lineage: Lineage) -> None:
    reach = {}
    for relation, day, _ in chain(lineage, "trend", "2024-01-10"):
        reach.setdefault(relation, []).append(day[-2:])
    assert reach == {
        "raw_orders": ["07", "08", "09", "10"],
        "raw_shops": [""],
        "stg_orders": ["07", "08", "09", "10"],
        "sums": ["09", "10"],
        "shop_sums": ["09", "10"],
        "trend": ["10"],
    }


def test_a_table_over_all_days_has_one_partition(lineage: Lineage) -> None:
    assert chain(lineage, "raw_shops", "") == [("raw_shops", "", True)]
    assert lineage.tables["raw_shops"].partition("2024-01-01") == ""
    assert lineage.tables["sums"].partition("2024-01-01") == "2024-01-01"


def test_sources_and_descendants(lineage: Lineage) -> None:
    assert lineage.sources("trend") == {"raw_orders", "raw_shops"}
    assert lineage.sources("sums") == {"raw_orders"}
    assert lineage.sources("raw_orders") == {"raw_orders"}
    assert lineage.descendants("raw_shops") == {"shop_sums", "trend"}
    assert lineage.descendants("stg_orders") == {"sums", "shop_sums", "trend"}
    assert lineage.descendants("trend") == set()
