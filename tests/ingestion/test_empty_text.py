"""An empty text, by every format: kept where it is told from null, and no value where one is required."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastavro
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rosbags.rosbag1 import Writer
from rosbags.typesys import Stores, get_typestore

from tests.ingestion.door import Door, column, contract

Row = tuple[int, str | None]


def parquet(rows: list[Row], _: Path) -> bytes:
    stream = io.BytesIO()
    pq.write_table(pa.table({"id": [row[0] for row in rows], "name": [row[1] for row in rows]}), stream)
    return stream.getvalue()


def avro(rows: list[Row], _: Path) -> bytes:
    fields = [{"name": "id", "type": "long"}, {"name": "name", "type": ["null", "string"]}]
    stream = io.BytesIO()
    records = [{"id": number, "name": name} for number, name in rows]
    fastavro.writer(stream, {"type": "record", "name": "row", "fields": fields}, records)
    return stream.getvalue()


def rosbag(rows: list[Row], folder: Path) -> bytes:
    store, kind = get_typestore(Stores.ROS1_NOETIC), "std_msgs/msg/Header"
    path = folder / "0.bag"
    path.unlink(missing_ok=True)
    stamp = store.types["builtin_interfaces/msg/Time"](sec=1, nanosec=5)
    with Writer(path) as writer:
        connection = writer.add_connection("/t", kind, typestore=store)
        for number, name in rows:
            sent = store.types[kind](seq=number, stamp=stamp, frame_id=name or "")
            writer.write(connection, number, store.serialize_ros1(sent, kind))
    return path.read_bytes()


def excel(rows: list[Row], _: Path) -> bytes:
    book, stream = openpyxl.Workbook(), io.BytesIO()
    sheet: Any = book.active
    for row in [("id", "name"), *rows]:
        sheet.append(row)
    book.save(stream)
    return stream.getvalue()


def dicts(rows: list[Row]) -> list[dict[str, Any]]:
    return [{"id": number, "name": name} for number, name in rows]


WRITTEN: dict[str, Callable[[list[Row], Path], bytes]] = {
    "jsonl": lambda rows, _: "\n".join(map(json.dumps, dicts(rows))).encode(),
    "json": lambda rows, _: json.dumps(dicts(rows)).encode(),
    "parquet": parquet,
    "avro": avro,
    "rosbag": rosbag,
    "csv": lambda rows, _: b"id,name\n" + b"".join(f'{n},"{t or ""}"\n'.encode() for n, t in rows),
    "xlsx": excel,
}
# Those that have one thing for both.
UNTOLD = ("csv", "xlsx")


def door(folder: Path, format_: str, **name: Any) -> Door:
    bag = format_ == "rosbag"
    return Door(
        folder,
        contract(
            column("id", "UINTEGER" if bag else "BIGINT", "seq" if bag else "id"),
            column("name", "VARCHAR", "frame_id" if bag else "name", **name),
            path="orders/{date}." + format_,
            server={"format": format_},
            options={"topic": "/t"} if bag else None,
            quarantineLimit={"rows": 9},
        ),
    )


@pytest.mark.sampled(3)
@pytest.mark.parametrize("format_", WRITTEN)
@pytest.mark.parametrize(
    "asked",
    [{"required": True}, {"primaryKey": True, "primaryKeyPosition": 1}],
    ids=["required", "primary key"],
)
def test_it_is_no_value_where_one_is_required(tmp_path: Path, format_: str, asked: dict[str, Any]) -> None:
    at = door(tmp_path, format_, **asked)
    loaded = at.load(WRITTEN[format_]([(1, "a"), (2, ""), (3, " ")], tmp_path))
    assert (loaded.rows, loaded.quarantined) == (2, 1)
    assert at.rows("id, name") == [(1, "a"), (3, " ")]
    header = "frame_id" if format_ == "rosbag" else "name"
    assert [row[1:] for row in at.quarantine()] == [("name", f"column `{header}` is empty")]


@pytest.mark.parametrize("format_", WRITTEN)
def test_it_is_kept_where_none_is(tmp_path: Path, format_: str) -> None:
    at = door(tmp_path, format_)
    at.load(WRITTEN[format_]([(1, "a"), (2, "")], tmp_path))
    assert at.rows("id, name") == [(1, "a"), (2, None if format_ in UNTOLD else "")]


@pytest.mark.parametrize("format_", WRITTEN)
def test_a_contract_may_take_it_for_null(tmp_path: Path, format_: str) -> None:
    at = door(tmp_path, format_, customProperties=[{"property": "nullWords", "value": [""]}])
    at.load(WRITTEN[format_]([(1, "a"), (2, "")], tmp_path))
    assert at.rows("id, name") == [(1, "a"), (2, None)]
