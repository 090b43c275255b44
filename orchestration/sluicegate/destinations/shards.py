"""Checks that a shard is what it says, before anything is sent anywhere.

Belongs here: what holds for a shard whatever its destination. Does not: a destination's own types
or limits; whether keys are unique (the plan has made sure of that).
"""

from importlib import import_module
from typing import Any

from .base import DeliveryError, Shard


def check_shard(shard: Shard) -> Any:
    """Raise unless the file has the rows, columns and partition that the shard states.

    Returns the file's Arrow schema, which destinations need next.
    """
    parquet = import_module("pyarrow.parquet")
    arrow = import_module("pyarrow")
    of = f"the shard of {shard.export}, partition {shard.partition_key}"
    problem = ""
    try:
        with parquet.ParquetFile(shard.path) as file:
            schema, rows = file.schema_arrow, int(file.metadata.num_rows)
            _check_shape(shard, of, list(schema.names), rows)
            if shard.partition_column is not None:
                _check_partition(shard, of, file, shard.partition_column)
            return schema
    except (OSError, arrow.ArrowInvalid) as error:
        problem = str(error)
    raise DeliveryError(
        "SLU-E021",
        f"{of} cannot be read: {problem}",
        "an immutable Parquet file, written before the delivery",
        "rerun the export's partition; its plan writes the shard anew",
    )


def _check_shape(shard: Shard, of: str, names: list[str], rows: int) -> None:
    again = "rerun the export's partition; if it happens again, its plan is at fault"
    if rows != shard.rows:
        raise DeliveryError("SLU-E021", f"{of} has {rows} rows", f"{shard.rows} rows, as planned", again)
    if len(set(names)) != len(names):
        raise DeliveryError("SLU-E021", f"{of} names a column twice", "each column once", again)
    if not shard.key:
        raise DeliveryError(
            "SLU-V004", f"{shard.export} has no key", "at least one column", "state `key` in the export file"
        )
    for column in dict.fromkeys((*shard.key, shard.partition_column)):
        if column is not None and column not in names:
            raise DeliveryError(
                "SLU-E025",
                f"{of} has no column {column!r}",
                f"one of: {', '.join(names)}",
                "correct `key` in the export file or `partition_by` of its model",
            )


def _check_partition(shard: Shard, of: str, file: Any, column: str) -> None:
    arrow = import_module("pyarrow")
    compute = import_module("pyarrow.compute")
    column_type = file.schema_arrow.field(column).type
    try:
        expected = [_as_type(text, column_type) for text in shard.bounds or (shard.partition_key,)]
    except (arrow.ArrowInvalid, arrow.ArrowNotImplementedError):
        expected = []
    if not expected:
        raise DeliveryError(
            "SLU-E024",
            f"partition key {shard.partition_key!r} is no value of {column!r} ({column_type})",
            "a partition column whose values are the partition's key, or lie in its time",
            "cast the column to a date, or of an hourly model to a timestamp, in the export's model",
        )
    outside, example = 0, ""
    for batch in file.iter_batches(columns=[column]):
        values = batch.column(0)
        if arrow.types.is_dictionary(values.type):
            values = values.dictionary_decode()
        if shard.bounds:
            inside = compute.and_(
                compute.greater_equal(values, expected[0]), compute.less(values, expected[1])
            )
        else:
            inside = compute.equal(values, expected[0])
        inside = compute.fill_null(inside, False)
        strangers = values.filter(compute.invert(inside))
        if len(strangers):
            outside += len(strangers)
            example = example or str(strangers[0].as_py())
    if outside:
        raise DeliveryError(
            "SLU-E024",
            f"{outside} of {shard.rows} rows of {of} lie outside it, e.g. {column} = {example}",
            f"{_lies_in(shard, column)} in every row",
            "set the partition column of the export's model to partition_date()",
        )


def _lies_in(shard: Shard, column: str) -> str:
    if shard.bounds is None or shard.bounds[0] == shard.partition_key:
        return f"{column} = {shard.partition_key}"
    return f"{shard.bounds[0]} <= {column} < {shard.bounds[1]}"


def _as_type(text: str, column_type: Any) -> Any:
    arrow = import_module("pyarrow")
    if arrow.types.is_timestamp(column_type) and column_type.tz is not None:
        # A partition is a UTC date; Arrow reads no zone into a text that states none.
        compute = import_module("pyarrow.compute")
        naive = arrow.scalar(text).cast(arrow.timestamp(column_type.unit))
        return compute.assume_timezone(naive, "UTC").cast(column_type)
    if arrow.types.is_dictionary(column_type):
        column_type = column_type.value_type
    return arrow.scalar(text).cast(column_type)
