"""Sending in batches, against a webhook receiver: pace, faults, poison, crashes.

Does not belong here: what every destination owes (`test_conformance`), arithmetic of turns (`test_pace`).
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from sluicegate.destinations.base import Change, DeliveryError, Mode, Refused, Shard
from sluicegate.destinations.webhook import WebhookDestination, WebhookOptions

from tests.doubles.serving import serve
from tests.doubles.webhook import WebhookDouble

from .journals import Crash, MemoryJournal
from .support import DAY, Row, rows_of, write_shard

SECRET = "kept-to-ourselves"
Write = Callable[..., Shard]


class Place:
    """A receiver that runs, and destinations that post to it."""

    def __init__(self, double: WebhookDouble, address: str) -> None:
        self.double = double
        self.url = f"webhook://:{SECRET}@{address}/in"

    def destination(self, budget_seconds: float = 60.0, **options: Any) -> WebhookDestination:
        made = WebhookDestination(
            self.url, "items", WebhookOptions.model_validate({"batch_rows": 4} | options)
        )
        made.budget_seconds = budget_seconds
        return made

    def rows(self) -> list[Row]:
        found = self.double.contents("in/items")
        return sorted((row["item"], row["business_date"], row["note"]) for row in found)


@pytest.fixture
def place() -> Iterator[Place]:
    with ExitStack() as running:
        double = WebhookDouble(secret=SECRET.encode())
        yield Place(double, running.enter_context(serve(double.app)))


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def appended(rows: list[Row], **stated: Any) -> Shard:
        return write_shard(tmp_path, rows, **({"mode": Mode.APPEND} | stated))

    return appended


def item_is(*items: int) -> Callable[[Mapping[str, Any]], bool]:
    return lambda fields: fields["item"] in items


@pytest.mark.parametrize("fault", ["429", "503", "500", "408", "409"])
def test_a_vendor_that_cannot_now_is_asked_again(place: Place, write: Write, fault: str) -> None:
    place.double.retry_after = "0"
    place.double.faults.extend([fault, "ok", fault])
    rows = rows_of(DAY, 19, "x")
    receipt = place.destination().send(shard := write(rows), journal := MemoryJournal(19))
    assert (place.rows(), journal.pending()) == (rows, [])
    assert (receipt.rows, receipt.details["tried_again"], receipt.already_delivered) == (shard.rows, 2, False)
    assert place.double.statuses.count(int(fault)) == 2


def test_an_answer_that_is_lost_brings_no_row_twice(place: Place, write: Write) -> None:
    place.double.faults.extend(["ok", "lost", "lost"])
    rows = rows_of(DAY, 19, "x")
    place.destination().send(write(rows), MemoryJournal(19))
    assert place.rows() == rows
    assert (place.double.taken, place.double.twice) == (19, 0)
    assert place.double.replayed > 0


def test_a_wait_that_outlasts_the_budget_ends_the_delivery(place: Place, write: Write) -> None:
    place.double.retry_after = "3600"
    place.double.faults.extend(["ok", "429"])
    shard, journal = write(rows_of(DAY, 40, "x")), MemoryJournal(40)
    with pytest.raises(DeliveryError) as caught:
        place.destination(budget_seconds=30.0).send(shard, journal)
    assert "too many requests" in caught.value.what
    assert " of 40 rows are settled" in caught.value.what
    assert "takes up where this one ended" in caught.value.fix
    assert SECRET not in str(caught.value)
    rest = journal.taken_up()
    assert 0 < len(place.rows()) < 40
    place.destination().send(shard, rest)
    assert (place.rows(), rest.pending(), place.double.replayed) == (rows_of(DAY, 40, "x"), [], 0)


def test_a_vendor_that_is_down_is_given_up_when_the_time_is_spent(place: Place, write: Write) -> None:
    place.double.faults.extend(["503"] * 50)
    journal = MemoryJournal(4)
    with pytest.raises(DeliveryError, match="the vendor last said: HTTP 503 .*not now"):
        place.destination(budget_seconds=0.4).send(write(rows_of(DAY, 4, "x")), journal)
    assert journal.pending() == [(0, 4)]


def test_credentials_that_are_refused_stop_all_senders(place: Place, write: Write) -> None:
    place.double.faults.extend(["ok", "401"])
    shard, journal = write(rows_of(DAY, 400, "x")), MemoryJournal(400)
    with pytest.raises(DeliveryError, match="does not know these credentials") as caught:
        place.destination().send(shard, journal)
    assert SECRET not in str(caught.value)
    # Each of the senders ends the request that it is in, and what was taken is noted.
    assert len(place.double.statuses) < 12
    assert sum(end - first for first, end in journal.acknowledgements) == place.double.taken


def test_the_row_that_spoils_a_batch_is_found_and_the_others_arrive(place: Place, write: Write) -> None:
    place.double.poison = item_is(5, 17)
    rows = rows_of(DAY, 20, "x")
    receipt = place.destination(batch_rows=16).send(write(rows), journal := MemoryJournal(20))
    words = '{"message":"something in the rows is wrong"}'
    assert sorted(journal.refused, key=lambda row: row.row) == [
        Refused(5, "422", words),
        Refused(17, "422", words),
    ]
    assert place.rows() == [row for row in rows if row[0] not in (5, 17)]
    assert (journal.pending(), receipt.rows, place.double.twice) == ([], 18, 0)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Back-off begins with hundredths of a second."""
    monkeypatch.setattr("sluicegate.destinations.pace._FIRST_BACK_OFF_SECONDS", 0.02)


@pytest.mark.usefixtures("hasty")
def test_a_row_that_the_vendor_stumbles_over_is_found_and_the_others_arrive(
    place: Place, write: Write
) -> None:
    place.double.stumbles = item_is(5, 17)
    rows = rows_of(DAY, 20, "x")
    shard, journal = write(rows, mode=Mode.UPSERT), MemoryJournal(20)
    receipt = place.destination(batch_rows=16).send(shard, journal)
    words = 'HTTP 500 {"message":"internal server error"}'
    assert sorted(journal.refused, key=lambda row: row.row) == [Refused(5, "", words), Refused(17, "", words)]
    assert place.rows() == [row for row in rows if row[0] not in (5, 17)]
    assert (journal.pending(), receipt.rows, place.double.twice) == ([], 18, 0)


@pytest.mark.usefixtures("hasty")
def test_a_vendor_that_stumbles_over_everything_refuses_no_row(place: Place, write: Write) -> None:
    place.double.stumbles = lambda fields: True
    shard, journal = write(rows_of(DAY, 8, "x"), mode=Mode.UPSERT), MemoryJournal(8)
    with pytest.raises(DeliveryError, match=r"HTTP 500 .*internal server error"):
        place.destination(budget_seconds=2.0).send(shard, journal)
    assert (journal.pending(), journal.refused) == ([(0, 8)], [])


@pytest.mark.usefixtures("hasty")
def test_what_is_appended_is_not_sent_under_another_id_after_an_error(place: Place, write: Write) -> None:
    place.double.stumbles = item_is(5)
    rows, journal = rows_of(DAY, 12, "x"), MemoryJournal(12)
    with pytest.raises(DeliveryError, match="HTTP 500"):
        place.destination(budget_seconds=2.0).send(write(rows), journal)
    assert (journal.pending(), journal.refused) == ([(4, 8)], [])


def test_rows_that_are_refused_one_by_one_keep_the_vendors_words(place: Place, write: Write) -> None:
    place.double.refuses = item_is(0, 6)
    rows = rows_of(DAY, 9, "x")
    place.destination().send(write(rows), journal := MemoryJournal(9))
    assert [(row.row, row.code, row.said) for row in sorted(journal.refused, key=lambda row: row.row)] == [
        (0, "NOT_WANTED", "this row is not wanted"),
        (6, "NOT_WANTED", "this row is not wanted"),
    ]
    assert place.rows() == [row for row in rows if row[0] not in (0, 6)]


def test_a_receiver_that_takes_fewer_rows_gets_fewer(place: Place, write: Write) -> None:
    place.double.max_rows = 3
    rows = rows_of(DAY, 50, "x")
    place.destination(batch_rows=16).send(write(rows), journal := MemoryJournal(50))
    assert (place.rows(), journal.refused) == (rows, [])


@pytest.mark.parametrize("survived", range(0, 20, 3))
@pytest.mark.parametrize("poison", [(), (3, 21)])
def test_a_crash_between_sending_and_acknowledging_brings_no_row_twice(
    place: Place, write: Write, survived: int, poison: tuple[int, ...]
) -> None:
    place.double.poison = item_is(*poison)
    rows = rows_of(DAY, 60, "x")
    shard, journal = write(rows), MemoryJournal(60, fail_after=survived)
    ended = False
    while not ended:
        try:
            place.destination().send(shard, journal)
            ended = True
        except Crash:
            journal = journal.taken_up()
    assert journal.pending() == []
    assert place.rows() == [row for row in rows if row[0] not in poison]
    assert (place.double.taken, place.double.twice) == (60 - len(poison), 0)


def test_removed_rows_go_last_and_by_themselves(place: Place, write: Write) -> None:
    first = rows_of(DAY, 20, "x")
    place.destination().send(write(first, mode=Mode.MIRROR), MemoryJournal(20))
    kinds = [Change.REMOVED if number % 2 else Change.CHANGED for number in range(20)]
    rows = [(number, day, "x" if number % 2 else "y") for number, day, _ in first]
    shard, journal = write(rows, mode=Mode.MIRROR, changes=kinds), MemoryJournal(20)
    place.double.changes.clear()
    place.destination().send(shard, journal)
    assert place.double.changes == ["changed"] * 3 + ["removed"] * 3
    assert (place.rows(), journal.pending()) == ([row for row in rows if row[2] == "y"], [])


def test_rows_stay_pending_until_the_receiver_knows_that_all_have_come(place: Place, write: Write) -> None:
    mirror = {"mode": Mode.MIRROR, "full": True}
    place.destination().send(write(rows_of(DAY, 20, "old"), **mirror), MemoryJournal(20))
    shard, journal = write(rows_of(DAY, 6, "new"), **mirror), MemoryJournal(6)
    place.double.faults.extend(["ok", "ok", "401"])
    with pytest.raises(DeliveryError, match="credentials"):
        place.destination().send(shard, journal)
    rest = journal.taken_up()
    assert 0 < sum(end - first for first, end in rest.pending()) <= 4
    place.destination().send(shard, rest)
    assert (place.rows(), rest.pending()) == (rows_of(DAY, 6, "new"), [])


def test_each_request_is_noted_and_every_answer_told(place: Place, write: Write) -> None:
    place.destination().send(write(rows_of(DAY, 1000, "x")), journal := MemoryJournal(1000))
    assert sorted(rows for (rows,) in journal.noted) == [(first, first + 4) for first in range(0, 1000, 4)]
    assert journal.notes == {}


@pytest.mark.parametrize("parallel", [1, 3])
def test_no_more_requests_are_under_way_at_once_than_allowed(
    place: Place, write: Write, parallel: int
) -> None:
    place.double.takes_seconds = 0.02
    place.destination(batch_rows=1, parallel=parallel).send(write(rows_of(DAY, 30, "x")), MemoryJournal(30))
    assert place.double.most_at_once == parallel


def test_the_vendors_rate_is_kept(place: Place, write: Write) -> None:
    place.double.rate = (25, 0.5)
    rows = rows_of(DAY, 100, "x")
    place.destination(batch_rows=1, rate_requests=25, rate_seconds=0.5).send(write(rows), MemoryJournal(100))
    assert place.rows() == rows
    # None on an idle machine: of a request that takes more than 4 % of the window the arrival is not sure.
    assert place.double.statuses.count(429) <= 5


def test_a_refusal_that_names_no_row_of_the_request_is_an_error(place: Place, write: Write) -> None:
    place.double.refuses = item_is(1)
    place.double.misnumbers = 3
    with pytest.raises(DeliveryError, match="refuses a row that was not sent"):
        place.destination().send(write(rows_of(DAY, 4, "x")), MemoryJournal(4))
