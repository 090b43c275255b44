"""Where a restore may go: into empty places, one restore at a time, and with the right journal of erasures.

Belongs here: what is refused before anything is written, and that nothing that lives is lost. Does not: what
comes back (`test_restores`), kills (`test_kills`).
"""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from orchestration.operations.backup.folder import Folder, files_below
from orchestration.operations.backup.restoring import restore
from tests.backup.places import at, backed_up, typed
from tests.company import MON, Company

pytestmark = pytest.mark.long


def test_two_restores_into_one_place_take_nothing_from_each_other(
    open_bakery: Company, tmp_path: Path
) -> None:
    dest = tmp_path / "backups"
    backed_up(open_bakery, dest)
    again, said = at(open_bakery, tmp_path / "again"), list[str]()

    def and_another_begins(_: str) -> None:
        if not said:
            said.append("")
            said.append(typed(again, "backup", "restore", str(dest), code=1))

    folder = Folder(dest)
    restore(again.settings, folder, folder.manifest(), none_since=None, say=and_another_begins)
    assert "another restore" in said[1]
    assert {key: row.rows for key, row in again.status().items()} == {
        key: row.rows for key, row in open_bakery.status().items()
    }
    for name in ("originals", "staging", "deliveries"):
        kept = {
            path.relative_to(at.settings.data_dir)
            for at in (open_bakery, again)
            for path in files_below(at.settings.data_dir / name)
        }
        assert len(kept) == len(files_below(again.settings.data_dir / name)) > 1
    typed(again, "delivery", "reconcile", "--restored")


def test_a_second_try_clears_what_the_first_has_written_and_nothing_else(
    open_bakery: Company, tmp_path: Path
) -> None:
    dest = tmp_path / "backups"
    backed_up(open_bakery, dest)
    file = next(file for file in Folder(dest).manifest().files if file.part == "warehouse")
    content = Folder(dest).object(file.digest)
    whole = content.read_bytes()
    content.write_bytes(whole[:-1])
    living = tmp_path / "elsewhere"
    names = {
        "deliveries_dir": living / "deliveries",
        "warehouse_path": living / "warehouse.duckdb",
        "state_url": SecretStr(f"sqlite:///{living / 'state.db'}"),
        "staging_url": None,
    }
    for name, place in names.items():
        folder = tmp_path / f"again {name}"
        again = at(open_bakery, folder)
        typed(again, "backup", "restore", str(dest), code=1)
        assert (folder / "restoring.json").exists()
        # The second try has another variable, and there somebody lives.
        where = folder / "lives" if place is None else living
        keep = (
            (folder / "lives" / "a.csv")
            if place is None
            else (
                living / "deliveries" / "x.parquet"
                if name == "deliveries_dir"
                else living / {"warehouse_path": "warehouse.duckdb", "state_url": "state.db"}[name]
            )
        )
        keep.parent.mkdir(parents=True, exist_ok=True)
        keep.write_text("lives")
        other = at(open_bakery, folder, **{name: str(where) if place is None else place})
        content.write_bytes(whole)
        said = typed(other, "backup", "restore", str(dest), code=1)
        assert keep.read_text() == "lives", name
        assert "a restore never goes over what lives" in said
        content.write_bytes(whole[:-1])
        shutil.rmtree(living, ignore_errors=True)


def test_into_another_path_the_deployments_own_journal_goes_along(
    open_bakery: Company, tmp_path: Path
) -> None:
    dest = tmp_path / "backups"
    backed_up(open_bakery, dest)
    typed(open_bakery, "delivery", "forget", "shop=a", f"business_date={MON}", "--reason", "request 7")
    there = tmp_path / "there"
    variables = {
        name: value
        for name, value in open_bakery.environment().items()
        if name.startswith("SLUICE_CONNECTION")
    }
    import os

    from typer.testing import CliRunner

    from orchestration.cli.main import app

    unset = {name: None for name in os.environ if name.startswith("SLUICE_")}
    env = (
        unset
        | variables
        | {
            "SLUICE_DATA_DIR": str(open_bakery.settings.data_dir),
            "SLUICE_PROJECT_DIR": str(open_bakery.settings.project_dir),
        }
    )
    told = CliRunner().invoke(app, ["backup", "restore", str(dest), "--into", str(there)], env=env)
    assert told.exit_code == 0, told.output
    assert "1 erasures since then were replayed" in " ".join(told.output.split())
    # And whoever works there has the journal that a later restore wants.
    told = CliRunner().invoke(
        app, ["backup", "create", str(tmp_path / "more")], env=env | {"SLUICE_DATA_DIR": str(there)}
    )
    assert told.exit_code == 0, told.output
    shutil.rmtree(there)
    told = CliRunner().invoke(
        app, ["backup", "restore", str(dest)], env=env | {"SLUICE_DATA_DIR": str(there)}
    )
    assert told.exit_code == 0, told.output


def test_records_of_newer_code_are_refused_before_anything_is_written(
    open_bakery: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from orchestration.operations.backup import taking
    from orchestration.state import upgrade

    dest = tmp_path / "backups"
    backed_up(open_bakery, dest)
    monkeypatch.setattr(taking, "FORM", upgrade.FORM + 1)
    backed_up(open_bakery, dest)
    monkeypatch.undo()
    again = at(open_bakery, tmp_path / "again")
    said = typed(again, "backup", "restore", str(dest), code=1)
    assert "newer" in said
    assert not (again.settings.data_dir / "restoring.json").exists()


def test_a_clock_that_is_behind_the_backup_is_refused(open_bakery: Company, tmp_path: Path) -> None:
    """By it a partition that was sent since would begin after the restore, and need no look."""
    dest = tmp_path / "backups"
    late = open_bakery.at(datetime(2050, 1, 1, tzinfo=UTC))
    from orchestration.operations.backup.taking import take

    take(late.deployment, Folder(dest), patience=60, say=lambda _: None)
    late.deployment.store.close()
    again = at(open_bakery, tmp_path / "again")
    said = typed(again, "backup", "restore", str(dest), code=1)
    assert "clock" in said
