"""Private directories for files that nobody may find afterwards, whoever was killed.

Each has a file beside it that its process keeps locked. The machine lets go of a lock when a process ends,
however it does; so what nobody has locked is nobody's, in whichever container or boot its process was. A
process's number would not tell that. Belongs here: making, removing and clearing them. Does not belong here:
what is written there.
"""

import shutil
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import psutil
from filelock import FileLock, Timeout

_LOCK = ".lock"


@contextmanager
def scratch_directory(folder: Path) -> Generator[Path]:
    """Yield a directory of its own within a folder; clear those that killed processes left behind."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in {left.name.removesuffix(_LOCK) for left in folder.iterdir()}:
        _clear(folder / name)
    made = folder / uuid4().hex
    with FileLock(_lock_of(made), thread_local=False):
        made.mkdir(mode=0o700)
        try:
            yield made
        finally:
            _remove(made)


def _clear(left: Path) -> None:
    """Remove a directory whose process has ended."""
    owner = left.name.partition("-")[0]
    # Older code locked nothing, and named a directory by its process's number.
    if not _lock_of(left).exists() and (not owner.isdigit() or psutil.pid_exists(int(owner))):
        return
    with suppress(Timeout), FileLock(_lock_of(left), blocking=False, thread_local=False):
        _remove(left)


def _remove(directory: Path) -> None:
    """Remove a directory, and its lock while that is held: who waits for it makes another."""
    shutil.rmtree(directory, ignore_errors=True)
    if not directory.exists():
        with suppress(OSError):  # Windows removes no file that is open
            _lock_of(directory).unlink()


def _lock_of(directory: Path) -> Path:
    return directory.with_name(directory.name + _LOCK)
