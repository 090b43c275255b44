"""Whatever a destination can tell apart is a change, with its field named; what older code hashed is none."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import pytest
from sluicegate.compute.exact_parquet import exact_rows
from sluicegate.compute.sql import literal
from sluicegate.delivery.ledger import Between, DeliveryHeld, Limits, Opened, Order, Outcome
from sluicegate.destinations.base import DeliveryError
from sluicegate.state.records import DeliveryStatus

from .deliveries import DAY, Sender
from .shelf import ShelfDestination

# (type, value, another that the engine's own hash, or its equality, does not tell from it)
CHANGES = [
    ("INTEGER[]", "null", "[]"),
    ("INTEGER[]", "[]", "[null]"),
    ("INTEGER[][]", "[[]]", "[null]"),
    ("DOUBLE", "0.0", "'-0.0'"),
    ("FLOAT[]", "[0.0]", "['-0.0']"),
    ("STRUCT(a INTEGER)", "null", "{'a': null}"),
    ("MAP(VARCHAR, INTEGER)", "null", "map {}"),
    ("INTERVAL", "'1 month'", "'30 days'"),
    ("HUGEINT", "0", "-1"),
    ("HUGEINT", "9007199254740993", "9007199254740992"),
    ("HUGEINT", "170141183460469231731687303715884105727", "170141183460469231731687303715884105726"),
    ("STRUCT(a UHUGEINT)", "{'a': 9007199254740993}", "{'a': 9007199254740992}"),
    ("TIMETZ", "'12:00:00+01'", "'12:00:00+02'"),
    ("INTERVAL", "'3 microseconds'", "'4 microseconds'"),
    ("VARCHAR[]", "[null]", "['']"),
    ("DECIMAL(38,2)", "0.00", "-0.01"),
    ("TIMETZ[]", "['10:00:00+01']", "['09:00:00+00']"),
    ("BIT[]", "['01']", "['001']"),
    ("UNION(a INTEGER, b INTEGER)", "union_value(a := 1)", "union_value(b := 1)"),
    ("MAP(VARCHAR, INTEGER)", "map {'a': 1, 'b': 2}", "map {'b': 2, 'a': 1}"),
    ("VARCHAR", "'é'", "'e' || chr(769)"),
    ("VARCHAR", "'a'", "'a' || chr(0)"),
    ("UUID", "'80000000-0000-0001-0000-000000000001'", "'80000000-0000-0002-0000-000000000002'"),
]
# What a shard keeps under another type than the model's, or whose hash is another than older code's.
KEPT = [
    ("VARCHAR", "'a'"),
    ("DOUBLE[]", "[0.5, null]"),
    ("DECIMAL(38,2)", "-0.01"),
    ("HUGEINT", "42"),
    ("ENUM('b', 'a')", "'a'"),
    ("BIT", "'0101'"),
    ("TIMESTAMP_MS", "'2024-01-01'"),
    ("UNION(a INTEGER, b VARCHAR)", "union_value(b := 'x')"),
    ("STRUCT(a HUGEINT, b ENUM('x'))", "{'a': 7, 'b': 'x'}"),
]


@dataclass
class Values(Sender):
    """Delivers rows {item: SQL of a value} of a type."""

    kind: str = "VARCHAR"

    def source(self, connection: duckdb.DuckDBPyConnection, rows: Mapping[int, str], day: str) -> str:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"create table items (item integer, business_date date, note {self.kind})")
        for item, value in rows.items():
            connection.execute(f"insert into items select {item}, '{day}', ({value})::{self.kind}")
        return "select * from items"


@pytest.fixture
def sender(tmp_path: Path) -> Iterator[Values]:
    opened = Values(tmp_path, ShelfDestination(str(tmp_path), "shelf"))
    yield opened
    opened.store.close()


def held_back(sender: Values) -> Order:
    """An order whose plans are held."""
    return replace(sender.order(), limits=Limits(rows=Between(maximum=1)))


def sent(outcome: Outcome) -> list[tuple[object, ...]]:
    query = f"select _change, _changed_fields, item from '{outcome.delivery.shard}' order by _row"
    return duckdb.sql(query).fetchall()


def hash_as_older_code(sender: Values) -> None:
    """Make of all shards and bases what code wrote that hashed rows by the engine's `hash()` alone."""
    deliveries = sender.store.deliveries
    for delivery in deliveries.of_export("exp_items"):
        assert deliveries.move(
            delivery.delivery_id,
            delivery.status,
            out_of=[delivery.status],
            hashed_by=f"v{duckdb.__version__}",
        )
    for shard in sender.shards.rglob("*.parquet"):
        with duckdb.connect() as connection:
            connection.execute("set TimeZone = 'UTC'")
            rows = exact_rows(connection, shard)
            older = f"select * replace (hash(business_date, item, note) as _row_hash) from {rows}"
            connection.execute(f"copy ({older}) to {literal(f'{shard}.new')} (format parquet)")
        Path(f"{shard}.new").replace(shard)


@pytest.mark.parametrize(("kind", "one", "other"), CHANGES)
@pytest.mark.sampled(8)
def test_what_can_be_told_apart_is_a_change_of_its_field(
    sender: Values, kind: str, one: str, other: str
) -> None:
    sender.kind = kind
    sender.deliver({1: one, 2: one, 3: other}, "1")
    outcome = sender.deliver({1: one, 2: other, 3: other}, "2")
    assert sent(outcome) == [("changed", ["note"], 2)]
    assert not sender.deliver({1: one, 2: other, 3: other}, "3").sent
    assert sent(sender.deliver({1: one, 2: one, 3: other}, "4")) == [("changed", ["note"], 2)]


@pytest.mark.sampled(5)
@pytest.mark.parametrize(("kind", "value"), KEPT)
def test_what_older_code_sent_is_not_sent_twice(sender: Values, kind: str, value: str) -> None:
    sender.kind = kind
    sender.deliver({1: value, 2: "null"}, "1")
    sender.deliver({1: value, 2: "null", 3: value}, "2")
    hash_as_older_code(sender)
    assert not sender.deliver({1: value, 2: "null", 3: value}, "3").sent
    assert sent(sender.deliver({1: value, 2: value, 3: value}, "4")) == [("changed", ["note"], 2)]
    assert not sender.deliver({1: value, 2: value, 3: value}, "5").sent


def test_a_change_that_older_code_could_not_see_is_sent(sender: Values) -> None:
    sender.kind = "INTEGER[]"
    sender.deliver({1: "null", 2: "[1]", 3: "[]"}, "1")
    hash_as_older_code(sender)
    assert sent(sender.deliver({1: "[]", 2: "[1]", 3: "[]"}, "2")) == [("changed", ["note"], 1)]


def test_a_plan_of_older_code_is_sent_as_it_was_approved(sender: Values) -> None:
    sender.kind = "INTEGER[]"
    order = sender.order()
    with pytest.raises(DeliveryHeld) as held:
        sender.deliver({1: "null", 2: "[1]"}, "1", order=held_back(sender))
    hash_as_older_code(sender)
    known = sender.store.deliveries.of(held.value.delivery.delivery_id)
    assert known is not None
    assert sender.ledger.look_at(order, known).counts["added"] == 2
    approved, waits = DeliveryStatus.APPROVED, DeliveryStatus.HELD
    assert sender.store.deliveries.move(known.delivery_id, approved, out_of=[waits])
    again = sender.deliver({1: "null", 2: "[1]"}, "1", order=held_back(sender))
    assert again.delivery.delivery_id == known.delivery_id
    assert not sender.deliver({1: "null", 2: "[1]"}, "2").sent
    assert sent(sender.deliver({1: "[]", 2: "[1]"}, "3")) == [("changed", ["note"], 1)]


@pytest.mark.parametrize("older", [False, True])
@pytest.mark.parametrize(("kind", "value"), KEPT[-3:])
@pytest.mark.sampled(4)
def test_a_base_has_the_hashes_of_its_layers(sender: Values, kind: str, value: str, older: bool) -> None:
    sender.kind = kind
    rows = dict.fromkeys(range(4), value)
    for number in range(12):
        rows[0] = "null" if number % 2 else value
        sender.deliver(rows, f"{number}")
    assert sender.store.deliveries.base("exp_items", DAY) is None
    if older:
        hash_as_older_code(sender)
    sender.deliver({**rows, 0: value}, "13")
    assert sender.store.deliveries.base("exp_items", DAY) is not None
    assert not sender.deliver({**rows, 0: value}, "14").sent


def test_digits_that_a_shard_does_not_keep_stay_known_in_a_base(sender: Values) -> None:
    """A HUGEINT is a DOUBLE in a shard: to be hashed anew from there it would be another."""
    sender.kind = "HUGEINT"
    rows = {1: str(2**64 + 1), 2: "0"}
    for number in range(14):
        rows[2] = str(number)
        sender.deliver(rows, f"{number}")
    assert sender.store.deliveries.base("exp_items", DAY) is not None
    assert not sender.deliver(rows, "same").sent


@pytest.mark.parametrize(("kind", "one", "other"), CHANGES)
@pytest.mark.sampled(8)
def test_a_preview_shows_what_a_delivery_would_change(
    sender: Values, kind: str, one: str, other: str
) -> None:
    sender.kind = kind
    sender.deliver({1: one, 2: one}, "1")
    with duckdb.connect() as connection:
        source = sender.source(connection, {1: one, 2: other}, DAY)
        found = sender.ledger.compare(sender.order(), Opened(connection, source, "looked at"))
    assert found.counts["changed"] == 1
    assert found.shown.fields == {"note": 1}
    assert [set(row) for row in found.shown.changed] == [{"business_date", "item", "note"}]
    with pytest.raises(DeliveryHeld) as held:
        sender.deliver({1: one, 2: other}, "2", order=held_back(sender))
    assert sender.ledger.look_at(sender.order(), held.value.delivery).shown.fields == {"note": 1}


def test_a_type_that_cannot_be_compared_stops_the_plan(sender: Values) -> None:
    source = f"select 1 as item, date '{DAY}' as business_date, get_type(1) as note"
    said = "note is of the type TYPE, whose values cannot be compared"
    with duckdb.connect() as connection, pytest.raises(DeliveryError, match=said):
        sender.ledger.plan(sender.order(), Opened(connection, source, "1"))
    assert not list(sender.shards.rglob("*.*"))


def test_a_union_can_be_held_and_looked_at_the_first_time(sender: Values) -> None:
    """A shard has it as a struct without names, to which nothing can be cast."""
    sender.kind = "UNION(a INTEGER, b VARCHAR)"
    with pytest.raises(DeliveryHeld) as held:
        sender.deliver({1: "1", 2: "null"}, "1", order=held_back(sender))
    found = sender.ledger.look_at(sender.order(), held.value.delivery)
    assert (found.counts["added"], len(found.shown.added)) == (2, 2)


def test_what_older_code_sent_as_less_is_sent_exactly(sender: Values) -> None:
    sender.kind = "HUGEINT"
    rows = {1: "9007199254740993", 2: "9007199254740992", 3: "null"}
    sender.deliver(rows, "1")
    for shard in sender.shards.rglob("*.parquet"):
        with duckdb.connect() as connection:
            older = f"select * replace (note::double as note) from {literal(str(shard))}"
            connection.execute(f"copy ({older}) to {literal(f'{shard}.new')} (format parquet)")
        Path(f"{shard}.new").replace(shard)
    assert sent(sender.deliver(rows, "2")) == [("changed", ["note"], 1)]
    assert sender.recorded() == {1: 9007199254740993, 2: 9007199254740992, 3: None}
    assert not sender.deliver(rows, "3").sent
