"""Real feeds of which a day is withheld: somebody is told, once, and that it has come.

Belongs here: what is late of real feeds, by the records. Does not: what arrives (`test_iowa`).
"""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sluicegate.core.settings import Settings
from sluicegate.incidents.looking import look
from sluicegate.ingestion.landing import land
from sluicegate.ingestion.local_files import files_to_land
from sluicegate.operations.due import Cursor, find_due

from tests.company import Company

FEEDS = os.environ.get("SLUICE_TEST_FEEDS", "")
pytestmark = [
    pytest.mark.feeds,
    pytest.mark.long,
    pytest.mark.skipif(not FEEDS, reason="no real feeds: set SLUICE_TEST_FEEDS to their folder"),
]
WITHHELD = "2022-10-03"


def _look(company: Company, at: datetime, *days: str) -> list[str]:
    """Land days of the feed at a moment, and look; return what was told of the one that is withheld."""
    company = company.at(at)
    contract = company.project.contracts["inventory"]
    paths = [Path(FEEDS, "inventory", f"{day}.csv.gz") for day in days]
    files, _ = files_to_land(company.project.contracts, "inventory", paths, None)
    assert set(land(contract, company.deployment.staging_of(contract), files)) == {*days}
    find_due(company.site, Cursor(), lambda _: True)
    lines: list[str] = []
    look(company.site, write=lines.append)
    return [line for line in lines if f"inventory [{WITHHELD}]" in line]


def test_a_day_that_is_withheld_is_told_once_and_that_it_has_come(tmp_path: Path) -> None:
    company = Company(Settings.load({}, data_dir=tmp_path), "", tmp_path)
    noon = [datetime(2022, 10, day, 12, tzinfo=UTC) for day in range(1, 10)]
    assert _look(company, noon[2], "2022-10-01", "2022-10-02") == []
    [told] = _look(company, noon[4], "2022-10-04")
    assert "late source" in told
    assert _look(company, noon[4]) == []
    [ended] = _look(company, noon[5], WITHHELD)
    assert '"action": "resolve"' in ended
