"""Leases, on SQLite and on Postgres: one at a time, whoever dies or stalls."""

import os
import socket
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sluicegate.core.processes import Process, boot_seconds, this_process
from sluicegate.state import schema
from sluicegate.state.deliveries import LeaseLost
from sluicegate.state.held_lease import lasting
from sluicegate.state.leases import LeaseTimeout
from sluicegate.state.records import Delivery
from sluicegate.state.store import StateStore

NAME = "postgres db/public.table"
HOUR = 3_600.0
NOBODY = 2**22  # no process has this number
HERE = this_process()
ELSEWHERE = replace(HERE, host="another-machine", boot="another boot", number=1)
# Who has a lease, and whether another gets it at once although it has not run out.
HOLDERS = {
    "this process": (HERE, False),
    "one that is gone": (replace(HERE, number=NOBODY), True),
    "one whose number is another's by now": (replace(HERE, started="1"), True),
    "another machine's": (ELSEWHERE, False),
    "another machine's of the same name": (replace(HERE, boot="another boot", number=NOBODY), False),
    "another container's": (replace(HERE, namespace="pid:[1]", number=NOBODY), False),
    "older code's": (Process(HERE.host, "", "", NOBODY, ""), False),
}
GONE = {who for who, (_, gone) in HOLDERS.items() if gone}


def engine_of(url: str) -> sa.Engine:
    return sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))


def held_by(url: str, holder: Process, seconds: float, name: str = NAME, **columns: object) -> str:
    """Write the lease of another process as if it had taken it; return its token."""
    token, engine = uuid.uuid4().hex, engine_of(url)
    values = {"token": token, "process": holder.number, "host": holder.host, "boot": holder.boot}
    values |= {"namespace": holder.namespace, "started": holder.started}
    with engine.begin() as connection:
        values |= lasting(connection, seconds) | {"lifetime_seconds": 60.0} | columns
        connection.execute(sa.delete(schema.leases).where(schema.leases.c.object == name))
        connection.execute(sa.insert(schema.leases).values(object=name, **values))
    engine.dispose()
    return token


def utc_in(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


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


def test_a_lease_that_has_not_run_out_is_taken_from_who_is_gone_for_certain(
    store: StateStore, state_url: str
) -> None:
    for holder, gone in HOLDERS.values():
        held_by(state_url, holder, HOUR)
        if not gone:
            refused(store, f"is held by {holder}")
            continue
        with store.leases.hold(NAME, wait_seconds=0) as lease:
            assert lease.name == NAME


def test_a_lease_that_has_run_out_is_taken_whoever_had_it(store: StateStore, state_url: str) -> None:
    for holder, _ in HOLDERS.values():
        held_by(state_url, holder, -1)
        with store.leases.hold(NAME, wait_seconds=0) as lease:
            assert lease.name == NAME


@pytest.mark.parametrize("set_by", [-HOUR, HOUR])
@pytest.mark.parametrize(("seconds", "held"), [(600.0, True), (-1.0, False)])
def test_the_machines_clock_may_be_set(
    store: StateStore, state_url: str, set_by: float, seconds: float, held: bool
) -> None:
    """On SQLite the clock since boot decides, on Postgres the server's."""
    if state_url.startswith("sqlite"):
        held_by(state_url, HERE, seconds, until=utc_in(seconds + set_by))
    else:
        held_by(state_url, HERE, seconds, boot_until=boot_seconds() + seconds + set_by)
    if held:
        refused(store, f"process {os.getpid()}")
        return
    with store.leases.hold(NAME, wait_seconds=0) as lease:
        assert lease.name == NAME


def test_who_saw_no_renewal_for_a_lifetime_asks_no_clock(store: StateStore, state_url: str) -> None:
    """The machine was started anew, and its clock was set back: by it the lease lasts for an hour."""
    held_by(state_url, ELSEWHERE, HOUR, lifetime_seconds=0.5)
    with store.leases.hold(NAME, wait_seconds=120) as lease:
        assert lease.name == NAME


@pytest.mark.parametrize(
    ("seconds", "dead"),
    [(HOUR, GONE), (-170, GONE), (-190, set(HOLDERS))],
)
def test_who_is_dead(store: StateStore, state_url: str, seconds: float, dead: set[str]) -> None:
    """Where nobody can tell, three lifetimes after the lease ran out."""
    found: set[str] = set()
    for who, (holder, _) in HOLDERS.items():
        held_by(state_url, holder, seconds)
        standing = store.leases.standing(NAME)
        assert standing is not None
        assert standing.holder == holder
        found |= {who} if standing.is_dead else set()
    assert found == dead


def test_one_that_is_renewed_meanwhile_is_not_ended(store: StateStore, state_url: str) -> None:
    held_by(state_url, ELSEWHERE, -HOUR)
    seen = store.leases.standing(NAME)
    assert seen is not None
    token = held_by(state_url, ELSEWHERE, HOUR)
    assert not store.leases.end(seen)
    seen = store.leases.standing(NAME)
    assert seen is not None
    assert seen.token == token
    assert store.leases.end(seen)
    assert store.leases.standing(NAME) is None


def test_who_has_lost_it_writes_nothing_and_leaves_it_to_the_other(
    store: StateStore, another_process: StateStore, state_url: str
) -> None:
    store.deliveries.plan(Delivery("one", "exp_orders", "2024-01-01", "v1", "d", 3, "shard", "run"))
    with store.leases.hold(NAME, wait_seconds=0) as lease:
        store.deliveries.acknowledge("one", 0, 1, [], lease.token)
        # This process stalls for longer than the lease lasts, and another machine takes over.
        other = held_by(state_url, ELSEWHERE, HOUR)
        with pytest.raises(LeaseLost):
            store.deliveries.acknowledge("one", 1, 3, [], lease.token)
    assert store.deliveries.acknowledged("one") == [(0, 1)]
    another_process.deliveries.acknowledge("one", 1, 3, [], other)
    assert store.deliveries.acknowledged("one") == [(0, 3)]
    refused(store, ELSEWHERE.host)
