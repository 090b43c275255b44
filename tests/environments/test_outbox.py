"""What a scratch deployment delivers to: every kind of destination and mode, beside plain Python."""

import os
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from sluicegate.compute.engine import open_engine
from sluicegate.destinations.base import Change, Destination, Mode, Scope, Shard
from sluicegate.destinations.batches import BatchDestination
from sluicegate.destinations.outbox import outbox_of
from sluicegate.destinations.registry import destination_types

from tests.delivery.journals import MemoryJournal
from tests.delivery.support import DAY, NEXT_DAY, write_shard

OBJECTS = {
    "adx": "Items", "blob": "items", "braze": "users", "braze_events": "seen", "hubspot": "contacts",
    "postgres": "public.items", "salesforce": "Account", "webhook": "items",
}  # fmt: skip
# What the vendors' own rules ask of names.
KEYS = {"braze": "external_id", "braze_events": "external_id"}
CASES = [
    pytest.param(kind, mode, id=f"{kind}-{mode}")
    for kind, of in sorted(destination_types.items())
    for mode in sorted(of.capabilities.modes)
]
HISTORIES = int(os.environ.get("SLUICE_TEST_KILLS", "1"))
Held = dict[tuple[str, str], str]


def outbox(kind: str, folder: Path, **options: Any) -> Destination:
    given = destination_types[kind].options_model(**options)
    return outbox_of(kind, OBJECTS[kind], given, folder / "exp_items")


def table(kind: str, rows: Sequence[tuple[str, str, str]]) -> Any:
    key = KEYS.get(kind, "item")
    columns = [[row[place] for row in rows] for place in range(3)]
    times = pa.array(columns[1], pa.string()).cast(pa.date32())
    return pa.table(
        {key: pa.array(columns[0], pa.string()), "time": times, "note": pa.array(columns[2], pa.string())}
    )


def brought(destination: Destination, shard: Shard) -> MemoryJournal:
    journal = MemoryJournal(shard.rows)
    destination.send(shard, journal)
    assert journal.pending() == []
    return journal


def held(destination: Destination, kind: str, day: str) -> list[tuple[str, str, str]]:
    key = KEYS.get(kind, "item")
    scope = Scope("exp_items", day, (key,), (key, "time", "note"), "time")
    found = [row for batch in destination.read_back(scope) for row in batch.to_pylist()]
    return sorted((row[key], str(row["time"]), row["note"]) for row in found)


def test_every_kind_has_an_object_here() -> None:
    assert OBJECTS.keys() == destination_types.keys()


@pytest.mark.sampled(3)
@pytest.mark.parametrize(("kind", "mode"), CASES)
def test_what_it_holds_is_what_was_brought(tmp_path: Path, kind: str, mode: Mode) -> None:
    key = KEYS.get(kind, "item")
    for seed in range(HISTORIES):
        chance = random.Random(f"{kind} {mode} {seed}")
        folder = tmp_path / str(seed)
        folder.mkdir()
        destination = outbox(kind, folder)
        anywhere = mode in destination.capabilities.keys.anywhere
        model: dict[str, Held] = {DAY: {}, NEXT_DAY: {}}
        appended: dict[str, list[tuple[str, str, str]]] = {DAY: [], NEXT_DAY: []}
        for number in range(6):
            day = chance.choice([DAY, NEXT_DAY])
            full = mode is Mode.SNAPSHOT or (mode is Mode.MIRROR and chance.random() < 0.4)
            there = [item for item, _ in model[day]]
            items = chance.sample(["a", "b", "c", "d", "e"], chance.randint(0 if full else 1, 4))
            gone = [] if full or mode is not Mode.MIRROR else [item for item in items if item in there][:1]
            changes = [
                Change.REMOVED if item in gone
                else Change.CHANGED if item in there and not full and mode is not Mode.APPEND
                else Change.ADDED
                for item in items
            ]  # fmt: skip
            rows = [(item, day, f"{number}") for item in items]
            shard = write_shard(
                folder, table(kind, rows), changes=changes, partition=day, mode=mode, full=full, key=(key,),
                partition_column="time", delivery_id=f"d{number}",
            )  # fmt: skip
            brought(destination, shard)
            assert destination.arrived(shard)
            assert brought(outbox(kind, folder), shard).refused == []  # the same id again changes nothing
            if full and mode in (Mode.MIRROR, Mode.SNAPSHOT):
                model[day] = {}
            for item in items:
                for other in model if anywhere else [day]:
                    model[other].pop((item, other), None)
            kept = [row for row, change in zip(rows, changes, strict=True) if change is not Change.REMOVED]
            model[day] |= {(item, day): note for item, _, note in kept}
            appended[day] += kept
            for one in model:
                expected = (
                    appended[one] if mode is Mode.APPEND else [(*k, note) for k, note in model[one].items()]
                )
                assert held(destination, kind, one) == sorted(expected), (seed, number, one)


@pytest.mark.parametrize("kind", sorted(destination_types))
def test_batches_are_those_of_the_real_one(tmp_path: Path, kind: str) -> None:
    mode = min(destination_types[kind].capabilities.modes)
    rows = [(f"k{number:04}", DAY, "x") for number in range(450)]
    destination = outbox(kind, tmp_path)
    shard = write_shard(
        tmp_path, table(kind, rows), mode=mode, full=mode is Mode.SNAPSHOT, key=(KEYS.get(kind, "item"),),
        partition_column="time", delivery_id="d",
    )  # fmt: skip
    brought(destination, shard)
    with open_engine() as engine:
        file = tmp_path / "exp_items/sent/d.parquet"
        found = engine.execute(f"select _batch, count(*) from '{file}' group by 1 order by 1").fetchall()
    of = destination_types[kind]
    size = of.batch_rows if issubclass(of, BatchDestination) else len(rows)
    assert [count for _, count in found] == [len(rows[at : at + size]) for at in range(0, len(rows), size)]


def test_a_row_that_no_request_can_be_made_of_is_refused(tmp_path: Path) -> None:
    kind = "braze_events"
    rows = table(kind, [("a", DAY, "x"), ("b", DAY, "y")])
    rows = rows.set_column(0, "external_id", pa.array(["a", None], pa.string()))
    shard = write_shard(tmp_path, rows, mode=Mode.APPEND, key=("external_id",), partition_column="time")
    destination = outbox(kind, tmp_path)
    journal = brought(destination, shard)
    assert [(row.row, "needs a user and a time" in row.said) for row in journal.refused] == [(1, True)]
    assert [item for item, _, _ in held(destination, kind, DAY)] == ["a"]


@pytest.mark.parametrize("kind", sorted(destination_types))
def test_it_refuses_what_the_real_one_knows_without_asking(tmp_path: Path, kind: str) -> None:
    """A text with a NUL, and a date that no destination has but files."""
    key = KEYS.get(kind, "item")
    wrong = pa.table({
        key: pa.array(["a", "b"]), "time": pa.array([1, 2], pa.int32()).cast(pa.date32()),
        "note": pa.array(["x", "y"]), "far": pa.array([0, 2**31 - 1], pa.int32()).cast(pa.date32()),
    })  # fmt: skip
    shard = write_shard(tmp_path, wrong, key=(key,), partition_column="time")
    refused = [row.row for row in outbox(kind, tmp_path).inexact(shard)]
    offline = destination_types[kind].offline is not Destination.offline
    assert refused == ([1] if offline and kind != "blob" and kind != "postgres" else [])


@pytest.mark.parametrize("kind", sorted(destination_types))
def test_who_is_forgotten_is_in_no_file_of_it(tmp_path: Path, kind: str) -> None:
    key = KEYS.get(kind, "item")
    destination = outbox(kind, tmp_path)
    mode = min(destination_types[kind].capabilities.modes)
    for day in (DAY, NEXT_DAY):
        rows = [(f"{day} {item}", day, "x") for item in "ab"]
        full = mode is Mode.SNAPSHOT
        shard = write_shard(
            tmp_path, table(kind, rows), mode=mode, full=full, key=(key,), partition=day,
            partition_column="time",
        )  # fmt: skip
        brought(destination, shard)
    scope = Scope("exp_items", DAY, (key,), (key, "time", "note"), "time")
    keys = [{key: f"{DAY} a"}, {key: "nobody"}]
    assert destination.forget(scope, keys) == 1
    assert destination.forget(scope, keys) == 0
    assert destination.forget(scope, []) == 0
    with open_engine() as engine:
        for file in (tmp_path / "exp_items").rglob("*.parquet"):
            assert engine.execute(f"select 1 from '{file}' where \"{key}\" = '{DAY} a'").fetchall() == []
    assert [item for item, _, _ in held(destination, kind, DAY)] == [f"{DAY} b"]
    assert len(held(destination, kind, NEXT_DAY)) == 2
