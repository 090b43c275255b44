"""Packed bytes -> plain bytes, streaming, with every sum and length checked.

Belongs here: gzip, zstd and zip, and what is wrong with a packed file. Does not belong here: what the bytes
mean (`text`, the readers). The engine takes a gzip file that was cut short for a shorter file, so nothing
packed is left to it.
"""

import errno
import lzma
import re
import struct
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Protocol

from sluicegate.contracts.reading import Compression, compression_of
from sluicegate.ingestion.formats.base import Unreadable

CHUNK_BYTES = 1 << 20
_UNPACKED_BYTES = 4 << 20
_MAGICS = {
    b"\x1f\x8b": Compression.GZIP,
    b"\x28\xb5\x2f\xfd": Compression.ZSTD,
    b"PK\x03\x04": Compression.ZIP,
}
# What is packed in a way that no contract can tell.
_OTHER_MAGICS = {
    b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz", b"7z\xbc\xaf\x27\x1c": "7z", b"Rar!\x1a\x07": "rar",
    b"\x04\x22\x4d\x18": "lz4", b"PK\x05\x06": "an empty zip",
}  # fmt: skip
_BZIP2_BLOCK = b"1AY&SY"
LONGEST_MAGIC = len(b"BZh9") + len(_BZIP2_BLOCK)
_ENCRYPTED = 0x1
# What zipfile, and what unpacks for it, raise over damaged bytes; of bzip2 it is an OSError without number,
# and of a place before the file's first byte one with that of a wrong argument.
_OF_BYTES = (None, errno.EINVAL)
_DAMAGE = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, RuntimeError, ValueError,
    LookupError,
)  # fmt: skip
_CLIMBS = re.compile(r"^[/\\]|^[A-Za-z]:|(^|[/\\])\.\.([/\\]|$)")
# What systems put beside the files themselves; they hold icons and the like.
_APPENDAGES = re.compile(r"^__MACOSX/|(^|/)(\._[^/]*|\.DS_Store|Thumbs\.db|desktop\.ini)$", re.IGNORECASE)
# What people put beside them to be read by people.
_NOTES = re.compile(
    r"(^|/)(read[ _-]?me|licen[cs]e|copying|notice|changelog)(\.(txt|md|rst|html?|pdf))?$", re.IGNORECASE
)


def packed_as(head: bytes) -> Compression:
    """Return the compression that a file's first bytes tell."""
    return next((found for magic, found in _MAGICS.items() if head.startswith(magic)), Compression.NONE)


def packed_otherwise(head: bytes) -> str:
    """Return how a file is packed that no contract can tell, by its first bytes; "" if it is not."""
    found = next((name for magic, name in _OTHER_MAGICS.items() if head.startswith(magic)), "")
    # A text may begin with these letters.
    return "" if found == "bzip2" and not head[len(b"BZh9") :].startswith(_BZIP2_BLOCK) else found


def damaged(file: str, what: str) -> Unreadable:
    """Return the error for a file that is not as its provider wrote it."""
    return Unreadable(file, f"damaged or cut short: {what}; land it again whole")


def raw_chunks(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield a stream's bytes."""
    while chunk := stream.read(CHUNK_BYTES):
        yield chunk


def unpacked_chunks(stream: IO[bytes], file: str, compression: Compression) -> Iterator[bytes]:
    """Yield what a gzip or zstd stream holds; concatenated members are read one after the other.

    Raises:
        Unreadable: damaged, cut short, or not packed in this way.
    """
    new = _Gzip if compression is Compression.GZIP else _zstd()
    member = new()
    started, members = False, 0  # `started`: the member at hand has bytes
    for packed in raw_chunks(stream):
        data = packed
        while True:
            if not started:
                # Some writers fill up the last block with zeros.
                data = data.lstrip(b"\0") if members else data
                if not data:
                    break
                started = True
            try:
                plain = member.decompress(data, _UNPACKED_BYTES)
            except Exception as error:
                # zlib's and zstd's own errors have no base class of their own.
                raise _broken(file, compression, members, error) from None
            data = b""
            if plain:
                yield plain
            if member.eof:
                data, member, started, members = member.unused_data, new(), False, members + 1
            elif member.needs_input:
                break
    if started:
        raise damaged(file, f"it ends in the middle of the {compression} stream")
    if not members:
        raise damaged(file, f"it is empty; expected {compression}")


def _broken(file: str, compression: Compression, members: int, error: Exception) -> Unreadable:
    after = f" after member {members}" if members else ""
    return damaged(file, f"not {compression}{after}, or not what was packed ({error})")


class _Decompressor(Protocol):
    """What unpacks one member of a stream, a bounded piece at a time."""

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...


class _Gzip:
    """zlib's decompressor with the face of zstd's; zlib checks the sum and the length itself."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(wbits=31)
        self._filled = False

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        plain = self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)
        self._filled = len(plain) == max_length
        return plain

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def needs_input(self) -> bool:
        return not self._zlib.unconsumed_tail and not self._filled

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data


def _zstd() -> Callable[[], _Decompressor]:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd.ZstdDecompressor


def zip_members(stream: IO[bytes], file: str) -> list[str]:
    """Return the names of an archive's files, in its order, without what is there for systems and people.

    Raises:
        Unreadable: damaged, empty, encrypted, or with members that are no plain files of their own.
    """
    archive = _opened(stream, file)
    infos = [
        info for info in archive.infolist() if not info.is_dir() and not _APPENDAGES.search(info.filename)
    ]
    infos = [info for info in infos if not _NOTES.search(info.filename)] or infos
    if not infos:
        raise Unreadable(file, "the archive is empty; expected at least one file in it; land it again")
    names: list[str] = []
    for info in infos:
        name = info.filename
        if info.flag_bits & _ENCRYPTED:
            wrong, fix = "is encrypted", "pack it without a password"
        elif _CLIMBS.search(name):
            wrong, fix = "has a path that leaves the archive", "pack it with relative paths"
        elif compression_of(name) is not Compression.NONE:
            wrong, fix = "is packed itself", "pack the plain file"
        elif name in names:
            wrong, fix = "is in the archive twice", "pack it once"
        else:
            names.append(name)
            continue
        raise Unreadable(file, f"its member `{name}` {wrong}; expected a plain file; {fix}")
    return names


def member_chunks(stream: IO[bytes], file: str, member: str) -> Iterator[bytes]:
    """Yield what a member of an archive holds.

    Raises:
        Unreadable: damaged, or packed by a method that Python has not.
    """
    archive = _opened(stream, file)
    try:
        with archive.open(member) as plain:
            yield from raw_chunks(plain)
    except NotImplementedError as error:
        rule = f"its member `{member}` cannot be unpacked ({error}); expected deflate; pack it anew"
        raise Unreadable(file, rule) from None
    except OSError as error:
        if error.errno not in _OF_BYTES:  # storage's
            raise
        raise damaged(file, f"its member `{member}` is not what was packed ({error})") from None
    except _DAMAGE as error:
        raise damaged(file, f"its member `{member}` is not what was packed ({error})") from None


def _opened(stream: IO[bytes], file: str) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(stream)
    except NotImplementedError as error:
        rule = f"it cannot be unpacked ({error}); expected a plain zip archive; pack it anew"
        raise Unreadable(file, rule) from None
    except OSError as error:
        if error.errno not in _OF_BYTES:
            raise
        raise damaged(file, f"not a zip archive ({error})") from None
    except _DAMAGE as error:
        raise damaged(file, f"not a zip archive ({error})") from None
