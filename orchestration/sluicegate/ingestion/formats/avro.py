"""Avro object containers, through fastavro into intermediate Parquet.

Belongs here: Avro's types as the engine's. Does not belong here: what the contract says of a type
(`ingestion`).
The engine's own extension is not used: it gives a decimal as bytes, a union of two types as neither, and does
not know the codec zstandard.
"""

import os
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import IO, TYPE_CHECKING, Any, cast

from sluicegate.ingestion.formats.base import PlainFile, Reader, ReaderContext, Unreadable
from sluicegate.ingestion.formats.parquet import ParquetReader
from sluicegate.ingestion.formats.scratch import json_text, plain_text, write_parquet
from sluicegate.ingestion.formats.unpack import damaged

if TYPE_CHECKING:
    import fastavro

# What fastavro and the libraries beside it unpack.
_CODECS = ("null", "deflate", "snappy", "zstandard", "bzip2", "xz", "lz4")
_SNAPPY, _SUM_BYTES, _SYNC_BYTES = "snappy", 4, 16
# As many as the engine's DECIMAL has.
_MOST_DIGITS = 38
_NESTED = ("array", "map", "record", "error")


def open_avro(context: ReaderContext, files: Sequence[PlainFile]) -> Reader:
    """Return the reader of Avro files; a time stamp is a TIMESTAMP in UTC, what is nested is JSON text.

    Raises:
        Unreadable: a file is damaged, no Avro, or not of records.
    """
    import pyarrow as pa

    paths: dict[PlainFile, str] = {}
    names: dict[PlainFile, list[str]] = {}
    for number, file in enumerate(files):
        path = context.scratch / f"avro-{number:06d}.parquet"
        with open(file.path, "rb") as stream, open(file.path, "rb") as sums:
            container = _container(file, stream)
            columns = _columns(file, container)
            rows = _rows(file, _records(file, container, sums), columns)
            try:
                write_parquet(path, [column.type for column in columns], rows)
            except (pa.ArrowException, OverflowError, TypeError) as error:
                # Its words may hold values.
                what = f"a value is not of its declared type ({type(error).__name__})"
                raise damaged(file.name, what) from None
        paths[file] = str(path)
        names[file] = [column.name for column in columns]
    return ParquetReader(context.connection, paths, names)


@dataclass(frozen=True)
class _Column:
    name: str
    type: Any
    """Of pyarrow."""
    convert: Callable[[object], object] | None


def _container(file: PlainFile, stream: IO[bytes]) -> "fastavro.block_reader":
    import fastavro

    try:
        container = fastavro.block_reader(stream)
    except Exception as error:
        # Whatever the bytes of a header led it to: it has no error of its own.
        raise damaged(file.name, f"not an Avro object container ({type(error).__name__})") from None
    if container.codec not in _CODECS:
        raise Unreadable(
            file.name,
            f"its blocks are packed with `{container.codec}`; expected one of {', '.join(_CODECS)};"
            " have it packed with deflate or zstandard",
        )
    return container


def _records(
    file: PlainFile, container: "fastavro.block_reader", sums: IO[bytes]
) -> Iterator[Mapping[str, object]]:
    """Yield the records of all blocks; each block is read to its end, and asked for its checksum."""
    number, end = 0, sums.seek(0, os.SEEK_END)
    at = None
    blocks = iter(container)
    while True:
        try:
            block = next(blocks)
        except StopIteration:
            break
        except Exception as error:
            raise _broken(file, number + 1, error) from None
        content, at = cast("BytesIO", cast("Any", block).bytes_), block.offset + block.size
        if container.codec == _SNAPPY:
            # The library passes over it.
            sums.seek(at - _SYNC_BYTES - _SUM_BYTES)
            if int.from_bytes(sums.read(_SUM_BYTES), "big") != zlib.crc32(content.getbuffer()):
                raise damaged(file.name, f"the block from record {number + 1} on has another checksum")
        records = iter(block)
        while True:
            number += 1
            try:
                record = cast("Mapping[str, object]", next(records))
            except StopIteration:
                number -= 1
                break
            except Exception as error:
                raise _broken(file, number, error) from None
            yield record
        if content.read(1):
            raise damaged(file.name, f"the block that ends with record {number} holds more than it tells")
    if at is not None and at != end:
        raise damaged(file.name, f"it ends in the middle of a block, behind record {number}")


def _broken(file: PlainFile, number: int, error: Exception) -> Unreadable:
    # As above. Its words may hold values of the record.
    if isinstance(error, MemoryError):
        raise error
    return damaged(file.name, f"record {number} cannot be read ({type(error).__name__})")


def _rows(
    file: PlainFile, records: Iterator[Mapping[str, object]], columns: Sequence[_Column]
) -> Iterator[Sequence[object]]:
    for number, record in enumerate(records, 1):
        try:
            yield [
                value if value is None or column.convert is None else column.convert(value)
                for column in columns
                for value in (record[column.name],)
            ]
        except (ValueError, RecursionError) as error:
            raise _broken(file, number, error) from None


def _columns(file: PlainFile, container: "fastavro.block_reader") -> list[_Column]:
    from fastavro.schema import parse_schema

    named: dict[str, Any] = {}
    try:
        schema = cast("Any", parse_schema(cast("Any", container.writer_schema), named, _force=True))
    except Exception as error:
        raise damaged(file.name, f"its schema is none of Avro ({type(error).__name__})") from None
    if not isinstance(schema, dict) or schema.get("type") != "record" or not schema["fields"]:
        raise Unreadable(file.name, "it does not hold records with fields; expected an Avro record a row")
    columns: list[_Column] = []
    for field in cast("list[dict[str, Any]]", schema["fields"]):
        try:
            columns.append(_Column(field["name"], *_type(field["type"], named)))
        except (KeyError, ValueError, TypeError) as error:
            what = f"the type of its field `{field['name']}` is none of Avro ({type(error).__name__})"
            raise damaged(file.name, what) from None
    return columns


def _type(avro: Any, named: dict[str, Any]) -> tuple[Any, Callable[[object], object] | None]:
    """Return the engine's type for one of Avro's, and what makes fastavro's values fit it."""
    import pyarrow as pa

    if isinstance(avro, list):
        branches = [branch for branch in avro if branch != "null"]
        if len(branches) == 1:
            return _type(branches[0], named)
        return pa.string(), _union_text
    if isinstance(avro, str):
        avro = named.get(avro, {"type": avro})
    if not isinstance(avro["type"], str):  # a type around a type says nothing more
        return _type(avro["type"], named)
    if avro["type"] in _NESTED:
        return pa.string(), json_text
    logical = avro.get("logicalType")
    if logical == "decimal":
        digits, scale = avro["precision"], avro.get("scale", 0)
        return (pa.decimal128(digits, scale), None) if digits <= _MOST_DIGITS else (pa.string(), plain_text)
    known = {
        ("int", "date"): pa.date32(),
        ("int", "time-millis"): pa.time64("us"),
        ("long", "time-micros"): pa.time64("us"),
        ("long", "timestamp-millis"): pa.timestamp("us"),
        ("long", "timestamp-micros"): pa.timestamp("us"),
        ("long", "local-timestamp-millis"): pa.timestamp("us"),
        ("long", "local-timestamp-micros"): pa.timestamp("us"),
        ("boolean", None): pa.bool_(),
        ("int", None): pa.int32(),
        ("long", None): pa.int64(),
        ("float", None): pa.float32(),
        ("double", None): pa.float64(),
        ("bytes", None): pa.binary(),
        ("fixed", None): pa.binary(),
    }
    # A logical type that nobody knows is ignored, says the standard.
    found = known.get((avro["type"], logical)) or known.get((avro["type"], None))
    return (found, None) if found is not None else (pa.string(), plain_text)


def _union_text(value: object) -> str:
    return json_text(value) if isinstance(value, dict | list) else plain_text(value)
