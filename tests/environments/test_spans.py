"""Which days an environment has without a word: those of what is cut by day."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from sluicegate.core.settings import Settings
from sluicegate.environments.spans import newest_day
from sluicegate.project.loading import Project
from sluicegate.publishing.catalogue import Catalogue, PublishedTable

from tests.observatory import OBSERVATORY
from tests.parses import loaded

NOTHING = Catalogue("1", "d", 1, datetime(2024, 1, 5, tzinfo=UTC), "", {}, frozenset(), {})
TABLE = PublishedTable("", "", 0, {}, {}, "", {}, {})
CASES: list[tuple[Mapping[str, str], date | None]] = [
    ({"raw.plans": "2024-02", "raw.readings": "2024-01-04-05:00"}, date(2024, 1, 4)),
    ({"raw.plans": "2024-02", "marts.day_sums": "2024-01-03"}, date(2024, 1, 3)),
    ({"raw.plans": "2024-02", "raw.calibrations": "2024-W01-1"}, date(2024, 2, 29)),
    ({"raw.calibrations": "2024-W01-1", "raw.recordings": "r1", "raw.stations": ""}, date(2024, 1, 7)),
    ({"raw.recordings": "r1", "raw.stations": ""}, None),
]


@pytest.fixture(scope="module")
def observatory(tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("observatory")
    return loaded(Settings.load({}, project_dir=OBSERVATORY, data_dir=Path(folder)))


@pytest.mark.parametrize(("published", "newest"), CASES)
def test_a_month_that_has_begun_is_no_newer_day(
    observatory: Project, published: Mapping[str, str], newest: date | None
) -> None:
    anything: Any = None
    tables = {
        name: replace(TABLE, relation=name, partitions={key: anything}) for name, key in published.items()
    }
    assert newest_day(replace(NOTHING, tables=tables), observatory.lineage) == newest
