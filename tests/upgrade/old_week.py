"""A week at the bakery as version 716f0d0 left it on disk, unpacked where a test wants it.

Belongs here: restoring it, on either kind of records. Does not: how it came about (`make_716f0d0`), any
expectation.

    Monday     delivered to both destinations
    Tuesday    built and validated while no connection was set; nothing sent, nothing planned
    Wednesday  its weather failed a critical rule: both exports are held
    Thursday   shop orders: a plan that is held past `limits.sums`; weather: planned, and begun to be sent to
               a container that could not be written to; nothing arrived
    Friday     its raw tables are loaded and validated; its staging models could not be built
    Saturday   weather alone: failed the export's own rule, was released by ada, and is delivered
    Sunday     weather alone: failed the same rule; the release, by ada until 2099, has not been used
    Monday 8   weather alone: a plan of three rows, held past `limits.rows`, was rejected by ada
"""

import json
import shutil
import tarfile
from enum import StrEnum
from pathlib import Path

import dagster as dg
import psycopg
from dagster._core.definitions.assets.job.asset_job import IMPLICIT_ASSET_JOB_NAME
from sluicegate.core.settings import Settings
from sluicegate.graph.instance import open_instance

from tests.company import BAKERY, Company

KEPT = Path(__file__).parent / "716f0d0"
# What lies in it: files that differ from the bakery's, the data directory with the container, both databases,
# and the runs that Dagster knew.
EDITS, FILES, SCREENS, RECORDS, RUNS = "bakery", "files.tar.xz", "screens.sql", "records.sql", "runs.json"
SAT, SUN, NEXT_MON = (f"2024-01-0{day}" for day in range(6, 9))


class Records(StrEnum):
    """Where the state store's records are."""

    SQLITE = "sqlite"
    POSTGRES = "postgres"


def unpacked(folder: Path, database_url: str, records: Records) -> Company:
    """Restore the week below a folder; return the bakery on it, with both connections set.

    The project directory is the test's own, and may be edited before `project` is first asked for; the data
    directory is `folder / "data"`. Dagster knows the runs, but none of their events.

    Args:
        folder: an empty directory.
        database_url: an empty database; gets the shops' screens, and the records where they are on Postgres.
        records: which of the two kinds of records it is to have.
    """
    project = old_project(folder / "bakery")
    with tarfile.open(KEPT / FILES) as archive:
        archive.extractall(folder, filter="data")
    _restore(KEPT / SCREENS, database_url)
    environ = {
        "SLUICE_CONNECTION_SHOP_SCREENS": database_url,
        "SLUICE_CONNECTION_MILLER": str(folder / "container"),
    }
    if records is Records.POSTGRES:
        (folder / "data" / "state.db").unlink()
        _restore(KEPT / RECORDS, database_url)
        environ["SLUICE_STATE_URL"] = database_url
    settings = Settings.load(environ, project_dir=project, data_dir=folder / "data")
    company = Company(settings, database_url, folder / "container")
    _remember_runs(company)
    return company


def old_project(folder: Path) -> Path:
    """Make the project directory of the week: the bakery, with what differs from it laid over."""
    shutil.copytree(BAKERY, folder)
    return shutil.copytree(KEPT / EDITS, folder, dirs_exist_ok=True)


def _restore(dump: Path, database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(dump.read_bytes())


def _remember_runs(company: Company) -> None:
    """Have Dagster know the runs: what was asked for counts only while its run is there."""
    with open_instance(company.settings) as instance:
        for run in json.loads((KEPT / RUNS).read_text()):
            instance.run_storage.add_run(
                dg.DagsterRun(
                    job_name=IMPLICIT_ASSET_JOB_NAME,
                    run_id=run["run_id"],
                    status=dg.DagsterRunStatus(run["status"]),
                    tags=run["tags"],
                )
            )
