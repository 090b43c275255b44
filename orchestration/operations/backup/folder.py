"""A folder of backups: contents by their digests, and a folder of its own for each backup's `backup.json`.

    objects/ab/abcd…                        a file's content, by its SHA-256: once for all that have it
    objects/ab/abcd….damaged                a note: this content is not as it was written, and is copied anew
    20261129T223000.123456Z/backup.json     what belongs to a backup; written last: there is one once all is

Belongs here: that layout, and writing so that a crash at any moment leaves no backup that is not whole. Does
not belong here: what is backed up.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from orchestration.areas.local import put_on_the_disk

FORM = 1
_MANIFEST, _OBJECTS, _PARTIAL, _LOCK = "backup.json", "objects", ".partial", ".lock"
_DAMAGED = ".damaged"
_NAME = "%Y%m%dT%H%M%S.%fZ"
_CHUNK_BYTES = 1 << 20


class BackupError(Exception):
    """What is wrong with a backup, what was expected, and what to do."""


@dataclass(frozen=True)
class File:
    """One file of a backup: its `part` and its path within that, and its content.

    `changed` is its time of change in nanoseconds where it was copied, by which the next backup knows it.
    """

    part: str
    path: str
    digest: str
    size: int
    changed: int = 0


@dataclass(frozen=True)
class Manifest:
    """A backup: of which moment, by which code, and all of its files.

    `records` is on what the records were, `dagster` whether Dagster's storage is in it, `areas` which areas
    are. `erasures` is how far the journal of erasures had come. `notes` are what did not agree when it was
    taken.
    """

    name: str
    taken_at: datetime
    seconds: float
    quiet_seconds: float
    code: str
    records_form: int
    records: str
    dagster: bool
    areas: dict[str, bool]
    erasures: dict[str, Any]
    notes: list[str] = field(default_factory=list[str])
    files: list[File] = field(default_factory=list[File])

    @property
    def size(self) -> int:
        """The bytes of all files."""
        return sum(file.size for file in self.files)


@dataclass(frozen=True)
class Folder:
    """A folder of backups."""

    path: Path

    def require_fit(self, *not_within: Path) -> None:
        """Make the folder, or raise where it is something else, or lies in what it is to keep.

        Raises:
            BackupError: it does.
        """
        for other in not_within:
            if self.path.is_relative_to(other):
                raise BackupError(
                    f"{self.path} lies in {other}, and would be lost with it; expected a folder elsewhere, on"
                    " another disk if there is one"
                )
        known = {_OBJECTS, *(item.name for item in self.path.glob("*/" + _MANIFEST)), "lost+found"}
        strange = [
            item.name
            for item in (self.path.iterdir() if self.path.is_dir() else ())
            if item.name not in known and not _is_name(item.name)
        ]
        if strange:
            raise BackupError(
                f"{self.path} holds {strange[0]}, which no backup has; expected an empty folder, or one of"
                " backups; name another"
            )
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            # Whatever the data directory's rights are: here is everything, as it came.
            (self.path / _OBJECTS).mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise BackupError(f"{self.path} cannot be written: {error.strerror}; name another") from None

    def names(self) -> list[str]:
        """Return the names of the backups that are whole, oldest first."""
        return sorted(item.parent.name for item in self.path.glob(f"*/{_MANIFEST}"))

    def manifest(self, name: str | None = None) -> Manifest:
        """Return a backup, the newest without a name.

        Raises:
            BackupError: there is none of this name, or its manifest cannot be read.
        """
        names = self.names()
        if not names or (name is not None and name not in names):
            what = f"no backup `{name}` in {self.path}" if name else f"no backup in {self.path}"
            there = f"; there are {', '.join(names[-5:])}" if names else ""
            raise BackupError(f"{what}{there}; expected a folder that `sluice backup create` wrote")
        file = self.path / (name or names[-1]) / _MANIFEST
        try:
            said = json.loads(file.read_bytes())
            digest, form = said.pop("digest"), int(said["form"])
        except (OSError, ValueError, KeyError, AttributeError, TypeError):
            raise BackupError(
                f"{file} cannot be read; expected what `sluice backup create` wrote; take another"
            ) from None
        if form > FORM:
            raise BackupError(
                f"{file} is of form {form}, of newer code; expected {FORM} or older; start that"
            )
        if digest != _digest_of(said):
            raise BackupError(f"{file} is not as it was written; take another backup: `--at NAME` names it")
        said.pop("form")
        files = [File(*item) for item in said.pop("files")]
        said |= {"taken_at": datetime.fromisoformat(said["taken_at"]), "files": files}
        return Manifest(**said)

    def name_for(self, moment: datetime) -> str:
        """Return the name of a backup of a moment: after all that are there, though a clock was set back."""
        name = f"{moment:{_NAME}}"
        newest = max((item.name for item in self.path.glob("*") if _is_name(item.name)), default="")
        if name > newest:
            return name
        return f"{datetime.strptime(newest, _NAME) + timedelta(microseconds=1):{_NAME}}"

    def newest(self) -> Manifest | None:
        """Return the newest backup that can be read, None without one."""
        for name in reversed(self.names()):
            with suppress(BackupError):
                return self.manifest(name)
        return None

    def complete(self, manifest: Manifest) -> None:
        """Make a backup visible: all of its contents are there."""
        said = asdict(manifest) | {"form": FORM, "taken_at": manifest.taken_at.isoformat()}
        said["files"] = [list(asdict(file).values()) for file in manifest.files]
        folder = self.path / manifest.name
        folder.mkdir(exist_ok=True)
        text = json.dumps(said | {"digest": _digest_of(said)}, ensure_ascii=False, indent=1)
        partial = folder / f"{_MANIFEST}{_PARTIAL}"
        partial.write_text(text)
        put_on_the_disk(partial)
        partial.replace(folder / _MANIFEST)
        put_on_the_disk(folder)
        put_on_the_disk(self.path)

    @contextmanager
    def alone(self) -> Generator[None]:
        """Hold the folder: what a backup has copied, and no manifest names yet, another would clear.

        Raises:
            BackupError: another backup is being written to it.
        """
        try:
            with FileLock(self.path / _OBJECTS / _LOCK, timeout=0, thread_local=False):
                yield
        except Timeout:
            raise BackupError(
                f"no backup was made: another one is written to {self.path}; expected one backup at a time;"
                " type the same again once that has ended, or name another folder"
            ) from None

    # -- contents

    def object(self, digest: str) -> Path:
        """Return where a content is."""
        return self.path / _OBJECTS / digest[:2] / digest

    def has(self, file: File) -> bool:
        """Whether the content of a file is there, by its size, and nobody has found it damaged."""
        found = self.object(file.digest)
        return (
            found.is_file()
            and found.stat().st_size == file.size
            and not found.with_name(f"{found.name}{_DAMAGED}").exists()
        )

    def note(self, digest: str, *, damaged: bool) -> None:
        """Note whether a content is as it was written; one that is not stays until it is written anew."""
        content = self.object(digest)
        noted = content.with_name(f"{content.name}{_DAMAGED}")
        if damaged != noted.exists():
            with suppress(OSError):  # a folder that cannot be written is read as well
                noted.touch() if damaged else noted.unlink(missing_ok=True)

    def scratch(self, name: str) -> Path:
        """Return a place for what is not yet a content; what a crash leaves there goes with `tidy`."""
        folder = self.path / _OBJECTS / f"{os.getpid()}{_PARTIAL}"
        folder.mkdir(exist_ok=True)
        return folder / name

    def keep(self, source: Path) -> tuple[str, int]:
        """Copy a file's content; return its digest and size."""
        partial = self.scratch("content")
        digest, size = copied(source, partial)
        self._take(partial, digest)
        return digest, size

    def adopt(self, scratch: Path) -> tuple[str, int]:
        """Take a file of `scratch` as a content; return its digest and size."""
        digest, size = digest_of(scratch), scratch.stat().st_size
        self._take(scratch, digest)
        return digest, size

    def _take(self, partial: Path, digest: str) -> None:
        at = self.object(digest)
        at.parent.mkdir(exist_ok=True)
        put_on_the_disk(partial)
        # Over what is there: nobody knows whether that is whole still.
        partial.replace(at)
        at.with_name(f"{at.name}{_DAMAGED}").unlink(missing_ok=True)
        put_on_the_disk(at.parent)

    def clear_scratch(self) -> None:
        """Clear what this process has written and is no content."""
        shutil.rmtree(self.path / _OBJECTS / f"{os.getpid()}{_PARTIAL}", ignore_errors=True)

    def tidy(self, keep: int | None = None) -> list[str]:
        """Clear what crashed backups left; with `keep`, all but so many of the newest.

        Returns:
            Backups whose manifest cannot be read. As long as there are some no content is cleared: it may be
            theirs, and they are whole again once the manifest is put back.
        """
        names = self.names()
        gone = names[: len(names) - keep] if keep is not None and keep < len(names) else []
        for name in gone:
            (self.path / name / _MANIFEST).unlink()
        for item in self.path.iterdir():
            if _is_name(item.name) and not (item / _MANIFEST).exists():
                shutil.rmtree(item)
        for item in (self.path / _OBJECTS).glob(f"*{_PARTIAL}"):
            shutil.rmtree(item)
        wanted: set[str] = set()
        unreadable: list[str] = []
        for name in self.names():
            try:
                wanted |= {file.digest for file in self.manifest(name).files}
            except BackupError:
                unreadable.append(name)
        for item in () if unreadable else (self.path / _OBJECTS).glob("*/*"):
            if item.name.removesuffix(_DAMAGED) not in wanted:
                item.unlink()
        return unreadable


@contextmanager
def told(nothing: str, mend: str) -> Generator[None]:
    """Say what a disk or its rights do not let be done as an error that people can fix.

    Raises:
        BackupError: in the place of an error of the system, or of SQLite's that comes of one.
    """
    import sqlite3

    from sqlalchemy.exc import OperationalError

    try:
        yield
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        raise BackupError(f"{nothing}: {error.strerror or error}{where}; {mend}") from None
    except (sqlite3.OperationalError, OperationalError) as error:
        raise BackupError(f"{nothing}: {getattr(error, 'orig', None) or error}; {mend}") from None


def copied(source: Path, to: Path) -> tuple[str, int]:
    """Copy a file; return the SHA-256 and the size of what was copied."""
    sha, size = hashlib.sha256(), 0
    with source.open("rb") as reading, to.open("wb") as writing:
        while chunk := reading.read(_CHUNK_BYTES):
            sha.update(chunk)
            writing.write(chunk)
            size += len(chunk)
    return sha.hexdigest(), size


def digest_of(file: Path) -> str:
    """Return the SHA-256 of a file."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def files_below(root: Path, but: Iterable[str] = ()) -> list[Path]:
    """Return the files below a folder in order, without those in some of its folders, or half-written.

    What a link leads to is there as well: a folder may have been moved to a larger disk.
    """
    left_out = tuple(root / name for name in but)
    found: list[Path] = []
    seen: set[Path] = set()
    for folder, folders, names in os.walk(root, followlinks=True):
        here = Path(folder)
        seen.add(here.resolve())
        # A link that leads back to where it lies has no end.
        folders[:] = [
            name
            for name in folders
            if here / name not in left_out
            and not ((here / name).is_symlink() and (here / name).resolve() in seen)
        ]
        found += [here / name for name in names if not name.endswith(_PARTIAL)]
    return sorted(path for path in found if path.is_file())


def _digest_of(said: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _is_name(name: str) -> bool:
    try:
        datetime.strptime(name, _NAME)
    except ValueError:
        return False
    return True
