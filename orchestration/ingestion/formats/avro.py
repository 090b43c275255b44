"""Avro object containers, through fastavro into intermediate Parquet.

Belongs here: Avro's types as the engine's. Does not belong here: what the contract says of a type
(`ingestion`).
The engine's own extension is not used: it gives a decimal as bytes, a union of two types as neither, and does
not know the codec zstandard.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, cast

from orchestration.ingestion.formats.base import PlainFile, Reader, ReaderContext, Unreadable
from orchestration.ingestion.formats.parquet import ParquetReader
from orchestration.ingestion.formats.scratch import json_text, plain_text, write_parquet
from orchestration.ingestion.formats.unpack import damaged

if TYPE_CHECKING:
    import fastavro

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
        with open(file.path, "rb") as stream:
            container = _container(file, stream)
            columns = _columns(file, container)
            try:
                write_parquet(path, [column.type for column in columns], _rows(file, container, columns))
            except pa.ArrowInvalid as error:
                raise damaged(file.name, f"a value is not of its declared type ({error})") from None
        paths[file] = str(path)
        names[file] = [column.name for column in columns]
    return ParquetReader(context.connection, paths, names)


@dataclass(frozen=True)
class _Column:
    name: str
    type: Any
    """Of pyarrow."""
    convert: Callable[[object], object] | None


def _container(file: PlainFile, stream: IO[bytes]) -> "fastavro.reader":
    import fastavro

    try:
        return fastavro.reader(stream)
    except Exception as error:
        # Whatever the bytes of a header led it to: it has no error of its own.
        raise damaged(file.name, f"not an Avro object container ({error})") from None


def _rows(
    file: PlainFile, container: "fastavro.reader", columns: Sequence[_Column]
) -> Iterator[Sequence[object]]:
    records = iter(container)
    number = 0
    while True:
        number += 1
        try:
            record = cast("Mapping[str, object]", next(records))
        except StopIteration:
            return
        except Exception as error:
            if isinstance(error, ValueError) and "install" in str(error):
                raise Unreadable(file.name, f"{error}; or have it packed with deflate or zstandard") from None
            # As above. Its words may hold values of the record.
            raise damaged(file.name, f"record {number} cannot be read ({type(error).__name__})") from None
        yield [
            value if value is None or column.convert is None else column.convert(value)
            for column in columns
            for value in (record[column.name],)
        ]


def _columns(file: PlainFile, container: "fastavro.reader") -> list[_Column]:
    from fastavro.schema import parse_schema

    named: dict[str, Any] = {}
    schema = cast("Any", parse_schema(cast("Any", container.writer_schema), named, _force=True))
    if not isinstance(schema, dict) or schema.get("type") != "record" or not schema["fields"]:
        raise Unreadable(file.name, "it does not hold records with fields; expected an Avro record a row")
    return [
        _Column(field["name"], *_type(field["type"], named))
        for field in cast("list[dict[str, Any]]", schema["fields"])
    ]


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
