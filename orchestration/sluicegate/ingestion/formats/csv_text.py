"""A text file, record by record, however each is written: what its fields are, and what is wrong with it.

Belongs here: where a record ends. Does not belong here: whether it has the right width, and what a quote in
the middle of a value means (`csv_quotes`, `csv_records`).
"""

import codecs
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sluicegate.ingestion.formats.base import Unreadable
from sluicegate.ingestion.formats.csv_dialect import BYTE_ORDER_MARK, LINE_END, Dialect

# A line longer than this is no line; a file that has one has lost a quote. Bytes.
MAX_LINE_BYTES = 8 * 1024 * 1024
TOO_FEW, TOO_MANY = "too few columns", "too many columns"
QUOTE = "a quote that does not close, or stands in the middle of a value"
ESCAPE = "an escape before what needs none, or outside of quotes"
NOT_UTF_8 = "not UTF-8"
JOINED = "a byte order mark in the middle of the file, as where two files were put together"
_BAD = frozenset(map(chr, range(0xDC80, 0xDD00)))


class Unread:
    """What has been read of a file and not yet been used; `start`, `line`: where `at` is in the file."""

    def __init__(self, chunks: Iterator[str]) -> None:
        self._chunks = chunks
        self.data = ""
        self.at = self.start = 0
        self.line = 1
        self.ended = False

    def more(self) -> bool:
        """Read on; return whether there was anything."""
        chunk = next(self._chunks, None)
        while chunk == "":
            chunk = next(self._chunks, None)
        if chunk is None:
            self.ended = True
            return False
        self.data, self.at = self.data[self.at :] + chunk, 0
        return True

    def take(self, length: int) -> None:
        """Pass over what has been used."""
        self.line += lines_in(self.data[self.at : self.at + length])
        self.at += length
        self.start += length

    def line_at_hand(self, name: str) -> tuple[str, str]:
        """Return the line that begins here, and its end, which is empty at the end of the file."""
        while True:
            found = LINE_END.search(self.data, self.at)
            if found and (found[0] != "\r" or found.end() < len(self.data) or self.ended):
                return self.data[self.at : found.start()], found[0]
            if self.ended:
                return self.data[self.at :], ""
            if len(self.data) - self.at > MAX_LINE_BYTES:
                raise too_long(name, self.line)
            self.more()


@dataclass(frozen=True)
class Record:
    """A record however it is written: its fields as they stand there, its text without line end.

    `rule` says what is wrong with it in itself, whatever its width.
    """

    line: int
    lines: int
    fields: tuple[str, ...]
    text: str
    end: str
    rule: str


class RecordReader:
    """Takes records off a text, one by one; `name` is the file's, for errors."""

    def __init__(self, name: str, dialect: Dialect, unread: Unread) -> None:
        self._name = name
        self._dialect = dialect
        self._unread = unread

    def one(self) -> Record | None:
        """Take the record at hand, whatever it is like; None at the end."""
        text = self._unread
        while True:
            found = self._split() if text.at < len(text.data) or text.ended else None
            if found is not None or (text.ended and text.at == len(text.data)):
                break
            if len(text.data) - text.at > MAX_LINE_BYTES:
                if self._in_quotes_at_the_end():
                    raise swallowed(self._name, text.line)
                raise too_long(self._name, text.line)
            text.more()
        if found is None:
            return None
        whole = found.text + found.end
        self.check_length(whole, found.line)
        if found.rule in (QUOTE, ESCAPE) and found.lines > 1:
            raise swallowed(self._name, found.line)
        text.take(len(whole))
        return found

    def _in_quotes_at_the_end(self) -> bool:
        text, dialect, at = self._unread, self._dialect, self._unread.at
        while at < len(text.data):
            if dialect.quote and text.data.startswith(dialect.quote, at):
                found = dialect.quoted_somehow.match(text.data, at)
                if found is None:
                    return True
                at = found.end()
            found = dialect.unquoted.match(text.data, at)
            at = (found.end() if found else at) + 1
        return False

    def _split(self) -> Record | None:
        """Return the record that begins here; None if its end has not been read yet, or there is none."""
        text, dialect = self._unread, self._dialect
        data, at = text.data, text.at
        if at == len(data):
            return None
        fields: list[str] = []
        rule = JOINED if data.startswith(BYTE_ORDER_MARK, at) else ""
        at += len(BYTE_ORDER_MARK) if rule else 0
        while True:
            begin = at
            if dialect.quote and data.startswith(dialect.quote, at):
                found = dialect.quoted_somehow.match(data, at)
                if found is None:
                    if not text.ended:
                        return None
                    raise swallowed(self._name, text.line)
                if not dialect.quoted.fullmatch(data, at, found.end()):
                    rule = rule or ESCAPE
                at = found.end()
            closed = at
            after = dialect.unquoted.match(data, at)
            assert after is not None
            at = after.end()
            if closed > begin and at > closed:
                rule = rule or QUOTE
            if at == len(data) and not text.ended:
                return None
            fields.append(data[begin:at])
            if not data.startswith(dialect.delimiter, at):
                break
            at += 1
        end = LINE_END.match(data, at)
        if end and end[0] == "\r" and end.end() == len(data) and not text.ended:
            return None
        whole = data[text.at : at]
        if not _BAD.isdisjoint(whole):
            rule = rule or NOT_UTF_8
        return Record(text.line, lines_in(whole) + 1, tuple(fields), whole, end[0] if end else "", rule)

    def check_length(self, text: str, line: int) -> None:
        """Refuse a file in which a record, begun on a line, is too long."""
        if len(text) * 4 > MAX_LINE_BYTES and len(text.encode(errors="surrogateescape")) > MAX_LINE_BYTES:
            raise too_long(self._name, line)


def decoded(chunks: Iterable[bytes]) -> Iterator[str]:
    """Yield the text; each byte that is not UTF-8 is a surrogate."""
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    for chunk in chunks:
        yield decoder.decode(chunk)
    yield decoder.decode(b"", True)


def lines_in(text: str) -> int:
    """Return how many line ends a text has, of whatever kind."""
    if "\r" not in text:
        return text.count("\n")
    return text.count("\n") + text.count("\r") - text.count("\r\n")


def swallowed(file: str, line: int) -> Unreadable:
    """Return the error for a file in which nobody can tell where the rows of some lines begin and end."""
    return Unreadable(
        file,
        f"line {line}: {QUOTE}; lines after it are swallowed, or lines before it, so that nobody can tell its"
        " rows; expected every quote that opens to close",
    )


def too_long(file: str, line: int) -> Unreadable:
    """Return the error for a file with a line that is none."""
    return Unreadable(
        file,
        f"line {line}: a line longer than {MAX_LINE_BYTES >> 20} MB; expected shorter ones; is a line end"
        " lost, or a quote? land it again, mended",
    )
