"""Who may work on a deployment: its own account; anybody else is told what to do instead.

Belongs here: accounts and permissions of files. Does not belong here: signing in to the UI.
"""

import os
import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sluicegate.cli import app
from sluicegate.core.own_account import require_own_account
from sluicegate.core.settings import Settings, SettingsError
from typer.testing import CliRunner

from tests.company import BAKERY

_NOBODY = 65_534


@contextmanager
def _as_another() -> Generator[None]:
    if os.geteuid() != 0:
        pytest.skip("only root can be another account")
    os.seteuid(_NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """A data directory that only its own account reads, below folders that all may enter."""
    above = [
        folder
        for folder in tmp_path.parents
        if folder.stat().st_mode & 0o077 == 0 and folder.owner() == "root"
    ]
    modes = {folder: folder.stat().st_mode for folder in above}
    for folder in [*above, tmp_path]:
        folder.chmod(0o755)
    made = tmp_path / "data"
    made.mkdir(mode=0o750)
    yield made
    for folder, mode in modes.items():
        folder.chmod(mode)


def _settings(data: Path) -> Settings:
    return Settings.load({"SLUICE_ENVIRONMENT": "local"}, project_dir=BAKERY, data_dir=data)


@pytest.mark.parametrize("kept", ["", "state.db", "dagster", "warehouse.duckdb"])
def test_another_account_is_told_whose_it_is_and_what_to_do(data: Path, kept: str) -> None:
    settings = _settings(data)
    if kept:
        data.chmod(0o777)
        (data / kept).touch(mode=0o640)
    with _as_another(), pytest.raises(SettingsError) as refused:
        require_own_account(settings)
    assert str(refused.value).startswith(f"{data / kept} belongs to the account `root`, and this is `nobody`")
    assert "`sudo -u root sluice …`" in str(refused.value)
    require_own_account(settings)


def test_its_own_account_needs_no_directory_yet(tmp_path: Path) -> None:
    require_own_account(_settings(tmp_path / "not" / "there"))


def test_another_account_makes_none_where_it_may_not(data: Path) -> None:
    settings = _settings(data / "inside")
    with (
        _as_another(),
        pytest.raises(SettingsError, match=re.escape(f"{data} belongs to the account `root`")),
    ):
        require_own_account(settings)


@pytest.mark.parametrize(
    "command", ["status", "run", "incident list", "dev", "ui", "backup create /tmp/nowhere"]
)
def test_a_command_ends_with_that_and_no_traceback(data: Path, command: str) -> None:
    arguments = [*command.split(), "--project", str(BAKERY), "--data", str(data)]
    with _as_another():
        ended = CliRunner().invoke(app, arguments)
    assert ended.exit_code == 2, ended.output
    assert "belongs to the account" in ended.output
