"""What JSON is and what is none, by RFC 8259: at the top of a row, and inside of what is nested there.

The kinds are those of Nicolas Seriot's JSON parsing test suite: `y` must be taken with equal values, `n` must
not be taken. Belongs here: the grammar. Does not belong here: rows, places and columns (`test_formats_json`).
"""

import json
from decimal import Decimal
from pathlib import Path

import pytest
from sluicegate.contracts.reading import Format, ReadOptions
from sluicegate.ingestion.formats.base import Unreadable

from tests.ingestion.readers import Opened, opened

# Values that are JSON, each as an element of an array and as a value of an object.
TAKEN = [
    "[]",
    "{}",
    "[[]   ]",
    '[""]',
    "[false]",
    '[null, 1, "1", {}]',
    "[ 1]",
    "[1\n]",
    "[2] ",
    "[1,null,null,2]",
    "[123e65]",
    "[0e+1]",
    "[0e1]",
    "[ 4]",
    "[-0.000000000000000000000000000000000000000000000000000000000001]",
    "[20e1]",
    "[-0]",
    "[-123]",
    "[-1]",
    "[1E22]",
    "[1E-2]",
    "[1E+2]",
    "[123.456e78]",
    "[123.456789]",
    "[1e999]",
    "[100000000000000000000000000000000000000000000000000]",
    '{"asd":"sdf", "dfg":"fgh"}',
    '{"a":"b","a":"c"}',
    '{"":0}',
    '{"foo\\u0000bar": 42}',
    '{"min": -1.0e+28, "max": 1.0e+28}',
    '{"a":[]}',
    '{\n"a": "b"\n}',
    '["\\u0060\\u012a\\u12AB"]',
    '["\\uD801\\udc37"]',
    '["\\ud83d\\ude39\\ud83d\\udc8d"]',
    '["\\"\\\\\\/\\b\\f\\n\\r\\t"]',
    '["\\\\u0000"]',
    '["\\""]',
    '["a/*b*/c/*d//e"]',
    '["\\\\a"]',
    '["\\\\n"]',
    '["\\u0012"]',
    '["\\uFFFF"]',
    '["\uffff"]',
    '["\U0010ffff"]',
    '["\x7f"]',
    '["new\\u00A0line"]',
    '["\u2028"]',
    '["\u2029"]',
    '["\\u2064"]',
    '["\\uA66D"]',
    '["\\u0022"]',
    '["€𝄞"]',
    '["aa\u007fa"]',
    '["NaN"]',
    '["Infinity",",]"]',
    '[",}"]',
    '["\\\\",1]',
    '["\\"NaN"]',
    "true",
    "0",
    "-1.5e-7",
    '"x"',
    "null",
    '"\\ud834\\udd1e"',
    "[" * 500 + "]" * 500,
]

# Values that are none.
NOT_TAKEN = [
    "[1 true]",
    "[a\xe5]",
    '["": 1]',
    '[""],',
    "[,1]",
    "[1,,2]",
    '["x",,]',
    '["x"]]',
    '["",]',
    '["x"',
    "[x",
    "[3[4]]",
    "[1:2]",
    "[,]",
    "[-]",
    '[   , ""]',
    '["a",\n4\n,1,',
    "[1,]",
    "[1,,]",
    '["\x0ba"\\f]',
    "[*]",
    '[""',
    "[1,",
    "[1,\n1\n,1",
    "[{}",
    "[fals]",
    "[nul]",
    "[tru]",
    "[++1234]",
    "[+1]",
    "[+Inf]",
    "[-01]",
    "[-1.0.]",
    "[-2.]",
    "[-NaN]",
    "[.-1]",
    "[.2e-3]",
    "[0.1.2]",
    "[0.3e+]",
    "[0.3e]",
    "[0.e1]",
    "[0E+]",
    "[0E]",
    "[0e+]",
    "[0e]",
    "[1.0e+]",
    "[1.0e-]",
    "[1.0e]",
    "[1 000.0]",
    "[1eE2]",
    "[2.e+3]",
    "[2.e-3]",
    "[2.e3]",
    "[9.e+]",
    "[Inf]",
    "[NaN]",
    "[nan]",
    "[\uff11]",
    "[1+2]",
    "[0x1]",
    "[0x42]",
    "[Infinity]",
    "[-Infinity]",
    "[infinity]",
    "[0e+-1]",
    "[-123.123foo]",
    "[-foo]",
    "[- 1]",
    "[-012]",
    "[-.123]",
    "[1ea]",
    "[1.]",
    "[.123]",
    "[1.2a-3]",
    "[1.8011670033376514H-308]",
    "[012]",
    '["x", truth]',
    '{[: "x"}',
    '{"x", null}',
    '{"x"::"b"}',
    "{\U0001f1e8\U0001f1ed}",
    '{"a":"a" 123}',
    "{key: 'value'}",
    '{"a" b}',
    '{:"b"}',
    '{"a" "b"}',
    '{"a":',
    '{"a"',
    "{1:1}",
    "{9999E9999:1}",
    "{null:null,null:null}",
    '{"id":0,,,,,}',
    "{'a':0}",
    '{"id":0,}',
    '{"id":0 , }',
    '{"a":"b"}/**/',
    '{"a":"b"}/**//',
    '{"a":"b"}//',
    '{"a":"b"}/',
    '{"a":"b",,"c":"d"}',
    '{a: "b"}',
    '{"a":"a',
    '{ "foo" : "bar", "a" }',
    '{"a":"b"}#',
    " ",
    '["\\uD800\\"]',
    '["\\uD800\\u"]',
    '["\\uD800\\u1"]',
    '["\\uD800\\u1x"]',
    "[\xe9]",
    '["\\\x00"]',
    '["\\\\\\"]',
    '["\\\t"]',
    '["\\\U0001f300"]',
    '["\\"]',
    '["\\u00A"]',
    '["\\uD834\\Dd"]',
    '["\\uD800\\uD800\\x"]',
    '["\\a"]',
    '["\\uqqqq"]',
    '[\\u0020"asd"]',
    "[\\n]",
    '"',
    "['single quote']",
    "abc",
    '["\\',
    '["a\x01a"]',
    '["new\nline"]',
    '["\t"]',
    '"\\UA66D"',
    '""x',
    "<.>",
    "[<null>]",
    "[1]x",
    "[1]]",
    '["asd]',
    "a\xe5",
    "[True]",
    "1]",
    '{"x": true,',
    "[][]",
    "]",
    '{"a": true} "x"',
    "[1}",
    '{"a":/*comment*/"b"}',
    '{"a": {"b": NaN}}',
    "[[[1,],2]]",
    '{"a": [Infinity , 1]}',
    "[1//c\n]",
    "[\x0c]",
    "[\u2060]",
    "\ufeff1",
    "\u00a01",
    "[1,\n]",
    '{"a":1,\t}',
    "[-inf]",
    "[1,nAn]",
    '["\\u0000" , NaN]',
    '["\\"", Infinity]',
]


def read(tmp_path: Path, format_: Format, content: str) -> Opened:
    path = tmp_path / f"0.{format_}"
    path.write_text(content, encoding="utf-8", newline="")
    return opened(ReadOptions(format_), tmp_path, [path])


def rows_of(format_: Format, values: list[str]) -> str:
    """Return a file with a row for each value; those with a line's end within stand in an array alone."""
    rows = [f'{{"n": {number}, "v": {value}}}' for number, value in enumerate(values)]
    return f"[{','.join(rows)}]" if format_ is Format.JSON else "\n".join(rows)


@pytest.mark.parametrize("format_", [Format.JSON, Format.JSONL])
def test_what_is_json_is_taken_with_equal_values(tmp_path: Path, format_: Format) -> None:
    values = TAKEN if format_ is Format.JSON else [value for value in TAKEN if "\n" not in value]
    found = read(tmp_path, format_, rows_of(format_, values))
    assert found.reader.broken_rows(99) == []
    taken = {int(number): text for number, text in found.rows("n", "v")}
    assert sorted(taken) == list(range(len(values)))
    for number, value in enumerate(values):
        meant, text = json.loads(value, parse_float=Decimal), taken[number]
        if isinstance(meant, str) or meant is None:
            assert text == meant, value
        else:
            assert json.loads(text, parse_float=Decimal) == meant, value


def test_what_is_no_json_is_no_row_of_json_lines(tmp_path: Path) -> None:
    values = [value for value in NOT_TAKEN if not {"\n", "\r"} & set(value)]
    found = read(tmp_path, Format.JSONL, rows_of(Format.JSONL, ["1", *values, "2"]))
    assert found.rows("n", "v") == [("0", "1"), (str(len(values) + 1), "2")]
    broken = found.reader.broken_rows(999)
    assert [row.line for row in broken] == list(range(2, len(values) + 2))
    assert [row.rule for row in broken if not row.rule.startswith("not JSON")] == []


@pytest.mark.sampled(3)
@pytest.mark.parametrize("value", NOT_TAKEN)
def test_what_is_no_json_is_no_row_of_an_array(tmp_path: Path, value: str) -> None:
    try:
        found = read(tmp_path, Format.JSON, rows_of(Format.JSON, ["1", value, "2"]))
    except Unreadable as refused:
        said = refused.rule
        rows = []
    else:
        said = found.reader.broken_rows(9)[0].rule
        rows = found.rows("n", "v")
    assert ("1", value) not in rows
    assert len(rows) in (0, 2)
    assert "JSON" in said or "damaged or cut short: record" in said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("NaN", "not JSON: NaN is no number; expected null, a number, or a text in quotes"),
        ("[-Infinity]", "not JSON: -Infinity is no number; expected null, a number, or a text in quotes"),
        ('{"a": [1,]}', "not JSON: "),
    ],
)
def test_what_the_engine_would_take_is_named(tmp_path: Path, value: str, said: str) -> None:
    (broken,) = read(tmp_path, Format.JSONL, f'{{"v": {value}}}').reader.broken_rows(9)
    assert broken.rule.startswith(said)
    (broken,) = read(tmp_path, Format.JSON, f'[{{"v": {value}}}]').reader.broken_rows(9)
    assert broken.rule.startswith(said)


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_what_is_nested_deeply_is_taken(tmp_path: Path, opening: str) -> None:
    depth, closing = 50_000, "]" if opening == "[" else "}"
    value = opening * depth + ("" if opening == "[" else "1") + closing * depth
    found = read(tmp_path, Format.JSONL, f'{{"v": {value}}}\n{{"v": {value}')
    [(text,)] = found.rows("v")
    assert text == value
    assert [row.line for row in found.reader.broken_rows(9)] == [2]
