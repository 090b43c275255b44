"""What was restored sends nothing to any kind of destination before somebody has looked; then it goes on."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestration.delivery.reconcile import reconcile
from orchestration.delivery.restored import NotReconciled, Ways, note
from orchestration.destinations.base import Mode
from orchestration.state.records import DeliveryKind
from orchestration.state.restores import EVERY_SCOPE, Restore

from .cases import Case, case_class, each
from .deliveries import DAY, Sender
from .shelf import ShelfDestination

BEFORE, AFTER = {1: "one", 2: "two"}, {1: "one", 2: "two", 3: "three"}
NEXT_DAY, LATER_DAY = "2024-01-02", "2030-01-01"
RESTORE = Restore("20240102T000000Z", datetime(2024, 1, 2, tzinfo=UTC), datetime(2024, 1, 3, tzinfo=UTC))


@pytest.fixture
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
    opened = case_class(request.param)(request, tmp_path)
    yield opened
    opened.close()


def sender_of(case: Case, mode: Mode, folder: Path) -> Sender:
    folder.mkdir()
    kind = case.destination_class
    return Sender(
        folder, case.destination(), mode, names=case.names, single_key=kind.capabilities.keys.single
    )


@each(*Mode)
@pytest.mark.sampled(8)
def test_nothing_is_sent_before_somebody_has_looked(case: Case, mode: Mode, tmp_path: Path) -> None:
    sender = sender_of(case, mode, tmp_path / "ours")
    sender.deliver(BEFORE, "1")
    there = case.contents()
    sender.store.restores.record(RESTORE)
    readable = Ways.of(case.destination_class.capabilities, mode).looks
    for kind in DeliveryKind.CHANGE, DeliveryKind.RESYNC, DeliveryKind.REDELIVER:
        if mode is Mode.APPEND and kind is not DeliveryKind.CHANGE:
            continue  # refused anyway
        with pytest.raises(NotReconciled) as told:
            sender.deliver(AFTER, "2", kind=kind)
        assert "--looked-at" in told.value.mend or readable
        assert f"sluice delivery reconcile exp_items --partition {DAY}" in told.value.mend
    assert case.contents() == there
    if readable:
        found = reconcile(sender.engine(), sender.order())
        assert found is not None
        assert found.equal, found.said
    else:
        note(sender.store, "exp_items", DAY, "looked", "ada", settled=True)
    sender.deliver(AFTER, "2")
    item, words = case.name("item"), case.name("note")
    assert {int(row[item]): row[words] for row in case.contents()} == AFTER


@each(Mode.MIRROR, Mode.UPSERT, Mode.SNAPSHOT)
@pytest.mark.sampled(8)
def test_what_was_sent_since_the_backup_is_found_and_set_right(
    case: Case, mode: Mode, tmp_path: Path
) -> None:
    if not Ways.of(case.destination_class.capabilities, mode).resync:
        pytest.skip("a person looks there")
    sender = sender_of(case, mode, tmp_path / "ours")
    sender.deliver(BEFORE, "1")
    sender.store.fold()
    kept = tmp_path / "kept.db"
    kept.write_bytes((tmp_path / "ours" / "state.db").read_bytes())
    # After the backup: a resync, then a change. The records know of neither when they come back.
    sender.deliver(BEFORE, "1", kind=DeliveryKind.RESYNC)
    sender.deliver({1: "changed", 2: "two"}, "2")
    sender.store.close()
    (tmp_path / "ours" / "state.db").write_bytes(kept.read_bytes())
    again = replace(sender)
    again.store.restores.record(RESTORE)
    found = reconcile(again.engine(), again.order())
    assert found is not None
    assert not found.equal
    assert "sluice delivery resend exp_items" in found.said
    with pytest.raises(NotReconciled, match="sluice delivery resend exp_items"):
        again.deliver(BEFORE, "1")
    # The very resync that the destination has seen under this id: it goes out all the same.
    again.deliver(BEFORE, "1", kind=DeliveryKind.RESYNC)
    found = reconcile(again.engine(), again.order())
    assert found is not None
    assert found.equal, found.said
    item, words = case.name("item"), case.name("note")
    assert {int(row[item]): row[words] for row in case.contents()} == BEFORE
    again.deliver(AFTER, "3")
    again.store.close()


@pytest.mark.sampled(4)
@each(Mode.APPEND)
def test_what_was_appended_since_waits_for_a_person(case: Case, mode: Mode, tmp_path: Path) -> None:
    if not case.destination_class.capabilities.read_back:
        pytest.skip("a person looks there, whatever was sent")
    sender = sender_of(case, mode, tmp_path / "ours")
    sender.deliver(BEFORE, "1")
    sender.store.fold()
    kept = (tmp_path / "ours" / "state.db").read_bytes()
    sender.deliver(AFTER, "2")
    sender.store.close()
    (tmp_path / "ours" / "state.db").write_bytes(kept)
    again = replace(sender)
    again.store.restores.record(RESTORE)
    found = reconcile(again.engine(), again.order())
    assert found is not None
    assert (found.equal, found.foreign) == (True, 1)
    with pytest.raises(NotReconciled, match="--looked-at"):
        again.deliver(AFTER, "2")
    item = case.name("item")
    assert sorted(int(row[item]) for row in case.contents()) == [1, 2, 3]
    # Whose delivery ids a destination knows, it takes the very same again for nothing new.
    note(again.store, "exp_items", DAY, "the same is there", "ada", settled=True)
    again.deliver(AFTER, "2")
    assert sorted(int(row[item]) for row in case.contents()) == [1, 2, 3]
    again.store.close()


@pytest.fixture
def sender(tmp_path: Path) -> Iterator[Sender]:
    made = Sender(tmp_path, ShelfDestination(str(tmp_path), "shelf"))
    made.deliver(BEFORE, "1")
    made.store.restores.record(RESTORE)
    yield made
    made.store.close()


def test_a_day_of_which_nothing_is_on_record_is_looked_at_too(sender: Sender) -> None:
    with pytest.raises(NotReconciled):
        sender.deliver({7: "seven"}, "1", day=NEXT_DAY)
    order = sender.order(NEXT_DAY)
    assert reconcile(sender.engine(), order) is None  # who does not say which fields are sent learns nothing
    with pytest.raises(NotReconciled):
        sender.deliver({7: "seven"}, "1", day=NEXT_DAY)
    found = reconcile(sender.engine(), order, fields=lambda: ("item", "business_date", "note"))
    assert found is not None
    assert found.equal
    assert sender.deliver({7: "seven"}, "1", day=NEXT_DAY).sent


def test_rows_of_a_day_that_nobody_knows_wait_for_a_resync(tmp_path: Path) -> None:
    (tmp_path / "lost").mkdir()
    other = Sender(tmp_path / "lost", ShelfDestination(str(tmp_path), "shelf"))
    other.deliver({7: "sent since"}, "1", day=NEXT_DAY)
    (tmp_path / "ours").mkdir()
    ours = Sender(tmp_path / "ours", ShelfDestination(str(tmp_path), "shelf"))
    ours.store.restores.record(RESTORE)
    fields = ("item", "business_date", "note")
    found = reconcile(ours.engine(), ours.order(NEXT_DAY), fields=lambda: fields)
    assert found is not None
    assert (found.equal, found.foreign) == (False, 1)
    with pytest.raises(NotReconciled, match="sluice delivery resend"):
        ours.deliver({8: "eight"}, "2", day=NEXT_DAY)
    ours.deliver({8: "eight"}, "2", day=NEXT_DAY, kind=DeliveryKind.RESYNC)
    assert isinstance(ours.destination, ShelfDestination)
    assert {row["note"] for row in ours.destination.rows().values()} == {"eight"}
    for item in (other, ours):
        item.store.close()


def test_a_day_that_begins_after_the_restore_goes_out(sender: Sender) -> None:
    bounds = (f"{LATER_DAY}T00:00:00+00:00", "2030-01-02T00:00:00+00:00")
    order = replace(sender.order(LATER_DAY), bounds=bounds)
    assert sender.deliver({9: "nine"}, "1", day=LATER_DAY, order=order).sent
    earlier = replace(sender.order(DAY), bounds=("2024-01-01T00:00:00", "2024-01-02T00:00:00"))
    with pytest.raises(NotReconciled):
        sender.deliver(AFTER, "2", order=earlier)


def test_a_persons_word_counts_for_all_of_an_export(sender: Sender) -> None:
    note(sender.store, "exp_items", EVERY_SCOPE, "nothing was sent since", "ada", settled=True)
    assert sender.deliver(AFTER, "2").sent
    assert sender.deliver({7: "seven"}, "1", day=NEXT_DAY).sent


def test_what_was_settled_stays_so_whatever_differs_later(sender: Sender) -> None:
    reconcile(sender.engine(), sender.order())
    sender.deliver(AFTER, "2")
    note(sender.store, "exp_items", DAY, "somebody else writes there", settled=False)
    assert sender.deliver(BEFORE, "3").sent


def test_a_second_restore_begins_anew(sender: Sender) -> None:
    reconcile(sender.engine(), sender.order())
    assert sender.deliver(AFTER, "2").sent
    sender.store.restores.record(RESTORE)
    with pytest.raises(NotReconciled):
        sender.deliver(BEFORE, "3")
