"""The demo's faults, each from the provider's file to delivery by nothing but what is printed.

Belongs here: the demo's company, and a person who does as told. Does not: how a fault is found.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from sluicegate.core.settings import Settings
from sluicegate.demo.faults import Fault
from sluicegate.demo.generate import generate_feed

from tests.company import NO_WAIT, Company
from tests.market import APP, PARTNER, market_with
from tests.sampled import part_of
from tests.typed import sluice

pytestmark = pytest.mark.long
START = date(2024, 3, 4)  # a Monday: a Sunday has no sales, and waits for the next drop
# A day each, in the order of the days; the first day is sound, as some faults show beside what was before.
FAULTS: list[str] = part_of(
    "the demo's faults",
    ("negative-quantities", "renamed-column", "ten-times", "yesterday-again", "truncated"),
    one_in=5,
)
_COMMAND = re.compile(r"`(sluice [^`]+)`")


@dataclass(frozen=True)
class Demo:
    """The demo's company, and the provider's feeds as they came and as they should have."""

    company: Company
    broken: Path
    sound: Path

    def land(self, feed: Path, day: date) -> None:
        """Land a day's facts; no sales come on Sundays."""
        for source in ("sales", "inventory"):
            file = feed / source / f"{day}.csv.gz"
            if file.exists():
                assert sluice(self.company, "land", source, str(file))[0] == 0

    def gate(self, export: str, day: date) -> tuple[int, str]:
        """Ask why an export's day is not sent."""
        return sluice(self.company, "why", export, "--partition", day.isoformat())

    def delivered(self, day: date) -> tuple[bool, bool]:
        """Whether a day is in the app's table, and in the partner's folder."""
        with psycopg.connect(self.company.postgres_url) as connection:
            query = "select count(*) from marketplace.top_items where business_date = %s"
            row = connection.execute(query, [day]).fetchone()
        folder = self.company.container / "top_items" / day.isoformat()
        return bool(row and row[0]), (folder / "manifest.json").exists()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Iterator[Demo]:
    """The demo after a sound day and a day with each fault, and one run of everything."""
    folder = tmp_path_factory.mktemp("demo")
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute("create database demo_faults")
    url, container = postgres_url.replace("/postgres?", "/demo_faults?"), folder / "container"
    environ = {
        "SLUICE_CONNECTION_RETAILER_APP": url,
        "SLUICE_CONNECTION_PARTNER_DROP": str(container),
        **NO_WAIT,
    }
    project = market_with(folder / "project", APP, PARTNER)
    settings = Settings.load(environ, project_dir=project, data_dir=folder / "data")
    made = Demo(Company(settings, url, container), folder / "broken", folder / "sound")
    faults = [Fault.parse(f"inventory:{day_of(name)}:{name}") for name in FAULTS]
    for feed, wrong in ((made.broken, faults), (made.sound, [])):
        generate_feed(feed, start=START, days=len(FAULTS) + 1, stores=20, products=60, seed=1, faults=wrong)
    for source in ("stores", "products"):
        assert sluice(made.company, "land", source, str(made.broken / f"{source}.csv.gz"))[0] == 0
    for day in (START, *map(day_of, FAULTS)):
        made.land(made.broken, day)
    code, said = sluice(made.company, "run")
    assert (code, f"needs attention: {len(FAULTS)} cause" in said) == (1, True), said
    yield made
    made.company.deployment.store.close()


def day_of(fault: str) -> date:
    """Return the day on which a fault comes."""
    return START + timedelta(days=1 + FAULTS.index(fault))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_gone_by_doing_what_is_printed(demo: Demo, fault: str) -> None:
    day = day_of(fault)
    assert demo.delivered(day) == (False, False)
    code, said = demo.gate(APP, day)
    [todo] = [line for line in said.splitlines() if line.startswith("  → ")]
    assert (code, todo) == (1, "  → have the provider land a corrected drop"), said
    if commands := _COMMAND.findall(said):
        [let_pass] = commands
        soon = f"{datetime.now(UTC) + timedelta(hours=8):%Y-%m-%dT%H:%M}"
        typed = let_pass.replace("WHY", "'they did sell that much'").replace("WHEN", soon)
        assert sluice(demo.company, *shlex.split(typed)[1:])[0] == 0
        assert sluice(demo.company, "run")[0] == 1, "what else is held is as it was"
        assert demo.delivered(day) == (True, False), "the release is of one export"
        assert demo.gate(APP, day)[0] == 0
    demo.land(demo.sound, day)
    sluice(demo.company, "run")
    assert demo.delivered(day) == (True, True)
    assert [demo.gate(export, day)[0] for export in (APP, PARTNER)] == [0, 0]


def test_then_nothing_needs_attention(demo: Demo) -> None:
    for fault in FAULTS:
        if demo.delivered(day_of(fault)) != (True, True):
            pytest.skip("not every fault was gone through in this process")
    code, said = sluice(demo.company, "run")
    assert (code, "needs attention" in said) == (0, False), said
