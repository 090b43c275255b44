"""The kiosk's project directory, written anew for each state of its files, and parsed once for each.

Belongs here: texts of files. Does not: what they mean (`facts`), what is run on them (`company`).

All deployments of a test process have the same directory, one after the other: a parse is of a place
(`tests.parses`).
"""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.gate.model.facts import DBT_TEST, EXPORTS, LOOSE, MODELS, SUITE, ExportFile, Files

KIOSK = Path(__file__).parents[2] / "companies" / "kiosk"
_MODELS = "dbt_project/models"
_FOLDERS = {"stg": "staging", "takings": "marts", "exp": "exports"}
# A rule of the last mile holds for a time; it must hold today.
_TODAY = datetime.now(UTC).date()
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
        shutil.copytree(KIOSK, self.path)

    def write(self, files: Files) -> None:
        """Have the directory say what `files` says, and nothing else."""
        for name, text in _texts(files):
            path = self.path / name
            if path.read_text() != text:
                path.write_text(text)


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
