"""Private directories for files that nobody may find afterwards, whoever was killed.

Belongs here: making, removing and clearing them. Does not belong here: what is written there.
"""

import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

import psutil


@contextmanager
def scratch_directory(folder: Path) -> Generator[Path]:
    """Yield a directory of its own within a folder; clear those that killed processes left behind."""
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.iterdir():
        owner = left.name.partition("-")[0]
        if owner.isdigit() and int(owner) != os.getpid() and not psutil.pid_exists(int(owner)):
            shutil.rmtree(left, ignore_errors=True)
    made = Path(mkdtemp(prefix=f"{os.getpid()}-", dir=folder))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
