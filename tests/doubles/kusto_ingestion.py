"""The data management side of the Kusto double: reads the queue, loads blobs into extents, reports.

Belongs here: what becomes of an ingestion message. Does not: where the queues are (`kusto_storage`), tables
(`kusto_engine`).

Sources: "Ingestion without Kusto.Ingest library" (https://learn.microsoft.com/kusto/api/netfx/
kusto-ingest-client-rest: structure of the messages), "Ingestion error codes"
(https://learn.microsoft.com/azure/data-explorer/error-codes), "Extent tags", "IngestionBatching policy"
(https://learn.microsoft.com/kusto/management/batching-policy), "Parquet mapping"
(https://learn.microsoft.com/kusto/management/parquet-mapping: which type becomes which).
"""

import io
import json
import threading
import uuid
from collections import Counter, deque
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import unquote, urlsplit

import pyarrow.parquet as parquet
from azure.core.exceptions import AzureError
from azure.storage.blob import BlobClient
from azure.storage.queue import QueueClient, TextBase64DecodePolicy, TextBase64EncodePolicy

from .kusto_engine import Engine
from .kusto_language import Refused
from .kusto_storage import StorageAccount

# "Data ingestion overview", https://learn.microsoft.com/azure/data-explorer/ingest-data-overview
MOST_BYTES = 6 * 1024**3
_FAILURES_ONLY, _NONE, _ALL = 0, 1, 2
_PROPERTIES = {
    "Id", "BlobPath", "RawDataSize", "DatabaseName", "TableName", "RetainBlobOnSuccess", "FlushImmediately",
    "IgnoreSizeLimit", "ReportLevel", "ReportMethod", "SourceMessageCreationTime", "ApplicationForTracing",
    "ClientVersionForTracing", "AdditionalProperties",
}  # fmt: skip
_ADDITIONAL = {
    "authorizationContext", "tags", "ingestIfNotExists", "ingestionMappingReference", "ingestionMappingType",
    "format",
}  # fmt: skip
# Arrow types, by how they print, and the column types they are loaded into ("Parquet type conversions").
_LOADS = {
    "bool": ("bool",), "float": ("real",), "double": ("real",), "string": ("string",),
    "large_string": ("string",),
    "int8": ("int", "long"), "int16": ("int", "long"), "int32": ("int", "long"), "uint8": ("int", "long"),
    "uint16": ("int", "long"), "int64": ("long",), "uint32": ("long",), "uint64": ("long", "decimal"),
    "date32[day]": ("datetime",),
}  # fmt: skip
_TICK_SECONDS = 0.02


@dataclass
class Failed(Exception):
    """An ingestion that failed, with the service's code and words."""

    code: str
    details: str
    status: str = "Permanent"


class Ingestion:
    """The queues, and the worker on them.

    Attributes:
        rows: how many rows were loaded, all in all.
        twice: how many of them had come before with the same tags and equal content.
        messages: every message that was taken from the queue.
        faults: what becomes of the next messages, one each: a `Failed` to report instead of loading, or a
            number of rows, the rest of which is lost; None is no fault.
        open: cleared, messages stay in the queue, as with a slow service.
    """

    def __init__(self, account: StorageAccount, engine: Engine) -> None:
        self.engine = engine
        self.input = account.new_queue("readyforaggregation")
        self.succeeded = account.new_queue("successfulingestions")
        self.failed = account.new_queue("failedingestions")
        self.container = account.new_container()
        self.statuses = account.table_url()
        self.identity_token = uuid.uuid4().hex
        self.rows = self.twice = 0
        self.messages: list[dict[str, Any]] = []
        self.faults: deque[Failed | int | None] = deque()
        self.open = threading.Event()
        self.open.set()
        self._seen: Counter[tuple[str, str]] = Counter()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="kusto-ingestion", daemon=True)

    def start(self) -> None:
        """Begin to read the queue."""
        self._thread.start()

    def stop(self) -> None:
        """End, after the message at hand."""
        self._stop.set()
        self._thread.join(30)

    def _work(self) -> None:
        with _queue(self.input) as queue:
            while not self._stop.wait(_TICK_SECONDS):
                if not self.open.is_set():
                    continue
                found = list(queue.receive_messages(max_messages=32, visibility_timeout=60))
                self._load_all([json.loads(message.content) for message in found])
                for message in found:
                    queue.delete_message(message)

    def _load_all(self, messages: list[dict[str, Any]]) -> None:
        """Load messages; those without `FlushImmediately` are loaded in one batch if their properties agree.

        The tag is looked for once a batch: equal data that is queued twice in a batch is loaded twice.
        """
        batches: dict[str, list[dict[str, Any]]] = {}
        for message in messages:
            self.messages.append(message)
            alike = [message.get("TableName"), message.get("AdditionalProperties")]
            same = message["Id"] if message.get("FlushImmediately") else json.dumps(alike)
            batches.setdefault(same, []).append(message)
        for batch in batches.values():
            parts: list[tuple[dict[str, Any], list[dict[str, Any]]]] = []
            for message in batch:
                try:
                    parts.append((message, self._rows_of(message)))
                except Failed as error:
                    self._report_failure(message, error)
            if parts:
                self._load(parts)

    def _load(self, parts: list[tuple[dict[str, Any], list[dict[str, Any]]]]) -> None:
        head = parts[0][0]
        more = head["AdditionalProperties"]
        tags, unless = (json.loads(more.get(name, "[]")) for name in ("tags", "ingestIfNotExists"))
        rows = [row for _, some in parts for row in some]
        if not self.engine.ingest(head["TableName"], rows, tags, unless):
            said = "Another stream with the same ingest-by tag was already ingested."
            for message, _ in parts:
                self._report_failure(message, Failed("Skipped_IngestByTagAlreadyExists", said))
            return
        self.rows += len(rows)
        for row in rows:
            content = (json.dumps(sorted(tags)), repr(sorted(row.items())))
            self.twice += self._seen[content] > 0
            self._seen[content] += 1
        for message, _ in parts:
            if message["ReportLevel"] == _ALL:
                self._report(self.succeeded, message, {"SucceededOn": datetime.now(UTC).isoformat()})

    def _rows_of(self, message: dict[str, Any]) -> list[dict[str, Any]]:
        """Check a message as strictly as the service, and read its blob."""
        more = message.get("AdditionalProperties", {})
        if unknown := (set(message) - _PROPERTIES) | (set(more) - _ADDITIONAL):
            raise Failed(
                "BadRequest_MalformedIngestionProperty", f"Ingestion property is malformed: {unknown}"
            )
        if more.get("authorizationContext") != self.identity_token:
            raise Failed("BadRequest_InvalidKustoIdentityToken", "Invalid Kusto identity token.")
        if message["DatabaseName"] != self.engine.database:
            raise Failed(
                "BadRequest_DatabaseNotExist", f"Database '{message['DatabaseName']}' doesn't exist."
            )
        table = self.engine.tables.get(message["TableName"])
        if table is None:
            raise Failed("BadRequest_TableNotExist", f"Table '{message['TableName']}' doesn't exist.")
        if (more.get("format"), more.get("ingestionMappingType")) != ("parquet", "Parquet"):
            raise Failed("BadRequest_FormatNotSupported", f"Format '{more.get('format')}' isn't supported.")
        mapping = table.mappings.get(more.get("ingestionMappingReference", ""))
        if mapping is None:
            raise Failed("BadRequest_MappingReferenceWasNotFound", "Mapping reference wasn't found.")
        if message.get("RawDataSize", 0) > MOST_BYTES:
            raise Failed("BadRequest_FileTooLarge", "Blob size has exceeded the size limit allowed.")
        fault = self.faults.popleft() if self.faults else None
        if isinstance(fault, Failed):
            raise fault
        try:
            with BlobClient.from_blob_url(message["BlobPath"]) as blob:
                held = parquet.read_table(io.BytesIO(blob.download_blob().readall()))
        except AzureError as error:
            raise Failed("Download_SourceNotFound", "Failed to download source. Source not found.") from error
        read = [(e["Properties"]["Field"], e["Column"], table.columns.get(e["Column"], "")) for e in mapping]
        for part, column, kind in read:
            arrow = str(held.schema.field(part).type) if part in held.column_names else "absent"
            if not _loads(arrow, kind):
                said = f"Column '{column}' of type {kind} cannot be read from '{part}' of type {arrow}"
                raise Failed("BadRequest_InconsistentMapping", said)
        return [
            {column: _loaded(row[part], kind) for part, column, kind in read}
            for row in held.to_pylist()[: fault if isinstance(fault, int) else None]
        ]

    def _report_failure(self, message: dict[str, Any], error: Failed) -> None:
        path = message.get("BlobPath", "")
        said = {
            "ErrorCode": error.code,
            "FailureStatus": error.status,
            "Details": f"{error.details} Source: '{path}'",
            "FailedOn": datetime.now(UTC).isoformat(),
            "OriginatesFromUpdatePolicy": False,
            "ShouldRetry": error.status != "Permanent",
        }
        with self.engine.lock:
            shown = {"FailureKind": error.status, "IngestionSourcePath": path.partition("?")[0]}
            self.engine.failures.append(said | shown)
        if message.get("ReportLevel") != _NONE:
            self._report(self.failed, message, said)
        if error.status == "Transient":  # the service tries again by itself
            self._load_all([message])

    def _report(self, url: str, message: dict[str, Any], said: dict[str, Any]) -> None:
        told = {
            "OperationId": str(uuid.uuid4()),
            "Database": message["DatabaseName"],
            "Table": message["TableName"],
            "IngestionSourceId": message["Id"],
            "IngestionSourcePath": message["BlobPath"],
            "RootActivityId": str(uuid.uuid4()),
        }
        with _queue(url) as queue:
            queue.send_message(json.dumps(told | said))


def _queue(url: str) -> QueueClient:
    parts = urlsplit(url)
    account, name = unquote(parts.path).strip("/").split("/")
    return QueueClient(
        f"{parts.scheme}://{parts.netloc}/{account}",
        name,
        credential=parts.query,
        message_encode_policy=TextBase64EncodePolicy(),
        message_decode_policy=TextBase64DecodePolicy(),
    )


def _loads(arrow: str, kind: str) -> bool:
    if arrow.startswith("timestamp["):
        return kind == "datetime"
    if arrow.startswith("decimal128("):
        return kind == "decimal"
    if arrow == "extension<arrow.uuid>":
        return kind == "guid"
    return kind in _LOADS.get(arrow, ())


def _loaded(value: Any, kind: str) -> Any:
    """A value of a Parquet file as the engine holds it; text knows no null ("The string data type")."""
    if kind == "string":
        return "" if value is None else value
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    if isinstance(value, uuid.UUID):
        return str(value)
    return value


__all__ = ["Failed", "Ingestion", "Refused"]
