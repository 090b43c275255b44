"""Azure Data Explorer: once whatever crashes or fails, failures in the service's own words.

Belongs here: the ways of queued ingestion. Does not: what every destination owes (`test_conformance`), tables
and scopes (`test_adx_tables`).
"""

import threading
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import pytest
from azure.storage.queue import QueueClient, TextBase64EncodePolicy
from sluicegate.destinations.adx import AdxDestination
from sluicegate.destinations.adx import parts as adx_parts
from sluicegate.destinations.base import DeliveryError, Mode

from tests.doubles.kusto import Failed, Kusto

from .adx_deliveries import STAGING, adx, append, delivered, held, snapshot
from .cases.adx import AdxCase
from .journals import Crash, MemoryJournal
from .support import DAY, rows_of, write_shard


@pytest.fixture
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AdxCase]:
    opened = AdxCase(request, tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def kusto(case: AdxCase) -> Kusto:
    return case.kusto


@pytest.fixture
def destination(case: AdxCase) -> AdxDestination:
    return adx(case)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.02)


class DiesOnceQueued(MemoryJournal):
    """The process dies between queueing a file and learning what became of it."""

    def tell(self, text: str) -> None:
        raise Crash


class DiesBeforeItKnows(MemoryJournal):
    """The process dies when a file is in the queue, before that is noted."""

    def keep(self, name: str, value: str) -> None:
        if value.startswith("queued"):
            raise Crash
        super().keep(name, value)


MODES = pytest.mark.parametrize("mode", [Mode.APPEND, Mode.SNAPSHOT])


@MODES
def test_a_restart_waits_for_what_is_queued_already(
    case: AdxCase, kusto: Kusto, tmp_path: Path, mode: Mode
) -> None:
    rows = rows_of(DAY, 7, "once")
    shard, journal = write_shard(tmp_path, rows, mode=mode), DiesOnceQueued(7)
    kusto.ingestion.open.clear()
    with pytest.raises(Crash):
        adx(case).send(shard, journal)
    kusto.ingestion.open.set()
    adx(case).send(shard, journal.taken_up())
    assert held(kusto) == rows
    assert len(kusto.ingestion.messages) == 1


@MODES
def test_what_may_have_been_queued_is_queued_again_and_loaded_once(
    case: AdxCase, kusto: Kusto, tmp_path: Path, mode: Mode
) -> None:
    rows = rows_of(DAY, 7, "once")
    shard, journal = write_shard(tmp_path, rows, mode=mode), DiesBeforeItKnows(7)
    kusto.ingestion.open.clear()
    with pytest.raises(Crash):
        adx(case).send(shard, journal)
    again = DiesOnceQueued(7, kept=journal.kept())
    with pytest.raises(Crash):
        adx(case).send(shard, again)
    kusto.ingestion.open.set()
    adx(case).send(shard, again.taken_up())
    assert held(kusto) == rows
    # Both were in the queue at once: the service must not load them as one batch.
    wait_until(lambda: len(kusto.ingestion.messages) == 2)
    assert held(kusto) == rows
    assert kusto.ingestion.rows == 7


@MODES
def test_a_lost_acknowledgement_queues_nothing(
    case: AdxCase, kusto: Kusto, tmp_path: Path, mode: Mode
) -> None:
    rows = rows_of(DAY, 7, "once")
    shard, journal = write_shard(tmp_path, rows, mode=mode), MemoryJournal(7, fail_after=0)
    with pytest.raises(Crash):
        adx(case).send(shard, journal)
    assert adx(case).arrived(shard) is True
    receipt = adx(case).send(shard, journal.taken_up())
    assert receipt.already_delivered
    assert held(kusto) == rows
    assert len(kusto.ingestion.messages) == 1


@MODES
def test_a_slow_service_is_not_waited_for_forever(
    case: AdxCase, kusto: Kusto, tmp_path: Path, mode: Mode
) -> None:
    rows = rows_of(DAY, 7, "late")
    shard, journal = write_shard(tmp_path, rows, mode=mode), MemoryJournal(7)
    kusto.ingestion.open.clear()
    with pytest.raises(DeliveryError, match="ingestion queue") as caught:
        adx(case, wait_minutes=0.005).send(shard, journal)
    assert "readyforaggregation-" in caught.value.what
    assert "sig=" not in str(caught.value)
    kusto.ingestion.open.set()
    adx(case).send(shard, journal.taken_up())
    assert held(kusto) == rows
    assert kusto.ingestion.twice == 0


def test_nobody_can_tell_of_an_append_that_may_be_queued(case: AdxCase, kusto: Kusto, tmp_path: Path) -> None:
    shard, replaced = append(tmp_path, rows_of(DAY, 2, "a")), snapshot(tmp_path, rows_of(DAY, 2, "a"))
    assert adx(case).arrived(shard) is None
    assert adx(case).arrived(replaced) is False
    kusto.ingestion.open.clear()
    with pytest.raises(Crash):
        adx(case).send(shard, DiesOnceQueued(2))
    assert adx(case).arrived(shard) is None


@MODES
def test_a_refused_file_is_told_in_the_services_words(
    case: AdxCase, kusto: Kusto, tmp_path: Path, mode: Mode
) -> None:
    rows = rows_of(DAY, 7, "refused")
    shard, journal = write_shard(tmp_path, rows, mode=mode), MemoryJournal(7)
    kusto.ingestion.faults.append(Failed("BadRequest_InvalidBlob", "Blob is invalid."))
    with pytest.raises(DeliveryError, match="BadRequest_InvalidBlob: Blob is invalid") as caught:
        adx(case).send(shard, journal)
    assert "sig=" not in str(caught.value)
    assert journal.pending() == [(0, 7)]
    adx(case).send(shard, journal.taken_up())
    assert held(kusto) == rows


@pytest.mark.parametrize("hidden", ["queue", "command"])
def test_either_place_of_failures_is_enough(case: AdxCase, kusto: Kusto, tmp_path: Path, hidden: str) -> None:
    if hidden == "queue":
        fill_failure_queue(kusto, 40)
    else:
        kusto.forbidden.append(".show ingestion failures")
    kusto.ingestion.faults.append(Failed("Stream_NoDataToIngest", "Found no data to ingest."))
    with pytest.raises(DeliveryError, match="Found no data to ingest"):
        adx(case).send(append(tmp_path, rows_of(DAY, 2, "a")), MemoryJournal(2))


def fill_failure_queue(kusto: Kusto, messages: int) -> None:
    """Failures of others, who share the queue."""
    where, _, signature = kusto.ingestion.failed.partition("?")
    account, _, name = where.rpartition("/")
    with QueueClient(
        account, name, credential=signature, message_encode_policy=TextBase64EncodePolicy()
    ) as queue:
        for number in range(messages):
            queue.send_message(f'{{"IngestionSourceId": "{number}", "ErrorCode": "Unknown"}}')


def test_the_service_tries_transient_failures_again_by_itself(
    destination: AdxDestination, kusto: Kusto, tmp_path: Path
) -> None:
    rows = rows_of(DAY, 3, "a")
    kusto.ingestion.faults.append(Failed("General_InternalServerError", "Internal error.", "Transient"))
    delivered(destination, append(tmp_path, rows))
    assert held(kusto) == rows
    assert len(kusto.ingestion.messages) == 2


def test_lost_rows_never_come_to_a_snapshots_table(
    destination: AdxDestination, kusto: Kusto, tmp_path: Path
) -> None:
    before, after = rows_of(DAY, 5, "before"), rows_of(DAY, 6, "after")
    delivered(destination, snapshot(tmp_path, before))
    kusto.ingestion.faults.append(4)
    shard, journal = snapshot(tmp_path, after), MemoryJournal(6)
    with pytest.raises(DeliveryError, match="of 6 rows that were sent.*loaded 4"):
        destination.send(shard, journal)
    assert held(kusto) == before
    destination.send(shard, journal.taken_up())
    assert held(kusto) == after


def test_lost_rows_of_an_append_are_told_with_the_way_out(
    destination: AdxDestination, kusto: Kusto, tmp_path: Path
) -> None:
    kusto.ingestion.faults.append(4)
    shard, journal = append(tmp_path, rows_of(DAY, 6, "a")), MemoryJournal(6)
    with pytest.raises(DeliveryError, match="loaded 4") as caught:
        destination.send(shard, journal)
    assert journal.pending() == [(0, 6)]
    command = caught.value.fix.partition("`.drop")[2].partition("`")[0]
    kusto.engine.command(f".drop{command}")
    destination.send(shard, journal.taken_up())
    assert len(held(kusto)) == 6


def test_a_delivery_that_was_given_up_never_comes_to_the_table(
    case: AdxCase, kusto: Kusto, tmp_path: Path
) -> None:
    kusto.ingestion.open.clear()
    with pytest.raises(DeliveryError):
        adx(case, wait_minutes=0.005).send(snapshot(tmp_path, rows_of(DAY, 9, "old")), MemoryJournal(9))
    kusto.ingestion.open.set()
    delivered(adx(case), snapshot(tmp_path, rows_of(DAY, 2, "new")))
    kusto.engine.merge_extents()
    delivered(adx(case), snapshot(tmp_path, rows_of(DAY, 3, "newer")))
    assert held(kusto) == rows_of(DAY, 3, "newer")
    assert held(kusto, STAGING) == []


def test_a_large_shard_goes_in_parts_and_is_taken_up_at_the_next(
    case: AdxCase, kusto: Kusto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = rows_of(DAY, 4000, "part")
    shard, journal = append(tmp_path, rows), MemoryJournal(4000, fail_after=1)
    size = import_module("pyarrow.parquet").read_metadata(shard.path).row_group(0).total_byte_size
    monkeypatch.setattr(adx_parts, "PART_BYTES", size // 3)
    parts = adx_parts.parts_of(shard)
    assert len(parts) >= 3
    assert [(p.first, p.end) for p in parts] == list(pairwise([0, *(p.end for p in parts)]))
    with pytest.raises(Crash):
        adx(case).send(shard, journal)
    taken_up = journal.taken_up()
    assert taken_up.pending() != [(0, 4000)]
    adx(case).send(shard, taken_up)
    assert held(kusto) == rows
    assert len(kusto.ingestion.messages) == len(parts)
    assert kusto.ingestion.twice == 0


def test_throttling_and_errors_of_the_service_pass(
    destination: AdxDestination, kusto: Kusto, tmp_path: Path
) -> None:
    shard = append(tmp_path, rows_of(DAY, 2, "a"))
    kusto.throttled = 2
    destination.check(shard)
    kusto.broken = 2
    delivered(destination, shard)
    assert kusto.throttled == kusto.broken == 0
    assert held(kusto) == rows_of(DAY, 2, "a")


def test_a_service_that_stays_down_is_told(destination: AdxDestination, kusto: Kusto, tmp_path: Path) -> None:
    kusto.throttled = 99
    with pytest.raises(DeliveryError, match="could not be asked to show a table's schema, 4 times"):
        destination.check(append(tmp_path, rows_of(DAY, 2, "a")))
