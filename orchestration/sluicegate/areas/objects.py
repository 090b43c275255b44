"""Files of object storage, which shows an object only when it is whole.

Belongs here: what Azure Blob and S3 have in common, through fsspec. Does not belong here: what
differs (`azure`, `s3`).
"""

import itertools
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, BinaryIO, cast

from sluicegate.areas.files import EVERYTHING, Entry, Files, OnError, literal_prefix, matcher

# A smaller file is one request. S3 takes 10,000 parts, which makes 160 GB, Azure 50,000.
PART_BYTES = 16 << 20
CONCURRENT_PARTS = 4
_READ_AHEAD_BYTES = 8 << 20


class ObjectFiles(Files):
    """The objects of one container or bucket whose names begin with `root`."""

    def __init__(self, filesystem: Any, container: str, root: str) -> None:
        self.filesystem = filesystem
        self.container = container
        self.root = f"{root}/" if root else ""

    def name_of(self, path: str) -> str:
        """Return an object's name in its container."""
        return self.root + path

    def _at(self, path: str) -> str:
        return f"{self.container}/{self.root}{path}"

    @abstractmethod
    def objects(self, prefix: str) -> Iterator[Entry]:
        """Yield the objects whose name begins with `prefix`, in one flat listing; paths are names.

        Raises:
            FileNotFoundError: there is no such container or bucket.
        """

    def size(self, path: str) -> int | None:
        """Return an object's size in bytes, None if there is no such object."""
        with suppress(FileNotFoundError):
            info = cast("dict[str, Any]", self.filesystem.info(self._at(path)))
            return int(info["size"]) if info["type"] == "file" else None
        return None

    def open(self, path: str) -> BinaryIO:
        """Open an object for reading."""
        stream = self.filesystem.open(
            self._at(path), "rb", block_size=_READ_AHEAD_BYTES, cache_type="readahead"
        )
        return cast("BinaryIO", stream)

    def read(self, path: str) -> bytes | None:
        """Return an object's content, in one request: a stream of several breaks where it is replaced."""
        with suppress(FileNotFoundError):
            return bytes(self.filesystem.cat_file(self._at(path)))
        return None

    def write(
        self,
        path: str,
        chunks: Iterator[bytes],
        *,
        create: bool,
        settled: bool = True,  # noqa: ARG002
    ) -> None:
        """Write an object: in one request if it is small, or else in parts that the last request joins."""
        parts = _parts(chunks)
        first = next(parts, b"")
        if len(first) < PART_BYTES:
            self.put(path, first, create=create)
        else:
            self.put_parts(path, itertools.chain([first], parts), create=create)

    def put(self, path: str, content: bytes, *, create: bool) -> None:
        """Write an object in one request, which carries the condition: nobody looks first and writes then."""
        self.filesystem.pipe_file(self._at(path), content, mode="create" if create else "overwrite")

    @abstractmethod
    def put_parts(self, path: str, parts: Iterator[bytes], *, create: bool) -> None:
        """Write an object in parts of `PART_BYTES`, the last one smaller; the last request has the condition.

        If the parts end in an error, no object is shown.
        """

    def remove(self, path: str) -> None:
        """Remove an object if it is there."""
        with suppress(FileNotFoundError):
            self.filesystem.rm_file(self._at(path))

    def remove_tree(self, path: str) -> None:
        """Remove all objects below a path."""
        self.remove_all(
            [entry.path for entry in self.listing(f"{path}/{EVERYTHING}" if path else EVERYTHING)]
        )

    def listing(self, pattern: str, onerror: OnError | None = None) -> Iterator[Entry]:  # noqa: ARG002
        """Yield the objects that match a pattern: one flat listing from its first wildcard on."""
        matches, skipped = matcher(pattern).fullmatch, len(self.root)
        for found in self.objects(self.name_of(literal_prefix(pattern))):
            path = found.path[skipped:]
            if matches(path):
                yield found._replace(path=path)


def _parts(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the same bytes in parts of one size, the last one smaller, if there is any."""
    part = bytearray()
    for chunk in chunks:
        part += chunk
        while len(part) >= PART_BYTES:
            yield bytes(part[:PART_BYTES])
            del part[:PART_BYTES]
    if part:
        yield bytes(part)
