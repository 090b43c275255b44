"""An export file, the table that it sends and the engine: no project, no Dagster, a shelf as destination.

Belongs here: what tests need to deliver what a file says, and what that is, told without our SQL. Does not:
any expectation.
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import yaml
from sluicegate.core.lineage import Table
from sluicegate.core.partitions import Grain, Partitioning
from sluicegate.core.relations import Relation
from sluicegate.delivery.deliver import Target, order_of, source_of
from sluicegate.delivery.engine import DeliveryEngine
from sluicegate.delivery.export_files.exports import load_exports
from sluicegate.delivery.ledger import Ledger, Opened, Outcome
from sluicegate.delivery.travel import redeliver_order
from sluicegate.state.records import Delivery, DeliveryKind, DeliveryStatus
from sluicegate.state.store import StateStore
from sluicegate.warehouse.duckdb_file import DuckDBSession

from .deliveries import DAY
from .shelf import ShelfDestination

EXPORT = "exp_items"
File = dict[str, Any]
# Tells what a rule needs besides what it does.
FOR_A_TIME = {
    "owner": "me@items.example", "reason": "so", "issue": "https://x.example/1", "declared": "2024-01-01",
    "expires": "2024-03-01",
}  # fmt: skip


def rule(**does: Mapping[str, Any]) -> Mapping[str, Any]:
    """A last-mile rule."""
    return {**does, **FOR_A_TIME}


def export_file(**stated: Any) -> File:
    """An export file with these fields over the usual ones."""
    usual: File = {
        "model": EXPORT,
        "destination": {"type": "webhook", "connection": "hook", "object": "items"},
        "key": ["business_date", "item"],
        "mode": "mirror",
        "partitions": "each",
        "owner": "me@items.example",
        "purpose": "Shows items.",
        "limits": {"rows": {"max": 100}},
        "last_mile": [rule(map={"column": "note", "values": {"b": "B"}})],
    }
    return usual | stated


@dataclass
class Filed:
    """Delivers a day's rows {item: note} as an export file says, which may change between deliveries."""

    folder: Path
    shelf: ShelfDestination
    file: File
    rows: Mapping[int, str]
    version: str = "1"
    columns: Mapping[str, str] = field(default_factory=dict[str, str])
    store: StateStore = field(init=False)
    said: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        self.store = StateStore(f"sqlite:///{self.folder / 'state.db'}", shards=self.folder / "shards")

    def target(self) -> Target:
        """The export, as its file is now."""
        path = self.folder / "exports" / f"{EXPORT}.yml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump(self.file, sort_keys=False))
        exports, problems = load_exports(self.folder)
        assert problems == []
        table = Table(Relation("main", "items"), ("exports", EXPORT), Partitioning(Grain.DAILY), {}, {})
        return Target(exports[EXPORT], table, "business_date")

    def engine(self) -> DeliveryEngine:
        ledger = Ledger(self.store, self.folder / "shards", "run", self.said.append)
        return DeliveryEngine(ledger, self.shelf)

    def deliver(self, kind: DeliveryKind = DeliveryKind.CHANGE) -> Outcome:
        """Deliver the day, as its run would."""
        target = self.target()

        @contextmanager
        def opening() -> Generator[Opened]:
            with duckdb.connect() as connection:
                self.fill(connection)
                session = DuckDBSession(connection)
                source, made_of = (source_of(session, target, DAY, before=one) for one in (True, False))
                yield Opened(connection, source, self.version, made_of=made_of)

        return self.engine().deliver(order_of(target, DAY, kind), opening)

    def redeliver(self, moment: datetime) -> Outcome:
        """Have the destination hold again what it held."""
        return redeliver_order(self.engine(), order_of(self.target(), DAY, DeliveryKind.REDELIVER), moment)

    def fill(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Make the table; `columns` are those that another partition's build has added."""
        connection.execute("create table items (business_date date, item integer, note varchar)")
        for item, note in self.rows.items():
            connection.execute(f"insert into items values ('{DAY}', {item}, '{note}')")
        for name, kind in self.columns.items():
            connection.execute(f"alter table items add column {name} {kind}")

    def expected(self) -> list[dict[str, str | None]]:
        """What the destination is to hold, by what the file says."""
        names = self.file.get("names", {})
        found: list[dict[str, str | None]] = []
        for item, note in sorted(self.rows.items()):
            row: dict[str, str | None] = {"business_date": DAY, "item": str(item), "note": note}
            row |= dict.fromkeys(self.columns)
            rules = self.file.get("last_mile", [])
            if any(row[one["filter"]["column"]] in one["filter"]["drop"] for one in rules if "filter" in one):
                continue
            for one in rules:
                if "map" in one:
                    column, values = one["map"]["column"], one["map"]["values"]
                    row[column] = values.get(row[column], row[column])
            found.append({names.get(name, name): value for name, value in row.items()})
        return found

    def held_there(self) -> list[dict[str, str | None]]:
        """What the shelf holds."""
        by_item = {int(row["item"]): row for row in self.shelf.rows().values()}
        assert len(by_item) == len(self.shelf.rows())
        return [by_item[item] for item in sorted(by_item)]

    def decide(self, plan: Delivery, word: DeliveryStatus) -> None:
        """Say a person's word on a held plan."""
        moved = self.store.deliveries.move(
            plan.delivery_id, word, out_of=[DeliveryStatus.HELD], decided_by="ada", decision="so"
        )
        assert moved

    def now(self, plan: Delivery) -> Delivery:
        """The plan, as it is on record now."""
        found = self.store.deliveries.of(plan.delivery_id)
        assert found is not None
        return found
