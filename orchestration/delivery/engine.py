"""Plan, guard, send, acknowledge: one order at a time for each object of a destination.

What is remembered between any two steps is in the state store and in immutable shards, so a process
may die anywhere: the next one takes the delivery up where its acknowledgements end.
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from orchestration.delivery.comparing import comparison, newer_partition, rejected_already
from orchestration.delivery.identity import MadeBy, free_id, place_of
from orchestration.delivery.journal import StoreJournal
from orchestration.delivery.order import (
    DeliveryHeld,
    DeliveryRejected,
    Opened,
    Order,
    Outcome,
    key_of,
    shard_of,
)
from orchestration.delivery.planning.content import ShardGone
from orchestration.delivery.planning.difference import Difference, find_difference
from orchestration.delivery.settling import compact, settle_refusals
from orchestration.destinations.base import DeliveryError, Destination, Mode, Receipt
from orchestration.state.leases import Lease, LeaseTimeout
from orchestration.state.records import Delivery, DeliveryKind, DeliveryStatus
from orchestration.state.store import StateStore

# How long a delivery waits for another to the same object; one may take as long as its budget.
_LEASE_WAIT_SECONDS = 7_200.0
_UNSENT = (DeliveryStatus.PLANNED, DeliveryStatus.HELD, DeliveryStatus.APPROVED)

Log = Callable[[str], None]


@dataclass(frozen=True)
class DeliveryEngine:
    """Brings orders to one destination; `folder` is where shards are kept."""

    store: StateStore
    folder: Path
    destination: Destination
    run_id: str
    log: Log

    def deliver(
        self, order: Order, opening: Callable[[], AbstractContextManager[Opened]], *, guard: bool = True
    ) -> Outcome:
        """Send what differs between the opened rows and what the destination acknowledged.

        `opening` opens the validated rows; it raises if they are not validated. It may be called again, as a
        delivery that was under way is settled first, and so is a plan that another export file made. Without
        `guard` limits are not asked.

        Raises:
            DeliveryHeld: past a limit; nothing was sent.
            DeliveryRejected: a person rejected this very plan.
            DeliveryError: the destination, the key or the connection; what was acknowledged stays so.
        """
        if order.kind is not DeliveryKind.CHANGE and order.mode is Mode.APPEND:
            raise DeliveryError(
                f"`{order.export}` appends: what was sent stays, and is not sent a second time",
                "mode upsert, mirror or snapshot",
                "mend the destination's rows there, or deliver in another mode",
            )

        order = replace(order, place=place_of(self.destination))

        def waiting(holder: str) -> None:
            self.log(holder)
            # Who has to wait learns first whether there is anything to wait for.
            with opening():
                pass

        with self.alone(waiting) as lease:
            delivery, difference = self._plan(order, opening, lease.token, guard=guard)
            return self._carry_out(order, delivery, difference, lease.token)

    @contextmanager
    def alone(self, waiting: Log | None = None) -> Generator[Lease]:
        """Hold the lease of the destination's object, for whatever must not meet a delivery to it.

        `waiting` is called once with who has it, if somebody has.

        Raises:
            DeliveryError: somebody else had it for as long as a delivery may take.
        """
        try:
            with self.store.leases.hold(
                place_of(self.destination), wait_seconds=_LEASE_WAIT_SECONDS, waiting=waiting or self.log
            ) as lease:
                yield lease
        except LeaseTimeout as error:
            raise DeliveryError(
                str(error),
                f"an end of that delivery within {_LEASE_WAIT_SECONDS / 3600:g} hours",
                "look at the run that holds it, then rerun this partition",
            ) from None

    def end_under_way(self, order: Order, lease: Lease) -> None:
        """Bring a scope's delivery that is not settled to its end, as a newer plan would."""
        under_way = self.store.deliveries.open_in(order.export, order.scope)
        if under_way is not None:
            self._settle(order, under_way, lease.token)

    # -- plan and guard

    def _plan(
        self,
        order: Order,
        opening: Callable[[], AbstractContextManager[Opened]],
        token: str,
        *,
        guard: bool,
    ) -> tuple[Delivery, Difference | None]:
        deliveries = self.store.deliveries
        while True:
            with opening() as opened:
                made_by = MadeBy.of(order, opened)
                ended = self._cut_otherwise(order)
                if ended is None:
                    under_way = deliveries.open_in(order.export, order.scope)
                    newer = newer_partition(self.store, order)
                    if newer is not None:
                        return self._overtaken(order, opened.version, made_by, newer), None
                    if under_way is None:
                        rejected = rejected_already(self.store, order, opened.version, made_by)
                        if rejected is not None:
                            return rejected, None
                        return self._new_plan(order, opened, made_by, guard=guard)
                    if made_by.makes(under_way, order, opened.version):
                        return under_way, None
                    ended = under_way
            self._settle(order, ended, token)

    def _cut_otherwise(self, order: Order) -> Delivery | None:
        """Return an open plan of when `partitions` said otherwise: nobody would ever ask for its scope."""
        found = self.store.deliveries.open_of(order.export)
        return next((item for item in found if bool(item.scope) is order.latest_only), None)

    def _overtaken(self, order: Order, version: str, made_by: MadeBy, newer: Delivery) -> Delivery:
        self.log(f"the destination holds {newer.partition_key}: an older partition is not sent")
        return self.store.deliveries.plan(
            self._record(order, version, made_by, None, newer.delivery_id, status=DeliveryStatus.OVERTAKEN)
        )

    def _new_plan(
        self, order: Order, opened: Opened, made_by: MadeBy, *, guard: bool
    ) -> tuple[Delivery, Difference]:
        # What can be replaced whole can hold a snapshot.
        replaces = Mode.SNAPSHOT in self.destination.capabilities.modes
        known = comparison(self.store, order, opened.source, replaces=replaces, log=self.log)
        draft = self._record(order, opened.version, made_by, None, known.supersedes)
        difference = find_difference(opened.connection, known.asked, known.layers, Path(draft.shard))
        if difference.outdated:
            self.store.refused_keys.replace(order.export, order.scope, [], difference.outdated)
        broken: tuple[str, ...] = ()
        if guard:
            broken = order.limits.broken_by(
                difference, first=known.asked.first, rightly_empty=opened.rightly_empty, hidden=order.hidden
            )
        status = DeliveryStatus.HELD if broken else DeliveryStatus.PLANNED
        delivery = self.store.deliveries.plan(
            self._record(
                order, opened.version, made_by, difference, known.supersedes,
                delivery_id=draft.delivery_id, status=status, reasons=broken,
            )
        )  # fmt: skip
        return delivery, difference

    def _record(
        self,
        order: Order,
        version: str,
        made_by: MadeBy,
        difference: Difference | None,
        supersedes: str,
        *,
        delivery_id: str = "",
        status: DeliveryStatus = DeliveryStatus.PLANNED,
        reasons: Sequence[str] = (),
    ) -> Delivery:
        delivery_id = delivery_id or free_id(self.store.deliveries, order, version, made_by, supersedes)
        shard = self.folder / order.export / order.partition_key / f"{delivery_id}.parquet"
        delivery = Delivery(
            delivery_id=delivery_id,
            export=order.export,
            partition_key=order.partition_key,
            version=version,
            digest="",
            rows=0,
            shard=str(shard),
            run_id=self.run_id,
            status=status,
            scope=order.scope,
            kind=order.kind,
            mode=order.mode,
            supersedes=supersedes,
            key=order.key_text,
            reasons=tuple(reasons),
            decided_by=order.asked_by,
            decision=order.reason,
            made_by=made_by.rules,
            place=made_by.place,
            source=made_by.source,
            partition_column=order.partition_column or "",
            bounds=order.bounds,
        )
        if difference is None:
            return delivery
        return replace(
            delivery,
            digest=difference.digest,
            rows=difference.rows,
            whole=difference.whole,
            shape=difference.shape,
            hashed_by=difference.hashed_by,
            added=difference.added,
            changed=difference.changed,
            removed=difference.removed,
            unchanged=difference.unchanged,
            shard_rows=difference.shard_rows,
        )

    # -- send and acknowledge

    def _carry_out(
        self, order: Order, delivery: Delivery, difference: Difference | None, token: str
    ) -> Outcome:
        deliveries = self.store.deliveries
        if delivery.status is DeliveryStatus.HELD:
            raise DeliveryHeld(delivery)
        if delivery.status is DeliveryStatus.REJECTED:
            raise DeliveryRejected(delivery)
        if delivery.status is DeliveryStatus.OVERTAKEN:
            return Outcome(delivery, None, None)
        receipt: Receipt | None = None
        if delivery.shard_rows or delivery.whole:
            receipt = self._send(order, delivery, token)
        refused, given_up = settle_refusals(
            self.store, delivery, order.key, order.attempts, order.wait_seconds
        )
        location = receipt.location if receipt else self.destination.canonical_object()
        deliveries.move(
            delivery.delivery_id,
            DeliveryStatus.ACKNOWLEDGED,
            out_of=(*_UNSENT, DeliveryStatus.SENDING),
            location=location,
            refused=len(refused),
        )
        settled = deliveries.of(delivery.delivery_id)
        assert settled is not None
        compact(self.store, settled, order.key, self.folder / order.export / order.partition_key)
        return Outcome(
            delivery=settled,
            difference=difference,
            receipt=receipt,
            refused=tuple(refused),
            given_up=given_up + (difference.given_up if difference else 0),
            waiting=difference.waiting if difference else 0,
            tolerated_share=order.tolerated_share,
        )

    def _send(self, order: Order, delivery: Delivery, token: str) -> Receipt:
        journal = StoreJournal(self.store.deliveries, delivery, token, self.log)
        shard = shard_of(order, delivery)
        pending = sum(end - first for first, end in journal.pending())
        self.log(
            f"delivery {delivery.delivery_id}: {delivery.added:,} added, {delivery.changed:,} changed,"
            f" {delivery.removed:,} removed, {delivery.unchanged:,} as they are;"
            f" sending {pending:,} of {delivery.shard_rows:,} rows"
        )
        self.destination.check(shard)
        self.store.deliveries.move(
            delivery.delivery_id, DeliveryStatus.SENDING, out_of=(*_UNSENT, DeliveryStatus.SENDING)
        )
        self.destination.budget_seconds = order.budget_seconds
        receipt = self.destination.send(shard, journal)
        left = journal.pending()
        if left:
            raise DeliveryError(
                f"{self.destination.type_name} returned, and rows {left[:3]} of {delivery.export} are open",
                "every row taken or refused",
                "rerun the partition; if it happens again, the destination's code is at fault",
            )
        return receipt

    def _settle(self, order: Order, delivery: Delivery, token: str) -> None:
        """End a delivery that a newer plan supersedes: what may have arrived is brought to its end.

        What was never sent is not sent any more.
        """
        deliveries, there = self.store.deliveries, delivery.status is DeliveryStatus.SENDING
        if delivery.status is DeliveryStatus.SENDING and not Path(delivery.shard).exists():
            if order.kind is not DeliveryKind.RESYNC:
                raise ShardGone(delivery.export, delivery.scope, delivery.shard)
            there = False
            self.log(f"{delivery.shard} is gone: what it had under way is not ended, but sent anew")
        elif delivery.status is DeliveryStatus.SENDING:
            # Of the older plan's own kind, partition and export file: the newer one may be another's.
            shard = shard_of(order, delivery)
            journal = StoreJournal(deliveries, delivery, token, self.log, below=delivery.sent_to)
            emptied = delivery.whole and not delivery.shard_rows
            if journal.pending() or emptied:
                arrived = self.destination.arrived(shard)
                there = arrived is not False
                if arrived:
                    for first, end in journal.pending():
                        journal.acknowledge(first, end)
                elif arrived is None:
                    self.log(f"delivery {delivery.delivery_id} was under way: what may have arrived is ended")
                    self.destination.send(shard, journal)
            there = there and delivery.sent_to >= delivery.shard_rows
            settle_refusals(self.store, delivery, key_of(order, delivery), order.attempts, order.wait_seconds)
        refused = len(deliveries.refusals(delivery.delivery_id))
        deliveries.move(
            delivery.delivery_id,
            # All of it is there: it was sent, and only its process did not come to recording that.
            DeliveryStatus.ACKNOWLEDGED if there else DeliveryStatus.SUPERSEDED,
            out_of=(*_UNSENT, DeliveryStatus.SENDING),
            refused=refused,
            location=self.destination.canonical_object(),
        )
        ended = "has arrived whole" if there else "is superseded by another plan"
        self.log(f"delivery {delivery.delivery_id} {ended}")
