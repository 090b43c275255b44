"""What counts as the same value though it is written otherwise, type by type: the whole list.

A value is taken where it is printed as it was written. What differs is taken only if it is listed here, and
quarantined otherwise. `docs/values.md` is made of this table, and a test loads its examples.

Belongs here: the list, and regular expressions (RE2) of what is equal. Does not belong here: SQL
(`ingestion`).
"""

from dataclasses import dataclass

INTEGER = r"[+-]?[0-9]+(\.0*)?"
FLOAT = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"
UUID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
# 24:00 is another day's 00:00.
HOUR = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]"
# As far from Greenwich as the engine takes.
ZONE = r"Z|[+-](?:0[0-9]|1[0-5])(?::?[0-5][0-9])?"


def decimal(scale: int) -> str:
    """Return a regular expression of numbers that so many decimals hold."""
    return rf"[+-]?([0-9]+(\.[0-9]{{0,{scale}}}0*)?|\.[0-9]{{1,{max(scale, 1)}}}0*)"


def clock(digits: int) -> str:
    """Return a regular expression of a time of day whose seconds have so many decimals at most."""
    return rf"{HOUR}(?::[0-5][0-9](?:\.{f'[0-9]{{1,{digits}}}' if digits else ''}0*)?)?"


@dataclass(frozen=True)
class Equality:
    """One line of the list: of which types, what is equal, and texts that are taken and that are not.

    The examples are of the first type. `options` is how values are written by the contract, as in it.
    """

    types: tuple[str, ...]
    equal: str
    taken: tuple[str, ...]
    refused: tuple[str, ...]
    options: tuple[tuple[str, object], ...] = ()


EQUALITIES = (
    Equality(
        ("INTEGER", "INT", "TINYINT", "SMALLINT", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER",
         "UBIGINT", "UHUGEINT"),
        "a `+`; zeros before the number; a point with nothing but zeros behind it; -0 is 0",
        ("7", "+7", "007", "7.0", "7."),
        ("7.5", "7e0", " 7", "1_000", "0x10", "٧", "2147483648"),
    ),
    Equality(
        ("DECIMAL(5,2)", "DECIMAL", "NUMERIC"),
        "as whole numbers; zeros behind the last decimal, also beyond the type's; no digit before the point",
        ("1.5", "+1.5", "1.500", ".5", "5.", "-0.00"),
        ("1.005", "1000", "1e2", "1,5", "NaN"),
    ),
    Equality(
        ("DOUBLE", "FLOAT", "REAL"),
        "all that is the text of the value, printed with as many significant digits as are written: the"
        " shortest text and longer ones; with or without an exponent. In text, NaN and Infinity are words and"
        " no numbers (`nullWords`)",
        ("0.1", "0.10", "1e-1", "0.10000000000000001", "9007199254740992", "-0.0"),
        ("9007199254740993", "12345678901234567", "1e400", "1e-400", "NaN", "Infinity"),
    ),
    Equality(
        ("DATE",), "nothing", ("2024-01-05", "0001-01-01"),
        ("2024-1-5", "20240105", "2024-01-05 00:00:00", "2024-02-30", "infinity"),
    ),
    Equality(
        ("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "DATETIME"),
        "`T` or a space; no seconds, or no time, for zeros; zeros behind the fraction; a moment with its zone"
        " is the same one in UTC",
        ("2024-01-05T10:00:00", "2024-01-05 10:00", "2024-01-05", "2024-01-05 10:00:00.50",
         "2024-01-05T10:00:00+02:00", "2024-01-05 10:00Z"),
        ("2024-01-05 24:00:00", "2024-01-05 10:00:00.1234567", "2024-01-05 10:00:60", "05.01.2024"),
    ),
    Equality(
        ("TIMESTAMPTZ", "TIMESTAMP WITH TIME ZONE"), "as a TIMESTAMP; the zone must be there",
        ("2024-01-05T10:00:00Z", "2024-01-05 10:00+0200", "2024-01-05 10:00:00.5-05"),
        ("2024-01-05 10:00:00", "2024-01-05", "2024-01-05 10:00:00 CET"),
    ),
    Equality(
        ("TIME",), "no seconds; zeros behind the fraction", ("10:00:00", "10:00", "10:00:00.50"),
        ("9:00", "25:00", "10:00:00.1234567", "10:00:00Z"),
    ),
    Equality(
        ("TIMETZ", "TIME WITH TIME ZONE"),
        "as a TIME; the zone as `Z`, `+02`, `+0200` or `+02:00`, and it stays",
        ("10:00:00+02", "10:00Z", "10:00:00.5-11:30"), ("10:00:00", "10:00+16"),
    ),
    Equality(("BOOLEAN", "BOOL"), "any case", ("true", "FALSE"), ("1", "yes", " true")),
    Equality(
        ("UUID",), "small letters and capitals", ("550E8400-e29b-41d4-a716-446655440000",),
        ("550e8400e29b41d4a716446655440000", "{550e8400-e29b-41d4-a716-446655440000}"),
    ),
    Equality(
        ("BLOB",), r"an ASCII text stands for its bytes; others as `\xAB`",
        ("abc", "it's", r"\xAB"), ("é", r"a\b"),
    ),
    Equality(("BIT",), "nothing", ("0101",), ("012",)),
    Equality(
        ("INTERVAL",), "nothing: as the warehouse prints it", ("1 day", "1 month 2 days 03:04:05.5"),
        ("P1D", "12 months", "soon"),
    ),
    Equality(("ENUM('a', 'B')",), "nothing", ("a", "B"), ("A", "c")),
    Equality(("JSON",), "nothing: the text is kept", ('{"a": 1.10}',), ("{a: 1}",)),
    Equality(
        ("STRUCT(b_c INTEGER)", "INTEGER[]", "INTEGER[2]", "MAP(VARCHAR, INTEGER)"),
        "as the warehouse prints it; or as JSON, whatever its white space",
        ("{'b_c': 1}", '{"b_c": 1}'), ('{"B_C":1}', '{"b_c":1.5}', '{"b_c":1,"d":2}'),
    ),
    Equality(
        ("DECIMAL(38,10)[]", "STRUCT(a DECIMAL(38,10))"),
        "in JSON, zeros behind the last decimal, and an exponent",
        ("[1]", "[4.35, 1.50]", "[1e1]", "[1234567890123456789012345678.0000000001]"),
        ("[1.00000000001]", "[1.0000000000000001]", "[1e-400]", '["1"]'),
    ),
    Equality(
        ("BIGINT[]", "MAP(VARCHAR, BIGINT)"), "in JSON, a fraction of nothing but zeros",
        ("[1.0]", "[9007199254740993]"), ("[1.5]", "[9007199254740993.0]", "[1.00000000000000001]"),
    ),
    Equality(
        ("DOUBLE[]", "FLOAT[]"), "in JSON, as a DOUBLE", ("[1, 2.5]", "[0.10000000000000001]", "[1e22]"),
        ("[9007199254740993]", "[9007199254740993.0]", "[1e400]", "[1e-400]"),
    ),
    Equality(
        ("VARCHAR", "TEXT", "STRING", "CHAR", "BPCHAR"), "nothing: every text is kept", (" a ", "é"), (),
    ),
    Equality(
        ("DATE",), "the case of names; a zero before the number of a single letter",
        ("5 January 2024", "05 january 2024"),
        ("5 Jan 2024", "5 January 24"), (("format", "d MMMM yyyy"),),
    ),
    Equality(
        ("DATE",), "nothing; a year has as many digits as its letters, two are of 1969 to 2068",
        ("05.01.24",),
        ("5.1.24", "05.01.2024"), (("format", "dd.MM.yy"),),
    ),
    Equality(
        ("TIME",), "a zero before the number of a single letter, of which one may touch others",
        ("930", "0930", "1530"), ("9:30", "2530", "93"), (("format", "Hmm"),),
    ),
    Equality(
        ("DATE",), "the case of names", ("Fri 05.01.2024", "FRI 05.01.2024"), ("Mon 05.01.2024",),
        (("format", "EEE dd.MM.yyyy"),),
    ),
    Equality(
        ("TIMESTAMP",), "any spelling of a zone", ("2024-01-05 10:00 +02:00", "2024-01-05 10:00 Z"),
        ("2024-01-05 10:00", "2024-01-05 24:00 Z"), (("format", "yyyy-MM-dd HH:mm XXX"),),
    ),
    Equality(
        ("DECIMAL(9,2)",), "no groups at all; a group that begins with 0 is none",
        ("1.234,5", "1234,5", "0,5"), ("0.500", "12.34", "1.2345", "01.234"),
        (("decimalSeparator", ","), ("thousandsSeparator", ".")),
    ),
    Equality(
        ("DECIMAL(9,2)",),
        "no currency; it stands at an end, with or without white space, before or behind a sign",
        ("5.50", "€5.50", "5.50 €", "-€5.50", "€ -5.50"), ("5€50", "€5€", "€", "$5.50"),
        (("currency", ("€",)),),
    ),
)  # fmt: skip
