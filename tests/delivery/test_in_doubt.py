"""Rows of which nobody knows whether they arrived: what the records say of them, and what settles them.

Belongs here: the ledger, on the shelf. Does not: how they come to be in doubt at each destination
(`test_what_left`, `test_certain_answers`).
"""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from sluicegate.delivery.reconcile import reconcile
from sluicegate.destinations.base import Mode
from sluicegate.state.records import DeliveryStatus

from .deliveries import DAY, Rows, Sender, changed
from .shelf import Crash, ShelfDestination

TEN = dict.fromkeys(range(10), "a")


@pytest.fixture
def shelf(tmp_path: Path) -> ShelfDestination:
    return ShelfDestination(str(tmp_path), "shelf")


@pytest.fixture
def sender(tmp_path: Path, shelf: ShelfDestination, mode: Mode) -> Iterator[Sender]:
    opened = Sender(tmp_path, shelf, mode)
    yield opened
    opened.store.close()


def on_the_shelf(shelf: ShelfDestination) -> dict[int, str]:
    return {int(row["item"]): row["note"] for row in shelf.rows().values()}


def crash(sender: Sender, shelf: ShelfDestination, rows: Rows, version: str, *, after: int) -> None:
    """Deliver, and be gone once a row more than `after` is on the shelf, and not acknowledged."""
    shelf.faults.crash_after_rows, shelf.faults.before_acknowledging = after, True
    with pytest.raises(Crash):
        sender.deliver(rows, version)
    shelf.faults.crash_after_rows = None


def told(shelf: ShelfDestination) -> list[tuple[str, str]]:
    """What the shelf was sent since the last question."""
    found = [(row["item"], row["note"]) for row in shelf.written]
    shelf.written.clear()
    return found


@pytest.mark.parametrize("mode", [Mode.UPSERT, Mode.MIRROR])
def test_the_newer_row_of_a_key_settles_it(sender: Sender, shelf: ShelfDestination) -> None:
    sender.deliver(TEN, "1")
    crash(sender, shelf, changed(TEN, [3, 5, 7], "b"), "2", after=1)
    told(shelf)
    # 3 has arrived and is known to, 5 may have, 7 never left. All are again what they were.
    outcome = sender.deliver(TEN, "3")
    query = f"select item, _change, _changed_fields from '{outcome.delivery.shard}' order by all"
    assert duckdb.sql(query).fetchall() == [(3, "changed", ["note"]), (5, "changed", ["note"])]
    assert told(shelf) == [("3", "a"), ("5", "a")]
    assert on_the_shelf(shelf) == sender.recorded() == TEN
    assert sender.in_doubt() == set()


@pytest.mark.parametrize("mode", [Mode.UPSERT, Mode.MIRROR])
def test_a_key_that_the_model_has_no_more_is_not_sent_again(
    sender: Sender, shelf: ShelfDestination, mode: Mode
) -> None:
    sender.deliver(TEN, "1")
    crash(sender, shelf, {**TEN, 11: "b", 12: "b", 13: "b"}, "2", after=1)
    told(shelf)
    sender.deliver(TEN, "3")
    assert told(shelf) == []
    if mode is Mode.MIRROR:
        assert on_the_shelf(shelf) == sender.recorded() == TEN
        assert sender.in_doubt() == set()
        return
    assert on_the_shelf(shelf) == {**TEN, 11: "b", 12: "b"}
    assert (sender.recorded(), sender.in_doubt()) == ({**TEN, 11: "b"}, {12})
    compared = reconcile(sender.engine(), sender.order())
    assert compared is not None
    assert compared.equal, compared.said
    # It stays so while other rows change, and when layers become a base; then a row of its own ends it.
    rows = dict(TEN)
    for number in range(16):
        rows = changed(rows, [number % 10], f"note {number}")
        sender.deliver(rows, f"{number + 4}")
    base = sender.store.deliveries.base("exp_items", DAY)
    assert base is not None
    assert base.rows == 12
    assert (sender.recorded(), sender.in_doubt()) == ({**rows, 11: "b"}, {12})
    told(shelf)
    sender.deliver({**rows, 12: "b"}, "last")
    assert told(shelf) == [("12", "b")]
    assert (sender.recorded(), sender.in_doubt()) == ({**rows, 11: "b", 12: "b"}, set())


@pytest.mark.parametrize("mode", [Mode.MIRROR])
def test_a_row_that_arrived_and_is_refused_when_it_comes_again_may_be_there(
    sender: Sender, shelf: ShelfDestination
) -> None:
    sender.deliver(TEN, "1")
    rows = {**TEN, 11: "b", 12: "b"}
    crash(sender, shelf, rows, "2", after=0)
    shelf.faults.refused_keys = {json.dumps([DAY, "11"])}
    outcome = sender.deliver(rows, "2")
    assert [row.row for row in outcome.refused] == [0]
    assert on_the_shelf(shelf) == rows
    assert (sender.recorded(), sender.in_doubt()) == ({**TEN, 12: "b"}, {11})
    shelf.faults.refused_keys = set()
    sender.deliver({**TEN, 12: "b"}, "3")
    assert on_the_shelf(shelf) == sender.recorded() == {**TEN, 12: "b"}
    assert sender.in_doubt() == set()


@pytest.mark.parametrize("mode", [Mode.MIRROR])
def test_a_first_delivery_that_did_not_end_is_followed_by_one(
    sender: Sender, shelf: ShelfDestination, tmp_path: Path
) -> None:
    """What was there before goes with the newer one, which has other rows, and not with the older one."""
    (tmp_path / "other").mkdir()
    other = Sender(tmp_path / "other", shelf, Mode.UPSERT)
    other.deliver({20: "theirs", 21: "theirs"}, "1")
    crash(sender, shelf, {1: "a", 2: "a", 20: "a"}, "1", after=1)
    told(shelf)
    assert set(on_the_shelf(shelf)) == {1, 2, 20, 21}
    sender.deliver({1: "b", 21: "b"}, "2")
    assert told(shelf) == [("1", "b"), ("21", "b")]
    assert on_the_shelf(shelf) == sender.recorded() == {1: "b", 21: "b"}
    other.store.close()


@pytest.mark.parametrize("mode", list(Mode))
def test_what_older_code_noted_ahead_counts_as_it_did(
    sender: Sender, shelf: ShelfDestination, mode: Mode, tmp_path: Path
) -> None:
    """Below its mark rows may have left: a row of them is on the shelf, two are not, and three never left."""
    rows = dict.fromkeys(range(6), "a")
    crash(sender, shelf, rows, "1", after=0)
    with sqlite3.connect(tmp_path / "state.db") as connection:
        connection.execute("delete from leavings")
        connection.execute("update deliveries set sent_to = 3")
    told(shelf)
    (old,) = sender.store.deliveries.of_export("exp_items")
    first = [row[0] for row in duckdb.sql(f"select item from '{old.shard}' where _row < 3").fetchall()]
    sender.deliver(new := {0: "a", 9: "a"} if mode is Mode.APPEND else {0: "b", 9: "b"}, "2")
    old, *_ = sender.store.deliveries.of_export("exp_items")
    assert old.status is DeliveryStatus.SUPERSEDED
    stale = [int(item) for item, note in told(shelf) if new.get(int(item)) != note]
    if mode in (Mode.UPSERT, Mode.MIRROR):
        assert stale == []
    else:
        assert set(stale) <= set(first)
    if mode is Mode.APPEND:
        assert set(on_the_shelf(shelf)) == {*first, *new}
    elif mode is not Mode.UPSERT:
        assert on_the_shelf(shelf) == new
    assert {**sender.recorded(), **new} == sender.recorded()
