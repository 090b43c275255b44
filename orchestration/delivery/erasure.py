"""Keys taken out for good: of a destination, of our own shards, and of every delivery to come.

Belongs here: one export's erasure, safe to be run again after a crash. Does not belong here: the warehouse,
the originals and the quarantine; nothing here touches them.
"""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestration.compute.engine import open_engine
from orchestration.compute.sql import literal, quoted
from orchestration.delivery.engine import DeliveryEngine
from orchestration.delivery.ledger import (
    Alikes,
    Key,
    Ledger,
    Order,
    Shards,
    digest_of,
    digests_of,
    is_forgotten,
    names_in,
)
from orchestration.destinations.base import Mode
from orchestration.state.records import ForgottenKey
from orchestration.state.store import StateStore

# How far an erasure has come, as its records say; after these it is its outcome in words.
_BEGUN = "begun: ask for the same again, it does the rest"
_TAKEN_OUT = "done at the destination; our own shards are next: ask for the same again"


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
    export, key, store = orders[0].export, orders[0].key, engine.ledger.store
    with engine.alone() as lease:
        for order in orders:
            engine.end_under_way(order, lease)
        alike = engine.ledger.recorded_alike(orders[-1])
        with engine.ledger.shards(export, key, alike) as shards:
            keys = shards.keys(request.values)
            found: int | None = 0
            if keys:
                _record(store, export, key, keys, request, shards.kinds())
                found = _take_out(engine, orders, shards, keys)
                _advance(store, export, _BEGUN, _TAKEN_OUT, found or 0, keys)
            # By the digests on record, not by the keys at hand: after a crash some shards do not tell those
            # any more. The keys of an erasure that was interrupted are found in these very shards.
            known = store.forgotten_keys.of(export)
            rows = shards.take_out([item for item in known if item.outcome != _BEGUN])
        _forget_refusals(store, export, key, alike)
        erased = Erased(export, tuple(keys), found, rows)
        _advance(store, export, _TAKEN_OUT, erased.said)
        return erased


def forget_unsent(store: StateStore, export: str, key: Sequence[str], request: Request) -> Erased:
    """Write down that a key is never sent, of an export that has sent nothing yet."""
    keys = [tuple(request.values[name] for name in key)]
    _record(store, export, key, keys, request, {})
    erased = Erased(export, tuple(keys))
    _advance(store, export, _BEGUN, erased.said, 0, keys)
    return erased


def erase_again(ledger: Ledger, export: str) -> int:
    """Take what is on record as erased out of our own shards and refusals, as they came from a backup.

    No destination is asked: what was taken out there is not there again. Returns how many rows those were.

    Raises:
        DeliveryError: a file cannot be read.
    """
    store, plans = ledger.store, [item for item in ledger.store.deliveries.of_export(export) if item.key]
    if not plans:
        return 0
    newest, known = plans[-1], store.forgotten_keys.of(export)
    order = Order(
        export=export,
        partition_key=newest.scope,
        key=tuple(json.loads(newest.key)),
        mode=Mode(newest.mode),
        partition_column="" if newest.scope else None,
    )
    alike = ledger.recorded_alike(order)
    with ledger.shards(export, order.key, alike) as shards:
        rows = shards.take_out([item for item in known if item.outcome != _BEGUN])
    _forget_refusals(store, export, order.key, alike)
    return rows


def key_names(request: Request, key: Sequence[str]) -> bool:
    """Whether the values name a key whole."""
    return set(key) <= set(request.values)


def _record(
    store: StateStore,
    export: str,
    names: Sequence[str],
    keys: Sequence[Key],
    request: Request,
    kinds: Mapping[str, str],
) -> None:
    """Write down those keys that are not yet, all with one salt: a plan hashes each row once a salt.

    `names` are the key's fields, `kinds` the SQL types of fields, as far as they are known.
    """
    known = store.forgotten_keys.of(export)
    salt = secrets.token_hex(16)
    with open_engine() as connection:
        for key in keys:
            if any(
                digest_of(item.salt, key) == item.key_digest and set(request.values) <= names_in(item)
                for item in known
            ):
                continue
            of_key = dict(zip(names, key, strict=True))
            store.forgotten_keys.record(
                ForgottenKey(
                    export=export,
                    salt=salt,
                    key_digest=digest_of(salt, key),
                    found=0,
                    outcome=_BEGUN,
                    reason=request.reason,
                    forgotten_by=request.asked_by,
                    fields=digests_of(connection, salt, of_key, request.values, kinds),
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
    engine: DeliveryEngine, orders: Sequence[Order], shards: Shards, keys: Sequence[Key]
) -> int | None:
    """Take keys out of every scope; return how many rows there were, None where none can be taken out."""
    if not engine.destination.capabilities.delete:
        return None
    total = 0
    for order in orders:
        fields = shards.fields_in(order.scope)
        if not set(order.key) <= fields.keys():
            continue
        try:
            engine.destination.begin(order.budget_seconds)
            with engine.destination.counting():
                total += engine.destination.forget(order.scope_with(fields), shards.typed(fields, keys))
        except NotImplementedError:
            return None
        engine.ledger.log(f"keys are taken out of {order.export} [{order.scope or 'whole'}]")
    return total


def _forget_refusals(store: StateStore, export: str, names: Sequence[str], alike: Alikes) -> None:
    refused = [item for item in store.refused_keys.of(export) if len(json.loads(item.key)) == len(names)]
    kinds = dict.fromkeys(names, "VARCHAR")
    condition = is_forgotten(names, kinds, alike, store.forgotten_keys.of(export))
    if not condition or not refused:
        return
    rows = ", ".join(
        "(" + ", ".join("null" if text is None else literal(str(text)) for text in texts) + ")"
        for texts in ([item.scope, item.key, *json.loads(item.key)] for item in refused)
    )
    columns = ", ".join(["refused_scope", "refused_key", *map(quoted, names)])
    with open_engine() as connection:
        found = connection.execute(
            f"select refused_scope, refused_key from (values {rows}) refused ({columns}) where {condition}"
        ).fetchall()
    scopes: dict[str, list[str]] = {}
    for scope, key in found:
        scopes.setdefault(scope, []).append(key)
    for scope, keys in scopes.items():
        store.refused_keys.replace(export, scope, [], keys)
