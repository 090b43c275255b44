"""A ledger, a shelf, and an order that a test may change between two deliveries; rows are stated as SQL.

Belongs here: what tests need to bring the records of a scope into a state, and to type what is printed then.
Does not: any expectation of one state.
"""

import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

import duckdb
import pytest
from rich.console import Console
from sluicegate.cli.delivery_tables import show_plan
from sluicegate.delivery.engine import DeliveryEngine
from sluicegate.delivery.ledger import Ledger, Opened, Order, Outcome
from sluicegate.delivery.preview import Preview
from sluicegate.delivery.reconcile import reconcile
from sluicegate.destinations.base import Mode
from sluicegate.state.records import Delivery, DeliveryKind
from sluicegate.state.store import StateStore

from .deliveries import DAY
from .shelf import ShelfDestination

EXPORT = "exp_items"
NEXT_DAY = "2024-01-02"
BOUNDS = (DAY, NEXT_DAY)
Values = list[tuple[str, ...]]
MODES = list(Mode)
each_mode = pytest.mark.parametrize("bench", MODES, indirect=True)
TAKE_BACK = [Mode.MIRROR, Mode.SNAPSHOT]
# Rows as SQL: an item, its day, a note.
FIRST = {1: "a", 2: "b", 3: "c"}
THEN = {1: "x", 3: "c", 4: "d"}


def rows_sql(rows: dict[int, str], item: str = "integer", note: str = "varchar", more: str = "") -> str:
    """Return SQL of the rows of a day, as these types."""
    values = ", ".join(f"({number}, '{text}')" for number, text in rows.items())
    item = f"cast(i::varchar as {item}) as item"
    return (
        f"select {item}, date '{DAY}' as business_date, cast(n as {note}) as note{more}"
        f" from (values {values}) v (i, n)"
    )


@dataclass
class Bench:
    """A ledger, a shelf, and an order that a test may change between two deliveries."""

    folder: Path
    mode: Mode
    key: tuple[str, ...] = ("item",)
    partition: str = DAY
    column: str | None = "business_date"
    bounds: tuple[str, str] | None = BOUNDS
    shelf: ShelfDestination = field(init=False)
    store: StateStore = field(init=False)
    said: list[str] = field(default_factory=list[str])
    versions: int = 0

    def __post_init__(self) -> None:
        self.store = StateStore(f"sqlite:///{self.folder / 'state.db'}", shards=self.folder / "shards")
        self.shelf = ShelfDestination(str(self.folder), "shelf")

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.store, self.folder / "shards", "run", self.said.append)

    @property
    def engine(self) -> DeliveryEngine:
        return DeliveryEngine(self.ledger, self.shelf)

    def order(self, kind: DeliveryKind = DeliveryKind.CHANGE) -> Order:
        return Order(
            EXPORT, self.partition, self.key, self.mode, self.column, self.bounds, kind=kind, wait_seconds=0
        )

    def deliver(self, sql: str, kind: DeliveryKind = DeliveryKind.CHANGE, version: str = "") -> Outcome:
        """Deliver rows as the validated ones, of a version of their own."""
        self.versions += 1

        @contextmanager
        def opening() -> Generator[Opened]:
            with duckdb.connect() as connection:
                yield Opened(connection, sql, version or str(self.versions))

        return self.engine.deliver(self.order(kind), opening)

    def newest(self) -> Delivery:
        return self.store.deliveries.of_export(EXPORT)[-1]

    def there(self) -> dict[str, str | None]:
        """What the shelf has, {item: note}."""
        found = [(row["item"], row["note"]) for row in self.shelf.rows().values()]
        assert len(dict(found)) == len(found), f"a row stands there twice: {found}"
        return dict(found)

    def type_what_is_printed(self, said: str, sql: str) -> Outcome:
        """Type what an error prints, as the person who reads it would."""
        printed = re.findall(r"`sluice (delivery resend|table rerun) exp_items(?: --partition (\S+))?`", said)
        assert printed, said
        ((command, partition),) = set(printed)
        assert partition == (self.partition if self.column else ""), said
        if "destination.object" in said:
            self.shelf = ShelfDestination(str(self.folder), "elsewhere")
        kind = DeliveryKind.RESYNC if command == "delivery resend" else DeliveryKind.CHANGE
        return self.deliver(sql, kind)

    def calm(self, sql: str, *, alone: bool = True) -> None:
        """Nothing is open, the same again sends nothing, and where ours are alone the records tell them."""
        assert self.store.deliveries.open_of(EXPORT) == []
        assert not self.deliver(sql).sent
        assert self.store.deliveries.open_of(EXPORT) == []
        if not alone:
            return
        compared = reconcile(self.engine, self.order())
        assert compared is not None
        assert (compared.missing, compared.differing) == (0, 0), compared

    def looked_at(self, sql: str) -> str:
        """What `sluice delivery plan` prints of rows."""
        with duckdb.connect() as connection:
            look = self.ledger.compare(self.order(), Opened(connection, sql, "looked at"))
        out = Console(width=200, record=True, file=StringIO())
        show_plan(Preview(look), out)
        return out.export_text()


def texts(rows: dict[int, str]) -> dict[str, str]:
    return {str(item): note for item, note in rows.items()}


def left_by(mode: Mode, old: Mapping[int, str | None], new: Mapping[int, str]) -> dict[str, str | None]:
    """Return what a scope holds after old rows, and then new ones by way of a resync."""
    return {str(item): note for item, note in ({**old, **new} if mode is Mode.UPSERT else new).items()}
