"""The tables that a rule is tried on: made-up rows for its columns, the extremes of their types first.

Belongs here: values and tables. Does not belong here: what follows from a rule's word on them (`trying`).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any

from sluicegate.compute.sql import literal, quoted
from sluicegate.quality.trials.shapes import Shape

if TYPE_CHECKING:
    import duckdb

# What the column may be where nobody has written its type down.
TYPES = ("varchar", "double", "date", "timestamp", "boolean")
_LONG_TEXT = 70_000
_LONGEST_TEXT = 1_000_000
# As text; each is a value of the types that take it.
_NUMBERS = (
    "0", "1", "-1", "0.5", "2", "127", "-128", "255", "32767", "-32768", "2147483647", "-2147483648",
    "9223372036854775807", "-9223372036854775808", "1.7e308", "-1.7e308", "nan", "inf", "-inf",
)  # fmt: skip
_TIMES = (
    "1970-01-01", "0001-01-01", "9999-12-31", "1900-02-28 23:59:59", "2262-04-12 12:30:00", "00:00:00",
    "23:59:59.999999", "infinity", "-infinity",
)  # fmt: skip
_WORDS = ("", " ", "a", "Zz", "zz", "O'Brien; 1,5 \t-é漢\U0010ffff", "true", "false")
_DECIMAL = re.compile(r"decimal\((\d+),\s*(\d+)\)", re.IGNORECASE)
_QUOTED, _NUMBER = re.compile(r"'((?:[^']|'')*)'"), re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?")
_NUMERIC = re.compile(r"decimal|numeric|double|float|real|u?(?:tiny|small|big|huge)?int", re.IGNORECASE)
_REPEATED = re.compile(r"repeat\('x', (\d+)\)")
# A date and a time of day, whose parts are no numbers that anything is compared with.
_DATE = re.compile(r"\b\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)?\b")
# So many of a rule's own constants are tried, of its columns one by one, of its rows twice, and many times.
_CONSTANTS, _COLUMNS, _TWICE, _ALIKE = 48, 12, 12, 32
_LENGTHS, _SHORT = 16, 200
# How far two numbers are apart, besides what a rule names: what a spread is worked out of.
_APART = (0, 0.001, 0.1, 1, 10, 100, 1_000, 1_000_000)
# Rows of large tables: a few, and half as many more as a rule names; so many sizes, none of more rows.
_A_FEW, _SIZES, _MOST = 24, 4, 1_500_000
MIXED = 3_000
ONCE, TWICE, COUNTED, LINE = "made_up", "made_up_twice", "made_up_rows", "made_up_line"
ALIKE, DIFFERENT = "made_up_alike", "made_up_different"


@dataclass(frozen=True)
class Trial:
    """Some of the made-up rows: those of `table` for which `condition` holds, so many `rows` of them.

    Where there are as many in another trial of the table, and of the same `beside`, that has other values,
    and no more rows that are alike. `twice`: whether they are to be tried with each row a second time, as
    well (`TWICE`). `parts`: conditions that halve a large table, of which each row is unlike all others.
    """

    condition: str
    rows: int
    twice: bool = False
    table: str = ONCE
    parts: tuple[str, ...] = ()
    beside: str = ""

    @property
    def alike(self) -> tuple[str, str, int]:
        """Equal of trials that differ in their values alone."""
        return self.table, self.beside, self.rows

    @property
    def of_rows(self) -> bool:
        """Whether it may show that a rule looks at rows."""
        return not self.rows or self.twice or bool(self.parts)


def numbers_of(kwargs: Mapping[str, Any]) -> list[float]:
    """Return the numbers that a rule names, in its SQL, too, each once."""
    found: dict[float, None] = {}
    for value in _leaves(kwargs):
        if type(value) in (int, float):
            found[float(value)] = None
        elif isinstance(value, str):
            found |= dict.fromkeys(float(number) for number in _NUMBER.findall(_DATE.sub(" ", value)))
    return list(found)


def constants_of(kwargs: Mapping[str, Any]) -> list[str]:
    """Return the values that a rule names, and their neighbours: where it changes its mind, as text."""
    found: dict[str, None] = {}
    for value in _leaves(kwargs):
        if isinstance(value, bool) or value is None:
            continue
        if isinstance(value, (int, float)):
            found |= dict.fromkeys((repr(value), repr(value - 1), repr(value + 1)))
            continue
        text = str(value)
        plain = text.replace("%", "x").replace("_", "y")  # what a LIKE pattern takes
        quoted_texts = [item.replace("''", "'") for item in _QUOTED.findall(text)]
        found |= dict.fromkeys((text, plain, f"x{plain}x"))
        found |= dict.fromkeys(quoted_texts)
        for number in _NUMBER.findall(_DATE.sub(" ", text)):
            found |= dict.fromkeys((number, repr(float(number) - 1), repr(float(number) + 1)))
        # What a text is made of, where it is taken apart: a mark, and what is between two of it.
        marks = [item for item in quoted_texts if item and not any(map(str.isalnum, item))]
        found |= {mark.join([part] * 4): None for mark in marks for part in quoted_texts if part != mark}
    return list(islice(found, _CONSTANTS))


def text_lengths(kwargs: Mapping[str, Any]) -> list[int]:
    """Return how long texts are to be: very long, and around the numbers that a rule names."""
    named = {int(number) for number in numbers_of(kwargs) if abs(number) < 1e9}
    around = {length for value in named for length in (value, value + 1) if 0 < length <= _LONGEST_TEXT}
    return [*sorted(around)[:_LENGTHS], _LONG_TEXT]


def trials(
    connection: "duckdb.DuckDBPyConnection",
    shape: Shape,
    kwargs: Mapping[str, Any],
    *,
    spread: bool = False,
    large: bool = False,
    mixed: bool = False,
) -> Iterator[Trial]:
    """Make tables of these columns for a rule of these keywords, and yield what to try; no row first.

    `ONCE` has each made-up row once, `TWICE` twice; in both `LINE` numbers them. A column that cuts the
    table has values of one partition alone. `spread` adds pairs of rows that are more and less apart,
    `large` tables of as many rows as the rule names and more, `mixed` many rows, last, whose values have
    nothing to do with each other: for a rule with conditions on several columns.

    Raises:
        duckdb.Error: a type is none of the engine's.
    """
    constants, lengths, numbers = constants_of(kwargs), text_lengths(kwargs), numbers_of(kwargs)
    columns = shape.columns
    values = [
        _values(connection, kind, constants, lengths, shape.held(name)) for name, kind in columns.items()
    ]
    nulls = tuple(
        items[0] if shape.held(name) else f"cast(null as {kind})"
        for items, (name, kind) in zip(values, columns.items(), strict=True)
    )
    longest = max(len(items) for items in values)

    def line(number: int, step: int) -> tuple[str, ...]:
        return tuple(items[(number + place * step) % len(items)] for place, items in enumerate(values))

    # All alike; each beside another one's neighbour; one missing among others.
    lines = dict.fromkeys(line(number, 0) for number in range(longest))
    if len(columns) > 1 and not mixed:
        lines |= dict.fromkeys(line(number, step) for step in (1, -1) for number in range(longest))
        lines |= {(*line(1, 0)[:place], nulls[place], *line(1, 0)[place + 1 :]): None for place in
                  range(min(len(columns), _COLUMNS))}  # fmt: skip
    rows = [nulls, *(row for row in lines if row != nulls)]
    pairs = list(_apart(connection, shape, (line(1, 0), line(2, 0)), numbers, mixed)) if spread else []
    named = ", ".join(quoted(name) for name in (LINE, *columns))
    written = ", ".join(
        f"({number}, {', '.join(row)})"
        for number, row in enumerate([*rows, *(row for pair in pairs for row in pair)])
    )
    connection.execute(f"create or replace table {ONCE} as from (values {written}) as made({named})")
    after = len(rows) + 2 * len(pairs)
    if mixed:
        drawn = ", ".join(
            f"[{', '.join(items)}][1 + (hash(number, {place}) % {len(items)})::integer]"
            for place, items in enumerate(_drawn(connection, shape, values))
        )
        connection.execute(
            f"insert into {ONCE} select {after} + number, {drawn} from range({MIXED}) as made(number)"
        )
    connection.execute(f"create or replace table {TWICE} as from {ONCE} union all from {ONCE}")
    yield Trial("false", 0)
    for number in range(len(rows)):
        yield Trial(f"{LINE} = {number}", 1, twice=number < _TWICE)
    for first, end in ((1, 3), (3, 5), (1, 12), (1, len(rows) - 1), (1, len(rows)), (0, len(rows) - 1)):
        if first < end <= len(rows):
            yield Trial(f"{LINE} >= {first} and {LINE} < {end}", end - first)
    for first in range(len(rows), after, 2):
        yield Trial(f"{LINE} >= {first} and {LINE} < {first + 2}", 2, beside="pairs")
    if large:
        yield from _large(connection, shape, numbers, len(rows))
    if mixed:
        yield Trial(f"{LINE} >= {after}", MIXED)


def counted(connection: "duckdb.DuckDBPyConnection", rows: int) -> None:
    """Make a table `COUNTED` of so many rows, and nothing in them."""
    connection.execute(f"create or replace view {COUNTED} as select 1 as {LINE} from range({rows})")


def _apart(
    connection: "duckdb.DuckDBPyConnection",
    shape: Shape,
    usual: tuple[Sequence[str], Sequence[str]],
    numbers: Sequence[float],
    unlike: bool,
) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Yield pairs of rows whose numbers are so far apart that their deviation is what a rule names.

    `unlike`: none whose numbers are the same, which SQL may take for a row that is there twice.
    """
    named = [abs(number) for number in numbers]
    between = [*named, *((low + high) / 2 for low, high in pairwise(sorted(named)))]
    for apart in dict.fromkeys([*_APART, *named, *(number * 2**0.5 for number in between)]):
        pair: list[tuple[str, str]] = []
        for place, (name, kind) in enumerate(shape.columns.items()):
            low, high = (f"try_cast({literal(f'{number:.12f}')} as {kind})" for number in (0, apart))
            wanted = f"{high} <> {low}" if unlike else f"{high} is not null"
            found = _is_number(kind) and not shape.held(name)
            found = found and connection.execute(f"select {wanted}").fetchone() == (True,)
            pair.append((low, high) if found else (usual[0][place], usual[1][place]))
        yield tuple(low for low, _ in pair), tuple(high for _, high in pair)


def _large(
    connection: "duckdb.DuckDBPyConnection", shape: Shape, numbers: Sequence[float], lines: int
) -> Iterator[Trial]:
    """Yield tables of many rows: each of the first lines so many times, and rows that are all different."""
    named = [int(1.5 * number) + 2 for number in numbers if number > 1 and 1.5 * number + 2 <= _MOST]
    for size in [_A_FEW, *sorted(dict.fromkeys(named))[-_SIZES:]]:
        connection.execute(
            f"create or replace view {ALIKE} as select made.* from {ONCE} as made, range({size})"
        )
        drawn = ", ".join(
            f"{_different(shape, name, kind)} as {quoted(name)}" for name, kind in shape.columns.items()
        )
        connection.execute(
            f"create or replace view {DIFFERENT} as select number as {LINE}, {drawn}"
            f" from range({size}) as made(number)"
        )
        half = size // 2
        yield Trial("true", size, table=DIFFERENT, parts=(f"{LINE} < {half}", f"{LINE} >= {half}"))
        for number in range(1, min(lines, _ALIKE)):  # not that of nulls, of which uniqueness says nothing
            yield Trial(f"{LINE} = {number}", size, table=ALIKE)


def _different(shape: Shape, name: str, kind: str) -> str:
    """Return SQL of a value of a type that each `number` has another of, as far as the type has so many."""
    if held := shape.held(name):
        return f"cast({literal(held[0])} as {kind})"
    if kind.upper() == "BOOLEAN":
        return "number % 2 = 0"
    if kind.upper().startswith("DATE") and kind.upper() != "DATETIME":
        return "date '2000-01-01' + number::integer"
    if kind.upper().startswith(("TIMESTAMP", "DATETIME")):
        return f"cast(timestamp '2000-01-01' + to_seconds(number) as {kind})"
    number = "'x' || number" if _is_text(kind) else "number"
    return f"try_cast({number} as {kind})"


def _drawn(
    connection: "duckdb.DuckDBPyConnection", shape: Shape, values: Sequence[Sequence[str]]
) -> Iterator[list[str]]:
    """Yield what each column's values are drawn from: texts of many lengths, and what was before, too."""
    for (name, kind), items in zip(shape.columns.items(), values, strict=True):
        if shape.held(name):
            earlier = _values(connection, kind, (), (), shape.earlier(name)) if shape.earlier(name) else []
            yield [*(item for item in items for _ in range(max(1, len(earlier)))), *earlier]
            continue
        short = [item for item in items if not (found := _REPEATED.match(item)) or int(found[1]) <= _SHORT]
        yield [*short, *(f"repeat('x', {length})" for length in range(2, 41))] if _is_text(kind) else short


def _is_text(kind: str) -> bool:
    return kind.upper().startswith(("VARCHAR", "TEXT", "STRING"))


def _is_number(kind: str) -> bool:
    return bool(_NUMERIC.match(kind))


def _values(
    connection: "duckdb.DuckDBPyConnection",
    kind: str,
    constants: Sequence[str],
    lengths: Sequence[int],
    held: Sequence[str],
) -> list[str]:
    """Return SQL of values of a type, each once; at least one: null, where nothing else is of the type.

    `held`: of these alone, where there are any.
    """
    texts = [*held] or [*constants, *_NUMBERS, *_TIMES, *_WORDS]
    if not held and (found := _DECIMAL.fullmatch(kind)):
        width, scale = int(found[1]), int(found[2])
        most = f"{'9' * (width - scale) or '0'}.{'9' * scale or '0'}"
        texts += [most, f"-{most}"]
    named = connection.execute(
        f"select arg_min(text, place) from (select unnest([{', '.join(map(literal, texts))}]) as text,"
        f" generate_subscripts([{', '.join('1' for _ in texts)}], 1) as place)"
        f" where try_cast(text as {kind}) is not null group by try_cast(text as {kind}) order by min(place)"
    ).fetchall()
    values = [f"cast({literal(text)} as {kind})" for (text,) in named]
    if _is_text(kind) and not held:
        values += [f"repeat('x', {length})" for length in lengths]
    return values or [f"cast(null as {kind})"]


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for item in value:
            yield from _leaves(item)
    else:
        yield value
