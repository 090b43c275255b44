"""Breaches of what is promised of keys and of erasures; each fails until it is mended."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

<<<<<<< HEAD
from orchestration.delivery.deliver import order_of
from orchestration.delivery.erasure import Request, erase, forget_unsent
from orchestration.destinations.base import Mode
from orchestration.state.records import DeliveryKind
=======
from orchestration.destinations.base import DeliveryError, Mode
from tests.doubles.hubspot import Property
from tests.doubles.salesforce_records import Field
>>>>>>> fixE

from .cases import case_class
from .keys_kit import DAY, NEXT_DAY, RESYNC, Rows, opened, table_in

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


# -- claim 1: two keys are two


<<<<<<< HEAD
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
=======
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
>>>>>>> fixE
