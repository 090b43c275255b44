"""Where tests keep their files: in memory, where the machine has plenty.

Tests kill processes and never the machine, so what they write need not reach a disk; waiting for one is a
tenth of their time. Belongs here: the choice of the place. Does not belong here: what lies there.
"""

import os
import shutil
from functools import cache
from pathlib import Path

import psutil

_MEMORY = Path("/dev/shm")  # Linux's; other systems have none
# Four processes of a whole run hold some 2 GB at once, and Postgres and the engines want theirs.
_ENOUGH_BYTES = 12 * 2**30


def keep_files_in_memory() -> None:
    """Have pytest make its temporary directories in memory, unless somebody says where they are to be."""
    if (memory := place_in_memory()) is not None:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(memory))


@cache
def place_in_memory() -> Path | None:
    """Return a folder whose files are in memory; None where there is none, or too little of it."""
    if not _MEMORY.is_dir() or not os.access(_MEMORY, os.W_OK):
        return None
    free = min(shutil.disk_usage(_MEMORY).free, psutil.virtual_memory().available)
    return _MEMORY if free >= _ENOUGH_BYTES else None
