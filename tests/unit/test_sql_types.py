"""Types as the engine writes them, read back."""

import duckdb
import pytest
from sluicegate.compute.sql_types import SqlType, UnknownType, parse_type, without_names

INTEGER, TEXT = SqlType("INTEGER"), SqlType("VARCHAR")


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("integer", INTEGER),
        ("decimal(12, 2)", SqlType("DECIMAL", (12, 2))),
        ("timestamptz", SqlType("TIMESTAMP WITH TIME ZONE")),
        ("integer[][3]", SqlType("LIST", members=(("", SqlType("LIST", members=(("", INTEGER),))),))),
        ("map(varchar, integer)", SqlType("MAP", members=(("", TEXT), ("", INTEGER)))),
        ("enum('a, b)', 'it''s', '(')", SqlType("ENUM")),
        (
            'struct("a, b" integer, "say ""hi"" (" varchar, "NULL" integer, "time" timetz, "DATE" date)',
            SqlType(
                "STRUCT",
                members=(
                    ("a, b", INTEGER),
                    ('say "hi" (', TEXT),
                    ("NULL", INTEGER),
                    ("time", SqlType("TIME WITH TIME ZONE")),
                    ("DATE", SqlType("DATE")),
                ),
            ),
        ),
        (
            "union(a struct(b enum('x', ',')[]), c varchar)",
            SqlType(
                "UNION",
                members=(
                    (
                        "a",
                        SqlType(
                            "STRUCT", members=(("b", SqlType("LIST", members=(("", SqlType("ENUM")),))),)
                        ),
                    ),
                    ("c", TEXT),
                ),
            ),
        ),
    ],
)
def test_what_describe_writes_is_read(asked: str, expected: SqlType) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"create table made (x {asked})")
        (described,) = connection.execute("describe made").fetchall()
    assert parse_type(described[1]) == expected


def test_fields_without_names_are_read() -> None:
    with duckdb.connect() as connection:
        (described,) = connection.execute("describe select row(time '12:00', row('a')) as x").fetchall()
    inner = SqlType("STRUCT", members=(("", TEXT),))
    assert parse_type(described[1]) == SqlType("STRUCT", members=(("", SqlType("TIME")), ("", inner)))


@pytest.mark.parametrize("text", ["INET", "INET[]", "STRUCT(a INET)", "integer", "", 'STRUCT("a INTEGER)'])
def test_other_types_are_unknown(text: str) -> None:
    with pytest.raises(UnknownType):
        parse_type(text)


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ("integer", "INTEGER"),
        ("decimal(12, 2)[3]", "DECIMAL(12,2)[3]"),
        ("timestamptz", "TIMESTAMP WITH TIME ZONE"),
        ("varchar[]", "VARCHAR[]"),
        ('struct("otto@example.org" integer)', "STRUCT(…)"),
        ('struct("a)[]" integer, b struct("(" date))[][2]', "STRUCT(…)[][2]"),
        ('map(varchar, struct("otto" integer))', "MAP(…)"),
        ('union("otto" integer, b varchar)', "UNION(…)"),
        ("enum('otto', 'a)[')[]", "ENUM(…)[]"),
    ],
)
def test_names_within_a_type_are_not_shown(asked: str, shown: str) -> None:
    described = duckdb.sql(f"select cast(null as {asked}) as value").types[0]

    assert without_names(str(described)) == shown


@pytest.mark.parametrize("text", ['"otto"', "otto", 'STRUCT("otto" INTEGER', "(otto)"])
def test_what_is_no_type_of_the_engines_is_not_shown(text: str) -> None:
    assert without_names(text) == "…"
