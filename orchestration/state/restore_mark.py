"""The mark of a restore under way: while it is in a data directory, nobody works on that.

Belongs here: the mark, and refusing. Does not belong here: the restore (`operations.backup`).
"""

import json
import os
from pathlib import Path

from orchestration.areas.local import put_on_the_disk

_MARK = "restoring.json"


class HalfRestored(Exception):
    """A restore did not end, so that the data directory holds a part of a backup."""


def begin_restore(data_dir: Path, folder: Path, name: str) -> None:
    """Mark a data directory as one into which a backup is restored; it is on the disk on return."""
    data_dir.mkdir(parents=True, exist_ok=True)
    partial = data_dir / f"{_MARK}.partial"
    with partial.open("w") as opened:
        json.dump({"folder": str(folder), "backup": name}, opened)
        opened.flush()
        os.fsync(opened.fileno())
    partial.replace(data_dir / _MARK)
    put_on_the_disk(data_dir)


def end_restore(data_dir: Path) -> None:
    """Take the mark away: everything is in its place, and on the disk."""
    os.sync()
    (data_dir / _MARK).unlink()
    put_on_the_disk(data_dir)


def restore_begun(data_dir: Path) -> tuple[str, str] | None:
    """Return folder and name of the backup whose restore did not end; None without one."""
    try:
        said = json.loads((data_dir / _MARK).read_text())
        return str(said["folder"]), str(said["backup"])
    except FileNotFoundError:
        return None


def require_whole(data_dir: Path) -> None:
    """Raise where a restore did not end.

    Raises:
        HalfRestored: it did not.
    """
    begun = restore_begun(data_dir)
    if begun is not None:
        folder, name = begun
        raise HalfRestored(
            f"{data_dir} holds a part of the backup {name}, as its restore did not end; expected a whole one;"
            f" type `sluice restore {folder} --at {name}` again, with the options that it had"
        )
