"""kill -9 of a delivery, at random moments and on purpose between send and acknowledge, for each destination.

The process that is killed is forked from one that has imported everything, so that the moments are those of
the delivery and not of its start. What stands at the destination after a restart is read without our code.
"""

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from sluicegate.destinations.base import Mode
from sluicegate.destinations.registry import destination_types
from sluicegate.state.deliveries import Deliveries

from .cases import Case, case_class, case_names
from .deliveries import DAY, Rows, Sender

# A longer run: SLUICE_TEST_KILLS=100 makes it two hundred for each destination.
KILLS = 2 * int(os.environ.get("SLUICE_TEST_KILLS", "1"))
# A longer run takes as much longer.
pytestmark = [pytest.mark.long, pytest.mark.timeout(300 * KILLS)]
ROWS = 400
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    [
        "tests.delivery.deliveries", "duckdb", "httpx", "pyarrow.parquet", "adbc_driver_postgresql.dbapi",
        "s3fs", "adlfs",
    ]
)  # fmt: skip


@pytest.fixture(params=case_names())
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
    opened = case_class(request.param)(request, tmp_path)
    yield opened
    opened.close()


def sender(folder: Path, kind: str, place: Mapping[str, Any]) -> Sender:
    """What delivers to a case's destination, in any process."""
    destination_class = destination_types[kind]
    destination = destination_class(
        place["url"], place["object_name"], destination_class.options_model(**place["options"])
    )
    return Sender(
        folder,
        destination,
        place["mode"],
        names=place["names"],
        single_key=destination_class.capabilities.keys.single,
    )


def deliver_once(
    folder: Path, kind: str, place: Mapping[str, Any], rows: Rows, version: str, die_at: int | None
) -> None:
    """Deliver rows; with `die_at` the process ends right before its n-th acknowledgement."""
    if die_at is not None:
        acknowledge, left = Deliveries.acknowledge, [die_at]

        def deadly(*arguments: Any) -> None:
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= 1
            acknowledge(*arguments)

        setattr(Deliveries, "acknowledge", deadly)  # noqa: B010 - the type is another on purpose
    sender(folder, kind, place).deliver(rows, version, day=DAY)


def mode_of(case: Case) -> Mode:
    """The mode in which a destination can lose most: one that removes, if it has one."""
    modes = case.destination_class.capabilities.modes
    return next(mode for mode in (Mode.MIRROR, Mode.UPSERT, Mode.SNAPSHOT, Mode.APPEND) if mode in modes)


def rows_of(number: int, mode: Mode) -> dict[int, str]:
    """The rows of the n-th version: most change, some come and some go, as the mode knows it."""
    if mode is Mode.APPEND:
        return dict.fromkeys(range(ROWS * (number + 1) // 4), "once")
    if mode is Mode.UPSERT:
        return dict.fromkeys(range(ROWS), f"note {number}")
    return dict.fromkeys(range(number * 7, ROWS + number * 7), f"note {number}")


def held(case: Case) -> dict[int, str]:
    item, note = case.name("item"), case.name("note")
    found = case.contents()
    rows = {int(row[item]): row[note] for row in found}
    assert len(rows) == len(found), "a key stands twice at the destination"
    return rows


@pytest.mark.sampled(6)
def test_a_killed_delivery_is_taken_up(case: Case, tmp_path: Path) -> None:
    mode = mode_of(case)
    place = {
        "url": case.url,
        "object_name": case.object_name,
        "options": {**case.options, **case.options_for_many},
        "names": dict(case.names),
        "mode": mode,
    }
    folder = tmp_path / "ours"
    folder.mkdir()
    at = sender(folder, case.type_name, place)
    began = time.monotonic()
    at.deliver(rows_of(0, mode), "0")
    took = time.monotonic() - began
    chance, killed = random.Random(20240101), 0
    for number in range(1, 4 * KILLS + 8):
        if killed == KILLS:
            break
        rows, version = rows_of(number, mode), str(number)
        # Every other time it dies on purpose, after the destination took rows and before we wrote that down.
        die_at = chance.randrange(3 if case.in_parts else 1) if number % 2 else None
        process = FORKS.Process(
            target=deliver_once, args=(folder, case.type_name, place, rows, version, die_at)
        )
        process.start()
        process.join(60 if number % 2 else chance.uniform(0, took))
        process.kill()
        process.join()
        killed += process.exitcode == -signal.SIGKILL
        if number % 4 == 0:
            # The data have changed meanwhile: a newer plan takes the place of the one that was under way.
            rows, version = rows_of(number + 1, mode), f"{number}, corrected"
        outcome = at.deliver(rows, version)
        assert not outcome.refused
        assert held(case) == rows, f"after kill {number}"
        assert at.recorded() == rows, f"after kill {number}"
        assert not at.deliver(rows, version).sent, "nothing is sent a second time"
    assert killed == KILLS, "most kills came too late"
    print(f"{case.type_name}: {killed} kills, {case.twice()} rows arrived twice")
    if "exactly once" in case.destination_class.guarantee:
        assert case.twice() == 0
