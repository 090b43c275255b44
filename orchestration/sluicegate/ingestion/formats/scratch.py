"""What readers share: files named in SQL, order, and intermediate Parquet for what the engine cannot read.

Belongs here: paths, batches, the relation over what was written. Does not belong here: any one format.
"""

import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from sluicegate.compute.sql import literal
from sluicegate.ingestion.formats.base import PlainFile

if TYPE_CHECKING:
    import duckdb

BATCH_ROWS = 10_000
BATCH_BYTES = 16 << 20


def file_list(files: Sequence[PlainFile]) -> str:
    """Return the files' paths as an SQL list."""
    return "[" + ", ".join(literal(file.path) for file in files) + "]"


def files_relation(files: Sequence[PlainFile], before: Sequence[int]) -> str:
    """Return SQL of `files(path, name, before)`: `before` is the number of rows of the files before each."""
    values = ", ".join(
        f"({literal(file.path)}, {literal(file.name)}, {rows})"
        for file, rows in zip(files, before, strict=True)
    )
    return f"(values {values}) as files(path, name, before)"


@contextmanager
def in_order(connection: "duckdb.DuckDBPyConnection") -> Generator[None]:
    """Let the engine number rows in the order of their files, whatever it is set to otherwise."""
    setting = connection.execute("select current_setting('preserve_insertion_order')").fetchone()
    assert setting is not None
    connection.execute("set preserve_insertion_order = true")
    try:
        yield
    finally:
        connection.execute(f"set preserve_insertion_order = {setting[0]}")


def write_parquet(path: Path, types: Sequence[Any], rows: Iterator[Sequence[Any]]) -> None:
    """Write rows to a Parquet file, a batch at a time; its columns are `v0`, `v1`, ….

    Args:
        path: the file, which is new.
        types: the columns' types, of pyarrow, in the order of each row's values.
        rows: values that the types hold.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([pa.field(f"v{index}", type_) for index, type_ in enumerate(types)])
    with pq.ParquetWriter(path, schema, compression="snappy") as writer:
        for batch in _batches(rows):
            columns = zip(*batch, strict=True)
            arrays = [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)]
            writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))


def _batches(rows: Iterator[Sequence[Any]]) -> Iterator[list[Sequence[Any]]]:
    """Yield rows in batches that are bounded in number, and by the size of their texts and images."""
    batch: list[Sequence[Any]] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += sum(len(value) for value in row if isinstance(value, str | bytes))
        if len(batch) == BATCH_ROWS or size > BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def json_text(value: object) -> str:
    """Return a nested value as JSON text, numbers to the digit, bytes as Avro's JSON encoding has them."""
    match value:
        case None | bool() | int() | float():
            return json.dumps(value)
        case Decimal():
            return format(value, "f")
        case bytes():
            return json.dumps(value.decode("latin-1"))
        case Mapping():
            items = cast("Mapping[str, object]", value).items()
            return (
                "{" + ",".join(f"{json.dumps(k, ensure_ascii=False)}:{json_text(v)}" for k, v in items) + "}"
            )
        case list() | tuple():
            return "[" + ",".join(map(json_text, cast("Sequence[object]", value))) + "]"
        case _:
            return json.dumps(plain_text(value), ensure_ascii=False)


def plain_text(value: object) -> str:
    """Return a scalar as text."""
    match value:
        case bool() | float():
            return json.dumps(value)
        case bytes():
            return value.decode("latin-1")
        case datetime():
            return value.replace(tzinfo=None).isoformat(" ")
        case Decimal():
            return format(value, "f")
        case _:
            return str(value)
