"""Each state that the records of a delivery can be in has a way out: what is printed is typed, and helps.

Every mode, and every state that is not the usual one: files that tell what was sent and cannot be read, keys,
types, partitions, modes and places that are others than they were. Belongs here: the engine on a shelf, with
rows that a test states as SQL. Does not: commands as such (`tests/run/test_ways_out.py`).
"""

import sqlite3

import duckdb
import pytest
from sluicegate.delivery.reconcile import reconcile
from sluicegate.destinations.base import DeliveryError, Mode

from .bench import BOUNDS, EXPORT, FIRST, MODES, TAKE_BACK, THEN, Bench, each_mode, rows_sql, texts
from .deliveries import DAY
from .shelf import Crash, ShelfDestination

# -- keys


# {what changed: (SQL of before, of after, key of before, of after, whether it is another key)}.
_DAYS = "select item, business_date, note, {} as day from ({})"
KEYS: dict[str, tuple[str, str, tuple[str, ...], tuple[str, ...], bool]] = {
    "another field": (
        rows_sql(FIRST, more=", i + 100 as number"), rows_sql(THEN, more=", i + 100 as number"),
        ("item",), ("number",), True,
    ),
    "integer to text": (rows_sql(FIRST), rows_sql(THEN, "varchar"), ("item",), ("item",), True),
    "text to integer": (rows_sql(FIRST, "varchar"), rows_sql(THEN), ("item",), ("item",), True),
    "another scale": (
        rows_sql(FIRST, "decimal(10, 2)"), rows_sql(THEN, "decimal(10, 3)"), ("item",), ("item",), True,
    ),
    "double to integer": (rows_sql(FIRST, "double"), rows_sql(THEN), ("item",), ("item",), True),
    "integer to a list": (
        rows_sql(FIRST), f"select * replace ([item] as item) from ({rows_sql(THEN)})", ("item",), ("item",),
        True,
    ),
    "date to timestamp": (
        _DAYS.format("date '2024-01-01' + item", rows_sql(FIRST)),
        _DAYS.format("(date '2024-01-01' + item)::timestamp", rows_sql(THEN)), ("day",), ("day",), True,
    ),
    "integer to bigint": (rows_sql(FIRST), rows_sql(THEN, "bigint"), ("item",), ("item",), False),
    "integer to hugeint": (rows_sql(FIRST), rows_sql(THEN, "hugeint"), ("item",), ("item",), False),
    "more digits": (
        rows_sql(FIRST, "decimal(10, 2)"), rows_sql(THEN, "decimal(18, 2)"), ("item",), ("item",), False,
    ),
    "text to enum": (
        rows_sql(FIRST, "varchar"), rows_sql(THEN, "enum('1', '2', '3', '4')"), ("item",), ("item",), False,
    ),
}  # fmt: skip


@each_mode
@pytest.mark.parametrize("change", KEYS)
@pytest.mark.sampled(9)
def test_a_key_changes(bench: Bench, change: str) -> None:
    before, after, bench.key, key, other = KEYS[change]
    bench.deliver(before)
    bench.key = key
    if other and bench.mode is Mode.APPEND:
        with pytest.raises(DeliveryError, match="appends, and nobody can tell") as caught:
            bench.deliver(after)
        assert bench.key[-1] in str(caught.value)
        bench.type_what_is_printed(str(caught.value), after)
        assert len(bench.there()) == len(THEN)
    else:
        made = bench.deliver(after)
        assert made.delivery.anew is other
        if bench.mode in TAKE_BACK:
            assert sorted(bench.there().values(), key=str) == sorted(THEN.values())
    # An upsert takes nothing out, so that the same row stands there under either key.
    bench.calm(after, alone=not other or bench.mode is not Mode.UPSERT)


@pytest.mark.sampled(2)
@each_mode
def test_a_key_changes_and_changes_back(bench: Bench) -> None:
    if bench.mode is Mode.APPEND:
        pytest.skip("it is refused")
    for item in ("integer", "varchar", "integer", "varchar"):
        bench.deliver(rows_sql(FIRST, item))
        assert bench.there() == texts(FIRST)
        bench.calm(rows_sql(FIRST, item))


@pytest.mark.parametrize("bench", [Mode.UPSERT, Mode.MIRROR, Mode.SNAPSHOT], indirect=True)
def test_what_is_sent_anew_breaks_off_and_changes_on_the_way(bench: Bench) -> None:
    bench.deliver(rows_sql(FIRST))
    bench.shelf.faults.crash_after_rows = 1
    with pytest.raises(Crash):
        bench.deliver(rows_sql(THEN, "varchar"))
    bench.shelf.faults.crash_after_rows = None
    last = rows_sql({7: "g", 8: "h"}, "varchar")
    bench.deliver(last)
    expected = {"7": "g", "8": "h"}
    there = bench.there()
    assert {item: there[item] for item in expected} == expected
    if bench.mode is not Mode.UPSERT:
        assert there == expected
    bench.calm(last)


def test_a_key_of_before_types_were_recorded(bench: Bench) -> None:
    bench.deliver(rows_sql(FIRST))
    with sqlite3.connect(bench.folder / "state.db") as connection:
        connection.execute("update deliveries set key_types = ''")
    assert not bench.deliver(rows_sql(FIRST, "bigint")).delivery.anew
    with sqlite3.connect(bench.folder / "state.db") as connection:
        connection.execute("update deliveries set key_types = ''")
    bench.deliver(rows_sql(THEN, "varchar"))
    assert bench.there() == texts(THEN)
    bench.calm(rows_sql(THEN, "varchar"))


# -- fields


@each_mode
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (rows_sql(FIRST), rows_sql(FIRST, more=", 'new' as more")),
        (rows_sql(FIRST, more=", 'old' as more"), rows_sql(FIRST)),
        (rows_sql(FIRST, more=", 'old' as more"), rows_sql(FIRST, more=", 7 as more")),
        (rows_sql(FIRST, more=", {'a': 1} as more"), rows_sql(FIRST, more=", 7 as more")),
        (rows_sql(FIRST, more=", 7 as more"), rows_sql(FIRST, more=", [8] as more")),
        (rows_sql(FIRST, more=", 'x' as more"), rows_sql(FIRST, more=", null::date as more")),
    ],
    ids=["came", "went", "text to integer", "struct to integer", "integer to list", "text to empty date"],
)
@pytest.mark.sampled(8)
def test_a_field_changes(bench: Bench, before: str, after: str) -> None:
    bench.deliver(before)
    made = bench.deliver(after)
    assert bench.there() == texts(FIRST)
    if bench.mode is not Mode.APPEND:  # which changes no row that is there
        assert made.sent
        found = {row.get("more") for row in bench.shelf.rows().values()}
        expected = duckdb.sql(f"select * from ({after})").arrow().read_all().to_pylist()
        assert found == {None if (value := row.get("more")) is None else str(value) for row in expected}
        bench.calm(after)


@pytest.mark.sampled(2)
@each_mode
def test_a_field_has_another_type_and_what_stays_is_none_of_it(bench: Bench) -> None:
    """Rows that a mode leaves there keep their texts in the records, a base or none."""
    old, new = rows_sql(FIRST, more=", 'x' as more"), rows_sql({4: "d"}, more=", 7 as more")
    bench.deliver(old)
    bench.deliver(new)
    for number in range(14):
        bench.deliver(rows_sql({4: "d", 9: f"round {number}"}, more=", 7 as more"))
    with bench.ledger.reading() as reading:
        held = reading.content(EXPORT, DAY, bench.key)
        assert held is not None
        found = dict(reading.connection.execute(f"select item, more::varchar from ({held.rows})").fetchall())
    stays = {} if bench.mode in TAKE_BACK else {1: "x", 2: "x", 3: "x"}
    assert found == {**stays, 4: "7", 9: "7"}


def test_a_value_that_is_none_of_its_new_type_is_among_the_changed_fields(bench: Bench) -> None:
    bench.deliver(rows_sql(FIRST, more=", 'x' as more"))
    bench.deliver(rows_sql(FIRST, more=", null::date as more"))
    told = duckdb.sql(f"select distinct _changed_fields from '{bench.newest().shard}'").fetchall()
    assert told == [(["more"],)]


# -- partitions, modes, places


@pytest.mark.parametrize("old", MODES)
@pytest.mark.parametrize("bench", MODES, indirect=True)
@pytest.mark.sampled(4)
def test_the_mode_changes(bench: Bench, old: Mode) -> None:
    new, bench.mode = bench.mode, old
    bench.deliver(rows_sql(FIRST))
    bench.mode = new
    bench.deliver(rows_sql(THEN))
    expected = {
        Mode.APPEND: {**THEN, **FIRST}, Mode.UPSERT: {**FIRST, **THEN}, Mode.MIRROR: THEN,
        Mode.SNAPSHOT: THEN,
    }[new]  # fmt: skip
    assert bench.there() == texts(expected)
    if new is not Mode.APPEND:
        bench.calm(rows_sql(THEN))


@each_mode
@pytest.mark.sampled(2)
def test_the_object_is_another(bench: Bench) -> None:
    bench.deliver(rows_sql(FIRST))
    bench.shelf = ShelfDestination(str(bench.folder), "other")
    assert not bench.deliver(rows_sql(FIRST)).sent
    compared = reconcile(bench.engine, bench.order())
    assert compared is not None
    assert compared.missing == len(FIRST)
    bench.type_what_is_printed(compared.said, rows_sql(FIRST))
    assert bench.there() == texts(FIRST)
    bench.calm(rows_sql(FIRST))
    bench.deliver(rows_sql(FIRST | {9: "new"}))
    assert bench.there() == texts(FIRST | {9: "new"})


# {how partitions were cut: partition, column, bounds}
CUT: dict[str, tuple[str, str | None, tuple[str, str] | None]] = {
    "each day": (DAY, "business_date", BOUNDS),
    "the latest": (DAY, None, None),
    "each month": ("2024-01", "business_date", ("2024-01-01", "2024-02-01")),
}


@each_mode
@pytest.mark.parametrize(
    ("one", "other"), [(one, other) for one in CUT for other in CUT if one != other], ids=" to ".join
)
@pytest.mark.sampled(8)
def test_partitions_are_cut_otherwise_and_as_before(bench: Bench, one: str, other: str) -> None:
    """The records of the first cutting tell of rows that the second has written over."""
    bench.key = ("business_date", "item")
    bench.partition, bench.column, bench.bounds = CUT[one]
    bench.deliver(rows_sql(FIRST))
    bench.partition, bench.column, bench.bounds = CUT[other]
    if bench.mode is Mode.APPEND:
        with pytest.raises(DeliveryError, match="was sent in other partitions since") as caught:
            bench.deliver(rows_sql(THEN))
        bench.type_what_is_printed(str(caught.value), rows_sql(THEN))
        assert bench.there() == texts(THEN)
        return
    bench.deliver(rows_sql(THEN))
    bench.calm(rows_sql(THEN))
    bench.partition, bench.column, bench.bounds = CUT[one]
    bench.deliver(rows_sql(FIRST))
    expected = {**THEN, **FIRST} if bench.mode is Mode.UPSERT else FIRST
    assert bench.there() == texts(expected)
    bench.calm(rows_sql(FIRST))


@pytest.mark.parametrize("bench", TAKE_BACK, indirect=True)
def test_partitions_are_cut_as_before_and_that_breaks_off(bench: Bench) -> None:
    bench.key = ("business_date", "item")
    for cut, rows in (("each day", FIRST), ("the latest", THEN)):
        bench.partition, bench.column, bench.bounds = CUT[cut]
        bench.deliver(rows_sql(rows))
    bench.partition, bench.column, bench.bounds = CUT["each day"]
    bench.shelf.faults.crash_after_rows = 1
    with pytest.raises(Crash):
        bench.deliver(rows_sql(FIRST))
    bench.shelf.faults.crash_after_rows = None
    last = FIRST | {9: "new"}
    bench.deliver(rows_sql(last))
    assert bench.there() == texts(last)
    bench.calm(rows_sql(last))


# -- what is printed of a plan

LEAVES = {
    Mode.APPEND: "and added to what the destination has",
    Mode.UPSERT: "are written over, all others stay",
    Mode.MIRROR: "and what else the destination has there is removed",
    Mode.SNAPSHOT: "and the destination's are replaced",
}


@each_mode
def test_the_plan_of_a_first_delivery_says_what_its_mode_leaves_there(bench: Bench) -> None:
    said = bench.looked_at(rows_sql(FIRST))
    assert "every row is sent" in said
    assert [mode for mode, text in LEAVES.items() if text in said] == [bench.mode]
    bench.deliver(rows_sql(FIRST))
    assert "every row" not in bench.looked_at(rows_sql(FIRST))
