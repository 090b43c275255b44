"""What readers share: files in SQL, where rows stand, and Parquet for what the engine cannot read.

Belongs here: paths, batches, the relation over what was written. Does not belong here: any one format.
"""

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from sluicegate.compute.sql import literal, literals
from sluicegate.ingestion.formats.base import PlainFile, Reader

if TYPE_CHECKING:
    import duckdb

BATCH_ROWS = 10_000
BATCH_BYTES = 16 << 20
_NUMBERS = itertools.count()


def file_list(files: Sequence[PlainFile]) -> str:
    """Return the files' paths as an SQL list."""
    return "[" + ", ".join(literal(file.path) for file in files) + "]"


def numbered_rows(parts: Iterable[tuple[str, int]], chosen: str) -> str:
    """Return SQL of the rows of relations, each with as many of them, one after the other; see `numbered`.

    Each is numbered alone: above a union the engine (1.5.5) numbers rows as they come, whatever order is set.
    """
    selects, before = list[str](), 0
    for rows, count in parts:
        selects.append(f"select *, {before} + row_number() over () as _n from ({rows})")
        before += count
    return f"select * from ({' union all by name '.join(selects)}) where _n in (select n from {chosen})"


def placed_rows(
    connection: "duckdb.DuckDBPyConnection",
    reader: Reader,
    wanted: Sequence[str | None],
    scratch: Path,
    chosen: str = "",
) -> str:
    """Return SQL of a reader's rows with `_n` (their number, from 1), `_file` and `_line`, in any order.

    `chosen` is a relation with the column `n`, the numbers of those that are wanted; all are, without it.
    """
    number, files = next(_NUMBERS), list[str]()
    # A file of text, which may be long: to get at what Python has, the engine imports pandas.
    path = scratch / f"steps-{number}.csv"
    with path.open("w", encoding="ascii") as stream:
        for first, file, line in reader.steps():
            if not files or files[-1] != file:
                files.append(file)
            stream.write(f"{first},{len(files)},{line}\n")
    steps = (
        f"read_csv({literal(str(path))}, header = false, auto_detect = false, delim = ',',"
        " columns = {first: 'BIGINT', file: 'INTEGER', line: 'BIGINT'})"
    )
    chosen = chosen or f"(select row_number() over () as n from ({reader.rows([None])}))"
    # Joined to the numbers alone, as the engine sorts and groups by all that it has on that side.
    connection.execute(
        f"create temp table places_{number} as select n, ({literals(files)})[file] as file,"
        f" line + n - first as line from {chosen} asof join {steps} on n >= first"
    )
    path.unlink()
    return (
        f"select found.*, file as _file, line as _line from ({reader.numbered(wanted, chosen)}) as found"
        f" join places_{number} on n = _n"
    )


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
