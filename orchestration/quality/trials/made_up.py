"""The tables that a rule is tried on: made-up rows for its columns, the extremes of their types first.

Belongs here: values and tables. Does not belong here: what follows from a rule's word on them (`trying`).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from orchestration.warehouse.engine import literal, quoted

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
_WORDS = ("", " ", "a", "Zz", "O'Brien; 1,5 \t-é漢\U0010ffff", "true", "false")
_DECIMAL = re.compile(r"decimal\((\d+),\s*(\d+)\)", re.IGNORECASE)
_QUOTED, _NUMBER = re.compile(r"'((?:[^']|'')*)'"), re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?")
# So many of a rule's own constants are tried, of its columns one by one, and of its rows twice.
_CONSTANTS, _COLUMNS, _TWICE = 24, 12, 12
MIXED = 3_000
ONCE, TWICE, COUNTED, LINE = "made_up", "made_up_twice", "made_up_rows", "made_up_line"


@dataclass(frozen=True)
class Trial:
    """Some of the made-up rows: those of `table` for which `condition` holds, so many `rows` of them.

    No two of them are alike, and where there are as many in another trial, that has other values. `twice`:
    whether they are to be tried with each row a second time, as well (`TWICE`).
    """

    condition: str
    rows: int
    twice: bool = False


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
        found |= dict.fromkeys((text, plain, f"x{plain}x"))
        found |= dict.fromkeys(item.replace("''", "'") for item in _QUOTED.findall(text))
        for number in _NUMBER.findall(text):
            found |= dict.fromkeys((number, repr(float(number) - 1), repr(float(number) + 1)))
    return list(islice(found, _CONSTANTS))


def text_lengths(kwargs: Mapping[str, Any]) -> list[int]:
    """Return how long texts are to be: very long, and around the numbers that a rule names."""
    named = {int(value) for value in _leaves(kwargs) if type(value) in (int, float) and abs(value) < 1e9}
    around = {length for value in named for length in (value, value + 1) if 0 < length <= _LONGEST_TEXT}
    return [*sorted(around), _LONG_TEXT]


def trials(
    connection: "duckdb.DuckDBPyConnection",
    columns: Mapping[str, str],
    constants: Sequence[str],
    lengths: Sequence[int],
    *,
    mixed: bool = False,
) -> Iterator[Trial]:
    """Make tables of these columns, {name: type}, and yield what is to be tried of them; no row first.

    `ONCE` has each made-up row once, `TWICE` twice; in both `LINE` numbers them. `mixed` adds many rows,
    last, whose values have nothing to do with each other: for a rule with conditions on several columns.

    Raises:
        duckdb.Error: a type is none of the engine's.
    """
    values = [_values(connection, kind, constants, lengths) for kind in columns.values()]
    nulls = tuple(f"cast(null as {kind})" for kind in columns.values())
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
    named = ", ".join(quoted(name) for name in (LINE, *columns))
    written = ", ".join(f"({number}, {', '.join(row)})" for number, row in enumerate(rows))
    connection.execute(f"create or replace temp table {ONCE} as from (values {written}) as made({named})")
    if mixed:
        drawn = ", ".join(
            f"[{', '.join(items)}][1 + (hash(number, {place}) % {len(items)})::integer]"
            for place, items in enumerate(_short(items) for items in values)
        )
        connection.execute(
            f"insert into {ONCE} select {len(rows)} + number, {drawn} from range({MIXED}) as made(number)"
        )
    connection.execute(f"create or replace temp table {TWICE} as from {ONCE} union all from {ONCE}")
    yield Trial("false", 0)
    for number in range(len(rows)):
        yield Trial(f"{LINE} = {number}", 1, twice=number < _TWICE)
    for first, end in ((1, 3), (3, 5), (1, 12), (1, len(rows) - 1), (1, len(rows)), (0, len(rows) - 1)):
        if first < end <= len(rows):
            yield Trial(f"{LINE} >= {first} and {LINE} < {end}", end - first)
    if mixed:
        yield Trial(f"{LINE} >= {len(rows)}", MIXED)


def counted(connection: "duckdb.DuckDBPyConnection", rows: int) -> None:
    """Make a table `COUNTED` of so many rows, and nothing in them."""
    connection.execute(f"create or replace temp view {COUNTED} as select 1 as {LINE} from range({rows})")


def _short(values: Sequence[str]) -> list[str]:
    return [value for value in values if not value.startswith("repeat(")]


def _values(
    connection: "duckdb.DuckDBPyConnection", kind: str, constants: Sequence[str], lengths: Sequence[int]
) -> list[str]:
    """Return SQL of values of a type, each once; at least one: null, where nothing else is of the type."""
    texts = [*constants, *_NUMBERS, *_TIMES, *_WORDS]
    if found := _DECIMAL.fullmatch(kind):
        width, scale = int(found[1]), int(found[2])
        most = f"{'9' * (width - scale) or '0'}.{'9' * scale or '0'}"
        texts += [most, f"-{most}"]
    named = connection.execute(
        f"select arg_min(text, place) from (select unnest([{', '.join(map(literal, texts))}]) as text,"
        f" generate_subscripts([{', '.join('1' for _ in texts)}], 1) as place)"
        f" where try_cast(text as {kind}) is not null group by try_cast(text as {kind}) order by min(place)"
    ).fetchall()
    values = [f"cast({literal(text)} as {kind})" for (text,) in named]
    if kind.lower() in ("varchar", "text", "string"):
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
