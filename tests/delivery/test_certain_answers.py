"""An answer that says for certain that nothing was done leaves nothing in doubt, and any other does.

Belongs here: the note of a request, by what it was answered with. Does not: what each answer means to people
(the vendors' own tests), crashes (`test_what_left`).
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sluicegate.destinations.base import DeliveryError, Mode
from sluicegate.destinations.registry import destination_types
from sluicegate.state.deliveries import Deliveries

from .cases import Case, case_class
from .deliveries import DAY, Sender

OLD, NEW = {1: "old", 2: "old"}, {2: "new", 3: "new"}
LOST = 0
# Beside these, a connection that nobody takes.
CERTAIN, UNCERTAIN = (403, 429), (500, 503, LOST)


def failing(case: Case, status: int) -> None:
    """Have the next request with rows answered so."""
    if case.type_name == "webhook":
        case.double.faults.append(str(status) if status else "lost")  # type: ignore[attr-defined]
        return
    double: Any = case.double  # type: ignore[attr-defined]
    faults = double.fault("upsert") if case.type_name == "salesforce" else double.faults
    if status:
        faults.fail(status)
    else:
        faults.lose_answers()


def sender_to(case: Case, folder: Path, mode: Mode) -> Sender:
    folder.mkdir()
    single = case.destination_class.capabilities.keys.single
    return Sender(folder, case.destination(), mode, names=case.names, single_key=single)


def held(case: Case) -> dict[int, str]:
    return {int(float(row[case.name("item")])): row[case.name("note")] for row in case.contents()}


class Gone(BaseException):
    """The process is gone; nothing catches it."""


def one_request(monkeypatch: pytest.MonkeyPatch, before: Callable[[], None] = lambda: None) -> None:
    """Do something between the note of the first request and that; the process is gone before the second."""
    note, notes = Deliveries.note_leaving, list[str]()

    def noted(*arguments: Any) -> str:
        if notes:
            raise Gone
        notes.append(note(*arguments))
        before()
        return notes[0]

    monkeypatch.setattr(Deliveries, "note_leaving", noted)


@pytest.fixture
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    opened = case_class(request.param)(request, tmp_path)
    yield opened
    opened.close()


@pytest.mark.parametrize("status", [*CERTAIN, *UNCERTAIN])
@pytest.mark.parametrize("case", ["hubspot", "braze", "braze_events", "salesforce", "webhook"], indirect=True)
@pytest.mark.sampled(9)
def test_what_an_answer_leaves_in_doubt(
    case: Case, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes = case.destination_class.capabilities.modes
    mode = Mode.UPSERT if Mode.UPSERT in modes else Mode.APPEND
    sender = sender_to(case, tmp_path / "ours", mode)
    store = sender.store.deliveries
    with monkeypatch.context() as patched:
        one_request(patched, lambda: failing(case, status))
        with pytest.raises((DeliveryError, Gone)):
            sender.deliver(OLD, "old")
    (plan,) = store.of_export("exp_items")
    arrived = held(case)
    assert arrived == (OLD if status == LOST else {})
    assert bool(store.left(plan.delivery_id)) is (status in UNCERTAIN)
    sender.deliver(NEW, "new")
    # By its key the newer row settles what may have left; what is appended is brought to its end.
    ended = OLD if status in UNCERTAIN else {}
    assert held(case) == ({**NEW, **ended} if mode is Mode.APPEND else {**arrived, **NEW})
    sender.store.close()


def test_a_connection_that_nobody_takes_leaves_nothing_in_doubt(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = case_class("webhook")(request, tmp_path)
    sender = sender_to(case, tmp_path / "ours", Mode.APPEND)
    there, sender.destination = sender.destination, case.destination(case.unreachable_url())
    with monkeypatch.context() as patched:
        one_request(patched)
        with pytest.raises(Gone):
            sender.deliver(OLD, "old")
    (plan,) = sender.store.deliveries.of_export("exp_items")
    assert sender.store.deliveries.left(plan.delivery_id) == []
    sender.destination = there
    sender.deliver(NEW, "new")
    assert held(case) == NEW
    sender.store.close()
    case.close()


@pytest.mark.parametrize("mode", [Mode.APPEND, Mode.MIRROR])
def test_a_transaction_that_rolled_back_leaves_nothing_in_doubt(
    tmp_path: Path, database_url: str, mode: Mode
) -> None:
    """At its commit even: the table checks then."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "create table items (item int, business_date date, note text, primary key (business_date, item));"
            "create function no() returns trigger language plpgsql as"
            " $$ begin raise exception 'not today' using errcode = '23514'; end $$;"
            "create constraint trigger no after insert on items deferrable initially deferred"
            " for each row when (new.note = 'old') execute function no()"
        )
        destination = destination_types["postgres"](database_url, "items")
        folder = tmp_path / "ours"
        folder.mkdir()
        sender = Sender(folder, destination, mode)
        with pytest.raises(DeliveryError, match="not today"):
            sender.deliver(OLD, "old")
        (plan,) = sender.store.deliveries.of_export("exp_items")
        assert sender.store.deliveries.left(plan.delivery_id) == []
        sender.deliver(NEW, "new", day=DAY)
        found = dict(connection.execute("select item, note from items").fetchall())
        assert found == NEW
        sender.store.close()
