"""A deployment belongs to one account, which alone works on it; others are told so before anything is opened.

Belongs here: who may work on a data directory, as the file system has it. Does not belong here: which
deployment it is (`state.identity`).
"""

import os
from collections.abc import Iterator
from pathlib import Path

from sluicegate.core.settings import Settings, SettingsError


def require_own_account(settings: Settings) -> None:
    """Raise where this account cannot read and write what the deployment keeps.

    Raises:
        SettingsError: it cannot; the message names the path, its account, and what to type.
    """
    for path in _kept(settings):
        if os.access(path, os.R_OK | os.W_OK, effective_ids=os.access in os.supports_effective_ids):
            continue
        owner = _account(path)
        raise SettingsError(
            "SLU-C005",
            f"{path} belongs to the account `{owner}`, and this is `{_name(os.geteuid())}`; expected the"
            f" deployment's account, which alone works on it; type `sudo -u {owner} sluice …`, or look at the"
            " read-only UI (`sluice ui`) or at what is published, as docs/environments.md says",
        )


def _kept(settings: Settings) -> Iterator[Path]:
    """Yield what is there: the data directory, or the nearest above it; and what processes write in it."""
    folder = settings.data_dir
    while not _is_there(folder) and folder != folder.parent:
        folder = folder.parent
    yield folder
    inside = (settings.data_dir / "state.db", settings.dagster_home, settings.warehouse_path)
    yield from (path for path in inside if _is_there(path))


def _is_there(path: Path) -> bool:
    return os.path.lexists(path)  # False as well where the folder above may not be read


def _account(path: Path) -> str:
    return _name(path.stat().st_uid)


def _name(user: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)  # containers often have accounts without a name
