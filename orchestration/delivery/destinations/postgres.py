"""Postgres: a slice of a table is replaced in the transaction that records the delivery.

Belongs here: the order of one delivery and its statements. Does not: type mapping
(`postgres_types`), wording of errors (`postgres_errors`), whether to send at all.
"""

import re
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote

from .base import DeliveryError, Destination, Receipt, Shard
from .postgres_errors import explain
from .postgres_types import (
    Column,
    TableColumn,
    check_columns,
    columns_of,
    literal,
    parse_object,
    quote,
)
from .shards import check_shard

_LEDGER = "_sluice_deliveries"
_STAGING = "_sluice_staging"
_BATCH_ROWS = 65_536
# Strict on purpose: what libpq cannot parse it quotes in its error, pieces of a password too.
_URL = re.compile(
    r"postgres(?:ql)?://(?:(?P<user>[^:@/?]*)(?::[^@/?]*)?@)?"
    r"(?P<host>\[[^\]@]*\]|[^:@/?]*)(?::(?P<port>\d*))?"
    r"(?:/(?P<database>[^@/?]*))?(?:\?(?P<query>(?:[^=&@?]+=[^=&@?]*&?)*))?"
)


class PostgresDestination(Destination):
    """A table `schema.table`; schema, table and ledger are created where missing."""

    type_name: ClassVar[str] = "postgres"
    guarantee: ClassVar[str] = (
        "exactly once: the partition's rows and the delivery id are committed in one transaction"
    )
    kinds: ClassVar[frozenset[str]] = frozenset({"postgres"})

    def __init__(self, url: str, object_name: str) -> None:
        super().__init__(url, object_name)
        self._schema, self._table = parse_object(object_name)
        self._target = f"{quote(self._schema)}.{quote(self._table)}"
        self._ledger = f"{quote(self._schema)}.{quote(_LEDGER)}"
        self._place = _place(url)

    @classmethod
    def canonical_name(cls, object_name: str) -> str:
        """One spelling for one object of a connection."""
        schema, table = parse_object(object_name)
        if table == _LEDGER:
            raise DeliveryError(
                f"destination object {object_name!r} is the ledger of deliveries",
                "a table of its own",
                "correct destination.object in the export file",
            )
        return f"{quote(schema)}.{quote(table)}"

    def canonical_object(self) -> str:
        """One spelling for one object in one place, without secrets."""
        return f"{self._place} {self._target}"

    def deliver(self, shard: Shard) -> Receipt:
        """Make the slice of the partition equal to the shard, once."""
        columns = columns_of(check_shard(shard), shard.export)
        dbapi = import_module("adbc_driver_postgresql.dbapi")
        doing = f"delivery of {shard.export}, partition {shard.partition_key}, to {self._target}"
        failure: DeliveryError
        try:
            with dbapi.connect(self._driver_url()) as connection, connection.cursor() as cursor:
                # Leaving the block without a commit closes the connection: all is rolled back.
                receipt = self._in_transaction(cursor, shard, columns)
                connection.commit()
                return receipt
        except dbapi.Error as error:
            failure = explain(error, doing, self._url)
        # Outside the handler: inside, the driver's error would be this one's context, shown with
        # it, and might hold the URL.
        raise failure

    def _driver_url(self) -> str:
        return f"{self._url}{'&' if '?' in self._url else '?'}fallback_application_name=sluice"

    def _in_transaction(self, cursor: Any, shard: Shard, columns: tuple[Column, ...]) -> Receipt:
        # Read committed, whatever the role's default: what is read after the lock must be
        # what the delivery before it left, not a picture from before the wait.
        cursor.execute("set transaction isolation level read committed")
        cursor.execute("set local time zone 'UTC'")
        # A row-level policy would hide rows from the delete in silence; so it fails instead.
        cursor.execute("set local row_security = off")
        _lock(cursor, f"sluice object {self._target}")

        if self._exists(cursor, _LEDGER) and self._delivered(cursor, shard):
            return self._receipt(shard, already_delivered=True, replaced=0)
        found = self._table_columns(cursor)
        if found is not None:
            check_columns(columns, found, self._target, shard.export)
        self._check_privileges(cursor, table_exists=found is not None)
        self._create_missing(cursor, shard, columns, table_exists=found is not None)
        replaced = self._replace_slice(cursor, shard, columns)
        # Last of all: with the commit that follows, the id and the rows stand or fall together.
        cursor.execute(
            f"insert into {self._ledger} (object, delivery_id, export, partition_key, rows, digest)"
            f" values ($1, $2, $3, $4, {shard.rows}, $5)",
            (self._target, shard.delivery_id, shard.export, shard.partition_key, shard.digest),
        )
        return self._receipt(shard, already_delivered=False, replaced=replaced)

    def _receipt(self, shard: Shard, *, already_delivered: bool, replaced: int) -> Receipt:
        return Receipt(
            rows=shard.rows,
            location=self.canonical_object(),
            already_delivered=already_delivered,
            details={"rows_replaced": replaced, "delivery_id": shard.delivery_id},
        )

    def _exists(self, cursor: Any, relation: str) -> bool:
        return bool(
            _rows(
                cursor,
                "select 1 from pg_class c join pg_namespace n on n.oid = c.relnamespace"
                " where n.nspname = $1 and c.relname = $2",
                (self._schema, relation),
            )
        )

    def _delivered(self, cursor: Any, shard: Shard) -> bool:
        _require(cursor, "table", self._ledger, "select, insert")
        rows = _rows(
            cursor,
            f"select export, partition_key, digest from {self._ledger}"
            " where object = $1 and delivery_id = $2",
            (self._target, shard.delivery_id),
        )
        same = (shard.export, shard.partition_key, shard.digest)
        if rows and tuple(rows[0]) != same:
            raise DeliveryError(
                f"delivery id {shard.delivery_id} has been used for {rows[0]}",
                f"an id of its own for {same}",
                "make the delivery id of export, partition and content",
            )
        return bool(rows)

    def _table_columns(self, cursor: Any) -> list[TableColumn] | None:
        where = (
            " from pg_class c join pg_namespace n on n.oid = c.relnamespace"
            "{join} where n.nspname = $1 and c.relname = $2"
        )
        here = (self._schema, self._table)
        kinds = _rows(cursor, "select c.relkind::text" + where.format(join=""), here)
        if not kinds:
            return None
        if kinds[0][0] not in ("r", "p"):
            raise DeliveryError(
                f"{self._target} is no table (relkind {kinds[0][0]})",
                "an ordinary or partitioned table, or none",
                "name a table in the export file, or drop what stands in its place",
            )
        found = _rows(
            cursor,
            "select a.attname::text, format_type(a.atttypid, a.atttypmod),"
            " a.attnotnull and not a.atthasdef and a.attidentity::text = '',"
            " a.attgenerated::text <> '' or a.attidentity::text = 'a'"
            + where.format(join=" join pg_attribute a on a.attrelid = c.oid")
            + " and a.attnum > 0 and not a.attisdropped order by a.attnum",
            here,
        )
        return [TableColumn(*row) for row in found]

    def _check_privileges(self, cursor: Any, *, table_exists: bool) -> None:
        database = str(_rows(cursor, "select current_database()::text", ())[0][0])
        _require(cursor, "database", database, "temporary")
        schema_exists = bool(_rows(cursor, "select 1 from pg_namespace where nspname = $1", (self._schema,)))
        if not schema_exists:
            _require(cursor, "database", database, "create")
            return
        _require(cursor, "schema", self._schema, "usage")
        if not (table_exists and self._exists(cursor, _LEDGER)):
            _require(cursor, "schema", self._schema, "create")
        if table_exists:
            _require(cursor, "table", self._target, "select, insert, delete")

    def _create_missing(
        self, cursor: Any, shard: Shard, columns: Sequence[Column], *, table_exists: bool
    ) -> None:
        if not self._exists(cursor, _LEDGER):
            # `if not exists` does not keep two transactions from creating the same thing; the
            # lock does. It is taken only the first time, as it is held until the commit.
            _lock(cursor, f"sluice schema {self._schema}")
            if not _rows(cursor, "select 1 from pg_namespace where nspname = $1", (self._schema,)):
                cursor.execute(f"create schema {quote(self._schema)}")
            cursor.execute(
                f"create table if not exists {self._ledger} ("
                " object text not null, delivery_id text not null, export text not null,"
                " partition_key text not null, rows bigint not null, digest text not null,"
                " delivered_at timestamptz not null default now(),"
                " primary key (object, delivery_id))"
            )
        if table_exists:
            return
        body = ", ".join(f"{quote(column.name)} {column.postgres_type}" for column in columns)
        key = ", ".join(quote(name) for name in shard.key)
        cursor.execute(f"create table {self._target} ({body}, primary key ({key}))")
        if shard.key[0] != shard.partition_column:
            # Every delivery deletes by this column: without an index it would read all days.
            cursor.execute(f"create index on {self._target} ({quote(shard.partition_column)})")

    def _replace_slice(self, cursor: Any, shard: Shard, columns: Sequence[Column]) -> int:
        # Plain names in the staging table: the driver need not quote what people call a column.
        plain = [f"c{number}" for number in range(len(columns))]
        types = zip(plain, (column.postgres_type for column in columns), strict=True)
        body = ", ".join(f"{name} {kind}" for name, kind in types)
        cursor.execute(f"create temporary table {_STAGING} ({body}) on commit drop")
        sent = _ingest(cursor, shard, columns, plain)
        partition = next(c for c in columns if c.name == shard.partition_column)

        def compared(operator: str, text: str) -> str:
            return f"{quote(partition.name)} {operator} cast({literal(text)} as {partition.postgres_type})"

        slice_of = compared("=", shard.partition_key)
        if shard.bounds:
            slice_of = f"{compared('>=', shard.bounds[0])} and {compared('<', shard.bounds[1])}"
        cursor.execute(f"delete from {self._target} where {slice_of}")
        replaced = int(cursor.rowcount)
        names = ", ".join(quote(column.name) for column in columns)
        cursor.execute(
            f"insert into {self._target} ({names}) select {', '.join(plain)} from pg_temp.{_STAGING}"
        )
        arrived = int(cursor.rowcount)
        if not sent == arrived == shard.rows:
            raise DeliveryError(
                f"{self._target} took {arrived} of {shard.rows} rows ({sent} were sent)",
                "every row of the shard; a trigger or rule of the table may have dropped some",
                f"look for triggers and rules on {self._target}; nothing was changed",
            )
        return replaced


def _ingest(cursor: Any, shard: Shard, columns: Sequence[Column], plain: Sequence[str]) -> int:
    arrow = import_module("pyarrow")
    parquet = import_module("pyarrow.parquet")
    schema = arrow.schema([(name, column.arrow_type) for name, column in zip(plain, columns, strict=True)])
    with parquet.ParquetFile(shard.path) as file:

        def batches() -> Iterator[Any]:
            for batch in file.iter_batches(batch_size=_BATCH_ROWS):
                # Casts are safe ones: a value that would change raises.
                cast = [batch.column(n).cast(field.type) for n, field in enumerate(schema)]
                yield arrow.RecordBatch.from_arrays(cast, schema=schema)

        reader = arrow.RecordBatchReader.from_batches(schema, batches())
        return int(cursor.adbc_ingest(_STAGING, reader, mode="append", temporary=True))


def _rows(cursor: Any, sql: str, values: tuple[str, ...]) -> list[tuple[Any, ...]]:
    cursor.execute(sql, values)
    return list(cursor.fetchall())


def _lock(cursor: Any, name: str) -> None:
    """Wait for, and hold until the transaction ends, the advisory lock of this name."""
    cursor.execute(f"select pg_advisory_xact_lock(hashtextextended({literal(name)}, 0))")
    cursor.fetchall()


def _require(cursor: Any, kind: str, name: str, privileges: str) -> None:
    """Raise unless the role has every privilege on this database, schema or table."""
    # Tables are looked up by their quoted name, the other two by their plain one.
    argument = quote(name) if kind != "table" else name
    # One by one: these functions take a list as "any of".
    asked = f"select has_{kind}_privilege({literal(name)}, $1)"
    missing = [
        privilege for privilege in privileges.split(", ") if not _rows(cursor, asked, (privilege,))[0][0]
    ]
    if missing:
        role = quote(_rows(cursor, "select current_user::text", ())[0][0])
        raise DeliveryError(
            f"role {role} lacks {', '.join(missing)} on {kind} {argument}",
            f"the privilege to {privileges}",
            f"grant {', '.join(missing)} on {kind} {argument} to {role}",
        )


def _place(url: str) -> str:
    """Host, port and database in one spelling, without user and password."""
    match = _URL.fullmatch(url)
    if match is None:
        raise DeliveryError(
            "the connection's URL is not one of Postgres (it is not shown, as it holds a secret)",
            "postgresql://user:password@host:port/database, special characters escaped (%40 for @)",
            "correct the connection's URL in the environment",
        )
    asked = parse_qs(match["query"] or "")

    def part(group: str, parameter: str, default: str) -> str:
        return asked.get(parameter, [unquote(match[group] or "")])[0] or default

    host = part("host", "host", "localhost").strip("[]")
    if not host.startswith("/"):  # a socket's directory keeps its case
        host = "localhost" if host in ("127.0.0.1", "::1") else host.lower()
    user = part("user", "user", "")
    return f"postgresql://{host}:{part('port', 'port', '5432')}/{part('database', 'dbname', user)}"
