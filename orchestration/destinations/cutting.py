"""Cutting a shard into batches, in bounded memory, always at the same places.

Belongs here: reading the shard's file, which rows go together, a batch's id. Does not: sending.

The places do not depend on what is still pending: a batch is the n-th so many rows of one change kind in
the shard. What is taken up after a crash is cut by halves of such a batch, as splitting a refused one does.
So rows that were sent together before are sent together again, under the same id, and a vendor that knows
the id takes them once.
"""

import hashlib
from bisect import bisect_right
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from orchestration.compute.exact_parquet import types_before
from orchestration.compute.sql_types import LIST, MAP, STRUCT, SqlType, parse_type

from .base import CHANGE, CHANGED_FIELDS, ROW, ROW_HASH, Change, Shard
from .errors import DeliveryError

# Rows that are decoded at a time. With 100 columns of 100 bytes these are some 80 MB.
_READ_ROWS = 8192


@dataclass(frozen=True, slots=True)
class Row:
    """One row to send: its number in the shard, what it does, and the fields' values as Python objects."""

    number: int
    change: Change
    values: Mapping[str, Any]
    changed_fields: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows that go in one request; `id` is the same whenever the same rows of a delivery are sent.

    It is at most 64 characters longer than the delivery id, of letters, digits and `-` beside it.
    """

    id: str
    rows: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows of one change kind, still in Arrow's form, that are to go in one request.

    `whole` are fields that were whole numbers of 128 bits, or have some within, with the types before: in the
    file such a number is a decimal or a text.
    """

    change: Change
    table: Any
    numbers: Sequence[int]
    whole: Mapping[str, SqlType] = field(default_factory=dict[str, SqlType])

    def batch(self, delivery_id: str) -> Batch:
        """The rows as Python objects."""
        rows: list[Row] = []
        for values in self.table.to_pylist():
            number, changed = values.pop(ROW), values.pop(CHANGED_FIELDS)
            del values[CHANGE], values[ROW_HASH]
            for name, kind in self.whole.items():
                values[name] = _whole(values[name], kind)
            rows.append(Row(number, self.change, values, None if changed is None else tuple(changed)))
        return make_batch(delivery_id, rows)


def make_batch(delivery_id: str, rows: Sequence[Row]) -> Batch:
    """The batch of these rows of a delivery."""
    numbers = ",".join(str(row.number) for row in rows)
    digest = hashlib.sha256(f"{delivery_id}:{numbers}".encode()).hexdigest()
    return Batch(f"{delivery_id}-{rows[0].number}-{digest[:16]}", rows)


def halves(batch: Batch, delivery_id: str) -> tuple[Batch, Batch]:
    """Both halves of a batch of two rows or more."""
    middle = len(batch.rows) // 2
    return make_batch(delivery_id, batch.rows[:middle]), make_batch(delivery_id, batch.rows[middle:])


def runs(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The half-open ranges that ascending row numbers make up."""
    first = 0
    for place in range(1, len(numbers) + 1):
        if place == len(numbers) or numbers[place] != numbers[place - 1] + 1:
            yield numbers[first], numbers[place - 1] + 1
            first = place


class PendingRows:
    """Which row numbers are pending, asked in any order; `left_out` are never sent, and in no piece."""

    def __init__(self, ranges: Sequence[tuple[int, int]], left_out: Collection[int] = ()) -> None:
        self.left_out = left_out
        self._firsts = [first for first, _ in ranges]
        self._ends = [end for _, end in ranges]

    def __contains__(self, number: int) -> bool:
        place = bisect_right(self._firsts, number) - 1
        return place >= 0 and number < self._ends[place]


def pieces(
    shard: Shard, changes: Collection[Change], batch_rows: int, pending: PendingRows
) -> Generator[Piece]:
    """Cut the pending rows of some change kinds into pieces of up to `batch_rows` rows.

    Rows of a kind come in the order of their numbers; of several kinds, whichever piece is complete first.

    Raises:
        DeliveryError: the file cannot be read, or is not what the shard says.
    """
    arrow, compute = import_module("pyarrow"), import_module("pyarrow.compute")
    waiting: dict[Change, list[Any]] = {change: [] for change in changes}
    never = arrow.array(sorted(pending.left_out), arrow.int64()) if pending.left_out else None
    for read in _read(shard):
        if never is not None:
            read = read.filter(compute.invert(compute.is_in(read.column(ROW), value_set=never)))
        kinds = read.column(read.schema.get_field_index(CHANGE))
        for change in waiting:
            rows = read.filter(compute.equal(kinds, change.value))
            while rows.num_rows:
                room = batch_rows - sum(part.num_rows for part in waiting[change])
                waiting[change].append(rows.slice(0, room))
                rows = rows.slice(room)
                if room <= waiting[change][-1].num_rows:
                    yield from _pending_parts(change, arrow.Table.from_batches(waiting[change]), pending)
                    waiting[change] = []
    for change, parts in waiting.items():
        if parts:
            yield from _pending_parts(change, arrow.Table.from_batches(parts), pending)


def _pending_parts(change: Change, table: Any, pending: PendingRows) -> Iterator[Piece]:
    """The whole where all is pending, or else its halves, and so on."""
    numbers: list[int] = table.column(ROW).to_pylist()
    left = sum(number in pending for number in numbers)
    if left == len(numbers):
        yield Piece(change, table, numbers, _whole_numbers(table.schema))
    elif left:
        middle = len(numbers) // 2
        yield from _pending_parts(change, table.slice(0, middle), pending)
        yield from _pending_parts(change, table.slice(middle), pending)


def _whole_numbers(schema: Any) -> dict[str, SqlType]:
    kinds = types_before(schema.metadata)
    return {name: parse_type(kind) for name, kind in kinds.items() if "HUGEINT" in kind}


def _whole(value: Any, kind: SqlType) -> Any:
    """Return a value with whole numbers where its type before the file has them."""
    if value is None:
        return None
    if kind.name in ("HUGEINT", "UHUGEINT"):
        return int(value)
    if kind.name == LIST:
        return [_whole(item, kind.members[0][1]) for item in value]
    if kind.name == MAP:
        (_, of_key), (_, of_value) = kind.members
        return [(_whole(key, of_key), _whole(item, of_value)) for key, item in value]
    if kind.name == STRUCT:
        return {name: _whole(value[name], member) for name, member in kind.members}
    return value


def _read(shard: Shard) -> Iterator[Any]:
    arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    try:
        with parquet.ParquetFile(shard.path) as file:
            if file.metadata.num_rows != shard.rows:
                raise DeliveryError(
                    f"the plan's file {shard.path.name} has {file.metadata.num_rows} rows",
                    f"{shard.rows} rows, as planned",
                    "put the file back from a backup, or `sluice delivery resend` the export: it is planned"
                    " anew",
                )
            yield from file.iter_batches(batch_size=_READ_ROWS)
    except (OSError, arrow.ArrowException) as error:
        raise DeliveryError(
            f"the plan's file {shard.path.name} cannot be read: {error}",
            "the file as it was written",
            "put the file back from a backup, or `sluice delivery resend` the export: it is planned anew",
        ) from error
