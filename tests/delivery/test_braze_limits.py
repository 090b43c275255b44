"""What Braze limits: sizes of values, rows and requests, and the rate of a workspace.

Belongs here: what would be cut off or dropped without a word, and is refused before. Does not: what Braze
answers (`test_braze_destination`).
"""

from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from sluicegate.destinations.base import Change, DeliveryError, Mode, Shard
from sluicegate.destinations.batches import BatchDestination
from sluicegate.destinations.braze import BrazeDestination, BrazeUserOptions
from sluicegate.destinations.braze.destination import USER
from sluicegate.destinations.braze.events import BrazeEventsDestination
from sluicegate.destinations.cutting import Batch, Row

from tests.doubles.braze import API_KEY, BrazeDouble
from tests.doubles.serving import serve

from .journals import MemoryJournal
from .support import write_shard

NO_SHARD = Shard("e", "", "d", Path("none"), 1, (USER,), None, "", Mode.UPSERT, False)
MOMENT = datetime(2022, 10, 3, tzinfo=UTC)


@contextmanager
def workspace(
    options: BrazeUserOptions | None = None, **limits: Any
) -> Generator[tuple[BrazeDouble, BrazeDestination]]:
    double = BrazeDouble(**limits)
    with serve(double.app) as address:
        yield double, BrazeDestination(f"braze://:{API_KEY}@{address}", "users", options)


@contextmanager
def events() -> Generator[tuple[BrazeDouble, BrazeEventsDestination]]:
    double = BrazeDouble()
    with serve(double.app) as address:
        yield double, BrazeEventsDestination(f"braze://:{API_KEY}@{address}", "seen")


def shard_of(tmp_path: Path, **columns: Any) -> Shard:
    return write_shard(tmp_path, pa.table(columns), key=(USER,), partition_column=None)


def deliver(destination: BatchDestination, shard: Shard) -> MemoryJournal:
    destination.check(shard)
    journal = MemoryJournal(shard.rows)
    destination.send(shard, journal)
    assert journal.pending() == []
    return journal


# For each limit a value that fits, and one that does not.
LIMITS: dict[str, tuple[Any, Any]] = {
    "elements of an array": (list(range(500)), list(range(501))),
    "bytes of an array": (["x" * 200] * 480, ["x" * 210] * 480),
    "bytes of an object": ({"a": "x"}, {f"k{n}": "x" * 250 for n in range(400)}),
    "a space in a name": ({"a_b": 1}, {"a b": 1}),
    "a period in a name": ({"a-b": 1}, {"a.b": 1}),
    "a dollar sign in a name": ({"deep": [{"ab": 1}]}, {"deep": [{"$time": 1}]}),
    "characters of a name": ({"a" * 255: 1}, {"a" * 256: 1}),
    "characters in an object": ({"a": "x" * 255}, {"a": "x" * 256}),
}


@pytest.mark.parametrize("limit", LIMITS)
def test_what_braze_would_cut_off_or_drop_is_refused_by_row_and_field(limit: str) -> None:
    fits, too_much = LIMITS[limit]
    with workspace() as (double, braze):
        values = enumerate([fits, too_much])
        rows = [Row(n, Change.ADDED, {USER: f"u{n}", "odd": value}, None) for n, value in values]
        refused = braze.send_batch(NO_SHARD, Batch("b", rows))
        assert [(row.row, row.code) for row in refused] == [(1, "UNWRITABLE")]
        assert refused[0].said.startswith("field 'odd': ")
        assert double.users == {"u0": {"odd": fits}}
        assert double.cut == []
        assert double.rows == 1


def test_a_workspace_that_keeps_shorter_arrays_says_so() -> None:
    rows = [Row(n, Change.ADDED, {USER: f"u{n}", "likes": ["a"] * (25 + n)}, None) for n in range(2)]
    with workspace(BrazeUserOptions(array_items=25)) as (double, braze):
        double.array_items = 25
        (refused,) = braze.send_batch(NO_SHARD, Batch("b", rows))
        assert (refused.row, "'likes': Braze keeps 25 elements" in refused.said) == (1, True)
        assert (set(double.users), double.cut) == ({"u0"}, [])


def test_requests_larger_than_braze_takes_are_not_sent(tmp_path: Path) -> None:
    # 75 rows of 90 KB each are 6.75 MB.
    likes = pa.array([["x" * 250] * 350] * 75)
    values = {USER: pa.array([f"u{n}" for n in range(75)]), "likes": likes}
    shard = shard_of(tmp_path, **values)
    with workspace() as (double, braze):
        journal = deliver(braze, shard)
        assert (journal.refused, len(double.users)) == ([], 75)
        assert double.requests == 2  # halves: what would be answered with 413 stays here


def test_a_row_larger_than_a_request_is_refused_by_itself() -> None:
    wide = {f"likes{n}": ["x" * 250] * 350 for n in range(50)}
    rows = [
        Row(0, Change.ADDED, {USER: "u0", **wide}, None),
        Row(1, Change.ADDED, {USER: "u1", "a": 1}, None),
    ]
    with workspace() as (double, braze):
        (refused,) = braze.send_batch(NO_SHARD, Batch("b", rows))
        assert (refused.row, "4,000,000 bytes in a request" in refused.said) == (0, True)
        assert set(double.users) == {"u1"}


@pytest.mark.parametrize(
    ("value", "taken"),
    [
        (["tea"], True),
        ([date(2022, 10, 3)], False),
        ({"at": [{"when": MOMENT}]}, False),
        ({"at": MOMENT}, True),
        (["x" * 250] * 390, True),
        (["x" * 250] * 400, False),
    ],
)
def test_properties_of_events_have_limits_of_their_own(value: Any, taken: bool) -> None:
    with events() as (double, braze):
        row = Row(0, Change.ADDED, {USER: "u0", "time": MOMENT, "odd": value}, None)
        refused = braze.send_batch(NO_SHARD, Batch("b", [row]))
        assert [one.code for one in refused] == ([] if taken else ["UNWRITABLE"])
        assert len(double.events) == int(taken)


@pytest.mark.parametrize("name", ["event_name", "$price", "x" * 256])
def test_names_that_no_property_of_an_event_may_have_are_told(tmp_path: Path, name: str) -> None:
    event = {USER: pa.array(["u0"]), "time": pa.array([MOMENT])}
    with events() as (double, braze):
        with pytest.raises(DeliveryError, match="cannot be a property of an event in Braze"):
            braze.check(shard_of(tmp_path, **event, **{name: pa.array([1])}))
        many = {f"f{n}": pa.array([1]) for n in range(257)}
        with pytest.raises(DeliveryError, match="has 257 fields beside external_id and time"):
            braze.check(shard_of(tmp_path, **event, **many))
        assert double.requests == 0


def test_a_workspace_with_a_lower_limit_says_so(tmp_path: Path) -> None:
    users = [f"u{n}" for n in range(400)]
    slower = BrazeUserOptions(rate_requests=2, rate_seconds=0.3)
    with workspace(slower, requests=2, seconds=0.3) as (double, braze):
        deliver(braze, shard_of(tmp_path, **{USER: pa.array(users), "note": pa.array(users)}))
        assert (len(double.users), double.refused) == (400, 0)
