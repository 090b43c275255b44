"""A second day goes wrong at the provider's, in the demo company: it is held, and told why.

A sound day is delivered. Of the next, everything is sound but one file. Nothing of it may reach any
destination, and what was delivered before stays byte for byte.
"""

import gzip
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sluicegate.areas import Area
from sluicegate.core.partitions import SNAPSHOT_PARTITION
from sluicegate.demo.faults import Fault
from sluicegate.demo.generate import generate_feed
from sluicegate.ingestion.landing import land

from tests.company import Company, failures, held, runs
from tests.gate.deployments import deployed
from tests.market import APP, MESSAGES, PARTNER, market_with

pytestmark = pytest.mark.long
START, SOUND, BROKEN = date(2022, 10, 5), "2022-10-05", "2022-10-06"
CONNECTIONS = ("RETAILER_APP", "PARTNER_DROP")


@dataclass(frozen=True)
class Market:
    """The demo company: its deployment, and the feed that was made up for it."""

    company: Company
    feed: Path

    def land(self, source: str, day: str, file: Path | None = None) -> None:
        """Land a file of the feed, or another in its place."""
        contract = self.company.project.contracts[source]
        cut = contract.partitioning.partitioned
        file = file or self.feed / (f"{source}/{day}.csv.gz" if cut else f"{source}.csv.gz")
        assert list(land(contract, Area(self.company.settings.staging_url), {day: file})) == [day]

    def delivered(self) -> Any:
        """Every byte of the container, every row of the database with the transaction that wrote it."""
        container = self.company.container
        files = {path: path.read_bytes() for path in container.rglob("*") if path.is_file()}
        with psycopg.connect(self.company.postgres_url) as connection:
            rows = connection.execute("select xmin::text, t::text from marketplace.top_items as t order by 2")
            return files, rows.fetchall()


@pytest.fixture(scope="module")
def sound_day(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Iterator[Market]:
    """A delivered day; not for tests, which get a copy."""
    folder = tmp_path_factory.mktemp("market")
    generate_feed(folder / "feed", start=START, days=2, stores=60, products=300, seed=1)
    # One of them has no connection.
    project = market_with(folder / "project", APP, PARTNER, MESSAGES)
    with deployed(project, folder, postgres_url, connections=CONNECTIONS) as company:
        market = Market(company, folder / "feed")
        for snapshot in ("stores", "products"):
            market.land(snapshot, SNAPSHOT_PARTITION)
        for source in ("sales", "inventory"):
            market.land(source, SOUND)
        assert runs(company.run())[1:] == [(SOUND, True)]
        company.deployment.store.close()
        yield market


@pytest.fixture
def market(tmp_path: Path, postgres_url: str, sound_day: Market) -> Iterator[Market]:
    project = sound_day.company.settings.project_dir
    copied = deployed(project, tmp_path, postgres_url, sound_day.company, CONNECTIONS)
    with copied as company:
        yield Market(company, sound_day.feed)


def faulty(source: str, fault: str) -> Callable[[Market, Path], Path]:
    """Make the day's file with a fault of the generator's."""

    def make(market: Market, folder: Path) -> Path:
        broken = Fault(source, date.fromisoformat(BROKEN), fault)
        generate_feed(folder, start=START, days=2, stores=60, products=300, seed=1, faults=[broken])
        return folder / source / f"{BROKEN}.csv.gz"

    return make


def yesterday_dated_today(source: str) -> Callable[[Market, Path], Path]:
    """Take the file of the day before, with nothing changed but its date."""

    def make(market: Market, folder: Path) -> Path:
        yesterday = gzip.decompress((market.feed / source / f"{SOUND}.csv.gz").read_bytes()).decode()
        folder.mkdir()
        file = folder / "again.csv.gz"
        file.write_bytes(gzip.compress(yesterday.replace(SOUND, BROKEN).encode(), mtime=0))
        return file

    return make


@dataclass(frozen=True)
class Accident:
    """What becomes of a source's file, and what the hold must name."""

    source: str
    file: Callable[[Market, Path], Path]
    said: tuple[str, ...]


ACCIDENTS = {
    "Remaining Quantity is renamed": Accident(
        "inventory", faulty("inventory", "renamed-column"),
        ("column `Remaining Quantity` is missing", "`Remaining Quantity (new)` stands in the file"),
    ),
    "a third of the stores is missing": Accident(
        "inventory", faulty("inventory", "missing-stores"), ("store_number",)
    ),
    "quantities are ten times too large": Accident(
        "inventory", faulty("inventory", "ten-times"), ("remaining_quantity",)
    ),
    "yesterday's file comes again": Accident(
        "inventory", faulty("inventory", "yesterday-again"), ("column `Date` is not in 2022-10-06",)
    ),
    "yesterday's file comes again, dated today": Accident(
        "inventory", yesterday_dated_today("inventory"), ("differs_from_previous_partition",)
    ),
    "sales are ten times too large": Accident(
        "sales", faulty("sales", "ten-times"), ("bottles_sold",)
    ),
    "yesterday's sales come again, dated today": Accident(
        "sales", yesterday_dated_today("sales"), ("differs_from_previous_partition",)
    ),
}  # fmt: skip


@pytest.mark.parametrize("accident", [pytest.param(one, id=name) for name, one in ACCIDENTS.items()])
@pytest.mark.sampled(6)
def test_the_day_is_held_and_told(market: Market, tmp_path: Path, accident: Accident) -> None:
    company = market.company
    before = market.delivered()
    for source in ("sales", "inventory"):
        broken = accident.file(market, tmp_path / "made") if source == accident.source else None
        market.land(source, BROKEN, broken)
    events = company.run()
    assert market.delivered() == before
    # That without a connection, too: whether a day is good does not depend on where it would go.
    assert sorted(held(events)) == sorted((name, BROKEN) for name in company.project.exports)
    for export in (APP, PARTNER):
        passed, told = company.check_results(f"delivered/{export}", "gate")[BROKEN]
        assert passed is False
        for part in accident.said:
            assert part in told
            assert part in failures(events)


def test_a_sound_day_goes_through(market: Market) -> None:
    market.land("sales", BROKEN)
    market.land("inventory", BROKEN)
    assert runs(market.company.run()) == [(BROKEN, True)]
    assert (market.company.container / "top_items" / BROKEN / "manifest.json").exists()
