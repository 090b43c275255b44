"""Rows that a table cannot take, or let go of, named by their keys.

Belongs here: finding them in the temporary table, before anything is changed or after the server has said
no. Does not: the change itself (`apply`), what cannot be asked of rows (`errors`).

A key and a value stand in an error's `what` alone, which shows nothing classified (`delivery.discretion`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sluicegate.compute.sql import quoted

from ..base import Mode
from ..errors import DeliveryError
from .apply import STAGING, Application
from .referring import changing_of
from .targets import Target
from .types import literal

_STAGED = f"pg_temp.{STAGING} s"


def refuse_values(application: Application) -> None:
    """Raise for staged values that the table's types cannot hold exactly.

    Raises:
        DeliveryError: there are some; the first column's are counted and one is named.
    """
    checked = {name: taken for name, taken in application.taking.items() if taken.checked}
    if checked:
        _refuse(application, {name: taken.holds(application.staged(name)) for name, taken in checked.items()})


def culprit(application: Application, error: Any) -> DeliveryError | None:
    """Return what is wrong with which rows, in a transaction of its own, after the server has refused them.

    None where the server's words are all there is to say.
    """
    said = _said(error)
    state, table = str(error.sqlstate or ""), _table(said)
    if state in ("23503", "23505") and "PG_DIAG_CONSTRAINT_NAME" not in said:
        return None  # a trigger of the table says so, in words of its own
    if said.get("PG_DIAG_MESSAGE_PRIMARY", "").startswith("update or delete") and state == "23503":
        return _still_referred_to(application, said, table)
    if state == "23503":
        return _without_parent(application, said)
    if state == "23505":
        return _not_unique(application, said, table)
    if state == "23502" and said.get("PG_DIAG_COLUMN_NAME") in application.taking:
        return _empty(application, said["PG_DIAG_COLUMN_NAME"])
    found = _unfit(application) if state.startswith("22") or state in ("23514", "23502") else None
    return _forbidden(application, said, table) if found is None and state == "23514" else found


def _refuse(application: Application, holds: Mapping[str, str]) -> None:
    counts = ", ".join(f"count(*) filter (where not {condition})" for condition in holds.values())
    [found] = application.catalogue.rows(f"select {counts} from {_STAGED} where {application.arriving()}")
    for name, count in zip(holds, found, strict=True):
        if count:
            raise _misfit(application, name, f"not {holds[name]}", int(count))


def _misfit(application: Application, name: str, condition: str, count: int) -> DeliveryError:
    taken = application.taking[name]
    key, value = _example(application, condition, name)
    table = application.catalogue.target
    how = "" if taken.base == "jsonb" else "; a text goes in as the type shows it"
    return DeliveryError(
        "SLU-V104",
        f"column {name!r} of {table} is {taken.type}, which cannot hold {count} of"
        f" {application.shard.rows} values of {application.shard.export} exactly, e.g. {value} at {key}",
        f"values that {taken.type} holds as they are{how if taken.column.staged == 'text' else ''}",
        f"cast or leave them out in the export's model, or: {_widen(table, taken)}",
    )


def _widen(table: str, taken: Target) -> str:
    kind, name = taken.column.postgres_type, quoted(taken.column.name)
    return f"alter table {table} alter column {name} type {kind} using {name}::{kind}"


def _unfit(application: Application) -> DeliveryError | None:
    """Cast every value by itself: the server has said that one is wrong, and not which."""
    for number, (name, taken) in enumerate(application.taking.items()):
        if not taken.checked and taken.type == taken.column.staged:
            continue
        # Of a temporary schema, so it goes with the connection; never committed anyhow.
        function = f"pg_temp._sluice_holds_{number}"
        body = f"begin return {taken.holds('staged')}; exception when others then return false; end"
        application.catalogue.cursor.execute(
            f"create function {function}(staged {taken.column.staged}) returns boolean language plpgsql as"
            f" {literal(body)}"
        )
        condition = f"not {function}({application.staged(name)})"
        counted = f"select count(*) from {_STAGED} where {application.arriving()} and {condition}"
        count = int(application.catalogue.rows(counted)[0][0])
        if count:
            return _misfit(application, name, condition, count)
    return None


def _empty(application: Application, name: str) -> DeliveryError | None:
    condition = f"{application.staged(name)} is null"
    counted = f"select count(*) from {_STAGED} where {application.arriving()} and {condition}"
    count = int(application.catalogue.rows(counted)[0][0])
    if not count:
        return None
    key, _ = _example(application, condition, name)
    table = application.catalogue.target
    return DeliveryError(
        "SLU-V105",
        f"column {name!r} of {table} may not be null, and {count} values of {application.shard.export} are,"
        f" e.g. at {key} (SQLSTATE 23502)",
        "a value in every column that may not be null",
        f"give it a value in the export's model, or: alter table {table} alter column {quoted(name)}"
        " drop not null",
    )


def _still_referred_to(application: Application, said: Mapping[str, str], other: str) -> DeliveryError | None:
    pairs = _foreign_key(application, said["PG_DIAG_CONSTRAINT_NAME"], other)
    joined = " and ".join(f"r.{quoted(theirs)} = t.{quoted(ours)}" for theirs, ours in pairs)
    target = application.catalogue.target
    key = application.shard.key
    shown = ", ".join(f"t.{quoted(name)}::text" for name in key)
    changing, changed = changing_of(application, [ours for _, ours in pairs])
    own, fields = f"{application.catalogue.own} t", ", ".join(changed)
    ways = [
        (
            own,
            application.going(),
            "are gone from",
            "the rows in the model; or deliver in mode upsert, which deletes nothing",
        )
    ]
    if changed:
        ways.append(
            (f"{own}, {_STAGED}", changing, f"have another {fields} in", f"{fields} as it is in the model")
        )
    constraint = quoted(said["PG_DIAG_CONSTRAINT_NAME"])
    for tables, condition, what, instead in ways:
        found = application.catalogue.rows(
            f"select count(*) over (), {shown} from {tables} where {condition}"
            f" and exists (select from {other} r where {joined}) limit 1"
        )
        if found:
            number, *values = found[0]
            return DeliveryError(
                "SLU-V112",
                f"{target}: {number} rows that {what} {application.shard.export} are referred to by {other}"
                f" (constraint {constraint}), e.g. {_key(key, values)} (SQLSTATE 23503)",
                f"no row of {other} that refers to a row that goes, or to a value that changes",
                f"delete those rows of {other}, which constraint {constraint} is of, or let them refer to"
                f" others; or keep {instead}",
            )
    return None


def _without_parent(application: Application, said: Mapping[str, str]) -> DeliveryError | None:
    constraint, target = said["PG_DIAG_CONSTRAINT_NAME"], application.catalogue.target
    pairs = _foreign_key(application, constraint, target)
    [(other,)] = application.catalogue.rows(
        "select max(confrelid::regclass::text) from pg_constraint where conname = $1"
        f" and conrelid = {literal(target)}::regclass",
        (constraint,),
    )
    if not pairs or not other or not {ours for ours, _ in pairs} <= set(application.taking):
        return None
    joined = " and ".join(f"r.{quoted(theirs)} = {application.value(ours)}" for ours, theirs in pairs)
    given = " and ".join(f"{application.staged(ours)} is not null" for ours, _ in pairs)
    key, _ = _example(application, f"{given} and not exists (select from {other} r where {joined})")
    names = ", ".join(ours for ours, _ in pairs)
    return DeliveryError(
        "SLU-V111",
        f"{target}: rows of {application.shard.export} refer by {names} to rows that {other} does not have"
        f" (constraint {quoted(constraint)}), e.g. {key} (SQLSTATE 23503)",
        f"every {names} in {other}",
        f"deliver {other} first, or leave these rows out in the export's model",
    )


def _not_unique(application: Application, said: Mapping[str, str], table: str) -> DeliveryError | None:
    name, target, key = said["PG_DIAG_CONSTRAINT_NAME"], application.catalogue.target, application.shard.key
    found = application.catalogue.rows(
        "select i.indkey::text, pg_get_indexdef(i.indexrelid), pg_get_expr(i.indpred, i.indrelid, true),"
        " array(select pg_get_indexdef(i.indexrelid, n, true) from generate_series(1, i.indnkeyatts) n),"
        # All columns that it is made of, those within expressions and of the condition too.
        " array(select distinct a.attname::text from pg_depend d"
        "  join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid"
        "  where d.objid = i.indexrelid and d.refobjid = i.indrelid"
        "  union select a.attname::text from pg_attribute a where a.attrelid = i.indrelid"
        "  and a.attnum = any (i.indkey::int2[]))"
        " from pg_index i join pg_class c on c.oid = i.indexrelid"
        f" where c.relname = $1 and i.indrelid = {literal(table)}::regclass",
        (name,),
    )
    if not found:
        return None
    numbers, definition, condition, parts, columns = found[0]
    plain = condition is None and "0" not in str(numbers).split()
    if table == target and plain and set(columns) == set(key):
        return _inserted_meanwhile(application, name)
    listed = ", ".join(columns if plain else parts)
    what = f"constraint {quoted(name)}" + ("" if plain else f", {definition},")
    example = ""
    if table == target and set(columns) <= set(application.taking):
        example = f", e.g. at {_twice(application, parts, condition)}"
    whose = "" if table == target else f" of {table}, which a trigger of {target} writes to"
    return DeliveryError(
        "SLU-V113",
        f"{target}: values of {application.shard.export} stand twice in {listed}{whose}, which {what} allows"
        f" once{example} (SQLSTATE 23505)",
        f"a {listed} of its own in every row of the table, whoever wrote it",
        f"correct {listed} in the export's model, or free the value in {table}; where rows only change"
        f" places, make constraint {quoted(name)} anew as `deferrable`",
    )


def _twice(application: Application, parts: Sequence[str], condition: str | None) -> str:
    """The key of a staged row of which an index, made of these expressions, would hold the values twice."""
    key, own = application.shard.key, application.catalogue.own
    values = ", ".join(f"{application.value(name)} as {quoted(name)}" for name in application.taking)
    indexed = ", ".join(f"{part} as e{number}" for number, part in enumerate(parts))
    names = ", ".join(f"e{number}" for number in range(len(parts)))
    keys = ", ".join(f"{quoted(name)} as k{number}" for number, name in enumerate(key))
    where = f"where {condition}" if condition else ""
    sent = (
        f"select {indexed}, {keys} from (select {values} from {_STAGED} where {application.arriving()}) r"
        f" {where}"
    )
    same = " and ".join(f"sent.e{number} = held.e{number}" for number in range(len(parts)))
    one = " and ".join(f"sent.k{number} = held.k{number}" for number in range(len(key)))
    shown = ", ".join(f"sent.k{number}::text" for number in range(len(key)))
    found = application.catalogue.rows(
        f"with sent as materialized ({sent}), held as (select {indexed}, {keys} from {own} {where})"
        f" select {shown} from sent where exists (select from held where {same} and not ({one}))"
        f" or ({names}) in (select {names} from sent group by {names} having count(*) > 1) limit 1"
    )
    return _key(key, found[0]) if found else "a row that has changed since"


def _inserted_meanwhile(application: Application, name: str) -> DeliveryError:
    """What to say of the key's own constraint."""
    target, key, export = application.catalogue.target, application.shard.key, application.shard.export
    shown = ", ".join(f"t.{quoted(one)}::text" for one in key)
    outside = application.catalogue.rows(
        f"select {shown} from {application.catalogue.own} t, {_STAGED} where {application.arriving()}"
        f" and {application.same_key()} and not ({application.owned()}) limit 1"
    )
    if outside and application.shard.mode is not Mode.APPEND:
        return DeliveryError(
            "SLU-V118",
            f"{target}: a row outside of the partition holds a key of {export}, which constraint"
            f" {quoted(name)} allows once: {_key(key, outside[0])} (SQLSTATE 23505)",
            "keys that no other partition holds",
            "add the partition's column to `key` and to the table's primary key",
        )
    return DeliveryError(
        "SLU-V114",
        f"{target}: somebody else inserted a key of {export} during the delivery (SQLSTATE 23505)",
        "a key that is there before the delivery, or not at all",
        "rerun the partition: it finds the row now, and nothing was changed",
    )


def _forbidden(application: Application, said: Mapping[str, str], table: str) -> DeliveryError | None:
    """Evaluate what the server says is not so for the rows as they would be: a check, or all partitions."""
    if "PG_DIAG_TABLE_NAME" not in said:
        return None
    name, catalogue = said.get("PG_DIAG_CONSTRAINT_NAME"), application.catalogue
    regclass = f"{literal(table)}::regclass"
    found = catalogue.rows(
        f"select pg_get_expr(conbin, conrelid) from pg_constraint where conrelid = {regclass}"
        f" and contype = 'c' and conname = {literal(name)}"
        if name
        else "select coalesce(string_agg(pg_get_partition_constraintdef(relid), ' or '), 'false')"
        f" from pg_partition_tree({regclass}) where isleaf"
    )
    if not found:
        return None
    [(allowed,)] = found
    here = f"{catalogue.own} t where {application.same_key()} and {application.owned()}"
    names = [column.name for column in catalogue.columns() or ()]
    values = [
        application.value(one)
        if one in application.taking
        else f"(select t.{quoted(one)} from {here} limit 1)"
        for one in names
    ]
    row = ", ".join(f"{value} as {quoted(one)}" for value, one in zip(values, names, strict=True))
    condition = f"exists (select from (select {row}) r where not ({allowed}))"
    counted = f"select count(*) from {_STAGED} where {application.arriving()} and {condition}"
    count, of = int(catalogue.rows(counted)[0][0]), f"rows of {application.shard.export}"
    if not count:
        return None
    key, _ = _example(application, condition)
    if name:
        return DeliveryError(
            "SLU-V116",
            f"{catalogue.target}: constraint {quoted(name)} does not allow {count} {of}, e.g. {key}"
            " (SQLSTATE 23514)",
            f"rows of which this is so: {allowed[:200]}",
            "correct them, or leave them out, in the export's model; or, if the table's owner agrees: alter"
            f" table {_stated_at(application, name, regclass)} drop constraint {quoted(name)}",
        )
    return DeliveryError(
        "SLU-V115",
        f"{table} has no partition for {count} {of}, e.g. {key} (SQLSTATE 23514)",
        "a partition for every row",
        f"make one for these rows, or leave them out in the export's model; for all others: create table"
        f" {_beside(table, '_others')} partition of {table} default",
    )


def _stated_at(application: Application, name: str, regclass: str) -> str:
    """The table that a constraint can be dropped at: this one, or one that it has it from."""
    found = application.catalogue.rows(
        f"with recursive up (oid) as (select {regclass}::oid union select i.inhparent from pg_inherits i"
        " join up on i.inhrelid = up.oid) select n.nspname::text, r.relname::text from up"
        " join pg_constraint c on c.conrelid = up.oid and c.contype = 'c' and c.coninhcount = 0"
        " join pg_class r on r.oid = up.oid join pg_namespace n on n.oid = r.relnamespace"
        f" where c.conname = {literal(name)}"
    )
    return ".".join(map(quoted, found[0]))


def _beside(table: str, ending: str) -> str:
    return f'{table[:-1]}{ending}"'


def _foreign_key(application: Application, name: str, table: str) -> list[tuple[str, str]]:
    """The pairs (column that refers, column referred to) of a constraint of a table."""
    found = application.catalogue.rows(
        "select a.attname::text, b.attname::text from pg_constraint c"
        " cross join unnest(c.conkey, c.confkey) as k (one, other)"
        " join pg_attribute a on a.attrelid = c.conrelid and a.attnum = k.one"
        " join pg_attribute b on b.attrelid = c.confrelid and b.attnum = k.other"
        f" where c.contype = 'f' and c.conname = $1 and c.conrelid = {literal(table)}::regclass",
        (name,),
    )
    return [(str(one), str(other)) for one, other in found]


def _example(application: Application, condition: str, field: str | None = None) -> tuple[str, str]:
    """The first staged row of a condition: its key, and its value of a field."""
    key = application.shard.key
    staged = [application.staged(name) for name in (*key, *([field] if field else []))]
    shown = ", ".join(f"{name}::text" for name in staged)
    found = application.catalogue.rows(
        f"select {shown} from {_STAGED} where {application.arriving()} and {condition} limit 1"
    )
    if not found:
        return "a row that has changed since", ""
    values = found[0]
    return _key(key, values[: len(key)]), str(values[-1])[:200]


def _key(key: Sequence[str], values: Sequence[object]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in zip(key, values, strict=True))


def _said(error: Any) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in error.details or ()}


def _table(said: Mapping[str, str]) -> str:
    return f"{quoted(said.get('PG_DIAG_SCHEMA_NAME', ''))}.{quoted(said.get('PG_DIAG_TABLE_NAME', ''))}"
