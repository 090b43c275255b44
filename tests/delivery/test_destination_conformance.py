"""What every destination owes. A new one adds a harness here and passes as it is.

Does not belong here: the ways of one destination (its own test module has them).
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path

import pytest

from orchestration.delivery.destinations import (
    DeliveryError,
    Destination,
    Shard,
    build,
    destination_types,
)

from .support import DAY, NEXT_DAY, MakeShard, Row, read_folder, read_table, rows_of

Read = Callable[[], list[Row]]


@dataclass(frozen=True)
class Harness:
    make: Callable[[str], Destination]
    read: Callable[[str], list[Row]]

    def items(self) -> tuple[Destination, Read]:
        return self.make("items"), lambda: self.read("items")


@pytest.fixture(params=["postgres", "blob", "blob in memory"])
def harness(request: pytest.FixtureRequest, tmp_path: Path) -> Harness:
    if request.param == "postgres":
        url, read, kind = request.getfixturevalue("database_url"), read_table, "postgres"
    elif request.param == "blob":
        url, read, kind = str(tmp_path / "container"), read_folder, "blob"
    else:
        url, read, kind = f"memory://{tmp_path.name}", read_folder, "blob"
    return Harness(lambda name: build(kind, url, name), lambda name: read(url, name))


def test_every_destination_has_a_harness_and_says_what_it_promises() -> None:
    assert set(destination_types) == {"postgres", "blob"}
    for name, kind in destination_types.items():
        assert kind.type_name == name
        assert len(kind.guarantee) > 20
        assert kind.kinds


def test_the_first_delivery_arrives_whole(harness: Harness, make_shard: MakeShard) -> None:
    destination, read = harness.items()
    receipt = destination.deliver(make_shard(rows_of(DAY, 3, "é ☃")))
    assert (receipt.rows, receipt.already_delivered) == (3, False)
    assert receipt.location
    assert read() == rows_of(DAY, 3, "é ☃")


def test_a_corrected_day_replaces_its_slice_alone(harness: Harness, make_shard: MakeShard) -> None:
    destination, read = harness.items()
    destination.deliver(make_shard(rows_of(DAY, 5, "first")))
    destination.deliver(make_shard(rows_of(NEXT_DAY, 4, "next"), partition=NEXT_DAY))
    destination.deliver(make_shard(rows_of(DAY, 2, "corrected")))
    assert read() == rows_of(DAY, 2, "corrected") + rows_of(NEXT_DAY, 4, "next")


def test_the_same_delivery_again_changes_nothing(harness: Harness, make_shard: MakeShard) -> None:
    destination, read = harness.items()
    shard = make_shard(rows_of(DAY, 3, "once"))
    first, again = destination.deliver(shard), harness.make("items").deliver(shard)
    assert (first.already_delivered, again.already_delivered) == (False, True)
    assert again.rows == 3
    assert read() == rows_of(DAY, 3, "once")


def test_an_old_delivery_again_does_not_undo_a_newer_one(harness: Harness, make_shard: MakeShard) -> None:
    destination, read = harness.items()
    old = make_shard(rows_of(DAY, 3, "old"))
    destination.deliver(old)
    destination.deliver(make_shard(rows_of(DAY, 2, "new")))
    assert destination.deliver(old).already_delivered
    assert read() == rows_of(DAY, 2, "new")


def test_an_empty_slice_clears(harness: Harness, make_shard: MakeShard) -> None:
    destination, read = harness.items()
    destination.deliver(make_shard(rows_of(DAY, 3, "there")))
    destination.deliver(make_shard(rows_of(NEXT_DAY, 1, "stays"), partition=NEXT_DAY))
    assert destination.deliver(make_shard([])).rows == 0
    assert read() == rows_of(NEXT_DAY, 1, "stays")


def test_a_row_of_another_day_is_refused_before_anything_changes(
    harness: Harness, make_shard: MakeShard
) -> None:
    destination, read = harness.items()
    destination.deliver(make_shard(rows_of(DAY, 3, "there")))
    stray = make_shard([*rows_of(DAY, 2, "x"), (9, NEXT_DAY, "x")])
    with pytest.raises(DeliveryError, match="1 of 3 rows .* lie outside it.*2022-10-04"):
        destination.deliver(stray)
    assert read() == rows_of(DAY, 3, "there")


def wrong_rows(shard: Shard) -> Shard:
    return replace(shard, rows=7)


def wrong_key(shard: Shard) -> Shard:
    return replace(shard, key=("sku",))


def wrong_partition(shard: Shard) -> Shard:
    return replace(shard, partition_key="snapshot")


def no_file(shard: Shard) -> Shard:
    return replace(shard, path=shard.path.with_name("gone.parquet"))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (wrong_rows, "7 rows, as planned"),
        (wrong_key, "no column 'sku'"),
        (wrong_partition, "partition key 'snapshot' is no value of"),
        (no_file, "cannot be read"),
    ],
)
def test_a_shard_that_is_not_what_it_says_is_refused(
    harness: Harness, make_shard: MakeShard, spoil: Callable[[Shard], Shard], words: str
) -> None:
    destination, read = harness.items()
    with pytest.raises(DeliveryError) as caught:
        destination.deliver(spoil(make_shard(rows_of(DAY, 3, "x"))))
    assert words in str(caught.value)
    assert caught.value.mend
    assert read() == []


def test_an_id_is_not_used_twice_for_different_content(harness: Harness, make_shard: MakeShard) -> None:
    destination, read = harness.items()
    destination.deliver(make_shard(rows_of(DAY, 3, "there"), delivery_id="d1"))
    with pytest.raises(DeliveryError, match="d1 has been used for"):
        destination.deliver(make_shard(rows_of(DAY, 3, "other"), delivery_id="d1"))
    assert read() == rows_of(DAY, 3, "there")


def test_two_objects_do_not_share_ids(harness: Harness, make_shard: MakeShard) -> None:
    shard = make_shard(rows_of(DAY, 3, "x"), delivery_id="d1")
    assert not harness.make("items").deliver(shard).already_delivered
    assert not harness.make("items_copy").deliver(shard).already_delivered
    assert harness.read("items") == harness.read("items_copy") == rows_of(DAY, 3, "x")


def test_concurrent_deliveries_of_many_days_all_arrive(harness: Harness, make_shard: MakeShard) -> None:
    days = [f"2022-10-{number:02}" for number in range(1, 7)]
    shards = [make_shard(rows_of(day, 500, day), partition=day) for day in days]
    errors: list[Exception] = []

    def send(shard: Shard) -> None:
        try:
            harness.make("items").deliver(shard)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=send, args=(shard,)) for shard in shards]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert harness.read("items") == [row for day in days for row in rows_of(day, 500, day)]


def test_neither_text_nor_object_shows_the_url(harness: Harness) -> None:
    destination = harness.make("items")
    assert "://" not in repr(destination)
    assert destination.canonical_object() == harness.make("items").canonical_object()
    assert destination.canonical_object() != harness.make("others").canonical_object()


def test_an_unknown_type_names_those_there_are() -> None:
    with pytest.raises(DeliveryError, match="one of: blob, postgres"):
        build("ftp", "ftp://somewhere", "items")


def test_a_partition_that_is_a_span_of_time_is_its_interval(harness: Harness, make_shard: MakeShard) -> None:
    destination, read = harness.items()
    week = {"partition": "2022-W40-1", "bounds": ("2022-10-03", "2022-10-10")}
    before, after = rows_of("2022-10-02", 1, "before"), rows_of("2022-10-10", 1, "after")
    destination.deliver(make_shard(before, partition="2022-W39-1", bounds=("2022-09-26", "2022-10-03")))
    destination.deliver(make_shard(after, partition="2022-W41-1", bounds=("2022-10-10", "2022-10-17")))
    destination.deliver(make_shard(rows_of(DAY, 2, "first") + rows_of("2022-10-09", 3, "first"), **week))
    destination.deliver(make_shard(rows_of("2022-10-05", 2, "corrected"), **week))
    assert read() == before + rows_of("2022-10-05", 2, "corrected") + after
    with pytest.raises(DeliveryError, match="1 of 1 rows .* lie outside it.*2022-10-10") as caught:
        destination.deliver(make_shard(after, **week))
    assert caught.value.expected == "2022-10-03 <= business_date < 2022-10-10 in every row"


@pytest.mark.parametrize("zone", [None, "UTC"])
def test_an_hour_is_its_timestamps(harness: Harness, make_shard: MakeShard, zone: str | None) -> None:
    arrow = import_module("pyarrow")
    destination = harness.make("hours")
    kind = arrow.timestamp("us", tz=zone)

    def shard(hour: str, *minutes: int) -> Shard:
        start = datetime.strptime(hour, "%Y-%m-%d-%H:%M").replace(tzinfo=UTC if zone else None)
        moments = [start + timedelta(minutes=minute) for minute in minutes]
        table = arrow.table({"read_at": arrow.array(moments, kind), "item": [1] * len(moments)})
        end = start + timedelta(hours=1)
        bounds = (f"{start:%Y-%m-%dT%H:%M:%S}", f"{end:%Y-%m-%dT%H:%M:%S}")
        named = {"partition_column": "read_at", "key": ("read_at", "item"), "export": "exp_hours"}
        return make_shard(table, partition=hour, bounds=bounds, **named)

    assert destination.deliver(shard("2022-10-03-13:00", 0, 59)).rows == 2
    assert destination.deliver(shard("2022-10-03-14:00", 0, 1, 2)).rows == 3
    assert destination.deliver(shard("2022-10-03-13:00", 30)).rows == 1
    with pytest.raises(DeliveryError, match="1 of 2 rows .* lie outside it"):
        destination.deliver(shard("2022-10-03-14:00", 59, 60))


def test_a_drop_is_its_id(harness: Harness, make_shard: MakeShard) -> None:
    arrow = import_module("pyarrow")
    destination = harness.make("recordings")

    def shard(drop: str, named: str, peak: int) -> Shard:
        table = arrow.table({"recording": [named], "peak": arrow.array([peak], arrow.int32())})
        return make_shard(table, partition=drop, partition_column="recording", key=("recording",))

    for drop, peak in (("quake-7", 1), ("lorry", 2), ("quake-7", 3)):
        assert destination.deliver(shard(drop, drop, peak)).rows == 1
    with pytest.raises(DeliveryError, match="1 of 1 rows .* lie outside it.*lorry"):
        destination.deliver(shard("quake-7", "lorry", 4))
