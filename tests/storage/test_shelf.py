"""The shelf of published tables on every kind of storage: commits, catalogues, reading, cleaning."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from deltalake import DeltaTable
from sluicegate.compute.engine import open_engine
from sluicegate.compute.object_storage import extension_path, object_storage
from sluicegate.compute.sql import literal
from sluicegate.publishing.catalogue import Catalogue
from sluicegate.publishing.delta_log import DataFile, Overtaken
from sluicegate.publishing.delta_types import delta_schema
from sluicegate.publishing.shelf import Shelf

from tests.storage.fixtures import Storage


def test_tables_and_catalogues_on_every_storage(storage: Storage, tmp_path: Path) -> None:
    shelf = Shelf(storage.fresh_area(), storage.access)
    said = Catalogue("000000000001", "d", 1, datetime.now(UTC), "", {}, frozenset(), {})
    shelf.add(said)
    with pytest.raises(FileExistsError):
        shelf.add(said)
    found = shelf.newest()
    assert found is not None
    assert (found.name, found.published_at, dict(found.tables)) == (said.name, said.published_at, {})
    assert not [name for name in os.environ if name.startswith("AZURE_STORAGE")]

    location, schema = "tables/marts/t", delta_schema({"x": "BIGINT"}, "k")
    with open_engine() as engine:
        engine.execute(f"load {literal(str(extension_path('delta')))}")

        def put(key: str, value: int, upon: int, replaced: set[str] | None) -> int:
            file = tmp_path / f"{key}-{value}.parquet"
            engine.execute(f"copy (select {value}::bigint as x) to {literal(str(file))} (format parquet)")
            size = file.stat().st_size
            shelf.area.upload(f"{location}/{file.name}", file)
            files = [DataFile(file.name, size, 1, key)]
            return shelf.log(location).commit(schema, "k", files, {"n": value}, replaced, upon=upon)

        assert put("a", 1, -1, None) == 0
        assert put("b", 2, 0, {"b"}) == 1
        with pytest.raises(Overtaken):
            put("c", 3, 0, {"c"})
        stale = shelf.log(location)
        assert stale.version == 1
        assert put("a", 4, 1, {"a"}) == 2
        with pytest.raises(Overtaken):
            stale.commit(schema, "k", [], {"n": 0}, {"b"}, upon=1)
        assert shelf.log(location).notes_after(0) == [(1, {"n": 2}), (2, {"n": 4})]

        def rows(version: int) -> list[tuple[int]]:
            if storage.kind == "azurite":  # the engine's asks Azure, whatever endpoint is named to it
                table = DeltaTable(shelf.area.path(location), version, shelf.options)
                return sorted((value,) for value in table.to_pyarrow_table()["x"].to_pylist())
            scan = f"delta_scan({literal(shelf.scan_path(location))}, version = {version})"
            with object_storage(engine, [shelf.area], storage.access):
                return engine.execute(f"select x from {scan} order by x").fetchall()

        assert (rows(1), rows(2)) == ([(1,), (2,)], [(2,), (4,)])
        assert shelf.locations() == {location}
        assert shelf.log(location).files_of([]) == {"b-2.parquet", "a-4.parquet"}
        assert shelf.log(location).files_of([1]) == {"a-1.parquet", "b-2.parquet", "a-4.parquet"}
        stale = shelf.log(location)
        assert stale.version == 2
        shelf.log(location).raise_version()
        with pytest.raises(Overtaken):
            stale.commit(schema, "k", [], {"n": 0}, {"b"}, upon=2)
        assert rows(3) == rows(2)
