"""Kill -9 in the middle of a delivery, then the same delivery again: the destination is right.

The points are reached from outside, by locks and files that the delivery has to wait for: nothing
in the code under test knows of them.
"""

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from orchestration.delivery.destinations import Shard, build

from .support import (
    DAY,
    NEXT_DAY,
    MakeShard,
    Row,
    execute,
    query,
    read_folder,
    read_table,
    rows_of,
)

ROWS = 20_000
RANDOM_KILLS = 8
OLD, NEXT = rows_of(DAY, 500, "old"), rows_of(NEXT_DAY, 500, "next")
NEW = rows_of(DAY, ROWS, "new")


@contextmanager
def delivering(kind: str, url: str, shard: Shard) -> Generator["subprocess.Popen[str]"]:
    """A process that has begun to deliver; killed at the latest when the block ends."""
    stated = [kind, url, "items", shard.path, shard.rows, shard.delivery_id, shard.digest]
    command = [sys.executable, "-m", "tests.delivery.deliver_once", *map(str, stated), DAY]
    root = Path(__file__).parents[2]
    paths = os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])
    with subprocess.Popen(
        command, cwd=root, env=os.environ | {"PYTHONPATH": paths}, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        try:
            assert child.stdout.readline() == "ready\n"
            yield child
        finally:
            child.kill()


def wait_until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "the point to kill at was not reached"
        pause.wait(0.002)


@pytest.fixture(params=["postgres", "blob"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    if request.param == "postgres":
        return "postgres", request.getfixturevalue("database_url")
    return "blob", str(tmp_path / "container")


def test_kill_at_random_moments(place: tuple[str, str], make_shard: MakeShard) -> None:
    kind, url = place

    def read() -> list[Row]:
        return read_table(url, "items") if kind == "postgres" else read_folder(url, "items")

    destination = build(kind, url, "items")
    destination.deliver(make_shard(NEXT, partition=NEXT_DAY))
    # How long a whole delivery takes here: the kills are spread over it, and a little beyond.
    with delivering(kind, url, make_shard(NEW)) as child:
        started = time.monotonic()
        assert child.stdout is not None
        assert child.stdout.readline() == "done\n"
        duration = time.monotonic() - started
    chance = random.Random(f"{kind} kills")
    for number in range(RANDOM_KILLS):
        destination.deliver(make_shard(OLD))
        shard = make_shard(NEW)
        with delivering(kind, url, shard) as child:
            try:
                child.wait(timeout=chance.uniform(0, 1.1) * duration)
            except subprocess.TimeoutExpired:
                child.kill()
        assert read() in (OLD + NEXT, NEW + NEXT), f"half a slice after kill {number}"
        destination.deliver(shard)
        assert read() == NEW + NEXT
        assert destination.deliver(shard).already_delivered
        if kind == "postgres":
            booked = f"select count(*) from _sluice_deliveries where digest = '{shard.digest}'"
            assert query(url, booked) == [(1,)]


def waiting_for_a_lock(url: str) -> bool:
    return bool(
        query(
            url,
            "select 1 from pg_stat_activity where application_name = 'sluice'"
            " and datname = current_database() and wait_event_type = 'Lock'",
        )
    )


def gone(url: str) -> bool:
    return not query(
        url,
        "select 1 from pg_stat_activity where application_name = 'sluice' and datname = current_database()",
    )


def test_kill_right_before_the_commit(database_url: str, make_shard: MakeShard) -> None:
    """The ledger's row, the last statement, is held up: all else has been done by then."""
    destination = build("postgres", database_url, "items")
    destination.deliver(make_shard(OLD))
    shard = make_shard(NEW)
    with psycopg.connect(database_url) as holder:
        holder.execute("lock table _sluice_deliveries in share mode")
        with delivering("postgres", database_url, shard) as child:
            wait_until(lambda: waiting_for_a_lock(database_url))
            child.kill()
    wait_until(lambda: gone(database_url))
    assert read_table(database_url, "items") == OLD
    assert not destination.deliver(shard).already_delivered
    assert read_table(database_url, "items") == NEW


def test_kill_between_the_commit_and_its_answer(database_url: str, make_shard: MakeShard) -> None:
    """A deferred trigger holds the commit up: the server finishes it, the sender never learns."""
    destination = build("postgres", database_url, "items")
    destination.deliver(make_shard(OLD))
    execute(
        database_url,
        "create function hold() returns trigger language plpgsql as"
        " 'begin perform pg_advisory_xact_lock(42); return null; end';"
        "create constraint trigger hold after insert on _sluice_deliveries"
        " deferrable initially deferred for each row execute function hold()",
    )
    shard = make_shard(NEW)
    with psycopg.connect(database_url) as holder:
        holder.execute("select pg_advisory_xact_lock(42)")
        with delivering("postgres", database_url, shard) as child:
            wait_until(lambda: waiting_for_a_lock(database_url))
            child.kill()
            child.wait()
    wait_until(lambda: gone(database_url))
    assert read_table(database_url, "items") == NEW
    assert destination.deliver(shard).already_delivered
    assert read_table(database_url, "items") == NEW


def test_kill_between_the_part_and_its_manifest(tmp_path: Path, make_shard: MakeShard) -> None:
    """The manifest's temporary file is a pipe that nobody reads: writing it never gets on."""
    url = str(tmp_path / "container")
    destination = build("blob", url, "items")
    destination.deliver(make_shard(OLD))
    # Long enough to copy for the pipe to be in place before the manifest's turn.
    new = [(number, DAY, os.urandom(1_000).hex()) for number in range(ROWS)]
    shard = make_shard(new)
    folder = Path(url, "items", DAY, shard.delivery_id)
    with delivering("blob", url, shard) as child:
        wait_until(lambda: folder.is_dir())
        os.mkfifo(folder / ".tmp-manifest.json")
        wait_until(lambda: (folder / "part-00000.parquet").exists())
        child.kill()
        child.wait()
    assert not (folder / "manifest.json").exists()
    assert read_folder(url, "items") == OLD
    assert not destination.deliver(shard).already_delivered
    assert read_folder(url, "items") == new


def test_kill_between_the_two_manifests(tmp_path: Path, make_shard: MakeShard) -> None:
    """The partition's manifest is a pipe that nobody writes: reading it never gets on."""
    url = str(tmp_path / "container")
    shard = make_shard(NEW)
    shown = Path(url, "items", DAY, "manifest.json")
    shown.parent.mkdir(parents=True)
    os.mkfifo(shown)
    own = shown.parent / shard.delivery_id / "manifest.json"
    with delivering("blob", url, shard) as child:
        wait_until(own.exists)
        child.kill()
        child.wait()
    shown.unlink()
    assert read_folder(url, "items") == []
    assert build("blob", url, "items").deliver(shard).already_delivered
    assert read_folder(url, "items") == NEW
