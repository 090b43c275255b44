"""A rate belongs to the account: exports and processes of one machine keep it together.

Belongs here: the file that they share, whatever becomes of who writes it. Does not: arithmetic of one pace
(`test_pace`), sending (`test_batches`).
"""

import fcntl
import heapq
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from random import Random
from time import monotonic, perf_counter
from typing import Any

import pytest
from sluicegate.destinations.accounts import Account, account_file
from sluicegate.destinations.base import Mode
from sluicegate.destinations.batches import BatchDestination
from sluicegate.destinations.hubspot import HubSpotDestination, HubSpotOptions
from sluicegate.destinations.pace import OutOfTime, Pace, Rate, Turn
from sluicegate.destinations.registry import destination_types

from tests.doubles.hubspot import TOKEN, HubSpotDouble
from tests.doubles.serving import serve

from .cases.hubspot import PROPERTIES
from .journals import MemoryJournal
from .support import DAY, rows_of, write_shard
from .test_pace import Clock

NOW = 1_000.0


def account(folder: Path, name: str = "an app") -> Account:
    return Account(account_file(folder, name))


def paces(folder: Path, clock: Clock, *rates: Rate) -> list[Pace]:
    """Paces of as many exports; each opens the account anew, as a process of its own would."""
    return [Pace(rate, 1e9, clock, account=account(folder)) for rate in rates]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("rate", "exports", "senders", "longest_latency"),
    [(Rate(40, 10.0), 3, 4, 0.75), (Rate(10, 1.0), 2, 4, 0.07), (Rate(1, 0.5), 4, 1, 0.03)],
)
def test_no_window_of_all_exports_together_has_more_than_the_rate(
    tmp_path: Path, rate: Rate, exports: int, senders: int, longest_latency: float, seed: int
) -> None:
    clock, chance, windows = Clock(), Random(seed), 15
    sharing = paces(tmp_path, clock, *[rate] * exports)
    start, arrivals = clock.now, list[float]()
    answers: list[tuple[float, int, int, Turn]] = []
    idle = [senders] * exports
    while clock.now < start + windows * rate.seconds:
        waiting = [one for one in range(exports) if idle[one]]
        chance.shuffle(waiting)
        free = {one: sharing[one].next_free(clock.now) for one in waiting}
        if going := [one for one in waiting if free[one] <= clock.now]:
            one = going[0]
            turn = sharing[one].turn()
            latency = chance.uniform(0, longest_latency)
            arrivals.append(clock.now + chance.uniform(0, latency))
            heapq.heappush(answers, (clock.now + latency, len(arrivals), one, turn))
            idle[one] -= 1
            continue
        clock.now = min([*(answer[0] for answer in answers[:1]), *free.values()])
        while answers and answers[0][0] <= clock.now:
            _, _, one, turn = heapq.heappop(answers)
            sharing[one].answered(turn)
            idle[one] += 1
    arrivals.sort()
    for first, last in zip(arrivals, arrivals[rate.requests :], strict=False):
        assert last - first >= rate.seconds - 1e-6
    assert len(arrivals) >= 0.9 * windows * rate.requests


def test_a_stricter_export_counts_the_requests_of_the_others(tmp_path: Path) -> None:
    clock = Clock()
    generous, strict, slow = paces(tmp_path, clock, Rate(5, 10.0), Rate(2, 10.0), Rate(3, 60.0))
    for _ in range(3):
        generous.answered(generous.turn())
    assert generous.next_free(clock.now) <= clock.now
    assert strict.next_free(clock.now) == pytest.approx(clock.now + 10.0)
    clock.now += 11.0
    strict.answered(strict.turn())
    assert slow.next_free(clock.now) == pytest.approx(clock.now - 11.0 + 60.0)


def test_while_the_vendor_asks_one_export_to_wait_no_other_goes(tmp_path: Path) -> None:
    clock = Clock()
    asked, other = paces(tmp_path, clock, Rate(5, 1.0), Rate(5, 1.0))
    asked.pause(20.0)
    assert other.next_free(clock.now) == clock.now + 20.0
    brief = Pace(Rate(5, 1.0), 10.0, clock, account=account(tmp_path))
    with pytest.raises(OutOfTime):
        brief.turn()


def test_a_turn_whose_process_died_stops_counting_by_itself(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from sluicegate.destinations.accounts import *;"
        "from sluicegate.destinations.pace import *;"
        "Pace(Rate(1, 60.0), 9.0, account=Account(account_file(Path(sys.argv[1]), 'an app'))).turn();"
        "os.kill(os.getpid(), 9)"
    )
    died = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert died.returncode == -9
    now = monotonic()
    free = account(tmp_path).free(now, 1, 60.0)
    assert now < free <= now + 120.0


def test_who_stands_still_with_the_lock_holds_nobody_longer_than_the_budget(tmp_path: Path) -> None:
    path = account_file(tmp_path, "an app")
    held = os.open(path, os.O_RDWR | os.O_CREAT)
    fcntl.flock(held, fcntl.LOCK_EX)
    with pytest.raises(OutOfTime):
        Pace(Rate(5, 1.0), 0.5, account=Account(path)).turn()
    os.close(held)
    assert Pace(Rate(5, 1.0), 30.0, account=Account(path)).turn()


@pytest.mark.parametrize("content", [b"", b"x", b"no head at all" * 10, b"sluice01" + b"\xff" * 60])
def test_a_file_that_is_none_begins_anew(tmp_path: Path, content: bytes) -> None:
    path = account_file(tmp_path, "an app")
    path.write_bytes(content)
    held = Account(path)
    assert held.claim(NOW, NOW, 1, 10.0) == (NOW, 0)
    assert Account(path).claim(NOW, NOW, 1, 10.0) == (NOW + 10.0, -1)


def test_moments_of_another_start_of_the_machine_count_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert account(tmp_path).claim(NOW, NOW, 1, 10.0) == (NOW, 0)
    monkeypatch.setattr("sluicegate.destinations.accounts._boot", lambda: b"another start")
    assert account(tmp_path).claim(NOW, NOW, 1, 10.0) == (NOW, 0)


def test_the_file_grows_no_larger_than_what_counts(tmp_path: Path) -> None:
    held = account(tmp_path)
    for number in range(1_000):
        assert held.claim(NOW + number, NOW + number, 10, 5.0)[1] >= 0
    assert account_file(tmp_path, "an app").stat().st_size <= 64 + 8 * 10


def test_a_turn_costs_far_less_than_a_request(tmp_path: Path) -> None:
    # The largest window there is: Braze's.
    held, costs = account(tmp_path), list[float]()
    for number in range(3_000):
        began = perf_counter()
        _, place = held.claim(NOW, NOW, 3_000, 3.0)
        held.settle(place, NOW, NOW + number * 1e-6)
        costs.append(perf_counter() - began)
    # The best of them, as others use this machine, too.
    assert min(costs[-300:]) < 0.003


def test_nothing_of_a_credential_can_be_read(tmp_path: Path) -> None:
    account(tmp_path, "webhook\nshop.example\n:s3cret").claim(NOW, NOW, 1, 1.0)
    found = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert not [name for name, content in found.items() if b"s3cret" in content or "s3cret" in name]
    assert {path.stat().st_mode & 0o077 for path in tmp_path.iterdir()} == {0}
    assert account_file(tmp_path, "one") != account_file(tmp_path, "other")
    assert account_file(tmp_path, "one") == account_file(tmp_path, "one")


_SAME: Mapping[str, tuple[tuple[str, str, str], tuple[str, str, str], bool]] = {
    "two objects of one app": (
        ("hubspot", "hubspot://:T@api.hubapi.com", "contacts"),
        ("hubspot", "hubspot://7:T@api.hubapi.com", "deals"),
        True,
    ),
    "users and events": (
        ("braze", "braze://:K@rest.iad-01.braze.com", "users"),
        ("braze_events", "braze://:K@rest.iad-01.braze.com", "seen"),
        True,
    ),
    "two apps": (
        ("hubspot", "hubspot://:T@api.hubapi.com", "contacts"),
        ("hubspot", "hubspot://:U@api.hubapi.com", "contacts"),
        False,
    ),
    "two paths of one receiver": (
        ("webhook", "webhook://:s@shop.example/a?previous_secret=x", "items"),
        ("webhook", "webhook://:s@SHOP.example/b", "orders"),
        True,
    ),
    "two receivers": (
        ("webhook", "webhook://:s@shop.example/a", "items"),
        ("webhook", "webhook://:s@mill.example/a", "items"),
        False,
    ),
}


@pytest.mark.parametrize("pair", _SAME)
def test_what_an_account_is(pair: str) -> None:
    one, other, same = _SAME[pair]
    found: list[Any] = [destination_types[name](url, of) for name, url, of in (one, other)]
    assert all(isinstance(made, BatchDestination) for made in found)
    assert (found[0].account() == found[1].account()) is same


def test_two_exports_of_one_app_stay_below_its_rate(tmp_path: Path) -> None:
    double = HubSpotDouble(PROPERTIES, requests=20, seconds=1.0)
    ended: list[MemoryJournal] = []

    def deliver(address: str, first: int) -> None:
        options = HubSpotOptions(requests_in_10_seconds=20)
        destination = HubSpotDestination(f"hubspot://:{TOKEN}@{address}", "contacts", options)
        destination.rates = tmp_path / "rates"
        destination.batch_rows = 1  # pyright: ignore
        rate = Rate(20, 1.0)
        destination.rate_allowed = lambda: rate  # pyright: ignore
        rows = [(number + first, day, note) for number, day, note in rows_of(DAY, 30, "x")]
        shard = write_shard(tmp_path, rows, key=("item",), mode=Mode.UPSERT)
        destination.send(shard, journal := MemoryJournal(shard.rows))
        ended.append(journal)

    with serve(double.app) as address:
        threads = [threading.Thread(target=deliver, args=(address, first)) for first in (0, 100)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
    assert [journal.pending() for journal in ended] == [[], []]
    assert len(double.records) == 60
    # None on an idle machine: of a request that takes long the arrival is not sure.
    assert double.refused <= 3
