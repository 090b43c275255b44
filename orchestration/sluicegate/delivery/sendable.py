"""What a destination is given of a plan: all of its rows but those whose values would not arrive as they are.

Among those are whole numbers of more than 38 digits: a HUGEINT is a decimal for all destinations but those
that take the text, whatever a day's rows are, so that a table that was made on one day fits on the next.

Such rows are refused before anything is sent, under their numbers in the plan, and noted in the journal: what
was refused stays so for this delivery, whatever happens. A destination that sends what is pending is given
the plan's shard. Any other, which brings a shard as one, is given one without them, whose rows have other
numbers, and a journal that knows both.

Belongs here: that. Does not belong here: which values those are (`Destination.inexact`), what becomes of
refused rows later (`ledger.settling`).
"""

from bisect import bisect_left
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from sluicegate.compute.engine import open_engine, shared_engine
from sluicegate.compute.exact_parquet import WIDE_DECIMAL, carried, exact_rows, noted_types, write_exact
from sluicegate.compute.row_hash import fields_of
from sluicegate.compute.sql import literal, quoted
from sluicegate.compute.sql_types import SqlType, parse_type
from sluicegate.core.shown_text import CLASSIFIED
from sluicegate.destinations.base import ROW, DeliveryError, Destination, Journal, Ranges, Refused, Shard
from sluicegate.destinations.cutting import PendingRows, runs
from sluicegate.destinations.exact_values import Unfit, nested, unfit_rows
from sluicegate.destinations.left_out import NOTE, as_note, left_out

# More than these are no odd rows but a field that does not fit.
_MOST_ROWS = 10_000
_SHOWN_ROWS = 3


@dataclass(frozen=True)
class Presented:
    """A plan's shard as its destination may see it, and the rows refused by that alone: they lack a value."""

    shard: Shard
    wide: Sequence[Refused]


@contextmanager
def presented(destination: Destination, shard: Shard) -> Generator[Presented]:
    """Look at a plan's shard as the destination is to: with the types of fields that it has each day."""
    wide = () if destination.takes_hugeint else _wide_rows(shard)
    with TemporaryDirectory(prefix="sluice-shown-") as folder:
        shown = replace(shard, path=_narrow(shard, Path(folder))) if wide else shard
        yield Presented(shown, wide)


def refuse_inexact(
    destination: Destination, of: Presented, journal: Journal, hidden: Collection[str]
) -> Sequence[Refused]:
    """Refuse the rows of a shard that would not arrive as they are; of fields in `hidden` no value is shown.

    Raises:
        DeliveryError: too many are, or all that a scope is to be replaced by.
    """
    shard, wide = of.shard, {one.row for one in of.wide}
    others = [one for one in destination.inexact(shard) if one.row not in wide]
    refused = sorted([*of.wide, *others], key=lambda one: one.row)
    if not refused:
        return ()
    if len(refused) > _MOST_ROWS or (shard.full and len(refused) == shard.rows):
        examples = "; ".join(_example(shard, one, hidden) for one in refused[:_SHOWN_ROWS])
        raise DeliveryError(
            "SLU-E012",
            f"{len(refused):,} of {shard.rows:,} rows of {shard.export} would not arrive as they are:"
            f" {examples}",
            "values that the destination can hold",
            "fix the fields in the export's model, then build the partition again; nothing was sent",
        )
    said = {one.row: one for one in refused}
    journal.keep(NOTE, as_note(said))
    # After a crash just here some are settled already.
    pending = PendingRows(journal.pending())
    for first, end in runs([row for row in sorted(said) if row in pending]):
        journal.acknowledge(first, end, [said[row] for row in range(first, end)])
    journal.tell(f"{len(refused):,} rows are refused before sending: {refused[0].said}")
    return refused


def sendable(destination: Destination, shard: Shard, journal: Journal, folder: Path) -> tuple[Shard, Journal]:
    """Return what the destination is given; `folder` is for a file, and has to last as long as that."""
    without = sorted(left_out(journal.kept()))
    if not without:
        return shard, journal
    if destination.sends_pending:
        # Of a plan that an older version began to send, such rows may have gone out as they are.
        wide = () if destination.takes_hugeint else _wide_rows(shard)
        narrow = wide and {one.row for one in wide} <= set(without)
        return (replace(shard, path=_narrow(shard, folder)) if narrow else shard), journal
    file = folder / shard.path.name
    with open_engine(threads=1) as connection:  # the same file each time, to its row groups
        numbers = ", ".join(map(str, without))
        write_exact(
            connection,
            f"select (row_number() over (order by {ROW}) - 1) as {quoted(ROW)}, * exclude ({ROW})"
            f" from {exact_rows(connection, shard.path)} where {ROW} not in ({numbers}) order by {ROW}",
            file,
        )
    return replace(shard, path=file, rows=shard.rows - len(without)), _Renumbered(journal, without)


def _wide_rows(shard: Shard) -> Sequence[Refused]:
    """Return the rows with a whole number of more digits than a decimal has."""
    with shared_engine() as connection:
        noted = noted_types(connection, shard.path)
        if all(other == carried(kind, WIDE_DECIMAL) for other, kind in noted.values()):
            return ()
    return unfit_rows(shard, _too_wide, before=True)


def _narrow(shard: Shard, folder: Path) -> Path:
    """Write a shard without the values of such numbers, so that their fields are decimals."""
    file = folder / f"narrow-{shard.path.name}"
    with open_engine(threads=1) as connection:  # the same file each time, to its row groups
        rows = exact_rows(connection, shard.path)
        columns = [
            f"case when {' or '.join(found)} then null else {quoted(name)} end as {quoted(name)}"
            for name, kind in fields_of(connection, f"select * from {rows}").items()
            if (
                found := [
                    f"coalesce({one.condition}, false)"
                    for one in _too_wide(name, quoted(name), parse_type(kind))
                ]
            )
        ]
        write_exact(connection, f"select * replace ({', '.join(columns)}) from {rows} order by {ROW}", file)
    return file


def _too_wide(_: str, value: str, kind: SqlType) -> Iterator[Unfit]:
    def too_wide(value: str, kind: SqlType) -> Iterator[Unfit]:
        if kind.name in ("HUGEINT", "UHUGEINT"):
            yield Unfit(
                f"{value} is not null and try_cast({value} as {WIDE_DECIMAL}) is null",
                "whole numbers have 38 digits at most there",
                "cast the field to text in the model",
            )

    yield from nested(value, kind, too_wide)


class _Renumbered:
    """A plan's journal, for a shard without some of the plan's rows."""

    def __init__(self, journal: Journal, without: Sequence[int]) -> None:
        self._journal = journal
        self._without = without

    def pending(self) -> Sequence[tuple[int, int]]:
        joined: list[tuple[int, int]] = []
        for first, end in self._journal.pending():
            inner = first - bisect_left(self._without, first), end - bisect_left(self._without, end)
            if joined and joined[-1][1] == inner[0]:
                inner = joined.pop()[0], inner[1]
            joined.append(inner)
        return [(first, end) for first, end in joined if first < end]

    def leaving(self, rows: Ranges) -> str:
        return self._journal.leaving([one for first, end in rows for one in self._between(first, end)])

    def stayed(self, note: str) -> None:
        self._journal.stayed(note)

    def acknowledge(self, first: int, end: int, refused: Sequence[Refused] = (), note: str = "") -> None:
        named = [replace(one, row=self._in_plan(one.row)) for one in refused]
        ranges = list(self._between(first, end))
        for start, stop in ranges:
            within = [one for one in named if start <= one.row < stop]
            self._journal.acknowledge(start, stop, within, note if (start, stop) == ranges[-1] else "")

    def finishes(self) -> bool:
        return self._journal.finishes()

    def keep(self, name: str, value: str) -> None:
        self._journal.keep(name, value)

    def kept(self) -> Mapping[str, str]:
        return self._journal.kept()

    def tell(self, text: str) -> None:
        self._journal.tell(text)

    def _in_plan(self, row: int) -> int:
        """Return the plan's number of a row."""
        for left in self._without:
            if left > row:
                break
            row += 1
        return row

    def _between(self, first: int, end: int) -> Iterator[tuple[int, int]]:
        """The plan's ranges of some rows: they end where one is left out."""
        if first >= end:
            return
        start, last = self._in_plan(first), self._in_plan(end - 1)
        for left in self._without[bisect_left(self._without, start) : bisect_left(self._without, last)]:
            if start < left:
                yield start, left
            start = left + 1
        yield start, last + 1


def _example(shard: Shard, refused: Refused, hidden: Collection[str]) -> str:
    """A refused row by its key, and why."""
    names = ", ".join(f"{quoted(name)}::varchar" for name in shard.key)
    with shared_engine() as connection:
        read = f"read_parquet({literal(str(shard.path))})"
        found = connection.execute(f"select {names} from {read} where {ROW} = {refused.row}").fetchone() or ()
    key = ", ".join(
        f"{name}={CLASSIFIED if name in hidden else value}"
        for name, value in zip(shard.key, found, strict=False)
    )
    return f"{key}: {refused.said}"
