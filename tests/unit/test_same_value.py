"""One value under every type and spelling has one form; two values have two."""

from collections.abc import Iterator

import duckdb
import pytest
from sluicegate.compute.alike import EXACT, Alike
from sluicegate.compute.same_value import Family, family_of, form_of_row, forms_of, plain_number
from sluicegate.compute.sql import literal

UUID = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """An engine far from UTC: nothing may lean on its zone."""
    with duckdb.connect() as opened:
        opened.execute("set TimeZone = 'Asia/Kolkata'")
        yield opened


def one(connection: duckdb.DuckDBPyConnection, sql: str) -> str | None:
    row = connection.execute(f"select {sql}").fetchone()
    assert row is not None
    return row[0]


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("42", "42"), ("042", "42"), (" +42 ", "42"), ("42.0", "42"), ("42.50", "42.5"), ("100", "100"),
        ("1e3", "1000"), ("1.25e1", "12.5"), ("1.2345678901234568e+16", "12345678901234568"),
        ("1e-05", "0.00001"), ("-1E2", "-100"), (".5", "0.5"), ("5.", "5"), ("-0.0", "0"), ("-0.5", "-0.5"),
        ("12345678901234567890123", "12345678901234567890123"), ("NaN", "nan"), ("+Infinity", "inf"),
        ("-inf", "-inf"), ("", None), ("abc", None), ("e5", None), (".", None), ("1_000", None),
        ("0x10", None), ("1e999999", None),
    ],
)  # fmt: skip
def test_a_number_has_one_spelling(
    connection: duckdb.DuckDBPyConnection, text: str, written: str | None
) -> None:
    assert one(connection, plain_number(literal(text))) == written


@pytest.mark.parametrize(
    ("text", "was", "value", "kind", "same"),
    [
        ("0.1", "FLOAT", "0.1::float", "DOUBLE", True),
        ("0.1", "FLOAT", "0.1", "DOUBLE", True),
        ("0.1", "DOUBLE", "0.1::float", "FLOAT", True),
        ("9007199254740993", "BIGINT", "9007199254740993", "DOUBLE", True),
        ("9007199254740993", "BIGINT", "9007199254740992", "BIGINT", False),
        ("9007199254740993", "BIGINT", "'9007199254740992'", "VARCHAR", False),
        ("7.0", "DOUBLE", "'007'", "VARCHAR", True),
        ("7", "VARCHAR", "'07'", "VARCHAR", False),
        ("07", "VARCHAR", "7", "INTEGER", True),
        ("true", "BOOLEAN", "1", "INTEGER", True),
        ("1", "INTEGER", "true", "BOOLEAN", True),
        ("0", "INTEGER", "true", "BOOLEAN", False),
        ("true", "BOOLEAN", "'TRUE'", "VARCHAR", True),
        ("2024-01-01", "DATE", "'2024-01-01 00:00:00'", "TIMESTAMP", True),
        ("2024-01-01 00:00:00", "TIMESTAMP", "'2024-01-01T00:00:00'", "VARCHAR", True),
        ("2024-01-01 10:00:00", "TIMESTAMP", "'2024-01-01 10:00:00+00'", "TIMESTAMP WITH TIME ZONE", True),
        ("2024-01-01 10:00:00", "TIMESTAMP", "'2024-01-01 10:00:00+02'", "TIMESTAMP WITH TIME ZONE", False),
        ("2024-01-01 15:30:00+05:30", "TIMESTAMP WITH TIME ZONE", "'2024-01-01T10:00:00Z'", "VARCHAR", True),
        (UUID.upper(), "VARCHAR", f"'{UUID}'", "UUID", True),
        (UUID, "UUID", f"'{UUID.upper()}'", "VARCHAR", True),
        (UUID, "VARCHAR", f"'{UUID.upper()}'", "VARCHAR", False),
        ("2024-1-1", "", "'2024-01-01'", "DATE", True),
        ("10:00", "", "'10:00:00'", "TIME", True),
        ("42", "", "'042'", "VARCHAR", False),
        ("42", "", "42.00", "DECIMAL(9,2)", True),
        ("['x']", "VARCHAR[]", "['x']", "VARCHAR[]", False),
        ("[x]", "VARCHAR[]", "['x']", "VARCHAR[]", True),
    ],
)
def test_a_value_is_known_under_another_type(
    connection: duckdb.DuckDBPyConnection, text: str, was: str, value: str, kind: str, *, same: bool
) -> None:
    form, sql = form_of_row("v", kind, family_of(was), EXACT)
    row = connection.execute(f"select {sql} from (select {value}::{kind} as v)").fetchone()
    assert row is not None
    forms = {one(connection, found) for name, found in forms_of(literal(text), was) if name == form}
    assert (row[0] is not None and row[0] in forms) == same


@pytest.mark.parametrize(
    ("alike", "same"),
    [
        (EXACT, {"ada"}),
        ({Alike.TEXT, Alike.DOUBLE}, {"ada"}),
        ({Alike.PADDED}, {"ada", "ada "}),
        ({Alike.TRIMMED}, {"ada", "ada ", "\tada"}),
        ({Alike.CASE}, {"ada", "ADA"}),
        ({Alike.CASE, Alike.PADDED}, {"ada", "ADA", "ada "}),
        ({Alike.CASE, Alike.TRIMMED, Alike.TEXT}, {"ada", "ADA", "ada ", "\tada"}),
    ],
)
def test_texts_are_one_where_the_destination_says_so(
    connection: duckdb.DuckDBPyConnection, alike: frozenset[Alike], same: set[str]
) -> None:
    found: set[str] = set()
    for text in ("ada", "ADA", "ada ", "\tada", "adam"):
        form, sql = form_of_row(literal(text), "VARCHAR", Family.TEXT, alike)
        remembered = dict(forms_of("'ada'", "VARCHAR"))[form]
        if one(connection, sql) == one(connection, remembered):
            found.add(text)
    assert found == same
