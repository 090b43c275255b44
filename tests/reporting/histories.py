"""Made-up histories of promises and deliveries, of every grain, and what they amount to, counted by hand.

Belongs here: writing a history into records, and plain counting beside the views. Does not: expectations.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

import sqlalchemy as sa
from sluicegate.core.partitions import Grain, Partitioning
from sluicegate.state import schema
from sluicegate.state.store import StateStore

from tests.unit.test_state_leases import engine_of

_STATUSES = ("acknowledged", "acknowledged", "overtaken", "superseded", "rejected", "held", "planned")
_DAYS_BACK = {Grain.HOURLY: 3, Grain.DAILY: 40, Grain.WEEKLY: 90, Grain.MONTHLY: 150}


@dataclass(frozen=True)
class Sent:
    """A delivery: its status, when it ended, and how many rows it had."""

    export: str
    key: str
    newest_alone: bool
    status: str
    at: datetime
    rows: int


@dataclass(frozen=True)
class Promised:
    """A promise of an export, and whether it fell into a window."""

    export: str
    key: str
    ends: datetime
    due: datetime
    excused: str


@dataclass(frozen=True)
class History:
    """Everything that happened up to `now`."""

    now: datetime
    promised: Sequence[Promised]
    sent: Sequence[Sent]

    def arrived(self, promise: Promised) -> datetime | None:
        """Return when a promised partition first was there."""
        return min(
            (
                one.at for one in self.sent
                if one.export == promise.export and one.status == "acknowledged"
                and (one.key == promise.key or (one.newest_alone and one.key > promise.key))
            ),
            default=None,
        )  # fmt: skip

    def verdict(self, promise: Promised) -> str:
        """Return what became of a promise."""
        if promise.due > self.now:
            return "pending"
        if promise.excused:
            return "excused"
        at = self.arrived(promise)
        return "met" if at is not None and at <= promise.due else "missed"

    def counts(self) -> Counter[tuple[str, str, str]]:
        """Return {(export, month, verdict): how many}, of those that are due."""
        said = [(one.export, f"{one.due:%Y-%m}", self.verdict(one)) for one in self.promised]
        return Counter(item for item in said if item[2] != "pending")


def history(seed: int, now: datetime) -> History:
    """Return a history of one export of each grain, once of its newest partition alone."""
    dice = Random(seed)
    promised: list[Promised] = []
    sent: list[Sent] = []
    for grain in Grain:
        for newest_alone in (False, True):
            name = f"exp_{grain.value}_{'latest' if newest_alone else 'each'}"
            for key, ends in _keys(dice, grain, now):
                due = ends + timedelta(hours=dice.choice([0, 1, 30])) if ends else None
                if ends and due and dice.random() < 0.9:
                    promised.append(Promised(name, key, ends, due, dice.choice(["", "", "", "month end"])))
                for _ in range(dice.choice([0, 1, 1, 2])):
                    # Exactly in time is in time, and a moment later is not.
                    shift = dice.choice([timedelta(), timedelta(microseconds=1), timedelta(hours=-1)])
                    at = (due or now - timedelta(days=dice.randrange(5))) + shift
                    sent.append(
                        Sent(name, key, newest_alone, dice.choice(_STATUSES), min(at, now), dice.randrange(9))
                    )
    return History(now, promised, sent)


def _keys(dice: Random, grain: Grain, now: datetime) -> list[tuple[str, datetime | None]]:
    if not grain.timed:
        return [("", None)] if grain is Grain.SNAPSHOT else [(f"set-{n}", None) for n in range(3)]
    cut = Partitioning(grain)
    keys = cut.overlapping(now - timedelta(days=_DAYS_BACK[grain]), now)
    return [(key, cut.interval(key)[1]) for key in keys if dice.random() < 0.7]


def write(store: StateStore, url: str, told: History) -> None:
    """Put a history on record: promises as a look does, deliveries as their engine leaves them."""
    store.incidents.note_due(
        {("delivery", one.export, one.key): (one.due, one.ends) for one in told.promised}
    )
    due = {("delivery", one.export, one.key): one.excused for one in told.promised if one.due <= told.now}
    store.operations.decide(due)
    rows = [
        {"delivery_id": f"d{number}", "export": one.export, "partition_key": one.key, "version": "v"}
        | {"digest": "d", "row_count": one.rows, "shard": "", "status": one.status, "location": ""}
        | {"run_id": "r", "planned_at": one.at - timedelta(minutes=5), "acknowledged_at": one.at}
        | {"scope": "" if one.newest_alone else one.key}
        for number, one in enumerate(told.sent)
    ]
    engine = engine_of(url)
    with engine.begin() as connection:
        connection.execute(sa.insert(schema.deliveries), rows)
    engine.dispose()


def this_moment() -> datetime:
    """Return the time: the views ask the database's clock."""
    return datetime.now(UTC)
