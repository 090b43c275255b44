"""The validated rows beside what the destination acknowledged: what is added, changed and removed.

One join of keys and hashes finds the keys that differ; only their rows are read whole. So what is
written and sent grows with what has changed, and memory with the number of keys alone.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.compute.exact_parquet import write_exact
from orchestration.compute.row_hash import digest_of, fields_of, hashed_by, row_hash, value_hash
from orchestration.compute.sql import literal, quoted
from orchestration.compute.sql_types import UnknownType, parse_type
from orchestration.delivery.ledger.content import Content, key_text
from orchestration.delivery.ledger.limits import Difference
from orchestration.delivery.ledger.order import Order
from orchestration.delivery.ledger.standing import Known
from orchestration.destinations.base import (
    CHANGE,
    CHANGED_FIELDS,
    ROW,
    ROW_HASH,
    TECHNICAL_COLUMNS,
    Change,
    DeliveryError,
    Mode,
)
from orchestration.state.records import DeliveryKind, ForgottenKey

if TYPE_CHECKING:
    import duckdb

# The key of each row that differs, `_new` and `_old` hash; it stays until the next comparison.
DIFFERENCE = "_difference"
_WAS, _REFUSED, _LEFT_OUT = "_was", "_refused", "_left_out"
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


def find_difference(
    connection: "duckdb.DuckDBPyConnection", order: Order, source: str, known: Known, shard: Path
) -> Difference:
    """Compare `source`, SQL whose columns are the fields, with what is known, and write what is to be sent.

    That is a shard; no file where there is nothing to send.

    Raises:
        DeliveryError: a key is empty or stands twice, a field has a name of the engine's or an unknown type.
    """
    fields = fields_of(connection, source)
    _check_fields(order, fields)
    content = Content(connection, known.layers, order.key, fields, shape_of(fields))
    rows, *sums = connection.execute(
        f"select count(*){''.join(f', sum({quoted(name)})' for name in order.limits.sums)} from ({source})"
    ).fetchone() or (0,)
    held = content.count()
    keys = ", ".join(quoted(name) for name in order.key)
    hashed = f"select {keys}, {row_hash(fields)} as {ROW_HASH} from ({source})"
    compare(connection, order.key, hashed, "" if content.empty else content.hashes())
    added, changed, removed = _counted(connection)
    _check_key(connection, order, matched=rows - added, acknowledged=held - removed)
    connection.execute(f"create or replace temp table {_LEFT_OUT} as select {keys} from {DIFFERENCE} limit 0")
    everything = order.kind is DeliveryKind.RESYNC
    forgotten = 0
    if known.forgotten:
        condition = is_forgotten(order.key, known.forgotten)
        forgotten = _leave_out(connection, order, f"_new is not null and ({condition})")
    waiting, given_up, outdated = _leave_out_refused(connection, order, known, everything=everything)
    added, changed, removed = _counted(connection)
    sends = set(_SENDS[order.mode])
    whole = known.first and (order.replaces or bool(rows))
    whole = whole or (order.mode is Mode.SNAPSHOT and bool(added + changed + removed))
    # What `upsert` has left there stays known: it is told anew beside it, not in its place.
    whole = whole or (everything and order.replaces and order.mode is not Mode.UPSERT)
    if whole or everything:
        selected = _every_row(source, keys, content, fields, sends, whole=whole)
    else:
        _remember_old_values(connection, content)
        selected = _differing_rows(order.key, source, fields, sends)
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
        removes=order.mode in (Mode.MIRROR, Mode.SNAPSHOT),
        sums=dict(zip(order.limits.sums, sums, strict=True)),
        outdated=outdated,
    )


def compare(connection: "duckdb.DuckDBPyConnection", key: Sequence[str], new: str, old: str) -> None:
    """Make the table `DIFFERENCE` of two selections of key and hash; null where there is no row.

    `old` is "" where there is nothing to compare with.
    """
    keys = ", ".join(quoted(name) for name in key)
    selected = f"select {keys}, {ROW_HASH} as _new, null::ubigint as _old from ({new})"
    if old:
        both = ", ".join(f"coalesce(s.{quoted(name)}, t.{quoted(name)}) as {quoted(name)}" for name in key)
        same = " and ".join(f"s.{quoted(name)} = t.{quoted(name)}" for name in key)
        selected = (
            f"select {both}, s.{ROW_HASH} as _new, t.{ROW_HASH} as _old"
            f" from ({new}) s full outer join ({old}) t on {same}"
            f" where s.{ROW_HASH} is distinct from t.{ROW_HASH}"
        )
    connection.execute(f"create or replace temp table {DIFFERENCE} as {selected}")


def is_forgotten(key: Sequence[str], forgotten: Sequence[ForgottenKey]) -> str:
    """Return the SQL condition that a row's key is one of those never to be sent again; "" for none."""
    salts: dict[str, list[str]] = {}
    for item in forgotten:
        salts.setdefault(item.salt, []).append(literal(item.key_digest))
    return " or ".join(
        f"sha256({literal(salt)} || {key_text(key)}) in ({', '.join(digests)})"
        for salt, digests in salts.items()
    )


def _check_fields(order: Order, fields: Mapping[str, str]) -> None:
    taken = [name for name in TECHNICAL_COLUMNS if name in fields]
    if taken:
        raise DeliveryError(
            f"`{order.export}` has a field {taken[0]!r}",
            f"other names than {', '.join(TECHNICAL_COLUMNS)}, which shards use themselves",
            "rename the column in the model, or under `names` of the export",
        )
    for name, kind in fields.items():
        try:
            parse_type(kind)
        except UnknownType:
            raise DeliveryError(
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


def _check_key(
    connection: "duckdb.DuckDBPyConnection", order: Order, *, matched: int, acknowledged: int
) -> None:
    """Raise where a key is empty or stands twice.

    What was acknowledged has each key once: so if as many rows of the source found a partner as partners were
    found, none of them stands twice, and only added keys need be looked at.
    """
    keys = [quoted(name) for name in order.key]
    empty = " or ".join(f"{name} is null" for name in keys)
    listed = ", ".join(keys)
    nulls, added, hashes = connection.execute(
        f"select count(*) filter (where {empty}), count(*), count(distinct hash({listed}))"
        f" from {DIFFERENCE} where _old is null"
    ).fetchone() or (0, 0, 0)
    twice = matched - acknowledged
    if hashes < added:  # equal hashes are no proof
        (distinct,) = connection.execute(
            f"select count(*) from (select distinct {listed} from {DIFFERENCE} where _old is null)"
        ).fetchone() or (0,)
        twice += added - distinct
    if nulls or twice:
        raise DeliveryError(
            f"key ({', '.join(order.key)}) of `{order.export}`: {twice} rows stand twice,"
            f" {nulls} have an empty part",
            "every row to have a key of its own",
            order.mend,
        )


def _leave_out_refused(
    connection: "duckdb.DuckDBPyConnection", order: Order, known: Known, *, everything: bool
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
    key = key_text(order.key)
    outdated = connection.execute(
        f"select refused_key from {_REFUSED}"
        f" where refused_key not in (select {key} from {DIFFERENCE} where _new is not null)"
    ).fetchall()
    told = tuple(row[0] for row in outdated)
    if everything:
        return 0, 0, told
    same = f"select refused_key, row_hash from {_REFUSED} where"
    waiting, given_up = (
        _leave_out(connection, order, f"({key}, cast(_new as varchar)) in ({same} {held})")
        for held in ("waits", "waits is null")
    )
    return waiting, given_up, told


def _leave_out(connection: "duckdb.DuckDBPyConnection", order: Order, condition: str) -> int:
    keys = ", ".join(quoted(name) for name in order.key)
    connection.execute(f"insert into {_LEFT_OUT} select {keys} from {DIFFERENCE} where {condition}")
    deleted = connection.execute(f"delete from {DIFFERENCE} where {condition}").fetchone()
    return int(deleted[0]) if deleted else 0


def _remember_old_values(connection: "duckdb.DuckDBPyConnection", content: Content) -> None:
    connection.execute(
        f"create or replace temp table _known as select * exclude (_new, _old) from {DIFFERENCE}"
        " where _old is not null"
    )
    connection.execute(f"create or replace temp table {_WAS} as {content.typed('_known')}")


def _differing_rows(key: Sequence[str], source: str, fields: Mapping[str, str], sends: set[Change]) -> str:
    keys = ", ".join(quoted(name) for name in key)
    differing = f"select * from {DIFFERENCE} where"
    names = ", ".join(f"s.{quoted(name)}" for name in fields)
    same = " and ".join(f"s.{quoted(name)} = w.{quoted(name)}" for name in key)
    differs = ", ".join(
        f"case when {value_hash(f's.{quoted(name)}', kind)} <> {value_hash(f'w.{quoted(name)}', kind)}"
        f" then {literal(name)} end"
        for name, kind in fields.items()
        if name not in key
    )
    changed_fields = (
        f"list_filter([{differs}], lambda name: name is not null)" if differs else "[]::varchar[]"
    )
    parts: list[str] = []
    if Change.ADDED in sends:
        parts.append(
            f"select '{Change.ADDED}' as {CHANGE}, null::varchar[] as {CHANGED_FIELDS},"
            f" d._new as {ROW_HASH}, {names} from ({source}) s"
            f" join ({differing} _old is null) d using ({keys})"
        )
    if Change.CHANGED in sends:
        parts.append(
            f"select '{Change.CHANGED}' as {CHANGE}, {changed_fields}::varchar[] as {CHANGED_FIELDS},"
            f" d._new as {ROW_HASH}, {names} from ({source}) s"
            f" join ({differing} _old is not null and _new is not null) d using ({keys})"
            f" join {_WAS} w on {same}"
        )
    if Change.REMOVED in sends:
        gone = ", ".join(f"w.{quoted(name)}" for name in fields)
        parts.append(
            f"select '{Change.REMOVED}' as {CHANGE}, null::varchar[] as {CHANGED_FIELDS},"
            f" d._old as {ROW_HASH}, {gone} from {_WAS} w"
            f" join ({differing} _new is null) d using ({keys})"
        )
    return " union all ".join(parts)


def _every_row(
    source: str, keys: str, content: Content, fields: Mapping[str, str], sends: set[Change], *, whole: bool
) -> str:
    """All rows as added, less those left out; what has gone after them, where it is not swept away anyhow."""
    rows = (
        f"select '{Change.ADDED}' as {CHANGE}, null::varchar[] as {CHANGED_FIELDS},"
        f" {row_hash(fields)} as {ROW_HASH}, * from ({source}) s anti join {_LEFT_OUT} using ({keys})"
    )
    if whole or Change.REMOVED not in sends:
        return rows
    gone = f"(select * from {DIFFERENCE} where _new is null)"
    return (
        f"{rows} union all by name select '{Change.REMOVED}' as {CHANGE},"
        f" null::varchar[] as {CHANGED_FIELDS}, d._old as {ROW_HASH}, w.*"
        f" from ({content.typed()}) w join {gone} d using ({keys})"
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
        "a field has a value that cannot be kept in a file: an infinite TIMESTAMP_S, say, or an INTERVAL in a"
        " VARIANT",
        "values that can",
        "cast the field to TIMESTAMP, or to text, in the export's model",
    )
