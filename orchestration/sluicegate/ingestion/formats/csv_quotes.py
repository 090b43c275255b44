"""Quotes in the middle of values: which of them are what they seem, and what else they may have done.

A quote that is lost, or is one too many, can join lines or part them. A record that may mean two things is
broken; where lines that are taken for rows may belong to a value of another record, the file is unreadable.
"""

from collections.abc import Callable
from dataclasses import dataclass

from sluicegate.ingestion.formats.csv_dialect import Dialect
from sluicegate.ingestion.formats.csv_text import ESCAPE, QUOTE, TOO_FEW, Record, lines_in, swallowed

_BLANKS = " \t"


@dataclass(frozen=True)
class _Open:
    """A quote in the middle of a value that may have opened one over several lines: `place` of that value."""

    line: int
    place: int
    good: bool
    surely: bool


class Quotes:
    """What the quotes of a file's records say, from the first one on.

    `width` is of all its records; `says_quotes` tells whether any value of the file is in quotes.
    """

    def __init__(self, name: str, dialect: Dialect, width: int, says_quotes: Callable[[], bool]) -> None:
        self._name = name
        self._dialect = dialect
        self._width = width
        self._says_quotes = says_quotes
        self._open: _Open | None = None
        self._taken_since = False
        # Where the last record with any quote begins, if it has several lines.
        self._lines_in_quotes = 0
        # Of the record before: how many fields it has, if they are too few, and whether it ends in a quote.
        self._short = 0
        self._ended = False

    def see_run(self, written: str, lengths: list[int], line: int) -> None:
        """Take good records into account, which begin on a line and end after so many characters each."""
        quote = self._dialect.quote
        self._taken_since, self._short = True, 0
        if not quote:
            return
        self._ended = written.rstrip("\r\n").endswith(quote)
        end = len(written)
        for length in reversed(lengths if quote in written else []):
            record = written[end - length : end].rstrip("\r\n")
            if quote in record:
                # What it has in quotes is closed.
                self._open = None
                lines = lines_in(written[: end - length])
                self._lines_in_quotes = line + lines if lines_in(record) else 0
                return
            end -= length

    def _bare(self, field: str) -> bool:
        """Whether a quote stands in a field that is in no quotes."""
        quote = self._dialect.quote
        return bool(quote) and quote in field and not field.startswith(quote)

    def rule_of(self, one: Record) -> str:
        """Return the rule that a record breaks which may mean something else than it says, or nothing."""
        quote, escaped, fields = self._dialect.quote, self._dialect.escaped, one.fields
        if any(not (quote and field.startswith(quote)) and escaped.search(field) for field in fields):
            return ESCAPE
        bare = [field for field in fields if self._bare(field)]
        if not bare:
            return ""
        # `5"" pipe` is `5" pipe` to one and itself to another; ` "a"` is `a` to many.
        if any(quote * 2 in field or field.lstrip(_BLANKS).startswith(quote) for field in bare):
            return QUOTE
        # `$5"Table, Round"` is two values without a delimiter between them, or two others with one.
        if any(self._closing(field) for field in bare[1:]):
            return QUOTE
        closing = [place for place, field in enumerate(fields) if self._bare(field) and self._closing(field)]
        odd = [place for place in closing if fields[place].count(quote) % 2]
        # With the line before, which is too short, `b"` is the end of a value of two lines.
        if odd and odd[0] + 1 == self._short:
            return QUOTE
        # `b"` has lost its first quote, unless nothing here is ever in quotes.
        return QUOTE if odd and self._says_quotes() else ""

    def _closing(self, field: str) -> bool:
        return field.rstrip(_BLANKS).endswith(self._dialect.quote)

    def see(self, one: Record, rule: str) -> None:
        """Take a record into account that is good, or breaks a rule.

        `1,$5"Table⏎Round",x` are two records, or one that has lost a delimiter. Broken records are
        quarantined, one by one; but lines that lie between them, or one of the two, must not be rows.

        Raises:
            Unreadable: a line that is taken for a row may be part of a value of another one.
        """
        short, ended = self._short, self._ended
        self._short = len(one.fields) if rule == TOO_FEW else 0
        quote = self._dialect.quote
        self._ended = bool(quote) and one.text.endswith(quote)
        if not quote or quote not in one.text:
            self._taken_since = self._taken_since or not rule
            return
        # A quote that is wrong after a value of several lines: perhaps one that opens has closed those.
        after = one.text[one.text.index(quote) + 1 :][:1]
        may_close = after in ("", "\r", "\n", quote, self._dialect.delimiter)
        if rule == QUOTE and self._lines_in_quotes and may_close:
            raise swallowed(self._name, self._lines_in_quotes)
        self._lines_in_quotes = one.line if one.lines > 1 else 0
        plain = [field.replace(quote * 2, "") for field in one.fields]
        places = [place for place, field in enumerate(plain) if quote in field]
        if not places:
            self._taken_since = self._taken_since or not rule
            return
        first, last = places[0], places[-1]
        bare = self._bare(one.fields[first])
        if bare and plain[first].index(quote) == len(plain[first]) - 1:
            rest = len(plain) - first
            natural = len(plain) == self._width > 1 and (rest > 1 or not ended)
            self._close(one, rule, rest, natural=natural or short > 0)
        odd = self._bare(one.fields[last]) and plain[last].count(quote) % 2 > 0
        opens, surely = odd and not self._closing(plain[last]), one.rule == QUOTE
        self._open = _Open(one.line, last, not rule, surely) if opens or surely else None
        self._taken_since = not rule

    def _close(self, one: Record, rule: str, rest: int, *, natural: bool) -> None:
        """Look at a quote that may close a value of a line before; `rest` fields are left, its own included.

        `natural` if it is as likely to have lost the quote that opens its own value.
        """
        before, quotes = self._open, self._says_quotes()
        if before is None:
            if rule and not natural:
                raise swallowed(self._name, one.line)
            return
        likely = before.place + 1 + rest == self._width or before.surely or quotes
        literal = before.good and not rule and not quotes
        if likely and (before.good or not rule or self._taken_since) and not literal:
            raise swallowed(self._name, before.line)
