"""When a drop is whole: clocks that differ, uploads under way, markers under other names."""

import os
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

import pytest
from sluicegate.areas import Area
from sluicegate.ingestion.staging import Scan, register_landed
from sluicegate.state.store import StateStore

from tests.company import MON
from tests.unit.staging.support import LISTED, NOON, ORDERS, PARTS, RESTING, clock, cut_by, said, write


def test_a_file_at_rest_with_a_time_to_come_waits_and_says_so(staging: Area, records: StateStore) -> None:
    path = f"parts/{MON}/part-a.csv"
    write(staging, path, "a", NOON + timedelta(seconds=30))
    assert register_landed(RESTING, staging, records, now=clock(NOON)) == Scan((), ())
    write(staging, path, "a", NOON + timedelta(days=400))
    first, again = (register_landed(RESTING, staging, records, now=clock(NOON)) for _ in range(2))
    assert first == again == Scan((), (), first.notes)
    [note] = first.notes
    assert note.startswith(f"{path} is of 2025-02-08 12:00:00, and it is 2024-01-05 12:00:00 now (UTC); ")
    assert "`touch` the file" in note
    write(staging, path, "a", NOON)  # touched
    assert register_landed(RESTING, staging, records, now=clock(NOON)) == Scan((), ())
    scan = register_landed(RESTING, staging, records, now=clock(NOON + timedelta(minutes=11)))
    assert [drop.partition_key for drop in scan.drops] == [MON]


def test_a_file_with_a_time_to_come_is_touched_before_its_marker(staging: Area, records: StateStore) -> None:
    write(staging, f"orders/{MON}.csv.gz", "a", NOON + timedelta(hours=2))
    write(staging, f"orders/{MON}.done", at=NOON)
    [complaint] = register_landed(ORDERS, staging, records, now=clock(NOON)).complaints
    assert "is of 2024-01-05 14:00:00, and it is 2024-01-05 12:00:00 now (UTC); `touch` it" in complaint
    write(staging, f"orders/{MON}.csv.gz", "a", NOON)
    write(staging, f"orders/{MON}.done", at=NOON)
    assert len(register_landed(ORDERS, staging, records, now=clock(NOON)).drops) == 1


@pytest.mark.parametrize("name", [f"{MON}.DONE", f"{MON}.Done"])
def test_a_marker_in_capitals_is_told(name: str, tmp_path: Path, records: StateStore) -> None:
    staging = Area(str(tmp_path / "staging"))
    write(staging, f"orders/{MON}.csv.gz", "a")
    write(staging, f"orders/{name}")
    [complaint] = register_landed(ORDERS, staging, records).complaints
    assert complaint == f"orders/{name}: names are told by their case; expected orders/{MON}.done; rename it"
    os.rename(staging.path(f"orders/{name}"), staging.path(f"orders/{MON}.done"))
    assert len(register_landed(ORDERS, staging, records).drops) == 1


WILD = cut_by(PARTS.partitioning.grain, "parts/{date}/*")
UPLOADS = ["b.csv.part", "b.csv.tmp", "b.csv.crdownload", "b.csv~", "b.csv.filepart", "B.CSV.TMP"]


@pytest.mark.parametrize("name", UPLOADS)
def test_an_upload_under_way_keeps_its_drop_waiting(name: str, staging: Area, records: StateStore) -> None:
    write(staging, f"parts/{MON}/a.csv", "a")
    write(staging, f"parts/{MON}/{name}", "b")
    write(staging, f"parts/{MON}/.done")
    for _ in range(2):
        assert said(register_landed(WILD, staging, records)) == [
            f"parts/{MON}/{name}: named as an upload that is not done"
        ]
    staging.remove(f"parts/{MON}/{name}")
    write(staging, f"parts/{MON}/b.csv", "b")
    write(staging, f"parts/{MON}/.done", "again")
    [drop] = register_landed(WILD, staging, records).drops
    assert [file.path for file in drop.files] == [f"parts/{MON}/a.csv", f"parts/{MON}/b.csv"]


def test_an_upload_that_the_pattern_leaves_out_is_nobodys(staging: Area, records: StateStore) -> None:
    for name in ("part-a.csv", "part-a.csv.part", "part-b.csv~", ".done"):
        write(staging, f"parts/{MON}/{name}", name)
    [drop] = register_landed(PARTS, staging, records).drops
    assert [file.path for file in drop.files] == [f"parts/{MON}/part-a.csv"]


def test_a_pattern_may_ask_for_names_that_look_like_uploads(staging: Area, records: StateStore) -> None:
    contract = cut_by(PARTS.partitioning.grain, "parts/{date}/*.csv.part")
    write(staging, f"parts/{MON}/a.csv.part", "a")
    write(staging, f"parts/{MON}/.done")
    assert len(register_landed(contract, staging, records).drops) == 1
    plain = cut_by(PARTS.partitioning.grain, "plain/{date}/*")
    write(staging, f"plain/{MON}/data.part", "a")
    write(staging, f"plain/{MON}/.done")
    assert [len(drop.files) for drop in register_landed(plain, staging, records).drops] == [1]


NAMES = [
    "a b",
    "it's",
    'the "best"',
    "100%25",
    "a\nb",
    "caf\u00e9",
    "cafe\u0301",
    "a;b",
    "[1]{2}",
    "日本",
    "a\\b",
]


def test_any_name_may_land(staging: Area, records: StateStore) -> None:
    paths = sorted(f"parts/{MON}/part-{name}.csv" for name in NAMES)
    for path in paths:
        write(staging, path, path)
    write(staging, f"parts/{MON}/.done")
    [drop] = register_landed(PARTS, staging, records).drops
    assert [file.path for file in drop.files] == paths
    assert register_landed(PARTS, staging, records) == Scan((), ())


def test_empty_folders_say_nothing(tmp_path: Path, records: StateStore) -> None:
    staging = Area(str(tmp_path / "staging"))
    Path(staging.path(f"parts/{MON}")).mkdir(parents=True)
    for contract in (PARTS, LISTED, RESTING, ORDERS):
        assert register_landed(contract, staging, records) == Scan((), ())


def test_a_drop_that_vanishes_during_the_look_is_no_news(tmp_path: Path, records: StateStore) -> None:
    staging = Area(str(tmp_path / "staging"))
    for name in ("part-a.csv", "part-b.csv", ".done"):
        write(staging, f"parts/{MON}/{name}", name)

    class Vanishing(Area):
        def open(self, relative: str) -> BinaryIO:
            stream = super().open(relative)
            for name in ("part-a.csv", "part-b.csv", ".done"):
                self.remove(f"parts/{MON}/{name}")
            return stream

    vanishing = Vanishing(staging.url)
    scan = register_landed(PARTS, vanishing, records)
    assert (scan.drops, scan.complaints) == ((), ())
    assert register_landed(PARTS, vanishing, records) == Scan((), ())
