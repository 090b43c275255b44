"""The bytes of landed files, each read once for as long as the file stays what it is."""

from collections.abc import Iterable

from sluicegate.areas import Area, Entry, digest_of, storage_errors


class BeingWritten(Exception):
    """A file changed while it was read."""

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(f"{path}: changed while it was read; looked at again once it rests")


class Unreadable(Exception):
    """A file that storage lists, but does not give."""

    def __init__(self, path: str, why: Exception) -> None:
        said = why.strerror if isinstance(why, OSError) else None
        super().__init__(
            f"{path}: cannot be read ({said or type(why).__name__}); expected a file that this"
            " process may read; fix its permissions, or land it again"
        )


class Contents:
    """Reads the files of an area; a digest is remembered until the file is another."""

    def __init__(self, area: Area) -> None:
        self._area = area
        self._digests: dict[str, tuple[str, str]] = {}

    def read(self, file: Entry) -> bytes:
        """Return the whole content of a small file.

        Raises:
            BeingWritten: it is not the file that was listed any more.
            Unreadable: storage does not give it.
        """
        try:
            content = b"".join(self._area.chunks(file.path))
        except FileNotFoundError:
            raise BeingWritten(file.path) from None
        except storage_errors() as error:
            raise Unreadable(file.path, error) from error
        if len(content) != file.size:
            raise BeingWritten(file.path)
        return content

    def digest(self, file: Entry) -> str:
        """Return a file's SHA-256.

        Raises:
            BeingWritten: it is not the file that was listed any more.
            Unreadable: storage does not give it.
        """
        known = self._digests.get(file.path)
        # Its stamp alone could be set back by whoever writes over it.
        if known is not None and known[0] == file.version:
            return known[1]
        try:
            digest, size = digest_of(self._area, file.path)
            now = next((entry for entry in self._area.listing(file.path) if entry.path == file.path), None)
        except FileNotFoundError:
            raise BeingWritten(file.path) from None
        except storage_errors() as error:
            raise Unreadable(file.path, error) from error
        if size != file.size or now is None or now.version != file.version:
            raise BeingWritten(file.path)
        self._digests[file.path] = (file.version, digest)
        return digest

    def has_beside(self, path: str) -> bool:
        """Return whether there is a file of another name, where to ask costs nothing."""
        return self._area.local and self._area.exists(path)

    def forget(self, files: Iterable[Entry]) -> None:
        """Forget the digests of files that are on record now."""
        for file in files:
            self._digests.pop(file.path, None)


class Unread(Contents):
    """Reads small files alone: for a look that must be quick, and records nothing."""

    def digest(self, file: Entry) -> str:
        """Tell nothing of a file that would have to be read whole."""
        raise BeingWritten(file.path)
