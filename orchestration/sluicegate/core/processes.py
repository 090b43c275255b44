"""Which process of which machine: told from every other, and asked for whether it still works.

A number is not enough: it is another process's after a while, and in every PID namespace, as in every
container, there is a process 1. A process is known by the boot of its machine, its PID namespace, its number
and the moment at which it started. Where all of these can be compared, a process that is gone is seen at
once. Where they cannot, nobody here can tell, and nothing is said.

Linux tells all of it in `/proc`. Elsewhere (macOS, Windows) there are no PID namespaces: the host's name
stands for the machine, and psutil tells when a process started. Belongs here: that, and the one clock that
nobody sets. Does not belong here: what follows from a process being gone.
"""

import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

_PROC = Path("/proc")
# In /proc/<number>/stat, counted from the state, which is the first field after the name.
_STATE, _STARTED = 0, 19
_ENDED = ("Z", "X", "x")
# Elsewhere than in /proc the start is a time of the machine's clock, and that is corrected now and then.
_CLOCK_SLACK_SECONDS = 2.0
# What a process says of its start that is there and does not tell.
_UNKNOWN = "unknown"


@dataclass(frozen=True)
class Process:
    """One process, as it can be told from all others.

    Attributes:
        host: the machine's name, for people; two machines or containers may have one.
        boot: which boot of which machine, and which of its clocks `boot_seconds` reads; "" if unknown.
        namespace: the PID namespace; "" if unknown.
        number: the process's number in it.
        started: when it started, as the system counts; "" if unknown.
    """

    host: str
    boot: str
    namespace: str
    number: int
    started: str

    @property
    def place(self) -> str:
        """Where numbers of processes mean the same; "" if unknown."""
        return f"{self.boot} {self.namespace}" if self.boot and self.namespace else ""

    def is_gone(self) -> bool:
        """Whether it has ended for certain; False also where this process cannot tell."""
        here = this_process()
        if not self.started or not self.place or (self.host, self.place) != (here.host, here.place):
            return False
        found = _started(self.number)
        if found == _UNKNOWN:
            return False
        return not found or abs(float(found) - float(self.started)) > _slack_seconds()

    def __str__(self) -> str:
        return f"process {self.number} on {self.host}"


def this_process() -> Process:
    """Return this process."""
    return process_of(os.getpid())


def process_of(number: int) -> Process:
    """Return the process that has a number here, in this one's PID namespace, now."""
    host = socket.gethostname()
    if not _PROC.joinpath("self").exists():
        return Process(host, f"host {host}", "none", number, _started(number))
    try:
        # Where /proc is that of another namespace, its numbers are not ours.
        if _PROC.joinpath("self").readlink().name != str(os.getpid()):
            return Process(host, "", "", number, "")
        boot = _PROC.joinpath("sys/kernel/random/boot_id").read_text().strip()
        namespace = os.readlink(_PROC / "self/ns/pid")
    except OSError:
        return Process(host, "", "", number, "")
    try:
        clock = os.readlink(_PROC / "self/ns/time")
    except OSError:  # older kernels have one clock
        clock = ""
    return Process(host, f"{boot} {clock}".strip(), namespace, number, _started(number))


def boot_seconds() -> float:
    """Return the seconds of a clock that nobody sets, and that goes on while a process or machine is stopped.

    Processes whose `Process.boot` is the same read the same.
    """
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


def _tells_all() -> bool:
    return _PROC.joinpath("self").exists()


def _slack_seconds() -> float:
    return 0 if _tells_all() else _CLOCK_SLACK_SECONDS


def _started(number: int) -> str:
    """Return when the process of a number started; "" if there is none, or one that has ended."""
    if not _tells_all():
        return _started_by_psutil(number)
    try:
        stat = _PROC.joinpath(str(number), "stat").read_text(errors="replace")
    except OSError:
        # Hidden, it may be: `hidepid` shows only one's own processes.
        return _UNKNOWN if _exists(number) else ""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[_STATE] in _ENDED else fields[_STARTED]


def _exists(number: int) -> bool:
    """Whether there is a process, of whomever; psutil asks /proc as well, from which it may be hidden."""
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _started_by_psutil(number: int) -> str:
    try:
        process = psutil.Process(number)
        if process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
            return ""
        return str(process.create_time())
    except psutil.NoSuchProcess:
        return ""
    except psutil.AccessDenied:
        return _UNKNOWN
