"""Runs that were taken up although their process lives: it wakes up, and writes and sends nothing.

The processes are stopped and woken, or are in PID namespaces of their own, as containers are. Belongs here:
what such a run may still do. Does not: when a run is dead (`tests/unit/test_crashes.py`).
"""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import dagster as dg
import psycopg
import pytest
from pydantic import SecretStr
from sluicegate.core.partitions import Grain, Partitioning
from sluicegate.graph.crashes import DIED_TAG, bury_dead_runs
from sluicegate.graph.instance import open_instance
from sluicegate.graph.run_leases import executing
from sluicegate.operations.status import Standing
from sluicegate.state.held_lease import LeaseLost
from sluicegate.state.leases import run_name
from sluicegate.state.records import Build, Evidence
from sluicegate.state.store import StateStore
from sluicegate.transformation.runner import DbtError, DbtProcess
from sluicegate.transformation.slices import partition_variables
from sluicegate.warehouse.base import Rows, Version

from tests.company import MON, SHOP_ORDERS, TUE, Company
from tests.machines import elsewhere
from tests.typed import sluice

pytestmark = pytest.mark.stories(2)

SECONDS = 2  # that a lease lasts
PATIENCE_SECONDS = 240.0
RUN = "4f4c1a52-1111-4222-8333-444455556666"
STG = "staging.stg_orders"


@contextmanager
def taken(company: Company) -> Generator[Callable[[], None]]:
    """Execute a run in this process; what is yielded takes it from it, as whoever buries it does."""
    leases = company.deployment.store.leases

    def bury() -> None:
        standing = leases.standing(run_name(RUN))
        assert standing is not None
        assert leases.end(standing)

    with executing(leases, RUN):
        yield bury


def replaces(company: Company) -> None:
    with company.deployment.warehouse.session() as session:
        rows = Rows("raw.weather", {"town": "VARCHAR"}, ("town", "Ulm"), fixed={"town": "Ulm"})
        session.replace([rows], Version("raw.weather", MON, "another"))


def builds(company: Company) -> None:
    store = company.deployment.store
    with company.deployment.warehouse.session():
        dbt = DbtProcess(company.settings, before_commit=lambda: store.leases.require_runs_now())
        dbt.build("stg_orders", [], partition_variables(Partitioning(Grain.DAILY), MON))


def records_a_build(company: Company) -> None:
    company.deployment.store.record_build(Build(STG, MON, "another", RUN, rows=1))


def records_evidence(company: Company) -> None:
    company.deployment.store.record_evidence([Evidence(STG, MON, "expectations", "another", True, "", RUN)])


WRITES = {
    "a raw table": replaces,
    "a model": builds,
    "a build": records_a_build,
    "evidence": records_evidence,
}


def held(company: Company, day: str = MON) -> tuple[object, ...]:
    """Return all that a run writes: versions, and what is on record of them."""
    tables = list(company.project.lineage.tables)
    with company.deployment.warehouse.session() as session:
        versions = session.versions(tables)
        rows = session.query(f"select count(*) from {STG}"), session.query("select count(*) from raw.weather")
    places = [(table, day) for table in tables]
    store = company.deployment.store
    return versions, rows, store.builds_of(places), store.evidence_of(places)


@pytest.mark.parametrize("what", WRITES)
def test_a_run_that_was_taken_away_commits_nothing(open_bakery: Company, what: str) -> None:
    before = held(open_bakery)
    with taken(open_bakery) as bury:
        bury()
        with pytest.raises((LeaseLost, DbtError), match=f"the lease of run:{RUN} is lost"):
            WRITES[what](open_bakery)
    assert held(open_bakery) == before
    WRITES[what](open_bakery)
    assert held(open_bakery) != before


@pytest.fixture
def hasty(bakery: Company) -> Company:
    """The bakery with Tuesday landed, its records in Postgres, and leases that run out soon."""
    StateStore(bakery.postgres_url).close()
    changes = {"state_url": SecretStr(bakery.postgres_url), "lease_seconds": SECONDS}
    company = replace(bakery, settings=bakery.settings.model_copy(update=changes))
    company.land_shops("a", "b")
    company.land_day(TUE, a=5, b=6)
    return company


def until(condition: Callable[[], bool], child: "subprocess.Popen[str]") -> None:
    deadline, pause = time.monotonic() + PATIENCE_SECONDS, threading.Event()
    while not condition():
        assert child.poll() is None, child.communicate()
        assert time.monotonic() < deadline
        pause.wait(0.1)


def here(command: Sequence[str]) -> list[str]:
    return list(command)


class Waiting(NamedTuple):
    """A `sluice run` that waits in the first step of Tuesday's run, the warehouse closed, until `go_on`."""

    child: "subprocess.Popen[str]"
    run_id: str
    go_on: Callable[[], None]


@contextmanager
def in_its_first_step(company: Company, place: Callable[[Sequence[str]], list[str]]) -> Generator[Waiting]:
    command = place([str(Path(sys.executable).with_name("sluice")), "run"])
    pipe, environ = subprocess.PIPE, company.environment() | {"COLUMNS": "250"}
    with (
        subprocess.Popen(command, env=environ, stdout=pipe, stderr=pipe, text=True) as child,
        psycopg.connect(company.postgres_url) as ours,
        open_instance(company.settings) as instance,
    ):
        try:
            until(lambda: bool(under_way(company, instance)), child)
            ours.execute("lock table drops in access exclusive mode")
            waiting = "select 1 from pg_locks where relation = 'drops'::regclass and not granted"
            until(lambda: ours.execute(waiting).fetchone() is not None, child)
            [run_id] = under_way(company, instance)
            yield Waiting(child, run_id, ours.rollback)
        finally:
            child.kill()


def under_way(company: Company, instance: dg.DagsterInstance) -> list[str]:
    """Return the ids of Tuesday's runs that have a lease."""
    runs = instance.get_runs(dg.RunsFilter(tags={"dagster/partition": TUE}))
    leases = company.deployment.store.leases
    return [run.run_id for run in runs if leases.standing(run_name(run.run_id)) is not None]


def buried(company: Company) -> list[str]:
    with open_instance(company.settings) as instance:
        return bury_dead_runs(instance, company.deployment.store.leases, ask_again=True)


def of_run(company: Company, run_id: str) -> tuple[dg.DagsterRunStatus, bool]:
    with open_instance(company.settings) as instance:
        run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status, DIED_TAG in run.tags


def delivered(company: Company) -> bool:
    once = company.in_postgres() == [(TUE, "a", 5), (TUE, "b", 6)] and company.in_container() == {TUE: 1}
    return once and company.status()[(SHOP_ORDERS, TUE)].standing is Standing.DELIVERED


@pytest.mark.long
def test_a_run_that_was_stopped_is_taken_up_and_wakes_up_to_nothing(hasty: Company) -> None:
    with in_its_first_step(hasty, here) as waiting:
        waiting.child.send_signal(signal.SIGSTOP)
        waiting.go_on()
        until(lambda: dead(hasty, waiting.run_id), waiting.child)
        assert sluice(hasty, "run")[0] == 0
        assert of_run(hasty, waiting.run_id) == (dg.DagsterRunStatus.FAILURE, True)
        assert delivered(hasty)
        before = held(hasty, TUE)
        waiting.child.send_signal(signal.SIGCONT)
        written, complained = waiting.child.communicate(timeout=PATIENCE_SECONDS)
        assert waiting.child.returncode == 1
        assert f"the lease of run:{waiting.run_id} is lost: another process has taken it over" in written
        assert "Traceback" not in written + complained
    assert held(hasty, TUE) == before
    assert of_run(hasty, waiting.run_id) == (dg.DagsterRunStatus.FAILURE, True)
    assert delivered(hasty)


@pytest.mark.long
def test_a_run_in_another_container_is_alive_until_it_is_not_heard_of(hasty: Company) -> None:
    with in_its_first_step(hasty, elsewhere) as waiting:
        assert buried(hasty) == []
        waiting.go_on()
        waiting.child.communicate(timeout=PATIENCE_SECONDS)
        assert waiting.child.returncode == 0
    assert delivered(hasty)


@pytest.mark.long
def test_a_run_of_another_container_that_is_gone_is_taken_up(hasty: Company) -> None:
    with in_its_first_step(hasty, elsewhere) as waiting:
        waiting.child.kill()
        waiting.child.wait()
        waiting.go_on()
    pause = threading.Event()
    while not (found := buried(hasty)):
        pause.wait(0.2)
    assert found == [waiting.run_id]
    with open_instance(hasty.settings) as instance:
        told = str([entry.dagster_event for entry in instance.all_logs(waiting.run_id)])
    assert "has not been heard of since" in told  # and nothing was made of its number, which is nobody's here
    assert sluice(hasty, "run")[0] == 0
    assert of_run(hasty, waiting.run_id) == (dg.DagsterRunStatus.FAILURE, True)
    assert delivered(hasty)


def dead(company: Company, run_id: str) -> bool:
    standing = company.deployment.store.leases.standing(run_name(run_id))
    return standing is not None and standing.is_dead
