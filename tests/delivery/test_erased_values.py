"""An erased person stays away under every spelling and type of the key, and nobody else is taken for them.

Belongs here: values, at real destinations and their doubles. Does not belong here: the steps of an erasure
and what survives a crash (`test_erasure`), export files that change (`test_erased_people`).
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from sluicegate.delivery.deliver import order_of
from sluicegate.delivery.erasure import Request, erase, forget_unsent
from sluicegate.destinations.base import Mode
from sluicegate.state.records import DeliveryKind

from . import deliveries
from .cases import case_class
from .filed import Filed, export_file, rule
from .keys_kit import DAY, NEXT_DAY, RESYNC, Rows, opened, table_in
from .shelf import ShelfDestination

Make = Callable[..., Rows]
UUID = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"


@pytest.fixture
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    """What delivers to a case, by its name."""
    with ExitStack() as stack:

        def making(name: str, **stated: Any) -> Rows:
            opening = opened(case_class(name), request, tmp_path, **stated)
            rows = next(opening)
            stack.callback(lambda: next(opening, None))
            return rows

        yield making


@pytest.mark.parametrize(
    ("kind", "key"),
    [("double", "12345678901234567"), ("double", "1e-5"), ("float", "1e17")],
)
def test_who_was_erased_by_a_large_floating_number_stays_away(make: Make, kind: str, key: str) -> None:
    """The very same key, of the very same type, is never sent again; DuckDB writes it with an exponent."""
    rows = make("webhook", kind=kind)
    rows.deliver({key: "ada", "2": "bob"})
    rows.forget(code=key)
    assert rows.notes() == ["bob"]
    rows.deliver({key: "ada again", "2": "bob"})
    assert rows.notes() == ["bob"]


def test_who_was_erased_stays_away_under_another_name_of_the_field(make: Make) -> None:
    """The person stays away as long as the old key's column is sent: `names` only calls it otherwise."""
    rows = make("webhook")
    rows.deliver({"'ada'": "ada", "'bob'": "bob"})
    rows.forget(code="ada")
    rows.names = {"code": "customer"}
    rows.deliver({"'ada'": "ada", "'bob'": "bob"})
    assert rows.notes() == ["bob"]


@pytest.mark.parametrize(
    ("kind", "key", "named"),
    [
        ("uuid", f"'{UUID}'", UUID.upper()),
        ("double", "4711", "4711"),
        ("decimal(9,2)", "42", "42"),
        ("integer", "42", "042"),
        ("boolean", "true", "TRUE"),
        ("timestamp", "'2024-01-01 10:00:00'", "2024-01-01T10:00:00"),
        ("date", "'2024-01-01'", "2024-1-1"),
    ],
)
@pytest.mark.sampled(4)
def test_a_person_is_found_by_one_column_of_the_key(make: Make, kind: str, key: str, named: str) -> None:
    """What is named is a value of the column's type, also where it is not the whole key."""
    rows = make("webhook", kind=kind, key=("business_date", "code"))
    rows.deliver({key: "ada"})
    done = rows.forget(code=named)
    assert rows.notes() == [], done.said


@pytest.mark.parametrize(
    ("kind", "key", "named"),
    [
        ("uuid", f"'{UUID}'", UUID.upper()),
        ("boolean", "true", "TRUE"),
        ("timestamp", "'2024-01-01 10:00:00'", "2024-01-01T10:00:00"),
        ("date", "'2024-01-01'", "2024-1-1"),
        ("double", "12345678901234567", "12345678901234567"),
    ],
)
def test_who_was_erased_before_anything_was_sent_is_not_sent(
    make: Make, kind: str, key: str, named: str
) -> None:
    """An export that has sent nothing yet never sends a key that was named whole, however spelt."""
    rows = make("webhook", kind=kind)
    forget_unsent(rows.store, rows.export, ("code",), Request({"code": named}, "request 7", "ada"))
    rows.deliver({key: "ada"})
    assert rows.notes() == []


@pytest.mark.parametrize("change", ["latest", "renamed"])
def test_an_erasure_right_after_the_export_file_changed_is_done_or_says_that_it_is_not(
    make: Make, change: str
) -> None:
    """`0 rows taken out`, and code 0, while the person stands there: neither done nor said."""
    rows = make("webhook", mode=Mode.UPSERT)
    rows.deliver({"'ada'": "ada", "'bob'": "bob"})
    if change == "latest":
        rows.column = None
    else:
        rows.names = {"code": "customer"}
    done = rows.forget([DAY if rows.column else ""], code="ada")
    assert done.problem or rows.notes() == ["bob"], done.said


@pytest.mark.parametrize(("old", "new"), [(DAY, NEXT_DAY), (NEXT_DAY, DAY)])
def test_a_key_of_todays_type_is_forgotten_although_another_day_had_numbers(
    make: Make, old: str, new: str
) -> None:
    """An erasure goes through after the key's type has changed and not every day was sent since."""
    rows = make("webhook", kind="integer")
    rows.deliver({"1": "one"}, old)
    rows.kind = "varchar"
    rows.deliver({"'A7'": "ada"}, new)
    rows.forget([DAY, NEXT_DAY], code="A7")
    assert rows.notes() == ["one"]


@pytest.mark.parametrize("when", ["after", "before"])
def test_who_was_erased_stays_away_when_a_mapping_writes_the_key(tmp_path: Path, when: str) -> None:
    """The model's value names the person, whether a mapping sends another before or after."""
    mapped = [rule(map={"column": "item", "values": {1: 9}})]
    file = export_file(last_mile=mapped if when == "before" else [])
    filed = Filed(tmp_path, ShelfDestination(str(tmp_path), "shelf"), file, {1: "ada", 2: "bob"})
    filed.deliver()
    named = Request({"item": "1", "business_date": deliveries.DAY}, "request 7", "ada")
    done = erase(filed.engine(), [order_of(filed.target(), deliveries.DAY)], named)
    filed.file = export_file(last_mile=mapped)
    filed.version = "2"
    filed.deliver(DeliveryKind.RESYNC)
    assert [row["note"] for row in filed.held_there()] == ["bob"], done.said


@pytest.mark.parametrize(
    ("kind", "key", "after", "then"),
    [
        ("timestamp", "'2024-01-01 00:00:00'", "varchar", "'2024-01-01 00:00:00'"),
        ("timestamp", "'2024-01-01 10:00:00'", "timestamptz", "'2024-01-01 10:00:00+00'"),
        ("varchar", f"'{UUID.upper()}'", "uuid", f"'{UUID}'"),
        ("varchar", "'true'", "boolean", "true"),
        ("boolean", "true", "integer", "1"),
        ("float", "0.1", "double", "0.1::float"),
    ],
)
@pytest.mark.sampled(3)
def test_who_was_erased_stays_away_when_the_type_of_the_key_changes(
    make: Make, kind: str, key: str, after: str, then: str
) -> None:
    """The person stays away also where the type of the export's key changes."""
    rows = make("webhook", kind=kind)
    rows.deliver({key: "ada"})
    rows.forget(code=key.strip("'"))
    assert rows.notes() == []
    rows.kind = after
    rows.deliver({then: "ada again"})
    assert rows.notes() == []


def test_postgres_who_was_erased_stays_away_in_a_domain_over_citext(make: Make) -> None:
    """A person stays away however the key is spelt, where that is one key to the column's type."""
    rows = make("postgres", mode=Mode.UPSERT)
    table_in(
        rows,
        "create domain handle as citext;"
        "create table public.items (code handle primary key, business_date date, note text)",
    )
    rows.deliver({"'ada'": "ada", "'bob'": "bob"})
    rows.forget(code="ada")
    rows.deliver({"'Ada'": "ada again", "'bob'": "bob"})
    assert rows.notes() == ["bob"]


def test_postgres_a_key_that_is_a_list_can_be_forgotten(make: Make) -> None:
    """Lists are keys of a table like others: an erasure takes them out."""
    rows = make("postgres", kind="varchar[]")
    rows.deliver({"['x']": "ada", "['y']": "bob"})
    rows.forget(code="[x]")
    assert rows.notes() == ["bob"]


@pytest.mark.parametrize("name", ["braze", "hubspot", "postgres"])
def test_the_erasure_of_one_is_not_that_of_another_who_differs_in_case(make: Make, name: str) -> None:
    """Two texts are one where the destination says so alone; to Braze `Abcdef` is not `abcdef`."""
    rows = make(name, mode=Mode.UPSERT if name == "braze" else Mode.MIRROR)
    if name == "postgres":
        table_in(rows, "create table public.items (code char(5) primary key, business_date date, note text)")
    rows.deliver({"'ada'": "ada", "'ADA'": "another person"})
    rows.forget(code="ada")
    assert rows.notes() == ["another person"]
    rows.deliver({"'ADA'": "changed"})
    assert rows.notes() == ["changed"]
    rows.deliver({"'ADA'": "changed"}, DAY, RESYNC)
    assert rows.notes() == ["changed"]


@pytest.mark.sampled(5)
@pytest.mark.parametrize(
    ("kind", "key", "named", "after", "then"),
    [
        ("varchar", "'0042'", "0042", "integer", "42"),
        ("integer", "42", " +42", "varchar", "'42'"),
        ("integer", "42", "42.0", "double", "42"),
        ("decimal(9,2)", "42.5", "42.50", "double", "42.5"),
        ("double", "(-0.0)::double", "0", "double", "0.0"),
        ("bigint", "9007199254740993", "9007199254740993", "varchar", "'9007199254740993'"),
        ("date", "'2024-01-01'", "2024-01-01", "timestamp", "'2024-01-01'"),
        ("timestamptz", "'2024-01-01 00:00:00+00'", "2024-01-01 02:00:00+02", "timestamp", "'2024-01-01'"),
        ("blob", "'x'::blob", "x", "varchar", "'x'"),
        ("struct(a varchar)", "{'a': 'x'}", "{'a': x}", "struct(a varchar)", "{'a': 'x'}"),
    ],
)
def test_who_was_erased_stays_away(
    make: Make, kind: str, key: str, named: str, after: str, then: str
) -> None:
    """Under another type of the key, on another day, by a resync."""
    rows = make("webhook", kind=kind)
    rows.deliver({key: "ada"})
    rows.forget(code=named)
    rows.kind = after
    rows.deliver({then: "ada"})
    rows.deliver({then: "ada"}, NEXT_DAY, RESYNC)
    assert rows.notes() == []


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("maps", "named", "gone", "after"),
    [
        pytest.param({1: 9}, "1", {"ada"}, {"ada"}, id="the model's value"),
        pytest.param({1: 9}, "9", {"ada"}, {"ada"}, id="what is sent"),
        # 2 is sent for 1, and 3 for 2: who is 2 in the model is not who is sent as 2.
        pytest.param({1: 2, 2: 3}, "2", {"bob"}, {"bob"}, id="one that is both"),
        pytest.param({1: 2, 2: 1}, "1", {"ada"}, {"ada"}, id="two that change places"),
    ],
)
def test_a_person_is_found_by_what_the_model_has_and_by_what_is_sent(
    tmp_path: Path, maps: dict[int, int], named: str, gone: set[str], after: set[str]
) -> None:
    """Named by the model's value where it has one of that name, and by what is sent where it has none."""
    file = export_file(last_mile=[rule(map={"column": "item", "values": maps})])
    filed = Filed(tmp_path, ShelfDestination(str(tmp_path), "shelf"), file, {1: "ada", 2: "bob"})
    filed.deliver()
    request = Request({"item": named, "business_date": deliveries.DAY}, "request 7", "ada")
    erase(filed.engine(), [order_of(filed.target(), deliveries.DAY)], request)
    everybody = {"ada", "bob"}
    assert {row["note"] for row in filed.held_there()} == everybody - gone
    filed.version = "2"
    filed.deliver(DeliveryKind.RESYNC)
    assert {row["note"] for row in filed.held_there()} == everybody - gone
    filed.file = export_file(last_mile=[])
    filed.version = "3"
    filed.deliver(DeliveryKind.RESYNC)
    assert {row["note"] for row in filed.held_there()} == everybody - after


def test_who_was_erased_of_a_day_stays_away_when_the_newest_day_is_sent_alone(tmp_path: Path) -> None:
    """The day is no field any more, and the model has it still."""
    shelf = ShelfDestination(str(tmp_path), "shelf")
    filed = Filed(tmp_path, shelf, export_file(), {1: "ada", 2: "bob"})
    filed.deliver()
    request = Request({"item": "1", "business_date": deliveries.DAY}, "request 7", "ada")
    erase(filed.engine(), [order_of(filed.target(), deliveries.DAY)], request)
    filed.file = export_file(partitions="latest", key=["item"])
    filed.deliver()
    assert {row["note"] for row in filed.held_there()} == {"bob"}
