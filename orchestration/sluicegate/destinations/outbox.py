"""Where a deployment without connections delivers to: a folder of files, as the real one would be sent.

    <export>/rows.parquet                what the destination would hold now
    <export>/sent/<delivery id>.parquet  what one delivery would have brought: `_batch`, `_change`, the fields

Plan, limits, keys, modes and batches are those of the real kind of destination, and its refusals as far as it
knows them without asking anybody (`Destination.offline`). Belongs here: these files. Does not belong here:
who delivers to them (`delivery.deliver`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from sluicegate.compute.alike import canonical
from sluicegate.compute.engine import open_engine
from sluicegate.compute.exact_parquet import exact_rows, write_exact
from sluicegate.compute.sql import literal, quoted

from .base import (
    CHANGE,
    CHANGED_FIELDS,
    ROW,
    ROW_HASH,
    Change,
    Destination,
    Journal,
    Mode,
    Receipt,
    Refused,
    Scope,
    Shard,
)
from .batches import BatchDestination
from .blob.parts import text_of
from .cutting import PendingRows, pieces
from .permission import may_send
from .registry import build, destination_types

if TYPE_CHECKING:
    import duckdb

_BATCH, _SCOPE = "_batch", "_scope"
_ROWS, _SENT = "rows.parquet", "sent"
_SENT_KINDS = (Change.ADDED, Change.CHANGED, Change.REMOVED)
_SCHEMES = {"postgres": "postgresql", "braze_events": "braze", "blob": "file"}


class Outbox(Destination):
    """The folder of one export, in the place of its real destination; see `outbox_of`."""

    def __init__(self, real: Destination, folder: Path, options: BaseModel | None) -> None:
        super().__init__("", folder.name, options)
        self._real, self._folder = real, folder
        self._knows_values = real.offline()

    @classmethod
    def canonical_name(cls, object_name: str) -> str:
        """The export's name."""
        return object_name

    def canonical_object(self) -> str:
        """The same wherever the data directory lies."""
        return f"outbox/{self._object_name}"

    def hosts(self) -> Sequence[str]:
        """Nobody is spoken to."""
        return ()

    def inexact(self, shard: Shard) -> Sequence[Refused]:
        """As the real destination, where it has to ask nobody for that."""
        return self._real.inexact(shard) if self._knows_values else ()

    def arrived(self, shard: Shard) -> bool:
        """Whether its file is there, which comes last."""
        return self._sent(shard.delivery_id).exists()

    def send(self, shard: Shard, journal: Journal) -> Receipt:
        """Write what it would hold, and then what was brought to it; every row is settled together."""
        already, pending = self.arrived(shard), journal.pending()
        note = journal.leaving(pending) if pending else ""
        may_send()
        refused = () if already else self._refused(shard)
        if not already:
            with open_engine() as engine:
                self._write(engine, shard, [row.row for row in refused])
        for first, end in pending:
            within = [row for row in refused if first <= row.row < end]
            journal.acknowledge(first, end, within, note if end == pending[-1][1] else "")
        return Receipt(shard.rows - len(refused), str(self._folder), already_delivered=already)

    def read_back(self, scope: Scope) -> Iterator[Any]:
        """Yield what the scope would hold; a field that it does not have is null."""
        with open_engine() as engine:
            if held := self._held(engine):
                known = _kinds(engine, held)
                fields = [
                    quoted(name) if name in known else f"null as {quoted(name)}" for name in scope.fields
                ]
                yield from engine.execute(
                    f"select {', '.join(fields)} from {held} where {_within(scope)}"
                ).to_arrow_reader(100_000)

    def forget(self, scope: Scope, keys: Sequence[Mapping[str, Any]]) -> int:
        """Take keys out of all files; return how many were there."""
        wanted = ", ".join(
            f"({', '.join(literal(text_of(key[name])) for name in scope.key)})" for key in keys
        )
        names = ", ".join(f"k{n}" for n in range(len(scope.key)))
        files = [path for path in (self._folder / _ROWS, *self._folder.glob(f"{_SENT}/*")) if path.exists()]
        found: set[tuple[Any, ...]] = set()
        with open_engine() as engine:
            for file in files if keys else ():
                rows = exact_rows(engine, file)
                kinds = _kinds(engine, rows)
                if not kinds.keys() >= set(scope.key):
                    continue
                pairs = [
                    (f"r.{quoted(name)}", f"try_cast(wanted.k{n} as {kinds[name]})", kinds[name])
                    for n, name in enumerate(scope.key)
                ]
                there = f"exists (from (values {wanted}) wanted ({names}) where {self._same(pairs)})"
                columns = ", ".join(f"{quoted(name)}::varchar" for name in scope.key)
                gone = engine.execute(f"select {columns} from {rows} r where {there}").fetchall()
                found.update(gone)
                if gone:
                    self._replace(engine, f"select * from {rows} r where not {there}", file)
        return len(found)

    def _refused(self, shard: Shard) -> list[Refused]:
        """Return the rows of which the real destination would make no request."""
        real, everything = self._real, PendingRows([(0, shard.rows)])
        if not isinstance(real, BatchDestination) or type(real).unwritable is BatchDestination.unwritable:
            return []
        found = (
            real.unwritable(shard, piece.batch(shard.delivery_id).rows)
            for piece in pieces(shard, _SENT_KINDS, real.rows_a_batch(), everything)
        )
        return sorted(chain.from_iterable(found), key=lambda row: row.row)

    def _write(self, engine: "duckdb.DuckDBPyConnection", shard: Shard, refused: Sequence[int]) -> None:
        batch = self._real.rows_a_batch() if isinstance(self._real, BatchDestination) else max(shard.rows, 1)
        without = f" where {ROW} not in ({', '.join(map(str, refused))})" if refused else ""
        brought = (
            f"(select {literal(shard.partition_key)} as {_SCOPE},"
            f" (row_number() over (partition by {CHANGE} order by {ROW}) - 1) // {batch} as {_BATCH},"
            f" * exclude ({ROW}, {ROW_HASH}) from {exact_rows(engine, shard.path)}{without} order by {ROW})"
        )
        if shard.mode is not Mode.APPEND:
            now = (
                f"select * exclude ({_BATCH}, {CHANGE}, {CHANGED_FIELDS}) from {brought}"
                f" where {CHANGE} in ('{Change.ADDED}', '{Change.CHANGED}')"
            )
            if (self._folder / _ROWS).exists():
                now = f"{self._staying(engine, shard, brought)} union all by name {now}"
            self._replace(engine, now, self._folder / _ROWS)
        self._replace(engine, f"select * from {brought}", self._sent(shard.delivery_id))

    def _staying(self, engine: "duckdb.DuckDBPyConnection", shard: Shard, brought: str) -> str:
        """Return SQL of what it held before and holds still."""
        kinds = _kinds(engine, brought)
        same = self._same([(f"old.{quoted(n)}", f"new.{quoted(n)}", kinds[n]) for n in shard.key])
        within = "true" if shard.mode in self.capabilities.keys.anywhere else _within(shard)
        replaced = shard.full and shard.mode in (Mode.MIRROR, Mode.SNAPSHOT)
        return (
            f"select old.* from {exact_rows(engine, self._folder / _ROWS)} old where not"
            f" ({_within(shard) if replaced else 'false'}) and not ({within} and exists"
            f" (from {brought} new where {same}))"
        )

    def _same(self, pairs: Sequence[tuple[str, str, str]]) -> str:
        """Return SQL of whether two keys are one, of (value, value, type) for each of its fields."""
        alike = self.capabilities.keys.alike
        return " and ".join(
            f"{canonical(one, kind, alike)}::varchar is not distinct from"
            f" {canonical(other, kind, alike)}::varchar"
            for one, other, kind in pairs
        )

    def _held(self, engine: "duckdb.DuckDBPyConnection") -> str:
        if (self._folder / _ROWS).exists():
            return exact_rows(engine, self._folder / _ROWS)
        files = [f"from {exact_rows(engine, file)}" for file in sorted(self._folder.glob(f"{_SENT}/*"))]
        return f"({' union all by name '.join(files)})" if files else ""

    def _sent(self, delivery_id: str) -> Path:
        return self._folder / _SENT / f"{delivery_id}.parquet"

    def _replace(self, engine: "duckdb.DuckDBPyConnection", query: str, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = self._folder / f".{file.name}.partial"
        write_exact(engine, query, partial)
        partial.replace(file)


def _kinds(engine: "duckdb.DuckDBPyConnection", rows: str) -> dict[str, str]:
    return {row[0]: row[1] for row in engine.execute(f"describe select * from {rows}").fetchall()}


def _within(scope: Scope | Shard) -> str:
    return "true" if scope.partition_column is None else f"{_SCOPE} = {literal(scope.partition_key)}"


def outbox_of(kind: str, object_name: str, options: BaseModel | None, folder: Path) -> Destination:
    """Return the outbox of an export in the place of its destination; `folder` is called as the export.

    Raises:
        DeliveryError: there is no such kind of destination, or the object is none of it.
    """
    # Nothing is ever opened by it.
    real = build(kind, f"{_SCHEMES.get(kind, kind)}://a:b@localhost/outbox", object_name, options)
    of = destination_types[kind]
    same = ("type_name", "guarantee", "kinds", "options_model", "key_written", "takes_hugeint")
    said = {name: getattr(of, name) for name in same}
    said["capabilities"] = replace(of.capabilities, read_back=True, delete=True)
    return type("OutboxOf", (Outbox,), said)(real, folder, options)
