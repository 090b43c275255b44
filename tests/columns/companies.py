"""The companies' projects, parsed once a test process."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from sluicegate.core.settings import Settings
from sluicegate.project.loading import Project

from tests.graph.shape import COMPANIES
from tests.parses import loaded

ALL = {**COMPANIES, "kiosk": COMPANIES["bakery"].parent / "kiosk"}
_DATA = TemporaryDirectory(prefix="sluice_companies_")


@cache
def project_of(company: str) -> Project:
    """Return the project of a company as it is in the repository."""
    return loaded(Settings.load({}, project_dir=ALL[company], data_dir=Path(_DATA.name, company)))
