"""How fast senders go, on a clock that the test turns, and what answers ask for."""

import heapq
from random import Random

import pytest
from sluicegate.destinations.http import base_url, wait_asked_for
from sluicegate.destinations.pace import Halted, OutOfTime, Pace, Rate, Turn, back_off_seconds


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def arrivals_of(rate: Rate, senders: int, longest_latency: float, until: float, seed: int) -> list[float]:
    """When requests reach the vendor, of senders that go whenever the pace lets them."""
    clock, chance = Clock(), Random(seed)
    pace = Pace(rate, budget_seconds=1e9, clock=clock)
    start = clock.now
    arrivals: list[float] = []
    answers: list[tuple[float, int, Turn]] = []
    idle = senders
    while clock.now < start + until:
        free = pace.next_free(clock.now)
        if idle and free <= clock.now:
            turn = pace.turn()
            latency = chance.uniform(0, longest_latency)
            arrivals.append(clock.now + chance.uniform(0, latency))
            heapq.heappush(answers, (clock.now + latency, len(arrivals), turn))
            idle -= 1
            continue
        answered = answers[0][0] if answers else float("inf")
        clock.now = min(answered, free if idle else answered)
        if clock.now == answered:
            pace.answered(heapq.heappop(answers)[2])
            idle += 1
    return sorted(arrivals)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("rate", "senders", "longest_latency"),
    [(Rate(190, 10.0), 8, 0.75), (Rate(10, 1.0), 4, 0.07), (Rate(3, 60.0), 4, 4.0), (Rate(1, 0.5), 2, 0.03)],
)
@pytest.mark.sampled(4)
def test_no_window_has_more_than_the_rate_and_nearly_all_of_it_is_used(
    rate: Rate, senders: int, longest_latency: float, seed: int
) -> None:
    windows = 40
    arrivals = arrivals_of(rate, senders, longest_latency, windows * rate.seconds, seed)
    for first, last in zip(arrivals, arrivals[rate.requests :], strict=False):
        assert last - first >= rate.seconds - 1e-6
    assert len(arrivals) >= 0.95 * windows * rate.requests


def test_a_request_that_arrives_late_is_waited_for() -> None:
    clock = Clock()
    pace = Pace(Rate(2, 10.0), budget_seconds=1e9, clock=clock)
    late, quick = pace.turn(), pace.turn()
    pace.answered(quick)
    clock.now += 4.0
    pace.answered(late)
    clock.now += 6.0
    pace.answered(pace.turn())
    assert pace.next_free(clock.now) == pytest.approx(clock.now + 4.0)


def test_a_slow_vendor_is_not_asked_faster_than_it_allows() -> None:
    clock = Clock()
    pace = Pace(Rate(2, 10.0), budget_seconds=1e9, clock=clock)
    slow, _ = pace.turn(), pace.turn()
    # Where nobody knows when a request arrived, the window is counted from its answer, for a while.
    assert clock.now + 10.0 < pace.next_free(clock.now) <= clock.now + 20.0
    clock.now += 20.0
    pace.answered(slow)
    assert pace.next_free(clock.now) <= clock.now


def test_while_the_vendor_asks_to_wait_nobody_goes() -> None:
    clock = Clock()
    pace = Pace(None, budget_seconds=60.0, clock=clock)
    pace.pause(20.0)
    pace.pause(5.0)
    assert pace.next_free(clock.now) == clock.now + 20.0
    clock.now += 20.0
    assert pace.turn().started == clock.now


def test_a_wait_beyond_the_budget_is_not_waited_for() -> None:
    pace = Pace(None, budget_seconds=60.0, clock=Clock())
    with pytest.raises(OutOfTime):
        pace.rest(61.0)
    pace.pause(61.0)
    with pytest.raises(OutOfTime):
        pace.turn()


def test_who_waits_is_woken_when_all_is_halted() -> None:
    pace = Pace(None, budget_seconds=60.0, clock=Clock())
    pace.halt()
    for wait in (pace.turn, lambda: pace.rest(30.0)):
        with pytest.raises(Halted):
            wait()


def test_back_off_doubles_is_spread_and_has_an_end() -> None:
    waits = [[back_off_seconds(attempt, None) for _ in range(50)] for attempt in (0, 1, 2, 50)]
    for longest, found in zip((0.5, 1.0, 2.0, 60.0), waits, strict=True):
        assert longest / 2 <= min(found) < max(found) <= longest
    assert all(7.0 <= back_off_seconds(0, 7.0) <= 7.7 for _ in range(50))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "12"}, 12.0),
        ({"retry-after": "Fri, 13 Nov 2026 10:00:30 GMT"}, 30.0),
        ({"retry-after": "Fri, 13 Nov 2026 09:00:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"x-ratelimit-reset": "1794564020"}, 20.0),
        ({"x-ratelimit-reset": "1794564020500"}, 20.5),
        ({"ratelimit-reset": "7"}, 7.0),
        ({"retry-after": "3", "x-ratelimit-reset": "9"}, 3.0),
    ],
)
def test_what_an_answer_asks_for_is_read(headers: dict[str, str], seconds: float | None) -> None:
    # 13 November 2026, 10:00:00 UTC.
    assert wait_asked_for(headers, 1794564000.0) == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("hubspot://:TOKEN@api.hubapi.com", "https://api.hubapi.com"),
        ("webhook://:p@ss/w@rd@Example.com:8443/a/b?c=d@e", "https://example.com:8443"),
        ("braze://:KEY@127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("adx://a:b@localhost/database", "http://localhost"),
        ("adx://a:b@[::1]:90/database", "http://[::1]:90"),
    ],
)
def test_only_this_machine_is_spoken_to_without_encryption(url: str, base: str) -> None:
    assert base_url(url) == base


def test_a_sender_of_several_requests_gives_each_turn_back_before_the_next() -> None:
    clock = Clock()
    pace = Pace(Rate(2, 1.0), budget_seconds=100.0, clock=clock)
    first = pace.turn()
    clock.now += 5.0
    # The request was answered long ago, and counts no more once that is said, and only once.
    pace.give_back()
    clock.now += 3.0
    second = pace.turn()
    pace.answered(first)
    assert pace.next_free(clock.now) <= clock.now
    pace.answered(second)
    assert pace.turn() is not second
    assert pace.next_free(clock.now) > clock.now
