"""Values of every type of the engine that a reader of text, JSON, Parquet or Arrow can tell from each other.

Belongs here: values, and how types nest. Does not belong here: any expectation.
"""

SYNTAX = (
    "", " ", "NULL", "null", "None", "[]", "{}", "[NULL]", "{a}", "a", "A", "a ", " a", "a, b", "a,b", "'",
    '"', "''",
    "'a'", '"a"', "\\", "\\'", "a=b", "a: b", "0", "0.0", "-0.0", "nan", "true", "ä", "a\u0308",
    "\u00e4\u200b",
    "\x00", "a\x00", "\x00\x00", "eight by", "eight by\x00", "twelve bytes", "twelve bytes\x00",
    "a" * 13, "a" * 300,
    "line\n", "line\r\n", "(1, 2)", "<NA>", "1970-01-01",
)  # fmt: skip


def text(value: str) -> str:
    """Return SQL of a text; a zero byte cannot stand in one."""
    parts = [f"'{part}'" for part in value.replace("'", "''").split("\x00")]
    return f"({' || chr(0) || '.join(parts)})"


_INFINITE = ("infinity", "-infinity", "epoch", "1969-12-31", "0001-01-01", "9999-12-31")
_MOMENTS = (*_INFINITE, "2024-01-01 10:00:00", "2024-01-01 10:00:01", "2024-01-01 22:00:00")
_MICROSECONDS = ("2024-01-01 10:00:00.000001", "2024-01-01 10:00:00.1", "290000-01-01")
_FLOATS = (
    "0", "-0.0", "1", "-1", "0.1", "nan", "inf", "-inf", "1e-45", "-1e-45", "3.4e38", "16777216", "16777218",
)  # fmt: skip


def _signed(bits: int) -> list[str]:
    most = 2 ** (bits - 1)
    found = {0, 1, -1, 2, most - 1, -most, most // 2, -(most // 2)}
    return [str(number) for number in sorted(found)]


def _unsigned(bits: int) -> list[str]:
    return [str(number) for number in sorted({0, 1, 2, 2**bits - 1, 2 ** (bits - 1), 2 ** (bits // 2)})]


_WIDE = {2**place + more for place in (31, 52, 53, 54, 62, 63, 64, 65, 96, 116, 126) for more in (-1, 0, 1)}
# {type: texts that are cast to it}
CAST: dict[str, list[str]] = {
    "BOOLEAN": ["true", "false"],
    **{f"{name}INT": _signed(bits) for name, bits in (("TINY", 8), ("SMALL", 16), ("BIG", 64))},
    "INTEGER": _signed(32),
    "HUGEINT": sorted({*_signed(128), *(str(sign * number) for number in _WIDE for sign in (1, -1))}),
    **{f"U{name}INT": _unsigned(bits) for name, bits in (("TINY", 8), ("SMALL", 16), ("BIG", 64))},
    "UINTEGER": _unsigned(32),
    "UHUGEINT": sorted({*_unsigned(128), *map(str, _WIDE)}),
    "BIGNUM": ["0", "1", "-1", "9" * 50, "-" + "9" * 50, str(2**64), str(2**128)],
    "DECIMAL(4,1)": ["0", "0.1", "-0.1", "999.9", "-999.9", "1"],
    "DECIMAL(9,2)": ["0", "0.01", "-0.01", "9999999.99", "1"],
    "DECIMAL(18,3)": ["0", "0.001", "-0.001", "999999999999999.999", "1"],
    "DECIMAL(19,0)": ["0", "1", "-1", "9" * 19, "-" + "9" * 19, "9" * 18, str(2**63)],
    "DECIMAL(38,2)": [
        "0", "0.01", "-0.01", "1", "-1", "9" * 36 + ".99", "-" + "9" * 36 + ".99", "9999999999999999.99",
        "10000000000000000.00", "184467440737095516.16", "184467440737095516.17", "-184467440737095516.16",
    ],
    "DECIMAL(38,30)": ["0", "0." + "0" * 29 + "1", "-0." + "0" * 29 + "1", "1", "0.1", "99999999.5"],
    "FLOAT": list(_FLOATS),
    "DOUBLE": [
        *_FLOATS, "5e-324", "-5e-324", "1.7976931348623157e308", "0.30000000000000004", "0.3",
        "9007199254740993",
    ],
    "UUID": [
        "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "00000000-0000-0001-0000-000000000002", "80000000-0000-0002-0000-000000000001",
        "80000000-0000-0001-0000-000000000001", "00000000-0000-0002-8000-000000000001",
    ],
    "BIT": ["0", "1", "00", "01", "10", "00000000", "000000000", "0" * 65, "0" * 64 + "1"],
    "DATE": [*_INFINITE, "2024-02-29"],
    "TIME": ["00:00:00", "24:00:00", "23:59:59.999999", "00:00:00.000001", "12:00:00"],
    "TIME_NS": ["00:00:00", "23:59:59.999999999", "00:00:00.000000001", "00:00:00.000001"],
    "TIME WITH TIME ZONE": [
        "00:00:00+00", "10:00:00+00", "12:00:00+02", "11:00:00+01", "10:00:00+00:00:01", "24:00:00+00",
        "00:00:00-15:59:59", "00:00:00+15:59:59", "10:00:00.000001+00",
    ],
    "TIMESTAMP": [*_MOMENTS, *_MICROSECONDS],
    "TIMESTAMP_S": list(_MOMENTS),
    "TIMESTAMP_MS": [*_MOMENTS, "2024-01-01 10:00:00.001"],
    "TIMESTAMP_NS": [
        "infinity", "-infinity", "epoch", "1969-12-31", "2024-01-01 10:00:00",
        "2024-01-01 10:00:00.000000001",
        "2024-01-01 10:00:00.000001",
    ],
    "TIMESTAMP WITH TIME ZONE": [*_MOMENTS, *_MICROSECONDS],
    "INTERVAL": [
        "0 days", "1 month", "30 days", "720 hours", "1 day", "24 hours", "1 year", "360 days", "365 days",
        "-1 month", "-30 days", "1 month -1 day", "1 month -30 days", "1 microsecond", "1 second",
        "1 day 1 second",
        "13 months", "1 month 30 days",
    ],
    "ENUM('', 'NULL', 'a', 'it''s', 'a, b')": ["", "NULL", "a", "it''s", "a, b"],
}  # fmt: skip
# {type: SQL of its values}
VALUES: dict[str, list[str]] = {
    **{kind: [f"'{value}'::{kind}" for value in found] for kind, found in CAST.items()},
    "VARCHAR": [text(value) for value in SYNTAX],
    "JSON": [
        f"{text(value)}::JSON"
        for value in (
            "null", "0", "0.0", "-0.0", "1", "1.0", "1e0", '"1"', '""', '"null"', "[]", "[ ]", "[null]", "{}",
            '{"a":null}', '{"a":1}', '{"a": 1}', '{"a":1,"b":2}', '{"b":2,"a":1}', '"\\u0061"', '"a"', "true",
            "123456789012345678901234567890", "123456789012345678901234567891",
        )
    ],
    "BLOB": [
        f"'{value}'::BLOB" for value in ("", "\\x00", "\\x00\\x00", "a", "a\\x00", "\\xFF", "NULL", "a" * 13)
    ],
    "GEOMETRY": [f"'{value}'::GEOMETRY" for value in ("POINT (0 0)", "POINT (1 2)", "LINESTRING (0 0, 1 2)")],
    "VARIANT": [
        f"({value})::VARIANT"
        for value in (
            "1", "2", "1::bigint", "1.0", "1.0::double", "0::double", "'-0.0'::double", "'nan'::double",
            "'1'",
            "true", "'true'", "'NULL'", "''", "[]", "[null]", "[[]]", "['NULL']", "[1]", "['1']", "[1, 2]",
            "{'a': 1}", "{'a': null}", "{'a': []}", "{'a': 1, 'b': 2}", "{'b': 2, 'a': 1}", "'a'::blob",
            "date '2024-01-01'", "'2024-01-01'", "interval '1 month'", "interval '30 days'",
            "'12:00:00+02'::timetz", "'10:00:00+00'::timetz", "170141183460469231731687303715884105727",
        )
    ],
}  # fmt: skip


def in_every_nesting(kind: str) -> dict[str, list[str]]:
    """Return {type: SQL of values}: of the type alone, and of what it can be part of; NULL is one of each."""
    values = VALUES[kind]
    one, other = values[0], values[1]
    null = f"null::{kind}"
    here = [*values, null]
    found = {
        kind: values,
        f"{kind}[]": [
            *(f"[{value}]" for value in here), "[]", f"[{null}, {null}]", f"[{one}, {one}]",
            f"[{one}, {other}]",
            f"[{other}, {one}]", f"[{one}, {null}]", f"[{null}, {one}]", f"[{one}, {one}, {one}]",
        ],
        f"{kind}[2]": [
            *(f"array_value({value}, {one})" for value in here), f"array_value({one}, {null})",
            f"array_value({null}, {null})", f"array_value({one}, {other})",
        ],
        f"{kind}[][]": [
            *(f"[[{value}]]" for value in here), "[]", "[null]", "[[]]", "[null, null]", "[[], []]",
            "[[], null]",
            f"[[{one}], [{other}]]", f"[[{one}, {other}]]", f"[[{one}, {other}], []]",
            f"[[], [{one}, {other}]]",
            f"[[{one}], [{other}], []]", f"[[{one}], null]",
        ],
        f"STRUCT(a {kind})": [f"{{'a': {value}}}" for value in here],
        f"STRUCT(a {kind}, b {kind})": [
            *(f"{{'a': {value}, 'b': {one}}}" for value in here),
            *(f"{{'a': {one}, 'b': {value}}}" for value in here[1:]),
            f"{{'a': {null}, 'b': {null}}}", f"{{'a': {other}, 'b': {other}}}",
        ],
        f"STRUCT(a {kind})[]": [
            *(f"[{{'a': {value}}}]" for value in here), "[]", "[null]", "[null, null]",
            f"[{{'a': {one}}}, null]",
            f"[null, {{'a': {one}}}]",
        ],
        f"STRUCT(a {kind}[], b STRUCT(c {kind}))": [
            *(f"{{'a': [{value}], 'b': {{'c': {one}}}}}" for value in here),
            *(f"{{'a': [], 'b': {{'c': {value}}}}}" for value in here),
            f"{{'a': null, 'b': {{'c': {null}}}}}", f"{{'a': [{null}], 'b': null}}",
            "{'a': [], 'b': null}", "{'a': null, 'b': null}",
        ],
        f"MAP(VARCHAR, {kind})": [
            *(f"map {{'a': {value}}}" for value in here), "map {}", f"map {{'b': {one}}}",
            f"map {{'': {one}}}",
            f"map {{'a': {one}, 'b': {other}}}", f"map {{'b': {other}, 'a': {one}}}",
            f"map {{'a': {other}, 'b': {one}}}",
        ],
        f"MAP({kind}, INTEGER)": [*(f"map {{{value}: 1}}" for value in values), "map {}",
        f"map {{{one}: 2}}"],
        f"UNION(a {kind}, b {kind}, c VARCHAR)": [
            *(f"union_value(a := {value})" for value in here),
            *(f"union_value(b := {value})" for value in here),
            "union_value(c := null::varchar)", *(f"union_value(c := {text(value)})" for value in ("",
            "NULL", "a")),
        ],
        f"UNION(a {kind}[])[]": [
            *(f"[union_value(a := [{value}])]" for value in here), f"[]::UNION(a {kind}[])[]",
            f"[null::UNION(a {kind}[])]", "[union_value(a := [])]",
        ],
    }  # fmt: skip
    return {nested: [*held, f"null::{nested}"] for nested, held in found.items()}
