"""The checksums of Parquet's pages, which the engine does not ask.

A writer may put a CRC-32 of a page's bytes into the page's header (Spark's does). A bit that is another is
found by it, where a page is not packed, or still unpacks. Belongs here: finding the pages, and their sums.
Does not belong here: what is in them, which the engine reads. Sources: the header of a page in
Parquet's Thrift definition, and Thrift's compact protocol.
"""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from sluicegate.compute.sql import literal
from sluicegate.ingestion.formats.base import PlainFile
from sluicegate.ingestion.formats.unpack import damaged

if TYPE_CHECKING:
    import duckdb

# A page's header, with statistics, takes some dozen bytes; with long texts in them, more.
_HEADER_BYTES, _LONGEST_HEADER_BYTES = 1 << 12, 1 << 24
_PIECE_BYTES = 1 << 20
# Of so many columns the first page is looked at, to see whether the writer sums pages at all.
_TRIED = 2
# Thrift's compact types.
_STOP, _TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = 0, 1, 2, 3, 7, 8, 9, 10, 11, 12
_INTEGERS = (4, 5, 6)
# Fields of a PageHeader, and its pages of data.
_TYPE, _PACKED_BYTES, _SUM = 1, 3, 4
_DATA_PAGES = (0, 3)


def check_page_sums(connection: "duckdb.DuckDBPyConnection", file: PlainFile, path: str) -> None:
    """Compare the pages of a Parquet file with their checksums, where it has any.

    Raises:
        Unreadable: a page is not what was written.
        duckdb.Error: the file's footer cannot be read.
    """
    chunks = connection.execute(
        "select path_in_schema, row_group_id, data_page_offset, dictionary_page_offset, total_compressed_size"
        f" from parquet_metadata({literal(path)}) order by row_group_id, column_id"
    ).fetchall()
    with file.opened() if file.opened is not None else open(path, "rb") as stream:
        places = [
            _Chunk(name, group, min(at for at in (data, dictionary) if at), size)
            for name, group, data, dictionary, size in chunks
            if data
        ]
        if any(_is_summed(stream, chunk) for chunk in places[:_TRIED]):
            _check(stream, file, places)


@dataclass(frozen=True)
class _Chunk:
    """The pages of a column in a group of rows: from which byte on, and how many bytes with their headers."""

    column: str
    group: int
    start: int
    size: int


@dataclass(frozen=True)
class _Page:
    """`start` and `size` are of the bytes behind the header; `sum` is None where the writer gave none."""

    of_data: bool
    start: int
    size: int
    sum: int | None


def _is_summed(stream: IO[bytes], chunk: _Chunk) -> bool:
    return any(page.sum is not None for page in _pages(stream, chunk, at_most=2))


def _check(stream: IO[bytes], file: PlainFile, chunks: Sequence[_Chunk]) -> None:
    for chunk in chunks:
        summed: set[bool] = set()
        number = 0
        end = chunk.start
        for number, page in enumerate(_pages(stream, chunk), 1):
            end = page.start + page.size
            if page.of_data:
                summed.add(page.sum is not None)
            wrong = page.sum is not None and _sum_of(stream, page) != page.sum
            # A writer sums all of a column's pages, or none: a header that says otherwise is another.
            if wrong or len(summed) > 1:
                raise _other(file, chunk, number)
        if end < chunk.start + chunk.size:
            raise damaged(
                file.name,
                f"page {number + 1} of column `{chunk.column}` in row group {chunk.group + 1} has no header",
            )


def _other(file: PlainFile, chunk: _Chunk, page: int) -> Exception:
    return damaged(
        file.name,
        f"page {page} of column `{chunk.column}` in row group {chunk.group + 1} has another checksum",
    )


def _sum_of(stream: IO[bytes], page: _Page) -> int:
    stream.seek(page.start)
    left, value = page.size, 0
    while left and (piece := stream.read(min(left, _PIECE_BYTES))):
        value, left = zlib.crc32(piece, value), left - len(piece)
    return value if not left else -1


def _pages(stream: IO[bytes], chunk: _Chunk, at_most: int | None = None) -> Iterator[_Page]:
    """Yield pages, up to a header that makes no sense."""
    at, number = chunk.start, 0
    while at < chunk.start + chunk.size and (at_most is None or number < at_most):
        page = _page(stream, at)
        if page is None:
            return
        yield page
        at, number = page.start + page.size, number + 1


def _page(stream: IO[bytes], at: int) -> _Page | None:
    size = _HEADER_BYTES
    while size <= _LONGEST_HEADER_BYTES:
        stream.seek(at)
        data = stream.read(size)
        try:
            fields, length = _integers(data)
        except IndexError:
            if len(data) < size:
                return None
            size *= 16
            continue
        except ValueError:
            return None
        packed = fields.get(_PACKED_BYTES, -1)
        if packed < 0 or _TYPE not in fields:
            return None
        value = fields.get(_SUM)
        return _Page(
            fields[_TYPE] in _DATA_PAGES, at + length, packed, None if value is None else value & 0xFFFFFFFF
        )
    return None


def _integers(data: bytes) -> tuple[dict[int, int], int]:
    """Return {number of a field: value} of a struct's integers, and how many bytes the struct takes.

    Raises:
        IndexError: it goes on behind the bytes.
        ValueError: it is none.
    """
    found: dict[int, int] = {}
    at, field = 0, 0
    while True:
        kind, delta = data[at] & 15, data[at] >> 4
        at += 1
        if kind == _STOP:
            return found, at
        if delta:
            field += delta
        else:
            field, at = _zigzag(data, at)
        if kind in _INTEGERS:
            found[field], at = _zigzag(data, at)
        else:
            at = _skipped(data, at, kind)


def _skipped(data: bytes, at: int, kind: int) -> int:
    """Return where a value ends."""
    if kind in (_TRUE, _FALSE):
        return at
    if kind == _BYTE:
        return at + 1
    if kind == _DOUBLE:
        return at + 8
    if kind in _INTEGERS:
        return _varint(data, at)[1]
    if kind == _BINARY:
        length, at = _varint(data, at)
        return at + length
    if kind == _STRUCT:
        return at + _integers(data[at:])[1]
    if kind in (_LIST, _SET):
        length, item = data[at] >> 4, data[at] & 15
        at += 1
        if length == 15:
            length, at = _varint(data, at)
        if length > len(data):
            raise ValueError("a list that is longer than its bytes")
        for _ in range(length):
            at = at + 1 if item in (_TRUE, _FALSE) else _skipped(data, at, item)
        return at
    # A page's header has no map.
    raise ValueError(f"no type of Thrift: {kind}")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at
        if shift > 63:
            raise ValueError("a number of more than 64 bits")


def _zigzag(data: bytes, at: int) -> tuple[int, int]:
    value, at = _varint(data, at)
    return (value >> 1) ^ -(value & 1), at
