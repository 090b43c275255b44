"""Columns of Parquet of which the engine reads less than they hold, without a word: these go by pyarrow.

It cuts nanoseconds off a time, off a moment in UTC and off Spark's INT96, and makes a DOUBLE of a decimal
with more digits than its own have. Such columns are written anew as something that it reads in full: a
moment in nanoseconds without its zone, which is UTC, or text. Belongs here: what is lost, and the way round.
Does not belong here: files without such columns, which nothing of this touches (`parquet`).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from sluicegate.compute.sql import literal
from sluicegate.ingestion.formats.base import PlainFile, ReaderContext, Unreadable

# As many as the engine's DECIMAL has.
_MOST_DIGITS = 38
_BATCH_ROWS = 100_000
_LOST = (
    "logical_type like 'TimeType%unit=%NANOS=NanoSeconds%'"
    " or logical_type like 'TimestampType(isAdjustedToUTC=1%NANOS=NanoSeconds%'"
    f" or (converted_type = 'DECIMAL' and precision > {_MOST_DIGITS})"
)


def read_in_full(context: ReaderContext, file: PlainFile) -> str:
    """Return the path of a file whose rows the engine reads as they are: the file's own, or a new one.

    Raises:
        Unreadable: what would be lost stands within a list or a struct, or is a nanosecond of an INT96.
    """
    import duckdb

    path = literal(file.path)
    try:
        asked = f"select bool_or({_LOST}), bool_or(type = 'INT96') from parquet_schema({path})"
        lost, moments = context.connection.execute(asked).fetchone() or (False, False)
    except (duckdb.InvalidInputException, duckdb.IOException):
        return file.path  # what is wrong with it is told where its columns are read
    if not lost and not moments:
        return file.path
    held = _local(context, file)
    if moments:
        _check_moments(file, held)
    return _rewritten(context, file, held) if lost else file.path


def _local(context: ReaderContext, file: PlainFile) -> str:
    """Return a path that pyarrow opens; a file of object storage is fetched through the engine."""
    if "://" not in file.path:
        return file.path
    asked = f"select content from read_blob({literal(file.path)})"
    [(content,)] = context.connection.execute(asked).fetchall()
    path = _new_path(context, "fetched")
    path.write_bytes(content)
    return str(path)


def _new_path(context: ReaderContext, mark: str) -> Path:
    number = sum(1 for _ in context.scratch.glob(f"{mark}-*.parquet"))
    return context.scratch / f"{mark}-{number:06d}.parquet"


def _rewritten(context: ReaderContext, file: PlainFile, held: str) -> str:
    import pyarrow as pa
    import pyarrow.parquet as pq

    source = pq.ParquetFile(held)
    kinds = {field.name: _other_type(file, field) for field in source.schema_arrow}
    changed: Mapping[str, Any] = {name: kind for name, kind in kinds.items() if kind is not None}
    fields = [field.with_type(changed.get(field.name, field.type)) for field in source.schema_arrow]
    schema = pa.schema(fields)
    path = _new_path(context, "in_full")
    with pq.ParquetWriter(path, schema, compression="snappy") as writer:
        for batch in source.iter_batches(_BATCH_ROWS):
            columns = [_as_type(column, field) for column, field in zip(batch.columns, schema, strict=True)]
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
    return str(path)


def _as_type(column: Any, field: Any) -> Any:
    import pyarrow as pa

    if column.type == field.type:
        return column
    if pa.types.is_timestamp(column.type):
        return column.cast(pa.int64()).cast(field.type)
    return column.cast(field.type)


def _other_type(file: PlainFile, field: Any) -> Any:
    """Return the type in which the engine reads a column in full, None where it does so as it is."""
    import pyarrow as pa

    kind = field.type
    if _is_lost(kind):
        return pa.timestamp("ns") if pa.types.is_timestamp(kind) else pa.string()
    if _holds_lost(kind):
        raise Unreadable(
            file.name,
            f"column `{field.name}` holds times in nanoseconds, or decimals of more than {_MOST_DIGITS}"
            " digits, within a list or a struct; expected microseconds, and fewer digits; have it written so",
        )
    return None


def _is_lost(kind: Any) -> bool:
    import pyarrow as pa

    return bool(
        (pa.types.is_time64(kind) and kind.unit == "ns")
        or (pa.types.is_timestamp(kind) and kind.unit == "ns" and kind.tz is not None)
        or (pa.types.is_decimal(kind) and kind.precision > _MOST_DIGITS)
    )


def _holds_lost(kind: Any) -> bool:
    return any(_is_lost(inner) or _holds_lost(inner) for inner in
               (kind.field(place).type for place in range(kind.num_fields)))  # fmt: skip


def _check_moments(file: PlainFile, held: str) -> None:
    """An INT96 has nanoseconds; nearly all are whole microseconds, as the engine reads them."""
    import pyarrow as pa
    import pyarrow.compute
    import pyarrow.parquet as pq

    reckon = cast("Any", pyarrow.compute)  # its functions are made when it is imported

    fine, coarse = (pq.ParquetFile(held, coerce_int96_timestamp_unit=unit) for unit in ("ns", "us"))
    names = [field.name for field in fine.schema_arrow if pa.types.is_timestamp(field.type)]
    pairs = zip(
        fine.iter_batches(_BATCH_ROWS, columns=names),
        coarse.iter_batches(_BATCH_ROWS, columns=names),
        strict=True,
    )
    for exact, cut in pairs:
        for name in names:
            nanoseconds, microseconds = (batch[name].cast(pa.int64()) for batch in (exact, cut))
            if exact[name].type == cut[name].type:
                continue  # no INT96
            # Where the engine's moment is out of reach of nanoseconds, these are of another moment.
            whole = reckon.divide(nanoseconds, 1000)
            near = reckon.equal(whole, microseconds)
            if reckon.any(
                reckon.and_(near, reckon.not_equal(reckon.multiply(whole, 1000), nanoseconds))
            ).as_py():
                raise Unreadable(
                    file.name,
                    f"column `{name}` is an INT96 with nanoseconds; expected microseconds, or the type"
                    " TIMESTAMP of Parquet; have it written so",
                )
