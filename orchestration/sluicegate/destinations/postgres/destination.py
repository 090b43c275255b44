"""Postgres: what a delivery changes is committed in the transaction that records the delivery.

Belongs here: the order of one delivery, its ledger, and what is asked afterwards. Does not: the statements
that change the table (`apply`), questions to the catalogue (`catalogue`), types
(`types`), wording of errors (`errors`), whether to send at all.
"""

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from functools import partial
from importlib import import_module
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from sluicegate.compute.alike import EXACT, Alike, is_text
from sluicegate.compute.sql import quoted
from sluicegate.core.loopback import hosts_of_libpq

from ..base import (
    Capabilities,
    DeliveryError,
    Destination,
    Journal,
    KeyIdentity,
    Mode,
    Receipt,
    Refused,
    Scope,
    Shard,
)
from ..bounded import each_in_time
from ..exact_values import unfit_rows
from .apply import Application, delete_keys
from .catalogue import LEDGER, Catalogue
from .encoding import characters, foreign_characters, holdable_keys, holds_all, lacking, server_encoding
from .errors import explain
from .making import create_missing
from .misfits import culprit, refuse_values
from .place import place
from .reading import read_batches
from .referring import refuse_deletion, refuse_followers
from .server import Server, begin
from .shard import Contents, read_contents, refuse_nul
from .targets import TableColumn, Target, targets
from .types import parse_object
from .values import unfit


class PostgresOptions(BaseModel):
    """What becomes of rows of other tables.

    `referring_rows`: those that a foreign key would change along with ours, by `on delete` or `on update`:
    the delivery is refused, or they `follow`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    referring_rows: Literal["refuse", "follow"] = "refuse"


class PostgresDestination(Destination):
    """A table `schema.table`; schema, table and ledger are created where missing."""

    type_name: ClassVar[str] = "postgres"
    guarantee: ClassVar[str] = (
        "exactly once: the rows and the delivery id are committed in one transaction; a commit that was on"
        " its way when its process was stopped is waited for, and known by its id"
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        modes=frozenset(Mode),
        read_back=True,
        delete=True,
        # A mirror owns its slice, and touches nothing outside it.
        keys=KeyIdentity(anywhere=frozenset({Mode.UPSERT})),
    )
    options_model: ClassVar[type[BaseModel]] = PostgresOptions
    kinds: ClassVar[frozenset[str]] = frozenset({"postgres"})

    def __init__(self, url: str, object_name: str, options: BaseModel | None = None) -> None:
        super().__init__(url, object_name, options)
        self._schema, self._table = parse_object(object_name)
        self._target = f"{quoted(self._schema)}.{quoted(self._table)}"
        self._place = place(url)
        settings = PostgresOptions.model_validate(self._options.model_dump())
        self._others_follow = settings.referring_rows == "follow"
        self._encoding = ""
        self._server = Server(url, self._place, self.seconds_left, self.too_late, self._holders)
        self._looked: tuple[Shard, Contents] | None = None

    @classmethod
    def canonical_name(cls, object_name: str) -> str:
        """One spelling for one object of a connection."""
        schema, table = parse_object(object_name)
        if table == LEDGER:
            raise DeliveryError(
                "SLU-V004",
                f"destination object {object_name!r} is the ledger of deliveries",
                "a table of its own",
                "correct destination.object in the export file",
            )
        return f"{quoted(schema)}.{quoted(table)}"

    def canonical_object(self) -> str:
        """One spelling for one object in one place, without secrets."""
        return f"{self._place} {self._target}"

    def hosts(self) -> Sequence[str]:
        """As libpq reads a URL."""
        return hosts_of_libpq(self._url)

    def key_alike(self, key: Mapping[str, str]) -> Mapping[str, frozenset[Alike]]:
        """What the table's columns say: `citext` and some collations fold, `char(n)` pads."""
        texts = [name for name, kind in key.items() if is_text(kind)]
        if not texts:
            return super().key_alike(key)

        def ask(cursor: Any) -> dict[str, frozenset[Alike]]:
            return self._catalogue(cursor).alike(texts)

        found = self._server.transact(f"question for the key of {self._target}", ask)
        return {name: found.get(name, EXACT) for name in key}

    def check(self, shard: Shard) -> None:
        """Raise DeliveryError for what `send` would stumble over: types, schema, privileges, row security."""
        contents = read_contents(shard, values=False)

        def look(cursor: Any) -> None:
            cursor.execute("set transaction read only")
            self._encoding = server_encoding(cursor)
            self._preflight(self._catalogue(cursor), shard, contents)

        self._server.transact(f"check of {_named(shard)} against {self._target}", look)

    def offline(self) -> bool:
        """As in a database of UTF-8."""
        self._encoding = "UTF8"
        return True

    def inexact(self, shard: Shard) -> Sequence[Refused]:
        """Return the rows with values that no column can hold, or that the database's encoding cannot."""
        asking = f"question for the encoding at {self._place}"
        encoding = self._encoding or self._server.transact(asking, server_encoding)
        missing = frozenset[str]()
        if not holds_all(encoding):
            used = characters(shard)
            missing = self._server.transact(asking, lambda cursor: lacking(cursor, encoding, used))
        return unfit_rows(
            shard,
            lambda name, value, kind: [
                *unfit(name, value, kind),
                *foreign_characters(value, kind, missing, encoding),
            ],
        )

    def send(self, shard: Shard, journal: Journal) -> Receipt:
        """Bring the whole shard into the table, once; its rows are acknowledged together."""
        pending = journal.pending()
        if shard.rows and not pending:
            return self._receipt(shard, already_delivered=True)
        contents = self._contents(shard)

        tried: list[bool] = []

        def deliver(cursor: Any) -> Receipt:
            return self._deliver(self._catalogue(cursor), shard, contents, journal, tried)

        def look_closer(cursor: Any, error: Any) -> DeliveryError | None:
            if error.sqlstate == "22021":
                refuse_nul(shard)
            application = self._prepared(self._catalogue(cursor), shard, contents)
            if application is None:
                return None
            application.receive()
            return culprit(application, error)

        doing = f"delivery of {_named(shard)} to {self._target}"
        notes: list[str] = []
        try:
            receipt = self._server.transact(
                doing,
                deliver,
                look_closer,
                again=lambda: tried == [True],
                # Before the commit nothing has left: what was sent until then is taken back with it.
                before_commit=lambda: notes.append(journal.leaving(pending)),
            )
        except DeliveryError as error:
            for note in notes if error.nothing_done else ():
                journal.stayed(note)
            raise
        for first, end in pending:
            journal.acknowledge(first, end, (), notes[-1] if notes and end == pending[-1][1] else "")
        return receipt

    def arrived(self, shard: Shard) -> bool:
        """Return whether the ledger has the delivery; waits for one that is still being committed."""

        def ask(cursor: Any) -> bool:
            catalogue = self._catalogue(cursor)
            # The server may be at work for a sender that has died: only the lock tells that it is done.
            catalogue.lock_object()
            return catalogue.delivered(shard.delivery_id, _identity(shard))

        return self._server.transact(f"question for {_named(shard)} in {self._target}", ask)

    def read_back(self, scope: Scope) -> Iterator[Any]:
        """Yield what the scope holds as Arrow record batches; nothing if there is no table yet.

        What the local engine has no type for is read as text, and a `numeric` column without limits. The
        connection is open until the last batch is taken, or the iterator is closed.

        Raises:
            DeliveryError: the table cannot be read, or a field of the scope is not in it.
        """
        doing = f"reading back {_named(scope)} from {self._target}"

        def late() -> DeliveryError:
            return self.too_late(doing, f"an answer of {self._place}")

        yield from each_in_time(self._batches(scope, doing), self.seconds_left, late)

    def _batches(self, scope: Scope, doing: str) -> Generator[Any]:
        arrow, dbapi = import_module("pyarrow"), import_module("adbc_driver_postgresql.dbapi")
        failure: DeliveryError
        try:
            seconds = self.seconds_left()
            with dbapi.connect(self._server.address(seconds)) as connection, connection.cursor() as cursor:
                begin(cursor, seconds)
                catalogue = self._catalogue(cursor)
                columns = catalogue.columns()
                if columns is not None:
                    self._types(columns, scope)
                    yield from read_batches(cursor, catalogue, scope, {one.name: one for one in columns})
                return
        except (dbapi.Error, arrow.ArrowException, OSError) as error:
            failure = explain(error, doing, self._url)
        raise failure

    def forget(self, scope: Scope, keys: Sequence[Mapping[str, Any]]) -> int:
        """Delete rows of the scope by their keys, in one transaction; return how many there were.

        The rows' bytes are overwritten when Postgres vacuums the table, and live on in its backups.

        Raises:
            DeliveryError: the table cannot be reached or changed, or a value is none of its column's type.
        """

        def delete(cursor: Any) -> int:
            catalogue = self._catalogue(cursor)
            catalogue.lock_object()
            columns = catalogue.columns()
            if columns is None or not keys:
                return 0
            types = self._types(columns, scope)
            catalogue.check_privileges("select, delete", table_exists=True)
            look = partial(refuse_deletion, catalogue, scope.key)
            return delete_keys(
                catalogue,
                scope,
                holdable_keys(cursor, keys),
                types,
                _nothing if self._others_follow else look,
            )

        return self._server.transact(f"erasure from {_named(scope)} in {self._target}", delete)

    def _contents(self, shard: Shard) -> Contents:
        """What a shard brings; its file is never written anew."""
        if self._looked is None or self._looked[0] != shard:
            self._looked = shard, read_contents(shard)
        return self._looked[1]

    def _holders(self, cursor: Any) -> list[str]:
        return self._catalogue(cursor).holders()

    def _catalogue(self, cursor: Any) -> Catalogue:
        return Catalogue(cursor, self._schema, self._table)

    def _preflight(
        self, catalogue: Catalogue, shard: Shard, contents: Contents
    ) -> tuple[Mapping[str, Target], bool] | None:
        """Return how the table takes each column, and whether it is there; raise for what is amiss.

        None if the shard has been delivered.
        """
        if catalogue.delivered(shard.delivery_id, _identity(shard)):
            return None
        found = catalogue.columns()
        taking = targets(
            contents.columns,
            found,
            table=self._target,
            export=shard.export,
            key=shard.key,
            version=catalogue.version(),
        )
        needed, fields = _privileges(shard, taking)
        catalogue.check_privileges(needed, table_exists=found is not None, fields=fields)
        return taking, found is not None

    def _prepared(self, catalogue: Catalogue, shard: Shard, contents: Contents) -> Application | None:
        """Make what is missing; None if the shard has been delivered."""
        catalogue.lock_object()
        prepared = self._preflight(catalogue, shard, contents)
        if prepared is None:
            return None
        taking, table_exists = prepared
        types = {name: target.type for name, target in taking.items()}
        create_missing(catalogue, shard, types, table_exists=table_exists)
        return Application(catalogue, shard, contents, taking, new_table=not table_exists)

    def _deliver(
        self, catalogue: Catalogue, shard: Shard, contents: Contents, journal: Journal, tried: list[bool]
    ) -> Receipt:
        """Deliver once; `tried` has for each attempt whether added rows went into the table itself."""
        application = self._prepared(catalogue, shard, contents)
        if application is None:
            return self._receipt(shard, already_delivered=True)
        directly = not tried and application.copies_added()
        tried.append(directly)
        sent = application.receive(added=not directly)
        journal.tell(f"{sent:,} rows are at the server, which applies them to {self._target}")
        refuse_values(application)
        if not self._others_follow:
            refuse_followers(application)
        counts = application.apply(sent, added=not directly)
        # Last of all: with the commit that follows, the id and the rows stand or fall together.
        catalogue.cursor.execute(
            f"insert into {catalogue.ledger} (object, delivery_id, export, partition_key, rows, digest)"
            f" values ($1, $2, $3, $4, {shard.rows}, $5)",
            (self._target, shard.delivery_id, shard.export, shard.partition_key, shard.digest),
        )
        return self._receipt(shard, {"rows_written": contents.written, **counts})

    def _receipt(
        self, shard: Shard, counts: Mapping[str, int] | None = None, *, already_delivered: bool = False
    ) -> Receipt:
        return Receipt(
            rows=shard.rows,
            location=self.canonical_object(),
            already_delivered=already_delivered,
            details={"delivery_id": shard.delivery_id, **(counts or {})},
        )

    def _types(self, columns: Sequence[TableColumn], scope: Scope) -> dict[str, str]:
        """The table's types by column; raises unless it has every field of a scope."""
        types = {column.name: column.type for column in columns}
        wanted = dict.fromkeys((*scope.fields, *scope.key, scope.partition_column))
        missing = [name for name in wanted if name is not None and name not in types]
        if missing:
            raise DeliveryError(
                "SLU-V110",
                f"{self._target} has no column {', '.join(map(repr, missing))}",
                f"every field of {scope.export}",
                "somebody has altered the table: put the column back, and rerun the export in full",
            )
        return types


def _privileges(shard: Shard, fields: Iterable[str]) -> tuple[str, Mapping[str, Sequence[str]]]:
    """What a delivery does to a table, and the columns that it does each to."""
    names = tuple(fields)
    changed = tuple(name for name in names if name not in shard.key) or names
    does = {
        Mode.APPEND: "select, insert",
        Mode.UPSERT: "select, insert, update",
        Mode.MIRROR: "select, insert, update, delete",
        Mode.SNAPSHOT: "select, insert, update, delete",
    }
    return does[shard.mode], {"select": names, "insert": names, "update": changed}


def _nothing(tables: str, condition: str) -> None:
    """Look at nothing before a deletion."""


def _identity(shard: Shard) -> tuple[str, str, str]:
    return shard.export, shard.partition_key, shard.digest


def _named(part: Shard | Scope) -> str:
    return f"{part.export}, partition {part.partition_key}"
