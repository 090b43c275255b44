"""Queued ingestion: a shard as Parquet files, each in the queue once, watched until its rows are there.

Belongs here: parts, tags, what was queued and what became of it. Does not: tables and scopes (`adx`).

How it stays once. Each part of a delivery has an `ingest-by:` tag of its own, and is sent with
`ingestIfNotExists`: whatever is queued twice (by a restart, or by the library, which tries every queue) is
loaded once. The service looks for the tag once for all that it loads together, so a part is never batched
with others (`FlushImmediately`). Whether rows are there is told by the tags of the table's extents alone,
which outlive every process and every queue. The status queue and `.show ingestion failures` only tell why
rows do not come: the queue's messages belong to all clients of the cluster, are only looked at, and may be
taken by others.

The journal keeps for each part where it stands, and the source id it was queued with: `sending`, `queued`
(waited for, by a restart too), `loaded`, and `failed`, `late` or `lost`, after which it is queued anew.
"""

import time
import uuid
from collections.abc import Callable, Sequence
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import Any

from ..base import Journal, Shard
from ..bounded import GoOn, bounded
from ..errors import DeliveryError
from . import kql as kql
from .cluster import Cluster
from .parts import Part, Tags, files_of

# Azure Queue Storage shows at most 32 messages at once ("Peek Messages"); the library asks for one more
# than told.
_PEEKED = 31
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 10.0
_RESOURCES_TIMEOUT = timedelta(minutes=2)
_ALREADY_THERE = "Skipped_IngestByTagAlreadyExists"
_LOADING = "queued"
# A part whose rows are in the table, and the note of the request that brought it there.
Arrived = Callable[[Part, str], None]
_NAMES_SECONDS = 2.0


def rows_tagged(cluster: Cluster, table: str, tag: str) -> int:
    """How many rows the extents of a table with a tag have; merged ones count whole."""
    return rows_where(cluster, table, f"tags has {kql.text(tag)}")


def rows_where(cluster: Cluster, table: str, tags: str) -> int:
    """How many rows the extents of a table have whose tags are as a condition says."""
    shown = cluster.command(f".show table {kql.name(table)} extents where {tags}", "show extents")
    return sum(cluster.told(extent, "RowCount", int, "show extents") for extent in shown)


class RowsLost(DeliveryError):
    """The service loaded a part, but not all of its rows."""


class Ingestion:
    """Brings parts of one delivery into a table.

    Args:
        cluster: where to.
        table: which table the rows go to first.
        mapping: the name of the table's ingestion mapping.
        drop_by: values of `drop-by:` tags for every extent.
        wait_seconds: how long to wait for a queued part at most.
    """

    def __init__(
        self, cluster: Cluster, table: str, mapping: str, drop_by: Sequence[str], wait_seconds: float
    ) -> None:
        self._cluster = cluster
        self._table = table
        self._mapping = mapping
        self._drop_by = list(drop_by)
        self._wait_seconds = wait_seconds

    def bring(
        self, shard: Shard, parts: Sequence[Part], journal: Journal, arrived: Arrived, *, staged: bool = False
    ) -> int:
        """Queue the parts that are neither there nor on their way, wait for all; return how many were queued.

        `arrived` is called for each part once its rows are in the table, with the note of its request, "" if
        an earlier process made that. `staged`: nobody reads the table, so nothing leaves with this.

        Raises:
            DeliveryError: the service refused a part, lost rows, or did not load it in time.
        """
        tags = Tags.of(shard)
        waiting: dict[Part, str] = {}
        kept = journal.kept()
        missing: list[Part] = []
        notes: dict[Part, str] = {}
        for part in parts:
            state, _, source = kept.get(_kept_name(part), "").partition(" ")
            if self._is_there(tags, part, journal, source):
                arrived(part, "")
            elif state == _LOADING:
                waiting[part] = source
            else:
                missing.append(part)
        client = self._client()
        try:
            with TemporaryDirectory(prefix="sluice-adx-") as folder:
                files = files_of(shard.path, missing, Path(folder))
                for part, path in files:
                    if not staged:
                        notes[part] = journal.leaving([(part.first, part.end)])
                    try:
                        source = self._enqueue(client, part, path, tags, journal)
                    except DeliveryError as error:
                        if error.nothing_done and not staged:
                            journal.stayed(notes[part])
                        raise
                    journal.keep(_kept_name(part), f"{_LOADING} {source}")
                    journal.tell(f"queued rows {part.first} to {part.end} as {source}")
                    waiting[part] = source
                    path.unlink()
            self._wait(client, tags, waiting, journal, lambda part: arrived(part, notes.get(part, "")))
        finally:
            client.close()
        return len(missing)

    def _client(self) -> Any:
        builder = self._cluster.address.connection("ingest-")
        client: Any = import_module("azure.kusto.ingest").QueuedIngestClient(builder)
        # The library would wait an hour for its list of queues, and offers no setting.
        client._resource_manager._kusto_client._mgmt_default_timeout = _RESOURCES_TIMEOUT
        return client

    def _is_there(self, tags: Tags, part: Part, journal: Journal, source: str) -> bool:
        rows = rows_tagged(self._cluster, self._table, f"ingest-by:{tags.part(part)}")
        if not rows:
            return False
        if rows < part.rows:
            journal.keep(_kept_name(part), f"lost {source}")
            raise RowsLost(
                "SLU-V605",
                f"of {part.rows} rows that were sent, Azure Data Explorer loaded {rows} into {self._table!r}",
                "every row of a file",
                "see `.show ingestion failures`; take the rows out with `.drop extents <| .show table "
                f'{kql.name(self._table)} extents where tags has "ingest-by:{tags.part(part)}"`, then run '
                "the delivery again",
            )
        journal.keep(_kept_name(part), f"loaded {source}")
        return True

    def _enqueue(self, client: Any, part: Part, path: Path, tags: Tags, journal: Journal) -> str:
        """Put a file into a queue; return the source id that it goes by there."""
        ingest: Any = import_module("azure.kusto.ingest")
        properties = ingest.IngestionProperties(
            self._cluster.address.database,
            self._table,
            data_format=import_module("azure.kusto.data.data_format").DataFormat.PARQUET,
            ingestion_mapping_reference=self._mapping,
            ingest_by_tags=[tags.part(part)],
            ingest_if_not_exists=[tags.part(part)],
            drop_by_tags=self._drop_by,
            flush_immediately=True,
            report_level=ingest.ReportLevel.FailuresAndSuccesses,
        )

        def queue(go_on: GoOn) -> str:
            # Another one each time: a blob of that name may be there already.
            source = str(uuid.uuid4())
            journal.keep(_kept_name(part), f"sending {source}")
            descriptor = ingest.FileDescriptor(str(path), part.size, uuid.UUID(source))
            # An upload that hangs, and that nobody waits for any more, is not to be queued later.
            put = client.ingest_from_blob

            def put_if_wanted(*arguments: Any, **named: Any) -> Any:
                go_on()
                return put(*arguments, **named)

            client.ingest_from_blob = put_if_wanted
            try:
                client.ingest_from_file(descriptor, properties)
                return source
            except Exception as error:
                if type(error).__name__ in ("KustoQueueError", "KustoBlobError"):
                    raise self._not_lent(client, error) from None
                raise
            finally:
                client.ingest_from_blob = put

        # Put into a queue twice it is loaded once.
        return self._cluster.asking(queue, "hand out its queues for ingestion")

    def _not_lent(self, client: Any, error: Exception) -> DeliveryError:
        cause = getattr(error, "inner", None) or error.__cause__ or error
        what = "upload a file to" if type(error).__name__ == "KustoBlobError" else "put a message into"
        return DeliveryError(
            "SLU-V606",
            f"{self._cluster.address.host}: could not {what} the storage that Azure Data Explorer lends "
            f"for ingestion ({self._queue_names(client)}): {self._cluster.shown(cause)}",
            "the cluster's queues and containers reachable from here, over HTTPS",
            "open the way to *.queue.core.windows.net and *.blob.core.windows.net; then run the delivery "
            "again",
            # What is not in a queue is loaded by nobody.
            nothing_done=type(error).__name__ == "KustoBlobError",
        )

    def _wait(
        self,
        client: Any,
        tags: Tags,
        waiting: dict[Part, str],
        journal: Journal,
        arrived: Callable[[Part], None],
    ) -> None:
        patience = min(self._wait_seconds, self._cluster.left())
        deadline = time.monotonic() + patience
        pause = _FIRST_PAUSE_SECONDS
        while True:
            for part, source in list(waiting.items()):
                if self._is_there(tags, part, journal, source):
                    del waiting[part]
                    arrived(part)
            if not waiting:
                return
            for source, (code, said) in self._failures(client, list(waiting.values())).items():
                part = next(part for part, its in waiting.items() if its == source)
                journal.keep(_kept_name(part), f"failed {source}")
                raise DeliveryError(
                    "SLU-V602",
                    f"Azure Data Explorer refused rows {part.first} to {part.end} for {self._table!r}: "
                    f"{code}: {self._cluster.shown(said)}",
                    "a file that the table's columns and ingestion mapping take",
                    "fix what the message names, then run the delivery again",
                )
            left = deadline - time.monotonic()
            if left <= 0:
                for part, source in waiting.items():
                    journal.keep(_kept_name(part), f"late {source}")
                raise DeliveryError(
                    "SLU-V603",
                    f"{len(waiting)} of the delivery's files waited longer than "
                    f"{patience / 60:.3g} minutes "
                    f"in the ingestion queue ({self._queue_names(client)}) of {self._cluster.address.host}",
                    "files that are loaded in time; the service neither loaded nor refused them",
                    "see whether the cluster is stopped, suspended or overloaded; run the delivery again "
                    "(nothing is loaded twice), or raise destination.options.wait_minutes and `budget`",
                )
            Event().wait(min(pause, left))
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    def _failures(self, client: Any, sources: Sequence[str]) -> dict[str, tuple[str, str]]:
        """What the service says of sources that it gave up, as (code, words), by source."""
        found: dict[str, tuple[str, str]] = {}
        for message in self._peeked(client):
            if message.IngestionSourceId in sources and _is_final(message.ErrorCode, message.FailureStatus):
                found[message.IngestionSourceId] = (str(message.ErrorCode), str(message.Details))
        for source in sources:
            if source in found:
                continue
            # A source's id is in the name of its blob. Messages in the queue may be taken by others, or be
            # too many.
            try:
                shown = self._cluster.command(
                    f".show ingestion failures | where IngestionSourcePath contains {kql.text(source)} "
                    "| project ErrorCode, FailureKind, Details",
                    "show failures of ingestion",
                )
            except DeliveryError:
                # Not every principal may see them; who cannot reach the cluster fails at the extents.
                break
            for row in shown:
                if _is_final(row.get("ErrorCode"), row.get("FailureKind")):
                    found[source] = (str(row.get("ErrorCode")), str(row.get("Details")))
        return found

    def _peeked(self, client: Any) -> Sequence[Any]:
        statuses: Any = import_module("azure.kusto.ingest.status").KustoIngestStatusQueues(client)
        try:
            return self._cluster.bounded(lambda _: statuses.failure.peek(_PEEKED), "show failures")
        except Exception:
            # The queue is only one of two places that tell of failures, and neither tells of success; its
            # messages are of all clients of the cluster, in whatever form.
            return ()

    def _queue_names(self, client: Any) -> str:
        resources = client._resource_manager
        try:
            # Some are known already; a service that does not answer is not asked for an error's words.
            queues = bounded(_NAMES_SECONDS, lambda _: resources.get_ingestion_queues(), TimeoutError)
        except Exception:
            return "queues unknown"
        return ", ".join(f"{queue.parsed.netloc}/{queue.object_name}" for queue in queues)


def _kept_name(part: Part) -> str:
    return f"part-{part.number}"


def _is_final(code: Any, status: Any) -> bool:
    """Whether a failure ends an ingestion: transient ones are tried again by the service itself."""
    return code != _ALREADY_THERE and str(status).lower() != "transient"
