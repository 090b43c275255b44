"""What the tests of blob deliveries share: a folder in some storage, read as a consumer reads it.

Belongs here: that folder, and its fixtures. Does not: any expectation.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from sluicegate.areas import Area
from sluicegate.destinations.base import Mode, Receipt, Scope, Shard
from sluicegate.destinations.blob import BlobDestination, BlobOptions

from tests.storage.fixtures import KINDS

from .cases.blob import connection_url, storage_of
from .journals import MemoryJournal
from .support import DAY, MakeShard, Row

OBJECT = "partner/drop"


class Place:
    """A folder in some storage: delivered to, and read as a consumer reads it."""

    def __init__(self, url: str, area: Area, make_shard: MakeShard) -> None:
        self.url, self.area, self._make_shard = url, area, make_shard

    def destination(self, **options: Any) -> BlobDestination:
        return BlobDestination(self.url, OBJECT, BlobOptions(**options))

    def shard(
        self, rows: Any, delivery_id: str, after: str = "", mode: Mode = Mode.SNAPSHOT, **stated: Any
    ) -> Shard:
        full = mode is Mode.SNAPSHOT
        stated = {"mode": mode, "full": full, "supersedes": after} | stated
        return self._make_shard(rows, delivery_id=delivery_id, **stated)

    def send(self, shard: Shard, **options: Any) -> Receipt:
        destination = self.destination(**options)
        destination.check(shard)
        return destination.send(shard, MemoryJournal(shard.rows))

    def names(self) -> set[str]:
        return {entry.path.removeprefix(f"{OBJECT}/") for entry in self.area.listing("**")}

    def load(self, path: str) -> dict[str, Any]:
        return json.loads(self.read(path))

    def read(self, path: str) -> bytes:
        return b"".join(self.area.chunks(f"{OBJECT}/{path}"))

    def shown(self, partition: str = DAY) -> str:
        return str(self.load(f"{partition}/manifest.json")["delivery_id"])

    def held(self, partition: str = DAY, column: str | None = "business_date") -> list[Row]:
        scope = scope_of(partition, column)
        batches = self.destination().read_back(scope)
        rows = [row for batch in batches for row in batch.to_pylist()]
        return sorted((row["item"], str(row["business_date"]), row["note"]) for row in rows)


def scope_of(partition: str = DAY, column: str | None = "business_date", *fields: str) -> Scope:
    wanted = fields or ("item", "business_date", "note")
    return Scope("exp_items", partition, ("business_date", "item"), wanted, column)


@pytest.fixture
def place(tmp_path: Path, make_shard: MakeShard) -> Place:
    url = str(tmp_path / "container")
    return Place(url, Area(url), make_shard)


@pytest.fixture(params=KINDS)
def anywhere(request: pytest.FixtureRequest, make_shard: MakeShard) -> Place:
    """On each kind of storage in turn."""
    storage = storage_of(request, request.param)
    url = storage.fresh_url()
    return Place(connection_url(storage, url), storage.area(url), make_shard)
