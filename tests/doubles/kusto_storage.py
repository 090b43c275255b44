"""The storage that Azure Data Explorer lends to those who ingest: queues and containers, in a real Azurite.

Belongs here: starting Azurite with all its services, and URLs with a shared access signature as
`.get ingestion resources` hands them out. Does not: what is done with messages and blobs (`kusto_ingestion`).
"""

import base64
import os
import re
import subprocess
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, cast

from azure.storage.blob import BlobServiceClient, ContainerSasPermissions, generate_container_sas
from azure.storage.queue import QueueSasPermissions, QueueServiceClient, generate_queue_sas

from tests.storage import azurite

_LISTENING = re.compile(r"Azurite (Blob|Queue|Table) service is successfully listening at (http://\S+)")
_PROGRAM = "node_modules/azurite/dist/src/azurite.js"
_DIE_WITH_PARENT = Path(azurite.__file__).with_name("die_with_parent.cjs")
_ACCOUNT = "sluicedm"


@dataclass(frozen=True)
class StorageAccount:
    """One storage account; `endpoints` are the URLs of its services, by their names."""

    key: str = field(repr=False)
    endpoints: dict[str, str]

    def blobs(self) -> BlobServiceClient:
        """A client with the account's key, as the service itself has it."""
        return BlobServiceClient(f"{self.endpoints['Blob']}/{_ACCOUNT}", credential=self._credential())

    def queues(self) -> QueueServiceClient:
        """A client with the account's key, as the service itself has it."""
        return QueueServiceClient(f"{self.endpoints['Queue']}/{_ACCOUNT}", credential=self._credential())

    def new_container(self) -> str:
        """Make a container; return its URL with a signature that lets others write into it."""
        name = f"temp-{uuid.uuid4().hex}"
        with self.blobs() as client:
            client.create_container(name)
        rights = ContainerSasPermissions(read=True, write=True, create=True, add=True)
        signature = generate_container_sas(_ACCOUNT, name, self.key, permission=rights, expiry=_tomorrow())
        return f"{self.endpoints['Blob']}/{_ACCOUNT}/{name}?{signature}"

    def new_queue(self, use: str) -> str:
        """Make a queue; return its URL with a signature that lets others send and read messages."""
        name = f"{use}-{uuid.uuid4().hex}"
        with self.queues() as client:
            client.create_queue(name)
        rights = QueueSasPermissions(read=True, add=True, process=True)
        signature = generate_queue_sas(_ACCOUNT, name, self.key, permission=rights, expiry=_tomorrow())
        return f"{self.endpoints['Queue']}/{_ACCOUNT}/{name}?{signature}"

    def table_url(self) -> str:
        """The URL of a table of statuses: the service names one, the Python library never reads it."""
        return f"{self.endpoints['Table']}/{_ACCOUNT}/statuses?sv=none"

    def _credential(self) -> dict[str, str]:
        return {"account_name": _ACCOUNT, "account_key": self.key}


@contextmanager
def running_storage() -> Generator[StorageAccount]:
    """Start Azurite's blobs, queues and tables on free ports with nothing on disk; stop them after."""
    key = base64.b64encode(os.urandom(64)).decode()
    ports = [word for kind in ("blob", "queue", "table") for word in (f"--{kind}Port", "0")]
    process = subprocess.Popen(
        [
            "node", "--require", str(_DIE_WITH_PARENT), _PROGRAM, *ports, "--silent",
            "--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry",
            "--extentMemoryLimit", "512",
        ],
        cwd=azurite.installed(), env=os.environ | {"AZURITE_ACCOUNTS": f"{_ACCOUNT}:{key}"},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        yield StorageAccount(key, _endpoints(cast("IO[str]", process.stdout)))
    finally:
        process.kill()  # it has nothing to keep
        process.communicate()


def _endpoints(told: IO[str]) -> dict[str, str]:
    """Return where each service listens, once all have said so; the output ends if one cannot."""
    lines: list[str] = []
    found: dict[str, str] = {}
    for line in told:
        lines.append(line)
        if match := _LISTENING.search(line):
            found[match[1]] = match[2].rstrip("/")
        if len(found) == 3:
            return found
    raise RuntimeError(f"Azurite did not start: {''.join(lines)}")


def _tomorrow() -> datetime:
    return datetime.now(UTC) + timedelta(days=1)
