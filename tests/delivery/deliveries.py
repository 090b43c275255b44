"""The engine on rows that a test states: no project, no Dagster, a real state store.

Belongs here: what tests of the engine need to deliver something. Does not: any expectation.
"""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import duckdb
from sluicegate.delivery.engine import DeliveryEngine
from sluicegate.delivery.ledger import Ledger, Opened, Order, Outcome
from sluicegate.destinations.base import Destination, Mode
from sluicegate.state.records import DeliveryKind
from sluicegate.state.store import StateStore

DAY = "2024-01-01"
Rows = Mapping[int, str]
COLUMNS = ("item", "business_date", "note")
_DDL = "create table items (item integer, business_date date, note varchar)"


@dataclass
class Sender:
    """Delivers rows {item: note} of a day to a destination; `latest`: it holds the newest day alone."""

    folder: Path
    destination: Destination
    mode: Mode = Mode.MIRROR
    latest: bool = False
    names: Mapping[str, str] = field(default_factory=dict[str, str])
    single_key: bool = False
    store: StateStore = field(init=False)
    said: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        self.store = StateStore(f"sqlite:///{self.folder / 'state.db'}", shards=self.shards)

    @property
    def shards(self) -> Path:
        """Where shards are kept."""
        return self.folder / "shards"

    @property
    def key(self) -> tuple[str, ...]:
        names = ("item",) if self.latest or self.single_key else ("business_date", "item")
        return tuple(map(self.name, names))

    def name(self, column: str) -> str:
        """What the destination calls a column."""
        return self.names.get(column, column)

    def order(self, day: str = DAY) -> Order:
        return Order(
            export="exp_items",
            partition_key=day,
            key=self.key,
            mode=self.mode,
            partition_column=None if self.latest else self.name("business_date"),
            bounds=None,
            wait_seconds=0.0,
            attempts=1_000,
        )

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.store, self.shards, "run", self.said.append)

    def engine(self) -> DeliveryEngine:
        return DeliveryEngine(self.ledger, self.destination)

    def deliver(
        self,
        rows: Rows,
        version: str,
        *,
        day: str = DAY,
        order: Order | None = None,
        kind: DeliveryKind = DeliveryKind.CHANGE,
    ) -> Outcome:
        """Deliver the rows as the validated ones of a day, in a version."""

        @contextmanager
        def opening() -> Generator[Opened]:
            with duckdb.connect() as connection:
                yield Opened(connection, self.source(connection, rows, day), version)

        return self.engine().deliver(replace(order or self.order(day), kind=kind), opening)

    def source(self, connection: duckdb.DuckDBPyConnection, rows: Rows, day: str) -> str:
        """Make the table that is sent; return the SQL that selects from it."""
        connection.execute(_DDL)
        if rows:
            values = ", ".join(f"({item}, '{day}', '{note}')" for item, note in rows.items())
            connection.execute(f"insert into items values {values}")
        sent = [name for name in COLUMNS if not (self.latest and name == "business_date")]
        return "select " + ", ".join(f'{name} as "{self.name(name)}"' for name in sent) + " from items"

    def recorded(self, day: str = DAY) -> dict[int, str]:
        """What the destination holds of a day, by our records."""
        scope = "" if self.latest else day
        with self.ledger.reading() as reading:
            held = reading.content("exp_items", scope, self.key)
            if held is None:
                return {}
            item, note = (f'"{self.name(name)}"' for name in ("item", "note"))
            found = reading.connection.execute(f"select {item}, {note} from ({held.rows})").fetchall()
            assert held.count() == len(found)
        return dict(found)

    def in_doubt(self, day: str = DAY) -> set[int]:
        """The items of a day of which our records do not say whether the destination has them."""
        with self.ledger.reading() as reading:
            held = reading.content("exp_items", "" if self.latest else day, self.key)
            rows = held.in_doubt if held is not None else ""
            if not rows:
                return set()
            item = f'"{self.name("item")}"'
            return {row[0] for row in reading.connection.execute(f"select {item} from ({rows})").fetchall()}


def changed(rows: Rows, items: Sequence[int], note: str) -> dict[int, str]:
    """The rows with another note for some items."""
    return {**rows, **dict.fromkeys(items, note)}
