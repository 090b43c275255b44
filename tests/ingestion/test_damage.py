"""A bit that is another, a file that ends too early: the same rows, a row in quarantine, or a sentence.

Never a traceback, and where a format carries a checksum never other values. Belongs here: files that were
damaged after they were written. Does not belong here: files that were never right (the tests of each format).
"""

import gzip
import io
import itertools
import json
import os
import random
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlsxwriter
from rosbags.rosbag1 import Writer
from rosbags.typesys import Stores, get_typestore
from sluicegate.areas import Area
from sluicegate.compute.sql import literals
from sluicegate.ingestion.conversion import convert_drop
from sluicegate.ingestion.formats.base import Unreadable
from sluicegate.ingestion.formats.plain import LandedFile
from sluicegate.ingestion.refusal import DropRefused
from sluicegate.state.records import Drop

from tests.ingestion.door import DAY, Door, column, contract
from tests.ingestion.readers import engine

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

    def is_summed(self, whole: bytes, content: bytes) -> bool:
        """Whether what is another in the file stands below a checksum."""
        if not self.summed:
            return False
        if len(content) != len(whole):
            # Avro tells nowhere how many blocks there are.
            return self.format != "avro" or len(content) not in {
                block.offset for block in fastavro.block_reader(io.BytesIO(whole))
            }
        if self.format == "parquet":  # its pages are summed, and not what tells of them
            try:
                pq.ParquetFile(io.BytesIO(content), page_checksum_verification=True).read()
            except (OSError, pa.ArrowException) as error:
                return "CRC" in str(error)
            return False
        if self.format == "avro":  # its blocks are summed
            at = next(at for at, (old, new) in enumerate(zip(whole, content, strict=True)) if old != new)
            return at >= next(iter(fastavro.block_reader(io.BytesIO(whole)))).offset
        return True


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


@dataclass
class Mill:
    """One deployment and one contract, through whose conversion any content goes."""

    kind: Kind
    folder: Path

    def __post_init__(self) -> None:
        columns = COLUMNS
        options: dict[str, Any] = {}
        if self.kind.format == "rosbag":
            columns = (column("id", "UINTEGER", "seq", required=True), column("name", "VARCHAR", "frame_id"))
            options["topic"] = "/t"
        said = contract(
            *columns,
            path="orders/{date}." + self.kind.suffix,
            server={"format": self.kind.format},
            options=options,
            quarantineLimit={"rows": 1000},
            daysWithoutDrop="allowed",
        )
        door = Door(self.folder, said)
        self._deployment, self._contract = door.deployment, door.contract
        self._area = Area(str(self.folder / "area"))
        self._numbers = itertools.count()
        self._engine = engine()

    def converted(self, content: bytes) -> tuple[list[tuple[Any, ...]], int]:
        """Return the rows that would be loaded, and how many would be in quarantine."""
        path = f"orders/{DAY}.{self.kind.suffix}"
        self._area.write(path, [content])
        drop = Drop("orders", DAY, 1, "0" * 64, path, len(content), "")
        scratch = self.folder / f"scratch{next(self._numbers)}"
        scratch.mkdir()
        made = convert_drop(
            self._deployment, self._contract, drop, self._area, [LandedFile(path, path)], scratch
        )
        assert made.read == made.loaded + len(made.quarantined)
        rows = self._engine.execute(f"select id, name from read_parquet({literals(map(str, made.rows))})")
        found = sorted(rows.fetchall(), key=str)
        shutil.rmtree(scratch)
        return found, len(made.quarantined)


def damaged(whole: bytes, chance: random.Random) -> bytes:
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


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", KINDS)
def test_damage_is_told_or_does_none(tmp_path: Path, name: str) -> None:
    kind = KINDS[name]
    whole = kind.made(tmp_path)
    mill = Mill(kind, tmp_path)
    expected = mill.converted(whole)
    assert expected == (sorted(ROWS, key=str), 0)
    seed = random.SystemRandom().randrange(1 << 32)
    chance = random.Random(seed)
    for number in range(TIMES):
        content = damaged(whole, chance)
        told = f"{name}: seed {seed}, number {number}"
        try:
            found = mill.converted(content)
        except (DropRefused, Unreadable) as refused:
            said = str(refused)
        else:
            # Whatever else came of it, the engine lived, and each row is loaded or in quarantine.
            said = "" if not kind.is_summed(whole, content) or found == expected else f"other rows: {found}"
        assert "other rows" not in said, f"{told}: {said}"
        assert str(tmp_path) not in said, f"{told}: {said}"
