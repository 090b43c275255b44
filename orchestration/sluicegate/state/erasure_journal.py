"""The journal of erasures: a file outside of the records and their backups, which a restore replays.

Whoever was forgotten after a backup was made would come back with it. So each erasure is written here first,
a line of JSON, and is on the disk before it goes into the records. A line holds salted digests, as they do,
and neither a value nor a reason, into which a person may have typed one. The file has an id, and a backup
notes which lines it knew, so that a journal which is another's, or was cut short, is told from the right one.

Belongs here: that file. Does not belong here: what an erasure does (`delivery.erasure`), and its replay
(`operations.backup`).
"""

import fcntl
import hashlib
import json
import os
import uuid
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from sluicegate.areas.local import put_on_the_disk
from sluicegate.codes import Coded
from sluicegate.state.moments import now
from sluicegate.state.records import ForgottenKey

_FORM = 1
_BEGINNING = "the erasures of a deployment"


class JournalError(Coded):
    """The journal of erasures cannot be read or written, or is another's."""


@dataclass(frozen=True)
class Mark:
    """How far a journal had come: its id, how many lines, and the SHA-256 of them."""

    id: str
    lines: int
    digest: str


@dataclass(frozen=True)
class Erasure:
    """One erased key as the journal knows it; `stage` is how far its erasure has come, as the records say."""

    export: str
    salt: str
    key_digest: str
    fields: str
    at: str
    stage: str
    found: int = 0


@dataclass(frozen=True)
class ErasureJournal:
    """The journal in a file, which is made when it is first written to."""

    file: Path

    @property
    def exists(self) -> bool:
        """Whether there is one."""
        return self.file.exists()

    def record(self, forgotten: ForgottenKey) -> None:
        """Write an erasure down; it is on the disk when this returns.

        Raises:
            JournalError: the file cannot be written, or holds something else.
        """
        at = (forgotten.forgotten_at or now()).isoformat()
        key, stage = forgotten.key_digest, forgotten.outcome
        line = _line(forgotten.export, forgotten.salt, key, forgotten.fields, at, stage, forgotten.found)
        self._append([line])

    def conclude(self, export: str, salt: str, found: int, stage: str) -> None:
        """Write down how far the erasures of a salt have come.

        Raises:
            JournalError: as of `record`.
        """
        self._append([{"export": export, "salt": salt, "found": found, "stage": stage}])

    def complete(self, known: Sequence[ForgottenKey]) -> Mark:
        """Write down what the records know and the journal does not, as of older code; return how far it is.

        Raises:
            JournalError: as of `record`.
        """
        held = {(item.export, item.salt, item.key_digest) for item in self.erasures()} if self.exists else ()
        for item in known:
            if (item.export, item.salt, item.key_digest) not in held:
                self.record(item)
        if not self.exists:
            self._append([])
        return self.mark()

    def take_over(self, other: "ErasureJournal") -> None:
        """Have all that another journal of the deployment knows; begin as its copy where there is none.

        Raises:
            JournalError: as of `record`, and of `erasures` for the other.
        """
        if not self.exists:
            with self._locked() as opened:
                opened.write(b"".join(line + b"\n" for line in other._lines()))
                opened.flush()
                os.fsync(opened.fileno())
            return
        known = {(item.export, item.salt, item.key_digest) for item in self.erasures()}
        new = [item for item in other.erasures() if (item.export, item.salt, item.key_digest) not in known]
        self._append([_line(i.export, i.salt, i.key_digest, i.fields, i.at, i.stage, i.found) for i in new])

    def erasures(self) -> list[Erasure]:
        """Return all erasures, oldest first, each as far as it has come.

        Raises:
            JournalError: the file is not there, cannot be read, or holds something else.
        """
        found: dict[tuple[str, str, str], dict[str, Any]] = {}
        for line in self._lines()[1:]:
            said = self._read(line)
            if "key" in said:
                found[(said["export"], said["salt"], said["key"])] = said
                continue
            for (export, salt, _), item in found.items():
                if (export, salt) == (said["export"], said["salt"]):
                    item |= {"found": said["found"], "stage": said["stage"]}
        return [
            Erasure(
                item["export"], item["salt"], item["key"], item["fields"], item["at"], item["stage"],
                int(item["found"]),
            )
            for item in found.values()
        ]  # fmt: skip

    def mark(self) -> Mark:
        """Return how far the journal has come.

        Raises:
            JournalError: as of `erasures`.
        """
        lines = self._lines()
        return Mark(self._id(lines[0]), len(lines), _digest(lines))

    def require_after(self, mark: Mark) -> None:
        """Raise unless this is the very journal that had come as far as a backup says, or has come farther.

        Raises:
            JournalError: it is another's, or was cut short.
        """
        lines = self._lines()
        same = self._id(lines[0]) == mark.id and _digest(lines[: mark.lines]) == mark.digest
        if not same or len(lines) < mark.lines:
            raise JournalError(
                "SLU-M011",
                f"{self.file} is not the journal of erasures that the backup knew, or was cut short; expected"
                f" one of the id {mark.id} with its first {mark.lines} lines as they were; name the right"
                " file in SLUICE_ERASURES_FILE",
            )

    # -- the file

    def _id(self, line: bytes) -> str:
        said = self._read(line)
        if said.get("journal") != _BEGINNING:
            raise JournalError(
                "SLU-M011",
                f"{self.file} is no journal of erasures; name the right file in SLUICE_ERASURES_FILE",
            )
        if said["form"] > _FORM:
            raise JournalError("SLU-M002", f"{self.file} was written by newer code; start that again")
        return str(said["id"])

    def _lines(self) -> list[bytes]:
        """Return the lines that are whole: the last may have been cut by a crash, and was never acted on."""
        try:
            whole = self.file.read_bytes()
        except OSError as error:
            raise JournalError(
                "SLU-M011",
                f"the journal of erasures {self.file} cannot be read: {error.strerror}; expected the file in"
                " which each erasure is written down; name it in SLUICE_ERASURES_FILE",
            ) from None
        lines = whole.split(b"\n")[:-1]
        if not lines:
            raise JournalError(
                "SLU-M011", f"the journal of erasures {self.file} is empty; put it back from a copy"
            )
        return lines

    def _read(self, line: bytes) -> dict[str, Any]:
        try:
            said = json.loads(line)
            return dict(said)
        except (ValueError, TypeError):
            raise JournalError(
                "SLU-M011",
                f"the journal of erasures {self.file} has a line that is no JSON; put it back from a copy",
            ) from None

    def _append(self, said: Sequence[dict[str, Any]]) -> None:
        with self._locked() as opened:
            opened.seek(0)
            whole = opened.read()
            end = whole.rfind(b"\n") + 1
            if end:
                self._id(whole[:end].split(b"\n")[0])
            else:
                first = {"journal": _BEGINNING, "form": _FORM, "id": uuid.uuid4().hex}
                said = [first, *said]
            opened.truncate(end)
            opened.seek(end)
            opened.write(b"".join(json.dumps(item).encode() + b"\n" for item in said))
            opened.flush()
            os.fsync(opened.fileno())

    @contextmanager
    def _locked(self) -> Generator[BinaryIO]:
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            new = not self.file.exists()
            descriptor = os.open(self.file, os.O_RDWR | os.O_CREAT, 0o600)
            with os.fdopen(descriptor, "r+b") as opened:
                fcntl.flock(opened, fcntl.LOCK_EX)
                yield opened
            if new:
                put_on_the_disk(self.file.parent)
        except OSError as error:
            raise JournalError(
                "SLU-M011",
                f"the journal of erasures {self.file} cannot be written: {error.strerror}, so nothing was"
                " erased; expected a place that outlives the data directory; name one in"
                " SLUICE_ERASURES_FILE",
            ) from None


def _line(export: str, salt: str, key: str, fields: str, at: str, stage: str, found: int) -> dict[str, Any]:
    said = {"export": export, "salt": salt, "key": key, "fields": fields}
    return said | {"at": at, "stage": stage, "found": found}


def _digest(lines: Sequence[bytes]) -> str:
    return hashlib.sha256(b"\n".join(lines)).hexdigest()
