"""A destination that holds the newest partition alone, and a correction of the one that it holds."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from sluicegate.delivery.ledger import Between, DeliveryHeld, DeliveryRejected, Limits
from sluicegate.destinations.base import DeliveryError, Mode
from sluicegate.state.records import Delivery, DeliveryStatus

from tests.delivery.deliveries import Rows, Sender
from tests.delivery.shelf import Crash, Faults, ShelfDestination

NEXT_DAY = "2024-01-02"
OLD: Rows = {1: "wrong", 2: "b"}
NO_LIMITS = Limits(empty=True)


@dataclass(frozen=True)
class Play:
    """A sender whose destination holds a day, and rows of that day corrected and of the next one."""

    sender: Sender
    shelf: ShelfDestination
    corrected: Rows
    newer: Rows

    def send_newer(self, *, limits: Limits = NO_LIMITS) -> Delivery:
        order = replace(self.sender.order(NEXT_DAY), limits=limits)
        return self.sender.deliver(self.newer, "tue", day=NEXT_DAY, order=order).delivery

    def plan_of_newer(self) -> Delivery:
        found = self.sender.store.deliveries.of_export("exp_items")
        return next(item for item in reversed(found) if item.partition_key == NEXT_DAY)

    def notes(self) -> dict[int, str]:
        """What is on the shelf."""
        return {int(row["item"]): row["note"] for row in self.shelf.rows().values()}


@pytest.fixture(params=list(Mode))
def play(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Play]:
    mode: Mode = request.param
    shelf = ShelfDestination(str(tmp_path), "shelf")
    sender = Sender(tmp_path, shelf, mode, latest=True)
    sender.deliver(OLD, "mon")
    appends = mode is Mode.APPEND  # which corrects nothing that is there
    corrected = {**OLD, 3: "c"} if appends else {1: "right", 2: "b", 3: "c"}
    newer = {**OLD, 4: "tue", 5: "tue", 6: "tue"} if appends else {1: "tue", 4: "tue", 5: "tue"}
    yield Play(sender, shelf, corrected, newer)
    sender.store.close()


def _planned(play: Play) -> None:
    play.shelf.faults = Faults(down=True)
    with pytest.raises(DeliveryError, match="nobody answers"):
        play.send_newer()
    assert play.plan_of_newer().status is DeliveryStatus.PLANNED


def _held(play: Play) -> None:
    with pytest.raises(DeliveryHeld):
        play.send_newer(limits=_NARROW)
    assert play.plan_of_newer().status is DeliveryStatus.HELD


def _approved(play: Play) -> None:
    _decided(play, DeliveryStatus.APPROVED)


def _rejected(play: Play) -> None:
    _decided(play, DeliveryStatus.REJECTED)


def _decided(play: Play, word: DeliveryStatus) -> None:
    _held(play)
    plan = play.plan_of_newer().delivery_id
    store = play.sender.store.deliveries
    assert store.move(plan, word, out_of=[DeliveryStatus.HELD], decided_by="ada", decision="so")


def _crashes(after: int, *, before_acknowledging: bool) -> Callable[[Play], None]:
    def crash(play: Play) -> None:
        rows = len(play.newer)
        # Of an append the rows that are there are not in the shard.
        shard = rows - len(OLD) if play.sender.mode is Mode.APPEND else rows
        if play.sender.mode is Mode.MIRROR:
            shard += 1  # one is taken out
        at = after if after >= 0 else shard + after
        play.shelf.faults = Faults(crash_after_rows=at, before_acknowledging=before_acknowledging)
        with pytest.raises(Crash):
            play.send_newer()
        assert play.plan_of_newer().status is DeliveryStatus.SENDING

    return crash


def _acknowledged(play: Play) -> None:
    assert play.send_newer().status is DeliveryStatus.ACKNOWLEDGED


def _acknowledged_but_for_a_row(play: Play) -> None:
    play.shelf.faults = Faults(refused_keys={'["5"]'})
    assert play.send_newer().refused == 1


_NARROW = Limits(rows=Between(None, 1))
NOT_THERE: dict[str, Callable[[Play], None]] = {
    "planned": _planned,
    "held": _held,
    "approved": _approved,
    "rejected": _rejected,
    "failed before a row": _crashes(0, before_acknowledging=False),
    "a row acknowledged": _crashes(1, before_acknowledging=False),
    "a row with unknown outcome": _crashes(0, before_acknowledging=True),
}
THERE: dict[str, Callable[[Play], None]] = {
    "acknowledged": _acknowledged,
    "acknowledged but for a refused row": _acknowledged_but_for_a_row,
    "all sent, the last outcome unknown": _crashes(-1, before_acknowledging=True),
}


@pytest.mark.parametrize("newer", NOT_THERE.values(), ids=NOT_THERE)
@pytest.mark.sampled(10)
def test_a_correction_is_sent_while_nothing_newer_is_there(play: Play, newer: Callable[[Play], None]) -> None:
    newer(play)
    play.shelf.faults = Faults()
    outcome = play.sender.deliver(play.corrected, "mon again")
    assert outcome.delivery.status is DeliveryStatus.ACKNOWLEDGED
    doubtful = play.sender.in_doubt()
    certain = {item: note for item, note in play.notes().items() if item not in doubtful}
    assert play.sender.recorded() == certain
    assert {item: play.notes()[item] for item in play.corrected} == play.corrected
    if play.sender.mode in (Mode.MIRROR, Mode.SNAPSHOT):
        assert play.notes() == play.corrected
    # The newer day is not lost; and a person's word on its data still counts.
    if play.plan_of_newer().status is DeliveryStatus.REJECTED:
        with pytest.raises(DeliveryRejected):
            play.send_newer(limits=_NARROW)
        assert play.notes() == play.sender.recorded()
        return
    assert play.send_newer().status is DeliveryStatus.ACKNOWLEDGED
    assert {item: play.notes()[item] for item in play.newer} == play.newer
    assert play.sender.recorded() == play.notes()


@pytest.mark.parametrize("newer", THERE.values(), ids=THERE)
@pytest.mark.sampled(4)
def test_a_correction_is_overtaken_by_what_is_there(play: Play, newer: Callable[[Play], None]) -> None:
    newer(play)
    play.shelf.faults = Faults()
    outcome = play.sender.deliver(play.corrected, "mon again")
    if newer is THERE["all sent, the last outcome unknown"] and play.sender.mode is not Mode.APPEND:
        # Nobody knows of its last row: it is not there yet, and is planned anew after the correction.
        assert outcome.delivery.status is DeliveryStatus.ACKNOWLEDGED
        assert play.send_newer().status is DeliveryStatus.ACKNOWLEDGED
        assert play.sender.recorded() == play.notes()
        return
    assert outcome.delivery.status is DeliveryStatus.OVERTAKEN
    assert play.plan_of_newer().status is DeliveryStatus.ACKNOWLEDGED
    assert play.sender.recorded() == play.notes()
    assert {play.notes()[4], play.notes()[1]} == {play.newer[4], play.newer[1]}


@pytest.mark.parametrize("mode", [Mode.MIRROR, Mode.SNAPSHOT])
def test_a_scope_that_was_emptied_and_did_not_come_to_say_so_is_filled_again(
    tmp_path: Path, mode: Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = ShelfDestination(str(tmp_path), "shelf")
    sender = Sender(tmp_path, shelf, mode, latest=True)
    sender.deliver(OLD, "mon")
    emptying = shelf.send

    def send_and_die(*arguments: object) -> None:
        emptying(*arguments)  # pyright: ignore[reportArgumentType]
        raise Crash

    monkeypatch.setattr(shelf, "send", send_and_die)
    with pytest.raises(Crash):
        sender.deliver({}, "tue", day=NEXT_DAY)
    monkeypatch.setattr(shelf, "send", emptying)
    sender.deliver({1: "wed", 2: "b"}, "wed", day="2024-01-03")
    assert {int(row["item"]): row["note"] for row in shelf.rows().values()} == {1: "wed", 2: "b"}
    assert sender.recorded() == {1: "wed", 2: "b"}
    sender.store.close()
