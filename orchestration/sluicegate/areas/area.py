"""An area: files by a path relative to a URL, the same on every storage."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from sluicegate.areas.access import Place, Scheme, StorageAccess, place_of
from sluicegate.areas.files import CHUNK_BYTES, EVERYTHING, Entry, Files, OnError


class Area:
    """The files below a URL. `access` is needed for object storage; it is opened on first use."""

    def __init__(self, url: str, access: StorageAccess | None = None) -> None:
        """Take the URL apart.

        Raises:
            StorageUrlError: it is no area's URL, or holds a credential.
        """
        self.place: Place = place_of(url)
        self._access = access or StorageAccess()
        self._opened: Files | None = None
        self._opened_by = ""

    @property
    def url(self) -> str:
        """The area's URL, spelt in one way; it never holds a secret."""
        return str(self.place)

    @property
    def local(self) -> bool:
        """Whether the area is a directory of this machine."""
        return self.place.scheme is Scheme.LOCAL

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts that are spoken to; none where it is a directory."""
        return self._access.hosts(self.place)

    def __repr__(self) -> str:
        return f"Area({self.url!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Area) and self.place == other.place

    def __hash__(self) -> int:
        return hash(self.place)

    @property
    def _files(self) -> Files:
        # What reaches an account may be renewed while this process lives.
        secret = self._access.azure_connection_string if self.place.scheme is Scheme.AZURE else None
        by = secret.get_secret_value() if secret is not None else ""
        if self._opened is None or by != self._opened_by:
            self._opened, self._opened_by = _open(self.place, self._access), by
        return self._opened

    def path(self, relative: str) -> str:
        """Return where a file of this area lies, as a person is told."""
        return f"{self.url}/{_checked(relative)}"

    def engine_path(self, relative: str) -> str:
        """Return what the warehouse opens to read a file of this area (see `compute.object_storage`)."""
        place, relative = self.place, _checked(relative)
        if place.scheme is Scheme.LOCAL:
            return f"{place.root}/{relative}"
        below = "/".join(part for part in (place.container, place.root, relative) if part)
        if place.scheme is Scheme.AZURE:
            # abfss:// is the engine's name for the data lake's own protocol, which not every account speaks.
            return f"az://{place.account}.blob.core.windows.net/{below}" if place.account else f"az://{below}"
        return f"{place.scheme}://{below}"

    def exists(self, relative: str) -> bool:
        """Return whether the file is there, as storage has it now."""
        return self._files.size(_checked(relative)) is not None

    def size(self, relative: str) -> int:
        """Return a file's size in bytes.

        Raises:
            FileNotFoundError: there is no such file.
        """
        size = self._files.size(_checked(relative))
        if size is None:
            raise FileNotFoundError(f"{self.path(relative)} does not exist")
        return size

    def open(self, relative: str) -> BinaryIO:
        """Open a file for reading, with seek.

        Raises:
            FileNotFoundError: there is no such file.
        """
        return self._files.open(_checked(relative))

    def read(self, relative: str) -> bytes | None:
        """Return a small file as it was at one moment, whoever replaces it; None if it is not there."""
        return self._files.read(_checked(relative))

    def chunks(self, relative: str) -> Iterator[bytes]:
        """Yield a file's bytes, at most a mebibyte at a time."""
        with self.open(relative) as stream:
            while chunk := stream.read(CHUNK_BYTES):
                yield chunk

    def write(self, relative: str, chunks: Iterable[bytes]) -> None:
        """Write a file, over any earlier one: it is flushed, and seen whole or not at all."""
        self._files.write(_checked(relative), iter(chunks), create=False)

    def create(self, relative: str, chunks: Iterable[bytes], *, settled: bool = True) -> None:
        """Write a file that does not exist yet; of several writers at once, one wins.

        Without `settled` a power cut may take it back until `settle` was called: for many files at once.

        Raises:
            FileExistsError: it exists. On object storage it may be this very call that wrote it, if an answer
                was lost and the client tried again: compare what is there.
        """
        try:
            self._files.write(_checked(relative), iter(chunks), create=True, settled=settled)
        except FileExistsError as error:
            raise FileExistsError(f"{self.path(relative)} exists already") from error

    def version(self, relative: str) -> str | None:
        """Return what tells a file's content now from that of another time; None if there is no such file."""
        return self._files.version(_checked(relative))

    def swap(self, relative: str, content: bytes, version: str | None) -> bool:
        """Write a small file in one step if nobody has since its `version` was asked for.

        None: it was not there, and is created. Returns whether it was written. On object storage it may be
        this very call that wrote it where it says no, if an answer was lost: compare what is there.
        """
        return self._files.swap(_checked(relative), content, version)

    def create_folder(self, relative: str, files: Iterable[tuple[str, Iterable[bytes]]]) -> bool:
        """Write the files of a new folder, each by its path there, so that all are seen at once.

        A power cut may take them back until `settle` was called. Returns whether it did: not where storage
        has no such step, nor where the folder is there.
        """
        return self._files.create_folder(
            _checked(relative), ((_checked(path), chunks) for path, chunks in files)
        )

    def settle(self, relatives: Sequence[str]) -> None:
        """Make files outlast a power cut that were written without it."""
        self._files.settle([_checked(relative) for relative in relatives])

    def upload(self, relative: str, source: Path, *, create: bool = False) -> None:
        """Write a file from a local one, which stays as it is; with `create` as `create`, else as `write`."""
        if not create and self._files.adopt(_checked(relative), source):
            return
        with source.open("rb") as stream:
            chunks = iter(lambda: stream.read(CHUNK_BYTES), b"")
            self.create(relative, chunks) if create else self.write(relative, chunks)

    def remove(self, relative: str) -> None:
        """Remove a file if it is there."""
        self._files.remove(_checked(relative))

    def remove_all(self, relatives: Iterable[str]) -> None:
        """Remove files, those that are there; several at a time where that is quicker."""
        self._files.remove_all([_checked(relative) for relative in relatives])

    def remove_tree(self, relative: str) -> None:
        """Remove all that lies below a path, if anything does."""
        self._files.remove_tree(_checked(relative))

    def listing(self, pattern: str = EVERYTHING, onerror: OnError | None = None) -> Iterator[Entry]:
        """Yield the files that match a pattern, in no stated order.

        `*` and `?` match within a part of the path, `**` as the last part everything below; anything else, a
        bracket too, stands for itself. Local folders are looked into as the pattern's parts go; object
        storage gives one flat listing of what begins like the pattern up to its first wildcard.

        `onerror` is called with what is no file (a link to nothing, a pipe, a device) and with folders that
        cannot be looked into, and the listing goes on. Without it such things are left out, and a folder
        raises.

        Raises:
            FileNotFoundError: the container or bucket does not exist; a directory that does not is empty.
        """
        return self._files.listing(_checked(pattern), onerror)


def _open(place: Place, access: StorageAccess) -> Files:
    if place.scheme is Scheme.LOCAL:
        from sluicegate.areas.local import LocalFiles

        return LocalFiles(place.root)
    if place.scheme is Scheme.AZURE:
        from sluicegate.areas.azure import azure_files

        return azure_files(place, access)
    from sluicegate.areas.s3 import s3_files

    return s3_files(place, access)


def _checked(relative: str) -> str:
    """A path comes from a contract or a provider's manifest: it must not lead out of the area."""
    if relative.startswith("/") or ".." in relative.split("/"):
        raise ValueError(
            f"`{relative}` is no path below an area; expected one without a leading / and without .."
        )
    return relative


def digest_of(area: Area, path: str) -> tuple[str, int]:
    """Return a file's SHA-256 and its size in bytes."""
    sha256, size = hashlib.sha256(), 0
    for chunk in area.chunks(path):
        sha256.update(chunk)
        size += len(chunk)
    return sha256.hexdigest(), size
