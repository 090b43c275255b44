"""What delivery tests share that is no fixture: days, rows, shards, and reading destinations back."""

import json
import uuid
import zlib
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from sluicegate.destinations.base import (
    CHANGE,
    CHANGED_FIELDS,
    ROW,
    ROW_HASH,
    Change,
    Mode,
    Shard,
)

DAY = "2022-10-03"
NEXT_DAY = "2022-10-04"
Row = tuple[int, str, str]
MakeShard = Callable[..., Shard]


def rows_of(day: str, count: int, note: str) -> list[Row]:
    return [(number, day, note) for number in range(count)]


def items_table(rows: Sequence[Row]) -> Any:
    """Rows (item, day, note) as an Arrow table."""
    arrow = import_module("pyarrow")
    items, days, notes = ([row[place] for row in rows] for place in range(3))
    return arrow.table(
        {
            "item": arrow.array(items, arrow.int32()),
            "business_date": arrow.array(days, arrow.string()).cast(arrow.date32()),
            "note": arrow.array(notes, arrow.string()),
        }
    )


def write_shard(
    folder: Path,
    rows: Sequence[Row] | Any,
    *,
    changes: Sequence[Change | str] | Change | str = Change.ADDED,
    changed_fields: Sequence[Sequence[str] | None] | None = None,
    partition: str = DAY,
    delivery_id: str | None = None,
    **stated: Any,
) -> Shard:
    """Write rows (item, day, note), or any Arrow table of fields, as a shard of the plan's form.

    `changes` are one for all rows, or one a row. `changed_fields` are what a changed row changes: one list a
    row, or else every field that is not of the key. `stated` are fields of `Shard`, over the usual ones: an
    upsert of the day that is not full, with the key (business_date, item).
    """
    arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    fields: Any = rows if isinstance(rows, arrow.Table) else items_table(rows)
    count: int = fields.num_rows
    kinds = [Change(changes)] * count if isinstance(changes, str) else [Change(change) for change in changes]
    usual: dict[str, Any] = {
        "export": "exp_items",
        "partition_key": partition,
        "delivery_id": delivery_id or f"d-{uuid.uuid4().hex[:8]}",
        "path": folder / f"{uuid.uuid4().hex}.parquet",
        "rows": count,
        "key": ("business_date", "item"),
        "partition_column": "business_date",
        "digest": uuid.uuid4().hex,
        "mode": Mode.UPSERT,
        "full": False,
        "version": uuid.uuid4().hex,
    }
    shard = Shard(**(usual | stated))
    others = [name for name in fields.column_names if name not in shard.key]
    differ = changed_fields or [others if kind is Change.CHANGED else None for kind in kinds]
    try:
        hashes = [zlib.crc32(repr(row).encode()) for row in fields.to_pylist()]
    except OverflowError:  # Python has no infinite date
        hashes = list(range(count))
    technical = {
        ROW: arrow.array(range(count), arrow.int64()),
        CHANGE: arrow.array([kind.value for kind in kinds], arrow.string()),
        CHANGED_FIELDS: arrow.array(differ, arrow.list_(arrow.string())),
        ROW_HASH: arrow.array(hashes, arrow.uint64()),
    }
    table = arrow.table(technical | {name: fields.column(name) for name in fields.column_names})
    parquet.write_table(table, shard.path)
    return shard


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
