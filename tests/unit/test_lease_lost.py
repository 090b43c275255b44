"""A lease that is lost, by a stop, a clock or a state store that is away: its holder notices, and stops.

The holders are processes of their own (`tests.lease_holder`): stopped, in other PID namespaces, on clocks
that are wrong. Belongs here: who may send and write. Does not: what is sent.
"""

import logging
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta

import psycopg
import pytest
import sqlalchemy as sa
from sluicegate.codes import coded
from sluicegate.core.processes import this_process
from sluicegate.state import schema
from sluicegate.state.held_lease import Lease, LeaseLost
from sluicegate.state.leases import Leases
from sluicegate.state.store import StateStore

from tests.lease_holder import holder
from tests.machines import elsewhere, with_clock
from tests.unit.test_state_leases import HERE, NAME, engine_of, refused

pytestmark = pytest.mark.long  # it starts processes
SHORT, LONG = timedelta(seconds=1), timedelta(hours=1)
HOUR = 3_600
PATIENCE_SECONDS = 240.0


class Said(logging.Handler):
    """What is logged of leases, to be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self._new = threading.Condition()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        with self._new:
            self.texts.append(record.getMessage())
            self._new.notify_all()

    def wait_for(self, words: str) -> str:
        with self._new:
            assert self._new.wait_for(lambda: any(words in text for text in self.texts), PATIENCE_SECONDS), (
                self.texts
            )
            return next(text for text in self.texts if words in text)


@pytest.fixture
def said() -> Iterator[Said]:
    handler, logger = Said(), logging.getLogger("sluicegate.state")
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


@contextmanager
def away(url: str) -> Generator[Callable[[], None]]:
    """Have nobody reach the state store until what is yielded is called: locked, or its connections cut."""
    cut = _cut if url.startswith("postgresql") else _locked
    with cut(url) as back:
        yield back


@contextmanager
def _locked(url: str) -> Generator[Callable[[], None]]:
    """Have another process lock an SQLite file."""
    code = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], timeout=60); c.execute('begin immediate');"
        " print(flush=True); input()"
    )
    command = [sys.executable, "-c", code, url.removeprefix("sqlite:///")]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as process:
        assert process.stdout is not None
        process.stdout.readline()

        def back() -> None:
            process.kill()
            process.wait()

        try:
            yield back
        finally:
            back()


@contextmanager
def _cut(url: str) -> Generator[Callable[[], None]]:
    """Let nobody connect to a database any more, and end who is."""
    parsed = sa.make_url(url)
    name, server = parsed.database, parsed.set(database="postgres").render_as_string(hide_password=False)
    with psycopg.connect(server, autocommit=True) as ours:
        ours.execute(f'alter database "{name}" allow_connections false'.encode())
        ours.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [name])

        def back() -> None:
            ours.execute(f'alter database "{name}" allow_connections true'.encode())

        try:
            yield back
        finally:
            back()


def taken_over(url: str) -> None:
    """Have another process take the lease over, as it may once it has run out."""
    engine = engine_of(url)
    with engine.begin() as connection:
        changed = connection.execute(sa.update(schema.leases).values(token="another", host="another"))
        assert changed.rowcount == 1
    engine.dispose()


@pytest.fixture
def leases_of(state_url: str) -> Iterator[Callable[[timedelta], Leases]]:
    """Make leases of another lifetime in the state store."""
    engine = engine_of(state_url)
    yield lambda lifetime: Leases(engine, lifetime)
    engine.dispose()


LeasesOf = Callable[[timedelta], Leases]


def test_a_store_that_is_away_for_less_than_a_lifetime_costs_nothing(
    store: StateStore, state_url: str, said: Said, leases_of: LeasesOf
) -> None:
    leases = leases_of(timedelta(seconds=8))
    with leases.hold(NAME, wait_seconds=0) as lease:
        with away(state_url) as back:
            said.wait_for(f"the lease of {NAME} could not be renewed")
            lease.still_held()
            back()
            said.wait_for(f"the lease of {NAME} is renewed again")
        lease.still_held()
        writes(state_url, lease)
        refused(store, str(this_process()))
    assert store.leases.standing(NAME) is None


def test_a_store_that_is_away_for_a_lifetime_costs_the_lease_of_who_asks_meanwhile(
    state_url: str, store: StateStore, said: Said, leases_of: LeasesOf
) -> None:
    with leases_of(SHORT).hold(NAME, wait_seconds=0) as lease:
        with away(state_url):
            said.wait_for(f"the lease of {NAME} has run out, as the state store does not answer")
            with pytest.raises(LeaseLost, match="it has run out, and the state store does not answer"):
                lease.still_held()
        # Who was told so stays told, whatever the store says now.
        for ask in (lease.still_held, lambda: writes(state_url, lease)):
            with pytest.raises(LeaseLost):
                ask()


def test_who_asks_nothing_while_the_store_is_away_goes_on_where_nobody_took_over(
    state_url: str, store: StateStore, said: Said, leases_of: LeasesOf
) -> None:
    with leases_of(SHORT).hold(NAME, wait_seconds=0) as lease:
        with away(state_url):
            said.wait_for(f"the lease of {NAME} has run out")
        said.wait_for(f"the lease of {NAME} is renewed again")
        lease.still_held()
        writes(state_url, lease)


def test_a_store_that_is_away_at_the_end_costs_nothing_that_was_done(
    store: StateStore, state_url: str, said: Said, leases_of: LeasesOf
) -> None:
    with ExitStack() as stack:
        with leases_of(SHORT).hold(NAME, wait_seconds=0):
            stack.enter_context(away(state_url))
        said.wait_for(f"the lease of {NAME} could not be given back")
    with store.leases.hold(NAME, wait_seconds=PATIENCE_SECONDS) as other:
        assert other.name == NAME


@pytest.mark.parametrize("lifetime", [SHORT, LONG])
def test_who_was_taken_over_hears_of_it_with_the_next_renewal_or_the_next_write(
    store: StateStore, state_url: str, said: Said, leases_of: LeasesOf, lifetime: timedelta
) -> None:
    leases, lost = leases_of(lifetime), "is lost: another process has taken it over; this process stops"
    with leases.hold(NAME, wait_seconds=0) as lease:
        taken_over(state_url)
        if lifetime == SHORT:
            said.wait_for(f"the lease of {NAME} {lost}")
        else:
            with pytest.raises(LeaseLost, match=lost):
                writes(state_url, lease)
        with pytest.raises(LeaseLost, match=lost):
            lease.still_held()
    refused(store, "is held by process")


def test_one_that_was_stopped_and_woken_sends_and_writes_nothing_once_another_has_it(
    store: StateStore, state_url: str
) -> None:
    with holder(state_url, NAME, SHORT.total_seconds()) as stopped:
        assert (stopped.said, stopped.ask(), stopped.ask("write")) == ("held", "held", "held")
        stopped.process.send_signal(signal.SIGSTOP)
        with store.leases.hold(NAME, wait_seconds=PATIENCE_SECONDS):
            stopped.process.send_signal(signal.SIGCONT)
            lost = f"lost: the lease of {NAME} is lost: another process has taken it over"
            assert stopped.ask().startswith(lost)
            assert stopped.ask("write").startswith(lost)
            assert stopped.ask().startswith(lost)


def test_one_that_was_stopped_and_woken_goes_on_where_nobody_took_over(
    store: StateStore, state_url: str
) -> None:
    with holder(state_url, NAME, SHORT.total_seconds()) as stopped:
        stopped.process.send_signal(signal.SIGSTOP)
        pause = threading.Event()
        while overdue(store) < 0:
            pause.wait(0.05)
        stopped.process.send_signal(signal.SIGCONT)
        assert (stopped.ask(), stopped.ask("write")) == ("held", "held")
        assert overdue(store) < 0


def test_two_containers_of_one_host_name_do_not_take_each_others_leases(
    store: StateStore, state_url: str
) -> None:
    seconds = LONG.total_seconds()
    held = f"{NAME} is held by process"
    with store.leases.hold(NAME, wait_seconds=0), holder(state_url, NAME, seconds, place=elsewhere) as other:
        # A number that nobody has there.
        assert other.said == coded(f"{held} {HERE.number} on {HERE.host}", "SLU-E007")
    with holder(state_url, NAME, seconds, place=elsewhere) as one:
        assert one.said == "held"
        with holder(state_url, NAME, seconds, place=elsewhere) as other:
            assert other.said == coded(f"{held} 1 on {HERE.host}", "SLU-E007")  # its own number
        refused(store, f"process 1 on {HERE.host}")
        one.process.kill()
        one.process.wait()
        refused(store, f"process 1 on {HERE.host}")  # nobody can tell from here


def test_a_container_that_is_gone_frees_its_lease_by_running_out(store: StateStore, state_url: str) -> None:
    with holder(state_url, NAME, SHORT.total_seconds(), place=elsewhere) as other:
        assert other.said == "held"
    with store.leases.hold(NAME, wait_seconds=PATIENCE_SECONDS) as lease:
        assert lease.name == NAME


@pytest.mark.sampled(2)
@pytest.mark.parametrize("ahead", [-HOUR, HOUR])
def test_whose_clock_is_an_hour_off_neither_takes_a_lease_nor_keeps_one(
    store: StateStore, state_url: str, ahead: int
) -> None:
    environ = with_clock(ahead)
    with store.leases.hold(NAME, wait_seconds=0), holder(state_url, NAME, 60, environ=environ) as other:
        assert other.said.startswith(f"{NAME} is held by")
    with holder(state_url, NAME, 60, environ=environ) as other:
        assert (other.said, other.ask(), other.ask("write")) == ("held", "held", "held")
        assert -60 <= overdue(store) < 0
        refused(store, f"process {other.process.pid}")


def writes(url: str, lease: Lease) -> None:
    """Ask as whoever writes does, in a transaction."""
    engine = engine_of(url)
    with engine.begin() as connection:
        lease.require(connection)
    engine.dispose()


def overdue(store: StateStore) -> float:
    standing = store.leases.standing(NAME)
    assert standing is not None
    return standing.overdue_seconds
