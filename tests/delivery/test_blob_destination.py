"""Blobs: layout, manifests, which delivery is shown. What all destinations owe is in `test_conformance`."""

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib import import_module
from typing import Any

import pytest
from sluicegate.destinations.base import Mode, Receipt, Shard
from sluicegate.destinations.errors import DeliveryError

from .blobs import OBJECT, Place, anywhere, place, scope_of
from .journals import MemoryJournal
from .support import DAY, NEXT_DAY, rows_of

__all__ = ["anywhere", "place"]


def test_layout_and_manifest(place: Place) -> None:
    shard = place.shard(rows_of(DAY, 5, "x"), "d1", after="d0")
    place.send(shard, rows_per_part=2)
    parts = [f"{DAY}/d1/part-0000{number}.parquet" for number in range(3)]
    assert place.names() == {f"{DAY}/manifest.json", f"{DAY}/d1/manifest.json", *parts}
    own = place.load(f"{DAY}/d1/manifest.json")
    assert own == {
        "format": 2,
        "export": "exp_items",
        "partition_key": DAY,
        "partition_column": "business_date",
        "bounds": None,
        "delivery_id": "d1",
        "mode": "snapshot",
        "version": shard.version,
        "digest": shard.digest,
        "key": ["business_date", "item"],
        "fields": [
            {"name": "item", "type": "INTEGER"},
            {"name": "business_date", "type": "DATE"},
            {"name": "note", "type": "VARCHAR"},
        ],
        "file_format": "parquet",
        "rows": 5,
        "folder": "d1",
        "files": [
            {
                "path": part.rpartition("/")[2],
                "bytes": len(place.read(part)),
                "sha256": hashlib.sha256(place.read(part)).hexdigest(),
                "rows": rows,
            }
            for part, rows in zip(parts, (2, 2, 1), strict=True)
        ],
        "supersedes": ["d0"],
    }
    assert place.load(f"{DAY}/manifest.json") == own


def test_rows_are_sorted_by_key_and_carry_no_technical_column(place: Place) -> None:
    rows = rows_of(DAY, 7, "x")
    place.send(place.shard(rows[::-1], "d1"), rows_per_part=3)
    parquet = import_module("pyarrow.parquet")
    parts = [parquet.read_table(f"{place.area.url}/{OBJECT}/{DAY}/d1/part-0000{n}.parquet") for n in range(3)]
    assert [part.column_names for part in parts] == [["item", "business_date", "note"]] * 3
    assert [part.column("item").to_pylist() for part in parts] == [[0, 1, 2], [3, 4, 5], [6]]


def test_an_empty_delivery_has_a_part_that_tells_the_fields(anywhere: Place) -> None:
    anywhere.send(anywhere.shard(rows_of(DAY, 3, "x"), "d1"))
    anywhere.send(anywhere.shard([], "d2", after="d1"))
    assert anywhere.held() == []
    assert anywhere.load(f"{DAY}/manifest.json")["files"][0]["rows"] == 0


def test_two_attempts_write_the_same_manifest(anywhere: Place) -> None:
    shard = anywhere.shard(rows_of(DAY, 5, "x"), "d1")
    anywhere.send(shard)
    first = anywhere.read(f"{DAY}/d1/manifest.json")
    for path in ("d1/manifest.json", "manifest.json"):
        anywhere.area.remove(f"{OBJECT}/{DAY}/{path}")
    assert not anywhere.destination().arrived(shard)
    assert not anywhere.send(shard).already_delivered
    assert anywhere.read(f"{DAY}/d1/manifest.json") == first
    assert anywhere.destination().arrived(shard)


def test_parts_of_an_attempt_that_died_are_passed_by_and_removed(anywhere: Place) -> None:
    folder = f"{OBJECT}/{DAY}/d1"
    anywhere.area.write(f"{folder}/part-00000.parquet", [b"of another engine"])
    anywhere.area.write(f"{folder}/part-00001.parquet", [b"cut otherwise"])
    shard = anywhere.shard(rows_of(DAY, 3, "x"), "d1")
    assert not anywhere.send(shard).already_delivered
    assert anywhere.held() == rows_of(DAY, 3, "x")
    [file] = anywhere.load(f"{DAY}/manifest.json")["files"]
    assert file["path"] == f"part-00000-{file['sha256'][:16]}.parquet"
    listed = {f"{DAY}/d1/{file['path']}", f"{DAY}/d1/manifest.json", f"{DAY}/manifest.json"}
    assert anywhere.names() == listed


def test_a_lost_partition_manifest_is_shown_again(place: Place) -> None:
    shard = place.shard(rows_of(DAY, 3, "x"), "d1")
    place.send(shard)
    place.area.remove(f"{OBJECT}/{DAY}/manifest.json")
    assert not place.destination().arrived(shard)
    assert place.send(shard).already_delivered
    assert place.held() == rows_of(DAY, 3, "x")


def test_a_part_that_somebody_changed_is_reported_not_repaired(place: Place) -> None:
    shard = place.shard(rows_of(DAY, 3, "x"), "d1")
    place.send(shard)
    part = f"{OBJECT}/{DAY}/d1/part-00000.parquet"
    place.area.write(part, [b"oops"])
    with pytest.raises(DeliveryError, match="has 4 bytes since it was delivered"):
        place.send(shard)
    place.area.remove(part)
    with pytest.raises(DeliveryError, match="has gone since it was delivered"):
        place.send(shard)


def test_a_manifest_of_somebody_else_is_not_overwritten(place: Place) -> None:
    place.area.write(f"{OBJECT}/{DAY}/manifest.json", [b"theirs"])
    with pytest.raises(DeliveryError, match="is no manifest of a delivery"):
        place.send(place.shard(rows_of(DAY, 1, "x"), "d1"))
    assert place.read(f"{DAY}/manifest.json") == b"theirs"


def test_an_id_is_of_one_content(place: Place) -> None:
    place.send(place.shard(rows_of(DAY, 3, "x"), "d1"))
    with pytest.raises(DeliveryError, match="delivery id d1 has been used for"):
        place.send(place.shard(rows_of(DAY, 3, "y"), "d1"))


def test_an_older_delivery_is_not_put_over_a_newer_one(anywhere: Place) -> None:
    older, newer = (anywhere.shard(rows_of(DAY, 2, name), name) for name in ("d1", "d2"))
    newer = replace(newer, supersedes="d1")
    for shard in (older, newer):
        anywhere.send(shard)
    receipt = anywhere.send(older)
    assert receipt.already_delivered
    assert receipt.details["shown"] == "d2"
    assert anywhere.held() == rows_of(DAY, 2, "d2")
    assert anywhere.destination().arrived(older)


def test_an_attempt_that_was_given_up_is_older_than_what_came_instead(place: Place) -> None:
    given_up = place.shard(rows_of(DAY, 2, "d2"), "d2", after="d1")
    place.send(place.shard(rows_of(DAY, 2, "d1"), "d1"))
    # It died after its first part, and a newer plan took its place.
    place.area.write(f"{OBJECT}/{DAY}/d2/part-00000.parquet", [b"any"])
    assert not place.destination().arrived(given_up)
    place.send(place.shard(rows_of(DAY, 2, "d3"), "d3", after="d1"))
    assert place.send(given_up).details["shown"] == "d3"
    assert place.held() == rows_of(DAY, 2, "d3")
    assert f"{DAY}/d2/manifest.json" not in place.names()


def test_a_plan_of_what_is_shown_no_more_is_refused_before_it_writes(place: Place) -> None:
    for number in (1, 2):
        place.send(place.shard(rows_of(DAY, 2, "x"), f"d{number}", after=f"d{number - 1}"))
    before = place.names()
    with pytest.raises(DeliveryError, match="shows delivery d2, which came after d1"):
        place.send(place.shard(rows_of(DAY, 2, "y"), "d3", after="d1"))
    assert place.names() == before


def test_records_that_begin_anew_deliver_over_what_is_there(place: Place) -> None:
    place.send(place.shard(rows_of(DAY, 2, "x"), "d1"))
    place.send(place.shard(rows_of(DAY, 2, "y"), "d2"))
    place.send(place.shard(rows_of(DAY, 2, "z"), "d3", after="a plan that had nothing to send"))
    assert place.held() == rows_of(DAY, 2, "z")


def test_appended_deliveries_are_shown_in_order_each_once(anywhere: Place) -> None:
    shards = [
        anywhere.shard([(number, DAY, "x")], f"d{number}", mode=Mode.APPEND, full=not number)
        for number in range(3)
    ]
    for shard in (*shards, shards[1]):
        anywhere.send(shard)
    shown = anywhere.load(f"{DAY}/manifest.json")
    assert [delivery["delivery_id"] for delivery in shown["deliveries"]] == ["d0", "d1", "d2"]
    assert (shown["mode"], shown["rows"]) == ("append", 3)
    assert anywhere.held() == rows_of(DAY, 3, "x")
    assert anywhere.destination().arrived(shards[0])
    with pytest.raises(DeliveryError, match="has been used for"):
        anywhere.destination().arrived(replace(shards[0], digest="other"))


def test_an_appended_attempt_that_was_given_up_is_not_shown_later(place: Place) -> None:
    given_up = place.shard([(1, DAY, "x")], "d1", mode=Mode.APPEND)
    place.send(place.shard([(1, DAY, "x"), (2, DAY, "x")], "d2", after="d1", mode=Mode.APPEND))
    assert place.send(given_up).details["shown"] == "d2"
    assert place.held() == [(1, DAY, "x"), (2, DAY, "x")]
    assert not place.destination().arrived(given_up)


def test_the_mode_of_an_export_may_change(place: Place) -> None:
    for number in (1, 2):
        place.send(place.shard([(number, DAY, "x")], f"d{number}", mode=Mode.APPEND))
    place.send(place.shard(rows_of(DAY, 1, "y"), "d3", after="d2"))
    assert place.held() == rows_of(DAY, 1, "y")
    place.send(place.shard([(1, DAY, "z")], "d4", after="d3", mode=Mode.APPEND))
    assert place.held() == [(0, DAY, "y"), (1, DAY, "z")]


def test_append_takes_no_row_back(place: Place) -> None:
    shard = place.shard(rows_of(DAY, 2, "x"), "d1", mode=Mode.APPEND, changes=["added", "removed"])
    with pytest.raises(DeliveryError, match="1 rows are changed or removed"):
        place.destination().check(shard)


@pytest.mark.parametrize(
    ("mode", "full"), [(Mode.UPSERT, False), (Mode.MIRROR, True), (Mode.SNAPSHOT, False)]
)
def test_files_are_whole_or_appended(place: Place, mode: Mode, full: bool) -> None:
    with pytest.raises(DeliveryError, match="would change rows of files"):
        place.destination().check(place.shard(rows_of(DAY, 2, "x"), "d1", mode=mode, full=full))


@pytest.mark.sampled(3)
@pytest.mark.parametrize("mode", [Mode.APPEND, Mode.SNAPSHOT])
def test_of_senders_at_once_none_is_lost_or_mixed(anywhere: Place, mode: Mode) -> None:
    names = ("a", "b", "c")
    shards = [
        anywhere.shard([(number, DAY, name)], name, mode=mode, full=True) for number, name in enumerate(names)
    ]
    together = threading.Barrier(6)

    def send(shard: Shard) -> Receipt:
        together.wait()
        return anywhere.destination().send(shard, MemoryJournal(shard.rows))

    with ThreadPoolExecutor(6) as pool:  # each of them twice, as after a lease that was lost
        receipts = list(pool.map(send, shards * 2))
    assert len(receipts) == 6
    every = [(number, DAY, name) for number, name in enumerate(names)]
    if mode is Mode.APPEND:
        assert anywhere.held() == every
    else:
        assert anywhere.held() == [row for row in every if row[2] == anywhere.shown()]


def test_the_marker_comes_last_and_names_what_is_shown(anywhere: Place) -> None:
    shards = [anywhere.shard(rows_of(DAY, 2, name), name) for name in ("d1", "d2")]
    for shard, after in zip(shards, ("", "d1"), strict=True):
        anywhere.send(replace(shard, supersedes=after), done=True)
        assert anywhere.read(f"{DAY}.done").decode() == f"{shard.delivery_id}\n"
    anywhere.send(shards[0], done=True)
    assert anywhere.read(f"{DAY}.done").decode() == "d2\n"


def drop(place: Place, name: str) -> Shard:
    """A partition of a model that is cut by drop."""
    rows = rows_of(DAY, 2, name)
    return place.shard(rows, f"of-{name}", partition=name, partition_column="note", key=("note", "item"))


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("first", "then", "fix"),
    [
        # (drop, with a marker), and what lies there before.
        (None, ("foo.done", True), "have the drop named otherwise, or take `done` out"),
        (("foo", True), ("foo.done", False), f"remove the marker {OBJECT}/foo.done"),
        (("foo.done", False), ("foo", True), f"move the folder {OBJECT}/foo.done away, or take `done` out"),
        (("foo", False), ("foo.done", False), ""),
    ],
)
def test_a_drop_that_is_called_as_a_marker_is_told_before_anything_is_written(
    anywhere: Place, first: tuple[str, bool] | None, then: tuple[str, bool], fix: str
) -> None:
    if first is not None:
        anywhere.send(drop(anywhere, first[0]), done=first[1])
    before, (name, done) = anywhere.names(), then
    if fix:
        with pytest.raises(DeliveryError, match="partition 'foo.done' .* partition 'foo' is whole") as caught:
            anywhere.send(drop(anywhere, name), done=done)
        assert fix in caught.value.fix
        assert anywhere.names() == before
        if first is None:  # what is said first needs the provider, and this nobody
            anywhere.send(drop(anywhere, name), done=False)
            return
        if name == "foo":
            anywhere.area.remove_tree(f"{OBJECT}/foo.done")
        else:
            anywhere.area.remove(f"{OBJECT}/foo.done")
    anywhere.send(drop(anywhere, name), done=done)
    assert f"{name}/manifest.json" in anywhere.names()


def latest(place: Place, day: str, delivery_id: str, after: str = "", **stated: Any) -> Shard:
    rows = rows_of(day, 2, delivery_id)
    return place.shard(
        rows, delivery_id, after, partition=day, partition_column=None, bounds=(day, f"{day}T24"), **stated
    )


def test_the_newest_partition_is_named(anywhere: Place) -> None:
    first = latest(anywhere, DAY, "d1")
    anywhere.send(first)
    anywhere.send(latest(anywhere, NEXT_DAY, "d2", after="d1"))
    assert anywhere.load("latest.json")["manifest"] == f"{NEXT_DAY}/manifest.json"
    # A sender that had stood still.
    assert anywhere.send(first).details["shown"] == "d1"
    assert anywhere.load("latest.json")["delivery_id"] == "d2"
    assert anywhere.held(DAY, None) == rows_of(NEXT_DAY, 2, "d2")
    # A day before that is meant to be the newest: somebody takes the object back.
    anywhere.send(latest(anywhere, DAY, "d4", after="d2"))
    assert anywhere.held(DAY, None) == rows_of(DAY, 2, "d4")


def test_one_scope_of_all_partitions_appended_to(place: Place) -> None:
    assert place.held(DAY, None) == []
    place.send(latest(place, DAY, "d1", mode=Mode.APPEND))
    place.send(latest(place, NEXT_DAY, "d2", after="d1", mode=Mode.APPEND))
    expected = rows_of(DAY, 2, "d1") + rows_of(NEXT_DAY, 2, "d2")
    assert place.held(DAY, None) == sorted(expected)
    assert place.destination().forget(scope_of(DAY, None), [{"business_date": DAY, "item": 1}]) == 1
    assert place.held(DAY, None) == sorted(row for row in expected if row[:2] != (1, DAY))
