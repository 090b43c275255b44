"""The bakery, of which only the records are written: no dbt, no Great Expectations, no Dagster run."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sluicegate.core.settings import Settings
from sluicegate.project.loading import Project

from tests.company import BAKERY, Company
from tests.incidents.desk import NOON
from tests.parses import loaded
from tests.prepared import bakery_in
from tests.unit.conftest import another_process as another_process
from tests.unit.conftest import far_east as far_east
from tests.unit.conftest import state_url as state_url
from tests.unit.conftest import store as store

# The provider may land days to come.
LANDED = NOON + timedelta(days=9)


@pytest.fixture(scope="session")
def bakery_project(parsed_bakery: Path) -> Project:
    """What the bakery's four folders say, read once."""
    return loaded(Settings.load({}, project_dir=BAKERY, data_dir=parsed_bakery))


@pytest.fixture
def bakery(tmp_path: Path, bakery_project: Project) -> Iterator[Company]:
    """A bakery at which nothing has landed yet, and that sends nothing: its screens are nowhere."""
    company = bakery_in(tmp_path, "postgresql://nobody@nowhere.example/screens").at(LANDED)
    vars(company)["project"] = bakery_project
    company.settings.data_dir.mkdir()
    yield company
    company.deployment.store.close()
