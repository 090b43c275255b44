"""What every destination owes. A new one adds a case (`cases/`) and passes as it is.

Does not belong here: the ways of one destination (its own test module has them).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from sluicegate.destinations.base import Change, DeliveryError, Mode, Shard
from sluicegate.destinations.batches import BatchDestination
from sluicegate.destinations.errors import secrets_in

from .cases import Case, case_class, case_names, each
from .cases.base import FIELDS, meant
from .journals import MemoryJournal
from .support import DAY, NEXT_DAY, Row, items_table, rows_of, write_shard

ITEM_FIELDS = ("item", "business_date", "note")
INCREMENTAL = (Mode.APPEND, Mode.UPSERT, Mode.MIRROR)
SCOPED = (Mode.MIRROR, Mode.SNAPSHOT)
CAREFUL = (Mode.UPSERT, Mode.MIRROR, Mode.APPEND, Mode.SNAPSHOT)
MakeShard = Callable[..., Shard]


@pytest.fixture
def make(case: Case, tmp_path: Path) -> MakeShard:
    """Write rows (item, day, note), or a table of `FIELDS`, as a shard for the case."""

    def write(mode: Mode, rows: Sequence[Row] | Any, *, full: bool = False, **stated: Any) -> Shard:
        table: Any = rows if isinstance(rows, import_module("pyarrow").Table) else items_table(rows)
        table = table.rename_columns([case.name(name) for name in table.column_names])
        day = case.name("business_date")
        return write_shard(
            tmp_path, table, key=case.key, partition_column=day, mode=mode, full=full, **stated
        )

    return write


def any_mode(case: Case) -> Mode:
    """The first mode that the destination has, of those that change least."""
    return next(mode for mode in CAREFUL if mode in case.destination_class.capabilities.modes)


def deliver(case: Case, shard: Shard) -> MemoryJournal:
    """Deliver a shard whole, as a new process; every row is taken."""
    destination, journal = case.destination(), MemoryJournal(shard.rows)
    destination.check(shard)
    destination.send(shard, journal)
    assert journal.pending() == []
    assert journal.refused == []
    return journal


def held(case: Case, fields: Sequence[str] = ITEM_FIELDS) -> list[tuple[Any, ...]]:
    """What the destination holds, in the tests' own names and forms."""
    return in_order(case, case.contents(), fields)


def in_order(case: Case, found: Sequence[Mapping[str, Any]], fields: Sequence[str]) -> list[tuple[Any, ...]]:
    rows = [tuple(meant(row.get(case.name(field)), field) for field in fields) for row in found]
    return sorted(rows, key=repr)


def as_meant(rows: Sequence[Row]) -> list[tuple[Any, ...]]:
    pairs = [zip(row, ITEM_FIELDS, strict=True) for row in rows]
    return sorted((tuple(meant(value, field) for value, field in pair) for pair in pairs), key=repr)


def other_items(rows: Sequence[Row], by: int) -> list[Row]:
    """The same rows under other item numbers, as some destinations know items by their number alone."""
    return [(item + by, day, note) for item, day, note in rows]


def test_it_says_what_it_promises(case: Case) -> None:
    cls = case.destination_class
    assert cls.type_name
    assert len(cls.guarantee) > 20
    assert cls.kinds
    assert cls.capabilities.modes


def test_the_registry_and_the_cases_name_the_same_destinations() -> None:
    registry = import_module("sluicegate.destinations.registry")
    assert {case_class(name).destination_class.type_name for name in case_names()} == set(
        registry.destination_types
    )


@pytest.mark.sampled(3)
@each(*Mode)
def test_a_first_delivery_arrives_whole(case: Case, make: MakeShard, mode: Mode) -> None:
    rows = rows_of(DAY, 11, "é ☃ 'quoted' \"too\" a\\b")
    deliver(case, make(mode, rows, full=True))
    assert held(case) == as_meant(rows)
    assert case.twice() == 0


@pytest.mark.sampled(3)
@each(*INCREMENTAL)
def test_what_is_added_joins_what_was_there(case: Case, make: MakeShard, mode: Mode) -> None:
    first, more = rows_of(DAY, 5, "first"), other_items(rows_of(DAY, 6, "more"), 5)
    deliver(case, make(mode, first, full=True))
    deliver(case, make(mode, more))
    assert held(case) == as_meant(first + more)
    assert case.twice() == 0


@each(Mode.UPSERT, Mode.MIRROR)
def test_what_is_changed_replaces_what_was_there(case: Case, make: MakeShard, mode: Mode) -> None:
    first = rows_of(DAY, 9, "first")
    deliver(case, make(mode, first, full=True))
    rows = [(0, DAY, "changed"), (4, DAY, "changed"), (20, DAY, "added"), (8, DAY, "changed")]
    changes = [Change.CHANGED, Change.CHANGED, Change.ADDED, Change.CHANGED]
    differ = [[case.name("note")] if change is Change.CHANGED else None for change in changes]
    deliver(case, make(mode, rows, changes=changes, changed_fields=differ))
    assert held(case) == as_meant([row for row in first if row[0] not in (0, 4, 8)] + rows)
    assert case.twice() == 0


@each(Mode.MIRROR)
def test_what_is_removed_goes(case: Case, make: MakeShard, mode: Mode) -> None:
    first = rows_of(DAY, 9, "first")
    deliver(case, make(mode, first, full=True))
    rows = [first[2], (3, DAY, "changed"), first[7], (30, DAY, "added")]
    changes = [Change.REMOVED, Change.CHANGED, Change.REMOVED, Change.ADDED]
    deliver(case, make(mode, rows, changes=changes))
    gone = [row for row in first if row[0] not in (2, 3, 7)]
    assert held(case) == as_meant([*gone, rows[1], rows[3]])


@each(Mode.MIRROR)
def test_all_of_a_scope_may_be_removed(case: Case, make: MakeShard, mode: Mode) -> None:
    first = rows_of(DAY, 9, "first")
    deliver(case, make(mode, first, full=True))
    deliver(case, make(mode, first, changes=Change.REMOVED))
    assert held(case) == []


@pytest.mark.sampled(3)
@each(*SCOPED)
def test_a_full_shard_replaces_its_day_alone(case: Case, make: MakeShard, mode: Mode) -> None:
    next_day = other_items(rows_of(NEXT_DAY, 4, "next"), 50)
    deliver(case, make(mode, rows_of(DAY, 9, "first"), full=True))
    deliver(case, make(mode, next_day, full=True, partition=NEXT_DAY))
    corrected = rows_of(DAY, 3, "corrected")
    deliver(case, make(mode, corrected, full=True))
    assert held(case) == as_meant(corrected + next_day)


@pytest.mark.sampled(3)
@each(*SCOPED)
def test_a_full_shard_without_rows_clears_its_day(case: Case, make: MakeShard, mode: Mode) -> None:
    next_day = other_items(rows_of(NEXT_DAY, 4, "next"), 50)
    deliver(case, make(mode, rows_of(DAY, 5, "first"), full=True))
    deliver(case, make(mode, next_day, full=True, partition=NEXT_DAY))
    deliver(case, make(mode, [], full=True))
    assert held(case) == as_meant(next_day)


@each(Mode.UPSERT)
def test_a_full_upsert_leaves_the_rest(case: Case, make: MakeShard, mode: Mode) -> None:
    deliver(case, make(mode, rows_of(DAY, 9, "first"), full=True))
    again = rows_of(DAY, 3, "again")
    deliver(case, make(mode, again, full=True))
    assert held(case) == as_meant(again + rows_of(DAY, 9, "first")[3:])


@each(Mode.UPSERT, Mode.MIRROR)
def test_rows_that_are_there_may_be_added_once_more(case: Case, make: MakeShard, mode: Mode) -> None:
    """As when a person has everything sent anew, and what has gone from the model stays."""
    deliver(case, make(mode, rows_of(DAY, 9, "first"), full=True))
    again = rows_of(DAY, 3, "again")
    deliver(case, make(mode, again))
    assert held(case) == as_meant(again + rows_of(DAY, 9, "first")[3:])


@pytest.mark.sampled(3)
@each(*Mode)
def test_the_same_delivery_again_changes_nothing(case: Case, make: MakeShard, mode: Mode) -> None:
    rows = rows_of(DAY, 9, "once")
    shard = make(mode, rows, full=mode is Mode.SNAPSHOT)
    journal = deliver(case, shard)
    again = journal.taken_up()
    case.destination().send(shard, again)
    assert again.acknowledgements == []
    assert case.twice() == 0
    # And where every acknowledgement was lost: it may arrive twice, and is there once.
    deliver(case, shard)
    assert held(case) == as_meant(rows)


@pytest.fixture
def whole(make: MakeShard) -> MakeShard:
    """The same of a model without partitions: the destination's object is its scope."""

    def write(mode: Mode, rows: Sequence[Row], **stated: Any) -> Shard:
        return replace(make(mode, rows, **{"partition": "", **stated}), partition_column=None)

    return write


@pytest.mark.sampled(3)
@each(*Mode)
def test_a_model_without_partitions_arrives_and_is_replaced(case: Case, whole: MakeShard, mode: Mode) -> None:
    first = rows_of(DAY, 9, "first")
    shard = whole(mode, first, full=True)
    deliver(case, shard)
    assert held(case) == as_meant(first)
    again = deliver(case, shard)
    assert held(case) == as_meant(first)
    assert again.pending() == []
    if mode in SCOPED:  # all that the object holds is replaced, whatever its day
        other = other_items(rows_of(NEXT_DAY, 4, "other"), 50)
        second = whole(mode, other, full=True, supersedes=shard.delivery_id)
        deliver(case, second)
        assert held(case) == as_meant(other)
        deliver(case, whole(mode, [], full=True, supersedes=second.delivery_id))
        assert held(case) == []
    elif mode is Mode.APPEND:
        more = other_items(rows_of(DAY, 3, "more"), 50)
        deliver(case, whole(mode, more, supersedes=shard.delivery_id))
        assert held(case) == as_meant(first + more)
    else:
        changed = rows_of(DAY, 3, "changed")
        others = [[case.name("note")]] * 3
        deliver(case, whole(mode, changed, changes=Change.CHANGED, changed_fields=others))
        assert held(case) == as_meant(changed + first[3:])


def test_what_has_no_partitions_is_read_back_and_forgotten(case: Case, whole: MakeShard) -> None:
    scope = replace(case.scope(""), partition_column=None)
    capabilities = case.destination_class.capabilities
    rows = rows_of(DAY, 6, "there")
    deliver(case, whole(any_mode(case), rows, full=True))
    if capabilities.read_back:
        found = [row for batch in case.destination().read_back(scope) for row in batch.to_pylist()]
        assert in_order(case, found, ITEM_FIELDS) == as_meant(rows)
    if capabilities.delete:
        given = {case.name("business_date"): date.fromisoformat(DAY), case.name("item"): 3}
        assert case.destination().forget(scope, [{name: given[name] for name in case.key}]) == 1
        assert held(case) == as_meant([row for row in rows if row[0] != 3])


@each(*INCREMENTAL, in_parts=True)
def test_a_delivery_is_taken_up_where_it_ended(case: Case, make: MakeShard, mode: Mode) -> None:
    rows = rows_of(DAY, 23, "pending")
    settled = [(0, 8), (11, 12), (20, 22)]
    shard, journal = make(mode, rows), MemoryJournal(len(rows), settled)
    case.destination().send(shard, journal)
    assert journal.pending() == []
    assert held(case) == as_meant(rows[8:11] + rows[12:20] + rows[22:])
    assert case.twice() == 0


def test_two_objects_of_one_place_are_told_apart(case: Case) -> None:
    one, same = case.destination(), case.destination()
    assert one.canonical_object() == same.canonical_object()
    assert case.object_name.strip("/").rpartition("/")[2] in one.canonical_object()


VALUES: tuple[tuple[Any, ...], ...] = (
    (1, "z\u00df\u6c34\U0001f34b", Decimal("12.50"), datetime(2022, 10, 3, 4, 5, 6, 789000, UTC), True, 0.1),
    (
        2,
        " spaces , and ; \t tab ",
        Decimal("-9999999999.99"),
        datetime(1999, 12, 31, tzinfo=UTC),
        False,
        -2.5,
    ),
    (3, None, None, None, None, None),
)


def values_table() -> Any:
    arrow = import_module("pyarrow")
    items, notes, amounts, moments, flags, weights = zip(*VALUES, strict=True)
    return arrow.table(
        {
            "item": arrow.array(items, arrow.int32()),
            "business_date": arrow.array([date.fromisoformat(DAY)] * len(items), arrow.date32()),
            "note": arrow.array(notes, arrow.string()),
            "amount": arrow.array(amounts, arrow.decimal128(12, 2)),
            "moment": arrow.array(moments, arrow.timestamp("us", "UTC")),
            "flag": arrow.array(flags, arrow.bool_()),
            "weight": arrow.array(weights, arrow.float64()),
        }
    )


def test_values_of_every_kind_arrive_as_they_are(case: Case, make: MakeShard) -> None:
    mode = any_mode(case)
    table = values_table()
    deliver(case, make(mode, table, full=True))
    assert held(case, tuple(FIELDS)) == in_order_as_sent(case, table)


def in_order_as_sent(case: Case, table: Any) -> list[tuple[Any, ...]]:
    rows = [tuple(meant(case.kept(row[field]), field) for field in FIELDS) for row in table.to_pylist()]
    return sorted(rows, key=repr)


def test_what_is_read_back_is_what_is_held(case: Case, make: MakeShard) -> None:
    scope = case.scope(DAY, tuple(FIELDS))
    if not case.destination_class.capabilities.read_back:
        with pytest.raises(NotImplementedError):
            next(iter(case.destination().read_back(scope)))
        return
    mode = any_mode(case)
    table = values_table()
    deliver(case, make(mode, table, full=True))
    deliver(case, make(mode, other_items(rows_of(NEXT_DAY, 2, "x"), 50), full=True, partition=NEXT_DAY))
    batches = list(case.destination().read_back(scope))
    for batch in batches:
        assert set(batch.schema.names) == set(scope.fields)
    found = [row for batch in batches for row in batch.to_pylist()]
    assert in_order(case, found, tuple(FIELDS)) == in_order_as_sent(case, table)


def test_keys_are_forgotten(case: Case, make: MakeShard) -> None:
    scope = case.scope(DAY)
    day, item = case.name("business_date"), case.name("item")
    given = {day: date.fromisoformat(DAY), item: 3}
    keys = [{name: (given | {item: number})[name] for name in case.key} for number in (3, 99)]
    if not case.destination_class.capabilities.delete:
        with pytest.raises(NotImplementedError):
            case.destination().forget(scope, keys)
        return
    mode = any_mode(case)
    rows = rows_of(DAY, 6, "there")
    deliver(case, make(mode, rows, full=True))
    assert case.destination().forget(scope, keys) == 1
    assert held(case) == as_meant([row for row in rows if row[0] != 3])
    assert case.destination().forget(scope, keys) == 0


def test_nothing_that_is_shown_has_a_secret(case: Case, make: MakeShard) -> None:
    secrets = secrets_in(case.url)
    destination = case.destination()
    shown = [repr(destination), destination.canonical_object()]
    if (nowhere := case.unreachable_url()) is not None:
        destination = case.destination(nowhere)
        if isinstance(destination, BatchDestination):
            destination.budget_seconds = 0.01
        shard = make(any_mode(case), rows_of(DAY, 3, "x"), full=True)
        journal = MemoryJournal(shard.rows)
        with pytest.raises(DeliveryError) as caught:
            destination.send(shard, journal)
        assert caught.value.fix
        shown += [
            str(caught.value),
            repr(caught.value.__cause__),
            repr(caught.value.__context__),
            *journal.told,
        ]
    assert not [text for text in shown for secret in secrets if secret in text]


def test_a_file_that_is_not_the_plan_is_refused(case: Case, make: MakeShard) -> None:
    mode = any_mode(case)
    shard = make(mode, rows_of(DAY, 3, "x"), full=True)
    for spoilt in (replace(shard, rows=7), replace(shard, path=shard.path.with_name("gone.parquet"))):
        with pytest.raises(DeliveryError) as caught:
            case.destination().send(spoilt, MemoryJournal(spoilt.rows))
        assert caught.value.fix
    assert held(case) == []
