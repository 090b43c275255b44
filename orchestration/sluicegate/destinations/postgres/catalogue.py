"""What a Postgres says of itself: table, ledger, what the role may do; and the lock that all wait for.

Belongs here: questions that change nothing, and what follows from their answers. Does not: statements that
change the table or the ledger (`apply`, `postgres`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sluicegate.compute.alike import EXACT, Alike
from sluicegate.compute.sql import quoted

from ..errors import DeliveryError
from .targets import TableColumn
from .types import literal

LEDGER = "_sluice_deliveries"

_HERE = "c.relnamespace = (select oid from pg_namespace where nspname = $1) and c.relname = $2"
# Below a domain, and one below that, is the type that says what is held.
_BELOW = (
    "with recursive below as (select a.attnum, a.atttypid as typ, a.atttypmod as mod"
    f" from pg_class c join pg_attribute a on a.attrelid = c.oid where {_HERE}"
    " and a.attnum > 0 and not a.attisdropped union all"
    " select b.attnum, t.typbasetype, t.typtypmod from below b join pg_type t on t.oid = b.typ"
    " where t.typtype = 'd')"
)


class Catalogue:
    """One table and its ledger, seen through one cursor.

    Attributes:
        cursor: an ADBC cursor within a transaction.
        schema: the schema's plain name.
        table: the table's plain name.
        target: the table as statements name it.
        own: the same where rows are looked for: those of the table and its partitions, not of tables that
            inherit from it, which are somebody else's. Known from `columns` on.
        ledger: the ledger of deliveries as statements name it.
    """

    def __init__(self, cursor: Any, schema: str, table: str) -> None:
        self.cursor = cursor
        self.schema = schema
        self.table = table
        self.target = f"{quoted(schema)}.{quoted(table)}"
        self.own = f"only {self.target}"
        self.ledger = f"{quoted(schema)}.{quoted(LEDGER)}"

    def rows(self, sql: str, values: Sequence[str] = ()) -> list[tuple[Any, ...]]:
        """Return all rows of a query; `values` stand for its $1, $2 and so on."""
        self.cursor.execute(sql, tuple(values))
        return list(self.cursor.fetchall())

    def lock(self, name: str) -> None:
        """Wait for, and hold until the transaction ends, the advisory lock of this name."""
        self.rows(f"select pg_advisory_xact_lock(hashtextextended({literal(name)}, 0))")

    def lock_object(self) -> None:
        """Wait until no other delivery to the table is under way, on any machine; hold off later ones."""
        self.lock(f"sluice object {self.target}")

    def schema_exists(self) -> bool:
        """Whether the schema is there."""
        return bool(self.rows("select 1 from pg_namespace where nspname = $1", (self.schema,)))

    def ledger_exists(self) -> bool:
        """Whether anything has been delivered into the schema."""
        return bool(self.rows(f"select 1 from pg_class c where {_HERE}", (self.schema, LEDGER)))

    def alike(self, names: Sequence[str]) -> dict[str, frozenset[Alike]]:
        """Return what makes two texts one in columns of the table; nothing for those that it lacks.

        Of a collation that is not deterministic it is only known that it may fold: case is the usual one,
        and what else it takes for one is refused by the table's own constraint.
        """
        found = self.rows(
            f"{_BELOW} select a.attname::text, t.typname::text, coalesce(not l.collisdeterministic, false)"
            " from pg_class c join pg_attribute a on a.attrelid = c.oid"
            " join below b on b.attnum = a.attnum join pg_type t on t.oid = b.typ and t.typtype <> 'd'"
            f" left join pg_collation l on l.oid = a.attcollation where {_HERE}"
            " and a.attnum > 0 and not a.attisdropped",
            (self.schema, self.table),
        )
        alike = dict.fromkeys(names, EXACT)
        for name, kind, folds in found:
            if name in alike:
                case = {Alike.CASE} if kind == "citext" or folds else set[Alike]()
                alike[name] = frozenset(case | ({Alike.PADDED} if kind == "bpchar" else set()))
        return alike

    def columns(self) -> list[TableColumn] | None:
        """Return the table's columns, or None if there is no table yet.

        Raises:
            DeliveryError: something stands there that is no table.
        """
        here = (self.schema, self.table)
        kinds = self.rows(f"select c.relkind::text from pg_class c where {_HERE}", here)
        if not kinds:
            return None
        if kinds[0][0] not in ("r", "p"):
            raise DeliveryError(
                "SLU-V103",
                f"{self.target} is no table (relkind {kinds[0][0]})",
                "an ordinary or partitioned table, or none",
                "name a table in the export file, or drop what stands in its place",
            )
        if kinds[0][0] == "p":
            self.own = self.target  # which has no rows but those of its partitions
        found = self.rows(
            f"{_BELOW} select a.attname::text, format_type(a.atttypid, a.atttypmod),"
            " a.attnotnull and not a.atthasdef and a.attidentity::text = '',"
            " case when a.attgenerated::text <> '' then 'a generated one'"
            " when a.attidentity::text = 'a' then 'an identity that is always generated' else '' end,"
            " format_type(b.typ, b.mod), coalesce(e.typcategory, t.typcategory)::text,"
            " t.typname = 'citext' or not coalesce(l.collisdeterministic, true)"
            f" from pg_class c join pg_attribute a on a.attrelid = c.oid"
            " join below b on b.attnum = a.attnum join pg_type t on t.oid = b.typ and t.typtype <> 'd'"
            " left join pg_type e on e.oid = t.typelem and t.typcategory = 'A'"
            f" left join pg_collation l on l.oid = a.attcollation where {_HERE}"
            " and a.attnum > 0 and not a.attisdropped order by a.attnum",
            here,
        )
        return [TableColumn(*row) for row in found]

    def version(self) -> int:
        """The server's version, as 160004."""
        return int(self.rows("select current_setting('server_version_num')")[0][0])

    def has_unique(self, key: Sequence[str]) -> bool:
        """Whether an index of the table lets no two rows have one key."""
        found = self.rows(
            "select array_agg(a.attname::text) from pg_index i, unnest(i.indkey::int2[]) n, pg_attribute a"
            f" where i.indrelid = {literal(self.target)}::regclass and i.indisunique and i.indisvalid"
            " and i.indpred is null and i.indexprs is null and a.attrelid = i.indrelid and a.attnum = n"
            " group by i.indexrelid"
        )
        return any(set(row[0]) <= set(key) for row in found)

    def holders(self) -> list[str]:
        """Who holds locks on the table, the ledger or the object now."""
        found = self.rows(
            "select distinct format('process %s (%s, %s for %s s)', a.pid, coalesce(nullif("
            " a.application_name, ''), 'no name'), coalesce(a.state, 'unknown'),"
            " extract(epoch from clock_timestamp() - a.state_change)::int)"
            " from pg_locks l join pg_stat_activity a on a.pid = l.pid"
            " where l.granted and a.pid <> pg_backend_pid() and a.backend_type = 'client backend'"
            " and (l.locktype = 'advisory' or l.relation in (to_regclass($1), to_regclass($2)))"
            " and (l.database is null or l.database = (select oid from pg_database"
            "  where datname = current_database())) limit 5",
            (self.target, self.ledger),
        )
        return [str(row[0]) for row in found]

    def delivered(self, delivery_id: str, same: tuple[str, str, str]) -> bool:
        """Whether the ledger has a delivery id of this table.

        Args:
            delivery_id: what is looked for.
            same: export, partition and digest that the id belongs to.

        Raises:
            DeliveryError: the id has been used for something else, or the ledger may not be read.
        """
        if not self.ledger_exists():
            return False
        self.require("table", self.ledger, "select, insert")
        rows = self.rows(
            f"select export, partition_key, digest from {self.ledger} where object = $1 and delivery_id = $2",
            (self.target, delivery_id),
        )
        if rows and tuple(rows[0]) != same:
            raise DeliveryError(
                "SLU-E022",
                f"delivery id {delivery_id} has been used for {rows[0]}",
                f"an id of its own for {same}",
                "rerun the export's model: a new build has a new delivery id",
            )
        return bool(rows)

    def check_privileges(
        self, on_table: str, *, table_exists: bool, fields: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        """Raise DeliveryError unless the role may do all that a delivery does.

        Args:
            on_table: the privileges that are needed on the table itself, with commas between.
            table_exists: otherwise it is to be created.
            fields: the columns that each of these privileges is enough on, where they are known.
        """
        database = str(self.rows("select current_database()::text")[0][0])
        self.require("database", database, "temporary")
        if not self.schema_exists():
            self.require("database", database, "create")
            return
        self.require("schema", self.schema, "usage")
        if not (table_exists and self.ledger_exists()):
            self.require("schema", self.schema, "create")
        if table_exists:
            lacking = [wanted for wanted in on_table.split(", ") if not self._may(wanted, fields or {})]
            self.require("table", self.target, ", ".join(lacking))
            self._check_row_security()

    def _may(self, privilege: str, fields: Mapping[str, Sequence[str]]) -> bool:
        """Whether the role has a privilege on each of some columns."""
        named = fields.get(privilege, ())
        asked = f"select has_column_privilege({literal(self.target)}, $1, $2)"
        return bool(named) and all(self.rows(asked, (name, privilege))[0][0] for name in named)

    def require(self, kind: str, name: str, privileges: str) -> None:
        """Raise DeliveryError unless the role has every privilege on this database, schema or table."""
        # Tables are looked up by their quoted name, the other two by their plain one.
        argument = quoted(name) if kind != "table" else name
        # One by one: these functions take a list as "any of".
        asked = f"select has_{kind}_privilege({literal(name)}, $1)"
        missing = [
            wanted for wanted in privileges.split(", ") if wanted and not self.rows(asked, (wanted,))[0][0]
        ]
        if missing:
            role = self._role()
            raise DeliveryError(
                "SLU-V102",
                f"role {role} lacks {', '.join(missing)} on {kind} {argument}",
                f"the privilege to {privileges}",
                f"grant {', '.join(missing)} on {kind} {argument} to {role}",
            )

    def may_merge(self) -> bool:
        """Whether the server knows `merge` (from 15 on), and the table no rules, which it does not take."""
        table = f"{literal(self.target)}::regclass"
        rules = f"select 1 from pg_rewrite where ev_class = {table} and ev_type::text <> '1'"
        return self.version() >= 150000 and not self.rows(rules)

    def is_watched(self) -> bool:
        """Whether a trigger or rule is asked before a row changes, and might alter or drop it."""
        table = f"{literal(self.target)}::regclass"
        # Bits of tgtype, of Postgres' catalog/pg_trigger.h: 1 for each row, 2 before. Rules of the type '1'
        # are for selecting.
        return bool(
            self.rows(
                f"select 1 from pg_trigger where tgrelid in (select {table} union all"
                f" select relid from pg_partition_tree({table}))"
                " and not tgisinternal and tgenabled <> 'D' and tgtype::int & 3 = 3 union all"
                f" select 1 from pg_rewrite where ev_class = {table} and ev_type::text <> '1'"
            )
        )

    def _check_row_security(self) -> None:
        if self.rows(f"select row_security_active({literal(self.target)}::regclass)")[0][0]:
            role = self._role()
            raise DeliveryError(
                "SLU-V109",
                f"row-level security of {self.target} applies to role {role}: it may hide rows in silence",
                "a role that sees every row of the table",
                f"deliver as the table's owner, or: alter role {role} bypassrls",
            )

    def _role(self) -> str:
        return quoted(self.rows("select current_user::text")[0][0])
