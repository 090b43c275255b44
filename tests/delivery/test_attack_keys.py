"""Breaches of what is promised of keys and of erasures; each fails until it is mended."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from orchestration.delivery.deliver import order_of
from orchestration.delivery.erasure import Request, erase, forget_unsent
from orchestration.destinations.base import DeliveryError, Mode
from orchestration.state.records import DeliveryKind
from tests.doubles.hubspot import Property
from tests.doubles.salesforce_records import Field

from .cases import case_class
from .deliveries import DAY as filed_day
from .filed import Filed, export_file, rule
from .keys_kit import DAY, NEXT_DAY, RESYNC, Rows, opened, table_in
from .shelf import ShelfDestination

Make = Callable[..., Rows]
UUID = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"


@pytest.fixture
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    """What delivers to a case, by its name."""
    with ExitStack() as stack:
        opening = contextmanager(opened)
        yield lambda name, **stated: stack.enter_context(
            opening(case_class(name), request, tmp_path, **stated)
        )


# -- claim 2: who was erased never comes back


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
    """An export that has sent nothing yet never sends a key that was named whole, as its type may be written."""
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
    """The model's value names the person, whether a mapping of the last mile sends another before or after."""
    mapped = [rule(map={"column": "item", "values": {1: 9}})]
    file = export_file(last_mile=mapped if when == "before" else [])
    filed = Filed(tmp_path, ShelfDestination(str(tmp_path), "shelf"), file, {1: "ada", 2: "bob"})
    filed.deliver()
    named = Request({"item": "1", "business_date": filed_day}, "request 7", "ada")
    done = erase(filed.engine(), [order_of(filed.target(), filed_day)], named)
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
        "create domain name as citext;"
        "create table public.items (code name primary key, business_date date, note text)",
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


# -- claim 1: two keys are two


@pytest.mark.parametrize("name", ["braze", "hubspot", "postgres"])
def test_the_erasure_of_one_is_not_that_of_another_who_differs_in_case(make: Make, name: str) -> None:
    """Braze: `Abcdef` is a different user from `abcdef`. Two texts are one where the destination says so alone."""
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


def test_salesforce_a_drop_in_full_leaves_the_drop_that_differs_in_case(make: Make) -> None:
    """SOQL compares texts without regard to case: `Berlin` is not `berlin`, and none of its records goes."""
    rows = make("salesforce", column_kind="varchar")
    rows.case.double.table.fields["Business_Date__c"] = Field()  # type: ignore[attr-defined]
    rows.deliver({"'k1'": "first"}, "Berlin")
    rows.deliver({"'k2'": "second"}, "berlin")
    rows.deliver({"'k2'": "second"}, "berlin", RESYNC)
    assert rows.notes() == ["first", "second"]


def test_hubspot_a_drop_in_full_leaves_the_drop_that_reads_as_the_same_moment(make: Make) -> None:
    """Drops are told apart by their ids, not by what a reader of dates makes of them."""
    rows = make("hubspot", column_kind="varchar")
    rows.case.double.properties["business_date"] = Property()  # type: ignore[attr-defined]
    rows.deliver({"'k1'": "first"}, "20221003")
    rows.deliver({"'k2'": "second"}, "20221003T000000")
    rows.deliver({"'k2'": "second"}, "20221003T000000", RESYNC)
    assert rows.notes() == ["first", "second"]


class NotUnique(Field):
    """An external ID without `Unique`: matching tells case, and `describe` knows no case sensitivity of it.

    "Custom field matching is case-insensitive only if the custom field has the Unique and Treat "ABC" and
    "abc" as duplicate values attributes": Apex Developer Guide, Upserting Records.
    """

    def described(self, name: str) -> dict[str, Any]:
        """As `describe` shows it."""
        return super().described(name) | {"unique": False, "caseSensitive": False}


def test_salesforce_a_key_whose_case_changes_is_not_doubled_where_the_field_is_not_unique(make: Make) -> None:
    """One row is one record, whatever the external ID's attributes are; or the field is refused."""
    rows = make("salesforce")
    fields = rows.case.double.table.fields  # type: ignore[attr-defined]
    fields["Code__c"] = NotUnique(external_id=True, case_sensitive=True)
    try:
        rows.deliver({"'A-7'": "old"})
    except DeliveryError:
        return
    rows.deliver({"'a-7'": "new"})
    assert rows.there() == [("a-7", "new")]


@pytest.mark.parametrize("back", ["v1", "v3"])
@pytest.mark.parametrize("first", [DAY, NEXT_DAY])
def test_a_row_that_was_on_its_way_to_another_day_and_came_back_is_as_its_day_has_it(
    make: Make, first: str, back: str
) -> None:
    """Whichever day is delivered first after the other one's delivery had died."""
    rows = make("webhook")
    rows.case.options = {"batch_rows": 1, "parallel": 1}
    rows.deliver({"'k'": "v1", "'z'": "z"})
    rows.case.double.faults.extend(["ok", "401"])  # type: ignore[attr-defined]
    with pytest.raises(DeliveryError):
        rows.deliver({"'k'": "v2", "'m'": "m", "'n'": "n"}, NEXT_DAY)
    assert "v2" in rows.notes()
    wanted: dict[str, dict[str, str | None]] = {
        DAY: {"'k'": back, "'z'": "z"},
        NEXT_DAY: {"'m'": "m", "'n'": "n"},
    }
    for day in sorted(wanted, key=lambda day: day != first):
        rows.deliver(wanted[day], day)
    assert rows.notes() == ["m", "n", back, "z"], rows.there()


@pytest.mark.parametrize("mode", [Mode.MIRROR, Mode.SNAPSHOT])
def test_postgres_a_drop_leaves_the_drop_that_its_column_takes_for_it(make: Make, mode: Mode) -> None:
    """In a `citext` column the drops `Berlin` and `berlin` are one: no row goes, or nothing is sent at all."""
    rows = make("postgres", column_kind="varchar", mode=mode)
    table_in(rows, "create table public.items (code text primary key, business_date citext, note text)")
    rows.deliver({"'k1'": "first"}, "Berlin")
    try:
        rows.deliver({"'k2'": "second"}, "berlin")
    except DeliveryError:
        pass
    assert "first" in rows.notes()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("bigint", "decimal(18,0)"),
        ("integer", "decimal(9,0)"),
        ("hugeint", "decimal(38,0)"),
        ("decimal(18,0)", "bigint"),
    ],
)
def test_webhook_a_whole_number_that_becomes_a_decimal_is_not_doubled(
    make: Make, before: str, after: str
) -> None:
    """1 is a JSON number as BIGINT and the text "1" as DECIMAL: another key to the receiver, so all is sent anew."""
    rows = make("webhook", kind=before)
    rows.deliver({"'1'": "one", "'2'": "two"})
    rows.kind = after
    rows.deliver({"'1'": "one!", "'3'": "three"})
    assert rows.notes() == ["one!", "three"], rows.there()


def test_webhook_no_row_is_doubled_or_left_when_big_numbers_become_texts(make: Make) -> None:
    """After `big_numbers: text` a changed row is one row still, and a removed one goes."""
    rows = make("webhook", kind="bigint")
    rows.deliver({"9007199254740993": "a", "9007199254740995": "b"})
    rows.options = {"big_numbers": "text"}
    rows.deliver({"9007199254740993": "a2"})
    assert rows.notes() == ["a2"], rows.there()


def test_webhook_an_interval_that_is_written_otherwise_is_not_doubled(make: Make) -> None:
    """A month equals 30 days to the engine, and not to a receiver, which is sent texts."""
    rows = make("webhook", kind="interval")
    rows.deliver({"interval 1 month": "a"})
    rows.deliver({"interval 30 days": "b"})
    assert rows.notes() == ["b"], rows.there()


def test_salesforce_two_spellings_of_a_dotted_capital_are_refused(make: Make) -> None:
    """İ in small letters is i with a dot above (Unicode, SpecialCasing): keys that differ in case alone."""
    rows = make("salesforce")
    with pytest.raises(DeliveryError, match="for one key"):
        rows.deliver({"'İ-1'": "x", "'i' || chr(775) || '-1'": "y"})


@pytest.mark.parametrize("name", ["blob", "webhook"])
def test_a_row_that_was_appended_is_not_appended_again_as_it_moves(make: Make, name: str) -> None:
    """With a key that is unique without the day, `append` sends no row twice because its day is another."""
    rows = make(name, mode=Mode.APPEND)
    rows.deliver({"'k'": "note"})
    rows.deliver({"'k'": "note"}, NEXT_DAY)
    assert rows.notes() == ["note"], rows.there()


# -- claim 5: what is printed can be typed


def test_rows_on_their_way_to_another_day_name_a_command(make: Make) -> None:
    """The way out is a command, as printed."""
    rows = make("webhook")
    rows.case.options = {"batch_rows": 1, "parallel": 1}
    rows.deliver({"'k'": "note", "'z'": "z"})
    rows.case.double.faults.extend(["ok", "401"])  # type: ignore[attr-defined]
    with pytest.raises(DeliveryError):
        rows.deliver({"'k'": "moved", "'m'": "m", "'n'": "n"}, NEXT_DAY)
    with pytest.raises(DeliveryError, match=f"`sluice [^`]*{NEXT_DAY}[^`]*`"):
        rows.deliver({"'z'": "z"})
