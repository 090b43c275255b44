"""Attacks on keys that held, as tables: what people write otherwise, and what the destination makes of it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from .cases import case_class
<<<<<<< HEAD
from .keys_kit import NEXT_DAY, RESYNC, Rows, opened
=======
from .keys_kit import DAY, RESYNC, Rows, opened, table_in
>>>>>>> fixE

Make = Callable[..., Rows]


@pytest.fixture
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    """What delivers to a case, by its name."""
    with ExitStack() as stack:
        opening = contextmanager(opened)
        yield lambda name, **stated: stack.enter_context(
            opening(case_class(name), request, tmp_path, **stated)
        )


@pytest.mark.parametrize(
<<<<<<< HEAD
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
=======
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
>>>>>>> fixE
