"""A CSV file -> its records, each of which is as it was meant, or broken: the one place that decides.

RFC 4180 says how a record is written. Beyond it a quote may stand in the middle of a value that is in no
quotes (`5" pipe`), where the record can mean nothing else. Whatever can mean two things is broken, as what a
reader guesses is wrong without a word. Where nobody can tell which lines a broken record has, the file is
unreadable.
"""

import codecs
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from orchestration.contracts.reading import ReadOptions
from orchestration.ingestion.formats.base import Unreadable
from orchestration.ingestion.formats.csv_dialect import BYTE_ORDER_MARK, LINE_END, Dialect, run_of
from orchestration.ingestion.formats.csv_survey import Survey, survey

# A line longer than this is no line; a file that has one has lost a quote. Bytes.
MAX_LINE_BYTES = 8 * 1024 * 1024
TOO_FEW, TOO_MANY = "too few columns", "too many columns"
QUOTE = "a quote that does not close, or stands in the middle of a value"
ESCAPE = "an escape before what needs none, or outside of quotes"
NOT_UTF_8 = "not UTF-8"
JOINED = "a byte order mark in the middle of the file, as where two files were put together"
_CHUNK_BYTES = 1 << 20
_BAD = frozenset(map(chr, range(0xDC80, 0xDD00)))


@dataclass(frozen=True)
class Run:
    r"""Good records one after the other, each ended by `\n`: as the file has them, or what says the same.

    `line` is where the first begins, and `longest` counts characters.
    """

    line: int
    text: str
    records: int
    longest: int


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
    `plain` if the header is the one line after the skipped ones, and nothing there is in quotes.
    `line_end` is the first one.
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

            def read() -> Iterator[bytes]:
                while chunk := stream.read(_CHUNK_BYTES):
                    seen.append(chunk)
                    yield chunk

            head = self._head(_Text(_decoded(read())), expected)
            if not head.plain:
                return head, None
            whole = b"".join(seen)
            before = whole.decode(errors="surrogateescape")[: head.start] if head.start else ""
            rows = whole[len(before.encode(errors="surrogateescape")) :]
            dialect = self.dialect
            return head, survey(
                chain([rows], read()),
                width=head.width + head.unnamed,
                delimiter=dialect.delimiter.encode(),
                quote=dialect.quote.encode(),
                escape=dialect.escape.encode(),
                line_end=head.line_end.encode(),
            )

    def _chunks(self) -> Iterator[str]:
        """Yield the text; each byte that is not UTF-8 is a surrogate."""
        with Path(self._path).open("rb") as stream:
            yield from _decoded(iter(lambda: stream.read(_CHUNK_BYTES), b""))

    def _head(self, text: "_Text", expected: int) -> Head:
        skipped = [self._skipped_line(text) for _ in range(self._options.skip_lines)]
        plain = all(skipped)
        start, line = text.start, text.line
        parser = _Parser(self, text, 0, 0)
        first = parser.one()
        while first is not None and not first.text:
            # Blank lines before a header are none of its; in a file without header they may be rows.
            plain, first = plain and not self._options.header, parser.one()
        if not self._options.header:
            width, end = (len(first.fields), first.end) if first else (expected, "")
            return Head(None, width, 0, start, line, plain, end or "\n")
        if first is None:
            rule = "the file is empty; expected a header line; land it again whole"
            raise Unreadable(self.name, rule)
        if first.rule:
            rule = f"line {first.line}: {first.rule}; expected the header line; land it again, mended"
            raise Unreadable(self.name, rule)
        names = [self.dialect.value(field) for field in first.fields]
        named = max((place for place, name in enumerate(names, 1) if name), default=len(names))
        quote = self.dialect.quote
        return Head(
            names=tuple(names[:named]),
            width=named,
            unnamed=len(names) - named,
            start=text.start,
            line=text.line,
            # What stands after the last name is looked at row by row.
            plain=plain and named == len(names) and not (quote and quote in first.text),
            line_end=first.end or "\n",
        )

    def _skipped_line(self, text: "_Text") -> bool:
        """Pass over a line; return whether the engine, which is told to skip it, would see it alike."""
        line, end = text.line_at_hand(self.name)
        text.take(len(line) + len(end))
        return not (self.dialect.quote and self.dialect.quote in line)

    def pieces(self, head: Head) -> Iterator[Run | Broken]:
        """Yield all after the header, in the file's order; blank lines, which are no records, are left out.

        Raises:
            Unreadable: a line is too long, or nobody can tell which lines a broken record has.
        """
        text = _Text(self._chunks())
        while text.start < head.start and text.more():
            text.take(min(head.start - text.start, len(text.data) - text.at))
        joint = f"{BYTE_ORDER_MARK}{head.names[0]}" if head.names and head.width == 1 else ""
        yield from _Parser(self, text, head.width, head.unnamed, joint).pieces()

    def lines_of(self, head: Head, run: Run) -> Iterator[int]:
        """Yield the line that each record of a run begins on."""
        quote, line = self.dialect.quote, run.line
        if run.records == 1 or not quote or quote not in run.text:
            yield from range(line, line + run.records)
            return
        _, record = run_of(self.dialect, head.width, head.unnamed)
        for one in record.finditer(run.text):
            yield line
            line += _lines_in(one[0])

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


class _Text:
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
        self.line += _lines_in(self.data[self.at : self.at + length])
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
                raise _too_long(name, self.line)
            self.more()


@dataclass(frozen=True)
class _Record:
    """A record however it is written: its fields as they stand there, its text without line end.

    `rule` says what is wrong with it in itself, whatever its width.
    """

    line: int
    lines: int
    fields: tuple[str, ...]
    text: str
    end: str
    rule: str


@dataclass(frozen=True)
class _Open:
    """A quote in the middle of a value that may have opened one over several lines: `place` of that value."""

    line: int
    place: int
    good: bool
    surely: bool


class _Parser:
    """The rows of a file, of `width` values and `unnamed` empty ones after them.

    `joint` is what a line has where another file begins in it, if such a line could be a row.
    """

    def __init__(self, file: CsvFile, text: _Text, width: int, unnamed: int, joint: str = "") -> None:
        self._file = file
        self._dialect = file.dialect
        self._text = text
        self._width = width
        self._unnamed = unnamed
        self._joint = joint
        self._open: _Open | None = None
        self._taken_since = False

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
                    records, longest = written.count("\n"), max(map(len, written.split("\n")))
                if longest * 4 > MAX_LINE_BYTES:
                    self._measure(one[0] for one in record.finditer(written + "\0"))
                text.take(len(written))
                self._taken_since = True
                if quoted:
                    self._open = None
                yield Run(line, self._with_feeds(written, quoted), records, longest)
            if not text.ended and len(text.data) - text.at < _CHUNK_BYTES // 16:
                text.more()
                continue
            one = self.one()
            if one is None:
                return
            if one.text or self._width + self._unnamed == 1:
                yield self._judged(one)

    def _measure(self, records: Iterator[str]) -> None:
        line = self._text.line
        for one in records:
            self._check_length(one, line)
            line += _lines_in(one)

    def _check_length(self, text: str, line: int) -> None:
        if len(text) * 4 > MAX_LINE_BYTES and len(text.encode(errors="surrogateescape")) > MAX_LINE_BYTES:
            raise _too_long(self._file.name, line)

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

    def one(self) -> _Record | None:
        """Take the record at hand, whatever it is like; None at the end."""
        text = self._text
        while True:
            found = self._split() if text.at < len(text.data) or text.ended else None
            if found is not None or (text.ended and text.at == len(text.data)):
                break
            if len(text.data) - text.at > MAX_LINE_BYTES:
                if self._in_quotes_at_the_end():
                    raise _swallowed(self._file.name, text.line)
                raise _too_long(self._file.name, text.line)
            text.more()
        if found is None:
            return None
        whole = found.text + found.end
        self._check_length(whole, found.line)
        if found.rule in (QUOTE, ESCAPE) and found.lines > 1:
            raise _swallowed(self._file.name, found.line)
        text.take(len(whole))
        return found

    def _in_quotes_at_the_end(self) -> bool:
        text, dialect, at = self._text, self._dialect, self._text.at
        while at < len(text.data):
            if dialect.quote and text.data.startswith(dialect.quote, at):
                found = dialect.quoted_somehow.match(text.data, at)
                if found is None:
                    return True
                at = found.end()
            found = dialect.unquoted.match(text.data, at)
            at = (found.end() if found else at) + 1
        return False

    def _split(self) -> _Record | None:
        """Return the record that begins here; None if its end has not been read yet, or there is none."""
        text, dialect = self._text, self._dialect
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
                    raise _swallowed(self._file.name, text.line)
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
        return _Record(text.line, _lines_in(whole) + 1, tuple(fields), whole, end[0] if end else "", rule)

    def _judged(self, one: _Record) -> Run | Broken:
        named, unnamed = one.fields[: self._width], one.fields[self._width :]
        rule = one.rule or self._quotes_wrong(one.fields)
        if not rule and self._joint and self._joint in one.text:
            rule = JOINED
        if not rule and len(one.fields) < self._width + self._unnamed:
            rule = TOO_FEW
        if not rule and (
            len(unnamed) > self._unnamed or any(self._dialect.value(field) for field in unnamed)
        ):
            rule = TOO_MANY
        self._look_for_swallowed(one, not rule)
        if rule:
            return Broken(one.line, rule, one.text)
        self._taken_since = True
        written = [self._rewritten(field) for field in (*named, *unnamed)]
        return Run(one.line, self._dialect.delimiter.join(written) + "\n", 1, len(one.text))

    def _rewritten(self, field: str) -> str:
        """Return a field as the engine cannot but read it."""
        quote, escape = self._dialect.quote, self._dialect.escape
        if quote and not field.startswith(quote) and (quote in field or (escape and escape in field)):
            return self._dialect.in_quotes(field)
        return field

    def _bare(self, field: str) -> bool:
        """Whether a quote stands in a field that is in no quotes."""
        quote = self._dialect.quote
        return bool(quote) and quote in field and not field.startswith(quote)

    def _quotes_wrong(self, fields: tuple[str, ...]) -> str:
        """Return the rule that fields break which may mean something else than they say."""
        quote = self._dialect.quote
        escaped = self._dialect.escaped
        if any(not (quote and field.startswith(quote)) and escaped.search(field) for field in fields):
            return ESCAPE
        bare = [field for field in fields if self._bare(field)]
        if not bare:
            return ""
        # `5"" pipe` is `5" pipe` to one and itself to another; ` "a"` is `a` to many.
        if any(quote * 2 in field or field.lstrip().startswith(quote) for field in bare):
            return QUOTE
        # `$5"Table, Round"` is two values without a delimiter between them, or two others with one.
        if any(field.rstrip().endswith(quote) for field in bare[1:]):
            return QUOTE
        # `b"` has lost its first quote, unless nothing here is ever in quotes.
        lost = any(field.rstrip().endswith(quote) and field.count(quote) % 2 for field in bare)
        return QUOTE if lost and self._file.says_quotes else ""

    def _look_for_swallowed(self, one: _Record, good: bool) -> None:
        """Refuse lines which may be one value that has lost the delimiter before it.

        `1,$5"Table⏎Round",x` are two records, or one. Broken ones are quarantined, one by one; but then a
        line that lies between them, or one of the two, must not be taken for a row of its own.
        """
        quote = self._dialect.quote
        if not quote or quote not in one.text:
            return
        plain = [field.replace(quote * 2, "") for field in one.fields]
        places = [place for place, field in enumerate(plain) if quote in field]
        if not places:
            return
        first, last = places[0], places[-1]
        closes = self._bare(one.fields[first]) and plain[first].index(quote) == len(plain[first].rstrip()) - 1
        before, width = self._open, self._width + self._unnamed
        if before is not None and closes:
            fits = before.surely or before.place + 1 + len(plain) - first == width
            taken = before.good or good or self._taken_since
            literal = before.good and good and not self._file.says_quotes
            if fits and taken and not literal:
                raise _swallowed(self._file.name, before.line)
        field = plain[last]
        opens = self._bare(one.fields[last]) and field.count(quote) % 2 and not field.rstrip().endswith(quote)
        surely = one.rule == QUOTE
        self._open = _Open(one.line, last, good, surely) if opens or surely else None
        self._taken_since = False


def _decoded(chunks: Iterable[bytes]) -> Iterator[str]:
    """Yield the text; each byte that is not UTF-8 is a surrogate."""
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    for chunk in chunks:
        yield decoder.decode(chunk)
    yield decoder.decode(b"", True)


def _lines_in(text: str) -> int:
    """Return how many line ends a text has, of whatever kind."""
    if "\r" not in text:
        return text.count("\n")
    return text.count("\n") + text.count("\r") - text.count("\r\n")


def _swallowed(file: str, line: int) -> Unreadable:
    return Unreadable(
        file,
        f"line {line}: {QUOTE}; lines after it are swallowed, so that nobody can tell its"
        " rows; expected every quote that opens to close",
    )


def _too_long(file: str, line: int) -> Unreadable:
    return Unreadable(
        file,
        f"line {line}: a line longer than {MAX_LINE_BYTES >> 20} MB; expected shorter ones; is a line end"
        " lost, or a quote? land it again, mended",
    )
