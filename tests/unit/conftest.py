"""A copy of the bakery's files, a state store on either engine, and another zone than UTC."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sluicegate.state.store import StateStore

from tests.company import BAKERY
from tests.prepared import database
from tests.zones import in_zone

Edit = Callable[[str, str, str], None]


@pytest.fixture(scope="package", autouse=True)
def far_east() -> Iterator[None]:
    """The process's zone is not UTC, as on a laptop."""
    with in_zone():
        yield


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the bakery's project directory."""
    copy = tmp_path / "bakery"
    shutil.copytree(BAKERY, copy)
    return copy


@pytest.fixture
def edit(folder: Path) -> Edit:
    """Replace a text, which must be there, in a file of the copy."""

    def replace(name: str, old: str, new: str) -> None:
        path = folder / name
        text = path.read_text()
        assert old in text, f"{old!r} is not in {name}"
        path.write_text(text.replace(old, new, 1))

    return replace


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.long)])
def state_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where a state store may be opened: an SQLite file, and a database of the real Postgres.

    The tables are in the database already: to make them takes longer than most tests of what is in them.
    """
    if request.param == "postgres":
        server, empty = map(request.getfixturevalue, ("postgres_url", "empty_records"))
        with database(server, empty) as url:
            yield url
    else:
        yield f"sqlite:///{tmp_path / 'state.db'}"


@pytest.fixture
def store(state_url: str) -> Iterator[StateStore]:
    """An empty state store, on SQLite and on the real Postgres."""
    opened = StateStore(state_url)
    yield opened
    opened.close()


@pytest.fixture
def another_process(store: StateStore, state_url: str) -> Iterator[StateStore]:
    """The same records, opened once more."""
    opened = StateStore(state_url)
    yield opened
    opened.close()
