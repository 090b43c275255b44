"""The dialect of a contract's CSV files as regular expressions, over text whose bad bytes are surrogates.

Belongs here: how a value and a record are written. Does not belong here: files, lines, and what to do about a
record that is not written so (`csv_records`).
"""

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache

from sluicegate.contracts.reading import ReadOptions

# What stands for a byte that is not UTF-8, by `surrogateescape`.
BAD_BYTES = "\udc80-\udcff"
LINE_END = re.compile(r"\r\n|\r|\n")
BYTE_ORDER_MARK = "\ufeff"


@dataclass(frozen=True)
class Dialect:
    """One character each; `quote` and `escape` may be empty. `escape` is the quote where it is doubled."""

    delimiter: str
    quote: str
    escape: str

    @staticmethod
    @lru_cache(maxsize=16)
    def of(options: ReadOptions) -> "Dialect":
        """Return the dialect that a contract says; the same one for thousands of files."""
        return Dialect(options.delimiter, options.quote, options.escape)

    @property
    def _own_escape(self) -> str:
        """The escape, where it is a character of its own."""
        return self.escape if self.escape != self.quote else ""

    def _content(self, besides: str) -> str:
        """Return the pattern of what stands between quotes; `besides` are characters that may not."""
        quote, escape = re.escape(self.quote), re.escape(self.escape)
        plain = f"[^{quote}{escape}{besides}]++"
        if not self.escape:
            return f"(?:{plain})?+"
        return f"(?:{plain}|{escape}[{escape}{quote}])*+"

    @cached_property
    def quoted(self) -> "re.Pattern[str]":
        """A value in quotes, its bytes good or bad."""
        return re.compile(f"{re.escape(self.quote)}{self._content('')}{re.escape(self.quote)}")

    @cached_property
    def quoted_somehow(self) -> "re.Pattern[str]":
        """A value in quotes in which the escape may stand before anything."""
        quote, escape = re.escape(self.quote), re.escape(self._own_escape)
        content = f"(?:[^{quote}{escape}]++|{escape}.)*+" if escape else self._content("")
        return re.compile(f"{quote}{content}{quote}", re.DOTALL)

    @cached_property
    def unquoted(self) -> "re.Pattern[str]":
        """What stands before the next delimiter or line end."""
        return re.compile(rf"[^{re.escape(self.delimiter)}\r\n]*+")

    @cached_property
    def escaped(self) -> "re.Pattern[str]":
        """An escape without quotes around it, and what it would escape: the next character, or the end."""
        own = re.escape(self._own_escape)
        return re.compile(f"{own}(?:[{own}{re.escape(self.quote)}]|$)" if own else r"(?!)")

    @cached_property
    def opens(self) -> "re.Pattern[str]":
        """A quote where a value begins."""
        begin = rf"[{re.escape(self.delimiter)}\r\n]"
        return re.compile(begin + re.escape(self.quote) if self.quote else r"(?!)")

    def record(self, width: int, unnamed: int) -> str:
        """Return the pattern of a record, its line end aside, that can be read in one way only.

        `width` values, and then `unnamed` empty ones. An empty line is a record where there is one column.
        """
        delimiter, quote = re.escape(self.delimiter), re.escape(self.quote)
        # Where a line has one value a second file that begins in it makes no second one.
        joint = BYTE_ORDER_MARK if width + unnamed == 1 else ""
        value = rf"[^{delimiter}{quote}{re.escape(self._own_escape)}\r\n{BAD_BYTES}{joint}]*+"
        if quote:
            value = f"(?:{quote}{self._content(BAD_BYTES)}{quote}|{value})"
        empty = f"{delimiter}(?:{quote * 2})?+" if quote else delimiter
        return f"(?!{BYTE_ORDER_MARK}){value}(?:{delimiter}{value}){{{width - 1}}}+(?:{empty}){{{unnamed}}}+"

    def value(self, text: str) -> str:
        """Return what a field says, quoted or not."""
        if not self.quote or not text.startswith(self.quote):
            return text
        inner = text[1:-1]
        if not self.escape:
            return inner
        return re.sub(f"{re.escape(self.escape)}([{re.escape(self.escape + self.quote)}])", r"\1", inner)

    def in_quotes(self, value: str) -> str:
        """Return a value in quotes; the engine is told that the quote is its own escape if there is none."""
        escape = self.escape or self.quote
        doubled = value.replace(escape, escape * 2)
        if escape != self.quote:
            doubled = doubled.replace(self.quote, escape + self.quote)
        return f"{self.quote}{doubled}{self.quote}"


@lru_cache(maxsize=16)
def run_of(dialect: Dialect, width: int, unnamed: int) -> tuple["re.Pattern[str]", "re.Pattern[str]"]:
    r"""Return the patterns of as many good records as there are, and of one; line ends included.

    A `\r` at the end of what has been read may be half of a line end: it ends no record yet.
    """
    one = rf"{dialect.record(width, unnamed)}(?:\n|\r\n|\r(?=[^\n]))"
    return re.compile(f"(?:{one})++"), re.compile(one)
