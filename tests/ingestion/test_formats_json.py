"""JSON Lines and JSON arrays: every value as it was written, every row that is none with its place."""

import json
import tempfile
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sluicegate.contracts.reading import Format, ReadOptions
from sluicegate.ingestion.formats.base import Unreadable
from sluicegate.ingestion.formats.json_lines import MAX_ROW_BYTES

from tests.ingestion.readers import GENERATED, Opened, opened


def read(tmp_path: Path, format_: Format, *contents: str | bytes) -> Opened:
    paths: list[Path] = []
    for index, content in enumerate(contents):
        paths.append(tmp_path / f"{index}.{format_}")
        paths[-1].write_bytes(content if isinstance(content, bytes) else content.encode())
    return opened(ReadOptions(format_), tmp_path, paths)


def lines(tmp_path: Path, *contents: str | bytes) -> Opened:
    return read(tmp_path, Format.JSONL, *contents)


def array(tmp_path: Path, *contents: str | bytes) -> Opened:
    return read(tmp_path, Format.JSON, *contents)


NUMBERS = [
    "0", "-1", "1.10", "-0", "1e400", "1E-7", "1e5", "-0.0", "100000000000000000000.0", "0.1",
    "0.00012", "0.0012", "-0.5", "123456789012.345", "1234567890123456.5", "5.0", "5.00", "-0.00",
    "0.0000001",
    "12345678901234567890.123456789", "123456789012345678901234567890", "18446744073709551615",
]  # fmt: skip


@pytest.mark.sampled(3)
@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("space", ["", " "])
def test_a_number_keeps_its_digits(tmp_path: Path, number: str, space: str) -> None:
    row = f'{{"a":{space}{number}{space},"b":{space}{{"c":[{number},{space}"x {number}"]}}, "d": "{number}"}}'
    assert lines(tmp_path, row).rows("a", "b", "d") == [(number, f'{{"c":[{number},"x {number}"]}}', number)]
    assert array(tmp_path, f"[{row}]").rows("a", "b", "d") == [
        (number, f'{{"c":[{number},"x {number}"]}}', number)
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("null", None),
        ("true", "true"),
        ('""', ""),
        ('"null"', "null"),
        ('"1.10"', "1.10"),
        (r'"a\u00e9\n\"\\ 1.5, \"x\":2.50"', 'aé\n"\\ 1.5, "x":2.50'),
        ('"ends in 7.0"', "ends in 7.0"),
        ('"NaN, Infinity,]"', "NaN, Infinity,]"),
        ('["x: NaN",",}"," Infinity"]', '["x: NaN",",}"," Infinity"]'),
        ("[]", "[]"),
        ('[1.10,null,{"x":1.10,"x":2}]', '[1.10,null,{"x":1.10,"x":2}]'),
        (r'{"x":"\u0001 1.50","y":1.50}', r'{"x":"\u0001 1.50","y":1.50}'),
    ],
)
def test_a_value_is_text_as_it_was_meant(tmp_path: Path, value: str, text: str | None) -> None:
    assert lines(tmp_path, f'{{"n": 1.0, "a": {value}, "z": "1.0"}}').rows("n", "a", "z") == [
        ("1.0", text, "1.0")
    ]


def test_columns_are_the_union_of_keys_as_they_first_appear_in_each_file(tmp_path: Path) -> None:
    read = lines(tmp_path, '{"b": 1, "a": 2}\n{"c": 3, "b": 4, "d": 5}\n{}\n', '{"a": "x"}\n', "")
    assert [list(read.columns(file)) for file in range(3)] == [["b", "a", "c", "d"], ["a"], []]
    assert read.placed("a", None, "c") == [
        ("2", None, None, "in/0.jsonl", 1),
        (None, None, "3", "in/0.jsonl", 2),
        (None, None, None, "in/0.jsonl", 3),
        ("x", None, None, "in/1.jsonl", 1),
    ]


def test_any_key_can_be_asked_for(tmp_path: Path) -> None:
    keys = ["a.b", "a/b", "a~b", "a'b", 'a"b', "", "$", "*", "0", "é", "a b"]
    read = lines(tmp_path, json.dumps({key: str(index) for index, key in enumerate(keys)}))
    assert read.names() == keys
    assert read.rows(*keys) == [tuple(str(index) for index in range(len(keys)))]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_blank_lines_are_no_rows_but_count_as_lines(tmp_path: Path, end: str) -> None:
    content = end.join(["", '{"a":1}', "", " \t", "", "[]", '{"a":2}', ""])
    read = lines(tmp_path, content, content)
    assert read.placed("a") == [
        ("1", "in/0.jsonl", 2), ("2", "in/0.jsonl", 7), ("1", "in/1.jsonl", 2), ("2", "in/1.jsonl", 7),
    ]  # fmt: skip
    assert [(row.file, row.line) for row in read.reader.broken_rows(9)] == [
        ("in/0.jsonl", 6), ("in/1.jsonl", 6),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ('{"a": 1', "not JSON: Expecting ',' delimiter (column 8); expected an object"),
        ("a,b", "not JSON: Expecting value (column 1); expected an object"),
        ('{"a": 1} {"a": 2}', "not JSON: Extra data (column 10); expected an object"),
        ('{"a": "x\ty"}', "not JSON: Invalid control character at (column 9); expected an object"),
        (r'{"a": "\ud800"}', "not JSON: it is not Unicode text; expected an object"),
        ("[1, 2]", "an array; expected an object"),
        ('"text"', "a text; expected an object"),
        ("17", "a number; expected an object"),
        ("null", "null; expected an object"),
        ('{"a": 1, "b": {"a": 2}, "a": 3}', "the key `a` stands twice; expected each key once"),
        (r'{"a": 1, "\u0061": 3}', "the key `a` stands twice; expected each key once"),
    ],
)
def test_a_line_that_is_no_object_is_broken_and_the_others_are_read(
    tmp_path: Path, line: str, rule: str
) -> None:
    read = lines(tmp_path, f'{{"a": 1.10}}\n{line}\n{{"a": "x"}}\n')
    assert read.names() == ["a"]
    assert read.placed("a") == [("1.10", "in/0.jsonl", 1), ("x", "in/0.jsonl", 3)]
    assert read.rows("a") == [("1.10",), ("x",)]
    (broken,) = read.reader.broken_rows(9)
    assert (broken.file, broken.line, broken.rule, broken.raw) == ("in/0.jsonl", 2, rule, line)


def test_the_key_of_an_inner_object_may_stand_twice(tmp_path: Path) -> None:
    read = lines(tmp_path, '{"a": {"x": 1, "x": 2.50}}')
    assert read.rows("a") == [('{"x":1,"x":2.50}',)]
    assert read.reader.broken_rows(9) == []


def test_a_long_line_is_read_and_a_longer_one_refused(tmp_path: Path) -> None:
    long = "x" * (MAX_ROW_BYTES - 100)
    assert lines(tmp_path, f'{{"a": 1}}\n{{"a": "{long}", "b": 1.50}}\n').rows("a", "b")[1] == (long, "1.50")
    with pytest.raises(Unreadable, match=r"^in/0.jsonl: a row is longer than 16 MiB; expected at most that"):
        lines(tmp_path, f'{{"a": "{long}{"x" * 2000}"}}\n')
    with pytest.raises(Unreadable, match=r"^in/0.jsonl: a row is longer than 16 MiB; expected at most that"):
        lines(tmp_path, f'{{"a": 1}}\n{{"a": "{long}{long}{long}"}}\n{{"a": 2}}\n')
    with pytest.raises(Unreadable, match=r"^in/0.json: a row is longer than 16 MiB; expected at most that"):
        array(tmp_path, f'[{{"a": "{long}{long}{long}"}}]\n')


def test_rows_of_many_files_keep_their_places(tmp_path: Path) -> None:
    for format_ in (Format.JSON, Format.JSONL):
        contents = [[{"a": f"{file}-{row}"} for row in range(1, file % 7 + 1)] for file in range(60)]
        texts = [
            json.dumps(rows) if format_ is Format.JSON else "\n".join(map(json.dumps, rows))
            for rows in contents
        ]
        assert sorted(read(tmp_path, format_, *texts).placed("a")) == sorted(
            (f"{file}-{row}", f"in/{file}.{format_}", row)
            for file in range(60)
            for row in range(1, file % 7 + 1)
        )


# -- arrays --


def test_an_array_is_counted_by_its_elements(tmp_path: Path) -> None:
    read = array(tmp_path, '\n [ {"a": 1.10,\n "b": 2}, 7,\n {"b": 3, "b": 4}, {"c": []} ]\n', "[]")
    assert [list(read.columns(file)) for file in range(2)] == [["a", "b", "c"], []]
    assert read.placed("a", "c") == [("1.10", None, "in/0.json", 1), (None, "[]", "in/0.json", 4)]
    assert [(row.line, row.rule) for row in read.reader.broken_rows(9)] == [
        (2, "a number; expected an object"),
        (3, "the key `b` stands twice; expected each key once"),
    ]


def test_every_cut_of_an_array_is_noticed(tmp_path: Path) -> None:
    whole = '[{"a": 1}, {"b": [1, {"c": 2}]}, {"d": "]"}]'
    for length in range(len(whole)):
        with pytest.raises(Unreadable, match="damaged or cut short|it is no JSON array") as caught:
            array(tmp_path, whole[:length])
        assert caught.value.file == "in/0.json"
        assert str(tmp_path) not in caught.value.rule


@pytest.mark.parametrize("content", ['{"a": 1}', '{"a": 1}\n{"a": 2}', "", "a,b\n1,2\n"])
def test_what_is_no_array_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(Unreadable, match=r"^in/0.json: it is no JSON array; expected `\[` first"):
        array(tmp_path, content)


@pytest.mark.parametrize("content", ['[{"a": 1}] x', '[{"a": 1}][]', '[{"a": 1} {"a": 2}]'])
def test_an_array_that_is_not_json_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(
        Unreadable, match=r"^in/0.json: damaged or cut short: (record \d+, byte \d+: |the array is not)"
    ):
        array(tmp_path, content)


# -- what was written is what is read --

DECIMALS = st.decimals(allow_nan=False, allow_infinity=False, places=None) | st.decimals(
    -1000, 1000, places=2
)
TEXTS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0") | st.sampled_from('",:{}[]\\-0159.eE '),
    max_size=12,
)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | st.integers() | FLOATS | DECIMALS | TEXTS
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


def dumped(value: object, **options: object) -> str:
    """Write JSON with all digits of a decimal."""
    match value:
        case Decimal():
            return str(value)
        case dict():
            inner = (f"{dumped(key, **options)}: {dumped(item, **options)}" for key, item in value.items())
            return "{" + ", ".join(inner) + "}"
        case list():
            return "[" + ",".join(dumped(item, **options) for item in value) + "]"
        case _:
            return json.dumps(value, **options)  # pyright: ignore[reportArgumentType]


def meant(value: object) -> object:
    """Return what JSON text says, numbers to the digit."""
    return json.loads(dumped(value), parse_float=Decimal)


@GENERATED
@given(
    st.lists(st.dictionaries(TEXTS, VALUES, max_size=4), max_size=6),
    st.booleans(),
    st.sampled_from([Format.JSON, Format.JSONL]),
)
def test_what_was_written_is_what_is_read(
    written: list[dict[str, object]], ascii_only: bool, format_: Format
) -> None:
    texts = [dumped(row, ensure_ascii=ascii_only) for row in written]
    content = f"[{','.join(texts)}]" if format_ is Format.JSON else "\n".join(texts)
    with tempfile.TemporaryDirectory() as directory:
        found = read(Path(directory), format_, content)
        names = list(dict.fromkeys(key for row in written for key in row))
        assert found.names() == names
        assert found.reader.broken_rows(9) == []
        placed = found.placed(*names) if names else []
    assert len(placed) == (len(written) if names else 0)
    for row, (*values, _, _) in zip(written, placed, strict=False):
        for name, value in zip(names, values, strict=True):
            expected = row.get(name)
            if expected is None:
                assert value is None
            elif isinstance(expected, str):
                assert value == expected
            elif isinstance(expected, dict | list):
                assert json.loads(value, parse_float=Decimal) == meant(expected)
            else:
                assert value == dumped(expected)


def test_of_several_faults_of_an_array_the_first_is_told(tmp_path: Path) -> None:
    rows = ['{"a": 1}'] * 20_000
    rows[7_000] = rows[19_000] = '{"a" 1}'
    with pytest.raises(Unreadable, match=r"^in/0.json: damaged or cut short: record 700[12], byte 6: "):
        array(tmp_path, f"[{','.join(rows)}]")
