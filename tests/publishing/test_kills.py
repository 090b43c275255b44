"""Stopped anywhere, by whatever: what is published is whole, and the next publishing does the rest.

A longer run: `SLUICE_TEST_KILLS=10` stops ten times as often. Belongs here: publishing, erasing and cleaning
that end in the middle; two who publish at once. Does not: what is published (`test_publish`).
"""

import os
import random
import shutil
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from deltalake import DeltaTable, write_deltalake
from sluicegate.areas import Area
from sluicegate.core.settings import REPOSITORY
from sluicegate.operations.publishing import forget_published, publish_tables
from sluicegate.publishing.cleaning import clean
from sluicegate.publishing.delta_log import DataFile, DeltaLog, Overtaken
from sluicegate.publishing.leases import take_lease
from sluicegate.publishing.publish import LEASE, Publishing
from sluicegate.publishing.shelf import Shelf

from tests.company import MON, Company
from tests.publishing.shelves import newest, publishing
from tests.publishing.test_publish import let_through, published, with_shelf

STOPS = 4 * int(os.environ.get("SLUICE_TEST_KILLS", "1"))
_WHERE = tuple(str(REPOSITORY / "orchestration" / "sluicegate" / name) for name in ("publishing", "areas"))


class Stopped(BaseException):
    """The process ends here, as far as anything but its own cleaning up can tell."""


@contextmanager
def stopped_at(call: int) -> Generator[list[int]]:
    """End at the so many-th call or return of a function that publishes; yield how many there were."""
    seen = [0]

    def watch(frame: Any, event: str, _: object) -> None:
        if event in ("call", "return") and frame.f_code.co_filename.startswith(_WHERE):
            seen[0] += 1
            if seen[0] == call:
                raise Stopped

    sys.setprofile(watch)
    try:
        yield seen
    except Stopped:
        pass
    finally:
        sys.setprofile(None)


def often(work: Callable[[], object], whole: Callable[[], None], seed: int) -> None:
    """Stop some work at many places, and look after each; then have it done."""
    chance = random.Random(seed)
    call = 0
    for _ in range(STOPS):
        call += chance.randint(1, 400)
        with stopped_at(call):
            work()
        whole()
    work()


def is_whole(work: Publishing, wanted: dict[Any, Any]) -> None:
    """What the newest catalogue names is there, each partition as it should be, or as it was before."""
    if work.shelf.newest() is not None:
        found = published(work)
        assert {place: found[place] for place in found if found[place] != wanted.get(place)} == {}


def test_stopped_anywhere_nothing_half_is_published(open_bakery: Company, tmp_path: Path) -> None:
    company = with_shelf(open_bakery, tmp_path / "shelf")
    work, wanted = publishing(company, tmp_path / "shelf"), let_through(company)
    often(work.publish, lambda: is_whole(work, wanted), 1)
    assert published(work) == wanted

    # A person is forgotten: all that has the column is written anew, whatever comes between.
    def forget() -> None:
        forget_published(company.site, {"shop": "a"}, by="ada", reason="17")

    def one_or_the_other() -> None:
        found = published(work)
        assert found.keys() == wanted.keys()
        assert all(rows in (wanted[place][1], without(place)) for place, (_, rows) in found.items())

    def without(place: tuple[str, str]) -> list[tuple[object, ...]]:
        names = [*newest(work.shelf).tables[place[0]].columns]
        return [row for row in wanted[place][1] if "shop" not in names or row[names.index("shop")] != "a"]

    often(forget, one_or_the_other, 2)
    assert {place: rows for place, (_, rows) in published(work).items()} == {
        place: without(place) for place in wanted
    }
    assert len(without(("marts.shop_orders", MON))) == 1

    # Old versions go; what the newest catalogue names stays.
    later = company.deployment.clock() + timedelta(days=31)
    kept = published(work)

    def sweep() -> None:
        with company.deployment.store.leases.hold(LEASE, wait_seconds=0) as lease:
            assert not clean(work.shelf, lease, later, timedelta(days=30)).left

    often(sweep, lambda: is_whole(work, kept), 3)
    assert published(work) == kept
    assert work.shelf.names() == [newest(work.shelf).name]
    files = list((tmp_path / "shelf" / "tables").rglob("*.parquet"))
    assert len(files) == len([rows for _, rows in kept.values() if rows])
    assert publish_tables(company.site, ()).catalogue == ""


def test_what_a_lease_names_stays(open_bakery: Company, tmp_path: Path) -> None:
    company = with_shelf(open_bakery, tmp_path / "shelf")
    work = publishing(company, tmp_path / "shelf")
    work.publish()
    first, now = newest(work.shelf), company.deployment.clock()
    before = published(work)
    forget_published(company.site, {"shop": "a"}, by="ada", reason="17")
    take_lease(work.shelf.area, "ada", first.name, "ada@desk", 40)
    with company.deployment.store.leases.hold(LEASE, wait_seconds=0) as lease:
        clean(work.shelf, lease, now + timedelta(days=31), timedelta(days=30))
        assert work.shelf.names() == [first.name, newest(work.shelf).name]
        then = Shelf(Area(str(tmp_path / "shelf")))
        (tmp_path / "shelf" / "catalogues" / f"{newest(work.shelf).name}.json").rename(tmp_path / "newest")
        assert before == published(Publishing(company.deployment, company.project, then, work.allowed))
        (tmp_path / "newest").rename(tmp_path / "shelf" / "catalogues" / f"{int(first.name) + 1:012d}.json")
        clean(work.shelf, lease, now + timedelta(days=41), timedelta(days=30))
        assert first.name not in work.shelf.names()


def test_two_at_once_are_one_after_the_other(open_bakery: Company, tmp_path: Path) -> None:
    works = [publishing(open_bakery, tmp_path / "shelf") for _ in range(2)]
    threads = [Thread(target=work.publish) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert published(works[0]) == let_through(open_bakery)
    assert {table.at for table in newest(works[0].shelf).tables.values()} == {0}


def test_a_commit_is_made_upon_what_was_read_or_not_at_all(tmp_path: Path) -> None:
    schema = {
        "type": "struct",
        "fields": [{"name": "k", "type": "string", "nullable": True, "metadata": {}}],
    }

    def put(log: DeltaLog, upon: int) -> int:
        return log.commit(schema, "k", [DataFile("a.parquet", 1, 1, "new")], {"put": {}}, {"new"}, upon=upon)

    first, second = DeltaLog(Area(str(tmp_path)), "t", {}), DeltaLog(Area(str(tmp_path)), "t", {})
    assert (first.version, second.version) == (-1, -1)
    assert put(first, -1) == 0
    with pytest.raises(Overtaken):
        put(second, -1)
    one, other = DeltaLog(Area(str(tmp_path)), "t", {}), DeltaLog(Area(str(tmp_path)), "t", {})
    assert (one.version, other.version) == (0, 0)
    assert put(one, 0) == 1
    with pytest.raises(Overtaken):  # which delta-rs would let through: the partition is new to both
        put(other, 0)


def test_what_others_have_done_to_a_table_is_made_good(open_bakery: Company, tmp_path: Path) -> None:
    work, wanted = publishing(open_bakery, tmp_path / "shelf"), let_through(open_bakery)
    work.publish()
    tables = newest(work.shelf).tables
    foreign, lost = (
        tmp_path / "shelf" / tables[name].location for name in ("marts.shop_orders", "raw.shops")
    )
    rows = DeltaTable(foreign).to_pyarrow_table()
    write_deltalake(foreign, rows, mode="append")
    DeltaTable(foreign).vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    shutil.rmtree(lost)
    (tmp_path / "shelf" / "tables" / "raw" / "shops").mkdir()
    done = work.publish()
    assert {relation for relation, _ in done.put} == {"marts.shop_orders", "raw.shops"}
    assert published(work) == wanted
    assert DeltaTable(foreign).to_pyarrow_table().num_rows == rows.num_rows
    assert work.publish().catalogue == ""


@contextmanager
def stopped_in(function: str) -> Generator[None]:
    """End where a function of the shelf's is called."""

    def watch(frame: Any, event: str, _: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_name == function and code.co_filename.startswith(_WHERE):
            raise Stopped

    sys.setprofile(watch)
    try:
        with pytest.raises(Stopped):
            yield
    finally:
        sys.setprofile(None)


# What somebody does to a shelf.
LEFT: dict[str, Callable[[Path], object]] = {
    "the newest catalogue is gone": lambda shelf: max((shelf / "catalogues").iterdir()).unlink(),
    "no catalogue is there": lambda shelf: shutil.rmtree(shelf / "catalogues"),
    "sheets are gone": lambda shelf: shutil.rmtree(shelf / "sheets"),
    "a sheet is cut short": lambda shelf: _cut(max((shelf / "sheets").glob("marts*/*"))),
    "files are gone": lambda shelf: [
        path.unlink() for path in (shelf / "tables" / "marts").rglob("*.parquet")
    ],
}


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:100])


def test_a_process_that_ends_before_its_catalogue_leaves_it_to_the_next(
    open_bakery: Company, tmp_path: Path
) -> None:
    work = publishing(open_bakery, tmp_path / "shelf")
    for since in (False, True):
        with stopped_in("_add"):
            work.publish(since=since)
        assert work.publish(since=since).put == []
        assert published(work) == let_through(open_bakery)
        open_bakery.land_orders(MON, a=7, b=2)
        open_bakery.run()  # which publishes nothing: it has no shelf


@pytest.mark.parametrize("left", LEFT.values(), ids=LEFT)
def test_a_shelf_of_which_something_is_gone_is_whole_again(
    open_bakery: Company, tmp_path: Path, left: Callable[[Path], object]
) -> None:
    shelf = tmp_path / "shelf"
    company = with_shelf(open_bakery, shelf)
    work = publishing(company, shelf)
    work.publish()
    forget_published(company.site, {"shop": "a"}, by="ada", reason="17")
    wanted = published(work)
    left(shelf)
    assert work.publish().catalogue != ""
    assert published(work) == wanted
    assert work.publish().catalogue == ""
    with company.deployment.store.leases.hold(LEASE, wait_seconds=0) as lease:
        assert not clean(work.shelf, lease, company.deployment.clock(), timedelta(days=30)).left
    assert published(work) == wanted
