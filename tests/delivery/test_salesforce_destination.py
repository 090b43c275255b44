"""What is Salesforce's own, beside what every destination passes: sessions, limits, types, deletion.

Belongs here: how the destination meets what Salesforce publishes. Does not: bulk jobs
(`test_salesforce_bulk`), what holds for every destination (`test_conformance`).
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from sluicegate.destinations.base import Change, Mode, Scope
from sluicegate.destinations.errors import DeliveryError
from sluicegate.destinations.salesforce import SalesforceDestination

from tests.doubles.salesforce_records import Field

from .cases.salesforce import SalesforceCase
from .journals import MemoryJournal
from .salesforce_support import KEY, Make, Send, bulk, destination, items_shard, notes, opened, wanted
from .support import write_shard


@pytest.fixture
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SalesforceCase]:
    yield from opened(request, tmp_path)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    return partial(items_shard, tmp_path)


def test_few_rows_go_as_collections_and_many_as_jobs(case: SalesforceCase, make: Make) -> None:
    few, many = make(450), make(range(1000, 3100), "b")
    sender = destination(case, poll_seconds=0.001)
    sender.send(few, MemoryJournal(450))
    assert not case.double.jobs.jobs
    journal = MemoryJournal(2100)
    receipt = sender.send(many, journal)
    assert len(case.double.jobs.jobs) == 1
    assert notes(case) == wanted(450) | wanted(range(1000, 3100), "b")
    assert journal.pending() == []
    assert receipt.rows == 2100
    assert receipt.location == f"salesforce://{case.url.rpartition('@')[2]}/store_item__c"
    assert receipt.details["api_requests_allowed"] == 100_000
    assert case.double.table.twice == 0


@pytest.mark.parametrize("send", [bulk, destination])
def test_refused_rows_are_told_with_salesforces_words(case: SalesforceCase, make: Make, send: Send) -> None:
    case.double.table.rules["7"] = ("FIELD_CUSTOM_VALIDATION_EXCEPTION", "seven is not sold here: ask")
    case.double.table.fields["Note__c"] = Field(length=3)
    journal = MemoryJournal(1001)
    send(case).send(make(1001), journal)
    assert journal.pending() == []
    assert {(row.row, row.code) for row in journal.refused} == {
        (7, "FIELD_CUSTOM_VALIDATION_EXCEPTION"),
        *((number, "STRING_TOO_LONG") for number in range(100, 1001)),
    }
    said = {row.row: row.said for row in journal.refused}
    assert "seven is not sold here: ask" in said[7]
    assert "max length=3" in said[1000]
    assert notes(case) == wanted([number for number in range(100) if number != 7])


@pytest.mark.parametrize("send", [bulk, destination])
def test_a_locked_record_is_tried_again(case: SalesforceCase, make: Make, send: Send) -> None:
    case.double.table.locked.update({"3": 2, "900": 1})
    journal = MemoryJournal(1000)
    send(case).send(make(1000), journal)
    assert (journal.pending(), journal.refused) == ([], [])
    assert notes(case) == wanted(1000)
    # Rows that were taken are not sent again.
    assert case.double.table.rows == 1000 + 3


def test_a_record_that_stays_locked_is_refused(case: SalesforceCase, make: Make) -> None:
    case.double.table.locked["3"] = 4
    journal = MemoryJournal(10)
    destination(case).send(make(10), journal)
    assert [(row.row, row.code) for row in journal.refused] == [(3, "UNABLE_TO_LOCK_ROW")]


def test_a_session_that_ends_is_begun_anew(case: SalesforceCase, make: Make) -> None:
    sender = destination(case)
    sender.check(make(3))
    case.double.end_sessions()
    sender.send(make(450), MemoryJournal(450))
    assert notes(case) == wanted(450)


def test_credentials_that_salesforce_does_not_know(case: SalesforceCase, make: Make) -> None:
    wrong = SalesforceDestination(case.url.replace("s3cret", "wr0ng"), case.object_name)
    with pytest.raises(DeliveryError, match="invalid client credentials") as error:
        wrong.check(make(3))
    assert "wr0ng" not in str(error.value)


def test_requests_that_are_used_up_are_waited_for(case: SalesforceCase, make: Make) -> None:
    sender = destination(case)
    sender.check(make(1))
    sender.budget_seconds = 0.5
    case.double.allowed = case.double.requests + 2
    journal = MemoryJournal(1000)
    with pytest.raises(DeliveryError, match="REQUEST_LIMIT_EXCEEDED"):
        sender.send(make(1000), journal)
    assert journal.pending()


@pytest.mark.parametrize("send", [bulk, destination])
def test_requests_that_are_left_to_others_are_not_taken(case: SalesforceCase, make: Make, send: Send) -> None:
    case.double.allowed, case.double.jobs.polls = 100, 5
    case.double.requests = 100 - 30 - 4
    journal = MemoryJournal(2000)
    with pytest.raises(DeliveryError, match=r"of 100 API requests .* left"):
        send(case, leave_requests=30).send(make(2000), journal)
    # Those under way at that moment are not called back.
    assert 70 <= case.double.requests < 70 + destination(case).parallel
    assert journal.pending()
    # A day later.
    case.double.requests = 0
    again = journal.taken_up()
    send(case, leave_requests=30).send(make(2000), again)
    assert again.pending() == []
    assert notes(case) == wanted(2000)
    assert case.double.table.twice == 0


def test_mirror_deletes_what_is_removed(case: SalesforceCase, make: Make) -> None:
    destination(case).send(make(600), MemoryJournal(600))
    gone = next(one for one, held in case.double.table.records.items() if held[KEY] == 5)
    case.double.table.delete(gone)
    changes = [Change.REMOVED if number % 3 else Change.CHANGED for number in range(600)]
    for send in (bulk, destination):
        journal = MemoryJournal(600)
        send(case).send(make(600, "b", changes=changes, mode=Mode.MIRROR), journal)
        assert (journal.pending(), journal.refused) == ([], [])
        assert notes(case) == wanted(range(0, 600, 3), "b")


def test_a_record_that_cannot_be_deleted_is_refused(case: SalesforceCase, make: Make) -> None:
    destination(case).send(make(10), MemoryJournal(10))
    case.double.table.undeletable.add(next(iter(case.double.table.records)))
    journal = MemoryJournal(10)
    destination(case).send(make(10, changes=Change.REMOVED, mode=Mode.MIRROR), journal)
    assert [(row.row, row.code) for row in journal.refused] == [(0, "DELETE_FAILED")]
    assert "it has cases" in journal.refused[0].said


@pytest.mark.parametrize("send", [bulk, destination])
def test_a_full_mirror_takes_out_strangers_of_its_day_alone(
    case: SalesforceCase, make: Make, send: Send
) -> None:
    case.double.page_rows = 7
    destination(case).send(make(range(100)), MemoryJournal(100))
    case.double.table.hold({KEY: Decimal(777), "Business_Date__c": date(2022, 10, 4)})
    by_hand = case.double.table.hold({"Note__c": "nobody's", "Business_Date__c": date(2022, 10, 3)})
    journal = MemoryJournal(50)
    send(case).send(make(range(50), full=True, mode=Mode.MIRROR), journal)
    assert journal.pending() == []
    assert notes(case) == wanted(50) | {777: None}
    assert by_hand in case.double.table.records


@pytest.mark.parametrize("send", [bulk, destination])
def test_a_full_mirror_stays_pending_until_strangers_are_out(
    case: SalesforceCase, make: Make, send: Send
) -> None:
    stranger = case.double.table.hold({KEY: Decimal(777), "Business_Date__c": date(2022, 10, 3)})
    case.double.table.undeletable.add(stranger)
    shard, journal = make(50, full=True, mode=Mode.MIRROR), MemoryJournal(50)
    with pytest.raises(DeliveryError, match=r"1 of 1 records .*DELETE_FAILED"):
        send(case).send(shard, journal)
    assert journal.pending()
    case.double.table.undeletable.clear()
    again = journal.taken_up()
    send(case).send(shard, again)
    assert again.pending() == []
    assert notes(case) == wanted(50)


def test_keys_are_found_whatever_their_letters(case: SalesforceCase, tmp_path: Path) -> None:
    arrow = import_module("pyarrow")
    case.double.table.fields["Code__c"] = Field(external_id=True)
    keys = ["it's", 'a "b"', "back\\slash", "Größe", "comma, too", "two\nlines", "Upper", "#1 & 2+3"]
    table = arrow.table({"Code__c": keys, "Note__c": [f"of {number}" for number in range(len(keys))]})
    stated: dict[str, Any] = {"key": ("Code__c",), "partition_column": None, "mode": Mode.MIRROR}
    for send in (bulk, destination):
        journal = MemoryJournal(len(keys))
        send(case).send(write_shard(tmp_path, table, full=True, **stated), journal)
        assert (journal.pending(), journal.refused) == ([], [])
        held = {row["Code__c"]: row["Note__c"] for row in case.double.table.records.values()}
        assert held == {key: f"of {number}" for number, key in enumerate(keys)}
    journal = MemoryJournal(len(keys))
    destination(case).send(write_shard(tmp_path, table, changes=Change.REMOVED, **stated), journal)
    assert (journal.pending(), journal.refused) == ([], [])
    assert case.double.table.records == {}


def test_values_of_every_kind_arrive_and_are_read_back(case: SalesforceCase, tmp_path: Path) -> None:
    arrow = import_module("pyarrow")
    table = arrow.table(
        {
            KEY: arrow.array([1, 2], arrow.int32()),
            "Business_Date__c": arrow.array([date(2022, 10, 3)] * 2),
            "Note__c": arrow.array(['a, "b"\nc', None]),
            "Amount__c": arrow.array([Decimal("-12.30"), None], arrow.decimal128(12, 2)),
            "Moment__c": arrow.array([datetime(2022, 10, 3, 12, 30, 1, tzinfo=UTC), None]),
            "Flag__c": arrow.array([True, False]),
            "Weight__c": arrow.array([0.125, 1e6]),
        }
    )
    stated: dict[str, Any] = {"key": (KEY,), "partition_column": "Business_Date__c"}
    scope = Scope("exp_items", "2022-10-03", (KEY,), tuple(table.column_names), "Business_Date__c")
    for send in (destination, bulk):
        case.double.table.records.clear()
        sender = send(case)
        shard = write_shard(tmp_path, table, **stated)
        sender.check(shard)
        journal = MemoryJournal(2)
        sender.send(shard, journal)
        assert journal.refused == []
        read = [row for batch in sender.read_back(scope) for row in batch.to_pylist()]
        assert sorted(read, key=lambda row: row[KEY]) == table.to_pylist()


def test_a_null_takes_a_value_away(case: SalesforceCase, tmp_path: Path) -> None:
    arrow = import_module("pyarrow")
    stated: dict[str, Any] = {"key": (KEY,), "partition_column": None, "changes": Change.CHANGED}
    for send in (destination, bulk):
        case.double.table.hold({KEY: Decimal(1), "Note__c": "before"})
        table = arrow.table({KEY: [1], "Note__c": arrow.array([None], arrow.string())})
        send(case).send(write_shard(tmp_path, table, **stated), MemoryJournal(1))
        assert notes(case) == {1: None}
        case.double.table.delete(next(iter(case.double.table.records)))


def test_forget_deletes_within_the_scope(case: SalesforceCase, make: Make) -> None:
    sender = destination(case)
    sender.send(make(500), MemoryJournal(500))
    case.double.table.hold({KEY: Decimal(777), "Business_Date__c": date(2022, 10, 4)})
    scope = Scope("exp_items", "2022-10-03", (KEY,), (KEY, "Note__c"), "Business_Date__c")
    keys = [{KEY: number} for number in (*range(450), 777, 999)]
    case.double.fault("delete").lose_answers()
    assert sender.forget(scope, keys) == 450
    assert sender.forget(scope, keys) == 0
    assert notes(case) == wanted(range(450, 500)) | {777: None}


def check(case: SalesforceCase, tmp_path: Path, columns: dict[str, Any], **stated: Any) -> None:
    table = import_module("pyarrow").table({KEY: [1], **columns})
    usual: dict[str, Any] = {"key": (KEY,), "partition_column": None}
    destination(case).check(write_shard(tmp_path, table, **(usual | stated)))


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"Nope__c": ["a"]}, r"has no field 'Nope__c'"),
        ({"note__c": ["a"]}, r"expected: Note__c, spelled so"),
        ({"Formula__c": [1]}, r"Formula__c cannot be written"),
        ({"Amount__c": ["1"]}, r"Amount__c \(double\) cannot hold string"),
        ({"Amount__c": [Decimal("1.001")]}, r"at most 2 digits after the point"),
        ({"Note__c": [1.5]}, r"Note__c \(string\) cannot hold double"),
        ({"Flag__c": [1]}, r"expected: a boolean"),
        ({"Business_Date__c": ["2022-10-03"]}, r"expected: a date"),
    ],
)
def test_what_does_not_fit_is_said_before_anything_is_sent(
    case: SalesforceCase, tmp_path: Path, columns: dict[str, Any], said: str
) -> None:
    with pytest.raises(DeliveryError, match=said):
        check(case, tmp_path, columns)
    assert case.contents() == []


def test_objects_keys_and_rights_are_checked(case: SalesforceCase, make: Make, tmp_path: Path) -> None:
    with pytest.raises(DeliveryError, match=r"(?s)no external ID field 'Note__c'.*Item__c"):
        check(case, tmp_path, {"Note__c": ["a"]}, key=("Note__c",))
    with pytest.raises(DeliveryError, match="has no object 'Nothing__c'"):
        SalesforceDestination(case.url, "Nothing__c").check(make(1))
    with pytest.raises(DeliveryError, match="no API name"):
        SalesforceDestination.canonical_name("select *")
    case.double.table.fields["Code__c"] = Field(required=True)
    with pytest.raises(DeliveryError, match="requires: Code__c"):
        destination(case).check(make(1, full=True))
    case.double.rights["deletable"] = False
    destination(case).check(make(1))
    with pytest.raises(DeliveryError, match="may not delete"):
        destination(case).check(make(1, mode=Mode.MIRROR))


def test_a_url_without_credentials_is_said_to_be_none() -> None:
    with pytest.raises(DeliveryError, match="no client id and client secret"):
        SalesforceDestination("salesforce://mydomain.my.salesforce.com", "Account").read_back(
            Scope("exp", "2022-10-03", ("Id",), ("Id",), None)
        ).__next__()


def test_a_lost_answer_of_a_collection_is_asked_for_again(case: SalesforceCase, make: Make) -> None:
    case.double.fault("upsert").lose_answers()
    journal = MemoryJournal(450)
    destination(case).send(make(450), journal)
    assert journal.pending() == []
    assert notes(case) == wanted(450)
    assert 0 < case.double.table.twice <= 200


@pytest.mark.parametrize("send", [bulk, destination])
def test_a_row_that_spoils_its_request_is_refused_alone(
    case: SalesforceCase, tmp_path: Path, send: Send
) -> None:
    arrow = import_module("pyarrow")
    table = arrow.table(
        {KEY: list(range(64)), "Weight__c": [float("nan") if n == 37 else 0.5 for n in range(64)]}
    )
    journal = MemoryJournal(64)
    send(case).send(write_shard(tmp_path, table, key=(KEY,), partition_column=None), journal)
    assert [row.row for row in journal.refused] == [37]
    assert "nan" in journal.refused[0].said.lower()
    assert len(case.contents()) == 63


def test_salesforce_asks_for_patience_and_gets_it(case: SalesforceCase, make: Make) -> None:
    busy = {"message": "Too many concurrent requests", "errorCode": "SERVER_UNAVAILABLE"}
    case.double.fault("upsert").fail(503, 2, busy, {"Retry-After": "0.01"})
    concurrent = {"message": "ConcurrentRequests Limit exceeded.", "errorCode": "REQUEST_LIMIT_EXCEEDED"}
    case.double.fault("create").fail(403, 1, concurrent)
    destination(case).send(make(10), MemoryJournal(10))
    bulk(case).send(make(range(10, 20)), MemoryJournal(10))
    assert notes(case) == wanted(20)


def test_a_missing_right_refuses_no_row(case: SalesforceCase, make: Make) -> None:
    denied = {"message": "no API for this user", "errorCode": "API_DISABLED_FOR_ORG"}
    case.double.fault("upsert").fail(403, 1, denied)
    journal = MemoryJournal(10)
    with pytest.raises(DeliveryError, match="API_DISABLED_FOR_ORG no API for this user"):
        destination(case).send(make(10), journal)
    assert (journal.pending(), journal.refused) == ([(0, 10)], [])


def test_a_key_that_salesforce_changes_is_found_again(case: SalesforceCase, tmp_path: Path) -> None:
    """It trims texts, tells no case of them, and has numbers as doubles."""
    arrow = import_module("pyarrow")
    case.double.table.fields["Code__c"] = Field(external_id=True)
    case.double.table.fields["Price__c"] = Field("double", scale=2, external_id=True)
    for name, keys in (
        ("Code__c", arrow.array([" edge ", "UPPER", "lower"])),
        ("Price__c", arrow.array([Decimal("0.1"), Decimal("-5.0"), Decimal("1234567.7")])),
    ):
        stated: dict[str, Any] = {"key": (name,), "partition_column": None, "mode": Mode.MIRROR}
        for send in (bulk, destination):
            shard = write_shard(tmp_path, arrow.table({name: keys}), full=True, **stated)
            send(case).send(shard, MemoryJournal(3))
            assert len(case.double.table.records) == 3
        shard = write_shard(tmp_path, arrow.table({name: keys}), changes=Change.REMOVED, **stated)
        destination(case).send(shard, MemoryJournal(3))
        assert case.double.table.records == {}


def test_a_day_is_found_by_a_text_field_as_well(case: SalesforceCase, make: Make) -> None:
    case.double.table.fields["Business_Date__c"] = Field()
    bounds = ("2022-10-03T00:00:00+00:00", "2022-10-04T00:00:00+00:00")
    case.double.table.hold({KEY: Decimal(777), "Business_Date__c": "2022-10-04"})
    case.double.table.hold({KEY: Decimal(778), "Business_Date__c": "2022-10-03T23:59:00.000Z"})
    shard = make(5, full=True, mode=Mode.MIRROR, bounds=bounds)
    destination(case).send(shard, MemoryJournal(5))
    assert notes(case) == wanted(5) | {777: None}
