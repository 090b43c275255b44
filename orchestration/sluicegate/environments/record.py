"""What an environment says of itself: its file, written when all else is there, and whether it may be used.

Belongs here: the file, names, and the end of an environment's time. Does not belong here: making, building
and removing one.
"""

import getpass
import json
import re
import socket
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

from sluicegate.areas import Area
from sluicegate.core.environments import FILE, MADE_FROM
from sluicegate.core.json_records import bytes_of, json_of, record_of
from sluicegate.core.settings import Settings
from sluicegate.publishing.leases import clock_of, lease_of

# Raised when other code could not read what this writes, or the other way round.
_FORM = 1
# Without a point: what lies beside an environment is called after it, with an ending.
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,40}")
# There from the first moment on, so that a half of one is told from what somebody else has put there.
_BEGUN = f"{MADE_FROM}.partial"
# What tells it from a copy stays as long.
OF_ONE = (MADE_FROM, _BEGUN, FILE)
_ODD = re.compile(r"[^a-z0-9]+")
# Of a deployment's settings what its environments have, too: nothing by which anything of its own is reached.
_SHARED = ("published_url", "azure_connection_string", "azure_account", "s3_endpoint_url", "load_memory")


class NotUsable(Exception):
    """An environment is not there, or may not be used; the message says what to type."""


class OtherForm(NotUsable):
    """Other code has made it."""


@dataclass(frozen=True)
class Made:
    """An environment: what it was made from, for which days, and until when.

    `first` and `last` are days (UTC). `standing` is what `meanings` said of the tables and checks that are
    there; a table without a meaning is to be built. `anchor` tells it from a copy, to which no lease belongs.
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
    standing: Mapping[str, str] = field(default_factory=dict[str, str])
    anchor: str = ""

    @property
    def days(self) -> int:
        """How many days it has."""
        return (self.last - self.first).days + 1

    def write(self, data_dir: Path) -> None:
        """Write the file, whole or not at all."""
        Area(str(data_dir)).write(MADE_FROM, [bytes_of({**json_of(self), "form": _FORM})])
        (data_dir / _BEGUN).unlink(missing_ok=True)

    @classmethod
    def read(cls, data_dir: Path) -> "Made | None":
        """Return what a data directory's file says; None where it is none of an environment, or half of one.

        Raises:
            OtherForm: other code has made it.
            NotUsable: the file is damaged.
        """
        content = Area(str(data_dir)).read(MADE_FROM)
        if content is None:
            return None
        name, form = data_dir.name, None
        with suppress(ValueError, AttributeError):
            said = json.loads(content)
            if (form := said.get("form")) == _FORM:
                return record_of(cls, said)
        if isinstance(form, int) and form != _FORM:
            raise OtherForm(
                f"{data_dir / MADE_FROM} has form {form}; expected {_FORM}: other code has made environment"
                f" `{name}`; type `sluice env drop {name}`, then `sluice env new {name}`"
            )
        raise NotUsable(
            f"environment `{name}` may not be used any more: {data_dir / MADE_FROM} is damaged; expected what"
            f" `sluice env new` wrote; type `sluice env drop {name}`"
        )

    @classmethod
    def read_or_half(cls, data_dir: Path) -> "Made | None":
        """Return the same; None also where the file is damaged: what is left is to be removed.

        Raises:
            OtherForm: other code has made it.
        """
        try:
            return cls.read(data_dir)
        except OtherForm:
            raise
        except NotUsable:
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
    if any((data_dir / name).is_file() for name in (MADE_FROM, _BEGUN)):
        return True
    return lock_of(data_dir).exists() and not any(data_dir.iterdir())


def lock_of(data_dir: Path) -> Path:
    """Return the file that keeps two processes from working on one environment."""
    return data_dir.with_name(f"{data_dir.name}.lock")


def data_dirs(settings: Settings) -> list[Path]:
    """Return the data directories of all environments that are made here, by name, and of halves of some."""
    folder = settings.environments_dir
    return [path for path in sorted(folder.iterdir()) if is_one(path)] if folder.is_dir() else []


def none_of_this_name(settings: Settings, name: str) -> NotUsable:
    """Return what to say where there is no such environment."""
    known = ", ".join(path.name for path in data_dirs(settings)) or "none"
    return NotUsable(
        f"there is no environment `{name}` in {settings.environments_dir}; expected one of {known}; type"
        f" `sluice env new {name}`"
    )


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
    made = Made.read(settings.data_dir)
    if made is None:
        raise none_of_this_name(settings, settings.data_dir.name)
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
        return subprocess.run(asked, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
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
