"""Moves to the cold tier that are killed at each of their steps in turn.

`python -m tests.storage.killed_moves TEMPLATE OUT` copies the data directory TEMPLATE to OUT/0, OUT/1, …; in
OUT/n a process starts to move and kills itself before it changes storage for the n-th time. The last one gets
through. Belongs here: making these directories. Does not: any expectation.
"""

import dataclasses
import itertools
import os
import shutil
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

from sluicegate.contracts.load import load_contracts
from sluicegate.contracts.model import SourceContract
from sluicegate.core.settings import REPOSITORY, Settings
from sluicegate.operations.retention import move_to_cold
from sluicegate.state.deployment import Deployment

AFTER_DAYS = 30
LATER = datetime(2100, 1, 1, tzinfo=UTC)
# What changes storage, as Python's audit events name it.
STEPS = ("os.mkdir", "os.link", "os.rename", "os.remove", "os.rmdir", "shutil.rmtree")


def sales() -> SourceContract:
    """The demo company's sales, whose originals go cold."""
    contracts, problems = load_contracts(REPOSITORY)
    assert not problems
    return dataclasses.replace(contracts["sales"], cold_after_days=AFTER_DAYS)


def deployment_in(data_dir: Path) -> Deployment:
    """A deployment with a cold tier, all of it below one directory."""
    return Deployment(Settings.load({"SLUICE_COLD_URL": str(data_dir / "cold")}, data_dir=data_dir))


def move_until_killed(data_dir: Path, steps: int, contract: SourceContract) -> None:
    """Move, and be killed before one step too many."""
    left = itertools.count(steps, -1)

    def count(event: str, _: object) -> None:
        if event in STEPS and next(left) == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    move_to_cold(deployment_in(data_dir), [contract], LATER)


def main(template: Path, out: Path) -> None:
    """Make the directories."""
    contract = sales()
    for steps in itertools.count():
        data_dir = out / str(steps)
        shutil.copytree(template, data_dir)
        child = os.fork()
        if child == 0:
            move_until_killed(data_dir, steps, contract)
            os._exit(0)
        if os.waitpid(child, 0)[1] == 0:
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
