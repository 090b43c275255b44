"""The records, on SQLite and on Postgres: drops, builds, evidence, holds, releases, requests."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sluicegate.state.records import Build, Drop, DropFile, Evidence, FailedCheck, Hold, Release
from sluicegate.state.store import StateStore


def drop(store: StateStore, content: str, *, stamp: str = "s", day: str = "2024-01-01") -> Drop:
    return store.drops.register(
        "orders", day, digest=content * 64, file=f"orders/{day}.csv", size_bytes=1, marker_stamp=stamp
    )


def evidence(check: str, version: str, *, passed: bool, day: str = "2024-01-01") -> Evidence:
    return Evidence("raw.orders", day, check, version, passed, f"{check} said so", "run")


def test_the_same_content_again_is_the_same_drop(store: StateStore) -> None:
    first = drop(store, "a", stamp="one")
    again = drop(store, "a", stamp="two")
    assert (first.key, first.id, first.ordinal) == (again.key, again.id, 1)
    assert store.drops.latest("orders")["2024-01-01"].marker_stamp == "two"
    assert store.newest()[0] == first.id


def test_content_that_comes_back_is_a_drop_of_its_own(store: StateStore) -> None:
    keys = [drop(store, content).key for content in "aba"]
    assert keys == [f"orders:2024-01-01:{n}:{content * 16}" for n, content in enumerate("aba", 1)]
    assert store.drops.latest("orders")["2024-01-01"].ordinal == 3


def test_drops_are_counted_by_source_and_partition(store: StateStore) -> None:
    drop(store, "a")
    assert drop(store, "a", day="2024-01-02").ordinal == 1
    assert set(store.drops.latest("orders")) == {"2024-01-01", "2024-01-02"}
    assert set(store.drops.latest("orders", ["2024-01-02", "2024-01-09"])) == {"2024-01-02"}
    assert store.drops.latest("weather") == {}


def test_a_drop_knows_its_files(store: StateStore, another_process: StateStore) -> None:
    files = [DropFile(f"orders/part-{n}.csv", str(n) * 64, n) for n in (1, 2)]
    for content, own in (("a", files), ("b", [])):
        registered = store.drops.register(
            "orders", "2024-01-01", digest=content * 64, file="orders/part-*.csv" if own else "orders/1.csv",
            size_bytes=3, marker_stamp="s", files=own,
        )  # fmt: skip
        found = another_process.drops.latest("orders")["2024-01-01"]
        assert found == registered
        assert found.files == tuple(own or [DropFile("orders/1.csv", "b" * 64, 3)])
    assert [drop.files for drop in store.drops.of("orders", "2024-01-01")] == [tuple(files), found.files]
    closed = store.drops.register(
        "orders", "2024-01-02", digest="c" * 64, file=None, size_bytes=0, marker_stamp=""
    )
    assert (closed.files, store.drops.of("orders", "2024-01-02")) == ((), [closed])
    assert store.drops.of("orders", "2024-01-03") == []


def test_when_a_drop_landed_is_told_in_utc(store: StateStore, another_process: StateStore) -> None:
    before = datetime.now(UTC)
    first = drop(store, "a")
    assert first.landed_at is not None
    assert before <= first.landed_at <= datetime.now(UTC)
    assert another_process.drops.latest("orders")["2024-01-01"].landed_at == first.landed_at
    assert drop(store, "a", stamp="again").landed_at == first.landed_at


def test_times_are_read_in_utc_in_whatever_zone_the_server_is(
    store: StateStore, another_process: StateStore
) -> None:
    """What is printed of them says UTC; the tests' server is in India."""
    drop(store, "a")
    place = ("raw.orders", "2024-01-01")
    store.record_build(Build(*place, "v1", "run"))
    store.record_evidence([evidence("suite", "v1", passed=True)])
    [build], [judged] = another_process.builds_of([place]), another_process.evidence_of([place])
    landed = another_process.drops.latest("orders")["2024-01-01"].landed_at
    moments = [landed, build.built_at, judged.judged_at, *another_process.drops.landings("orders").values()]
    assert [moment.utcoffset() if moment else None for moment in moments] == [timedelta()] * 4


@pytest.mark.parametrize(
    ("landed", "as_of"),
    [
        ([("a", "x"), ("a", "x")], 1),  # files that were copied or touched
        ([("a", ""), ("a", "")], 1),  # an empty marker says nothing new
        ([("a", "x"), ("a", "y")], 2),  # the provider says that it is still so
        ([("a", ""), ("a", "y")], 2),
        ([("a", "x"), ("b", "y"), ("a", "x")], 1),  # a backup that was restored
        ([("a", "x"), ("a", "y"), ("b", "z"), ("a", "y")], 2),
        ([("a", "x"), ("b", "y"), ("a", "z")], 3),
        ([("a", "x"), ("b", "x")], 2),
    ],
)
def test_content_tells_as_of_when_it_was_first_there_or_announced_anew(
    tmp_path: Path, landed: list[tuple[str, str]], as_of: int
) -> None:
    days = iter(range(1, len(landed) + 1))
    store = StateStore(
        f"sqlite:///{tmp_path / 'state.db'}", clock=lambda: datetime(2024, 1, next(days), tzinfo=UTC)
    )
    drops = [
        store.drops.register(
            "shops", "all", digest=content * 64, file="shops.csv", size_bytes=1, marker_stamp=str(number),
            announced=marker,
        )
        for number, (content, marker) in enumerate(landed)
    ]  # fmt: skip
    assert store.drops.landings("shops")["all", drops[-1].ordinal].day == as_of
    store.close()


def test_what_another_process_records_is_seen_at_the_next_look(
    store: StateStore, another_process: StateStore
) -> None:
    assert another_process.drops.latest("orders") == {}
    drop(store, "a")
    drop(store, "a", day="2024-01-02")
    assert {key: found.ordinal for key, found in another_process.drops.latest("orders").items()} == {
        "2024-01-01": 1,
        "2024-01-02": 1,
    }
    drop(another_process, "b")
    drop(store, "c")
    for process in (store, another_process):
        assert process.drops.latest("orders")["2024-01-01"].ordinal == 3
        assert process.drops.latest("orders", ["2024-01-02"])["2024-01-02"].ordinal == 1


def test_what_one_look_was_given_does_not_change_after_it(store: StateStore) -> None:
    drop(store, "a")
    look = store.drops.latest("orders")
    drop(store, "b")
    assert look["2024-01-01"].ordinal == 1


def test_many_who_see_the_same_marker_record_one_drop(store: StateStore, another_process: StateStore) -> None:
    processes = [store, another_process] * 4
    with ThreadPoolExecutor(len(processes)) as pool:
        same = list(pool.map(lambda process: drop(process, "a"), processes))
        others = list(pool.map(lambda n: drop(processes[n], str(n)), range(len(processes))))
    assert {found.ordinal for found in same} == {1}
    assert sorted(found.ordinal for found in others) == list(range(2, 10))
    newest = max(others, key=lambda found: found.ordinal)
    assert store.drops.latest("orders") == another_process.drops.latest("orders") == {"2024-01-01": newest}


def test_the_newest_build_of_each_partition(store: StateStore) -> None:
    for day, version in (("2024-01-01", "v1"), ("2024-01-02", "v1"), ("2024-01-01", "v2")):
        store.record_build(Build("marts.m", day, version, "run", drop_ordinal=None, rows=7))
    store.record_build(Build("marts.other", "2024-01-01", "v9", "run"))
    builds = store.latest_builds("marts.m")
    assert {day: build.version for day, build in builds.items()} == {
        "2024-01-01": "v2",
        "2024-01-02": "v1",
    }
    assert builds["2024-01-01"].rows == 7
    assert builds["2024-01-01"].built_at is not None


def test_evidence_is_the_newest_of_each_check_and_version(store: StateStore) -> None:
    store.record_evidence([])
    store.record_evidence([evidence("suite", "v1", passed=False), evidence("test", "v1", passed=True)])
    store.record_evidence([evidence("suite", "v1", passed=True), evidence("suite", "v2", passed=False)])
    store.record_evidence([evidence("suite", "v1", passed=False, day="2024-01-02")])
    found = store.evidence_of([("raw.orders", "2024-01-01"), ("raw.weather", "2024-01-02")])
    assert [(item.check, item.version, item.passed) for item in found] == [
        ("test", "v1", True),
        ("suite", "v1", True),
        ("suite", "v2", False),
    ]
    assert {item.summary for item in found} == {"test said so", "suite said so"}
    assert store.evidence_of([]) == []


def release(export: str, until: datetime) -> Release:
    return Release(
        export=export,
        relation=f"exports.{export}",
        partition_key="2024-01-01",
        checks=frozenset([FailedCheck("marts.m", "2024-01-01", "suite", "v1")]),
        reason="counted twice",
        released_by="ada",
        until=until,
    )


def test_what_was_touched_since(store: StateStore) -> None:
    assert store.newest() == (0, 0, 0, 0)
    drop(store, "a")
    before = store.newest()
    store.record_build(Build("marts.m", "2024-01-01", "v1", "run"))
    store.record_evidence([evidence("suite", "v1", passed=True, day="2024-01-05")])
    assert store.touched_after(*before) == {("marts.m", "2024-01-01"), ("raw.orders", "2024-01-05")}
    assert store.touched_after(0, 0, 0, 0) - store.touched_after(*before) == {("raw.orders", "2024-01-01")}
    newest = store.newest()
    assert store.touched_after(*newest) == set()
    store.releases.record(release("exp_orders", datetime.now(UTC) + timedelta(hours=1)))
    assert store.touched_after(*newest) == {("exports.exp_orders", "2024-01-01")}


def test_a_release_is_used_for_one_version(store: StateStore) -> None:
    now = datetime.now(UTC)
    recorded = store.releases.record(release("exp_orders", now + timedelta(hours=1)))
    assert store.releases.of_partition("2024-01-02") == []
    [read] = store.releases.of_partition("2024-01-01")
    assert read == recorded
    assert read.active(now)
    assert not read.active(now + timedelta(hours=1))
    assert read.checks == frozenset([FailedCheck("marts.m", "2024-01-01", "suite", "v1")])
    assert store.releases.use(read, "a")
    assert store.releases.use(read, "a")  # the same delivery, taken up after a crash
    assert not store.releases.use(read, "b")
    [used] = store.releases.of_partition("2024-01-01")
    assert used.used_for_version == "a"
    assert not used.active(now)
    assert (used.holds_for("a", now), used.holds_for("b", now)) == (True, False)


def test_holds_are_replaced_and_lifted(store: StateStore) -> None:
    store.hold(Hold("exp_orders", "2024-01-01", ("first",), "run"))
    store.hold(Hold("exp_orders", "2024-01-01", ("second", "third"), "run 2"))
    store.hold(Hold("exp_orders", "2024-01-02", ("fourth",), "run"))
    assert store.holds("exp_orders")["2024-01-01"].reasons == ("second", "third")
    store.lift_hold("exp_orders", "2024-01-01")
    assert set(store.holds("exp_orders")) == {"2024-01-02"}
    assert store.holds("exp_weather") == {}


def test_requests_are_remembered_by_what_a_table_is_made_of(store: StateStore) -> None:
    store.record_requests("run-1", "2024-01-01", {"marts.m": frozenset(["x", "y"])})
    store.record_requests("run-2", "2024-01-01", {"marts.m": frozenset(["y"])})
    store.record_requests("run-3", "2024-01-02", {"marts.m": frozenset(["x"])})
    assert store.requests_of("2024-01-01") == {("marts.m", "x"): "run-1", ("marts.m", "y"): "run-2"}


@pytest.mark.parametrize("text", ["Ö'ä\"; drop table drops; --", "日本", "x" * 5000])
def test_any_text_is_kept_as_it_is(store: StateStore, text: str) -> None:
    store.record_evidence([Evidence("raw.orders", "2024-01-01", "suite", "v1", True, text, "run")])
    assert store.evidence_of([("raw.orders", "2024-01-01")])[0].summary == text
