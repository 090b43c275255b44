"""Backups while work goes on: of one moment, whoever is at work; work waits no longer than it must."""

import subprocess
import sys
import threading
from pathlib import Path

import duckdb
import pytest

from orchestration.operations.backup.folder import Folder
from orchestration.state.maintenance import MAINTENANCE, under_maintenance
from orchestration.state.store import StateStore
from orchestration.warehouse.base import CopyDamaged
from orchestration.warehouse.duckdb_file import DuckDBFile, versions_in
from tests.backup.places import at, backed_up, typed
from tests.company import MON, THU, TUE, WED, Company
from tests.delivery.deliveries import Sender
from tests.delivery.shelf import ShelfDestination
from tests.sampled import every_case

pytestmark = pytest.mark.long
MOST = 8
PLACE = 'postgres "somewhere"."else"'


def test_each_backup_agrees_while_days_are_built_and_sent(open_bakery: Company, tmp_path: Path) -> None:
    dest, days = tmp_path / "backups", (TUE, WED, THU) if every_case() else (TUE, WED)
    for number, day in enumerate(days):
        open_bakery.land_day(day, a=5 + number)
    with open_bakery.start("run") as running:
        names = [backed_up(open_bakery, dest)]
        at_work, pause = open_bakery.settings.data_dir / "state.db-wal", threading.Event()
        before = _stamp(at_work)
        while running.poll() is None:
            # It is starting, and has done nothing since the last one; or a slow machine has seen enough.
            if before == _stamp(at_work) or len(names) == MOST:
                pause.wait(0.02)
                continue
            names.append(backed_up(open_bakery, dest))
            before = _stamp(at_work)
        written, complained = running.communicate()
    assert running.returncode == 0, written + complained
    names.append(backed_up(open_bakery, dest))
    sizes = [len(Folder(dest).manifest(name).files) for name in names]
    assert sizes[-1] > sizes[0]
    for name in names:
        assert Folder(dest).manifest(name).notes == [], name
    chosen = [names[len(names) // 2], *([names[-1]] if every_case() else [])]
    for number, name in enumerate(chosen):
        typed(open_bakery, "backup", "verify", str(dest), "--at", name)
        again = at(open_bakery, tmp_path / f"again {number}")
        typed(again, "backup", "restore", str(dest), "--at", name)
        rows = again.status()
        bad = {row.standing.value for row in rows.values()} - {"validated", "landed", "waiting", "held"}
        assert bad == set(), rows
        assert "docs/runbook.md" in typed(again, "status")
    held = [(day, shop) for day, shop, _ in open_bakery.in_postgres() if shop == "a"]
    assert held == [(day, "a") for day in (MON, *days)]


def _stamp(file: Path) -> tuple[int, int]:
    """When a file was written last, and how long it is; of none zeros."""
    if not file.exists():
        return 0, 0
    said = file.stat()
    return said.st_mtime_ns, said.st_size


def test_a_backup_waits_for_a_delivery_and_gives_up_after_a_stated_time(
    open_bakery: Company, tmp_path: Path
) -> None:
    leases = open_bakery.deployment.store.leases
    with leases.hold(PLACE, wait_seconds=0):
        said = typed(open_bakery, "backup", "create", str(tmp_path / "backups"), "--wait", "0", code=1)
    assert "no backup was made" in said
    assert PLACE in said
    assert Folder(tmp_path / "backups").names() == []
    assert under_maintenance(leases) == ""
    with open_bakery.deployment.warehouse.session(), leases.hold("another lease", wait_seconds=0):
        pass  # neither is in the way once it has ended
    backed_up(open_bakery, tmp_path / "backups")
    with leases.hold(MAINTENANCE, wait_seconds=0):
        said = typed(open_bakery, "backup", "create", str(tmp_path / "backups"), "--wait", "0", code=1)
    assert "expected one backup at a time" in said


def test_two_backups_to_one_folder_take_nothing_from_each_other(
    open_bakery: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dest, keep, said = tmp_path / "backups", Folder.keep, list[str]()

    def and_another_begins(folder: Folder, source: Path) -> tuple[str, int]:
        kept = keep(folder, source)
        if not said:
            said.append("")
            said.append(typed(open_bakery, "backup", "create", str(dest), code=1))
        return kept

    monkeypatch.setattr(Folder, "keep", and_another_begins)
    name = backed_up(open_bakery, dest)
    assert "one backup at a time" in said[1]
    assert Folder(dest).names() == [name]
    typed(open_bakery, "backup", "verify", str(dest))
    backed_up(open_bakery, dest)  # nobody holds it any more


def test_what_sensors_have_seen_is_no_newer_than_the_records(
    open_bakery: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = open_bakery.settings.dagster_home / "seen"
    seen.write_text("before")
    copy_out = StateStore.copy_out

    def and_a_tick_follows(store: StateStore, file: Path) -> None:
        copy_out(store, file)
        seen.write_text("after")

    monkeypatch.setattr(StateStore, "copy_out", and_a_tick_follows)
    dest = tmp_path / "backups"
    backed_up(open_bakery, dest)
    [kept] = [file for file in Folder(dest).manifest().files if (file.part, file.path) == ("dagster", "seen")]
    assert Folder(dest).object(kept.digest).read_text() == "before"


def test_a_delivery_waits_for_a_backup(tmp_path: Path) -> None:
    sender = Sender(tmp_path, ShelfDestination(str(tmp_path), "shelf"))
    waits, sent = threading.Event(), threading.Event()

    def told(_: object) -> None:
        waits.set()

    sender.said = _Told(told)  # pyright: ignore[reportAttributeAccessIssue]

    def deliver() -> None:
        sender.deliver({1: "one"}, "1")
        sent.set()

    with sender.store.leases.hold(MAINTENANCE, wait_seconds=0):
        working = threading.Thread(target=deliver)
        working.start()
        assert waits.wait(60)
        assert not sent.is_set()
        assert list(sender.store.leases.at_work()) == [MAINTENANCE]  # who waits holds nobody up
    working.join(60)
    assert sent.is_set()
    assert sender.recorded() == {1: "one"}
    sender.store.close()


class _Told(list[str]):
    """A list that tells somebody of what is put into it."""

    def __init__(self, tell: object) -> None:
        super().__init__()
        self._tell = tell

    def append(self, text: str) -> None:
        super().append(text)
        self._tell(text)  # pyright: ignore[reportCallIssue]


def test_a_step_waits_for_the_warehouse_as_long_as_a_backup_has_it(tmp_path: Path) -> None:
    file, asked = tmp_path / "warehouse.duckdb", list[bool]()
    with DuckDBFile(file).session():
        pass

    def kept_open() -> bool:
        asked.append(len(asked) < 2)
        return asked[-1]

    opening = (
        "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", opening, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        waiting = DuckDBFile(file, lock_timeout_seconds=0, kept_open=kept_open)
        with pytest.raises(duckdb.IOException, match="lock"), waiting.session():
            pass
        other.communicate("")
    assert asked == [True, True, False]
    with DuckDBFile(file).session():
        pass


def test_a_copy_is_whole_and_the_warehouse_stays_ours_meanwhile(tmp_path: Path) -> None:
    file, copy = tmp_path / "warehouse.duckdb", tmp_path / "copy.duckdb"
    opening = "import duckdb, sys; duckdb.connect(sys.argv[1])"
    with DuckDBFile(file).session() as session:
        session.native.execute("create table raw.items as select range as item from range(100000)")
        session.native.execute(
            "insert into sluice.table_versions values ('raw.items', 'a day', 'v1', current_timestamp)"
        )
        session.copy_to(copy)
        other = subprocess.run(
            [sys.executable, "-c", opening, str(file)], capture_output=True, text=True, check=False
        )
        assert "lock" in other.stderr
    assert versions_in(copy) == [("raw.items", "a day", "v1")]
    with DuckDBFile(copy).session() as session:
        assert session.query("select count(*), sum(item) from raw.items") == [(100000, 4999950000)]
    copy.write_bytes(copy.read_bytes()[:5000])
    with pytest.raises(CopyDamaged):
        versions_in(copy)
