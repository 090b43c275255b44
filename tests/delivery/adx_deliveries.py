"""Deliveries to the Kusto double, and what it then holds.

Belongs here: what the tests of Azure Data Explorer share. Does not: any expectation.
"""

from pathlib import Path
from typing import Any

from sluicegate.destinations.adx import AdxDestination, AdxOptions
from sluicegate.destinations.base import Mode, Scope, Shard

from tests.doubles.kusto import Kusto

from .cases.adx import AdxCase
from .journals import MemoryJournal
from .support import DAY, Row, write_shard

SCOPE = Scope("exp_items", DAY, ("business_date", "item"), ("item", "business_date", "note"), "business_date")
STAGING = "items_sluice_staging"


def adx(case: AdxCase, wait_minutes: float = 0.5) -> AdxDestination:
    return AdxDestination(case.url, "items", AdxOptions(wait_minutes=wait_minutes))


def append(tmp_path: Path, rows: list[Row], **stated: Any) -> Shard:
    return write_shard(tmp_path, rows, mode=Mode.APPEND, **stated)


def snapshot(tmp_path: Path, rows: list[Row], **stated: Any) -> Shard:
    return write_shard(tmp_path, rows, mode=Mode.SNAPSHOT, full=True, **stated)


def delivered(destination: AdxDestination, shard: Shard) -> MemoryJournal:
    journal = MemoryJournal(shard.rows)
    destination.send(shard, journal)
    assert journal.pending() == []
    return journal


def held(kusto: Kusto, table: str = "items") -> list[tuple[int, str, str]]:
    rows = kusto.engine.tables[table].rows()
    return sorted((row["item"], str(row["business_date"])[:10], row["note"]) for row in rows)
