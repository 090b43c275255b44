"""Object storage in this process's memory: for what must be quick, and wants what is no directory.

`test_areas` holds it to what the real ones do. The engine cannot read it.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from threading import Lock
from typing import Any, cast

from fsspec.implementations.memory import MemoryFileSystem  # pyright: ignore[reportMissingTypeStubs]
from sluicegate.areas import Area, Entry
from sluicegate.areas.objects import ObjectFiles

_MEMORY = Lock()


class MemoryArea(Area):
    """An area whose URL is S3's, and whose objects are this process's alone."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._opened = MemoryFiles(MemoryFileSystem(), self.place.container, self.place.root)


class MemoryFiles(ObjectFiles):
    """Objects of this process alone, for tests."""

    def objects(self, prefix: str) -> Iterator[Entry]:
        """Yield the objects whose name begins with `prefix`."""
        store = cast("dict[str, Any]", self.filesystem.store)
        skipped = len(f"/{self.container}/")
        for at, file in list(store.items()):
            if at.startswith(f"/{self.container}/{prefix}"):
                modified = cast("datetime", file.modified).astimezone(UTC)
                yield Entry(at[skipped:], int(file.size), modified, f"{modified.isoformat()}-{file.size}")

    def remove_all(self, paths: Iterable[str]) -> None:
        """Remove objects, those that are there."""
        for path in paths:
            self.remove(path)

    def version(self, path: str) -> str | None:
        """Return an object's time, None if there is no such object."""
        file = cast("dict[str, Any]", self.filesystem.store).get(f"/{self._at(path)}")
        return None if file is None else f"{file.modified.isoformat()}-{file.size}"

    def swap(self, path: str, content: bytes, version: str | None) -> bool:
        """Write an object if it is still of a version."""
        with _MEMORY:
            if self.version(path) != version:
                return False
            super().put(path, content, create=False)
            return True

    def put(self, path: str, content: bytes, *, create: bool) -> None:
        """Write an object."""
        with _MEMORY:  # it looks whether a file exists, and then puts it
            super().put(path, content, create=create)

    def put_parts(self, path: str, parts: Iterator[bytes], *, create: bool) -> None:
        """Write an object, all of it at once."""
        self.put(path, b"".join(parts), create=create)
