"""What only Braze has: data points, nulls that remove, events, errors by place, deletion of whole users."""

from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from sluicegate.destinations.base import Change, DeliveryError, Mode, Receipt, Scope, Shard
from sluicegate.destinations.braze import BrazeDestination, BrazeTracking
from sluicegate.destinations.braze.events import BrazeEventsDestination

from tests.doubles.braze import API_KEY, BrazeDouble
from tests.doubles.serving import serve

from .journals import Crash, MemoryJournal
from .support import write_shard


@contextmanager
def workspace(**limits: Any) -> Generator[tuple[BrazeDouble, BrazeDestination]]:
    double = BrazeDouble(**limits)
    with serve(double.app) as address:
        yield double, BrazeDestination(f"braze://:{API_KEY}@{address}", "users")


@contextmanager
def events_of(name: str) -> Generator[tuple[BrazeDouble, BrazeEventsDestination]]:
    double = BrazeDouble()
    with serve(double.app) as address:
        yield double, BrazeEventsDestination(f"braze://:{API_KEY}@{address}", name)


def users_shard(
    tmp_path: Path, count: int, note: str | None = "a", key: tuple[str, ...] = ("external_id",), **stated: Any
) -> Shard:
    values = {
        "external_id": pa.array([f"u{n}" for n in range(count)]),
        "note": pa.array([note] * count, pa.string()),
        "tier": pa.array(["gold"] * count),
    }
    return write_shard(tmp_path, pa.table(values), key=key, partition_column=None, **stated)


def events_shard(tmp_path: Path, times: list[datetime | None], **columns: Any) -> Shard:
    values = {
        "event_id": pa.array(range(len(times)), pa.int64()),
        "external_id": pa.array([f"u{n % 2}" for n in range(len(times))]),
        "time": pa.array(times, pa.timestamp("us", "UTC")),
        **columns,
    }
    table = pa.table(values)
    return write_shard(tmp_path, table, key=("event_id",), partition_column=None, mode=Mode.APPEND)


def deliver(destination: BrazeTracking, shard: Shard) -> tuple[Receipt, MemoryJournal]:
    destination.check(shard)
    journal = MemoryJournal(shard.rows)
    receipt = destination.send(shard, journal)
    assert journal.pending() == []
    return receipt, journal


def scope(*key: str) -> Scope:
    return Scope("exp_items", "2022-10-03", key, (*key, "note"), None)


def test_only_changed_fields_are_sent_and_paid_for(tmp_path: Path) -> None:
    with workspace() as (double, braze):
        receipt, _ = deliver(braze, users_shard(tmp_path, 100))
        assert receipt.details["data_points"] == double.data_points == 200
        changed = users_shard(tmp_path, 100, "b", changes=Change.CHANGED, changed_fields=[["note"]] * 100)
        receipt, _ = deliver(braze, changed)
        assert receipt.details["data_points"] == 100
        assert double.data_points == 300
        assert double.users["u7"] == {"note": "b", "tier": "gold"}
        assert double.twice == 0


def test_data_points_add_up_over_attempts(tmp_path: Path) -> None:
    with workspace() as (double, braze):
        shard = users_shard(tmp_path, 150)
        first = MemoryJournal(shard.rows, acknowledged=[(75, 150)])
        braze.send(shard, first)
        assert first.kept()["data_points"] == "150"
        journal = MemoryJournal(shard.rows, acknowledged=[(0, 75)], kept=first.kept())
        assert braze.send(shard, journal).details["data_points"] == double.data_points == 300


def test_a_null_removes_the_attribute_also_where_others_have_set_it(tmp_path: Path) -> None:
    with workspace() as (double, braze):
        double.users["u0"] = {"note": "set by the app", "app": True}
        deliver(braze, users_shard(tmp_path, 1, None))
        assert double.users["u0"] == {"tier": "gold", "app": True}


def test_errors_are_told_by_place_and_the_others_taken(tmp_path: Path) -> None:
    with workspace() as (double, braze):
        double.say_no = lambda one: "'note' is not welcome" if one["external_id"] in ("u3", "u80") else None
        receipt, journal = deliver(braze, users_shard(tmp_path, 100))
        assert {row.row: row.said for row in journal.refused} == dict.fromkeys(
            (3, 80), "'note' is not welcome"
        )
        assert len(double.users) == receipt.rows == 98
        assert receipt.details["data_points"] == double.data_points == 196
        assert double.rows == 100


def test_a_request_without_one_good_object_refuses_each_by_its_own_words(tmp_path: Path) -> None:
    with workspace() as (double, braze):
        double.say_no = lambda one: f"{one['external_id']} is refused"
        _, journal = deliver(braze, users_shard(tmp_path, 3))
        assert sorted(row.said for row in journal.refused) == [f"u{n} is refused" for n in range(3)]
        assert double.requests == 1


def test_a_request_refused_whole_is_split(tmp_path: Path) -> None:
    with workspace() as (double, braze):
        double.faults.fail(400, body={"message": "something in here is wrong"})
        _, journal = deliver(braze, users_shard(tmp_path, 4))
        assert journal.refused == []
        assert len(double.users) == 4


def test_a_message_on_no_object_is_no_refusal_where_all_were_processed(tmp_path: Path) -> None:
    with workspace() as (double, braze):
        body = {"message": "success", "attributes_processed": 4, "errors": ["a minor error message"]}
        double.faults.fail(201, body=body)
        _, journal = deliver(braze, users_shard(tmp_path, 4))
        assert (journal.refused, double.requests) == ([], 1)
        double.faults.fail(201, body=body | {"attributes_processed": 3})
        _, journal = deliver(braze, users_shard(tmp_path, 4))
        assert (journal.refused, double.requests) == ([], 4)  # whole, and then by halves


def test_what_braze_only_queues_counts_as_taken(tmp_path: Path) -> None:
    with workspace() as (double, braze):
        double.queues = True
        _, journal = deliver(braze, users_shard(tmp_path, 3))
        assert journal.refused == []
        assert len(double.users) == 3


def test_values_go_as_brazes_types(tmp_path: Path) -> None:
    values = {
        "external_id": pa.array([17], pa.int64()),
        "amount": pa.array([Decimal("10.50")], pa.decimal128(12, 2)),
        "whole": pa.array([Decimal("3.00")], pa.decimal128(12, 2)),
        "moment": pa.array([datetime(2022, 10, 3, 4, 5, 6, tzinfo=UTC)], pa.timestamp("us", "UTC")),
        "born": pa.array([date(1990, 2, 3)]),
        "flag": pa.array([True]),
        "likes": pa.array([["tea", "cake"]]),
    }
    shard = write_shard(tmp_path, pa.table(values), key=("external_id",), partition_column=None)
    with workspace() as (double, braze):
        deliver(braze, shard)
        assert double.users["17"] == {
            "amount": 10.5,
            "whole": 3,
            "moment": "2022-10-03T04:05:06.000Z",
            "born": "1990-02-03",
            "flag": True,
            "likes": ["tea", "cake"],
        }


def test_a_text_that_is_too_long_or_a_number_that_is_none_is_refused_by_itself(tmp_path: Path) -> None:
    values = {
        "external_id": pa.array(["a", "b", "c"]),
        "note": pa.array(["x" * 255, "x" * 256, "x"]),
        "weight": pa.array([1.0, 1.0, float("nan")]),
    }
    shard = write_shard(tmp_path, pa.table(values), key=("external_id",), partition_column=None)
    with workspace() as (double, braze):
        _, journal = deliver(braze, shard)
        assert {row.row: row.code for row in journal.refused} == {1: "UNWRITABLE", 2: "UNWRITABLE"}
        assert set(double.users) == {"a"}


def test_events_have_a_name_a_time_and_properties(tmp_path: Path) -> None:
    moment = datetime(2022, 10, 3, 4, 5, 6, tzinfo=UTC)
    total = pa.array([1.5, 2.5, None], pa.float64())
    with events_of("bought") as (double, braze):
        receipt, journal = deliver(braze, events_shard(tmp_path, [moment, moment, None], total=total))
        assert double.events[0] == {
            "external_id": "u0",
            "name": "bought",
            "time": "2022-10-03T04:05:06.000Z",
            "properties": {"event_id": 0, "total": 1.5},
        }
        assert [(row.row, row.code) for row in journal.refused] == [(2, "UNWRITABLE")]
        assert receipt.details["data_points"] == double.data_points == 2


def test_a_lost_answer_costs_users_nothing_but_points_and_sends_events_again(tmp_path: Path) -> None:
    with workspace() as (double, braze):
        double.faults.lose_answers()
        deliver(braze, users_shard(tmp_path, 10))
        assert (len(double.users), double.twice, double.data_points) == (10, 10, 40)
    with events_of("seen") as (double, braze):
        double.faults.lose_answers()
        deliver(braze, events_shard(tmp_path, [datetime(2022, 10, 3, tzinfo=UTC)] * 3))
        assert (len(double.events), double.twice) == (6, 3)


def test_users_are_told_apart_by_external_id(tmp_path: Path) -> None:
    with workspace() as (double, braze):
        with pytest.raises(DeliveryError, match="has the key note"):
            braze.check(users_shard(tmp_path, 2, key=("note",)))
        assert double.requests == 0


def test_an_event_needs_user_and_time(tmp_path: Path) -> None:
    with events_of("seen") as (double, braze):
        with pytest.raises(DeliveryError, match="lacks time, which every event needs"):
            braze.check(users_shard(tmp_path, 2))
        assert double.requests == 0


def test_identifiers_and_switches_are_no_attributes(tmp_path: Path) -> None:
    values = {"external_id": pa.array(["a"]), "braze_id": pa.array(["b"])}
    shard = write_shard(tmp_path, pa.table(values), key=("external_id",), partition_column=None)
    with workspace() as (_, braze), pytest.raises(DeliveryError, match="braze_id cannot be an attribute"):
        braze.check(shard)


def test_the_time_of_an_event_is_no_text(tmp_path: Path) -> None:
    values = pa.table({"external_id": pa.array(["a"]), "time": pa.array(["now"])})
    shard = write_shard(tmp_path, values, key=("external_id",), partition_column=None)
    with events_of("seen") as (_, braze), pytest.raises(DeliveryError, match="'time', the time of an event"):
        braze.check(shard)


def test_users_are_forgotten_50_at_a_time() -> None:
    with workspace() as (double, braze):
        double.users = {f"u{n}": {} for n in range(60)}
        keys = [{"external_id": f"u{n}"} for n in range(58)] + [{"external_id": "unknown"}]
        assert braze.forget(scope("external_id"), keys) == 58
        assert set(double.users) == {"u58", "u59"}
        assert double.requests == 2


def test_the_limit_is_waited_out(tmp_path: Path) -> None:
    with workspace(requests=2, seconds=0.3) as (double, braze):
        deliver(braze, users_shard(tmp_path, 400))
        assert len(double.users) == 400
        assert double.refused > 0
        assert double.twice == 0


@pytest.mark.parametrize("acknowledged", [0, 1, 5, 9])
def test_a_crash_before_an_acknowledgement_repeats_no_more_than_was_under_way(
    tmp_path: Path, acknowledged: int
) -> None:
    with events_of("seen") as (double, braze):
        shard = events_shard(tmp_path, [datetime(2022, 10, 3, tzinfo=UTC)] * 3000)
        journal = MemoryJournal(shard.rows, fail_after=acknowledged)
        with pytest.raises(Crash):
            braze.send(shard, journal)
        braze.send(shard, journal.taken_up())
        assert {event["properties"]["event_id"] for event in double.events} == set(range(3000))
        assert double.twice == len(double.events) - 3000
        assert 0 < double.twice <= braze.parallel * braze.batch_rows


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_braze_out_of_order_is_asked_again(tmp_path: Path, status: int) -> None:
    with workspace() as (double, braze):
        double.faults.fail(status)
        deliver(braze, users_shard(tmp_path, 3))
        assert len(double.users) == 3


def test_a_wrong_key_is_never_shown(tmp_path: Path) -> None:
    with workspace() as (_, braze):
        wrong = braze._url.replace(API_KEY, "guessed-key")  # pyright: ignore[reportPrivateUsage]
        with pytest.raises(DeliveryError) as caught:
            deliver(BrazeDestination(wrong, "users"), users_shard(tmp_path, 1))
        assert "401" in str(caught.value)
        assert "guessed-key" not in str(caught.value)


def test_objects_have_one_spelling() -> None:
    braze = BrazeDestination("braze://:secret@REST.iad-01.braze.com", "Users")
    assert braze.canonical_object() == "braze://rest.iad-01.braze.com/users"
    events = BrazeEventsDestination("braze://:secret@rest.iad-01.braze.com", " Bought ")
    assert events.canonical_object() == "braze://rest.iad-01.braze.com/events/Bought"
    with pytest.raises(DeliveryError, match="events go to a destination of the type braze_events"):
        BrazeDestination.canonical_name("segments")
    with pytest.raises(DeliveryError, match="no name of an event"):
        BrazeEventsDestination.canonical_name(" ")
    with pytest.raises(DeliveryError, match="not one of Braze"):
        BrazeDestination("braze://rest.iad-01.braze.com", "users")
