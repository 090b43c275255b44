"""The staging area: what counts as landed, at every grain, and what is complained about."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sluicegate.areas import Area
from sluicegate.core.partitions import Grain
from sluicegate.ingestion.staging import Scan, register_landed
from sluicegate.state.records import DropFile
from sluicegate.state.store import StateStore

from tests.company import MON
from tests.unit.staging.support import NOON, ORDERS, PARTS, SHOPS, clock, cut_by, said, write


def test_a_drop_counts_from_its_marker_on(staging: Area, records: StateStore) -> None:
    write(staging, f"orders/{MON}.csv.gz", "one")
    assert register_landed(ORDERS, staging, records).drops == ()
    write(staging, f"orders/{MON}.done")
    scan = register_landed(ORDERS, staging, records)
    assert [(drop.partition_key, drop.ordinal, drop.file, drop.size_bytes) for drop in scan.drops] == [
        (MON, 1, f"orders/{MON}.csv.gz", 3)
    ]
    assert scan.drops[0].files == (DropFile(f"orders/{MON}.csv.gz", scan.drops[0].digest, 3),)
    assert register_landed(ORDERS, staging, records) == Scan((), ())


def test_a_marker_without_its_file_is_complained_about_until_it_comes(
    staging: Area, records: StateStore
) -> None:
    write(staging, f"orders/{MON}.done")
    for _ in range(2):
        assert said(register_landed(ORDERS, staging, records)) == [
            f"orders/{MON}.done: marker without its file"
        ]
    write(staging, f"orders/{MON}.csv.gz", "one", NOON)
    write(staging, f"orders/{MON}.done", at=NOON)
    assert len(register_landed(ORDERS, staging, records).drops) == 1
    assert register_landed(ORDERS, staging, records) == Scan((), ())


@pytest.mark.parametrize("name", ["2023-12-31", "2024-1-1", "monday", "2024-02-30", "9999-12-31"])
def test_a_marker_that_is_no_day_of_the_source_is_complained_about(
    staging: Area, records: StateStore, name: str
) -> None:
    write(staging, f"orders/{name}.csv.gz", "one")
    write(staging, f"orders/{name}.done")
    for _ in range(2):
        scan = register_landed(ORDERS, staging, records)
        assert scan.drops == ()
        assert len(scan.complaints) == 1
        assert f"orders/{name}.done: not a marker of `orders`" in scan.complaints[0]
        assert "from 2024-01-01 on" in scan.complaints[0]
    staging.remove(f"orders/{name}.done")
    staging.remove(f"orders/{name}.csv.gz")
    assert register_landed(ORDERS, staging, records) == Scan((), ())


@pytest.mark.parametrize(
    ("grain", "path", "key", "tomorrow"),
    [
        (Grain.HOURLY, "a/{date}T{hour}.csv", "2024-01-05-12:00", "2024-01-05-13:00"),
        (Grain.DAILY, "a/{date}.csv", "2024-01-05", "2024-01-06"),
        (Grain.WEEKLY, "a/{week}.csv", "2024-W01-1", "2024-W02-1"),
        (Grain.MONTHLY, "a/{year}-{month}.csv", "2024-01", "2024-02"),
    ],
)
def test_every_grain_of_time_lands_up_to_now(
    staging: Area, records: StateStore, grain: Grain, path: str, key: str, tomorrow: str
) -> None:
    contract = cut_by(grain, path)
    for one in (key, tomorrow):
        write(staging, contract.template.of(one), one)
        assert contract.completion.template is not None
        write(staging, contract.completion.template.of(one))
    for drops in ([key], []):
        scan = register_landed(contract, staging, records, now=clock(NOON))
        assert [drop.partition_key for drop in scan.drops] == drops
        assert ["lies in the future" in text and key in text for text in scan.complaints] == [True]
    later = register_landed(contract, staging, records, now=clock(NOON + timedelta(days=31)))
    assert [drop.partition_key for drop in later.drops] == [tomorrow]


def test_a_dataset_lands_under_its_own_id(staging: Area, records: StateStore) -> None:
    contract = cut_by(Grain.DROP, "recordings/{drop}/*.bag")
    for drop_id in ("flight-7", MON):  # the id that looks like a day would be one to other tables
        write(staging, f"recordings/{drop_id}/a.bag", drop_id)
        write(staging, f"recordings/{drop_id}/.done")
    scan = register_landed(contract, staging, records)
    assert [(drop.partition_key, drop.file) for drop in scan.drops] == [
        ("flight-7", "recordings/flight-7/a.bag")
    ]
    assert [text.partition(";")[0] for text in scan.complaints] == [
        f"recordings/{MON}/.done: not a marker of `orders`"
    ]


def test_a_snapshot_has_one_partition(staging: Area, records: StateStore) -> None:
    write(staging, "shops/shops.csv", "a")
    write(staging, "shops/shops.done")
    assert [drop.partition_key for drop in register_landed(SHOPS, staging, records).drops] == ["snapshot"]
    write(staging, "shops/shops.csv", "b")
    write(staging, "shops/shops.done", at=datetime.now(UTC) + timedelta(seconds=5))
    assert [drop.ordinal for drop in register_landed(SHOPS, staging, records).drops] == [2]


def test_of_many_strangers_some_are_named(staging: Area, records: StateStore) -> None:
    for number in range(60):
        write(staging, f"orders/stock-{number:02}.done")
    for day in (f"2023-12-{day:02}" for day in range(1, 32)):
        write(staging, f"orders/{day}.done")
    for _ in range(2):
        complaints = register_landed(ORDERS, staging, records).complaints
        assert len(complaints) == 51
        assert complaints[-1] == "and 41 more like these"


def test_a_name_that_is_no_text_is_complained_about(tmp_path: Path, records: StateStore) -> None:
    staging = Area(str(tmp_path / "staging"))
    write(staging, f"parts/{MON}/part-1.csv", "a")
    Path(os.fsdecode(os.fsencode(tmp_path / "staging" / "parts" / MON) + b"/part-\xff.csv")).write_text("b")
    write(staging, f"parts/{MON}/.done")
    scan = register_landed(PARTS, staging, records)
    assert [len(drop.files) for drop in scan.drops] == [1]
    assert [f"parts/{MON}/part-\\udcff.csv: not a" in text for text in scan.complaints] == [True]
