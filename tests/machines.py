"""Other machines, as far as one machine can have them: a PID namespace of its own, a clock that is wrong.

Belongs here: starting processes there. Does not: what they do, and any expectation.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pytest

NAMESPACE = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
# What a process reads of the machine's clock, moved by SHIFT seconds; the clock since boot is as it is.
_SHIFTED = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
static long shift(void) { return atol(getenv("SHIFT")); }
int clock_gettime(clockid_t id, struct timespec *t) {
    int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
    int r = real(id, t);
    if (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE) t->tv_sec += shift();
    return r;
}
time_t time(time_t *t) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (t) *t = now.tv_sec;
    return now.tv_sec;
}
int gettimeofday(struct timeval *t, void *zone) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    t->tv_sec = now.tv_sec;
    t->tv_usec = now.tv_nsec / 1000;
    return 0;
}
"""


def elsewhere(command: Sequence[str]) -> list[str]:
    """Return the command that runs another in a PID namespace of its own: a machine with its own init."""
    if not _has_namespaces():
        pytest.skip("this machine gives no PID namespace (`unshare --pid`): two machines are not tried")
    return [*NAMESPACE, *command]


def with_clock(seconds: int) -> dict[str, str]:
    """Return the environment in which a process reads a clock that is so many seconds ahead."""
    library = _shifted_clock()
    if library is None:
        pytest.skip("this machine has no C compiler: clocks that differ are not tried")
    return os.environ | {"LD_PRELOAD": str(library), "SHIFT": str(seconds)}


@cache
def _has_namespaces() -> bool:
    if shutil.which(NAMESPACE[0]) is None:
        return False
    return subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode == 0


@cache
def _shifted_clock() -> Path | None:
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        return None
    folder = Path(mkdtemp(prefix="sluice_clock_"))
    source, library = folder / "shifted.c", folder / "shifted.so"
    source.write_text(_SHIFTED)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return library
