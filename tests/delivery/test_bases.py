"""When a scope's layers become one base, what it is, and that old ones go."""

import os
from pathlib import Path

import pytest
from sluicegate.delivery.ledger.settling import worth_compacting
from sluicegate.destinations.base import Mode

from .deliveries import DAY, Sender, changed
from .shelf import ShelfDestination

FEW = dict.fromkeys(range(6), "first")
MANY_DELIVERIES = 13


@pytest.fixture
def sender(tmp_path: Path) -> Sender:
    return Sender(tmp_path, ShelfDestination(str(tmp_path), "shelf"), Mode.MIRROR)


def _deliver_many(sender: Sender, start: int = 0) -> dict[int, str]:
    rows = dict(FEW)
    for number in range(start, start + MANY_DELIVERIES):
        rows = changed(rows, [0], f"round {number}")
        sender.deliver(rows, f"version {number}")
    return rows


def test_a_small_scope_gets_a_base_after_a_dozen_layers(sender: Sender) -> None:
    rows = _deliver_many(sender)
    base = sender.store.deliveries.base("exp_items", DAY)
    assert base is not None
    assert (Path(base.shard).name[:5], base.rows) == ("base-", len(FEW))
    assert sender.recorded() == rows


def test_a_delivery_of_every_row_is_a_base_by_itself(sender: Sender) -> None:
    _deliver_many(sender)
    for number in range(MANY_DELIVERIES):
        rows = changed(FEW, list(FEW), f"all {number}")
        outcome = sender.deliver(rows, f"whole {number}")
        base = sender.store.deliveries.base("exp_items", DAY)
        if base is not None and base.shard == outcome.delivery.shard:
            assert sender.recorded() == rows
            after = changed(rows, [1], "after")
            assert sender.deliver(after, "after").delivery.changed == 1
            assert sender.recorded() == after
            return
    pytest.fail("no delivery became a base")


def test_a_base_that_no_record_names_goes_after_a_day(sender: Sender) -> None:
    _deliver_many(sender)
    first = sender.store.deliveries.base("exp_items", DAY)
    assert first is not None
    rows = _deliver_many(sender, start=100)
    assert Path(first.shard).exists(), "somebody may be reading it"
    os.utime(first.shard, (0, 0))
    rows = _deliver_many(sender, start=200)
    second = sender.store.deliveries.base("exp_items", DAY)
    assert second is not None
    assert second.shard != first.shard
    assert not Path(first.shard).exists()
    assert Path(second.shard).exists()
    assert sender.recorded() == rows


@pytest.mark.parametrize(
    ("layers", "worth"),
    [
        ([1_000], False),
        ([1_000, *[1] * 11], False),
        ([1_000, *[1] * 12], True),
        ([10_000_000, *[10_000] * 12], False),
        ([10_000_000, *[10_000] * 81], True),
        ([1_000_000, 400_000], False),
        ([1_000_000, 600_000], True),
    ],
)
def test_a_base_is_written_once_reading_layers_has_cost_as_much(layers: list[int], worth: bool) -> None:
    assert worth_compacting(layers) is worth
