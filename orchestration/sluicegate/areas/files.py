"""What every storage must do for an area, and how patterns are matched.

Belongs here: the interface between `Area` and one kind of storage. Does not belong here: any kind of storage.
Paths are relative to the area, with `/`, and already checked.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, NamedTuple

CHUNK_BYTES = 1 << 20
EVERYTHING = "**"


# Called with the path of what a listing cannot show, and why.
OnError = Callable[[str, OSError], None]


class Entry(NamedTuple):
    """A file as a listing shows it: `size` in bytes, `modified` in UTC, `stamp` new whenever the file is.

    `changed` is when a disk says that anything of it was changed, in nanoseconds: nobody can set it back.
    """

    path: str
    size: int
    modified: datetime | None
    stamp: str
    changed: int = 0

    @property
    def version(self) -> str:
        """What is another after any change, also where its time was set back; at times with no change."""
        return f"{self.stamp}-{self.changed:x}"


class ImmutableFileError(OSError):
    """Storage keeps a file as it is for a time, whoever asks: a retention policy or a legal hold."""


class StrangeAnswerError(OSError):
    """What answers is no storage: what was asked for may have been done, or not."""


class Files(ABC):
    """The files below one place of one kind of storage."""

    @abstractmethod
    def size(self, path: str) -> int | None:
        """Return a file's size in bytes, None if there is no such file."""

    @abstractmethod
    def open(self, path: str) -> BinaryIO:
        """Open a file for reading, with seek; FileNotFoundError if it is not there."""

    @abstractmethod
    def read(self, path: str) -> bytes | None:
        """Return a small file's content as it was at one moment, None if there is no such file."""

    @abstractmethod
    def write(self, path: str, chunks: Iterator[bytes], *, create: bool, settled: bool = True) -> None:
        """Write a file, seen whole or not at all; with `create` FileExistsError if it exists.

        Without `settled` it outlasts a power cut only once `settle` was called.
        """

    @abstractmethod
    def version(self, path: str) -> str | None:
        """Return what a file's content now is told by, None if there is no such file."""

    @abstractmethod
    def swap(self, path: str, content: bytes, version: str | None) -> bool:
        """Write a small file if it is still of a version, None: not there; return whether it was written."""

    def adopt(self, path: str, source: Path) -> bool:  # noqa: ARG002
        """Take a local file over as it is, if this storage can; return whether it did."""
        return False

    def create_folder(self, path: str, files: Iterable[tuple[str, Iterable[bytes]]]) -> bool:  # noqa: ARG002
        """Write files that are seen all at once, if this storage can; see `Area.create_folder`."""
        return False

    def settle(self, paths: Sequence[str]) -> None:  # noqa: B027
        """Make files that were written outlast a power cut; object storage has done so."""

    @abstractmethod
    def remove(self, path: str) -> None:
        """Remove a file if it is there."""

    @abstractmethod
    def remove_all(self, paths: Iterable[str]) -> None:
        """Remove files, those that are there."""

    @abstractmethod
    def remove_tree(self, path: str) -> None:
        """Remove all that lies below a path."""

    @abstractmethod
    def listing(self, pattern: str, onerror: OnError | None = None) -> Iterator[Entry]:
        """Yield the files that match a pattern, in no stated order; see `Area.listing`."""


def literal_prefix(pattern: str) -> str:
    """Return what stands before a pattern's first wildcard."""
    return re.split(r"[*?]", pattern, maxsplit=1)[0]


def matcher(pattern: str) -> re.Pattern[str]:
    """Return the regular expression of a pattern.

    `*` and `?` match within a part of the path; `**` as the last part matches everything below. All else, as
    brackets, stands for itself.
    """
    head, everything = pattern, ""
    if pattern == EVERYTHING or pattern.endswith("/" + EVERYTHING):
        head, everything = pattern.removesuffix(EVERYTHING), ".+"
    wild = {"*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(wild.get(letter, re.escape(letter)) for letter in head) + everything, re.DOTALL)


def is_wild(part: str) -> bool:
    """Whether a part of a pattern has a wildcard."""
    return "*" in part or "?" in part
