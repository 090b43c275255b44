"""Keys that destinations refuse, and keys that must never be sent again, on SQLite and on Postgres."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sluicegate.state.records import ForgottenKey, RefusedKey
from sluicegate.state.store import StateStore

NOW = datetime(2024, 1, 2, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
EXPORT, DAY = "exp_orders", "2024-01-01"


def refused(key: str, *, next_try_at: datetime | None = LATER, scope: str = DAY) -> RefusedKey:
    return RefusedKey(
        EXPORT, scope, f'["{key}"]', "hash", "one", "CODE", "no 'such' field", 1, NOW, next_try_at
    )


def test_refused_keys_are_kept_until_they_are_taken(store: StateStore, another_process: StateStore) -> None:
    store.refused_keys.replace(EXPORT, DAY, [refused("a"), refused("b")], [])
    store.refused_keys.replace(EXPORT, "2024-01-02", [refused("a", scope="2024-01-02")], [])
    assert another_process.refused_keys.of(EXPORT, DAY) == [refused("a"), refused("b")]
    again = replace(refused("b"), attempts=2, next_try_at=None)
    store.refused_keys.replace(EXPORT, DAY, [again], ['["a"]'])
    assert another_process.refused_keys.of(EXPORT, DAY) == [again]
    assert len(another_process.refused_keys.of(EXPORT)) == 2
    assert another_process.refused_keys.of("exp_weather") == []


def test_refused_keys_are_due_when_their_time_has_come(store: StateStore) -> None:
    store.refused_keys.replace(
        EXPORT, DAY, [refused("a"), refused("b", next_try_at=NOW), refused("c", next_try_at=None)], []
    )
    assert store.refused_keys.due(NOW - timedelta(seconds=1)) == {}
    assert store.refused_keys.due(NOW) == {(EXPORT, DAY): NOW}
    assert store.refused_keys.due(LATER) == {(EXPORT, DAY): LATER}


def test_a_person_can_let_all_of_them_be_tried_again(store: StateStore) -> None:
    given_up = [refused("a", next_try_at=None), refused("b")]
    store.refused_keys.replace(EXPORT, DAY, given_up, [])
    store.refused_keys.replace(EXPORT, "2024-01-02", [refused("c", scope="2024-01-02")], [])
    assert store.refused_keys.make_due(EXPORT, DAY) == 2
    assert store.refused_keys.make_due(EXPORT) == 3
    assert len(store.refused_keys.due(datetime.now(UTC))) == 2
    assert store.refused_keys.make_due("exp_weather") == 0


def test_an_erasure_stays_on_record(store: StateStore, another_process: StateStore) -> None:
    forgotten = ForgottenKey(EXPORT, "salt", "digest", 0, "begun", "request 7", "ada")
    store.forgotten_keys.record(forgotten)
    store.forgotten_keys.record(replace(forgotten, salt="other", reason="request 8"))
    store.forgotten_keys.conclude(EXPORT, "salt", 1, "deleted there")
    first, second = another_process.forgotten_keys.of(EXPORT)
    assert (first.found, first.outcome, first.reason) == (1, "deleted there", "request 7")
    assert (second.found, second.outcome, second.reason) == (0, "begun", "request 8")
    assert first.forgotten_at is not None
    assert first.forgotten_at.tzinfo is not None
    assert another_process.forgotten_keys.of("exp_weather") == []
