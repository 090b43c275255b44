"""A deploy that ends anywhere is run again, and the end is the same; random graphs in any order of files.

A longer run: `SLUICE_TEST_KILLS=10` stops at every command, and tries ten times as many graphs. Does not
belong here: what one deploy sends (`test_deploying`).
"""

import os
import random
import threading
from collections.abc import Callable

import pytest
from sluicegate.kusto import deploying
from sluicegate.kusto.deploying import DeployStopped
from sluicegate.kusto.planned import State

from tests.doubles.kusto_language import Refused
from tests.kusto.bench import KustoBench, function
from tests.kusto.test_deploying import FILES

KILLS = int(os.environ.get("SLUICE_TEST_KILLS", "1"))
COMMANDS = 15
STOPS = range(COMMANDS) if KILLS > 1 else (0, 6, COMMANDS - 1)
GRAPHS = range(3 * KILLS)


class Killed(BaseException):
    """What nobody catches: nothing is done after it."""


def _dies_after(bench: KustoBench, number: int) -> None:
    """The process ends when a command is done, and before that is on record."""

    class Dying(list[str]):
        def append(self, line: str) -> None:
            if len(self) == number:
                raise Killed
            super().append(line)

    bench.said = Dying()


def _is_refused_at(bench: KustoBench, number: int) -> None:
    """The cluster says no to a command, whatever it is."""
    seen: list[str] = []

    def refuse(text: str) -> None:
        if not text.startswith(".show"):
            seen.append(text)
            if len(seen) == number + 1:
                raise Refused("Forbidden", "Kusto.Data.Exceptions.SecurityException", "no", 403)

    bench.kusto.before = refuse


@pytest.mark.parametrize("stops", [_dies_after, _is_refused_at])
@pytest.mark.parametrize("number", STOPS)
def test_a_deploy_that_ends_early_goes_on_where_it_ended(
    kusto_there: KustoBench, stops: Callable[[KustoBench, int], None], number: int
) -> None:
    bench = kusto_there
    bench.write(FILES)
    bench.deliver()
    stops(bench, number)
    with pytest.raises((Killed, DeployStopped)):
        bench.deploy()
    bench.said, bench.kusto.before = [], lambda _: None
    bench.deploy()
    assert bench.states() == {}
    assert len(bench.store.kusto_objects.of("adx://there/db")) == 9
    assert {*bench.kusto.objects.functions} == {"A", "N", "OfMade", "OfView", "Visible", "Zero"}
    sent = bench.sent()[1:]
    assert len(sent) <= COMMANDS + 1  # nothing but the one under way was sent twice


def test_lost_answers_and_a_cluster_that_is_busy_change_nothing(kusto_there: KustoBench) -> None:
    bench = kusto_there
    bench.write(FILES)
    bench.deliver()
    bench.kusto.lost = [
        ".create-or-alter function A",
        ".create-or-alter materialized-view",
        ".alter table items",
    ]
    bench.kusto.throttled = 2
    bench.deploy()
    assert bench.states() == {}


def test_a_cluster_that_falters_in_the_middle_is_asked_again_and_one_that_fails_is_told(
    kusto_there: KustoBench,
) -> None:
    bench, seen = kusto_there, list[str]()
    bench.write(FILES)
    bench.deliver()

    def falter(text: str) -> None:
        seen.append(text)
        if not text.startswith(".show"):
            number = sum(not one.startswith(".show") for one in seen)
            bench.kusto.broken = {3: 1, 9: 99}.get(number, 0)
            bench.kusto.throttled = {6: 1}.get(number, 0)

    bench.kusto.before = falter
    with pytest.raises(
        DeployStopped, match="could not be asked to .* 4 times: .*deployed before: table items"
    ):
        bench.deploy()
    assert len(bench.sent()) == 1 + 9
    bench.kusto.before, bench.kusto.broken = lambda _: None, 0
    bench.deploy()
    assert (bench.states(), len(bench.sent())) == ({}, 1 + COMMANDS)


def test_a_cluster_that_does_not_answer_is_told_and_nothing_is_on_record(kusto_there: KustoBench) -> None:
    bench = kusto_there
    bench.write({"functions/One.kql": function("One", "print 1")})
    bench.kusto.token = "another"
    with pytest.raises(Exception, match="does not let the principal show its"):
        bench.plan()
    assert bench.store.kusto_objects.of("adx://there/db") == {}


def test_a_second_deploy_waits_for_the_first_and_sends_nothing(kusto_there: KustoBench) -> None:
    bench = kusto_there
    bench.write(FILES)
    bench.deliver()
    reached, goes_on = threading.Event(), threading.Event()

    def pause(text: str) -> None:
        if text.startswith(".create-or-alter function N"):
            reached.set()
            assert goes_on.wait(30)

    bench.kusto.before = pause
    first = threading.Thread(target=bench.deploy)
    first.start()
    assert reached.wait(30)
    told: list[str] = []
    second = KustoBench(bench.folder, bench.parser, bench.kusto, bench.url, bench.store, said=told)

    class Waiting(list[str]):
        def append(self, line: str) -> None:
            super().append(line)
            goes_on.set()

    second.said = Waiting()
    assert second.deploy() == 0
    first.join(30)
    assert "which is at work on kusto adx://there/db" in second.said[0]
    assert len(bench.sent()) == COMMANDS + 1
    assert second.states() == {}


@pytest.mark.parametrize("seed", GRAPHS)
def test_random_graphs_are_never_refused(kusto_there: KustoBench, seed: int) -> None:
    bench, chance = kusto_there, random.Random(seed)
    bench.deliver()
    names = [f"{chance.choice('abcXYZ')}{chance.randrange(1000)}_{number}" for number in range(12)]
    chance.shuffle(names)
    files = {}
    for number, name in enumerate(names):
        read = chance.sample(names[:number], min(number, chance.randrange(3)))
        body = "items | take 1" if not read else f"union {', '.join(f'({one}())' for one in read)}"
        files[f"functions/{name}.kql"] = function(name, f"{body} // {chance.random()}")
    bench.write(files)
    assert bench.deploy() == len(names)
    assert bench.states() == {}
    # Others change, and some are gone.
    for name in chance.sample(names, 4):
        files[f"functions/{name}.kql"] = function(name, "items | take 2")
    bench.write(files)
    bench.deploy()
    assert bench.states() == {}
    bench.write({"functions/Last.kql": function("Last", "items")})
    assert {*bench.states().values()} == {State.REMOVE, State.CREATE}
    bench.deploy(prune=True)
    assert {*bench.kusto.objects.functions} == {"Last"}


def test_a_command_that_takes_long_is_told_while_it_does(
    kusto_there: KustoBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = kusto_there
    told = threading.Event()

    class Telling(list[str]):
        def append(self, line: str) -> None:
            super().append(line)
            told.set()

    def wait(text: str) -> None:
        assert text.startswith(".show") or told.wait(30)

    monkeypatch.setattr(deploying, "_SILENT_SECONDS", 0.01)
    bench.said, bench.kusto.before = Telling(), wait
    bench.write({"functions/F.kql": function("F", "print 1")})
    bench.deploy()
    assert bench.said[0] == "still at it: to create the function F (kusto/functions/F.kql:1)"
    assert bench.said[1].startswith("creates function F  kusto/functions/F.kql:1")
