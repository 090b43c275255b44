"""What delivery tests share that is no fixture: days, rows, and reading destinations back."""

import json
from collections.abc import Callable
from importlib import import_module
from typing import Any

import psycopg
from psycopg import sql

from orchestration.delivery.destinations import Shard

DAY = "2022-10-03"
NEXT_DAY = "2022-10-04"
Row = tuple[int, str, str]
MakeShard = Callable[..., Shard]


def rows_of(day: str, count: int, note: str) -> list[Row]:
    return [(number, day, note) for number in range(count)]


def query(url: str, text: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(text.encode()).fetchall()


def execute(url: str, text: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(text.encode())


def read_table(url: str, name: str) -> list[Row]:
    query = sql.SQL("select item, business_date::text, note from {} order by 2, 1")
    with psycopg.connect(url) as connection:
        if connection.execute("select to_regclass(%s)", (name,)).fetchone() == (None,):
            return []
        found = connection.execute(query.format(sql.Identifier("public", name))).fetchall()
    return [(item, day, note) for item, day, note in found]


def read_folder(url: str, name: str) -> list[Row]:
    """As a consumer reads: partition manifests, then the parts that they name, and no more."""
    parquet = import_module("pyarrow.parquet")
    filesystem, base = import_module("fsspec.core").url_to_fs(url)
    rows: list[Row] = []
    for path in sorted(filesystem.glob(f"{base}/{name}/*/manifest.json")):
        manifest = json.loads(filesystem.cat_file(path))
        folder = f"{path.rpartition('/')[0]}/{manifest['delivery_id']}"
        for part in manifest["files"]:
            with filesystem.open(f"{folder}/{part['path']}") as file:
                table = parquet.read_table(file)
            assert table.num_rows == part["rows"]
            rows += [(r["item"], str(r["business_date"]), r["note"]) for r in table.to_pylist()]
    return sorted(rows, key=lambda row: (row[1], row[0]))
