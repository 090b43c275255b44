"""kill -9 between any two files of a backup, and of a restore: the same again, and all is as it was."""

import os
import shutil
from pathlib import Path

import pytest

from tests.backup.killing import killed_at, some_of, steps_of
from tests.backup.places import at, backed_up, typed
from tests.company import MON, SHOP_ORDERS, TUE, Company

# All of them with SLUICE_TEST_KILLS=50.
KILLS = 4 * int(os.environ.get("SLUICE_TEST_KILLS", "1"))
# A longer run takes as much longer.
pytestmark = [pytest.mark.long, pytest.mark.timeout(300 * KILLS)]
# Every command that looks at the deployment's data, or works on them.
COMMANDS = (
    ("status",), ("run",), ("land", "orders", "."), ("why", SHOP_ORDERS), ("delivery", "plan", SHOP_ORDERS),
    ("delivery", "reconcile", SHOP_ORDERS), ("delivery", "reconcile", "--restored"),
    ("delivery", "resend", SHOP_ORDERS), ("delivery", "list"),
    ("delivery", "refusals", SHOP_ORDERS), ("delivery", "forget", "shop=a", "--reason", "r"),
    ("table", "judge", "staging.stg_orders"),
    ("table", "rerun", "staging.stg_orders"), ("table", "outdated"), ("page", "data-docs"),
    ("dev",), ("backup", "create", "elsewhere"),
    ("source", "quarantine", "orders"), ("check",),
)  # fmt: skip


def test_a_killed_backup_is_none_and_is_taken_again(open_bakery: Company, tmp_path: Path) -> None:
    settings, trial = open_bakery.settings, tmp_path / "trial"
    steps = steps_of("take", settings, trial)
    dest = tmp_path / "backups"
    first = backed_up(open_bakery, dest)
    open_bakery.land_day(TUE, a=5)
    for step in some_of(steps, KILLS):
        before = set(dest.glob("*/backup.json"))
        fresh = tmp_path / f"fresh {step}"
        assert killed_at("take", settings, fresh, step), step
        whole = list(fresh.glob("*/backup.json"))
        if not whole:  # before its last steps, which clear away what others left
            typed(open_bakery, "backup", "verify", str(fresh), code=1)
        # Into the folder that has one: that one is as it was, and the next is whole.
        killed_at("take", settings, dest, step)
        assert before <= set(dest.glob("*/backup.json"))
        typed(open_bakery, "backup", "verify", str(dest), "--at", first)
        for folder in (fresh, dest):
            name = backed_up(open_bakery, folder)
            typed(open_bakery, "backup", "verify", str(folder), "--at", name)
            assert list(folder.glob("**/*.partial")) == []


def test_a_killed_restore_is_refused_by_every_command_and_done_again(
    open_bakery: Company, tmp_path: Path
) -> None:
    dest = tmp_path / "backups"
    backed_up(open_bakery, dest)
    there = open_bakery.untouched()
    rows = {key: row.rows for key, row in open_bakery.status().items()}
    steps = steps_of("restore", at(open_bakery, tmp_path / "trial").settings, dest)
    for number, step in enumerate(some_of(steps, KILLS)):
        again = at(open_bakery, tmp_path / f"again {step}")
        folder = again.settings.data_dir
        assert killed_at("restore", again.settings, dest, step), step
        begun = (folder / "restoring.json").exists()
        for command in COMMANDS if begun and number == 1 else COMMANDS[:1] if begun else ():
            said = typed(again, *command, code=2)
            assert "its restore did not end" in said, command
            assert f"`sluice backup restore {dest} --at " in said
        # A second death, somewhere else, before it is done.
        killed_at("restore", again.settings, dest, steps - step)
        if (folder / "state.db").exists() and not (folder / "restoring.json").exists():
            shutil.rmtree(folder)  # it has come to its end, and restores go over nothing that lives
        typed(again, "backup", "restore", str(dest))
        assert {key: row.rows for key, row in again.status().items()} == rows
        assert list(folder.glob("**/*.restoring*")) == []
        typed(again, "delivery", "reconcile", "--restored")
        assert [row for row in again.status().values() if row.standing.value == "held"] == []
        assert again.untouched() == there
        again.deployment.store.close()
    assert MON in open_bakery.in_container()
