"""The kiosk's project directory, written anew for each state of its files, and parsed once for each.

Belongs here: texts of files. Does not: what they mean (`facts`), what is run on them (`company`).

All deployments of a test process have the same directory, one after the other: what dbt parses of it is kept
by path, size and time of its files. So a file's time is made of its text.
"""

import hashlib
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from orchestration.core.settings import Settings
from tests.gate.model.facts import DBT_TEST, EXPORTS, LOOSE, MODELS, SUITE, ExportFile, Files

KIOSK = Path(__file__).parents[2] / "companies" / "kiosk"
_MODELS = "dbt_project/models"
_FOLDERS = {"stg": "staging", "takings": "marts", "exp": "exports"}
# A rule of the last mile holds for a time; it must hold today.
_TODAY = datetime.now(UTC).date()
_SOME_TIME = 1_600_000_000
_LAST_MILE = """last_mile:
  - filter: {{column: stall, drop: [{stall}]}}
    owner: till@kiosk.example
    reason: The stall is closed.
    issue: https://kiosk.example/1
    declared: {declared}
    expires: {expires}
"""


class ProjectDirectory:
    """A copy of the kiosk's four folders in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "kiosk"
        self._parsed = folder / "parsed"
        shutil.copytree(KIOSK, self.path)
        for path in self.path.rglob("*"):
            if path.is_file():
                _give_time(path)

    def write(self, files: Files) -> None:
        """Have the directory say what `files` says, and nothing else."""
        for name, text in _texts(files):
            path = self.path / name
            if path.read_text() != text:
                path.write_text(text)
                _give_time(path)

    def lend(self, settings: Settings) -> None:
        """Give a deployment what dbt made of these very files, if they were parsed before."""
        known = self._parsed / self._dbt_files()
        if known.exists():
            shutil.rmtree(settings.dbt_target_dir, ignore_errors=True)
            shutil.copytree(known, settings.dbt_target_dir)

    def keep(self, settings: Settings) -> None:
        """Keep what dbt has made of these very files for a deployment."""
        known = self._parsed / self._dbt_files()
        if not known.exists():
            shutil.copytree(settings.dbt_target_dir, known)

    def _dbt_files(self) -> str:
        digest = hashlib.sha256()
        for path in sorted((self.path / "dbt_project").rglob("*")):
            if path.is_file():
                digest.update(f"{path}:{path.stat().st_mtime_ns}\n".encode())
        return digest.hexdigest()[:16]


def _give_time(path: Path) -> None:
    seconds = _SOME_TIME + int(hashlib.sha256(path.read_bytes()).hexdigest()[:6], 16)
    os.utime(path, (seconds, seconds))


def _texts(files: Files) -> Iterator[tuple[str, str]]:
    """Yield every file that may change, with its text."""
    for suite in sorted((KIOSK / "expectations").iterdir()):
        bound = files.bound(suite.stem, SUITE)
        yield f"expectations/{suite.name}", _replaced(suite, f"max_value: {LOOSE}", f"max_value: {bound}")
    tests = f"{_MODELS}/staging/_staging.yml"
    bound = files.bound("stg_sales", DBT_TEST)
    yield tests, _replaced(KIOSK / tests, f"at_most: {LOOSE}", f"at_most: {bound}")
    for model in MODELS:
        name = f"{_MODELS}/{_FOLDERS[model.partition('_')[0]]}/{model}.sql"
        yield name, _replaced(KIOSK / name, " * 1", f" * {files.factor(model)}")
    for export in EXPORTS:
        name = f"exports/{export}.yml"
        yield name, (KIOSK / name).read_text() + _said(files.export(export))


def _replaced(file: Path, old: str, new: str) -> str:
    text = file.read_text()
    assert text.count(old) == 1, f"{old!r} stands not once in {file.name}"
    return text.replace(old, new)


def _said(file: ExportFile) -> str:
    text = f"limits:\n  rows: {{max: {file.most_rows}}}\n" if file.most_rows is not None else ""
    if file.without:
        expires = _TODAY + timedelta(days=30)
        text += _LAST_MILE.format(stall=file.without, declared=_TODAY, expires=expires)
    return text
