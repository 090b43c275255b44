"""Rows as SQL, by the engine to any destination: no project, no Dagster, a real state store.

Belongs here: what tests of values of every type need to deliver some. Does not: any expectation.
"""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
from sluicegate.delivery.engine import DeliveryEngine
from sluicegate.delivery.ledger import Ledger, Opened, Order, Outcome
from sluicegate.destinations.base import Destination, Mode
from sluicegate.state.records import DeliveryKind
from sluicegate.state.store import StateStore


@dataclass
class Probe:
    """Delivers what SQL selects, as the validated rows of a model that is one snapshot."""

    folder: Path
    store: StateStore = field(init=False)
    said: list[str] = field(default_factory=list[str])
    versions: int = 0

    def __post_init__(self) -> None:
        self.store = StateStore(f"sqlite:///{self.folder / 'state.db'}", shards=self.folder / "shards")

    def engine(self, destination: Destination) -> DeliveryEngine:
        return DeliveryEngine(
            Ledger(self.store, self.folder / "shards", "run", self.said.append), destination
        )

    def order(
        self,
        *,
        key: tuple[str, ...] = ("k",),
        mode: Mode = Mode.UPSERT,
        kind: DeliveryKind = DeliveryKind.CHANGE,
        export: str = "exp_items",
    ) -> Order:
        return Order(export, "", key, mode, None, None, kind=kind, wait_seconds=0.0, attempts=1_000)

    def deliver(
        self,
        destination: Destination,
        rows: str,
        *,
        key: tuple[str, ...] = ("k",),
        mode: Mode = Mode.UPSERT,
        kind: DeliveryKind = DeliveryKind.CHANGE,
        export: str = "exp_items",
        before: str = "",
    ) -> Outcome:
        """Deliver the rows of SQL; `before` is run on the connection first."""
        self.versions += 1

        @contextmanager
        def opening() -> Generator[Opened]:
            with duckdb.connect() as connection:
                if before:
                    connection.execute(before)
                yield Opened(connection, rows, str(self.versions))

        order = self.order(key=key, mode=mode, kind=kind, export=export)
        return self.engine(destination).deliver(order, opening)

    def refused(self, *args: object, **stated: object) -> dict[int, str]:
        """Deliver; {row: what was said} of the refused rows."""
        return {one.row: f"{one.code} {one.said}" for one in self.deliver(*args, **stated).refused}  # type: ignore[arg-type]
