"""The ledger itself: plans an order, tells how a plan ends, and reads what was sent.

Belongs here: the order of the steps, and the records. Does not belong here: what each step works out.
"""

import json
import shutil
from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from sluicegate.compute.engine import shared_engine
from sluicegate.compute.exact_parquet import exact_rows
from sluicegate.compute.lent_engine import lent_engine
from sluicegate.compute.sql import quoted
from sluicegate.core.scratch import scratch_directory
from sluicegate.delivery.ledger.content import Content, hash_in, read_whole, shard_fields
from sluicegate.delivery.ledger.difference import compare, find_difference
from sluicegate.delivery.ledger.identity import MadeBy, free_id
from sluicegate.delivery.ledger.journal import StoreJournal, may_have_left, under_lease
from sluicegate.delivery.ledger.keys import Alikes, KeyForm, alike_text, read_alike
from sluicegate.delivery.ledger.layers import layers_of
from sluicegate.delivery.ledger.limits import Difference
from sluicegate.delivery.ledger.look import Look, Shown, counts_of, some_rows
from sluicegate.delivery.ledger.lost import ShardLost
from sluicegate.delivery.ledger.of_use import moved
from sluicegate.delivery.ledger.order import Opened, Order, Outcome, Plan, shard_of
from sluicegate.delivery.ledger.readable import lost_file
from sluicegate.delivery.ledger.reading import Reading
from sluicegate.delivery.ledger.settling import compact, open_journal, settle_refusals
from sluicegate.delivery.ledger.shards import Shards, fields_of, require_readable
from sluicegate.delivery.ledger.standing import (
    Known,
    newer_partition,
    recorded_alike,
    rejected_already,
    still_to_plan,
)
from sluicegate.destinations.base import CHANGE, ROW_HASH, Change, Journal, Mode, Receipt, Shard
from sluicegate.state.records import OPEN, Delivery, DeliveryKind, DeliveryStatus
from sluicegate.state.store import StateStore

# Below the folder of the shards: files of who looks, and apart from them, by export, of who plans.
_SCRATCH, _PLANNED = "previews", "planned"

Log = Callable[[str], None]


def _silent(_: str) -> None:
    pass


@dataclass(frozen=True)
class Ledger:
    """The records of deliveries in `store`, and the shards in `folder`.

    Whoever plans or ends a delivery says its run's id, and holds the lease of the destination's object.
    Whoever only reads needs neither.
    """

    store: StateStore
    folder: Path
    run_id: str = ""
    log: Log = _silent

    # -- plans

    def plan(self, order: Order, opened: Opened, *, guard: bool = True) -> Plan:
        """Put on record what an order would change, or find the plan of just that; without `guard` unlimited.

        A plan that is in the way has to be ended first: then plan again.

        Raises:
            DeliveryError: the key does not hold, a field cannot be compared, or a shard is lost.
        """
        deliveries = self.store.deliveries
        # One of when `partitions` said otherwise: nobody would ever ask for its scope.
        for plan in deliveries.open_of(order.export):
            if bool(plan.scope) is order.latest_only:
                return Plan(plan, in_the_way=True)
        made_by = MadeBy.of(order, opened)
        newer = newer_partition(self.store, order)
        if newer is not None:
            self.log(f"the destination holds {newer.partition_key}: an older partition is not sent")
            draft = self._draft(order, opened, made_by, newer.delivery_id)
            return Plan(deliveries.plan(replace(draft, status=DeliveryStatus.OVERTAKEN)))
        under_way = self.open_in(order)
        if under_way is not None:
            # One whose file is lost is planned anew, if nothing of it can have left.
            makes = made_by.makes(under_way, order, opened.version) and not lost_file(under_way)
            return Plan(under_way, in_the_way=not makes)
        rejected = rejected_already(self.store, order, opened.version, made_by)
        if rejected is not None:
            return Plan(rejected)
        known = Known.of(self.store, order, opened, self.log)
        draft = self._draft(order, opened, made_by, known.supersedes)
        with read_whole(draft, known.layers):
            difference = find_difference(order, opened, known, Path(draft.shard))
        if difference.outdated:
            self.store.refused_keys.replace(order.export, order.scope, [], difference.outdated)
        broken = _broken(order, opened, known, difference) if guard else ()
        plan = replace(
            draft,
            status=DeliveryStatus.HELD if broken else DeliveryStatus.PLANNED,
            reasons=broken,
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
            key_types=known.key_types,
            anew=known.anew,
        )
        return Plan(deliveries.plan(plan), difference)

    def sends_none_twice(self, order: Order) -> bool:
        """Whether an order for everything goes where nothing of its scope was sent, by the records."""
        found = self.store.deliveries.layers(order.export, order.scope)
        newest = found[-1] if found else self.open_in(order)
        return newest is None or moved(order, newest)

    def open_in(self, order: Order) -> Delivery | None:
        """Return the delivery of an order's scope that is not settled."""
        return self.store.deliveries.open_in(order.export, order.scope)

    def recorded_alike(self, order: Order) -> Alikes:
        """Return what makes two keys one by the records, or else as the order has it; nobody is asked."""
        known = recorded_alike(self.store, order)
        return order.alike if known is None else known

    def still_rejected(self, order: Order, plan: Delivery) -> bool:
        """Whether an order of today would come upon a rejected plan again, as it would make the very same."""
        layers = self.store.deliveries.layers(plan.export, plan.scope)
        newest = layers[-1].delivery_id if layers else ""
        outlived = still_to_plan(self.store, plan)
        if plan.kind is not DeliveryKind.CHANGE or (plan.supersedes != newest and not outlived):
            return False
        return MadeBy.of(order).keeps_rejected(plan)

    def _draft(self, order: Order, opened: Opened, made_by: MadeBy, supersedes: str) -> Delivery:
        delivery_id = free_id(self.store.deliveries, order, opened.version, made_by, supersedes)
        return Delivery(
            delivery_id=delivery_id,
            export=order.export,
            partition_key=order.partition_key,
            version=opened.version,
            digest="",
            rows=0,
            shard=str(self._folder_of(order) / f"{delivery_id}.parquet"),
            run_id=self.run_id,
            status=DeliveryStatus.PLANNED,
            scope=order.scope,
            kind=order.kind,
            mode=order.mode,
            supersedes=supersedes,
            key=order.key_text,
            decided_by=order.asked_by,
            decision=order.reason,
            made_by=made_by.rules,
            place=made_by.place,
            source=made_by.source,
            partition_column=order.partition_column or "",
            bounds=order.bounds,
            alike=alike_text(order.alike),
            columns=json.dumps(order.columns, sort_keys=True),
        )

    def _folder_of(self, order: Order) -> Path:
        return self.folder / order.export / order.partition_key

    # -- looks: nothing is written

    def compare(self, order: Order, opened: Opened, hidden: Collection[str] = ()) -> Look:
        """Return what a delivery would do now, or what the plan does that it would take up.

        Of the fields in `hidden` no value is shown. The destination is not asked.

        Raises:
            DeliveryError: as of `plan`.
        """
        under_way = self.open_in(order)
        if under_way is not None and not lost_file(under_way):
            # A resync that waits is taken up by whoever approves it.
            asked = replace(order, kind=under_way.kind)
            if MadeBy.of(asked, opened).makes(under_way, asked, opened.version):
                return self.look_at(order, under_way, hidden)
        order = replace(order, alike=self.recorded_alike(order))
        known, connection = Known.of(self.store, order, opened, self.log), opened.connection
        made_by = MadeBy.of(order, opened)
        draft = self._draft(order, opened, made_by, known.supersedes)
        with self.scratch() as folder, read_whole(draft, known.layers):
            difference = find_difference(order, opened, known, folder / "shard.parquet")
        form = KeyForm.of(order.key, order.alike)
        content = Content(connection, known.layers, form, opened.fields, difference.shape)
        newer = newer_partition(self.store, order)
        return Look(
            export=order.export,
            partition_key=order.partition_key,
            mode=order.mode,
            rows=difference.rows,
            counts={
                **counts_of(difference),
                "waiting": difference.waiting,
                "given up": difference.given_up,
                "forgotten": difference.forgotten,
            },
            limits=_broken(order, opened, known, difference),
            whole=difference.whole,
            shown=some_rows(connection, form, opened.fields, opened.source, content, hidden),
            superseded=under_way,
            overtaken_by=newer.partition_key if newer else "",
            rejected=rejected_already(self.store, order, opened.version, made_by)
            or self.store.deliveries.of(draft.delivery_id),
        )

    def look_at(self, order: Order, plan: Delivery, hidden: Collection[str] = ()) -> Look:
        """Return what a plan on record does, beside what the destination holds without it."""
        shown = Shown({})
        if plan.shard_rows or plan.whole:
            with shared_engine() as connection:
                fields = shard_fields(connection, plan.shard)
                found = self.store.deliveries.layers(plan.export, plan.scope)
                layers = layers_of(self.store.deliveries, found)
                form = KeyForm.of(order.key, read_alike(plan.alike) or {})
                content = Content(connection, layers, form, fields, plan.shape)
                keys = form.selected(fields)
                shard = exact_rows(connection, plan.shard)
                there = f"from {shard} where {CHANGE} not in ('{Change.REMOVED}', '{Change.MOVED}')"
                new = (
                    f"select {keys}, {hash_in(connection, plan.shard, plan.hashed_by)} as {ROW_HASH} {there}"
                )
                # A whole shard tells by what it lacks what has to go; any other names it.
                named = f"select {keys} from {shard} where {CHANGE} <> '{Change.MOVED}'"
                listed = form.listed
                gone = "true" if plan.whole else f"({listed}) in (select ({listed}) from ({named}))"
                old = f"select * from ({content.hashes()}) where {gone}"
                compare(connection, form, new, "" if content.empty else old)
                rows = f"select {', '.join(map(quoted, fields))} {there}"
                shown = some_rows(connection, form, fields, rows, content, hidden)
        return Look(
            export=plan.export,
            partition_key=plan.partition_key,
            mode=Mode(plan.mode),
            rows=plan.rows,
            counts=counts_of(plan),
            limits=plan.reasons,
            whole=plan.whole,
            shown=shown,
            delivery=plan,
        )

    # -- a plan on its way

    def begin(self, order: Order, plan: Delivery, token: str) -> tuple[Shard, StoreJournal]:
        """Return what the destination is given of a plan, and the journal of it, under the lease's token.

        Rows for which nothing is to be done there are settled with this.

        Raises:
            DeliveryError: a key to be removed may be on its way to another scope.
        """
        return shard_of(order, plan), open_journal(self.store, order, plan, token, self.log)

    def sending(self, plan: Delivery) -> None:
        """Put on record that rows of a plan may leave from now on."""
        self.store.deliveries.move(plan.delivery_id, DeliveryStatus.SENDING, out_of=OPEN)

    def under_way(self, order: Order, plan: Delivery, token: str) -> tuple[Shard, Journal] | None:
        """Return the same of a plan whose rows may have left, with those alone pending; None if none has.

        The order is the newer one that ends it, and may be another export file's.

        Raises:
            ShardLost: nobody can tell any more what has left, and not everything is sent anew.
        """
        if plan.status is not DeliveryStatus.SENDING:
            return None
        deliveries, lost = self.store.deliveries, lost_file(plan)
        if not lost:
            left = may_have_left(deliveries, plan)
            # Older code began to take away what a shard does not have once it had noted the last of its rows.
            finishing = [] in deliveries.left(plan.delivery_id) or 0 < plan.shard_rows <= plan.sent_to
            if not left and not finishing:
                return None
            journal = open_journal(self.store, order, plan, token, self.log, left, finishes=finishing)
            return shard_of(order, plan), journal
        if order.kind is not DeliveryKind.RESYNC:
            raise ShardLost.of(replace(plan, mode=order.mode), plan.shard, lost)
        self.log(f"{plan.shard} {lost}: what it had under way is not ended, but sent anew")
        return None

    def nothing_arrived(self, plan: Delivery, token: str) -> None:
        """Put on record that nothing of a plan has arrived, whatever was noted as leaving."""
        with under_lease():
            self.store.deliveries.take_all_back(plan.delivery_id, token)

    def settle(self, order: Order, plan: Plan, receipt: Receipt | None, location: str) -> Outcome:
        """Acknowledge a plan of which every row is settled; `receipt` is None if nothing had to be sent."""
        delivery, difference = plan.delivery, plan.difference
        refused, given_up = settle_refusals(self.store, order, delivery)
        self._end(delivery, DeliveryStatus.ACKNOWLEDGED, len(refused), location)
        settled = self.store.deliveries.of(delivery.delivery_id)
        assert settled is not None
        try:
            compact(self.store, settled, order.key, self._folder_of(order))
        except ShardLost as lost:  # what was sent has arrived: who reads it next stops, and says the same
            self.log(f"no base is written: {lost}")
        return Outcome(
            delivery=settled,
            difference=difference,
            receipt=receipt,
            refused=tuple(refused),
            given_up=given_up + (difference.given_up if difference else 0),
            waiting=difference.waiting if difference else 0,
            tolerated_share=order.tolerated_share,
        )

    def supersede(self, order: Order, plan: Delivery, location: str, *, arrived: bool) -> None:
        """End a plan for a newer one; one that has arrived to its last row is acknowledged all the same.

        It was sent then, and only its process did not come to recording that. `arrived`: nothing that may
        have left is in doubt.
        """
        if plan.status is DeliveryStatus.SENDING and not lost_file(plan):
            settle_refusals(self.store, order, plan)
        settled = not StoreJournal(self.store.deliveries, plan, "", self.log).pending()
        there = settled and arrived
        status = DeliveryStatus.ACKNOWLEDGED if there else DeliveryStatus.SUPERSEDED
        self._end(plan, status, len(self.store.deliveries.refusals(plan.delivery_id)), location)
        ended = "has arrived whole" if there else "is superseded by another plan"
        self.log(f"delivery {plan.delivery_id} {ended}")

    def _end(self, plan: Delivery, status: DeliveryStatus, refused: int, location: str) -> None:
        self.store.deliveries.move(plan.delivery_id, status, out_of=OPEN, refused=refused, location=location)

    # -- what was sent

    @contextmanager
    def reading(self, *, memory_limit: str = "") -> Generator[Reading]:
        """Open the local engine to read what scopes hold, with a folder for files that goes with it."""
        with (
            self.scratch() as folder,
            lent_engine(memory_limit=memory_limit, spill_into=folder) as connection,
        ):
            yield Reading(self.store.deliveries, connection, folder)

    @contextmanager
    def shards(
        self, export: str, key: Sequence[str], alike: Alikes, order: Order | None = None
    ) -> Generator[Shards]:
        """Open every file that may hold rows of an export, under the lease of its destination's object.

        `alike` is what makes two values of a key's field one; the order says how fields are named and
        mapped today.
        What somebody who looked has left behind is gone at the end.

        Raises:
            DeliveryError: a file cannot be read.
        """
        folder, plans = self.folder / export, self.store.deliveries.of_export(export)
        for path in folder.rglob("*.partial"):
            path.unlink(missing_ok=True)  # nobody writes one now: the lease is ours
        known = {Path(item.shard) for item in plans} | set(folder.rglob("*.parquet"))
        files = sorted(path for path in known if path.exists())
        require_readable(files, plans)
        with shared_engine() as connection:
            yield Shards(self.store.deliveries, export, KeyForm.of(key, alike), files, connection, order)
        self._clear_scratch(export)

    def fields_sent(self, export: str) -> set[str]:
        """Return every field that an export's shards have, of whatever time, and the model's columns."""
        return fields_of(self.store.deliveries.of_export(export))

    @contextmanager
    def scratch(self, export: str = "") -> Generator[Path]:
        """Make a folder for rows of an export that are compared, or that are only looked at, with "".

        It goes at the end; where its process was killed, with the next one, or with an erasure.
        """
        with scratch_directory(self.folder / _SCRATCH / (Path(_PLANNED, export) if export else "")) as folder:
            yield folder

    def _clear_scratch(self, export: str) -> None:
        """Take away all that may hold rows of an export; what others plan stays with them."""
        shutil.rmtree(self.folder / _SCRATCH / _PLANNED / export, ignore_errors=True)
        for path in (self.folder / _SCRATCH).glob("*"):
            if path.name != _PLANNED:
                shutil.rmtree(path, ignore_errors=True)


def _broken(order: Order, opened: Opened, known: Known, difference: Difference) -> tuple[str, ...]:
    return order.limits.broken_by(
        difference, first=known.first, rightly_empty=opened.rightly_empty, hidden=order.hidden
    )
