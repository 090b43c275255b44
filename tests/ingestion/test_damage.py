"""A bit that is another, a file that ends too early: the same rows, a row in quarantine, or a sentence.

Never a traceback, and where a format carries a checksum never other values. Belongs here: files that were
damaged after they were written. Does not belong here: files that were never right (the tests of each format).
"""

import gzip
import io
import json
import os
import random
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlsxwriter
from rosbags.rosbag1 import Writer
from rosbags.typesys import Stores, get_typestore

from orchestration.ingestion.load import load_drop
from orchestration.ingestion.refusal import DropRefused
from tests.ingestion.door import DAY, Door, column, contract

# So many damages of each kind of file; all thousand with `SLUICE_TEST_KILLS=20`.
TIMES = 3 * int(os.environ.get("SLUICE_TEST_KILLS", "1"))
ROWS = [(number, f"name {number % 7}") for number in range(300)]
COLUMNS = (column("id", "INTEGER", required=True), column("name", "VARCHAR"))


def parquet(**options: Any) -> bytes:
    stream = io.BytesIO()
    table = pa.table({"id": pa.array([row[0] for row in ROWS], pa.int32()), "name": [row[1] for row in ROWS]})
    pq.write_table(table, stream, row_group_size=100, **options)
    return stream.getvalue()


def avro(codec: str) -> bytes:
    fields = [{"name": "id", "type": "int"}, {"name": "name", "type": "string"}]
    schema = fastavro.parse_schema({"type": "record", "name": "row", "fields": fields})
    stream = io.BytesIO()
    records = [{"id": number, "name": name} for number, name in ROWS]
    fastavro.writer(stream, schema, records, codec=codec, sync_interval=800)
    return stream.getvalue()


def excel() -> bytes:
    stream = io.BytesIO()
    with xlsxwriter.Workbook(stream) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["id", "name"])
        for number, (key, name) in enumerate(ROWS, 1):
            sheet.write_row(number, 0, [key, name])
    return stream.getvalue()


def rosbag(compression: Any, folder: Path) -> bytes:
    store = get_typestore(Stores.ROS1_NOETIC)
    path = folder / f"{compression}.bag"
    writer = Writer(path)
    if compression is not None:
        writer.set_compression(compression)
    kind = "std_msgs/msg/Header"
    with writer:
        connection = writer.add_connection("/t", kind, typestore=store)
        stamp = store.types["builtin_interfaces/msg/Time"](sec=1, nanosec=5)
        for number, name in ROWS:
            sent = store.types[kind](seq=number, stamp=stamp, frame_id=name)
            writer.write(connection, number, store.serialize_ros1(sent, kind))
    return path.read_bytes()


def csv() -> bytes:
    return "".join(["id,name\n", *(f"{number},{name}\n" for number, name in ROWS)]).encode()


def json_lines() -> bytes:
    return "".join(json.dumps({"id": number, "name": name}) + "\n" for number, name in ROWS).encode()


def json_array() -> bytes:
    return json.dumps([{"id": number, "name": name} for number, name in ROWS]).encode()


def zipped() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("rows.csv", csv())
    return stream.getvalue()


def zstd() -> bytes:
    from backports import zstd  # pyright: ignore[reportMissingImports]

    return bytes(zstd.compress(csv(), options={zstd.CompressionParameter.checksum_flag: True}))


@dataclass(frozen=True)
class Kind:
    """A kind of file: how it is made, what the contract says of it, and whether it has sums to ask."""

    suffix: str
    format: str
    made: Callable[[Path], bytes]
    summed: bool


KINDS = {
    "parquet": Kind("parquet", "parquet", lambda _: parquet(), False),
    "parquet with sums": Kind("parquet", "parquet", lambda _: parquet(write_page_checksum=True), True),
    "plain parquet with sums": Kind(
        "parquet",
        "parquet",
        lambda _: parquet(write_page_checksum=True, compression="none", use_dictionary=False),
        True,
    ),
    "parquet of pages 2 with sums": Kind(
        "parquet",
        "parquet",
        lambda _: parquet(write_page_checksum=True, compression="zstd", data_page_version="2.0"),
        True,
    ),
    "avro deflate": Kind("avro", "avro", lambda _: avro("deflate"), False),
    "avro snappy": Kind("avro", "avro", lambda _: avro("snappy"), True),
    "avro": Kind("avro", "avro", lambda _: avro("null"), False),
    "excel": Kind("xlsx", "xlsx", lambda _: excel(), True),
    "bag": Kind("bag", "rosbag", lambda folder: rosbag(None, folder), False),
    "bag bz2": Kind("bag", "rosbag", lambda folder: rosbag(Writer.CompressionFormat.BZ2, folder), True),
    "bag lz4": Kind("bag", "rosbag", lambda folder: rosbag(Writer.CompressionFormat.LZ4, folder), False),
    "csv": Kind("csv", "csv", lambda _: csv(), False),
    "gzip": Kind("csv.gz", "csv", lambda _: gzip.compress(csv()), True),
    "zip": Kind("csv.zip", "csv", lambda _: zipped(), True),
    "zstd": Kind("csv.zst", "csv", lambda _: zstd(), True),
    "json": Kind("json", "json", lambda _: json_array(), False),
    "json lines": Kind("jsonl", "jsonl", lambda _: json_lines(), False),
}


def door(folder: Path, kind: Kind) -> Door:
    columns = COLUMNS
    options: dict[str, Any] = {}
    if kind.format == "rosbag":
        columns = (column("id", "UINTEGER", "seq", required=True), column("name", "VARCHAR", "frame_id"))
        options["topic"] = "/t"
    said = contract(
        *columns,
        path="orders/{date}." + kind.suffix,
        server={"format": kind.format},
        options=options,
        quarantineLimit={"rows": 1000},
        daysWithoutDrop="allowed",
    )
    return Door(folder, said)


def damages(whole: bytes, chance: random.Random) -> bytes:
    """Return the file with one bit that is another, or cut short."""
    if chance.random() < 0.2:
        return whole[: chance.randrange(len(whole))]
    changed = bytearray(whole)
    # Heads and ends hold what all else is found by.
    at = chance.choice(
        [
            chance.randrange(len(whole)),
            chance.randrange(min(400, len(whole))),
            len(whole) - 1 - chance.randrange(min(800, len(whole))),
        ]
    )
    changed[at] ^= 1 << chance.randrange(8)
    return bytes(changed)


@pytest.mark.parametrize("name", KINDS)
def test_damage_is_told_or_does_none(tmp_path: Path, name: str) -> None:
    kind = KINDS[name]
    whole = kind.made(tmp_path)
    at = door(tmp_path, kind)
    at.load(whole)
    expected = at.rows("id, name")
    assert expected == ROWS
    seed = random.SystemRandom().randrange(1 << 32)
    chance = random.Random(seed)
    for number in range(TIMES):
        content = damages(whole, chance)
        told = f"{name}: seed {seed}, number {number}"
        try:
            loaded = at.load(content)
        except DropRefused as refused:
            assert str(tmp_path) not in str(refused), told
            continue
        found = at.rows("id, name")
        assert loaded.read == loaded.rows + loaded.quarantined, told
        if kind.summed:
            assert (found, loaded.quarantined) == (expected, 0), told
