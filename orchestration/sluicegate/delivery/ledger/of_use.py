"""Whether what is on record of a scope is of use to an order; if not, everything is sent anew, or refused.

Belongs here: what takes records their use, and what to type then, by mode. Does not belong here: reading
them (`content`), comparing (`difference`).

With every mode but `append` everything can be sent anew: it replaces what is there, or lies over it. What is
appended twice stands there twice, so that a person has to say where to, by a resync to another object.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from sluicegate.compute.sql_types import parse_type, without_names
from sluicegate.delivery.ledger.content import shard_fields
from sluicegate.delivery.ledger.lost import elsewhere
from sluicegate.delivery.ledger.order import Order
from sluicegate.delivery.ledger.readable import unreadable
from sluicegate.destinations.base import DeliveryError, Mode
from sluicegate.state.records import Delivery, DeliveryKind, DeliveryStatus
from sluicegate.state.store import StateStore

if TYPE_CHECKING:
    import duckdb

_WHOLE_NUMBERS = frozenset(
    f"{sign}{size}INT" for sign in ("", "U") for size in ("TINY", "SMALL", "BIG", "HUGE")
) | {
    "INTEGER",
    "UINTEGER",
}
# Stands in no type: what is quoted in one is taken out of it.
_BEHIND = "; "
_TEXTS = frozenset({"VARCHAR", "ENUM"})
_MOMENTS = frozenset({"TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"})


def types_of(order: Order, fields: Mapping[str, str]) -> str:
    """Return the types of a key's fields as the records write them, without names or values that are data.

    Behind a type stands how the destination is sent its values, where that may be otherwise one day.
    """
    kinds = [without_names(fields[name]) for name in order.key if name in fields]
    return json.dumps([_BEHIND.join(filter(None, [kind, order.writes(kind)])) for kind in kinds])


def require_key(order: Order, fields: Mapping[str, str]) -> None:
    """Raise DeliveryError unless the key's fields are among those that are sent."""
    lacks = [name for name in order.key if name not in fields]
    if lacks:
        fix = "name fields that are sent under `key` in the export file"
        if order.kind is DeliveryKind.REDELIVER:
            fix = "give `key` in the export file the fields that it had then, and ask for the same again"
        raise DeliveryError(
            "SLU-E027",
            f"the key ({', '.join(order.key)}) of `{order.export}` has {', '.join(lacks)}, which is not sent",
            f"some of {', '.join(fields)}",
            fix,
        )


def moved(order: Order, newest: Delivery) -> bool:
    """Whether an order goes to another object than what is on record went to."""
    return bool(newest.place and order.place) and newest.place != order.place


def why_useless(
    store: StateStore,
    order: Order,
    found: Sequence[Delivery],
    connection: "duckdb.DuckDBPyConnection",
    fields: Mapping[str, str],
) -> str:
    """Return why records are of no use to an order, in words; "" where they are.

    `found` are the deliveries that the scope's content is made of; `fields` are {field: SQL type} of what is
    to be sent.

    Raises:
        DeliveryError: they are of none, and the mode can send nothing a second time.
    """
    newest = found[-1] if found else None
    if order.kind is DeliveryKind.RESYNC and newest is not None and moved(order, newest):
        return "the destination is another than before"
    why, fix = _key_differs(order, found, connection, fields)
    if not why:
        why, fix = _cut_otherwise(store, order, newest)
    if why and order.mode is Mode.APPEND:
        at = newest or _nothing_yet(order)
        raise DeliveryError(
            "SLU-E013",
            f"{why}; `{order.export}` appends, and nobody can tell which rows were sent",
            "what was, as `append` sends no row twice",
            f"{fix}; or append to another object: {elsewhere(at)}",
        )
    if not why and any(map(_broke_off, found)):
        return "everything was being sent anew, and did not all arrive"
    return why if newest is not None else ""


def _broke_off(item: Delivery) -> bool:
    """Whether a delivery was to replace what nobody knew any more, and did so in part."""
    replaces = item.mode in (Mode.MIRROR, Mode.SNAPSHOT)
    return item.anew and replaces and item.status is not DeliveryStatus.ACKNOWLEDGED


def _nothing_yet(order: Order) -> Delivery:
    return Delivery("", order.export, order.partition_key, "", "", 0, "", "", scope=order.scope)


def _key_differs(
    order: Order,
    found: Sequence[Delivery],
    connection: "duckdb.DuckDBPyConnection",
    fields: Mapping[str, str],
) -> tuple[str, str]:
    """Return how the key is another than that of what was sent, and how it becomes the same again."""
    if found and found[-1].key != order.key_text:
        was, now = (", ".join(json.loads(text or "[]")) for text in (found[-1].key, order.key_text))
        why = f"the key of `{order.export}` is another than that of what was sent: ({now}), and was ({was})"
        return why, f"restore `key: [{was}]` in the export file"
    kinds = [fields.get(name, "") for name in order.key]
    for item in found:
        for name, kind, was in zip(order.key, kinds, _types(item, order, connection), strict=False):
            if not was:
                continue
            was, _, written = was.partition(_BEHIND)
            now = without_names(kind)
            if not _one_type(connection, was, kind, on_record=bool(item.key_types)):
                why = f"the key of `{order.export}` has another type: {name} is {now}, and was {was}"
                return why, f"cast {name} to {was} in the model"
            # Of older records it is not known: they were written as such a value would be today.
            written, today = written or order.writes(was), order.writes(now)
            if written != today:
                why = f"the key of `{order.export}` is sent otherwise: {name} is {today}, and was {written}"
                return why, f"cast {name} to {was} in the model, and restore the options in the export file"
    return "", ""


def _types(item: Delivery, order: Order, connection: "duckdb.DuckDBPyConnection") -> list[str]:
    """Return the types of a delivery's key; of an older version's those that its file keeps."""
    if item.key_types:
        return list(json.loads(item.key_types))
    if not item.shard_rows or unreadable(item.shard):
        return []
    held = shard_fields(connection, item.shard)
    return [held.get(name, "") for name in order.key]


def _one_type(connection: "duckdb.DuckDBPyConnection", one: str, other: str, *, on_record: bool) -> bool:
    """Whether equal keys of two types are one key: whoever reads them as text reads the same."""
    if on_record:
        return _family(one) == _family(other)
    import duckdb

    try:  # a file may keep another type than the model's: all that can be asked is whether they compare
        connection.execute(f"select coalesce(cast(null as {one}), cast(null as {other}))")
    except duckdb.Error:
        return False
    return True


def _family(kind: str) -> str:
    kind = without_names(kind)
    name, _, inside = kind.partition("(")
    if name in _WHOLE_NUMBERS:
        return "whole number"
    if name in _TEXTS:
        return "text"
    if kind in _MOMENTS:
        return "moment"
    if name == "DECIMAL" and inside[:1].isdigit():
        scale = parse_type(kind).numbers[1]
        return f"decimal of scale {scale}" if scale else "whole number"
    return kind


def _cut_otherwise(store: StateStore, order: Order, newest: Delivery | None) -> tuple[str, str]:
    """Return how the object was written in other partitions since, and how it becomes the same again.

    Where nothing was sent yet in these partitions, that matters to `append` alone: all else replaces.
    """
    if newest is None and order.mode is not Mode.APPEND:
        return "", ""
    after = newest.id if newest is not None else 0
    timed = order.bounds is not None
    for item in store.deliveries.cut_otherwise(order.export, order.scope, after, timed=timed):
        if not moved(order, item) and _overlap(order, item):
            since, over = (
                f"partition {text}" if text else "the whole object" for text in (item.scope, order.scope)
            )
            why = f"`{order.export}` was sent in other partitions since: {since} lies over {over}"
            return why, "restore `partitions` in the export file, or the model's grain"
    return "", ""


def _overlap(order: Order, other: Delivery) -> bool:
    if order.bounds is None or other.bounds is None:
        return not order.scope or not other.scope
    ours, theirs = ([_moment(text) for text in bounds] for bounds in (order.bounds, other.bounds))
    return ours[0] < theirs[1] and theirs[0] < ours[1]


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=None)
