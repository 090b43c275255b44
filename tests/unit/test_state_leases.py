"""Leases, on SQLite and on Postgres: one at a time, whoever dies or stalls."""

import os
import socket
import subprocess
import sys
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from orchestration.state import schema
from orchestration.state.deliveries import LeaseLost
from orchestration.state.leases import LeaseTimeout
from orchestration.state.records import Delivery
from orchestration.state.store import StateStore

NAME = "postgres db/public.table"
HOUR = timedelta(hours=1)
ELSEWHERE = "another-machine"


def engine_of(url: str) -> sa.Engine:
    return sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))


def held_by(url: str, host: str, process: int, until: datetime) -> str:
    """Write the lease of another process as if it had taken it; return its token."""
    token, engine = uuid.uuid4().hex, engine_of(url)
    values = {"token": token, "host": host, "process": process, "until": until}
    with engine.begin() as connection:
        connection.execute(sa.delete(schema.leases).where(schema.leases.c.object == NAME))
        connection.execute(sa.insert(schema.leases).values(object=NAME, **values))
    engine.dispose()
    return token


def refused(store: StateStore, said: str) -> None:
    """Nobody else gets the lease while it is held."""
    with pytest.raises(LeaseTimeout, match=said), store.leases.hold(NAME, wait_seconds=0):
        pass


def test_a_second_waits_for_the_first_and_is_told_of_it(
    store: StateStore, another_process: StateStore
) -> None:
    told, waits, order = list[str](), threading.Event(), list[str]()

    def second() -> None:
        def waiting(said: str) -> None:
            told.append(said)
            waits.set()

        with another_process.leases.hold(NAME, wait_seconds=60, waiting=waiting):
            order.append("second")

    with ThreadPoolExecutor(1) as pool:
        with store.leases.hold(NAME, wait_seconds=5):
            waited = pool.submit(second)
            assert waits.wait(60)
            order.append("first")
        waited.result(60)
    assert order == ["first", "second"]
    assert told == [
        f"waiting for process {os.getpid()} on {socket.gethostname()}, which is at work on {NAME}"
    ]


def test_others_go_side_by_side(store: StateStore, another_process: StateStore) -> None:
    with (
        store.leases.hold(NAME, wait_seconds=0),
        another_process.leases.hold("other", wait_seconds=0) as held,
    ):
        assert held.name == "other"


def test_of_many_one_has_it(store: StateStore, another_process: StateStore) -> None:
    inside, most = list[int](), list[int]()

    def work(number: int) -> None:
        process = (store, another_process)[number % 2]
        with process.leases.hold(NAME, wait_seconds=120):
            inside.append(number)
            most.append(len(inside))
            inside.remove(number)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    assert most == [1] * 6


def test_who_waits_in_vain_is_told_who_has_it(store: StateStore, another_process: StateStore) -> None:
    with store.leases.hold(NAME, wait_seconds=0):
        refused(another_process, f"process {os.getpid()}")
    with another_process.leases.hold(NAME, wait_seconds=0) as lease:
        assert lease.name == NAME


def test_an_error_frees_it(store: StateStore) -> None:
    with pytest.raises(RuntimeError), store.leases.hold(NAME, wait_seconds=0):
        raise RuntimeError
    with store.leases.hold(NAME, wait_seconds=0) as lease:
        assert lease.name == NAME


@pytest.mark.long
def test_a_dead_processs_lease_is_taken_at_once(store: StateStore, state_url: str) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    held_by(state_url, socket.gethostname(), process.pid, datetime.now(UTC) + HOUR)
    with store.leases.hold(NAME, wait_seconds=0) as lease:
        assert lease.name == NAME


def test_the_lease_of_another_machine_is_taken_once_it_has_run_out(store: StateStore, state_url: str) -> None:
    held_by(state_url, ELSEWHERE, 1, datetime.now(UTC) + HOUR)
    refused(store, f"process 1 on {ELSEWHERE}")
    held_by(state_url, ELSEWHERE, 1, datetime.now(UTC) - HOUR)
    with store.leases.hold(NAME, wait_seconds=0) as lease:
        assert lease.name == NAME


def test_who_has_lost_it_writes_nothing_and_leaves_it_to_the_other(
    store: StateStore, another_process: StateStore, state_url: str
) -> None:
    store.deliveries.plan(Delivery("one", "exp_orders", "2024-01-01", "v1", "d", 3, "shard", "run"))
    with store.leases.hold(NAME, wait_seconds=0) as lease:
        store.deliveries.acknowledge("one", 0, 1, [], lease.token)
        # This process stalls for longer than the lease lasts, and another machine takes over.
        other = held_by(state_url, ELSEWHERE, 1, datetime.now(UTC) + HOUR)
        with pytest.raises(LeaseLost):
            store.deliveries.acknowledge("one", 1, 3, [], lease.token)
    assert store.deliveries.acknowledged("one") == [(0, 1)]
    another_process.deliveries.acknowledge("one", 1, 3, [], other)
    assert store.deliveries.acknowledged("one") == [(0, 3)]
    refused(store, ELSEWHERE)
