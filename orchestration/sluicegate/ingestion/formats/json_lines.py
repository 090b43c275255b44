"""JSON Lines, and JSON arrays of objects, read by the engine as text and taken apart by its JSON functions.

Belongs here: what a row of JSON is, and its values as text, to the digit. Does not belong here: their types
(`ingestion`).
"""

import itertools
import json
import os
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sluicegate.compute.sql import literal
from sluicegate.ingestion.formats.base import (
    BrokenRow,
    FoundColumn,
    PlainFile,
    Reader,
    ReaderContext,
    Step,
    Unreadable,
)
from sluicegate.ingestion.formats.scratch import file_list
from sluicegate.ingestion.formats.unpack import damaged, raw_chunks
from sluicegate.ingestion.number_texts import UP_TO_NUMBER

if TYPE_CHECKING:
    import duckdb

MAX_ROW_BYTES = 16 << 20
_EDGE_BYTES = 1 << 16
_SPACE, _NO_SPACE = b" \t\r\n", (b"\x0b", b"\x0c")
# No delimiter: a sequence that JSON does not allow, in or out of strings.
_NO_DELIMITER = "\x01\x02\x03\x04"
# The engine's JSON functions round what a double does not hold, and write 1.10 as 1.1. So numbers are made
# strings before the engine parses a row (`UP_TO_NUMBER`).
# The engine keeps integers, but for -0, and fractions of at most 15 digits, as long as they have no zero at
# the end (a single one stays), no exponent, and are not so small that it writes them with one. What only
# looks so, in a text, takes the longer way without harm.
_MAY_BE_ALTERED = r"[0-9][eE]|-0(?:[^.0-9]|$)|\.[0-9]+0(?:[^0-9]|$)|[0-9.]{17}|0\.000"
# Most rows show at their first character that they are none.
_BLANK = (
    "case when starts_with(row_text, '{') then false else coalesce(trim(row_text, e' \\t\\r'), '') = '' end"
)
# What the engine takes beyond JSON, nested or not: NaN and Infinity in any spelling, and a comma
# behind the last value. What only looks so, within a text, is looked at once more without its texts.
_BEYOND_JSON = r"[:,\[][ \t\r\n]*[+-]?(?:[nN][aA][nN]|[iI][nN][fF])|,[ \t\r\n]*[}\]]"
_TEXTS = r'"(?:[^"\\]|\\.)*"'
_STRICT = (
    f"(not regexp_matches(row_text, {literal(_BEYOND_JSON)}) or not regexp_matches("
    f"regexp_replace(row_text, {literal(_TEXTS)}, '\"\"', 'g'), {literal(_BEYOND_JSON)}))"
)
# One look for both: what it does not find is JSON, if it can be parsed, and comes out as it is written.
_SPECIAL = f"regexp_matches(row_text, {literal(f'{_BEYOND_JSON}|{_MAY_BE_ALTERED}')})"
# NULL for what is no object. An array has no keys, as an empty object has none.
_KEYS = (
    "case when starts_with(ltrim(row_text, e' \\t\\r\\n'), '{')"
    f" then (case when not {_SPECIAL} or {_STRICT} then try(json_keys(row_text)) end) end"
)
_OBJECT = f"coalesce(list_unique({_KEYS}) = len({_KEYS}), false)"
_KINDS = f"case when {_BLANK} then 'blank' when {_OBJECT} then 'object' else 'broken' end"


def open_json_lines(context: ReaderContext, files: Sequence[PlainFile]) -> Reader:
    """Return the reader of files with an object a line.

    Raises:
        Unreadable: a line is too long.
    """
    for file in files:
        _check_line_lengths(file)
    return _JsonReader(context.connection, files, _lines_source(files))


def open_json_array(context: ReaderContext, files: Sequence[PlainFile]) -> Reader:
    """Return the reader of files that are an array of objects.

    Raises:
        Unreadable: a file is no array, or damaged.
    """
    for file in files:
        _check_array(file)
    return _JsonReader(context.connection, files, _array_source(files))


def _lines_source(files: Sequence[PlainFile]) -> str:
    """Return SQL of `path` and `row_text`, a row a line, blank ones too, in the order of files and lines."""
    return (
        f"select filename as path, row_text from read_csv({file_list(files)},"
        " columns = {'row_text': 'VARCHAR'},"
        f" auto_detect = false, header = false, delim = {literal(_NO_DELIMITER)}, quote = '', escape = '',"
        f" max_line_size = {MAX_ROW_BYTES}, buffer_size = {2 * MAX_ROW_BYTES}, compression = 'none',"
        " filename = true)"
    )


def _array_source(files: Sequence[PlainFile]) -> str:
    return (
        "select filename as path, cast(json as varchar) as row_text"
        f" from read_json_objects({file_list(files)},"
        f" format = 'array', maximum_object_size = {MAX_ROW_BYTES}, compression = 'uncompressed',"
        " filename = true)"
    )


def _check_line_lengths(file: PlainFile) -> None:
    """The engine refuses a line that is too long, but leaves out one that is longer than its buffer."""
    length = 0
    with open(file.path, "rb") as stream:
        for chunk in raw_chunks(stream):
            ends = [at for at in (chunk.find(b"\n"), chunk.find(b"\r")) if at >= 0]
            if length + min(ends, default=len(chunk)) > MAX_ROW_BYTES:
                raise _too_long(file)
            last = max(chunk.rfind(b"\n"), chunk.rfind(b"\r"))
            length = len(chunk) - last - 1 + (length if last < 0 else 0)


def _check_array(file: PlainFile) -> None:
    """To the engine an empty file, and one cut off behind a comma, are shorter arrays, and more is space."""
    with open(file.path, "rb") as stream:
        begin = end = b""
        for chunk in raw_chunks(stream):
            begin = begin or chunk.lstrip(_SPACE)[:1]
            if any(odd in chunk for odd in _NO_SPACE):
                raise Unreadable(
                    file.name,
                    "not JSON: a control character that JSON has no place for (form feed or vertical tab);"
                    " expected it as an escape; have it written so",
                )
        at = stream.seek(0, os.SEEK_END)
        while begin and not end:
            size = min(at, _EDGE_BYTES)
            at = stream.seek(at - size)
            end = stream.read(size).rstrip(_SPACE)[-1:]
    if begin != b"[":
        raise Unreadable(
            file.name, "it is no JSON array; expected `[` first; land it so, or correct `format`"
        )
    if end != b"]":
        raise damaged(file.name, "the array is not closed")


@dataclass
class _FileShape:
    """What a file has: `rows` are lines or elements, of which some are blank, and some broken.

    `special` if a number of any row may be altered by the engine's JSON functions.
    """

    names: dict[str, None] = field(default_factory=dict[str, None])
    rows: int = 0
    blank: int = 0
    broken: int = 0
    special: bool = False


class _JsonReader(Reader):
    """Rows of JSON text; a scan over all of them, when it is made, finds their keys."""

    def __init__(
        self, connection: "duckdb.DuckDBPyConnection", files: Sequence[PlainFile], source: str
    ) -> None:
        self._connection = connection
        self._files = files
        self._source = source
        self._shapes = _shapes(connection, files, source)
        self.columns = {file: [FoundColumn(name) for name in self._shapes[file.path].names] for file in files}
        # What marks a number in a string must not stand in any file.
        self._token = f"number{secrets.token_hex(8)}:"
        self._special = any(shape.special for shape in self._shapes.values())
        # Where every row is an object, none is parsed twice to find that out.
        self._is_row = f"({_KINDS}) = 'object'" if self.broken_count() else f"not ({_BLANK})"

    def rows(self, wanted: Sequence[str | None]) -> str:
        return f"select {self._selected(wanted)} from ({self._parsed(self._source, wanted)})"

    def numbered(self, wanted: Sequence[str | None], chosen: str) -> str:
        # Chosen before they are taken apart.
        numbered = f"select row_text, row_number() over () as _n from ({self._source}) where {self._is_row}"
        source = f"select * from ({numbered}) where _n in (select n from {chosen})"
        return f"select {self._selected(wanted)}, _n from ({self._parsed(source, wanted, '_n, ')})"

    def steps(self) -> Iterator[Step]:
        others = list[tuple[str, int, str]]()
        if any(shape.blank or shape.broken for shape in self._shapes.values()):
            others = self._lines(f"not ({self._is_row})")
        first = 1
        for file in self._files:
            line, own = 1, (other for name, other, _ in others if name == file.name)
            for other in (*own, self._shapes[file.path].rows + 1):
                if other > line:
                    yield Step(first, file.name, line)
                first, line = first + other - line, other + 1

    def broken_count(self) -> int:
        return sum(shape.broken for shape in self._shapes.values())

    def broken_rows(self, at_most: int) -> list[BrokenRow]:
        if not self.broken_count():
            return []
        found = self._lines(f"({_KINDS}) = 'broken'", "row_text", at_most)
        return [BrokenRow(file, line, _wrong(text), text) for file, line, text in found]

    def _lines(
        self, condition: str, text: str = "''", at_most: int | None = None
    ) -> list[tuple[str, int, str]]:
        """Return files, lines and texts of what fulfils a condition, rows or none."""
        before = itertools.accumulate((self._shapes[file.path].rows for file in self._files), initial=0)
        files = ", ".join(
            f"({literal(file.path)}, {literal(file.name)}, {rows})"
            for file, rows in zip(self._files, before, strict=False)
        )
        return self._connection.execute(
            f"select name, n - before, {text}"
            f" from (select *, row_number() over () as n from ({self._source}))"
            f" join (values {files}) as files(path, name, before) using (path) where {condition}"
            f" order by n limit {at_most if at_most is not None else 'all'}"
        ).fetchall()

    def _parsed(self, source: str, wanted: Sequence[str | None], kept: str = "") -> str:
        pointers = ", ".join(literal(_pointer(name)) for name in wanted if name is not None)
        text = f"case when {self._is_row} then {self._exact_text()} end"
        # What is left out is not parsed, in whatever order the engine looks at conditions.
        return (
            f"select {kept}json_extract_string({text}, cast([{pointers}] as varchar[])) as found"
            f" from ({source}) where {self._is_row}"
        )

    def _exact_text(self) -> str:
        """Return SQL of a row's text in which each number that the engine would alter is a marked string."""
        if not self._special:
            return "row_text"
        number = literal(f'\\1"{self._token}\\2"')
        guarded = f"regexp_replace(row_text, {literal(UP_TO_NUMBER)}, {number}, 'g')"
        # The last step matched the end of the row, and left an empty string with a mark there.
        exact = f"left({guarded}, -{len(self._token) + 2})"
        return (
            f"case when regexp_matches(row_text, {literal(_MAY_BE_ALTERED)}) then {exact} else row_text end"
        )

    def _selected(self, wanted: Sequence[str | None]) -> str:
        numbered, position = list[str](), 0
        token, inner = literal(self._token), literal(f'"{self._token}')
        pattern = literal(f'"{self._token}([^"]*)"')
        for index, name in enumerate(wanted):
            if name is None:
                numbered.append(f"cast(null as varchar) as c{index}")
                continue
            position += 1
            value = f"found[{position}]"
            if not self._special:
                numbered.append(f"{value} as c{index}")
                continue
            numbered.append(
                f"case when starts_with({value}, {token}) then substr({value}, {len(self._token) + 1})"
                f" when contains({value}, {inner}) then regexp_replace({value}, {pattern}, '\\1', 'g')"
                f" else {value} end as c{index}"
            )
        return ", ".join(numbered)


def _pointer(name: str) -> str:
    """Return a JSON pointer to a key of a row, whatever characters it has."""
    return "/" + name.replace("~", "~0").replace("/", "~1")


def _shapes(
    connection: "duckdb.DuckDBPyConnection", files: Sequence[PlainFile], source: str
) -> dict[str, _FileShape]:
    """Return {path: shape}, from one scan over all rows."""
    import duckdb

    found: list[tuple[str, int, int, list[str], bool, bool, bool]] | None = None

    def kinds(numbered: str, first: str) -> list[tuple[str, int, int, list[str], bool, bool, bool]]:
        # Rows with the same keys are told apart no further: there are few kinds of them.
        return connection.execute(f"""
            with keyed as (
                select path, {numbered} as n, {_BLANK} as blank, {_SPECIAL} as special, {_KEYS} as keys
                from ({source})
            )
            select
                path, {first} as first, count(*), coalesce(keys, []) as keys, blank,
                not blank and coalesce(list_unique(keys) <> len(keys), true),
                coalesce(bool_or(special), false)
            from keyed
            group by path, blank, keys
            order by path, first
        """).fetchall()

    try:
        with suppress(duckdb.InvalidInputException):  # of several faults the first is told, below
            found = kinds("0", "0")
        # Which keys come first in a file matters where its rows have others; to number rows takes one thread.
        if found is None or len(found) > len({path for path, *_ in found}):
            found = kinds("row_number() over ()", "min(n)")
    except duckdb.InvalidInputException as error:
        raise _unreadable(files, str(error)) from None
    shapes = {file.path: _FileShape() for file in files}
    for path, _, rows, keys, is_blank, is_broken, special in found:
        shape = shapes[path]
        shape.rows += rows
        shape.special |= special
        shape.blank += rows if is_blank else 0
        shape.broken += rows if is_broken else 0
        if not is_broken:
            shape.names.update(dict.fromkeys(keys))
    return shapes


def _too_long(file: PlainFile) -> Unreadable:
    most = f"{MAX_ROW_BYTES >> 20} MiB"
    return Unreadable(file.name, f"a row is longer than {most}; expected at most that; split it up")


def _unreadable(files: Sequence[PlainFile], said: str) -> Unreadable:
    """Return the engine's complaint without the path of a scratch file, and without the row it may repeat."""
    file = next((file for file in files if file.path in said), files[0])
    if re.search(r"maximum_object_size|[Mm]aximum line size", said):
        return _too_long(file)
    place = re.search(r"at byte (\d+) in record/value (\d+): ([^.]+)", said)
    what = f"record {place[2]}, byte {place[1]}: {place[3]}" if place else "the engine cannot read it as JSON"
    return damaged(file.name, what)


def _wrong(text: str) -> str:
    """Return what is wrong with a row; it repeats no value of it."""
    twice = list[str]()

    def pairs(items: list[tuple[str, object]]) -> dict[str, object]:
        # The outermost object is the last one to be put together.
        names = [name for name, _ in items]
        twice[:] = sorted({name for name in names if names.count(name) > 1})
        return dict(items)

    try:
        value = json.loads(text, object_pairs_hook=pairs, parse_constant=_no_number)
    except _NoNumber as error:
        return f"not JSON: {error} is no number; expected null, a number, or a text in quotes"
    except json.JSONDecodeError as error:
        return f"not JSON: {error.msg} (column {error.colno}); expected an object"
    except (ValueError, RecursionError):
        return "not JSON; expected an object"
    if not isinstance(value, dict):
        return f"{_WORDS.get(type(value), 'null')}; expected an object"
    if twice:
        return f"the key `{twice[0]}` stands twice; expected each key once"
    return "not JSON: it is not Unicode text; expected an object"


class _NoNumber(Exception):
    """NaN, or an infinity."""


def _no_number(word: str) -> object:
    raise _NoNumber(word)


_WORDS: dict[type, str] = {
    list: "an array",
    str: "a text",
    bool: "true or false",
    int: "a number",
    float: "a number",
}
