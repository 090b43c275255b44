"""Named faults: the ways in which a provider's file goes wrong.

Belongs here: the names, which of them make sense for which feed, and what each does to the rows
or the bytes of one file. Does not: making the sound rows (generate.py), or finding the fault (the
platform's job).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TypeAlias

Row: TypeAlias = tuple[str, ...]

SNAPSHOT = "snapshot"
DAILY_FEEDS = ("sales", "inventory")
SNAPSHOT_FEEDS = ("stores", "products")
FEEDS = DAILY_FEEDS + SNAPSHOT_FEEDS

_DATE = "Date"
_QUANTITY: Mapping[str, str] = {"sales": "Bottles Sold", "inventory": "Remaining Quantity"}
_NUMBER: Mapping[str, str] = {**_QUANTITY, "stores": "latitude", "products": "Pack"}
_STORE: Mapping[str, str] = {
    "sales": "Store Number",
    "inventory": "Store Number",
    "stores": "Store",
}


@dataclass(frozen=True)
class Table:
    """The content of one file before it is written."""

    feed: str
    header: Row
    rows: Sequence[Row]

    def mapped(self, column: str, change: Callable[[int, str], str]) -> Table:
        """This table with one column changed; `change` is given the row's number and the value."""
        at = self.header.index(column)
        rows = [(*row[:at], change(number, row[at]), *row[at + 1 :]) for number, row in enumerate(self.rows)]
        return Table(self.feed, self.header, rows)


def _negative_quantities(table: Table) -> Table:
    def negate(_: int, value: str) -> str:
        return value if value.startswith("-") or value == "0" else f"-{value}"

    return table.mapped(_QUANTITY[table.feed], negate)


def _missing_stores(table: Table) -> Table:
    at = table.header.index(_STORE[table.feed])
    present = sorted({row[at] for row in table.rows})
    missing = set(present[::3])
    return Table(table.feed, table.header, [row for row in table.rows if row[at] not in missing])


def _renamed_column(table: Table) -> Table:
    return Table(table.feed, (*table.header[:-1], f"{table.header[-1]} (new)"), table.rows)


def _duplicate_rows(table: Table) -> Table:
    # One row in ten comes again; at least one, however small the file.
    return Table(table.feed, table.header, [*table.rows, *table.rows[::10]])


def _wrong_date(table: Table) -> Table:
    def day_before(number: int, value: str) -> str:
        if number % 10:
            return value
        return (date.fromisoformat(value) - timedelta(days=1)).isoformat()

    return table.mapped(_DATE, day_before)


def _text_in_number(table: Table) -> Table:
    return table.mapped(_NUMBER[table.feed], lambda number, v: v if number % 50 else "n/a")


def _ten_times(table: Table) -> Table:
    return table.mapped(_QUANTITY[table.feed], lambda _, value: str(int(value) * 10))


@dataclass(frozen=True)
class _Kind:
    feeds: tuple[str, ...]
    change: Callable[[Table], Table] | None
    """What it does to the rows; None for the two that the writer sees to itself."""


YESTERDAY_AGAIN = "yesterday-again"
TRUNCATED = "truncated"

_KINDS: Mapping[str, _Kind] = {
    "negative-quantities": _Kind(DAILY_FEEDS, _negative_quantities),
    "missing-stores": _Kind((*DAILY_FEEDS, "stores"), _missing_stores),
    "renamed-column": _Kind(FEEDS, _renamed_column),
    "duplicate-rows": _Kind(FEEDS, _duplicate_rows),
    "wrong-date": _Kind(DAILY_FEEDS, _wrong_date),
    "text-in-number": _Kind(FEEDS, _text_in_number),
    "ten-times": _Kind(DAILY_FEEDS, _ten_times),
    YESTERDAY_AGAIN: _Kind(DAILY_FEEDS, None),
    TRUNCATED: _Kind(FEEDS, None),
}


def kinds_for(feed: str) -> list[str]:
    """The faults that make sense for a feed."""
    return [name for name, kind in _KINDS.items() if feed in kind.feeds]


@dataclass(frozen=True)
class Fault:
    """One fault in one file. `day` is None for a snapshot."""

    feed: str
    day: date | None
    kind: str

    def __post_init__(self) -> None:
        if self.feed not in FEEDS:
            raise ValueError(f"unknown feed '{self.feed}': expected one of {', '.join(FEEDS)}")
        if (self.day is None) != (self.feed in SNAPSHOT_FEEDS):
            expected = f"'{SNAPSHOT}'" if self.feed in SNAPSHOT_FEEDS else "a day (YYYY-MM-DD)"
            found = SNAPSHOT if self.day is None else self.day.isoformat()
            raise ValueError(f"unknown day '{found}' of '{self.feed}': expected {expected}")
        if self.kind not in kinds_for(self.feed):
            allowed = ", ".join(kinds_for(self.feed))
            raise ValueError(f"unknown fault '{self.kind}' of '{self.feed}': expected one of {allowed}")

    @classmethod
    def parse(cls, text: str) -> Fault:
        """`inventory:2022-10-03:missing-stores`; a snapshot's day is the word `snapshot`."""
        parts = text.split(":")
        if len(parts) != 3:
            raise ValueError(
                f"'{text}' is no fault: expected FEED:DAY:FAULT, with FEED one of "
                f"{', '.join(FEEDS)}; DAY as YYYY-MM-DD, or '{SNAPSHOT}' for "
                f"{' and '.join(SNAPSHOT_FEEDS)}; FAULT one of {', '.join(_KINDS)}"
            )
        feed, day, kind = parts
        if day == SNAPSHOT:
            return cls(feed, None, kind)
        try:
            parsed = date.fromisoformat(day)
        except ValueError:
            raise ValueError(
                f"unknown day '{day}' in '{text}': expected YYYY-MM-DD, or '{SNAPSHOT}' for "
                f"{' and '.join(SNAPSHOT_FEEDS)}"
            ) from None
        return cls(feed, parsed, kind)


def with_faults(table: Table, yesterday: Table | None, faults: Sequence[Fault]) -> Table:
    """The table with these faults in it, in the order in which they are given."""
    for fault in faults:
        if fault.kind == YESTERDAY_AGAIN:
            assert yesterday is not None, "a first day's fault is refused before anything is made"
            table = yesterday
        change = _KINDS[fault.kind].change
        if change is not None:
            table = change(table)
    return table
