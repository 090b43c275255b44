"""Databases of the tests' server, and copies of a deployment that was prepared once for many tests.

Belongs here: what makes a prepared state cheap to begin from. Does not: any state, or any expectation.
"""

import shutil
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql
from sluicegate.core.settings import Settings
from sluicegate.state.adoption import adopt
from sluicegate.state.deployment import Deployment

from tests.company import BAKERY, NO_WAIT, Company


@contextmanager
def database(postgres_url: str, template: str | None = None) -> Generator[str]:
    """Make a database, empty or a copy of `template`; it goes with its connections at the end."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    # By its files: page by page through the log, as is usual, takes the server three times as long.
    create = sql.SQL("create database {} strategy file_copy").format(sql.Identifier(name))
    if template:
        create += sql.SQL(" template {}").format(sql.Identifier(template))
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(create)
    yield postgres_url.replace("/postgres?", f"/{name}?")
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def name_of(url: str) -> str:
    """Return the name of a database that `database` has made."""
    return url.partition("?")[0].rpartition("/")[2]


def bakery_in(folder: Path, postgres_url: str, project_dir: Path = BAKERY) -> Company:
    """Return a bakery with all that is its own below a folder, and its screens in this database."""
    container = folder / "container"
    environ = {
        "SLUICE_CONNECTION_SHOP_SCREENS": postgres_url, "SLUICE_CONNECTION_MILLER": str(container), **NO_WAIT,
    }  # fmt: skip
    settings = Settings.load(environ, project_dir=project_dir, data_dir=folder / "data")
    return Company(settings, postgres_url, container)


@contextmanager
def copy_of(prepared: Company, folder: Path, postgres_url: str) -> Generator[Company]:
    """Open a copy of a bakery, destinations included, in an empty folder; the prepared one stays as it is.

    Nobody may be connected to what is copied. A project directory of its own is copied too.
    """
    project_dir, before = prepared.settings.project_dir, prepared.settings.data_dir.parent
    own = project_dir.is_relative_to(before)
    with database(postgres_url, name_of(prepared.postgres_url)) as url:
        for name in ("data", "container", *(["project"] if own else [])):
            if (before / name).exists():
                shutil.copytree(before / name, folder / name)
        company = bakery_in(folder, url, folder / "project" if own else project_dir)
        take_over(company.settings)
        yield company
        company.deployment.store.close()


def take_over(settings: Settings) -> None:
    """Adopt a copy of a data directory, so that it sends what a test asks of it."""
    deployment = Deployment(settings)
    adopt(deployment.store.identities, settings, deployment.shared, "a copy for a test", gone=True)
    deployment.close()
