"""A CSV file -> its records, each of which is as it was meant, or broken: the one place that decides.

RFC 4180 says how a record is written. Beyond it a quote may stand in the middle of a value that is in no
quotes (`5" pipe`), where the record can mean nothing else. Whatever can mean two things is broken, as what a
reader guesses is wrong without a word. Where nobody can tell which lines a broken record has, the file is
unreadable.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO

from sluicegate.contracts.reading import ReadOptions
from sluicegate.ingestion.formats.base import Unreadable
from sluicegate.ingestion.formats.csv_dialect import BYTE_ORDER_MARK, Dialect, run_of
from sluicegate.ingestion.formats.csv_quotes import Quotes
from sluicegate.ingestion.formats.csv_survey import Survey, survey
from sluicegate.ingestion.formats.csv_text import (
    JOINED,
    MAX_LINE_BYTES,
    TOO_FEW,
    TOO_MANY,
    Record,
    RecordReader,
    Unread,
    decoded,
    lines_in,
)

CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Run:
    r"""Good records one after the other, each ended by `\n`: as the file has them, or what says the same.

    `line` is where the first begins, `lines` how many they take, and `longest` counts characters.
    """

    line: int
    text: str
    records: int
    longest: int
    lines: int


@dataclass(frozen=True)
class Broken:
    """A record that is none, with its text as the file has it."""

    line: int
    rule: str
    text: str


@dataclass(frozen=True)
class Head:
    """Where a file's rows begin, and how wide they are.

    `names` is None where the file has no line of names; `width` counts the values of a row, after which it
    has `unnamed` empty ones: as many as the header has delimiters at its end. `start` is in characters.
    `plain` if the header is the one line after the skipped ones, and the engine takes all of that alike.
    `line_end` is the first record's, or that of the lines before it if that record has none.
    """

    names: tuple[str, ...] | None
    width: int
    unnamed: int
    start: int
    line: int
    plain: bool
    line_end: str


class CsvFile:
    """One file; `name` is what people know it by, `path` is local. Whatever reads it begins at its begin."""

    def __init__(self, path: str, name: str, options: ReadOptions) -> None:
        self._path = path
        self.name = name
        self._options = options
        self.dialect = Dialect.of(options)
        self._says_quotes: bool | None = None

    def look(self, expected: int) -> tuple[Head, Survey | None]:
        """Return how the rows are written, and what they are if all are written plainly; opens the file once.

        `expected` is the width of rows where the file does not tell.

        Raises:
            Unreadable: there is no header although the contract says so, or it is broken.
        """
        with Path(self._path).open("rb") as stream:
            seen: list[bytes] = []

            def noted() -> Iterator[bytes]:
                for chunk in _chunks(stream):
                    seen.append(chunk)
                    yield chunk

            head = self._head(Unread(decoded(noted())), expected)
            if not head.plain:
                return head, None
            whole = b"".join(seen)
            before = whole.decode(errors="surrogateescape")[: head.start] if head.start else ""
            rows = whole[len(before.encode(errors="surrogateescape")) :]
            dialect = self.dialect
            return head, survey(
                chain([rows], _chunks(stream)),
                width=head.width + head.unnamed,
                delimiter=dialect.delimiter.encode(),
                quote=dialect.quote.encode(),
                escape=dialect.escape.encode(),
                line_end=head.line_end.encode(),
            )

    def _chunks(self) -> Iterator[str]:
        """Yield the text; each byte that is not UTF-8 is a surrogate."""
        with Path(self._path).open("rb") as stream:
            yield from decoded(_chunks(stream))

    def _head(self, text: Unread, expected: int) -> Head:
        skipped = [self._skipped_line(text) for _ in range(self._options.skip_lines)]
        # A skipped line with a quote, or with another end, is another line to the engine.
        quoted = self.dialect.quote and any(self.dialect.quote in line for line, _ in skipped)
        plain = not quoted and len({end for _, end in skipped}) <= 1
        start, line = text.start, text.line
        records = RecordReader(self.name, self.dialect, text)
        first = records.one()
        ends = [end for _, end in skipped]
        while first is not None and not first.text:
            # Blank lines before a header are none of its; in a file without header they may be rows.
            ends.append(first.end)
            plain, first = plain and not self._options.header, records.one()
        plain = plain and (not skipped or first is None or first.end in ("", skipped[0][1]))
        # The file may end where its first record does: then the lines before it tell how lines end.
        line_end = next(filter(None, [first.end if first else "", *ends]), "\n")
        if not self._options.header:
            width = len(first.fields) if first else expected
            return Head(None, width, 0, start, line, plain, line_end)
        if first is None:
            rule = "the file is empty; expected a header line; land it again whole"
            raise Unreadable(self.name, rule)
        if first.rule:
            rule = f"line {first.line}: {first.rule}; expected the header line; land it again, mended"
            raise Unreadable(self.name, rule)
        names = [self.dialect.value(field) for field in first.fields]
        named = max((place for place, name in enumerate(names, 1) if name), default=len(names))
        quote = self.dialect.quote
        quoted = bool(quote) and quote in first.text
        # The engine takes quotes well in the first line of a file, and where they are at both ends.
        odd = quoted and (
            first.lines > 1 or any(quote in one and not one.startswith(quote) for one in first.fields)
        )
        return Head(
            names=tuple(names[:named]),
            width=named,
            unnamed=len(names) - named,
            start=text.start,
            line=text.line,
            # What stands after the last name is looked at row by row.
            plain=plain and named == len(names) and not (odd or (quoted and skipped)),
            line_end=line_end,
        )

    def _skipped_line(self, text: Unread) -> tuple[str, str]:
        """Pass over a line, and return it with its end."""
        line, end = text.line_at_hand(self.name)
        text.take(len(line) + len(end))
        return line, end

    def pieces(self, head: Head) -> Iterator[Run | Broken]:
        """Yield all after the header, in the file's order; blank lines, which are no records, are left out.

        Raises:
            Unreadable: a line is too long, or nobody can tell which lines a broken record has.
        """
        text = Unread(self._chunks())
        while text.start < head.start and text.more():
            text.take(min(head.start - text.start, len(text.data) - text.at))
        text.line = head.line
        joint = f"{BYTE_ORDER_MARK}{head.names[0]}" if head.names and head.width == 1 else ""
        yield from _Parser(self, text, head.width, head.unnamed, joint).pieces()

    def lines_of(self, head: Head, run: Run) -> Iterator[int]:
        """Yield the line that each record of a run begins on."""
        line = run.line
        if run.records == 1 or run.lines == run.records:
            yield from range(line, line + run.records)
            return
        _, record = run_of(self.dialect, head.width, head.unnamed)
        for one in record.finditer(run.text):
            yield line
            line += lines_in(one[0])

    @property
    def says_quotes(self) -> bool:
        """Whether any value of the file is in quotes: who writes some so has no reason for a bare one."""
        if self._says_quotes is None:
            before = "\n"
            self._says_quotes = False
            for chunk in self._chunks():
                if self.dialect.opens.search(before + chunk):
                    self._says_quotes = True
                    break
                before = chunk[-1:] or before
        return self._says_quotes


def _chunks(stream: IO[bytes]) -> Iterator[bytes]:
    while chunk := stream.read(CHUNK_BYTES):
        yield chunk


class _Parser:
    """The rows of a file, of `width` values and `unnamed` empty ones after them.

    `joint` is what a line has where another file begins in it, if such a line could be a row.
    """

    def __init__(self, file: CsvFile, text: Unread, width: int, unnamed: int, joint: str = "") -> None:
        self._file = file
        self._dialect = file.dialect
        self._text = text
        self._width = width
        self._unnamed = unnamed
        self._joint = joint
        self._records = RecordReader(file.name, file.dialect, text)
        self._quotes = Quotes(file.name, file.dialect, width + unnamed, lambda: file.says_quotes)

    def pieces(self) -> Iterator[Run | Broken]:
        run, record = run_of(self._dialect, self._width, self._unnamed)
        text, quote = self._text, self._dialect.quote
        while True:
            found = run.match(text.data, text.at)
            if found:
                written, line = found[0], text.line
                quoted = bool(quote) and quote in written
                if quoted or "\r" in written:
                    # The last line end may be a `\r`, which is one by what follows it.
                    ones = [len(one[0]) for one in record.finditer(written + "\0")]
                    records, longest = len(ones), max(ones)
                else:
                    ones = []
                    records, longest = written.count("\n"), max(map(len, written.split("\n")))
                if longest * 4 > MAX_LINE_BYTES:
                    self._measure(one[0] for one in record.finditer(written + "\0"))
                self._quotes.see_run(written, ones, line)
                text.take(len(written))
                yield Run(line, self._with_feeds(written, quoted), records, longest, text.line - line)
            if not text.ended and len(text.data) - text.at < CHUNK_BYTES // 16:
                text.more()
                continue
            one = self._records.one()
            if one is None:
                return
            if one.text or self._width + self._unnamed == 1:
                yield self._judged(one)

    def _measure(self, records: Iterator[str]) -> None:
        line = self._text.line
        for one in records:
            self._records.check_length(one, line)
            line += lines_in(one)

    def _with_feeds(self, written: str, quoted: bool) -> str:
        if "\r" not in written:
            return written
        if not quoted:
            return written.replace("\r\n", "\n").replace("\r", "\n")
        quote = self._dialect.quote
        at, parts = 0, list[str]()
        while at < len(written):
            opens = written.find(quote, at)
            opens = opens if opens >= 0 else len(written)
            parts.append(written[at:opens].replace("\r\n", "\n").replace("\r", "\n"))
            found = self._dialect.quoted.match(written, opens)
            parts.append(found[0] if found else "")
            at = found.end() if found else len(written)
        return "".join(parts)

    def _judged(self, one: Record) -> Run | Broken:
        named, unnamed = one.fields[: self._width], one.fields[self._width :]
        rule = one.rule or self._quotes.rule_of(one)
        if not rule and self._joint and self._joint in one.text:
            rule = JOINED
        if not rule and len(one.fields) < self._width + self._unnamed:
            rule = TOO_FEW
        if not rule and (
            len(unnamed) > self._unnamed or any(self._dialect.value(field) for field in unnamed)
        ):
            rule = TOO_MANY
        self._quotes.see(one, rule)
        if rule:
            return Broken(one.line, rule, one.text)
        written = [self._rewritten(field) for field in (*named, *unnamed)]
        return Run(one.line, self._dialect.delimiter.join(written) + "\n", 1, len(one.text), one.lines)

    def _rewritten(self, field: str) -> str:
        """Return a field as the engine cannot but read it."""
        quote, escape = self._dialect.quote, self._dialect.escape
        if quote and not field.startswith(quote) and (quote in field or (escape and escape in field)):
            return self._dialect.in_quotes(field)
        return field
