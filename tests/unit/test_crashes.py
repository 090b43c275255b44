"""Whether a run still has its process: a zombie is none, nor is another process with its number."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import psutil
import pytest
from dagster._core.events import DagsterEvent, DagsterEventType

from orchestration.graph.crashes import bury_dead_runs

pytestmark = pytest.mark.long  # it starts processes


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


def started_run(instance: dg.DagsterInstance, pid: int, seen_at: float) -> dg.DagsterRun:
    """Return a run under way whose process wrote its last event at a time."""

    @dg.job
    def day() -> None: ...

    run = instance.create_run_for_job(day, status=dg.DagsterRunStatus.STARTED)
    sign = DagsterEvent(DagsterEventType.STEP_START.value, "day", step_key="day", pid=pid)
    instance.report_dagster_event(sign, run.run_id, timestamp=seen_at)
    return run


def status(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dg.DagsterRunStatus:
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    return found.status


def test_a_run_whose_process_works_is_left_alone(instance: dg.DagsterInstance) -> None:
    run = started_run(instance, os.getpid(), time.time())
    assert bury_dead_runs(instance, ask_again=True) == []
    assert status(instance, run) is dg.DagsterRunStatus.STARTED


def test_a_run_whose_process_is_a_zombie_is_buried(instance: dg.DagsterInstance, zombie: int) -> None:
    run = started_run(instance, zombie, time.time())
    assert bury_dead_runs(instance, ask_again=True) == [run.run_id]
    assert status(instance, run) is dg.DagsterRunStatus.FAILURE


def test_a_run_whose_process_number_is_somebody_elses_by_now_is_buried(instance: dg.DagsterInstance) -> None:
    run = started_run(instance, os.getpid(), psutil.Process().create_time() - 60)
    assert bury_dead_runs(instance, ask_again=True) == [run.run_id]
    assert status(instance, run) is dg.DagsterRunStatus.FAILURE
