"""The observatory, a company of every grain: its provider's drops, and what its archive holds.

Belongs here: landing and reading back. Does not: any expectation.
"""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import duckdb
from sluicegate.core.settings import Settings

from tests.company import BAKERY, NO_WAIT, Company

OBSERVATORY = BAKERY.parent / "observatory"
# The first day has the hours from 20:00 on.
HOURS = [f"2024-01-01-{hour}:00" for hour in range(20, 24)]
DAY, WEEK, JANUARY, FEBRUARY = "2024-01-01", "2024-W05-1", "2024-01", "2024-02"


@contextmanager
def open_observatory(folder: Path) -> Generator[Company]:
    """Open an observatory in an empty folder, of which the stations and January's plan have landed."""
    container = folder / "archive"
    settings = Settings.load(
        {"SLUICE_CONNECTION_ARCHIVE": str(container), **NO_WAIT},
        project_dir=OBSERVATORY,
        data_dir=folder / "data",
    )
    company = Company(settings, "", container)
    land_stations(company, "a", "b")
    land_plan(company, JANUARY)
    yield company
    company.deployment.store.close()


def land_stations(company: Company, *stations: str) -> None:
    """Land the snapshot: each station on a hill of its own name."""
    rows = "".join(f"{station},{station.upper()} hill\n" for station in stations)
    company.land("stations", None, f"station,hill\n{rows}")


def land_hour(company: Company, key: str, **fields: float) -> None:
    """Land an hour: a reading a station, a quarter past."""
    at = f"{key[:10]} {key[11:13]}:15:00"
    rows = "".join(f"{at},{station},{field}\n" for station, field in fields.items())
    company.land("readings", key, f"read_at,station,field_nt\n{rows}")


def land_plan(company: Company, month: str, readings: int = 4) -> None:
    """Land a month's plan for station a."""
    company.land("plans", month, f"month,station,readings_planned\n{month}-01,a,{readings}\n")


def land_week(company: Company, key: str, day: str) -> None:
    """Land a week's calibration of station a, made on a day of it."""
    company.land("calibrations", key, f"calibrated_on,station,offset_nt\n{day},a,0.5\n")


def land_recording(company: Company, key: str, *amplitudes: float) -> None:
    """Land a recording, an amplitude a second."""
    rows = "".join(f"{second},{amplitude}\n" for second, amplitude in enumerate(amplitudes))
    company.land("recordings", key, f"second,amplitude\n{rows}")


def archived(company: Company, name: str) -> dict[str, list[tuple[str | None, ...]]]:
    """Return {partition: rows, as text} that the archive's manifests show of an export."""
    found: dict[str, list[tuple[str | None, ...]]] = {}
    for manifest in sorted((company.container / name).glob("*/manifest.json")):
        with duckdb.connect() as connection:
            [(delivery,)] = connection.execute(
                "select delivery_id from read_json(?)", [str(manifest)]
            ).fetchall()
            found[manifest.parent.name] = connection.execute(
                "select columns(*)::varchar from read_parquet(?) order by all",
                [str(manifest.parent / str(delivery) / "*.parquet")],
            ).fetchall()
    return found
