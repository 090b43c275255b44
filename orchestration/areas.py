"""Storage areas: directories behind URLs, reached through fsspec.

Belongs here: reading, writing and listing files by a path relative to an area. Does not belong here:
what the files are; staging and processing are the business of `ingestion`.
"""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, cast

import fsspec  # pyright: ignore[reportMissingTypeStubs]

CHUNK_BYTES = 1 << 20


class Area:
    """A directory behind an fsspec URL; paths are relative to it."""

    def __init__(self, url: str) -> None:
        self.url = url
        filesystem, root = cast("tuple[Any, str]", fsspec.core.url_to_fs(url))  # pyright: ignore
        self.filesystem = filesystem
        self.root = root.rstrip("/")

    @property
    def local(self) -> bool:
        """Whether the engine can read paths of this area itself."""
        return "file" in self.filesystem.protocol

    def path(self, relative: str) -> str:
        """Return the file system's own path of a file of this area."""
        return f"{self.root}/{relative}"

    def engine_path(self, relative: str) -> str:
        """Return what the warehouse opens to read a file of this area."""
        path = self.path(relative)
        return path if self.local else str(self.filesystem.unstrip_protocol(path))

    def exists(self, relative: str) -> bool:
        """Return whether the file is there, as storage has it now."""
        self.filesystem.invalidate_cache()
        return bool(self.filesystem.exists(self.path(relative)))

    def stamps(self, pattern: str) -> dict[str, str]:
        """Return {path: stamp} of the files that match a glob; a stamp is new when the file is."""
        pattern = self.path(pattern)
        self.filesystem.invalidate_cache()
        found = cast("Mapping[str, dict[str, Any]]", self.filesystem.glob(pattern, detail=True))
        return {
            path[len(self.root) + 1 :]: hashlib.sha256(
                repr(sorted((key, str(value)) for key, value in info.items())).encode()
            ).hexdigest()
            for path, info in found.items()
        }

    def chunks(self, relative: str) -> Iterator[bytes]:
        """Yield a file's bytes."""
        with self.filesystem.open(self.path(relative), "rb") as stream:
            while chunk := stream.read(CHUNK_BYTES):
                yield chunk

    def write(self, relative: str, chunks: Iterator[bytes]) -> None:
        """Write a file so that it is seen whole or not at all, where storage can rename."""
        target = self.path(relative)
        self.filesystem.makedirs(target.rpartition("/")[0], exist_ok=True)
        partial = f"{target}.partial"
        with self.filesystem.open(partial, "wb") as stream:
            for chunk in chunks:
                stream.write(chunk)
        self.filesystem.mv(partial, target)

    def remove(self, relative: str) -> None:
        """Remove a file if it is there."""
        if self.exists(relative):
            self.filesystem.rm_file(self.path(relative))


def digest_of(area: Area, path: str) -> tuple[str, int]:
    """Return a file's SHA-256 and its size in bytes."""
    sha256, size = hashlib.sha256(), 0
    for chunk in area.chunks(path):
        sha256.update(chunk)
        size += len(chunk)
    return sha256.hexdigest(), size
