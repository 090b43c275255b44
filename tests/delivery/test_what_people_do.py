"""Plans looked at, old content told and sent again, destinations read back: on the engine and a shelf."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from orchestration.core.shown_text import CLASSIFIED
from orchestration.delivery.ledger import DeliveryHeld, Limits, Look, Opened
from orchestration.delivery.reconcile import Reconciled, normalised, reconcile
from orchestration.delivery.travel import (
    NothingHeld,
    held_at,
    moment_of,
    parse_moment,
    redeliver_order,
    scopes_of,
    write_held,
)
from orchestration.destinations.base import DeliveryError, Mode
from orchestration.state.records import DeliveryKind, DeliveryStatus

from .deliveries import DAY, Rows, Sender
from .shelf import Crash, ShelfDestination

NEXT_DAY = "2024-01-02"


@pytest.fixture
def sender(tmp_path: Path) -> Iterator[Sender]:
    """Sends to a shelf, mode mirror."""
    made = Sender(tmp_path, ShelfDestination(str(tmp_path), "shelf"))
    yield made
    made.store.close()


def shelf(sender: Sender) -> ShelfDestination:
    """Return the shelf itself."""
    assert isinstance(sender.destination, ShelfDestination)
    return sender.destination


def held(sender: Sender) -> dict[int, str]:
    """Return what is on the shelf, by item."""
    return {int(row["item"]): row["note"] for row in shelf(sender).rows().values()}


def look(sender: Sender, rows: Rows, **stated: object) -> Look:
    """Return the plan for these rows."""
    with duckdb.connect() as connection:
        source = sender.source(connection, rows, DAY)
        order = replace(sender.order(), **stated)  # pyright: ignore[reportArgumentType]
        return sender.ledger.compare(order, Opened(connection, source, "looked at"))


def compare(sender: Sender, *hidden: str) -> Reconciled:
    """Read the shelf back."""
    found = reconcile(sender.engine(), sender.order(), hidden)
    assert found is not None
    return found


# -- plans


def test_a_plan_with_another_key_is_what_a_delivery_makes_of_it(sender: Sender) -> None:
    sender.deliver({1: "a", 2: "b"}, "1")
    plan = look(sender, {1: "a", 2: "b"}, key=("item",))
    assert (plan.counts["added"], plan.counts["unchanged"], plan.whole) == (2, 0, True)
    made = sender.deliver({1: "a", 2: "b"}, "2", order=replace(sender.order(), key=("item",)))
    assert (made.delivery.added, made.delivery.whole) == (2, True)


def test_a_plan_tells_what_would_be_sent_and_sends_nothing(sender: Sender) -> None:
    sender.deliver({1: "a", 2: "b", 3: "c"}, "1")
    before = (shelf(sender).rows(), sender.store.deliveries.of_export("exp_items"))
    files = sorted(sender.folder.rglob("*.parquet"))
    plan = look(sender, {1: "a", 2: "x", 4: "d"}, limits=Limits(removed_share=0.1))
    assert {name: count for name, count in plan.counts.items() if count} == {
        "added": 1, "changed": 1, "removed": 1, "unchanged": 1,
    }  # fmt: skip
    assert plan.shown.fields == {"note": 1}
    assert [row["item"] for row in plan.shown.added] == ["4"]
    assert [row["item"] for row in plan.shown.removed] == ["3"]
    assert plan.shown.changed[0]["note"] == ("b", "x")
    assert [limit for limit in plan.limits if "removed" in limit] == list(plan.limits)
    assert plan.limits
    assert (shelf(sender).rows(), sender.store.deliveries.of_export("exp_items")) == before
    assert sorted(sender.folder.rglob("*.parquet")) == files


def test_a_plan_shows_five_rows_of_each_sort(sender: Sender) -> None:
    plan = look(sender, dict.fromkeys(range(9), "a"))
    assert (plan.counts["added"], len(plan.shown.added), plan.whole) == (9, 5, True)


@pytest.mark.parametrize("mode", list(Mode))
def test_a_held_plan_is_shown_as_it_was_planned(tmp_path: Path, mode: Mode) -> None:
    sender = Sender(tmp_path, ShelfDestination(str(tmp_path), "shelf"), mode)
    sender.deliver({1: "secret", 2: "b", 3: "c"}, "1")
    order = replace(sender.order(), limits=Limits(changed_share=0.0, removed_share=0.0))
    with pytest.raises(DeliveryHeld) as caught:
        sender.deliver({1: "other", 3: "c", 4: "d"}, "2", order=order)
    plan = sender.ledger.look_at(order, caught.value.delivery, ["note"])
    assert plan.delivery is not None
    assert plan.delivery.status is DeliveryStatus.HELD
    assert [row["item"] for row in plan.shown.added] == ["4"]
    assert "secret" not in str(plan)
    if mode is not Mode.APPEND:
        assert plan.shown.fields == {"note": 1}
        assert plan.shown.changed[0]["note"] == (CLASSIFIED, CLASSIFIED)
    if mode in (Mode.MIRROR, Mode.SNAPSHOT):
        assert [row["item"] for row in plan.shown.removed] == ["2"]
    sender.store.close()


def test_an_older_partition_is_not_sent_not_even_by_a_resync(tmp_path: Path) -> None:
    sender = Sender(tmp_path, ShelfDestination(str(tmp_path), "shelf"), latest=True)
    sender.deliver({1: "new"}, "2", day=NEXT_DAY)
    assert look(sender, {1: "old"}).overtaken_by == NEXT_DAY
    outcome = sender.deliver({1: "old"}, "1", kind=DeliveryKind.RESYNC)
    assert outcome.delivery.status is DeliveryStatus.OVERTAKEN
    assert held(sender) == {1: "new"}
    sender.store.close()


# -- time travel


@pytest.mark.parametrize("latest", [False, True])
def test_a_destination_holds_again_what_it_held(tmp_path: Path, latest: bool) -> None:
    sender = Sender(tmp_path, ShelfDestination(str(tmp_path), "shelf"), latest=latest)
    sender.deliver({1: "a", 2: "b"}, "1")
    then = datetime.now(UTC)
    sender.deliver({2: "x", 3: "c"}, "2", day=NEXT_DAY if latest else DAY)
    sender.deliver({}, "3", day=NEXT_DAY if latest else DAY)
    order = replace(sender.order(NEXT_DAY if latest else DAY), asked_by="ada", reason="a wrong feed")
    outcome = redeliver_order(sender.engine(), order, then)
    assert held(sender) == {1: "a", 2: "b"} == sender.recorded()
    recorded = outcome.delivery
    assert (recorded.kind, recorded.decided_by, recorded.decision) == (
        DeliveryKind.REDELIVER, "ada", "a wrong feed",
    )  # fmt: skip
    assert recorded.partition_key == DAY
    assert moment_of(recorded) == then
    # New data go on from there.
    sender.deliver({1: "a", 3: "c"}, "4", day=NEXT_DAY if latest else DAY)
    assert held(sender) == {1: "a", 3: "c"}
    sender.store.close()


def test_it_holds_nothing_again_where_it_held_nothing_then(sender: Sender) -> None:
    sender.deliver({}, "1")
    then = datetime.now(UTC)
    sender.deliver({1: "a"}, "2")
    redeliver_order(sender.engine(), sender.order(), then)
    assert held(sender) == {}


def test_a_redelivery_that_died_is_taken_up_and_ends_the_same(sender: Sender) -> None:
    sender.deliver({1: "a", 2: "b"}, "1")
    then = datetime.now(UTC)
    sender.deliver({3: "c"}, "2")
    shelf(sender).faults.crash_after_rows = 1
    with pytest.raises(Crash):
        redeliver_order(sender.engine(), sender.order(), then)
    shelf(sender).faults.crash_after_rows = None
    redeliver_order(sender.engine(), sender.order(), then)
    assert held(sender) == {1: "a", 2: "b"} == sender.recorded()


def test_what_cannot_be_redelivered(tmp_path: Path) -> None:
    sender = Sender(tmp_path, ShelfDestination(str(tmp_path), "shelf"), Mode.APPEND)
    sender.deliver({1: "a"}, "1")
    with pytest.raises(DeliveryError, match="append"):
        redeliver_order(sender.engine(), sender.order(), datetime.now(UTC))
    order = replace(sender.order(), mode=Mode.MIRROR)
    with pytest.raises(NothingHeld, match="had been delivered"):
        redeliver_order(sender.engine(), order, datetime.now(UTC) - timedelta(days=1))
    sender.store.close()


def test_a_redelivery_past_a_limit_is_held_and_goes_once_it_is_approved(sender: Sender) -> None:
    sender.deliver({1: "a", 2: "b"}, "1")
    then = datetime.now(UTC)
    sender.deliver({3: "c"}, "2")
    order = replace(sender.order(), limits=Limits(removed_share=0.5))
    with pytest.raises(DeliveryHeld) as caught:
        redeliver_order(sender.engine(), order, then)
    assert held(sender) == {3: "c"}
    waiting = caught.value.delivery
    sender.store.deliveries.move(
        waiting.delivery_id, DeliveryStatus.APPROVED, out_of=[DeliveryStatus.HELD], decided_by="ada",
        decision="so",
    )  # fmt: skip
    outcome = redeliver_order(sender.engine(), order, moment_of(waiting))
    assert outcome.delivery.delivery_id == waiting.delivery_id
    assert held(sender) == {1: "a", 2: "b"}


def test_what_was_held_then_is_told_and_written(sender: Sender) -> None:
    sender.deliver({1: "a", 2: "b"}, "1")
    sender.deliver({7: "g"}, "1", day=NEXT_DAY)
    then = datetime.now(UTC)
    sender.deliver({1: "x"}, "2")
    scopes = scopes_of(sender.store, "exp_items")
    assert scopes == [DAY, NEXT_DAY]
    found = held_at(sender.ledger, "exp_items", sender.key, then, scopes)
    assert [(item.scope, item.rows) for item in found] == [(DAY, 2), (NEXT_DAY, 1)]
    file = sender.folder / "then.csv"
    assert write_held(sender.ledger, "exp_items", sender.key, then, scopes, file) == 3
    assert sorted(file.read_text().splitlines()[1:]) == [f"1,{DAY},a", f"2,{DAY},b", f"7,{NEXT_DAY},g"]
    with pytest.raises(ValueError, match=r"\.parquet or \.csv"):
        write_held(sender.ledger, "exp_items", sender.key, then, scopes, sender.folder / "then.xlsx")


def test_a_day_is_its_end_and_nothing_to_come_is_told() -> None:
    now = datetime(2026, 5, 3, 12, tzinfo=UTC)
    assert parse_moment("2026-05-01", now) == datetime(2026, 5, 1, 23, 59, 59, 999_999, tzinfo=UTC)
    assert parse_moment("2026-05-03", now) == now
    assert parse_moment("2026-05-01T06:00+02:00", now) == datetime(2026, 5, 1, 4, tzinfo=UTC)
    for text, said in (("2026-05-04", "to come"), ("2026-05-03T13:00", "to come"), ("soon", "no time")):
        with pytest.raises(ValueError, match=said):
            parse_moment(text, now)


# -- reconcile


def test_what_the_destination_acknowledged_is_there(sender: Sender) -> None:
    sender.deliver({1: "a", 2: "b"}, "1")
    sender.deliver({1: "x", 2: "b"}, "2")
    found = compare(sender)
    # The shelf knows only text: dates and numbers are equal to it all the same.
    assert found.equal, found
    assert found.our_digest == found.their_digest
    assert (found.ours, found.theirs) == (2, 2)


def test_what_somebody_changed_over_there_is_named(sender: Sender) -> None:
    sender.deliver({1: "a", 2: "b", 3: "c"}, "1")
    rows = shelf(sender).rows()
    changed, gone, kept = sorted(rows)
    rows[changed]["note"] = "hand"
    del rows[gone]
    rows['["?"]'] = rows[kept] | {"item": "9"}
    shelf(sender)._write(rows)  # pyright: ignore[reportPrivateUsage]
    found = compare(sender)
    assert not found.equal
    assert (found.missing, found.foreign, found.differing, found.twice) == (1, 1, 1, 0)
    assert found.missing_keys == (f"business_date={DAY}, item=2",)
    assert found.foreign_keys == (f"business_date={DAY}, item=9",)
    assert found.changed == ((f"business_date={DAY}, item=1", "note", "a", "hand"),)
    assert f"sluice delivery resend exp_items --partition {DAY}" in found.said
    hidden = compare(sender, "note", "item")
    assert hidden.changed == ((f"business_date={DAY}, item={CLASSIFIED}", "note", CLASSIFIED, CLASSIFIED),)
    sender.deliver({1: "a", 2: "b", 3: "c"}, "1", kind=DeliveryKind.RESYNC)
    assert compare(sender).equal


@pytest.mark.parametrize(
    ("sent", "back", "same"),
    [
        ("7::integer", "'7'", True),
        ("7::integer", "'7.0'", True),
        ("7::integer", "7.0::double", True),
        ("7::integer", "'7.4'", False),
        ("7::integer", "'seven'", False),
        ("7::bigint", "7::integer", True),
        ("1.50::decimal(6,2)", "'1.5'", True),
        ("1.50::decimal(6,2)", "1.5::decimal(18,6)", True),
        ("1.50::decimal(6,2)", "'1.504'", False),
        ("0.1::double", "'0.1'", True),
        ("true", "'true'", True),
        ("true", "'f'", False),
        ("date '2024-01-31'", "'2024-01-31'", True),
        ("date '2024-01-31'", "timestamp '2024-01-31 00:00:00'", True),
        ("timestamptz '2024-01-31 12:00:00.123456+00'", "'2024-01-31T12:00:00.123Z'", True),
        ("timestamptz '2024-01-31 12:00:00+00'", "'2024-01-31T13:00:00+01:00'", True),
        ("timestamp '2024-01-31 12:00:00'", "timestamptz '2024-01-31 12:00:00+00'", True),
        ("timestamp '2024-01-31 12:00:00'", "'2024-01-31T12:00:01'", False),
        ("[1, 2]", "'[1,2]'", True),
        ("'a'", "'a'", True),
        ("'a'", "'A'", False),
        ("null::integer", "null::varchar", True),
        ("null::integer", "'0'", False),
    ],
)
def test_values_are_the_same_whatever_type_they_come_back_as(sent: str, back: str, same: bool) -> None:
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(
            f"create table sent as select {sent} as x; create table back as select {back} as x"
        )
        kinds = [
            str(row[1])
            for table in ("sent", "back")
            for row in connection.execute(f"describe {table}").fetchall()
        ]
        ours, theirs = normalised("x", *kinds)
        found = connection.execute(
            f"select (select {ours} from sent) is not distinct from (select {theirs} from back)"
        ).fetchone()
    assert found == (same,)


@pytest.mark.parametrize(
    ("sent", "back", "folded", "plain"),
    [("'a '", "'a'", True, False), ("''", "null", True, False), ("' a'", "'A'", False, False)],
)
def test_what_a_vendor_makes_of_a_text_is_no_difference(
    sent: str, back: str, folded: bool, plain: bool
) -> None:
    for folds_text, same in ((True, folded), (False, plain)):
        ours, theirs = normalised("x", "VARCHAR", "VARCHAR", folds_text=folds_text)
        told = f"select {ours} from (select {sent} as x)", f"select {theirs} from (select {back} as x)"
        found = duckdb.execute(f"select ({told[0]}) is not distinct from ({told[1]})").fetchone()
        assert found == (same,)


def test_rows_of_others_are_no_difference_where_the_mode_leaves_them(tmp_path: Path) -> None:
    sender = Sender(tmp_path, ShelfDestination(str(tmp_path), "shelf"), Mode.UPSERT)
    sender.deliver({1: "a"}, "1")
    rows = shelf(sender).rows()
    rows["theirs"] = next(iter(rows.values())) | {"item": "9"}
    shelf(sender)._write(rows)  # pyright: ignore[reportPrivateUsage]
    found = compare(sender)
    assert (found.equal, found.foreign) == (True, 1)
    sender.store.close()


def test_a_delivery_under_way_is_no_difference(sender: Sender) -> None:
    assert reconcile(sender.engine(), sender.order()) is None
    sender.deliver({1: "a"}, "1")
    shelf(sender).faults.crash_after_rows = 1
    with pytest.raises(Crash):
        sender.deliver({2: "b", 3: "c", 4: "d"}, "2")
    assert "is under way" in compare(sender).said
