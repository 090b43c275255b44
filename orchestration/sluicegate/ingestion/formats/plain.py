"""What was landed -> files that the engine can open: unpacked, verified, in UTF-8.

Belongs here: which steps a file needs, and where its plain form stands. Does not belong here: the steps
themselves (`unpack`, `text`). A file that needs none is not copied: the engine reads it where it is.
"""

import itertools
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from sluicegate.areas import Area
from sluicegate.contracts.reading import Compression, Format, ReadOptions
from sluicegate.ingestion.formats.base import MachineLimit, PlainFile
from sluicegate.ingestion.formats.text import LineEnds, TextStream, with_feeds
from sluicegate.ingestion.formats.unpack import member_chunks, raw_chunks, unpacked_chunks, zip_members

_TEXT = (Format.CSV, Format.JSON, Format.JSONL)
# So much is left free, for what others write meanwhile; asked again after so much has been written.
_LEAVE_BYTES, _LOOK_EVERY_BYTES = 256 << 20, 64 << 20
# The engine takes these for a pattern, even in a list of paths.
_PATTERN = frozenset("*?[]{}")


@dataclass(frozen=True)
class LandedFile:
    """A file of a drop: `path` is where it stands, relative to its area; `name` the path as it was landed."""

    path: str
    name: str


@dataclass(frozen=True)
class _Source:
    """Unpacked bytes, to be read more than once; `in_place` is what the engine may open instead of a copy."""

    name: str
    chunks: Callable[[], Iterator[bytes]]
    in_place: str | None = None
    opened: Callable[[], IO[bytes]] | None = None


def plain_files(
    area: Area, landed: Sequence[LandedFile], options: ReadOptions, scratch: Path
) -> list[PlainFile]:
    """Return the files in a form that the engine can open; copies go to `scratch`, a private directory.

    An archive's members each become a file, named `archive.zip/member`.

    Raises:
        Unreadable: a file is damaged, cut short, not packed or encoded as the contract says.
        MachineLimit: what is unpacked would fill the disk.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    numbers = itertools.count()

    def new_path(name: str) -> Path:
        # Numbered, as names may be anything; the suffix helps who looks into the directory.
        return scratch / f"{next(numbers):06d}{PurePosixPath(name).suffix}"

    return [
        PlainFile(_plain_path(source, options, new_path), source.name, source.opened)
        for file in landed
        for source in _sources(area, file, options)
    ]


def _sources(area: Area, file: LandedFile, options: ReadOptions) -> Iterator[_Source]:
    def opened() -> IO[bytes]:
        return area.open(file.path)

    def unpacked() -> Iterator[bytes]:
        with opened() as stream:
            yield from unpacked_chunks(stream, file.name, options.compression)

    def member(name: str) -> Iterator[bytes]:
        with opened() as stream:
            yield from member_chunks(stream, file.name, name)

    def plain() -> Iterator[bytes]:
        with opened() as stream:
            yield from raw_chunks(stream)

    if options.compression is Compression.ZIP:
        with opened() as stream:
            names = zip_members(stream, file.name)
        for name in names:
            yield _Source(f"{file.name}/{name}", lambda name=name: member(name))
    elif options.compression is Compression.NONE:
        # The engine reads from object storage what it need not read whole.
        usable = area.local or options.format is Format.PARQUET
        yield _Source(file.name, plain, area.engine_path(file.path) if usable else None, opened)
    else:
        yield _Source(file.name, unpacked)


def _plain_path(source: _Source, options: ReadOptions, new_path: Callable[[str], Path]) -> str:
    if options.format in _TEXT:
        return _plain_text(source, options, new_path)
    if source.in_place is not None:
        return _literal_path(source.in_place, source.name, new_path)
    path = new_path(source.name)
    _write(path, source.chunks(), source.name)
    return str(path)


def _plain_text(source: _Source, options: ReadOptions, new_path: Callable[[str], Path]) -> str:
    text = TextStream(source.name, options.encoding, source.chunks, by_row=options.format is Format.CSV)
    # An array's line ends are white space; those of CSV, which may be within values, are its reader's.
    ends = LineEnds() if options.format is Format.JSONL else None
    copy = None
    if source.in_place is not None and not text.altered:
        for chunk in text:
            if ends is not None:
                ends.see(chunk)
    else:
        copy = new_path(source.name)
        _write(copy, _seen(text, ends), source.name)
    if ends is None or not ends.mixed:
        return str(copy) if copy else _literal_path(str(source.in_place), source.name, new_path)
    mended = new_path(source.name)
    with (copy or Path(str(source.in_place))).open("rb") as stream:
        _write(mended, with_feeds(raw_chunks(stream)), source.name)
    if copy:
        copy.unlink()
    return str(mended)


def _literal_path(path: str, name: str, new_path: Callable[[str], Path]) -> str:
    """Return a path that the engine takes literally, to the same file."""
    if "://" in path or _PATTERN.isdisjoint(path):
        return path
    link = new_path(name)
    os.symlink(path, link)
    return str(link)


def _seen(text: TextStream, ends: LineEnds | None) -> Iterator[bytes]:
    for chunk in text:
        if ends is not None:
            ends.see(chunk)
        yield chunk


def _write(path: Path, chunks: Iterator[bytes], name: str) -> None:
    """Write a file, and leave room on the disk for what others do: a small archive may unpack to anything."""
    written, looked = 0, 0
    with path.open("wb") as file:
        for chunk in chunks:
            written += file.write(chunk)
            if written - looked < _LOOK_EVERY_BYTES:
                continue
            looked = written
            free = shutil.disk_usage(path.parent).free
            if free < _LEAVE_BYTES:
                raise MachineLimit(
                    f"{name} takes more than {written >> 20} MiB unpacked, and {free >> 20} MiB are left on"
                    " the disk; nothing more is written; make room and rerun, or ask whether so much is meant"
                )
