"""Files that no reader can read: refused by name, with what was expected, what was found and what to do."""

import bz2
import gzip
import io
import lzma
import zipfile
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as pe
import pytest
from sluicegate.ingestion.formats import plain
from sluicegate.ingestion.formats.base import MachineLimit

from tests.ingestion.door import DAY, Door, column, contract
from tests.ingestion.test_damage import avro, csv, parquet, rosbag, zipped, zstd

AGAIN = "ask ovens@bakery.example for it again"
TABLE = pa.table({"id": pa.array([1, 2], pa.int32()), "name": ["a", "b"]})


def door(folder: Path, suffix: str) -> Door:
    format_ = suffix.split(".")[0]
    bag = format_ == "bag"
    said = contract(
        column("id", "UINTEGER" if bag else "INTEGER", "seq" if bag else ""),
        column("name", "VARCHAR", "frame_id" if bag else ""),
        path="orders/{date}." + suffix,
        server={"format": "rosbag" if bag else format_},
        options={"topic": "/t"} if bag else None,
    )
    return Door(folder, said)


class _Keys(pe.KmsClient):  # pyright: ignore[reportUntypedBaseClass]
    """Keeps keys as they are."""

    def __init__(self, _: Any) -> None:
        super().__init__()

    def wrap_key(self, key_bytes: bytes, master_key_identifier: str) -> bytes:
        return key_bytes.hex().encode()

    def unwrap_key(self, wrapped_key: bytes, master_key_identifier: str) -> bytes:
        return bytes.fromhex(wrapped_key.decode())


def encrypted(*, plain_footer: bool) -> bytes:
    configuration = pe.EncryptionConfiguration(
        footer_key="f", column_keys={"c": ["name"]}, plaintext_footer=plain_footer
    )
    factory = pe.CryptoFactory(_Keys)
    properties = factory.file_encryption_properties(pe.KmsConnectionConfig(), configuration)
    stream = io.BytesIO()
    with pq.ParquetWriter(stream, TABLE.schema, encryption_properties=properties) as writer:
        writer.write_table(TABLE)
    return stream.getvalue()


def of_codec(codec: int) -> bytes:
    """Return Parquet whose footer names another codec than zstd, by its number."""
    whole = parquet(compression="zstd")
    start = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    # Thrift's compact protocol: an integer, of which zstd's is 6, and the one behind it.
    return whole[:start] + whole[start:].replace(b"\x15\x0c\x16", bytes((0x15, codec * 2, 0x16)))


def zip_of(members: dict[str, bytes], password: bool = False, method: int = 0) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    whole = bytearray(stream.getvalue())
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = whole.find(mark)
        if password:
            whole[at + flags] |= 1
        if method:
            whole[at + flags + 2] = method
    return bytes(whole)


def avro_of(schema: Any, records: list[Any]) -> bytes:
    stream = io.BytesIO()
    fastavro.writer(stream, schema, records)
    return stream.getvalue()


def unindexed_bag(folder: Path) -> bytes:
    """Return a bag of a recorder that was killed: its header says nowhere that an index is."""
    whole = bytearray(rosbag(None, folder))
    at = whole.index(b"index_pos=") + len(b"index_pos=")
    index = int.from_bytes(whole[at : at + 8], "little")
    whole[at : at + 8] = bytes(8)
    return bytes(whole[:index])


ENCRYPTED = (
    "it is encrypted; expected Parquet that can be read without a key; have it written without encryption"
)
RECORD = {"type": "record", "name": "r", "fields": [{"name": "id", "type": "int"}]}
CASES: dict[str, tuple[str, Any, str]] = {
    "parquet of a key": ("parquet", lambda _: encrypted(plain_footer=False), ENCRYPTED),
    "parquet of a column's key": ("parquet", lambda _: encrypted(plain_footer=True), ENCRYPTED),
    "parquet of a codec of old": (
        "parquet",
        lambda _: of_codec(3),
        "it is written in a way that the engine cannot read (Failed to read file"
        f' "orders/{DAY}.parquet": Unsupported compression codec "LZO".',
    ),
    "parquet of no codec": (
        "parquet",
        lambda _: of_codec(60),
        "damaged or cut short: not Parquet, or not as",
    ),
    "no parquet": (
        "parquet",
        lambda _: csv(),
        "damaged or cut short: not Parquet, or not as it was written (No magic",
    ),
    "half a parquet": ("parquet", lambda _: parquet()[:1000], "damaged or cut short: not Parquet"),
    "an empty parquet": ("parquet", lambda _: b"", "damaged or cut short: not Parquet"),
    "avro of no codec": (
        "avro",
        lambda _: avro("null").replace(b"null", b"brot", 1),
        "its blocks are packed with `brot`; expected one of null, deflate, snappy, zstandard, bzip2, xz, lz4",
    ),
    "avro of no records": (
        "avro",
        lambda _: avro_of("int", [1]),
        "it does not hold records with fields; expected",
    ),
    "avro of a record or text": (
        "avro",
        lambda _: avro_of(["string", RECORD], ["x"]),
        "it does not hold records with fields; expected an Avro record a row",
    ),
    "no avro": ("avro", lambda _: csv(), "damaged or cut short: not an Avro object container ("),
    "half an avro": ("avro", lambda _: avro("snappy")[:700], "damaged or cut short: record"),
    "an empty avro": ("avro", lambda _: b"", "damaged or cut short: not an Avro object container ("),
    "a bag without index": ("bag", unindexed_bag, "damaged or cut short: no ROS bag, or not closed ("),
    "no bag": ("bag", lambda _: csv(), "damaged or cut short: no ROS bag, or not closed ("),
    "a zip with a password": (
        "csv.zip",
        lambda _: zip_of({"a.csv": csv()}, password=True),
        "its member `a.csv` is encrypted; expected a plain file; pack it without a password",
    ),
    "a zip in a zip": (
        "csv.zip",
        lambda _: zip_of({"a.zip": zipped()}),
        "its member `a.zip` is packed itself; expected",
    ),
    "an empty zip": (
        "csv.zip",
        lambda _: zip_of({}),
        "the archive is empty; expected at least one file in it",
    ),
    "a zip of another method": (
        "csv.zip",
        lambda _: zip_of({"a.csv": csv()}, method=97),
        "its member `a.csv` cannot be unpacked (",
    ),
    "a zip whose members lie before its first byte": (
        "csv.zip",
        lambda _: (
            zipped()[:-6] + (int.from_bytes(zipped()[-6:-2], "little") + 9).to_bytes(4, "little") + b"\0\0"
        ),
        "damaged or cut short: its member `",
    ),
    "a zip cut short": ("csv.zip", lambda _: zipped()[:-40], "damaged or cut short: not a zip archive ("),
    "bzip2": ("csv", lambda _: bz2.compress(csv()), "its content is packed (bzip2); expected text; land it"),
    "xz": ("jsonl", lambda _: lzma.compress(csv()), "its content is packed (xz); expected text; land it"),
    "an empty zip as text": (
        "csv",
        lambda _: zip_of({}),
        "its content is packed (an empty zip); expected text; land",
    ),
    "gzip with more behind it": (
        "csv.gz",
        lambda _: gzip.compress(csv()) + b"more",
        "damaged or cut short: not gzip after member 1, or not",
    ),
    "zstd cut short": (
        "csv.zst",
        lambda _: zstd()[:-9],
        "damaged or cut short: it ends in the middle of the zstd stream",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_file_that_cannot_be_read_is_refused_with_what_to_do(tmp_path: Path, name: str) -> None:
    suffix, made, said = CASES[name]
    at = door(tmp_path, suffix)
    (rule, ask) = at.refused(made(tmp_path))
    assert rule.startswith(said)
    assert (ask, str(tmp_path) in rule) == (AGAIN, False)
    # Land it again whole is no help where the whole file is the trouble.
    assert rule.endswith("land it again whole") == rule.startswith("damaged")


def test_a_text_may_begin_as_a_packed_file_does(tmp_path: Path) -> None:
    at = Door(tmp_path, contract(column("BZh9".lower(), "INTEGER", "BZh9")))
    assert at.load("BZh9\n1\n").rows == 1


def test_an_archive_of_several_files_is_all_of_them(tmp_path: Path) -> None:
    at = door(tmp_path, "csv.zip")
    at.load(zip_of({"b.csv": b"id,name\n1,a\n", "a/b.csv": b"id,name\n2,b\n"}))
    assert at.rows("id, name") == [(1, "a"), (2, "b")]


def test_what_would_fill_the_disk_is_left_packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain, "_LEAVE_BYTES", 1 << 60)  # more than any disk has
    at = door(tmp_path, "csv.gz")
    at.load(gzip.compress(csv()))
    at.land(gzip.compress(b"id,name\n" + b"1,the same\n" * (7 << 20)))
    told = rf"^orders/{DAY}.csv.gz takes more than 64 MiB unpacked, and \d+ MiB are left on the disk; nothing"
    with pytest.raises(MachineLimit, match=told):
        at.load()
