"""The validated rows beside what the destination acknowledged: what is added, changed and removed.

One join of keys and hashes finds the keys that differ; only their rows are read whole. So what is
written and sent grows with what has changed, and memory with the number of keys alone.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.compute.row_hash import digest_of, fields_of, hashed_by, row_hash, value_hash
from orchestration.compute.sql import literal, quoted
from orchestration.compute.sql_types import UnknownType, parse_type
from orchestration.delivery.planning.content import Content, Layer, columns_as
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
from orchestration.state.records import ForgottenKey, RefusedKey

if TYPE_CHECKING:
    import duckdb

_DIFFERENCE, _WAS, _REFUSED, _LEFT_OUT = "_difference", "_was", "_refused", "_left_out"
# What a mode sends of what differs.
_SENDS = {
    Mode.APPEND: (Change.ADDED,),
    Mode.UPSERT: (Change.ADDED, Change.CHANGED),
    Mode.MIRROR: (Change.ADDED, Change.CHANGED, Change.REMOVED),
    Mode.SNAPSHOT: (Change.ADDED,),
}


@dataclass(frozen=True)
class Asked:
    """What is to be compared.

    `source` is SQL of the rows, its columns the fields as the destination calls them. `first`: this scope was
    never sent before. `everything` sends every row, whatever was acknowledged (a resync); `replaces`:
    the destination can replace a scope whole.
    `refused` are the keys of this scope that were refused before, `forgotten` those never to be sent again.
    `sums` are fields to be summed up for the limits; `named` is what errors call the export, `mend` where its
    key is to be mended.
    """

    source: str
    key: tuple[str, ...]
    mode: Mode
    named: str
    mend: str
    now: datetime
    first: bool
    everything: bool = False
    replaces: bool = True
    refused: Sequence[RefusedKey] = ()
    forgotten: Sequence[ForgottenKey] = ()
    sums: Sequence[str] = ()


@dataclass(frozen=True)
class Difference:
    """What differs, counted; `rows` are those of the source, `held` those that the scope holds now.

    `waiting` and `given_up` are refused keys that are left out this time; `forgotten` keys that were erased.
    `outdated` are refused keys that no longer differ or exist. `removes`: what is removed from the source is
    taken out of the destination, too.
    """

    rows: int
    held: int
    added: int
    changed: int
    removed: int
    waiting: int
    given_up: int
    forgotten: int
    whole: bool
    shard_rows: int
    digest: str
    shape: str
    hashed_by: str
    removes: bool = True
    sums: Mapping[str, Any] = field(default_factory=dict[str, Any])
    outdated: tuple[str, ...] = ()

    @property
    def unchanged(self) -> int:
        """How many rows the destination holds as they are."""
        return self.rows - self.added - self.changed - self.waiting - self.given_up - self.forgotten


def shape_of(fields: Mapping[str, str]) -> str:
    """Return a digest of fields and types, in whatever order."""
    return hashlib.sha256(json.dumps(sorted(fields.items())).encode()).hexdigest()


def key_text(key: Sequence[str]) -> str:
    """Return SQL for a key as the records write it: the JSON list of its values as text."""
    return f"to_json([{', '.join(f'cast({quoted(name)} as varchar)' for name in key)}])::varchar"


def find_difference(
    connection: "duckdb.DuckDBPyConnection", asked: Asked, layers: Sequence[Layer], shard: Path
) -> Difference:
    """Compare, and write what is to be sent as a shard; no file where there is nothing to send.

    Raises:
        DeliveryError: a key is empty or stands twice, a field has a name of the engine's or an unknown type.
    """
    fields = fields_of(connection, asked.source)
    _check_fields(asked, fields)
    shape = shape_of(fields)
    content = Content(connection, layers, asked.key, list(fields), shape)
    rows, *sums = connection.execute(
        f"select count(*){''.join(f', sum({quoted(name)})' for name in asked.sums)} from ({asked.source})"
    ).fetchone() or (0,)
    held = content.rows()
    _compare(connection, asked, content, fields)
    added, changed, removed = _counted(connection)
    _check_key(connection, asked, matched=rows - added, acknowledged=held - removed)
    keys = ", ".join(quoted(name) for name in asked.key)
    connection.execute(
        f"create or replace temp table {_LEFT_OUT} as select {keys} from {_DIFFERENCE} limit 0"
    )
    forgotten = _leave_out_forgotten(connection, asked)
    waiting, given_up, outdated = _leave_out_refused(connection, asked)
    added, changed, removed = _counted(connection)
    sends = set(_SENDS[asked.mode])
    whole = asked.first and (asked.replaces or bool(rows))
    whole = whole or (asked.mode is Mode.SNAPSHOT and bool(added + changed + removed))
    # What `upsert` has left there stays known: it is told anew beside it, not in its place.
    whole = whole or (asked.everything and asked.replaces and asked.mode is not Mode.UPSERT)
    if whole or asked.everything:
        selected = _every_row(connection, asked, content, fields, sends, whole=whole)
    else:
        _remember_old_values(connection, content, fields)
        selected = _differing_rows(asked, fields, sends)
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
        shape=shape,
        hashed_by=hashed_by(connection),
        removes=asked.mode in (Mode.MIRROR, Mode.SNAPSHOT),
        sums=dict(zip(asked.sums, sums, strict=True)),
        outdated=outdated,
    )


def _check_fields(asked: Asked, fields: Mapping[str, str]) -> None:
    taken = [name for name in TECHNICAL_COLUMNS if name in fields]
    if taken:
        raise DeliveryError(
            f"`{asked.named}` has a field {taken[0]!r}",
            f"other names than {', '.join(TECHNICAL_COLUMNS)}, which shards use themselves",
            "rename the column in the model, or under `names` of the export",
        )
    for name, kind in fields.items():
        try:
            parse_type(kind)
        except UnknownType:
            raise DeliveryError(
                f"`{asked.named}`: {name} is of the type {kind}, whose values cannot be compared",
                "a type of the engine's own",
                "cast the column in the model",
            ) from None


def _compare(
    connection: "duckdb.DuckDBPyConnection", asked: Asked, content: Content, fields: Mapping[str, str]
) -> None:
    """Make the table of the keys that differ: `_new` and `_old` hash, null where there is no row."""
    keys = ", ".join(quoted(name) for name in asked.key)
    hashed = f"select {keys}, {row_hash(fields)} as {ROW_HASH} from ({asked.source})"
    if content.empty:
        connection.execute(
            f"create or replace temp table {_DIFFERENCE} as"
            f" select {keys}, {ROW_HASH} as _new, null::ubigint as _old from ({hashed})"
        )
        return
    both = ", ".join(f"coalesce(s.{quoted(name)}, t.{quoted(name)}) as {quoted(name)}" for name in asked.key)
    same = " and ".join(f"s.{quoted(name)} = t.{quoted(name)}" for name in asked.key)
    connection.execute(
        f"create or replace temp table {_DIFFERENCE} as"
        f" select {both}, s.{ROW_HASH} as _new, t.{ROW_HASH} as _old"
        f" from ({hashed}) s full outer join ({content.hashes()}) t on {same}"
        f" where s.{ROW_HASH} is distinct from t.{ROW_HASH}"
    )


def _counted(connection: "duckdb.DuckDBPyConnection") -> tuple[int, int, int]:
    found = connection.execute(
        f"select count(*) filter (where _old is null),"
        f" count(*) filter (where _old is not null and _new is not null),"
        f" count(*) filter (where _new is null) from {_DIFFERENCE}"
    ).fetchone()
    assert found is not None
    return found


def _check_key(
    connection: "duckdb.DuckDBPyConnection", asked: Asked, *, matched: int, acknowledged: int
) -> None:
    """Raise where a key is empty or stands twice.

    What was acknowledged has each key once: so if as many rows of the source found a partner as partners were
    found, none of them stands twice, and only added keys need be looked at.
    """
    keys = [quoted(name) for name in asked.key]
    empty = " or ".join(f"{name} is null" for name in keys)
    listed = ", ".join(keys)
    nulls, added, hashes = connection.execute(
        f"select count(*) filter (where {empty}), count(*), count(distinct hash({listed}))"
        f" from {_DIFFERENCE} where _old is null"
    ).fetchone() or (0, 0, 0)
    twice = matched - acknowledged
    if hashes < added:  # equal hashes are no proof
        (distinct,) = connection.execute(
            f"select count(*) from (select distinct {listed} from {_DIFFERENCE} where _old is null)"
        ).fetchone() or (0,)
        twice += added - distinct
    if nulls or twice:
        raise DeliveryError(
            f"key ({', '.join(asked.key)}) of `{asked.named}`: {twice} rows stand twice,"
            f" {nulls} have an empty part",
            "every row to have a key of its own",
            asked.mend,
        )


def _leave_out_forgotten(connection: "duckdb.DuckDBPyConnection", asked: Asked) -> int:
    if not asked.forgotten:
        return 0
    salts: dict[str, list[str]] = {}
    for item in asked.forgotten:
        salts.setdefault(item.salt, []).append(item.key_digest)
    condition = " or ".join(
        f"sha256({literal(salt)} || {key_text(asked.key)}) in ({', '.join(map(literal, digests))})"
        for salt, digests in salts.items()
    )
    return _leave_out(connection, asked, f"_new is not null and ({condition})")


def _leave_out_refused(
    connection: "duckdb.DuckDBPyConnection", asked: Asked
) -> tuple[int, int, tuple[str, ...]]:
    """Leave out refused rows that are as they were, and whose time has not come or that were given up.

    A person who asks for everything gets all of them tried again; so does an engine that hashes otherwise.
    """
    if not asked.refused:
        return 0, 0, ()
    values = ", ".join(
        f"({literal(item.key)}, {literal(item.row_hash)},"
        f" {'null' if item.next_try_at is None else str(item.next_try_at > asked.now).lower()})"
        for item in asked.refused
    )
    connection.execute(
        f"create or replace temp table {_REFUSED} as select refused_key, row_hash, waits"
        f" from (values {values}) refused (refused_key, row_hash, waits)"
    )
    key = key_text(asked.key)
    outdated = connection.execute(
        f"select refused_key from {_REFUSED}"
        f" where refused_key not in (select {key} from {_DIFFERENCE} where _new is not null)"
    ).fetchall()
    told = tuple(row[0] for row in outdated)
    if asked.everything:
        return 0, 0, told
    same = f"select refused_key, row_hash from {_REFUSED} where"
    waiting, given_up = (
        _leave_out(connection, asked, f"({key}, cast(_new as varchar)) in ({same} {held})")
        for held in ("waits", "waits is null")
    )
    return waiting, given_up, told


def _leave_out(connection: "duckdb.DuckDBPyConnection", asked: Asked, condition: str) -> int:
    keys = ", ".join(quoted(name) for name in asked.key)
    connection.execute(f"insert into {_LEFT_OUT} select {keys} from {_DIFFERENCE} where {condition}")
    deleted = connection.execute(f"delete from {_DIFFERENCE} where {condition}").fetchone()
    return int(deleted[0]) if deleted else 0


def _remember_old_values(
    connection: "duckdb.DuckDBPyConnection", content: Content, fields: Mapping[str, str]
) -> None:
    connection.execute(
        f"create or replace temp table _known as select * exclude (_new, _old) from {_DIFFERENCE}"
        " where _old is not null"
    )
    old = content.values("_known")
    connection.execute(
        f"create or replace temp table {_WAS} as select {columns_as(connection, old, fields)} from ({old})"
    )


def _differing_rows(asked: Asked, fields: Mapping[str, str], sends: set[Change]) -> str:
    keys = ", ".join(quoted(name) for name in asked.key)
    differing = f"select * from {_DIFFERENCE} where"
    names = ", ".join(f"s.{quoted(name)}" for name in fields)
    same = " and ".join(f"s.{quoted(name)} = w.{quoted(name)}" for name in asked.key)
    differs = ", ".join(
        f"case when {value_hash(f's.{quoted(name)}', kind)} <> {value_hash(f'w.{quoted(name)}', kind)}"
        f" then {literal(name)} end"
        for name, kind in fields.items()
        if name not in asked.key
    )
    changed_fields = (
        f"list_filter([{differs}], lambda name: name is not null)" if differs else "[]::varchar[]"
    )
    parts: list[str] = []
    if Change.ADDED in sends:
        parts.append(
            f"select '{Change.ADDED}' as {CHANGE}, null::varchar[] as {CHANGED_FIELDS},"
            f" d._new as {ROW_HASH}, {names} from ({asked.source}) s"
            f" join ({differing} _old is null) d using ({keys})"
        )
    if Change.CHANGED in sends:
        parts.append(
            f"select '{Change.CHANGED}' as {CHANGE}, {changed_fields}::varchar[] as {CHANGED_FIELDS},"
            f" d._new as {ROW_HASH}, {names} from ({asked.source}) s"
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
    connection: "duckdb.DuckDBPyConnection",
    asked: Asked,
    content: Content,
    fields: Mapping[str, str],
    sends: set[Change],
    *,
    whole: bool,
) -> str:
    """All rows as added, less those left out; what has gone after them, where it is not swept away anyhow."""
    keys = ", ".join(quoted(name) for name in asked.key)
    rows = (
        f"select '{Change.ADDED}' as {CHANGE}, null::varchar[] as {CHANGED_FIELDS},"
        f" {row_hash(fields)} as {ROW_HASH}, * from ({asked.source}) s anti join {_LEFT_OUT} using ({keys})"
    )
    if whole or Change.REMOVED not in sends:
        return rows
    gone = f"(select * from {_DIFFERENCE} where _new is null)"
    old = content.values()
    return (
        f"{rows} union all by name select '{Change.REMOVED}' as {CHANGE},"
        f" null::varchar[] as {CHANGED_FIELDS}, d._old as {ROW_HASH}, w.*"
        f" from (select {columns_as(connection, old, fields)} from ({old})) w join {gone} d using ({keys})"
    )


def _write(
    connection: "duckdb.DuckDBPyConnection", selected: str, shard: Path, *, even_empty: bool
) -> tuple[int, str]:
    """Write a shard; return its number of rows, and a digest that no order of rows changes."""
    shard.parent.mkdir(parents=True, exist_ok=True)
    partial = shard.with_suffix(".partial")
    connection.execute(
        f"copy (select row_number() over () - 1 as {ROW}, * from ({selected}))"
        f" to {literal(str(partial))} (format parquet)"
    )
    rows, digest = connection.execute(
        f"select count(*), {digest_of(ROW_HASH)} from read_parquet({literal(str(partial))})"
    ).fetchone() or (0, "")
    if rows or even_empty:
        partial.replace(shard)
    else:
        partial.unlink()
    return int(rows), f"duckdb-{hashed_by(connection)}:{digest}"
