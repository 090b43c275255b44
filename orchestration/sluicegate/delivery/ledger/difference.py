"""The validated rows beside what the destination acknowledged: what is added, changed and removed.

One join of keys and hashes finds the keys that differ; only their rows are read whole. So what is
written and sent grows with what has changed, and memory with the number of keys alone.
"""

import hashlib
import json
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluicegate.compute.exact_parquet import write_exact
from sluicegate.compute.row_hash import differ, digest_of, hashed_by, row_hash
from sluicegate.compute.sql import literal, literals, quoted
from sluicegate.compute.sql_types import UnknownType, parse_type
from sluicegate.delivery.ledger.changed_fields import changed_fields
from sluicegate.delivery.ledger.content import LOST, Content
from sluicegate.delivery.ledger.forgotten import Row, is_forgotten
from sluicegate.delivery.ledger.keys import PREFIX, KeyForm
from sluicegate.delivery.ledger.limits import Difference
from sluicegate.delivery.ledger.moved import MOVED, OVERTAKEN, set_moved_apart, with_overtaken
from sluicegate.delivery.ledger.order import Opened, Order
from sluicegate.delivery.ledger.standing import Known
from sluicegate.delivery.ledger.unique_keys import check_keys
from sluicegate.destinations.base import (
    CHANGE,
    CHANGED_FIELDS,
    ROW,
    ROW_HASH,
    TECHNICAL_COLUMNS,
    Change,
    DeliveryError,
    Mode,
)
from sluicegate.state.records import DeliveryKind

if TYPE_CHECKING:
    import duckdb

# The canonical key of each row that differs, `_new` and `_old` hash; it stays until the next comparison.
DIFFERENCE = "_difference"
_KNOWN, _WAS, _REFUSED, _LEFT_OUT, _FORGOTTEN = "_known", "_was", "_refused", "_left_out", "_forgotten"
# What a mode sends of what differs.
_SENDS = {
    Mode.APPEND: (Change.ADDED,),
    Mode.UPSERT: (Change.ADDED, Change.CHANGED),
    Mode.MIRROR: (Change.ADDED, Change.CHANGED, Change.REMOVED),
    Mode.SNAPSHOT: (Change.ADDED,),
}


def shape_of(fields: Mapping[str, str]) -> str:
    """Return a digest of fields and types, in whatever order."""
    return hashlib.sha256(json.dumps(sorted(fields.items())).encode()).hexdigest()


def find_difference(order: Order, opened: Opened, known: Known, shard: Path) -> Difference:
    """Compare the opened rows with what is known, and write what is to be sent.

    That is a shard; no file where there is nothing to send.

    Raises:
        DeliveryError: a key is empty or stands twice, a field has a name of the engine's or an unknown type.
    """
    connection, source, fields = opened.connection, opened.source, opened.fields
    _check_fields(order, fields)
    form = KeyForm.of(order.key, order.alike)
    content = Content(connection, known.layers, form, fields, shape_of(fields))
    rows, *sums = connection.execute(
        f"select count(*){''.join(f', sum({quoted(name)})' for name in order.limits.sums)} from ({source})"
    ).fetchone() or (0,)
    held = content.count()
    keyed = f"select {form.selected(fields)}, * from ({source})"
    hashed = f"select {form.selected(fields)}, {row_hash(fields)} as {ROW_HASH} from ({source})"
    held_hashes, overtaken = with_overtaken(connection, form, content, known)
    compare(connection, form, hashed, "" if content.empty else held_hashes)
    added, changed, removed = _counted(connection)
    check_keys(
        connection, order, form, keyed, fields, DIFFERENCE,
        matched=rows - added, acknowledged=held - removed,
    )  # fmt: skip
    connection.execute(
        f"create or replace temp table {_LEFT_OUT} as select {form.listed} from {DIFFERENCE} limit 0"
    )
    everything = order.kind is DeliveryKind.RESYNC
    forgotten = _leave_out_forgotten(connection, order, form, keyed, opened, known)
    waiting, given_up, outdated = _leave_out_refused(connection, form, known, everything=everything)
    sends = set(_SENDS[order.mode])
    set_moved_apart(connection, order, form, DIFFERENCE, known if Change.REMOVED in sends else None)
    added, changed, removed = _counted(connection)
    whole = known.first and (order.replaces or bool(rows))
    whole = whole or (order.mode is Mode.SNAPSHOT and bool(added + changed + removed))
    # What `upsert` has left there stays known: it is told anew beside it, not in its place.
    whole = whole or (everything and order.replaces and order.mode is not Mode.UPSERT)
    if whole or everything:
        selected = _every_row(connection, keyed, form, content, fields, sends, whole=whole)
    else:
        selected = _differing_rows(
            connection, form, keyed, fields, content, sends, held=held, overtaken=overtaken
        )
    shard_rows, digest = _write(connection, selected, shard, even_empty=whole)
    return Difference(
        rows=int(rows),
        held=held,
        added=added,
        changed=changed,
        removed=removed,
        waiting=waiting,
        given_up=given_up,
        forgotten=forgotten,
        whole=whole,
        shard_rows=shard_rows,
        digest=digest,
        shape=content.shape,
        hashed_by=hashed_by(connection),
        removes=_removes(order),
        sums=dict(zip(order.limits.sums, sums, strict=True)),
        outdated=outdated,
    )


def limits_past(
    order: Order,
    rows: int,
    held: int,
    changes: Mapping[Change, int],
    sums: Mapping[str, Any],
    *,
    first: bool,
    rightly_empty: bool,
) -> tuple[str, ...]:
    """Return every limit that a plan of these numbers would go past, in words: of what is compared elsewhere.

    `rows` are those to come, `held` those that are there; `changes` counts what differs, by sort.
    """
    sent = sum(changes.get(change, 0) for change in _SENDS[order.mode])
    snapshot = order.mode is Mode.SNAPSHOT and any(changes.values())
    added, changed, removed = (changes.get(change, 0) for change in _SENDS[Mode.MIRROR])
    plan = Difference(
        rows, held, added, changed, removed, 0, 0, 0, whole=snapshot,
        shard_rows=rows if snapshot else sent, digest="", shape="", hashed_by="",
        removes=_removes(order), sums=sums,
    )  # fmt: skip
    return order.limits.broken_by(plan, first=first, rightly_empty=rightly_empty, hidden=order.hidden)


def _removes(order: Order) -> bool:
    return order.mode in (Mode.MIRROR, Mode.SNAPSHOT)


def compare(connection: "duckdb.DuckDBPyConnection", key: KeyForm, new: str, old: str) -> None:
    """Make the table `DIFFERENCE` of two selections of canonical key and hash; null where there is no row.

    `old` is "" where there is nothing to compare with.
    """
    selected = f"select {key.listed}, {ROW_HASH} as _new, null::ubigint as _old from ({new})"
    if old:
        both = ", ".join(f"coalesce(s.{name}, t.{name}) as {name}" for name in key.columns)
        same = " and ".join(f"s.{name} = t.{name}" for name in key.columns)
        selected = (
            f"select {both}, s.{ROW_HASH} as _new, t.{ROW_HASH} as _old"
            f" from ({new}) s full outer join ({old}) t on {same}"
            f" where s.{ROW_HASH} is distinct from t.{ROW_HASH}"
        )
    connection.execute(f"create or replace temp table {DIFFERENCE} as {selected}")


def _check_fields(order: Order, fields: Mapping[str, str]) -> None:
    taken = [name for name in fields if name in TECHNICAL_COLUMNS or name.startswith(PREFIX)]
    if taken:
        raise DeliveryError(
            "SLU-E026",
            f"`{order.export}` has a field {taken[0]!r}",
            f"other names than {', '.join(TECHNICAL_COLUMNS)} and {PREFIX}…, which are the engine's own",
            "rename the column in the model, or under `names` of the export",
        )
    for name, kind in fields.items():
        try:
            parse_type(kind)
        except UnknownType:
            raise DeliveryError(
                "SLU-E011",
                f"`{order.export}`: {name} is of the type {kind}, whose values cannot be compared",
                "a type of the engine's own",
                "cast the column in the model",
            ) from None


def _counted(connection: "duckdb.DuckDBPyConnection") -> tuple[int, int, int]:
    found = connection.execute(
        f"select count(*) filter (where _old is null),"
        f" count(*) filter (where _old is not null and _new is not null),"
        f" count(*) filter (where _new is null) from {DIFFERENCE}"
    ).fetchone()
    assert found is not None
    return found


def _leave_out_forgotten(
    connection: "duckdb.DuckDBPyConnection",
    order: Order,
    form: KeyForm,
    keyed: str,
    opened: Opened,
    known: Known,
) -> int:
    row = Row(opened.fields, order.columns, opened.before, frozenset(order.maps))
    condition = is_forgotten(order.key, row, order.alike, known.forgotten)
    if not condition:
        return 0
    connection.execute(
        f"create or replace temp table {_FORGOTTEN} as select {form.listed} from ({keyed}) where {condition}"
    )
    gone = f"({form.listed}) in (select ({form.listed}) from {_FORGOTTEN})"
    return _leave_out(connection, form, f"_new is not null and {gone}")


def _leave_out_refused(
    connection: "duckdb.DuckDBPyConnection", form: KeyForm, known: Known, *, everything: bool
) -> tuple[int, int, tuple[str, ...]]:
    """Leave out refused rows that are as they were, and whose time has not come or that were given up.

    A person who asks for everything gets all of them tried again; so does an engine that hashes otherwise.
    """
    if not known.refused:
        return 0, 0, ()
    now = datetime.now(UTC)
    values = ", ".join(
        f"({literal(item.key)}, {literal(item.row_hash)},"
        f" {'null' if item.next_try_at is None else str(item.next_try_at > now).lower()})"
        for item in known.refused
    )
    connection.execute(
        f"create or replace temp table {_REFUSED} as select refused_key, row_hash, waits"
        f" from (values {values}) refused (refused_key, row_hash, waits)"
    )
    outdated = connection.execute(
        f"select refused_key from {_REFUSED}"
        f" where refused_key not in (select {form.text} from {DIFFERENCE} where _new is not null)"
    ).fetchall()
    told = tuple(row[0] for row in outdated)
    if everything:
        return 0, 0, told
    same = f"select refused_key, row_hash from {_REFUSED} where"
    waiting, given_up = (
        _leave_out(connection, form, f"({form.text}, cast(_new as varchar)) in ({same} {held})")
        for held in ("waits", "waits is null")
    )
    return waiting, given_up, told


def _leave_out(connection: "duckdb.DuckDBPyConnection", form: KeyForm, condition: str) -> int:
    connection.execute(f"insert into {_LEFT_OUT} select {form.listed} from {DIFFERENCE} where {condition}")
    deleted = connection.execute(f"delete from {DIFFERENCE} where {condition}").fetchone()
    return int(deleted[0]) if deleted else 0


def _differing_rows(
    connection: "duckdb.DuckDBPyConnection",
    key: KeyForm,
    keyed: str,
    fields: Mapping[str, str],
    content: Content,
    sends: set[Change],
    *,
    held: int,
    overtaken: bool,
) -> str:
    """Only the rows that differ, each as what it does; `held` is how many keys the scope holds."""
    keys = key.listed
    added, changed, removed = _counted(connection)
    differing, names = f"select * from {DIFFERENCE} where", ", ".join(f"s.{quoted(name)}" for name in fields)
    parts, known = list[str](), list[str]()
    if Change.CHANGED not in sends:
        changed = 0
    # What there is none of is not asked for: each part reads all rows, or all that were sent.
    if added or not changed:
        parts.append(
            f"select '{Change.ADDED}' as {CHANGE}, null::varchar[] as {CHANGED_FIELDS},"
            f" d._new as {ROW_HASH}, {names} from ({keyed}) s"
            f" join ({differing} _old is null) d using ({keys})"
        )
    if changed:
        both = f"{differing} _old is not null and _new is not null"
        known.append(both)
        fields_changed = _changed_fields(key, fields, content.of_other_types(), overtaken=overtaken)
        parts.append(
            f"select '{Change.CHANGED}' as {CHANGE}, {fields_changed} as {CHANGED_FIELDS},"
            f" d._new as {ROW_HASH}, {names} from ({keyed}) s"
            f" join ({both}) d using ({keys}) join {_WAS} w using ({keys})"
        )
    if Change.REMOVED in sends:
        gone = ", ".join(f"w.{quoted(name)}" for name in fields)
        for change, which in _gone_rows(connection):
            known.append(which)
            parts.append(
                f"select '{change}' as {CHANGE}, null::varchar[] as {CHANGED_FIELDS},"
                f" d._old as {ROW_HASH}, {gone} from {_WAS} w join ({which}) d using ({keys})"
            )
    selected = " union all ".join(parts)
    if not known:
        return selected
    listed = " union all ".join(f"select {keys} from ({which})" for which in known)
    lost = bool(content.of_other_types())
    if 2 * (changed + (removed if Change.REMOVED in sends else 0)) > held:
        # Most of what was sent: to tell the rest of it apart takes longer, and saves no memory to speak of.
        return f"with {_WAS} as not materialized ({content.typed(keyed=True, lost=lost)}) {selected}"
    # Worked out before it is joined: values of no other keys are held in memory.
    connection.execute(f"create or replace temp table {_KNOWN} as {listed}")
    return f"with {_WAS} as materialized ({content.typed(_KNOWN, keyed=True, lost=lost)}) {selected}"


def _changed_fields(
    key: KeyForm, fields: Mapping[str, str], of_other_types: Collection[str], *, overtaken: bool
) -> str:
    conditions = {
        name: differ(f"s.{quoted(name)}", f"w.{quoted(name)}", kind)
        + (f" or list_contains(w.{LOST}, {literal(name)})" if name in of_other_types else "")
        for name, kind in fields.items()
        if name not in key.names or name in key.alike
    }
    changed = changed_fields(conditions)
    if not overtaken:
        return changed
    # Nobody here knows what those fields are there by now.
    others = literals(name for name in fields if name not in key.names)
    return (
        f"case when ({', '.join(f'd.{name}' for name in key.columns)}) in"
        f" (select ({key.listed}) from {OVERTAKEN}) then {others} else {changed} end"
    )


def _gone_rows(connection: "duckdb.DuckDBPyConnection") -> list[tuple[Change, str]]:
    """Return what becomes of rows that are gone, with SQL of their keys, where there are any."""
    which = [
        (Change.REMOVED, f"select * from {DIFFERENCE} where _new is null"),
        (Change.MOVED, f"select * from {MOVED}"),
    ]
    return [(change, gone) for change, gone in which if connection.execute(f"{gone} limit 1").fetchone()]


def _every_row(
    connection: "duckdb.DuckDBPyConnection",
    keyed: str,
    key: KeyForm,
    content: Content,
    fields: Mapping[str, str],
    sends: set[Change],
    *,
    whole: bool,
) -> str:
    """All rows as added, less those left out; what has gone after them, where it is not swept away anyhow."""
    names = ", ".join(map(quoted, fields))
    rows = (
        f"select '{Change.ADDED}' as {CHANGE}, null::varchar[] as {CHANGED_FIELDS},"
        f" {row_hash(fields)} as {ROW_HASH}, {names} from ({keyed}) s"
        f" anti join {_LEFT_OUT} using ({key.listed})"
    )
    if whole or Change.REMOVED not in sends:
        return rows
    gone = ", ".join(f"w.{quoted(name)}" for name in fields)
    return " union all ".join(
        [
            rows,
            *(
                f"select '{change}' as {CHANGE}, null::varchar[] as {CHANGED_FIELDS},"
                f" d._old as {ROW_HASH}, {gone}"
                f" from ({content.typed(keyed=True)}) w join ({which}) d using ({key.listed})"
                for change, which in _gone_rows(connection)
            ),
        ]
    )


def _write(
    connection: "duckdb.DuckDBPyConnection", selected: str, shard: Path, *, even_empty: bool
) -> tuple[int, str]:
    """Write a shard; return its number of rows, and a digest that no order of rows changes."""
    shard.parent.mkdir(parents=True, exist_ok=True)
    partial = shard.with_suffix(".partial")
    _write_rows(connection, selected, partial)
    rows, digest = connection.execute(
        f"select count(*), {digest_of(ROW_HASH)} from read_parquet({literal(str(partial))})"
    ).fetchone() or (0, "")
    if rows or even_empty:
        partial.replace(shard)
    else:
        partial.unlink()
    return int(rows), f"duckdb-{hashed_by(connection)}:{digest}"


def _write_rows(connection: "duckdb.DuckDBPyConnection", selected: str, file: Path) -> None:
    import duckdb

    try:
        write_exact(connection, f"select row_number() over () - 1 as {ROW}, * from ({selected})", file)
        return
    except (duckdb.ConversionException, duckdb.InvalidInputException):
        pass  # its words have the value
    raise DeliveryError(
        "SLU-E012",
        "a field has a value that cannot be kept in a file: an infinite TIMESTAMP_S, say, or an INTERVAL in a"
        " VARIANT",
        "values that can",
        "cast the field to TIMESTAMP, or to text, in the export's model",
    )
