"""What the page asks of the last days: how each source and export stood, and what was promised and kept.

Each is one read of the records for all of them. Belongs here: those answers. Does not belong here: the
tables (`tables`), how they are shown.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from orchestration.state.store import StateStore

SOURCE, EXPORT = "source", "export"


@dataclass(frozen=True, slots=True)
class Day:
    """The partitions of one source or export that began on a day (UTC): how many of them are what.

    `met`, `missed`, `excused` and `pending` (not yet due, and not there) are of those with a due moment;
    `there` are all that landed, or were delivered, in time or not. `rows` are what the newest of them holds
    at the destination, of an export, None of a source; `lead_seconds` is how long before its due moment the
    last of them was there, less than 0 after it; None where none is, or none was due.
    """

    day: date
    met: int = 0
    missed: int = 0
    excused: int = 0
    pending: int = 0
    there: int = 0
    rows: int | None = None
    lead_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Month:
    """What was promised of an export in the month (UTC, its first day) in which it was due."""

    month: date
    met: int
    missed: int
    excused: int

    @property
    def attainment(self) -> float | None:
        """The share that was met, from 0 to 1; None where nothing counts."""
        counted = self.met + self.missed
        return self.met / counted if counted else None


def last_days(store: StateStore, now: datetime, days: int = 30) -> Mapping[tuple[str, str], tuple[Day, ...]]:
    """Return {(SOURCE or EXPORT, name): its last days, `days` of them up to today's, earliest first}.

    One of which nothing is on record in these days is left out. A partition longer than a day stands on the
    day on which it begins. Drops with ids and snapshots stand on the day on which they landed, or were
    delivered.
    """
    raise NotImplementedError


def by_month(store: StateStore, now: datetime, months: int = 3) -> Mapping[str, tuple[Month, ...]]:
    """Return {export: its last months with a promise that was due, earliest first}."""
    raise NotImplementedError
