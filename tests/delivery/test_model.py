"""Random sequences of change, refusal, crash, hold, decision, resync and redelivery against a model.

The model is what a mode promises: said of what the shelf holds before and after, not of how it came there.
"""

import json
import os
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sluicegate.delivery.ledger import Between, DeliveryHeld, DeliveryRejected, Limits
from sluicegate.delivery.travel import redeliver_order
from sluicegate.destinations.base import DeliveryError, Mode
from sluicegate.state.records import DeliveryKind, DeliveryStatus

from .deliveries import DAY, Sender
from .shelf import Crash, ShelfDestination

EXAMPLES = 4 * int(os.environ.get("SLUICE_TEST_KILLS", "1"))
items = st.integers(0, 6)
contents = st.dictionaries(items, st.sampled_from("abcd"), max_size=6)


class Deliveries(RuleBasedStateMachine):
    """One day of one export; the source changes under it, and the shelf does what shelves do."""

    @initialize(mode=st.sampled_from(list(Mode)), latest=st.booleans())
    def begin(self, mode: Mode, latest: bool) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.shelf = ShelfDestination(self.folder.name, "shelf")
        self.sender = Sender(Path(self.folder.name), self.shelf, mode, latest)
        self.rows: dict[int, str] = {}
        self.version = 0
        self.refused: set[int] = set()
        self.crashes = 0
        self.settled = True
        self.planned: dict[int, set[str]] = {}
        self.history: list[tuple[datetime, dict[int, str]]] = []

    def teardown(self) -> None:
        self.sender.store.close()
        self.folder.cleanup()

    @rule(rows=contents)
    def build(self, rows: dict[int, str]) -> None:
        self.rows = rows
        self.version += 1

    @rule(refused=st.sets(items, max_size=2))
    def refuse(self, refused: set[int]) -> None:
        self.refused = refused
        key = (lambda item: [str(item)]) if self.sender.latest else (lambda item: [DAY, str(item)])
        self.shelf.faults.refused_keys = {json.dumps(key(item)) for item in refused}

    @rule(after=st.integers(0, 4), told=st.booleans())
    def crash(self, after: int, told: bool) -> None:
        """The process is gone before the n-th row is written down, or before it is acknowledged."""
        faults = self.shelf.faults
        faults.crash_after_rows, faults.before_acknowledging = after, told
        before = self.held()
        try:
            self.deliver()
        except Crash:
            self.crashes += 1
            self.settled = False
            for item, note in self.rows.items():
                self.planned.setdefault(item, set()).add(note)
        else:
            self.check(before)
        finally:
            faults.crash_after_rows = None

    @rule()
    def deliver_and_check(self) -> None:
        before = self.held()
        self.deliver()
        self.check(before)

    @rule()
    def resync(self) -> None:
        before = self.held()
        order = self.sender.order()
        sent = self.sender.store.deliveries.layers(order.export, order.scope)
        under_way = self.sender.store.deliveries.open_in(order.export, order.scope)
        if self.sender.mode is Mode.APPEND and (sent or under_way):
            with pytest.raises(DeliveryError, match="appends"):
                self.deliver(DeliveryKind.RESYNC)
            return
        self.deliver(DeliveryKind.RESYNC)
        self.check(before)

    @rule(back=st.integers(0, 5))
    def redeliver(self, back: int) -> None:
        """A person has the destination hold again what it held after an earlier delivery."""
        if not self.history or self.sender.mode is Mode.APPEND:
            return
        moment, then = self.history[-1 - back % len(self.history)]
        redeliver_order(self.sender.engine(), self.sender.order(), moment)
        wanted = {item: note for item, note in then.items() if item not in self.refused}
        found = {item: note for item, note in self.held().items() if item not in self.refused}
        if self.sender.mode is Mode.UPSERT:
            found = {item: note for item, note in found.items() if item in wanted}
        assert found == wanted
        self.end()

    @rule(approved=st.booleans())
    def hold_and_decide(self, approved: bool) -> None:
        """Every plan with a row is past the limit; a person decides on that very plan."""
        before = self.held()
        order = replace(self.sender.order(), limits=Limits(rows=Between(maximum=-1)))
        held: DeliveryHeld | None = None
        sent = False
        try:
            sent = self.sender.deliver(self.rows, str(self.version), order=order).sent
        except DeliveryRejected:
            return
        except DeliveryHeld as error:
            held = error
        if held is not None:
            if self.settled:
                assert self.held() == before, "a held plan sends nothing"
            self.decide(held.delivery.delivery_id, approved=approved)
            if approved:
                sent = self.sender.deliver(self.rows, str(self.version), order=order)
                assert sent.delivery.delivery_id == held.delivery.delivery_id
                self.check(before)
            else:
                self.settled = True
            return
        # One that is under way is another file's, without the limit: it ends, and is planned anew.
        assert not sent, "a plan past a limit is held"
        self.check(before)

    def decide(self, delivery_id: str, *, approved: bool) -> None:
        moved = self.sender.store.deliveries.move(
            delivery_id,
            DeliveryStatus.APPROVED if approved else DeliveryStatus.REJECTED,
            out_of=[DeliveryStatus.HELD],
            decided_by="me",
            decision="so",
        )
        assert moved

    def deliver(self, kind: DeliveryKind = DeliveryKind.CHANGE) -> None:
        before = len(self.shelf.written)
        try:
            self.sender.deliver(self.rows, str(self.version), kind=kind)
        except DeliveryRejected:
            # That very plan was rejected: another version, or a resync, is another plan.
            self.version += 1
            self.sender.deliver(self.rows, str(self.version), kind=kind)
        finally:
            self.only_todays(self.shelf.written[before:])

    def only_todays(self, written: list[dict[str, Any]]) -> None:
        """Of a plan that crashed, and that nobody wants any more, only what may have left comes again.

        That is one row, as the shelf takes them one by one, and none where the newer plan settles its key.
        """
        stale = [row for row in written if self.rows.get(int(row["item"])) != row["note"]]
        assert len(stale) <= (self.sender.mode in (Mode.APPEND, Mode.SNAPSHOT)), stale

    def held(self) -> dict[int, str]:
        return {int(row["item"]): row["note"] for row in self.shelf.rows().values()}

    def check(self, before: dict[int, str]) -> None:
        """What a mode promises after a delivery that came to its end."""
        after = self.held()
        taken = {item: note for item, note in self.rows.items() if item not in self.refused}
        # What a plan that crashed may have brought before a newer one took its place.
        brought = self.planned
        mode = self.sender.mode
        if mode in (Mode.MIRROR, Mode.SNAPSHOT):
            assert {item: note for item, note in after.items() if item not in self.refused} == taken
        else:
            assert set(after) - self.refused == ((set(before) | set(taken) | set(brought)) & set(after)) - (
                self.refused
            )
            assert set(taken) <= set(after)
            assert set(before) <= set(after)
        if mode is Mode.UPSERT:
            assert all(after[item] == note for item, note in taken.items())
        if mode is Mode.APPEND:
            assert all(after[item] == note for item, note in before.items())
        self.end()

    def end(self) -> None:
        self.settled = True
        self.planned = {}
        self.history.append((datetime.now(UTC), self.held()))

    @invariant()
    def records_say_what_the_shelf_holds(self) -> None:
        if getattr(self, "settled", False):
            doubtful = self.sender.in_doubt()
            held = {item: note for item, note in self.held().items() if item not in doubtful}
            assert self.sender.recorded() == held
            # Only an upsert leaves there what the model has no more, whether it arrived or not.
            assert self.sender.mode is Mode.UPSERT or doubtful <= self.refused

    @invariant()
    def only_a_crash_makes_a_row_arrive_twice(self) -> None:
        if hasattr(self, "shelf") and self.sender.mode is not Mode.SNAPSHOT:
            assert self.shelf.twice <= self.crashes + self.resent

    @property
    def resent(self) -> int:
        """Rows that a person asked to have sent again, or a first delivery again that did not end."""
        known = self.sender.store.deliveries.of_export("exp_items")
        again = any(item.whole and item.status is DeliveryStatus.SUPERSEDED for item in known)
        kinds = {DeliveryKind.RESYNC, DeliveryKind.REDELIVER}
        return sum(item.shard_rows for item in known if item.kind in kinds or (item.whole and again))


TestDeliveries = Deliveries.TestCase
TestDeliveries.settings = settings(max_examples=EXAMPLES, stateful_step_count=14, deadline=None)
