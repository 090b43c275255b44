"""Bytes of a text file -> UTF-8 with one kind of line end.

Belongs here: encodings, byte order marks, line ends. Does not belong here: packing (`unpack`), and what the
text says (the readers).
"""

import codecs
from collections.abc import Callable, Iterator
from itertools import chain

from sluicegate.contracts.reading import Compression
from sluicegate.ingestion.formats.base import Unreadable
from sluicegate.ingestion.formats.unpack import LONGEST_MAGIC, packed_as, packed_otherwise

UTF_8 = "utf-8"
# The longer ones first: UTF-32's begins as UTF-16's does.
_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
# Codecs that a mark completes: which one it is, the file itself says.
_MARKED = {
    "utf-8-sig": ("utf-8",),
    "utf-16": ("utf-16-le", "utf-16-be"),
    "utf-32": ("utf-32-le", "utf-32-be"),
}
# What UTF-16's byte order mark is to who reads its bytes the other way round; no text has it.
_SWAPPED_MARK = "\ufffe"
_HEAD_BYTES = LONGEST_MAGIC
_CR, _LF = 13, 10
_BLOCK_BYTES = 1 << 16


class TextStream:
    """A text file's bytes in UTF-8, chunk by chunk, without byte order mark.

    `altered` if the file's own bytes are others. Reading it raises `Unreadable` where a byte is not of the
    encoding that the contract names; with `by_row` not in UTF-8, whose rows the reader judges one by one.
    """

    def __init__(
        self, file: str, encoding: str, chunks: Callable[[], Iterator[bytes]], *, by_row: bool = False
    ) -> None:
        self._file = file
        self._by_row = by_row
        self._chunks = chunks
        begun, taken = chunks(), list[bytes]()
        while sum(map(len, taken)) < _HEAD_BYTES and (chunk := next(begun, None)) is not None:
            taken.append(chunk)
        self._head = b"".join(taken)[:_HEAD_BYTES]
        # To open a small file once more takes as long as to read it.
        self._begun: Iterator[bytes] | None = chain(taken, begun)
        self._mark, self.encoding = self._begin(codecs.lookup(encoding).name)
        self.altered = bool(self._mark) or self.encoding not in (UTF_8, "ascii")

    def _begin(self, encoding: str) -> tuple[bytes, str]:
        """Return the byte order mark and the codec of what follows it."""
        packed = packed_as(self._head)
        if packed is not Compression.NONE:
            raise Unreadable(
                self._file,
                f"its content is packed ({packed}); expected text; land it plain, or name the compression in"
                " the contract",
            )
        if other := packed_otherwise(self._head):
            raise Unreadable(
                self._file,
                f"its content is packed ({other}); expected text; land it plain, or packed with gzip, zstd or"
                " zip",
            )
        mark = next((mark for mark in _MARKS if self._head.startswith(mark)), b"")
        accepted = _MARKED.get(encoding, (encoding,))
        if mark and _MARKS[mark] not in accepted:
            raise Unreadable(
                self._file,
                f"it begins with the byte order mark of {_MARKS[mark]}; expected {encoding};"
                " land it so, or correct `encoding` in the contract",
            )
        if mark:
            return mark, _MARKS[mark]
        if len(accepted) > 1 and self._head:
            raise Unreadable(
                self._file,
                f"it has no byte order mark, so that {encoding} may be {' or '.join(accepted)};"
                " land it with one, or name which in `encoding` of the contract",
            )
        return mark, accepted[0]

    def __iter__(self) -> Iterator[bytes]:
        decoder = codecs.getincrementaldecoder(self.encoding)("strict")
        as_it_is = self.encoding in (UTF_8, "ascii")
        judged_by_row = self._by_row and self.encoding == UTF_8
        start, skipped = 0, len(self._mark)
        chunks, self._begun = self._begun or self._chunks(), None
        for whole in chunks:
            chunk = whole[skipped:]
            start, skipped = start + len(whole) - len(chunk), skipped - len(whole) + len(chunk)
            pending = decoder.getstate()[0]
            text = None
            # Most text is ASCII, and to look for anything else is ten times as fast as to decode.
            if not judged_by_row and (not as_it_is or pending or not chunk.isascii()):
                try:
                    text = decoder.decode(chunk)
                except UnicodeDecodeError as error:
                    raise self._undecodable(start - len(pending) + error.start, error) from None
            if text is not None and self.encoding.startswith("utf-16") and _SWAPPED_MARK in text:
                before = text[: text.index(_SWAPPED_MARK)].encode(self.encoding)
                raise self._swapped(start - len(pending) + len(before))
            plain = chunk if as_it_is or text is None else text.encode()
            if b"\0" in plain:
                before = plain[: plain.index(b"\0")].decode(errors="ignore")
                raise self._nul(start - len(pending) + len(before.encode(self.encoding)))
            yield plain
            start += len(chunk)
        pending = decoder.getstate()[0]
        try:
            decoder.decode(b"", True)
        except UnicodeDecodeError as error:
            raise self._undecodable(start - len(pending) + error.start, error) from None

    def _undecodable(self, offset: int, error: UnicodeDecodeError) -> Unreadable:
        shown = " ".join(
            f"0x{byte:02X}" for byte in error.object[error.start : max(error.end, error.start + 1)]
        )
        return Unreadable(
            self._file,
            f"line {self._line_at(offset)}: {shown} (byte {offset + 1} of the file) is not {self.encoding};"
            f" expected {self.encoding} throughout; land it so, or correct `encoding` in the contract",
        )

    def _swapped(self, offset: int) -> Unreadable:
        return Unreadable(
            self._file,
            f"line {self._line_at(offset)}: a byte order mark of the other order (byte {offset + 1} of the"
            f" file): files of two encodings were put together; expected {self.encoding} throughout; land"
            " each alone",
        )

    def _nul(self, offset: int) -> Unreadable:
        return Unreadable(
            self._file,
            f"line {self._line_at(offset)}: a NUL (byte {offset + 1} of the file); expected text in"
            f" {self.encoding}; it is in another encoding (UTF-16?) or damaged; correct `encoding` in the"
            " contract, or land it again",
        )

    def _line_at(self, offset: int) -> int:
        """Return the line, from 1, that a byte of the file stands in."""
        decoder = codecs.getincrementaldecoder(self.encoding)("ignore")
        feeds = returns = at = 0
        for chunk in self._chunks():
            text = decoder.decode(chunk[: offset - at])
            feeds, returns, at = feeds + text.count("\n"), returns + text.count("\r"), at + len(chunk)
            if at >= offset:
                break
        return (feeds or returns) + 1


class LineEnds:
    """Which kinds of line end a text has, from its chunks in their order."""

    def __init__(self) -> None:
        self._feed = self._return = self._both = False
        self._after_return = False

    @property
    def mixed(self) -> bool:
        """Whether there is more than one kind, counting those inside of quotes."""
        return self._feed + self._both + (self._return or self._after_return) > 1

    def see(self, chunk: bytes) -> None:
        """Take a chunk into account; at gigabytes a second, as every byte of every file comes by."""
        # What a chunk ended with may be half of a line end: only what is certain ends the search.
        if not chunk or self._feed + self._both + self._return > 1:
            return
        if self._after_return:
            if chunk[0] == _LF:
                self._both, chunk = True, chunk[1:]
            else:
                self._return = True
            self._after_return = False
        if b"\r" not in chunk:
            self._feed = self._feed or b"\n" in chunk
            return
        import numpy as np

        array = np.frombuffer(chunk, np.uint8)
        both = feeds = returns = 0
        # In blocks that stay in the processor's cache: ten times as fast as all at once.
        for first in range(0, len(array), _BLOCK_BYTES):
            block = array[first : first + _BLOCK_BYTES + 1]
            is_return, is_feed = block == _CR, block == _LF
            both += int(np.count_nonzero(is_return[:-1] & is_feed[1:]))
            feeds += int(np.count_nonzero(is_feed[:_BLOCK_BYTES]))
            returns += int(np.count_nonzero(is_return[:_BLOCK_BYTES]))
        self._after_return = chunk.endswith(b"\r")
        self._both = self._both or both > 0
        self._feed = self._feed or feeds > both
        self._return = self._return or returns > both + self._after_return


def with_feeds(chunks: Iterator[bytes]) -> Iterator[bytes]:
    r"""Yield a text with every `\r\n` and `\r` as `\n`."""
    after_return = False
    for chunk in chunks:
        text = chunk[1:] if after_return and chunk[:1] == b"\n" else chunk
        after_return = chunk.endswith(b"\r") if chunk else after_return
        yield text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
