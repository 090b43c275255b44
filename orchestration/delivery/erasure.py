"""Keys taken out for good: of a destination, of our own shards, and of every delivery to come.

Belongs here: one export's erasure, safe to be run again after a crash. Does not belong here: the warehouse,
the originals and the quarantine; nothing here touches them.
"""

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.compute.engine import open_engine
from orchestration.compute.sql import literal, quoted
from orchestration.delivery.deliver import PREVIEWS
from orchestration.delivery.engine import DeliveryEngine
from orchestration.delivery.order import Order
from orchestration.delivery.planning.content import shard_fields
from orchestration.delivery.planning.difference import key_text
from orchestration.destinations.base import ROW
from orchestration.state.records import ForgottenKey
from orchestration.state.store import StateStore

if TYPE_CHECKING:
    import duckdb

# How far an erasure has come, as its records say; after these it is its outcome in words.
_BEGUN = "begun: ask for the same again, it does the rest"
_TAKEN_OUT = "done at the destination; our own shards are next: ask for the same again"
Key = tuple[str | None, ...]


@dataclass(frozen=True)
class Request:
    """What is to be forgotten of one export: rows whose fields have all these values, as text."""

    values: Mapping[str, str]
    reason: str
    asked_by: str


@dataclass(frozen=True)
class Erased:
    """What an erasure has done for one export.

    `keys` are those that were found or named; `taken_out` rows of the destination, None where it takes none
    out; `rows` those of our own shards. `problem` is what kept it from its end: it is to be run again.
    """

    export: str
    keys: tuple[Key, ...] = ()
    taken_out: int | None = 0
    rows: int = 0
    problem: str = ""

    @property
    def said(self) -> str:
        """What was done, in words, without a key."""
        if self.problem:
            return f"not done: {self.problem}"
        if not self.keys:
            return "nothing of it was ever sent" if not self.rows else f"{self.rows:,} rows of our own shards"
        there = "cannot be taken out there: do it by hand"
        if self.taken_out is not None:
            there = f"{self.taken_out:,} rows taken out of the destination"
        return f"{len(self.keys):,} keys are never sent again; {there}; {self.rows:,} rows of our own shards"


def erase(engine: DeliveryEngine, orders: Sequence[Order], request: Request) -> Erased:
    """Forget keys of one export, whose scopes the orders are; all of them if the same is asked again.

    First it is written down that the keys are never sent again, then the destination is asked; the shards, in
    which keys are found, come last. So whatever happens in between, the next call finds what is left.

    Raises:
        DeliveryError: the destination cannot be reached or refuses; what was done stays done.
        ValueError: a value is none of its field's type.
    """
    export, key = orders[0].export, orders[0].key
    store, folder = engine.store, engine.folder / export
    with engine.alone() as lease:
        for order in orders:
            engine.end_under_way(order, lease)
        with open_engine() as connection:
            shards = list(_shards(store, export, folder))
            keys = _keys(connection, shards, key, request.values)
            found: int | None = 0
            if keys:
                _record(store, export, keys, request)
                found = _take_out(engine, orders, connection, keys)
                _advance(store, export, _BEGUN, _TAKEN_OUT, found or 0, keys)
            rows = _rewrite(connection, store, export, key, shards)
        _forget_refusals(store, export)
        shutil.rmtree(engine.folder / PREVIEWS, ignore_errors=True)
        erased = Erased(export, tuple(keys), found, rows)
        _advance(store, export, _TAKEN_OUT, erased.said)
        return erased


def unfinished(store: StateStore, export: str) -> list[ForgottenKey]:
    """Return the erasures of an export that have not come to their end."""
    return [item for item in store.forgotten_keys.of(export) if item.outcome in (_BEGUN, _TAKEN_OUT)]


def forget_unsent(store: StateStore, export: str, key: Sequence[str], request: Request) -> Erased:
    """Write down that a key is never sent, of an export that has sent nothing yet."""
    keys = [tuple(request.values[name] for name in key)]
    _record(store, export, keys, request)
    erased = Erased(export, tuple(keys))
    _advance(store, export, _BEGUN, erased.said, 0, keys)
    return erased


def key_names(request: Request, key: Sequence[str]) -> bool:
    """Whether the values name a key whole."""
    return set(key) <= set(request.values)


def digest_of(salt: str, key: Key) -> str:
    """Return the digest under which a key is remembered, as the plans work it out in SQL."""
    text = json.dumps(list(key), ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256((salt + text).encode()).hexdigest()


def _shards(store: StateStore, export: str, folder: Path) -> Iterator[Path]:
    """Yield every file that may hold rows of an export: old plans, bases, and what a crash left behind."""
    known = {Path(item.shard) for item in store.deliveries.of_export(export)}
    for path in folder.rglob("*.partial"):
        path.unlink(missing_ok=True)  # nobody writes one now: the lease is ours
    yield from sorted(path for path in known | set(folder.rglob("*.parquet")) if path.exists())


def _keys(
    connection: "duckdb.DuckDBPyConnection",
    shards: Sequence[Path],
    key: Sequence[str],
    values: Mapping[str, str],
) -> list[Key]:
    """Return the keys of all rows that were ever planned with these values; a key that is named, as it is."""
    if set(key) <= set(values):
        return [tuple(_as_written(connection, shards, name, values[name]) for name in key)]
    found: set[Key] = set()
    listed = ", ".join(f"{quoted(name)}::varchar" for name in key)
    for shard in shards:
        fields = shard_fields(connection, str(shard))
        if not {*key, *values} <= fields.keys():
            continue
        same = " and ".join(f"{quoted(name)}::varchar = {literal(text)}" for name, text in values.items())
        found.update(
            connection.execute(
                f"select distinct {listed} from read_parquet({literal(str(shard))}) where {same}"
            ).fetchall()
        )
    return sorted(found, key=lambda item: [text or "" for text in item])


def _as_written(
    connection: "duckdb.DuckDBPyConnection", shards: Sequence[Path], name: str, value: str
) -> str:
    """Return a value as the field's type writes it: `007` of a number is `7`."""
    kinds = [fields[name] for shard in shards if name in (fields := shard_fields(connection, str(shard)))]
    if not kinds:
        return value
    row = connection.execute(f"select try_cast({literal(value)} as {kinds[-1]})::varchar").fetchone()
    if row is None or row[0] is None:
        raise ValueError(f"{name}={value}: expected a value of the type {kinds[-1]}")
    return str(row[0])


def _record(store: StateStore, export: str, keys: Sequence[Key], request: Request) -> None:
    """Write down those keys that are not yet, all with one salt: a plan hashes each row once a salt."""
    known = store.forgotten_keys.of(export)
    salt = secrets.token_hex(16)
    for key in keys:
        if not any(digest_of(item.salt, key) == item.key_digest for item in known):
            store.forgotten_keys.record(
                ForgottenKey(
                    export=export,
                    salt=salt,
                    key_digest=digest_of(salt, key),
                    found=0,
                    outcome=_BEGUN,
                    reason=request.reason,
                    forgotten_by=request.asked_by,
                )
            )


def _advance(
    store: StateStore,
    export: str,
    stage: str,
    outcome: str,
    found: int | None = None,
    keys: Sequence[Key] | None = None,
) -> None:
    """Write down that erasures at a stage are further now: those of some keys, or all of them."""
    reached = [item for item in store.forgotten_keys.of(export) if item.outcome == stage]
    salts = {
        item.salt: item.found
        for item in reached
        if keys is None or any(digest_of(item.salt, key) == item.key_digest for key in keys)
    }
    for salt, before in salts.items():
        store.forgotten_keys.conclude(export, salt, before if found is None else found, outcome)


def _take_out(
    engine: DeliveryEngine,
    orders: Sequence[Order],
    connection: "duckdb.DuckDBPyConnection",
    keys: Sequence[Key],
) -> int | None:
    """Take keys out of every scope; return how many rows there were, None where none can be taken out."""
    if not engine.destination.capabilities.delete:
        return None
    total = 0
    for order in orders:
        fields = _fields_there(connection, engine.store, order)
        if not set(order.key) <= fields.keys():
            continue
        try:
            total += engine.destination.forget(
                order.scope_with(fields), _typed(connection, order.key, fields, keys)
            )
        except NotImplementedError:
            return None
        engine.log(f"keys are taken out of {order.export} [{order.scope or 'whole'}]")
    return total


def _fields_there(connection: "duckdb.DuckDBPyConnection", store: StateStore, order: Order) -> dict[str, str]:
    """Return {field: SQL type} of what was last planned for a scope."""
    for delivery in reversed(store.deliveries.of_export(order.export, order.scope)):
        if Path(delivery.shard).exists():
            return shard_fields(connection, delivery.shard)
    return {}


def _typed(
    connection: "duckdb.DuckDBPyConnection",
    key: Sequence[str],
    fields: Mapping[str, str],
    keys: Sequence[Key],
) -> list[dict[str, Any]]:
    """Return keys as values of their fields' types, as destinations get them in a shard."""
    values = ", ".join(
        "(" + ", ".join("null" if text is None else literal(text) for text in item) + ")" for item in keys
    )
    names = ", ".join(quoted(name) for name in key)
    cast = ", ".join(f"cast({quoted(name)} as {fields[name]})" for name in key)
    rows = connection.execute(f"select {cast} from (values {values}) as keys ({names})").fetchall()
    return [dict(zip(key, row, strict=True)) for row in rows]


def _rewrite(
    connection: "duckdb.DuckDBPyConnection",
    store: StateStore,
    export: str,
    key: Sequence[str],
    shards: Sequence[Path],
) -> int:
    """Write shards anew without the rows of forgotten keys; the others keep their numbers.

    By the digests on record, not by the keys at hand: after a crash some shards do not tell them any more.
    """
    condition = _forgotten(store, export, key)
    if not condition:
        return 0
    deliveries = {item.shard: item.delivery_id for item in store.deliveries.of_export(export)}
    total = 0
    for shard in shards:
        if not set(key) <= shard_fields(connection, str(shard)).keys():
            continue
        read = f"read_parquet({literal(str(shard))})"
        gone = [
            row[0] for row in connection.execute(f"select {ROW} from {read} where {condition}").fetchall()
        ]
        if not gone:
            continue
        if str(shard) in deliveries:
            store.deliveries.forget_words(deliveries[str(shard)], gone)
        partial = shard.with_suffix(f".{os.getpid()}.partial")
        connection.execute(
            f"copy (select * from {read} where not ({condition})) to {literal(str(partial))} (format parquet)"
        )
        partial.replace(shard)
        total += len(gone)
    return total


def _forgotten(store: StateStore, export: str, key: Sequence[str]) -> str:
    salts: dict[str, list[str]] = {}
    for item in store.forgotten_keys.of(export):
        if item.outcome != _BEGUN:  # its keys are found in these very shards, if it was interrupted
            salts.setdefault(item.salt, []).append(literal(item.key_digest))
    return " or ".join(
        f"sha256({literal(salt)} || {key_text(key)}) in ({', '.join(digests)})"
        for salt, digests in salts.items()
    )


def _forget_refusals(store: StateStore, export: str) -> None:
    digests = [(item.salt, item.key_digest) for item in store.forgotten_keys.of(export)]
    scopes: dict[str, list[str]] = {}
    for item in store.refused_keys.of(export):
        key: Key = tuple(json.loads(item.key))
        if any(digest_of(salt, key) == digest for salt, digest in digests):
            scopes.setdefault(item.scope, []).append(item.key)
    for scope, keys in scopes.items():
        store.refused_keys.replace(export, scope, [], keys)
