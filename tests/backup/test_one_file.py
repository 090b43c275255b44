"""The records are one file: a plain copy of it, after any command, has all that was committed."""

import shutil
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sluicegate.state.store import StateStore

from tests.company import MON, SHOP_ORDERS, TUE, Company
from tests.gate.triggers import look

pytestmark = pytest.mark.long
ONE_DAY = ("--partition", MON)
COMMANDS = (
    ("run",),
    ("status",),
    ("why", SHOP_ORDERS, *ONE_DAY),
    ("delivery", "plan", SHOP_ORDERS, *ONE_DAY),
    ("delivery", "reconcile", SHOP_ORDERS, *ONE_DAY),
    ("table", "judge", "staging.stg_orders", "--from", MON, "--to", MON),
    ("table", "rerun", "staging.stg_orders", "--partition", MON),
    ("delivery", "resend", SHOP_ORDERS, *ONE_DAY),
    ("delivery", "redeliver", SHOP_ORDERS, *ONE_DAY, "--on", "{now}", "--reason", "a try"),
    ("delivery", "list"),
    ("delivery", "refusals", SHOP_ORDERS),
    ("table", "outdated"),
    ("page", "data-docs"),
    ("source", "quarantine", "orders"),
    ("delivery", "forget", "shop=b", f"business_date={MON}", "--reason", "request 7"),
    ("backup", "create", "{backups}"),
)


def everything(file: Path) -> dict[str, list[Any]]:
    """Return {table: its rows} of a store; of a copy that has no log beside it, what the one file holds."""
    connection = sqlite3.connect(file)
    names = [row[0] for row in connection.execute("select name from sqlite_master where type = 'table'")]
    found = {
        name: sorted(map(repr, connection.execute(f"select * from {name}")))
        for name in names
        if not name.startswith("sqlite_")
    }
    connection.close()
    return found


def assert_whole(state: Path, scratch: Path, after: object) -> None:
    copy = scratch / "copy.db"
    shutil.copyfile(state, copy)
    held = everything(copy)
    copy.unlink()
    # Asked second: to open the store is to fold its log.
    assert held == everything(state), after


def test_a_copy_after_each_command_has_it_all(open_bakery: Company, tmp_path: Path) -> None:
    state = open_bakery.settings.data_dir / "state.db"
    open_bakery.land_day(TUE, a=5, b=6)
    for command in COMMANDS:
        before = everything(state)
        now = datetime.now(UTC).isoformat()
        arguments = [part.format(backups=tmp_path / "backups", now=now) for part in command]
        code, written, complained = open_bakery.sluice(*arguments)
        assert code in (0, 1, 2), (command, written, complained)
        assert_whole(state, tmp_path, command)
        if command[0] in ("run", "judge", "resync", "forget"):
            assert everything(state) != before, command  # it has written something that could be lacking


def test_a_copy_after_a_process_has_it_all(open_bakery: Company, tmp_path: Path) -> None:
    open_bakery.land_day(TUE, a=5, b=6)
    code, written, complained = open_bakery.process("run")
    assert code == 0, written + complained
    state = open_bakery.settings.data_dir / "state.db"
    assert not Path(f"{state}-wal").exists()
    assert_whole(state, tmp_path, "run")
    assert f"'{TUE}'" in "".join(everything(state)["deliveries"])


def test_what_a_process_that_died_left_the_next_command_brings_in(
    open_bakery: Company, tmp_path: Path
) -> None:
    state = open_bakery.settings.data_dir / "state.db"
    url = open_bakery.settings.state_url.get_secret_value()
    dying = StateStore(url)
    dying.record_connections({"gone": True}, served=True)
    lost = tmp_path / "lost"
    lost.mkdir()
    for name in ("state.db", "state.db-wal"):  # as a crash leaves them
        shutil.copyfile(state.with_name(name), lost / name)
    dying.close()
    assert not everything_of_connections(lost / "state.db", tmp_path)
    store = StateStore(f"sqlite:///{lost / 'state.db'}")
    store.close()
    assert everything_of_connections(lost / "state.db", tmp_path)


def everything_of_connections(state: Path, scratch: Path) -> bool:
    """Whether the one file knows of the connection."""
    shutil.copyfile(state, scratch / "one.db")
    return "gone" in "".join(everything(scratch / "one.db")["connections"])


def test_a_tick_of_the_sensor_brings_in_what_it_has_written(open_bakery: Company, tmp_path: Path) -> None:
    state = open_bakery.settings.data_dir / "state.db"
    open_bakery.land_day(TUE, a=5, b=6)
    assert len(look(open_bakery)) == 1
    assert Path(f"{state}-wal").exists()  # nobody has closed it, as in the daemon
    assert_whole(state, tmp_path, "a tick")
    assert TUE in "".join(everything(state)["requests"])


def test_the_log_is_brought_in_while_others_have_the_store_open(tmp_path: Path) -> None:
    url, state = f"sqlite:///{tmp_path / 'state.db'}", tmp_path / "state.db"
    one, other = StateStore(url), StateStore(url)
    one.fold()
    other.record_connections({"gone": True}, served=True)
    assert not everything_of_connections(state, tmp_path)
    one.fold()
    assert everything_of_connections(state, tmp_path)
    one.close()
    other.close()
