"""What is written down once a destination has settled a delivery: refused keys, and a base now and then."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from orchestration.compute.engine import open_engine
from orchestration.compute.sql import literal
from orchestration.delivery.planning.compaction import worth_compacting, write_base
from orchestration.delivery.planning.content import layers_of
from orchestration.delivery.planning.difference import key_text
from orchestration.destinations.base import ROW, ROW_HASH, TECHNICAL_COLUMNS, Refused
from orchestration.state.records import Base, Delivery, RefusedKey
from orchestration.state.store import StateStore

_LONGEST_WAIT = timedelta(days=1)
_MEMORY_LIMIT = "1GB"
# No plan, preview or reconciliation reads for so long.
_OLD_BASE_SECONDS = 86_400.0


def settle_refusals(
    store: StateStore, delivery: Delivery, key: tuple[str, ...], attempts: int, wait_seconds: float
) -> tuple[list[Refused], int]:
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
    rows = _keys_of(delivery, key, [item.row for item in refused], set(known))
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
        wait = min(timedelta(seconds=wait_seconds * 2 ** (count - 1)), _LONGEST_WAIT)
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
                next_try_at=now + wait if count < attempts else None,
            )
        )
    still = {item.key for item in recorded}
    taken = [text for text, _ in rows.values() if text in known and text not in still]
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
    with open_engine() as connection:
        found = connection.execute(
            f"select {ROW}, {key_text(key)} as key_text, cast({ROW_HASH} as varchar)"
            f" from read_parquet({literal(delivery.shard)}) where {ROW} in ({wanted}) or key_text in ({keys})"
        ).fetchall()
    return {row: (text, row_hash) for row, text, row_hash in found}


def compact(store: StateStore, newest: Delivery, key: tuple[str, ...], folder: Path) -> None:
    """Write a base for a scope if its layers have grown."""
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
    if _has_every_row(newest):
        base = Base(
            newest.export,
            newest.scope,
            newest.id,
            newest.shard,
            newest.shard_rows,
            newest.shape,
            newest.hashed_by,
        )
        store.deliveries.set_base(base)
        return
    with open_engine(memory_limit=_MEMORY_LIMIT, spill_into=folder) as connection:
        described = connection.execute(
            f"describe select * from read_parquet({literal(newest.shard)})"
        ).fetchall()
        fields = {row[0]: row[1] for row in described if row[0] not in TECHNICAL_COLUMNS}
        layers = layers_of(store.deliveries, found)
        store.deliveries.set_base(write_base(connection, layers, key, fields, newest, folder))
    _drop_old_bases(store, newest, folder)


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
