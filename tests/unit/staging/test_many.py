"""Among many old drops a look is at what is new."""

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sluicegate.areas import Area
from sluicegate.core.partitions import Grain
from sluicegate.ingestion.changes import Changes, Listing
from sluicegate.ingestion.staging import Scan, register_landed
from sluicegate.state.store import StateStore

from tests.company import MON, TUE, WED
from tests.unit.staging.support import NOON, ORDERS, CountingArea, announce, clock, cut_by, write

pytestmark = pytest.mark.long

MANY = [(datetime(2001, 1, 1, tzinfo=UTC) + timedelta(days=n)).date().isoformat() for n in range(1_100)]


@pytest.mark.parametrize("path", ["sales/{date}.csv", "{date}/part-*.csv", "{year}/{month}/{day}/sales.csv"])
@pytest.mark.sampled(2)
def test_among_many_old_drops_only_new_ones_are_read(
    tmp_path: Path, records: StateStore, restarted: Callable[[], StateStore], path: str
) -> None:
    contract = replace(cut_by(Grain.DAILY, path), partition_start=None)
    staging = CountingArea(str(tmp_path / "staging"))
    files: list[str] = []

    def put(days: list[str], content: str, at: datetime) -> None:
        assert contract.completion.template is not None
        for day in days:
            files.append(contract.template.of(day).replace("*", "1"))
            for name in (files[-1], contract.completion.template.of(day)):
                place = tmp_path / "staging" / name
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_text(content)
                os.utime(place, (at.timestamp(), at.timestamp()))

    def look(seconds: int, store: StateStore = records) -> tuple[list[str], list[str]]:
        staging.opened.clear()
        scan = register_landed(contract, staging, store, now=clock(NOON + timedelta(seconds=seconds)))
        assert (scan.complaints, scan.notes) == ((), ())
        return [drop.partition_key for drop in scan.drops], sorted(staging.opened)

    old, new = MANY[:-10], MANY[-10:]
    put(old, "old", NOON - timedelta(days=9))
    assert look(0) == (old, sorted(files))
    assert look(1) == ([], [])
    files.clear()
    put(new, "new", NOON)
    assert look(2) == (new, sorted(files))
    assert look(3) == look(3, restarted()) == ([], [])
    files.clear()
    # What is written over in an old place, or comes back to one, is seen within a few looks.
    put([old[7]], "corrected", NOON)
    looks = [look(seconds) for seconds in range(4, 12)]
    assert [drops for drops, _ in looks if drops] == [[old[7]]]
    assert [opened for _, opened in looks if opened] == [files]


@pytest.mark.parametrize("path", ["sales/{date}/part-*.csv", "{year}/{month}/{day}/sales.csv"])
def test_among_many_old_folders_new_ones_may_be_empty_for_a_while(
    tmp_path: Path, records: StateStore, path: str
) -> None:
    contract = replace(cut_by(Grain.DAILY, path), partition_start=None)
    staging, folder = Area(str(tmp_path / "staging")), tmp_path / "staging"
    for number in range(2_100):  # one drop of many files is enough
        place = folder / "old" / f"{number}.csv"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    listing = Listing(staging, ["old/*.csv", contract.template.glob, "other/*"])
    assert len(listing.look().found) == 2_100
    new = contract.template.of("2024-01-05").replace("*", "1")
    for made in reversed(Path(new).parents):
        (folder / made).mkdir(exist_ok=True)
        assert listing.look() == Changes((), ())
    write(staging, new, "a")
    assert [entry.path for entry in listing.look().found] == [new]
    assert listing.look() == Changes((), ())
    # A marker that is taken away and written again may get its old place on the disk.
    for text in ("b", "c"):
        staging.remove(new)
        assert listing.look().gone == (new,)
        write(staging, new, text)
        assert [entry.path for entry in listing.look().found] == [new]


def test_a_look_at_one_partition_reads_no_other(tmp_path: Path, records: StateStore) -> None:
    staging = CountingArea(str(tmp_path / "staging"))
    for day in (MON, TUE):
        announce(staging, ORDERS, day)
    scan = register_landed(ORDERS, staging, records, partition_key=TUE)
    assert [drop.partition_key for drop in scan.drops] == [TUE]
    assert staging.opened == [f"orders/{TUE}.csv.gz"]
    assert register_landed(ORDERS, staging, records, partition_key=TUE) == Scan((), ())
    assert register_landed(ORDERS, staging, records, partition_key=WED) == Scan((), ())
    assert [drop.partition_key for drop in register_landed(ORDERS, staging, records).drops] == [MON]
