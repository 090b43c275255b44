"""kill -9 between any two files: a backup or a restore that dies before its n-th change of a folder.

Belongs here: the killing. Does not: any expectation.
"""

import itertools
import multiprocessing
import os
import signal
import sys
from pathlib import Path

from sluicegate.core.settings import Settings
from sluicegate.operations.backup.folder import Folder
from sluicegate.operations.backup.restoring import restore
from sluicegate.operations.backup.taking import take
from sluicegate.state.deployment import Deployment

# What changes a folder, as Python's audit events name it. A file that is written to has its name last.
STEPS = ("os.mkdir", "os.rename", "os.remove", "shutil.rmtree")
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.backup.killing", "duckdb"])
_ALL = 10_000


def killed_at(work: str, settings: Settings, folder: Path, step: int) -> bool:
    """Do a work ("take" or "restore") in a process that is killed before a step; return whether it was."""
    process = _FORKS.Process(target=_until_killed, args=(work, settings, folder, step, None))
    process.start()
    process.join(120)
    assert process.exitcode in (0, -signal.SIGKILL), process.exitcode
    return process.exitcode == -signal.SIGKILL


def steps_of(work: str, settings: Settings, folder: Path) -> int:
    """Do a work to its end in a process of its own, and return in how many steps."""
    counted = _FORKS.Queue()
    process = _FORKS.Process(target=_until_killed, args=(work, settings, folder, _ALL, counted))
    process.start()
    steps: int = counted.get(timeout=120)
    process.join(120)
    assert process.exitcode == 0
    return steps


def some_of(steps: int, wanted: int) -> list[int]:
    """Return so many of the steps, from the first to the last, evenly; all of them if there are no more."""
    if wanted >= steps:
        return list(range(steps))
    return sorted({round(number * (steps - 1) / (wanted - 1)) for number in range(wanted)})


def _until_killed(work: str, settings: Settings, folder: Path, step: int, counted: object) -> None:
    # What a command makes before: records that are there are opened, and brought up to date.
    deployment = Deployment(settings)
    if work == "take":
        _ = deployment.store
    passed = itertools.count()
    last = 0

    def count(event: str, _: object) -> None:
        nonlocal last
        if event in STEPS:
            last = next(passed)
            if last == step:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    where = Folder(folder)
    if work == "take":
        take(deployment, where, patience=60, say=_quiet)
        deployment.close()
    else:
        restore(settings, where, where.manifest(), none_since=None, say=_quiet)
    if counted is not None:
        counted.put(last + 1)  # pyright: ignore[reportAttributeAccessIssue]


def _quiet(_: str) -> None:
    pass
