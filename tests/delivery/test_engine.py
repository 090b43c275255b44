"""What the engine plans, holds, sends and remembers, beside what the model test says of all sequences."""

import json
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from orchestration.delivery.ledger import Between, DeliveryHeld, DeliveryRejected, Limits, Outcome
from orchestration.destinations.base import DeliveryError, Mode
from orchestration.state.deliveries import LeaseLost
from orchestration.state.records import DeliveryKind, DeliveryStatus

from .deliveries import DAY, Sender, changed
from .shelf import Crash, ShelfDestination

NEXT_DAY = "2024-01-02"
TEN = dict.fromkeys(range(10), "a")
OTHER = dict.fromkeys(range(10), "b")


@pytest.fixture
def shelf(tmp_path: Path) -> ShelfDestination:
    return ShelfDestination(str(tmp_path), "shelf")


@pytest.fixture
def sender(tmp_path: Path, shelf: ShelfDestination) -> Iterator[Sender]:
    opened = Sender(tmp_path, shelf)
    yield opened
    opened.store.close()


def counts(outcome: Outcome) -> tuple[int, int, int, int]:
    delivery = outcome.delivery
    return delivery.added, delivery.changed, delivery.removed, delivery.unchanged


def shard(outcome: Outcome) -> list[tuple[object, ...]]:
    query = f"select _change, _changed_fields, item, note from '{outcome.delivery.shard}' order by _row"
    return duckdb.sql(query).fetchall()


def refuse(shelf: ShelfDestination, *items: int) -> None:
    shelf.faults.refused_keys = {json.dumps([DAY, str(item)]) for item in items}


def test_only_what_differs_is_sent_and_stored(sender: Sender) -> None:
    assert counts(sender.deliver(TEN, "1")) == (10, 0, 0, 0)
    second = sender.deliver({**changed(TEN, [3], "b"), 11: "new"}, "2")
    assert counts(second) == (1, 1, 0, 9)
    assert shard(second) == [("added", None, 11, "new"), ("changed", ["note"], 3, "b")]
    gone = sender.deliver({item: "a" for item in range(10) if item != 3}, "3")
    assert shard(gone) == [("removed", None, 3, "b"), ("removed", None, 11, "new")]


def test_the_same_rows_in_a_new_version_are_not_sent(sender: Sender, shelf: ShelfDestination) -> None:
    sender.deliver(TEN, "1")
    again = sender.deliver(TEN, "2")
    assert not again.sent
    assert (again.delivery.status, again.delivery.version) == (DeliveryStatus.ACKNOWLEDGED, "2")
    assert shelf.sent == 10


@pytest.mark.parametrize(
    ("limits", "rows", "said"),
    [
        (Limits(rows=Between(maximum=9)), OTHER, "10 rows; expected at most 9 (limits.rows)"),
        (Limits(rows=Between(minimum=11)), OTHER, "10 rows; expected at least 11 (limits.rows)"),
        (
            Limits(changed_share=0.1),
            changed(TEN, [1, 2], "b"),
            "2 of 10 rows changed (20.0%); expected at most",
        ),
        (Limits(removed_share=0.1), dict.fromkeys(range(8), "a"), "2 of 10 rows removed (20.0%)"),
        (Limits(sums={"item": Between(maximum=44)}), OTHER, "sum of item is 45; expected at most 44"),
        (Limits(empty=False), {}, "the partition is empty (limits.empty: hold)"),
    ],
)
@pytest.mark.sampled(3)
def test_past_a_limit_nothing_is_sent(
    sender: Sender, shelf: ShelfDestination, limits: Limits, rows: dict[int, str], said: str
) -> None:
    sender.deliver(TEN, "1")
    order = replace(sender.order(), limits=limits)
    with pytest.raises(DeliveryHeld) as held:
        sender.deliver(rows, "2", order=order)
    assert said in str(held.value)
    assert f"sluice delivery approve {held.value.delivery.delivery_id}" in str(held.value)
    assert shelf.sent == 10
    # Within the limits the same is sent, and the held plan is superseded.
    sender.deliver(rows, "3")
    known = sender.store.deliveries.of(held.value.delivery.delivery_id)
    assert known is not None
    assert known.status is DeliveryStatus.SUPERSEDED


def test_a_plan_that_sends_nothing_is_not_held(sender: Sender) -> None:
    sender.deliver(TEN, "1")
    order = replace(sender.order(), limits=Limits(rows=Between(maximum=1)))
    assert not sender.deliver(TEN, "2", order=order).sent


def test_what_stays_at_the_destination_is_not_removed(sender: Sender) -> None:
    sender.mode = Mode.UPSERT
    sender.deliver(TEN, "1")
    order = replace(sender.order(), limits=Limits(removed_share=0.1))
    assert sender.deliver({1: "b"}, "2", order=order).sent


def test_a_large_first_delivery_is_held_and_later_ones_are_not(sender: Sender) -> None:
    order = replace(sender.order(), limits=Limits(first_load=5))
    with pytest.raises(DeliveryHeld, match=r"a first delivery of 10 rows; expected at most 5"):
        sender.deliver(TEN, "1", order=order)
    sender.deliver(TEN, "2")
    assert sender.deliver(dict.fromkeys(range(30), "a"), "3", order=order).sent


def test_an_approved_plan_is_sent_as_it_was_planned(sender: Sender, shelf: ShelfDestination) -> None:
    order = replace(sender.order(), limits=Limits(rows=Between(maximum=1)))
    with pytest.raises(DeliveryHeld) as held:
        sender.deliver(TEN, "1", order=order)
    with pytest.raises(DeliveryHeld) as again:
        sender.deliver(TEN, "1", order=order)
    assert again.value.delivery.delivery_id == held.value.delivery.delivery_id
    sender.store.deliveries.move(
        held.value.delivery.delivery_id, DeliveryStatus.APPROVED, out_of=[DeliveryStatus.HELD]
    )
    sent = sender.deliver(TEN, "1", order=order)
    assert sent.delivery.delivery_id == held.value.delivery.delivery_id
    assert len(shelf.rows()) == 10


def test_a_rejected_plan_stays_so_until_the_data_are_others(sender: Sender, shelf: ShelfDestination) -> None:
    order = replace(sender.order(), limits=Limits(rows=Between(maximum=1)))
    with pytest.raises(DeliveryHeld) as held:
        sender.deliver(TEN, "1", order=order)
    sender.store.deliveries.move(
        held.value.delivery.delivery_id,
        DeliveryStatus.REJECTED,
        out_of=[DeliveryStatus.HELD],
        decided_by="ann",
        decision="twice as many as yesterday",
    )
    with pytest.raises(DeliveryRejected, match="ann: twice as many as yesterday"):
        sender.deliver(TEN, "1", order=order)
    assert not shelf.rows()
    assert sender.deliver({1: "a"}, "2").sent


def test_refused_rows_wait_are_tried_again_and_given_up(sender: Sender, shelf: ShelfDestination) -> None:
    refuse(shelf, 3)
    order = replace(sender.order(), attempts=2, wait_seconds=3600)
    first = sender.deliver(TEN, "1", order=order)
    assert (len(first.refused), first.too_many_refused) == (1, True)
    assert "no [" in first.refused[0].said
    (known,) = sender.store.refused_keys.of("exp_items")
    assert known.next_try_at is not None
    assert known.next_try_at > datetime.now(UTC)
    # Not its time yet: it is left out, and others go.
    waiting = sender.deliver(changed(TEN, [1], "b"), "2", order=order)
    assert (waiting.waiting, waiting.delivery.changed, len(waiting.refused)) == (1, 1, 0)
    assert sender.deliver(changed(TEN, [1], "b"), "3", order=order).waiting == 1
    # A row that has changed is tried at once, and counts anew.
    mended = changed(changed(TEN, [1], "b"), [3], "mended")
    sender.deliver(mended, "4", order=order)
    (known,) = sender.store.refused_keys.of("exp_items")
    assert known.attempts == 1
    # Its time has come, and it is the last try.
    (due,) = [replace(known, next_try_at=datetime(2024, 1, 1, tzinfo=UTC))]
    sender.store.refused_keys.replace("exp_items", DAY, [due], [])
    last = sender.deliver(mended, "5", order=order)
    assert (len(last.refused), last.given_up) == (1, 1)
    (known,) = sender.store.refused_keys.of("exp_items")
    assert (known.attempts, known.next_try_at) == (2, None)
    refuse(shelf)
    assert not sender.deliver(mended, "6", order=order).sent, "given up is given up"
    assert sender.deliver(changed(mended, [3], "again"), "7", order=order).sent
    assert sender.store.refused_keys.of("exp_items") == []
    assert len(shelf.rows()) == 10


def test_a_tolerated_share_of_refusals_is_no_failure(sender: Sender, shelf: ShelfDestination) -> None:
    refuse(shelf, 3)
    outcome = sender.deliver(TEN, "1", order=replace(sender.order(), tolerated_share=0.1))
    assert (len(outcome.refused), outcome.too_many_refused) == (1, False)


def test_latest_holds_the_newest_day_and_no_older_one(tmp_path: Path, shelf: ShelfDestination) -> None:
    sender = Sender(tmp_path, shelf, latest=True)
    sender.deliver(TEN, "1", day=NEXT_DAY)
    older = sender.deliver({1: "older"}, "2", day=DAY)
    assert older.delivery.status is DeliveryStatus.OVERTAKEN
    assert len(shelf.rows()) == 10
    newer = sender.deliver({1: "a", 2: "newer"}, "3", day="2024-01-03")
    assert counts(newer) == (0, 1, 8, 1)
    assert "business_date" not in next(iter(shelf.rows().values()))
    sender.store.close()


def test_a_key_that_does_not_hold_stops_the_plan(sender: Sender, tmp_path: Path) -> None:
    sender.deliver(TEN, "1")
    twice = replace(sender.order(), key=("business_date",))
    with pytest.raises(DeliveryError, match=r"key \(business_date\) of `exp_items`"):
        sender.deliver(TEN, "2", order=replace(twice, export="exp_items"))
    assert not list((tmp_path / "shards").rglob("*.partial"))


def test_another_shape_of_the_rows_makes_all_differ(sender: Sender) -> None:
    sender.deliver(TEN, "1")
    sender.names = {"note": "remark"}
    assert counts(sender.deliver(TEN, "2")) == (0, 10, 0, 0)


def test_a_hash_of_another_engine_is_worked_out_anew(sender: Sender, shelf: ShelfDestination) -> None:
    """As after an upgrade of the engine whose hash function changed: nothing is sent for it."""
    outcome = sender.deliver(TEN, "1")
    path = outcome.delivery.shard
    other = f"select * replace (_row_hash + 1 as _row_hash) from '{path}'"
    duckdb.execute(f"copy ({other}) to '{path}.new' (format parquet)")
    Path(f"{path}.new").replace(path)

    def hashed_by(version: str) -> None:
        acknowledged = DeliveryStatus.ACKNOWLEDGED
        assert sender.store.deliveries.move(
            outcome.delivery.delivery_id, acknowledged, out_of=[acknowledged], hashed_by=version
        )

    hashed_by("v1.0.0")
    assert not sender.deliver(TEN, "2").sent
    hashed_by(outcome.delivery.hashed_by)
    assert counts(sender.deliver(TEN, "3")) == (0, 10, 0, 0), "the hash is what tells a row from another"


def test_many_layers_become_one_base(sender: Sender, shelf: ShelfDestination) -> None:
    rows = dict(TEN)
    sender.deliver(rows, "0")
    for number in range(1, 16):
        rows = changed(rows, [number % 10], f"note {number}")
        if number == 9:
            rows.pop(0)
        sender.deliver(rows, str(number))
        assert sender.recorded() == rows
    base = sender.store.deliveries.base("exp_items", DAY)
    assert base is not None
    assert base.rows in (9, 10)
    assert len(list(Path(base.shard).parent.glob("base-*.parquet"))) == 1
    assert not sender.deliver(rows, "same").sent


def test_old_bases_of_other_exports_stay(tmp_path: Path, shelf: ShelfDestination) -> None:
    """An export without partitions has its files in its own folder, beside the folders of all others."""
    sender = Sender(tmp_path, shelf, latest=True)
    old = {name: sender.shards / name / "base-old.parquet" for name in ("exp_items", "exp_other")}
    for path in old.values():
        path.parent.mkdir(parents=True)
        path.write_bytes(b"")
        os.utime(path, (1, 1))
    rows = dict(TEN)
    for number in range(16):
        rows = changed(rows, [number % 10], f"note {number}")
        sender.deliver(rows, str(number), order=sender.order(""))
    assert sender.store.deliveries.base("exp_items", "") is not None
    assert {name: path.exists() for name, path in old.items()} == {"exp_items": False, "exp_other": True}
    sender.store.close()


def test_a_resync_sends_everything_and_tries_refused_rows_at_once(
    sender: Sender, shelf: ShelfDestination
) -> None:
    refuse(shelf, 3)
    order = replace(sender.order(), wait_seconds=3600)
    sender.deliver(TEN, "1", order=order)
    refuse(shelf)
    shelf.path.unlink()
    outcome = sender.deliver(TEN, "1", order=order, kind=DeliveryKind.RESYNC)
    assert outcome.delivery.shard_rows == 10
    assert len(shelf.rows()) == 10
    assert sender.recorded() == TEN


@pytest.mark.parametrize("left", [{}, {2: "b"}], ids=["nothing", "one row"])
@pytest.mark.parametrize("mode", [Mode.UPSERT, Mode.MIRROR, Mode.SNAPSHOT])
def test_a_resync_takes_away_what_its_mode_takes_away_and_the_records_say_so(
    sender: Sender, shelf: ShelfDestination, mode: Mode, left: dict[int, str]
) -> None:
    sender.mode = mode
    sender.deliver({1: "a", 2: "b"}, "1")
    sender.deliver(left, "2", kind=DeliveryKind.RESYNC)
    held = {int(row["item"]): row["note"] for row in shelf.rows().values()}
    assert held == ({1: "a", 2: "b"} if mode is Mode.UPSERT else left)
    assert sender.recorded() == held


def test_two_deliveries_to_one_object_wait_for_each_other(sender: Sender, shelf: ShelfDestination) -> None:
    waited = threading.Event()

    def other() -> None:
        sender.said = Told(waited)
        sender.deliver(TEN, "1")

    thread = threading.Thread(target=other)
    with sender.store.leases.hold(f"shelf {shelf.canonical_object()}", wait_seconds=1):
        thread.start()
        assert waited.wait(30)
        assert not shelf.rows()
    thread.join()
    assert len(shelf.rows()) == 10


class Told(list[str]):
    def __init__(self, event: threading.Event) -> None:
        super().__init__()
        self._event = event

    def append(self, text: str) -> None:
        super().append(text)
        if "is at work on" in text:
            self._event.set()


def test_who_lost_the_lease_writes_nothing_more(sender: Sender, shelf: ShelfDestination) -> None:
    shelf.faults.crash_after_rows = 2
    with pytest.raises(Crash):
        sender.deliver(TEN, "1")
    (delivery,) = sender.store.deliveries.of_export("exp_items")
    with pytest.raises(LeaseLost):
        sender.store.deliveries.acknowledge(delivery.delivery_id, 5, 6, [], "a token of nobody")
    assert sender.store.deliveries.acknowledged(delivery.delivery_id) == [(0, 2)]


def test_every_mode_but_append_can_be_sent_again(sender: Sender) -> None:
    sender.mode = Mode.APPEND
    sender.deliver(TEN, "1")
    with pytest.raises(DeliveryError, match="appends: what was sent stays"):
        sender.deliver(TEN, "1", kind=DeliveryKind.RESYNC)


def test_a_shard_that_is_gone_is_told_and_a_resync_does_without(
    sender: Sender, shelf: ShelfDestination
) -> None:
    first = sender.deliver(TEN, "1")
    Path(first.delivery.shard).unlink()
    with pytest.raises(
        DeliveryError, match=r"is gone(.|\n)*sluice delivery resend exp_items --partition 2024-01-01"
    ):
        sender.deliver(OTHER, "2")
    assert sender.deliver(OTHER, "2", kind=DeliveryKind.RESYNC).delivery.shard_rows == 10
    assert sender.recorded() == OTHER
    shelf.faults.crash_after_rows = 2
    with pytest.raises(Crash):
        sender.deliver(TEN, "3")
    shelf.faults.crash_after_rows = None
    under_way = sender.store.deliveries.open_in("exp_items", DAY)
    assert under_way is not None
    Path(under_way.shard).unlink()
    with pytest.raises(DeliveryError, match="is gone"):
        sender.deliver(OTHER, "4")
    assert sender.deliver(OTHER, "4", kind=DeliveryKind.RESYNC).sent
    assert sender.recorded() == OTHER


def test_another_key_sends_everything_anew(sender: Sender) -> None:
    sender.deliver(TEN, "1")
    other = replace(sender.order(), key=("item",))
    assert counts(sender.deliver(TEN, "2", order=other)) == (10, 0, 0, 0)
    assert not sender.deliver(TEN, "3", order=other).sent
    sender.mode = Mode.APPEND
    with pytest.raises(DeliveryError, match="is another than that of what was sent"):
        sender.deliver(TEN, "4")
