"""Requests of one account at a vendor, counted by all exports and processes of a machine together.

Belongs here: which account a connection is of, and the file in which its requests' moments stand. Does not:
how many may go and when (`pace`).

A vendor counts what an app or a key asks, whoever asks it. So each account has a file, locked for the moment
in which a turn is taken: some 64 bytes of head, then 8 a request that still counts. A process that dies
holding the lock gives it back by dying; one that dies in the midst of a request leaves a moment that stops
counting by itself. Moments are those of the machine's own clock since it was started, which all its processes
share; after another start nothing counts any more. Nothing waits for the disk.
"""

import fcntl
import hashlib
import os
import secrets
import struct
from array import array
from collections.abc import Generator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from time import monotonic, sleep

_HEAD = struct.Struct("<8s36s4xdd")
_MAGIC = b"sluice01"
_SALT = "salt"
_SALT_BYTES = 32
# As long is a lock tried for that others hold for microseconds; whoever stands still with it holds nobody up.
_LOCK_SECONDS = 0.2
_LOCK_PAUSE_SECONDS = 0.001
_NEVER = float("-inf")


def account_file(folder: Path, account: str) -> Path:
    """The file of an account, of which nothing can be read from its name.

    Args:
        folder: where accounts' files are.
        account: what tells it from others, credentials and all.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = hashlib.blake2b(account.encode(), key=_salt(folder), digest_size=16).hexdigest()
    return folder / f"{name}.moments"


def _salt(folder: Path) -> bytes:
    """A secret of the folder's own, so that a weak credential cannot be guessed from a name."""
    at = folder / _SALT
    for _ in range(2):
        with suppress(FileNotFoundError):
            found = at.read_bytes()
            if len(found) == _SALT_BYTES:
                return found
        made = folder / f"{_SALT}.{os.getpid()}.{secrets.token_hex(4)}"
        made.touch(mode=0o600)
        made.write_bytes(secrets.token_bytes(_SALT_BYTES))
        # Whole or not at all, and the first one stays.
        with suppress(FileExistsError):
            os.link(made, at)
        made.unlink()
    return at.read_bytes()


@cache
def _boot() -> bytes:
    """What tells this start of the machine from others; nothing where the system does not say."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_bytes().strip()[:36]
    return b""


class Account:
    """The moments of one account's requests.

    A moment is the latest at which a request has reached the vendor, as far as is known: it counts from then
    on for as long as the vendor's window is.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def __del__(self) -> None:
        with suppress(OSError, AttributeError):
            os.close(self._file)

    def claim(self, now: float, counts_from: float, requests: int, seconds: float) -> tuple[float, int]:
        """Take a turn if one is free.

        Args:
            now: the moment.
            counts_from: the moment that the request is counted from until more is known.
            requests: that may count at once.
            seconds: for which each counts.

        Returns:
            The moment from which a turn is free, as far as is known, and the turn's place; -1: not taken.
        """
        with self._locked() as held:
            if not held:
                return now + _LOCK_SECONDS, -1
            longest, paused, moments = self._read()
            if paused > now:
                return paused, -1
            ends = sorted(end for moment in moments if (end := moment + seconds) > now)
            if len(ends) >= requests:
                return ends[len(ends) - requests], -1
            longest = max(longest, seconds)
            over = now - longest
            place = next((at for at, moment in enumerate(moments) if moment <= over), len(moments))
            self._write_head(longest, paused)
            os.pwrite(self._file, struct.pack("<d", counts_from), _HEAD.size + 8 * place)
            return now, place

    def settle(self, place: int, claimed: float, counts_from: float) -> None:
        """Say from when on a request counts that was claimed to count from another moment."""
        with self._locked() as held:
            at = _HEAD.size + 8 * place
            # Its place may be another's by now, or of another start.
            if held and os.pread(self._file, 8, at) == struct.pack("<d", claimed):
                os.pwrite(self._file, struct.pack("<d", counts_from), at)

    def pause(self, until: float) -> None:
        """Let nobody have a turn before a moment."""
        with self._locked() as held:
            if held:
                longest, paused, _ = self._read()
                self._write_head(longest, max(paused, until))

    def free(self, now: float, requests: int, seconds: float) -> float:
        """The moment from which a turn is free, as far as is known."""
        with self._locked():
            _, paused, moments = self._read()
        ends = sorted(end for moment in moments if (end := moment + seconds) > now)
        return max(paused, ends[len(ends) - requests] if len(ends) >= requests else _NEVER)

    def _read(self) -> tuple[float, float, "array[float]"]:
        content = os.pread(self._file, os.fstat(self._file).st_size, 0)
        moments = array("d")
        if len(content) >= _HEAD.size:
            magic, boot, longest, paused = _HEAD.unpack_from(content)
            if (magic, boot.rstrip(b"\0")) == (_MAGIC, _boot()):
                whole = len(content) - (len(content) - _HEAD.size) % 8
                moments.frombytes(content[_HEAD.size : whole])
                return longest, paused, moments
        os.ftruncate(self._file, 0)
        self._write_head(0.0, _NEVER)
        return 0.0, _NEVER, moments

    def _write_head(self, longest: float, paused: float) -> None:
        os.pwrite(self._file, _HEAD.pack(_MAGIC, _boot(), longest, paused), 0)

    @contextmanager
    def _locked(self) -> Generator[bool]:
        """Hold the file; False where somebody stands still with it."""
        until = monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if monotonic() > until:
                    yield False
                    return
                sleep(_LOCK_PAUSE_SECONDS)
        try:
            yield True
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)
