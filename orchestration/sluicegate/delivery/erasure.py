"""Keys taken out for good: of a destination, of our own shards, and of every delivery to come.

Belongs here: one export's erasure, safe to be run again after a crash. Does not belong here: the warehouse,
the originals and the quarantine; nothing here touches them.
"""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sluicegate.compute.engine import shared_engine
from sluicegate.compute.sql import literal, quoted
from sluicegate.delivery.engine import DeliveryEngine, place_of
from sluicegate.delivery.ledger import (
    NO_MAPS,
    NO_NAMES,
    Alikes,
    Found,
    Key,
    Ledger,
    Maps,
    Names,
    Order,
    Row,
    Shards,
    Values,
    digest_of,
    digests_of,
    is_forgotten,
    names_in,
    values_before,
    values_sent,
)
from sluicegate.destinations.base import Mode
from sluicegate.state.records import OPEN, Delivery, DeliveryStatus, ForgottenKey
from sluicegate.state.store import StateStore

# How far an erasure has come, as its records say; after these it is its outcome in words.
_BEGUN = "begun: ask for the same again, it does the rest"
_TAKEN_OUT = "done at the destination; our own shards are next: ask for the same again"


# What stands for an export in the erasures that concern tables.
OF_TABLES = "(tables)"
# So many partitions are named in a message.
_SHOWN = 5


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
    out; `rows` those of our own shards. `untouched` is what else may have rows of them, by hand to be
    looked at. `problem` is what kept it from its end: it is to be run again.
    """

    export: str
    keys: tuple[Key, ...] = ()
    taken_out: int | None = 0
    rows: int = 0
    problem: str = ""
    untouched: tuple[str, ...] = ()

    @property
    def said(self) -> str:
        """What was done, in words, without a key."""
        if self.problem:
            return f"not done: {self.problem}"
        also = "".join(f"; not touched: {what}" for what in self.untouched)
        ours = f"{self.rows:,} rows of our own shards"
        if not self.keys:
            none = "no key was found" if also else "nothing of it was ever sent"
            return f"{ours if self.rows else none}{also}"
        there = "cannot be taken out there: do it by hand"
        if self.taken_out is not None:
            there = f"{self.taken_out:,} rows taken out of the destination"
        return f"{len(self.keys):,} keys are never sent again; {there}; {ours}{also}"


def erase(engine: DeliveryEngine, orders: Sequence[Order], request: Request) -> Erased:
    """Forget keys of one export, whose scopes the orders are; all of them if the same is asked again.

    First it is written down that the keys are never sent again, then the destination is asked; the shards, in
    which keys are found, come last. So whatever happens in between, the next call finds what is left.

    Raises:
        DeliveryError: the destination cannot be reached or refuses; what was done stays done.
        ValueError: a value is none of its field's type.
    """
    order, store = orders[-1], engine.ledger.store
    export, key = order.export, order.key
    here = place_of(engine.destination)
    with engine.alone() as lease:
        recorded = _cut_otherwise(store, orders, here)
        orders = [*orders, *recorded]
        for one in orders:
            engine.end_under_way(one, lease)
        alike = engine.ledger.recorded_alike(order)
        with engine.ledger.shards(export, key, alike, order) as shards:
            found = shards.found(request.values)
            keys = [item.key for item in found]
            taken_out: int | None = 0
            left = [one.scope or "the whole" for one in orders if shards.untold(one.scope, request.values)]
            if keys:
                _record(store, order, found, request)
                taken_out = _take_out(engine, orders, shards, keys)
                _advance(store, export, _BEGUN, _TAKEN_OUT, taken_out or 0, keys)
            # By the digests on record, not by the keys at hand: after a crash some shards do not tell those
            # any more. The keys of an erasure that was interrupted are found in these very shards.
            known = store.forgotten_keys.of(export)
            rows = shards.take_out([item for item in known if item.outcome != _BEGUN])
        _forget_refusals(store, export, key, alike)
        places = _elsewhere(store, export, here) if keys else []
        untouched = (*places, *_without_key(left))
        erased = Erased(export, tuple(keys), taken_out, rows, untouched=untouched)
        _advance(store, export, _TAKEN_OUT, erased.said)
        return erased


def forget_unsent(
    store: StateStore,
    export: str,
    key: Sequence[str],
    request: Request,
    columns: Names = NO_NAMES,
    maps: Maps = NO_MAPS,
) -> Erased:
    """Write down that a key is never sent, of an export that has sent nothing; for the rest see `Order`."""
    keys = [tuple(request.values[name] for name in key)]
    order = Order(export, "", tuple(key), Mode.UPSERT, None, columns=columns, maps=maps)
    _record(store, order, [Found(keys[0], {})], request)
    erased = Erased(export, tuple(keys))
    _advance(store, export, _BEGUN, erased.said, 0, keys)
    return erased


def forget_by_columns(store: StateStore, request: Request) -> None:
    """Write down who is forgotten by the models' columns alone, for what is made of tables and no export."""
    known = [one for one in store.forgotten_keys.of(OF_TABLES) if names_in(one) == set(request.values)]
    key = tuple(request.values.values())
    if any(digest_of(one.salt, key) == one.key_digest for one in known):
        return
    salt, named = secrets.token_hex(16), {name: [text] for name, text in request.values.items()}
    with shared_engine() as connection:
        fields = digests_of(connection, salt, Values({}, named), None)
    store.forgotten_keys.record(
        ForgottenKey(
            OF_TABLES, salt, digest_of(salt, key), 0, "no table is published with it any more",
            request.reason, request.asked_by, fields=fields,
        )
    )  # fmt: skip


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


def _cut_otherwise(store: StateStore, orders: Sequence[Order], here: str) -> list[Order]:
    """Return orders for the same object's scopes of another cut, unless it was sent whole since."""
    told, others = {order.scope for order in orders}, dict[str, Delivery]()
    for item in store.deliveries.of_export(orders[-1].export):
        if not item.scope and item.scope in told:
            others.clear()  # the whole object is asked anyhow
        elif item.scope not in told and item.place == here:
            others[item.scope] = item
    return [
        replace(
            orders[-1],
            partition_key=item.partition_key,
            partition_column=item.partition_column or None,
            bounds=item.bounds,
        )
        for item in others.values()
    ]


def _elsewhere(store: StateStore, export: str, here: str) -> list[str]:
    """Say to which other objects an export has delivered."""
    plans = store.deliveries.of_export(export)
    never = {*OPEN, DeliveryStatus.REJECTED, DeliveryStatus.OVERTAKEN} - {DeliveryStatus.SENDING}
    places = {item.place for item in plans if item.place and item.status not in never} - {here}
    return [f"{place}, delivered to before" for place in sorted(places)]


def _without_key(scopes: Sequence[str]) -> list[str]:
    if not scopes:
        return []
    more = f" and {len(scopes) - _SHOWN:,} more" if len(scopes) > _SHOWN else ""
    return [f"{', '.join(scopes[:_SHOWN])}{more}, sent without the key that the export has now"]


def key_names(request: Request, key: Sequence[str]) -> bool:
    """Whether the values name a key whole."""
    return set(key) <= set(request.values)


def _record(store: StateStore, order: Order, found: Sequence[Found], request: Request) -> None:
    """Write down those keys that are not yet, all with one salt: a plan hashes each row once a salt."""
    known = store.forgotten_keys.of(order.export)
    salt = secrets.token_hex(16)
    with shared_engine() as connection:
        for item in found:
            if any(
                digest_of(one.salt, item.key) == one.key_digest and set(request.values) <= names_in(one)
                for one in known
            ):
                continue
            store.forgotten_keys.record(
                ForgottenKey(
                    export=order.export,
                    salt=salt,
                    key_digest=digest_of(salt, item.key),
                    found=0,
                    outcome=_BEGUN,
                    reason=request.reason,
                    forgotten_by=request.asked_by,
                    fields=digests_of(connection, salt, *_identities(order, item, request)),
                )
            )


def _identities(order: Order, found: Found, request: Request) -> tuple[Values, Values | None]:
    """Return who is erased as it was written to the destination, and as the model has it, if that differs."""
    of_key = {name: text for name, text in zip(order.key, found.key, strict=True) if text is not None}
    written = Values(
        {name: [text] for name, text in of_key.items()},
        {name: values_sent(text, order.maps.get(name, ())) for name, text in request.values.items()},
        found.kinds,
    )
    if not (of_key.keys() | request.values.keys()) & (order.columns.keys() | order.maps.keys()):
        return written, None

    def column(name: str) -> str:
        return order.columns.get(name, name)

    def before(name: str, text: str) -> list[str]:
        maps = order.maps.get(name, ())
        named = request.values.get(name)
        # Who is named by the model's value is not who else is sent as the same.
        return [named] if named is not None and named in dict(maps) else values_before(text, maps)

    model = Values(
        {column(name): before(name, text) for name, text in of_key.items()},
        {column(name): before(name, text) for name, text in request.values.items()},
        {column(name): kind for name, kind in found.kinds.items()},
    )
    return written, model


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
        file = shards.newest_in(order.scope)
        if file is None:
            continue
        names = shards.names_in(file)
        if not set(order.key) <= names.keys():
            continue
        scope = replace(
            order.scope_with(shards.fields_of(file)),
            key=tuple(names[name] for name in order.key),
            partition_column=names.get(order.partition_column or "", order.partition_column),
        )
        try:
            engine.destination.begin(order.budget_seconds)
            with engine.destination.counting():
                total += engine.destination.forget(scope, shards.typed(file, keys))
        except NotImplementedError:
            return None
        engine.ledger.log(f"keys are taken out of {order.export} [{order.scope or 'whole'}]")
    return total


def _forget_refusals(store: StateStore, export: str, names: Sequence[str], alike: Alikes) -> None:
    refused = [item for item in store.refused_keys.of(export) if len(json.loads(item.key)) == len(names)]
    row = Row(dict.fromkeys(names, "VARCHAR"))
    condition = is_forgotten(names, row, alike, store.forgotten_keys.of(export))
    if not condition or not refused:
        return
    rows = ", ".join(
        "(" + ", ".join("null" if text is None else literal(str(text)) for text in texts) + ")"
        for texts in ([item.scope, item.key, *json.loads(item.key)] for item in refused)
    )
    columns = ", ".join(["refused_scope", "refused_key", *map(quoted, names)])
    with shared_engine() as connection:
        found = connection.execute(
            f"select refused_scope, refused_key from (values {rows}) refused ({columns}) where {condition}"
        ).fetchall()
    scopes: dict[str, list[str]] = {}
    for scope, key in found:
        scopes.setdefault(scope, []).append(key)
    for scope, keys in scopes.items():
        store.refused_keys.replace(export, scope, [], keys)
