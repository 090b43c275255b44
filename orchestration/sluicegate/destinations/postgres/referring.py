"""Rows of others that Postgres would change along with ours: those that refer to a row that goes or changes.

A foreign key with `on delete` or `on update` `cascade`, `set null` or `set default` makes the server change
the rows that refer: https://www.postgresql.org/docs/current/ddl-constraints.html#DDL-CONSTRAINTS-FK. Belongs
here: finding such rows before anything is changed. Does not: keys that forbid a change (`misfits`).

The rows that are to go or to change are locked first, so that nobody refers to one of them meanwhile.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sluicegate.compute.sql import quoted

from ..base import Mode
from ..errors import DeliveryError
from .apply import STAGING, Application
from .catalogue import Catalogue
from .shard import replaces_scope
from .types import literal

_STAGED = f"pg_temp.{STAGING} s"
_ACTIONS = {"c": "cascade", "n": "set null", "d": "set default"}
_FOLLOW = "set `referring_rows: follow` under `destination.options` of the export file to let them follow"


@dataclass(frozen=True, slots=True)
class Reference:
    """A foreign key by which rows follow those of the table.

    Attributes:
        name: of the constraint.
        table: the one that refers, as statements name it.
        own: the same where its rows are looked for.
        on_delete: what becomes of its rows when the other goes; "" if the other has to stay.
        on_update: the same when what they refer to changes.
        itself: the table refers to itself.
        readable: the role may read the columns that refer.
        theirs: the columns that refer.
        ours: those that they refer to.
    """

    name: str
    table: str
    own: str
    on_delete: str
    on_update: str
    itself: bool
    readable: bool
    theirs: Sequence[str]
    ours: Sequence[str]


def references(catalogue: Catalogue) -> list[Reference]:
    """Return the foreign keys by which rows would follow."""
    table = f"{literal(catalogue.target)}::regclass"
    found = catalogue.rows(
        "select c.conname::text, n.nspname::text, r.relname::text, r.relkind::text, c.confdeltype::text,"
        " c.confupdtype::text, c.conrelid = c.confrelid, has_schema_privilege(n.oid, 'usage')"
        " and bool_and(has_column_privilege(c.conrelid, k.one, 'select')),"
        " array_agg(a.attname::text order by k.place), array_agg(b.attname::text order by k.place)"
        " from pg_constraint c join pg_class r on r.oid = c.conrelid"
        " join pg_namespace n on n.oid = r.relnamespace"
        " cross join unnest(c.conkey, c.confkey) with ordinality k (one, other, place)"
        " join pg_attribute a on a.attrelid = c.conrelid and a.attnum = k.one"
        " join pg_attribute b on b.attrelid = c.confrelid and b.attnum = k.other"
        " where c.contype = 'f' and c.conparentid = 0 and (c.confdeltype in ('c', 'n', 'd')"
        f" or c.confupdtype in ('c', 'n', 'd')) and (c.confrelid = {table}"
        f" or c.confrelid in (select relid from pg_partition_tree({table})))"
        " group by c.oid, n.oid, r.oid order by 1"
    )
    return [
        Reference(
            name=name,
            table=f"{quoted(schema)}.{quoted(relation)}",
            own=f"{'' if kind == 'p' else 'only '}{quoted(schema)}.{quoted(relation)}",
            on_delete=_ACTIONS.get(deleted, ""),
            on_update=_ACTIONS.get(updated, ""),
            itself=itself,
            readable=readable,
            theirs=theirs,
            ours=ours,
        )
        for name, schema, relation, kind, deleted, updated, itself, readable, theirs, ours in found
    ]


def refuse_followers(application: Application) -> None:
    """Raise for rows of others that would follow those that a shard deletes or changes.

    Raises:
        DeliveryError: there are some; one row that they refer to is named by its key.
    """
    shard, catalogue = application.shard, application.catalogue
    if shard.mode is Mode.APPEND:
        return
    for reference in references(catalogue):
        keep = "keep the rows in the model"
        if reference.on_delete and (replaces_scope(shard) or application.removes):
            doing = f"on delete {reference.on_delete}"
            instead = f"{keep}; or deliver in mode upsert, which deletes nothing"
            _refuse(
                catalogue, reference, f"{catalogue.own} t", application.going(), shard.key, doing, instead
            )
        changing, changed = changing_of(application, reference.ours)
        if reference.on_update and changed:
            doing = f"on update {reference.on_update}"
            instead = f"keep {', '.join(changed)} as it is in the model"
            tables = f"{catalogue.own} t, {_STAGED}"
            _refuse(catalogue, reference, tables, changing, shard.key, doing, instead)


def changing_of(application: Application, fields: Sequence[str]) -> tuple[str, Sequence[str]]:
    """Return the condition that a staged row `s` changes one of these fields of `t`, and which it may."""
    rewritten, changing = application.changing()
    names = [name for name in fields if name in rewritten]
    old = ", ".join(f"t.{quoted(name)}" for name in names)
    new = ", ".join(application.value(name) for name in names)
    # Byte for byte, as the server compares them here: 1.0 and 1.00 are two numerics.
    return f"{changing} and row({old})::record *<> row({new})::record", names


def refuse_deletion(catalogue: Catalogue, key: Sequence[str], tables: str, condition: str) -> None:
    """Raise for rows of others that would follow rows `t` that an erasure takes out.

    Raises:
        DeliveryError: there are some; one row that they refer to is named by its key.
    """
    for reference in references(catalogue):
        if reference.on_delete:
            doing, instead = f"on delete {reference.on_delete}", "see with their owner what has to go as well"
            _refuse(catalogue, reference, tables, condition, key, doing, instead)


def _refuse(
    catalogue: Catalogue,
    reference: Reference,
    tables: str,
    condition: str,
    key: Sequence[str],
    doing: str,
    instead: str,
) -> None:
    may_lock = catalogue.rows(f"select has_any_column_privilege({literal(catalogue.target)}, 'update')")
    locked = f"select 1 from {tables} where {condition}{' for update of t' if may_lock[0][0] else ''}"
    if not catalogue.rows(f"select count(*) from ({locked}) locked")[0][0]:
        return
    table, constraint = reference.table, f"constraint {quoted(reference.name)}, `{doing}`"
    if not reference.readable:
        schema = table.partition('".')[0] + '"'
        raise DeliveryError(
            "SLU-V112",
            f"{catalogue.target}: rows of {table} may follow those that go or change ({constraint}), and the"
            " role may not read them",
            "a role that can see whether rows of other tables would be changed",
            f"grant usage on schema {schema} and select on {table} to the role; or {_FOLLOW}",
        )
    joined = " and ".join(
        f"r.{quoted(theirs)} = t.{quoted(ours)}"
        for theirs, ours in zip(reference.theirs, reference.ours, strict=True)
    )
    if reference.itself and doing.startswith("on delete"):  # but those that go themselves
        same = "t.ctid = r.ctid and t.tableoid = r.tableoid"
        joined += f" and not exists (select from {tables} where {same} and {condition})"
    shown = ", ".join(f"t.{quoted(name)}::text" for name in key)
    found = catalogue.rows(
        f"select count(*) over (), {shown} from {tables} where {condition}"
        f" and exists (select from {reference.own} r where {joined}) limit 1"
    )
    if found:
        number, *values = found[0]
        named = ", ".join(f"{name} = {value}" for name, value in zip(key, values, strict=True))
        raise DeliveryError(
            "SLU-V112",
            f"{catalogue.target}: {number} rows that go or change are referred to by {table} ({constraint}),"
            f" whose rows would follow, e.g. of {named}",
            "rows of other tables that stay as they are, whatever becomes of ours",
            f"delete those rows of {table} (constraint {quoted(reference.name)}), or let them refer to others"
            f"; or {instead}; or {_FOLLOW}",
        )
