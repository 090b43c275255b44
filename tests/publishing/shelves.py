"""A bakery's shelf, and how others read it: `deltalake`, and the engine's `delta_scan`.

Belongs here: publishing and reading back. Does not: any expectation.
"""

from functools import cache
from pathlib import Path
from typing import Any

import duckdb
from sluicegate.areas import Area
from sluicegate.compute.engine import open_engine
from sluicegate.compute.object_storage import extension_path
from sluicegate.compute.sql import literal, quoted
from sluicegate.core.settings import Settings
from sluicegate.operations.publishing import publish_tables
from sluicegate.project.environments_file import OPEN
from sluicegate.publishing.catalogue import Catalogue, PublishedTable
from sluicegate.publishing.publish import Publishing
from sluicegate.publishing.shelf import Shelf

from tests.company import BAKERY, FRI, NO_WAIT, THU, WED, Company


def publishing(company: Company, folder: Path, allowed: tuple[str, ...] = OPEN) -> Publishing:
    """Return what publishes a bakery on a shelf in a folder."""
    return Publishing(company.deployment, company.project, Shelf(Area(str(folder))), frozenset(allowed))


def published_in(folder: Path) -> Company:
    """Make a bakery in a folder, with three days that are validated and published on its shelf."""
    environ = {"SLUICE_PUBLISHED_URL": str(folder / "shelf"), **NO_WAIT}
    company = Company(Settings.load(environ, project_dir=BAKERY, data_dir=folder / "data"), "", folder)
    company.land_shops("Nord", "Sued:Bonn")
    for number, day in enumerate((WED, THU, FRI)):
        company.land_day(day, Nord=3 + number, Sued=4)
    company.run()
    assert publish_tables(company.site, ()).refused == {}
    return company


def newest(shelf: Shelf) -> Catalogue:
    """Return the newest catalogue, which must be there."""
    found = shelf.newest()
    assert found is not None
    return found


@cache
def delta_engine() -> duckdb.DuckDBPyConnection:
    """Return an engine that reads Delta tables, the same one each time: to load the extension takes 0.3 s."""
    connection = open_engine()
    connection.execute(f"load {literal(str(extension_path('delta')))}")
    connection.execute("set enable_external_file_cache = false")  # files of one name follow each other
    return connection


def rows(
    shelf: Shelf, table: PublishedTable, engine: duckdb.DuckDBPyConnection, key: str | None = None
) -> list[tuple[Any, ...]]:
    """Return the rows of a published table as an environment's view gives them, in order."""
    columns = ", ".join(
        f"cast({quoted(name)} as {kind}) as {quoted(name)}" for name, kind in table.columns.items()
    )
    where = (
        f" where {quoted(table.key_column)} = {literal(key)}" if key is not None and table.key_column else ""
    )
    scan = f"delta_scan({literal(shelf.scan_path(table.location))}, version = {table.at})"
    return engine.execute(f"select {columns} from {scan}{where} order by all").fetchall()
