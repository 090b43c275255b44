"""Checksums that a file carries and its reader does not ask: of Parquet's pages, of Avro's blocks."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sluicegate.contracts.reading import Format, ReadOptions
from sluicegate.ingestion.formats.base import Unreadable
from sluicegate.ingestion.refusal import DropRefused

from tests.ingestion.door import Door, column, contract
from tests.ingestion.readers import Opened, opened
from tests.ingestion.test_damage import ROWS, avro, parquet
from tests.storage.fixtures import Storage

PLAIN = {"compression": "none", "use_dictionary": False}
WAYS: dict[str, dict[str, Any]] = {
    "plain": PLAIN,
    "plain, pages 2": {**PLAIN, "data_page_version": "2.0"},
    "several pages": {**PLAIN, "data_page_size": 64, "write_batch_size": 16},
    "a dictionary": {"compression": "none"},
    "snappy": {"compression": "snappy"},
    "zstd, pages 2": {"compression": "zstd", "data_page_version": "2.0"},
    "long statistics": {**PLAIN, "write_page_index": True},
}


def read(tmp_path: Path, format_: Format, content: bytes) -> Opened:
    path = tmp_path / f"0.{format_}"
    path.write_bytes(content)
    return opened(ReadOptions(format_), tmp_path, [path])


def summed_bytes(whole: bytes) -> Iterator[int]:
    """Yield places in a file that pyarrow finds to be below a checksum, the middle of each column's pages."""
    metadata: Any = pq.ParquetFile(io.BytesIO(whole)).metadata
    for group in range(metadata.num_row_groups):
        for index in range(metadata.num_columns):
            chunk = metadata.row_group(group).column(index)
            yield chunk.data_page_offset + chunk.total_compressed_size // 2
            if chunk.dictionary_page_offset:
                yield (chunk.dictionary_page_offset + chunk.data_page_offset) // 2


@pytest.mark.parametrize("way", WAYS)
def test_a_page_that_is_another_is_told_where_it_has_a_sum(tmp_path: Path, way: str) -> None:
    whole = parquet(write_page_checksum=True, **WAYS[way])
    assert sorted(read(tmp_path, Format.PARQUET, whole).rows("id", "name")) == ROWS
    tried = 0
    for at in summed_bytes(whole):
        content = bytearray(whole)
        content[at] ^= 4
        try:
            pq.ParquetFile(io.BytesIO(content), page_checksum_verification=True).read()
        except OSError as error:
            if "CRC" not in str(error):
                continue
        else:
            continue
        tried += 1
        told = r"page \d of column `(id|name)` in row group [123] has (another checksum|no header)"
        with pytest.raises(Unreadable, match=told) as caught:
            read(tmp_path, Format.PARQUET, bytes(content))
        assert caught.value.rule.endswith("; land it again whole")
    assert tried >= 3


def test_a_file_without_sums_is_read_as_it_is(tmp_path: Path) -> None:
    whole = bytearray(parquet(**PLAIN))
    whole[100] ^= 4
    assert len(read(tmp_path, Format.PARQUET, bytes(whole)).rows("id", "name")) == len(ROWS)


def test_columns_that_are_nested_or_empty_have_sums_too(tmp_path: Path) -> None:
    table = pa.table({"l": [[1, 2], [], None], "s": [{"a": 1}, None, {"a": None}], "n": pa.nulls(3)})
    stream = io.BytesIO()
    pq.write_table(table, stream, write_page_checksum=True)
    assert len(read(tmp_path, Format.PARQUET, stream.getvalue()).rows("l", "s", "n")) == 3


@pytest.mark.parametrize("codec", ["null", "deflate", "snappy", "zstandard", "bzip2", "xz"])
def test_a_block_is_read_to_its_end(tmp_path: Path, codec: str) -> None:
    whole = avro(codec)
    assert sorted(read(tmp_path, Format.AVRO, whole).rows("id", "name")) == ROWS
    blocks: list[Any] = list(fastavro.block_reader(io.BytesIO(whole)))
    first, last = blocks[0], blocks[-1]
    fewer = bytearray(whole)
    fewer[first.offset] -= 2  # one record less, as Avro writes a number
    with pytest.raises(
        Unreadable, match=rf"the block that ends with record {first.num_records - 1} holds more"
    ):
        read(tmp_path, Format.AVRO, bytes(fewer))
    with pytest.raises(Unreadable, match=r"it ends in the middle of a block|cannot be read"):
        read(tmp_path, Format.AVRO, whole + b"\x80")
    with pytest.raises(Unreadable, match="cannot be read"):
        read(tmp_path, Format.AVRO, whole[: last.offset + last.size - 1])


def test_the_sum_of_a_block_is_asked(tmp_path: Path) -> None:
    whole = bytearray(avro("snappy"))
    blocks: list[Any] = list(fastavro.block_reader(io.BytesIO(whole)))
    first, second = blocks[:2]
    whole[second.offset + second.size - 17] ^= 1
    with pytest.raises(
        Unreadable, match=f"the block from record {first.num_records + 1} on has another checksum"
    ):
        read(tmp_path, Format.AVRO, bytes(whole))


@pytest.mark.long
def test_sums_are_asked_where_a_file_is_read_in_storage(storage: Storage, tmp_path: Path) -> None:
    variables = {name: value for name, value in storage.environ.items() if name.startswith("SLUICE_")}
    for area in ("STAGING", "ORIGINALS", "PROCESSING"):
        variables[f"SLUICE_{area}_URL"] = storage.fresh_url()
    said = contract(
        column("id", "INTEGER"),
        column("name", "VARCHAR"),
        path="orders/{date}.parquet",
        server={"format": "parquet"},
    )
    at = Door(tmp_path, said, variables)
    whole = bytearray(parquet(write_page_checksum=True, **PLAIN))
    assert at.load(bytes(whole)).rows == len(ROWS)
    whole[204] ^= 4
    with pytest.raises(DropRefused, match="page 1 of column `id` in row group 1 has another checksum"):
        at.load(bytes(whole))
