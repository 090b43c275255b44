"""Blob storage: a directory, Azurite and moto's S3, read as a consumer reads: manifests and their parts.

The last two are the fixtures of `tests.storage.fixtures`, one of each a test process.
"""

import io
import json
from abc import abstractmethod
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

import pytest
from sluicegate.areas import Area
from sluicegate.destinations.blob import BlobDestination

from tests.storage import fixtures
from tests.storage.fixtures import Storage
from tests.storage.s3 import CREDENTIALS

from .base import Case


def storage_of(request: pytest.FixtureRequest, kind: str) -> Storage:
    """The storage of a fixture of `tests.storage.fixtures`: one a test process."""
    plugins = request.config.pluginmanager
    if not plugins.is_registered(fixtures):
        plugins.register(fixtures, fixtures.__name__)
    found: Storage = request.getfixturevalue(kind)
    return found


def connection_url(storage: Storage, url: str) -> str:
    """The URL of an area as the secret URL of a connection, its credentials in it."""
    if storage.kind == "azurite":
        return f"{url}?connection_string={quote(storage.environ['SLUICE_AZURE_CONNECTION_STRING'], safe='')}"
    if storage.kind == "s3":
        given = {
            "endpoint": storage.environ["SLUICE_S3_ENDPOINT_URL"],
            "key": CREDENTIALS["AWS_ACCESS_KEY_ID"],
            "secret": CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        }
        return f"{url}?" + "&".join(f"{name}={quote(value, safe='')}" for name, value in given.items())
    return url


class BlobCase(Case):
    destination_class = BlobDestination
    object_name = "partner/items"
    # Small parts, so that most deliveries have several.
    options = {"rows_per_part": 4}  # noqa: RUF012 - read only, as the base class says
    options_for_many = {"rows_per_part": 100}  # noqa: RUF012
    in_parts = False

    def __init__(self, request: pytest.FixtureRequest, tmp_path: Path) -> None:
        super().__init__(request, tmp_path)
        storage = self.storage()
        url = storage.fresh_url()
        self.area: Area = storage.area(url)
        self.url = connection_url(storage, url)

    @abstractmethod
    def storage(self) -> Storage:
        """The storage that this case delivers to."""

    def contents(self) -> list[dict[str, Any]]:
        parquet = import_module("pyarrow.parquet")
        rows: list[dict[str, Any]] = []
        for entry in self.area.listing(f"{self.object_name}/*/manifest.json"):
            shown = json.loads(self._read(entry.path))
            for delivery in shown.get("deliveries", [shown]):
                folder = f"{entry.path.rpartition('/')[0]}/{delivery['folder']}"
                for part in delivery["files"]:
                    content = self._read(f"{folder}/{part['path']}")
                    assert len(content) == part["bytes"]
                    table = parquet.read_table(io.BytesIO(content))
                    assert table.num_rows == part["rows"]
                    rows += table.to_pylist()
        return rows

    def twice(self) -> int:
        rows = [repr(sorted(row.items())) for row in self.contents()]
        return len(rows) - len(set(rows))

    def _read(self, path: str) -> bytes:
        return b"".join(self.area.chunks(path))


class LocalCase(BlobCase):
    def storage(self) -> Storage:
        return Storage("directory", str(self.tmp_path / "container"), {})

    def unreachable_url(self) -> str:
        in_the_way = self.tmp_path / "in-the-way"
        in_the_way.touch()
        return str(in_the_way)


class _FixtureCase(BlobCase):
    fixture: ClassVar[str]

    def storage(self) -> Storage:
        return storage_of(self.request, self.fixture)


class AzureCase(_FixtureCase):
    fixture = "azurite"


class S3Case(_FixtureCase):
    fixture = "s3"
