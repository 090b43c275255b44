"""A CSV file's bytes -> whether every record is written plainly, so that the engine can be left to split it.

Plainly: every record has the same number of separators, every quote opens at the begin of a value and closes
at its end, all records end alike, no byte order mark is inside, and all of it is UTF-8. It looks at every
byte: where there are no quotes at a gigabyte a second, else with numpy at half of that. What is not plain
goes through `csv_records`, which says why.
"""

import codecs
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]
    Bits = NDArray[np.bool_]

# Blocks that stay in the processor's cache: several times as fast as a chunk at once.
_BLOCK_BYTES = 1 << 17
_CR, _LF = 13, 10


@dataclass(frozen=True)
class Survey:
    """What a plain file holds: how many records, and the longest in bytes (or nothing, if it is short).

    `a_line_each` if no value has a line end within.
    """

    rows: int
    longest: int
    a_line_each: bool


def survey(
    chunks: Iterable[bytes], *, width: int, delimiter: bytes, quote: bytes, escape: bytes, line_end: bytes
) -> Survey | None:
    r"""Return what a file holds; None if it is not plain.

    Args:
        chunks: the file from its first row on.
        width: the number of values that every record must have.
        delimiter: one byte; others are not looked at here, and the file is not plain.
        quote: one byte, or none.
        escape: one byte, or none. Where it is not the quote no value may have it.
        line_end: `\n`, `\r\n` or `\r`.
    """
    if len(delimiter) != 1 or len(quote) > 1 or len(escape) > 1:
        return None
    looking = _Looking(width, delimiter, quote, line_end, doubled=escape == quote)
    decoder = codecs.getincrementaldecoder("utf-8")()
    before = b""
    for chunk in chunks:
        if escape != quote and escape and escape in chunk:
            return None
        if not chunk.isascii() or decoder.getstate()[0]:
            if codecs.BOM_UTF8 in before + chunk:
                return None
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError:
                return None
        before = (before + chunk)[-2:]
        if not looking.see(chunk):
            return None
    return None if decoder.getstate()[0] else looking.ended()


class _Looking:
    """What is known of a file, block by block."""

    def __init__(self, width: int, delimiter: bytes, quote: bytes, line_end: bytes, *, doubled: bool) -> None:
        self._width = width
        self._delimiter = delimiter[0]
        self._quote = quote
        self._line_end = line_end
        self._doubled = doubled
        self._inside = False  # of quotes
        self._closed = False  # the last byte was a quote that closes
        self._last = _LF  # the last byte; a file begins as a record does
        self._return = False  # the last byte was a carriage return outside of quotes
        self._separators = 0  # of the record at hand
        self._rows = self._longest = 0
        self._a_line_each = True
        self._at = self._record = 0  # bytes seen, and where the record at hand begins
        self._bare = _bare(delimiter, line_end, width) if len(line_end) == 1 else None

    def see(self, chunk: bytes) -> bool:
        """Look at a chunk; return whether all is plain so far."""
        # What follows a quote that closed at the end of the chunk before is looked at as well.
        quoted = self._closed or (bool(self._quote) and self._quote in chunk)
        # Which line ends a chunk has at all is told faster than where.
        others = b"\r" in chunk if self._line_end != b"\r" else b"\n" in chunk
        if self._bare is not None and not (quoted or others or self._inside):
            bare, firsts = self._bare, range(0, len(chunk), _BLOCK_BYTES)
            return all(self._bare_block(chunk[first : first + _BLOCK_BYTES], *bare) for first in firsts)
        import numpy as np

        array = np.frombuffer(chunk, np.uint8)
        blocks = (array[first : first + _BLOCK_BYTES] for first in range(0, len(array), _BLOCK_BYTES))
        return all(self._block(block, quoted, others) for block in blocks)

    def _bare_block(self, block: bytes, values: bytes, expected: bytes) -> bool:
        """Look at a block without quotes and other line ends: what is left without its values is known."""
        left = block.translate(None, values)
        begins = self._separators
        if left != expected[begins : begins + len(left)]:
            return False
        rows, self._separators = divmod(begins + len(left), self._width)
        self._rows += rows
        if rows:
            self._measure(self._at + block.index(self._line_end) + 1)
            self._record = self._at + block.rindex(self._line_end) + 1
        self._at += len(block)
        self._last = block[-1]
        return True

    def _block(self, block: "Bytes", quoted: bool, others: bool) -> bool:
        ends, separates = block == self._line_end[-1], block == self._delimiter
        outside: Bits | None = None
        if quoted or self._inside:
            outside = self._quotes(block)
            if outside is None:
                return False
            if self._a_line_each:
                self._a_line_each = not (((block == _LF) | (block == _CR)) & ~outside).any()
            ends, separates = ends & outside, separates & outside
        if not self._alike(block, ends, outside, others):
            return False
        # Every `width`-th separator ends a record, and no other one does.
        is_end = ends[separates | ends]
        due = is_end[self._width - 1 - self._separators :: self._width]
        if not due.all() or len(due) != is_end.sum():
            return False
        self._separators = (self._separators + len(is_end)) % self._width
        self._rows += len(due)
        if len(due):
            self._measure(self._at + int(ends.argmax()) + 1)
            self._record = self._at + len(block) - int(ends[::-1].argmax())
        self._at += len(block)
        self._last = int(block[-1])
        return True

    def _measure(self, end: int) -> None:
        self._longest = max(self._longest, end - self._record)

    def _quotes(self, block: "Bytes") -> "Bits | None":
        """Return which bytes are outside of quotes; None if one opens or closes within a value."""
        import numpy as np

        quote = self._quote[0]
        is_quote = block == quote
        # A doubled quote closes and opens again, which leaves all after it as it was.
        inside = np.logical_xor.accumulate(is_quote)
        if self._inside:
            inside = ~inside
        before = np.empty_like(block)
        before[0], before[1:] = self._last, block[:-1]
        begins = (before == self._delimiter) | (before == _LF) | (before == _CR)
        if self._doubled:
            begins |= before == quote
        if (is_quote & inside & ~begins).any():
            return None
        closes = is_quote & ~inside
        after_close = np.empty_like(closes)
        after_close[0], after_close[1:] = self._closed, closes[:-1]
        follows = is_quote | (block == self._delimiter) | (block == _LF) | (block == _CR)
        if (after_close & ~follows).any():
            return None
        self._inside, self._closed = bool(inside[-1]), bool(closes[-1])
        return ~inside

    def _alike(self, block: "Bytes", ends: "Bits", outside: "Bits | None", others: bool) -> bool:
        """Whether all line ends outside of quotes are of the file's one kind."""
        if self._line_end == b"\r\n":
            import numpy as np

            returns = block == _CR if outside is None else (block == _CR) & outside
            after_return = np.empty_like(returns)
            after_return[0], after_return[1:] = self._return, returns[:-1]
            self._return = bool(returns[-1])
            return bool((after_return == ends).all())
        if not others:
            return True
        other = block == (_CR if self._line_end == b"\n" else _LF)
        return not bool((other if outside is None else other & outside).any())

    def ended(self) -> Survey | None:
        """Return what a file holds that ends here."""
        if self._inside or self._return:
            return None
        if self._at > self._record:
            if self._separators != self._width - 1:
                return None
            self._rows += 1
            self._measure(self._at)
        return Survey(self._rows, self._longest, self._a_line_each)


@cache
def _bare(delimiter: bytes, line_end: bytes, width: int) -> tuple[bytes, bytes]:
    """Return the bytes that separate nothing, and the separators of records, more than a block can hold."""
    values = bytes(byte for byte in range(256) if byte not in delimiter + line_end)
    return values, (delimiter * (width - 1) + line_end) * (_BLOCK_BYTES // width + 2)
