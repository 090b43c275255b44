"""Salesforce's bulk jobs: one after the other, taken up after crashes, answered row by row.

Belongs here: what only jobs have. Does not: what holds however rows go (`test_salesforce_destination`).
"""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from sluicegate.destinations.errors import DeliveryError

from .cases.salesforce import SalesforceCase
from .journals import Crash, MemoryJournal
from .salesforce_support import Make, bulk, destination, items_shard, notes, opened, wanted


@pytest.fixture
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SalesforceCase]:
    yield from opened(request, tmp_path)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    return partial(items_shard, tmp_path)


class DiesBeforeUpload(MemoryJournal):
    """Its process dies once a job is made and kept, before anything is put into it."""

    def keep(self, name: str, value: str) -> None:
        super().keep(name, value)
        raise Crash


def test_jobs_of_one_object_follow_each_other(case: SalesforceCase, make: Make) -> None:
    case.double.jobs.polls = 2
    bulk(case, job_rows=300).send(make(1000), MemoryJournal(1000))
    assert [job.state for job in case.double.jobs.jobs.values()] == ["JobComplete"] * 4
    assert case.double.jobs.most_at_once == 1
    assert notes(case) == wanted(1000)


@pytest.mark.parametrize("kind", ["create", "put", "state", "info", "results"])
def test_a_lost_answer_of_a_job_loses_and_repeats_nothing(
    case: SalesforceCase, make: Make, kind: str
) -> None:
    case.double.fault(kind).lose_answers()
    journal = MemoryJournal(500)
    bulk(case).send(make(500), journal)
    assert journal.pending() == []
    assert notes(case) == wanted(500)
    assert case.double.table.twice == 0


@pytest.mark.parametrize("polls", [0, 3])
def test_a_job_is_taken_up_after_a_crash(case: SalesforceCase, make: Make, polls: int) -> None:
    case.double.jobs.polls = polls
    case.double.table.rules["8"] = ("DUPLICATE_VALUE", "duplicate value found: Code__c")
    shard, crashed = make(300), MemoryJournal(300, fail_after=0)
    with pytest.raises(Crash):
        bulk(case).send(shard, crashed)
    journal = crashed.taken_up()
    bulk(case).send(shard, journal)
    assert len(case.double.jobs.jobs) == 1
    assert journal.pending() == []
    assert [(row.row, row.code) for row in journal.refused] == [(8, "DUPLICATE_VALUE")]
    assert case.double.table.rows == 300


def test_a_job_that_was_never_closed_is_aborted_and_made_anew(case: SalesforceCase, make: Make) -> None:
    shard, crashed = make(300), DiesBeforeUpload(300)
    with pytest.raises(Crash):
        bulk(case).send(shard, crashed)
    assert [job.state for job in case.double.jobs.jobs.values()] == ["Open"]
    journal = crashed.taken_up()
    bulk(case).send(shard, journal)
    assert [job.state for job in case.double.jobs.jobs.values()] == ["Aborted", "JobComplete"]
    assert notes(case) == wanted(300)
    assert case.double.table.twice == 0


def test_a_job_that_failed_on_its_way_is_continued(case: SalesforceCase, make: Make) -> None:
    case.double.jobs.stop_after = 400
    shard, journal = make(1000), MemoryJournal(1000)
    case.double.jobs.stop_error = "InternalServerError : an unexpected error"
    with pytest.raises(DeliveryError, match=r"failed after 400 rows, with 600 left: InternalServerError"):
        bulk(case).send(shard, journal)
    assert journal.pending() == [(400, 1000)]
    case.double.jobs.stop_after = None
    again = journal.taken_up()
    bulk(case).send(shard, again)
    assert again.pending() == []
    assert notes(case) == wanted(1000)
    assert case.double.table.twice == 0


def test_a_job_given_up_for_locks_is_followed_by_another(case: SalesforceCase, make: Make) -> None:
    case.double.jobs.stop_after = 400
    journal = MemoryJournal(1000)
    bulk(case).send(make(1000), journal)
    assert journal.pending() == []
    assert notes(case) == wanted(1000)
    assert len(case.double.jobs.jobs) == 3
    assert case.double.table.twice == 0


def test_the_daily_batches_end_the_run_and_nothing_is_sent_twice(case: SalesforceCase, make: Make) -> None:
    shard = make(12_000)
    case.double.jobs.batches_allowed = 1
    journal = MemoryJournal(12_000)
    with pytest.raises(DeliveryError, match=r"(?s)Max Batch Count.*15,000 batches"):
        bulk(case).send(shard, journal)
    assert journal.pending() == [(10_000, 12_000)]
    case.double.jobs.batches_allowed = 10
    again = journal.taken_up()
    bulk(case).send(shard, again)
    assert again.pending() == []
    assert len(case.contents()) == 12_000
    assert case.double.table.twice == 0


def test_a_job_of_a_delivery_that_was_given_up_ends_first(case: SalesforceCase, make: Make) -> None:
    case.double.jobs.polls = 4
    with pytest.raises(DeliveryError, match="after .* hours"):
        bulk(case, wait_hours=1e-9).send(make(100, "old"), MemoryJournal(100))
    journal = MemoryJournal(100)
    destination(case, poll_seconds=0.001).send(make(100, "new"), journal)
    assert notes(case) == wanted(100, "new")
    assert any("waiting for Salesforce job" in text for text in journal.told)


def test_what_is_kept_has_no_secret(case: SalesforceCase, make: Make) -> None:
    journal = MemoryJournal(5)
    bulk(case).send(make(5), journal)
    assert json.loads(journal.kept()["salesforce_bulk"]) == {
        "ranges": [[0, 5]],
        "jobs": ["750000000000001AAA"],
    }
    assert "s3cret" not in repr((journal.told, journal.kept()))
