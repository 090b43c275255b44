"""The same file again, another one, and files that cannot be read as they were listed."""

import errno
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

import pytest
from sluicegate.areas import Area, Entry, OnError
from sluicegate.contracts.model import SourceContract
from sluicegate.ingestion.staging import Scan, register_landed
from sluicegate.state.drops import Drops
from sluicegate.state.moments import now
from sluicegate.state.records import Drop
from sluicegate.state.store import StateStore
from sqlalchemy import create_engine

from tests.company import MON, TUE
from tests.unit.staging.support import NOON, ORDERS, PARTS, RESTING, announce, clock, said, write


def test_new_content_is_a_new_drop_and_the_same_content_is_none(staging: Area, records: StateStore) -> None:
    seen: list[tuple[list[int], tuple[str, ...]]] = []
    for content in ("one", "one", "two", "one"):
        write(staging, f"orders/{MON}.csv.gz", content)
        staging.remove(f"orders/{MON}.done")
        write(staging, f"orders/{MON}.done")
        scan = register_landed(ORDERS, staging, records)
        seen.append(([drop.ordinal for drop in scan.drops], scan.notes))
    again = f"orders/{MON}.csv.gz: drop 3 of {MON}: the content is that of drop 1 again"
    assert seen == [([1], ()), ([], ()), ([2], ()), ([3], (again,))]
    assert [drop.ordinal for drop in records.drops.of("orders", MON)] == [1, 2, 3]


def test_a_file_that_is_written_over_needs_its_marker_again(
    staging: Area, records: StateStore, restarted: Callable[[], StateStore]
) -> None:
    write(staging, f"orders/{MON}.csv.gz", "one", NOON)
    write(staging, f"orders/{MON}.done", at=NOON)
    assert len(register_landed(ORDERS, staging, records).drops) == 1
    write(staging, f"orders/{MON}.csv.gz", "two", NOON + timedelta(minutes=1))
    for store in (records, restarted()):  # this process, and one that starts now
        for _ in range(2):
            scan = register_landed(ORDERS, staging, store)
            assert said(scan) == [f"orders/{MON}.csv.gz: newer than orders/{MON}.done"]
            assert "write the marker again" in scan.complaints[0]
    write(staging, f"orders/{MON}.done", at=NOON + timedelta(minutes=2))
    assert [drop.ordinal for drop in register_landed(ORDERS, staging, records).drops] == [2]


@pytest.mark.parametrize("contract", [ORDERS, PARTS], ids=["one file", "several"])
def test_a_file_that_is_newer_than_its_marker_waits_for_the_marker_again(
    contract: SourceContract, staging: Area, records: StateStore
) -> None:
    sign = contract.completion.template
    assert sign is not None
    file = contract.template.of(MON).replace("*", "a")
    write(staging, sign.of(MON), at=NOON)
    for minutes in (1, 2):  # it is still being written
        write(staging, file, "a" * minutes, NOON + timedelta(minutes=minutes))
        scan = register_landed(contract, staging, records)
        assert said(scan) == [f"{file}: newer than {sign.of(MON)}"]
        assert "write the marker again once the files are whole" in scan.complaints[0]
    write(staging, sign.of(MON), at=NOON + timedelta(minutes=2))
    assert [drop.size_bytes for drop in register_landed(contract, staging, records).drops] == [2]


def test_a_file_that_older_code_took_after_its_marker_is_not_asked_for_again(
    staging: Area, records: StateStore, restarted: Callable[[], StateStore]
) -> None:
    write(staging, f"orders/{MON}.csv.gz", "one", NOON)
    write(staging, f"orders/{MON}.done", at=NOON)
    assert len(register_landed(ORDERS, staging, records).drops) == 1
    if staging.local:  # the very file, with the time that it had then
        os.utime(staging.engine_path(f"orders/{MON}.csv.gz"), (NOON.timestamp() + 60, NOON.timestamp() + 60))
    else:
        write(staging, f"orders/{MON}.csv.gz", "one", NOON + timedelta(minutes=1))
    assert register_landed(ORDERS, staging, restarted()) == Scan((), ())


class ClosedArea(Area):
    """A staging area that lists one file and does not give it."""

    closed = ""

    def open(self, relative: str) -> BinaryIO:
        if relative == self.closed:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), relative)
        return super().open(relative)


def test_a_file_that_cannot_be_read_holds_up_no_other(tmp_path: Path, records: StateStore) -> None:
    staging = ClosedArea(str(tmp_path / "staging"))
    staging.closed = f"orders/{MON}.csv.gz"
    for day in (MON, TUE):
        announce(staging, ORDERS, day)
    scan = register_landed(ORDERS, staging, records)
    assert [drop.partition_key for drop in scan.drops] == [TUE]
    assert said(register_landed(ORDERS, staging, records)) == [
        f"orders/{MON}.csv.gz: cannot be read (Permission denied)"
    ]
    staging.closed = ""
    assert [drop.partition_key for drop in register_landed(ORDERS, staging, records).drops] == [MON]


class BrokenDrops(Drops):
    """Records that are out of reach once."""

    broken = True

    def latest(self, source: str, partition_keys: Iterable[str] | None = None) -> dict[str, Drop]:
        if self.broken:
            self.broken = False
            raise ConnectionError("records are out of reach")
        return super().latest(source, partition_keys)


def test_a_look_that_fails_half_way_is_made_up_for_by_the_next(staging: Area, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'state.db'}"
    records = StateStore(url)
    records.drops = BrokenDrops(create_engine(url), now)
    announce(staging, ORDERS, MON)
    with pytest.raises(ConnectionError):
        register_landed(ORDERS, staging, records)
    assert [drop.partition_key for drop in register_landed(ORDERS, staging, records).drops] == [MON]


class BrokenArea(Area):
    """A staging area whose listing breaks off once."""

    broken = True

    def listing(self, pattern: str = "**", onerror: OnError | None = None) -> Iterator[Entry]:
        for entry in super().listing(pattern, onerror):
            yield entry
            if self.broken:
                self.broken = False
                raise ConnectionError("storage is out of reach")


def test_a_listing_that_breaks_off_is_made_up_for_by_the_next(tmp_path: Path, records: StateStore) -> None:
    staging = BrokenArea(str(tmp_path / "staging"))
    announce(staging, ORDERS, MON)
    [complaint] = register_landed(ORDERS, staging, records).complaints
    assert complaint.startswith(f"{staging.url}: cannot be looked into (ConnectionError: storage is out of")
    assert [drop.partition_key for drop in register_landed(ORDERS, staging, records).drops] == [MON]


class SlowProvider(Area):
    """A staging area in which a file grows while it is read, once."""

    growing = True

    def chunks(self, relative: str) -> Iterator[bytes]:
        yield from super().chunks(relative)
        if self.growing:
            self.growing = False
            self.write(relative, [b"whole by now"])


def test_a_file_that_changes_while_it_is_read_is_taken_at_a_later_look(
    tmp_path: Path, records: StateStore
) -> None:
    staging = SlowProvider(str(tmp_path / "staging"))
    write(staging, f"orders/{MON}.csv.gz", "part")
    write(staging, f"orders/{MON}.done")
    first = register_landed(ORDERS, staging, records)
    assert (first.drops, first.complaints) == ((), ())
    assert [f"orders/{MON}.csv.gz: changed while it was read" in note for note in first.notes] == [True]
    assert said(register_landed(ORDERS, staging, records)) == [
        f"orders/{MON}.csv.gz: newer than orders/{MON}.done"
    ]
    write(staging, f"orders/{MON}.done", "again")
    assert [drop.size_bytes for drop in register_landed(ORDERS, staging, records).drops] == [12]


def test_what_is_gone_from_staging_once_it_was_taken_is_no_news(
    staging: Area, restarted: Callable[[], StateStore]
) -> None:
    for contract, sign in ((PARTS, [f"parts/{MON}/.done"]), (RESTING, [])):
        store, look = restarted(), clock(NOON + timedelta(days=1))
        own = replace(contract, name=f"emptied_{contract.completion.on}")
        files = [f"parts/{MON}/part-{part}.csv" for part in "ab"]
        for path in [*files, *sign]:
            write(staging, path, "a", NOON)
        assert len(register_landed(own, staging, store, now=look).drops) == 1
        for path in [*sign, *files]:
            staging.remove(path)
            for records in (store, restarted()):
                assert register_landed(own, staging, records, now=look) == Scan((), ())
