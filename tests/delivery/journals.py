"""A journal in memory, for tests of destinations without the engine.

Belongs here: what `Journal` promises, and the record of the calls. Does not: any expectation but that a
destination keeps to the journal's rules.
"""

import threading
from collections.abc import Iterable, Mapping, Sequence

from sluicegate.core.ranges import joined, without
from sluicegate.destinations.base import Ranges, Refused


class MemoryJournal:
    """A journal of a shard of `rows` rows; `acknowledged` ranges are settled from the start.

    After `fail_after` calls of `acknowledge` it raises `Crash` instead of noting anything more, as a process
    that dies between sending and acknowledging would. `taken_up()` is then what the next process finds.

    Attributes:
        refused: every refused row, as acknowledged.
        told: every progress text.
        notes: the rows of every request that may have left and was not answered, by the note's name.
        noted: the rows of every request, in order, whatever became of it.
        acknowledgements: every range, in order.
    """

    def __init__(
        self,
        rows: int,
        acknowledged: Iterable[tuple[int, int]] = (),
        kept: Mapping[str, str] | None = None,
        fail_after: int | None = None,
    ) -> None:
        self.rows = rows
        self.refused: list[Refused] = []
        self.told: list[str] = []
        self.notes: dict[str, Ranges] = {}
        self.noted: list[Ranges] = []
        self.acknowledgements: list[tuple[int, int]] = []
        self._kept = dict(kept or {})
        self._settled = bytearray(rows)
        self._fail_after = fail_after
        self._lock = threading.Lock()
        for first, end in acknowledged:
            self._settled[first:end] = b"\1" * (end - first)

    def pending(self) -> Sequence[tuple[int, int]]:
        with self._lock:
            ranges: list[tuple[int, int]] = []
            end = 0
            while (first := self._settled.find(0, end)) >= 0:
                end = self._settled.find(1, first)
                end = self.rows if end < 0 else end
                ranges.append((first, end))
            return ranges

    def leaving(self, rows: Ranges) -> str:
        with self._lock:
            for first, end in rows:
                assert 0 <= first < end <= self.rows, f"notes {first} to {end} of {self.rows}"
            self.noted.append(list(rows))
            note = str(len(self.noted))
            self.notes[note] = list(rows)
            return note

    def stayed(self, note: str) -> None:
        with self._lock:
            del self.notes[note]

    def acknowledge(self, first: int, end: int, refused: Sequence[Refused] = (), note: str = "") -> None:
        with self._lock:
            if self._fail_after is not None and len(self.acknowledgements) >= self._fail_after:
                raise Crash
            assert 0 <= first <= end <= self.rows, f"acknowledges {first} to {end} of {self.rows}"
            # Without any request the destination had them already.
            left = joined(one for rows in self.noted for one in rows)
            assert not left or not without([(first, end)], left), f"{first} to {end}: not noted"
            assert all(first <= row.row < end for row in refused), "refuses rows outside of the range"
            self._settled[first:end] = b"\1" * (end - first)
            self.acknowledgements.append((first, end))
            self.notes.pop(note, None)
            self.refused.extend(refused)

    def finishes(self) -> bool:
        return True

    def keep(self, name: str, value: str) -> None:
        with self._lock:
            self._kept[name] = value

    def kept(self) -> Mapping[str, str]:
        with self._lock:
            return dict(self._kept)

    def tell(self, text: str) -> None:
        with self._lock:
            self.told.append(text)

    def taken_up(self) -> "MemoryJournal":
        """The same journal as the next process finds it, with a record of calls of its own."""
        settled = [(row, row + 1) for row, flag in enumerate(self._settled) if flag]
        return MemoryJournal(self.rows, settled, self.kept())


class Crash(BaseException):
    """The process dies here; no `except Exception` of a destination may swallow it."""
