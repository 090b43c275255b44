"""Deliveries on record, on SQLite and on Postgres: plans, what was acknowledged, what is held there."""

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sluicegate.state.deliveries import LeaseLost
from sluicegate.state.records import Base, Delivery, DeliveryKind, DeliveryStatus
from sluicegate.state.store import StateStore

EXPORT, DAY, NEXT_DAY = "exp_orders", "2024-01-01", "2024-01-02"
UNSENT = (DeliveryStatus.PLANNED, DeliveryStatus.HELD, DeliveryStatus.APPROVED)
SENT = (*UNSENT, DeliveryStatus.SENDING)


def delivery(delivery_id: str, *, day: str = DAY, rows: int = 3, whole: bool = True) -> Delivery:
    return Delivery(
        delivery_id, EXPORT, day, "v1", "digest", rows, "shard.parquet", "run",
        scope=day, mode="mirror", whole=whole, shard_rows=rows,
    )  # fmt: skip


def settle(store: StateStore, planned: Delivery, *, to: DeliveryStatus = DeliveryStatus.ACKNOWLEDGED) -> None:
    """Bring a plan to its end, with all its rows taken."""
    store.deliveries.plan(planned)
    with store.leases.hold("table", wait_seconds=5) as lease:
        if planned.shard_rows:
            store.deliveries.acknowledge(planned.delivery_id, 0, planned.shard_rows, [], lease.token)
    assert store.deliveries.move(planned.delivery_id, to, out_of=SENT)


def ids(deliveries: list[Delivery]) -> list[str]:
    return [item.delivery_id for item in deliveries]


def test_a_plan_is_recorded_once(store: StateStore, another_process: StateStore) -> None:
    planned = replace(
        delivery("one"), reasons=("too many", "too new"), status=DeliveryStatus.HELD, made_by="rules",
        place="table t", source="sql", partition_column="day", bounds=(DAY, NEXT_DAY),
    )  # fmt: skip
    first = store.deliveries.plan(planned)
    again = another_process.deliveries.plan(replace(planned, digest="another", reasons=()))
    assert again == first
    assert first.planned_at is not None
    expected = replace(planned, id=first.id, planned_at=first.planned_at)
    assert another_process.deliveries.of("one") == expected
    assert [item.delivery_id for item in store.deliveries.held()] == ["one"]


def test_open_and_rejected_plans_of_an_export_are_found_whatever_their_scope(store: StateStore) -> None:
    statuses = {
        "one": DeliveryStatus.HELD,
        "two": DeliveryStatus.REJECTED,
        "three": DeliveryStatus.SENDING,
        "four": DeliveryStatus.ACKNOWLEDGED,
        "five": DeliveryStatus.REJECTED,
    }
    for name, status in statuses.items():
        store.deliveries.plan(replace(delivery(name), status=status, scope="" if name == "three" else DAY))
    store.deliveries.plan(replace(delivery("other"), export="exp_other", status=DeliveryStatus.HELD))
    assert ids(store.deliveries.open_of(EXPORT)) == ["one", "three"]
    assert ids(store.deliveries.rejected(EXPORT)) == ["five", "two"]


def test_a_delivery_is_found_by_the_beginning_of_its_id(store: StateStore) -> None:
    for name in ("abc1", "abd2", "a_c3"):
        store.deliveries.plan(delivery(name))
    found = [store.deliveries.of(name) for name in ("abc", "ab", "abc1", "a_", "x")]
    assert [item and item.delivery_id for item in found] == ["abc1", None, "abc1", "a_c3", None]


def test_a_delivery_moves_only_out_of_a_status_that_it_has(store: StateStore) -> None:
    store.deliveries.plan(delivery("one"))
    assert store.deliveries.move("one", DeliveryStatus.SENDING, out_of=UNSENT)
    assert not store.deliveries.move("one", DeliveryStatus.REJECTED, out_of=[DeliveryStatus.HELD])
    assert store.deliveries.latest(EXPORT, acknowledged=True) == {}
    before = datetime.now(UTC)
    assert store.deliveries.move("one", DeliveryStatus.ACKNOWLEDGED, out_of=SENT, location="table t")
    store.deliveries.plan(delivery("two"))
    held = store.deliveries.latest(EXPORT, acknowledged=True)[DAY]
    assert (held.delivery_id, held.location, held.rows) == ("one", "table t", 3)
    assert held.acknowledged_at is not None
    assert before <= held.acknowledged_at <= datetime.now(UTC)
    assert store.deliveries.latest(EXPORT, acknowledged=False)[DAY].delivery_id == "two"


def test_a_persons_word_is_on_record(store: StateStore) -> None:
    store.deliveries.plan(replace(delivery("one"), status=DeliveryStatus.HELD))
    assert store.deliveries.approved() == []
    assert store.deliveries.move(
        "one", DeliveryStatus.APPROVED, out_of=[DeliveryStatus.HELD], decided_by="ada", decision="meant so"
    )
    [approved] = store.deliveries.approved()
    assert (approved.decided_by, approved.decision, store.deliveries.held()) == ("ada", "meant so", [])


def test_a_scope_has_one_delivery_under_way(store: StateStore) -> None:
    store.deliveries.plan(delivery("one"))
    store.deliveries.plan(delivery("other", day=NEXT_DAY))
    for status in (DeliveryStatus.PLANNED, DeliveryStatus.SENDING):
        store.deliveries.move("one", status, out_of=SENT)
        under_way = store.deliveries.open_in(EXPORT, DAY)
        assert under_way is not None
        assert under_way.delivery_id == "one"
    store.deliveries.move("one", DeliveryStatus.SUPERSEDED, out_of=SENT)
    assert store.deliveries.open_in(EXPORT, DAY) is None
    assert ids(store.deliveries.of_export(EXPORT)) == ["one", "other"]
    assert ids(store.deliveries.of_export(EXPORT, NEXT_DAY)) == ["other"]


def test_what_a_destination_holds_begins_with_the_last_whole_delivery(store: StateStore) -> None:
    settle(store, delivery("first"))
    settle(store, delivery("second"))
    settle(store, delivery("change", whole=False))
    settle(store, delivery("half", whole=False), to=DeliveryStatus.SUPERSEDED)
    store.deliveries.plan(delivery("planned"))  # of which nothing was acknowledged
    settle(store, delivery("other", day=NEXT_DAY))
    assert ids(store.deliveries.layers(EXPORT, DAY)) == ["second", "change", "half"]
    assert store.deliveries.layers(EXPORT, "2024-01-09") == []
    settle(store, delivery("emptied", rows=0))
    assert ids(store.deliveries.layers(EXPORT, DAY)) == ["emptied"]


def test_what_a_destination_held_then(store: StateStore) -> None:
    settle(store, delivery("first"))
    first = store.deliveries.of("first")
    assert first is not None
    assert first.acknowledged_at is not None
    settle(store, delivery("second"))
    then = store.deliveries.layers(EXPORT, DAY, until=first.acknowledged_at)
    assert ids(then) == ["first"]
    before = first.acknowledged_at - timedelta(seconds=1)
    assert store.deliveries.layers(EXPORT, DAY, until=before) == []


def test_an_upsert_adds_to_what_was_there(store: StateStore) -> None:
    for name in ("first", "second"):
        settle(store, replace(delivery(name), mode="upsert"))
    assert ids(store.deliveries.layers(EXPORT, DAY)) == ["first", "second"]


def test_acknowledged_rows_are_told_as_ranges(store: StateStore) -> None:
    store.deliveries.plan(delivery("one", rows=100))
    assert store.deliveries.acknowledged("one") == []
    with store.leases.hold("table", wait_seconds=5) as lease:
        for first, end in ((30, 40), (0, 10), (10, 20)):
            refused = [(first, "CODE", "no 'such' field")] if first else []
            store.deliveries.acknowledge("one", first, end, refused, lease.token)
    assert store.deliveries.acknowledged("one") == [(0, 20), (30, 40)]
    assert store.deliveries.refusals("one") == [
        (10, "CODE", "no 'such' field"),
        (30, "CODE", "no 'such' field"),
    ]
    store.deliveries.forget_words("one", [30])
    assert store.deliveries.refusals("one")[1] == (30, "CODE", "")


def test_what_may_have_left_is_noted_until_it_is_answered(
    store: StateStore, another_process: StateStore
) -> None:
    store.deliveries.plan(delivery("one", rows=100))
    with store.leases.hold("table", wait_seconds=5) as lease:
        notes = [
            store.deliveries.note_leaving("one", rows, lease.token)
            for rows in ([(0, 10), (12, 20)], [(0, 10), (12, 20)], [], [(20, 30)])
        ]
        left = another_process.deliveries.left("one")
        assert sorted(left) == [[], [(0, 10), (12, 20)], [(0, 10), (12, 20)], [(20, 30)]]
        # The same rows left twice: what is known of one request says nothing of the other.
        store.deliveries.take_back(notes[0], lease.token)
        store.deliveries.acknowledge("one", 20, 30, [], lease.token, notes[3])
        assert sorted(another_process.deliveries.left("one")) == [[], [(0, 10), (12, 20)]]
        store.deliveries.take_all_back("one", lease.token)
    assert another_process.deliveries.left("one") == []
    assert another_process.deliveries.left("two") == []


def test_notes_are_replaced(store: StateStore, another_process: StateStore) -> None:
    store.deliveries.plan(delivery("one"))
    with store.leases.hold("table", wait_seconds=5) as lease:
        for value in ("7501", "7502"):
            store.deliveries.keep_note("one", "job", value, lease.token)
        store.deliveries.keep_note("one", "file", "a.csv", lease.token)
    assert another_process.deliveries.notes("one") == {"job": "7502", "file": "a.csv"}
    assert another_process.deliveries.notes("two") == {}


def test_who_has_no_lease_writes_nothing(store: StateStore) -> None:
    store.deliveries.plan(delivery("one"))
    with store.leases.hold("table", wait_seconds=5) as lease:
        gone = lease.token
    with pytest.raises(LeaseLost):
        store.deliveries.note_leaving("one", [(0, 3)], gone)
    with pytest.raises(LeaseLost):
        store.deliveries.take_back("a note", gone)
    with pytest.raises(LeaseLost):
        store.deliveries.take_all_back("one", gone)
    with pytest.raises(LeaseLost):
        store.deliveries.acknowledge("one", 0, 3, [(1, "CODE", "said")], gone)
    with pytest.raises(LeaseLost):
        store.deliveries.keep_note("one", "job", "7501", gone)
    assert (store.deliveries.left("one"), store.deliveries.acknowledged("one")) == ([], [])
    assert (store.deliveries.refusals("one"), store.deliveries.notes("one")) == ([], {})


def test_the_newest_are_those_that_may_need_somebody(store: StateStore) -> None:
    settle(store, delivery("fine"))
    settle(store, delivery("refused"))
    store.deliveries.move(
        "refused", DeliveryStatus.ACKNOWLEDGED, out_of=[DeliveryStatus.ACKNOWLEDGED], refused=2
    )
    store.deliveries.plan(replace(delivery("held"), status=DeliveryStatus.HELD))
    assert ids(store.deliveries.newest()) == ["held", "refused"]
    assert ids(store.deliveries.newest(EXPORT)) == ["held", "refused", "fine"]
    assert ids(store.deliveries.newest(EXPORT, at_most=1)) == ["held"]
    assert store.deliveries.newest("exp_weather") == []


def test_who_asked_for_a_delivery_is_kept(store: StateStore) -> None:
    planned = store.deliveries.plan(replace(delivery("one"), kind=DeliveryKind.RESYNC))
    assert planned.kind is DeliveryKind.RESYNC
    assert store.deliveries.plan(delivery("two")).kind is DeliveryKind.CHANGE


def test_a_scope_has_one_base(store: StateStore) -> None:
    first = Base(EXPORT, DAY, 1, "one.parquet", 3, "shape", "duckdb 1")
    store.deliveries.set_base(first)
    store.deliveries.set_base(replace(first, scope=NEXT_DAY))
    store.deliveries.set_base(replace(first, after_id=2, shard="two.parquet"))
    assert store.deliveries.base(EXPORT, DAY) == replace(first, after_id=2, shard="two.parquet")
    assert store.deliveries.base(EXPORT, NEXT_DAY) == replace(first, scope=NEXT_DAY)
    assert store.deliveries.base(EXPORT, "") is None


def test_shards_are_found_where_the_data_lie_now(state_url: str, tmp_path: Path) -> None:
    then, now = tmp_path / "then", tmp_path / "now"
    elsewhere = str(tmp_path / "elsewhere.parquet")
    with closing(StateStore(state_url, shards=then)) as store:
        planned = store.deliveries.plan(replace(delivery("one"), shard=str(then / DAY / "one.parquet")))
        assert planned.shard == str(then / DAY / "one.parquet")
        store.deliveries.plan(replace(delivery("two"), shard=elsewhere))
        store.deliveries.set_base(
            Base(EXPORT, DAY, 1, str(then / DAY / "base.parquet"), 3, "shape", "duckdb")
        )
    with closing(StateStore(state_url, shards=now)) as store:
        found = store.deliveries.of_export(EXPORT)
        assert [item.shard for item in found] == [str(now / DAY / "one.parquet"), elsewhere]
        base = store.deliveries.base(EXPORT, DAY)
        assert base is not None
        assert base.shard == str(now / DAY / "base.parquet")
