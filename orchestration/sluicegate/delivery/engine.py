"""Plan, guard, send, acknowledge: one order at a time for each object of a destination.

What is remembered between any two steps is in the ledger, so a process may die anywhere: the next one takes
the delivery up where its acknowledgements end. Belongs here: the lease of the object, and what is asked of
the destination. Does not belong here: what is sent, and what is on record of it (`ledger`).
"""

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import partial

from sluicegate.core.progress import step
from sluicegate.delivery.ledger import Ledger, Opened, Order, Outcome, Plan, told_as_sent, under_lease
from sluicegate.delivery.restored import require_reconciled, settle
from sluicegate.delivery.sendable import presented, refuse_inexact, sendable
from sluicegate.destinations.base import DeliveryError, Destination, Journal, Mode, Receipt, Shard
from sluicegate.destinations.left_out import NOTE
from sluicegate.destinations.permission import asking
from sluicegate.state.adoption import NotTheOne
from sluicegate.state.leases import Lease, LeaseTimeout
from sluicegate.state.maintenance import under_maintenance, wait_for_its_end
from sluicegate.state.records import Delivery, DeliveryKind, DeliveryStatus

# How long a delivery waits for another to the same object; one may take as long as its budget.
_LEASE_WAIT_SECONDS = 7_200.0


class NotSentFromHere(DeliveryError):
    """This deployment is a copy, or another of a newer epoch sends, or nobody has said what it is."""


@dataclass(frozen=True)
class DeliveryEngine:
    """Brings orders to one destination; `kept_back` says why nothing may leave, None where it may."""

    ledger: Ledger
    destination: Destination
    kept_back: Callable[[], NotTheOne | None] = lambda: None

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
            NotReconciled: the records were restored, and nobody has looked at the destination since.
            NotSentFromHere: this is a copy of a deployment, or one of an older epoch.
            DeliveryError: the destination, the key or the connection; what was acknowledged stays so.
        """
        # What can be replaced whole can hold a snapshot.
        capabilities = self.destination.capabilities
        order = replace(
            order,
            place=place_of(self.destination),
            replaces=Mode.SNAPSHOT in capabilities.modes,
            whole_object=order.mode in capabilities.keys.anywhere,
            writes=partial(type(self.destination).key_written, options=self.destination.options),
        )
        elsewhere = order.kind is DeliveryKind.RESYNC and self.ledger.sends_none_twice(order)
        if order.kind is not DeliveryKind.CHANGE and order.mode is Mode.APPEND and not elsewhere:
            raise DeliveryError(
                "SLU-E013",
                f"`{order.export}` appends: what was sent stays, and is not sent a second time",
                "mode upsert, mirror or snapshot, or an object to which nothing was sent",
                "fix the destination's rows there, or deliver in another mode; or name another object in"
                " `destination.object` of the export file, and a resync sends everything there",
            )

        def waiting(holder: str) -> None:
            self.ledger.log(holder)
            # Who has to wait learns first whether there is anything to wait for.
            with opening():
                pass

        self.destination.begin(order.budget_seconds)
        with self.alone(waiting) as lease:
            order = require_reconciled(self.ledger.store, order, capabilities)
            plan = self._planned(order, opening, lease.token, guard=guard)
            if not plan.to_be_sent():
                return Outcome(plan.delivery, None, None)
            receipt: Receipt | None = None
            if plan.delivery.shard_rows or plan.delivery.whole:
                receipt = self._send(order, plan.delivery, lease.token)
            location = receipt.location if receipt else self.destination.canonical_object()
            outcome = self.ledger.settle(order, plan, receipt, location)
            if order.kind is DeliveryKind.RESYNC:
                settle(self.ledger.store, order, "everything was sent anew")
            return outcome

    @contextmanager
    def alone(self, waiting: Callable[[str], None] | None = None, *, sends: bool = True) -> Generator[Lease]:
        """Hold the lease of the destination's object, for whatever must meet neither a delivery nor a backup.

        `waiting` is called once with who has it, if somebody has. Without `sends` nothing is changed there.

        Raises:
            NotSentFromHere: something would leave, and nothing may leave this deployment.
            DeliveryError: somebody else had it for as long as a delivery may take.
        """
        leases, waiting = self.ledger.store.leases, waiting or self.ledger.log
        place = place_of(self.destination)
        try:
            while True:
                with leases.hold(place, wait_seconds=_LEASE_WAIT_SECONDS, waiting=waiting) as lease:
                    if not under_maintenance(leases):
                        if sends and (why := self.kept_back()) is not None:
                            raise NotSentFromHere(why.code, why.what, why.expected, why.fix)
                        # Whatever the destination sends in this block it asks for first, each request.
                        with asking(partial(_may_send, lease)):
                            yield lease
                        return
                wait_for_its_end(leases, waiting)
        except LeaseTimeout as error:
            raise DeliveryError(
                "SLU-E007",
                error.words,
                f"an end of that delivery within {_LEASE_WAIT_SECONDS / 3600:g} hours",
                "look at the run that holds it, then rerun this partition",
            ) from None

    def end_under_way(self, order: Order, lease: Lease) -> None:
        """Bring a scope's delivery that is not settled to its end, as a newer plan would."""
        under_way = self.ledger.open_in(order)
        if under_way is not None:
            self.destination.begin(order.budget_seconds)
            self._end(order, under_way, lease.token)

    def _planned(
        self,
        order: Order,
        opening: Callable[[], AbstractContextManager[Opened]],
        token: str,
        *,
        guard: bool,
    ) -> Plan:
        while True:
            with opening() as opened:
                plan = self.ledger.plan(self._knowing_keys(order, opened), opened, guard=guard)
            if not plan.in_the_way:
                return plan
            self._end(order, plan.delivery, token)

    def _knowing_keys(self, order: Order, opened: Opened) -> Order:
        """Return the order with what makes two keys one, as the destination says.

        Where it does not answer, nothing can be sent either, and what was so last time is as good.
        """
        kinds = {name: opened.fields[name] for name in order.key if name in opened.fields}
        try:
            with self.destination.counting():
                alike = self.destination.key_alike(kinds)
        except DeliveryError:
            self.ledger.log("the destination does not say which keys are one: compared as last time")
            alike = self.ledger.recorded_alike(order)
        return replace(order, alike=told_as_sent(alike, kinds))

    def _send(self, order: Order, plan: Delivery, token: str) -> Receipt:
        shard, journal = self.ledger.begin(order, plan, token)
        pending = sum(end - first for first, end in journal.pending())
        self.ledger.log(
            f"delivery {plan.delivery_id}: {plan.added:,} added, {plan.changed:,} changed,"
            f" {plan.removed:,} removed, {plan.unchanged:,} as they are;"
            f" sending {pending:,} of {plan.shard_rows:,} rows"
        )
        with self.destination.counting(), presented(self.destination, shard) as shown:
            self.destination.check(shown.shard)
            if plan.status is not DeliveryStatus.SENDING:
                refuse_inexact(self.destination, shown, journal, order.hidden)
        self.ledger.sending(plan)
        with step("sending", pending, "rows") as journal.under_way:
            receipt = self._sent(shard, journal)
        left = journal.pending()
        if left:
            raise DeliveryError(
                "SLU-E023",
                f"{self.destination.type_name} returned, and rows {left[:3]} of {plan.export} are open",
                "every row taken or refused",
                "rerun the partition; if it happens again, the destination's code is at fault",
            )
        return receipt

    def _sent(self, shard: Shard, journal: Journal) -> Receipt:
        """Have the destination send what is left of a shard, which may be nothing."""
        if shard.rows and not journal.pending() and NOTE in journal.kept():
            return Receipt(0, self.destination.canonical_object(), already_delivered=True)
        with self.ledger.scratch(shard.export) as folder:
            sent = sendable(self.destination, shard, journal, folder)
            with self.destination.counting():
                return self.destination.send(*sent)

    def _arrived(self, shard: Shard, journal: Journal) -> bool | None:
        with self.ledger.scratch(shard.export) as folder:
            asked = sendable(self.destination, shard, journal, folder)[0]
            with self.destination.counting():
                return self.destination.arrived(asked)

    def _end(self, order: Order, plan: Delivery, token: str) -> None:
        """End a plan that a newer one supersedes: what may have arrived is brought to its end.

        What was never sent is not sent any more.
        """
        # As it was planned: the newer order may be of another mode.
        anywhere = Mode(plan.mode) in self.destination.capabilities.keys.anywhere
        under_way = self.ledger.under_way(replace(order, whole_object=anywhere), plan, token)
        # Where nothing is open, either nothing has left, or all of it was answered.
        arrived = plan.shard_rows > 0 if under_way is None else self._ended(plan, *under_way, token)
        self.ledger.supersede(order, plan, self.destination.canonical_object(), arrived=arrived)

    def _ended(self, plan: Delivery, shard: Shard, journal: Journal, token: str) -> bool:
        """Bring to its end what may have left of a plan, the journal's pending rows; return whether it is.

        Where rows are written by their key they are not sent again: they stay in doubt, and the newer plan
        sends what it has of their keys. What is appended can only be told from what never came by its id.
        """
        if not journal.pending() and (shard.rows or not journal.finishes()):
            return True
        there = self._arrived(shard, journal)
        if there:
            for first, end in journal.pending():
                journal.acknowledge(first, end)
            return True
        if there is False:
            self.ledger.nothing_arrived(plan, token)
            return False
        self.destination.find_out(shard, journal)
        if journal.pending() and shard.mode in (Mode.UPSERT, Mode.MIRROR) and not journal.finishes():
            in_doubt = sum(end - first for first, end in journal.pending())
            self.ledger.log(
                f"delivery {plan.delivery_id} was under way: {in_doubt:,} of its rows may have arrived"
            )
            return False
        self.ledger.log(f"delivery {plan.delivery_id} was under way: what may have arrived is ended")
        self._sent(shard, journal)
        # What a full shard does not have is there still, if taking it away had not begun.
        return journal.finishes() or not (shard.full and shard.mode in (Mode.MIRROR, Mode.SNAPSHOT))


def _may_send(lease: Lease) -> None:
    with under_lease():
        lease.still_held()


def place_of(destination: Destination) -> str:
    """Return one spelling for the object that a destination writes to; it holds no secret.

    Raises:
        DeliveryError: the connection's URL is none of this kind.
    """
    return f"{destination.type_name} {destination.canonical_object()}"
