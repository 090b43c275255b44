"""A bakery that was backed up, went on sending, and lost its data directory.

Belongs here: how that came about. Does not: any expectation.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestration.core.environments import FILE
from tests.backup.places import backed_up, typed
from tests.company import MON, TUE, Company, runs
from tests.prepared import copy_of


@pytest.fixture(scope="session")
def sent_on(
    tmp_path_factory: pytest.TempPathFactory, postgres_url: str, monday_done: Company
) -> Iterator[Company]:
    """A backup of Monday evening is in `backups`; since then Monday was corrected, and Tuesday delivered.

    Not for tests, which get a copy.
    """
    folder = tmp_path_factory.mktemp("sent_on")
    with copy_of(monday_done, folder, postgres_url) as company:
        backed_up(company, folder / "backups")
        company.land_orders(MON, a=30, b=4)
        company.land_day(TUE, a=5, b=6)
        assert {success for _, success in runs(company.run())} == {True}
        company.deployment.store.close()
        yield company


@pytest.fixture
def backups(sent_on: Company) -> Path:
    """The folder of the backup; it is only read."""
    return sent_on.settings.data_dir.parent / "backups"


@pytest.fixture
def lost(sent_on: Company, tmp_path: Path, postgres_url: str) -> Iterator[Company]:
    """Its data directory is gone; the destinations and the journal of erasures are there."""
    with copy_of(sent_on, tmp_path, postgres_url) as company:
        shutil.copyfile(sent_on.settings.erasures_file, company.settings.erasures_file)
        shutil.rmtree(company.settings.data_dir)
        # So is the one that the backup was taken of: beside it a restore would be a copy.
        own = sent_on.settings.data_dir / FILE
        unseen = own.rename(own.with_name("unseen.json"))
        yield company
        unseen.rename(own)


@pytest.fixture
def restored(lost: Company, backups: Path) -> Company:
    """The backup was restored, and nobody has looked at a destination."""
    typed(lost, "backup", "restore", str(backups))
    return lost
