"""What every destination owes besides (`test_conformance`) where it holds the newest partition alone."""

from dataclasses import replace

import pytest
from sluicegate.destinations.base import Mode

from .cases import Case, each
from .support import DAY, NEXT_DAY, rows_of
from .test_conformance import (
    ITEM_FIELDS,
    SCOPED,
    MakeShard,
    as_meant,
    deliver,
    in_order,
    make,
    other_items,
    whole,
)

__all__ = ["make", "whole"]


@each(*Mode)
@pytest.mark.sampled(4)
def test_the_newest_partition_alone_is_held(case: Case, whole: MakeShard, mode: Mode) -> None:
    """As with `partitions: latest`: all partitions are one scope, and the same again changes nothing."""
    old, new = rows_of(DAY, 5, "first"), other_items(rows_of(NEXT_DAY, 4, "new"), 50)
    first = whole(mode, old, full=True, partition=DAY)
    deliver(case, first)
    full = mode in SCOPED
    second = whole(mode, new, full=full, partition=NEXT_DAY, supersedes=first.delivery_id)
    journal = deliver(case, second)
    case.destination().send(second, journal.taken_up())
    assert case.twice() == 0
    found = case.contents()
    if case.destination_class.capabilities.read_back:  # of files, all that are named are the newest ones
        scope = replace(case.scope(NEXT_DAY), partition_column=None)
        found = [row for batch in case.destination().read_back(scope) for row in batch.to_pylist()]
    assert in_order(case, found, ITEM_FIELDS) == as_meant(new if full else old + new)
