"""Azure Data Explorer: rows are ingested through its queues; a partition is replaced in one step.

Belongs here: what the destination promises, its tables and scopes. Does not: the connection (`cluster`),
the queues (`ingestion`), the staging table (`replacing`), types (`types`), the query language (`kql`).

    append      parts go into the table; each is there whole or not at all, a delivery of several parts comes
                part by part
    snapshot    parts go into `<table>_sluice_staging`; once all rows are there, one `.replace extents` moves
                them into the table and drops what the partition had before, "in a single transaction":
                readers see the old rows or the new ones, never both, never neither

A scope is told by the tag `drop-by:<export>/<partition>`, so rows that others ingest into the same partition
are left alone; with `partitions: latest` the scope is the table, and every other extent of it goes.

Erasure is `.delete table records`: rows are gone from every query at once and for good, the storage under
them once the engine compacts it. Where the law asks for the storage itself within a time, `.purge table
records` is the way: it has to be allowed for the cluster, is asked of the data management endpoint, takes
days, and is meant for few requests; Sluice does not call it ("Data purge",
https://learn.microsoft.com/kusto/concepts/data-purge).
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from importlib import import_module
from typing import Any, ClassVar, cast

from pydantic import BaseModel, ConfigDict, Field

from ..base import Capabilities, Destination, Journal, Mode, Receipt, Refused, Scope, Shard
from ..errors import DeliveryError
from ..exact_values import unfit_rows
from . import kql as kql
from .cluster import Address, Cluster
from .ingestion import Ingestion, RowsLost, rows_tagged
from .parts import Part, Tags, parts_of
from .policies import check_all_is_seen, check_tags_stay
from .replacing import STAGING, Replacing
from .tables import found, make
from .types import Column, TableColumn, columns_of, is_name, mapping_of, record_batch, settled, unfit

_ROWS_AT_ONCE = 20_000
# What tags of the table's extents are asked for, as long as it holds them.
_LEANS_ON = {Mode.APPEND: ("ingest-by:",), Mode.SNAPSHOT: ("drop-by:",)}


class AdxOptions(BaseModel):
    """Options of an export to Azure Data Explorer.

    Attributes:
        wait_minutes: how long to wait until queued rows are in the table, before the run ends red; the next
            run waits on or queues them again.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    wait_minutes: float = Field(default=20.0, gt=0, le=1440)


class AdxDestination(Destination):
    """A table of one database."""

    type_name: ClassVar[str] = "adx"
    guarantee: ClassVar[str] = (
        "idempotent: each file has an `ingest-by` tag of export, partition and delivery and is ingested if "
        "that does not exist, so a file that is queued again after a crash is not loaded again; a "
        "snapshot's partition is replaced in one transaction; a request that was on its way when its process "
        "was stopped may arrive after newer ones"
    )
    kinds: ClassVar[frozenset[str]] = frozenset({"azuredataexplorer"})
    options_model: ClassVar[type[BaseModel]] = AdxOptions
    capabilities: ClassVar[Capabilities] = Capabilities(
        modes=frozenset({Mode.APPEND, Mode.SNAPSHOT}),
        read_back=True,
        delete=True,
        folds_text=True,
    )

    @classmethod
    def canonical_name(cls, object_name: str) -> str:
        """The table's name; Kusto tells capital letters from small ones."""
        name = object_name.strip()
        if not is_name(name) or len(name + STAGING) > 1024:
            raise DeliveryError(
                "SLU-V004",
                f"destination object {object_name!r} is no table name of Azure Data Explorer",
                "1 to 1,000 letters, digits, underscores, spaces, dots and dashes; the database is in the "
                "connection",
                "correct destination.object in the export file",
            )
        return name

    def canonical_object(self) -> str:
        """Cluster, database and table."""
        address = Address.of(self._url)
        return f"adx://{address.host}/{address.database}/{self._table}"

    def check(self, shard: Shard) -> None:
        """Raise for columns without a type or of another in the table, without access, and for lost tags."""
        with self._cluster() as cluster:
            self._columns(cluster, shard)
            check_tags_stay(cluster, self._table, _LEANS_ON[shard.mode])
            if shard.mode is Mode.SNAPSHOT:
                self._columns(cluster, shard, self._staging)

    def offline(self) -> bool:
        """Its values are judged by rules that stand here."""
        return True

    def inexact(self, shard: Shard) -> Sequence[Refused]:
        """Return the rows with days and numbers that Kusto does not have."""
        return unfit_rows(shard, lambda _, value, kind: unfit(value, kind))

    def send(self, shard: Shard, journal: Journal) -> Receipt:
        """Bring the pending rows into the table."""
        tags, parts = Tags.of(shard), parts_of(shard)
        with self._cluster() as cluster:
            if shard.mode is Mode.SNAPSHOT:
                queued = self._replace(cluster, shard, parts, journal)
            else:
                queued = self._append(cluster, shard, parts, journal)
        return Receipt(
            rows=shard.rows,
            location=self.canonical_object(),
            already_delivered=queued == 0 and shard.rows > 0,
            details={"files queued": queued, "tag": f"drop-by:{tags.scope}"},
        )

    def arrived(self, shard: Shard) -> bool | None:
        """Whether the table has the delivery's tags.

        A part of an append that is not there may still be in a queue: then nobody can tell.
        """
        if not shard.rows:
            return None
        tags = Tags.of(shard)
        with self._cluster() as cluster:
            if not found(cluster, self._table):
                return False if shard.mode is Mode.SNAPSHOT else None
            if shard.mode is Mode.SNAPSHOT:
                # Nothing comes into the table but by our own replacing.
                return self._replacing(cluster, shard).rows_there() > 0
            there = (rows_tagged(cluster, self._table, f"ingest-by:{tags.part(p)}") for p in parts_of(shard))
            return True if all(there) else None

    def read_back(self, scope: Scope) -> Iterator[Any]:
        """Yield the scope's rows; empty text is null, dates and decimals are as they were sent."""
        with self._cluster() as cluster:
            held = {column.name: column for column in found(cluster, self._table)}
            if not held:
                return
            columns = [held[field] for field in self._known(scope, scope.fields, held)]
            condition = kql.in_scope(scope, {column.name: column.type for column in held.values()})
            query = (
                f"{kql.name(self._table)}{f' | where {condition}' if condition else ''} "
                f"| project {', '.join(kql.name(column.name) for column in columns)}"
            )
            for rows in cluster.rows(query, _ROWS_AT_ONCE, "read a table"):
                yield cluster.once(lambda rows=rows: record_batch(columns, rows), "read a table")

    def forget(self, scope: Scope, keys: Sequence[Mapping[str, Any]]) -> int:
        """Delete the keys' rows for good (`.delete table records`); see above for the storage under them."""
        with self._cluster() as cluster:
            held = {column.name: column for column in found(cluster, self._table)}
            if not held or not keys:
                return 0
            self._known(scope, scope.key, held)
            check_all_is_seen(cluster, self._table)
            table, gone = kql.name(self._table), 0
            types = {column.name: column.type for column in held.values()}
            # One after the other: parallel deletions on a table may fail.
            for condition in kql.of_keys(scope, keys, types):
                there = cluster.count(f"{table} | where {condition} | count", "count rows")
                if there:
                    cluster.command(
                        f".delete table {table} records <| {table} | where {condition}", "delete rows"
                    )
                gone += there
            return gone

    def _cluster(self) -> Cluster:
        return Cluster(self._url, self.seconds_left, self.too_late)

    @cached_property
    def _table(self) -> str:
        return self.canonical_name(self._object_name)

    @property
    def _staging(self) -> str:
        return self._table + STAGING

    @property
    def _wait_seconds(self) -> float:
        return cast("AdxOptions", self._options).wait_minutes * 60

    def _append(self, cluster: Cluster, shard: Shard, parts: Sequence[Part], journal: Journal) -> int:
        pending = journal.pending()
        parts = [p for p in parts if any(p.first < end and first < p.end for first, end in pending)]
        if not parts:
            return 0
        mapping = self._made(cluster, self._table, self._columns(cluster, shard))
        ingestion = Ingestion(cluster, self._table, mapping, [Tags.of(shard).scope], self._wait_seconds)
        return ingestion.bring(
            shard, parts, journal, lambda part, note: journal.acknowledge(part.first, part.end, (), note)
        )

    def _replace(self, cluster: Cluster, shard: Shard, parts: Sequence[Part], journal: Journal) -> int:
        tags, scope = Tags.of(shard), self._replacing(cluster, shard)
        there = bool(found(cluster, self._table))
        queued, note = 0, ""
        if there and not shard.rows:
            note = journal.leaving(())
            scope.empty()
        elif shard.rows and not (there and scope.rows_there()):
            columns = self._columns(cluster, shard)
            self._made(cluster, self._table, columns)
            mapping = self._made(cluster, self._staging, columns)
            scope.clear_staging()
            ingestion = Ingestion(
                cluster, self._staging, mapping, [tags.scope, tags.delivery], self._wait_seconds
            )
            try:
                queued = ingestion.bring(shard, parts, journal, _nothing, staged=True)
            except RowsLost:
                scope.drop_staged()
                raise
            note = self._swap(scope, shard, journal)
        pending = journal.pending()
        for first, end in pending:
            journal.acknowledge(first, end, (), note if end == pending[-1][1] else "")
        return queued

    def _swap(self, scope: Replacing, shard: Shard, journal: Journal) -> str:
        """Replace the scope by the staged rows in one transaction; a second time it changes nothing.

        Returns:
            The note of it. What is staged has not left: nobody reads it.
        """
        staged = scope.rows_staged()
        if staged != shard.rows:
            scope.drop_staged()
            raise DeliveryError(
                "SLU-V604",
                f"of {shard.rows} rows that were sent, Azure Data Explorer staged {staged} in "
                f"{self._staging!r}; {self._table!r} is as it was",
                "every row of every file, once",
                "see `.show ingestion failures`, then run the delivery again",
            )
        note = journal.leaving(journal.pending())
        scope.swap()
        return note

    def _replacing(self, cluster: Cluster, shard: Shard) -> Replacing:
        tags = Tags.of(shard)
        whole = shard.partition_column is None
        return Replacing(cluster, self._table, tags.scope, tags.delivery, whole=whole)

    def _columns(self, cluster: Cluster, shard: Shard, table: str = "") -> list[Column]:
        """The shard's fields with the types that they have, or will have, in the table."""
        table = table or self._table
        columns = columns_of(import_module("pyarrow.parquet").read_schema(shard.path))
        return settled(columns, found(cluster, table), table)

    def _made(self, cluster: Cluster, table: str, columns: Sequence[Column]) -> str:
        """Make the table, or add the columns it has not; return the name of its ingestion mapping.

        A mapping's name tells its content, so that files in the queue keep the one they were sent with.
        """
        make(cluster, table, columns, staging=table == self._staging)
        mapping = mapping_of(columns)
        name = f"sluice_{hashlib.sha256(mapping.encode()).hexdigest()[:12]}"
        cluster.command(
            f".create-or-alter table {kql.name(table)} ingestion parquet mapping {kql.text(name)} "
            f"{kql.text(mapping)}",
            "make an ingestion mapping",
        )
        return name

    def _known(self, scope: Scope, fields: Sequence[str], held: Mapping[str, TableColumn]) -> Sequence[str]:
        wanted = {*fields, *filter(None, [scope.partition_column])}
        if missing := sorted(wanted - held.keys()):
            raise DeliveryError(
                "SLU-V610",
                f"table {self._table!r} in Azure Data Explorer lacks columns {', '.join(map(repr, missing))}",
                "the columns that the export has",
                "deliver the export once, which adds them; or find out who dropped them",
            )
        return fields


def _nothing(part: Part, note: str) -> None:
    """A staged part is not yet what the destination holds."""
