"""What an environment says of itself: its file, written when all else is there, and whether it may be used.

Belongs here: the file, names, and the end of an environment's time. Does not belong here: making, building
and removing one.
"""

import getpass
import json
import re
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from orchestration.areas import Area
from orchestration.core.environments import MADE_FROM
from orchestration.core.settings import Settings
from orchestration.publishing.leases import clock_of, lease_of

# Without a point: what lies beside an environment is called after it, with an ending.
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,40}")
# There from the first moment on, so that a half of one is told from what somebody else has put there.
_BEGUN = f"{MADE_FROM}.partial"
OF_ONE = (MADE_FROM, _BEGUN)
_ODD = re.compile(r"[^a-z0-9]+")
# Of a deployment's settings what its environments have, too: nothing by which anything of its own is reached.
_SHARED = ("published_url", "azure_connection_string", "azure_account", "s3_endpoint_url", "load_memory")


class NotUsable(Exception):
    """An environment is not there, or may not be used; the message says what to type."""


@dataclass(frozen=True)
class Standing:
    """What the tables of an environment were made by, or a check was judged by: its meaning, and its code."""

    meaning: str
    code: str


@dataclass(frozen=True)
class Made:
    """An environment: what it was made from, for which days, and until when.

    `first` and `last` are days (UTC). `standing` is {table or check, as `meanings` names it: what is there};
    a table without a meaning is to be built.
    """

    name: str
    catalogue: str
    shelf: str
    lease: str
    holder: str
    project: str
    made_at: datetime
    expires_at: datetime
    first: date
    last: date
    standing: Mapping[str, Standing] = field(default_factory=dict[str, Standing])

    @property
    def days(self) -> int:
        """How many days it has."""
        return (self.last - self.first).days + 1

    def write(self, data_dir: Path) -> None:
        """Write the file, whole or not at all."""
        partial = data_dir / _BEGUN
        partial.write_text(json.dumps(asdict(self), default=str))
        partial.replace(data_dir / MADE_FROM)

    @classmethod
    def read(cls, data_dir: Path) -> "Made | None":
        """Return what a data directory's file says; None where it is none of an environment.

        Raises:
            NotUsable: the file is damaged.
        """
        days = (("made_at", datetime), ("expires_at", datetime), ("first", date), ("last", date))
        try:
            data: dict[str, Any] = json.loads((data_dir / MADE_FROM).read_text())
            for name, kind in days:
                data[name] = kind.fromisoformat(data[name])
            data["standing"] = {name: Standing(**item) for name, item in data["standing"].items()}
            known = {item.name for item in fields(cls)}  # newer code may say more
            return cls(**{name: value for name, value in data.items() if name in known})
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise NotUsable(
                f"environment `{data_dir.name}` may not be used any more: {data_dir / MADE_FROM} is damaged;"
                f" expected what `sluice env new` wrote; type `sluice env drop {data_dir.name}`"
            ) from None

    @classmethod
    def read_or_half(cls, data_dir: Path) -> "Made | None":
        """Return the same; None also where the file is damaged: what is left is to be removed."""
        with suppress(NotUsable):
            return cls.read(data_dir)
        return None


def begin(data_dir: Path) -> None:
    """Mark a new directory as an environment's, of which only half is there."""
    data_dir.mkdir(parents=True, exist_ok=True)
    (data_dir / _BEGUN).touch()


def is_one(data_dir: Path) -> bool:
    """Whether a directory is an environment's, or half of one: what is none is never removed.

    One that is empty is left of a removal where its lock lies beside it.
    """
    if data_dir.is_symlink() or not data_dir.is_dir() or _NAME.fullmatch(data_dir.name) is None:
        return False
    if any((data_dir / name).is_file() for name in OF_ONE):
        return True
    return lock_of(data_dir).exists() and not any(data_dir.iterdir())


def lock_of(data_dir: Path) -> Path:
    """Return the file that keeps two processes from working on one environment."""
    return data_dir.with_name(f"{data_dir.name}.lock")


def all_made(folder: Path) -> Iterator[tuple[Path, Made | None]]:
    """Yield each environment's data directory in a folder, by name, and its file: None of half of one."""
    for data_dir in sorted(folder.iterdir()) if folder.is_dir() else ():
        if is_one(data_dir):
            yield data_dir, Made.read_or_half(data_dir)


def require_usable(settings: Settings) -> None:
    """Raise where a data directory is that of an environment whose time has ended.

    Raises:
        NotUsable: it has; or its lease was ended, or is not on the shelf any more.
    """
    made = Made.read(settings.data_dir)
    if made is not None and (why := ended(made, settings)):
        raise NotUsable(
            f"environment `{made.name}` in {settings.data_dir} may not be used any more: {why}; expected one"
            f" that is in its time; type `sluice env drop {made.name}`, then `sluice env new {made.name}`"
        )


def require_made(settings: Settings) -> Made:
    """Return what an environment was made from.

    Raises:
        NotUsable: there is none in the data directory, or its time has ended.
    """
    made, name = Made.read(settings.data_dir), settings.data_dir.name
    if made is None:
        raise NotUsable(
            f"there is no environment `{name}` in {settings.environments_dir}; expected one of"
            f" {', '.join(made.name for _, made in all_made(settings.environments_dir) if made) or 'none'};"
            f" type `sluice env new {name}`"
        )
    require_usable(settings)
    return made


def ended(made: Made, settings: Settings) -> str:
    """Return why an environment's time has ended; "" while it has not. The shelf's lease decides."""
    area = Area(made.shelf, settings.storage_access)
    try:
        lease, moment = lease_of(area, made.lease), clock_of(area)
    except OSError:  # who cannot reach the shelf cannot read the tables either
        return _over(made.expires_at, datetime.now(UTC))
    if lease is None:
        return f"its lease is not on the shelf {made.shelf} any more"
    return lease.ended or _over(min(made.expires_at, lease.expires_at), moment)


def _over(expires_at: datetime, moment: datetime) -> str:
    return f"its time ended {expires_at:%Y-%m-%d %H:%M} UTC" if moment >= expires_at else ""


def checked_name(name: str) -> str:
    """Return a name.

    Raises:
        ValueError: no environment may have it.
    """
    if _NAME.fullmatch(name) is None:
        raise ValueError(
            f"`{name}` is no name of an environment; expected small letters, digits, `-` and `_`, 41 at most;"
            " name another"
        )
    return name


def usual_name(project_dir: Path) -> str:
    """Return what an environment is called if nobody says: who made it, and the branch of git, if any."""
    words = [getpass.getuser(), branch_of(project_dir)]
    return _ODD.sub("-", "-".join(word for word in words if word).lower()).strip("-")[:41] or "scratch"


def branch_of(project_dir: Path) -> str:
    """Return the branch of git that a directory is on; "" without git."""
    with suppress(OSError, subprocess.SubprocessError):
        asked = ["git", "-C", str(project_dir), "rev-parse", "--abbrev-ref", "HEAD"]
        told = subprocess.run(asked, capture_output=True, text=True, timeout=10, check=False)
        return told.stdout.strip() if told.returncode == 0 else ""
    return ""


def holder() -> str:
    """Return who makes an environment."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


def settings_of(settings: Settings, name: str) -> Settings:
    """Return the settings of an environment: of those that this process has only what reads the shelf.

    Nothing else is taken over: neither connections nor areas nor a state store that a shell may name.

    Raises:
        ValueError: no environment may be called so.
    """
    shared = {name: value for name in _SHARED if (value := getattr(settings, name)) is not None}
    return Settings.load(
        {"SLUICE_ENVIRONMENT": f"scratch:{name}"},
        project_dir=settings.project_dir,
        data_dir=settings.environments_dir / checked_name(name),
        environments_dir=settings.environments_dir,
        **shared,
    )
