"""Keys, and ids of drops, as they are written at a destination, beside what a reader there takes for equal.

Belongs here: types, options and spellings of keys by the whole way to each destination. Does not belong here:
the canonical form of a value (`tests/unit/test_alike.py`), rows that move (`test_moved_rows`).
"""

import json
from collections.abc import Callable
from typing import Any

import pytest
from sluicegate.destinations.base import DeliveryError, Mode

from tests.doubles.hubspot import Property
from tests.doubles.salesforce_records import Field

from .keys_kit import DAY, RESYNC, Rows, table_in

Make = Callable[..., Rows]


class NotUnique(Field):
    """An external ID without `Unique`: matching tells case, and `describe` knows no case sensitivity of it.

    "Custom field matching is case-insensitive only if the custom field has the Unique and Treat "ABC" and
    "abc" as duplicate values attributes": Apex Developer Guide, Upserting Records.
    """

    def described(self, name: str) -> dict[str, Any]:
        """As `describe` shows it."""
        return super().described(name) | {"unique": False, "caseSensitive": False}


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


@pytest.mark.parametrize("mode", [Mode.MIRROR, Mode.SNAPSHOT])
def test_postgres_a_drop_leaves_the_drop_that_its_column_takes_for_it(make: Make, mode: Mode) -> None:
    """In a `citext` column the drops `Berlin` and `berlin` are one to others, and two here."""
    rows = make("postgres", column_kind="varchar", mode=mode)
    table_in(rows, "create table public.items (code text primary key, business_date citext, note text)")
    rows.deliver({"'k1'": "first"}, "Berlin")
    rows.deliver({"'k2'": "second"}, "berlin")
    rows.deliver({"'k2'": "second"}, "berlin", RESYNC)
    assert rows.notes() == ["first", "second"]
    rows.deliver({}, "berlin")
    assert rows.notes() == ["first"]


@pytest.mark.parametrize("name", ["hubspot", "webhook"])
def test_drops_that_differ_in_case_are_two(make: Make, name: str) -> None:
    """A drop in full takes no record of the other."""
    rows = make(name, column_kind="varchar")
    if name == "hubspot":
        rows.case.double.properties["business_date"] = Property()  # type: ignore[attr-defined]
    rows.deliver({"'k1'": "first"}, "Berlin")
    rows.deliver({"'k2'": "second"}, "berlin")
    rows.deliver({"'k2'": "second"}, "berlin", RESYNC)
    assert rows.notes() == ["first", "second"]


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
    """1 is a JSON number as BIGINT and the text "1" as DECIMAL: so all is sent anew."""
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


@pytest.mark.sampled(5)
@pytest.mark.parametrize(
    ("before", "after", "one", "other"),
    [
        ("integer", "hugeint", "'1'", "'2'"),
        ("bigint", "bignum", "'1'", "'2'"),
        ("decimal(9,2)", "decimal(18,3)", "'1'", "'2'"),
        ("integer", "double", "'1'", "'2'"),
        ("integer", "varchar", "'1'", "'2'"),
        ("varchar", "enum('1', '2')", "'1'", "'2'"),
        ("timestamp", "timestamp_ns", "'2024-01-01'", "'2024-01-02'"),
        ("timestamp", "timestamptz", "'2024-01-01'", "'2024-01-02'"),
        ("date", "timestamp", "'2024-01-01'", "'2024-01-02'"),
        ("date", "varchar", "'2024-01-01'", "'2024-01-02'"),
    ],
)
def test_a_key_of_another_type_doubles_and_leaves_no_row(
    make: Make, before: str, after: str, one: str, other: str
) -> None:
    """The receiver has the model's rows, each once."""
    rows = make("webhook", kind=before)
    rows.deliver({one: "one", other: "two"})
    rows.kind = after
    rows.deliver({one: "one!"})
    assert rows.notes() == ["one!"]
    rows.deliver({other: "two!"})
    assert rows.notes() == ["two!"]


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("json", """'{"a":1}'""", """'{"a": 1}'"""),
        ("map(varchar, integer)", "map {'a': 1, 'b': 2}", "map {'b': 2, 'a': 1}"),
        (
            "union(n decimal(9,1), t varchar)",
            "union_value(n := 1.0::decimal(9,1))",
            "union_value(t := '1.0')",
        ),
        ("double", "0.0", "(-0.0)::double"),
        ("double[]", "[0.0::double]", "[(-0.0)::double]"),
        ("interval", "interval 1 month", "interval 30 days"),
        ("varchar", "'caf' || chr(233)", "'cafe' || chr(769)"),
        ("bignum", "'9007199254740993'", "'9007199254740992'"),
        ("float", "16777216", "16777217"),
        ("uuid", "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"),
    ],
)
def test_two_keys_arrive_as_two_or_not_at_all(make: Make, kind: str, one: str, other: str) -> None:
    """Two rows of one key in JSON are never both sent."""
    rows = make("webhook", kind=kind)
    try:
        rows.deliver({one: "a", other: "b"})
    except DeliveryError:
        assert rows.there() == []
        return
    assert len({json.dumps(key, sort_keys=True) for key, _ in rows.there()}) == 2


def test_salesforce_a_key_whose_case_changes_is_not_doubled_where_the_field_is_not_unique(make: Make) -> None:
    """One row is one record, whatever the external ID's attributes are."""
    rows = make("salesforce")
    fields = rows.case.double.table.fields  # type: ignore[attr-defined]
    fields["Code__c"] = NotUnique(external_id=True, case_sensitive=True)
    rows.deliver({"'A-7'": "old"})
    rows.deliver({"'a-7'": "new"})
    assert rows.there() == [("a-7", "new")]


def test_salesforce_two_spellings_of_a_dotted_capital_are_refused(make: Make) -> None:
    """İ in small letters is i with a dot above (Unicode, SpecialCasing): keys that differ in case alone."""
    rows = make("salesforce")
    with pytest.raises(DeliveryError, match="for one key"):
        rows.deliver({"'İ-1'": "x", "'i' || chr(775) || '-1'": "y"})


@pytest.mark.parametrize(("one", "other"), [("ΟΔΟΣ", "οδος"), ("\u212a", "k"), ("ẞ", "ß"), ("ǅ", "ǆ")])
def test_salesforce_spellings_that_differ_in_case_are_one(make: Make, one: str, other: str) -> None:
    """Two keys that differ in case alone are refused, whichever letters they have."""
    rows = make("salesforce")
    with pytest.raises(DeliveryError, match="for one key"):
        rows.deliver({f"'{one}-1'": "x", f"'{other}-1'": "y"})


def test_salesforce_tells_case_where_the_field_does(make: Make) -> None:
    """A case-sensitive external ID: another case is another record, and the old one goes."""
    rows = make("salesforce")
    rows.case.double.table.fields["Code__c"] = Field(  # type: ignore[attr-defined]
        external_id=True, case_sensitive=True
    )
    rows.deliver({"'A-7'": "old", "'a-8'": "x", "'A-8'": "y"})
    rows.deliver({"'a-7'": "new", "'a-8'": "x", "'A-8'": "y"})
    assert rows.there() == [("A-8", "y"), ("a-7", "new"), ("a-8", "x")]


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("bpchar", "'a'", "'a  '"),
        ("varchar(3)", "'abc'", "'abc  '"),
        ("inet", "'10.0.0.1'", "'10.0.0.1/32'"),
        ("name", "repeat('x', 63)", "repeat('x', 64)"),
        ("char(3)[]", "['a']", "['a ']"),
    ],
)
def test_postgres_two_spellings_of_one_key_are_refused(make: Make, kind: str, one: str, other: str) -> None:
    """What the column would make one is never sent as two; nothing is changed."""
    rows = make("postgres", kind="varchar[]" if kind.endswith("]") else "varchar", mode=Mode.UPSERT)
    table_in(rows, f"create table public.items (code {kind} primary key, business_date date, note text)")
    with pytest.raises(DeliveryError):
        rows.deliver({one: "a", other: "b"}, DAY)
    assert rows.there() == []
