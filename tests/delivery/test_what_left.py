"""A delivery that ends between any two of its steps, then a newer plan: what reaches each destination.

That is what may have left by then, and what the newer plan has; rows of the older one that never left stay.
The steps are the writes of the journal: before and after each of them the process is gone. Does not belong
here: kills at any moment (`test_kills`), what may still be sent by a process that was stopped
(`test_stopped_sender`).
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import duckdb
import pytest
from sluicegate.core.ranges import common, joined, without
from sluicegate.destinations.base import Mode
from sluicegate.destinations.batches import BatchDestination
from sluicegate.state.deliveries import Deliveries

from tests.sampled import some_of

from .cases import Case, each
from .deliveries import Sender

# Writes of the journal, how many of them are let by before the process ends, and on which side of the next.
# These can be asked whether a delivery has arrived: what has not is not sent again.
TELLS = {"blob", "postgres"}
STEPS = list(product(("note_leaving", "acknowledge"), (0, 2), ("before", "after")))
# So many of them, each time other ones; all with `SLUICE_TEST_KILLS=3`.
SOME = 3 * int(os.environ.get("SLUICE_TEST_KILLS", "1"))


class Gone(BaseException):
    """The process is gone; nothing catches it."""


@dataclass
class Days:
    """Deliveries to one case, each point of time on a day of its own, with items of its own."""

    case: Case
    sender: Sender
    count: int
    used: int = -1

    def next(self) -> tuple[str, int]:
        self.used += 1
        return f"2024-01-{self.used + 1:02d}", self.used * 10 * self.count

    def held(self, day: str) -> dict[int, str]:
        item, note, date = (self.case.name(name) for name in ("item", "note", "business_date"))
        rows = [row for row in self.case.contents() if str(row[date])[:10] == day]
        found = {int(float(row[item])): row[note] for row in rows}
        assert len(found) == len(rows), "a key stands twice at the destination"
        return found

    def left(self, day: str) -> dict[int, str]:
        """What the records say that may have left and was not settled, of the plan that is under way."""
        deliveries = self.sender.store.deliveries
        plan = deliveries.open_in("exp_items", day)
        if plan is None:
            return {}
        noted = joined(one for rows in deliveries.left(plan.delivery_id) for one in rows)
        rows = without(noted, deliveries.acknowledged(plan.delivery_id))
        named = ", ".join(f'"{self.sender.name(name)}"' for name in ("item", "note"))
        found = duckdb.execute(f"select _row, {named} from '{plan.shard}'").fetchall()
        return {item: note for row, item, note in found if common([(row, row + 1)], rows)}


@pytest.fixture
def days(case: Case, mode: Mode, tmp_path: Path) -> Iterator[Days]:
    destination = case.destination()
    single = destination.capabilities.keys.single
    batch = destination.rows_a_batch() if isinstance(destination, BatchDestination) else 4
    folder = tmp_path / "ours"
    folder.mkdir()
    sender = Sender(folder, destination, mode, names=case.names, single_key=single)
    yield Days(case, sender, 2 * batch + 1)
    sender.store.close()


def gone_at(name: str, after: int, side: str) -> Callable[..., Any]:
    """A write of the journal that ends its process, once so many were let by; others of it end, too."""
    write, seen = getattr(Deliveries, name), [0]

    def deadly(*arguments: Any) -> Any:
        seen[0] += 1
        if seen[0] <= after:
            return write(*arguments)
        if side == "after" and seen[0] == after + 1:
            write(*arguments)
        raise Gone

    return deadly


@each(*Mode)
@pytest.mark.sampled(12)
def test_a_newer_plan_finds_what_may_have_left_and_no_more(
    days: Days, mode: Mode, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended, steps = 0, some_of(request.node.name, STEPS, SOME)
    for name, after, side in steps:
        day, first = days.next()
        # What the scope holds already; an empty one is replaced whole.
        before = {first + item: "before" for item in range(days.count)} if after else {}
        if before:
            days.sender.deliver(before, f"{day} before", day=day)
        start = first + days.count if mode is Mode.APPEND and before else first
        old = {**(before if mode is Mode.APPEND else {}), **_rows(start, days.count, "old")}
        with monkeypatch.context() as patched:
            patched.setattr(Deliveries, name, gone_at(name, after if in_parts(days) else 0, side))
            try:
                days.sender.deliver(old, f"{day} old", day=day)
            except Gone:
                ended += 1
        arrived, left = days.held(day), days.left(day)
        # Every other row is dropped by now, and the rest have changed, where the mode knows changes.
        kept = {item: note for item, note in old.items() if item % 2}
        new = kept if mode is Mode.APPEND else dict.fromkeys(kept, "new")
        new |= _rows(first + 3 * days.count, 3, "more")
        days.sender.deliver(new, f"{day} new", day=day)
        point = f"{name} {after} {side}"
        if mode is Mode.APPEND:
            ended_there = {} if days.case.type_name in TELLS else left
            assert days.held(day) == {**arrived, **ended_there, **new}, point
        elif mode is Mode.UPSERT:
            assert days.held(day) == {**arrived, **new}, point
        else:
            assert days.held(day) == new, point
        doubtful = days.sender.in_doubt(day)
        assert doubtful <= set(left) if mode is Mode.UPSERT else not doubtful, point
        certain = {item: note for item, note in days.held(day).items() if item not in doubtful}
        assert days.sender.recorded(day) == certain, point
        assert not days.sender.deliver(new, f"{day} new", day=day).sent, point
        assert days.sender.store.deliveries.open_of("exp_items") == [], point
    assert ended >= len(steps) // 2, "most deliveries came to their end before"


def in_parts(days: Days) -> bool:
    return days.case.in_parts


def _rows(first: int, count: int, note: str) -> dict[int, str]:
    return {first + item: note for item in range(count)}
