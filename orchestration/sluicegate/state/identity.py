"""Which deployment a data directory is, and whether it is that or a copy of it.

The records have one row: what it is, its epoch, and the anchor. The anchor tells the data directory's own
file (`core.environments.FILE`) from every copy: by its inode and the moment of its birth, which no copy can
take along, and by the machine. So it outlasts a reboot, a rename and an upgrade, and no `cp -a`, rsync or
tar, and no other volume at the same path. What is copied block by block, on one machine, it cannot tell.

Belongs here: the row, and the anchor. Does not belong here: who may send (`adoption`).
"""

import ctypes
import hashlib
import json
import os
import secrets
import socket
import struct
import sys
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.exc import IntegrityError

from sluicegate.areas import Area
from sluicegate.core.environments import FILE, Declared, Environment
from sluicegate.state import schema
from sluicegate.state.moments import now
from sluicegate.state.rows import changed, record_of, values_of

_MACHINE = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))
# Of linux/stat.h: statx's mask of the birth, and where it stands in the answer (seconds, nanoseconds).
_AT_FDCWD, _STATX_BTIME, _BORN = -100, 0x800, 80
# What older code made has these, where anything has happened in it.
_ANY_RECORD = (schema.drops, schema.builds, schema.evidence, schema.deliveries, schema.forgotten_keys)


@dataclass(frozen=True)
class Identity:
    """What a data directory is, as its records say.

    `kind` is None where older code made it and nobody has said yet; such a one has no id, and epoch 0.
    `holder` is random, and another for each epoch. `place` is where it was last seen, `host:path`, `said` why
    it was made or adopted.
    """

    id: str = ""
    kind: Environment | None = None
    name: str = ""
    epoch: int = 0
    holder: str = ""
    anchor: str = ""
    place: str = ""
    made_at: datetime | None = None
    said: str = ""

    @property
    def declared(self) -> Declared | None:
        """Its kind and name."""
        return Declared(self.kind, self.name) if self.kind else None

    @property
    def path(self) -> Path:
        """Where it was last seen, on the machine where that was."""
        return Path(self.place.partition(":")[2])

    def __str__(self) -> str:
        made = f", made {self.made_at:%Y-%m-%d}" if self.made_at else ""
        return f"`{self.declared}` ({self.id[:8]}{made} on {self.place})"

    def next(self, data_dir: Path, said: str, after: int = 0) -> "Identity":
        """Return the same at an epoch later than its own and `after`, with a new holder and anchor."""
        epoch = max(self.epoch, after) + 1
        raised = replace(self, epoch=epoch, holder=secrets.token_hex(16), place=place_of(data_dir), said=said)
        return replace(raised, anchor=drop_anchor(data_dir, raised))


def place_of(data_dir: Path) -> str:
    """Return where a data directory is, for people and for `Identity.place`."""
    return f"{socket.gethostname()}:{data_dir}"


def drop_anchor(data_dir: Path, identity: Identity, *, anew: bool = True) -> str:
    """Write the own file of a data directory, and return its anchor; not `anew`: one that is there stays."""
    data_dir.mkdir(parents=True, exist_ok=True)
    if anew:
        (data_dir / FILE).unlink(missing_ok=True)
    said = {"id": identity.id, "environment": str(identity.declared)}
    with suppress(FileExistsError):
        Area(str(data_dir)).create(FILE, [json.dumps(said).encode()])
    return anchor_of(data_dir)


def anchor_of(data_dir: Path) -> str:
    """Return what tells this very directory from its copies; "" where it has no file of its own."""
    return mark_of(data_dir / FILE, born=False)


def mark_of(file: Path, *, born: bool = True) -> str:
    """Return what tells a file or a folder from all others, whatever path leads to it; "" where nothing does.

    `born`: the system has to tell its birth, as numbers alone may be those of another disk's.
    """
    try:
        found = file.stat()
    except OSError:
        return ""
    birth = _birth(file, found)
    if born and not birth:
        return ""
    machine = next((path.read_text().strip() for path in _MACHINE if path.exists()), "")
    return hashlib.sha256(f"sluice {machine} {found.st_ino} {birth}".encode()).hexdigest()[:32]


def is_at(identity: Identity, data_dir: Path) -> bool:
    """Whether a data directory is the very one of the records; one whose files are links to its is not."""
    return identity.anchor == anchor_of(data_dir) and not is_beside(identity, data_dir)


def is_beside(identity: Identity, data_dir: Path) -> bool:
    """Whether the data directory of the records is still at its place, and that is not this one."""
    there = identity.path
    return anchor_of(there) == identity.anchor != "" and not there.samefile(data_dir)


def retired(data_dir: Path) -> str:
    """Return why a data directory was retired; "" where it was not."""
    with suppress(OSError, ValueError):
        return str(json.loads((data_dir / FILE).read_text()).get("retired", ""))
    return ""


def retire(data_dir: Path, reason: str) -> None:
    """Write down that nothing is sent from a data directory any more; its anchor stays as it is."""
    file = data_dir / FILE
    text = json.dumps(json.loads(file.read_text()) | {"retired": reason})
    with file.open("r+") as opened:
        opened.write(text)
        opened.truncate()
        opened.flush()
        os.fsync(opened.fileno())


def _birth(file: Path, found: os.stat_result) -> str:
    """Return the moment of a file's birth; "" where the system does not tell."""
    if not sys.platform.startswith("linux"):
        return str(getattr(found, "st_birthtime", ""))
    # Python has no statx for Linux before 3.15.
    call, answer = getattr(ctypes.CDLL(None), "statx", None), ctypes.create_string_buffer(256)
    if call is None or call(_AT_FDCWD, os.fsencode(file), 0, _STATX_BTIME, answer) != 0:
        return ""
    known = struct.unpack_from("I", answer.raw, 0)[0] & _STATX_BTIME
    return "{}.{}".format(*struct.unpack_from("qI", answer.raw, _BORN)) if known else ""


class Identities:
    """The one row of a state store."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def read(self) -> Identity | None:
        """Return it as it is now; None where there is none."""
        with self._engine.connect() as connection:
            row = connection.execute(sa.select(schema.deployment)).mappings().first()
        return record_of(Identity, row, kind=Environment(row["kind"])) if row is not None else None

    def is_new(self) -> bool:
        """Whether nothing has happened here yet."""
        with self._engine.connect() as connection:
            return not any(
                connection.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first()
                for table in _ANY_RECORD
            )

    def make(self, declared: Declared, data_dir: Path) -> Identity:
        """Put on record what a data directory is; return what is on record then: another may be quicker."""
        made = Identity(
            secrets.token_hex(16), declared.kind, declared.name, 1, secrets.token_hex(16),
            place=place_of(data_dir), made_at=now(),
        )  # fmt: skip
        made = replace(made, anchor=drop_anchor(data_dir, made, anew=False))
        with suppress(IntegrityError), self._engine.begin() as connection:
            connection.execute(
                sa.insert(schema.deployment).values(values_of(made, schema.deployment, id=made.id))
            )
        found = self.read()
        assert found is not None
        return found

    def change(self, before: Identity, after: Identity) -> bool:
        """Put what has changed on record; return whether it was still as it was read."""
        table = schema.deployment
        same = (table.c.epoch == before.epoch, table.c.holder == before.holder)
        with self._engine.begin() as connection:
            return changed(connection, table, *same, **values_of(after, table, id=after.id)) == 1

    def restored(self, data_dir: Path, said: str) -> None:
        """Raise the epoch of what came from a backup: whoever it was a backup of is an older holder now.

        Beside an original that is still seen, and was not retired, it is a copy as any other.
        """
        found = self.read()
        if found is None:
            return
        if is_beside(found, data_dir) and not retired(found.path):
            drop_anchor(data_dir, found)
        else:
            self.change(found, found.next(data_dir, said))
