"""A delivery ends within its budget and a little more, whatever it waits for; the lease is free then.

Belongs here: silent and drip-feeding servers, and locks, before every destination. Does not: what an answer
means (`test_answers`), the pace of requests (`test_pace`).

The servers stall until the test is over, so that a delivery ends by itself or not at all.
"""

import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote

import psycopg
import pytest
from sluicegate.delivery.engine import place_of
from sluicegate.destinations.base import DeliveryError, Destination, Mode
from sluicegate.destinations.postgres import PostgresDestination
from sluicegate.destinations.registry import destination_types

from tests.doubles.stalling import KINDS, Relay, relayed, stalling

from .deliveries import DAY, Sender
from .support import execute, query

_PATIENCE_SECONDS = 120
_BUDGET_SECONDS = 1.0
ROWS = {1: "a", 2: "b"}
# Where a destination looks for its service, for a host and port.
URLS: dict[str, tuple[str, Callable[[str], str], str]] = {
    "adx": ("adx", lambda at: f"adx://app:s3cret@{at}/sales", "items"),
    "blob_azure": (
        "blob",
        lambda at: (
            "abfs://shop/out?connection_string="
            + quote(
                f"DefaultEndpointsProtocol=http;AccountName=shop;AccountKey=bm90IGEga2V5;"
                f"BlobEndpoint=http://{at}/shop;",
                safe="",
            )
        ),
        "items",
    ),
    "blob_s3": (
        "blob",
        lambda at: f"s3://shop/out?endpoint={quote(f'http://{at}', safe='')}&key=k&secret=s3cret&region=r",
        "items",
    ),
    "braze": ("braze", lambda at: f"braze://:s3cret@{at}", "users"),
    "braze_events": ("braze_events", lambda at: f"braze://:s3cret@{at}", "seen"),
    "hubspot": ("hubspot", lambda at: f"hubspot://:s3cret@{at}", "contacts"),
    "postgres": ("postgres", lambda at: f"postgresql://u:s3cret@{at}/shop", "items"),
    "salesforce": ("salesforce", lambda at: f"salesforce://id:s3cret@{at}", "Item__c"),
    "webhook": ("webhook", lambda at: f"webhook://:s3cret@{at}/hooks", "items"),
}
_NAMES = {
    "braze": {"item": "external_id"},
    "braze_events": {"item": "external_id", "business_date": "time"},
    "salesforce": {"item": "Item__c", "business_date": "Date__c", "note": "Note__c"},
}


def test_every_destination_is_tried() -> None:
    assert {name for name, _, _ in URLS.values()} == set(destination_types)


def sender_of(folder: Path, name: str, destination: Destination) -> Sender:
    modes = destination.capabilities.modes
    mode = next(m for m in (Mode.MIRROR, Mode.SNAPSHOT, Mode.UPSERT, Mode.APPEND) if m in modes)
    single = destination.capabilities.keys.single or name.startswith("braze")
    return Sender(folder, destination, mode, names=_NAMES.get(name, {}), single_key=single)


def ended(sender: Sender, budget_seconds: float = _BUDGET_SECONDS) -> DeliveryError:
    """The error that a delivery ends with, by itself; nobody holds the lease then."""
    caught: list[BaseException] = []

    def deliver() -> None:
        try:
            sender.deliver(ROWS, "1", order=replace(sender.order(), budget_seconds=budget_seconds))
        except BaseException as error:
            caught.append(error)

    thread = threading.Thread(target=deliver, daemon=True)
    thread.start()
    thread.join(_PATIENCE_SECONDS)
    assert not thread.is_alive(), "the delivery does not end"
    [error] = caught
    assert isinstance(error, DeliveryError), repr(error)
    assert "s3cret" not in str(error)
    with sender.store.leases.hold(place_of(sender.destination), wait_seconds=0):
        pass
    return error


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", URLS)
@pytest.mark.sampled(8)
def test_a_server_that_stalls_holds_nobody_longer_than_the_budget(
    tmp_path: Path, name: str, kind: str
) -> None:
    type_name, url, object_name = URLS[name]
    with stalling(kind) as address:
        destination = destination_types[type_name](url(address), object_name)
        error = ended(sender_of(tmp_path, name, destination))
    # A storage account is called by its name.
    port = address.rpartition(":")[2]
    assert port in error.what or "shop.dfs.core.windows.net" in error.what, error.what


def test_a_handshake_that_stalls_is_given_up(tmp_path: Path) -> None:
    # Not one of the names that this machine is known by, so that it is spoken to by TLS.
    with stalling("silent", host="127.0.0.2") as address:
        destination = destination_types["webhook"](f"webhook://:s3cret@{address}/hooks", "items")
        error = ended(sender_of(tmp_path, "webhook", destination))
    assert address in error.what
    assert "Connect" in error.what or "no whole answer" in error.what


def test_a_name_that_is_not_found_in_time_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()

    def resolve(*_: Any, **__: Any) -> Any:
        over.wait(_PATIENCE_SECONDS)
        raise OSError("no such name")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    destination = destination_types["webhook"]("webhook://:s3cret@shop.example/hooks", "items")
    try:
        error = ended(sender_of(tmp_path, "webhook", destination))
    finally:
        over.set()
    assert "shop.example: ConnectTimeout" in error.what
    assert error.what.count("s3cret") == 0


@pytest.fixture
def held_table(database_url: str) -> str:
    execute(
        database_url,
        "create table items (item int, business_date date, note text, primary key (business_date, item));"
        f"insert into items values (1, '{DAY}', 'before')",
    )
    return database_url


_LOCKS = {
    "the table": "lock table items in access exclusive mode",
    "a row": "update items set note = 'mine'",
    "a key to come": f"insert into items values (2, '{DAY}', 'mine')",
}


@pytest.mark.parametrize("lock", _LOCKS)
def test_a_lock_ends_the_delivery_and_names_who_holds_it(held_table: str, tmp_path: Path, lock: str) -> None:
    sender = sender_of(tmp_path, "postgres", PostgresDestination(held_table, "items"))
    with psycopg.connect(held_table, application_name="somebody else") as other:
        other.execute(_LOCKS[lock].encode())
        pid = other.info.backend_pid
        error = ended(sender)
        assert "the time for one delivery, 1 s, is spent in waiting for a lock" in error.what
        assert f"process {pid} (somebody else, idle in transaction for " in error.what
        assert error.nothing_done
        other.rollback()
    sender.deliver(ROWS, "1")
    assert query(held_table, "select item, note from items order by 1") == [(1, "a"), (2, "b")]


@pytest.fixture
def relay(database_url: str) -> Iterator[Relay]:
    folder = parse_qs(database_url.partition("?")[2])["host"][0]
    [path] = Path(folder).glob(".s.PGSQL.*[0-9]")
    with relayed(str(path)) as made:
        yield made


@pytest.mark.sampled(2)
@pytest.mark.parametrize("passed", [1, 2, 4, 8, 16, 24, 32])
def test_a_server_that_falls_silent_in_a_transaction_is_left(
    held_table: str, relay: Relay, tmp_path: Path, passed: int
) -> None:
    name = held_table.partition("@/")[2].partition("?")[0]
    url = f"postgresql://postgres:@127.0.0.1:{relay.port}/{name}"
    sender = sender_of(tmp_path, "postgres", PostgresDestination(url, "items"))
    relay.messages = passed
    error = ended(sender)
    assert str(relay.port) in error.what
    assert relay.silent.is_set()
    relay.close()
    relay.messages = None
    sender.deliver(ROWS, "1")
    assert query(held_table, "select item, note from items order by 1") == [(1, "a"), (2, "b")]
