"""Files of a local directory.

A file is written below `.partial/` of the area, flushed to the disk, and then renamed to its name, or linked
where it must not exist yet. A writer holds a lock on what it writes, of a folder on a file beside it: what
nobody holds was left by one that was killed, and the next writer removes it.
"""

import errno
import hashlib
import os
import shutil
import stat
import uuid
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Literal

from sluicegate.areas.files import CHUNK_BYTES, EVERYTHING, Entry, Files, OnError, is_wild, matcher

# Behind the name of a file that is held: the folder that its writer makes.
_PARTIAL, _TREE = ".partial", ".d"
_FLUSHED_EACH = 8


class LocalFiles(Files):
    """The files below the directory `root`, which is made when something is written."""

    def __init__(self, root: str) -> None:
        self._root = root

    def _at(self, path: str) -> str:
        return os.path.join(self._root, *path.split("/")) if path else self._root

    def size(self, path: str) -> int | None:
        """Return a file's size in bytes, None if there is no such file."""
        at = self._at(path)
        with suppress(FileNotFoundError, NotADirectoryError):
            return os.path.getsize(at) if os.path.isfile(at) else None
        return None

    def open(self, path: str) -> BinaryIO:
        """Open a file for reading; OSError if it is none, as a pipe, which might never end."""
        stream = open(self._at(path), "rb", opener=_without_waiting)  # noqa: SIM115
        found = _file_or_why(path, os.fstat(stream.fileno()))
        if isinstance(found, Entry):
            return stream
        stream.close()
        raise found

    def read(self, path: str) -> bytes | None:
        """Return a file's content."""
        with suppress(FileNotFoundError, NotADirectoryError), self.open(path) as stream:
            return stream.read()
        return None

    def write(self, path: str, chunks: Iterator[bytes], *, create: bool, settled: bool = True) -> None:
        """Write a file: flushed, then shown in one step."""
        folder = os.path.join(self._root, _PARTIAL)
        _make_folder(folder)
        _clear_abandoned(folder)
        with _held(lambda: os.path.join(folder, uuid.uuid4().hex), "xb") as (partial, stream):
            for chunk in chunks:
                stream.write(chunk)
            stream.flush()
            if settled:
                os.fsync(stream.fileno())
            at = self._at(path)
            _make_folder(os.path.dirname(at))
            if create:
                os.link(partial, at)  # unlike a rename, fails if the file is there
                os.unlink(partial)
            else:
                os.replace(partial, at)
        if settled:
            put_on_the_disk(os.path.dirname(at))

    def version(self, path: str) -> str | None:
        """Return the stamp of a file, None if there is no such file."""
        entry = self._entry(path)
        return entry.stamp if entry else None

    def swap(self, path: str, content: bytes, version: str | None) -> bool:
        """Write a file if it is still of a version; those who swap it take turns."""
        folder = os.path.join(self._root, _PARTIAL)
        _make_folder(folder)
        turn = os.path.join(folder, f"{hashlib.sha256(path.encode()).hexdigest()}.turn")
        with _held(lambda: turn, "ab"):
            if self.version(path) != version:
                return False
            try:
                self.write(path, iter([content]), create=version is None)
            except FileExistsError:
                return False
            return True

    def adopt(self, path: str, source: Path) -> bool:
        """Give a file of the same disk another name, flushed; nothing is copied."""
        partial = os.path.join(self._root, _PARTIAL, uuid.uuid4().hex)
        at = self._at(path)
        try:
            _make_folder(os.path.dirname(partial))
            _make_folder(os.path.dirname(at))
            os.link(source, partial)
            with open(partial, "rb") as stream:
                os.fsync(stream.fileno())
            os.replace(partial, at)
        except OSError:  # another disk, or a writer who took it for abandoned
            with suppress(FileNotFoundError):
                os.unlink(partial)
            return False
        put_on_the_disk(os.path.dirname(at))
        return True

    def create_folder(self, path: str, files: Iterable[tuple[str, Iterable[bytes]]]) -> bool:
        """Write a folder and rename it: of many small files that takes half of what each alone does."""
        at = self._at(path)
        if os.path.lexists(at):
            return False
        partials = os.path.join(self._root, _PARTIAL)
        _make_folder(partials)
        _clear_abandoned(partials)
        with _held(lambda: os.path.join(partials, uuid.uuid4().hex), "xb") as (held, _):
            tree, made = held + _TREE, set[str]()
            try:
                for name, chunks in files:
                    file = os.path.join(tree, name)
                    if (folder := os.path.dirname(file)) not in made:
                        os.makedirs(folder, exist_ok=True)
                        made.add(folder)
                    with open(file, "xb", CHUNK_BYTES) as stream:
                        stream.writelines(chunks)
                _make_folder(os.path.dirname(at))
                os.rename(tree, at)
            except OSError as error:
                if error.errno in (errno.ENOTEMPTY, errno.EEXIST):  # somebody else was as quick
                    return False
                raise
            finally:
                shutil.rmtree(tree, ignore_errors=True)
        put_on_the_disk(os.path.dirname(at))
        return True

    def settle(self, paths: Sequence[str]) -> None:
        """Flush a few files and their folders each; of many the disks, once."""
        if len(paths) > _FLUSHED_EACH:
            os.sync()
            return
        files = [self._at(path) for path in paths]
        for at in (*files, *{os.path.dirname(file) for file in files}):
            with suppress(FileNotFoundError):
                put_on_the_disk(at)

    def remove(self, path: str) -> None:
        """Remove a file if it is there."""
        Path(self._at(path)).unlink(missing_ok=True)

    def remove_all(self, paths: Iterable[str]) -> None:
        """Remove files, those that are there."""
        for path in paths:
            self.remove(path)

    def remove_tree(self, path: str) -> None:
        """Remove a directory and all that is below it."""
        with suppress(FileNotFoundError):
            shutil.rmtree(self._at(path))

    def listing(self, pattern: str, onerror: OnError | None = None) -> Iterator[Entry]:
        """Yield the files that match a pattern; a part without a wildcard costs no look into its folder."""
        return self._below("", pattern.split("/"), onerror)

    def _below(self, folder: str, parts: Sequence[str], onerror: OnError | None) -> Iterator[Entry]:
        """Yield the files below `folder` (relative, ending in `/`, or empty) that match the parts."""
        part, rest = parts[0], parts[1:]
        if not is_wild(part):
            if rest:
                yield from self._below(f"{folder}{part}/", rest, onerror)
            elif (entry := self._entry(folder + part, onerror)) is not None:
                yield entry
            return
        everything = part == EVERYTHING and not rest
        matches = matcher(part).fullmatch
        try:
            with os.scandir(self._at(folder.rstrip("/"))) as found:
                items = [item for item in found if everything or matches(item.name)]
        except (FileNotFoundError, NotADirectoryError):
            if onerror is not None:
                self._tell_lost(folder.rstrip("/"), onerror)
            return
        except OSError as error:
            if onerror is None:
                raise
            onerror(folder.rstrip("/"), error)
            return
        for item in items:
            path = folder + item.name
            try:
                if not item.is_dir():
                    found_here = _file_or_why(path, item.stat())
                    found_here = _NO_FOLDER if rest else found_here
                elif not everything and not rest:
                    found_here = _NO_FILE
                elif folder or item.name != _PARTIAL:
                    yield from self._below(f"{path}/", rest or parts, onerror)
                    continue
                else:
                    continue
            except FileNotFoundError:
                if not item.is_symlink():
                    continue  # gone since the look into its folder
                found_here = _DANGLING
            except OSError as error:
                if onerror is None:
                    raise
                found_here = error
            if isinstance(found_here, Entry):
                yield found_here
            elif onerror is not None:
                onerror(path, found_here)

    def _entry(self, path: str, onerror: OnError | None = None) -> Entry | None:
        at = self._at(path)
        try:
            found = _file_or_why(path, os.stat(at))
        except (FileNotFoundError, NotADirectoryError):
            if onerror is not None and os.path.islink(at):
                onerror(path, _DANGLING)
            elif onerror is not None:
                self._tell_lost(path.rpartition("/")[0], onerror)
            return None
        except OSError as error:
            if onerror is None:
                raise
            onerror(self._first_wrong(path), error)
            return None
        if isinstance(found, Entry):
            return found
        if onerror is not None:
            onerror(path, found)
        return None

    def _first_wrong(self, path: str) -> str:
        """Return the path of a file that cannot be reached, or of the folder above it that cannot be."""
        above = path.rpartition("/")[0]
        try:
            os.stat(self._at(above))
        except OSError:
            return self._first_wrong(above) if above else above
        return path

    def _tell_lost(self, folder: str, onerror: OnError) -> None:
        """Say why nothing can lie in a folder, unless that is because nobody has made it."""
        at = self._at(folder)
        if folder and not os.path.lexists(at):
            self._tell_lost(folder.rpartition("/")[0], onerror)
        elif os.path.islink(at) and not os.path.exists(at):
            onerror(folder, _DANGLING)
        elif os.path.isfile(at):
            onerror(folder, _NO_FOLDER)


def _without_waiting(path: str, flags: int) -> int:
    """Open what may be a pipe that nobody writes to; of a file the flag says nothing."""
    return os.open(path, flags | os.O_NONBLOCK)


_DANGLING = FileNotFoundError(errno.ENOENT, "a link to what is not there")
_NO_FOLDER = NotADirectoryError(errno.ENOTDIR, "a file where a folder is expected")
_NO_FILE = IsADirectoryError(errno.EISDIR, "a folder where a file is expected")
_NEITHER = (
    (stat.S_ISFIFO, "a named pipe, and no file"),
    (stat.S_ISSOCK, "a socket, and no file"),
    (stat.S_ISBLK, "a device, and no file"),
    (stat.S_ISCHR, "a device, and no file"),
)


def _file_or_why(path: str, status: os.stat_result) -> Entry | OSError:
    """Return a file's entry, or why it is none."""
    if stat.S_ISREG(status.st_mode):
        return _entry_of(path, status)
    if stat.S_ISDIR(status.st_mode):
        return _NO_FILE
    what = next((what for is_it, what in _NEITHER if is_it(status.st_mode)), "no file")
    return OSError(errno.EINVAL, what)


def _entry_of(path: str, status: os.stat_result) -> Entry:
    # A rename into place changes the inode, a write in place the time.
    stamp = f"{status.st_mtime_ns:x}-{status.st_size:x}-{status.st_ino:x}"
    modified = datetime.fromtimestamp(status.st_mtime, UTC)
    return Entry(path, status.st_size, modified, stamp, status.st_ctime_ns)


@contextmanager
def _held(path_of: Callable[[], str], mode: Literal["xb", "ab"]) -> Generator[tuple[str, BinaryIO]]:
    """Open a file that nobody else holds meanwhile; gone afterwards if it was not given another name."""
    while True:
        path = path_of()
        with open(path, mode) as stream:
            _lock(stream.fileno(), wait=True)
            if not os.fstat(stream.fileno()).st_nlink:
                continue  # another process has removed it since it was opened
            try:
                yield path, stream
            finally:
                # First the name, then the lock: nobody sees it abandoned in between.
                with suppress(FileNotFoundError):
                    os.unlink(path)
            return


def _clear_abandoned(folder: str) -> None:
    """Remove what killed writers left: files that nobody holds a lock on."""
    with os.scandir(folder) as found:
        names = [item.path for item in found if not item.name.endswith(_TREE)]
    for path in names:
        with suppress(FileNotFoundError), open(path, "rb") as stream:
            if _lock(stream.fileno(), wait=False):
                shutil.rmtree(path + _TREE, ignore_errors=True)
                with suppress(FileNotFoundError):
                    os.unlink(path)


def _lock(handle: int, *, wait: bool) -> bool:
    """Lock an open file; the system lets go of it however the process ends."""
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return False
        raise
    return True


def _make_folder(folder: str) -> None:
    """Make a folder; its name, too, must outlast a power cut."""
    if os.path.isdir(folder):
        return
    parent = os.path.dirname(folder)
    if parent != folder:
        _make_folder(parent)
    with suppress(FileExistsError):
        os.mkdir(folder)
    put_on_the_disk(parent)


def put_on_the_disk(path: str | os.PathLike[str]) -> None:
    """Wait until a file's content is on the disk, or, of a folder, the names in it."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
