"""The map of tables: what a partition is made of, whatever the grains, with windows, and in which order."""

import itertools
import warnings
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import cast

import dagster as dg
import pytest
from sluicegate.core.lineage import Lineage, Partition, Table, TablePartition
from sluicegate.core.partitions import Grain, Partitioning
from sluicegate.core.relations import Relation
from sluicegate.graph.partitions import partition_mapping, partitions_definitions

HOURLY, DAILY, WEEKLY, MONTHLY = (
    Partitioning(grain) for grain in (Grain.HOURLY, Grain.DAILY, Grain.WEEKLY, Grain.MONTHLY)
)
SNAPSHOT, RECORDING = Partitioning(Grain.SNAPSHOT), Partitioning(Grain.DROP, "recordings")
TIMED = (HOURLY, DAILY, WEEKLY, MONTHLY)


def before(cut: Partitioning, key: str) -> str:
    """The key of the partition before."""
    return cut.key_at(cut.interval(key)[0] - timedelta(hours=1))


def table(name: str, cut: Partitioning = DAILY, start: datetime | None = None, **parents: int) -> Table:
    # A lineage takes relations as they are, and looks into none.
    return Table(cast("Relation", name), (name,), cut, parents, {}, start)


@pytest.fixture
def lineage() -> Lineage:
    return Lineage(
        [
            table("raw_orders"),
            table("raw_shops", SNAPSHOT),
            table("stg_orders", raw_orders=1),
            table("sums", stg_orders=3),
            table("shop_sums", sums=1, raw_shops=1),
            table("trend", shop_sums=2, stg_orders=1),
        ]
    )


def chain(lineage: Lineage, relation: str, day: str) -> list[tuple[str, str, bool]]:
    return [(item.relation, item.partition_key, item.required) for item in lineage.chain(relation, day)]


def keys(items: Sequence[TablePartition], relation: str, *, required: bool | None = None) -> list[str]:
    return [
        item.partition_key
        for item in items
        if item.relation == relation and required in (None, item.required)
    ]


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
    reach: dict[str, list[str]] = {}
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


def test_a_table_that_is_not_partitioned_has_one_partition(lineage: Lineage) -> None:
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


def test_a_day_needs_its_24_hours_and_its_month() -> None:
    lineage = Lineage(
        [table("hours", HOURLY), table("plan", MONTHLY), table("days", hours=1, plan=1)],
    )
    items = lineage.chain("days", "2024-03-05")
    assert keys(items, "hours") == [f"2024-03-05-{hour:02}:00" for hour in range(24)]
    assert keys(items, "plan") == ["2024-03"]
    assert all(item.required for item in items)
    assert lineage.made_of("days", "2024-03-05") == {
        "hours": keys(items, "hours"),
        "plan": ["2024-03"],
    }


def test_what_a_month_is_made_of_a_day_of_it_is_made_of_too() -> None:
    """A day that reads a month that reads hours is made of all hours of the month."""
    lineage = Lineage([table("hours", HOURLY), table("months", MONTHLY, hours=1), table("days", months=1)])
    assert len(keys(lineage.chain("days", "2024-02-10"), "hours", required=True)) == 29 * 24


def test_a_week_across_two_months_needs_both() -> None:
    lineage = Lineage([table("plan", MONTHLY), table("weeks", WEEKLY, plan=1)])
    assert keys(lineage.chain("weeks", "2024-W05-1"), "plan") == ["2024-01", "2024-02"]
    assert keys(lineage.chain("weeks", "2024-W06-1"), "plan") == ["2024-02"]


@pytest.mark.parametrize(
    ("child", "key", "parent", "required", "besides"),
    [
        (HOURLY, "2024-01-10-05:00", HOURLY, ["2024-01-10-05:00"], 24),
        (DAILY, "2024-01-10", HOURLY, [f"2024-01-10-{hour:02}:00" for hour in range(24)], 24),
        (HOURLY, "2024-01-10-05:00", DAILY, ["2024-01-10"], 1),
        (WEEKLY, "2024-W03-1", DAILY, [f"2024-01-{day}" for day in range(15, 22)], 1),
        (WEEKLY, "2024-W03-1", WEEKLY, ["2024-W03-1"], 1),
        (MONTHLY, "2024-03", WEEKLY, [f"2024-W{week:02}-1" for week in range(9, 14)], 0),
        (DAILY, "2024-01-01", MONTHLY, ["2024-01"], 1),
        (DAILY, "2024-01-02", MONTHLY, ["2024-01"], 0),
    ],
)
def test_a_window_reaches_back_in_days_whatever_the_grains(
    child: Partitioning, key: str, parent: Partitioning, required: list[str], besides: int
) -> None:
    lineage = Lineage([table("parent", parent), table("child", child, parent=2)])
    items = lineage.chain("child", key)
    assert keys(items, "parent", required=True) == required
    earlier = keys(items, "parent", required=False)
    assert len(earlier) == besides
    assert all(name < required[0] for name in earlier)


def test_windows_of_several_grains_add_up_over_their_intervals() -> None:
    lineage = Lineage([table("hours", HOURLY), table("days", hours=3), table("weeks", WEEKLY, days=2)])
    items = lineage.chain("weeks", "2024-W03-1")
    assert keys(items, "days", required=False) == ["2024-01-14"]
    hours = keys(items, "hours")
    assert (hours[0], hours[-1], len(hours)) == ("2024-01-12-00:00", "2024-01-21-23:00", 10 * 24)
    assert keys(items, "hours", required=True)[0] == "2024-01-15-00:00"


def test_a_table_that_is_cut_by_drop_is_made_of_that_drop_and_of_snapshots() -> None:
    lineage = Lineage(
        [
            table("recordings", RECORDING),
            table("stations", SNAPSHOT),
            table("peaks", RECORDING, recordings=1, stations=1),
        ]
    )
    assert chain(lineage, "peaks", "quake-7") == [
        ("recordings", "quake-7", True),
        ("stations", "", True),
        ("peaks", "quake-7", True),
    ]


def test_partitions_before_a_sources_first_are_not_waited_for() -> None:
    start = datetime(2024, 1, 3, tzinfo=UTC)
    lineage = Lineage([table("days", DAILY, start), table("weeks", WEEKLY, days=1)])
    assert keys(lineage.chain("weeks", "2024-W01-1"), "days", required=True) == [
        f"2024-01-0{day}" for day in range(3, 8)
    ]
    # Of a week wholly before it all days are missed: it must not go out made of nothing.
    assert len(keys(lineage.chain("weeks", "2023-W52-1"), "days", required=True)) == 7


def test_the_day_itself_is_required_before_its_sources_first_too() -> None:
    lineage = Lineage([table("raw", DAILY, datetime(2024, 1, 3, tzinfo=UTC)), table("days", raw=1)])
    assert keys(lineage.chain("days", "2024-01-01"), "raw", required=True) == ["2024-01-01"]


def test_what_is_affected_is_what_is_made_of_it() -> None:
    """Forwards and backwards are one map: a partition is affected just where it stands in the chain."""
    lineage = Lineage(
        [
            table("hours", HOURLY),
            table("plan", MONTHLY),
            table("days", hours=1, plan=1),
            table("weeks", WEEKLY, days=3),
            table("months", MONTHLY, weeks=1, plan=1),
        ]
    )
    for source, key in (("hours", "2024-03-05-07:00"), ("plan", "2024-02"), ("days", "2024-12-30")):
        for name, reach in lineage.affected([source], key).items():
            cut = lineage.tables[name].partitioning
            required = list(cut.overlapping(reach.start, reach.end))
            window = list(cut.overlapping(reach.window_start, reach.window_end))
            around = [before(cut, required[0]), *window, cut.key_at(cut.interval(window[-1])[1])]
            for other in around:
                found = {
                    item.partition_key: item.required
                    for item in lineage.chain(name, other)
                    if item.relation == source
                }
                assert (found.get(key) is True) == (other in required), (source, key, name, other)
                assert (key in found) == (other in window), (source, key, name, other)


def test_an_hour_runs_before_the_day_that_it_completes_and_drops_come_last() -> None:
    partitions = [
        Partition(RECORDING, "quake"),
        Partition(MONTHLY, "2024-01"),
        Partition(DAILY, "2024-01-31"),
        Partition(DAILY, "2024-01-01"),
        Partition(HOURLY, "2024-01-31-23:00"),
        Partition(HOURLY, "2024-01-01-00:00"),
    ]
    assert [partition.key for partition in sorted(partitions, key=lambda item: item.order)] == [
        "2024-01-01-00:00", "2024-01-01", "2024-01-31-23:00", "2024-01-31", "2024-01", "quake",
    ]  # fmt: skip


# -- Dagster's idea of it


@pytest.fixture
def definition_of() -> Callable[[Partitioning], dg.PartitionsDefinition[str]]:
    start = datetime(2023, 1, 1, tzinfo=UTC)  # a Sunday
    weekly = datetime(2022, 12, 26, tzinfo=UTC)
    definitions = partitions_definitions({cut: weekly if cut == WEEKLY else start for cut in TIMED})

    def definition(cut: Partitioning) -> dg.PartitionsDefinition[str]:
        found = definitions(cut)
        assert found is not None
        return found

    return definition


@pytest.mark.parametrize("cut", TIMED)
def test_dagsters_keys_are_ours(
    cut: Partitioning, definition_of: Callable[[Partitioning], dg.PartitionsDefinition[str]]
) -> None:
    known = definition_of(cut).get_partition_keys(current_time=datetime(2023, 6, 14, 12, 30, tzinfo=UTC))
    first, last = cut.interval(known[0])[0], cut.interval(known[-1])[1]
    assert known == list(cut.overlapping(first, last))
    assert known[-1] == cut.key_at(datetime(2023, 6, 14, 12, 30, tzinfo=UTC))  # this very hour, day, …


@pytest.mark.parametrize(("child", "parent"), list(itertools.product(TIMED, TIMED)))
@pytest.mark.parametrize("days", [1, 2, 8])
def test_dagsters_mapping_is_the_lineages_chain(
    child: Partitioning,
    parent: Partitioning,
    days: int,
    definition_of: Callable[[Partitioning], dg.PartitionsDefinition[str]],
) -> None:
    lineage = Lineage([table("parent", parent), table("child", child, parent=days)])
    upstream, downstream = definition_of(parent), definition_of(child)
    now = datetime(2024, 6, 1, tzinfo=UTC)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        mapping = partition_mapping(child, parent, days) or dg.IdentityPartitionMapping()
    for moment in (
        datetime(2024, 1, 1, tzinfo=UTC),
        datetime(2024, 2, 29, 23, 5, tzinfo=UTC),
        datetime(2024, 3, 31, 13, tzinfo=UTC),
    ):
        key = child.key_at(moment)
        mapped = mapping.get_upstream_mapped_partitions_result_for_partitions(
            downstream.subset_with_partition_keys([key]), downstream, upstream, current_time=now
        )
        theirs = list(mapped.partitions_subset.get_partition_keys())
        ours = keys(lineage.chain("child", key), "parent")
        if days == 1 or child in (HOURLY, DAILY):
            assert theirs == ours
        else:  # Dagster counts in whole weeks and months: what it draws reaches back as far, or farther
            assert theirs[-len(ours) :] == ours
            earlier = before(child, key)
            back = lineage.chain("child", earlier if days <= 8 else before(child, earlier))
            assert theirs[0] >= keys(back, "parent", required=True)[0]


def test_a_drop_is_its_parents_drop_and_snapshots_need_no_mapping() -> None:
    assert partition_mapping(RECORDING, RECORDING) is None
    assert partition_mapping(RECORDING, SNAPSHOT) is None
    assert partition_mapping(DAILY, SNAPSHOT) is None
    definition = partitions_definitions({})(RECORDING)
    assert isinstance(definition, dg.DynamicPartitionsDefinition)
    assert definition.name == "drops_of_recordings"
    assert partitions_definitions({})(SNAPSHOT) is None
