"""Kill -9 at random moments of an ingestion, then the same delivery again: every row is there once.

Does not belong here: crashes at chosen points (`test_adx_destination`). A longer run: `SLUICE_TEST_KILLS=10`
kills ten times as often.
"""

import json
import multiprocessing
import os
import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from sluicegate.destinations.adx import AdxDestination, AdxOptions
from sluicegate.destinations.base import Mode, Refused, Shard

from .cases.adx import AdxCase
from .journals import MemoryJournal
from .support import DAY, rows_of, write_shard

KILLS = 8 * int(os.environ.get("SLUICE_TEST_KILLS", "1"))
# A longer run takes as much longer.
pytestmark = [pytest.mark.long, pytest.mark.timeout(300 * KILLS)]
ROWS = 300


class FileJournal(MemoryJournal):
    """A journal that outlives its process: one line a call, on disk before the call returns."""

    def __init__(self, path: Path, rows: int) -> None:
        lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        settled = [(line[1], line[2]) for line in lines if line[0] == "acknowledge"]
        super().__init__(rows, settled, {line[1]: line[2] for line in lines if line[0] == "keep"})
        self._path = path

    def acknowledge(self, first: int, end: int, refused: Sequence[Refused] = (), note: str = "") -> None:
        super().acknowledge(first, end, refused, note)
        self._write("acknowledge", first, end)

    def keep(self, name: str, value: str) -> None:
        super().keep(name, value)
        self._write("keep", name, value)

    def _write(self, *line: object) -> None:
        with self._path.open("a") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())


def deliver(url: str, shard: Shard, journal: Path) -> None:
    destination = AdxDestination(url, "items", AdxOptions(wait_minutes=1))
    destination.send(shard, FileJournal(journal, shard.rows))


@pytest.fixture
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AdxCase]:
    opened = AdxCase(request, tmp_path)
    yield opened
    opened.close()


@pytest.mark.long
@pytest.mark.parametrize("mode", [Mode.APPEND, Mode.SNAPSHOT])
def test_kills_at_random_moments_lose_and_double_nothing(case: AdxCase, tmp_path: Path, mode: Mode) -> None:
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(
        ["pyarrow.parquet", "azure.kusto.ingest", "azure.identity", "tests.delivery.test_adx_kills"]
    )
    first = processes.Process(target=print)  # starting takes as long as all deliveries together
    first.start()
    first.join()
    chance = random.Random(5)
    killed, usual = 0, 0.0
    expected: list[tuple[int, str]] = []
    for number in range(KILLS):
        note = f"delivery {number}"
        rows = [(item + number * ROWS, DAY, note) for item, _, _ in rows_of(DAY, ROWS, note)]
        shard = write_shard(tmp_path, rows, mode=mode, full=mode is Mode.SNAPSHOT)
        journal = tmp_path / f"{number}.journal"
        victim = processes.Process(target=deliver, args=(case.url, shard, journal))
        started = time.monotonic()
        victim.start()
        # Those that end by themselves tell how long it takes.
        victim.join(chance.uniform(0.0, usual) if usual else None)
        victim.kill()
        victim.join()
        killed += victim.exitcode == -9
        if victim.exitcode == 0:
            usual = min(usual or 9.0, time.monotonic() - started)
        successor = processes.Process(target=deliver, args=(case.url, shard, journal))
        successor.start()
        successor.join()
        assert successor.exitcode == 0
        assert FileJournal(journal, ROWS).pending() == []
        expected = [*(expected if mode is Mode.APPEND else []), *((row[0], row[2]) for row in rows)]
        assert sorted((row["item"], row["note"]) for row in case.contents()) == expected
        assert case.twice() == 0
    queued = len(case.kusto.ingestion.messages)
    print(
        f"{mode}: {KILLS} deliveries, {killed} killed while at work, {queued} files queued, none loaded twice"
    )
    assert killed
