"""A staging area on two kinds of storage, and records beside it."""

import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from sluicegate.areas import Area
from sluicegate.state.store import StateStore

from tests.storage.memory import MemoryArea


@pytest.fixture(params=["directory", "memory"])
def staging(request: pytest.FixtureRequest, tmp_path: Path) -> Area:
    """A local directory, and a store that is none."""
    if request.param == "memory":
        return MemoryArea(f"s3://{uuid.uuid4().hex}/staging")
    return Area(str(tmp_path / "staging"))


@pytest.fixture
def records(tmp_path: Path) -> StateStore:
    return StateStore(f"sqlite:///{tmp_path / 'state.db'}")


@pytest.fixture
def restarted(tmp_path: Path) -> Callable[[], StateStore]:
    """The same records, as a process has them that starts now."""
    return lambda: StateStore(f"sqlite:///{tmp_path / 'state.db'}")
