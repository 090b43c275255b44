"""What is written down as a destination settles a delivery: its journal, refused keys, a base now and then.

Layers become one base, once reading them all costs more than writing what they make together.
"""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from sluicegate.compute.engine import shared_engine
from sluicegate.compute.exact_parquet import exact_rows, write_exact
from sluicegate.compute.lent_engine import lent_engine
from sluicegate.compute.row_hash import hashed_by, row_hash
from sluicegate.compute.sql import literal
from sluicegate.core.ranges import Ranges
from sluicegate.delivery.ledger.content import Content, read_whole, shard_fields
from sluicegate.delivery.ledger.journal import StoreJournal, under_lease
from sluicegate.delivery.ledger.keys import KeyForm, read_alike, text_of
from sluicegate.delivery.ledger.layers import Layer, layers_of
from sluicegate.delivery.ledger.moved import set_apart_again
from sluicegate.delivery.ledger.order import Order, key_of, planned_by
from sluicegate.destinations.base import (
    CHANGE,
    CHANGED_FIELDS,
    ROW,
    ROW_HASH,
    Change,
    Mode,
    Refused,
)
from sluicegate.state.records import Base, Delivery, RefusedKey
from sluicegate.state.store import StateStore

_LONGEST_WAIT = timedelta(days=1)
_MEMORY_LIMIT = "1GB"
# No plan, preview or reconciliation reads for so long.
_OLD_BASE_SECONDS = 86_400.0
# Rows of the layers as a share of the base: a base is written anew after so much has changed, so that in the
# long run writing bases costs a few times what was changed.
_LARGEST_SHARE = 0.5
# Every plan opens every layer, for some 3 ms each; a million rows of a base are written in a second. So n
# layers have cost as much as writing so many rows times n squared, and few layers are never worth it. A small
# scope gets its base early, and one of ten million rows after eighty small deliveries.
_ROWS_A_LAYER_SQUARED = 1_500
_FEW_LAYERS = 12


def open_journal(
    store: StateStore,
    order: Order,
    plan: Delivery,
    token: str,
    log: Callable[[str], None],
    left: Ranges | None = None,
    *,
    finishes: bool = True,
) -> StoreJournal:
    """Return the journal of a new sending of a plan; for the arguments see `StoreJournal`.

    Rows whose keys are in another scope now are settled with this: nothing is done for them.

    Raises:
        DeliveryError: a key to be removed may be on its way to another scope.
        ShardLost: a file that tells what another scope holds is gone or cannot be read.
    """
    with under_lease():
        sending = store.deliveries.new_sending(plan.delivery_id, token)
    journal = StoreJournal(store.deliveries, plan, token, log, left, finishes=finishes, sending=sending)
    if plan.mode not in (Mode.MIRROR, Mode.UPSERT) or not plan.scope or not plan.shard_rows:
        return journal
    apart = set_apart_again(store, planned_by(order, plan), plan, journal.pending())
    with shared_engine() as connection:
        found = connection.execute(
            f"select {ROW} from read_parquet({literal(plan.shard)}) where {CHANGE} = '{Change.MOVED}'"
        ).fetchall()
    moved = {*apart, *(row[0] for row in found)}
    for first, end in journal.pending() if moved else ():
        for row in sorted(moved.intersection(range(first, end))):
            journal.acknowledge(row, row + 1)
    return journal


def settle_refusals(store: StateStore, order: Order, delivery: Delivery) -> tuple[list[Refused], int]:
    """Record which keys of a delivery were refused, when they are tried again, and which are taken now.

    Returns:
        The refused rows, and how many of them are given up with this.
    """
    refused = [
        Refused(row, code, said) for row, code, said in store.deliveries.refusals(delivery.delivery_id)
    ]
    known = {item.key: item for item in store.refused_keys.of(delivery.export, delivery.scope)}
    if not refused and not known:
        return [], 0
    rows = _keys_of(delivery, key_of(order, delivery), [item.row for item in refused], set(known))
    now = datetime.now(UTC)
    recorded: list[RefusedKey] = []
    for item in refused:
        text, row_hash = rows[item.row]
        before = known.get(text)
        if before is not None and before.delivery_id == delivery.delivery_id:
            recorded.append(before)  # settled once already, before a crash
            continue
        again = before is not None and before.row_hash == row_hash
        count = before.attempts + 1 if before and again else 1
        wait = min(timedelta(seconds=order.wait_seconds * 2 ** (count - 1)), _LONGEST_WAIT)
        recorded.append(
            RefusedKey(
                export=delivery.export,
                scope=delivery.scope,
                key=text,
                row_hash=row_hash,
                delivery_id=delivery.delivery_id,
                code=item.code,
                said=item.said,
                attempts=count,
                first_refused_at=before.first_refused_at if before else now,
                next_try_at=now + wait if count < order.attempts else None,
            )
        )
    still = {item.key for item in recorded}
    settled = store.deliveries.acknowledged(delivery.delivery_id)
    taken = [
        text
        for row, (text, _) in rows.items()
        if text in known and text not in still and any(first <= row < end for first, end in settled)
    ]
    store.refused_keys.replace(delivery.export, delivery.scope, recorded, taken)
    return refused, sum(item.next_try_at is None for item in recorded)


def _keys_of(
    delivery: Delivery, key: tuple[str, ...], rows: list[int], known: set[str]
) -> dict[int, tuple[str, str]]:
    """Return {row: (key, hash)} of the refused rows, and of rows whose keys were refused before."""
    if not delivery.shard_rows:
        return {}
    wanted = ", ".join(map(str, rows)) or "-1"
    keys = ", ".join(literal(text) for text in known) or "''"
    form = KeyForm.of(key, read_alike(delivery.alike) or {})
    with shared_engine() as connection:
        key_text = text_of(form.forms(shard_fields(connection, delivery.shard)))
        found = connection.execute(
            f"select {ROW}, {key_text} as key_text, cast({ROW_HASH} as varchar)"
            f" from {exact_rows(connection, delivery.shard)}"
            f" where {ROW} in ({wanted}) or key_text in ({keys})"
        ).fetchall()
    return {row: (text, row_hash) for row, text, row_hash in found}


def compact(store: StateStore, newest: Delivery, key: tuple[str, ...], folder: Path) -> None:
    """Write a base for a scope if its layers have grown.

    Raises:
        ShardLost: a layer is gone or cannot be read.
    """
    if not newest.shard_rows or newest.whole:
        return
    base = store.deliveries.base(newest.export, newest.scope)
    found = store.deliveries.layers(newest.export, newest.scope)
    if base is not None and found and base.after_id >= found[0].id:
        sizes = [base.rows, *(item.shard_rows for item in found if item.id > base.after_id)]
    else:
        sizes = [item.shard_rows for item in found]
    if not worth_compacting(sizes):
        return
    shard, rows, by = newest.shard, newest.shard_rows, newest.hashed_by
    layers = layers_of(store.deliveries, found)
    if not _has_every_row(newest):
        written = _write_base(layers, newest, key, folder)
        if written is None:
            return
        shard, rows, by = written
    store.deliveries.set_base(Base(newest.export, newest.scope, newest.id, shard, rows, newest.shape, by))
    if shard != newest.shard:
        _drop_old_bases(store, newest, folder)


def worth_compacting(layer_rows: list[int]) -> bool:
    """Return whether a base should be written; the rows of each layer, oldest first."""
    base, *others = layer_rows or [0]
    if not others:
        return False
    if sum(others) > max(base * _LARGEST_SHARE, 10_000):
        return True
    return len(layer_rows) > _FEW_LAYERS and len(layer_rows) ** 2 * _ROWS_A_LAYER_SQUARED > base


def _write_base(
    layers: Sequence[Layer], newest: Delivery, key: tuple[str, ...], folder: Path
) -> tuple[str, int, str] | None:
    """Write what the layers make together as one shard; return it, its rows, and what hashed them.

    None where older rows have values that are none of today's types: a base could not keep them. What is in
    doubt stays so: it is in the base as changed, all else as added.

    Raises:
        ShardLost: a layer is gone or cannot be read.
    """
    shard = folder / f"base-{newest.delivery_id}.parquet"
    partial = shard.with_suffix(f".{uuid4().hex}.partial")
    with lent_engine(memory_limit=_MEMORY_LIMIT, spill_into=folder) as connection:
        fields = shard_fields(connection, newest.shard)
        form = KeyForm.of(key, read_alike(newest.alike) or {})
        with read_whole(newest, layers):
            content = Content(connection, layers, form, fields, newest.shape)
            if content.lost():
                return None
            # What is known is kept: of what an older version wrote, the hash is of more than the file has.
            write_exact(
                connection,
                f"select row_number() over () - 1 as {ROW},"
                f" case when {ROW_HASH} = 0 then '{Change.CHANGED}' else '{Change.ADDED}' end as {CHANGE},"
                f" null::varchar[] as {CHANGED_FIELDS},"
                f" coalesce({ROW_HASH}, {row_hash(fields)}) as {ROW_HASH},"
                f" * exclude ({ROW_HASH}) from ({content.typed(hashed=True, strict=True)})",
                partial,
            )
        (rows,) = connection.execute(
            f"select count(*) from read_parquet({literal(str(partial))})"
        ).fetchone() or (0,)
        partial.replace(shard)
        return str(shard), int(rows), hashed_by(connection)


def _has_every_row(delivery: Delivery) -> bool:
    """Whether a settled delivery left nothing at the destination but its own rows, and all of those."""
    left = delivery.unchanged or delivery.removed or delivery.refused
    return not left and delivery.shard_rows == delivery.rows


def _drop_old_bases(store: StateStore, newest: Delivery, folder: Path) -> None:
    """Delete the files of bases that no record names any more; `folder` is that of the newest partition.

    Of an export without partitions that is the export's own, beside those of other exports.

    Younger ones stay: somebody who looks without the lease may be reading them.
    """
    oldest = time.time() - _OLD_BASE_SECONDS
    whole = folder.parent if newest.partition_key else folder
    for partition in (
        [folder] if newest.scope else [whole, *(path for path in whole.iterdir() if path.is_dir())]
    ):
        # A base lies with the partition whose delivery it was written after, whatever its scope.
        recorded = [store.deliveries.base(newest.export, scope) for scope in {"", partition.name}]
        kept = {Path(base.shard).name for base in recorded if base is not None}
        for path in partition.glob("base-*.parquet"):
            if path.name not in kept and path.stat().st_mtime < oldest:
                path.unlink(missing_ok=True)
