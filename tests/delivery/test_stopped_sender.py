"""A sender that is stopped for longer than its lease lasts, and woken: it sends nothing more.

Another process has the lease by then. A real process, a real SIGSTOP, at the two points that count: a request
is noted and has not left, and it is answered and not acknowledged. Does not belong here: leases themselves
(`unit/test_lease_lost`), kills (`test_kills`).
"""

import os
import signal
import threading
from collections.abc import Iterator, Mapping
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil
import pytest
from sluicegate.delivery.engine import place_of
from sluicegate.destinations.base import Mode
from sluicegate.destinations.batches import BatchDestination
from sluicegate.state import leases
from sluicegate.state.deliveries import Deliveries

from tests.unit.test_state_leases import engine_of

from .cases import Case, case_class, case_names
from .deliveries import DAY, Rows
from .test_kills import FORKS, held, mode_of, sender

pytestmark = pytest.mark.long
LIFETIME = timedelta(seconds=1)


@pytest.fixture(params=case_names())
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
    opened = case_class(request.param)(request, tmp_path)
    yield opened
    opened.close()


def deliver_and_stop(
    folder: Path, kind: str, place: Mapping[str, Any], rows: Rows, write: str, told: Connection
) -> None:
    """Deliver rows, and stop at the second of those writes of the journal, until somebody wakes the process.

    It does nothing else meanwhile: one that is stopped within a transaction keeps the store from others.
    """
    setattr(leases, "keep", lambda *_: None)  # noqa: B010 - no renewals, but when it asks
    original, seen = getattr(Deliveries, write), [0]

    def stopping(*arguments: Any) -> Any:
        seen[0] += 1
        done = original(*arguments) if write == "note_leaving" else None
        if seen[0] == (2 if place["in_parts"] else 1):
            told.send("stops")
            # To this thread, so that it does not go on while another one takes the signal.
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
        return done if write == "note_leaving" else original(*arguments)

    setattr(Deliveries, write, stopping)
    at = sender(folder, kind, place)
    at.store.leases = leases.Leases(engine_of(f"sqlite:///{folder / 'state.db'}"), LIFETIME)
    # What another thread has handed to the network by then may arrive.
    setattr(at.destination, "requests_at_once", lambda: 1)  # noqa: B010
    try:
        at.deliver(rows, "old")
        told.send("delivered")
    except Exception as error:
        told.send(str(error))


@pytest.mark.parametrize("write", ["note_leaving", "acknowledge"])
@pytest.mark.sampled(8)
def test_who_was_stopped_and_lost_the_lease_sends_nothing_more(
    case: Case, write: str, tmp_path: Path
) -> None:
    mode, folder = mode_of(case), tmp_path / "ours"
    folder.mkdir()
    place = {
        "url": case.url,
        "object_name": case.object_name,
        "options": dict(case.options),
        "names": dict(case.names),
        "mode": mode,
        "in_parts": case.in_parts and case.type_name != "adx",
    }
    at = sender(folder, case.type_name, place)
    batch = at.destination.rows_a_batch() if isinstance(at.destination, BatchDestination) else 4
    old = dict.fromkeys(range(3 * batch), "old")
    here, there = FORKS.Pipe()
    process = FORKS.Process(target=deliver_and_stop, args=(folder, case.type_name, place, old, write, there))
    process.start()
    there.close()
    assert here.recv() == "stops"
    assert process.pid is not None
    stopped = psutil.Process(process.pid)
    while stopped.status() != psutil.STATUS_STOPPED:
        process.join(0.01)
    # It waits until the lease has run out, as nobody renews it.
    with at.store.leases.hold(place_of(at.destination), wait_seconds=60):
        before = sorted(map(str, case.contents()))
        os.kill(process.pid, signal.SIGCONT)
        said = here.recv()
        process.join()
        assert sorted(map(str, case.contents())) == before
    assert "nothing more is sent" in said, said
    arrived = held(case)
    assert set(arrived.values()) <= {"old"}
    new = {1: "old" if mode is Mode.APPEND else "new", 10 * batch: "new"}
    at.deliver(new, "new", day=DAY)
    kept = {item: note for item, note in held(case).items() if item not in new}
    assert {item: held(case)[item] for item in new} == new
    assert set(kept) <= set(old)
    if mode in (Mode.MIRROR, Mode.SNAPSHOT):
        assert kept == {}
    elif mode is Mode.UPSERT:
        assert kept == {item: note for item, note in arrived.items() if item not in new}
    at.store.close()
