"""The week that version 716f0d0 left, on either kind of records.

Belongs here: what a test of the upgrade gets. Does not: any expectation.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.company import Company
from tests.upgrade.old_week import Records, unpacked


@pytest.fixture(params=list(Records), ids=str)
def old_week(request: pytest.FixtureRequest, tmp_path: Path, database_url: str) -> Iterator[Company]:
    """The bakery after that week, its records on SQLite and on the real Postgres."""
    company = unpacked(tmp_path, database_url, request.param)
    yield company
    company.deployment.close()
