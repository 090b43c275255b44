"""Tables of made-up values written as CSV in a dialect, and then polluted as providers do.

Belongs here: what is written, and what may come of it. Does not: reading it (`test_csv_polluted`).
"""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from sluicegate.contracts.reading import Format, ReadOptions
from sluicegate.ingestion.formats import csv_text as said

# How many line ends a text has, of whatever kind.
LINE_END = re.compile("\r\n|\r|\n")
WORDS = (
    "", "a", "7", "x y", "Bäcker", "日本", "#", "# a", " lead", "trail ", "NULL", "-", "\\", "a\\b",
    "\x0b\x1f", "\u2028", "n\u00a0b", "z\u200bw", "\ufeff", "a\ufeffb", "\x85",
)  # fmt: skip
SPECIAL = (
    "{d}", "a{d}b", "{d}a", "a{d}", "{q}", "5{q} pipe", "6{q}", "{q}a{q}", "a\nb", "a\r\nb", "a\rb", "\n",
    "a{d}\n{d}b",
)  # fmt: skip


@dataclass(frozen=True)
class Written:
    """A dialect, and how much of it a writer uses: quotes around `all` values, or where they are `needed`."""

    delimiter: str
    quote: str
    escape: str
    quotes_all: bool
    line_end: str
    header: bool
    skipped: int

    @property
    def options(self) -> ReadOptions:
        return ReadOptions(
            Format.CSV,
            delimiter=self.delimiter,
            quote=self.quote,
            escape=self.escape,
            header=self.header,
            skip_lines=self.skipped,
        )

    def may_hold(self, value: str) -> bool:
        """Whether the dialect has a way to write a value."""
        if not self.quote:
            return not set(value) & {self.delimiter, "\r", "\n", *self.escape} and not value.startswith(
                "\ufeff"
            )
        return bool(self.escape) or self.quote not in value

    def field(self, value: str) -> str:
        special = {self.delimiter, self.quote, self.escape, "\r", "\n", "\ufeff"} - {""}
        if not self.quote or not (self.quotes_all or special & set(value)):
            return value
        return self.quote + self.escaped(value) + self.quote

    def escaped(self, value: str) -> str:
        if not self.escape:
            return value
        escaped = value.replace(self.escape, self.escape * 2)
        return escaped if self.escape == self.quote else escaped.replace(self.quote, self.escape + self.quote)


@dataclass
class File:
    """A file, record by record: `fields` as they are written, and the row that each of them means.

    A row is None where none is meant; a pollution says of those that it touches what may come of them.
    """

    how: Written
    names: list[str]
    records: list[list[str]]
    rows: list[tuple[str, ...] | None]
    ends: list[str]
    header: str = ""
    # What stands for a record instead of its fields.
    instead: dict[int, str | bytes] = field(default_factory=dict)

    @property
    def width(self) -> int:
        return len(self.names)

    def text_of(self, at: int) -> bytes:
        text = self.instead.get(at, self.how.delimiter.join(self.records[at]))
        return text if isinstance(text, bytes) else text.encode()

    def content(self) -> bytes:
        skipped = "".join(f"printed by {n}{self.how.line_end}" for n in range(self.how.skipped))
        head = self.header + self.how.line_end if self.how.header else ""
        rows = (self.text_of(at) + end.encode() for at, end in enumerate(self.ends))
        return (skipped + head).encode() + b"".join(rows)

    def lines_of(self, at: int) -> range:
        """Return the lines, from 1, that a record has."""
        before = (self.text_of(one) + self.ends[one].encode() for one in range(at))
        first = self.how.skipped + (len(LINE_END.findall(self.header)) + 1 if self.how.header else 0)
        text = b"".join(before).decode("utf-8", "surrogateescape")
        begin = first + len(LINE_END.findall(text)) + 1
        return range(begin, begin + len(LINE_END.findall(self.text_of(at).decode("utf-8", "replace"))) + 1)


@dataclass(frozen=True)
class Outcome:
    """What may come of the records that were touched: {place: rules by which it may be quarantined}.

    `rows` are what such a record may be read as. `refused` whether the whole file may be.
    """

    rules: dict[int, frozenset[str]] = field(default_factory=dict)
    rows: dict[int, tuple[str, ...]] = field(default_factory=dict)
    refused: bool = False


Pollution = Callable[[random.Random, File], Outcome | None]
QUOTES = frozenset({said.QUOTE})
WIDTHS = frozenset({said.TOO_FEW, said.TOO_MANY})
ANY = QUOTES | WIDTHS | {said.ESCAPE}


def dialect(luck: random.Random) -> Written:
    quote = luck.choice(['"', '"', '"', "'", ""])
    return Written(
        delimiter=luck.choice([",", ";", "|", "\t", "§", "^", " ", "~", "]"]),
        quote=quote,
        escape=luck.choice([quote, quote, quote, "\\", ""]) if quote else luck.choice(["", "", "\\"]),
        quotes_all=luck.random() < 0.4,
        line_end=luck.choice(["\n", "\n", "\r\n", "\r"]),
        header=luck.random() < 0.8,
        skipped=luck.choice([0, 0, 0, 1, 2]),
    )


def file(luck: random.Random) -> File:
    """Return a clean file."""
    how = dialect(luck)
    width = luck.randint(1, 5)
    names = [f"c{place}" for place in range(width)]
    if how.quote and how.header and luck.random() < 0.2 and how.may_hold(how.quote):
        names[0] = luck.choice([f"c{how.delimiter}0", f"c{how.quote}0", "c\n0"])
    rows = [tuple(value(luck, how) for _ in names) for _ in range(luck.randint(0, 8))]
    if not how.header and rows:
        # The width of a file without header is its first line's.
        rows[0] = tuple(f"{place}." for place in range(width))
    records = [[how.field(one) for one in row] for row in rows]
    made = File(how, names, records, list(rows), [how.line_end] * len(rows))
    made.header = how.delimiter.join(map(how.field, names))
    if made.ends and luck.random() < 0.2 and made.text_of(len(rows) - 1):
        made.ends[-1] = ""
    return made


def value(luck: random.Random, how: Written) -> str:
    while True:
        text = luck.choice(WORDS if luck.random() < 0.7 else SPECIAL)
        text = text.format(d=how.delimiter, q=how.quote) if "{" in text else text
        if luck.random() < 0.2:
            text += luck.choice(WORDS)
        if how.may_hold(text):
            return text


def _field(
    luck: random.Random, file: File, quoted: bool | None, *, longer: int = 0
) -> tuple[int, int] | None:
    """Return the place of a record and of a field in it, in quotes or not."""
    quote = file.how.quote
    found = [
        (at, place)
        for at, fields in enumerate(file.records)
        for place, text in enumerate(fields)
        if at >= (not file.how.header) and len(text) >= longer
        and quoted in (None, bool(quote) and text.startswith(quote))
    ]  # fmt: skip
    return luck.choice(found) if found else None


def _insert(file: File, at: int, text: str | bytes) -> None:
    file.records.insert(at, [])
    file.rows.insert(at, None)
    file.ends.insert(at, file.how.line_end)
    file.instead = {one + (one >= at): other for one, other in file.instead.items()} | {at: text}
    if at and not file.ends[at - 1]:
        file.ends[at - 1] = file.how.line_end


def _place(luck: random.Random, file: File) -> int:
    return luck.randint(0 if file.how.header else min(1, len(file.records)), len(file.records))


def surplus(luck: random.Random, file: File) -> Outcome | None:
    found = _field(luck, file, None)
    if found is None:
        return None
    file.records[found[0]] += [""] * luck.randint(1, 3)
    return Outcome({found[0]: frozenset({said.TOO_MANY})})


def surplus_everywhere(luck: random.Random, file: File) -> Outcome | None:
    if not file.how.header:
        return None
    times = luck.randint(1, 2)
    file.header += file.how.delimiter * times
    for fields in file.records:
        fields += [luck.choice(["", file.how.quote * 2]) for _ in range(times)]
    return Outcome()


def surplus_in_the_header(_: random.Random, file: File) -> Outcome | None:
    if not file.how.header:
        return None
    file.header += file.how.delimiter
    # A line of nothing is none where the header says that there is a delimiter.
    few = {at: frozenset({said.TOO_FEW}) for at in range(len(file.records)) if file.text_of(at)}
    for at in range(len(file.records)):
        file.rows[at] = None
    return Outcome(few)


def surplus_below_the_header(_: random.Random, file: File) -> Outcome | None:
    if not file.how.header:
        return None
    for fields in file.records:
        fields.append("")
    return Outcome({at: frozenset({said.TOO_MANY}) for at in range(len(file.records))})


def short(luck: random.Random, file: File) -> Outcome | None:
    found = _field(luck, file, None)
    if found is None or file.width < 2:
        return None
    file.records[found[0]].pop()
    blank = not file.text_of(found[0])
    if blank:
        file.rows[found[0]] = None
    return Outcome({} if blank else {found[0]: frozenset({said.TOO_FEW})})


def delimiter_lost(luck: random.Random, file: File) -> Outcome | None:
    found = _field(luck, file, None)
    if found is None or file.width < 2:
        return None
    at, place = found[0], max(found[1], 1)
    fields = file.records[at]
    fields[place - 1 : place + 1] = [fields[place - 1] + fields[place]]
    if not file.text_of(at):
        file.rows[at] = None
        return Outcome()
    return Outcome({at: ANY}, refused=True)


def delimiter_more(luck: random.Random, file: File) -> Outcome | None:
    found = _field(luck, file, quoted=False, longer=1)
    if found is None:
        return None
    at, place = found
    text = file.records[at][place]
    cut = luck.randint(0, len(text))
    file.records[at][place] = text[:cut] + file.how.delimiter + text[cut:]
    return Outcome({at: frozenset({said.TOO_MANY, said.ESCAPE})})


def quote_in_a_bare_value(luck: random.Random, file: File) -> Outcome | None:
    found = _field(luck, file, quoted=False, longer=2)
    if found is None or not file.how.quote:
        return None
    at, place = found
    text = file.records[at][place]
    cut = luck.randint(1, len(text))
    file.records[at][place] = changed = text[:cut] + file.how.quote + text[cut:]
    row = file.rows[at]
    assert row is not None
    # It may close a value that begins on a line before.
    return Outcome({at: ANY}, {at: (*row[:place], changed, *row[place + 1 :])}, refused=True)


def quote_before_a_bare_value(luck: random.Random, file: File) -> Outcome | None:
    found = _field(luck, file, quoted=False, longer=1)
    if found is None or not file.how.quote:
        return None
    at, place = found
    file.records[at][place] = file.how.quote + file.records[at][place]
    return Outcome({at: ANY}, refused=True)


def quote_in_a_quoted_value(luck: random.Random, file: File) -> Outcome | None:
    found = _field(luck, file, quoted=True)
    if found is None:
        return None
    at, place = found
    text = file.records[at][place]
    cut = luck.randint(0, len(text))
    file.records[at][place] = text[:cut] + file.how.quote + text[cut:]
    return Outcome({at: ANY}, refused=True)


def quote_lost(luck: random.Random, file: File) -> Outcome | None:
    found = _field(luck, file, quoted=True)
    if found is None:
        return None
    at, place = found
    text = file.records[at][place]
    file.records[at][place] = luck.choice([text[1:], text[:-1]])
    if file.text_of(at).startswith(b"\n"):
        return None  # with the line end before it, it would be one
    alone = file.content().count(file.how.quote.encode()) == 1
    # One quote in all of a file is an inch mark as well as half of a pair.
    literal = {at: (*row[:place], text[1:], *row[place + 1 :])} if alone and (row := file.rows[at]) else {}
    return Outcome({at: ANY | {said.JOINED}}, literal, refused=True)


def text_beside_quotes(luck: random.Random, file: File) -> Outcome | None:
    found = _field(luck, file, quoted=True)
    if found is None or file.how.delimiter == " ":
        return None
    at, place = found
    text = file.records[at][place]
    file.records[at][place] = luck.choice([text + "x", text + " ", " " + text, "\t " + text, text + " x"])
    if file.how.delimiter in file.records[at][place].replace(text, ""):
        return None
    return Outcome({at: ANY}, refused=True)


def blank_line(luck: random.Random, file: File) -> Outcome | None:
    at = _place(luck, file)
    _insert(file, at, "")
    if file.width == 1:
        file.rows[at] = ("",)
    return Outcome()


def line_of_nothing(luck: random.Random, file: File) -> Outcome | None:
    """White space, a comment, the end-of-file sign of old systems, a total: no row of several columns."""
    text = luck.choice(["  ", "\t", "# printed at noon", "\x1a", "-- 3 rows", "EOF"])
    if file.width == 1 or file.how.delimiter in text or not (file.records or file.how.header):
        return None
    at = _place(luck, file)
    _insert(file, at, text)
    return Outcome({at: frozenset({said.TOO_FEW})})


def delimiters_alone(luck: random.Random, file: File) -> Outcome | None:
    at = _place(luck, file)
    _insert(file, at, file.how.delimiter * (file.width - 1))
    file.rows[at] = ("",) * file.width
    return Outcome()


def header_again(luck: random.Random, file: File) -> Outcome | None:
    if not file.how.header:
        return None
    at = _place(luck, file)
    _insert(file, at, file.header)
    file.rows[at] = tuple(file.names)
    return Outcome()


def joined(luck: random.Random, file: File) -> Outcome | None:
    if not file.how.header:
        return None
    at = _place(luck, file)
    _insert(file, at, "\ufeff" + file.header)
    return Outcome({at: frozenset({said.JOINED})})


def joined_within_a_line(luck: random.Random, file: File) -> Outcome | None:
    found = _field(luck, file, None)
    if found is None or not file.how.header or not file.text_of(found[0]):
        return None
    at = found[0]
    file.instead[at] = file.text_of(at).decode() + "\ufeff" + file.header
    return Outcome({at: ANY | {said.JOINED}}, refused=True)


def another_table(luck: random.Random, file: File) -> Outcome | None:
    text = file.how.delimiter.join(f"{n}" for n in range(file.width + luck.choice([-1, 1])))
    if not text or not (file.records or file.how.header):
        return None
    at = _place(luck, file)
    _insert(file, at, text)
    return Outcome({at: WIDTHS})


def bad_bytes(luck: random.Random, file: File) -> Outcome | None:
    found = _field(luck, file, None)
    if found is None:
        return None
    text = file.text_of(found[0])
    cut = luck.choice([0, len(text)])
    bad = luck.choice([b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xe2\x82"])
    file.instead[found[0]] = text[:cut] + bad + text[cut:]
    # Beside a quote they are also what stands beside a quote.
    return Outcome({found[0]: ANY | {said.NOT_UTF_8}}, refused=True)


def other_line_end(luck: random.Random, file: File) -> Outcome | None:
    for at, end in enumerate(file.ends):
        if end and luck.random() < 0.5:
            file.ends[at] = luck.choice(["\n", "\r\n", "\r"])
    # A `\r` before an empty line that ends with `\n` is one line end.
    pairs = zip(range(1, len(file.ends)), file.ends, strict=False)
    if any(end == "\r" and not file.text_of(at) and file.ends[at] == "\n" for at, end in pairs):
        return None
    if file.how.line_end == "\r" and file.ends and not file.text_of(0) and file.ends[0] == "\n":
        return None
    return Outcome()


def line_end_lost(luck: random.Random, file: File) -> Outcome | None:
    if len(file.records) < 3 or file.width == 1:
        return None
    at = luck.randint(1, len(file.records) - 2)
    file.instead[at] = file.text_of(at) + file.text_of(at + 1)
    for rest in (file.records, file.rows, file.ends):
        del rest[at + 1]
    return Outcome({at: WIDTHS | QUOTES | {said.ESCAPE}}, refused=True)


def line_end_more(luck: random.Random, file: File) -> Outcome | None:
    found = _field(luck, file, quoted=False, longer=2)
    # What is cut off in the first value, or in the last, leaves a row of all values behind.
    if found is None or not 0 < found[1] < file.width - 1:
        return None
    at, place = found
    fields, text = file.records[at], file.records[at][place]
    cut = luck.randint(1, len(text) - 1)
    first = file.how.delimiter.join([*fields[:place], text[:cut]])
    second = file.how.delimiter.join([text[cut:], *fields[place + 1 :]])
    file.instead[at] = first
    _insert(file, at + 1, second)
    file.ends[at] = luck.choice(["\n", "\r\n", "\r"])
    few = ANY | {said.JOINED}
    return Outcome({at: few, at + 1: few}, refused=True)


def escape_of_nothing(luck: random.Random, file: File) -> Outcome | None:
    if file.how.escape == file.how.quote or not file.how.escape:
        return None
    found = _field(luck, file, quoted=True)
    if found is None:
        return None
    at, place = found
    text = file.records[at][place]
    file.records[at][place] = text[0] + file.how.escape + "n" + text[1:]
    return Outcome({at: frozenset({said.ESCAPE})}, refused=True)


def control_characters(luck: random.Random, file: File) -> Outcome | None:
    found = _field(luck, file, quoted=False)
    if found is None:
        return None
    at, place = found
    row = file.rows[at]
    assert row is not None
    changed = row[place] + luck.choice("\x01\x08\x0b\x0c\x1c\x1d\x1e\x7f\x85\u2028\u2029\ufffe")
    file.records[at][place] = changed
    file.rows[at] = (*row[:place], changed, *row[place + 1 :])
    return Outcome()


POLLUTIONS: tuple[Pollution, ...] = (
    surplus, surplus_everywhere, surplus_in_the_header, surplus_below_the_header, short, delimiter_lost,
    delimiter_more, quote_in_a_bare_value, quote_before_a_bare_value, quote_in_a_quoted_value, quote_lost,
    text_beside_quotes, blank_line, line_of_nothing, delimiters_alone, header_again, joined,
    joined_within_a_line, another_table, bad_bytes, other_line_end, line_end_lost, line_end_more,
    escape_of_nothing, control_characters,
)  # fmt: skip
