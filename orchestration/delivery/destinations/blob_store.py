"""How bytes get to a local directory or to object storage so that none is seen half written.

Belongs here: create once, replace in one step, flush. Does not: what is in the files.

A local file is written under a temporary name, flushed and renamed. Object storage shows an
object only when it is whole, so there a plain write does the same.
"""

import hashlib
import os
import posixpath
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

_CHUNK = 8 * 1024 * 1024
_LOCAL_SCHEMES = ("", "file", "local")
_TEMPORARY = ".tmp-"


class Store(ABC):
    """The folder of one object; paths are relative to it, with `/`."""

    def __init__(self, root: str) -> None:
        self.root = root

    @abstractmethod
    def read(self, path: str) -> bytes | None:
        """The file's content, None if there is no such file."""

    @abstractmethod
    def size(self, path: str) -> int | None:
        """The file's size, None if there is no such file."""

    @abstractmethod
    def folders(self, path: str) -> list[str]:
        """Names of the folders in a folder; none if it does not exist."""

    @abstractmethod
    def put_file(self, path: str, source: Path) -> tuple[int, str]:
        """Write a file, over any earlier one; its size and SHA-256."""

    @abstractmethod
    def create(self, path: str, content: bytes) -> None:
        """Write a file; FileExistsError if it exists."""

    @abstractmethod
    def replace(self, path: str, content: bytes) -> None:
        """Write a file in one step: readers see the old one or the new one."""

    @abstractmethod
    def clear_leftovers(self, path: str) -> None:
        """Remove what a killed writer left in a folder."""


@contextmanager
def open_store(url: str, object_name: str) -> Generator[Store]:
    """The object's folder; a local one is locked, as runs may share the machine."""
    if _scheme(url) in _LOCAL_SCHEMES:
        root = os.path.join(_local_path(url), *object_name.split("/"))
        os.makedirs(root, exist_ok=True)
        with import_module("filelock").FileLock(os.path.join(root, ".lock")):
            yield _LocalStore(root)
        return
    filesystem, base = import_module("fsspec.core").url_to_fs(url)
    # Listings are cached by most implementations: another run's manifest must be seen.
    filesystem.invalidate_cache()
    yield _RemoteStore(filesystem, posixpath.join(base, object_name))


def canonical_url(url: str) -> str:
    """One spelling for one place, without credentials or query."""
    scheme = _scheme(url)
    if scheme in _LOCAL_SCHEMES:
        return "file://" + os.path.realpath(_local_path(url))
    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    # abfs://container@account: what stands before the @ is a place; after a colon, a secret.
    place = f"{user}@{host}" if user and ":" not in user else host
    scheme = {"abfss": "abfs", "az": "abfs", "s3a": "s3"}.get(scheme, scheme)
    path = posixpath.normpath("/" + parts.path).strip("/")
    return f"{scheme}://{place.lower()}" + (f"/{path}" if path else "")


def _scheme(url: str) -> str:
    return url.partition("://")[0].lower() if "://" in url else ""


def _local_path(url: str) -> str:
    return os.path.expanduser(url.partition("://")[2] if "://" in url else url)


class _LocalStore(Store):
    def _at(self, path: str) -> str:
        return os.path.join(self.root, *path.split("/"))

    def read(self, path: str) -> bytes | None:
        try:
            return Path(self._at(path)).read_bytes()
        except FileNotFoundError:
            return None

    def size(self, path: str) -> int | None:
        try:
            return os.path.getsize(self._at(path))
        except FileNotFoundError:
            return None

    def folders(self, path: str) -> list[str]:
        try:
            with os.scandir(self._at(path)) as entries:
                return sorted(entry.name for entry in entries if entry.is_dir())
        except FileNotFoundError:
            return []

    def put_file(self, path: str, source: Path) -> tuple[int, str]:
        def copy(target: BinaryIO) -> None:
            with source.open("rb") as origin:
                shutil.copyfileobj(origin, target, _CHUNK)

        self._write(path, copy, os.replace)
        with open(self._at(path), "rb") as written:  # what is there now, not what was meant
            return os.fstat(written.fileno()).st_size, _sha256(written)

    def create(self, path: str, content: bytes) -> None:
        def link_once(temporary: str, final: str) -> None:
            os.link(temporary, final)  # unlike a rename, fails if the file is there
            os.unlink(temporary)

        self._write(path, lambda target: target.write(content), link_once)

    def replace(self, path: str, content: bytes) -> None:
        self._write(path, lambda target: target.write(content), os.replace)

    def clear_leftovers(self, path: str) -> None:
        # The object's lock is held: no other writer is at work on these.
        for folder in (self._at(path), os.path.dirname(self._at(path))):
            if os.path.isdir(folder):
                for name in os.listdir(folder):
                    if name.startswith(_TEMPORARY):
                        os.unlink(os.path.join(folder, name))

    def _write(
        self,
        path: str,
        fill: Callable[[BinaryIO], object],
        publish: Callable[[str, str], None],
    ) -> None:
        final = self._at(path)
        folder = os.path.dirname(final)
        os.makedirs(folder, exist_ok=True)
        temporary = os.path.join(folder, _TEMPORARY + os.path.basename(final))
        with open(temporary, "wb") as target:
            fill(target)
            target.flush()
            os.fsync(target.fileno())
        publish(temporary, final)
        # The names, too, must outlast a power cut: the file's and those of new folders.
        while len(folder) >= len(self.root):
            _sync_folder(folder)
            folder = os.path.dirname(folder)


class _RemoteStore(Store):
    def __init__(self, filesystem: Any, root: str) -> None:
        super().__init__(root)
        self._filesystem = filesystem

    def _at(self, path: str) -> str:
        return posixpath.join(self.root, path)

    def read(self, path: str) -> bytes | None:
        try:
            return bytes(self._filesystem.cat_file(self._at(path)))
        except FileNotFoundError:
            return None

    def size(self, path: str) -> int | None:
        try:
            return int(self._filesystem.info(self._at(path))["size"])
        except FileNotFoundError:
            return None

    def folders(self, path: str) -> list[str]:
        try:
            entries = self._filesystem.ls(self._at(path), detail=True, refresh=True)
        except FileNotFoundError:
            return []
        names = (str(entry["name"]).rstrip("/") for entry in entries if entry["type"] == "directory")
        return sorted(posixpath.basename(name) for name in names)

    def put_file(self, path: str, source: Path) -> tuple[int, str]:
        self._filesystem.makedirs(posixpath.dirname(self._at(path)), exist_ok=True)
        with source.open("rb") as origin:
            sha256 = _sha256(origin)
            size = origin.tell()
        self._filesystem.put_file(str(source), self._at(path))
        arrived = self.size(path)
        if arrived != size:
            raise OSError(f"{self._at(path)} has {arrived} bytes after {size} were written")
        return size, sha256

    def create(self, path: str, content: bytes) -> None:
        self._filesystem.pipe_file(self._at(path), content, mode="create")

    def replace(self, path: str, content: bytes) -> None:
        self._filesystem.pipe_file(self._at(path), content)

    def clear_leftovers(self, path: str) -> None:
        """Nothing to do: an upload that was not finished shows no object."""


def _sha256(stream: BinaryIO) -> str:
    digest = hashlib.sha256()
    while chunk := stream.read(_CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


def _sync_folder(folder: str) -> None:
    if os.name == "nt":  # folders cannot be opened there
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
