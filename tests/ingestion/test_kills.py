"""kill -9 at random moments of a load: after a second try exactly the right tables, and nothing left over.

The process is forked from one that has imported everything, so that the moments are those of the load and not
of its start.
"""

import multiprocessing
import os
import random
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.ingestion.door import DAY, HEADER, NEXT, Door, contract
from tests.storage.fixtures import Storage

# Each of them is a new drop of the day, killed once while it is taken in.
KILLS = {"directory": 12, "azurite": 6, "s3": 4}
# A longer run: SLUICE_TEST_KILLS=10 kills ten times as often.
TIMES = int(os.environ.get("SLUICE_TEST_KILLS", "1"))
# A longer run takes as much longer.
pytestmark = [pytest.mark.long, pytest.mark.timeout(600 * TIMES)]
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.ingestion.door", "pyarrow.parquet", "duckdb"])
CONTRACT = contract(
    path="orders/{date}/part-*.csv", quarantineLimit={"rows": 5}, staging="remove", daysWithoutDrop="allowed"
)


def load_once(folder: Path, variables: Mapping[str, str]) -> None:
    """Take the newest drop in; what is killed."""
    os.environ.update({name: value for name, value in variables.items() if name.startswith("AWS_")})
    sluice = {name: value for name, value in variables.items() if name.startswith("SLUICE_")}
    Door(folder, CONTRACT, sluice).load()


def content(number: int) -> tuple[dict[str, str], list[tuple[str, str, int]], list[tuple[str, int]]]:
    """Return the files of the n-th drop, the rows to be loaded, and (file, line) to be quarantined."""
    good = [(f"{number}-{row}", f"shop {row % 7}", number + row) for row in range(200 + number % 50)]
    lines = [f"{order},{DAY},{shop},{loaves}" for order, shop, loaves in good]
    half = len(lines) // 2
    files = {
        "1": "\n".join([HEADER, *lines[:half], f"x,{DAY},a,many", ""]),
        "2": "\n".join([HEADER, *lines[half:], ""]),
    }
    return files, sorted(good), [(f"orders/{DAY}/part-1.csv", half + 2)]


@pytest.mark.sampled(2)
def test_a_killed_load_is_taken_up(storage: Storage, tmp_path: Path) -> None:
    variables: dict[str, Any] = dict(storage.environ)
    for area in ("STAGING", "ORIGINALS", "PROCESSING"):
        variables[f"SLUICE_{area}_URL"] = storage.fresh_url()
    sluice = {name: value for name, value in variables.items() if name.startswith("SLUICE_")}
    at = Door(tmp_path, CONTRACT, sluice)
    at.load({"1": f"{HEADER}\n1,{NEXT},other day,1\n"}, NEXT)
    chance = random.Random(20240101)
    before, took = [], _seconds(at, variables)
    killed = 0
    for number in range(KILLS[storage.kind] * TIMES):
        files, rows, bad = content(number)
        at.land(files)
        process = FORKS.Process(target=load_once, args=(tmp_path, variables))
        process.start()
        process.join(chance.uniform(0, took))
        process.kill()
        process.join()
        killed += process.exitcode == -9

        # Readers see the old day or the new one.
        held = at.query(
            f"select order_number, shop, loaves from raw.orders where _partition_key = '{DAY}' order by all"
        )
        assert held in (before, rows), f"after kill {number}"
        loaded = at.load()
        assert (loaded.rows, loaded.quarantined, loaded.read) == (len(rows), 1, len(rows) + 1)
        held = at.query(
            f"select order_number, shop, loaves from raw.orders where _partition_key = '{DAY}' order by all"
        )
        assert held == rows
        assert at.quarantine("file, line") == bad
        _check_nothing_is_left_over(at, number)
        before = rows
    assert killed >= KILLS[storage.kind] * TIMES / 5
    assert at.query(f"select shop from raw.orders where _partition_key = '{NEXT}'") == [("other day",)]


def _seconds(at: Door, variables: Mapping[str, str]) -> float:
    """Return how long a load takes from its fork to its end: the shortest of three."""
    took: list[float] = []
    for number in range(3):
        at.land(content(900 + number)[0])
        begin = time.monotonic()
        process = FORKS.Process(target=load_once, args=(at.folder, variables))
        process.start()
        process.join()
        took.append(time.monotonic() - begin)
        assert process.exitcode == 0
    at.land({"1": f"{HEADER}\n"})
    at.load()
    return min(took)


def _check_nothing_is_left_over(at: Door, number: int) -> None:
    drop = at.drop()
    assert list(at.deployment.staging.listing()) == []
    assert list((at.deployment.settings.data_dir / "scratch").iterdir()) == []
    folder = f"orders/{DAY}/{drop.ordinal:06d}-{drop.digest[:16]}"
    kept = sorted(entry.path for entry in at.deployment.originals.listing(f"{folder}/**"))
    assert kept == [f"{folder}/part-1.csv", f"{folder}/part-2.csv"], f"after kill {number}"
    made = sorted(entry.path.rpartition("/")[2] for entry in at.deployment.processing.listing(f"{folder}/**"))
    assert len(made) == 2, made
    assert made[0] == "manifest.json"
    assert made[1].startswith("rows-")
