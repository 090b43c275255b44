"""A destination that is a file: a model of one, to be compared with, which crashes and refuses when told to.

It takes rows one at a time and writes each down, so that a crash between any two rows leaves what a vendor
would be left with. It counts what it was told twice.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

from sluicegate.destinations.base import (
    ANYWHERE,
    TECHNICAL_COLUMNS,
    Alike,
    Capabilities,
    Change,
    DeliveryError,
    Destination,
    Journal,
    KeyIdentity,
    Mode,
    Receipt,
    Refused,
    Scope,
    Shard,
)


class Crash(BaseException):
    """The process is gone; nothing catches it."""


@dataclass
class Faults:
    """What goes wrong: crash before or after the n-th row from now is written down; keys that are refused.

    `down`: nothing answers, before anything is sent.
    """

    crash_after_rows: int | None = None
    before_acknowledging: bool = False
    refused_keys: set[str] = field(default_factory=set[str])
    down: bool = False


class ShelfDestination(Destination):
    """Rows by key in a JSON file; knows every mode, row by row but for `full`, which replaces the scope."""

    type_name: ClassVar[str] = "shelf"
    guarantee: ClassVar[str] = "effectively once, by key"
    kinds: ClassVar[frozenset[str]] = frozenset()
    capabilities: ClassVar[Capabilities] = Capabilities(frozenset(Mode), read_back=True, delete=True)
    takes_hugeint: ClassVar[bool] = True

    def __init__(self, url: str, object_name: str, options: Any = None) -> None:
        super().__init__(url, object_name, options)
        self.faults = Faults()
        self.sent = 0
        self.twice = 0
        self.shards: list[Shard] = []
        self.written: list[dict[str, Any]] = []

    @classmethod
    def canonical_name(cls, object_name: str) -> str:
        return object_name

    def canonical_object(self) -> str:
        return f"{self._url}/{self._object_name}"

    @property
    def path(self) -> Path:
        return Path(self._url) / f"{self._object_name}.json"

    def rows(self) -> dict[str, dict[str, Any]]:
        """What is on the shelf, by key."""
        return json.loads(self.path.read_text()) if self.path.exists() else {}

    def _write(self, rows: Mapping[str, Any]) -> None:
        self.path.write_text(json.dumps(rows))

    def fold(self, text: str | None) -> str | None:
        """A key's text as the shelf keeps it."""
        return text

    def check(self, shard: Shard) -> None:
        if self.faults.down:
            raise DeliveryError("SLU-E005", f"{shard.export}: nobody answers", "a shelf", "wait")

    def send(self, shard: Shard, journal: Journal) -> Receipt:
        self.shards.append(shard)
        rows = self.rows()
        table = import_module("pyarrow.parquet").read_table(shard.path).to_pylist()
        numbers = [number for first, end in journal.pending() for number in range(first, end)]
        replaces = shard.full and shard.mode in (Mode.MIRROR, Mode.SNAPSHOT) and journal.finishes()
        emptied = shard.full and not shard.rows and shard.mode is not Mode.UPSERT
        # The last one is settled once the shelf has nothing but the shard's: until then there is work to do.
        held_back = numbers[-1:] if replaces else []
        for number in numbers:
            self._take(table[number], rows, shard, journal, number, settles=number not in held_back)
        if emptied or (replaces and numbers):
            journal.leaving(())
            kept = {self._key(shard, row) for row in table if not self._refuses(shard, row)}
            for key in [key for key, row in rows.items() if _in_scope(shard, row) and key not in kept]:
                del rows[key]
            self._write(rows)
        for number in held_back:
            refused = [Refused(number, "NO", "no")] if self._refuses(shard, table[number]) else []
            journal.acknowledge(number, number + 1, refused)
        return Receipt(shard.rows, self.canonical_object())

    def _key(self, shard: Shard, row: Mapping[str, Any]) -> str:
        return json.dumps([self.fold(_text(row[name])) for name in shard.key])

    def _refuses(self, shard: Shard, row: Mapping[str, Any]) -> bool:
        return self._key(shard, row) in self.faults.refused_keys

    def _take(
        self,
        row: dict[str, Any],
        rows: dict[str, Any],
        shard: Shard,
        journal: Journal,
        number: int,
        *,
        settles: bool,
    ) -> None:
        values = {name: _text(value) for name, value in row.items() if name not in TECHNICAL_COLUMNS}
        key = self._key(shard, row)
        note = journal.leaving([(number, number + 1)])
        if self._refuses(shard, row):
            if settles:
                journal.acknowledge(number, number + 1, [Refused(number, "NO", f"no {key} here")], note)
            return
        crash = self.faults.crash_after_rows == 0
        if crash and not self.faults.before_acknowledging:
            raise Crash
        self.sent += 1
        if row["_change"] == Change.REMOVED:
            rows.pop(key, None)
        else:
            self.written.append(values)
            self.twice += rows.get(key) == values
            rows[key] = values
        self._write(rows)
        if crash:
            raise Crash
        if self.faults.crash_after_rows is not None:
            self.faults.crash_after_rows -= 1
        if settles:
            journal.acknowledge(number, number + 1, (), note)

    def read_back(self, scope: Scope) -> Iterator[Any]:
        arrow = import_module("pyarrow")
        found = [row for row in self.rows().values() if _in_scope(scope, row)]
        yield arrow.RecordBatch.from_pylist(
            [{name: row[name] for name in scope.fields} for row in found],
            schema=arrow.schema([(name, arrow.string()) for name in scope.fields]),
        )

    def forget(self, scope: Scope, keys: Sequence[Mapping[str, Any]]) -> int:
        rows = self.rows()
        gone = {json.dumps([self.fold(_text(key[name])) for name in scope.key]) for key in keys}
        self._write({key: row for key, row in rows.items() if key not in gone})
        return len(gone & set(rows))


class FoldingShelf(ShelfDestination):
    """Takes spellings for one key, as CRMs do, and finds a key wherever it is."""

    capabilities: ClassVar[Capabilities] = Capabilities(
        frozenset({Mode.UPSERT, Mode.MIRROR}),
        read_back=True,
        delete=True,
        keys=KeyIdentity(frozenset({Alike.TRIMMED, Alike.CASE}), single=True, anywhere=ANYWHERE),
    )

    def fold(self, text: str | None) -> str | None:
        return text.strip().lower() if text else text


def _in_scope(scope: Shard | Scope, row: Mapping[str, Any]) -> bool:
    if scope.partition_column is None:
        return True
    value = row.get(scope.partition_column)
    if scope.bounds and value is not None:
        return scope.bounds[0] <= value < scope.bounds[1]
    return value == scope.partition_key


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
