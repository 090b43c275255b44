"""What only HubSpot has: trace ids in place of order, property rules, policies of limits, erasure by id."""

from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from sluicegate.destinations.base import Change, DeliveryError, Mode, Scope, Shard
from sluicegate.destinations.errors import UnexpectedAnswer
from sluicegate.destinations.hubspot import HubSpotDestination, HubSpotOptions
from sluicegate.destinations.hubspot.values import Unwritable, as_text

from tests.doubles.hubspot import TOKEN, HubSpotDouble, Property
from tests.doubles.serving import serve

from .cases.hubspot import PROPERTIES
from .journals import Crash, MemoryJournal
from .support import DAY, NEXT_DAY, rows_of, write_shard


@contextmanager
def account(
    object_type: str = "contacts", properties: dict[str, Property] | None = None, **limits: Any
) -> Generator[tuple[HubSpotDouble, HubSpotDestination]]:
    double = HubSpotDouble(properties or PROPERTIES, object_type, **limits)
    with serve(double.app) as address:
        yield double, HubSpotDestination(f"hubspot://4711:{TOKEN}@{address}", object_type)


def shard_of(tmp_path: Path, rows: Any, key: tuple[str, ...] = ("item",), **stated: Any) -> Shard:
    return write_shard(tmp_path, rows, key=key, **stated)


def deliver(destination: HubSpotDestination, shard: Shard) -> MemoryJournal:
    destination.check(shard)
    return send(destination, shard)


def send(destination: HubSpotDestination, shard: Shard) -> MemoryJournal:
    journal = MemoryJournal(shard.rows)
    destination.send(shard, journal)
    assert journal.pending() == []
    return journal


def scope(partition: str = DAY, column: str | None = "business_date", key: str = "item") -> Scope:
    return Scope("exp_items", partition, (key,), ("item", "business_date", "note"), column)


def notes(double: HubSpotDouble) -> dict[str, str]:
    return {held["item"]: held["note"] for held in double.records.values() if "item" in held}


def test_a_refused_record_does_not_hold_up_the_99_beside_it(tmp_path: Path) -> None:
    with account() as (double, hubspot):
        double.say_no = lambda held: "note is on the block list" if held["item"] in ("7", "42") else None
        journal = deliver(hubspot, shard_of(tmp_path, rows_of(DAY, 250, "a")))
        assert {row.row: row.said for row in journal.refused} == dict.fromkeys(
            (7, 42), "note is on the block list"
        )
        assert {row.code for row in journal.refused} == {"VALIDATION_ERROR"}
        assert len(double.records) == 248
        assert double.rows == 250  # nothing was split, nothing sent again


def test_the_code_of_a_refusal_is_that_of_the_property(tmp_path: Path) -> None:
    values = {
        "item": pa.array([1, 2], pa.int32()),
        "business_date": pa.array([date(2022, 10, 3)] * 2),
        "tier": pa.array(["gold", "tin"]),
    }
    with account() as (double, hubspot):
        journal = deliver(hubspot, shard_of(tmp_path, pa.table(values)))
        (refused,) = journal.refused
        assert (refused.row, refused.code) == (1, "INVALID_OPTION")
        assert "tin was not one of the allowed options: [gold, silver]" in refused.said
        assert len(double.records) == 1


def test_an_error_that_names_no_record_is_found_by_halves(tmp_path: Path) -> None:
    with account() as (double, hubspot):
        nameless = {
            "results": [],
            "errors": [{"status": "error", "category": "CONFLICT", "message": "?"}],
        }
        double.faults.fail(207, times=1, body=nameless)
        journal = send(hubspot, shard_of(tmp_path, rows_of(DAY, 4, "a")))
        assert journal.refused == []
        assert len(notes(double)) == 4


def test_records_that_the_answer_leaves_out_are_sent_again_by_halves(tmp_path: Path) -> None:
    with account() as (double, hubspot):
        double.faults.fail(200, body={"status": "COMPLETE", "results": [{"id": "1"}]})
        assert send(hubspot, shard_of(tmp_path, rows_of(DAY, 4, "a"))).refused == []
        assert len(notes(double)) == 4
        double.faults.fail(200, body={"status": "COMPLETE", "results": []})
        with pytest.raises(UnexpectedAnswer, match="HubSpot answered for 0 of 1 records"):
            send(hubspot, shard_of(tmp_path, rows_of(DAY, 1, "b")))


def test_values_are_kept_as_hubspot_has_them(tmp_path: Path) -> None:
    values = {
        "item": pa.array([1], pa.int32()),
        "business_date": pa.array([date(2022, 10, 3)]),
        "note": pa.array([None], pa.string()),
        "amount": pa.array([Decimal("10.50")], pa.decimal128(12, 2)),
        "moment": pa.array([datetime(2022, 10, 3, 4, 5, 6, 789_000, UTC)], pa.timestamp("us", "UTC")),
        "flag": pa.array([False]),
        "weight": pa.array([1e-7]),
    }
    with account() as (double, hubspot):
        double.put(item="1", note="set before")
        deliver(hubspot, shard_of(tmp_path, pa.table(values)))
        (held,) = double.records.values()
        assert held == {
            "item": "1",
            "business_date": "2022-10-03",
            "note": "",
            "amount": "10.5",
            "moment": "2022-10-03T04:05:06.789Z",
            "flag": "false",
            "weight": "0.0000001",
        }


@pytest.mark.parametrize(
    "value", [float("nan"), Decimal("Infinity"), datetime(2022, 10, 3, 0, 0, 0, 1, UTC), b"bytes"]
)
def test_what_hubspot_cannot_keep_is_no_text(value: Any) -> None:
    with pytest.raises(Unwritable):
        as_text(value)


def test_a_moment_finer_than_milliseconds_is_refused_by_itself(tmp_path: Path) -> None:
    moments = [datetime(2022, 10, 3, microsecond=n, tzinfo=UTC) for n in (1, 1000)]
    values = {"item": pa.array([1, 2], pa.int32()), "moment": pa.array(moments, pa.timestamp("us", "UTC"))}
    with account() as (double, hubspot):
        journal = deliver(hubspot, shard_of(tmp_path, pa.table(values)))
        assert [(row.row, row.code) for row in journal.refused] == [(0, "UNWRITABLE")]
        assert [held["item"] for held in double.records.values()] == ["2"]


@pytest.mark.parametrize(
    ("properties", "key", "said"),
    [
        ({"note": None}, ("item",), "no property note"),
        ({"note": Property(read_only=True)}, ("item",), "note of HubSpot's contacts cannot be written"),
        ({"note": Property("number")}, ("item",), "field 'note' is string"),
        ({"note": Property("enumeration", options=("x",))}, ("item",), "no value of field 'note'"),
        ({"item": Property("number")}, ("item",), "'item' of contacts does not require unique values"),
        ({}, ("item", "business_date"), "has the key item, business_date"),
    ],
)
def test_check_tells_what_does_not_fit(
    tmp_path: Path, properties: dict[str, Property | None], key: tuple[str, ...], said: str
) -> None:
    made = {name: of for name, of in (PROPERTIES | properties).items() if of is not None}
    with account(properties=made) as (double, hubspot):
        with pytest.raises(DeliveryError, match=said):
            hubspot.check(shard_of(tmp_path, rows_of(DAY, 2, "a"), key=key))
        assert double.rows == 0


def test_a_stray_option_is_left_to_hubspot_and_labels_are_told(tmp_path: Path) -> None:
    def tiers(*values: str) -> Shard:
        items = pa.array(range(len(values)), pa.int32())
        return shard_of(tmp_path, pa.table({"item": items, "tier": pa.array(values)}))

    with account() as (_, hubspot):
        hubspot.check(tiers("gold", "tin"))
        with pytest.raises(DeliveryError, match="map the labels to the internal values"):
            hubspot.check(tiers("Gold", "Silver"))


def test_an_unknown_object_type_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    with account() as (double, hubspot):
        other = HubSpotDestination(hubspot._url, "2-99")  # pyright: ignore[reportPrivateUsage]
        with pytest.raises(DeliveryError, match="Unable to infer object type from: 2-99"):
            other.check(shard_of(tmp_path, rows_of(DAY, 1, "a")))
        assert double.rows == 0


def test_e_mail_as_key_may_have_capital_letters_and_cannot_be_mirrored(tmp_path: Path) -> None:
    def people(*emails: str, **stated: Any) -> Shard:
        values = {"email": pa.array(emails), "note": pa.array(["n"] * len(emails))}
        return shard_of(tmp_path, pa.table(values), key=("email",), partition_column=None, **stated)

    properties = PROPERTIES | {"email": Property(unique=True, hubspot_defined=True)}
    with account(properties=properties) as (double, hubspot):
        with pytest.raises(DeliveryError, match="would remove contacts that other people brought"):
            hubspot.check(people("a@x.example", mode=Mode.MIRROR))
        for spelt in ("A@x.example", "a@X.example"):
            deliver(hubspot, people(spelt, "b@x.example"))
        found = [held["email"] for held in double.records.values()]
        assert found == ["a@x.example", "b@x.example"]


def test_removed_rows_are_archived_and_those_already_gone_do_no_harm(tmp_path: Path) -> None:
    with account() as (double, hubspot):
        deliver(hubspot, shard_of(tmp_path, rows_of(DAY, 3, "a")))
        del double.records[next(i for i, held in double.records.items() if held["item"] == "1")]
        removed = shard_of(tmp_path, rows_of(DAY, 2, "a"), changes=Change.REMOVED, mode=Mode.MIRROR)
        deliver(hubspot, removed)
        assert set(notes(double)) == {"2"}
        assert len(double.archived) == 1


def test_a_full_mirror_archives_strangers_of_its_day_alone(tmp_path: Path) -> None:
    with account() as (double, hubspot):
        stranger = double.put(item="900", business_date=DAY, note="x")
        double.put(item="901", business_date=NEXT_DAY, note="another day")
        double.put(email="sales@x.example", business_date=DAY)
        full = shard_of(tmp_path, rows_of(DAY, 3, "a"), mode=Mode.MIRROR, full=True)
        deliver(hubspot, full)
        assert double.archived == {stranger}
        assert set(notes(double)) == {"0", "1", "2", "901"}
        assert any(held.get("email") for held in double.records.values())


def test_a_full_mirror_of_an_empty_day_empties_it(tmp_path: Path) -> None:
    with account() as (double, hubspot):
        double.put(item="1", business_date=DAY, note="x")
        deliver(hubspot, shard_of(tmp_path, rows_of(DAY, 0, "a"), mode=Mode.MIRROR, full=True))
        assert double.records == {}


def test_reading_back_goes_through_every_page_and_keeps_to_the_scope(tmp_path: Path) -> None:
    with account() as (double, hubspot):
        deliver(hubspot, shard_of(tmp_path, rows_of(DAY, 230, "a")))
        double.put(item="900", business_date=NEXT_DAY, note="x")
        double.put(email="sales@x.example")
        day = pa.Table.from_batches(hubspot.read_back(scope()))
        assert day.num_rows == 230
        assert {"item": "7", "business_date": DAY, "note": "a"} in day.to_pylist()
        assert pa.Table.from_batches(hubspot.read_back(scope(column=None))).num_rows == 231


def test_forgetting_erases_contacts_by_record_and_blocks_no_address(tmp_path: Path) -> None:
    properties = PROPERTIES | {"email": Property(unique=True, hubspot_defined=True)}
    with account(properties=properties) as (double, hubspot):
        known = double.put(email="a@x.example")
        keys = [{"email": "a@x.example"}, {"email": "unknown@x.example"}]
        assert hubspot.forget(scope(key="email"), keys) == 1
        assert double.erased == {known}
        assert double.blocked == set()


def test_forgetting_other_types_archives_them() -> None:
    with account("2-1234567") as (double, hubspot):
        known = double.put(item="5")
        assert hubspot.forget(scope(), [{"item": 5}, {"item": 6}]) == 1
        assert double.archived == {known}


def test_the_ten_second_limit_is_waited_out(tmp_path: Path) -> None:
    with account(requests=2, seconds=0.3) as (double, hubspot):
        deliver(hubspot, shard_of(tmp_path, rows_of(DAY, 450, "a")))
        assert len(notes(double)) == 450
        assert double.refused > 0
        assert double.twice == 0


def test_the_daily_limit_ends_the_delivery_and_says_until_when(tmp_path: Path) -> None:
    with account(daily=2) as (double, hubspot):
        shard = shard_of(tmp_path, rows_of(DAY, 300, "a"))
        hubspot.check(shard)
        journal = MemoryJournal(shard.rows)
        with pytest.raises(DeliveryError, match="daily limit of requests is used up"):
            hubspot.send(shard, journal)
        assert len(notes(double)) == 100
        settled = shard.rows - sum(end - first for first, end in journal.pending())
        assert settled == 100


@pytest.mark.parametrize("status", [423, 477, 502])
def test_a_locked_or_moving_account_is_asked_again(tmp_path: Path, status: int) -> None:
    with account() as (double, hubspot):
        double.faults.fail(status, headers={"retry-after": "0"})
        send(hubspot, shard_of(tmp_path, rows_of(DAY, 3, "a")))
        assert len(notes(double)) == 3


def test_an_answer_lost_after_the_work_changes_nothing_the_second_time(tmp_path: Path) -> None:
    with account() as (double, hubspot):
        double.faults.lose_answers()
        send(hubspot, shard_of(tmp_path, rows_of(DAY, 50, "a")))
        assert len(double.records) == 50
        assert double.twice == 50


@pytest.mark.parametrize("acknowledged", [0, 1, 5])
def test_a_crash_in_a_full_mirror_is_taken_up_with_the_strangers(tmp_path: Path, acknowledged: int) -> None:
    with account() as (double, hubspot):
        strangers = {double.put(item=str(9000 + n), business_date=DAY, note="x") for n in range(120)}
        shard = shard_of(tmp_path, rows_of(DAY, 600, "a"), mode=Mode.MIRROR, full=True)
        journal = MemoryJournal(shard.rows, fail_after=acknowledged)
        with pytest.raises(Crash):
            hubspot.send(shard, journal)
        hubspot.send(shard, journal.taken_up())
        assert set(notes(double)) == {str(n) for n in range(600)}
        assert double.archived == strangers


def test_a_wrong_token_is_never_shown(tmp_path: Path) -> None:
    with account() as (_, hubspot):
        wrong = hubspot._url.replace(TOKEN, "pat-guessed")  # pyright: ignore[reportPrivateUsage]
        with pytest.raises(DeliveryError) as caught:
            HubSpotDestination(wrong, "contacts").check(shard_of(tmp_path, rows_of(DAY, 1, "a")))
        assert "401" in str(caught.value)
        assert "pat-guessed" not in str(caught.value)


def test_objects_have_one_spelling_in_each_account() -> None:
    def name(url: str, kind: str) -> str:
        return HubSpotDestination(url, kind).canonical_object()

    at = "@api.hubapi.com"
    assert name(f"hubspot://:secret{at}", "Contact") == name(f"hubspot://:other{at}", "0-1")
    assert name(f"hubspot://4711:secret{at}", "deals") == "hubspot://4711@api.hubapi.com/deals"
    with pytest.raises(DeliveryError, match="no object type"):
        HubSpotDestination.canonical_name("my contacts")
    with pytest.raises(DeliveryError, match="not one of HubSpot"):
        HubSpotDestination("https://api.hubapi.com", "contacts")


def test_a_smaller_account_states_its_own_rate() -> None:
    options = HubSpotOptions(requests_in_10_seconds=100)
    hubspot = HubSpotDestination("hubspot://:secret@api.hubapi.com", "contacts", options)
    assert (hubspot.rate_allowed().requests, hubspot.rate_allowed().seconds) == (100, 10.0)
