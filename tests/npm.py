"""What the npm registry has and tests use: installed by a lock file, into the user's cache, at first use.

Belongs here: getting it. Does not: what it is, and what becomes of a test that it is not there for.
"""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from filelock import FileLock

_INSTALLED_BY = ("package.json", "package-lock.json", ".npmrc")


class NotHere(Exception):
    """It cannot be had on this machine; the message says why."""


def installed_by_npm(name: str, lock: Path) -> Path:
    """Return the folder in which a package is, by the lock file in a folder of ours.

    Raises:
        NotHere: node or npm is not there, or npm does not get it.
    """
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise NotHere(f"{name} needs node and npm, which are not on the PATH")
    wanted = hashlib.sha256(b"".join((lock / file).read_bytes() for file in _INSTALLED_BY)).hexdigest()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sluice"
    folder = cache / f"{name}-{wanted[:16]}"
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / f"{name}.lock"):
        if (folder / "installed").exists():
            return folder
        folder.mkdir(exist_ok=True)
        for file in _INSTALLED_BY:
            shutil.copy(lock / file, folder / file)
        told = subprocess.run(
            ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if told.returncode:
            raise NotHere(f"npm ci of {name} failed: {told.stderr.strip()[-500:]}")
        (folder / "installed").touch()
    return folder
