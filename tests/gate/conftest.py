"""Prepared deployments of the stricter bakery.

Belongs here: what is made once a test process, and the copy that a test gets. Does not: any expectation.
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path

import pytest
from dagster._core.definitions.asset_daemon_cursor import AssetDaemonCursor

from tests.company import MON, Company
from tests.gate.conditions import Condition, monday, week
from tests.gate.deployments import deployed, stricter_bakery
from tests.gate.triggers import watched

Prepare = Callable[[Company], None]


class Shelf:
    """Deployments in a known state; each is prepared at its first use, and copied from then on."""

    def __init__(self, folder: Path, postgres_url: str) -> None:
        self._folder = folder
        self._postgres_url = postgres_url
        self._project = stricter_bakery(folder)
        self._made: dict[Prepare | None, Company] = {}
        self._open = ExitStack()

    def copy_of(self, folder: Path, *states: Prepare) -> "Iterator[Company]":
        """Yield a company to which all of these have happened, one upon the other."""
        with deployed(self._project, folder, self._postgres_url, self._prepared(states)) as company:
            yield company

    def _prepared(self, states: tuple[Prepare, ...]) -> Company | None:
        if not states:
            return None
        *before, last = states
        if last not in self._made:
            folder = self._folder / f"{last.__module__}.{last.__name__}"
            made = self._open.enter_context(
                deployed(self._project, folder, self._postgres_url, self._prepared(tuple(before)))
            )
            last(made)
            made.deployment.store.close()
            self._made[last] = made
        return self._made[last]

    @cached_property
    def monday_evening(self) -> AssetDaemonCursor:
        """What automation had seen before anything of Tuesday and Wednesday was there."""
        company = self._prepared((monday,))
        assert company is not None
        return watched(company, MON).cursor

    def close(self) -> None:
        """Give up all of them."""
        self._open.close()


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Generator[Shelf]:
    """The prepared deployments of this process."""
    shelf = Shelf(tmp_path_factory.mktemp("gate"), postgres_url)
    yield shelf
    shelf.close()


@pytest.fixture
def open_bakery(shelf: Shelf, tmp_path: Path) -> Iterator[Company]:
    """The stricter bakery, its Monday delivered."""
    yield from shelf.copy_of(tmp_path, monday)


@pytest.fixture
def tuesday(shelf: Shelf, tmp_path: Path, condition: Condition) -> Iterator[Company]:
    """The stricter bakery in a condition: Tuesday and Wednesday are built, nothing of them is sent."""
    yield from shelf.copy_of(tmp_path, monday, week, condition.happens)
