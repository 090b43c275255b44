"""Drops of several files: complete on a marker, on a manifest, or when they have rested."""

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sluicegate.areas import Area
from sluicegate.ingestion.staging import Scan, register_landed
from sluicegate.state.store import StateStore

from tests.company import MON
from tests.unit.staging.support import LISTED, NOON, PARTS, RESTING, CountingArea, clock, said, write


def test_several_files_are_one_drop_named_by_all_of_them(staging: Area, records: StateStore) -> None:
    for part in "ba":
        write(staging, f"parts/{MON}/part-{part}.csv", part * 3)
    write(staging, f"parts/{MON}/.done")
    [drop] = register_landed(PARTS, staging, records).drops
    assert [(file.path, file.size) for file in drop.files] == [
        (f"parts/{MON}/part-{part}.csv", 3) for part in "ab"
    ]
    assert (drop.file, drop.size_bytes) == (f"parts/{MON}/part-*.csv", 6)
    assert records.drops.of("orders", MON) == [drop]
    # Another name for one of them is another drop, the very same files are none.
    staging.remove(f"parts/{MON}/part-b.csv")
    write(staging, f"parts/{MON}/part-c.csv", "bbb")
    write(staging, f"parts/{MON}/.done", at=datetime.now(UTC) + timedelta(seconds=5))
    [other] = register_landed(PARTS, staging, records).drops
    assert (other.ordinal, other.digest != drop.digest) == (2, True)
    write(staging, f"parts/{MON}/.done", at=datetime.now(UTC) + timedelta(seconds=9))
    assert register_landed(PARTS, staging, records) == Scan((), ())


def test_a_file_that_comes_after_the_marker_waits_for_the_marker_again(
    staging: Area, records: StateStore
) -> None:
    write(staging, f"parts/{MON}/part-1.csv", "a", NOON)
    write(staging, f"parts/{MON}/.done", at=NOON)
    assert [len(drop.files) for drop in register_landed(PARTS, staging, records).drops] == [1]
    write(staging, f"parts/{MON}/part-2.csv", "b", NOON + timedelta(minutes=1))
    for _ in range(2):
        scan = register_landed(PARTS, staging, records)
        assert said(scan) == [f"parts/{MON}/part-2.csv: newer than parts/{MON}/.done"]
        assert "write the marker again" in scan.complaints[0]
    write(staging, f"parts/{MON}/.done", at=NOON + timedelta(minutes=2))
    assert [len(drop.files) for drop in register_landed(PARTS, staging, records).drops] == [2]


def test_a_marker_that_is_older_than_one_of_its_files_is_not_believed(
    staging: Area, records: StateStore
) -> None:
    write(staging, f"parts/{MON}/.done", at=NOON)
    assert said(register_landed(PARTS, staging, records)) == [f"parts/{MON}/.done: marker without its files"]
    for number in (1, 2):
        write(staging, f"parts/{MON}/part-{number}.csv", "a", NOON + timedelta(minutes=number))
    names = ", ".join(f"parts/{MON}/part-{number}.csv" for number in (1, 2))
    assert said(register_landed(PARTS, staging, records)) == [f"{names}: newer than parts/{MON}/.done"]
    write(staging, f"parts/{MON}/.done", at=NOON + timedelta(minutes=3))
    assert [len(drop.files) for drop in register_landed(PARTS, staging, records).drops] == [2]


def test_files_without_a_marker_are_spoken_of_after_an_hour(staging: Area, records: StateStore) -> None:
    write(staging, f"parts/{MON}/part-1.csv", "a", NOON)
    notes = [
        register_landed(PARTS, staging, records, now=clock(NOON + timedelta(minutes=minutes)))
        for minutes in (0, 59, 61, 60 * 24 * 3)
    ]
    waits = f"parts/{MON}/part-1.csv: waits for its marker parts/{MON}/.done"
    assert [scan.notes for scan in notes] == [
        (),
        (),
        (f"{waits}, for 1 hour so far",),
        (f"{waits}, for 3 days so far",),
    ]
    assert [(scan.drops, scan.complaints) for scan in notes] == [((), ())] * 4


def listed(*files: tuple[str, int], **more: object) -> str:
    return json.dumps({"made_by": "a provider", "files": [{"path": p, "size": n} | more for p, n in files]})


MANIFEST = f"parts/{MON}/manifest.json"


def test_a_manifest_is_believed_when_all_is_there_as_it_says(staging: Area, records: StateStore) -> None:
    a, b = (f"parts/{MON}/part-{part}.csv" for part in "ab")
    write(staging, a, "aaa")
    write(staging, MANIFEST, listed(("part-a.csv", 3), ("./part-b.csv", 2), sha256=None))
    assert said(register_landed(LISTED, staging, records)) == [f"{b}: listed, but not there"]
    write(staging, b, "b")
    assert said(register_landed(LISTED, staging, records)) == [f"{b}: has 1 bytes, not 2"]
    write(staging, b, "bb")
    [drop] = register_landed(LISTED, staging, records).drops
    assert [file.path for file in drop.files] == [a, b]
    assert register_landed(LISTED, staging, records) == Scan((), ())


def test_a_manifest_with_another_digest_is_complained_about_and_read_once(
    tmp_path: Path, records: StateStore
) -> None:
    staging = CountingArea(str(tmp_path / "staging"))
    write(staging, f"parts/{MON}/part-a.csv", "aaa")
    write(staging, MANIFEST, listed(("part-a.csv", 3), sha256="AB" * 32))
    for _ in range(3):
        scan = register_landed(LISTED, staging, records)
        assert scan.drops == ()
        assert ["part-a.csv: has SHA-256 98" in text and "not abab" in text for text in scan.complaints] == [
            True
        ]
    assert staging.opened.count(f"parts/{MON}/part-a.csv") == 1
    write(staging, MANIFEST, listed(("part-a.csv", 3), sha256=hashlib.sha256(b"aaa").hexdigest().upper()))
    assert len(register_landed(LISTED, staging, records).drops) == 1


def test_a_file_that_no_manifest_lists_is_left_and_complained_about(
    staging: Area, records: StateStore, restarted: Callable[[], StateStore]
) -> None:
    for part in "ab":
        write(staging, f"parts/{MON}/part-{part}.csv", part)
    write(staging, MANIFEST, listed(("part-a.csv", 1)))
    first = register_landed(LISTED, staging, records)
    assert [drop.file for drop in first.drops] == [f"parts/{MON}/part-a.csv"]
    for scan in (
        first,
        register_landed(LISTED, staging, records),
        register_landed(LISTED, staging, restarted()),
    ):
        assert [text.partition(";")[0] for text in scan.complaints] == [
            f"parts/{MON}/part-b.csv: not listed in {MANIFEST}"
        ]
    staging.remove(f"parts/{MON}/part-b.csv")
    assert register_landed(LISTED, staging, records) == Scan((), ())


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("{", "at line 1 column 1"),
        ('{\n"files": [\n{"path": "part-a.csv",\n}]}', "at line 4 column 1"),
        ("[]", "should be an object"),
        ("{}", "field `files`: "),
        ('{"files": []}', "field `files`: "),
        ('{"files": [{"path": "part-a.csv"}]}', "field `files[0].size`: "),
        ('{"files": [{"path": "part-a.csv", "size": "1"}]}', "field `files[0].size`: "),
        ('{"files": [{"path": "part-a.csv", "size": 1, "sha256": "?"}]}', "field `files[0].sha256`: "),
        (
            listed(("part-a.csv", 1), ("./part-a.csv", 1)),
            "field `files[1].path`: `./part-a.csv` is listed twice",
        ),
        (listed(("../part-a.csv", 1)), "is no path below its folder"),
        (listed(("/etc/passwd", 1)), "is no path below its folder"),
        (listed(("other.csv", 1)), f"lists parts/{MON}/other.csv, which is none of this drop's files"),
    ],
)
def test_a_manifest_that_says_nothing_sound_is_complained_about(
    staging: Area, records: StateStore, content: str, what: str
) -> None:
    write(staging, f"parts/{MON}/part-a.csv", "a")
    write(staging, MANIFEST, content)
    scan = register_landed(LISTED, staging, records)
    assert scan.drops == ()
    assert [(text.startswith(MANIFEST), what in text) for text in scan.complaints] == [(True, True)], scan
    write(staging, MANIFEST, listed(("part-a.csv", 1)))
    assert len(register_landed(LISTED, staging, records).drops) == 1


def test_a_drop_is_whole_when_nothing_of_it_has_changed_for_its_time(
    staging: Area, records: StateStore
) -> None:
    def look(minutes: int) -> list[int]:
        scan = register_landed(RESTING, staging, records, now=clock(NOON + timedelta(minutes=minutes)))
        assert (scan.complaints, scan.notes) == ((), ())
        return [len(drop.files) for drop in scan.drops]

    write(staging, f"parts/{MON}/part-1.csv", "a", NOON)
    assert look(9) == []
    write(staging, f"parts/{MON}/part-2.csv", "b", NOON + timedelta(minutes=9))
    assert (look(11), look(18), look(19), look(20)) == ([], [], [2], [])
    write(staging, f"parts/{MON}/part-2.csv", "bb", NOON + timedelta(minutes=30))
    assert (look(31), look(40), look(41)) == ([], [2], [])
    assert [drop.ordinal for drop in records.drops.of("orders", MON)] == [1, 2]


def test_a_file_of_no_partition_is_complained_about_where_no_marker_would_be(
    staging: Area, records: StateStore
) -> None:
    write(staging, "parts/2024-02-30/part-1.csv", "a")
    write(staging, "parts/2023-12-31/part-1.csv", "a")
    assert said(register_landed(RESTING, staging, records)) == [
        "parts/2024-02-30/part-1.csv: not a file of `orders`",
        "parts/2023-12-31/part-1.csv: not a file of `orders`, whose partitions begin later",
    ]
