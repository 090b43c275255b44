"""Whether a run still has its process: by its lease, and where it has none by the process's number.

A zombie is no process, nor is another with its number; and of a process elsewhere nobody can tell.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import dagster as dg
import psutil
import pytest
from dagster._core.events import DagsterEvent, DagsterEventType
from sluicegate.core.processes import process_of, this_process
from sluicegate.graph.crashes import DIED_TAG, STARTED_BY_COMMAND, STARTED_BY_TAG, bury_dead_runs
from sluicegate.graph.run_leases import executing, place_tags
from sluicegate.state.held_lease import LeaseLost
from sluicegate.state.leases import run_name
from sluicegate.state.store import StateStore

from tests.machines import elsewhere
from tests.unit.test_state_leases import GONE, HOLDERS, HOUR, NAME, held_by

pytestmark = pytest.mark.long  # it starts processes
ROOT = Path(__file__).resolve().parent.parent.parent
STARTED = dg.DagsterRunStatus.STARTED
# Seconds after which a lease of a minute runs out: by then, and four minutes later, nobody has renewed it.
RUN_OUT, LONG_AGO = -170.0, -190.0


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        yield instance


@pytest.fixture
def zombie() -> Iterator[int]:
    """A process that was killed and nobody has waited for, as of orphans in a container without init."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        yield process.pid


def started_run(
    instance: dg.DagsterInstance, pid: int, seen_at: float, tags: dict[str, str] | None = None
) -> dg.DagsterRun:
    """Return a run under way whose process wrote its last event at a time."""

    @dg.job
    def day() -> None: ...

    run = instance.create_run_for_job(day, status=STARTED, tags=place_tags() if tags is None else tags)
    sign = DagsterEvent(DagsterEventType.STEP_START.value, "day", step_key="day", pid=pid)
    instance.report_dagster_event(sign, run.run_id, timestamp=seen_at)
    return run


def status(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dg.DagsterRunStatus:
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    return found.status


def died(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    return DIED_TAG in found.tags


@pytest.mark.sampled(2)
@pytest.mark.parametrize("seconds", [HOUR, RUN_OUT, LONG_AGO])
def test_a_lease_says_whether_its_run_is_dead(
    instance: dg.DagsterInstance, store: StateStore, state_url: str, seconds: float
) -> None:
    # Its number is in use, as number 1 is in every container: that says nothing.
    runs = {who: started_run(instance, 1, time.time()) for who in HOLDERS}
    for who, run in runs.items():
        held_by(state_url, HOLDERS[who][0], seconds, name=run_name(run.run_id))
    said: list[str] = []
    buried = bury_dead_runs(instance, store.leases, ask_again=True, say=said.append)
    dead = set(HOLDERS) if seconds == LONG_AGO else GONE
    assert set(buried) == {runs[who].run_id for who in dead}
    for who, run in runs.items():
        assert status(instance, run) is (dg.DagsterRunStatus.FAILURE if who in dead else STARTED)
        assert died(instance, run) is (who in dead)
        assert (store.leases.standing(run_name(run.run_id)) is None) is (who in dead)
    doubtful = {f"run {run.run_id[:8]} may be dead" for who, run in runs.items() if who not in dead}
    assert {text.partition(":")[0] for text in said} == (doubtful if seconds == RUN_OUT else set())


def test_what_dagster_saw_die_itself_leaves_no_lease_behind(
    instance: dg.DagsterInstance, store: StateStore, state_url: str
) -> None:
    run = started_run(instance, os.getpid(), time.time())
    held_by(state_url, HOLDERS["one that is gone"][0], HOUR, name=run_name(run.run_id))
    held_by(state_url, HOLDERS["one that is gone"][0], HOUR)
    held_by(state_url, HOLDERS["this process"][0], HOUR, name=run_name("which works"))
    instance.report_run_failed(run)
    assert bury_dead_runs(instance, store.leases, ask_again=True) == []
    standing = [store.leases.standing(name) for name in (run_name(run.run_id), NAME, run_name("which works"))]
    assert [item is None for item in standing] == [True, False, False]


def test_a_run_that_was_buried_is_lost_to_its_process(
    instance: dg.DagsterInstance, store: StateStore, another_process: StateStore
) -> None:
    run = started_run(instance, os.getpid(), time.time())
    with executing(store.leases, run.run_id) as lease:
        store.leases.require_runs_now()
        assert bury_dead_runs(instance, another_process.leases, ask_again=True) == []
        standing = another_process.leases.standing(run_name(run.run_id))
        assert standing is not None
        assert another_process.leases.end(standing)
        with pytest.raises(LeaseLost):
            store.leases.require_runs_now()
        with pytest.raises(LeaseLost):
            lease.still_held()
    store.leases.require_runs_now()  # what comes after it is another run's


_BURIES = """
import sys
import dagster as dg
from sluicegate.graph.crashes import bury_dead_runs
from sluicegate.state.store import StateStore
with dg.DagsterInstance.local_temp(sys.argv[1]) as instance:
    print(bury_dead_runs(instance, StateStore(sys.argv[2]).leases, ask_again=True))
"""


@pytest.mark.sampled(2)
def test_another_containers_daemon_does_not_bury_a_run_that_lives_here(
    instance: dg.DagsterInstance, store: StateStore, state_url: str, tmp_path: Path
) -> None:
    # By their numbers both are gone there, and the second has no lease yet.
    runs = [started_run(instance, os.getpid(), time.time()) for _ in range(2)]
    command = elsewhere([sys.executable, "-c", _BURIES, str(tmp_path), state_url])
    with executing(store.leases, runs[0].run_id):
        assert subprocess.check_output(command, cwd=ROOT, text=True).strip() == "[]"
    assert [status(instance, run) for run in runs] == [STARTED, STARTED]


@pytest.mark.parametrize(("by_command", "ask_again"), [(True, False), (False, True), (False, False)])
def test_what_died_is_asked_for_again_where_dagster_does_not_retry_it(
    instance: dg.DagsterInstance, store: StateStore, state_url: str, by_command: bool, ask_again: bool
) -> None:
    tags = {STARTED_BY_TAG: STARTED_BY_COMMAND} if by_command else {}
    run = started_run(instance, os.getpid(), time.time(), tags)
    held_by(state_url, HOLDERS["one that is gone"][0], HOUR, name=run_name(run.run_id))
    assert bury_dead_runs(instance, store.leases, ask_again=ask_again) == [run.run_id]
    assert died(instance, run) is (by_command or ask_again)


def test_a_run_whose_process_works_is_left_alone(instance: dg.DagsterInstance, store: StateStore) -> None:
    run = started_run(instance, os.getpid(), time.time())
    assert bury_dead_runs(instance, store.leases, ask_again=True) == []
    assert status(instance, run) is STARTED


def test_a_run_whose_process_is_a_zombie_is_buried(
    instance: dg.DagsterInstance, store: StateStore, state_url: str, zombie: int
) -> None:
    started = process_of(zombie)
    runs = [started_run(instance, zombie, time.time()) for _ in range(2)]
    held_by(state_url, replace(started, started="1"), HOUR, name=run_name(runs[0].run_id))
    assert set(bury_dead_runs(instance, store.leases, ask_again=True)) == {run.run_id for run in runs}
    assert {status(instance, run) for run in runs} == {dg.DagsterRunStatus.FAILURE}


def test_a_run_whose_process_number_is_somebody_elses_by_now_is_buried(
    instance: dg.DagsterInstance, store: StateStore
) -> None:
    run = started_run(instance, os.getpid(), psutil.Process().create_time() - 60)
    assert bury_dead_runs(instance, store.leases, ask_again=True) == [run.run_id]
    assert status(instance, run) is dg.DagsterRunStatus.FAILURE


@pytest.mark.parametrize("place", [{}, {".dagster/sluice_process_place": "another boot pid:[1]"}])
def test_a_run_without_a_lease_that_is_of_nobody_knows_where_is_left_alone_and_said_so(
    instance: dg.DagsterInstance, store: StateStore, zombie: int, place: dict[str, str]
) -> None:
    run = started_run(instance, zombie, time.time(), place)
    said: list[str] = []
    assert bury_dead_runs(instance, store.leases, ask_again=True, say=said.append) == []
    assert status(instance, run) is STARTED
    [told] = said
    assert told.startswith(f"run {run.run_id[:8]} is left alone: it has no lease")
    assert f"its process {zombie} works" in told
    assert this_process().place not in place.values()


def test_a_run_that_no_process_has_begun_is_left_alone(
    instance: dg.DagsterInstance, store: StateStore, state_url: str
) -> None:
    """But for one of a command that had its lease already."""

    @dg.job
    def day() -> None: ...

    runs = [instance.create_run_for_job(day, status=dg.DagsterRunStatus.NOT_STARTED) for _ in range(2)]
    held_by(state_url, HOLDERS["one that is gone"][0], HOUR, name=run_name(runs[0].run_id))
    said: list[str] = []
    assert bury_dead_runs(instance, store.leases, ask_again=True, say=said.append) == [runs[0].run_id]
    assert said == []
