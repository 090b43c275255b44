"""The files that dbt parses, and whether they are still what they were."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from orchestration.settings import SHARED_DBT_MACROS, Settings

_SKIPPED_FOLDERS = {"target", "logs", "dbt_packages", "__pycache__"}


def stamp_of(settings: Settings) -> str:
    """Return a digest of the names, sizes and times of everything that dbt parses of a deployment."""
    digest = hashlib.sha256(str(settings.project_dir).encode())
    for root in (settings.dbt_dir, SHARED_DBT_MACROS):
        for path in sorted(_files(root)):
            status = path.stat()
            digest.update(f"{path}:{status.st_size}:{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.is_dir():
            if path.name not in _SKIPPED_FOLDERS:
                yield from _files(path)
        elif path.name != ".user.yml":
            yield path
