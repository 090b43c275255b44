"""A test that starts a process, or a file that parses many projects, is noticed where it is not `long`."""

import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests import pace


def test_a_test_that_starts_a_process_is_refused() -> None:
    with pytest.raises(AssertionError, match=r"test_pace\.py::test_a_test_that_starts.*mark it"):
        subprocess.run([sys.executable, "-c", ""], check=True)


@pytest.mark.long
def test_a_long_test_may_start_one() -> None:
    assert subprocess.run([sys.executable, "-c", ""], check=False).returncode == 0


@pytest.mark.parametrize("server", pace.SERVERS)
def test_who_asks_for_a_server_is_long(request: pytest.FixtureRequest, server: str) -> None:
    """By its fixtures alone, wherever it stands, and so is what stands among days that are taken through."""
    item = request.node
    here, fixtures = pace.TESTS / "unit/test_x.py", [*item.fixturenames]
    for path, asks, is_long in ((here, "tmp_path", False), (here, server, True),
                                (pace.TESTS / "gate/test_x.py", "tmp_path", True)):  # fmt: skip
        other = pytest.Function.from_parent(item.parent, name="made_up", callobj=lambda: None)
        other.path, other.fixturenames = path, [*fixtures, asks]
        pace.pytest_collection_modifyitems([other])
        assert (other.get_closest_marker("long") is not None) is is_long, (path, asks)


def test_a_file_that_parses_many_projects_is_noticed(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "_parsed", Counter[str]())
    for number in range(pace.MOST_PARSED):
        target = tmp_path / f"{number}/data/dbt/target"
        target.mkdir(parents=True)
        (target / "manifest.json").touch()
    pace.pytest_runtest_teardown(request.node)
    with pytest.raises(pytest.fail.Exception, match="has dbt parse 24 projects"):
        pace.pytest_runtest_teardown(request.node)
    monkeypatch.undo()
    shutil.rmtree(tmp_path)
