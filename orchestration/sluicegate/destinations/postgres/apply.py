"""What one delivery, or one erasure, does to a table, within a transaction that is somebody else's.

Belongs here: the statements that change the table, and the counts that prove that they did. Does not:
the ledger and the commit (`postgres`), what the catalogue says (`catalogue`).

Rows that are there are updated in place, and only where one of the export's fields differs: other columns,
and rows that refer to ours, are somebody else's. Measured on 400,000 rows of six columns, half of them of
keys that are there (Postgres 18, two cores), in the server's seconds where rows lie in the key's order, and
in none: delete and insert 0.6 and 0.9, `update` and `insert` 0.9 and 1.3, `merge` 0.7 and 1.4, and `merge`
by a merge join, which comes upon the primary key's pages one after another, 0.7 and 1.0. Many added rows
are copied into the table itself: that writes them once, and its unique index tells if a key was there.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date, time
from importlib import import_module
from typing import Any, cast

from sluicegate.compute.sql import quoted

from ..base import DeliveryError, Mode, Scope, Shard
from .catalogue import Catalogue
from .joins import bound_joins
from .shard import REMOVED, Contents, replaces_scope, stream
from .targets import Target
from .types import literal

STAGING = "_sluice_staging"
_STAGED = f"pg_temp.{STAGING} s"
# From so many added rows on they are copied into the table itself.
_MANY = 10_000


def slice_of(part: Shard | Scope, types: Mapping[str, str]) -> str:
    """Return the condition that rows of a table `t` lie in a partition's scope; `types` are the table's.

    What a column takes for equal, as citext does `Berlin` and `berlin`, are two drops for us.
    """
    column = part.partition_column
    if column is None:
        return "true"

    def compared(operator: str, text: str) -> str:
        return f"t.{quoted(column)} {operator} {value(text)}"

    def value(text: str) -> str:
        return f"cast({literal(text)} as {types[column]})"

    if part.bounds:
        return f"{compared('>=', part.bounds[0])} and {compared('<', part.bounds[1])}"
    spelt = f'cast(t.{quoted(column)} as text) collate "C" = cast({value(part.partition_key)} as text)'
    return f"{compared('=', part.partition_key)} and {spelt}"


class Application:
    """One shard's way into its table."""

    def __init__(
        self,
        catalogue: Catalogue,
        shard: Shard,
        contents: Contents,
        taking: Mapping[str, Target],
        *,
        new_table: bool,
    ) -> None:
        """Prepare; `taking` says how the table takes each of the shard's columns."""
        self.catalogue = catalogue
        self.shard = shard
        self.taking = taking
        self._cursor = catalogue.cursor
        self._target = catalogue.target
        self._own = catalogue.own
        self._contents = contents
        self._new_table = new_table
        names = zip(contents.columns, contents.staged_names, strict=True)
        self._staged = {column.name: name for column, name in names}
        types = {name: taking[name].type for name in self._staged}
        self._scope = slice_of(shard, types)

    @property
    def removes(self) -> bool:
        """Whether the shard says of rows that they are to go."""
        return self._contents.removed > 0

    def copies_added(self) -> bool:
        """Whether added rows may be copied into the table itself, which saves writing them twice.

        Should a key be there after all, the table's unique index refuses it, and all is to be done anew
        without.
        """
        plain = all(target.takes_as_sent for target in self.taking.values())
        some = self._contents.added >= _MANY and not self.shard.full and self.shard.mode is not Mode.APPEND
        return (
            some
            and plain
            and not self._new_table
            and self.catalogue.has_unique(self.shard.key)
            and not self.catalogue.is_watched()
        )

    def receive(self, *, added: bool = True) -> int:
        """Copy the shard into a temporary table, and return how many rows the driver has sent.

        Without `added` the added rows stay behind, for `copy_added`.
        """
        body = [f"{self._staged[name]} {target.column.staged}" for name, target in self.taking.items()]
        if self._contents.removed:
            body.append(f"{REMOVED} boolean")
        self._cursor.execute(f"create temporary table {STAGING} ({', '.join(body)}) on commit drop")
        rows = stream(self.shard, self._contents, added=None if added else False)
        bound_joins(self.catalogue, self.shard.rows)
        return int(self._cursor.adbc_ingest(STAGING, rows, mode="append", temporary=True))

    def apply(self, sent: int, *, added: bool = True) -> Mapping[str, int]:
        """Make the table what the mode says, and return how many rows were changed and deleted.

        Of a row that is there only the export's fields are changed, and only if one differs.

        Raises:
            DeliveryError: the table did not take every row, did not let go of one, or has a key to append.
        """
        deleted = 0
        if self._new_table:
            changed = self._insert()
        else:
            self._learn()
            deleted, changed = self._apply_to_rows()
        if not added:
            copied = self.copy_added()
            sent, changed = sent + copied, changed + copied
        self._cursor.execute("set constraints all immediate")
        arrived = self._contents.written - self._dropped()
        if sent != self.shard.rows or arrived != self._contents.written:
            raise DeliveryError(
                "SLU-V106",
                f"{self._target} took {arrived} of {self._contents.written} rows ({sent} were sent)",
                "every row as it was sent; a trigger or rule of the table may have dropped or altered some",
                f"look for triggers and rules on {self._target}; nothing was changed",
            )
        return {"rows_changed": changed, "rows_deleted": deleted}

    def _apply_to_rows(self) -> tuple[int, int]:
        """Join what is staged with the rows that are there; return how many were deleted, and changed."""
        if self.shard.mode is Mode.APPEND:
            self._refuse_present_keys()
            return 0, self._insert()
        indexed = self.catalogue.has_unique(self.shard.key)
        self._refuse_keys_that_stand_twice(indexed=indexed)
        # First: what goes may make room for what comes.
        deleted = self._delete()
        if self.catalogue.may_merge():
            return deleted, self._merge(indexed=indexed)
        return deleted, self._update_and_insert()

    def copy_added(self) -> int:
        """Copy the added rows into the table itself, and return how many those were."""
        rows = stream(self.shard, self._contents, added=True)
        catalogue = self.catalogue
        return int(
            self._cursor.adbc_ingest(catalogue.table, rows, mode="append", db_schema_name=catalogue.schema)
        )

    def staged(self, field: str, row: str = "s") -> str:
        """SQL of a field as it was sent, in a row of the temporary table."""
        return f"{row}.{self._staged[field]}"

    def value(self, field: str, row: str = "s") -> str:
        """SQL of a field as the table gets it, from a row of the temporary table."""
        return self.taking[field].value(self.staged(field, row))

    def arriving(self, row: str = "s") -> str:
        """The condition that a row of the temporary table is to be in the table."""
        return f"not {row}.{REMOVED}" if self._contents.removed else "true"

    def going(self) -> str:
        """The condition that a row `t` of the table is to go."""
        if replaces_scope(self.shard):
            return f"{self._scope} and not exists (select from {_STAGED} where {self.same_key()})"
        if not self._contents.removed:
            return "false"
        return f"{self.owned()} and exists (select from {_STAGED} where {self._removed()})"

    def same_key(self, row: str = "s") -> str:
        """The condition that a row of the temporary table and one `t` of the table are of one key."""
        return " and ".join(f"t.{quoted(name)} = {self.value(name, row)}" for name in self.shard.key)

    def changing(self) -> tuple[Sequence[str], str]:
        """The fields that a changed row `t` gets anew, and the condition that a staged row `s` changes it."""
        names = self._rewritten()
        differ = " or ".join(self._differs(name) for name in names) or "false"
        return names, f"{self.same_key()} and {self.owned()} and {self.arriving()} and ({differ})"

    def _rewritten(self) -> list[str]:
        return [name for name in self._staged if name not in self.shard.key or self.taking[name].folds]

    def _removed(self) -> str:
        gone = f"{self.same_key()} and s.{REMOVED}"
        if any(self.taking[name].folds for name in self.shard.key):
            # A key that is only spelled otherwise now is one that stays.
            stays = f"{self.same_key('a')} and {self.arriving('a')}"
            gone += f" and not exists (select from pg_temp.{STAGING} a where {stays})"
        return gone

    def owned(self) -> str:
        """The condition that a row `t` of the table is one that the delivery may change."""
        # An upsert finds its key wherever it is; a mirror owns its scope and touches nothing outside it.
        return "true" if self.shard.mode is Mode.UPSERT else self._scope

    def _learn(self) -> None:
        # Without statistics Postgres believes that few staged rows are of the partition, and looks up a
        # million keys one by one, where a hash join takes half the time. A sample of 3,000 rows tells as much
        # of a key as the usual one of 30,000.
        key = ", ".join(self._staged[name] for name in self.shard.key)
        self._cursor.execute("set local default_statistics_target = 10")
        self._cursor.execute(f"analyze pg_temp.{STAGING} ({key})")

    def _delete(self) -> int:
        if replaces_scope(self.shard):
            return delete_rows(self.catalogue, None, self.going())
        if not self._contents.removed:
            return 0
        return delete_rows(self.catalogue, _STAGED, f"{self.owned()} and {self._removed()}")

    def _merge(self, *, indexed: bool) -> int:
        """Update the rows that differ and insert those that are not there."""
        names, differ = self._updated()
        update = f"when matched and ({differ}) then update set {names}" if names else ""
        listed = ", ".join(map(quoted, self._staged))
        values = ", ".join(self.value(name) for name in self._staged)
        if indexed:
            # In the key's order, for the sake of the indexes' pages: see above.
            self._cursor.execute("set local enable_hashjoin = off")
        self._cursor.execute(
            f"merge into {self._own} t using (select * from {_STAGED} where {self.arriving()}) s"
            f" on {self.same_key()} and {self.owned()} {update}"
            f" when not matched then insert ({listed}) values ({values})"
        )
        changed = int(self._cursor.rowcount)
        self._cursor.execute("set local enable_hashjoin = on")
        return changed

    def _update_and_insert(self) -> int:
        names, differ = self._updated()
        changed = 0
        if names:
            self._cursor.execute(
                f"update {self._own} t set {names} from {_STAGED}"
                f" where {self.same_key()} and {self.owned()} and {self.arriving()} and ({differ})"
            )
            changed = int(self._cursor.rowcount)
        there = f"select from {self._own} t where {self.same_key()} and {self.owned()}"
        return changed + self._insert(f" and not exists ({there})")

    def _updated(self) -> tuple[str, str]:
        """What a changed row gets, and the condition that it is changed; empty if there is but the key."""
        names = self._rewritten()
        taken = ", ".join(f"{quoted(name)} = {self.value(name)}" for name in names)
        return taken, " or ".join(self._differs(name) for name in names)

    def _differs(self, name: str) -> str:
        return self.taking[name].differs(f"t.{quoted(name)}", self.staged(name))

    def _insert(self, unless: str = "") -> int:
        names = ", ".join(map(quoted, self._staged))
        values = ", ".join(self.value(name) for name in self._staged)
        order = ", ".join(self.staged(name) for name in self.shard.key)
        # In the key's order, as the primary key's pages are then filled one after another.
        self._cursor.execute(
            f"insert into {self._target} ({names}) select {values} from {_STAGED}"
            f" where {self.arriving()}{unless} order by {order}"
        )
        return int(self._cursor.rowcount)

    def _dropped(self) -> int:
        """How many rows are not in the table as they were sent, after triggers and rules."""
        if not self.catalogue.is_watched():
            return 0
        differ = " or ".join(self._differs(name) for name in self._staged)
        there = f"select from {self._own} t where {self.same_key()} and not ({differ})"
        counted = f"select count(*) from {_STAGED} where {self.arriving()} and not exists ({there})"
        return int(self.catalogue.rows(counted)[0][0])

    def _refuse_keys_that_stand_twice(self, *, indexed: bool) -> None:
        """Raise where rows of the table, or two that are sent, have one key as the table compares keys."""
        key, tables = ", ".join(map(quoted, self.shard.key)), f"{self._own} t, {_STAGED}"
        index = f"create unique index on {self._target} ({key})"
        if any(self.taking[name].folds for name in self.shard.key):
            values = ", ".join(self.value(name) for name in self.shard.key)
            shown = " || ', ' || ".join(self.staged(name) + "::text" for name in self.shard.key)
            twice = self.catalogue.rows(
                f"select count(*) over (), min({shown}), max({shown}) from {_STAGED}"
                f" where {self.arriving()} group by {values} having count(*) > 1 limit 1"
            )
            if twice:
                number, one, other = twice[0]
                raise DeliveryError(
                    "SLU-V108",
                    f"{number} keys of {self.shard.export} are spelled in two ways, e.g. {one!r} and"
                    f" {other!r}, which {self._target} takes for one",
                    "keys that differ without regard to case in citext, or as the column's collation says",
                    "spell the key in one way in the export's model, as with lower()",
                )
        if indexed:
            return
        shown = ", ".join(f"t.{quoted(name)}" for name in self.shard.key)
        texts = ", ".join(f"t.{quoted(name)}::text" for name in self.shard.key)
        twice = self.catalogue.rows(
            f"select count(*) over (), {texts} from {tables} where {self.same_key()} and {self.owned()}"
            f" group by {shown} having count(*) > 1 limit 1"
        )
        if twice:
            number, *values = twice[0]
            raise DeliveryError(
                "SLU-V108",
                f"{self._target} holds {number} of the keys in several rows, e.g."
                f" {_named(self.shard.key, values)}",
                "one row of each key; no unique index keeps it so",
                f"leave one row of each key, then: {index}",
            )

    def _refuse_present_keys(self) -> None:
        shown = ", ".join(f"t.{quoted(name)}::text" for name in self.shard.key)
        found = self.catalogue.rows(
            f"select count(*) over (), {shown} from {self._own} t, {_STAGED} where {self.same_key()} limit 1"
        )
        if found:
            number, *values = found[0]
            raise DeliveryError(
                "SLU-V107",
                f"{self._target} holds {number} of {self.shard.rows} keys to append already, e.g."
                f" {_named(self.shard.key, values)}",
                "keys that are new: mode append adds rows and touches none",
                "see who has written them; if the rows may be changed, deliver in mode upsert",
            )


def delete_rows(catalogue: Catalogue, using: str | None, condition: str) -> int:
    """Delete the rows of the table, called `t`, that a condition holds for; return how many there were.

    Raises:
        DeliveryError: a trigger or rule of the table has kept one of them.
    """
    other = f" using {using}" if using else ""
    catalogue.cursor.execute(f"delete from {catalogue.own} t{other} where {condition}")
    deleted = int(catalogue.cursor.rowcount)
    if catalogue.is_watched():
        tables = f"{catalogue.own} t{f', {using}' if using else ''}"
        kept = catalogue.rows(f"select count(*) from {tables} where {condition}")[0][0]
        if kept:
            raise DeliveryError(
                "SLU-V106",
                f"{catalogue.target} kept {kept} rows that were to be deleted",
                "every one deleted; a trigger or rule of the table may keep some",
                f"look for triggers and rules on {catalogue.target}; nothing was changed",
            )
    return deleted


def delete_keys(
    catalogue: Catalogue,
    scope: Scope,
    keys: Sequence[Mapping[str, Any]],
    types: Mapping[str, str],
    before: Callable[[str, str], None],
) -> int:
    """Delete the rows of a scope that have one of these keys; return how many there were.

    `before` is called with the tables and the condition of the rows `t` that are to go.
    """
    arrow = import_module("pyarrow")
    names = [f"c{number}" for number in range(len(scope.key))]
    texts = [[_as_text(key[name], types[name]) for key in keys] for name in scope.key]
    body = ", ".join(f"{name} text" for name in names)
    catalogue.cursor.execute(f"create temporary table {STAGING} ({body}) on commit drop")
    table = arrow.table([arrow.array(column, arrow.string()) for column in texts], names=names)
    catalogue.cursor.adbc_ingest(STAGING, table, mode="append", temporary=True)
    match = " and ".join(
        f"t.{quoted(field)} = cast(s.{name} as {types[field]})"
        for name, field in zip(names, scope.key, strict=True)
    )
    condition = f"{match} and {slice_of(scope, types)}"
    before(f"{catalogue.own} t, {_STAGED}", condition)
    return delete_rows(catalogue, _STAGED, condition)


def _as_text(value: Any, kind: str = "") -> str | None:
    """A key's value as Postgres reads it for a type of a column."""
    if value is None:
        return None
    if isinstance(value, bytes):
        return f"\\x{value.hex()}"
    if isinstance(value, date | time):  # a datetime is a date
        return value.isoformat()
    if isinstance(value, list | dict) and kind in ("json", "jsonb"):
        return json.dumps(value, default=str)
    if isinstance(value, list):  # an array's elements in quotes, but no array within one
        return "{" + ", ".join(map(_as_element, cast("list[Any]", value))) + "}"
    return str(value)


def _as_element(value: Any) -> str:
    if value is None:
        return "null"
    text = _as_text(value) or ""
    return text if isinstance(value, list) else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _named(key: Sequence[str], values: Sequence[object]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in zip(key, values, strict=True))
