"""A shard as Postgres takes it: which columns, how many rows to write and to remove, as a stream.

Belongs here: reading the shard's file. Does not: connections, statements, whether the rows are right
(`shards` checks that for every destination).
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any
from uuid import UUID

from ..base import CHANGE, TECHNICAL_COLUMNS, Change, DeliveryError, Mode, Shard
from ..shards import check_shard
from .instants import as_numbers, name_row, sendable
from .types import Column, columns_of

# Rows of one Arrow batch. The driver copies batch by batch; larger ones were no faster, and cost memory.
_BATCH_ROWS = 65_536
REMOVED = "removed"

_ONLY_ADDED = frozenset({Change.ADDED})
_ALLOWED: Mapping[Mode, frozenset[Change]] = {
    Mode.APPEND: _ONLY_ADDED,
    Mode.UPSERT: frozenset({Change.ADDED, Change.CHANGED}),
    Mode.MIRROR: frozenset(Change),
    Mode.SNAPSHOT: _ONLY_ADDED,
}


@dataclass(frozen=True, slots=True)
class Contents:
    """What a shard brings: its fields, how many rows the table gets, how many keys it loses.

    `added` are those of `written` whose key was not at the destination before.
    """

    columns: tuple[Column, ...]
    written: int
    removed: int
    added: int

    @property
    def staged_names(self) -> tuple[str, ...]:
        """The fields' names in the staging table: plain, so that the driver need not quote people's."""
        return tuple(f"c{number}" for number in range(len(self.columns)))


def replaces_scope(shard: Shard) -> bool:
    """Whether what the scope holds, and the shard does not, has to go."""
    return shard.mode is Mode.SNAPSHOT or (shard.full and shard.mode is Mode.MIRROR)


def read_contents(shard: Shard, *, values: bool = True) -> Contents:
    """Look through a shard before anything is sent; at the `values` of dates and moments as well.

    Raises:
        DeliveryError: the file is not what the shard states, a field has a type that Postgres has no
            counterpart for, a row does what the mode does not do, or has a value that cannot be sent.
    """
    schema = check_shard(shard)
    columns = columns_of([field for field in schema if field.name not in TECHNICAL_COLUMNS], shard.export)
    counts = _changes(shard, set(schema.names))
    removed = counts.pop(Change.REMOVED, 0)
    return Contents(
        sendable(shard, columns) if values else columns, counts.total(), removed, counts[Change.ADDED]
    )


def refuse_nul(shard: Shard) -> None:
    """Raise, naming the row, for a text with the character NUL, which Postgres has no place for."""
    arrow, compute = import_module("pyarrow"), import_module("pyarrow.compute")
    parquet = import_module("pyarrow.parquet")
    with parquet.ParquetFile(shard.path, pre_buffer=False) as file:
        first = 0
        for batch in file.iter_batches(batch_size=_BATCH_ROWS):
            for name in batch.schema.names:
                values = batch.column(name)
                is_text = arrow.types.is_string(values.type) or arrow.types.is_large_string(values.type)
                if name in TECHNICAL_COLUMNS or not is_text:
                    continue
                found = compute.index(compute.match_substring(values, "\0"), True).as_py()
                if found >= 0:
                    raise DeliveryError(
                        "SLU-V104",
                        f"column {name!r} of {shard.export} has the character NUL, at"
                        f" {name_row(shard, first + found)}",
                        "text without NUL characters",
                        f"replace({name}, chr(0), '') in the export's model",
                    )
            first += batch.num_rows


def stream(shard: Shard, contents: Contents, *, added: bool | None = None) -> Any:
    """Return the shard's rows as a `pyarrow.RecordBatchReader`, in the types that are sent.

    Rows that are to be removed are marked in a column of their own, if there are any. With `added` only the
    added rows come, under the fields' own names; with False only the others.
    """
    arrow, compute = import_module("pyarrow"), import_module("pyarrow.compute")
    parquet = import_module("pyarrow.parquet")
    names = [column.name for column in contents.columns]
    types = [column.arrow_type for column in contents.columns]
    schema = arrow.schema(list(zip(names if added else contents.staged_names, types, strict=True)))
    marked = contents.removed > 0 and not added
    if marked:
        schema = schema.append(arrow.field(REMOVED, arrow.bool_()))

    def batches() -> Iterator[Any]:
        # Not pre-buffered, and not as a dataset: both keep what they have read, up to the whole file.
        with parquet.ParquetFile(shard.path, pre_buffer=False) as file:
            wanted = [*names, CHANGE] if marked or added is not None else names
            groups = _groups(file, added=added)
            for batch in file.iter_batches(batch_size=_BATCH_ROWS, row_groups=groups, columns=wanted):
                if added is not None:
                    kinds = compute.equal(batch.column(CHANGE), Change.ADDED.value)
                    kinds = kinds if added else compute.invert(kinds)
                    # Rows that lie in the file by what they do are most often wanted all, or none.
                    if not compute.any(kinds).as_py():
                        continue
                    batch = batch if compute.all(kinds).as_py() else batch.filter(kinds)
                columns = [_sent(batch.column(column.name), column) for column in contents.columns]
                if marked:
                    columns.append(compute.equal(batch.column(CHANGE), Change.REMOVED.value))
                yield arrow.RecordBatch.from_arrays(columns, schema=schema)

    return arrow.RecordBatchReader.from_batches(schema, batches())


def _groups(file: Any, *, added: bool | None) -> list[int]:
    """The row groups that may have added rows, or others; by the file's own statistics, where it has some."""
    metadata = file.metadata
    groups = range(metadata.num_row_groups)
    if added is None or not groups:
        return list(groups)
    leaves = (metadata.row_group(0).column(place).path_in_schema for place in range(metadata.num_columns))
    place = list(leaves).index(CHANGE)

    def wanted(group: int) -> bool:
        found = metadata.row_group(group).column(place).statistics
        if found is None or not found.has_min_max:
            return True
        if added:
            return found.min <= Change.ADDED.value <= found.max
        return (found.min, found.max) != (Change.ADDED.value, Change.ADDED.value)

    return [group for group in groups if wanted(group)]


def _sent(values: Any, column: Column) -> Any:
    if column.raw:
        return as_numbers(values, column)
    if column.element is not None and column.element.postgres_type == "uuid":
        lists = values.to_pylist()
        texts = [None if one is None else [_uuid(value) for value in one] for one in lists]
        return import_module("pyarrow").array(texts, column.arrow_type)
    if hasattr(values.type, "extension_name"):
        values = values.storage
    # A safe cast: a value that would change raises.
    return values if values.type == column.arrow_type else values.cast(column.arrow_type)


def _uuid(value: UUID | bytes | None) -> str | None:
    return None if value is None else str(value if isinstance(value, UUID) else UUID(bytes=value))


def _changes(shard: Shard, names: set[str]) -> Counter[Change]:
    of = f"the shard of {shard.export}, partition {shard.partition_key}"
    again = "rerun the export's partition; if it happens again, its plan is at fault"
    if CHANGE not in names:
        raise DeliveryError(
            "SLU-E021", f"{of} has no column {CHANGE!r}", "what each row does to its key", again
        )
    parquet = import_module("pyarrow.parquet")
    counted: Counter[str] = Counter()
    with parquet.ParquetFile(shard.path, read_dictionary=[CHANGE], pre_buffer=False) as file:
        for batch in file.iter_batches(columns=[CHANGE]):
            for found in batch.column(0).value_counts().to_pylist():
                counted[str(found["values"])] += found["counts"]
    allowed = _ONLY_ADDED if shard.full else _ALLOWED[shard.mode]
    strange = sorted(set(counted) - allowed)
    if strange:
        kind = f"{'full ' if shard.full else ''}{shard.mode}"
        raise DeliveryError(
            "SLU-E021",
            f"{counted[strange[0]]} of {shard.rows} rows of {of} are {strange[0]!r}",
            f"only {' and '.join(sorted(allowed))} rows, as it is a delivery in mode {kind}",
            again,
        )
    return Counter({Change(text): number for text, number in counted.items()})
