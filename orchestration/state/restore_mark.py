"""The mark of a restore under way: while it is in a data directory, nobody works on that.

Belongs here: the mark, the lock of who restores, and refusing. Does not belong here: the restore
(`operations.backup`).
"""

import json
import os
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from orchestration.areas.local import put_on_the_disk

_MARK, _LOCK = "restoring.json", "restoring.lock"


class HalfRestored(Exception):
    """A restore did not end, so that the data directory holds a part of a backup."""


class RestoreUnderWay(Exception):
    """Another process restores into the same data directory."""


@dataclass(frozen=True)
class Begun:
    """A restore that did not end: of which backup in which folder, into which places.

    Those were empty when it began. What older code began says none: then it was all below the data directory
    that is known to be its own.
    """

    folder: str
    backup: str
    places: frozenset[str] | None


@contextmanager
def alone(data_dir: Path) -> Generator[None]:
    """Keep other restores away from a data directory; a process that dies lets them in.

    Raises:
        RestoreUnderWay: there is one.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    try:
        # The file stays, as the lock is the kernel's: who finds it and holds it is alone.
        with FileLock(data_dir / _LOCK, timeout=0, thread_local=False):
            yield
    except Timeout:
        raise RestoreUnderWay(
            f"another restore into {data_dir} is under way; expected one at a time; wait for its end"
        ) from None


def begin_restore(data_dir: Path, folder: Path, name: str, places: Iterable[str]) -> None:
    """Mark a data directory as one into which a backup is restored; it is on the disk on return."""
    data_dir.mkdir(parents=True, exist_ok=True)
    partial = data_dir / f"{_MARK}.partial"
    with partial.open("w") as opened:
        json.dump({"folder": str(folder), "backup": name, "places": sorted(places)}, opened)
        opened.flush()
        os.fsync(opened.fileno())
    partial.replace(data_dir / _MARK)
    put_on_the_disk(data_dir)


def end_restore(data_dir: Path) -> None:
    """Take the mark away: everything is in its place, and on the disk."""
    os.sync()
    (data_dir / _MARK).unlink()
    put_on_the_disk(data_dir)


def restore_begun(data_dir: Path) -> Begun | None:
    """Return the restore that did not end; None without one."""
    try:
        said = json.loads((data_dir / _MARK).read_text())
    except FileNotFoundError:
        return None
    places = frozenset(said["places"]) if "places" in said else None
    return Begun(str(said["folder"]), str(said["backup"]), places)


def require_whole(data_dir: Path) -> None:
    """Raise where a restore did not end.

    Raises:
        HalfRestored: it did not.
    """
    begun = restore_begun(data_dir)
    if begun is not None:
        raise HalfRestored(
            f"{data_dir} holds a part of the backup {begun.backup}, as its restore did not end; expected a"
            f" whole one; type `sluice backup restore {begun.folder} --at {begun.backup}` again, with the"
            " options that it had"
        )
